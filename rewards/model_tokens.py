"""Which token of a model comes next in pieces that are being written: what stands there is read slot by slot, in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musicgym.choice import HOLD
from musicgym.compiled import Entry, inlined, kernel
from musicgym.handle import Handle
from musicgym.models.tokens import POSITIONS, tables
from musicgym.pieces import Pieces
from musicgym.score import BLANK

if TYPE_CHECKING:
    from musicgym.models.tokens import Alphabet

NOTHING, UNKNOWN = -1, -2  # in the place of a token: none stands there yet; the alphabet doesn't have what stands there
OVER = -1  # in the place of a place: the piece has no more


class Script(NamedTuple):
    """An alphabet as the kernels know it."""

    notes: bool  # a token for each factor of a note, else one for each slot
    factors: int
    pitch: np.ndarray  # int16 (129,): as `musicgym.models.tokens.Tables` has them
    duration: np.ndarray  # int16 (longest + 1,)
    velocity: np.ndarray  # int16 (128,)
    has_pitch: np.ndarray  # bool (129,): whether the alphabet has just this one
    has_duration: np.ndarray  # bool (longest + 1,)


class Next(NamedTuple):
    """What N pieces have to be read next; changed in place."""

    at: np.ndarray  # int64 (N,): (step * voices + voice) * factors + factor
    token: np.ndarray  # int64 (N,), or NOTHING or UNKNOWN
    place: np.ndarray  # int64 (N,), as `Sequences.place`, or OVER
    span: np.ndarray  # int64 (N,): slots that the token's event fills

    @classmethod
    def of(cls, rows: int) -> Next:
        """Nothing read."""
        return cls(*(np.zeros(rows, np.int64) for _ in cls._fields))


def script_of(alphabet: Alphabet) -> Script:
    """The alphabet for the kernels."""
    table, values = tables(alphabet), np.arange(129) - 1
    notes = alphabet.kind == "note"
    known = np.isin(values, alphabet.pitches) if notes else (values < 0) | ((values >= alphabet.low) & (values <= alphabet.high))
    lasts = np.isin(np.arange(len(table.duration)), alphabet.durations)
    return Script(notes, alphabet.factors, table.pitch, table.duration, table.velocity, known, lasts)


@Entry
def find_next(pieces: Handle, script: Handle, due: Handle, strict: bool, lo: int, hi: int) -> None:
    """Find each piece's next token, going on past slots whose note has been read.

    Args:
        pieces, script, due: handles on `Pieces`, `Script` and `Next`; `due.at` says from where on.
        strict: notes are laid slot by slot, so that one whose end isn't there yet is not to be read; and what the alphabet
            doesn't have is UNKNOWN. Otherwise the nearest token that there is stands for it.
        lo, hi: rows.
    """
    _find(pieces.value, script.value, due.value, strict, lo, hi)


@kernel
def _find(pieces: Pieces, script: Script, due: Next, strict: bool, lo: int, hi: int) -> None:
    voices = pieces.pitch.shape[1]
    for n in range(lo, hi):
        slot, factor = due.at[n] // script.factors, due.at[n] % script.factors
        end = pieces.length[n] * voices
        if script.notes and factor == 0:
            while slot < end and _is_held(pieces, n, slot % voices, slot // voices):
                slot += 1
            due.at[n] = slot * script.factors
        due.token[n], due.place[n], due.span[n] = NOTHING, OVER, 1
        if slot < end:
            voice, step = slot % voices, slot // voices
            position = min(np.int64(pieces.position[n, step]), POSITIONS - 1)
            due.place[n] = (position * voices + voice) * script.factors + factor
            if pieces.pitch[n, voice, step] != BLANK:
                if script.notes:
                    _read_note(pieces, script, due, n, voice, step, factor, strict)
                else:
                    _read_step(pieces, script, due, n, voice, step, strict)


@inlined
def _is_held(pieces: Pieces, n: int, voice: int, step: int) -> bool:
    """Whether the note that sounds here began earlier."""
    return step > 0 and pieces.pitch[n, voice, step] != BLANK and not pieces.onset[n, voice, step]


@inlined
def _read_step(pieces: Pieces, script: Script, due: Next, n: int, voice: int, step: int, strict: bool) -> None:
    pitch = np.int64(pieces.pitch[n, voice, step])
    if not pieces.onset[n, voice, step]:
        due.token[n] = HOLD
    elif strict and not script.has_pitch[pitch + 1]:
        due.token[n] = UNKNOWN
    else:
        due.token[n] = script.pitch[pitch + 1]


@inlined
def _read_note(pieces: Pieces, script: Script, due: Next, n: int, voice: int, step: int, factor: int, strict: bool) -> None:
    end = step + 1
    while end < pieces.length[n] and _is_held(pieces, n, voice, end):
        end += 1
    is_cut = end == pieces.length[n]
    if strict and not is_cut and not pieces.done[n] and pieces.pitch[n, voice, end] == BLANK:
        return  # it may go on
    lasts, longest = end - step, script.duration.shape[0] - 1
    due.span[n] = lasts
    pitch = np.int64(pieces.pitch[n, voice, step])
    if factor == 0:
        due.token[n] = UNKNOWN if strict and not script.has_pitch[pitch + 1] else script.pitch[pitch + 1]
    elif factor == 1:
        fits = lasts <= longest and (is_cut or script.has_duration[lasts])
        due.token[n] = UNKNOWN if strict and not fits else script.duration[min(lasts, longest)]
    else:
        due.token[n] = script.velocity[pieces.velocity[n, voice, step] if pitch >= 0 else 0]


@Entry
def find_edited(pieces: Handle, at: np.ndarray, factors: int, edited: np.ndarray, lo: int, hi: int) -> None:
    """Mark, in bool (N,), pieces whose last choice changed what stands before `at`, int64 (N,)."""
    _edited(pieces.value, at, factors, edited, lo, hi)


@kernel
def _edited(pieces: Pieces, at: np.ndarray, factors: int, edited: np.ndarray, lo: int, hi: int) -> None:
    voices = pieces.pitch.shape[1]
    for n in range(lo, hi):
        edited[n] = False
        for k in range(pieces.log_count[n]):
            voice, step = np.int64(pieces.log_slot[n, k, 0]), np.int64(pieces.log_slot[n, k, 1])
            differs = (
                pieces.log_pitch[n, k] != pieces.pitch[n, voice, step] or pieces.log_onset[n, k] != pieces.onset[n, voice, step]
            )
            if differs and (step * voices + voice) * factors < at[n]:
                edited[n] = True
