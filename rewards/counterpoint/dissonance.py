"""Dissonance struck inside the bar: passing and neighbour notes, the cambiata, pairs of eighths."""

from __future__ import annotations

from musicgym.compiled import kernel
from musicgym.pieces import Piece
from musicgym.rewards.counterpoint.reading import is_step, note_before, struck_dissonance
from musicgym.rewards.rules import rule
from musicgym.rewards.voices import STEP, attacks, is_last, moves


@kernel
def width(piece: Piece, voice: int, note: int, following: int) -> int:
    """Semitones from one note of a voice up to another."""
    return piece.pitch[voice, following] - piece.pitch[voice, note]


@rule(sees="lower")
def dissonance_by_step(piece, voice, step):
    """-1 for each note struck inside the bar as a dissonance that does not come by step.

    Music Stack Exchange 93470, on Fux: motion to a dissonance is always by step.
    """
    if not is_last(piece, voice) or piece.position[step] == 0:
        return 0.0
    faults = 0.0
    for mover in range(voice + 1):
        if struck_dissonance(piece.pitch, piece.onset, piece.position, mover, step) and not is_step(moves(piece, mover, step)):
            faults -= 1.0
    return faults


@kernel
def steps_down_into(piece: Piece, voice: int, note: int) -> bool:
    """Whether this note comes by step from above."""
    return -STEP <= moves(piece, voice, note) < 0


@kernel
def falls_a_third(piece: Piece, voice: int, note: int, following: int) -> bool:
    """Whether the note that follows lies a third lower."""
    return piece.pitch[voice, following] >= 0 and -4 <= width(piece, voice, note, following) <= -3


@rule(sees="lower")
def dissonance_left_by_step(piece, voice, step):
    """-1 where a note struck inside the bar as a dissonance is not left by step, nor as the second note of a cambiata.

    The cambiata comes by step from above and leaves by a third down, the one exception (Music Stack Exchange 93470, on Fux).
    """
    if not is_last(piece, voice):
        return 0.0
    faults = 0.0
    for mover in range(voice + 1):
        note = note_before(piece, mover, step)
        if (
            note < 0
            or not piece.onset[mover, step]
            or not struck_dissonance(piece.pitch, piece.onset, piece.position, mover, note)
        ):
            continue
        if piece.pitch[mover, step] >= 0 and is_step(width(piece, mover, note, step)):
            continue
        if not (steps_down_into(piece, mover, note) and falls_a_third(piece, mover, note, step)):
            faults -= 1.0
    return faults


@rule(sees="lower")
def cambiata(piece, voice, step):
    """-1 where a cambiata (step down to a dissonance, third down) does not go back up by step (Fux, Gradus, I, third species)."""
    if not is_last(piece, voice):
        return 0.0
    faults = 0.0
    for mover in range(voice + 1):
        third = note_before(piece, mover, step)
        if third < 0 or not piece.onset[mover, step]:
            continue
        second = note_before(piece, mover, third)
        if (
            second >= 0
            and falls_a_third(piece, mover, second, third)
            and steps_down_into(piece, mover, second)
            and struck_dissonance(piece.pitch, piece.onset, piece.position, mover, second)
            and not 0 < moves(piece, mover, step) <= STEP
        ):
            faults -= 1.0
    return faults


@rule(sees="lower")
def midbar_neighbour(piece, voice, step):
    """-1 where a dissonance struck in the middle of the bar does not pass on in its direction.

    Fux, Gradus, I: in the second species it fills a third; Music Stack Exchange 93470: on the third of four quarters it passes.
    """
    if not is_last(piece, voice):
        return 0.0
    faults = 0.0
    for mover in range(voice + 1):
        note = note_before(piece, mover, step)
        if (
            note >= 0
            and attacks(piece, mover, step)
            and 2 * piece.position[note] == piece.bar[note]
            and struck_dissonance(piece.pitch, piece.onset, piece.position, mover, note)
            and moves(piece, mover, note) * moves(piece, mover, step) < 0
        ):
            faults -= 1.0
    return faults


@kernel
def in_quarter(piece: Piece, step: int) -> float:
    """Steps since the quarter began in which this step lies."""
    return piece.position[step] - int(piece.position[step] / piece.quarter) * piece.quarter


@rule(sees="own")
def paired_eighths(piece, voice, step):
    """-1 for a note shorter than a quarter that is no eighth of a pair on a weak quarter, or is not left by step.

    Lehmann 1907, lesson IX: eighths come "in groups of two on the second and fourth quarters of the measure", and by step,
    but the first may come by skip. Judged where the next note or rest begins.
    """
    note = note_before(piece, voice, step)
    if note < 0 or not piece.onset[voice, step]:
        return 0.0
    before = note_before(piece, voice, note)
    opened = before >= 0 and 2 * (note - before) == piece.quarter and in_quarter(piece, before) == 0
    if step - note >= piece.quarter:
        return -1.0 if opened else 0.0
    inside = in_quarter(piece, note)
    weak = int(piece.position[note] / piece.quarter) % 2 == 1
    if not weak or 2 * (step - note) != piece.quarter or not is_step(moves(piece, voice, step)):
        return -1.0
    return 0.0 if inside == 0 or opened else -1.0
