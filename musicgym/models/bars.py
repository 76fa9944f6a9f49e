"""Windows of whole bars, such as models of short stretches of music read: where they lie in pieces and on pages."""

from __future__ import annotations

import numpy as np

from musicgym.models.material import Moves, Music, Windows, as_written
from musicgym.pieces import Excerpts


def runs(position: np.ndarray, bar: np.ndarray, bars: int) -> np.ndarray:
    """Every stretch of so many whole bars of a piece: first step and step after the last, int64 (K, 2).

    Bars that are shorter or longer than the metre says, such as a pickup, are in none.

    Args:
        position, bar: int (steps,), as `Excerpts` has them, of the piece's own steps.
        bars: how many.

    Example:
        >>> runs(np.array([1, 0, 1, 0, 1, 0, 1]), np.full(7, 2), bars=2).tolist()
        [[1, 5], [3, 7]]
    """
    lines = np.flatnonzero(position == 0)
    ends = np.append(lines[1:], len(position))[: len(lines)]
    whole = (ends - lines == bar[lines]).astype(np.int64)
    first = np.arange(len(lines) - bars + 1)
    so_far = np.append(0, np.cumsum(whole))
    good = first[so_far[first + bars] - so_far[first] == bars] if len(first) else first
    return np.stack([lines[good], ends[good + bars - 1]], axis=1).astype(np.int64)


def apart(found: np.ndarray) -> np.ndarray:
    """Of stretches in order of time, int64 (K, 2), the first, and then each that begins at or after the end of the last."""
    kept, end = [], -1
    for row, (start, stop) in enumerate(found.tolist()):
        if start >= end:
            kept.append(row)
            end = stop
    return found[np.array(kept, np.int64)]


def windows_of(pages: Excerpts, bars: int, *, overlap: bool = False) -> Windows:
    """The windows of so many whole bars of each piece, in its own key.

    The first begins at the piece's first bar line, and the next where it ends; where bars of another length than the metre's are
    in the way, at the first bar line from which they are whole. What is left over at the end is in none.

    Args:
        pages: the pieces, with or without notes.
        bars: how many.
        overlap: every bar line begins a window from which that many whole bars follow.

    Example:
        >>> from musicgym import Score
        >>> found = windows_of(Excerpts.from_scores([Score.blank(1, 72, pickup=4)]), bars=2)
        >>> found.start.tolist(), found.stop.tolist()
        ([4, 36], [36, 68])
    """
    rows = []
    for piece, length in enumerate(pages.length.tolist()):
        found = runs(pages.position[piece, :length], pages.bar[piece, :length], bars)
        found = found if overlap else apart(found)
        rows.append(np.concatenate([np.full((len(found), 1), piece), found], axis=1))
    made = np.concatenate([np.zeros((0, 3), np.int64), *rows])
    return Windows(made[:, 0], made[:, 1], made[:, 2], np.zeros(len(made), np.int64))


def sounding(pages: Excerpts, windows: Windows) -> Windows:
    """The windows in which there is a note."""
    some = np.concatenate(
        [np.zeros((len(pages.length), 1), np.int64), np.cumsum((pages.pitch >= 0).any(axis=1), axis=1)], axis=1
    )  # (M, steps + 1): steps with a note so far
    return windows.take(some[windows.piece, windows.stop] > some[windows.piece, windows.start])


def in_turn(music: Music, found: Moves, bars: int) -> Windows:
    """The windows of pieces with a note in them, one after the other, each piece moved as little as keys and ranges allow.

    Raises:
        ValueError: there is none.
    """
    windows = sounding(music.excerpts, windows_of(music.excerpts, bars))
    if not len(windows.piece):
        raise ValueError(
            f"none of the {len(music.families)} pieces has {bars} whole bars with a note in them: choose another corpus, or a "
            "model of fewer bars"
        )
    return windows._replace(shift=as_written(music, found).shift[windows.piece])


def in_drawn_keys(windows: Windows, found: Moves, rng: np.random.Generator) -> Windows:
    """The windows, each moved to a key that is drawn from those in which its whole piece fits."""
    fits = found.fits[windows.piece]
    order = np.where(fits, rng.random(fits.shape), 2.0)
    shift = np.take_along_axis(found.shift[windows.piece], order.argmin(axis=1)[:, None], axis=1)[:, 0]
    return windows._replace(shift=shift)
