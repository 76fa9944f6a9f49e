"""Beginning pieces anew: drawing what they start from, cutting the blanks, setting the order of filling."""

from __future__ import annotations

import numpy as np

from musicgym.choice import CHORD, SYMBOL
from musicgym.chords import VOICES
from musicgym.compiled import inlined, small_kernel
from musicgym.pieces import Excerpts, Pieces
from musicgym.score import BLANK
from musicgym.task import BAR, RANDOM, SLOT, TIME_FIRST
from musicgym.writing import Plan

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@small_kernel
def scramble(x: np.uint64) -> np.uint64:
    """SplitMix64's output function (Steele, Lea and Flood 2014): a 64-bit hash."""
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


@small_kernel
def draw(seed: np.uint64, episode: int, count: int, below: int) -> int:
    """Draw number `count` of a piece's episode, uniform in 0..below-1. A pure function: nothing to keep or share."""
    key = scramble(scramble(seed + _GOLDEN) + np.uint64(episode) * _GOLDEN)
    bits = scramble(key + np.uint64(count + 1) * _GOLDEN) >> np.uint64(32)
    return np.int64((bits * np.uint64(below)) >> np.uint64(32))  # type: ignore[return-value]  # Numba's int is NumPy's


@small_kernel
def copy_row(target: np.ndarray, source: np.ndarray) -> None:
    """Copy a row over the beginning of another."""
    for i in range(source.shape[0]):
        target[i] = source[i]


@inlined
def copy_page(pieces: Pieces, n: int, material: Excerpts, m: int) -> bool:
    """Lay excerpt m on piece n, the rest of the row blank; returns whether nothing but blanks is on it."""
    width = material.pitch.shape[2]
    pieces.length[n] = material.length[m]
    pieces.quarter[n] = material.quarter[m]
    empty = True
    for voice in range(material.pitch.shape[1]):
        for step in range(width):
            empty = empty and bool(material.pitch[m, voice, step] == BLANK)
        copy_row(pieces.pitch[n, voice], material.pitch[m, voice])
        copy_row(pieces.onset[n, voice], material.onset[m, voice])
        copy_row(pieces.velocity[n, voice], material.velocity[m, voice])
        pieces.pitch[n, voice, width:] = BLANK
    copy_row(pieces.position[n], material.position[m])
    copy_row(pieces.bar[n], material.bar[m])
    copy_row(pieces.beat[n], material.beat[m])
    copy_row(pieces.tonic[n], material.tonic[m])
    copy_row(pieces.mode[n], material.mode[m])
    copy_row(pieces.phrase_end[n], material.phrase_end[m])
    copy_row(pieces.chord[n], material.chord[m])
    return empty


@inlined
def cut_blanks(pieces: Pieces, n: int, plan: Plan, drawn: int) -> int:
    """Mark what is given and blank the rest; returns the number of random draws used so far."""
    voices, length = pieces.pitch.shape[1], pieces.length[n]
    seed, episode = pieces.seed[n], pieces.episode[n]
    own_blanks = False
    for voice in range(voices):
        for step in range(length):
            own_blanks = own_blanks or bool(pieces.pitch[n, voice, step] == BLANK)
    opened = 0
    for voice in range(voices):
        is_open = False
        for step in range(length):
            if own_blanks:
                is_open = bool(pieces.pitch[n, voice, step] == BLANK) and (plan.kind != SYMBOL or voice >= voices - VOICES)
            elif plan.given[voice]:
                is_open = False
            elif plan.blank >= 1.0:
                is_open = True
            elif step == 0 or plan.holes == SLOT or (plan.holes == BAR and pieces.position[n, step] == 0):
                is_open = draw(seed, episode, drawn, 1 << 24) < plan.blank * (1 << 24)
                drawn += 1
            pieces.given[n, voice, step] = not is_open
            opened += is_open
    if opened == 0:  # chance left nothing to do: open one hole in one composed voice
        voice = draw(seed, episode, drawn, voices)
        while plan.given[voice]:
            voice = (voice + 1) % voices
        first = draw(seed, episode, drawn + 1, length)
        end = first + 1
        if plan.holes != SLOT:
            while first > 0 and not (plan.holes == BAR and pieces.position[n, first] == 0):
                first -= 1
            while end < length and not (plan.holes == BAR and pieces.position[n, end] == 0):
                end += 1
        pieces.given[n, voice, first:end] = False
        drawn += 2
    for voice in range(voices):
        for step in range(length):
            if pieces.given[n, voice, step]:
                after_blank = step > 0 and not pieces.given[n, voice, step - 1]
                if after_blank or (step == 0 and pieces.pitch[n, voice, 0] >= 0):
                    pieces.onset[n, voice, step] = True
            elif not plan.filled:
                pieces.pitch[n, voice, step] = BLANK
                pieces.onset[n, voice, step] = False
                pieces.velocity[n, voice, step] = 0
    return drawn


@inlined
def set_order(pieces: Pieces, n: int, plan: Plan, drawn: int) -> None:
    """List the open slots (for chords: the first open one of each step, or cell) in the task's order, once a sweep."""
    voices, length = pieces.pitch.shape[1], pieces.length[n]
    in_time = plan.order == TIME_FIRST or plan.kind == CHORD or plan.kind == SYMBOL
    taken = False  # whether the cell has its slot
    outer, inner = (length, voices) if in_time else (voices, length)
    count = 0
    for i in range(outer):
        if plan.kind == SYMBOL:
            taken = taken and i > 0 and pieces.position[n, i] % plan.cell != 0
            if taken:
                continue
        for k in range(voices - VOICES if plan.kind == SYMBOL else 0, inner):
            voice, step = (k, i) if in_time else (i, k)
            if not pieces.given[n, voice, step]:
                pieces.order[n, count, 0], pieces.order[n, count, 1] = voice, step
                count += 1
                taken = True
                if plan.kind == CHORD or plan.kind == SYMBOL:
                    break
    for sweep in range(1, plan.sweeps):
        for i in range(count):
            for k in range(2):
                pieces.order[n, sweep * count + i, k] = pieces.order[n, i, k]
    if plan.order == RANDOM:  # Fisher and Yates, each sweep for itself
        for sweep in range(plan.sweeps):
            base = sweep * count
            for i in range(count - 1, 0, -1):
                j = draw(pieces.seed[n], pieces.episode[n], drawn, i + 1)
                drawn += 1
                for k in range(2):
                    kept = pieces.order[n, base + i, k]
                    pieces.order[n, base + i, k] = pieces.order[n, base + j, k]
                    pieces.order[n, base + j, k] = kept
    pieces.visits[n] = count * plan.sweeps


@inlined
def index_events(pieces: Pieces, n: int) -> None:
    """Work out `start` and `previous` of a whole piece from its notes."""
    for voice in range(pieces.pitch.shape[1]):
        start, last_note = 0, -1
        for step in range(pieces.length[n]):
            if pieces.onset[n, voice, step]:
                start = step
            pieces.start[n, voice, step] = start
            pieces.previous[n, voice, step] = last_note
            if pieces.onset[n, voice, step] and pieces.pitch[n, voice, step] >= 0:
                last_note = step


@inlined
def last_voice_ahead(pieces: Pieces, n: int) -> int:
    """The highest number of a voice with a given slot after the first open one; -1 where none has."""
    found = -1
    first_voice, first_step = pieces.order[n, 0, 0], pieces.order[n, 0, 1]
    for voice in range(pieces.pitch.shape[1]):
        for step in range(first_step if voice > first_voice else first_step + 1, pieces.length[n]):
            if pieces.given[n, voice, step]:
                found = voice
                break
    return found


@inlined
def first_open_voice(pieces: Pieces, n: int) -> int:
    """The lowest number of a voice with an open slot."""
    found = pieces.pitch.shape[1]
    for k in range(pieces.visits[n]):
        found = min(found, pieces.order[n, k, 0])
    return found


@inlined
def begin(pieces: Pieces, n: int, material: Excerpts, plan: Plan) -> None:
    """Begin piece n anew, with the draws of its seed and episode."""
    count = material.length.shape[0]
    m = draw(pieces.seed[n], pieces.episode[n], 0, count) if count > 1 else 0
    drawn = 1
    if copy_page(pieces, n, material, m):
        pieces.given[n] = False
    else:
        drawn = cut_blanks(pieces, n, plan, drawn)
    set_order(pieces, n, plan, drawn)
    index_events(pieces, n)
    ahead = last_voice_ahead(pieces, n) if plan.in_line else 0
    pieces.append[n] = plan.in_line and ahead < 0
    pieces.forward[n] = plan.in_line and (ahead < 0 or ahead < first_open_voice(pieces, n))
    pieces.cursor[n] = 0
    pieces.done[n] = False
    pieces.written[n] = False
    pieces.illegal[n] = 0
    pieces.dead_ends[n] = 0
    pieces.log_count[n] = 0
