"""The text that `render_mode="ansi"` shows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from musicgym.render.text import ansi
from musicgym.score import BLANK, KeyChange, MeterChange, Note, Score


def test_a_small_score_reads_as_music() -> None:
    soprano = [Note(0, 4, 74, 80), Note(4, 8, 73, 80), Note(12, 4, 71, 80), Note(24, 4, 70, 80)]
    bass = [Note(4, 2, 47, 80), Note(6, 2, 49, 80), Note(8, 12, 50, 80)]
    score = Score.from_notes([soprano, bass], steps=28, key="B minor", meter=(3, 4), tempo=96, pickup=4)
    score = dataclasses.replace(score, title="Air", names=("Soprano", ""))
    assert ansi(score).splitlines() == [
        "Air",
        "B minor, 3/4, 96 quarters a minute, 2 steps a column, 4 a quarter",
        "         |0       |1                       |2",
        "Soprano  |D5  –   |C#5 –   –   –   B4  –   |.   .   .   .   A#4 –   |",
        "voice 2  |.   .   |B2  C#3 D3  –   –   –   |–   –   .   .   .   .   |",
    ]


def test_blanks_cursor_and_changes_are_shown() -> None:
    score = Score.blank(1, 28, meter=(4, 4))
    position = [*range(16), *range(12)]
    score = dataclasses.replace(
        score,
        position=position,
        meters=(MeterChange(0, 4, 4), MeterChange(16, 3, 4)),
        keys=(KeyChange(0, 0, 0), KeyChange(16, 7, 0)),
    )
    assert ansi(score, cursor=20).splitlines()[1:] == [
        "         |1       |2 3/4 G major",
        "voice 1  |? ? ? ? |? ? ?         |",
        "                     ^",
    ]


def test_bars_wrap_at_the_width() -> None:
    score = Score.from_notes([[Note(i, 1, 60 + i % 12, 80) for i in range(96)]] * 5)
    lines = ansi(score, width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("voice 5") for line in lines) == 6
    assert all(sum(f"|{bar}" in line for line in lines) >= 1 for bar in range(1, 7))


def test_a_narrow_width_still_shows_a_bar_a_line() -> None:
    score = Score.from_notes([[Note(0, 32, 60, 80)]])
    assert sum(line.startswith("voice 1") for line in ansi(score, width=1).splitlines()) == 2


def test_every_beginning_is_visible_on_a_grid_of_triplets() -> None:
    score = Score.from_notes([[Note(0, 4, 60, 80), Note(4, 4, 60, 80), Note(8, 4, 60, 80)]], steps_per_quarter=12)
    assert ansi(score).splitlines()[-1] == "voice 1  |C4 C4 C4 |"


@pytest.mark.parametrize("voices", [1, 3, 5])
def test_columns_count_notes_holds_rests_and_blanks(voices: int) -> None:
    rng = np.random.default_rng(voices)
    lines = [
        [Note(int(i), 1, int(rng.integers(40, 80)), 80) for i in np.flatnonzero(rng.random(300) < 0.5)] for _ in range(voices)
    ]
    score = Score.from_notes(lines, steps=300)
    text = ansi(score)
    for voice in range(voices):
        cells = " ".join(line.partition("|")[2] for line in text.splitlines() if line.startswith(f"voice {voice + 1}"))
        assert len(cells.replace("|", " ").split()) == 300
        assert cells.count(".") == int((score.pitch[voice] == -1).sum())


def test_scores_without_steps_or_voices_have_a_heading() -> None:
    assert ansi(Score.blank(1, 0)).startswith("C major, 4/4")
    assert ansi(Score.blank(0, 4)).startswith("C major, 4/4")


def test_a_cursor_outside_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cursor=8: expected a step within 0\.\.7"):
        ansi(Score.blank(1, 8), cursor=8)


def test_blank_is_not_rest() -> None:
    score = Score.blank(1, 4)
    assert (score.pitch == BLANK).all()
    assert "?" in ansi(score)
    assert "." not in ansi(score).splitlines()[-1]
