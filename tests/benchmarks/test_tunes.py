"""Windows of real tunes: whole bars from bar lines on, never twice the same steps, families on one side of the split."""

from __future__ import annotations

import numpy as np
import pytest

from musicgym import Score, corpus
from musicgym.benchmarks.events import events, laid
from musicgym.benchmarks.tunes import METERS, tunes
from musicgym.pieces import Excerpts
from musicgym.score import REST, Note, bar_steps


def test_windows_are_full_bars_of_their_metre() -> None:
    found = tunes("test", bars=4)
    bars = np.array([bar_steps((int(a), int(b)), 4) for a, b in found.meter])
    np.testing.assert_array_equal(found.excerpts.length, 4 * bars)
    assert {tuple(meter) for meter in found.meter.tolist()} == set(METERS)
    for row in range(0, len(bars), 7):
        page = found.excerpts.take(np.array([row]))
        steps = int(page.length[0])
        np.testing.assert_array_equal(page.position[0, :steps], np.arange(steps) % bars[row])
        assert (page.bar[0, :steps] == bars[row]).all()


def test_the_first_window_begins_at_the_first_bar_line_and_the_next_where_it_ends() -> None:
    found = tunes("valid", collections=("aird",), meters=((2, 4),))
    pieces = corpus.load("aird").split("valid").filter(meter=(2, 4), voices=1)
    windows: list[np.ndarray] = []
    for score in pieces:
        start = int(np.flatnonzero(score.position == 0)[0])
        while start + 64 <= score.steps:
            window = score.pitch[0, start : start + 64]
            if np.array_equal(score.position[start : start + 64], np.arange(64) % 8):
                windows.append(window)
            start += 64
            start += int(np.argmax(score.position[start:] == 0)) if start < score.steps else 0
    enough = [w for w, notes in zip(found.excerpts.pitch[:, 0, :64], found.excerpts.onset.sum(axis=(1, 2))) if notes >= 8]
    np.testing.assert_array_equal(enough, windows)


def test_chorales_give_their_sopranos_and_keys_stay_as_they_are() -> None:
    found = tunes("test", collections=("bach",))
    assert found.excerpts.pitch.max() <= 81
    assert found.excerpts.pitch[found.excerpts.pitch >= 0].min() >= 55
    assert len(np.unique(found.excerpts.tonic)) > 6
    assert set(np.unique(found.excerpts.mode[:, :64])) == {0, 1}


def test_no_family_is_in_two_parts_of_the_split() -> None:
    parts = [set(tunes(split).families.tolist()) for split in ("train", "valid", "test")]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


def test_a_limit_takes_windows_from_all_collections() -> None:
    found = tunes("train", limit=50)
    assert len(found.families) == 50
    assert set(found.collection) == {0, 1, 2, 3}


def test_too_many_bars_and_none_are_refused() -> None:
    with pytest.raises(ValueError, match="no 999 bars in a row"):
        tunes("test", bars=999)
    with pytest.raises(ValueError, match="bars=0"):
        tunes("test", bars=0)
    with pytest.raises(ValueError, match="expected one of 'train'"):
        tunes("exam")


def test_events_of_pieces_of_different_lengths_are_laid_as_they_lay() -> None:
    page = tunes("test", limit=60).excerpts
    line = events(page)
    for before, after in zip(page, laid(page, line)):
        np.testing.assert_array_equal(before, after)
    assert np.bincount(line.piece).min() >= 8


def test_events_are_the_scores_events() -> None:
    score = Score.from_notes([[Note(2, 3, 60, 80), Note(5, 1, 60, 70), Note(9, 2, 71, 90)]], steps=12)
    line = events(Excerpts.from_scores([score], steps=20))
    found = list(zip(line.start.tolist(), line.duration.tolist(), line.pitch.tolist(), line.velocity.tolist()))
    assert found == [tuple(event) for event in score.events(0)]
    assert found[0] == (0, 2, REST, 0)


def test_unfinished_music_and_events_that_do_not_fill_a_page_are_refused() -> None:
    with pytest.raises(ValueError, match="music has 8 blank steps"):
        events(Excerpts.from_scores([Score.blank(1, 8)]))
    with pytest.raises(ValueError, match="music has 2 voices"):
        events(Excerpts.from_scores([Score.blank(2, 8)]))
    page = tunes("test", limit=2).excerpts
    line = events(page)
    with pytest.raises(ValueError, match="of piece 1"):
        laid(page, line.take(np.arange(len(line.piece) - 1)))
