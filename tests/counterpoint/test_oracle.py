"""What an environment can complete under `strict_counterpoint` without a dead end is just what CP-SAT finds legal.

The oracle, `species_oracle`, states these hard rules anew; the others cannot be broken where rhythm masks let only notes begin:
first species: dissonant_attack, wide_apart, unison_inside, similar_to_perfect (with it parallel_fifths, parallel_octaves),
antiparallels, battuta, perfect_beginning, perfect_close, clausula_vera, raised_leading_tone, musica_ficta, chromatic_semitone,
unsung_interval, leaps_one_way, compass; second species: these and dissonance_by_step, dissonance_left_by_step, cambiata,
midbar_neighbour, short_note_repeated. Beside each exercise stands how many lines there are, as both say.
"""

from __future__ import annotations

import numpy as np
import pytest

from musicgym import StepChoice, Task
from musicgym.engine import Engine
from musicgym.pieces import Excerpts
from musicgym.rewards.forbid import Forbid
from musicgym.score import BLANK

STRICT = Forbid(("strict_counterpoint",))
Line = tuple[int, ...]  # a pitch for each step; 1000 more where it is held, -1 for a rest
HELD = 1000


def completed(cantus: Line, above: bool, key: str, low: int, high: int, rhythm: tuple[str, str, str]) -> set[Line]:
    """Breadth first: at every step all that masks, rhythm and hard rules leave open; what meets a dead end is dropped."""
    per_bar = len(rhythm[1].split())
    steps, added, given = per_bar * len(cantus), int(not above), int(above)
    task = Task(
        StepChoice(low, high),
        voices=2,
        length=steps,
        steps_per_quarter=per_bar / 4,
        meter=(4, 4),
        key=key,
        given=(given,),
        rhythm=rhythm,
    )
    page = Task.material(task)
    page = page._replace(**{name: getattr(page, name).copy() for name in ("pitch", "onset", "velocity")})
    page.pitch[0, given] = np.repeat(cantus, per_bar)
    page.onset[0, given] = np.arange(steps) % per_bar == 0
    page.velocity[0, given] = 80
    assert (page.pitch[0, added] == BLANK).all()
    engine = Engine(task, 1, Excerpts(*page))
    engine.reset(np.zeros(1, np.int64), np.zeros(1, np.uint64))
    for _ in range(steps):
        masks, dead = np.empty((engine.num_pieces, engine.mask_size), np.int8), np.empty(engine.num_pieces, np.bool_)
        engine.masks(masks)
        STRICT(engine, masks, dead)
        masks[dead] = 0
        rows, codes = np.nonzero(masks)
        if len(rows) == 0:
            return set()
        engine = engine.take(rows)
        engine.write(codes[:, None])
    assert engine.pieces.done.all()
    assert (engine.pieces.illegal == 0).all()
    pitch, onset = engine.pieces.pitch[:, added, :steps].astype(int), engine.pieces.onset[:, added, :steps]
    return {tuple(line) for line in np.where(onset, pitch, pitch + HELD).tolist()}


# Fux's cantus firmi. Ranges of an octave, so that all can be listed: the third above the final up, the second down.
FIRST = (
    ("D dorian", (62, 65, 64, 62, 67, 65, 69, 67, 65, 64, 62), 12289, 2378),
    ("E phrygian", (64, 60, 62, 60, 57, 69, 67, 64, 65, 64), 5187, 347),
    ("F lydian", (53, 55, 57, 53, 50, 52, 53, 60, 57, 53, 55, 53), 21820, 5262),
    ("G mixolydian", (55, 60, 59, 55, 60, 64, 62, 67, 64, 60, 62, 59, 57, 55), 33630, 29106),
    ("A minor", (57, 60, 59, 62, 60, 64, 65, 64, 62, 60, 59, 57), 13575, 7933),
    ("C major", (60, 64, 65, 67, 64, 69, 67, 64, 65, 64, 62, 60), 7366, 18177),
    ("C major", (60, 62, 65, 64, 67, 64, 65, 64, 62, 60), 1342, 2837),
)
# Short ones of four to six bars; ranges of more than an octave, with a note of the mode beyond the final on either side.
SECOND = (
    ("D dorian", (62, 65, 64, 62), 203, 297),
    ("E phrygian", (64, 67, 65, 64), 291, 161),
    ("C major", (60, 64, 65, 62, 60), 689, 1138),
    ("G mixolydian", (55, 60, 59, 57, 55), 930, 1484),
    ("A minor", (57, 60, 62, 60, 59, 57), 10489, 32540),
)


def cases(exercises):
    return [
        pytest.param(key, cantus, above, lines, id=f"{key}, {len(cantus)} bars, {'above' if above else 'below'}")
        for key, cantus, *both in exercises
        for above, lines in zip((True, False), both, strict=True)
    ]


@pytest.mark.slow  # a minute's worth of compiling, and all lines over all of Fux's cantus firmi
@pytest.mark.parametrize(("key", "cantus", "above", "lines"), cases(FIRST))
def test_first_species_completes_what_is_legal_and_nothing_else(all_lines, key, cantus, above, lines):
    low, high = (cantus[0] + 3, cantus[0] + 15) if above else (cantus[0] - 8, cantus[0] + 2)
    found = completed(cantus, above, key, low, high, ("n", "n", "n"))
    assert found == all_lines(cantus, 1, key, low, high)
    assert len(found) == lines


@pytest.mark.slow  # the same of some 30,000 lines
@pytest.mark.parametrize(("key", "cantus", "above", "lines"), cases(SECOND))
def test_second_species_completes_what_is_legal_and_nothing_else(all_lines, key, cantus, above, lines):
    low, high = (cantus[0] - 1, cantus[0] + 13) if above else (cantus[0] - 13, cantus[0] + 1)
    found = {
        tuple(pitch for pitch in line if 0 <= pitch < HELD - 1)
        for line in completed(cantus, above, key, low, high, ("nr n", "n n", "n h"))
    }
    assert found == all_lines(cantus, 2, key, low, high)
    assert len(found) == lines
