"""What tasks draw their pieces from: a source's text becomes excerpts."""

from __future__ import annotations

import math

import numpy as np

from musicgym.corpus.bundled import load
from musicgym.corpus.families import SPLITS
from musicgym.corpus.sampled import sampled
from musicgym.grids import misfits, thinned
from musicgym.pieces import Excerpts

_FINE = 12  # steps a quarter: sixteenths and triplets


def material(
    source: str,
    *,
    voices: int,
    steps: int | None,
    steps_per_quarter: float = 4,
    meter: tuple[int, int] | None = None,
    ranges: np.ndarray | None = None,
    quantise: bool = False,
) -> Excerpts:
    """The pieces of a `Task`'s source that fit the task.

    Args:
        source: names of corpora as `load` takes them, comma-separated, and after a slash the split: "bach/train".
        voices: only pieces with so many.
        steps: length of the excerpts, which begin at bar lines; None for whole pieces.
        steps_per_quarter: the grid, coarse ones (0.5, 0.25, 0.125) too.
        meter: only music wholly in this metre.
        ranges: int (voices, 2): lowest and highest pitch of each voice; music outside is left out.
        quantise: False leaves out pieces with notes between the steps of the grid; True takes what sounds at each step.

    Raises:
        ValueError: an unknown name or split, or nothing that fits.
    """
    names, _, split = source.partition("/")
    grid = max(1, int(steps_per_quarter))
    grid = math.lcm(_FINE, grid) if quantise else grid
    factor = int(grid / steps_per_quarter)
    corpus = load(*(name.strip() for name in names.split(",")), steps_per_quarter=grid, exact=not quantise)
    if split:
        if split not in SPLITS:
            raise ValueError(f"source {source!r}: expected a split of {', '.join(SPLITS)} after the slash")
        corpus = corpus.split(split)
    if steps is not None:
        found = corpus.excerpts(steps * factor, voices=voices, meter=meter)
    else:
        whole = list(corpus.filter(voices=voices, meter=meter))
        found = Excerpts.from_scores(whole) if whole else Excerpts.blank(0, voices, 1)
    if quantise and factor > 1:
        found = sampled(found, factor)
    elif factor > 1:
        off = np.any(list(misfits(found, factor).values()), axis=0)
        found = thinned(found.take(~off), factor)
    if ranges is not None:
        low, high = ranges[:, 0, None], ranges[:, 1, None]
        fits = (found.pitch < 0) | ((found.pitch >= low) & (found.pitch <= high))
        found = found.take(np.flatnonzero(fits.all(axis=(1, 2))))
    if not len(found.length):
        raise ValueError(
            f"source {source!r} has no music of {voices} voices and {steps or 'any number of'} steps in "
            f"{'any metre' if meter is None else f'{meter[0]}/{meter[1]}'} within the choice's pitches"
        )
    return found
