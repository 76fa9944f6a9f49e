"""Whether what a model is judged on was among what it learned from: by melody family, and by transposed windows of notes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musicgym.corpus import Corpus
from musicgym.corpus.families import WINDOW


class Leakage(NamedTuple):
    """What two sets of pieces have in common."""

    families: int  # melody families with pieces in both
    windows: int  # windows of `WINDOW` notes of one voice in the judged pieces that also occur, in some key, in the learned ones
    pieces: int  # judged pieces with such a window
    learned: int  # windows of the learned pieces
    judged: int  # windows of the judged ones

    def told(self) -> dict[str, int]:
        """As a model's card holds it."""
        return {"window_notes": WINDOW, **self._asdict()}


def leakage(learned: Corpus, judged: Corpus) -> Leakage:
    """Families and windows that two corpora share: none, where they are two parts of one split.

    Numbers of families mean the same in all built-in collections, and in one folder; those of a folder say nothing of others.

    Example:
        >>> from musicgym import corpus
        >>> tunes = corpus.load("aird")
        >>> found = leakage(tunes.split("train"), tunes.split("test"))
        >>> found.families, found.windows, found.judged > 5000
        (0, 0, True)
    """
    known, (windows, piece) = learned.interval_windows()[0], judged.interval_windows()
    shared = _among(windows, known)
    common = np.intersect1d(learned.families, judged.families)
    return Leakage(len(common), int(shared.sum()), len(np.unique(piece[shared])), len(known), len(windows))


def untouched(learned: Corpus, judged: Corpus) -> np.ndarray:
    """bool (M,): judged pieces that share no window with the learned ones: what a model that read other corpora is judged on."""
    windows, piece = judged.interval_windows()
    keep = np.ones(len(judged), np.bool_)
    keep[piece[_among(windows, learned.interval_windows()[0])]] = False
    return keep


def _among(windows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """bool (W,): rows of int8 (W, intervals) that occur among the rows of the others."""
    known = {row.tobytes() for row in others}
    return np.array([row.tobytes() in known for row in windows], np.bool_)
