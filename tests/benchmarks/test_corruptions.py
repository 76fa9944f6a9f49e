"""Corruptions change the notes as they say, nothing else, and leave music that a score can hold."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicgym import Score
from musicgym.benchmarks.corruptions import (
    CORRUPTIONS,
    displaced,
    looped,
    one_wrong_note,
    permuted_notes,
    retrograde,
    shuffled_bars,
    wrong_notes,
)
from musicgym.benchmarks.tunes import tunes
from musicgym.pieces import Excerpts
from musicgym.score import SCALES, Note
from musicgym.testing.music import random_score

TUNES = tunes("test", limit=120).excerpts
NOTES = ("pitch", "onset", "velocity")


def as_scores(music: Excerpts) -> list[Score]:
    """The pieces as scores, whose constructor refuses what no score can hold."""
    found = []
    for row, steps in enumerate(music.length.tolist()):
        slots = {name: getattr(music, name)[row, ..., :steps] for name in (*NOTES, "position", "tonic", "mode", "phrase_end")}
        found.append(Score(**slots))
    return found


def events_of(music: Excerpts) -> list[list[Note]]:
    return [score.events(0) for score in as_scores(music)]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_pages_stay_and_the_music_is_finished_and_can_be_a_score(name: str) -> None:
    made = CORRUPTIONS[name](TUNES, np.random.default_rng(1))
    for field in Excerpts._fields:
        if field not in NOTES:
            np.testing.assert_array_equal(getattr(made, field), getattr(TUNES, field), err_msg=field)
    assert all(score.finished for score in as_scores(made))
    past = np.arange(made.pitch.shape[2]) >= made.length[:, None, None]
    assert (made.pitch[past] == -2).all()
    assert not made.onset[past].any()
    assert ((made.velocity > 0) == (made.pitch >= 0)).all()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_leaves_its_material_alone_and_hangs_on_the_random_source_alone(name: str) -> None:
    before = [array.copy() for array in TUNES]
    first, second = (CORRUPTIONS[name](TUNES, np.random.default_rng(3)) for _ in range(2))
    for old, now, one, other in zip(before, TUNES, first, second):
        np.testing.assert_array_equal(old, now)
        np.testing.assert_array_equal(one, other)
    changed = (first.pitch != TUNES.pitch) | (first.onset != TUNES.onset)
    assert changed.any(axis=(1, 2)).mean() > 0.98


@pytest.mark.parametrize("name", CORRUPTIONS)
@given(seed=st.integers(0, 10_000))
def test_any_finished_music_can_be_corrupted(name: str, seed: int) -> None:
    draws = np.random.default_rng(seed)
    music = Excerpts.from_scores([random_score(draws, 1, int(draws.integers(1, 40))) for _ in range(4)])
    assert all(score.finished for score in as_scores(CORRUPTIONS[name](music, draws)))


def test_permuted_notes_are_the_same_notes_in_another_order() -> None:
    for before, after in zip(events_of(TUNES), events_of(permuted_notes(TUNES, np.random.default_rng(5)))):
        assert Counter(event[1:] for event in before) == Counter(event[1:] for event in after)


def test_every_order_of_three_notes_comes_up_alike() -> None:
    score = Score.from_notes([[Note(0, 1, 60, 80), Note(1, 2, 62, 80), Note(3, 3, 64, 80)]])
    made = permuted_notes(Excerpts.from_scores([score] * 6000), np.random.default_rng(0))
    counts = Counter(row.tobytes() for row in made.pitch)
    assert len(counts) == 6
    assert max(abs(count - 1000) for count in counts.values()) < 120  # four standard deviations


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_wrong_notes_are_so_many_others_of_the_scale_within_the_range_and_the_rhythm_stays(share: float) -> None:
    made = wrong_notes(TUNES, np.random.default_rng(7), share=share)
    np.testing.assert_array_equal(made.onset, TUNES.onset)
    np.testing.assert_array_equal(made.pitch == -1, TUNES.pitch == -1)
    for row, (before, after) in enumerate(zip(as_scores(TUNES), as_scores(made))):
        notes, changed = before.notes(0), [n for n, old in zip(after.notes(0), before.notes(0)) if n.pitch != old.pitch]
        assert len(changed) == max(1, round(share * len(notes))), row
        assert all(min(notes, key=lambda n: n.pitch).pitch <= n.pitch <= max(notes, key=lambda n: n.pitch).pitch for n in changed)
        for note in changed:
            assert (note.pitch - before.tonic[note.start]) % 12 in SCALES[before.mode[note.start]]


def test_one_wrong_note_is_one_anywhere_in_the_piece() -> None:
    made = one_wrong_note(TUNES, np.random.default_rng(2))
    wrong = (made.pitch != TUNES.pitch) & TUNES.onset
    assert (wrong.sum(axis=(1, 2)) == 1).all()
    assert len(set(wrong.argmax(axis=2)[:, 0].tolist())) > 40


def test_a_piece_on_a_single_pitch_has_no_wrong_notes() -> None:
    music = Excerpts.from_scores([Score.from_notes([[Note(2 * i, 2, 60, 80) for i in range(8)]])])
    np.testing.assert_array_equal(wrong_notes(music, np.random.default_rng(0), share=1.0).pitch, music.pitch)


def test_displaced_by_a_beat_the_end_comes_first() -> None:
    score = Score.from_notes([[Note(0, 6, 60, 80), Note(6, 4, 62, 80), Note(10, 6, 64, 80)]])
    music = Excerpts.from_scores([score], steps=20)
    rng = np.random.default_rng(0)
    assert as_scores(displaced(music, rng))[0].notes(0) == [
        Note(0, 4, 64, 80), Note(4, 6, 60, 80), Note(10, 4, 62, 80), Note(14, 2, 64, 80),
    ]  # fmt: skip
    assert as_scores(displaced(music, rng, beats=-1))[0].notes(0) == [
        Note(0, 2, 60, 80), Note(2, 4, 62, 80), Note(6, 6, 64, 80), Note(12, 4, 60, 80),
    ]  # fmt: skip


def test_a_beat_of_six_eight_is_three_eighths() -> None:
    score = Score.from_notes([[Note(0, 6, 60, 80), Note(6, 6, 62, 80)]], meter=(6, 8))
    made = displaced(Excerpts.from_scores([score]), np.random.default_rng(0))
    assert as_scores(made)[0].notes(0) == [Note(0, 6, 62, 80), Note(6, 6, 60, 80)]


def test_retrograde_is_every_event_backwards_and_twice_is_the_tune() -> None:
    backwards = retrograde(TUNES, np.random.default_rng(0))
    for before, after in zip(events_of(TUNES), events_of(backwards)):
        assert [event[1:] for event in after] == [event[1:] for event in reversed(before)]
    np.testing.assert_array_equal(retrograde(backwards, np.random.default_rng(0)).pitch, TUNES.pitch)


def test_shuffled_bars_are_the_same_bars() -> None:
    made = shuffled_bars(TUNES, np.random.default_rng(4))
    for row, steps in enumerate(TUNES.length.tolist()):
        bar = int(TUNES.bar[row, 0])
        bars = [sorted(music.pitch[row, 0, :steps].reshape(-1, bar).tolist()) for music in (TUNES, made)]
        assert bars[0] == bars[1]


def test_a_note_across_a_bar_line_is_cut_only_where_its_bars_part() -> None:
    score = Score.from_notes([[Note(0, 3, 60, 80), Note(3, 2, 62, 80), Note(5, 3, 64, 80), Note(8, 4, 65, 80)]], meter=(1, 4))
    music = Excerpts.from_scores([score] * 60)
    found = {tuple(note[:3] for note in made.notes(0)) for made in as_scores(shuffled_bars(music, np.random.default_rng(0)))}
    assert len(found) == 6
    assert ((0, 4, 65), (4, 3, 60), (7, 2, 62), (9, 3, 64)) in found  # the first two bars stay together: the tie too
    assert ((0, 1, 62), (1, 3, 64), (4, 3, 60), (7, 1, 62), (8, 4, 65)) in found


def test_what_cannot_be_done_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"share=1\.2"):
        wrong_notes(TUNES, rng, share=1.2)
    with pytest.raises(ValueError, match="beats=0"):
        displaced(TUNES, rng, beats=0)
    with pytest.raises(ValueError, match=r"looped\(bars=0\)"):
        looped(TUNES, rng, bars=0)
    with pytest.raises(ValueError, match="2 voices"):
        permuted_notes(Excerpts.from_scores([Score.from_notes([[Note(0, 1, 60, 80)]] * 2)]), rng)
