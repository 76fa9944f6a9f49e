"""What rules say of a report's pieces, as the page holds it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Span(NamedTuple):
    """What one rule says of more than a note: of whole bars, or of a whole piece."""

    rule: int  # index into the report's rules
    voice: int
    start: int  # the first step
    stop: int  # the step after the last
    value: float
    whole: bool = False  # of the piece as such, however many bars it has


class Link(NamedTuple):
    """What one rule says of a note or rest hangs on what other voices do there."""

    rule: int  # index into the report's rules
    voice: int
    step: int  # of the mark
    others: tuple[int, ...]  # voices


def check_marks(label: str, marks: np.ndarray | None, spans: Sequence[Span], shape: tuple[int, int, int]) -> None:
    """Raise ValueError for marks of another shape than (rules, voices, steps), and for spans that don't lie within it."""
    if marks is not None and marks.shape != shape:
        raise ValueError(f"piece {label!r} has marks {marks.shape}: expected (rules, voices, steps) = {shape}")
    rules, voices, steps = shape
    for span in spans:
        inside = 0 <= span.rule < rules and 0 <= span.voice < voices and 0 <= span.start < span.stop <= steps
        if not (inside and math.isfinite(span.value)):
            raise ValueError(f"piece {label!r} has {span}: expected a finite value within (rules, voices, steps) = {shape}")


def marks_data(marks: np.ndarray) -> dict[str, list[float]]:
    """Marks, float32 (terms, voices, steps), as JSON holds them: term's index -> voice, step, value, voice, step, value ..."""
    sparse: dict[str, list[float]] = {}
    for term, voice, step in np.argwhere(marks).tolist():
        sparse.setdefault(str(term), []).extend((voice, step, _short(marks[term, voice, step])))
    return sparse


def spans_data(spans: Sequence[Span]) -> list[list[float]]:
    """Spans as JSON holds them: rule, voice, start, stop, value, and 1 if they are of the whole piece."""
    return [[*span[:4], _short(span.value), int(span.whole)] for span in spans]


def links_data(links: Sequence[Link]) -> dict[str, list[int]]:
    """Links as JSON holds them: "rule voice step" -> other voices, those of equal marks together."""
    found: dict[str, set[int]] = {}
    for link in links:
        found.setdefault(f"{link.rule} {link.voice} {link.step}", set()).update(link.others)
    return {place: sorted(others) for place, others in found.items()}


def of_the_whole(spans: Sequence[Span]) -> dict[int, float]:
    """Rule's index -> what it says of the piece as such, where it says something; in order of rules."""
    worth: dict[int, float] = {}
    for span in spans:
        if span.whole:
            worth[span.rule] = worth.get(span.rule, 0.0) + span.value
    return dict(sorted(worth.items()))


def _short(value: float) -> float:
    """The shortest decimals from which float32 comes back."""
    return float(np.format_float_positional(np.float32(value), unique=True))
