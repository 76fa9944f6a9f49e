"""Beginnings, endings and the notes that do not belong to the mode."""

from __future__ import annotations

import numpy as np

from musicgym.compiled import kernel
from musicgym.pieces import Piece
from musicgym.rewards.counterpoint.reading import (
    in_bar_before_last,
    in_last_bar,
    is_step,
    note_before,
)
from musicgym.rewards.rules import rule
from musicgym.rewards.voices import FIFTH, OCTAVE, STEP, attacks, degree, is_last, lowest_pitch, moves
from musicgym.score import BLANK, SCALES

MAJOR_THIRD, MINOR_THIRD = 4, 3  # semitones
IN_MODE = np.array([[degree in scale for degree in range(OCTAVE)] for scale in SCALES], np.bool_)  # (modes, 12)
# int64 (modes,): the degree of the one flat of mensural music, which is B flat where the mode has no signature.
FLAT = np.array([10, 1, 8, 6, 5, 3, 11])


@kernel
def voices_sounding(piece: Piece, step: int) -> int:
    """How many voices sound at this step."""
    count = 0
    for voice in range(piece.pitch.shape[0]):
        count += piece.pitch[voice, step] >= 0
    return count


@rule(sees="lower")
def perfect_beginning(piece, voice, step):
    """-1 for each voice that does not make a unison, fifth or octave with the lowest voice, on the tonic, as they first meet.

    kfox/gradus, a digest of Fux: begin with a perfect consonance, and establish the mode. In music of three voices and more
    thirds are good too.
    """
    if not is_last(piece, voice) or voices_sounding(piece, step) < 2:
        return 0.0
    for earlier in range(step - 1, -1, -1):  # backwards: only where few voices sound is there far to go
        if voices_sounding(piece, earlier) > 1:
            return 0.0
    lowest, faults = lowest_pitch(piece.pitch, step), 0.0
    if (lowest - piece.tonic[step]) % OCTAVE != 0:
        faults -= 1.0
    for one in range(voice + 1):
        if piece.pitch[one, step] >= 0:
            size = (piece.pitch[one, step] - lowest) % OCTAVE
            third = voice > 1 and (size == MAJOR_THIRD or size == MINOR_THIRD)
            faults -= size != 0 and size != FIFTH and not third
    return faults


@rule(span=0, sees="lower")
def perfect_close(piece, voice, step):
    """-1 for each note in the last bar that is not the tonic (Fux, Gradus, I: the end is a unison or an octave).

    In music of three voices and more all but the lowest may be its fifth or major third. Every note that sounds is judged where
    any begins.
    """
    if not is_last(piece, voice) or not in_last_bar(piece, step):
        return 0.0
    begun = False
    for one in range(voice + 1):
        begun = begun or attacks(piece, one, step)
    if not begun:
        return 0.0
    lowest, faults = lowest_pitch(piece.pitch, step), 0.0
    for one in range(voice + 1):
        if piece.pitch[one, step] >= 0:
            size = degree(piece, one, step)
            upper = voice > 1 and piece.pitch[one, step] != lowest and (size == FIFTH or size == MAJOR_THIRD)
            faults -= size != 0 and not upper
    return faults


@kernel
def reaches_last_bar(piece: Piece, step: int) -> bool:
    """Whether the last bar begins here, and is not the first."""
    return piece.position[step] == 0 and step > 0 and in_last_bar(piece, step)


@rule(span=1, sees="lower")
def clausula_vera(piece, voice, step):
    """-1 where no two voices come into the last bar by step, in contrary motion, to an octave or unison.

    kfox/gradus, a digest of Fux: the last note but one is a major sixth above the cantus, or a minor third below it. How large
    they are is `raised_leading_tone`'s.
    """
    if not is_last(piece, voice) or not reaches_last_bar(piece, step):
        return 0.0
    for one in range(voice + 1):
        if piece.pitch[one, step] == BLANK or piece.pitch[one, step - 1] == BLANK:
            return 0.0  # nothing is judged before both notes are there
    for one in range(voice + 1):
        for two in range(one):
            a, b = moves(piece, one, step), moves(piece, two, step)
            octave = (piece.pitch[one, step] - piece.pitch[two, step]) % OCTAVE == 0
            if octave and is_step(a) and is_step(b) and a * b < 0:
                return 0.0
    return -1.0


@rule(span=1, sees="lower")
def raised_leading_tone(piece, voice, step):
    """-1 for each voice that comes into the last bar by a whole tone up to the tonic, where none comes by a semitone down.

    Fux, Gradus, I: the seventh degree is raised, C sharp before the last D; not in Phrygian, whose second degree is a semitone.
    """
    if not is_last(piece, voice) or not reaches_last_bar(piece, step):
        return 0.0
    faults = 0.0
    for one in range(voice + 1):
        if moves(piece, one, step) != 0 and degree(piece, one, step) == 0:
            if moves(piece, one, step) == -1:
                return 0.0
            faults -= moves(piece, one, step) == STEP
    return faults


@kernel
def is_ficta(piece: Piece, voice: int, step: int) -> bool:
    """Whether the note that sounds here is neither in the mode nor its flat."""
    size = degree(piece, voice, step)
    return not IN_MODE[piece.mode[step], size] and size != FLAT[piece.mode[step]]


@rule(sees="own")
def musica_ficta(piece, voice, step):
    """-1 for a note foreign to the mode, but for its flat (B flat) and the raised leading tone.

    That must rise to the tonic, or stand in the last bar but one. Fux, Gradus, I: C sharp before the last D; in figure 21 F sharp
    two bars earlier, rising to G. An unresolved one is punished at the note after it.
    """
    faults = 0.0
    if attacks(piece, voice, step) and is_ficta(piece, voice, step) and degree(piece, voice, step) != OCTAVE - 1:
        faults -= 1.0
    note = note_before(piece, voice, step)
    if note < 0 or not piece.onset[voice, step] or in_bar_before_last(piece, note):
        return faults
    if is_ficta(piece, voice, note) and degree(piece, voice, note) == OCTAVE - 1 and moves(piece, voice, step) != 1:
        faults -= 1.0
    return faults


@rule(sees="own", at="note")
def chromatic_semitone(piece, voice, step):
    """-1 for a semitone between two forms of one degree, as from B flat to B or from C to C sharp (Fux's lines have none).

    A semitone is diatonic that leads to the tonic from below or from it, and one between two notes of the mode or up to its flat.
    """
    move = moves(piece, voice, step)
    if abs(move) != 1:
        return 0.0
    high = degree(piece, voice, step) if move > 0 else (degree(piece, voice, step) + 1) % OCTAVE
    low = (high - 1) % OCTAVE
    mode = piece.mode[step]
    if high == 0:
        return 0.0
    return 0.0 if IN_MODE[mode, low] and (IN_MODE[mode, high] or high == FLAT[mode]) else -1.0
