"""Where a step stands in metre and form: how strong it is in its bar, which bar and which phrase it is in.

Positions in the bar are stored, never computed, so pickups, short bars and changes of metre need no care. What rules and compiled
observations share is compiled; Python calls `function.py_func`.
"""

from __future__ import annotations

import numpy as np

from musicgym.compiled import kernel


@kernel
def metrical_weight(position: int, bar: int, beat: int) -> float:
    """1 on the bar line, 0.5 in the middle of a bar of an even number of beats, -0.4 on other beats, else -1 (our own).

    All in steps: `position` since the bar line, the length of the `bar`, and of a `beat`.
    """
    if position == 0:
        return 1.0
    if position % beat:
        return -1.0
    return 0.5 if position * 2 == bar and (bar // beat) % 2 == 0 else -0.4


@kernel
def bar_number(position: np.ndarray, step: int) -> int:
    """Number of the bar that a step is in, counted from the first bar line; -1 in a pickup. `position`: int (steps,)."""
    line, bar = step - position[step], 0
    if line < 0:
        return -1
    while line > 0:  # from bar line to bar line, back to the first
        line -= 1
        line -= position[line]
        bar += line >= 0
    return bar


@kernel
def counted_phrase(position: np.ndarray, bar: np.ndarray, length: int, step: int, bars: int) -> tuple[int, int]:
    """First step of the phrase of so many bars that a step is in, and the step after its last.

    Phrases are counted from the first bar line and are as long as their first bar says; the last ends with the piece. In a pickup
    every step is its own phrase.

    Args:
        position: int (steps,): steps since the bar line.
        bar: int (steps,): steps in a full bar.
        length: steps in the piece.
        step: where.
        bars: in a phrase.
    """
    number = bar_number(position, step)
    if number < 0:
        return step, step + 1
    first = step - position[step]
    for _ in range(number % bars):
        first -= 1
        first -= position[first]
    return first, min(first + bars * bar[first], length)


@kernel
def marked_phrase(phrase_end: np.ndarray, length: int, step: int) -> tuple[int, int]:
    """As `counted_phrase`, by phrase marks, bool (steps,): a phrase ends with the marked steps, the last one with the piece."""
    first, end = step, step
    while first > 0 and phrase_end[step] and phrase_end[first - 1]:
        first -= 1
    while first > 0 and not phrase_end[first - 1]:
        first -= 1
    while end < length and not phrase_end[end]:
        end += 1
    while end < length and phrase_end[end]:
        end += 1
    return first, end
