"""A score as a picture: time to the right, pitch upwards, one colour a voice. NumPy only."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from musicgym.files.atomic import replace_file
from musicgym.pieces import beat_steps
from musicgym.score import BLANK, Score

# Okabe and Ito's colours, told apart by colour-blind eyes too, in an order in which neighbours differ in lightness.
VOICE_COLOURS = np.array(
    [
        (0, 114, 178),
        (213, 94, 0),
        (0, 158, 115),
        (204, 121, 167),
        (86, 180, 233),
        (230, 159, 0),
        (117, 112, 179),
        (120, 120, 120),
    ],
    np.float32,
)
_WHITE_ROW, _BLACK_ROW = (250, 250, 252), (236, 238, 243)
_OCTAVE_LINE, _BEAT_LINE, _BAR_LINE = (208, 212, 222), (222, 226, 233), (158, 165, 180)
_BLANK_SHADE, _CURSOR = (211, 217, 231), (232, 68, 58)
_KEY_WHITE, _KEY_BLACK, _KEY_EDGE = (255, 255, 255), (52, 56, 66), (176, 181, 192)
_IS_BLACK = np.array([0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0], bool)  # by pitch class
_KEYBOARD = 16  # pixels
# The digits 0 to 9 in 3 x 5 pixels, bool (10, 5, 3), for the octave's number on each key C.
_DIGITS = np.array(
    [[n >> bit & 1 for bit in range(14, -1, -1)] for n in (31599, 11415, 29671, 29647, 23497, 31183, 31215, 29257, 31727, 31695)],
    np.bool_,
).reshape(10, 5, 3)


def pianoroll(
    score: Score,
    *,
    height: int = 320,
    width: int | None = None,
    pitches: tuple[int, int] | None = None,
    cursor: int | None = None,
    given: np.ndarray | None = None,
) -> np.ndarray:
    """A piano roll, uint8 (height, width, 3), RGB.

    Rows are pitches, with the keyboard at the left, octaves numbered, and a line below each C; columns are steps, with a line at
    each bar line (where `position` is 0) and a fainter one at each beat. Notes have their voice's colour, darker
    the louder, and a dark left edge where they begin. Given notes are hatched. Steps at which a voice is still
    blank are shaded, deeper the more voices are; a strip below tells voice by voice (blank, rest, given or written).
    The size depends on `height`, `width`, the number of steps and the number of voices alone.

    Args:
        score: what to draw.
        height: pixels.
        width: pixels; by default the keyboard's and 12 a step, fewer where that would be more than 1,280.
        pitches: lowest and highest pitch drawn; by default those of the notes with some space, at least two
            octaves. For videos pass them, or the picture jumps when the range grows. Notes outside lie on the edge.
        cursor: a step to mark: the slot to be written next.
        given: bool (voices, steps): slots that the composer got.

    Raises:
        ValueError: sizes too small to draw in, a low pitch above the high one, a cursor or mask that doesn't fit.

    >>> pianoroll(Score.blank(1, 32), height=100).shape
    (100, 400, 3)
    """
    voices, steps = score.pitch.shape
    low, high = _range(score) if pitches is None else pitches
    if width is None:
        width = _KEYBOARD + max(steps, 1) * max(1, min(12, 1280 // max(steps, 1)))
    strip = 4 * voices + 3 if voices else 0
    if not 0 <= low <= high <= 127:
        raise ValueError(f"pitches={low, high}: expected a low and a high MIDI number within 0..127")
    rows, columns = high - low + 1, width - _KEYBOARD
    if height - strip < rows or columns < max(steps, 1):
        raise ValueError(
            f"{height} x {width} pixels are too few for {rows} pitches, {voices} voices and {steps} steps: "
            f"expected height {rows + strip} and width {_KEYBOARD + max(steps, 1)} or more"
        )
    if cursor is not None and not 0 <= cursor < steps:
        raise ValueError(f"cursor={cursor}: expected a step within 0..{steps - 1}")
    mask = np.zeros((voices, steps), np.bool_) if given is None else np.asarray(given, np.bool_)
    if mask.shape != (voices, steps):
        raise ValueError(f"given has shape {mask.shape}: expected (voices, steps) = {(voices, steps)}")
    # Pixel at which each step begins, int (steps + 1,), and the top of each row, the highest pitch first, int (rows + 1,).
    x = _KEYBOARD + np.arange(steps + 1) * columns // max(steps, 1)
    y = np.arange(rows + 1) * (height - strip) // rows
    image = np.empty((height, width, 3), np.float32)
    image[:] = _WHITE_ROW
    _paper(image, score, x, y, low, high)
    _notes(image, score, mask, x, y, low, high)
    if strip:
        _strip(image[height - strip :], score, mask, x)
    if cursor is not None:
        left, right = int(x[cursor]), int(x[cursor + 1])
        image[:, left:right] += 0.22 * (np.array(_CURSOR, np.float32) - image[:, left:right])
        image[:, [left, right - 1]] = _CURSOR
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _range(score: Score) -> tuple[int, int]:
    """The notes' range with two semitones of space, at least two octaves."""
    sounding = score.pitch[score.pitch >= 0].astype(int)
    low, high = (int(sounding.min()) - 2, int(sounding.max()) + 2) if sounding.size else (48, 83)
    missing = max(0, 24 - (high - low))
    low = max(0, min(low - missing // 2, 127 - 24))
    return low, min(127, max(high, low + 24))


def _paper(image: np.ndarray, score: Score, x: np.ndarray, y: np.ndarray, low: int, high: int) -> None:
    """Rows, keyboard, shades of blanks, lines."""
    bottom = int(y[-1])
    for row, pitch in enumerate(range(high, low - 1, -1)):
        black = bool(_IS_BLACK[pitch % 12])
        top, below = int(y[row]), int(y[row + 1])
        if black:
            image[top:below, _KEYBOARD:] = _BLACK_ROW
        image[top:below, :_KEYBOARD] = _KEY_WHITE
        if black:
            image[top:below, : _KEYBOARD * 3 // 5] = _KEY_BLACK
        if pitch % 12 == 0 and pitch >= 12 and below - top >= 7:
            image[below - 6 : below - 1, _KEYBOARD - 5 : _KEYBOARD - 2][_DIGITS[pitch // 12 - 1]] = _KEY_BLACK
        if pitch % 12 in (0, 5):  # the edges between the white keys B and C, E and F
            image[below - 1, :_KEYBOARD] = _KEY_EDGE
    blank = (score.pitch == BLANK).sum(0)
    for step in np.flatnonzero(blank):
        shade = 0.35 + 0.65 * float(blank[step]) / score.voices
        area = image[:bottom, x[step] : x[step + 1]]
        area += shade * (np.array(_BLANK_SHADE, np.float32) - area)
    for row, pitch in enumerate(range(high, low - 1, -1)):
        if pitch % 12 == 0:
            image[y[row + 1] - 1, _KEYBOARD:] = _OCTAVE_LINE
    beats = np.ones(score.steps, int)
    for change in score.meters:
        beats[change.step :] = beat_steps(change[1:], score.steps_per_quarter)
    narrow = score.steps and (x[-1] - x[0]) / score.steps * int(beats.min()) < 4  # pixels a beat
    if not narrow:
        image[:bottom, x[:-1][score.position % beats == 0]] = _BEAT_LINE
    image[:bottom, x[:-1][score.position == 0]] = _BAR_LINE
    image[:bottom, _KEYBOARD - 1] = _KEY_EDGE
    image[bottom - 1, _KEYBOARD:] = _BAR_LINE


def _notes(image: np.ndarray, score: Score, given: np.ndarray, x: np.ndarray, y: np.ndarray, low: int, high: int) -> None:
    """The notes, the first voice on top."""
    for voice in range(score.voices - 1, -1, -1):
        colour = VOICE_COLOURS[voice % len(VOICE_COLOURS)]
        for note in score.notes(voice):
            row = high - min(max(note.pitch, low), high)
            top, below = int(y[row]), int(y[row + 1])
            left, right = int(x[note.start]), int(x[note.start + note.duration])
            gap = 1 if right - left >= 4 else 0
            body = image[top : below - (below - top >= 4), left : right - gap]
            paler = 0.62 * (1 - note.velocity / 127)
            fill = colour + paler * (255 - colour)
            body[:] = fill
            slots = given[voice, note.start : note.start + note.duration]
            if slots.any():
                hatch = (np.add.outer(np.arange(body.shape[0]), np.arange(body.shape[1])) % 5) < 2
                own = np.repeat(slots, np.diff(x[note.start : note.start + note.duration + 1]))[: body.shape[1]]
                body[hatch & own] = fill + 0.4 * (255 - fill)
            edge = 0.55 * colour
            if body.shape[0] >= 5 and body.shape[1] >= 5:
                body[[0, -1]] = edge
                body[:, -1] = edge
            body[:, : 2 if body.shape[1] >= 8 else 1] = edge


def _strip(area: np.ndarray, score: Score, given: np.ndarray, x: np.ndarray) -> None:
    """Below the roll a line a voice: written slots in its colour, given ones darker, rests pale, blanks left open."""
    area[:] = _WHITE_ROW
    for voice in range(score.voices):
        colour = VOICE_COLOURS[voice % len(VOICE_COLOURS)]
        lanes = area[3 + 4 * voice : 6 + 4 * voice]
        pitch = score.pitch[voice]
        shades = np.where((pitch >= 0)[:, None], colour, colour + 0.75 * (255 - colour))  # (steps, 3)
        shades = np.where(given[voice][:, None], 0.5 * shades, shades)
        shades = np.where((pitch == BLANK)[:, None], np.array(_BLANK_SHADE), shades)
        lanes[:, x[0] : x[-1]] = np.repeat(shades, np.diff(x), axis=0)
        lanes[:, 4 : _KEYBOARD - 4] = colour


def write_png(path: str | Path, image: np.ndarray) -> None:
    """Write an RGB image, uint8 (height, width, 3), as a PNG file, whole or not at all.

    Raises:
        ValueError: another shape or dtype; a folder that isn't there.
    """
    image = np.ascontiguousarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"write_png got {image.dtype} {image.shape}: expected uint8 (height, width, 3)")
    height, width = image.shape[:2]
    lines = np.zeros((height, 1 + 3 * width), np.uint8)  # each line begins with its filter, 0 for none
    lines[:, 1:] = image.reshape(height, -1)
    chunks: Sequence[tuple[bytes, bytes]] = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    data = b"".join(struct.pack(">I", len(c)) + tag + c + struct.pack(">I", zlib.crc32(tag + c)) for tag, c in chunks)
    with replace_file(path) as temporary:
        temporary.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
