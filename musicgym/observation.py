"""What an agent sees: a window of tokens around the cursor, the same as one-hot bits, or a piano roll."""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from musicgym.choice import NoteChoice
from musicgym.compiled import Entry, inlined, kernel
from musicgym.handle import Handle
from musicgym.masks import mask_row
from musicgym.pieces import Excerpts, Pieces
from musicgym.recollection import recollect
from musicgym.recollection import sizes as recollected
from musicgym.score import BLANK, MODES, REST, SCALES
from musicgym.task import Task, pitch_bounds
from musicgym.writing import Plan

OBSERVATIONS = ("onehot", "tokens", "pianoroll")
DEFAULT_WINDOW = 8  # taught no less than 16 or 32: `python -m musicgym.benchmarks.train_controls windows`
NOTE_WINDOW = 1  # where the last notes are seen one by one, and nothing can stand ahead
OUTSIDE, EMPTY, REST_TOKEN, HOLD_TOKEN, FIRST_PITCH_TOKEN = 0, 1, 2, 3, 4  # codes of a window's slots
MOST_REMAINING, MOST_AGE, MOST_POSITION = 127, 31, 95  # longer stretches are seen as these
_SCALE_BITS = np.array([sum(1 << degree for degree in scale) for scale in SCALES], np.int64)  # by mode
_SET = 255  # a lit cell of a piano roll; 0..255 is what image policies expect


class Sight(NamedTuple):
    """An observation's layout as the kernels see it."""

    low: int  # pitch of the first pitch token
    back: int  # steps of the window before the cursor
    ahead: int  # steps of the window from the cursor on (the cursor's own step included)
    past: bool  # given slots more than `lookahead` steps after the cursor's are hidden, and so is what is derived from them
    lookahead: int  # steps
    phrases: bool  # there is a token for the steps to the next phrase end
    nvec: np.ndarray  # int64 (tokens,): number of values of each token
    offsets: np.ndarray  # int64 (tokens,): place of each token's first bit in the one-hot form
    notes: bool  # whole notes are chosen, and there are tokens for those before
    durations: np.ndarray  # int64: of a note choice
    velocities: np.ndarray  # int64: of a note choice


class Observation:
    """How a task is seen; one of `OBSERVATIONS`.

    `"tokens"`: `MultiDiscrete`, uint8: slots still to be chosen (at most 127 are told apart), position in the bar,
    local tonic, mode, with several voices the voice to be chosen, with phrase marks the steps to the next phrase
    end, then what a composer of whole notes remembers (below), then per voice its last note's pitch and age, then the
    window: for each step from `window` steps before the cursor on, for each voice, what stands there (0 outside or
    hidden, 1 blank, 2 a rest begins, 3 hold, 4.. pitches).
    Where music can stand after the cursor (given parts, other orders than time), the window goes on for as
    many steps after it, the cursor's own included.
    With a `NoteChoice`, of the voice to be chosen: the bar within a group of four, counted from the first bar line; the
    highest pitch so far and the mean (0 for none); the last six notes and rests, the latest first, each as pitch (0 none,
    1 a rest, 2.. pitches) and number of its duration (0 none, else the longest of the choice that is no longer). Where
    the choice has several velocities, also the mean velocity so far in steps of four and each note's nearest velocity by number
    (0 none). Such tasks have a window of one step by default, unless something can stand after the cursor.
    A composer who hears only the past (`sees="past"`) sees of given parts what sounds up to now and for `lookahead` steps
    more, and of the page its length, where blanks are, the place in the bar, and the key in which the piece begins, as players
    are told it. Phrase ends and local keys are not seen: they are worked out from notes yet to come.
    `"onehot"`: the same tokens as bits, `Box(0, 1, uint8)`, flat.
    `"pianoroll"`: `Box(0, 255, uint8)` (channels, pitches, steps): for each voice its onsets and what sounds (255, or with
    several velocities to choose from as loud as it is, of 255); then
    blanks still to be chosen in the composer's future (columns), position in the bar (columns, falling from the
    bar line on), and the key (rows: scale 128, tonic 255).
    """

    def __init__(self, kind: str, task: Task, material: Excerpts, window: int | None = None, longest: int | None = None) -> None:
        """`material`: what the task's pieces start from; `longest`: steps of the longest piece, where others are written."""
        if kind not in OBSERVATIONS:
            raise ValueError(f"observation={kind!r}: expected one of {', '.join(OBSERVATIONS)}")
        notes = task.choice if isinstance(task.choice, NoteChoice) else None
        if window is not None and (not isinstance(window, (int, np.integer)) or not 1 <= window <= 1024):
            raise ValueError(f"window={window!r}: expected 1..1024 steps")
        self.kind = kind
        low, high = pitch_bounds(task, material)
        steps = int(material.pitch.shape[2])
        looks_ahead = bool(task.given) or task.order != "time" or task.begin == "filled" or task.blank < 1 or task.sweeps > 1
        looks_ahead = looks_ahead or bool((material.pitch != BLANK).any()) or task.voices > 1
        if window is None:
            window = NOTE_WINDOW if notes and not looks_ahead else DEFAULT_WINDOW
        back = min(window, steps)
        ahead = 0 if not looks_ahead else (min(task.lookahead + 1, steps) if task.sees == "past" else back)
        phrases = bool(material.phrase_end.any()) and task.sees == "all"
        slots = FIRST_PITCH_TOKEN + high - low + 1
        nvec = [MOST_REMAINING + 1, min(int(material.bar.max(initial=1)) - 1, MOST_POSITION) + 1, 12, len(MODES)]
        nvec += [task.voices] if task.voices > 1 else []
        nvec += [MOST_AGE + 1] if phrases else []
        nvec += recollected(task, low, high)
        nvec += [high - low + 2, MOST_AGE + 1] * task.voices
        nvec += [slots] * (task.voices * (back + ahead))
        sizes = np.array(nvec, np.int64)
        sizes[0] = min(MOST_REMAINING, task.voices * steps * task.sweeps) + 1
        offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        choices = [np.array(codes, np.int64) for codes in ((notes.durations, notes.velocities) if notes else ((), ()))]
        self.sight = Sight(
            low, back, ahead, task.sees == "past", task.lookahead, phrases, sizes, offsets, notes is not None, *choices
        )
        self._shape = {
            "tokens": (len(sizes),),
            "onehot": (int(sizes.sum()),),
            "pianoroll": (2 * task.voices + 3, high - low + 1, longest or steps),
        }[kind]
        self.kernel = {"tokens": look_tokens, "onehot": look_bits, "pianoroll": look_roll}[kind]

    def space(self) -> gym.Space[Any]:
        """The observation space of one piece."""
        if self.kind == "tokens":
            space: gym.spaces.MultiDiscrete[Any] = gym.spaces.MultiDiscrete(self.sight.nvec, dtype=np.uint8)
            space.nvec = self.sight.nvec.copy()  # not uint8 as well: SB3 and torchrl sum it up, and would get the sum modulo 256
            return space
        high = 1 if self.kind == "onehot" else _SET
        return gym.spaces.Box(0, high, self._shape, np.uint8)

    def empty(self, rows: int) -> np.ndarray:
        """uint8 (rows, ...): an array for the observations of so many pieces, not filled."""
        return np.empty((rows, *self._shape), np.uint8)


@inlined
def token_row(pieces: Pieces, n: int, sight: Sight, out: np.ndarray) -> None:
    """Write the tokens of piece n into `out`, an integer array (tokens,)."""
    voices, length = pieces.pitch.shape[1], pieces.length[n]
    cursor, visits = pieces.cursor[n], pieces.visits[n]
    if cursor < visits:
        voice, step = pieces.order[n, cursor, 0], pieces.order[n, cursor, 1]
    else:
        voice, step = 0, length
    here = min(step, length - 1)
    out[0] = min(visits - cursor, sight.nvec[0] - 1)
    out[1] = min(pieces.position[n, here], sight.nvec[1] - 1)
    labelled = 0 if sight.past else here  # local keys are worked out from what comes after them
    out[2] = pieces.tonic[n, labelled]
    out[3] = pieces.mode[n, labelled]
    at = 4
    if voices > 1:
        out[at] = voice
        at += 1
    if sight.phrases:
        until = 0
        while until < MOST_AGE and here + until < length and not pieces.phrase_end[n, here + until]:
            until += 1
        out[at] = until
        at += 1
    if sight.notes:
        at = recollect(pieces, n, voice, step, sight, out, at)
    for v in range(voices):
        last = -1
        if step > 0:
            before = step - 1
            sounds = pieces.onset[n, v, before] and pieces.pitch[n, v, before] >= 0
            last = before if sounds else pieces.previous[n, v, before]
        out[at] = pieces.pitch[n, v, last] - sight.low + 1 if last >= 0 else 0
        out[at + 1] = min(step - last, MOST_AGE) if last >= 0 else 0
        at += 2
    first, end = step - sight.back, step + sight.ahead
    if voices == 1 and not sight.past:  # the same as below, in loops that the compiler can vectorise
        inside, outside = max(first, 0), min(end, length)
        out[at : at + inside - first] = OUTSIDE
        at -= first
        for t in range(inside, outside):
            out[at + t] = slot_token(pieces.pitch[n, 0, t], pieces.onset[n, 0, t], sight.low)
        out[at + max(outside, inside) : at + end] = OUTSIDE
        return
    for t in range(first, end):
        for v in range(voices):
            token = OUTSIDE
            if 0 <= t < length and not (sight.past and hidden(pieces, n, v, t, step, sight.lookahead)):
                token = slot_token(pieces.pitch[n, v, t], pieces.onset[n, v, t], sight.low)
            out[at] = token
            at += 1


@inlined
def slot_token(pitch: int, onset: bool, low: int) -> int:
    """The token of one visible slot."""
    event = REST_TOKEN if pitch == REST else pitch - low + FIRST_PITCH_TOKEN
    return EMPTY if pitch == BLANK else (event if onset else HOLD_TOKEN)


@inlined
def hidden(pieces: Pieces, n: int, v: int, t: int, step: int, lookahead: int) -> bool:
    """Whether a composer who is at `step` and hears the past and `lookahead` steps more cannot see slot (v, t)."""
    return t > step + lookahead and pieces.given[n, v, t]


class View(NamedTuple):
    """What a look at pieces needs."""

    pieces: Pieces
    plan: Plan
    sight: Sight


@Entry
def look_tokens(
    handle: Handle, rows: np.ndarray, terms: np.ndarray, out: np.ndarray, masks: np.ndarray, sums: np.ndarray, lo: int, hi: int
) -> None:
    """One pass over pieces: observation as tokens, mask, and the sum of the reward's terms.

    Args:
        handle: of a `View`.
        rows: int64: numbers of the pieces to look at; empty for all.
        terms: float32 (terms, N), or (0, 0) for no sums; only where `rows` is empty.
        out: uint8 (rows, tokens).
        masks: int8 (rows, codes), or (0, 0) for none.
        sums: float32 (N,).
        lo, hi: the places of `rows`, `out` and `masks` that are done.
    """
    view = handle.value
    add_up(terms, sums, max(lo, 0), hi)
    _look_tokens(view.pieces, view.plan, view.sight, rows, out, masks, lo, hi)


@kernel
def _look_tokens(
    pieces: Pieces,
    plan: Plan,
    sight: Sight,
    rows: np.ndarray,
    out: np.ndarray,
    masks: np.ndarray,
    lo: int,
    hi: int,
) -> None:
    for i in range(max(lo, 0), hi):
        n = rows[i] if rows.shape[0] else i
        if n < 0:
            continue
        token_row(pieces, n, sight, out[i])
        if masks.shape[0]:
            mask_row(pieces, n, plan, masks[i])


@inlined
def add_up(terms: np.ndarray, sums: np.ndarray, lo: int, hi: int) -> None:
    """Write into `sums`, float32 (N,), the sum of the terms, float32 (terms, N), of the pieces lo..hi; nothing if there are none.

    Term by term: piece by piece, dozens of rows whose distance is a power of two would share one line of the cache.
    """
    for k in range(terms.shape[0]):
        for n in range(lo, hi):
            sums[n] = (sums[n] if k > 0 else np.float32(0.0)) + terms[k, n]


@Entry
def look_bits(
    handle: Handle, rows: np.ndarray, terms: np.ndarray, out: np.ndarray, masks: np.ndarray, sums: np.ndarray, lo: int, hi: int
) -> None:
    """As `look_tokens`, with one-hot bits: `out` is uint8 (rows, bits)."""
    view = handle.value
    add_up(terms, sums, max(lo, 0), hi)
    tokens = np.empty(view.sight.nvec.shape[0], np.int64)
    _look_bits(view.pieces, view.plan, view.sight, rows, tokens, out, masks, lo, hi)


@kernel
def _look_bits(
    pieces: Pieces,
    plan: Plan,
    sight: Sight,
    rows: np.ndarray,
    tokens: np.ndarray,
    out: np.ndarray,
    masks: np.ndarray,
    lo: int,
    hi: int,
) -> None:
    for i in range(max(lo, 0), hi):
        n = rows[i] if rows.shape[0] else i
        if n < 0:
            continue
        token_row(pieces, n, sight, tokens)
        bits = out[i]
        bits[:] = 0
        for k in range(tokens.shape[0]):
            bits[sight.offsets[k] + tokens[k]] = 1
        if masks.shape[0]:
            mask_row(pieces, n, plan, masks[i])


@Entry
def look_roll(
    handle: Handle, rows: np.ndarray, terms: np.ndarray, out: np.ndarray, masks: np.ndarray, sums: np.ndarray, lo: int, hi: int
) -> None:
    """As `look_tokens`, with piano rolls: `out` is uint8 (rows, channels, pitches, steps)."""
    view = handle.value
    add_up(terms, sums, max(lo, 0), hi)
    _look_roll(view.pieces, view.plan, view.sight, rows, out, masks, lo, hi)


@kernel
def _look_roll(
    pieces: Pieces,
    plan: Plan,
    sight: Sight,
    rows: np.ndarray,
    out: np.ndarray,
    masks: np.ndarray,
    lo: int,
    hi: int,
) -> None:
    for i in range(max(lo, 0), hi):
        n = rows[i] if rows.shape[0] else i
        if n < 0:
            continue
        roll_row(pieces, n, sight, out[i])
        if masks.shape[0]:
            mask_row(pieces, n, plan, masks[i])


@inlined
def roll_row(pieces: Pieces, n: int, sight: Sight, out: np.ndarray) -> None:
    """Draw the piano roll of piece n into `out`, uint8 (channels, pitches, steps)."""
    voices, length = pieces.pitch.shape[1], pieces.length[n]
    out[:] = 0
    cursor, visits = pieces.cursor[n], pieces.visits[n]
    step = length
    if cursor < visits:
        step = pieces.order[n, cursor, 1]
    for t in range(length):
        for v in range(voices):
            pitch = pieces.pitch[n, v, t]
            if pitch >= 0 and not (sight.past and hidden(pieces, n, v, t, step, sight.lookahead)):
                loud = sight.velocities.shape[0] > 1
                out[2 * v + 1, pitch - sight.low, t] = _SET * pieces.velocity[n, v, t] // 127 if loud else _SET
                if pieces.onset[n, v, t]:
                    out[2 * v, pitch - sight.low, t] = _SET
        if sight.past and t > step:
            continue
        for row in range(out.shape[1]):
            out[2 * voices + 1, row, t] = _SET - _SET * pieces.position[n, t] // max(pieces.bar[n, t], 1)
            labelled = 0 if sight.past else t
            degree = (row + sight.low - pieces.tonic[n, labelled]) % 12
            if degree == 0:
                out[2 * voices + 2, row, t] = _SET
            elif _SCALE_BITS[pieces.mode[n, labelled]] >> degree & 1:
                out[2 * voices + 2, row, t] = 128
    for k in range(cursor, visits):
        out[2 * voices, :, pieces.order[n, k, 1]] = _SET
