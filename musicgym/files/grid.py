"""From written or played time to steps: what every reader of files shares.

A reader hands its notes over as `TimedNote`s, one list a part, with exact onsets and durations; `quantise`
puts them on the grid, `musicgym.files.voices` makes monophonic voices of them, `lay_out` the arrays of a `Score`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from musicgym.score import BLANK, DEFAULT_VELOCITY, REST, spell, spelling_name

# A file that claims to be longer than this is broken or hostile: 20,000 bars of 4/4 at twelve steps a quarter.
MAX_STEPS = 1_000_000
MAX_VOICES = 128
MAX_SLOTS = 16_000_000  # voices times steps
_OTHER_GRIDS = (4, 8, 12, 16, 24, 48)  # what `strict` suggests


class TimedNote(NamedTuple):
    """A note before quantisation. Times are exact: ticks as int, or Fractions of a tick.

    A `pitch` of `REST` marks a rest that the file writes down: it becomes a rest's onset where nothing sounds.
    """

    onset: int | Fraction
    duration: int | Fraction
    pitch: int
    velocity: int = DEFAULT_VELOCITY
    spelling: int | None = None  # place on the line of fifths


class GridNote(NamedTuple):
    """A note on the grid."""

    start: int  # steps
    duration: int  # steps, 1 or more
    pitch: int
    velocity: int
    spelling: int | None = None
    brief: bool = False  # lasts less than half a step or so (a grace note): gives way to a full note on its step
    moved: str = ""  # what quantisation did to it; empty where it fitted


def nearest_step(time: int | Fraction, ticks_per_quarter: int, steps_per_quarter: int) -> int:
    """The step nearest to a time in ticks; halves go to the later step.

    >>> nearest_step(240, 480, 4), nearest_step(60, 480, 4), nearest_step(Fraction(1, 3), 1, 12)
    (2, 1, 4)
    """
    return int((2 * time * steps_per_quarter + ticks_per_quarter) // (2 * ticks_per_quarter))


def fits(time: int | Fraction, ticks_per_quarter: int, steps_per_quarter: int) -> bool:
    """True where a time in ticks falls on a step."""
    return time * steps_per_quarter % ticks_per_quarter == 0


def pitch_name(pitch: int) -> str:
    """A pitch as musicians write it, for messages: 60 is "C4"."""
    return "rest" if pitch < 0 else f"{spelling_name(spell(pitch, 0, 0))}{pitch // 12 - 1}"


def quantise(
    parts: Sequence[Iterable[TimedNote]], *, ticks_per_quarter: int, steps_per_quarter: int, strict: bool = False
) -> list[list[GridNote]]:
    """Each part's notes on the grid, in order of start, highest first.

    Beginnings and ends go to the nearest step, each for itself, so that notes that touch still touch; a note
    that would vanish keeps one step (`brief`). What was done to a note stands in its `moved`.

    Args:
        parts: notes, a list a part.
        ticks_per_quarter: the unit of the notes' times.
        steps_per_quarter: the grid.
        strict: refuse instead of moving.

    Raises:
        ValueError: a time below 0, a negative duration, a pitch or velocity outside MIDI's range, a piece longer
            than `MAX_STEPS`; under `strict` the first note that doesn't fit, with a grid that would hold it.
    """
    if steps_per_quarter < 1:
        raise ValueError(f"steps_per_quarter={steps_per_quarter}: expected 1 or more, usually 4, or 12 for triplets")
    if ticks_per_quarter < 1:
        raise ValueError(f"ticks_per_quarter={ticks_per_quarter}: expected 1 or more")
    lists = [list(notes) for notes in parts]
    made: list[list[GridNote]] = []
    twice = 2 * ticks_per_quarter
    for index, notes in enumerate(lists):
        placed = []
        for note in notes:
            onset, duration, pitch, velocity, spelling = note
            begins = onset * steps_per_quarter
            ends = begins + duration * steps_per_quarter
            start = int((2 * begins + ticks_per_quarter) // twice)
            stop = int((2 * ends + ticks_per_quarter) // twice)
            if onset < 0 or duration < 0 or stop > MAX_STEPS or not (REST <= pitch <= 127 and 0 <= velocity <= 127):
                raise ValueError(_refusal(index, note, ticks_per_quarter, stop))
            brief = stop <= start
            moved = ""
            if brief or start * ticks_per_quarter != begins or stop * ticks_per_quarter != ends:
                if strict and pitch != REST:
                    raise ValueError(_misfit(index, note, lists, ticks_per_quarter, steps_per_quarter))
                lay = f"step {_decimal(begins, ticks_per_quarter)} to {_decimal(ends, ticks_per_quarter)}"
                stop = max(stop, start + 1)
                moved = f"{pitch_name(pitch)} lay from {lay}, now from {start} to {stop}"
            placed.append(GridNote(start, stop - start, pitch, velocity, spelling, brief, moved))
        placed.sort(key=lambda n: (n.start, -n.pitch, -n.duration))
        made.append(placed)
    return made


def _decimal(time: int | Fraction, unit: int) -> str:
    return f"{float(time / unit):.4g}" if time < 1000 * unit else f"{float(time / unit):.2f}"


def _named(part: int, note: TimedNote, ticks_per_quarter: int) -> str:
    onset, duration = (float(Fraction(time) / ticks_per_quarter) for time in (note.onset, note.duration))
    return f"part {part}: the note {pitch_name(note.pitch)} that begins at quarter {onset:g} and lasts {duration:g}"


def _refusal(part: int, note: TimedNote, ticks_per_quarter: int, stop: int) -> str:
    if not REST <= note.pitch <= 127 or not 0 <= note.velocity <= 127:
        return f"part {part}: {note} needs a pitch (or REST, -1) and a velocity within 0..127"
    if note.onset < 0 or note.duration < 0:
        return f"{_named(part, note, ticks_per_quarter)}: times must be 0 or more"
    name = _named(part, note, ticks_per_quarter)
    return f"{name} would end at step {stop}: at most {MAX_STEPS} steps are read; cut the file or use a coarser grid"


def _misfit(part: int, note: TimedNote, parts: Sequence[Sequence[TimedNote]], ticks_per_quarter: int, steps: int) -> str:
    for grid in _OTHER_GRIDS:
        if grid != steps and all(
            n.duration and fits(n.onset, ticks_per_quarter, grid) and fits(n.duration, ticks_per_quarter, grid)
            for notes in parts
            for n in notes
            if n.pitch != REST
        ):
            advice = f"steps_per_quarter={grid} would hold every note"
            break
    else:
        advice = "no usual grid holds every note; leave strict off to have them moved and reported"
    return f"{_named(part, note, ticks_per_quarter)} does not fit {steps} steps a quarter: {advice}"


def check_size(voices: int, steps: int) -> None:
    """Raises ValueError where a score of this size would not be read."""
    if voices > MAX_VOICES or steps > MAX_STEPS or voices * steps > MAX_SLOTS:
        raise ValueError(
            f"{voices} voices on {steps} steps: at most {MAX_VOICES} voices, {MAX_STEPS} steps and {MAX_SLOTS} slots "
            "(voices times steps) are read; cut the file, use a coarser grid or voices='skyline'"
        )


def positions(steps: int, bar_lines: Iterable[int], first: int = 0) -> np.ndarray:
    """Steps since the bar line, int16 (steps,).

    Args:
        steps: length of the piece.
        bar_lines: steps at which bars begin, rising.
        first: position of step 0 where no bar begins there: a full bar less the pickup.

    Raises:
        ValueError: a bar of more than 32,767 steps.

    >>> positions(8, [2, 5], first=2).tolist()
    [2, 3, 0, 1, 2, 0, 1, 2]
    """
    begins = np.full(steps, -first, np.int64)  # step at which the bar of each step begins
    lines = np.fromiter((line for line in bar_lines if 0 <= line < steps), np.int64)
    begins[lines] = lines
    if lines.size and steps:
        begins[lines[0] :] = np.maximum.accumulate(begins[lines[0] :])
    made = np.arange(steps) - begins
    if made.max(initial=0) > np.iinfo(np.int16).max:
        raise ValueError(f"a bar of more than 32767 steps ends at step {int(made.argmax())}: write its bar lines")
    return made.astype(np.int16)


def lay_out(voices: Sequence[Sequence[GridNote]], steps: int) -> dict[str, Any]:
    """Arrays `pitch`, `onset`, `velocity`, `spelling` (each (voices, steps)) of monophonic voices, for `Score`.

    A rest begins at step 0, where a note ends into silence, and where a note of pitch `REST` begins in silence.
    `spelling` is None where no note has one; notes without one are then spelled in C.

    Raises:
        ValueError: notes that overlap in their voice or end after `steps`, or a score that is too large.
    """
    check_size(len(voices), steps)
    shape = len(voices), steps
    pitch, onset = np.full(shape, REST, np.int8), np.zeros(shape, np.bool_)
    velocity = np.zeros(shape, np.uint8)
    spelled = any(note.spelling is not None for notes in voices for note in notes)
    spelling = np.zeros(shape, np.int8) if spelled else None
    onset[:, :1] = True
    for voice, notes in enumerate(voices):
        end = 0
        for note in notes:
            if note.pitch == REST:
                continue
            start, stop = note.start, note.start + note.duration
            if start < end or stop <= start or stop > steps or note.pitch <= BLANK:
                raise ValueError(f"voice {voice}: {note} must begin at step {end} or later and end by step {steps}")
            pitch[voice, start:stop] = note.pitch
            velocity[voice, start:stop] = note.velocity
            onset[voice, start] = True
            if stop < steps:
                onset[voice, stop] = True
            if spelling is not None:
                spelling[voice, start:stop] = spell(note.pitch, 0, 0) if note.spelling is None else note.spelling
            end = stop
        for note in notes:
            if note.pitch == REST and note.start < steps and pitch[voice, note.start] == REST:
                onset[voice, note.start] = True
    return {"pitch": pitch, "onset": onset, "velocity": velocity, "spelling": spelling}
