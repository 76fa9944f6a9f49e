"""Masks: which codes of each factor the music allows at the slot that is chosen next."""

from __future__ import annotations

import numpy as np

from musicgym.choice import CHORD, FIRST_PITCH, HOLD, REST_BEGINS, STEP, SYMBOL
from musicgym.compiled import inlined
from musicgym.pieces import Pieces
from musicgym.rhythm import HOLDS, NOTES, RESTS
from musicgym.writing import Plan, allowed, can_hold, room


@inlined
def mask_codes(pieces: Pieces, n: int, voice: int, step: int, low: int, size: int, plan: Plan, mask: np.ndarray) -> None:
    """Write the mask of the step codes 0..size-1 at one slot into `mask`, int8 (size,)."""
    first, last = plan.ranges[voice, 0] - low + FIRST_PITCH, plan.ranges[voice, 1] - low + FIRST_PITCH
    mask[:] = 1
    if first > FIRST_PITCH or last < size - 1:
        mask[FIRST_PITCH:first] = 0
        mask[last + 1 :] = 0
    mask[HOLD] = can_hold(pieces, n, voice, step)
    if plan.rhythm.shape[2] > 0:
        bits = allowed(pieces, n, voice, step, plan)
        if not bits & NOTES:
            mask[FIRST_PITCH:] = 0
        if not bits & HOLDS:
            mask[HOLD] = 0
        if not bits & RESTS:
            mask[REST_BEGINS] = 0


@inlined
def mask_row(pieces: Pieces, n: int, plan: Plan, mask: np.ndarray) -> None:
    """Write the mask of piece n, int8 (sum of sizes,), its factors side by side. A finished piece's mask is all true."""
    if pieces.cursor[n] >= pieces.visits[n]:
        mask[:] = 1
        return
    voice, step = pieces.order[n, pieces.cursor[n], 0], pieces.order[n, pieces.cursor[n], 1]
    if plan.kind == STEP:
        mask_codes(pieces, n, voice, step, plan.low, plan.sizes[0], plan, mask)
    elif plan.kind == CHORD:
        at = 0
        for v in range(plan.sizes.shape[0]):
            part = mask[at : at + plan.sizes[v]]
            if pieces.given[n, v, step]:
                part[:] = 0
                part[HOLD] = 1
            else:
                mask_codes(pieces, n, v, step, plan.ranges[v, 0], plan.sizes[v], plan, part)
            at += plan.sizes[v]
    elif plan.kind == SYMBOL:
        mask[:] = 1
    else:
        mask[:] = 1
        longest = room(pieces, n, voice, step)
        for i in range(1, plan.sizes[1]):  # the shortest is always offered: it is cut if it has to be
            mask[plan.sizes[0] + i] = plan.durations[i] <= longest
