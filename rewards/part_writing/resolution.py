"""Notes that ask to be resolved: the leading tone, a chord's seventh, dissonance."""

from __future__ import annotations

import numpy as np

from musicgym.chords import CHORD_OF_SET
from musicgym.compiled import kernel, small_kernel
from musicgym.pieces import Piece
from musicgym.rewards.part_writing.reading import (
    KINDS,
    NONE,
    beat_begun,
    belongs,
    chord,
    heard_classes,
    is_dominant,
    on_beat,
    root_degree,
    seventh_of,
)
from musicgym.rewards.rules import rule
from musicgym.rewards.voices import STEP, attacks, is_last, leaves, lowest_pitch, moves


@rule(sees="lower", at="chord")
def leading_tone_resolution(piece, voice, step):
    """-1 for each leading tone of V or vii° that goes elsewhere than to the tonic where I or vi follows. Hangs on the local key.

    In an inner voice it may fall a third, to the fifth of I (Piston, Harmony, of Bach's practice).
    """
    if step == 0 or not is_last(piece, voice):
        return 0.0
    leading, left = (piece.tonic[step - 1] + 11) % 12, False
    for other in range(voice + 1):
        left = left or leaves(piece, other, step, leading)
    if not left or not is_dominant(piece, chord(piece, step - 1), step - 1):
        return 0.0
    following = chord(piece, step)
    degree = root_degree(piece, following, step - 1) if following >= 0 else NONE
    if degree != 0 and degree != 8 and degree != 9:
        return 0.0
    faults = 0.0
    for other in range(voice + 1):
        move = moves(piece, other, step)
        falls = 0 < other < voice and -4 <= move <= -3
        if leaves(piece, other, step, leading) and not falls and not 0 <= move <= 1:
            faults -= 1.0
    return faults


@rule(sees="lower", at="chord")
def seventh_resolution(piece, voice, step):
    """-1 for each seventh of a chord that, where the root changes, neither falls by step nor stays (Piston, Harmony)."""
    if step == 0 or not is_last(piece, voice):
        return 0.0
    before = chord(piece, step - 1)
    seventh = seventh_of(before)
    if seventh < 0:
        return 0.0
    here = chord(piece, step)
    if here >= 0 and here // KINDS == before // KINDS:
        return 0.0
    faults = 0.0
    for other in range(voice + 1):
        if leaves(piece, other, step, seventh) and not -STEP <= moves(piece, other, step) <= 0:
            faults -= 1.0
    return faults


@small_kernel
def excused(pitch: np.ndarray, step: int, heard: int) -> bool:
    """Whether what sounds is a chord but for one or two notes that have sounded before, as suspensions do.

    Without them, or with one of them a step lower, it is a chord. `heard` is the set of pitch classes.
    """
    for voice in range(pitch.shape[0]):
        one = pitch[voice, step]
        if step > 0 and one >= 0 and pitch[voice, step - 1] == one:
            less = heard & ~(1 << (one % 12))
            if (
                CHORD_OF_SET[less] >= 0
                or CHORD_OF_SET[less | 1 << ((one - 1) % 12)] >= 0
                or CHORD_OF_SET[less | 1 << ((one - 2) % 12)] >= 0
            ):
                return True
            for other in range(voice):
                two = pitch[other, step]
                if two >= 0 and pitch[other, step - 1] == two and CHORD_OF_SET[less & ~(1 << (two % 12))] >= 0:
                    return True
    return False


@rule(sees="lower", at="chord")
def unprepared_dissonance(piece, voice, step):
    """-1 for a beat on which three pitch classes or more make no chord, unless one or two of the notes have stayed (suspensions).

    Without those, or with one of them a step lower, they must make a chord (Piston, Harmony). Accented passing notes are faults.
    """
    if not is_last(piece, voice) or not on_beat(piece, step):
        return 0.0
    heard = heard_classes(piece.pitch, step)
    rest = heard & (heard - 1)
    if rest & (rest - 1) == 0 or CHORD_OF_SET[heard] >= 0:  # two pitch classes or fewer
        return 0.0
    return 0.0 if excused(piece.pitch, step, heard) else -1.0


@kernel
def is_foreign(piece: Piece, voice: int, step: int) -> bool:
    """Whether the note that ends here began off the beat, belongs to no chord, and is neither come to nor left by step."""
    before = piece.start[voice, step - 1]
    if on_beat(piece, before):
        return False
    pitch = piece.pitch[voice, before]
    if chord(piece, before) >= 0 or belongs(chord(piece, beat_begun(piece, before)), pitch):
        return False
    come, left = moves(piece, voice, before), piece.pitch[voice, step] - pitch
    return left != 0 and (come == 0 or abs(come) > STEP or abs(left) > STEP)


@rule(sees="lower", at="chord", about="before")
def foreign_note(piece, voice, step):
    """-1 for each note off the beat that belongs to no chord and is neither come to nor left by step.

    Passing and neighbouring notes are; a note may be left by repeating it (anticipation) (Piston, Harmony). The chord is what
    sounds with the note or on its beat. Judged where the next note begins.
    """
    if step == 0 or not is_last(piece, voice):
        return 0.0
    faults = 0.0
    for other in range(voice + 1):
        if attacks(piece, other, step) and piece.pitch[other, step - 1] >= 0 and is_foreign(piece, other, step):
            faults -= 1.0
    return faults


@rule(sees="lower", at="chord")
def six_four(piece, voice, step):
    """-1 for a beat on a second inversion whose bass was leapt to, unless from a chord on the same root (Piston, Harmony)."""
    if step == 0 or not is_last(piece, voice) or not on_beat(piece, step) or abs(moves(piece, voice, step)) <= STEP:
        return 0.0
    found = chord(piece, step)
    if found < 0 or found % KINDS > 1 or (lowest_pitch(piece.pitch, step) - found // KINDS) % 12 != 7:
        return 0.0
    before = chord(piece, step - 1)
    return 0.0 if before >= 0 and before // KINDS == found // KINDS else -1.0
