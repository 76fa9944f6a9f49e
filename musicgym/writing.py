"""Writing into pieces: the compiled kernels that put slots, repair choices and undo them.

Everything that changes what stands in a piece goes through `put`, so that the indices derived from it
(`start`, `previous`) always agree with the notes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musicgym.choice import FIRST_PITCH, HOLD, REST_BEGINS
from musicgym.chords import INVERSIONS, QUALITIES, VOICES, VOICINGS
from musicgym.compiled import inlined
from musicgym.pieces import Piece, Pieces
from musicgym.rhythm import ANY, BETWEEN, FIRST_BAR, HOLDS, LAST_BAR, NOTES, RESTS
from musicgym.score import BLANK, REST


class Plan(NamedTuple):
    """A task as the kernels see it."""

    kind: int  # STEP, NOTE, CHORD or SYMBOL
    in_line: bool  # choices are made in time order and write nothing that a later choice comes before
    sizes: np.ndarray  # int64 (factors,): codes of each factor of an action
    low: int  # pitch of a step choice's first pitch code
    ranges: np.ndarray  # int64 (voices, 2): lowest and highest pitch of each voice
    pitches: np.ndarray  # int64 (codes,): of a note choice
    durations: np.ndarray  # int64 (codes,)
    velocities: np.ndarray  # int64 (codes,)
    cell: int  # steps of a chord symbol's cell, 1 for other choices
    velocity: int  # of notes whose choice has none
    given: np.ndarray  # bool (voices,): voices that a source gives
    blank: float  # share of the other voices that is blank
    holes: int  # what is blank or given as one: SLOT, BAR or VOICE
    filled: bool  # blanks begin with the source's notes in them
    past: bool  # composers hear given voices only up to now, and `lookahead` steps more
    lookahead: int
    order: int  # TIME_FIRST, VOICE_FIRST or RANDOM
    sweeps: int
    rhythm: np.ndarray  # uint8 (voices, 3, steps of a bar): what may stand there, by bits; no steps where everything may


class Desk(NamedTuple):
    """Pieces and the plan by which they are written."""

    pieces: Pieces
    plan: Plan


@inlined
def view(pieces: Pieces, n: int) -> Piece:
    """Piece number n, as a rule sees it."""
    return Piece(
        pieces.pitch[n],
        pieces.onset[n],
        pieces.velocity[n],
        pieces.given[n],
        pieces.start[n],
        pieces.previous[n],
        pieces.position[n],
        pieces.bar[n],
        pieces.beat[n],
        pieces.tonic[n],
        pieces.mode[n],
        pieces.phrase_end[n],
        pieces.chord[n],
        pieces.length[n],
        pieces.quarter[n],
    )


@inlined
def put(pieces: Pieces, n: int, voice: int, step: int, pitch: int, onset: bool, velocity: int) -> None:
    """Write one slot. Holds that follow it go on with what it now holds."""
    length = pieces.length[n]
    pieces.pitch[n, voice, step] = pitch
    pieces.onset[n, voice, step] = onset
    pieces.velocity[n, voice, step] = velocity
    start = step if onset or step == 0 else pieces.start[n, voice, step - 1]
    pieces.start[n, voice, step] = start
    last_note = step if onset and pitch >= 0 else pieces.previous[n, voice, step]
    after = step + 1
    if pieces.append[n]:
        if after < length:
            pieces.previous[n, voice, after] = last_note
        return
    while after < length and pieces.pitch[n, voice, after] != BLANK and not pieces.onset[n, voice, after]:
        pieces.pitch[n, voice, after] = pitch
        pieces.velocity[n, voice, after] = velocity
        pieces.start[n, voice, after] = start
        after += 1
    after = step + 1
    while after < length and pieces.previous[n, voice, after] != last_note:
        pieces.previous[n, voice, after] = last_note
        if pieces.onset[n, voice, after] and pieces.pitch[n, voice, after] >= 0:
            break
        after += 1


@inlined
def write(pieces: Pieces, n: int, voice: int, step: int, pitch: int, onset: bool, velocity: int) -> None:
    """Write one slot and note down what stood there."""
    k = pieces.log_count[n]
    pieces.log_slot[n, k, 0], pieces.log_slot[n, k, 1] = voice, step
    pieces.log_pitch[n, k] = pieces.pitch[n, voice, step]
    pieces.log_onset[n, k] = pieces.onset[n, voice, step]
    pieces.log_velocity[n, k] = pieces.velocity[n, voice, step]
    pieces.log_count[n] = k + 1
    put(pieces, n, voice, step, pitch, onset, velocity)


@inlined
def swap_log(pieces: Pieces, n: int, backwards: bool) -> None:
    """Exchange the slots of the log with what the log holds: backwards undoes the last choice, forwards redoes it."""
    count = pieces.log_count[n]
    for i in range(count):
        k = count - 1 - i if backwards else i
        voice, step = pieces.log_slot[n, k, 0], pieces.log_slot[n, k, 1]
        pitch, onset = pieces.pitch[n, voice, step], pieces.onset[n, voice, step]
        velocity = pieces.velocity[n, voice, step]
        put(pieces, n, voice, step, pieces.log_pitch[n, k], pieces.log_onset[n, k], pieces.log_velocity[n, k])
        pieces.log_pitch[n, k], pieces.log_onset[n, k] = pitch, onset
        pieces.log_velocity[n, k] = velocity


@inlined
def can_hold(pieces: Pieces, n: int, voice: int, step: int) -> bool:
    """Whether a hold at this slot has something to hold."""
    return step > 0 and pieces.pitch[n, voice, step - 1] != BLANK


@inlined
def allowed(pieces: Pieces, n: int, voice: int, step: int, plan: Plan) -> int:
    """What the rhythm lets stand at a slot, as bits; everything where that would be a hold alone with nothing to hold."""
    steps = plan.rhythm.shape[2]
    if steps == 0 or pieces.bar[n, step] != steps or pieces.position[n, step] >= steps:
        return ANY
    first = step - pieces.position[n, step]
    place = BETWEEN
    if first + steps >= pieces.length[n]:
        place = LAST_BAR
    elif first <= 0:
        place = FIRST_BAR
    bits: int = plan.rhythm[voice, place, pieces.position[n, step]]
    return ANY if bits == HOLDS and not can_hold(pieces, n, voice, step) else bits


@inlined
def in_rhythm(pieces: Pieces, n: int, voice: int, step: int, code: int, low: int, plan: Plan) -> int:
    """The code itself where the rhythm lets it stand; else a hold, or a note, or a rest, the first of these that may stand.

    The note has the last note's pitch, or with none before it the middle of the voice's range.
    """
    bits = allowed(pieces, n, voice, step, plan)
    kind = HOLDS if code == HOLD else (RESTS if code == REST_BEGINS else NOTES)
    holds = can_hold(pieces, n, voice, step)
    if bits == ANY or (bits & kind and (kind != HOLDS or holds)):
        return code
    if bits & HOLDS and holds:
        return HOLD
    if bits & NOTES:
        last = pieces.previous[n, voice, step]
        lowest, highest = plan.ranges[voice, 0], plan.ranges[voice, 1]
        pitch = np.int64(pieces.pitch[n, voice, last]) if last >= 0 else (lowest + highest) // 2
        return min(max(pitch, lowest), highest) - low + FIRST_PITCH
    return REST_BEGINS


@inlined
def write_code(pieces: Pieces, n: int, voice: int, step: int, code: int, low: int, plan: Plan) -> bool:
    """Write the slot that a step code asks for, repaired where it must be; True if it was as asked."""
    pitch, onset, velocity, legal = REST, True, 0, True
    if plan.rhythm.shape[2] > 0:
        asked = code
        code = in_rhythm(pieces, n, voice, step, code, low, plan)
        legal = code == asked
    if code == HOLD:
        holds = can_hold(pieces, n, voice, step)
        legal, onset = legal and holds, not holds and step > 0
        if holds:
            pitch, velocity = pieces.pitch[n, voice, step - 1], pieces.velocity[n, voice, step - 1]
    elif code != REST_BEGINS:
        pitch, velocity = low + code - FIRST_PITCH, plan.velocity
        lowest, highest = plan.ranges[voice, 0], plan.ranges[voice, 1]
        if pitch < lowest or pitch > highest:
            legal = False
            pitch = lowest + (pitch - lowest) % 12 if pitch < lowest else highest - (highest - pitch) % 12
            pitch = min(max(pitch, lowest), highest)
    write(pieces, n, voice, step, pitch, onset, velocity)
    return legal


@inlined
def room(pieces: Pieces, n: int, voice: int, step: int) -> int:
    """Steps that a note beginning here may last: up to the next written slot or the end."""
    end = step + 1
    while end < pieces.length[n] and pieces.pitch[n, voice, end] == BLANK:
        end += 1
    return end - step


@inlined
def write_note(pieces: Pieces, n: int, voice: int, step: int, choice: np.ndarray, plan: Plan) -> bool:
    """Write a whole note, cut where it must be; True if the mask offered it."""
    pitch = plan.pitches[choice[0]]
    asked = plan.durations[choice[1]]
    velocity = plan.velocities[choice[2]] if pitch >= 0 else 0
    duration = min(asked, room(pieces, n, voice, step))
    for at in range(step, step + duration):
        write(pieces, n, voice, at, pitch, at == step, velocity)
    return duration == asked or choice[1] == 0


@inlined
def write_chord(pieces: Pieces, n: int, first: int, step: int, choice: np.ndarray, plan: Plan) -> bool:
    """Write all voices of a step that are not given, from the first of them up; True if all were as asked."""
    legal = True
    for voice in range(first, pieces.pitch.shape[1]):
        if not pieces.given[n, voice, step]:
            asked = write_code(pieces, n, voice, step, choice[voice], plan.ranges[voice, 0], plan)
            legal = legal and asked
    return legal


@inlined
def write_symbol(pieces: Pieces, n: int, step: int, choice: np.ndarray, plan: Plan) -> None:
    """Write out a chord symbol from a step to the end of its cell, around what is given."""
    code = (choice[0] * len(QUALITIES) + choice[1]) * INVERSIONS + choice[2]
    first, end = pieces.pitch.shape[1] - VOICES, step + 1
    while end < pieces.length[n] and pieces.position[n, end] % plan.cell != 0:
        end += 1
    for t in range(step, end):
        for k in range(VOICES):
            if not pieces.given[n, first + k, t]:
                begins = t == step or pieces.given[n, first + k, t - 1]
                write(pieces, n, first + k, t, VOICINGS[code, k], begins, plan.velocity)


@inlined
def write_step(pieces: Pieces, n: int, voice: int, step: int, choice: np.ndarray, plan: Plan) -> bool:
    """Write one grid step; True if it was as asked."""
    return write_code(pieces, n, voice, step, choice[0], plan.low, plan)
