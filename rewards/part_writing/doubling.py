"""Which notes of a chord are there, and which are there twice."""

from __future__ import annotations

from musicgym.chords import MEMBERS
from musicgym.compiled import kernel
from musicgym.pieces import Piece
from musicgym.rewards.part_writing.reading import (
    DIMINISHED,
    KINDS,
    MAJOR,
    chord,
    heard_classes,
    inversion,
    is_dominant,
    on_beat,
)
from musicgym.rewards.rules import rule
from musicgym.rewards.voices import is_last


@kernel
def voices_on(piece: Piece, step: int, pitch_class: int) -> int:
    """How many voices have this pitch class."""
    count = 0
    for voice in range(piece.pitch.shape[0]):
        count += piece.pitch[voice, step] >= 0 and piece.pitch[voice, step] % 12 == pitch_class
    return count


@rule(sees="lower", at="chord")
def doubled_leading_tone(piece, voice, step):
    """-1 for a beat on which two voices have the leading tone in a dominant chord (Piston, Harmony). Hangs on the local key."""
    if not is_last(piece, voice) or not on_beat(piece, step):
        return 0.0
    if voices_on(piece, step, (piece.tonic[step] + 11) % 12) < 2:
        return 0.0
    return -1.0 if is_dominant(piece, chord(piece, step), step) else 0.0


@rule(sees="lower", at="chord")
def doubled_third(piece, voice, step):
    """-1 for a beat on which two voices have the third of a major triad in root position (Piston, Harmony)."""
    if not is_last(piece, voice) or not on_beat(piece, step):
        return 0.0
    found = chord(piece, step)
    if found < 0 or found % KINDS != MAJOR or inversion(piece, found, step) != 0:
        return 0.0
    return -1.0 if voices_on(piece, step, MEMBERS[found, 1]) > 1 else 0.0


@rule(sees="lower", at="chord")
def doubled_fault(piece, voice, step):
    """-1 for a beat on which two voices have a chord's seventh, or a diminished triad's root (Piston, Harmony)."""
    if not is_last(piece, voice) or not on_beat(piece, step):
        return 0.0
    found = chord(piece, step)
    if found < 0:
        return 0.0
    active = MEMBERS[found, 0] if found % KINDS == DIMINISHED else MEMBERS[found, 3]
    return -1.0 if active >= 0 and voices_on(piece, step, active) > 1 else 0.0


@rule(sees="lower", at="chord")
def incomplete_chord(piece, voice, step):
    """-1 for a beat on which voices sound but two pitch classes, -2 where they sound one, -3 where all rest (Piston, Harmony).

    Only in music of three voices and more. A triad needs its root and third; most have their fifth too.
    """
    if not is_last(piece, voice) or voice < 2 or not on_beat(piece, step):
        return 0.0
    heard, count = heard_classes(piece.pitch, step), 0
    while heard:
        heard &= heard - 1
        count += 1
    return min(count - 3.0, 0.0)
