"""Windows of equal length cut from many pieces at once, at bar lines."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musicgym.chords import transpose_chords
from musicgym.files.steps import Steps
from musicgym.pieces import Excerpts, beat_steps
from musicgym.score import bar_steps, parse_key


class Windows(NamedTuple):
    """Where W windows of a corpus lie, and how far they are moved."""

    piece: np.ndarray  # int64 (W,): index into the corpus
    start: np.ndarray  # int64 (W,): step of the piece
    shift: np.ndarray  # int64 (W,): semitones


class Wish(NamedTuple):
    """What windows are asked for; see `Corpus.excerpts`."""

    steps: int
    stride: int
    voices: int | None
    transpose_to: str | None
    meter: tuple[int, int] | None
    low: int
    high: int


def find(steps: Steps, voices: np.ndarray, tonic: np.ndarray, wish: Wish) -> tuple[Windows, Excerpts]:
    """All windows that fit a wish, and their music, in order of piece and start.

    Args:
        steps: the pieces.
        voices: int (M,): voices of each piece.
        tonic: int8 (M,): home tonic of each piece.
        wish: what is asked for.

    Raises:
        ValueError: pieces with different numbers of voices and none chosen, or a wish that makes no sense.
    """
    _check(wish)
    if wish.voices is None and len(np.unique(voices)) > 1:
        raise ValueError(f"the pieces have {sorted(set(voices.tolist()))} voices: choose one number with voices=")
    wanted = int(voices[0]) if wish.voices is None and len(voices) else wish.voices or 1
    piece, start = _starts(steps, voices == wanted, wish)
    lengths = np.diff(steps.step_at)
    along = np.arange(wish.steps)
    at = (steps.step_at[piece] + start)[:, None] + along  # (W, steps)
    first_slots = (steps.slot_at[piece] + start)[:, None] + np.arange(wanted) * lengths[piece][:, None]  # (W, voices)
    slots = first_slots[:, :, None] + along  # (W, voices, steps)
    pitch = steps.pitch[slots]
    shift, fits = _shifts(pitch, tonic[piece], wish)
    at, slots, pitch, piece, start, shift = (array[fits] for array in (at, slots, pitch, piece, start, shift))

    onset = steps.onset[slots]
    onset[:, :, 0] = True  # what was cut at its beginning begins here
    moved = np.where(pitch >= 0, pitch + shift[:, None, None], pitch)
    music = Excerpts(
        pitch=moved.astype(np.int8),
        onset=onset,
        velocity=steps.velocity[slots],
        position=steps.position[at],
        bar=steps.bar[at],
        beat=steps.beat[at],
        tonic=((steps.tonic[at] + shift[:, None]) % 12).astype(np.int8),
        mode=steps.mode[at],
        phrase_end=steps.phrase_end[at],
        chord=transpose_chords(steps.chord[at], shift[:, None]),
        length=np.full(len(at), wish.steps, np.int32),
        quarter=np.full(len(at), steps.steps_per_quarter, np.float64),
    )
    return Windows(piece, start, shift), music


def apart(where: Windows, steps: int) -> np.ndarray:
    """bool (W,): windows of so many steps that begin at or after the end of the last one kept of their piece."""
    keep = np.zeros(len(where.piece), np.bool_)
    last, end = -1, 0
    for row, (piece, start) in enumerate(zip(where.piece.tolist(), where.start.tolist(), strict=True)):
        if piece != last or start >= end:
            keep[row], last, end = True, piece, start + steps
    return keep


def _check(wish: Wish) -> None:
    if wish.steps < 1 or wish.stride < 1:
        raise ValueError(f"excerpts(steps={wish.steps}, stride={wish.stride}): both must be 1 or more (steps, bars)")
    if not 0 <= wish.low <= wish.high <= 127:
        raise ValueError(f"excerpts(low={wish.low}, high={wish.high}): expected 0 <= low <= high <= 127 (MIDI numbers)")
    if wish.voices is not None and wish.voices < 1:
        raise ValueError(f"excerpts(voices={wish.voices}): expected 1 or more")


def _starts(steps: Steps, usable: np.ndarray, wish: Wish) -> tuple[np.ndarray, np.ndarray]:
    """Pieces and steps at which windows may begin: every `stride`-th bar line with room enough after it."""
    lengths = np.diff(steps.step_at)
    piece_of_step = np.repeat(np.arange(len(lengths)), lengths)
    lines = np.flatnonzero(steps.position == 0)
    piece = piece_of_step[lines]
    first_of_piece = np.searchsorted(lines, steps.step_at[:-1])
    keep = (np.arange(len(lines)) - first_of_piece[piece]) % wish.stride == 0
    keep &= usable[piece] & (lines + wish.steps <= steps.step_at[piece + 1])
    if wish.meter is not None:
        bar, beat = bar_steps(wish.meter, steps.steps_per_quarter), beat_steps(wish.meter, steps.steps_per_quarter)
        so_far = np.concatenate([[0], np.cumsum((steps.bar == bar) & (steps.beat == beat))])
        keep &= so_far[np.minimum(lines + wish.steps, len(steps.bar))] - so_far[lines] == wish.steps
    return piece[keep], lines[keep] - steps.step_at[piece[keep]]


def _shifts(pitch: np.ndarray, tonic: np.ndarray, wish: Wish) -> tuple[np.ndarray, np.ndarray]:
    """Semitones by which each window moves, int64 (W,), and bool (W,): it has notes, and then all lie within the range."""
    sounds = pitch >= 0
    lowest = np.where(sounds, pitch, 127).min(axis=(1, 2)).astype(np.int64)
    highest = np.where(sounds, pitch, -1).max(axis=(1, 2)).astype(np.int64)
    if wish.transpose_to is None:
        shift = np.zeros(len(pitch), np.int64)
    else:
        to_tonic = (parse_key(wish.transpose_to)[0] - tonic.astype(np.int64) + 5) % 12 - 5  # -5..6
        octaves = to_tonic[:, None] + 12 * np.arange(-8, 9)  # (W, 17)
        outside = np.maximum(wish.low - (lowest[:, None] + octaves), 0) + np.maximum(highest[:, None] + octaves - wish.high, 0)
        best = np.argmin(outside * 1000 + np.abs(octaves), axis=1)  # inside the range first, then as near as can be
        shift = octaves[np.arange(len(octaves)), best]
    fits = (highest >= 0) & (lowest + shift >= wish.low) & (highest + shift <= wish.high)
    return shift, fits
