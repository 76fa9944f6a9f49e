"""What the rules of counterpoint read off a piece: the bar and its place, the lowest voice, dissonance and how it arises.

A sonority is judged once all voices of its step are there, at the site of the last voice, because only then is it known which
voice is the lowest. Nothing here counts steps: places are fractions of the bar, and holds change nothing, so that a piece reads
alike on every grid that holds it. No voice is asked whether it is the cantus: voices are judged alike, and what was given pays
nothing because it never changes.

What is asked for in many places takes arrays, int8 (voices, steps) and the like, and is compiled once (`small_kernel`): copied
into each rule it took minutes to compile.
"""

from __future__ import annotations

import numpy as np

from musicgym.compiled import kernel, small_kernel
from musicgym.pieces import Piece
from musicgym.rewards.voices import FIFTH, OCTAVE, STEP, lowest_pitch

# bool (2, 12), by semitones: what is dissonant between upper voices, and with the lowest voice, where fourths are too.
DISSONANCES = np.array(
    [[0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1], [0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1]],
    np.bool_,
)


@kernel
def holds(piece: Piece, voice: int, step: int) -> bool:
    """Whether a note that began earlier goes on at this site."""
    return piece.pitch[voice, step] >= 0 and not piece.onset[voice, step]


@small_kernel
def dissonant(pitch: np.ndarray, one: int, two: int, step: int) -> bool:
    """Whether two voices sound a dissonance: seconds, sevenths, and with the lowest voice fourths and tritones."""
    a, b = pitch[one, step], pitch[two, step]
    if a < 0 or b < 0:
        return False
    with_lowest = 1 if min(a, b) == lowest_pitch(pitch, step) else 0
    return DISSONANCES[with_lowest, abs(a - b) % OCTAVE]


@kernel
def perfect(piece: Piece, one: int, two: int, step: int) -> bool:
    """Whether two voices sound a unison, a fifth or an octave, or these and octaves."""
    a, b = piece.pitch[one, step], piece.pitch[two, step]
    if a < 0 or b < 0:
        return False
    size = abs(a - b) % OCTAVE
    return size == 0 or size == FIFTH


@kernel
def bar_line(piece: Piece, step: int) -> int:
    """First step of the bar that this step is in; negative where that bar began before the piece."""
    return step - piece.position[step]


@kernel
def in_last_bar(piece: Piece, step: int) -> bool:
    """Whether no bar comes after that of this step."""
    return bar_line(piece, step) + piece.bar[step] >= piece.length


@kernel
def in_bar_before_last(piece: Piece, step: int) -> bool:
    """Whether just one bar comes after that of this step."""
    following = bar_line(piece, step) + piece.bar[step]
    return 0 <= following < piece.length and in_last_bar(piece, following)


@kernel
def note_before(piece: Piece, voice: int, step: int) -> int:
    """Where the note began that sounds just before this step; -1 where none does."""
    if step == 0 or piece.pitch[voice, step - 1] < 0:
        return -1
    return piece.start[voice, step - 1]


@kernel
def is_step(width: int) -> bool:
    """Whether so many semitones, up or down, are a second."""
    return width != 0 and abs(width) <= STEP


@small_kernel
def struck_dissonance(pitch: np.ndarray, onset: np.ndarray, position: np.ndarray, voice: int, step: int) -> bool:
    """Whether a note begins here, inside the bar, that is dissonant with one that another voice holds."""
    if position[step] == 0 or not onset[voice, step] or pitch[voice, step] < 0:
        return False
    for other in range(pitch.shape[0]):
        if other != voice and not onset[other, step] and dissonant(pitch, voice, other, step):
            return True
    return False


@small_kernel
def suspended_against(pitch: np.ndarray, onset: np.ndarray, voice: int, line: int) -> int:
    """The voice whose new note at this bar line is dissonant with one that `voice` holds: a suspension; -1 for none."""
    if onset[voice, line] or pitch[voice, line] < 0:
        return -1
    for other in range(pitch.shape[0]):
        if other != voice and onset[other, line] and dissonant(pitch, voice, other, line):
            return other
    return -1


@kernel
def suspended_at(piece: Piece, voice: int, step: int) -> int:
    """The bar line at which the note that sounds just before this step was suspended as a dissonance; -1 where it was not."""
    note = note_before(piece, voice, step)
    if note < 0:
        return -1
    line = bar_line(piece, step - 1)
    return line if note < line and suspended_against(piece.pitch, piece.onset, voice, line) >= 0 else -1
