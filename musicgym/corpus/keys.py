"""Keys as heard: the chorales' local keys, and the mode of tunes whose files tell only the tonic.

A hidden Markov model of our own over quarter notes: the 24 major and minor keys are its states, pitch-class profiles
(D. Temperley, Music and Probability, 2007, chapter 6, the Kostka-Payne corpus) its emissions. A key is left seldom, is
likelier the nearer it lies to the written signature, and a fermata's chord speaks for the keys of which it is the tonic.
Sources' own mode tags are not followed: they name the analysts' key in only 10 of 18 analysed chorales. Against the 16
Roman-numeral analyses that come with music21 and line up, 84 % of the quarter notes get the analysts' key (the opening
key held throughout gets 62 %); the numbers below were chosen on these same analyses, from a broad plateau.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musicgym.files.exact import TICKS, Store, pack
from musicgym.files.steps import Steps, from_score, on_grid
from musicgym.score import MODES, Score

# How often each degree, in semitones above the tonic, occurs in a stretch of music in that key.
_MAJOR = (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400)
_MINOR = (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330)
_PROFILES = np.array([_MAJOR, _MINOR]) / np.sum([_MAJOR, _MINOR], axis=1, keepdims=True)
# State s is the key with tonic s % 12, major below 12, minor above.
_EMISSION = np.log(np.stack([np.roll(_PROFILES[s // 12], s % 12) for s in range(24)]))  # (24, 12)


class Costs(NamedTuple):
    """What the key finder weighs, in nats."""

    change: float = 3.0  # that a change of key costs
    signature: float = 0.2  # a quarter note for each fifth between a key's signature and the written one
    fermata: float = 0.6  # a quarter of tonic sounding under a fermata; third and fifth count less


_COSTS = Costs()
_FINAL = 0.3  # share of the piece for which the last bass note speaks, where the home key is chosen
_LAST = 0.1  # nats a quarter note for the key whose tonic is the last bass note, where nothing is written
_TRIAD = np.zeros((24, 12))
for _state in range(24):
    for _degree, _share in ((0, 1.0), (4 if _state < 12 else 3, 0.6), (7, 0.6)):
        _TRIAD[_state, (_state + _degree) % 12] = _share
# A signature's sharps less those of the major key on the same tonic, in MODES' order; and each state's sharps modulo 12.
_SHARPS_FROM_MAJOR = np.array([0, -3, -2, -4, 1, -1, -5])
_STATE_SHARPS = (np.arange(24) % 12 * 7 + np.where(np.arange(24) < 12, 0, -3)) % 12
_STEPS = 4  # a quarter, while estimating


def with_heard_keys(store: Store, costs: Costs = _COSTS) -> tuple[Store, np.ndarray, np.ndarray]:
    """Local keys for every quarter note of every piece, and the home key.

    Home is the key in which most of the piece stands; a key on the last bass note counts as if it held for three tenths of
    the piece more. It names the analysts' first key in 15 of the 16 analyses.

    The written keys keep their signature; where one of the modes on the home tonic has that signature it becomes
    the written mode (a chorale in G with one flat is written in G dorian).

    Returns:
        The store with new `local_keys` and `keys`; home tonic (0..11) and mode (major or minor), int8 (M,) each.
    """
    steps = on_grid(store, _STEPS)
    weights, quarters = _pitch_classes(store, steps)
    states = _likeliest(_scores(store, weights, costs), quarters, costs.change)
    last = np.arange(states.shape[1]) >= quarters[:, None]
    counts = np.stack([((states == s) & ~last).sum(axis=1) for s in range(24)], axis=1)  # (M, 24)
    ends_on = (np.arange(24) % 12)[None] == _final_bass(store)[:, None]
    home = np.where(counts > 0, counts + _FINAL * quarters[:, None] * ends_on, 0).argmax(axis=1)

    begins = np.ones(states.shape, np.bool_)
    begins[:, 1:] = states[:, 1:] != states[:, :-1]
    begins &= ~last
    piece, quarter = np.nonzero(begins)
    state = states[piece, quarter]
    local = np.stack([quarter * TICKS, state % 12, state // 12], axis=1).astype(np.int32)
    local_at = np.concatenate([[0], np.cumsum(begins.sum(axis=1))]).astype(np.int32)

    keys = store.keys.copy()
    sharps = keys[:, 1] * 7 + _SHARPS_FROM_MAJOR[keys[:, 2]]
    tonic = np.repeat(home % 12, np.diff(store.key_at))
    minor = np.repeat(home // 12, np.diff(store.key_at))
    for mode in (*range(len(MODES) - 1, -1, -1), -1):  # the home mode itself last, so that it wins
        modes = minor if mode < 0 else np.full(len(keys), mode)
        same = (sharps - _SHARPS_FROM_MAJOR[modes]) * 7 % 12 == tonic
        keys[same, 1], keys[same, 2] = tonic[same], modes[same]
    found = store._replace(keys=keys, local_keys=local, local_at=local_at)
    return found, (home % 12).astype(np.int8), (home // 12).astype(np.int8)


def with_heard_modes(store: Store) -> tuple[Store, np.ndarray, np.ndarray]:
    """For pieces whose written key tells the tonic but not the mode: major or minor, whichever the notes fit better.

    Returns:
        The store with `local_keys` of one key a piece; its tonic and mode, int8 (M,) each. Written keys stay.
    """
    weights, _ = _pitch_classes(store, on_grid(store, _STEPS))
    tonic = store.keys[store.key_at[:-1], 1]
    scores = weights.sum(axis=1) @ _EMISSION.T  # (M, 24)
    rows = np.arange(store.pieces)
    mode = (scores[rows, tonic + 12] > scores[rows, tonic]).astype(np.int32)
    local = np.stack([np.zeros_like(mode), tonic, mode], axis=1).astype(np.int32)
    found = store._replace(local_keys=local, local_at=np.arange(store.pieces + 1, dtype=np.int32))
    return found, tonic.astype(np.int8), mode.astype(np.int8)


def heard_key(score: Score) -> tuple[int, int]:
    """The key of a piece whose file names none: tonic (0..11) and mode, major or minor; C major for a piece without notes.

    One key for the whole piece: that whose pitch-class profile fits its notes best, by their lengths; of two that fit alike
    well the one that the piece ends on. It names the written tonic of 85 % of Ryan's tunes, 89 % of O'Neill's and 88 % of
    Aird's, and nearly always the mode with it.

    Raises:
        ValueError: a score with blanks.

    >>> from musicgym.score import Note
    >>> heard_key(Score.from_notes([[Note(4 * i, 4, pitch, 80) for i, pitch in enumerate((67, 69, 71, 72, 74, 78, 67))]]))
    (7, 0)
    """
    if not (score.pitch >= 0).any():
        return 0, 0
    store = pack([from_score(score)])
    weights = _pitch_classes(store, on_grid(store, _STEPS))[0].sum(axis=(0, 1))  # (12,)
    ends_on = np.arange(24) % 12 == _final_bass(store)[0]
    best = int((_EMISSION @ weights + _LAST * weights.sum() * ends_on).argmax())
    return best % 12, best // 12


def _pitch_classes(store: Store, steps: Steps) -> tuple[np.ndarray, np.ndarray]:
    """Quarters for which each pitch class sounds in each quarter note, all voices together.

    Returns float64 (M, quarters, 12), zeros past a piece's end, and int64 (M,), the quarters of each piece.
    """
    lengths = np.diff(steps.step_at)
    piece = np.repeat(np.arange(store.pieces), lengths * np.diff(store.line_at))
    step = (np.arange(steps.slot_at[-1]) - steps.slot_at[piece]) % lengths[piece]
    quarters = -(-lengths // _STEPS)
    longest = int(quarters.max())
    sounding = steps.pitch >= 0
    cell = (piece[sounding] * longest + step[sounding] // _STEPS) * 12 + steps.pitch[sounding] % 12
    weights = np.bincount(cell, minlength=store.pieces * longest * 12) / _STEPS
    return weights.reshape(store.pieces, longest, 12), quarters


def _final_bass(store: Store) -> np.ndarray:
    """Pitch class of the last note of each piece's last voice; int64 (M,)."""
    sounding = np.flatnonzero(store.pitch >= 0)
    last = sounding[np.searchsorted(sounding, store.event_at[store.line_at[1:]]) - 1]
    return np.array(store.pitch[last] % 12, np.int64)


def _scores(store: Store, weights: np.ndarray, costs: Costs) -> np.ndarray:
    """How well each key fits each quarter note, in nats; float64 (M, quarters, 24)."""
    first = store.keys[store.key_at[:-1]]
    sharps = first[:, 1] * 7 + _SHARPS_FROM_MAJOR[first[:, 2]]
    away = np.abs((_STATE_SHARPS[None] - sharps[:, None] + 6) % 12 - 6)  # (M, 24)
    fermata = np.zeros(weights.shape[:2])
    piece = np.repeat(np.arange(store.pieces), np.diff(store.phrase_at))
    fermata[piece, np.minimum(store.phrase_ends[:, 0] // TICKS, weights.shape[1] - 1)] = costs.fermata
    scores = weights @ _EMISSION.T + fermata[:, :, None] * (weights @ _TRIAD.T) - costs.signature * away[:, None, :]
    return np.asarray(scores)


def _likeliest(scores: np.ndarray, quarters: np.ndarray, change: float) -> np.ndarray:
    """The likeliest sequence of keys (Viterbi's algorithm), all pieces side by side; int64 (M, quarters)."""
    pieces, longest, _ = scores.shape
    rows, all_states = np.arange(pieces), np.arange(24)
    best = scores[:, 0].copy()
    came_from = np.zeros((pieces, longest, 24), np.int8)
    for quarter in range(1, longest):
        leader = best.argmax(axis=1)
        after_change = best[rows, leader] - change
        stays = best >= after_change[:, None]
        reached = np.where(stays, best, after_change[:, None]) + scores[:, quarter]
        goes_on = (quarter < quarters)[:, None]
        came_from[:, quarter] = np.where(stays | ~goes_on, all_states, leader[:, None])
        best = np.where(goes_on, reached, best)
    path = np.zeros((pieces, longest), np.int64)
    path[:, -1] = best.argmax(axis=1)
    for quarter in range(longest - 1, 0, -1):
        path[:, quarter - 1] = came_from[rows, quarter, path[:, quarter]]
    return path
