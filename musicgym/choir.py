"""What voices are called, and whether four of them are a choir's."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from musicgym.score import Score

NAMES = ("Soprano", "Alto", "Tenor", "Bass")
# Lowest and highest MIDI number of each: Bach's chorales, two to five semitones wider.
RANGES = ((55, 83), (50, 78), (43, 74), (33, 66))


def is_choir(score: Score) -> bool:
    """True of four voices, each with notes, that lie one below the other within the ranges of soprano, alto, tenor and bass.

    >>> from musicgym.score import Score
    >>> is_choir(Score.from_notes([[(0, 4, pitch, 80)] for pitch in (72, 67, 60, 48)]))
    True
    """
    if score.voices != len(NAMES):
        return False
    lines = [line[line >= 0] for line in score.pitch]
    if not all(line.size for line in lines):
        return False
    medians = [float(np.median(line)) for line in lines]
    within = all(low <= line.min() and line.max() <= high for line, (low, high) in zip(lines, RANGES, strict=True))
    return within and all(upper > lower for upper, lower in itertools.pairwise(medians))


def voice_names(score: Score) -> list[str]:
    """A name for each voice: its own, else that of its place in a choir, else "voice 1" and so on.

    >>> from musicgym.score import Score
    >>> voice_names(Score.from_notes([[(0, 4, pitch, 80)] for pitch in (72, 67, 60, 48)]))
    ['Soprano', 'Alto', 'Tenor', 'Bass']
    >>> voice_names(Score.from_notes([[(0, 4, 72, 80)]] * 2))
    ['voice 1', 'voice 2']
    """
    known = NAMES if not any(score.names) and is_choir(score) else ("",) * score.voices
    return [own or other or f"voice {voice}" for voice, (own, other) in enumerate(zip(score.names, known, strict=True), 1)]
