"""What tasks draw their pieces from: a source's text becomes excerpts."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from musicgym.chords import VOICES
from musicgym.corpus import windows
from musicgym.corpus.bundled import load
from musicgym.corpus.families import SPLITS
from musicgym.corpus.sampled import sampled
from musicgym.corpus.symbols import all_labelled, as_symbols
from musicgym.grids import misfits, thinned
from musicgym.pieces import Excerpts
from musicgym.score import Score, parse_key
from musicgym.task import SYMBOLS

LABELLED = 4  # voices of the pieces that have chord labels
_FINE = 12  # steps a quarter: sixteenths and triplets


class Drawn(NamedTuple):
    """Music of M pieces, and which belong together."""

    excerpts: Excerpts
    families: np.ndarray  # int32 (M,): melody family


def material(source: str, **wish: Any) -> Excerpts:
    """The pieces of a `Task`'s source that fit the task: `drawn` without the families."""
    return drawn(source, **wish).excerpts


def drawn(
    source: str,
    *,
    voices: int,
    steps: int | None,
    steps_per_quarter: float = 4,
    meter: tuple[int, int] | None = None,
    ranges: np.ndarray | None = None,
    quantise: bool = False,
    transpose_to: str | None = None,
    apart: bool = False,
) -> Drawn:
    """The pieces of a `Task`'s source that fit the task, with their melody families.

    Args:
        source: names of corpora as `load` takes them, comma-separated, and after a slash the split: "bach/train".
        voices: only pieces with so many.
        steps: length of the excerpts, which begin at bar lines; None for whole pieces.
        steps_per_quarter: the grid, coarse ones (0.5, 0.25, 0.125) too.
        meter: only music wholly in this metre.
        ranges: int (voices, 2): lowest and highest pitch of each voice; music outside is left out.
        quantise: False leaves out pieces with notes between the steps of the grid; True takes what sounds at each step.
        transpose_to: a tonic such as "C" that each piece's home tonic becomes, by up to half an octave.
        apart: excerpts of one piece don't overlap; else they begin at every bar line.

    Raises:
        ValueError: an unknown name or split, or nothing that fits.
    """
    names, _, split = source.partition("/")
    has_symbols = names.endswith(SYMBOLS)
    names = names.removesuffix(SYMBOLS)
    written, voices = voices, LABELLED if has_symbols else voices
    grid = max(1, int(steps_per_quarter))
    grid = math.lcm(_FINE, grid) if quantise else grid
    factor = int(grid / steps_per_quarter)
    corpus = load(*(name.strip() for name in names.split(",")), steps_per_quarter=grid, exact=not quantise)
    if split:
        if split not in SPLITS:
            raise ValueError(f"source {source!r}: expected a split of {', '.join(SPLITS)} after the slash")
        corpus = corpus.split(split)
    if steps is not None:
        wish: dict[str, Any] = {"voices": voices, "meter": meter, "transpose_to": transpose_to}
        found = corpus.excerpts(steps * factor, **wish)
        where = corpus.windows(steps * factor, **wish)
        families = corpus.families[where.piece]
        if apart:
            rows = np.flatnonzero(windows.apart(where, steps * factor))
            found, families = found.take(rows), families[rows]
    else:
        corpus = corpus.filter(voices=voices, meter=meter)
        whole = [_moved(score, transpose_to) for score in corpus]
        found = Excerpts.from_scores(whole) if whole else Excerpts.blank(0, voices, 1)
        families = corpus.families
    if quantise and factor > 1:
        found = sampled(found, factor)
    elif factor > 1:
        fits = ~np.any(list(misfits(found, factor).values()), axis=0)
        found, families = thinned(found.take(fits), factor), families[fits]
    if has_symbols:
        if written != 1 + VOICES:
            raise ValueError(
                f"source {source!r} has {1 + VOICES} voices, a melody and its chords written out; the task has {written}"
            )
        fits = all_labelled(found)
        found, families = as_symbols(found.take(fits)), families[fits]
    if ranges is not None:
        low, high = ranges[:, 0, None], ranges[:, 1, None]
        fits = np.asarray(((found.pitch < 0) | ((found.pitch >= low) & (found.pitch <= high))).all(axis=(1, 2)))
        found, families = found.take(fits), families[fits]
    if not len(found.length):
        raise ValueError(
            f"source {source!r} has no music of {written} voices and {steps or 'any number of'} steps in "
            f"{'any metre' if meter is None else f'{meter[0]}/{meter[1]}'} within the choice's pitches"
        )
    return Drawn(found, families)


def _moved(score: Score, transpose_to: str | None) -> Score:
    """A whole piece with its home tonic moved to another by up to half an octave."""
    if transpose_to is None:
        return score
    return score.transpose((parse_key(transpose_to)[0] - score.keys[0].tonic + 5) % 12 - 5)
