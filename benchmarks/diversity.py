"""How much there is in a set of melodies, and how much of it was copied: distinct n-grams, Vendi score, longest copies."""

from __future__ import annotations

import itertools

import numpy as np

from musicgym.benchmarks.events import events
from musicgym.pieces import Excerpts

_DIMENSIONS = 4096  # that n-grams are hashed to
_REST = 300  # in the place of an interval


def steps_of(music: Excerpts) -> list[np.ndarray]:
    """Each melody as its successive steps, int64 (events - 1,): interval and length of each note, or a rest and its length.

    Keys make no difference. An interval is to the last note before; a rest has none.
    """
    line = events(music)
    sounds = line.pitch >= 0
    last = np.maximum.accumulate(np.where(sounds, np.arange(len(line.pitch)), -1))
    before = np.append(-1, last[:-1])  # the last note before each event, maybe another piece's
    own = (before >= 0) & (line.piece[np.maximum(before, 0)] == line.piece)
    interval = np.where(own, line.pitch - line.pitch[np.maximum(before, 0)], 0)
    codes = np.where(sounds, interval, _REST) * 1024 + np.minimum(line.duration, 1023) + (1 << 20)
    first = np.searchsorted(line.piece, np.arange(len(music.length) + 1))
    return [codes[a + 1 : b] for a, b in itertools.pairwise(first)]


def distinct(music: Excerpts, n: int = 4) -> float:
    """The share of different ones among all n-grams of steps in all melodies together.

    Raises:
        ValueError: melodies too short for any.
    """
    grams = np.concatenate([_hashes(line, n) for line in steps_of(music)])
    if not len(grams):
        raise ValueError(f"{len(music.length)} melodies without {n} steps in a row: expected longer ones")
    return len(np.unique(grams)) / len(grams)


def vendi(music: Excerpts, n: int = 3) -> float:
    """How many wholly different melodies these amount to: from 1, all alike, to their number (Friedman and Dieng 2023).

    The exponential of the entropy of the eigenvalues of their similarities over their number; similarity is the cosine of how
    often each n-gram of steps occurs.
    """
    lines = steps_of(music)
    counts = np.zeros((len(lines), _DIMENSIONS))
    for row, line in zip(counts, lines):
        row += np.bincount(_hashes(line, n) % _DIMENSIONS, minlength=_DIMENSIONS)
    norm = np.linalg.norm(counts, axis=1, keepdims=True)
    alone = norm[:, 0] == 0  # without an n-gram: like nothing else
    counts /= np.where(norm > 0, norm, 1)
    similar = counts @ counts.T + np.diag(alone.astype(np.float64))
    shares = np.linalg.eigvalsh(similar / len(lines))
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def longest_copies(music: Excerpts, learned: Excerpts) -> np.ndarray:
    """How many successive steps of each melody stand just so somewhere in the learned ones, int64 (M,), in whatever key."""
    (melody, steps, left), (_, known, known_left) = _end_to_end(steps_of(music)), _end_to_end(steps_of(learned))
    found = np.zeros(len(music.length), np.int64)
    made, there = np.zeros(len(steps), np.uint64), np.zeros(len(known), np.uint64)
    at, of = np.arange(len(steps)), np.arange(len(known))  # where n-grams begin that stand on both sides
    length = 0
    while True:
        at, of = at[left[at] > length], of[known_left[of] > length]
        made[at], there[of] = _longer(made[at], steps[at + length]), _longer(there[of], known[of + length])
        at = at[np.isin(made[at], there[of])]
        if not len(at):
            return found
        of = of[np.isin(there[of], made[at])]
        length += 1
        found[melody[at]] = length


def _end_to_end(lines: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of all steps in one row, int64 each: their melody, themselves, and how many are left of it, themselves among them."""
    lengths = np.array([len(line) for line in lines], np.int64)
    melody = np.repeat(np.arange(len(lines)), lengths)
    steps = np.concatenate([*lines, np.zeros(0, np.int64)])
    return melody, steps, np.cumsum(lengths)[melody] - np.arange(len(steps))


def _hashes(line: np.ndarray, n: int) -> np.ndarray:
    """A number for each n-gram, uint64; equal where these are, and hardly ever elsewhere."""
    if len(line) < n:
        return np.zeros(0, np.uint64)
    made = np.zeros(len(line) - n + 1, np.uint64)
    for k in range(n):
        made = _longer(made, line[k : k + len(made)])
    return made


def _longer(made: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The numbers of n-grams with one step more."""
    with np.errstate(over="ignore"):
        made = (made ^ steps.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        return np.asarray(made ^ made >> np.uint64(29), np.uint64)
