"""The notes and rests of many pieces of many voices as flat lists, in the order in which sequence models read them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musicgym.pieces import Excerpts


class Notes(NamedTuple):
    """E notes and rests of M pieces, in order of piece, time and voice."""

    piece: np.ndarray  # int64 (E,)
    voice: np.ndarray  # int64 (E,)
    start: np.ndarray  # int64 (E,): step
    duration: np.ndarray  # int64 (E,): steps

    @classmethod
    def of(cls, music: Excerpts) -> Notes:
        """All events of some music; a silence that was there before the piece is one too."""
        within = inside(music)[:, None]
        begins = music.onset & within
        begins[:, :, :1] |= within[:, :, :1]
        piece, voice, start = np.nonzero(begins)
        line = piece * music.pitch.shape[1] + voice
        follows = np.append(line[1:] == line[:-1], np.False_)[: len(line)]
        ends = np.where(follows, np.append(start[1:], 0)[: len(line)], music.length[piece])
        order = np.lexsort((voice, start, piece))
        return cls(piece[order], voice[order], start[order], (ends - start)[order])


def inside(music: Excerpts) -> np.ndarray:
    """bool (M, steps): steps before each piece's end."""
    return np.asarray(np.arange(music.pitch.shape[2]) < music.length[:, None])


def counted(lengths: np.ndarray) -> np.ndarray:
    """0, 1, .. up to each length in turn, int64 (sum,)."""
    return np.asarray(np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths))
