"""Key and mode: which notes belong, which ask to be resolved, where a melody begins and comes to rest."""

from __future__ import annotations

import numpy as np

from musicgym.rewards.rules import rule
from musicgym.rewards.theory.reading import closes, last_note, level
from musicgym.rewards.voices import STEP, attacks, degree
from musicgym.score import MODES, SCALES, TRIADS

_RAISED = {"minor": (9, 11), "dorian": (11,)}  # besides the scale: melodic minor's sixth and seventh, and Dorian's leading tone
IN_KEY = np.array(
    [sum(1 << degree for degree in {*scale, *_RAISED.get(mode, ())}) for mode, scale in zip(MODES, SCALES, strict=True)], np.int64
)
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


PROFILES = np.array([_MAJOR if 4 in scale else _MINOR for scale in SCALES])  # float64 (modes, 12)
PROFILES = (PROFILES - PROFILES.mean(axis=1, keepdims=True)) / PROFILES.std(axis=1, keepdims=True)
TRIAD = np.array([sum(1 << tone for tone in triad) for triad in TRIADS], np.int64)


@rule(span=0, sees="own", at="note")
def in_key(piece, voice, step):
    """-1 for a note outside the local key.

    Minor has its raised sixth and seventh, Dorian its seventh. Lehmann 1907, lesson I: "All progressions must be diatonic".
    """
    if not attacks(piece, voice, step):
        return 0.0
    return 0.0 if IN_KEY[piece.mode[step]] >> degree(piece, voice, step) & 1 else -1.0


@rule(sees="own", at="note", about="before")
def chromatic_resolved(piece, voice, step):
    """-1 where a note outside the key is left by a leap (after Merritt & Castro's account of chromatic steps)."""
    before = piece.previous[voice, step]
    if before < 0 or not attacks(piece, voice, step) or IN_KEY[piece.mode[before]] >> degree(piece, voice, before) & 1:
        return 0.0
    return -1.0 if abs(piece.pitch[voice, step] - piece.pitch[voice, before]) > STEP else 0.0


@rule(sees="own", at="note", about="before")
def leading_tone(piece, voice, step):
    """-1 where the leading tone goes on neither up to the tonic nor down by as much as a third; repeating it decides nothing.

    The leading tone lies a semitone below the tonic (Open Music Theory, "Tendency tones": it "tends to be followed by do").
    """
    before = piece.previous[voice, step]
    if before < 0 or not attacks(piece, voice, step) or degree(piece, voice, before) != 11:
        return 0.0
    return 0.0 if -4 <= piece.pitch[voice, step] - piece.pitch[voice, before] <= 1 else -1.0


@rule(sees="own", at="bar", within={"bars": (1, 8)})  # its counters go to 1,023 steps
def key_profile(piece, voice, step, *, bars=2):
    """At the end of every `bars` bars the correlation, -1..1, of how long each degree sounds in them with the key's profile.

    The profile is Krumhansl & Kessler's (1982, Psychological Review 89) for major or, where the third is minor, for minor.
    A measure and no fault: where notes sound it is hardly ever 0.
    """
    if not closes(piece, step, bars):
        return 0.0
    low, high = 0, 0  # how often each degree sounds: six counts of ten bits each
    for t in range(max(step + 1 - int(bars) * piece.bar[step], 0), step + 1):
        if piece.pitch[voice, t] >= 0:
            place = degree(piece, voice, t)
            if place < 6:
                low += 1 << (10 * place)
            else:
                high += 1 << (10 * place - 60)
    total, squares, products = 0, 0, 0.0
    for place in range(12):
        count = (low >> (10 * place) if place < 6 else high >> (10 * place - 60)) & 1023
        total += count
        squares += count * count
        products += count * PROFILES[piece.mode[step], place]
    spread = 12 * squares - total * total
    return products / np.sqrt(np.float64(spread)) if spread > 0 else 0.0


@rule(span=0, sees="own", at="note")
def unstable_beat(piece, voice, step):
    """For a note on a beat that its key rates below the mean of all degrees: by how many standard deviations, negative.

    Stable notes stand on strong beats (White 2017, Empirical Musicology Review 12; ratings as in `key_profile`).
    """
    if not attacks(piece, voice, step) or level(piece, step) > 2:
        return 0.0
    return min(PROFILES[piece.mode[step], degree(piece, voice, step)], 0.0)


@rule(sees="own", at="note")
def opening(piece, voice, step):
    """-1 where the first note is none of the tonic triad (after Open Music Theory, "First species": do or sol)."""
    if not attacks(piece, voice, step) or piece.previous[voice, step] >= 0:
        return 0.0
    return 0.0 if TRIAD[piece.mode[step]] >> degree(piece, voice, step) & 1 else -1.0


@rule(sees="own", at="end")
def closing(piece, voice, step):
    """At the end 0 where the last note is the tonic, -0.5 where it is another of its triad, else -1; without a note -1.

    Open Music Theory, "Cantus firmus": "begin and end on do".
    """
    if step != piece.length - 1:
        return 0.0
    last = last_note(piece, voice, step)
    if last < 0:
        return -1.0
    if degree(piece, voice, last) == 0:
        return 0.0
    return -0.5 if TRIAD[piece.mode[last]] >> degree(piece, voice, last) & 1 else -1.0


@rule(sees="own", at="end")
def cadence(piece, voice, step):
    """At the end +1 where the last note is a tonic on a beat, reached by step or from the dominant.

    Open Music Theory, "Cantus firmus": "approach final tonic by step"; the leap from the dominant, as in a bass, is our own.
    """
    if step != piece.length - 1:
        return 0.0
    last = last_note(piece, voice, step)
    if last < 0 or degree(piece, voice, last) != 0 or level(piece, last) > 2:
        return 0.0
    before = piece.previous[voice, last]
    if before < 0:
        return 0.0
    width = abs(piece.pitch[voice, last] - piece.pitch[voice, before])
    return 1.0 if 0 < width <= STEP or degree(piece, voice, before) == 7 else 0.0
