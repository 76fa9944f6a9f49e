"""What rules of all kinds read off a piece: notes of a voice, the interval between two, who moves, how they move together.

Nothing here counts steps. All hangs on where notes begin and on what sounds just before, so that a piece reads alike on every
grid that holds it, of one step a bar or of sixteenths.
"""

from __future__ import annotations

import numpy as np

from musicgym.compiled import kernel, small_kernel
from musicgym.pieces import Piece

OCTAVE = 12
FIFTH = 7
STEP = 2  # semitones: the widest interval that is a step; anything wider is a leap
# int64 (12,): an interval's number by its semitones, 1 a unison or octave; the tritone, fourth or fifth, is a number of its own.
NUMBER = np.array([1, 2, 2, 3, 3, 4, 0, 5, 6, 6, 7, 7])


@kernel
def attacks(piece: Piece, voice: int, step: int) -> bool:
    """Whether a note begins at this site."""
    return piece.onset[voice, step] and piece.pitch[voice, step] >= 0


@kernel
def degree(piece: Piece, voice: int, step: int) -> int:
    """Semitones of the note that sounds here above the local tonic, 0..11."""
    return (piece.pitch[voice, step] - piece.tonic[step]) % OCTAVE


@kernel
def is_last(piece: Piece, voice: int) -> bool:
    """Whether this is the last of several voices, at whose sites all that sounds together is judged; never so of one voice."""
    return 0 < voice == piece.pitch.shape[0] - 1


@small_kernel
def lowest_pitch(pitch: np.ndarray, step: int) -> int:
    """The lowest pitch that sounds in any voice at this step; -1 where all are silent. `pitch` is int8 (voices, steps)."""
    lowest = -1
    for voice in range(pitch.shape[0]):
        if pitch[voice, step] >= 0 and (lowest < 0 or pitch[voice, step] < lowest):
            lowest = pitch[voice, step]
    return lowest


@kernel
def pitch_before(piece: Piece, voice: int, step: int) -> int:
    """The pitch that sounds just before this step; REST or BLANK (both below 0) where none does."""
    return piece.pitch[voice, step - 1] if step > 0 else -1


@kernel
def moves(piece: Piece, voice: int, step: int) -> int:
    """Semitones by which the voice moves into this step: 0 where no note begins, after a rest, and where a note is repeated."""
    if step == 0 or not piece.onset[voice, step] or piece.pitch[voice, step] < 0 or piece.pitch[voice, step - 1] < 0:
        return 0
    return piece.pitch[voice, step] - piece.pitch[voice, step - 1]


@kernel
def leaves(piece: Piece, voice: int, step: int, pitch_class: int) -> bool:
    """Whether a note begins in the voice right after a note of this pitch class."""
    return (
        attacks(piece, voice, step)
        and pitch_before(piece, voice, step) % 12 == pitch_class
        and pitch_before(piece, voice, step) >= 0
    )


@kernel
def interval(piece: Piece, voice: int, other: int, step: int) -> int:
    """Semitones between the pitches that sound in two voices at this step, 0 or more; -1 where one of them is silent."""
    if step < 0 or piece.pitch[voice, step] < 0 or piece.pitch[other, step] < 0:
        return -1
    return abs(piece.pitch[voice, step] - piece.pitch[other, step])


@kernel
def interval_class(piece: Piece, voice: int, other: int, step: int) -> int:
    """As `interval`, less all octaves: 0..11; -1 where one of them is silent."""
    size = interval(piece, voice, other, step)
    return size % OCTAVE if size >= 0 else -1


@kernel
def same_direction(piece: Piece, voice: int, other: int, step: int) -> bool:
    """Whether both voices move into this step, and the same way."""
    one, two = moves(piece, voice, step), moves(piece, other, step)
    return (one > 0 and two > 0) or (one < 0 and two < 0)


@kernel
def contrary(piece: Piece, voice: int, other: int, step: int) -> bool:
    """Whether both voices move into this step, in opposite directions."""
    one, two = moves(piece, voice, step), moves(piece, other, step)
    return (one > 0 and two < 0) or (one < 0 and two > 0)
