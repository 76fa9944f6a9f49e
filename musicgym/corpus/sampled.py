"""Music on a coarser grid: what sounds at each of its steps."""

from __future__ import annotations

import numpy as np

from musicgym.pieces import Excerpts
from musicgym.score import BLANK


def sampled(fine: Excerpts, factor: int) -> Excerpts:
    """Every `factor`-th step of excerpts, counted from each bar line: what sounds there, and what stands on the page.

    A note begins at a step where it began after the step before. One that lies wholly between two steps is not heard. The last
    steps of a pickup or short bar that make up no whole step leave one that is shorter than it looks.

    Args:
        fine: on the finer grid.
        factor: fine steps in a coarse one.

    Example:
        >>> from musicgym import Score
        >>> eighths = Score.from_notes([[(0, 2, 60, 80), (2, 2, 62, 80), (4, 8, 64, 80)]])
        >>> beats = sampled(Excerpts.from_scores([eighths]), 4)
        >>> beats.pitch[0, 0].tolist(), beats.onset[0, 0].tolist(), int(beats.bar[0, 0])
        ([60, 64, 64], [True, True, False], 4)
    """
    pieces, voices, steps = fine.pitch.shape
    inside = np.arange(steps) < fine.length[:, None]  # (M, steps)
    taken = inside & (fine.position % factor == 0)
    length = taken.sum(axis=1)
    made = Excerpts.blank(pieces, voices, max(1, int(length.max(initial=1))))
    row, step = np.nonzero(taken)
    at = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
    begun = np.cumsum(fine.onset, axis=2)  # (M, voices, steps): events begun so far
    first = at == 0
    so_far = begun[row, :, step]  # (taken, voices)
    before = np.where(first[:, None], 0, np.roll(so_far, 1, axis=0))
    made.pitch[row, :, at] = fine.pitch[row, :, step]
    made.onset[row, :, at] = (so_far > before) & (fine.pitch[row, :, step] != BLANK)
    made.velocity[row, :, at] = fine.velocity[row, :, step]
    for name in ("tonic", "mode", "phrase_end", "chord"):
        getattr(made, name)[row, at] = getattr(fine, name)[row, step]
    for name in ("position", "bar", "beat"):
        getattr(made, name)[row, at] = np.maximum(getattr(fine, name)[row, step] // factor, 0 if name == "position" else 1)
    made.length[:] = length
    made.quarter[:] = fine.quarter / factor
    return made
