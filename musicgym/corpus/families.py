"""Melody families: pieces that are versions of one melody, found whatever their key and ornaments.

One split, by family, serves every collection, task and model, so that nothing is tested on a variant of what it was
trained on. Two pieces belong together when they share

- an exact window of `WINDOW` successive notes of one voice, up to transposition (any voice of either), or
- enough of the melody's frame: pitches at four places in a duple bar, three in a triple, four in 6/8, taken as n-grams
  of their intervals, of which at least `MIN_SHARED` different ones and a share `MIN_SHARE` of the shorter melody's
  agree. Ornaments between these places change nothing.

Families are the connected components. The split of a family hangs on its music alone: on a hash of the
smallest of its members' melodies. It doesn't depend on names, order, or on random numbers.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from musicgym.files.exact import TICKS, Store
from musicgym.files.steps import event_starts

WINDOW = 17  # notes
FRAME = 8  # intervals in an n-gram of the frame
MIN_SHARED = 4
MIN_SHARE = 0.2
COMMON = 30  # an n-gram found in more melodies than this is a formula and tells nothing
SPLITS = ("train", "valid", "test")
_SHARES = (0.8, 0.1, 0.1)
_FUX = 1 << 30  # the first number of Fux's families


class Families(NamedTuple):
    """Families of M pieces."""

    family: np.ndarray  # int32 (M,): families are numbered by their first member
    split: np.ndarray  # int8 (M,): index into SPLITS, -1 for none


def find(store: Store) -> Families:
    """Families and splits of all pieces of a store."""
    edges = np.concatenate([_linked(*_windows(store)), _similar(*_frames(store))])
    family = _components(store.pieces, edges)
    return Families(family, splits(store, family))


def of_fux(store: Store) -> Families:
    """Fux's exercises: one family for each final, as each has a cantus firmus of its own, numbered beyond all others'.

    All are for testing. They share nothing with the other collections, whose families don't hang on them.
    """
    finals = store.keys[store.key_at[:-1]][:, 1]
    return Families((_FUX + finals).astype(np.int32), np.full(store.pieces, SPLITS.index("test"), np.int8))


def join(known: Store, families: Families, more: Store) -> Families:
    """Families of further pieces, which must leave those of `known` as they are.

    A family of `more` that is linked to one known family joins it and its split. One that is linked to
    known families of different splits keeps out of every split (-1). Numbers of new families go on after the known.
    """
    both_windows = _side_by_side(_windows(known), _windows(more), known.pieces)
    both_frames = _side_by_side(_frames(known), _frames(more), known.pieces)
    edges = np.concatenate([_linked(*both_windows), _similar(*both_frames)])
    among_new = edges[(edges >= known.pieces).all(axis=1)] - known.pieces
    across = edges[(edges[:, 0] < known.pieces) & (edges[:, 1] >= known.pieces)]
    component = _components(more.pieces, among_new)
    split = splits(more, component)
    family = component + int(families.family.max(initial=-1)) + 1
    touched: dict[int, set[int]] = {}
    for old, new in across.tolist():
        touched.setdefault(int(component[new - known.pieces]), set()).add(old)
    for number, olds in touched.items():
        members = component == number
        at = np.array(sorted(olds))
        known_splits = set(families.split[at].tolist())
        split[members] = known_splits.pop() if len(known_splits) == 1 else -1
        if len(set(families.family[at].tolist())) == 1:
            family[members] = families.family[at[0]]
    return Families(family.astype(np.int32), split)


def splits(store: Store, family: np.ndarray) -> np.ndarray:
    """The split of each piece, int8 (M,), from a hash of the smallest first-voice melody (its intervals) in its family."""
    smallest: dict[int, bytes] = {}
    for piece, number in enumerate(family.tolist()):
        line = store.line_at[piece]
        pitch = store.pitch[store.event_at[line] : store.event_at[line + 1]]
        content = np.diff(pitch[pitch >= 0].astype(np.int16)).astype("<i2").tobytes()
        smallest[number] = min(smallest.get(number, content), content)
    limits = np.cumsum(_SHARES) * 2.0**64
    split = {n: int((int.from_bytes(hashlib.sha256(c).digest()[:8], "big") >= limits[:2]).sum()) for n, c in smallest.items()}
    return np.array([split[n] for n in family.tolist()], np.int8)


def windows_of(store: Store) -> tuple[np.ndarray, np.ndarray]:
    """Every window of `WINDOW` notes of every voice, as intervals; int8 (windows, WINDOW - 1), and its piece, int64."""
    pitch, line = _sounding(store)
    intervals = np.diff(pitch)
    begins = np.arange(max(0, len(pitch) - WINDOW + 1))
    begins = begins[line[begins] == line[begins + WINDOW - 1]]
    piece_of_line = np.repeat(np.arange(store.pieces), np.diff(store.line_at))
    return intervals[begins[:, None] + np.arange(WINDOW - 1)].astype(np.int8), piece_of_line[line[begins]]


def _sounding(store: Store) -> tuple[np.ndarray, np.ndarray]:
    """Pitches of all notes without the rests, int64, and their lines."""
    line = np.repeat(np.arange(len(store.event_at) - 1), np.diff(store.event_at))
    sounds = store.pitch >= 0
    return store.pitch[sounds].astype(np.int64), line[sounds]


def _windows(store: Store) -> tuple[np.ndarray, np.ndarray]:
    """A hash for each exact window, uint64, and its piece."""
    windows, piece = windows_of(store)
    return _hashes(windows), piece


def _frames(store: Store) -> tuple[np.ndarray, np.ndarray]:
    """A hash for each n-gram of the first voices' frames, uint64, and its piece; each n-gram once a piece."""
    starts = event_starts(store)
    pitches: list[np.ndarray] = []
    pieces: list[np.ndarray] = []
    for piece in range(store.pieces):
        events = slice(int(store.event_at[store.line_at[piece]]), int(store.event_at[store.line_at[piece] + 1]))
        at = _places(store, piece)
        sounding = store.pitch[events][np.searchsorted(starts[events], at, side="right") - 1].astype(np.int64)
        sounding = sounding[sounding >= 0]
        if len(sounding) > FRAME:
            steps = np.lib.stride_tricks.sliding_window_view(np.diff(sounding), FRAME)
            pitches.append(steps)
            pieces.append(np.full(len(steps), piece))
    if not pitches:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    grams, owners = np.concatenate(pitches), np.concatenate(pieces)
    moving = (grams != 0).sum(axis=1) >= FRAME // 2  # repeated notes are no melody
    pairs = np.unique(np.stack([_hashes(grams[moving]), owners[moving].astype(np.uint64)], axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1].astype(np.int64)


def _places(store: Store, piece: int) -> np.ndarray:
    """Ticks of the places of the bar at which the frame is taken."""
    bars = store.bars[store.bar_at[piece] : store.bar_at[piece + 1]]
    _, numerator, denominator = store.meters[store.meter_at[piece]].tolist()
    last = int(store.line_at[piece])
    ticks = int(store.duration[store.event_at[last] : store.event_at[last + 1]].sum())
    full = numerator * 4 * TICKS // denominator
    if denominator >= 8 and numerator % 3 == 0 and numerator > 3:  # 6/8: first and last eighth of each group
        eighth = 4 * TICKS // denominator
        within = np.array([g * 3 * eighth + o for g in range(numerator // 3) for o in (0, 2 * eighth)])
    else:
        parts = 3 if numerator % 3 == 0 else 4
        within = np.arange(parts) * full // parts
    ends = np.append(bars[1:, 0], ticks)
    # Ticks of the places in each bar, counted from where the bar would have begun; those outside it fall away.
    at = (bars[:, 0] - bars[:, 1])[:, None] + within[None]
    inside = (at >= bars[:, :1]) & (at < ends[:, None])
    return np.asarray(np.unique(at[inside]))


def _hashes(rows: np.ndarray) -> np.ndarray:
    """A 64-bit hash of each row: a sum with fixed odd multipliers, stirred."""
    state, total = 0x9E3779B97F4A7C15, np.zeros(len(rows), np.uint64)
    for column in range(rows.shape[1]):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        total += (rows[:, column].astype(np.int64) + 129).astype(np.uint64) * np.uint64(state | 1)
    total ^= total >> np.uint64(29)
    return total * np.uint64(0xBF58476D1CE4E5B9)


def _linked(hashes: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    """Pairs of pieces, (n, 2), such that all pieces with a hash in common are connected."""
    order = np.lexsort((pieces, hashes))
    hashes, pieces = hashes[order], pieces[order]
    same = (hashes[1:] == hashes[:-1]) & (pieces[1:] != pieces[:-1])
    return np.unique(np.stack([pieces[:-1][same], pieces[1:][same]], axis=1), axis=0).reshape(-1, 2)


def _similar(hashes: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    """Pairs of pieces, (n, 2), that share enough n-grams of their frames."""
    sizes = np.bincount(pieces, minlength=1)
    order = np.lexsort((pieces, hashes))
    hashes, pieces = hashes[order], pieces[order]
    begins = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1])) if len(hashes) else np.zeros(0, np.int64)
    lengths = np.diff(np.append(begins, len(hashes)))
    shared = [np.zeros((0, 2), np.int64)]
    for length in range(2, COMMON + 1):
        groups = pieces[begins[lengths == length][:, None] + np.arange(length)]  # (groups, length)
        a, b = np.triu_indices(length, 1)
        shared.append(np.stack([groups[:, a].ravel(), groups[:, b].ravel()], axis=1))
    pairs, counts = np.unique(np.concatenate(shared), axis=0, return_counts=True)
    pairs = np.sort(pairs, axis=1)
    shorter = sizes[pairs].min(axis=1) if len(pairs) else np.zeros(0)
    return np.asarray(pairs[(counts >= MIN_SHARED) & (counts >= MIN_SHARE * shorter)])


def _side_by_side(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray], pieces: int
) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1] + pieces])


def _components(pieces: int, edges: np.ndarray) -> np.ndarray:
    """Connected components, numbered by their first member; int32 (pieces,)."""
    parent = list(range(pieces))

    def root(piece: int) -> int:
        while parent[piece] != piece:
            parent[piece] = parent[parent[piece]]
            piece = parent[piece]
        return piece

    for a, b in edges.tolist():
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    roots = np.array([root(piece) for piece in range(pieces)], np.int64)
    return np.unique(roots, return_inverse=True)[1].reshape(-1).astype(np.int32)
