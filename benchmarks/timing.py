"""Timing side by side, on a machine that others use too.

Every candidate gets a short turn, then every one again in the opposite order, and so on. What slows the machine for a while slows
neighbouring turns alike, so ratios are taken turn by turn within a round; a figure by itself is the median over the rounds,
beside the best.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np


class Candidate(NamedTuple):
    """What is timed."""

    turn: Callable[[int], object]
    """Does the work so many times."""
    units: int = 1
    """How much one time counts for: steps, files."""


class Timing(NamedTuple):
    """What the rounds showed of one candidate."""

    seconds: np.ndarray  # float64 (rounds,): for one unit

    @property
    def median(self) -> float:
        """Seconds for one unit, in the median round."""
        return float(np.median(self.seconds))

    @property
    def best(self) -> float:
        """Seconds for one unit, in the best round."""
        return float(self.seconds.min())

    def times_faster_than(self, other: Timing) -> float:
        """How many times as many units in the same time: the median over rounds of the ratio within a round."""
        return float(np.median(other.seconds / self.seconds))


def side_by_side(candidates: Mapping[str, Candidate], *, rounds: int, seconds: float) -> dict[str, Timing]:
    """Time candidates by turns.

    Args:
        candidates: by name.
        rounds: turns that each gets.
        seconds: length of a turn, about.

    Example:
        >>> adding = Candidate(lambda times: [sum(range(99)) for _ in range(times)], units=99)
        >>> found = side_by_side({"sum": adding}, rounds=3, seconds=0.001)
        >>> found["sum"].seconds.shape, 0 < found["sum"].best <= found["sum"].median
        ((3,), True)
    """
    times = {name: _times_that_fill(seconds, candidate) for name, candidate in candidates.items()}
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    order = list(candidates)
    for _ in range(rounds):
        for name in order:
            taken[name].append(_seconds_for(times[name], candidates[name]) / (times[name] * candidates[name].units))
        order.reverse()
    return {name: Timing(np.array(found)) for name, found in taken.items()}


def _times_that_fill(seconds: float, candidate: Candidate) -> int:
    """How often the work fits into a turn; it has been done by then, so nothing is left to be compiled or allocated."""
    _seconds_for(1, candidate)
    times = 1
    while (taken := _seconds_for(times, candidate)) < seconds / 4:
        times *= 2
    return max(1, round(times * seconds / taken))


def _seconds_for(times: int, candidate: Candidate) -> float:
    was_on = gc.isenabled()
    gc.disable()
    begun = time.perf_counter()
    candidate.turn(times)
    taken = time.perf_counter() - begun
    if was_on:
        gc.enable()
    return taken
