"""Form: what comes again, and how it has changed. The motif is the bar."""

from __future__ import annotations

import numpy as np

from musicgym.compiled import kernel
from musicgym.pieces import Piece
from musicgym.rewards.rules import rule
from musicgym.rewards.theory.reading import bar_begun, closes, flows_on, width
from musicgym.rewards.voices import attacks
from musicgym.score import SCALES

LEAST_NOTES = 3  # a bar with fewer is no motif
UNLIKE, RHYTHM, INVERTED, TRANSPOSED, VARIED, SAME = 0, 1, 2, 3, 4, 5
# int64 (modes, 12): the degree of a semitone above the tonic, counted from 0; chromatic ones belong to the degree below.
STAFF = np.array([np.searchsorted(scale, np.arange(12), side="right") - 1 for scale in SCALES])


@kernel
def staff_place(piece: Piece, voice: int, step: int) -> int:
    """The note's place on the staff: degrees of the local scale above the tonic, seven an octave."""
    above = piece.pitch[voice, step] - piece.tonic[step]
    return 7 * (above // 12) + STAFF[piece.mode[step], above % 12]


@kernel
def kinship(piece: Piece, voice: int, first: int, earlier: int, steps: int) -> int:
    """What the bar of `steps` steps from `first` on is to that from `earlier` on, one of UNLIKE .. SAME.

    RHYTHM: notes and rests begin at the same places. INVERTED: and every interval goes as many degrees the other way.
    TRANSPOSED: all notes lie as many degrees higher or lower, not by octaves alone. VARIED: half of the notes or more agree.
    SAME: all. A bar that runs up or down the scale is no motif to be transposed or inverted: any other such bar would do.
    """
    if earlier < 0 or piece.position[earlier] != 0:
        return UNLIKE
    notes, same, shift, rising, falling = 0, 0, 0, 0, 0
    transposed, inverted, last, last_earlier = True, True, 0, 0
    for i in range(steps):
        a, b = piece.pitch[voice, first + i], piece.pitch[voice, earlier + i]
        if piece.onset[voice, first + i] != piece.onset[voice, earlier + i] or (a < 0) != (b < 0):
            return UNLIKE
        if a >= 0 and piece.onset[voice, first + i]:
            same += a == b
            here, there = staff_place(piece, voice, first + i), staff_place(piece, voice, earlier + i)
            if notes == 0:
                shift = here - there
            else:
                transposed = transposed and here - there == shift
                inverted = inverted and here - last == last_earlier - there
                rising += here - last == 1
                falling += here - last == -1
            notes += 1
            last, last_earlier = here, there
    if notes < LEAST_NOTES:
        return UNLIKE
    if same == notes:
        return SAME
    if 2 * same >= notes:
        return VARIED
    if rising == notes - 1 or falling == notes - 1:
        return RHYTHM
    if transposed and shift % 7 != 0:
        return TRANSPOSED
    return INVERTED if inverted else RHYTHM


@kernel
def nearest_kin(piece: Piece, voice: int, step: int) -> int:
    """The closest kinship of the bar that ends here to those one, two and four bars before it; UNLIKE where no bar ends."""
    first = bar_begun(piece, step)
    if first < 0:
        return UNLIKE
    bar = piece.bar[step]
    found = max(kinship(piece, voice, first, first - bar, bar), kinship(piece, voice, first, first - 2 * bar, bar))
    return max(found, kinship(piece, voice, first, first - 4 * bar, bar))


@kernel
def has_kin(piece: Piece, voice: int, step: int, bars: int, kind: int) -> float:
    """At the end of every `bars` bars: 1 where one of them has this kinship to the bar one, two or four before it."""
    if not closes(piece, step, bars):
        return 0.0
    bar = int(piece.bar[step])
    for k in range(bars):
        if step >= k * bar and nearest_kin(piece, voice, step - k * bar) == kind:
            return 1.0
    return 0.0


@rule(sees="own", at="bar", within={"bars": (1, 64)})
def motif_repeated(piece, voice, step, *, bars=2):
    """+1 for every `bars` bars of which one has the notes of the bar one, two or four before it.

    "Repetition is the simplest" of developments ("Motive Development Techniques", Music 231). Paid once, or agents do no other.
    """
    return has_kin(piece, voice, step, int(bars), SAME)


@rule(sees="own", at="bar", within={"bars": (1, 64)})
def motif_transposed(piece, voice, step, *, bars=2):
    """+1 for every `bars` bars of which one has the bar one, two or four before it on another degree.

    A sequence: "intervals may change quality (but not number)" ("Motive Development Techniques", Music 231).
    """
    return has_kin(piece, voice, step, int(bars), TRANSPOSED)


@rule(sees="own", at="bar", within={"bars": (1, 64)})
def motif_inverted(piece, voice, step, *, bars=2):
    """+1 for every `bars` bars of which one has the bar one, two or four before it upside down.

    Inversion: "repeated in the opposite direction" ("Motive Development Techniques", Music 231).
    """
    return has_kin(piece, voice, step, int(bars), INVERTED)


@rule(sees="own", at="bar", within={"bars": (1, 64)})
def motif_varied(piece, voice, step, *, bars=2):
    """+1 for every `bars` bars of which one has the rhythm and half or more of the notes of the bar one, two or four before it.

    Open Music Theory, "Sentence": "a basic idea does not need to be repeated exactly". All notes the same is `motif_repeated`.
    """
    return has_kin(piece, voice, step, int(bars), VARIED)


@kernel
def likeness(piece: Piece, voice: int, first: int, earlier: int, steps: int) -> float:
    """Share of notes, 0..1, that two bars have in common: the same pitch beginning at the same place (Dice's coefficient)."""
    if earlier < 0 or piece.position[earlier] != 0:
        return 0.0
    notes, common = 0, 0
    for i in range(steps):
        here, there = attacks(piece, voice, first + i), attacks(piece, voice, earlier + i)
        notes += here + there
        common += here and there and piece.pitch[voice, first + i] == piece.pitch[voice, earlier + i]
    return 2.0 * common / notes if notes > 0 else 0.0


@rule(sees="own", at="bar", within={"least": (0, 0.99)})
def worn_out(piece, voice, step, *, least=0.6):
    """Up to -1 for a third statement: a bar like the bar one to four before it, which was like the bar as far before itself.

    Likeness is the share of notes in common, and counts in proportion from `least` on. After Rolls, "Sequences": they "rarely
    continue past 3 repetitions"; that the third is one too many is our own.
    """
    first = bar_begun(piece, step)
    if first < 0:
        return 0.0
    bar, most = int(piece.bar[step]), 0.0
    for distance in range(1, 5):
        now = likeness(piece, voice, first, first - distance * bar, bar)
        if now > most:
            most = max(most, min(now, likeness(piece, voice, first - distance * bar, first - 2 * distance * bar, bar)))
    return -max(most - least, 0.0) / (1.0 - least)


@rule(sees="own", at="bar")
def worn_sequence(piece, voice, step):
    """-1 for a third bar in a row that is the one before it on another degree, or upside down (Rolls, "Sequences", as above)."""
    first = bar_begun(piece, step)
    if first < 0:
        return 0.0
    bar = int(piece.bar[step])
    now = kinship(piece, voice, first, first - bar, bar)
    if now != TRANSPOSED and now != INVERTED:
        return 0.0
    before = kinship(piece, voice, first - bar, first - 2 * bar, bar)
    return -1.0 if before == TRANSPOSED or before == INVERTED else 0.0


@kernel
def echoes(piece: Piece, voice: int, note: int) -> bool:
    """Whether the interval that leads to this note is heard at the same place of the bar one, two or four bars before.

    Steps that go on in the direction of a step are no echo: in a scale they are heard everywhere.
    """
    before, bar = piece.previous[voice, note], int(piece.bar[note])
    if before < 0 or flows_on(piece, voice, note):
        return False
    for bars in (1, 2, 4):
        at = note - bars * bar
        if at >= 0 and attacks(piece, voice, at):
            then = piece.previous[voice, at]
            if then >= 0 and at - then == note - before and width(piece, voice, at) == width(piece, voice, note):
                return True
    return False


@rule(sees="own", at="bar", within={"enough": (0.01, 1)})
def echo(piece, voice, step, *, enough=0.5):
    """At the end of a bar 1 where the share `enough` of its intervals was heard in the same place one, two or four bars ago.

    Less in proportion. Our own, after the parallelism of Lerdahl & Jackendoff's preference rules. A share: see `stepwise`.
    """
    first = bar_begun(piece, step)
    if first < 0:
        return 0.0
    notes, heard = 0, 0
    for t in range(first, step + 1):
        if attacks(piece, voice, t):
            notes += 1
            heard += echoes(piece, voice, t)
    return min(heard / (enough * notes), 1.0) if notes > 0 else 0.0
