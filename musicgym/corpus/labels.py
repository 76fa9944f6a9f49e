"""Chord labels of chorales: which chord each half of a quarter note belongs to, worked out from the notes and the local key.

A linear-chain model of our own: every half quarter scores all 108 chords (12 roots, 9 qualities) by what sounds then, just before
and just after, by the bass and by the chord's degree in the local key; chords cost to change, by the place in the bar, and follow
each other by their roots and qualities. The likeliest sequence is found by Viterbi's algorithm among each moment's best few.
Nothing but intervals above the root or the tonic is looked at, so a transposed piece gets transposed labels.

The weights in `labels.json` were trained by `benchmarks/chord_labels.py` (a structured perceptron with averaged weights: M.
Collins, Discriminative Training Methods for Hidden Markov Models, 2002) on the Roman-numeral analyses that come with music21; the
same script says how right they are on chorales they were not trained on.
"""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from musicgym.chords import INVERSION_OF, INVERSIONS, QUALITIES
from musicgym.files.exact import TICKS, Store
from musicgym.files.steps import on_grid
from musicgym.score import NO_CHORD, REST

CHORDS = 12 * len(QUALITIES)
_STEPS = 4  # a quarter, while reading
_UNIT = 2  # steps in a moment: half a quarter
_BEST = 16  # chords of each moment that are followed up
_TOGETHER = 48  # pieces of like length that are labelled side by side: more would be padding, fewer take longer
_ROOT, _QUALITY = np.arange(CHORDS) // len(QUALITIES), np.arange(CHORDS) % len(QUALITIES)
_ABOVE_ROOT = (np.arange(12) - _ROOT[:, None]) % 12  # (108, 12)

Weights = dict[str, np.ndarray]
SHAPES = {
    "sound": (9, len(QUALITIES), 12),  # what is heard (as `Moments.heard`), the chord's quality, interval above its root
    "degree": (2, 12, len(QUALITIES)),  # local mode, root above the local tonic, quality
    "change": (4,),  # place in the bar, as `Moments.metre`
    "motion": (12,),  # the new root above the old
    "quality": (len(QUALITIES), len(QUALITIES)),  # old, new
    "function": (2, 12, 12),  # local mode, old and new root above the local tonic
}


class Moments(NamedTuple):
    """The half quarters of M pieces, padded to the longest; a piece's own are the first `size`."""

    heard: np.ndarray  # float32 (M, T, 9, 12): what sounds of each pitch class, see `moments`
    metre: np.ndarray  # int8 (M, T): 0 on the bar line, 1 in the middle of a bar, 2 on another quarter, 3 between
    tonic: np.ndarray  # int8 (M, T): of the local key
    minor: np.ndarray  # int8 (M, T): 1 where the local key is minor
    bass: np.ndarray  # int8 (M, T): pitch class of the lowest voice at the moment's beginning, REST for silence
    size: np.ndarray  # int64 (M,)


def moments(store: Store) -> Moments:
    """What the labeller reads off pieces whose local keys are there already.

    The nine rows of `heard`: shares of the moment for which each pitch class sounds, summed over the voices; what sounds as
    it begins; the bass as it begins; the first of these for the moment before, where this one is on a quarter or else between
    two, and for the moment after likewise; the bass before where this is between quarters, and after where it is on one.
    """
    steps = on_grid(store, _STEPS)
    lengths, voices = np.diff(steps.step_at), np.diff(store.line_at)
    count = -(-lengths // _UNIT)
    pieces, longest, most = len(lengths), int(count.max(initial=1)), int(voices.max(initial=1))
    pitch = np.full((pieces, most, longest * _UNIT), REST, np.int64)
    of_slot = np.repeat(np.arange(pieces), lengths * voices)
    place = np.arange(steps.slot_at[-1]) - steps.slot_at[of_slot]
    pitch[of_slot, place // lengths[of_slot], place % lengths[of_slot]] = steps.pitch

    def by_moment(values: np.ndarray, fill: int) -> np.ndarray:
        spread = np.full((pieces, longest * _UNIT), fill, np.int64)
        of_step = np.repeat(np.arange(pieces), lengths)
        spread[of_step, np.arange(steps.step_at[-1]) - steps.step_at[of_step]] = values
        return spread[:, ::_UNIT]

    sounding = np.zeros((pieces, longest * _UNIT, 12), np.float32)
    for voice in range(most):
        sounding += (pitch[:, voice, :, None] % 12 == np.arange(12)) & (pitch[:, voice, :, None] >= 0)
    begins = pitch[:, :, ::_UNIT]
    lowest = np.where(begins >= 0, begins, 128).min(axis=1)
    bass = np.where(lowest < 128, lowest % 12, REST)
    shares = sounding.reshape(pieces, longest, _UNIT, 12).mean(axis=2)
    low = (bass[:, :, None] == np.arange(12)).astype(np.float32)
    position, bar = by_moment(steps.position, 0), by_moment(steps.bar, 1)
    on_quarter = (position % _STEPS == 0)[:, :, None]
    before, after = _moved(shares, 1), _moved(shares, -1)
    rows = [shares, sounding[:, ::_UNIT] > 0, low]
    rows += [before * on_quarter, before * ~on_quarter, after * on_quarter, after * ~on_quarter]
    rows += [_moved(low, 1) * ~on_quarter, _moved(low, -1) * on_quarter]
    middle = (bar % (2 * _STEPS) == 0) & (2 * position == bar)
    metre = np.where(position == 0, 0, np.where(~on_quarter[:, :, 0], 3, np.where(middle, 1, 2)))
    return Moments(
        heard=np.stack(rows, axis=2).astype(np.float32),
        metre=metre.astype(np.int8),
        tonic=by_moment(steps.tonic, 0).astype(np.int8),
        minor=(by_moment(steps.mode, 0) == 1).astype(np.int8),
        bass=bass.astype(np.int8),
        size=count,
    )


def _moved(values: np.ndarray, by: int) -> np.ndarray:
    """The values of the moment before (by 1) or after (by -1), zeros past the ends."""
    made = np.zeros_like(values)
    if by > 0:
        made[:, 1:] = values[:, :-1]
    else:
        made[:, :-1] = values[:, 1:]
    return made


def likeliest(found: Moments, weights: Weights, handicap: np.ndarray | None = None) -> np.ndarray:
    """The likeliest chord of every moment, all pieces side by side.

    Args:
        found: M pieces.
        weights: arrays of `SHAPES`.
        handicap: float (M, T, 108) that is added to the scores, or None.

    Returns:
        int64 (M, T): root * len(QUALITIES) + quality; past a piece's end it means nothing.
    """
    pieces, longest = found.metre.shape
    sound = weights["sound"][:, _QUALITY[:, None], _ABOVE_ROOT]  # (9, 108, 12)
    scores = np.tensordot(found.heard, sound, ([2, 3], [0, 2]))  # (M, T, 108)
    degree = (_ROOT - found.tonic[:, :, None].astype(np.int64)) % 12
    minor = found.minor.astype(np.int64)
    scores += weights["degree"][minor[:, :, None], degree, _QUALITY]
    if handicap is not None:
        scores += handicap
    best = np.argpartition(-scores, _BEST, axis=2)[:, :, :_BEST]  # (M, T, K)
    scores = np.take_along_axis(scores, best, axis=2)
    follows = _following(weights).ravel()
    relative = (best - found.tonic[:, :, None].astype(np.int64) * len(QUALITIES)) % CHORDS  # the chord as if the tonic were C
    total = scores[:, 0].copy()
    came_from = np.zeros((pieces, longest, _BEST), np.int8)
    for t in range(1, longest):
        # The key is the new moment's: the old chord is seen from there too.
        old = (best[:, t - 1] - found.tonic[:, t, None].astype(np.int64) * len(QUALITIES)) % CHORDS
        step = follows[(minor[:, t, None, None] * CHORDS + old[:, :, None]) * CHORDS + relative[:, t, None, :]]
        step = step + weights["change"][found.metre[:, t]][:, None, None]
        step = np.where(best[:, t - 1, :, None] == best[:, t, None, :], 0.0, step) + total[:, :, None]  # (M, old, new)
        goes_on = (t < found.size)[:, None]
        came_from[:, t] = np.where(goes_on, step.argmax(axis=1), np.arange(_BEST))
        total = np.where(goes_on, step.max(axis=1) + scores[:, t], total)
    path = np.zeros((pieces, longest), np.int64)
    at, rows = total.argmax(axis=1), np.arange(pieces)
    for t in range(longest - 1, -1, -1):
        path[:, t] = best[rows, t, at]
        at = came_from[rows, t, at]
    return path


def _following(weights: Weights) -> np.ndarray:
    """What a chord is worth after another in major and minor, both as if the tonic were C; float64 (2, 108, 108)."""
    old, new = np.arange(CHORDS)[:, None], np.arange(CHORDS)[None]
    alike = weights["motion"][(_ROOT[new] - _ROOT[old]) % 12] + weights["quality"][_QUALITY[old], _QUALITY[new]]
    return np.asarray(alike[None] + weights["function"][:, _ROOT[old], _ROOT[new]])


def with_inversions(found: Moments, path: np.ndarray) -> np.ndarray:
    """Codes of chords: a moment whose bass is no member of its chord goes on with the inversion before it; int64 (M, T)."""
    inversion = np.where(found.bass >= 0, INVERSION_OF[path, np.maximum(found.bass, 0)], -1).astype(np.int64)
    stays = np.zeros(path.shape, np.bool_)
    stays[:, 1:] = path[:, 1:] == path[:, :-1]
    for t in range(1, path.shape[1]):
        inversion[:, t] = np.where((inversion[:, t] < 0) & stays[:, t], inversion[:, t - 1], inversion[:, t])
    for t in range(path.shape[1] - 2, -1, -1):  # a chord that begins so takes the inversion that follows
        inversion[:, t] = np.where((inversion[:, t] < 0) & stays[:, t + 1], inversion[:, t + 1], inversion[:, t])
    return path * INVERSIONS + np.maximum(inversion, 0)


@functools.cache
def shipped() -> Weights:
    """The weights that come with the package."""
    found = json.loads(files(__package__).joinpath("labels.json").read_text(encoding="utf-8"))
    return {name: np.array(found[name], np.float64).reshape(shape) for name, shape in SHAPES.items()}


def with_chords(store: Store) -> Store:
    """The store with chord labels, for pieces of several voices that have local keys."""
    found = moments(store)
    codes = np.full(found.metre.shape, NO_CHORD, np.int64)
    order = np.argsort(found.size, kind="stable")
    for rows in np.array_split(order, -(-len(order) // _TOGETHER)) if len(order) else []:
        longest = found.size[rows].max()
        some = Moments(*[*(array[rows, :longest] for array in found[:-1]), found.size[rows]])
        codes[rows, :longest] = with_inversions(some, likeliest(some, shipped()))
    return labelled(store, codes, found.size)


def labelled(store: Store, codes: np.ndarray, count: np.ndarray) -> Store:
    """The store with these codes, int (M, T), of half quarters as its chords; the first `count`, int (M,), are a piece's own."""
    begins = np.ones(codes.shape, np.bool_)
    begins[:, 1:] = codes[:, 1:] != codes[:, :-1]
    begins &= np.arange(codes.shape[1]) < count[:, None]
    piece, moment = np.nonzero(begins)
    chords = np.stack([moment * (TICKS * _UNIT // _STEPS), codes[piece, moment]], axis=1).astype(np.int32)
    chord_at = np.concatenate([[0], np.cumsum(begins.sum(axis=1))]).astype(np.int32)
    return store._replace(chords=chords, chord_at=chord_at)
