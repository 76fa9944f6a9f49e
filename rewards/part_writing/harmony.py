"""Which chords follow which, how often they change, on which of their notes they stand."""

from __future__ import annotations

import numpy as np

from musicgym.compiled import kernel
from musicgym.pieces import Piece
from musicgym.rewards.part_writing.reading import (
    DOMINANT,
    KINDS,
    MAJOR,
    NONE,
    beat_begun,
    belongs,
    chord,
    ends_beat,
    heard_at,
    heard_before,
    inversion,
    root_degree,
)
from musicgym.rewards.rules import rule
from musicgym.rewards.theory.reading import bar_begun, closes
from musicgym.rewards.voices import attacks, is_last

_MEMORY = 2  # beats: a chord before the last so many is no longer heard as the one before


def _grammar() -> np.ndarray:
    """int64 (12,): for each degree that a root stands on, the degrees (as bits) of the roots that may follow."""
    follow = {
        0: range(12),
        2: (0, 7, 11, 5),
        5: (0, 2, 7, 11, 1),
        7: (0, 8, 9, 5, 11, 2),
        11: (0, 7, 4, 3),
        9: (2, 5, 7, 0, 11, 4),
        8: (2, 5, 7, 0, 11, 10),
        4: (9, 5, 0, 8),
        3: (8, 5, 0, 10),
        10: (3, 0, 5, 8),
    }
    made = np.zeros(12, np.int64)
    for degree in range(12):
        for other in (degree, (degree + 5) % 12, *follow.get(degree, ())):  # to stay and to fall by a fifth is always good
            made[degree] |= 1 << other
    return made


FOLLOWS = _grammar()


@kernel
def succession(piece: Piece, step: int) -> tuple[int, int]:
    """Where the chord of the beat that ends here stands, and where the last one before it; -1, -1 unless both are there."""
    begun = beat_begun(piece, step)
    at = heard_at(piece, begun, step)
    if at < 0:
        return -1, -1
    before = heard_before(piece, begun, _MEMORY)
    return (before, at) if before >= 0 else (-1, -1)


@rule(sees="lower", at="chord")
def progression(piece, voice, step):
    """At the end of a beat -1 where its chord does not follow the last one by the common progressions of its key.

    I goes anywhere; ii to V, vii°, IV, I; iii to vi, IV, I; IV to I, ii, V, vii°; V to I, vi, IV, vii°, ii; vi to ii, IV, V, iii,
    I, vii°; vii° to I, V, iii, and any chord to one whose root is a fifth lower (after Kostka & Payne, Tonal Harmony). Hangs on
    the local key.
    """
    if not is_last(piece, voice) or not ends_beat(piece, step):
        return 0.0
    before, at = succession(piece, step)
    if before < 0:
        return 0.0
    old, new = root_degree(piece, chord(piece, before), at), root_degree(piece, chord(piece, at), at)
    return 0.0 if FOLLOWS[old] >> new & 1 else -1.0


@rule(sees="lower", at="chord")
def retrogression(piece, voice, step):
    """At the end of a beat -1 where V, or a dominant seventh on any root, gives way to a chord that it does not lead to.

    V goes to ii or IV, or a dominant seventh's root does other than fall a fifth, rise a step or stay (Piston, Harmony). Hangs on
    the local key.
    """
    if not is_last(piece, voice) or not ends_beat(piece, step):
        return 0.0
    before, at = succession(piece, step)
    if before < 0:
        return 0.0
    old, new = chord(piece, before), chord(piece, at)
    rises = (new // KINDS - old // KINDS) % 12
    if old % KINDS == DOMINANT:
        return 0.0 if rises <= 2 or rises == 5 else -1.0
    is_five = old % KINDS == MAJOR and root_degree(piece, old, at) == 7
    return -1.0 if is_five and (rises == 7 or rises == 10) else 0.0


@kernel
def changes(piece: Piece, first: int, step: int) -> tuple[int, int]:
    """How many beats from `first` to `step` bring another root than the last known one, and how many beats they are."""
    changed, beats = 0, 0
    begun = first
    before = heard_before(piece, first, _MEMORY)
    last = chord(piece, before) if before >= 0 else NONE
    while begun <= step:
        end = min(begun + piece.beat[begun] - 1, step)
        at = heard_at(piece, begun, end)
        if at >= 0:
            found = chord(piece, at)
            changed += last >= 0 and found // KINDS != last // KINDS
            last = found
        beats += 1
        begun = end + 1
    return changed, beats


@rule(sees="lower", at="bar", within={"low": (0.0, 1.0), "high": (0.0, 1.0), "bars": (1, 64)})
def harmonic_rhythm(piece, voice, step, *, low=0.5, high=0.9, bars=2):
    """At the end of every `bars` bars minus how far the share of beats on which the root changes lies outside `low` to `high`.

    Two-sided (our own): chorales change chord on most beats, not on all; the limits are the 10th and 90th percentiles of Bach's.
    """
    if not is_last(piece, voice) or not closes(piece, step, bars):
        return 0.0
    changed, beats = changes(piece, max(step + 1 - int(bars) * piece.bar[step], 0), step)
    share = changed / beats
    return min(share - low, 0.0) + min(high - share, 0.0)


@rule(sees="lower", at="bar", within={"low": (0.0, 1.0), "high": (0.0, 1.0), "bars": (1, 64)})
def root_positions(piece, voice, step, *, low=0.5, high=0.85, bars=2):
    """At the end of every `bars` bars minus how far the share of chords in root position lies outside `low` to `high`.

    Two-sided (our own), the limits are near the 10th and 90th percentiles of Bach's; without any chord -1.
    """
    if not is_last(piece, voice) or not closes(piece, step, bars):
        return 0.0
    known, rooted = inverted(piece, max(step + 1 - int(bars) * piece.bar[step], 0), step, 0)
    if known == 0:
        return -1.0
    share = rooted / known
    return min(share - low, 0.0) + min(high - share, 0.0)


@rule(sees="lower", at="bar", within={"free": (0, 100), "bars": (1, 64)})
def second_inversions(piece, voice, step, *, free=1, bars=2):
    """At the end of every `bars` bars -1 for each beat on a second inversion beyond the first `free` of them.

    The 6-4 is the chord that wants a reason (Piston, Harmony); the number is our own. Sevenths on their fifth (4-3) count.
    """
    if not is_last(piece, voice) or not closes(piece, step, bars):
        return 0.0
    _, found = inverted(piece, max(step + 1 - int(bars) * piece.bar[step], 0), step, 2)
    return min(free - np.float64(found), 0.0)


@kernel
def inverted(piece: Piece, first: int, step: int, number: int) -> tuple[int, int]:
    """How many beats from `first` to `step` have a chord, and on how many of these it stands in this inversion."""
    known, found = 0, 0
    begun = first
    while begun <= step:
        end = min(begun + piece.beat[begun] - 1, step)
        at = heard_at(piece, begun, end)
        if at >= 0:
            known += 1
            found += inversion(piece, chord(piece, at), at) == number
        begun = end + 1
    return known, found


@rule(sees="lower", at="bar", within={"low": (0.0, 1.0), "high": (0.0, 1.0), "bars": (1, 64)})
def nonchord_share(piece, voice, step, *, low=0.04, high=0.25, bars=2):
    """At the end of every `bars` bars minus how far the share of notes foreign to their chord lies outside `low` to `high`.

    Two-sided: without passing notes there is no line, with too many no harmony (the limits are those of Bach's chorales). Notes
    of beats without a chord are left out.
    """
    if not is_last(piece, voice) or not closes(piece, step, bars):
        return 0.0
    notes, foreign = 0, 0
    begun = max(step + 1 - int(bars) * piece.bar[step], 0)
    while begun <= step:
        end = min(begun + piece.beat[begun] - 1, step)
        at = heard_at(piece, begun, end)
        if at >= 0:
            found = chord(piece, at)
            for other in range(voice + 1):
                for t in range(begun, end + 1):
                    if attacks(piece, other, t):
                        notes += 1
                        foreign += not belongs(found, piece.pitch[other, t])
        begun = end + 1
    if notes == 0:
        return 0.0
    share = foreign / notes
    return min(share - low, 0.0) + min(high - share, 0.0)


@rule(sees="lower", at="bar", within={"least": (1, 12), "bars": (1, 64)})
def chord_variety(piece, voice, step, *, least=4, bars=2):
    """At the end of every `bars` bars -1 for each root by which their beats have fewer than `least` different ones (our own)."""
    if not is_last(piece, voice) or not closes(piece, step, bars):
        return 0.0
    seen, count = 0, 0
    begun = max(step + 1 - int(bars) * piece.bar[step], 0)
    while begun <= step:
        end = min(begun + piece.beat[begun] - 1, step)
        at = heard_at(piece, begun, end)
        if at >= 0:
            bit = 1 << (chord(piece, at) // KINDS)
            count += (seen & bit) == 0
            seen |= bit
        begun = end + 1
    return min(np.float64(count) - least, 0.0)


@rule(sees="lower", at="bar")
def worn_harmony(piece, voice, step):
    """-1 for a bar whose beats have the chords of the bar before or of the one before that, in the same order (our own)."""
    if not is_last(piece, voice):
        return 0.0
    first = bar_begun(piece, step)
    if first < 0:
        return 0.0
    bar = piece.bar[step]
    for back in range(1, 3):
        earlier = first - back * bar
        if earlier >= 0 and piece.position[earlier] == 0 and same_chords(piece, first, earlier, step):
            return -1.0
    return 0.0


@kernel
def same_chords(piece: Piece, first: int, earlier: int, step: int) -> bool:
    """Whether the beats from `first` to `step` have the chords of those from `earlier` on."""
    begun = first
    while begun <= step:
        end = min(begun + piece.beat[begun] - 1, step)
        here, there = heard_at(piece, begun, end), heard_at(piece, begun - first + earlier, end - first + earlier)
        if (here < 0) != (there < 0):
            return False
        if here >= 0 and chord(piece, here) != chord(piece, there):
            return False
        begun = end + 1
    return True
