"""Other grids: music taken onto a task's grid, which may be coarser than a quarter note, and handed out again.

A task of whole notes has 0.25 steps a quarter. A `Score` always has whole steps a quarter, so finished pieces are spread out.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from musicgym.pieces import Excerpts
from musicgym.score import BLANK, Score

COARSE = (0.5, 0.25, 0.125)  # steps a quarter of grids coarser than a quarter: half, whole and double whole notes


def taken_in(scores: Sequence[Score], steps_per_quarter: float, what: str = "given score") -> Excerpts:
    """Scores of any grid on a task's grid, side by side, padded to the longest.

    Args:
        scores: with equally many voices.
        steps_per_quarter: of the task.
        what: the scores' name in messages.

    Raises:
        ValueError: no scores, different numbers of voices, or music that the task's grid doesn't hold, naming what.

    Example:
        >>> cantus = Score.from_notes([[(0, 16, 62, 80), (16, 16, 65, 80)]])  # two whole notes, in sixteenths
        >>> taken_in([cantus], 0.25).pitch.tolist()
        [[[62, 65]]]
    """
    parts = []
    for score in scores:
        music = Excerpts.from_scores([score])
        ratio = Fraction(steps_per_quarter) / score.steps_per_quarter
        music = spread(music, ratio.numerator)
        for fault, found in misfits(music, ratio.denominator).items():
            if found[0]:
                raise ValueError(
                    f"{what} has {score.steps_per_quarter} steps a quarter, the task has {steps_per_quarter:g}: {fault}; "
                    "expected music that fits the task's grid"
                )
        parts.append(thinned(music, ratio.denominator))
    if len(parts) <= 1:
        return parts[0] if parts else Excerpts.from_scores(scores)
    return side_by_side(parts)


def side_by_side(parts: Sequence[Excerpts]) -> Excerpts:
    """Batches of excerpts as one, padded to the longest. Raises ValueError for different numbers of voices."""
    voices = {part.pitch.shape[1] for part in parts}
    if len(voices) > 1:
        raise ValueError(f"the music has {sorted(voices)} voices: all must have equally many")
    steps = max(part.pitch.shape[2] for part in parts)
    made = Excerpts.blank(sum(len(part.length) for part in parts), voices.pop(), steps)
    row = 0
    for part in parts:
        end = row + len(part.length)
        for whole, array in zip(made, part, strict=True):
            if array.ndim == 1:
                whole[row:end] = array
            else:
                whole[row:end, ..., : array.shape[-1]] = array
        row = end
    return made


def spread(music: Excerpts, times: int) -> Excerpts:
    """The same music on a grid so many times as fine; its holds are longer."""
    if times == 1:
        return music
    made = Excerpts(*(array if array.ndim == 1 else np.repeat(array, times, axis=-1) for array in music))
    within = np.arange(made.pitch.shape[2]) % times  # (steps,)
    made.onset[..., within > 0] = False
    bar = made.bar * times  # a bar of 32,767 steps or more wraps: no task has one
    position = np.where(within < times, made.position * times + within, 0)
    return made._replace(
        position=position.astype(np.int16),
        bar=bar.astype(np.int16),
        beat=(made.beat * times).astype(np.int16),
        length=music.length * times,
        quarter=music.quarter * times,
    )


def misfits(music: Excerpts, times: int) -> dict[str, np.ndarray]:
    """What keeps pieces off a grid so many times as coarse: bool (M,) by fault."""
    steps = np.arange(music.pitch.shape[2])
    inside = steps < music.length[:, None]  # (M, steps)
    between = inside & (steps % times > 0)
    begins = music.onset.copy()
    begins[..., 1:] |= (music.pitch[..., 1:] == BLANK) != (music.pitch[..., :-1] == BLANK)
    found: dict[str, Any] = {
        "its length is no whole number of the task's steps": music.length % times > 0,
        "a note, a rest or a hole begins between two of the task's steps": (begins & between[:, None]).any(axis=(1, 2)),
        "its bars begin between two of the task's steps": (inside & ((music.position - steps) % times > 0)).any(axis=1),
        "its bars are no whole number of the task's steps": (inside & (music.bar % times > 0)).any(axis=1),
    }
    return found


def thinned(music: Excerpts, times: int) -> Excerpts:
    """The same music on a grid so many times as coarse, for pieces that `misfits` finds nothing in."""
    if times == 1:
        return music
    made = Excerpts(*(array if array.ndim == 1 else array[..., ::times].copy() for array in music))
    ends = np.add.reduceat(music.phrase_end, np.arange(0, music.phrase_end.shape[1], times), axis=1) > 0
    return made._replace(
        position=made.position // np.int16(times),
        bar=np.maximum(made.bar // np.int16(times), 1),
        beat=np.maximum(made.beat // np.int16(times), 1),
        phrase_end=ends,
        length=music.length // times,
        quarter=music.quarter / times,
    )
