"""The tasks that come registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from musicgym.registration import register

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

    if not isinstance(range, (tuple, list)) or len(range) != 2:
        raise ValueError(f"range={range!r}: expected (lowest, highest), MIDI numbers")
    page = Task(StepChoice(*range), length=length, key=key, meter=meter, steps_per_quarter=steps_per_quarter)
    return page.changed(**fields)


register("musicgym/Melody-v0", melody, reward="rl_tuner")
