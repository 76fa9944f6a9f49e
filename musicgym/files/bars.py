"""Bars: time signatures from a score's metres and positions, and back."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from musicgym.files.grid import nearest_step, positions
from musicgym.score import MeterChange, Score, bar_steps


def spread(changes: Sequence[tuple[int, int]], steps: int) -> np.ndarray:
    """int64 (steps,): at each step the value of the last change; changes in order of step, the first at 0."""
    starts = np.array([step for step, _ in changes])
    return np.repeat([value for _, value in changes], np.diff(np.minimum(starts, steps), append=steps))


def signature_of(steps: int, grid: int) -> tuple[int, int] | None:
    """A metre whose bar has this many steps, in quarters if that goes; None where no power of two divides it so."""
    for denominator in (4, 8, 16, 32, 64, 128):
        if steps * denominator % (4 * grid) == 0 and (numerator := steps * denominator // (4 * grid)) <= 255:
            return numerator, denominator
    return None


def signatures(score: Score) -> list[tuple[int, int, int]]:
    """Step and time signature wherever the metre changes or a bar isn't as long as the one signed before."""
    grid = score.steps_per_quarter
    meters = {step: (n, d) for step, n, d in score.meters}
    starts = sorted({0, *np.flatnonzero(score.position == 0).tolist(), *meters})
    meter, made, aligned = score.meter, [(-1, 0, 0)], True
    for start, stop in itertools.pairwise([*starts, None]):
        assert start is not None
        meter = meters.get(start, meter)
        shown: tuple[int, int] | None = meter
        if stop is not None and stop - start != bar_steps(meter, grid):
            shown = signature_of(stop - start, grid)
        if start in meters or not aligned or made[-1][1:] != (shown or meter):
            made.append((start, *(shown or meter)))
        aligned = shown is not None  # where no signature has the bar's length, the next one begins the bar anew
    return made[1:]


def anchors(score: Score) -> list[tuple[int, tuple[int, int] | None, int]]:
    """Step, new metre (or None) and position wherever these aren't what the step before leads one to expect."""
    position, meters = score.position.astype(np.int64), {step: (n, d) for step, n, d in score.meters if step < score.steps}
    bars = spread([(step, bar_steps(meter, score.steps_per_quarter)) for step, meter in meters.items()], score.steps)
    following = position[:-1] + 1
    jumps = np.flatnonzero(position[1:] != np.where(following == bars[:-1], 0, following)) + 1
    return [(step, meters.get(step), int(position[step])) for step in sorted({*jumps.tolist(), *meters})]


def from_signatures(
    signatures: Sequence[tuple[int, int, int]], steps: int, unit: int, grid: int
) -> tuple[tuple[MeterChange, ...], np.ndarray, list[tuple[int, str]]]:
    """Metres, position and what didn't fit, from time signatures as (tick, numerator, denominator).

    A first signature that lasts one bar, shorter than the next one's, is a pickup: so notation programs write it.
    """
    at: dict[int, tuple[int, int, int]] = {0: (0, 4, 4)}
    for tick, numerator, denominator in signatures:
        if (step := nearest_step(tick, unit, grid)) < max(steps, 1):
            at[step] = tick, numerator, denominator
    meters: list[MeterChange] = []
    lines: list[np.ndarray] = []
    odd: list[tuple[int, str]] = []
    for step, stop in itertools.pairwise([*at, steps]):
        tick, n, d = at[step]
        if 4 * grid * n % d:
            rounded = max(round(4 * grid * n / d), 1)
            meter = signature_of(rounded, grid) or (4, 4)
            odd.append((step, f"a bar of {n}/{d} is no whole number of steps at {grid} a quarter: read as {meter[0]}/{meter[1]}"))
        else:
            meter = n, d
        meters.append(MeterChange(step, *meter))
        if 4 * grid * n < d:
            lines.append(np.arange(step, stop))  # bars shorter than a step
            continue
        bar = np.arange((stop - step) * d // (4 * grid * n) + 2)  # bars since the signature
        exact = (2 * (tick * d + 4 * unit * n * bar) * grid + unit * d) // (2 * unit * d)
        lines.append(exact[(exact >= step) & (exact < stop)])
    first = 0
    if len(meters) > 1 and not odd:
        short, full = (bar_steps(meter[1:], grid) for meter in meters[:2])
        if short == meters[1].step < full:
            first = full - short
            meters[:2] = [meters[1]._replace(step=0)]
            lines = lines[1:]
    return tuple(meters), positions(steps, np.concatenate(lines).tolist(), first), odd
