"""The line: how far and which way a melody moves from note to note."""

from __future__ import annotations

import numpy as np

from musicgym.rewards.rules import rule
from musicgym.rewards.theory.reading import bar_begun, flows_on, width
from musicgym.rewards.voices import OCTAVE, STEP, attacks

DISSONANT = np.array([0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0], np.float64)  # by semitones: tritone and sevenths
_CHORDS = ((0, 4, 7), (0, 3, 7), (0, 3, 6), (0, 4, 7, 10), (0, 3, 7, 10), (0, 4, 7, 11), (0, 3, 6, 10))


def _parts_of_chords() -> np.ndarray:
    """bool (12, 12): by the semitones, modulo 12, of two notes above a third one, whether some chord holds all three."""
    found = np.zeros((12, 12), np.bool_)
    for chord in _CHORDS:
        for root in range(12):
            tones = {(root + tone) % 12 for tone in chord}
            if 0 in tones:
                for a in tones:
                    for b in tones:
                        found[a, b] = True
    return found


IN_A_CHORD = _parts_of_chords()


@rule(sees="own", at="note", within={"free": (0, 127)})
def leap_size(piece, voice, step, *, free=2):
    """-1 for each octave, in parts, by which an interval is wider than `free` semitones.

    "Small melodic intervals greatly outnumber large ones" (Watt 1924, as restated by von Hippel 2000); the measure is our own.
    """
    before = piece.previous[voice, step]
    if before < 0 or not attacks(piece, voice, step):
        return 0.0
    return -max(abs(width(piece, voice, step)) - free, 0.0) / OCTAVE


@rule(sees="own", at="note")
def dissonant_leap(piece, voice, step):
    """-1 for a leap of a tritone, of a seventh, or of more than an octave.

    Open Music Theory, "Cantus firmus": "all note-to-note progressions are melodic consonances"; sevenths also in Lehmann 1907.
    """
    before = piece.previous[voice, step]
    if before < 0 or not attacks(piece, voice, step):
        return 0.0
    size = abs(width(piece, voice, step))
    return -1.0 if size > OCTAVE else -DISSONANT[size]


@rule(sees="own", at="note", within={"leap": (1, 24)}, about="before")
def leap_recovered(piece, voice, step, *, leap=5):
    """-1 where a leap of `leap` semitones or more is not answered by a step the other way.

    Open Music Theory, "Cantus firmus": leaps of "fourth or larger" are "followed by step in opposite direction". A leap that is
    answered earns nothing: where it did, agents leapt for the sake of recovering.
    """
    before = piece.previous[voice, step]
    if before < 0 or not attacks(piece, voice, step) or piece.previous[voice, before] < 0:
        return 0.0
    first = width(piece, voice, before)
    if abs(first) < leap:
        return 0.0
    second = width(piece, voice, step)
    return 0.0 if first * second < 0 and abs(second) <= STEP else -1.0


@rule(sees="own", at="note")
def consecutive_leaps(piece, voice, step):
    """-1 where two leaps in a row join notes of no common triad or seventh chord.

    Counterpointer's manual (Ars Nova): no leaps one after the other "unless they outline a triad"; sevenths are our own.
    """
    before = piece.previous[voice, step]
    if before < 0 or not attacks(piece, voice, step) or piece.previous[voice, before] < 0:
        return 0.0
    first, second = width(piece, voice, before), width(piece, voice, step)
    if abs(first) <= STEP or abs(second) <= STEP:
        return 0.0
    return 0.0 if IN_A_CHORD[first % 12, (first + second) % 12] else -1.0


@rule(sees="own", at="bar", within={"enough": (0.01, 1.0), "most": (0.0, 0.99)})
def stepwise(piece, voice, step, *, enough=0.3, most=0.6):
    """At the end of a bar 1 where a share of its notes, `enough` to `most`, goes on by step in the direction of a step.

    In proportion less below, and above, down to 0 where all notes do: a scale is no melody (our own). A share, so that more
    notes earn no more. Step inertia: Huron 2006, as restated in Open Music Theory; Chiu & Temperley 2024.
    """
    first = bar_begun(piece, step)
    if first < 0:
        return 0.0
    notes, flowing = 0, 0
    for t in range(first, step + 1):
        if attacks(piece, voice, t):
            notes += 1
            flowing += flows_on(piece, voice, t)
    if notes == 0:
        return 0.0
    share = flowing / notes
    return min(share / enough, 1.0) * min((1.0 - share) / (1.0 - most), 1.0)


@rule(sees="own", at="note", about="before")
def outlined_tritone(piece, voice, step):
    """-1 where the line turns after it has outlined a tritone, a seventh or more than an octave from turn to turn.

    Counterpointer's manual (Ars Nova): "take care not to outline a tritone in melody"; the wider intervals are our own.
    """
    before = piece.previous[voice, step]
    if before < 0 or not attacks(piece, voice, step) or piece.previous[voice, before] < 0:
        return 0.0
    now, last = width(piece, voice, step), width(piece, voice, before)
    if now * last >= 0:
        return 0.0
    turn, notes = piece.previous[voice, before], 1
    while piece.previous[voice, turn] >= 0 and width(piece, voice, turn) * last > 0:
        turn = piece.previous[voice, turn]
        notes += 1
    size = abs(piece.pitch[voice, before] - piece.pitch[voice, turn])
    if notes < 2:
        return 0.0  # a single leap is judged by `dissonant_leap`
    return -1.0 if size > OCTAVE else -DISSONANT[size]


@rule(sees="own", at="note", within={"most": (1, 1000)})
def repeated_notes(piece, voice, step, *, most=3):
    """-1 for a note like the `most` notes before it.

    Lehmann 1907, lesson I: "repetition to the extent of three notes in succession is allowed".
    """
    if not attacks(piece, voice, step):
        return 0.0
    pitch, before, same = piece.pitch[voice, step], piece.previous[voice, step], 0
    while before >= 0 and piece.pitch[voice, before] == pitch and same < most:
        same += 1
        before = piece.previous[voice, before]
    return -1.0 if same >= most else 0.0


@rule(sees="own", at="note", within={"most": (2, 1000)})
def one_way(piece, voice, step, *, most=5):
    """-1 for a note that goes on in the direction of the `most` intervals before it ("5-6 notes": head_music's species rules)."""
    before = piece.previous[voice, step]
    if before < 0 or not attacks(piece, voice, step):
        return 0.0
    now, same = width(piece, voice, step), 0
    while same < most and piece.previous[voice, before] >= 0 and now * width(piece, voice, before) > 0:
        same += 1
        before = piece.previous[voice, before]
    return -1.0 if same >= most else 0.0


LONGEST_FIGURE = 4  # notes


@rule(sees="own", at="note")
def worn_figure(piece, voice, step):
    """-1 for a note that carries a figure of two, three or four pitches on into its third statement in a row.

    After Rolls, "Sequences": they "rarely continue past 3 repetitions"; that they wear out within the third is our own.
    """
    if not attacks(piece, voice, step):
        return 0.0
    behind = step
    for period in range(1, LONGEST_FIGURE + 1):
        behind = piece.previous[voice, behind]
        if behind < 0:
            return 0.0
        if period > 1:
            a, b, alike = step, behind, 0
            while b >= 0 and alike <= period and piece.pitch[voice, a] == piece.pitch[voice, b]:
                alike += 1
                a, b = piece.previous[voice, a], piece.previous[voice, b]
            if alike > period and piece.pitch[voice, step] != piece.pitch[voice, piece.previous[voice, step]]:
                return -1.0
    return 0.0
