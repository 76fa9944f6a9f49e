"""What a run leaves to look at and to listen to."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from musicgym.performing import perform
from musicgym.render.pianoroll import pianoroll, write_png
from musicgym.score import Score

_GAP = 12  # pixels between the rolls of a sheet
_COLUMNS = 2


def write_pieces(folder: Path, scores: Sequence[Score], title: str, *, performed: bool = False) -> None:
    """Write pieces/1.mid, .musicxml and .wav and so on, and all of them as piano rolls in pieces.png.

    Args:
        folder: an existing one.
        scores: finished pieces.
        title: of all of them; each gets its number too.
        performed: MIDI and sound are played as `musicgym.performing.perform` does, not as written.

    Raises:
        ValueError: the folder can't be written to.
    """
    inside = folder / "pieces"
    inside.mkdir(exist_ok=True)
    for number, score in enumerate(scores, 1):
        titled = dataclasses.replace(score, title=f"{title}, piece {number}")
        played = perform(titled) if performed else titled
        played.to_midi(inside / f"{number}.mid")
        titled.to_musicxml(inside / f"{number}.musicxml")
        played.to_wav(inside / f"{number}.wav")
    write_png(folder / "pieces.png", sheet(scores))


def sheet(scores: Sequence[Score]) -> np.ndarray:
    """Piano rolls in two columns, read line by line, all with the same pitches: uint8 (height, width, 3)."""
    sounding = np.concatenate([score.pitch[score.pitch >= 0] for score in scores])
    low, high = (int(sounding.min()) - 1, int(sounding.max()) + 1) if sounding.size else (48, 83)
    low, high = max(0, min(low, high - 12)), min(127, max(high, low + 12))
    rolls = [
        pianoroll(score, height=max(160, 5 * (high - low + 1) + 4 * score.voices + 3), pitches=(low, high)) for score in scores
    ]
    height, width = max(r.shape[0] for r in rolls), max(r.shape[1] for r in rolls)
    lines = -(-len(rolls) // _COLUMNS)
    page = np.full((lines * (height + _GAP) + _GAP, _COLUMNS * (width + _GAP) + _GAP, 3), 255, np.uint8)
    for index, roll in enumerate(rolls):
        top = _GAP + index // _COLUMNS * (height + _GAP)
        left = _GAP + index % _COLUMNS * (width + _GAP)
        page[top : top + roll.shape[0], left : left + roll.shape[1]] = roll
    return page
