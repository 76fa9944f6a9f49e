"""How voices move: against one another, and each by itself."""

from __future__ import annotations

import numpy as np

from musicgym.compiled import kernel
from musicgym.pieces import Piece
from musicgym.rewards.part_writing.reading import heard_classes, on_beat
from musicgym.rewards.rules import rule
from musicgym.rewards.theory.reading import closes
from musicgym.rewards.voices import OCTAVE, STEP, attacks, is_last, leaves, moves, pitch_before

# Degrees (semitones above the tonic) on which an augmented interval stands: a second of 3 semitones, a fourth of 6. Chromatic
# notes are read as raised first and fourth and lowered third, sixth and seventh degrees.
_SECONDS = (3, 8, 10)
_FOURTHS = (0, 3, 5, 7, 8, 10)
AUGMENTED_ON = np.array([sum(1 << degree for degree in found) for found in (_SECONDS, _FOURTHS)], np.int64)


# int64 (12,): the other form of a degree, -1 where there is none: raised first and fourth, lowered third, sixth and seventh.
ALTERED = np.array([1, 0, -1, 4, 3, 6, 5, -1, 9, 8, 11, 10])


@rule(span=1, sees="lower")
def voice_crossing(piece, voice, step):
    """-1 where a note begins in one of two neighbouring voices and the lower voice lies above the upper (Piston, Harmony)."""
    if voice == 0 or piece.pitch[voice, step] < 0 or piece.pitch[voice - 1, step] < 0:
        return 0.0
    if not (piece.onset[voice, step] or piece.onset[voice - 1, step]):
        return 0.0
    return -1.0 if piece.pitch[voice, step] > piece.pitch[voice - 1, step] else 0.0


@rule(span=1, sees="lower")
def voice_overlap(piece, voice, step):
    """-1 where a voice moves beyond what its neighbour has just left (Piston, Harmony); crossings are not counted again."""
    if voice == 0 or not (piece.onset[voice, step] or piece.onset[voice - 1, step]):
        return 0.0
    upper, lower = piece.pitch[voice - 1, step], piece.pitch[voice, step]
    if upper < lower or lower < 0:
        return 0.0
    upper_before, lower_before = pitch_before(piece, voice - 1, step), pitch_before(piece, voice, step)
    over = (0 <= upper_before < lower) + (upper < lower_before)
    return -1.0 if over > 0 else 0.0


@rule(span=1, sees="lower", at="chord")
def all_one_way(piece, voice, step):
    """-1 where three voices or more all move in one direction (after Open Music Theory, "Voice leading")."""
    if not is_last(piece, voice) or voice < 2:
        return 0.0
    first = moves(piece, 0, step)
    if first == 0:
        return 0.0
    for other in range(1, voice + 1):
        if moves(piece, other, step) * first <= 0:
            return 0.0
    return -1.0


@rule(span=1, sees="own", at="note", within={"most": (1, 24)})
def inner_leaps(piece, voice, step, *, most=5):
    """-1 for a leap of more than `most` semitones, a fourth, in a voice between the outer ones (Piston, Harmony)."""
    if voice == 0 or voice == piece.pitch.shape[0] - 1:
        return 0.0
    return -1.0 if abs(moves(piece, voice, step)) > most else 0.0


@rule(span=1, sees="own", at="note")
def wide_leaps(piece, voice, step):
    """-1 for a leap of a seventh or of more than an octave (Piston, Harmony)."""
    size = abs(moves(piece, voice, step))
    return -1.0 if size > OCTAVE or size == 10 or size == 11 else 0.0


@rule(span=1, sees="own", at="note")
def augmented_intervals(piece, voice, step):
    """-1 for an augmented second or fourth (Piston, Harmony). Spelled by the local key: notes carry no spelling of their own.

    In minor from the sixth degree to the raised seventh is an augmented second; from the fourth degree up to the leading tone is
    an augmented fourth, while down from the one to the other is a diminished fifth and allowed.
    """
    move = moves(piece, voice, step)
    size = abs(move)
    if size != 3 and size != 6:
        return 0.0
    low = (piece.pitch[voice, step] - max(move, 0) - piece.tonic[step]) % 12
    return -1.0 if AUGMENTED_ON[size // 6] >> low & 1 else 0.0


@kernel
def beat_before(piece: Piece, step: int) -> int:
    """First step of the beat before the one that begins here; -1 where there is none."""
    return step - piece.beat[step - 1] if step > 0 else -1


@rule(sees="lower", at="chord", within={"free": (0, 100)})
def voice_leading_distance(piece, voice, step, *, free=12):
    """-1 for each semitone by which the voices above the bass move more than `free` in all from one beat to the next.

    The law of the shortest way (Schoenberg, Harmonielehre, after Bruckner). 95 % of Bach's beats keep to
    the free distance.
    """
    if not is_last(piece, voice) or not on_beat(piece, step):
        return 0.0
    before = beat_before(piece, step)
    if before < 0:
        return 0.0
    total = 0
    for other in range(voice):
        if piece.pitch[other, step] >= 0 and piece.pitch[other, before] >= 0:
            total += abs(piece.pitch[other, step] - piece.pitch[other, before])
    return min(free - np.float64(total), 0.0)


@rule(sees="own", at="bar", within={"bars": (1, 64)})
def stuck_voice(piece, voice, step, *, bars=2):
    """At the end of every `bars` bars -1 where the voice has had but one pitch in them, or none (our own)."""
    if not closes(piece, step, bars):
        return 0.0
    one = -1
    for t in range(max(step + 1 - int(bars) * piece.bar[step], 0), step + 1):
        pitch = piece.pitch[voice, t]
        if pitch >= 0:
            if one >= 0 and pitch != one:
                return 0.0
            one = pitch
    return -1.0


@rule(sees="lower", at="bar", within={"low": (0.0, 1.0), "high": (0.0, 1.0), "bars": (1, 64)})
def bass_steps(piece, voice, step, *, low=0.4, high=0.9, bars=2):
    """At the end of every `bars` bars minus how far the bass's share of moves by step lies outside `low` to `high`.

    Moves are of a semitone or more, from note to note. Two-sided: a bass of leaps is no line, one of scales no ground (our own).
    """
    if not is_last(piece, voice) or not closes(piece, step, bars):
        return 0.0
    moved, stepped = 0, 0
    for t in range(max(step + 1 - int(bars) * piece.bar[step], 1), step + 1):
        size = abs(moves(piece, voice, t))
        moved += size > 0
        stepped += 0 < size <= STEP
    if moved == 0:
        return -1.0
    share = stepped / moved
    return min(share - low, 0.0) + min(high - share, 0.0)


@rule(span=1, sees="lower", at="chord")
def cross_relation(piece, voice, step):
    """-1 for each note that follows its chromatic alteration in another voice (Piston, Harmony: false relation).

    Spelled by the local key: two notes have one name where they are the two forms of a degree. A voice that takes the alteration
    from itself, by a semitone, is not judged.
    """
    if step == 0 or not is_last(piece, voice):
        return 0.0
    tonic, before = piece.tonic[step], heard_classes(piece.pitch, step - 1)
    faults = 0.0
    for other in range(voice + 1):
        if attacks(piece, other, step):
            altered = ALTERED[(piece.pitch[other, step] - tonic) % 12]
            if altered >= 0 and before >> ((altered + tonic) % 12) & 1 and not leaves(piece, other, step, (altered + tonic) % 12):
                faults -= 1.0
    return faults
