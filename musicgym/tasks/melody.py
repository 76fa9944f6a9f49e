"""Tasks of one voice on an empty page."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musicgym.task import Task


def melody(
    length: int = 32,
    range: tuple[int, int] = (48, 83),
    key: str | tuple[str, ...] = "C major",
    meter: tuple[int, int] = (4, 4),
    steps_per_quarter: int = 4,
    **fields: Any,
) -> Task:
    """One voice on an empty page, step by step: RL Tuner's 38 actions on 32 sixteenths, unless asked otherwise.

    Args:
        length: steps.
        range: lowest and highest pitch, MIDI numbers.
        key: name, or several to draw from.
        meter: (beats, unit).
        steps_per_quarter: the grid.
        fields: any other field of `Task`.
    """
    from musicgym.choice import StepChoice
    from musicgym.task import Task

    low, high = range_ends(range)
    page = Task(StepChoice(low, high), length=length, key=key, meter=meter, steps_per_quarter=steps_per_quarter)
    return page.changed(**fields)


def expressive_melody(
    bars: int | None = None,
    range: tuple[int, int] = (55, 84),
    key: str | tuple[str, ...] = "C major",
    meter: tuple[int, int] = (4, 4),
    steps_per_quarter: int = 4,
    durations: tuple[int, ...] | None = None,
    velocities: tuple[int, ...] = (40, 52, 64, 76, 88, 100, 112),
    **fields: Any,
) -> Task:
    """One voice on an empty page, note by note: a choice is a pitch or a rest, how long it lasts and how loud it is.

    Args:
        bars: 8 unless `length`, a number of steps, is among the fields.
        range: lowest and highest pitch, MIDI numbers.
        key: name, or several to draw from.
        meter: (beats, unit).
        steps_per_quarter: the grid.
        durations: in steps, rising; None for 1, 2, 3, 4, 6, 8, 12 and 16 sixteenths and, on grids of thirds, one and two thirds
            of a quarter: those that are whole steps and no longer than a bar.
        velocities: 1..127.
        fields: any other field of `Task`.

    Raises:
        ValueError: a metre whose beat is no whole number of steps, `bars` beside `length`, or a value out of its range.
    """
    from musicgym.choice import NoteChoice, check_range
    from musicgym.score import REST, bar_steps
    from musicgym.task import Task

    low, high = range_ends(range)
    check_range("ExpressiveMelody", low, high)
    if bars is not None and ("length" in fields or bars.__class__ is not int or bars < 1):
        beside = f" beside length={fields['length']!r}" if "length" in fields else ""
        raise ValueError(f"bars={bars!r}{beside}: expected a whole number from 1 on, or length, in steps")
    page = Task(key=key, meter=meter, steps_per_quarter=steps_per_quarter).changed(**{"length": 1, **fields})
    if page.meter is not None:  # None: of a source that may be in any
        _check_beat(page.meter, steps_per_quarter)
    bar = bar_steps(page.meter or (4, 4), steps_per_quarter)
    values = _note_values(steps_per_quarter, bar) if durations is None else tuple(durations)
    pitches = (REST, *(pitch for pitch in builtins.range(low, high + 1)))
    length = page.length if "length" in fields else bar * (8 if bars is None else bars)
    return page.changed(choice=NoteChoice(pitches, values, tuple(velocities)), length=length)


def range_ends(range: Any) -> tuple[int, int]:
    """Lowest and highest pitch of a range. Raises ValueError for anything else than a pair."""
    if not isinstance(range, (tuple, list)) or len(range) != 2:
        raise ValueError(f"range={range!r}: expected (lowest, highest), MIDI numbers")
    return range[0], range[1]


def _check_beat(meter: tuple[int, int], steps_per_quarter: int) -> None:
    """Raises ValueError for a metre that notes cannot be counted in: they begin on steps, and rules ask for its beats."""
    beats, unit = meter
    steps = 4 * steps_per_quarter * (3 if unit >= 8 and beats > 3 and beats % 3 == 0 else 1)  # in so many beats as the unit says
    if beats < 1 or unit not in (1, 2, 4, 8, 16, 32) or steps % unit:
        raise ValueError(
            f"meter {beats}/{unit} at {steps_per_quarter} steps a quarter: expected 1 or more beats of 1/1, 1/2, 1/4 .. 1/32, "
            "each a whole number of steps: choose another metre or a finer steps_per_quarter"
        )


def _note_values(steps_per_quarter: int, bar: int) -> tuple[int, ...]:
    """Durations in steps: the usual note values that the grid holds, none longer than a bar; a single step if there is none."""
    sixteenths = [n * steps_per_quarter // 4 for n in (1, 2, 3, 4, 6, 8, 12, 16) if n * steps_per_quarter % 4 == 0]
    thirds = [n * steps_per_quarter // 3 for n in (1, 2) if steps_per_quarter % 3 == 0]
    return tuple(sorted({steps for steps in sixteenths + thirds if steps <= bar})) or (1,)
