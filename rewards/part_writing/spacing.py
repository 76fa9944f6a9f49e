"""Where the voices lie: each in its range, not too far apart."""

from __future__ import annotations

import numpy as np

from musicgym.rewards.rules import rule
from musicgym.rewards.voices import OCTAVE, attacks
from musicgym.tasks.chorale import SATB

RANGES = np.array(SATB)  # int64 (4, 2): lowest and highest pitch (MIDI)


@rule(span=0, sees="own", at="note")
def voice_range(piece, voice, step):
    """-1 for a note outside the range that Bach's chorales give to its voice: C2..E4, C3..A4, F3..D5, A3..A5 from the bass up.

    The first voice is a soprano and the last a bass; between them stand alto and tenor, of three voices one as wide as both.
    """
    if not attacks(piece, voice, step):
        return 0.0
    last = piece.pitch.shape[0] - 1
    if voice == 0:
        low, high = RANGES[0, 0], RANGES[0, 1]
    elif voice == last:
        low, high = RANGES[3, 0], RANGES[3, 1]
    else:
        low, high = RANGES[2 if voice == last - 1 else 1, 0], RANGES[1 if voice == 1 else 2, 1]
    return 0.0 if low <= piece.pitch[voice, step] <= high else -1.0


@rule(span=1, sees="lower", within={"most": (1, 127), "below": (1, 127)})
def spacing(piece, voice, step, *, most=OCTAVE, below=19):
    """-1 where a note begins and two neighbouring voices lie more than `most` semitones apart, above the bass `below`.

    An octave between the upper voices, a twelfth above the bass (Piston, Harmony; the twelfth also in Open Music Theory).
    """
    if voice == 0 or piece.pitch[voice, step] < 0 or piece.pitch[voice - 1, step] < 0:
        return 0.0
    if not (piece.onset[voice, step] or piece.onset[voice - 1, step]):
        return 0.0
    limit = below if voice == piece.pitch.shape[0] - 1 else most
    return -1.0 if piece.pitch[voice - 1, step] - piece.pitch[voice, step] > limit else 0.0
