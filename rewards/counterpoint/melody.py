"""Each voice's own line: what may be sung. General rules of melody, `leap_recovered` and others, are those of theory."""

from __future__ import annotations

import numpy as np

from musicgym.rewards.counterpoint.reading import note_before
from musicgym.rewards.rules import rule
from musicgym.rewards.voices import OCTAVE, STEP, attacks, moves

MINOR_SIXTH = 8  # semitones
# bool (13,), by semitones: seconds, thirds, perfect fourth and fifth, minor sixth, octave, and a note repeated.
SUNG = np.array([1, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 1], np.bool_)


@rule(sees="own", at="note")
def unsung_interval(piece, voice, step):
    """-1 for a tritone, a major sixth, a seventh and whatever is wider than an octave.

    kfox/gradus, a digest of Fux: a line must not go by a tritone nor a major sixth. Semitones decide, not spelling.
    """
    size = abs(moves(piece, voice, step))
    return -1.0 if size > OCTAVE or not SUNG[size] else 0.0


@rule(sees="own", at="note")
def sixth_down(piece, voice, step):
    """-1 for a minor sixth downwards (the textbook's sixth goes up; Fux leaps down one in the third and the fourth species)."""
    return -1.0 if moves(piece, voice, step) == -MINOR_SIXTH else 0.0


@rule(sees="own", at="note")
def short_note_repeated(piece, voice, step):
    """-1 for a note like the one before it, if that one was shorter than a bar (only note against note does Fux repeat notes)."""
    note = note_before(piece, voice, step)
    if note < 0 or not attacks(piece, voice, step) or piece.pitch[voice, note] != piece.pitch[voice, step]:
        return 0.0
    return -1.0 if step - note < piece.bar[note] else 0.0


@rule(sees="own", at="note", within={"most": (1, 127)})
def leaps_one_way(piece, voice, step, *, most=OCTAVE):
    """-1 for two leaps in one direction that together are wider than `most` semitones (an octave: our own)."""
    move, note = moves(piece, voice, step), note_before(piece, voice, step)
    if note < 0 or abs(move) <= STEP:
        return 0.0
    before = moves(piece, voice, note)
    return -1.0 if abs(before) > STEP and before * move > 0 and abs(before + move) > most else 0.0


@rule(sees="own")
def broken_line(piece, voice, step):
    """-1 where a rest follows a note, and for each bar line but the first at which a voice rests: Fux's lines do neither."""
    if piece.pitch[voice, step] >= 0:
        return 0.0
    after = note_before(piece, voice, step) >= 0
    return -1.0 if after or (piece.position[step] == 0 and step > 0) else 0.0
