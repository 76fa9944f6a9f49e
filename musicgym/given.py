"""A user's own scores as a task's pages: what they must be, and parts for some voices as scores of all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from musicgym.chords import VOICES, VOICINGS
from musicgym.corpus.cantus_pages import heard_mode, is_cantus, no_room
from musicgym.grids import taken_in
from musicgym.pieces import Excerpts
from musicgym.rhythm import against
from musicgym.score import BLANK, DEFAULT_VELOCITY, Score, parse_key
from musicgym.task import Task

FEWEST = 3  # notes of a cantus firmus


def on_pages(scores: Sequence[Score], task: Task, *, any_metre: bool = False) -> Excerpts:
    """A user's scores as pages of the task: parts for the given voices alone leave the others blank.

    A cantus firmus is in the key of its last note: where a score says another tonic, its mode is `heard_mode`'s. With `any_metre`
    pages have the metre of their scores, whatever the task's is.

    Raises:
        ValueError: no scores; another number of voices, another metre, notes off the grid or outside a voice's range, or a cantus
            firmus that leaves another voice no room.
    """
    if not scores:
        raise ValueError("given holds no score: expected one or more; leave it out to start from the task's own pages")
    wholes = [_whole(score, task) for score in scores]
    pages = taken_in(wholes, task.steps_per_quarter)
    for score in wholes:
        if not any_metre:
            _check_metre(score, task)
        _check_ranges(score, task)
    _check_rhythm(pages, task)
    if is_cantus(task.source) and len(task.given) == 1:
        _sing(pages, task)
    return pages


def as_scores(given: Sequence[Score | str | Path], task: Task) -> list[Score]:
    """Scores as they are, and all pieces of files read on the task's grid, in the key that a file says or its notes fit best.

    Raises:
        ValueError: a file that isn't there or can't be read, with the reason.
    """
    found: list[Score] = []
    for one in given:
        if one == "":
            raise ValueError("given='': expected the name of a file, or of a folder of files")
        if isinstance(one, Score):
            found.append(one)
            continue
        from musicgym.corpus.own_files import places, scores  # with all that reads files

        for piece in (piece for place in places([str(one)]) for piece in scores(place, steps_per_quarter=task.score_grid)):
            if piece.score is None:
                raise ValueError(f"given={str(one)!r}: {piece.reason}")
            found.append(piece.score)
    return found


def begun_by(prefix: Score, pages: Excerpts, task: Task) -> Excerpts:
    """The pages, blank but for these notes at their beginning. Raises ValueError for a prefix that doesn't fit."""
    if task.given or task.begin == "filled":
        raise ValueError("'prefix' goes with blank pages: in this task use 'given', a score of all voices with blanks")
    begun = taken_in([prefix], task.steps_per_quarter, "prefix")
    steps = int(begun.length[0])
    if prefix.voices != task.voices or steps >= pages.pitch.shape[2]:
        raise ValueError(
            f"prefix has {prefix.voices} voices and {steps} steps: expected {task.voices} voices "
            f"and fewer than {pages.pitch.shape[2]} steps"
        )
    made = pages.take(np.arange(len(pages.length)))
    made.pitch[:], made.onset[:], made.velocity[:] = BLANK, False, 0
    made.pitch[:, :, :steps] = begun.pitch
    made.onset[:, :, :steps] = begun.onset
    made.velocity[:, :, :steps] = begun.velocity
    return made


def _sing(pages: Excerpts, task: Task) -> None:
    """Put cantus firmi into the keys of their finals. Raises ValueError for one that leaves another voice no room."""
    (place,) = task.given
    sung = pages.onset[:, place] & (pages.pitch[:, place] >= 0)  # (M, steps)
    for row, line in enumerate(pages.pitch[:, place]):
        pitches = tuple(line[sung[row]].tolist())
        if not pitches:
            continue
        if len(pitches) < FEWEST:
            raise ValueError(f"given score: its cantus firmus has {len(pitches)} notes: expected {FEWEST} or more")
        if fault := no_room(pitches, place, task.choice.voice_ranges(task.voices)):
            raise ValueError(f"given score: {fault}")
        if pages.tonic[row, 0] != pitches[-1] % 12:
            pages.tonic[row], pages.mode[row] = parse_key(heard_mode(pitches))


def _whole(score: Score, task: Task) -> Score:
    if score.voices == task.voices:
        return score
    if task.has_symbols and score.voices == task.voices - VOICES and score.chord is not None:
        return with_symbols(score)
    if score.voices != len(task.given):
        either = f"{task.voices} voices" + (f" or the {len(task.given)} given ones" if task.given else "")
        raise ValueError(f"given score has {score.voices} voices: expected {either}")
    return _spread(score, task)


def with_symbols(score: Score) -> Score:
    """The score with its chords written out in four voices below its own, blank where it has `NO_CHORD`.

    Every chord begins where the code changes, and anew at each bar line.

    >>> from musicgym.chords import parse_chord
    >>> melody = dataclasses.replace(Score.from_notes([[(0, 4, 72, 80)]]), chord=np.full(4, parse_chord("F/A")))
    >>> with_symbols(melody).pitch[:, 0].tolist()
    [72, 65, 60, 57, 45]
    """
    assert score.chord is not None
    codes = score.chord.astype(int)
    named = codes >= 0
    pitch = np.where(named, VOICINGS[np.maximum(codes, 0)].T, BLANK)  # (4, steps)
    begins = named & ((np.diff(codes, prepend=-2) != 0) | (score.position == 0))
    below = (VOICES, score.steps)
    return dataclasses.replace(
        score,
        pitch=np.concatenate([score.pitch, pitch]),
        onset=np.concatenate([score.onset, np.broadcast_to(begins, below)]),
        velocity=np.concatenate([score.velocity, np.broadcast_to(named * DEFAULT_VELOCITY, below)]),
        spelling=None,
        programs=(*score.programs, *(0,) * VOICES),
        names=(*score.names, *("",) * VOICES),
    )


def _spread(score: Score, task: Task) -> Score:
    pitch = np.full((task.voices, score.steps), BLANK, np.int8)
    onset, velocity = np.zeros(pitch.shape, bool), np.zeros(pitch.shape, np.uint8)
    for part, voice in enumerate(task.given):
        pitch[voice], onset[voice], velocity[voice] = score.pitch[part], score.onset[part], score.velocity[part]
    return dataclasses.replace(score, pitch=pitch, onset=onset, velocity=velocity, spelling=None, programs=(), names=())


def _check_metre(score: Score, task: Task) -> None:
    for change in score.meters:
        if task.meter is None or (task.rhythm and change.numerator * task.meter[1] == task.meter[0] * change.denominator):
            continue  # where the rhythm is set by steps of the bar, 2/2 is as good as 4/4
        if (change.numerator, change.denominator) != task.meter:
            has, needs = f"{change.numerator}/{change.denominator}", "{}/{}".format(*task.meter)
            raise ValueError(
                f"given score is in {has} at step {change.step}: expected {needs}, the task's metre; "
                f"make the environment with meter={(change.numerator, change.denominator)}, or with meter=None if it has a source"
            )


def _check_ranges(score: Score, task: Task) -> None:
    if not getattr(task.choice, "ranges", ()) and not task.has_symbols:
        return  # the choice's pitches are the composer's, and say nothing of the other voices
    ranges = task.choice.voice_ranges(task.voices)
    low, high = ranges[:, :1], ranges[:, 1:]
    outside = (score.pitch >= 0) & ((score.pitch < low) | (score.pitch > high))
    if outside.any():
        voice, step = (int(i) for i in np.argwhere(outside)[0])
        raise ValueError(
            f"given score: voice {voice} has the pitch {score.pitch[voice, step]} at step {step}: expected "
            f"{low[voice, 0]}..{high[voice, 0]}, the voice's range (MIDI numbers): transpose it, or give the task another"
        )


def _check_rhythm(pages: Excerpts, task: Task) -> None:
    """Raises ValueError for a given voice, such as a cantus firmus, in another rhythm than the task says for it."""
    bits = task.rhythm_bits()
    if not bits.shape[2]:
        return
    for row, voice, step in np.argwhere(against(pages, bits)):
        if voice in task.given:
            bar = int((pages.position[row, : step + 1] == 0).sum())
            pattern = task.rhythm if isinstance(task.rhythm[0], str) else task.rhythm[voice]
            raise ValueError(
                f"given score: voice {voice} in bar {bar} has not the rhythm of the task: expected {pattern!r} (first bar, bars "
                "between, last bar; n a note, h a hold, r a rest): for a cantus firmus one note a bar"
            )
