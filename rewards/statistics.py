"""`statistics`: how far a piece's histograms of pitch classes, intervals and durations are from those of a corpus."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from musicgym.compiled import Entry, inlined, kernel
from musicgym.engine import finished_pieces
from musicgym.handle import Handle, handle
from musicgym.pieces import Excerpts, Pieces
from musicgym.rewards.reward import BoundReward, Reward, State
from musicgym.score import BLANK, MODES, REST, Score
from musicgym.task import Task
from musicgym.threads import over_rows

TERMS = ("pitch_classes", "intervals", "durations")
_REST_CLASS = 12  # after the twelve degrees
_WIDEST = 13  # semitones; wider intervals count as so many
_NO_INTERVAL = 2 * _WIDEST + 1  # a rest, or a voice's first note
_UNITS = 12.0  # of durations in a quarter note
_LONGEST = 8 * 12  # units; longer ones count as so many
_PITCH, _INTERVAL, _DURATION = 0, 13, 13 + _NO_INTERVAL + 1  # first bins
_BINS = _DURATION + 2 * (_LONGEST + 1)  # durations of notes, then of rests
_EDGES = (_PITCH, _INTERVAL, _DURATION, _BINS)
# What a piece is worth is rounded to so many parts of 1: differences of such numbers, and their sums, are exact in float32, so
# that what choices pay adds up to exactly what the piece is worth, and never to more than nothing.
_PARTS = 1 << 24
_FEW = 256  # slots: a mode that the corpus has fewer of is judged by all of it


class Statistics(Reward):
    """Minus the distance of a piece's histograms from a corpus's: of pitch classes, intervals and durations, a term each.

    Every slot that is written counts once in each histogram, so notes count as long as they last: by the degree that sounds, in
    semitones above the local tonic, or a rest; by the interval that led to its note, all wider than an octave as one; and by
    how long its note or rest lasts, in twelfths of a quarter. The corpus's are of pieces in the same mode, where it has enough.
    All voices count together. A piece is worth, by term,

        -1/2 sum over bins |c - n q| / M

    with c the slots in a bin, n the slots written, q the corpus's share of the bin, and M the slots of the whole page. When the
    page is full that is minus the total variation distance, within -1..0; an empty page is worth 0, and each choice pays the
    difference that it makes, in any order of filling.

    Args:
        reference: pieces to be like, with as many voices as one wishes; blanks count nothing.
        name: of what they are.

    Raises:
        ValueError: no note in the pieces.
    """

    def __init__(self, reference: Sequence[Score] | Excerpts, name: str = "reference") -> None:
        if not isinstance(reference, Excerpts):
            reference = list(reference)
            if not all(isinstance(score, Score) for score in reference):
                raise TypeError("statistics of other things than scores: expected a list of musicgym.Score, or excerpts")
        self.shares = _shares(reference)
        self.name = f"statistics({name})"

    @property
    def description(self) -> str:
        return f"statistics {hashlib.sha256(self.shares.tobytes()).hexdigest()}"

    def bind(self, task: Task, num_envs: int, seed: int = 0) -> BoundReward:
        return _BoundStatistics(self.shares, num_envs)


class _Tally(NamedTuple):
    """What is counted of N pieces."""

    counts: np.ndarray  # float64 (N, bins): slots
    filled: np.ndarray  # float64 (N,): slots that are written
    worth: np.ndarray  # float64 (N, 3): by term, as they stand


class _BoundStatistics(BoundReward):
    terms = TERMS
    arrays = ("counts", "filled", "worth")

    def __init__(self, shares: np.ndarray, rows: int) -> None:
        self.shares = shares
        self.counts, self.filled, self.worth = np.zeros((rows, _BINS)), np.zeros(rows), np.zeros((rows, len(TERMS)))
        self._pieces: Pieces | None = None
        self._handles: Any = None

    def reset(self, pieces: Pieces, mask: np.ndarray) -> None:
        _count_rows(*self._of(pieces), self.shares, np.flatnonzero(mask))

    def __call__(self, pieces: Pieces) -> np.ndarray:
        out = np.empty((len(TERMS), len(self.filled)), np.float32)
        over_rows(_pay, out.shape[1], *self._of(pieces), self.shares, out)
        return out

    def load_state(self, state: State) -> None:
        super().load_state(state)
        self._pieces = self._handles = None

    def take(self, rows: np.ndarray) -> None:
        super().take(rows)
        self._pieces = self._handles = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pieces": None, "_handles": None}

    def _of(self, pieces: Pieces) -> Any:
        if pieces is not self._pieces:
            self._pieces = pieces
            self._handles = handle(pieces), handle(_Tally(self.counts, self.filled, self.worth))
        return self._handles


def statistics(corpus: str = "ryan,oneill,aird/train", voice: float = -1) -> Statistics:
    """How far pitch classes, intervals and durations are from a corpus's: `statistics(corpus="bach/train", voice=0)`.

    Args:
        corpus: names of corpora as `musicgym.corpus.load` takes them, comma-separated, and after a slash the split.
        voice: only this voice of every piece, counted from 0; -1: all voices, of pieces of any number of them.

    Raises:
        ValueError: an unknown name, split or voice; no music.
    """
    from musicgym.corpus import load

    if not isinstance(corpus, str):
        raise ValueError(f"statistics(corpus={corpus!r}): expected names in quotes, such as 'ryan,oneill/train'")
    names, _, split = corpus.partition("/")
    found = load(*(name.strip() for name in names.split(",")))
    found = found.split(split) if split else found
    if voice != -1:
        if voice.__class__ not in (int, float) or not math.isfinite(voice) or voice < 0 or int(voice) != voice:
            raise ValueError(f"statistics(voice={voice!r}): expected a voice, counted from 0, or -1 for all")
        found = found.voice(int(voice))
    scores = list(found)
    if not scores:
        raise ValueError(f"statistics(corpus={corpus!r}): it has no piece; expected one or more")
    return Statistics(scores, corpus)


def _side_by_side(reference: Sequence[Score] | Excerpts) -> list[Excerpts]:
    """The music in batches of as many voices."""
    if isinstance(reference, Excerpts):
        return [reference]
    voices = sorted({score.voices for score in reference})
    return [Excerpts.from_scores([score for score in reference if score.voices == count]) for count in voices]


def _shares(reference: Sequence[Score] | Excerpts) -> np.ndarray:
    """Each bin's share of its histogram, float64 (modes, bins)."""
    counts = np.zeros((len(MODES), _BINS))
    for part in _side_by_side(reference):
        _count_all(handle(finished_pieces(part)), counts)
    if not counts[:, _PITCH : _PITCH + _REST_CLASS].any():
        pieces = len(reference.length) if isinstance(reference, Excerpts) else len(reference)
        raise ValueError(f"statistics of {pieces} pieces without a note: expected music")
    slots = counts[:, _PITCH:_INTERVAL].sum(axis=1)
    counts = np.where((slots >= _FEW)[:, None], counts, counts.sum(axis=0))
    for first, end in itertools.pairwise(_EDGES):
        counts[:, first:end] /= counts[:, first:end].sum(axis=1, keepdims=True)
    return counts


@inlined
def _add(pieces: Pieces, n: int, voice: int, step: int, lasts: int, sign: float, counts: np.ndarray) -> None:
    """Count an event that begins at a step, `lasts` slots long, in float64 (bins,)."""
    pitch = int(pieces.pitch[n, voice, step])
    weight = sign * lasts
    units = min(int(lasts * _UNITS / pieces.quarter[n] + 0.5), _LONGEST)
    if pitch == REST:
        counts[_PITCH + _REST_CLASS] += weight
        counts[_INTERVAL + _NO_INTERVAL] += weight
        counts[_DURATION + _LONGEST + 1 + units] += weight
        return
    counts[_PITCH + (pitch - pieces.tonic[n, step]) % 12] += weight
    before = int(pieces.previous[n, voice, step])
    interval = _NO_INTERVAL
    if before >= 0:
        leap = pitch - int(pieces.pitch[n, voice, before])
        interval = min(max(leap, -_WIDEST), _WIDEST) + _WIDEST
    counts[_INTERVAL + interval] += weight
    counts[_DURATION + units] += weight


@inlined
def _goes_on(pieces: Pieces, n: int, voice: int, step: int) -> bool:
    """Whether what stands here began earlier."""
    return step > 0 and not pieces.onset[n, voice, step] and pieces.pitch[n, voice, step - 1] != BLANK


@inlined
def _count(pieces: Pieces, n: int, voice: int, counts: np.ndarray) -> int:
    """Count all events of a voice; returns how many of its slots are written."""
    filled, step = 0, 0
    while step < pieces.length[n]:
        end = step + 1
        if pieces.pitch[n, voice, step] != BLANK:
            while end < pieces.length[n] and pieces.pitch[n, voice, end] != BLANK and not pieces.onset[n, voice, end]:
                end += 1
            _add(pieces, n, voice, step, end - step, 1.0, counts)
            filled += end - step
        step = end
    return filled


@inlined
def _judge(pieces: Pieces, n: int, tally: _Tally, shares: np.ndarray) -> None:
    """Work out what a piece is worth as it stands."""
    mode = pieces.mode[n, 0]
    page = pieces.length[n] * pieces.pitch.shape[1]
    for term in range(len(TERMS)):
        apart = 0.0
        for b in range(_EDGES[term], _EDGES[term + 1]):
            apart += abs(tally.counts[n, b] - tally.filled[n] * shares[mode, b])
        tally.worth[n, term] = -math.floor(0.5 * apart / page * _PARTS + 0.5) / _PARTS


@inlined
def _count_anew(pieces: Pieces, n: int, tally: _Tally) -> None:
    tally.counts[n] = 0.0
    tally.filled[n] = 0.0
    for voice in range(pieces.pitch.shape[1]):
        tally.filled[n] += _count(pieces, n, voice, tally.counts[n])


@Entry
def _count_rows(pieces: Handle, tally: Handle, shares: np.ndarray, rows: np.ndarray) -> None:
    _begin(pieces.value, tally.value, shares, rows)


@kernel
def _begin(pieces: Pieces, tally: _Tally, shares: np.ndarray, rows: np.ndarray) -> None:
    for n in rows:
        _count_anew(pieces, n, tally)
        _judge(pieces, n, tally, shares)


@Entry
def _count_all(pieces: Handle, counts: np.ndarray) -> None:
    _by_mode(pieces.value, counts)


@kernel
def _by_mode(pieces: Pieces, counts: np.ndarray) -> None:
    for n in range(pieces.length.shape[0]):
        for voice in range(pieces.pitch.shape[1]):
            _count(pieces, n, voice, counts[pieces.mode[n, 0]])


@Entry
def _pay(pieces: Handle, tally: Handle, shares: np.ndarray, out: np.ndarray, lo: int, hi: int) -> None:
    _pay_rows(pieces.value, tally.value, shares, out, lo, hi)


@kernel
def _pay_rows(pieces: Pieces, tally: _Tally, shares: np.ndarray, out: np.ndarray, lo: int, hi: int) -> None:
    for n in range(lo, hi):
        if pieces.log_count[n] == 0:
            for term in range(len(TERMS)):
                out[term, n] = 0.0
            continue
        for term in range(len(TERMS)):
            out[term, n] = -tally.worth[n, term]
        if pieces.append[n]:
            _count_appended(pieces, n, tally)
        else:
            _count_anew(pieces, n, tally)
        _judge(pieces, n, tally, shares)
        for term in range(len(TERMS)):
            out[term, n] += tally.worth[n, term]


@inlined
def _count_appended(pieces: Pieces, n: int, tally: _Tally) -> None:
    """Count what the last choice wrote at the end of a piece: events that begin, and one that grows."""
    for k in range(pieces.log_count[n]):
        voice, step = int(pieces.log_slot[n, k, 0]), int(pieces.log_slot[n, k, 1])
        if _goes_on(pieces, n, voice, step):
            start = int(pieces.start[n, voice, step])
            _add(pieces, n, voice, start, step - start, -1.0, tally.counts[n])
            _add(pieces, n, voice, start, step + 1 - start, 1.0, tally.counts[n])
        else:
            _add(pieces, n, voice, step, 1, 1.0, tally.counts[n])
        tally.filled[n] += 1.0
