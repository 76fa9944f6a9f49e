"""How loudness hangs together with music: by piece, for music of which the velocities were chosen.

All but the last of `MEASURES` say whether velocity is used as `performance` pays it; the last is what no rule of ours measures.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from musicgym.benchmarks.events import events
from musicgym.metre import metrical_weight
from musicgym.pieces import Excerpts

MEASURES = {
    "loud_beats": "correlation of velocity with the metrical weight of the place where a note begins, mean over pieces",
    "loud_heights": "correlation of velocity with pitch, mean over pieces",
    "loud_spread": "standard deviation of the velocities of a piece, mean over pieces",
    "loud_bar_lines": "velocities by which notes on bar lines are louder than all others in the mean, mean over pieces",
}


def varies(music: Excerpts) -> bool:
    """Whether notes have different velocities: where they have not, there is nothing to measure."""
    return len(np.unique(music.velocity[music.pitch >= 0])) > 1


def by_piece(music: Excerpts) -> np.ndarray:
    """float64 (M, 4): `MEASURES` of each piece.

    A correlation is 0 where a piece has one velocity, place or pitch alone; so is the last where no note, or every one, is on a
    bar line.

    Correlations are Pearson's, over the notes of a piece. Raises ValueError for more than one voice, or blanks.

    Example:
        >>> from musicgym import Score
        >>> loud = Score.from_notes([[(0, 4, 60, 100), (4, 4, 62, 50), (8, 4, 64, 80), (12, 4, 65, 50)]])
        >>> by_piece(Excerpts.from_scores([loud])).round(2).tolist()
        [[1.0, -0.61, 21.21, 40.0]]
    """
    line = events(music)
    line = line.take(line.pitch >= 0)
    bar, beat = music.bar[line.piece, line.start], music.beat[line.piece, line.start]
    place = music.position[line.piece, line.start]
    weigh: Any = getattr(metrical_weight, "py_func")  # noqa: B009  # of a compiled function, which mypy takes for a plain one
    known = {key: weigh(*key) for key in set(zip(place.tolist(), bar.tolist(), beat.tolist()))}
    weight = np.array([known[key] for key in zip(place.tolist(), bar.tolist(), beat.tolist())], np.float64)
    velocity = line.velocity.astype(np.float64)
    pieces = len(music.length)
    columns = [_correlation(velocity, other, line.piece, pieces) for other in (weight, line.pitch.astype(np.float64))]
    spread = np.sqrt(_covariance(velocity, velocity, line.piece, pieces))
    return np.stack([*columns, spread, _louder(velocity, place == 0, line.piece, pieces)], axis=1)


def _louder(velocity: np.ndarray, chosen: np.ndarray, piece: np.ndarray, pieces: int) -> np.ndarray:
    """float64 (pieces,): the mean velocity of the chosen notes of each piece less that of its others; 0 without either."""
    found = np.zeros((2, pieces))
    counts = np.zeros((2, pieces))
    for row, some in enumerate((chosen, ~chosen)):
        counts[row] = np.bincount(piece[some], minlength=pieces)
        sums = np.bincount(piece[some], velocity[some], minlength=pieces)
        np.divide(sums, counts[row], out=found[row], where=counts[row] > 0)
    return np.where(counts.all(axis=0), found[0] - found[1], 0.0)


def _correlation(a: np.ndarray, b: np.ndarray, piece: np.ndarray, pieces: int) -> np.ndarray:
    spread = np.sqrt(_covariance(a, a, piece, pieces) * _covariance(b, b, piece, pieces))
    found = np.zeros(pieces)
    np.divide(_covariance(a, b, piece, pieces), spread, out=found, where=spread > 1e-12)
    return found


def _covariance(a: np.ndarray, b: np.ndarray, piece: np.ndarray, pieces: int) -> np.ndarray:
    """float64 (pieces,): of the notes of each piece; 0 where there are none."""
    count = np.maximum(np.bincount(piece, minlength=pieces), 1)
    means = [np.bincount(piece, x, minlength=pieces) / count for x in (a, b)]
    covariance = np.bincount(piece, (a - means[0][piece]) * (b - means[1][piece]), minlength=pieces) / count
    return np.asarray(covariance)
