"""RL Tuner's nine rules as its code computes them (Jaques et al. 2016, arXiv 1611.02796).

They judge sequences of action codes: 0 a rest begins, 1 hold, 2.. pitches; so holds earn and
cost by themselves, unlike in any other rule of this library. Codes are counted from the original's C major: in other
keys everything moves with the tonic of the major key of the same signature, at most six semitones, and the tonic is
the mode's own. Lengths other than 32 steps move the cadence's four last steps to the end.
"""

from __future__ import annotations

import numpy as np

from musicgym.compiled import kernel
from musicgym.pieces import Piece
from musicgym.rewards.rules import rule
from musicgym.score import BLANK, REST, SCALES

# Codes within the rules. Pitches are numbered as the original does, 2 for C3, and go on downwards below it, so its 0 for a rest
# and 1 for a hold lie out of their way here; `number` gives them back where codes are reckoned with.
Three = tuple[float, float, float]  # one for each lag
BLANK_CODE, REST_CODE, HOLD_CODE, FIRST_CODE = -102, -101, -100, 2
LOWEST = 48  # the pitch of code 2 in C major
TONIC_CODE = 14  # C4
MOTIF_STEPS = 8  # the original's "bar"
MOTIF_NOTES = 3  # distinct pitches that make a motif
FILTER_WORDS, WORD_BITS = 20, 52  # remembered motifs, as a Bloom filter of 1,024 bits in the whole numbers that float64 holds
_HASH_BASE = 0x01000193
_HASH_BASE_8 = pow(_HASH_BASE, MOTIF_STEPS, 1 << 32)
_HASH_BITS = (1 << 32) - 1
# Semitones from a mode's tonic up to the tonic of the major key with its signature, in MODES' order.
_TO_MAJOR = np.array([0, 3, 10, 8, 7, 5, 1], np.int64)
_SHIFT = (np.arange(12) + _TO_MAJOR[:, None] + 6) % 12 - 6  # int64 (modes, tonics)
_LOWEST_CODE = -60  # of any pitch in any key, and some to spare
_DEGREES = ((np.arange(_LOWEST_CODE, 140) - FIRST_CODE) % 12).astype(np.int8)  # semitones above C, by code
_IN_MAJOR = np.isin(np.arange(12), SCALES[0])  # bool (12,)


@kernel
def shift(piece: Piece, step: int) -> int:
    """Semitones, -6..5, by which the music lies above the original's C major."""
    return _SHIFT[piece.mode[step], piece.tonic[step]]


@kernel
def code(piece: Piece, voice: int, step: int) -> int:
    """The code of what was written here: BLANK_CODE, REST_CODE, HOLD_CODE or a pitch's, 2 for C3 of the original's C major."""
    pitch = piece.pitch[voice, step]
    if pitch == BLANK:
        return BLANK_CODE
    if not piece.onset[voice, step]:
        return HOLD_CODE
    if pitch == REST:
        return REST_CODE
    return pitch - LOWEST + FIRST_CODE - shift(piece, step)


@kernel
def number(code: int) -> float:
    """The original's number for a code: 0 for a rest, 1 for a hold."""
    return np.float64(code if code > HOLD_CODE else code - REST_CODE)


@kernel
def degree(code: int) -> int:
    """Semitones of a pitch code above C, 0..11."""
    return _DEGREES[code - _LOWEST_CODE]


@kernel
def last_note(piece: Piece, voice: int, step: int) -> int:
    """The code of the last note that began before this step, BLANK_CODE if there is none."""
    before = piece.previous[voice, step]
    return code(piece, voice, before) if before >= 0 else BLANK_CODE


@rule(sees="own")
def faithful_key(piece, voice, step):
    """-1 for a note outside the major scale of the key's signature (RL Tuner)."""
    a = code(piece, voice, step)
    return -1.0 if a > HOLD_CODE and not _IN_MAJOR[degree(a)] else 0.0


@rule(span=0, sees="own")
def faithful_tonic(piece, voice, step):
    """+3 each: tonic (C4 in C) first and four steps before the end, a hold after that, then holds or rests (RL Tuner)."""
    a = code(piece, voice, step)
    left = piece.length - step
    if step == 0 or left == 4:
        home = TONIC_CODE + (-_TO_MAJOR[piece.mode[step]]) % 12
        return 3.0 if a == home else 0.0
    if left == 3:
        return 3.0 if a == HOLD_CODE else 0.0
    return 3.0 if left < 3 and (a == HOLD_CODE or a == REST_CODE) else 0.0


@rule(sees="own")
def faithful_repeat(piece, voice, step):
    """-100 for the third rest running, the sixth same code, or the eighth with holds or rests between (RL Tuner)."""
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
def autocorr_penalty(count: float, total: float, squares: float, products: Three, heads: Three, tails: Three) -> float:
    """-3 |c| for each lag of 1, 2, 3 with |c| > 0.15, from sums over `count` codes.

    `products` are the lags' sums of x[t] x[t - lag]; `heads` and `tails` the first and last three codes. Multiplied by
    count squared all is whole numbers, so that |c| = 0.15 is told apart exactly and one division is enough.
    """
    spread = count * (count * squares - total * total)  # count cubed times the variance
    if spread <= 0.0:
        return 0.0
    over, head, tail = 0.0, 0.0, 0.0
    for lag in range(1, 4):
        if lag < count:
            head += heads[lag - 1]
            tail += tails[lag - 1]
            shared = count * (count * products[lag - 1] - total * (2.0 * total - tail - head)) + (count - lag) * total * total
            over += abs(shared) if 20.0 * abs(shared) > 3.0 * spread else 0.0
    return -3.0 * over / spread


@rule(sees="own")
def faithful_autocorr(piece, voice, step):
    """-3 |c| for each autocorrelation c at lags 1, 2, 3 of the codes so far with |c| > 0.15, at every step (RL Tuner)."""
    total, squares, products_1, products_2, products_3 = 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(step + 1):
        a = number(code(piece, voice, t))
        total += a
        squares += a * a
        products_1 += a * number(code(piece, voice, t - 1)) if t >= 1 else 0.0
        products_2 += a * number(code(piece, voice, t - 2)) if t >= 2 else 0.0
        products_3 += a * number(code(piece, voice, t - 3)) if t >= 3 else 0.0
    head_2, head_3 = number(code(piece, voice, min(1, step))), number(code(piece, voice, min(2, step)))
    tail_2, tail_3 = number(code(piece, voice, max(step - 1, 0))), number(code(piece, voice, max(step - 2, 0)))
    heads = number(code(piece, voice, 0)), head_2, head_3
    tails = number(code(piece, voice, step)), tail_2, tail_3
    return autocorr_penalty(step + 1.0, total, squares, (products_1, products_2, products_3), heads, tails)


@faithful_autocorr.carried(11)
def _autocorr_carried(piece, voice, step, carry):
    """Carries total, squares, three products, the first three codes and the last three, newest first."""
    a = number(code(piece, voice, step))
    carry[0] += a
    carry[1] += a * a
    carry[2] += a * carry[8]  # codes before the first are 0
    carry[3] += a * carry[9]
    carry[4] += a * carry[10]
    if step < 3:
        carry[5 + step] = a
    carry[10], carry[9], carry[8] = carry[9], carry[8], a
    heads, tails = (carry[5], carry[6], carry[7]), (carry[8], carry[9], carry[10])
    return autocorr_penalty(step + 1.0, carry[0], carry[1], (carry[2], carry[3], carry[4]), heads, tails)


@kernel
def distinct_pitches(piece: Piece, voice: int, step: int) -> np.int64:
    """Different pitches among the notes that begin in the last eight steps, 0 before there are eight."""
    if step < MOTIF_STEPS - 1:
        return np.int64(0)
    low, high = np.uint64(0), np.uint64(0)  # a bit a pitch
    for t in range(step - MOTIF_STEPS + 1, step + 1):
        pitch = piece.pitch[voice, t]
        sounds = np.uint64(pitch >= 0 and piece.onset[voice, t]) << np.uint64(pitch & 63)
        low |= sounds if pitch < 64 else np.uint64(0)
        high |= sounds if pitch >= 64 else np.uint64(0)
    return ones(low) + ones(high)


@kernel
def ones(bits: np.uint64) -> np.int64:
    """Number of set bits."""
    bits = bits - ((bits >> np.uint64(1)) & np.uint64(0x5555555555555555))
    bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((bits * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel
def earlier_window(piece: Piece, voice: int, step: int) -> int:
    """Where the last eight codes stand, in a row, in what ended eight steps ago or earlier; -1 for nowhere."""
    first = step - MOTIF_STEPS + 1
    for start in range(step - 2 * MOTIF_STEPS + 2):
        k = 0
        while k < MOTIF_STEPS and code(piece, voice, start + k) == code(piece, voice, first + k):
            k += 1
        if k == MOTIF_STEPS:
            return start
    return -1


@rule(span=7, sees="own")
def faithful_motif(piece, voice, step):
    """+3, and 0.3 for each pitch beyond the third, at every step that ends eight with three or more pitches (RL Tuner)."""
    count = distinct_pitches(piece, voice, step)
    return 3.0 + (count - MOTIF_NOTES) * 0.3 if count >= MOTIF_NOTES else 0.0


@faithful_motif.carried(2)
def _motif_carried(piece, voice, step, carry):
    """Carries which of the last eight slots are the last of their pitch, a bit each, and how many those are."""
    bits, count = np.int64(carry[0]), carry[1]
    here = np.int64(1) << np.int64(step % MOTIF_STEPS)
    count -= (bits & here) != 0  # the slot that leaves the window
    bits &= ~here
    pitch = piece.pitch[voice, step]
    if pitch >= 0 and piece.onset[voice, step]:
        count += 1.0
        for t in range(step - 1, max(step - MOTIF_STEPS, -1), -1):
            if piece.pitch[voice, t] == pitch and piece.onset[voice, t]:
                bits &= ~(np.int64(1) << np.int64(t % MOTIF_STEPS))
                count -= 1.0
                break
        bits |= here
    carry[0], carry[1] = bits, count
    return 3.0 + (count - MOTIF_NOTES) * 0.3 if count >= MOTIF_NOTES and step >= MOTIF_STEPS - 1 else 0.0


@rule(sees="own")
def faithful_rep_motif(piece, voice, step):
    """+4, and 1 for each pitch beyond the third, at every step that ends a motif heard before (RL Tuner)."""
    count = distinct_pitches(piece, voice, step)
    if count < MOTIF_NOTES or earlier_window(piece, voice, step) < 0:
        return 0.0
    return 4.0 + (count - MOTIF_NOTES)


@faithful_rep_motif.carried(2 + MOTIF_STEPS + FILTER_WORDS)
def _rep_motif_carried(piece, voice, step, carry):
    """Carries the step after the earlier window that the last one repeats, the last window's hash, the hashes of the eight
    windows before it, and a filter of those further back.

    A repetition that goes on is seen by its next code; for a new one it looks back only when the filter says that it may.
    """
    hashed = roll(piece, voice, step, np.int64(carry[1]))
    carry[1] = hashed
    slot = 2 + step % MOTIF_STEPS
    if step >= 2 * MOTIF_STEPS - 1:
        add_to_filter(carry, filter_place(np.int64(carry[slot])))
        add_to_filter(carry, filter_place_2(np.int64(carry[slot])))
    carry[slot] = hashed
    following = np.int64(carry[0])
    carry[0] = 0.0
    goes_on = following > 0 and code(piece, voice, following) == code(piece, voice, step)
    if not goes_on and not (in_filter(carry, filter_place(hashed)) and in_filter(carry, filter_place_2(hashed))):
        return 0.0
    count = distinct_pitches(piece, voice, step)
    if goes_on:
        carry[0] = following + 1
    elif count >= MOTIF_NOTES:
        start = earlier_window(piece, voice, step)
        carry[0] = start + MOTIF_STEPS if start >= 0 else 0
    return 4.0 + (count - MOTIF_NOTES) if count >= MOTIF_NOTES and carry[0] > 0.0 else 0.0


@kernel
def roll(piece: Piece, voice: int, step: int, hashed: np.int64) -> np.int64:
    """The hash of the eight codes up to `step` from that of the eight up to the step before."""
    rolled = hashed * _HASH_BASE + code(piece, voice, step)
    if step >= MOTIF_STEPS:
        rolled -= code(piece, voice, step - MOTIF_STEPS) * _HASH_BASE_8
    return rolled & _HASH_BITS


@kernel
def filter_place(hashed: np.int64) -> np.int64:
    """One of a hash's two bits in the filter, 0..1023."""
    return ((hashed * 0x9E3779B1) & _HASH_BITS) >> 22


@kernel
def filter_place_2(hashed: np.int64) -> np.int64:
    """The other one."""
    return ((hashed * 0x85EBCA77) & _HASH_BITS) >> 22


@kernel
def in_filter(carry: np.ndarray, place: np.int64) -> bool:
    """Whether a bit of `rep_motif`'s filter is set."""
    return np.int64(carry[2 + MOTIF_STEPS + place // WORD_BITS]) >> np.int64(place % WORD_BITS) & 1 == 1


@kernel
def add_to_filter(carry: np.ndarray, place: np.int64) -> None:
    """Set a bit of `rep_motif`'s filter."""
    word = 2 + MOTIF_STEPS + place // WORD_BITS
    carry[word] = np.int64(carry[word]) | (np.int64(1) << np.int64(place % WORD_BITS))


WIDEST = 13  # wider intervals are all alike


def _interval_table() -> np.ndarray:
    """float64 (12, 14): 5 times the original's value of an interval, by the degree that it leaves and its width."""
    table = np.zeros((12, WIDEST + 1))
    table[:, [2, 4, 5, 7, 9, 11, 13]] = [0.08, 0.09, 0.07, 0.02, 0.05, -0.3, -1.0]
    table[[0, 7], 7] = 0.1
    table[[0, 4], 4] = 0.15
    return 5.0 * table


INTERVALS = _interval_table()
_AFTER_HOME = np.isin(np.arange(12), (0, 7))  # bool (12,): the original calls these a third and a fifth


@rule(sees="own")
def faithful_interval(piece, voice, step):
    """5 times a table of preferred melodic intervals, holds and rests, from the last note, at every step (RL Tuner)."""
    before = last_note(piece, voice, step)
    if before == BLANK_CODE:
        return 0.0
    a = code(piece, voice, step)
    left = degree(before)
    if a == HOLD_CODE:
        return 1.5 if _AFTER_HOME[left] else 0.375
    if a == REST_CODE:
        return 0.75 if _AFTER_HOME[left] else 0.25
    return INTERVALS[left, min(abs(a - before), WIDEST)]


@kernel
def leap_step(
    piece: Piece, voice: int, step: int, direction: float, origin: float, since: float
) -> tuple[float, float, float, float]:
    """One step of the leap machine: what it pays, then its state: direction of the open leap, code it left from, steps since."""
    a = code(piece, voice, step)
    if step == 0:
        return 0.0, direction, origin, since
    if a == REST_CODE or a == HOLD_CODE:
        return 0.0, direction, origin, since + 1.0
    before = last_note(piece, voice, step)
    # Whether it is a leap is a coin toss in random play: values chosen without branches are faster than branches guessed wrong.
    leaps = before != BLANK_CODE and abs(a - before) >= 7
    way = -1.0 if before > a else 1.0
    opens, again = direction == 0.0, direction == way
    returns = (a - origin) * direction <= 0.0 and not opens
    closing = 5.0 if since > 6.0 else 0.0
    paid_leap = 0.0 if opens else (-5.0 if again else closing)
    kept = direction if again else 0.0
    next_leap, next_step = way if opens else kept, 0.0 if returns else direction
    paid = paid_leap if leaps else (5.0 if returns else 0.0)
    direction = next_leap if leaps else next_step
    origin = np.float64(before) if leaps and opens else origin
    return paid, direction, origin, 0.0 if leaps else since + 1.0


@rule(sees="own")
def faithful_leap(piece, voice, step):
    """+5 when a leap of a fifth or more is gone back to where it began, -5 when a second follows the same way (RL Tuner).

    A leap the other way closes the first one, and pays only if more than six steps lie between.
    """
    paid, direction, origin, since = 0.0, 0.0, 0.0, 0.0
    for t in range(step + 1):
        paid, direction, origin, since = leap_step(piece, voice, t, direction, origin, since)
    return paid


@faithful_leap.carried(3)
def _leap_carried(piece, voice, step, carry):
    paid, carry[0], carry[1], carry[2] = leap_step(piece, voice, step, carry[0], carry[1], carry[2])
    return paid


@rule(sees="own")
def faithful_extrema(piece, voice, step):
    """At the last step +3 if the highest code occurs once, +3 if the lowest pitch does (RL Tuner)."""
    if step != piece.length - 1:
        return 0.0
    highest, times_high, lowest, times_low = BLANK_CODE, 0, 1000, 0
    for t in range(step + 1):
        a = code(piece, voice, t)
        if a > highest:
            highest, times_high = a, 1
        elif a == highest:
            times_high += 1
        if a > HOLD_CODE:
            if a < lowest:
                lowest, times_low = a, 1
            elif a == lowest:
                times_low += 1
    return 3.0 * (times_high == 1) + 3.0 * (times_low == 1)
