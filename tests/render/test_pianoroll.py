"""The picture that `render_mode="rgb_array"` shows."""

from __future__ import annotations

import dataclasses
import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicgym.render.pianoroll import VOICE_COLOURS, pianoroll, write_png
from musicgym.score import BLANK, Note, Score

# One voice over 16 steps and the pitches 60..71, drawn so that a step is 10 pixels wide and a pitch 20 high.
KEYBOARD, STEP, ROW = 16, 10, 20
SIZE = {"width": KEYBOARD + 16 * STEP, "height": 12 * ROW + 7, "pitches": (60, 71)}


def one(*notes: Note, steps: int = 16) -> Score:
    return Score.from_notes([list(notes)], steps=steps)


def middle(image: np.ndarray, step: int, pitch: int) -> np.ndarray:
    """The pixel in the middle of a slot."""
    return image[(71 - pitch) * ROW + ROW // 2, KEYBOARD + step * STEP + STEP // 2].astype(int)


def test_a_note_has_its_voices_colour_where_it_sounds_and_nowhere_else() -> None:
    image = pianoroll(one(Note(4, 4, 65, 127)), **SIZE)
    empty = pianoroll(one(), **SIZE)
    for step in range(16):
        expected = VOICE_COLOURS[0] if 4 <= step < 8 else middle(empty, step, 65)
        assert middle(image, step, 65).tolist() == list(expected)
        assert middle(image, step, 64).tolist() == middle(empty, step, 64).tolist()


def test_voices_differ_in_colour() -> None:
    score = Score.from_notes([[Note(0, 16, 62, 127)], [Note(0, 16, 69, 127)]])
    image = pianoroll(score, **{**SIZE, "height": 12 * ROW + 11})
    assert middle(image, 5, 62).tolist() == VOICE_COLOURS[0].tolist()
    assert middle(image, 5, 69).tolist() == VOICE_COLOURS[1].tolist()


def test_louder_notes_are_darker() -> None:
    image = pianoroll(one(*(Note(4 * i, 4, 65, v) for i, v in enumerate((1, 50, 90, 127)))), **SIZE)
    light = [middle(image, 4 * i + 2, 65).sum() for i in range(4)]
    assert light == sorted(light, reverse=True)
    assert len(set(light)) == 4


def test_a_repeated_note_shows_its_onset_and_a_held_one_does_not() -> None:
    held, again = (pianoroll(one(*notes), **SIZE) for notes in ([Note(0, 8, 65, 80)], [Note(0, 4, 65, 80), Note(4, 4, 65, 80)]))
    line = (71 - 65) * ROW + ROW // 2
    columns = slice(KEYBOARD + 3 * STEP, KEYBOARD + 5 * STEP)
    assert len(np.unique(held[line, columns], axis=0)) == 1
    assert len(np.unique(again[line, columns], axis=0)) > 1


def test_bar_lines_stand_where_position_is_0() -> None:
    score = dataclasses.replace(one(), position=[*range(13, 16), *range(7), *range(6)])
    image = pianoroll(score, **SIZE).astype(int)
    row = (71 - 65) * ROW + ROW // 2
    darkness = [765 - image[row, KEYBOARD + step * STEP].sum() for step in range(16)]
    plain = 765 - middle(image, 5, 65).sum()
    assert [step for step in range(16) if darkness[step] > plain + 150] == [3, 10]
    assert [step for step in range(16) if plain < darkness[step] <= plain + 150] == [7, 14]  # beats


def test_rows_of_black_keys_are_darker() -> None:
    image = pianoroll(one(), **SIZE)
    white, black = (
        {int(middle(image, 5, p).sum()) for p in range(60, 72) if (p % 12 in (1, 3, 6, 8, 10)) == kind} for kind in (False, True)
    )
    assert len(white) == len(black) == 1
    assert black < white or max(black) < min(white)


def test_blanks_are_shaded_deeper_where_more_voices_are_blank() -> None:
    pitch = np.full((2, 16), -1)
    pitch[0, 4:], pitch[1, 8:] = BLANK, BLANK
    score = dataclasses.replace(Score.blank(2, 16), pitch=pitch)
    image = pianoroll(score, **{**SIZE, "height": 12 * ROW + 11})
    light = [middle(image, step, 65).sum() for step in (1, 5, 9)]
    assert light[0] > light[1] > light[2]


def test_given_notes_look_different_from_written_ones() -> None:
    score = one(Note(0, 8, 65, 127), Note(8, 8, 65, 127))
    given = np.zeros((1, 16), bool)
    given[0, :8] = True
    image, plain = pianoroll(score, given=given, **SIZE), pianoroll(score, **SIZE)
    first, second = slice(KEYBOARD, KEYBOARD + 8 * STEP), slice(KEYBOARD + 8 * STEP, None)
    rows = slice(6 * ROW, 7 * ROW)
    assert (image[rows, first] != plain[rows, first]).any()
    assert (image[rows, second] == plain[rows, second]).all()


def test_the_cursor_marks_its_column_only() -> None:
    image, plain = pianoroll(one(), cursor=3, **SIZE), pianoroll(one(), **SIZE)
    changed = np.flatnonzero((image != plain).any((0, 2)))
    assert (changed.min(), changed.max()) == (KEYBOARD + 3 * STEP, KEYBOARD + 4 * STEP - 1)


@given(st.lists(st.integers(-1, 127), min_size=1, max_size=40), st.integers(150, 400))
@settings(deadline=None)
def test_the_size_is_what_was_asked_for_whatever_the_notes(pitches: list[int], height: int) -> None:
    notes = [Note(i, 1, pitch, 64) for i, pitch in enumerate(pitches) if pitch >= 0]
    score = Score.from_notes([notes], steps=len(pitches))
    image = pianoroll(score, height=height)
    assert image.shape == (height, KEYBOARD + 12 * len(pitches), 3)
    assert image.dtype == np.uint8
    assert (image == pianoroll(score, height=height)).all()
    assert pianoroll(score, height=height, width=500, pitches=(60, 80)).shape == (height, 500, 3)


@pytest.mark.parametrize("steps", [0, 1, 700, 4000])
def test_any_length_can_be_drawn(steps: int) -> None:
    assert pianoroll(Score.blank(4, steps)).shape[0] == 320


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 10}, "too few"),
        ({"width": 20}, "too few"),
        ({"pitches": (70, 60)}, r"pitches=\(70, 60\)"),
        ({"pitches": (0, 200)}, "within 0..127"),
        ({"cursor": 16}, r"cursor=16: expected a step within 0\.\.15"),
        ({"given": np.zeros((2, 16), bool)}, r"given has shape \(2, 16\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pianoroll(one(), **options)  # type: ignore[arg-type]


def decoded(data: bytes) -> np.ndarray:
    """The pixels of a PNG whose lines have no filter, by the format's own definition."""
    file = io.BytesIO(data)
    assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    chunks: dict[bytes, bytes] = {}
    while length := file.read(4):
        tag = file.read(4)
        content = file.read(int.from_bytes(length, "big"))
        assert int.from_bytes(file.read(4), "big") == zlib.crc32(tag + content)
        chunks[tag] = content
    width, height = (int.from_bytes(chunks[b"IHDR"][i : i + 4], "big") for i in (0, 4))
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + 3 * width)
    return lines[:, 1:].reshape(height, width, 3)


def test_a_png_holds_the_picture(tmp_path: Path) -> None:
    image = pianoroll(one(Note(0, 4, 60, 90), Note(4, 12, 67, 40)))
    write_png(tmp_path / "a.png", image)
    assert (decoded((tmp_path / "a.png").read_bytes()) == image).all()
    pillow = pytest.importorskip("PIL.Image")
    with pillow.open(tmp_path / "a.png") as opened:
        assert opened.mode == "RGB"
        assert (np.asarray(opened) == image).all()


def test_only_pictures_are_written(tmp_path: Path) -> None:
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"expected uint8 \(height, width, 3\)"):
            write_png(tmp_path / "a.png", wrong)
    with pytest.raises(ValueError, match="nowhere"):
        write_png(tmp_path / "nowhere" / "a.png", np.zeros((4, 4, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
