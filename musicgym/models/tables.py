"""The token of every pitch, duration and velocity: what kernels look tokens up in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musicgym.choice import FIRST_PITCH, REST_BEGINS
from musicgym.score import REST

if TYPE_CHECKING:
    from musicgym.models.tokens import Alphabet


class Tables(NamedTuple):
    """The token of every value, the nearest there is where the alphabet lacks it: what kernels look tokens up in."""

    pitch: (
        np.ndarray
    )  # int16 (129,): of pitch p (REST is -1) at p + 1; by octaves towards the range, the first where there is none
    duration: np.ndarray  # int16 (longest + 1,): the shortest that covers so many steps; any longer note has the last
    velocity: np.ndarray  # int16 (128,): the nearest, of two the softer; of rests (0) the first


def tables(alphabet: Alphabet) -> Tables:
    """The token of every pitch, duration and velocity; those of steps begin at an onset."""
    values = np.arange(129) - 1  # pitches
    if alphabet.kind == "step":
        folded = _by_octaves(values, range(alphabet.low, alphabet.high + 1))
        pitch = np.where(values == REST, REST_BEGINS, folded + FIRST_PITCH)
        return Tables(pitch.astype(np.int16), np.zeros(1, np.int16), np.zeros(128, np.int16))
    offsets = alphabet.offsets
    folded = _by_octaves(values, alphabet.pitches)
    if REST in alphabet.pitches:
        folded[0] = alphabet.pitches.index(REST)
    steps = np.arange(alphabet.durations[-1] + 1)
    duration = np.searchsorted(alphabet.durations, steps)
    velocity = np.zeros(128, np.int64)
    if alphabet.velocities:
        there = np.array(alphabet.velocities)
        order = np.argsort(there)
        velocity = order[np.abs(there[order] - np.arange(128)[:, None]).argmin(axis=1)] + offsets[2]
        velocity[0] = offsets[2]
    return Tables(folded.astype(np.int16), (duration + offsets[1]).astype(np.int16), velocity.astype(np.int16))


def _by_octaves(values: np.ndarray, there: range | tuple[int, ...]) -> np.ndarray:
    """Index into `there` of each pitch, or of the nearest one that lies whole octaves from it; 0 where there is none."""
    known = np.array(there)
    apart = np.where(known < 0, 1000, np.abs(values[:, None] - known))  # (values, known); a rest is near nothing
    apart = apart + np.where((values[:, None] - known) % 12 == 0, 0, 500)
    nearest = apart.argmin(axis=1)
    return np.where(apart[np.arange(len(values)), nearest] < 500, nearest, 0)
