"""Real melodies to judge rules and agents by: windows of whole bars from the collections that come with music21."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from musicgym import corpus
from musicgym.agents.held_out import COLLECTIONS, melodies
from musicgym.corpus.windows import apart
from musicgym.pieces import Excerpts
from musicgym.score import bar_steps

METERS = ((4, 4), (2, 2), (2, 4), (3, 4), (6, 8), (9, 8))
FEWEST_NOTES = 8  # in eight bars, fewer or more bars in proportion


class Tunes(NamedTuple):
    """M windows of real melodies."""

    excerpts: Excerpts  # (M, voices, steps), padded to the longest; one voice but for `chorales`
    families: np.ndarray  # int64 (M,): melody family; windows of one family hang together
    collection: np.ndarray  # int64 (M,): index into `collections`
    meter: np.ndarray  # int64 (M, 2): numerator and denominator
    ends: np.ndarray  # bool (M,): the tune ends with the window; the others break off
    collections: tuple[str, ...]

    def take(self, rows: np.ndarray) -> Tunes:
        """The windows at `rows` (indices or a bool mask), copied."""
        return Tunes(
            self.excerpts.take(rows),
            self.families[rows],
            self.collection[rows],
            self.meter[rows],
            self.ends[rows],
            self.collections,
        )


def tunes(
    split: str,
    bars: int = 8,
    *,
    collections: Sequence[str] = COLLECTIONS,
    meters: Sequence[tuple[int, int]] = METERS,
    steps_per_quarter: int = 4,
    limit: int | None = None,
) -> Tunes:
    """Windows of so many full bars, in their own keys, from tunes of all modes; the chorales give their sopranos.

    The first window of a tune begins at its first bar line, after a pickup; the next begins at the first bar line at or after its
    end, so windows don't overlap. Left out are windows with a bar that is shorter or longer than the metre says (a few in a
    hundred) and windows with fewer than `FEWEST_NOTES` notes for every eight bars, at least one.

    Args:
        split: "train", "valid" or "test".
        bars: length of a window.
        collections: of `corpus.names()`; "essen" is for non-commercial use only.
        meters: windows wholly in one of these.
        steps_per_quarter: the grid; tunes that don't fit it are left out.
        limit: at most so many windows, taken at even distances from all.

    Returns:
        Windows in order of collection, metre, tune and place. Their `length` differs from metre to metre.

    Raises:
        ValueError: an unknown split or collection, fewer than one bar or window, or nothing that fits.

    Example:
        >>> found = tunes("test", meters=((4, 4),), collections=("aird",), limit=20)
        >>> found.excerpts.pitch.shape, int(found.excerpts.length[0])
        ((20, 1, 128), 128)
    """
    if bars < 1 or (limit is not None and limit < 1):
        raise ValueError(f"tunes(bars={bars}, limit={limit}): both must be 1 or more")
    parts: list[Tunes] = []
    for index, name in enumerate(collections):
        pieces = melodies(name, split, steps_per_quarter)
        for meter in meters:
            excerpts, families, ends = _windows(pieces, bars, meter)
            count = len(families)
            origin = np.full(count, index), np.tile(meter, (count, 1))
            parts.append(Tunes(excerpts, families, *origin, ends, tuple(collections)))
    found = _together([part for part in parts if len(part.families)])
    if found is None:
        raise ValueError(
            f"tunes({split!r}, {bars}): no {bars} bars in a row in any of {tuple(meters)} in {tuple(collections)}: "
            "ask for fewer bars, other metres or collections"
        )
    if limit is not None and len(found.families) > limit:
        found = found.take(np.linspace(0, len(found.families) - 1, limit).round().astype(np.int64))
    return found


def chorales(split: str, bars: int = 4, *, limit: int | None = None) -> Tunes:
    """Windows of so many full bars of Bach's chorales in all four voices, otherwise as `tunes`; in 4/4 and 3/4.

    Raises:
        ValueError: an unknown split, fewer than one bar or window, or nothing that fits.

    Example:
        >>> chorales("valid", limit=10).excerpts.pitch.shape[:2]
        (10, 4)
    """
    if bars < 1 or (limit is not None and limit < 1):
        raise ValueError(f"chorales(bars={bars}, limit={limit}): both must be 1 or more")
    pieces = corpus.load("bach").split(split)
    parts = []
    for meter in ((4, 4), (3, 4)):
        excerpts, families, ends = _windows(pieces, bars, meter, 4)
        count = len(families)
        parts.append(Tunes(excerpts, families, np.zeros(count, np.int64), np.tile(meter, (count, 1)), ends, ("bach",)))
    found = _together([one for one in parts if len(one.families)])
    if found is None:
        raise ValueError(f"chorales({split!r}, {bars}): no {bars} bars in a row: ask for fewer bars")
    if limit is not None and len(found.families) > limit:
        found = found.take(np.linspace(0, len(found.families) - 1, limit).round().astype(np.int64))
    return found


def _windows(
    pieces: corpus.Corpus, bars: int, meter: tuple[int, int], voices: int = 1
) -> tuple[Excerpts, np.ndarray, np.ndarray]:
    """Windows of one collection in one metre, their families, int64 (M,), and whether the tune ends with them, bool (M,)."""
    bar = bar_steps(meter, pieces.steps_per_quarter)
    wish: dict[str, Any] = {"steps": bars * bar, "meter": meter, "voices": voices}
    excerpts, where = pieces.excerpts(**wish), pieces.windows(**wish)
    rows = np.flatnonzero(apart(where, bars * bar))
    excerpts = excerpts.take(rows)
    full = (excerpts.position == np.arange(bars * bar) % bar).all(axis=1)
    notes = (excerpts.onset & (excerpts.pitch >= 0)).sum(axis=(1, 2))
    keep = full & (notes >= max(1, FEWEST_NOTES * bars / 8))
    piece, end = where.piece[rows[keep]], where.start[rows[keep]] + bars * bar
    return excerpts.take(keep), pieces.families[piece].astype(np.int64), end == pieces.steps[piece]


def _together(parts: Sequence[Tunes]) -> Tunes | None:
    """Tunes after one another, padded to the longest."""
    if not parts:
        return None
    longest = max(part.excerpts.pitch.shape[2] for part in parts)
    made = Excerpts.blank(sum(len(part.families) for part in parts), parts[0].excerpts.pitch.shape[1], longest)
    at = 0
    for part in parts:
        rows = slice(at, at + len(part.families))
        for target, source in zip(made, part.excerpts):
            if target.ndim == 1:
                target[rows] = source
            else:
                target[rows, ..., : source.shape[-1]] = source
        at = rows.stop
    families, collection, meter, ends = (np.concatenate([part[field] for part in parts]) for field in (1, 2, 3, 4))
    return Tunes(made, families, collection, meter, ends, parts[0].collections)
