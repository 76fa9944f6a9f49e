"""Compass and contour: how far the melody reaches, where it lies, where its peak is."""

from __future__ import annotations

import numpy as np

from musicgym.rewards.rules import rule
from musicgym.rewards.theory.reading import closes
from musicgym.rewards.voices import OCTAVE, attacks


@rule(sees="own", at="bar", within={"least": (1, 12), "bars": (1, 64)})
def pitch_variety(piece, voice, step, *, least=5, bars=2):
    """At the end of every `bars` bars -1 for each degree by which they have fewer than `least` different ones (our own)."""
    if not closes(piece, step, bars):
        return 0.0
    seen, count = 0, 0
    for t in range(max(step + 1 - int(bars) * piece.bar[step], 0), step + 1):
        if attacks(piece, voice, t):
            bit = 1 << (piece.pitch[voice, t] % OCTAVE)
            count += (seen & bit) == 0
            seen |= bit
    return min(np.float64(count) - least, 0.0)


@rule(sees="own", at="note", within={"most": (1, 127)})
def compass(piece, voice, step, *, most=17):
    """-1 for each semitone by which a note widens the piece's compass beyond `most` semitones.

    17, an octave and a fourth, lies between the tenth of Open Music Theory, "Cantus firmus", and the twelfth of Burnette's notes.
    """
    if not attacks(piece, voice, step) or piece.previous[voice, step] < 0:
        return 0.0
    pitch, before = piece.pitch[voice, step], piece.previous[voice, step]
    low = high = piece.pitch[voice, before]
    while piece.previous[voice, before] >= 0:
        before = piece.previous[voice, before]
        low, high = min(low, piece.pitch[voice, before]), max(high, piece.pitch[voice, before])
    return min(np.float64(max(high - low, most) - (max(high, pitch) - min(low, pitch))), 0.0)


@compass.carried(2)
def carried_compass(piece, voice, step, carry, *, most=17):
    """As `compass`: carries lowest and highest pitch, counted from 1 so that 0 is none."""
    if not attacks(piece, voice, step):
        return 0.0
    pitch = np.float64(piece.pitch[voice, step] + 1)
    if carry[1] == 0.0:
        carry[0], carry[1] = pitch, pitch
        return 0.0
    had = max(carry[1] - carry[0], most)
    carry[0], carry[1] = min(carry[0], pitch), max(carry[1], pitch)
    return min(had - (carry[1] - carry[0]), 0.0)


@rule(sees="own", at="end", within={"least": (0, 127)})
def narrow(piece, voice, step, *, least=9):
    """At the end -1 for each semitone that the compass falls short of `least`; of a piece without notes all of them (our own)."""
    if step != piece.length - 1:
        return 0.0
    low, high = 127, 0
    for t in range(step + 1):
        if attacks(piece, voice, t):
            low, high = min(low, piece.pitch[voice, t]), max(high, piece.pitch[voice, t])
    return min(np.float64(max(high - low, 0)) - least, 0.0)


@rule(sees="own", at="note", within={"reach": (1, 127)})
def tessitura(piece, voice, step, *, reach=7):
    """-1 for a note more than `reach` semitones away from the mean of all notes before it.

    Temperley 2008: notes lie near a central pitch; its standard deviation is about 5.4 semitones. The limit is our own.
    """
    if not attacks(piece, voice, step):
        return 0.0
    before, count, total = piece.previous[voice, step], 0, 0
    while before >= 0:
        total += piece.pitch[voice, before]
        count += 1
        before = piece.previous[voice, before]
    return -1.0 if abs(piece.pitch[voice, step] * count - total) > reach * count else 0.0


@tessitura.carried(2)
def carried_tessitura(piece, voice, step, carry, *, reach=7):
    """As `tessitura`: carries the number of notes and the sum of their pitches."""
    if not attacks(piece, voice, step):
        return 0.0
    pitch = piece.pitch[voice, step]
    far = abs(pitch * carry[0] - carry[1]) > reach * carry[0]
    carry[0] += 1.0
    carry[1] += pitch
    return -1.0 if far else 0.0


@rule(sees="own", at="end")
def climax(piece, voice, step):
    """At the end +1 where the highest pitch is heard at one place only, and is neither the first note nor the last.

    Open Music Theory, "Cantus firmus": "a single climax (high point) that appears only once in the melody".
    """
    if step != piece.length - 1:
        return 0.0
    highest, times, first, last, at = -1, 0, -1, -1, -1
    for t in range(step + 1):
        if attacks(piece, voice, t):
            pitch = piece.pitch[voice, t]
            if pitch > highest:
                highest, times, at = pitch, 1, t
            elif pitch == highest and piece.pitch[voice, last] != highest:
                times += 1
            first = t if first < 0 else first
            last = t
    return 1.0 if times == 1 and at != first and piece.pitch[voice, last] != highest else 0.0


@rule(sees="own", at="bar", within={"bars": (1, 64)})
def arch(piece, voice, step, *, bars=4):
    """At the end of every `bars` bars +1 where the notes of the middle half lie higher than the others (arch: Huron 1996)."""
    if not closes(piece, step, bars):
        return 0.0
    steps = int(bars) * piece.bar[step]
    first, inner, outer, inside, outside = step + 1 - steps, 0, 0, 0, 0
    for t in range(max(first, 0), step + 1):
        if attacks(piece, voice, t):
            if steps <= 4 * (t - first) < 3 * steps:
                inner += piece.pitch[voice, t]
                inside += 1
            else:
                outer += piece.pitch[voice, t]
                outside += 1
    return 1.0 if inner * outside > outer * inside else 0.0
