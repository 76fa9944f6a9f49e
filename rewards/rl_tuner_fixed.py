"""RL Tuner's nine rules with their traps mended; each docstring says what the original does instead.

Notes are judged at their onsets, holds and rests earn nothing, and nothing is paid again at every step. What the original gets
wrong elsewhere (codes for hold and rest swapped between reward and output, output two semitones sharp, no terminal
state, a prior that learns in G mode) has no place in a reward and is right in this library's encoding, files and agents.
"""

from __future__ import annotations

import numpy as np

from musicgym.rewards.rl_tuner_faithful import (
    INTERVALS,
    MOTIF_NOTES,
    MOTIF_STEPS,
    WIDEST,
    autocorr_penalty,
    code,
    degree,
    distinct_pitches,
    earlier_window,
)
from musicgym.rewards.rules import rule
from musicgym.score import SCALES

SCALE_BITS = np.array([sum(1 << degree for degree in scale) for scale in SCALES], np.int64)


@rule(span=0, sees="own")
def fixed_key(piece, voice, step):
    """-1 for a note outside the local key's scale (after RL Tuner, whose key is always C major)."""
    pitch = piece.pitch[voice, step]
    if pitch < 0 or not piece.onset[voice, step]:
        return 0.0
    return 0.0 if SCALE_BITS[piece.mode[step]] >> ((pitch - piece.tonic[step]) % 12) & 1 else -1.0


@rule(sees="own")
def fixed_tonic(piece, voice, step):
    """+3 each: the first note is a tonic of any octave, so is the last, and that lasts a beat (RL Tuner: given steps)."""
    begins = piece.pitch[voice, step] >= 0 and piece.onset[voice, step]
    at_home = begins and (piece.pitch[voice, step] - piece.tonic[step]) % 12 == 0
    paid = 3.0 if at_home and piece.previous[voice, step] < 0 else 0.0
    if step == piece.length - 1:
        last = step if begins else piece.previous[voice, step]
        if last >= 0 and (piece.pitch[voice, last] - piece.tonic[last]) % 12 == 0:
            end = last + 1
            while end < piece.length and not piece.onset[voice, end]:
                end += 1
            paid += 3.0 + 3.0 * (end - last >= piece.beat[last])
    return paid


@rule(sees="own")
def fixed_repeat(piece, voice, step, *, most=4):
    """-3 for a note like the `most` notes before it; holding is no repetition (RL Tuner: -100, and holds count)."""
    pitch = piece.pitch[voice, step]
    if pitch < 0 or not piece.onset[voice, step]:
        return 0.0
    before, same = piece.previous[voice, step], 0
    while before >= 0 and piece.pitch[voice, before] == pitch and same < most:
        same += 1
        before = piece.previous[voice, before]
    return -3.0 if same >= most else 0.0


@rule(sees="own")
def fixed_autocorr(piece, voice, step):
    """-3 |c| at the last step for each autocorrelation c of the notes' pitches, lags 1, 2, 3, with |c| > 0.15.

    RL Tuner takes codes, holds and rests among them, and pays at every step.
    """
    if step != piece.length - 1:
        return 0.0
    count, total, squares = 0, 0.0, 0.0
    products_1, products_2, products_3 = 0.0, 0.0, 0.0
    head_1, head_2, head_3 = 0.0, 0.0, 0.0
    tail_1, tail_2, tail_3 = 0.0, 0.0, 0.0
    for t in range(step + 1):
        if piece.pitch[voice, t] >= 0 and piece.onset[voice, t]:
            a = np.float64(piece.pitch[voice, t])
            products_1 += a * tail_1
            products_2 += a * tail_2
            products_3 += a * tail_3
            tail_1, tail_2, tail_3 = a, tail_1, tail_2
            if count == 0:
                head_1 = a
            elif count == 1:
                head_2 = a
            elif count == 2:
                head_3 = a
            count += 1
            total += a
            squares += a * a
    if count == 0:
        return 0.0
    products, heads, tails = (products_1, products_2, products_3), (head_1, head_2, head_3), (tail_1, tail_2, tail_3)
    return autocorr_penalty(np.float64(count), total, squares, products, heads, tails)


@rule(span=7, sees="own")
def fixed_motif(piece, voice, step):
    """+3, and 0.3 for each pitch beyond the third, for each eight steps of three or more pitches (RL Tuner: every step)."""
    if (step + 1) % MOTIF_STEPS:
        return 0.0
    count = distinct_pitches(piece, voice, step)
    return 3.0 + (count - MOTIF_NOTES) * 0.3 if count >= MOTIF_NOTES else 0.0


@rule(sees="own")
def fixed_rep_motif(piece, voice, step):
    """+4, and 1 for each pitch beyond the third, for each eight steps that are a motif heard before (RL Tuner: at every step)."""
    if (step + 1) % MOTIF_STEPS:
        return 0.0
    count = distinct_pitches(piece, voice, step)
    return 4.0 + (count - MOTIF_NOTES) if count >= MOTIF_NOTES and earlier_window(piece, voice, step) >= 0 else 0.0


@rule(sees="own")
def fixed_interval(piece, voice, step):
    """5 times RL Tuner's table of intervals, between one note and the next (RL Tuner: holds and rests are paid too)."""
    before = piece.previous[voice, step]
    if before < 0 or piece.pitch[voice, step] < 0 or not piece.onset[voice, step]:
        return 0.0
    width = abs(piece.pitch[voice, step] - piece.pitch[voice, before])
    left = degree(code(piece, voice, before))  # of the major key with the same signature: in minor too its notes are what counts
    return INTERVALS[left, min(width, WIDEST)]


@rule(sees="own")
def fixed_leap(piece, voice, step):
    """+5 for a leap of a fifth or more answered by less the other way, -5 for another leap on (after RL Tuner)."""
    before = piece.previous[voice, step]
    if before < 0 or piece.pitch[voice, step] < 0 or not piece.onset[voice, step] or piece.previous[voice, before] < 0:
        return 0.0
    first = piece.pitch[voice, before] - piece.pitch[voice, piece.previous[voice, before]]
    second = piece.pitch[voice, step] - piece.pitch[voice, before]
    if abs(first) < 7:
        return 0.0
    if first * second < 0:
        return 5.0 if abs(second) < 7 else 0.0  # leaping to and fro is no answer
    return -5.0 if first * second > 0 and abs(second) >= 7 else 0.0


@rule(sees="own")
def fixed_extrema(piece, voice, step):
    """At the last step +3 if the highest pitch begins once, +3 if the lowest does (RL Tuner: the highest code)."""
    if step != piece.length - 1:
        return 0.0
    highest, times_high, lowest, times_low = -1, 0, 1000, 0
    for t in range(step + 1):
        pitch = piece.pitch[voice, t]
        if pitch >= 0 and piece.onset[voice, t]:
            times_high = 1 if pitch > highest else times_high + (pitch == highest)
            times_low = 1 if pitch < lowest else times_low + (pitch == lowest)
            highest, lowest = max(highest, pitch), min(lowest, pitch)
    return 3.0 * (times_high == 1) + 3.0 * (times_low == 1)
