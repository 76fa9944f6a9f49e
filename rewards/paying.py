"""The kernels of a set of rules: what each choice pays, and what each site of a finished piece is worth.

`musicgym.rewards.fuse` puts this file's functions into a generated module, where `judge`, `judge_seen`, `judge_carried`,
`follow`, `SPAN` and `SEES` are those of the set. What stands here for them belongs to the empty set.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from musicgym.compiled import hidden, inlined, kernel
from musicgym.handle import Handle
from musicgym.pieces import Piece, Pieces
from musicgym.rewards.rules import ALL, LOWER
from musicgym.score import BLANK
from musicgym.writing import Plan, swap_log, view, write_code

BLOCK = 64  # pieces that are paid together
SPAN = 0  # the longest span of the set
SEES = 0  # the widest view of the set


@kernel
def judge(piece: Piece, voice: int, step: int, params: np.ndarray, sums: np.ndarray) -> None:
    """Add each rule's value at a site to `sums`, float64 (rules,)."""


@kernel
def judge_seen(
    piece: Piece, voice: int, step: int, low: int, high: int, last: int, sign: float, params: np.ndarray, sums: np.ndarray
) -> None:
    """As `judge`, times `sign`, but only the rules to which the voices low..high up to step `last` matter at this site."""


@kernel
def judge_carried(piece: Piece, voice: int, step: int, carry: np.ndarray, params: np.ndarray, sums: np.ndarray) -> None:
    """As `judge`, with the carried forms; `carry` is float64 (voices, scalars) of this piece."""


@kernel
def follow(piece: Piece, voice: int, step: int, carry: np.ndarray, params: np.ndarray) -> None:
    """What `judge_carried` does to `carry`, without a word of what it judges."""


# From here on: copied into every generated module.


@kernel
def put_block(block: np.ndarray, out: np.ndarray, first: int, end: int) -> None:
    """Copy terms of a few pieces, float32 (pieces, rules), to their places in `out`, float32 (rules, N).

    Row by row: written piece by piece, dozens of rows whose distance is a power of two would share one line of the cache.
    """
    for r in range(block.shape[1]):
        for n in range(first, end):
            out[r, n] = block[n - first, r]


@inlined
def judge_around(
    pieces: Pieces,
    n: int,
    low: int,
    high: int,
    first: int,
    last: int,
    end: int,
    sign: float,
    params: np.ndarray,
    sums: np.ndarray,
) -> int:
    """Judge all filled sites before step `end` that can see voices low..high in steps first..last; returns how many those are."""
    piece = view(pieces, n)
    lowest = 0 if SEES == ALL else low
    highest = pieces.pitch.shape[1] - 1 if SEES >= LOWER else high
    judged = 0
    for step in range(first, min(end, last + SPAN + 1)):
        for voice in range(lowest, highest + 1):
            if pieces.pitch[n, voice, step] != BLANK:
                judge_seen(piece, voice, step, low, high, last, sign, params, sums)
                judged += 1
    return judged


@inlined
def difference(pieces: Pieces, n: int, end_of_sites: int, params: np.ndarray, sums: np.ndarray) -> None:
    """Add to `sums` what the last choice changed in the total of every rule: the music with it less the music before it.

    Sites from step `end_of_sites` on are left out.
    """
    count = pieces.log_count[n]
    if count == 0:
        return
    # Begun with numbers of the type that they end with: else everything below is compiled twice, for the first type too.
    low: int = np.int64(pieces.log_slot[n, 0, 0])  # type: ignore[assignment]  # to mypy an int64 is no int
    first: int = np.int64(pieces.log_slot[n, 0, 1])  # type: ignore[assignment]
    high, last, fresh = low, first, 0
    for k in range(count):
        voice, step = pieces.log_slot[n, k, 0], pieces.log_slot[n, k, 1]
        low, high, first = min(low, voice), max(high, voice), min(first, step)
        fresh += pieces.log_pitch[n, k] == BLANK
        end = step + 1  # holds after the slot sound what it holds
        while end < pieces.length[n] and pieces.pitch[n, voice, end] != BLANK and not pieces.onset[n, voice, end]:
            end += 1
        last = max(last, end - 1)
    judged = fresh + 1
    for turn in range(2):  # the music with the choice, then without it; in a loop, so that the rules are compiled once
        if judged <= fresh:  # nothing that stood there before can see the change
            return
        if turn == 1:
            swap_log(pieces, n, True)
        judged = judge_around(pieces, n, low, high, first, last, end_of_sites, 1.0 - 2.0 * turn, params, sums)
        if turn == 1:
            swap_log(pieces, n, False)


def pay_appended(
    handle: Handle, params: np.ndarray, weights: np.ndarray, carry: np.ndarray, out: np.ndarray, lo: int, hi: int
) -> None:
    """What the last choice of each piece pays where all are written forward in time; `out` is float32 (rules, N)."""
    block = np.empty((min(BLOCK, hi - lo), weights.shape[0]), np.float32)
    _pay_appended(handle.value, params, weights, carry, np.empty(weights.shape[0]), block, out, lo, hi)


@partial(hidden, inline=True)
def _pay_appended(
    pieces: Pieces,
    params: np.ndarray,
    weights: np.ndarray,
    carry: np.ndarray,
    sums: np.ndarray,
    block: np.ndarray,
    out: np.ndarray,
    lo: int,
    hi: int,
) -> None:
    for first in range(max(lo, 0), hi, BLOCK):
        end = min(first + BLOCK, hi)
        for n in range(first, end):
            sums[:] = 0.0
            piece = view(pieces, n)
            for k in range(pieces.log_count[n]):
                voice, step = pieces.log_slot[n, k, 0], pieces.log_slot[n, k, 1]
                if voice >= 0 and step >= 0:  # they are; knowing it spares the compiler the care for indices from the end
                    judge_carried(piece, voice, step, carry[n], params, sums)
            for r in range(weights.shape[0]):
                block[n - first, r] = weights[r] * sums[r]
        put_block(block, out, first, end)


def pay_any(
    handle: Handle, params: np.ndarray, weights: np.ndarray, carry: np.ndarray, out: np.ndarray, lo: int, hi: int
) -> None:
    """What the last choice of each piece pays, in any order of filling; `out` is float32 (rules, N)."""
    block = np.empty((min(BLOCK, hi - lo), weights.shape[0]), np.float32)
    _pay_any(handle.value, params, weights, np.empty(weights.shape[0]), block, out, lo, hi)


@partial(hidden, inline=True)
def _pay_any(
    pieces: Pieces,
    params: np.ndarray,
    weights: np.ndarray,
    sums: np.ndarray,
    block: np.ndarray,
    out: np.ndarray,
    lo: int,
    hi: int,
) -> None:
    for first in range(lo, hi, BLOCK):
        end = min(first + BLOCK, hi)
        for n in range(first, end):
            sums[:] = 0.0
            difference(pieces, n, pieces.length[n], params, sums)
            for r in range(weights.shape[0]):
                block[n - first, r] = weights[r] * sums[r]
        put_block(block, out, first, end)


def carry_on(handle: Handle, params: np.ndarray, carry: np.ndarray, rows: np.ndarray) -> None:
    """Lead the carries of these pieces, which only ever grow at their ends, through what stands there already."""
    _carry_on(handle.value, params, carry, rows)


@partial(hidden, inline=True)
def _carry_on(pieces: Pieces, params: np.ndarray, carry: np.ndarray, rows: np.ndarray) -> None:
    for n in rows:
        piece = view(pieces, n)
        for step in range(pieces.length[n]):
            for voice in range(pieces.pitch.shape[1]):
                if pieces.pitch[n, voice, step] != BLANK:
                    follow(piece, voice, step, carry[n], params)


def judge_sites(handle: Handle, params: np.ndarray, weights: np.ndarray, marks: np.ndarray, totals: np.ndarray) -> None:
    """Judge every filled site of every piece.

    `totals` is float64 (rules, N); `marks`, float32 (N, rules, voices, steps), is left alone where it has no rows.
    """
    _judge_sites(handle.value, params, weights, np.empty(weights.shape[0]), marks, totals)


@partial(hidden, inline=True)
def _judge_sites(
    pieces: Pieces, params: np.ndarray, weights: np.ndarray, sums: np.ndarray, marks: np.ndarray, totals: np.ndarray
) -> None:
    for n in range(pieces.length.shape[0]):
        piece = view(pieces, n)
        for step in range(pieces.length[n]):
            for voice in range(pieces.pitch.shape[1]):
                if pieces.pitch[n, voice, step] == BLANK:
                    continue
                sums[:] = 0.0
                judge(piece, voice, step, params, sums)
                for r in range(weights.shape[0]):
                    totals[r, n] += weights[r] * sums[r]
                    if marks.shape[0] > 0:
                        marks[n, r, voice, step] = weights[r] * sums[r]


def forbid_codes(
    desk_handle: Handle,
    params: np.ndarray,
    weights: np.ndarray,
    mask: np.ndarray,
    dead: np.ndarray,
    lo: int,
    hi: int,
) -> None:
    """Strike from the mask, int8 (N, codes), every step code whose choice a rule would punish.

    Where nothing would be left the mask stays as it is and `dead`, bool (N,), is set. The log of the last choice is lost.
    """
    desk = desk_handle.value
    _forbid_codes(desk.pieces, desk.plan, params, weights, np.empty(weights.shape[0]), mask, dead, lo, hi)


@partial(hidden, inline=True)
def _forbid_codes(
    pieces: Pieces,
    plan: Plan,
    params: np.ndarray,
    weights: np.ndarray,
    sums: np.ndarray,
    mask: np.ndarray,
    dead: np.ndarray,
    lo: int,
    hi: int,
) -> None:
    for n in range(lo, hi):
        dead[n] = False
        if pieces.cursor[n] >= pieces.visits[n]:
            continue
        voice, step = pieces.order[n, pieces.cursor[n], 0], pieces.order[n, pieces.cursor[n], 1]
        heard = pieces.length[n]  # masks must not tell of given notes that are yet to be heard
        if plan.past:
            heard = min(heard, step + plan.lookahead + 1)
        left = 0
        for code in range(mask.shape[1]):
            if mask[n, code]:
                pieces.log_count[n] = 0
                write_code(pieces, n, voice, step, code, plan.low, plan)
                sums[:] = 0.0
                difference(pieces, n, heard, params, sums)
                swap_log(pieces, n, True)
                worst = 0.0
                for r in range(sums.shape[0]):
                    worst = min(worst, weights[r] * sums[r])
                if worst < 0.0:
                    mask[n, code] = 2  # to be struck
                else:
                    left += 1
        pieces.log_count[n] = 0
        dead[n] = left == 0
        for code in range(mask.shape[1]):
            if mask[n, code] == 2:
                mask[n, code] = 1 if left == 0 else 0
