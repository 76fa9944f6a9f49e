"""Which token of a model comes next in pieces that are being written: what stands there is read slot by slot, in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musicgym.choice import HOLD
from musicgym.compiled import Entry, inlined, kernel
from musicgym.handle import Handle
from musicgym.models.tables import tables
from musicgym.models.tokens import POSITIONS
from musicgym.pieces import Pieces
from musicgym.score import BLANK

if TYPE_CHECKING:
    from musicgym.models.tokens import Alphabet

READ = -1  # in the place of a token that the model has read
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


class Reading(NamedTuple):
    """How far N pieces have been read; changed in place."""

    start: int  # the token that begins a piece
    at: np.ndarray  # int64 (N,): where the next token stands: (step * voices + voice) * factors + factor
    token: np.ndarray  # int64 (N,): the next token, or NOTHING or UNKNOWN
    place: np.ndarray  # int64 (N,): its place, as in `Sequences`, or OVER
    span: np.ndarray  # int64 (N,): slots that its event fills
    pending: np.ndarray  # int64 (N,): the token before it, which the model has yet to read, or READ
    sums: np.ndarray  # float64 (N, voices, factors): log p of all tokens that have been read in this piece
    spans: np.ndarray  # int64 (N, voices): slots that these tokens fill

    @classmethod
    def of(cls, alphabet: Alphabet, rows: int, voices: int) -> Reading:
        """Nothing read."""
        at, token, place, span = np.zeros((4, rows), np.int64)
        sums, spans = np.zeros((rows, voices, alphabet.factors)), np.zeros((rows, voices), np.int64)
        return cls(alphabet.start, at, token, place, span, np.full(rows, alphabet.start), sums, spans)


def script_of(alphabet: Alphabet) -> Script:
    """The alphabet for the kernels."""
    table, values = tables(alphabet), np.arange(129) - 1
    notes = alphabet.kind == "note"
    known = np.isin(values, alphabet.pitches) if notes else (values < 0) | ((values >= alphabet.low) & (values <= alphabet.high))
    lasts = np.isin(np.arange(len(table.duration)), alphabet.durations)
    return Script(notes, alphabet.factors, table.pitch, table.duration, table.velocity, known, lasts)


@Entry
def open_rows(pieces: Handle, script: Handle, reading: Handle, strict: bool, begun: np.ndarray) -> int:
    """Forget pieces that begin anew, or in which the last choice changed what has been read, and find each piece's next token.

    Args:
        pieces, script, reading: handles on `Pieces`, `Script` and `Reading`.
        strict: notes are laid slot by slot, so that one whose end isn't there yet is not to be read; and what the alphabet
            doesn't have is UNKNOWN. Otherwise the nearest token that there is stands for it.
        begun: bool (N,): pieces that begin anew; of no rows where choices have been made instead.

    Returns:
        How many pieces have a token to be read; UNKNOWN if any has one that is.
    """
    return _open(pieces.value, script.value, reading.value, strict, begun)


@kernel
def _open(pieces: Pieces, script: Script, reading: Reading, strict: bool, begun: np.ndarray) -> int:
    count, unknown = 0, False
    for n in range(reading.at.shape[0]):
        if begun[n] if begun.shape[0] > 0 else _is_edited(pieces, script, n, reading.at[n]):
            reading.at[n] = 0
            reading.pending[n] = reading.start
            reading.sums[n] = 0.0
            reading.spans[n] = 0
        _find(pieces, script, reading, n, strict)
        count += reading.token[n] >= 0
        unknown = unknown or reading.token[n] == UNKNOWN
    return UNKNOWN if unknown else count


@inlined
def _is_edited(pieces: Pieces, script: Script, n: int, at: int) -> bool:
    """Whether the last choice of piece n changed what stands before `at`."""
    voices = pieces.pitch.shape[1]
    for k in range(pieces.log_count[n]):
        voice, step = np.int64(pieces.log_slot[n, k, 0]), np.int64(pieces.log_slot[n, k, 1])
        pitch, onset = pieces.pitch[n, voice, step], pieces.onset[n, voice, step]
        differs = pieces.log_pitch[n, k] != pitch or pieces.log_onset[n, k] != onset
        if differs and (step * voices + voice) * script.factors < at:
            return True
    return False


@inlined
def _find(pieces: Pieces, script: Script, due: Reading, n: int, strict: bool) -> None:
    """Find piece n's next token, going on past slots whose note has been read."""
    voices = pieces.pitch.shape[1]
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
def _read_step(pieces: Pieces, script: Script, due: Reading, n: int, voice: int, step: int, strict: bool) -> None:
    pitch = np.int64(pieces.pitch[n, voice, step])
    if not pieces.onset[n, voice, step]:
        due.token[n] = HOLD
    elif strict and not script.has_pitch[pitch + 1]:
        due.token[n] = UNKNOWN
    else:
        due.token[n] = script.pitch[pitch + 1]


@inlined
def _read_note(pieces: Pieces, script: Script, due: Reading, n: int, voice: int, step: int, factor: int, strict: bool) -> None:
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
def ask(reading: Handle, everywhere: bool, wanted: np.ndarray, tokens: np.ndarray, place: np.ndarray) -> int:
    """Say what the model has to read so that it says what comes next.

    Args:
        reading: handle on `Reading`.
        everywhere: in all pieces that aren't over; else only where a token stands.
        wanted: bool (N,), becomes the rows that have something to be read.
        tokens: int64 (N,), becomes that; 0 in other rows.
        place: int64 (N,), becomes the places of the tokens after it.

    Returns:
        How many rows.
    """
    return _ask(reading.value, everywhere, wanted, tokens, place)


@kernel
def _ask(reading: Reading, everywhere: bool, wanted: np.ndarray, tokens: np.ndarray, place: np.ndarray) -> int:
    count = 0
    for n in range(wanted.shape[0]):
        next_is_due = reading.place[n] >= 0 if everywhere else reading.token[n] >= 0
        wanted[n] = next_is_due and reading.pending[n] != READ
        tokens[n] = reading.pending[n] if wanted[n] else 0
        place[n] = max(reading.place[n], 0)
        count += wanted[n]
    return count


@Entry
def note_down(
    pieces: Handle, script: Handle, reading: Handle, strict: bool, log_prob: np.ndarray, rows: np.ndarray
) -> tuple[int, int]:
    """Note down how likely the next tokens of some rows are, and find those after them.

    Args:
        pieces, script, reading, strict: as `open_rows`.
        log_prob: float32 (R,).
        rows: int64 (R,); of what length it likes where R is N: all.

    Returns:
        How many rows have a token to be read, or UNKNOWN; and the index of a log probability that is no finite number, with
        nothing noted down, or -1.
    """
    return _note_down(pieces.value, script.value, reading.value, strict, log_prob, rows)


@kernel
def _note_down(
    pieces: Pieces, script: Script, reading: Reading, strict: bool, log_prob: np.ndarray, rows: np.ndarray
) -> tuple[int, int]:
    for i in range(log_prob.shape[0]):
        if not np.isfinite(log_prob[i]):
            return 0, i
    count, unknown = 0, False
    for i in range(log_prob.shape[0]):
        n = i if log_prob.shape[0] == reading.at.shape[0] else rows[i]
        slot, factor = reading.at[n] // script.factors, reading.at[n] % script.factors
        voice = slot % reading.spans.shape[1]
        reading.sums[n, voice, factor] += log_prob[i]
        if factor == 0:
            reading.spans[n, voice] += reading.span[n]
        reading.pending[n] = reading.token[n]
        reading.at[n] += 1
        _find(pieces, script, reading, n, strict)
        count += reading.token[n] >= 0
        unknown = unknown or reading.token[n] == UNKNOWN
    return (UNKNOWN if unknown else count), -1
