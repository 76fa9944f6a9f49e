"""How phrases end: at fermatas (`piece.phrase_end`), and at the end of the piece."""

from __future__ import annotations

from musicgym.rewards.part_writing.reading import (
    DOMINANT,
    KINDS,
    MAJOR,
    MINOR,
    beat_begun,
    chord,
    fermata_begins,
    heard_before,
    inversion,
    is_dominant,
    root_degree,
)
from musicgym.rewards.rules import rule
from musicgym.rewards.voices import attacks, is_last


@rule(sees="lower", at="chord")
def fermata_chord(piece, voice, step):
    """-1 where a phrase's last chord is no major or minor triad in root position (Piston, Harmony)."""
    if not fermata_begins(piece, step) or not is_last(piece, voice):
        return 0.0
    found = chord(piece, step)
    return 0.0 if found >= 0 and found % KINDS <= MINOR and inversion(piece, found, step) == 0 else -1.0


@rule(sees="lower", at="chord")
def fermata_cadence(piece, voice, step):
    """-1 where the last chords of a phrase are no cadence (Piston, Harmony). Hangs on the local key.

    Authentic: V or vii° to I; half: any other chord to V; deceptive: V to vi; plagal: IV to I. So that the local key need not be
    right, a major chord or a dominant seventh whose root falls a fifth is V to I of some key.
    """
    if not fermata_begins(piece, step) or not is_last(piece, voice):
        return 0.0
    before = chord(piece, step - 1) if step > 0 else -1
    if before < 0:
        at = heard_before(piece, beat_begun(piece, step), 2)
        if at < 0:
            return 0.0 if step == 0 else -1.0
        before = chord(piece, at)
    found = chord(piece, step)
    if found < 0:
        return -1.0
    degree = root_degree(piece, found, step)
    falls = (before // KINDS - found // KINDS) % 12
    if falls == 7 and (before % KINDS == MAJOR or before % KINDS == DOMINANT):
        return 0.0
    if degree == 7:
        return 0.0 if falls != 0 and found % KINDS == MAJOR else -1.0
    if degree == 0:
        return 0.0 if is_dominant(piece, before, step) or falls == 5 else -1.0
    return 0.0 if (degree == 8 or degree == 9) and is_dominant(piece, before, step) else -1.0


@rule(sees="own", at="any")
def fermata_together(piece, voice, step):
    """-1 for a voice that begins no note with a phrase's last chord, and for each that it begins before the fermata is over.

    All voices come to rest together (our own).
    """
    if not piece.phrase_end[step]:
        return 0.0
    return 0.0 if attacks(piece, voice, step) == fermata_begins(piece, step) else -1.0


@rule(sees="lower", at="end")
def final_chord(piece, voice, step):
    """At the end of a piece that ends with a fermata -1 where the last chord is no tonic triad in root position (Piston).

    It may be major in minor, too. Pieces that break off are not judged. Hangs on the local key.
    """
    if step != piece.length - 1 or not is_last(piece, voice) or not piece.phrase_end[step]:
        return 0.0
    found = chord(piece, step)
    if found < 0 or found % KINDS > MINOR or root_degree(piece, found, step) != 0:
        return -1.0
    return 0.0 if inversion(piece, found, step) == 0 else -1.0
