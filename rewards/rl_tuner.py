"""RL Tuner's nine music-theory terms (Jaques et al. 2016, arXiv 1611.02796), as its code computes them and as it meant them.

The *faithful* rules judge sequences of action codes: 0 a rest begins, 1 hold, 2.. pitches; so holds earn and
cost by themselves, unlike in any other rule of this library. Codes are counted from the original's C major: in other
keys everything moves with the tonic of the major key of the same signature, at most six semitones, and the tonic is
the mode's own. Lengths other than 32 steps move the cadence's four last steps to the end.

The *fixed* rules mend the reward's traps: see each docstring. What the original gets wrong elsewhere (codes for hold and rest
swapped between reward and output, output two semitones sharp, no terminal state, a prior that learns in G mode) has no place
in a reward and is right in this library's encoding, files and agents.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from musicgym.compiled import kernel
from musicgym.pieces import Piece
from musicgym.rewards.reward import Rules
from musicgym.rewards.rule import rule
from musicgym.score import BLANK, REST, SCALES

REST_CODE, HOLD_CODE, FIRST_CODE = 0, 1, 2
LOWEST = 48  # the pitch of code 2 in C major
TONIC_CODE = 14  # C4
MOTIF_STEPS = 8  # the original's "bar"
MOTIF_NOTES = 3  # distinct pitches that make a motif
FILTER_WORDS, WORD_BITS = 32, 32  # remembered motifs, as a Bloom filter of 1,024 bits in float64 scalars
_HASH_BASE = 0x01000193
_HASH_BASE_8 = pow(_HASH_BASE, MOTIF_STEPS, 1 << 32)
_HASH_BITS = (1 << 32) - 1
# Semitones from a mode's tonic up to the tonic of the major key with its signature, in MODES' order.
_TO_MAJOR = np.array([0, 3, 10, 8, 7, 5, 1], np.int64)
_MAJOR_BITS = sum(1 << degree for degree in SCALES[0])
_SCALE_BITS = np.array([sum(1 << degree for degree in scale) for scale in SCALES], np.int64)


@kernel
def shift(piece: Piece, step: int) -> int:
    """Semitones, -6..5, by which the music lies above the original's C major."""
    return (piece.tonic[step] + _TO_MAJOR[piece.mode[step]] + 6) % 12 - 6


@kernel
def code(piece: Piece, voice: int, step: int) -> int:
    """The action code that wrote this slot: 0 rest, 1 hold, 2.. pitches counted from C3 of the original's C major; -1 blank."""
    pitch = piece.pitch[voice, step]
    if pitch == BLANK:
        return -1
    if not piece.onset[voice, step]:
        return HOLD_CODE
    if pitch == REST:
        return REST_CODE
    return pitch - LOWEST + FIRST_CODE - shift(piece, step)


@kernel
def degree(code: int) -> int:
    """Semitones of a pitch code above C, 0..11."""
    return (code - FIRST_CODE) % 12


@kernel
def last_note(piece: Piece, voice: int, step: int) -> int:
    """The code of the last note that began before this step, 0 if there is none."""
    before = piece.previous[voice, step]
    return code(piece, voice, before) if before >= 0 else 0


@rule(sees="own")
def key(piece, voice, step):
    """-1 for a note outside the major scale of the key's signature (RL Tuner)."""
    a = code(piece, voice, step)
    return -1.0 if a >= FIRST_CODE and not _MAJOR_BITS >> degree(a) & 1 else 0.0


@rule(span=0, sees="own")
def tonic(piece, voice, step):
    """+3 each: the tonic (C4 in C) as first note and four steps before the end, a hold after it, holds or rests to the end (RL Tuner)."""
    a = code(piece, voice, step)
    left = piece.length - step
    if step == 0 or left == 4:
        home = TONIC_CODE + (-_TO_MAJOR[piece.mode[step]]) % 12
        return 3.0 if a == home else 0.0
    if left == 3:
        return 3.0 if a == HOLD_CODE else 0.0
    return 3.0 if left < 3 and (a == HOLD_CODE or a == REST_CODE) else 0.0


@rule(sees="own")
def repeat(piece, voice, step):
    """-100 for the third rest running, for more than five times the same code, or more than seven with holds or rests between (RL Tuner)."""
    a = code(piece, voice, step)
    same, between = 0, False
    for before in range(step - 1, -1, -1):
        b = code(piece, voice, before)
        if b == a:
            same += 1
            if same > 6:
                return -100.0
        elif b == REST_CODE or b == HOLD_CODE:
            between = True
        else:
            break
    if a == REST_CODE and same > 1:
        return -100.0
    return -100.0 if not between and same > 4 else 0.0


@kernel
def autocorrelation(count: int, total: float, squares: float, products: float, head: float, tail: float, lag: int) -> float:
    """Autocorrelation at a lag of `count` codes from their exact sums; `head` and `tail` add up the first and last `lag` codes."""
    mean = total / count
    variance = squares / count - mean * mean
    if variance <= 0.0 or count <= lag:
        return 0.0
    shared = products - mean * (total - tail + total - head) + (count - lag) * mean * mean
    return shared / count / variance


@kernel
def autocorr_penalty(piece: Piece, voice: int, step: int, sums: np.ndarray) -> float:
    """-3 |c| for each lag of 1, 2, 3 with |c| > 0.15; `sums` is total, squares and the three lags' products."""
    paid, head, tail = 0.0, 0.0, 0.0
    for lag in range(1, 4):
        if step >= lag:
            head += code(piece, voice, lag - 1)
            tail += code(piece, voice, step - lag + 1)
            c = autocorrelation(step + 1, sums[0], sums[1], sums[1 + lag], head, tail, lag)
            if abs(c) > 0.15:
                paid -= 3.0 * abs(c)
    return paid


@kernel
def add_to_sums(piece: Piece, voice: int, step: int, sums: np.ndarray) -> None:
    """Add the code at a step to the sums of `autocorr_penalty`."""
    a = code(piece, voice, step)
    sums[0] += a
    sums[1] += a * a
    for lag in range(1, min(3, step) + 1):
        sums[1 + lag] += a * code(piece, voice, step - lag)


@rule(sees="own")
def autocorr(piece, voice, step):
    """-3 |c| for each of the autocorrelations c at lags 1, 2, 3 of all codes so far that exceeds 0.15, at every step (RL Tuner)."""
    total, squares, products_1, products_2, products_3 = 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(step + 1):
        a = code(piece, voice, t)
        total += a
        squares += a * a
        products_1 += a * code(piece, voice, t - 1) if t >= 1 else 0.0
        products_2 += a * code(piece, voice, t - 2) if t >= 2 else 0.0
        products_3 += a * code(piece, voice, t - 3) if t >= 3 else 0.0
    paid, head, tail = 0.0, 0.0, 0.0
    for lag in range(1, 4):
        if step >= lag:
            head += code(piece, voice, lag - 1)
            tail += code(piece, voice, step - lag + 1)
            products = products_1 if lag == 1 else (products_2 if lag == 2 else products_3)
            c = autocorrelation(step + 1, total, squares, products, head, tail, lag)
            if abs(c) > 0.15:
                paid -= 3.0 * abs(c)
    return paid


@autocorr.carried(5)
def _autocorr_carried(piece, voice, step, carry):
    add_to_sums(piece, voice, step, carry)
    return autocorr_penalty(piece, voice, step, carry)


@kernel
def distinct_pitches(piece: Piece, voice: int, step: int) -> int:
    """Different pitches among the notes that begin in the last eight steps, 0 before there are eight."""
    if step < MOTIF_STEPS - 1:
        return 0
    low, high, count = np.int64(0), np.int64(0), 0
    for t in range(step - MOTIF_STEPS + 1, step + 1):
        pitch = piece.pitch[voice, t]
        if pitch >= 0 and piece.onset[voice, t]:
            bit = np.int64(1) << np.int64(pitch % 64)
            if pitch < 64:
                count += (low & bit) == 0
                low |= bit
            else:
                count += (high & bit) == 0
                high |= bit
    return count


@kernel
def occurred(piece: Piece, voice: int, step: int) -> bool:
    """Whether the last eight codes stand, in a row, in what ended eight steps ago or earlier."""
    first = step - MOTIF_STEPS + 1
    for start in range(step - 2 * MOTIF_STEPS + 2):
        k = 0
        while k < MOTIF_STEPS and code(piece, voice, start + k) == code(piece, voice, first + k):
            k += 1
        if k == MOTIF_STEPS:
            return True
    return False


@rule(span=7, sees="own")
def motif(piece, voice, step):
    """+3, and 0.3 for each pitch beyond the third, at every step that ends eight with three or more different pitches (RL Tuner)."""
    count = distinct_pitches(piece, voice, step)
    return 3.0 + (count - MOTIF_NOTES) * 0.3 if count >= MOTIF_NOTES else 0.0


@rule(sees="own")
def rep_motif(piece, voice, step):
    """+4, and 1 for each pitch beyond the third, at every step that ends a motif heard before (RL Tuner)."""
    count = distinct_pitches(piece, voice, step)
    if count < MOTIF_NOTES or not occurred(piece, voice, step):
        return 0.0
    return 4.0 + (count - MOTIF_NOTES)


@rep_motif.carried(2 + FILTER_WORDS)
def _rep_motif_carried(piece, voice, step, carry):
    """Looks back only when a filter of hashed motifs says that there may be something to find."""
    hashed = roll(piece, voice, step, np.int64(carry[0]))
    carry[0] = hashed
    old = step - MOTIF_STEPS
    if old >= MOTIF_STEPS - 1 or old >= 0:
        carry[1] = roll(piece, voice, old, np.int64(carry[1]))
        if old >= MOTIF_STEPS - 1:
            place = filter_place(np.int64(carry[1]))
            word = 2 + place // WORD_BITS
            carry[word] = np.int64(carry[word]) | (np.int64(1) << np.int64(place % WORD_BITS))
    count = distinct_pitches(piece, voice, step)
    if count < MOTIF_NOTES:
        return 0.0
    place = filter_place(hashed)
    if not np.int64(carry[2 + place // WORD_BITS]) >> np.int64(place % WORD_BITS) & 1:
        return 0.0
    return 4.0 + (count - MOTIF_NOTES) if occurred(piece, voice, step) else 0.0


@kernel
def roll(piece: Piece, voice: int, step: int, hashed: int) -> int:
    """The hash of the eight codes up to `step` from that of the eight up to the step before."""
    rolled = hashed * _HASH_BASE + code(piece, voice, step)
    if step >= MOTIF_STEPS:
        rolled -= code(piece, voice, step - MOTIF_STEPS) * _HASH_BASE_8
    return rolled & _HASH_BITS


@kernel
def filter_place(hashed: int) -> int:
    """The bit of the filter, 0..1023, for a hash."""
    return ((hashed * 0x9E3779B1) & _HASH_BITS) >> 22


@kernel
def interval_value(before: int, a: int) -> float:
    """The original's table for two pitch codes."""
    width = abs(a - before)
    if width == 11:
        return -0.3
    if width > 12:
        return -1.0
    if width == 7:
        return 0.1 if degree(before) == 0 or degree(before) == 7 else 0.02
    if width == 4:
        return 0.15 if degree(before) == 0 or degree(before) == 4 else 0.09
    if width == 2:
        return 0.08
    if width == 5:
        return 0.07
    return 0.05 if width == 9 else 0.0


@rule(sees="own")
def interval(piece, voice, step):
    """5 times a table of preferred melodic intervals, holds and rests, from the last note, at every step (RL Tuner)."""
    before = last_note(piece, voice, step)
    if before < FIRST_CODE:
        return 0.0
    a = code(piece, voice, step)
    at_home = degree(before) == 0 or degree(before) == 7
    if a == HOLD_CODE:
        return 5.0 * (0.3 if at_home else 0.075)
    if a == REST_CODE:
        return 5.0 * (0.15 if at_home else 0.05)
    return 5.0 * interval_value(before, a)


@kernel
def leap_step(piece: Piece, voice: int, step: int, direction: float, origin: float, since: float) -> tuple[float, float, float, float]:
    """One step of the leap machine: what it pays, then its state: direction of the open leap, code it left from, steps since."""
    a = code(piece, voice, step)
    if step == 0:
        return 0.0, direction, origin, since
    if a == REST_CODE or a == HOLD_CODE:
        return 0.0, direction, origin, since + 1.0
    before = last_note(piece, voice, step)
    if before >= FIRST_CODE and abs(a - before) >= 7:
        way = -1.0 if before > a else 1.0
        paid = 0.0
        if direction == 0.0:
            direction, origin = way, np.float64(before)
        elif direction != way:
            paid = 5.0 if since > 6.0 else 0.0
            direction, origin = 0.0, 0.0
        else:
            paid = -5.0
        return paid, direction, origin, 0.0
    if (direction > 0.0 and a <= origin) or (direction < 0.0 and a >= origin):
        return 5.0, 0.0, 0.0, since + 1.0
    return 0.0, direction, origin, since + 1.0


@rule(sees="own")
def leap(piece, voice, step):
    """+5 when a leap of a fifth or more is gone back to where it began, -5 when a second follows the same way (RL Tuner).

    A leap the other way closes the first one, and pays only if more than six steps lie between.
    """
    paid, direction, origin, since = 0.0, 0.0, 0.0, 0.0
    for t in range(step + 1):
        paid, direction, origin, since = leap_step(piece, voice, t, direction, origin, since)
    return paid


@leap.carried(3)
def _leap_carried(piece, voice, step, carry):
    paid, carry[0], carry[1], carry[2] = leap_step(piece, voice, step, carry[0], carry[1], carry[2])
    return paid


@rule(sees="own")
def extrema(piece, voice, step):
    """At the last step +3 if the highest code occurs once, +3 if the lowest pitch does (RL Tuner)."""
    if step != piece.length - 1:
        return 0.0
    highest, times_high, lowest, times_low = -1, 0, 1000, 0
    for t in range(step + 1):
        a = code(piece, voice, t)
        if a > highest:
            highest, times_high = a, 1
        elif a == highest:
            times_high += 1
        if a >= FIRST_CODE:
            if a < lowest:
                lowest, times_low = a, 1
            elif a == lowest:
                times_low += 1
    return 3.0 * (times_high == 1) + 3.0 * (times_low == 1)
