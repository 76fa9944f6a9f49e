"""Harmonic intervals: what may sound together, note against note and from bar to bar."""

from __future__ import annotations

from musicgym.compiled import kernel
from musicgym.pieces import Piece
from musicgym.rewards.counterpoint.reading import bar_line, dissonant, in_last_bar, perfect
from musicgym.rewards.rules import rule
from musicgym.rewards.voices import NUMBER, attacks, interval, interval_class, is_last

THIRD, SIXTH = 3, 6  # an interval's number


@rule(span=0, sees="lower")
def dissonant_attack(piece, voice, step):
    """-1 for each two notes that begin together and are dissonant (Fux, Gradus, I: note against note all is consonant).

    Dissonant are seconds and sevenths and, with the lowest voice, fourths and tritones.
    """
    if not is_last(piece, voice):
        return 0.0
    faults = 0.0
    for one in range(voice + 1):
        for two in range(one):
            if attacks(piece, one, step) and attacks(piece, two, step) and dissonant(piece.pitch, one, two, step):
                faults -= 1.0
    return faults


@rule(span=0, sees="lower", within={"most": (1, 127)})
def wide_apart(piece, voice, step, *, most=19):
    """-1 for each neighbouring voice above more than `most` semitones away, where either begins a note (a twelfth; our own)."""
    if voice == 0 or not (attacks(piece, voice, step) or attacks(piece, voice - 1, step)):
        return 0.0
    return -1.0 if interval(piece, voice, voice - 1, step) > most else 0.0


@rule(span=1, sees="lower")
def unison_inside(piece, voice, step):
    """-1 for each voice above in unison with this one at a bar line, but where they first meet and in the last bar.

    kfox/gradus, a digest of Fux: unisons only at the beginning and the end.
    """
    if piece.position[step] != 0 or in_last_bar(piece, step):
        return 0.0
    faults = 0.0
    for other in range(voice):
        if interval(piece, voice, other, step) == 0 and interval(piece, voice, other, step - 1) >= 0:
            faults -= 1.0
    return faults


@kernel
def line_before(piece: Piece, voice: int, other: int, step: int) -> int:
    """The bar line before that of this step if both voices sounded there, else -1."""
    line = bar_line(piece, step)
    if line <= 0:
        return -1
    line = bar_line(piece, line - 1)
    return line if line >= 0 and interval(piece, voice, other, line) >= 0 else -1


@rule(sees="lower", within={"most": (1, 1000)})
def perfects_in_a_row(piece, voice, step, *, most=1):
    """-1 for each voice above with which, at a bar line, this one sounds a perfect consonance as at the `most` bar lines before.

    kfox/gradus, a digest of Fux: imperfect consonances as often as may be, being richer. Holds and the last bar do not count.
    """
    if piece.position[step] != 0 or in_last_bar(piece, step):
        return 0.0
    faults = 0.0
    for other in range(voice):
        line, count = step, 0
        while line >= 0 and perfect(piece, voice, other, line) and count <= most:
            count += 1
            line = line_before(piece, voice, other, line)
        faults -= count > most
    return faults


@rule(sees="lower", within={"most": (1, 1000)})
def worn_interval(piece, voice, step, *, most=3):
    """-1 for each voice above with which, at a bar line, this one sounds thirds, or sixths, as at the `most` bar lines before.

    musescore-theory-plugins, species notes: too many thirds or sixths in a row are an error; three is our own.
    """
    if piece.position[step] != 0:
        return 0.0
    faults = 0.0
    for other in range(voice):
        size = interval_class(piece, voice, other, step)
        if size >= 0 and (NUMBER[size] == THIRD or NUMBER[size] == SIXTH):
            line, count = step, 0
            while line >= 0 and count <= most and NUMBER[interval_class(piece, voice, other, line)] == NUMBER[size]:
                count += 1
                line = line_before(piece, voice, other, line)
            faults -= count > most
    return faults
