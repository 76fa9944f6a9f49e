"""Rhythm: where notes begin in the bar, how long they last, and when the melody breathes."""

from __future__ import annotations

import numpy as np

from musicgym.compiled import kernel
from musicgym.metre import bar_number
from musicgym.pieces import Piece
from musicgym.rewards.rules import rule
from musicgym.rewards.theory.reading import bar_begun, closes, finished, is_compound, level
from musicgym.rewards.voices import attacks
from musicgym.score import REST


@kernel
def off_beat(piece: Piece, voice: int, start: int, end: int) -> float:
    """By how many levels the strongest place that a note sounds through, from `start` up to `end`, is stronger than its first."""
    if piece.pitch[voice, start] < 0:
        return 0.0
    own = level(piece, start)
    strongest = own
    for t in range(start + 1, end):
        if is_compound(piece, t) or 2 * piece.position[t] % piece.beat[t] == 0:  # a triplet's places are no stronger than others
            strongest = min(strongest, level(piece, t))
    return np.float64(own - strongest)


@rule(sees="own", about="ended")
def syncopation(piece, voice, step):
    """-1 for each level of the metre by which a note is held over a stronger place than that it began on.

    Longuet-Higgins & Lee 1984, Music Perception 1, as implemented by Honing & Smith, but for a rest, which ends the note here.
    """
    ended = finished(piece, voice, step)
    found = -off_beat(piece, voice, ended, step) if ended >= 0 else 0.0
    if step == piece.length - 1:
        found -= off_beat(piece, voice, piece.start[voice, step], step + 1)
    return found


@rule(span=0, sees="own")
def downbeat(piece, voice, step):
    """-1 where no note begins with the bar (strongest places have onsets in 95 %: Temperley 2007, `meter16.c`)."""
    return -1.0 if piece.position[step] == 0 and not attacks(piece, voice, step) else 0.0


@kernel
def is_odd(piece: Piece, start: int, length: int) -> bool:
    """Whether a length is no plain or dotted value, nor a triplet's.

    In quarters, in lowest terms, those are twos over twos and a three, with one three above (two in compound metres).
    """
    above, below = 8 * length, int(8 * piece.quarter)  # whole numbers on grids of half notes and coarser too
    a, b = above, below
    while b:
        a, b = b, a % b
    above //= a
    below //= a
    threes = 2 if is_compound(piece, start) else 1
    while above % 2 == 0:
        above //= 2
    while threes > 0 and above % 3 == 0:
        above //= 3
        threes -= 1
    while below % 2 == 0:
        below //= 2
    if below % 3 == 0:
        below //= 3
    return above > 1 or below > 1


@rule(sees="own", about="ended")
def odd_length(piece, voice, step):
    """-1 for a note whose length is no plain or dotted value (our own)."""
    found = 0.0
    ended = finished(piece, voice, step)
    if ended >= 0 and piece.pitch[voice, ended] >= 0 and is_odd(piece, ended, step - ended):
        found = -1.0
    if step == piece.length - 1:
        start = piece.start[voice, step]
        if piece.pitch[voice, start] >= 0 and is_odd(piece, start, step + 1 - start):
            found -= 1.0
    return found


@rule(sees="own", within={"bars": (0.1, 100.0)}, about="ended")
def long_note(piece, voice, step, *, bars=1):
    """-1 for each beat by which a note is longer than `bars` bars (our own).

    Rare in tunes and in random play: it is there for notes that are held for ever.
    """
    found = 0.0
    ended = finished(piece, voice, step)
    if ended >= 0 and piece.pitch[voice, ended] >= 0:
        found = -max(step - ended - bars * piece.bar[ended], 0.0) / piece.beat[ended]
    if step == piece.length - 1:
        start = piece.start[voice, step]
        if piece.pitch[voice, start] >= 0:
            found -= max(step + 1 - start - bars * piece.bar[start], 0.0) / piece.beat[start]
    return found


@rule(sees="own", within={"beats": (0.0, 100.0)}, about="ended")
def silence(piece, voice, step, *, beats=1):
    """-1 for each beat by which a rest between notes, or after the last, is longer than `beats` beats (our own)."""
    found = 0.0
    ended = finished(piece, voice, step)
    if ended >= 0 and piece.pitch[voice, ended] == REST and piece.previous[voice, ended] >= 0:
        found = -max(step - ended - beats * piece.beat[ended], 0.0) / piece.beat[ended]
    if step == piece.length - 1:
        start = piece.start[voice, step]
        if piece.pitch[voice, start] == REST and piece.previous[voice, start] >= 0:
            found -= max(step + 1 - start - beats * piece.beat[start], 0.0) / piece.beat[start]
    return found


@rule(sees="own", at="note", within={"bars": (1, 64)}, about="ended")
def rest_inside(piece, voice, step, *, bars=2):
    """-1 for a note after a rest between notes that began before the last two beats, or half, of its `bars` bars.

    Goetschius 1904, III: "A brief rest, or a longer tone, usually marks the end of a figure"; so a rest inside breaks it.
    """
    if not attacks(piece, voice, step) or piece.previous[voice, step] < 0 or piece.pitch[voice, step - 1] != REST:
        return 0.0
    rest = piece.start[voice, step - 1]
    late = piece.position[rest] >= piece.bar[rest] - min(2 * piece.beat[rest], piece.bar[rest] // 2)
    return 0.0 if late and (bar_number(piece.position, rest) + 1) % bars == 0 else -1.0


@rule(sees="own", at="bar")
def empty_bar(piece, voice, step):
    """-1 for a bar in which no note begins: what makes silence worth less than music (our own)."""
    first = bar_begun(piece, step)
    if first < 0:
        return 0.0
    if attacks(piece, voice, step):
        return 0.0
    return -1.0 if piece.previous[voice, step] < first else 0.0


@rule(sees="own", at="bar", within={"most": (0.1, 100.0)})
def crowded_bar(piece, voice, step, *, most=3):
    """-1 for each note by which a bar has more than `most` a quarter (our own)."""
    first = bar_begun(piece, step)
    if first < 0:
        return 0.0
    count = 0
    for t in range(first, step + 1):
        count += attacks(piece, voice, t)
    return min(most * piece.bar[step] / piece.quarter - count, 0.0)


@rule(sees="own", at="bar", within={"least": (1, 100), "most": (1, 100)})
def length_variety(piece, voice, step, *, least=2, most=4):
    """At the end of a bar -1 where it and the bar before have fewer than `least` or more than `most` different note lengths.

    Lehmann 1907, lesson IX: no more than "one and one-half measures of any one species"; the upper limit is our own.
    """
    first = bar_begun(piece, step)
    if first <= 0:
        return 0.0
    first -= piece.bar[first - 1]
    if first < 0:
        return 0.0
    seen, count, start = 0, 0, -1
    for t in range(first, step + 2):
        over = t == step + 1 or piece.onset[voice, t]
        if over and start >= 0:
            bit = 1 << min(int(12 * (t - start) / piece.quarter), 62)  # twelfths of a quarter; all beyond five quarters are alike
            count += (seen & bit) == 0
            seen |= bit
            start = -1
        if t <= step and attacks(piece, voice, t):
            start = t
    return -1.0 if count < least or count > most else 0.0


@rule(sees="own", at="bar", within={"bars": (1, 64)})
def phrase_end(piece, voice, step, *, bars=4):
    """At the end of every `bars` bars +1 where the last one's second half has a note of a beat up to a bar, or a rest.

    Goetschius 1904: a phrase "covers exactly four measures"; its end is marked by "the longer tone".
    """
    if not closes(piece, step, bars):
        return 0.0
    for t in range(max(step + 1 - piece.bar[step] // 2, 0), step + 1):
        if piece.pitch[voice, t] < 0:
            if piece.previous[voice, t] >= 0:
                return 1.0
        elif piece.beat[t] <= t + 1 - piece.start[voice, t] <= piece.bar[t]:
            return 1.0
    return 0.0


@rule(sees="own", at="bar", within={"bars": (1, 64)})
def breathless(piece, voice, step, *, bars=4):
    """-1 for a bar at whose end the last `bars` bars have known no rest and no note of a beat and a half or more (our own)."""
    first = bar_begun(piece, step)
    if first < 0:
        return 0.0
    first = step + 1 - int(bars) * piece.bar[step]
    if first < 0:
        return 0.0
    for t in range(first, step + 1):
        if piece.pitch[voice, t] < 0 or 2 * (t + 1 - piece.start[voice, t]) >= 3 * piece.beat[t]:
            return 0.0
    return -1.0
