"""A piano roll as SVG text, in which every note can be found again, with a lane of velocities below."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musicgym.pieces import beat_steps
from musicgym.score import BLANK, Score

_LANE = 0.24  # of the roll's height, for velocities
_SPACE = 0.03  # of the roll's height, between notes and velocities
_BLACK_KEYS = (1, 3, 6, 8, 10)


class Roll(NamedTuple):
    """A piano roll of which every unit to the right is a step and every unit down a semitone.

    Attributes:
        width, height: of the drawing, steps and semitones; it may be stretched at will in either direction.
        drawing: SVG text. Notes are `rect`s of class "n" and their velocities of class "v", both with `data-at` "v0s12" for
            voice 0, step 12, and of class "voice0" to "voice7" (voices beyond begin anew); lines are of class "bar", "beat"
            or "octave".
        labels: octave's name -> where its C lies, as a share of the height from the top.
    """

    width: float
    height: float
    drawing: str
    labels: dict[str, float]


def roll(score: Score) -> Roll:
    """Draw a score's notes, darker the louder, and their velocities as bars.

    >>> from musicgym.score import Note
    >>> roll(Score.from_notes([[Note(0, 4, 60, 80)]])).labels
    {'C4': 0.385...}
    """
    low, high = _range(score)
    rows = high - low + 1
    height = rows / (1 - _LANE - _SPACE)
    lane = height * _LANE
    parts = [
        f'<rect class="black" x="0" y="{high - pitch}" width="{score.steps}" height="1"/>'
        for pitch in range(low, high + 1)
        if pitch % 12 in _BLACK_KEYS
    ]
    blank = np.flatnonzero((score.pitch == BLANK).any(axis=0)).tolist()
    parts += [f'<rect class="blank" x="{step}" y="0" width="1" height="{rows}"/>' for step in blank]
    parts += [f'<path class="octave" d="M0 {high - pitch + 1}H{score.steps}"/>' for pitch in _cs(low, high) if pitch > low]
    beats = np.ones(score.steps, int)
    for change in score.meters:
        beats[change.step :] = beat_steps((change.numerator, change.denominator), score.steps_per_quarter)
    lines = {
        "beat": np.flatnonzero((score.position % beats == 0) & (score.position > 0)),
        "bar": np.flatnonzero(score.position == 0),
    }
    for kind, steps in lines.items():
        path = "".join(f"M{step} 0V{rows}M{step} {_short(height - lane)}V{_short(height)}" for step in steps.tolist())
        parts.append(f'<path class="{kind}" d="{path}"/>')
    for voice in reversed(range(score.voices)):
        for note in score.notes(voice):
            loudness = note.velocity / 127
            where = f'class="{{}} voice{voice % 8}" data-at="v{voice}s{note.start}"'
            parts.append(
                f'<rect {where.format("n")} x="{note.start}" y="{high - note.pitch}" width="{note.duration}" height="1" '
                f'fill-opacity="{_short(0.3 + 0.7 * loudness)}"/>'
                f'<rect {where.format("v")} x="{note.start}" y="{_short(height - lane * loudness)}" width="{note.duration}" '
                f'height="{_short(lane * loudness)}"/>'
            )
    labels = {f"C{pitch // 12 - 1}": (high - pitch + 0.5) / height for pitch in _cs(low, high)}
    return Roll(score.steps, height, "".join(parts), labels)


def _range(score: Score) -> tuple[int, int]:
    """The notes' range with a semitone of space, at least an octave and a half."""
    sounding = score.pitch[score.pitch >= 0].astype(int)
    low, high = (int(sounding.min()) - 1, int(sounding.max()) + 1) if sounding.size else (60, 77)
    missing = max(0, 17 - (high - low))
    low = max(0, min(low - missing // 2, 127 - 17))
    return low, min(127, max(high, low + 17))


def _cs(low: int, high: int) -> range:
    return range(-(-low // 12) * 12, high + 1, 12)


def _short(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
