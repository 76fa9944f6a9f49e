"""What Counterpoint-v0 can complete under `strict_counterpoint` without a dead end is just what CP-SAT finds legal.

The oracle, the fixture `all_lines`, states these hard rules anew; the others cannot be broken where rhythm masks let only notes
begin:
first species: dissonant_attack, wide_apart, unison_inside, similar_to_perfect (with it parallel_fifths, parallel_octaves),
antiparallels, battuta, perfect_beginning, perfect_close, clausula_vera, raised_leading_tone, musica_ficta, chromatic_semitone,
unsung_interval, leaps_one_way, compass; second species: these and dissonance_by_step, dissonance_left_by_step, cambiata,
midbar_neighbour, short_note_repeated. Beside each exercise stands how many lines there are, as both say.
"""

from __future__ import annotations

import gymnasium as gym
import pytest

from musicgym.benchmarks.exhaustive import completions

Line = tuple[int, ...]  # the added voice's notes; its rests and holds are those of the species


def completed(species: int, cantus: Line, above: bool, key: str, low: int, high: int) -> set[Line]:
    """All lines that Counterpoint-v0 lets be finished behind its hard rules."""
    env = gym.make(
        "musicgym/Counterpoint-v0",
        species=species,
        above=above,
        cantus=cantus,
        range=(low, high),
        key=key,
        forbid=("strict_counterpoint",),
    )
    task = env.unwrapped.session.task
    music = completions(task, task.material())
    added, steps = int(not above), len(cantus) * round(4 * task.steps_per_quarter)
    assert (music.length == steps).all()
    assert (music.onset[:, 1 - added, :steps].sum(axis=1) == len(cantus)).all()
    lines = zip(music.pitch[:, added, :steps], music.onset[:, added, :steps] & (music.pitch[:, added, :steps] >= 0))
    found = [tuple(pitch[begins].tolist()) for pitch, begins in lines]
    assert len(set(found)) == len(found)
    return set(found)


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
    found = completed(1, cantus, above, key, low, high)
    assert found == all_lines(cantus, 1, key, low, high)
    assert len(found) == lines


@pytest.mark.slow  # the same of some 30,000 lines
@pytest.mark.parametrize(("key", "cantus", "above", "lines"), cases(SECOND))
def test_second_species_completes_what_is_legal_and_nothing_else(all_lines, key, cantus, above, lines):
    low, high = (cantus[0] - 1, cantus[0] + 13) if above else (cantus[0] - 13, cantus[0] + 1)
    found = completed(2, cantus, above, key, low, high)
    assert found == all_lines(cantus, 2, key, low, high)
    assert len(found) == lines
