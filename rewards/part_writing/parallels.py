"""Perfect intervals: fifths and octaves that come one after another, or that the outer voices leap into together."""

from __future__ import annotations

from musicgym.compiled import kernel
from musicgym.pieces import Piece
from musicgym.rewards.rules import rule
from musicgym.rewards.voices import FIFTH, STEP, contrary, interval_class, is_last, moves, same_direction


@kernel
def in_parallel(piece: Piece, voice: int, step: int, size: int) -> float:
    """-1 for each lower-numbered voice that goes along with this one from an interval of this class to another of it."""
    faults = 0.0
    if moves(piece, voice, step) != 0:
        for other in range(voice):
            if (
                interval_class(piece, voice, other, step) == size
                and interval_class(piece, voice, other, step - 1) == size
                and same_direction(piece, voice, other, step)
            ):
                faults -= 1.0
    return faults


@rule(span=1, sees="lower", at="note")
def parallel_fifths(piece, voice, step):
    """-1 for each voice above with which this one moves in the same direction from a perfect fifth to another (Fux, Gradus, I).

    Twelfths are fifths. Contrary motion from a fifth to a twelfth is no parallel, nor are repeated notes.
    """
    return in_parallel(piece, voice, step, FIFTH)


@rule(span=1, sees="lower", at="note")
def parallel_octaves(piece, voice, step):
    """-1 for each voice above with which this one moves in the same direction from an octave or unison to another (Fux, Gradus).

    Contrary motion from an octave to a unison is no parallel (`antiparallels`), nor are repeated notes.
    """
    return in_parallel(piece, voice, step, 0)


@rule(span=1, sees="lower", at="note")
def antiparallels(piece, voice, step):
    """-1 for each voice above with which this one goes in contrary motion from a fifth or octave to one of the same class.

    From a fifth to a twelfth, from an octave to a unison (Open Music Theory, "Voice leading": contrary octaves and fifths).
    """
    faults = 0.0
    if moves(piece, voice, step) != 0:
        for other in range(voice):
            size = interval_class(piece, voice, other, step)
            if (
                (size == 0 or size == FIFTH)
                and interval_class(piece, voice, other, step - 1) == size
                and contrary(piece, voice, other, step)
            ):
                faults -= 1.0
    return faults


@rule(span=1, sees="lower", at="note")
def direct_perfects(piece, voice, step):
    """-1 where the outer voices move in the same direction into a fifth or octave, and the upper one leaps.

    Hidden (direct) fifths and octaves (Piston, Harmony; Open Music Theory, "Voice leading"). Parallels are not counted again.
    """
    if not is_last(piece, voice) or abs(moves(piece, 0, step)) <= STEP:
        return 0.0
    size = interval_class(piece, voice, 0, step)
    if (size != 0 and size != FIFTH) or interval_class(piece, voice, 0, step - 1) == size:
        return 0.0
    return -1.0 if same_direction(piece, voice, 0, step) else 0.0
