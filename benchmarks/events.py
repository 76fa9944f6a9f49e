"""Batches of one-voice music as flat lists of events, and back: what corruptions reorder and measures count."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musicgym.pieces import Excerpts
from musicgym.score import BLANK


class Events(NamedTuple):
    """E notes and rests of M pieces, in order of piece and time."""

    piece: np.ndarray  # int64 (E,)
    start: np.ndarray  # int64 (E,): step
    duration: np.ndarray  # int64 (E,): steps
    pitch: np.ndarray  # int64 (E,): MIDI number or REST
    velocity: np.ndarray  # uint8 (E,)

    def take(self, order: np.ndarray) -> Events:
        """The events at `order`, indices or a bool mask."""
        return Events(*(array[order] for array in self))


def events(music: Excerpts) -> Events:
    """All events of finished music of one voice. A silence at step 0 that was there before the piece is an event too.

    Raises:
        ValueError: more than one voice, or blanks.

    Example:
        >>> from musicgym import Score
        >>> found = events(Excerpts.from_scores([Score.from_notes([[(0, 3, 60, 80), (4, 2, 67, 80)]])]))
        >>> found.pitch.tolist(), found.duration.tolist()
        ([60, -1, 67], [3, 1, 2])
    """
    voices = music.pitch.shape[1]
    if voices != 1:
        raise ValueError(f"music has {voices} voices: expected 1; take one voice of each piece")
    pitch, inside = music.pitch[:, 0], within(music)
    if blanks := int(((pitch == BLANK) & inside).sum()):
        raise ValueError(f"music has {blanks} blank steps: expected finished pieces")
    begins = music.onset[:, 0] & inside
    begins[:, :1] = inside[:, :1]
    piece, start = np.nonzero(begins)
    ends = np.append(start[1:], 0)
    last = np.append(piece[1:] != piece[:-1], np.True_) if len(piece) else np.zeros(0, np.bool_)
    ends = np.where(last, music.length[piece], ends[: len(start)])
    return Events(piece, start, ends - start, pitch[piece, start].astype(np.int64), music.velocity[piece, 0, start])


def laid(page: Excerpts, line: Events) -> Excerpts:
    """The pages with these events on them, one after the other; `start` is not looked at.

    Args:
        page: M pieces; their notes are replaced.
        line: in order of piece, filling each piece exactly.

    Raises:
        ValueError: events that don't fill the pieces.
    """
    inside = within(page)
    filled = np.bincount(line.piece, line.duration, minlength=len(page.length)).astype(np.int64)
    if not np.array_equal(filled, page.length):
        wrong = int(np.flatnonzero(filled != page.length)[0])
        raise ValueError(f"events fill {filled[wrong]} steps of piece {wrong}: expected all {page.length[wrong]}")
    made = Excerpts.blank_like(page)
    begins = np.zeros(int(inside.sum()), np.bool_)
    begins[np.cumsum(line.duration) - line.duration] = True
    made.pitch[:, 0][inside] = np.repeat(line.pitch, line.duration)
    made.velocity[:, 0][inside] = np.repeat(line.velocity, line.duration)
    made.onset[:, 0][inside] = begins
    return made


def pitch_range(line: Events, pieces: int) -> tuple[np.ndarray, np.ndarray]:
    """int64 (M,) each: lowest and highest pitch of each piece; middle C, 60, for a piece without notes."""
    sounds = line.pitch >= 0
    lowest, highest = np.full(pieces, 127), np.full(pieces, -1)
    np.minimum.at(lowest, line.piece[sounds], line.pitch[sounds])
    np.maximum.at(highest, line.piece[sounds], line.pitch[sounds])
    return np.where(highest < 0, 60, lowest), np.where(highest < 0, 60, highest)


def within(music: Excerpts) -> np.ndarray:
    """bool (M, steps): steps before each piece's end."""
    return np.arange(music.pitch.shape[2]) < music.length[:, None]
