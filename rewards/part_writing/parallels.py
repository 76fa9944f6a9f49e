"""Perfect intervals: fifths and octaves that come one after another, or that two voices leap into together."""

from __future__ import annotations

from musicgym.compiled import kernel
from musicgym.pieces import Piece
from musicgym.rewards.rules import rule
from musicgym.rewards.voices import FIFTH, interval_class, moves, same_direction


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
    """-1 for each voice above with which this one moves in the same direction from an octave or unison to another (Fux, Gradus, I).

    Contrary motion from an octave to a unison is no parallel, nor are repeated notes.
    """
    return in_parallel(piece, voice, step, 0)
