"""Rhythm by masks: what may begin on each step of a bar, as the species of counterpoint have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from musicgym.pieces import Excerpts
from musicgym.score import BLANK, REST

NOTES, HOLDS, RESTS = 1, 2, 4  # bits: what may stand on a step
ANY = NOTES | HOLDS | RESTS
FIRST_BAR, BETWEEN, LAST_BAR = 0, 1, 2
_BITS = {"n": NOTES, "h": HOLDS, "r": RESTS}
_EXAMPLE = "(first bar, bars between, last bar) such as ('nr n', 'n n', 'n h'), for each step of a bar letters of n, h and r"


def tupled(rhythm: Any) -> Any:
    """Lists of lists, as JSON has them, as tuples."""
    return tuple(tupled(part) for part in rhythm) if isinstance(rhythm, (list, tuple)) else rhythm


def patterns(rhythm: Sequence[Any], voices: int, bar: int) -> np.ndarray:
    """What may stand on each step, as bits: uint8 (voices, 3, bar), or (voices, 3, 0) for no rhythm.

    Args:
        rhythm: of a `Task`.
        voices: of the task.
        bar: steps of a bar.

    Raises:
        ValueError: other letters, or patterns for other bars or voices.

    Example:
        >>> patterns(("nr n", "n n", "n h"), 1, 2).tolist()
        [[[5, 1], [1, 1], [1, 2]]]
    """
    if not rhythm:
        return np.zeros((voices, 3, 0), np.uint8)
    if all(isinstance(part, str) for part in rhythm):
        rhythm = (rhythm,) * voices
    if len(rhythm) != voices or not all(isinstance(part, tuple) for part in rhythm):
        raise ValueError(f"Task(rhythm={rhythm!r}): expected {_EXAMPLE}, or such a triple or () for each of {voices} voices")
    made = np.full((voices, 3, bar), ANY, np.uint8)
    for voice, part in enumerate(rhythm):
        if not part:
            continue
        if len(part) != 3 or not all(isinstance(text, str) for text in part):
            raise ValueError(f"Task(rhythm={part!r}): expected {_EXAMPLE}")
        for place, text in enumerate(part):
            steps = text.split()
            if len(steps) != bar:
                raise ValueError(f"Task(rhythm={part!r}): {text!r} has {len(steps)} steps, a bar has {bar}: they must agree")
            for step, letters in enumerate(steps):
                if set(letters) - set(_BITS):
                    raise ValueError(f"Task(rhythm={part!r}): {letters!r} in {text!r}: expected letters of n, h and r")
                made[voice, place, step] = sum(_BITS[letter] for letter in set(letters))
    return made


def against(music: Excerpts, bits: np.ndarray) -> np.ndarray:
    """What stands against a rhythm: bool (M, voices, steps). Blanks and bars of another length do not.

    Args:
        music: M pieces.
        bits: as `patterns` gives them.
    """
    bar = bits.shape[2]
    steps = np.arange(music.pitch.shape[2])
    first = steps - music.position  # (M, steps)
    place = np.where(first + bar >= music.length[:, None], LAST_BAR, np.where(first <= 0, FIRST_BAR, BETWEEN))
    allowed = bits[:, place, np.minimum(music.position, bar - 1)].swapaxes(0, 1)  # (M, voices, steps)
    kind = np.where(music.onset, np.where(music.pitch == REST, RESTS, NOTES), HOLDS)
    concerned = (steps < music.length[:, None]) & (music.bar == bar) & (music.position < bar)
    return np.asarray((allowed & kind == 0) & concerned[:, None] & (music.pitch != BLANK))
