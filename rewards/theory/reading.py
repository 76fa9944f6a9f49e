"""What the rules of theory read off a piece: notes, intervals, places in the bar."""

from __future__ import annotations

from musicgym.compiled import kernel
from musicgym.metre import bar_number
from musicgym.pieces import Piece
from musicgym.rewards.voices import STEP, attacks
from musicgym.score import BLANK

WEAKEST = 4  # levels of the metre run from 0, the bar line, to here


@kernel
def width(piece: Piece, voice: int, note: int) -> int:
    """Semitones from the note before, which there is, up to the note that begins here."""
    return piece.pitch[voice, note] - piece.pitch[voice, piece.previous[voice, note]]


@kernel
def flows_on(piece: Piece, voice: int, note: int) -> bool:
    """Whether the note that begins here is a step in the direction of a step."""
    before = piece.previous[voice, note]
    if before < 0 or piece.previous[voice, before] < 0:
        return False
    now, last = width(piece, voice, note), width(piece, voice, before)
    return now * last > 0 and abs(now) <= STEP and abs(last) <= STEP


@kernel
def finished(piece: Piece, voice: int, step: int) -> int:
    """Where the event began that is over now that another begins at this site; -1 where none is."""
    if step == 0 or not piece.onset[voice, step] or piece.pitch[voice, step - 1] == BLANK:
        return -1
    return piece.start[voice, step - 1]


@kernel
def last_note(piece: Piece, voice: int, step: int) -> int:
    """Where the note began that sounds at this site, or else the one before it; -1 for none."""
    return step if attacks(piece, voice, step) else piece.previous[voice, step]


@kernel
def is_compound(piece: Piece, step: int) -> bool:
    """Whether beats divide into thirds, as in 6/8: they are dotted."""
    return 8 * piece.beat[step] % (3 * piece.quarter) == 0


@kernel
def level(piece: Piece, step: int) -> int:
    """Weakness of a place in the bar: 0 its first step, 1 its middle, 2 another beat, 3 a part of a beat, WEAKEST others.

    Parts of a beat are thirds in compound metres, in others halves and, for triplets, thirds.
    """
    position, beat = piece.position[step], piece.beat[step]
    if position == 0:
        return 0
    if position % beat == 0:
        return 1 if 2 * position == piece.bar[step] else 2
    if beat % 3 == 0 and 3 * position % beat == 0:
        return 3
    return 3 if not is_compound(piece, step) and 2 * position % beat == 0 else WEAKEST


@kernel
def bar_begun(piece: Piece, step: int) -> int:
    """First step of the bar that ends with this step; -1 where none ends, or one of which the beginning isn't there."""
    if piece.position[step] != piece.bar[step] - 1:
        return -1
    return max(step - piece.position[step], -1)


@kernel
def closes(piece: Piece, step: int, bars: float) -> bool:
    """Whether this step is the last of a group of `bars` bars, counted from the first bar line on."""
    if piece.position[step] != piece.bar[step] - 1:
        return False
    number = bar_number(piece.position, step)
    return number >= 0 and (number + 1) % bars == 0
