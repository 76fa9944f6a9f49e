"""Near music is wrong in the respect that it names, and in no other."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicgym import Score
from musicgym.benchmarks.near_music import LENGTHS, LONG, NEAR_MUSIC
from musicgym.benchmarks.tunes import tunes
from musicgym.pieces import Excerpts
from musicgym.score import SCALES, Note
from musicgym.testing.music import random_score

TUNES = tunes("valid", limit=150).excerpts
NOTES = ("pitch", "onset", "velocity")


def spoiled(name: str, music: Excerpts = TUNES, seed: int = 0) -> Excerpts:
    return NEAR_MUSIC[name](music, np.random.default_rng(seed))


def as_scores(music: Excerpts) -> list[Score]:
    """The pieces as scores, whose constructor refuses what no score can hold."""
    found = []
    for row, steps in enumerate(music.length.tolist()):
        slots = {name: getattr(music, name)[row, ..., :steps] for name in (*NOTES, "position", "tonic", "mode", "phrase_end")}
        found.append(Score(**slots))
    return found


REAL = as_scores(TUNES)


def pairs(name: str) -> list[tuple[Score, Score]]:
    """Each tune and what was made of it."""
    return list(zip(REAL, as_scores(spoiled(name)), strict=True))


@pytest.mark.parametrize("name", NEAR_MUSIC)
def test_pages_stay_and_are_filled_and_the_tune_itself_is_not_touched(name: str) -> None:
    before = [field.copy() for field in TUNES]
    made = spoiled(name)
    for field, old, now in zip(Excerpts._fields, before, TUNES, strict=True):
        np.testing.assert_array_equal(old, now)
        assert getattr(made, field).dtype == old.dtype
        if field not in NOTES:
            np.testing.assert_array_equal(getattr(made, field), old, err_msg=field)
    past = np.arange(made.pitch.shape[2]) >= made.length[:, None, None]
    assert (made.pitch[past] == -2).all()
    assert not made.onset[past].any()
    for score in as_scores(made):
        assert sum(event.duration for event in score.events(0)) == score.steps


@pytest.mark.parametrize("name", NEAR_MUSIC)
def test_the_same_seed_gives_the_same_and_nearly_every_tune_changes(name: str) -> None:
    first, second = spoiled(name, seed=3), spoiled(name, seed=3)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    changed = (first.pitch != TUNES.pitch) | (first.onset != TUNES.onset)
    assert changed.any(axis=(1, 2)).mean() > 0.95  # a tune all in single steps has no rhythm to shake
    if not name.startswith("loop"):  # nothing in a loop is left to chance
        assert not np.array_equal(first.pitch, spoiled(name, seed=4).pitch)


@pytest.mark.parametrize("name", NEAR_MUSIC)
@given(seed=st.integers(0, 10_000))
def test_any_finished_music_can_be_spoiled(name: str, seed: int) -> None:
    draws = np.random.default_rng(seed)
    music = Excerpts.from_scores([random_score(draws, 1, int(draws.integers(1, 40))) for _ in range(4)])
    assert all(score.finished for score in as_scores(NEAR_MUSIC[name](music, draws)))


@pytest.mark.parametrize(
    "name", ["wrong notes throughout", "20 % chromatic notes", "octaves astray", "rests astray", "triad notes"]
)
def test_the_rhythm_stays(name: str) -> None:
    np.testing.assert_array_equal(spoiled(name).onset, TUNES.onset)
    for before, after in pairs(name):
        assert all(event.pitch < 0 for event, old in zip(after.events(0), before.events(0), strict=True) if old.pitch < 0)


@pytest.mark.parametrize(
    ("name", "share"),
    # A chromatic note is drawn from some 20 pitches, the old one among them.
    [("wrong notes throughout", 1.0), ("20 % chromatic notes", 0.2 * 0.95), ("octaves astray", 0.15), ("rests astray", 0.15)],
)
def test_so_many_of_the_notes_change(name: str, share: float) -> None:
    events = TUNES.onset & (TUNES.pitch >= 0)
    changed = events & (spoiled(name).pitch != TUNES.pitch)
    assert changed.sum() / events.sum() == pytest.approx(share, abs=0.02)
    if name in ("octaves astray", "rests astray"):
        assert changed.any(axis=(1, 2)).all()


def test_wrong_notes_throughout_and_triad_notes_belong_to_the_key_and_to_the_range() -> None:
    for name, degrees, beyond in (("wrong notes throughout", range(7), 0), ("triad notes", (0, 2, 4), 3)):
        for before, after in pairs(name):
            pitches = [note.pitch for note in before.notes(0)]
            for note in after.notes(0):
                scale = SCALES[before.mode[note.start]]
                assert (note.pitch - before.tonic[note.start]) % 12 in [scale[degree] for degree in degrees], name
                assert min(pitches) - beyond <= note.pitch <= max(pitches) + beyond, name


def test_chromatic_notes_go_a_third_beyond_the_range_and_are_often_of_another_key() -> None:
    outside, changed = 0, 0
    for before, after in pairs("20 % chromatic notes"):
        pitches = [note.pitch for note in before.notes(0)]
        for note, old in zip(after.notes(0), before.notes(0), strict=True):
            assert min(pitches) - 3 <= note.pitch <= max(pitches) + 3
            if note.pitch != old.pitch:
                changed += 1
                outside += (note.pitch - before.tonic[note.start]) % 12 not in SCALES[before.mode[note.start]]
    assert outside / changed == pytest.approx(5 / 12, abs=0.05)


def test_octaves_astray_are_octaves_up_and_down() -> None:
    moved = [n.pitch - o.pitch for before, after in pairs("octaves astray") for n, o in zip(after.notes(0), before.notes(0))]
    assert set(moved) == {-12, 0, 12}


def test_rests_astray_leave_the_other_notes() -> None:
    for before, after in pairs("rests astray"):
        assert set(after.notes(0)) < set(before.notes(0))


def test_a_shaken_rhythm_moves_every_second_event_by_up_to_two_steps() -> None:
    moves = []
    for before, after in pairs("shaken rhythm"):
        old, new = before.events(0), after.events(0)
        assert [(e.pitch, e.velocity) for e in new] == [(e.pitch, e.velocity) for e in old]
        shifts = [e.start - o.start for e, o in zip(new, old, strict=True)]
        assert not any(shifts[::2])
        moves += shifts[1::2]
    assert set(moves) == {-2, -1, 0, 1, 2}
    assert 0.3 < np.mean(np.array(moves) != 0) < 0.6  # a sixteenth has no room to move into


@pytest.mark.parametrize(("name", "lengths"), [("random lengths", LENGTHS), ("slow notes", LONG)])
def test_lengths_are_drawn_anew_and_the_last_fills_the_page(name: str, lengths: tuple[int, ...]) -> None:
    drawn = []
    for before, after in pairs(name):
        events = after.events(0)
        drawn += [event.duration for event in events[:-1]]
        if name == "random lengths":
            assert [e.pitch for e in events] == [e.pitch for e in before.events(0)][: len(events)]
    counts = np.array([drawn.count(length) for length in lengths])
    assert counts.sum() == len(drawn)
    np.testing.assert_allclose(counts / len(drawn), 1 / len(lengths), atol=0.05)


def test_slow_notes_are_of_the_scale_and_within_the_range() -> None:
    for before, after in pairs("slow notes"):
        pitches = [note.pitch for note in before.notes(0)]
        assert all(min(pitches) <= note.pitch <= max(pitches) for note in after.notes(0))


def test_divided_notes_are_single_steps_that_walk_along_the_scale_from_each_note() -> None:
    score = Score.from_notes([[Note(0, 8, 67, 80), Note(10, 6, 60, 80)]], key="G major")
    music = Excerpts.from_scores([score] * 200)
    scale = [48 + p for p in range(60) if (48 + p - 7) % 12 in SCALES[0]]
    second = set()
    for made in as_scores(spoiled("divided into steps", music)):
        events = made.events(0)
        assert [event.duration for event in events] == [1] * 16
        assert [event.pitch for event in events[8:10]] == [-1, -1]
        for part in (events[:8], events[10:]):
            places = [scale.index(event.pitch) for event in part]
            assert {abs(b - a) for a, b in pairwise(places)} == {1}
        assert (events[0].pitch, events[10].pitch) == (67, 60)
        second.add(events[1].pitch)
    assert second == {66, 69}


def test_swallowed_notes_never_begin_a_bar_and_what_stands_before_lasts_on() -> None:
    gone, could = 0, 0
    for before, after in pairs("swallowed notes"):
        left = {event.start: event.pitch for event in after.events(0)}
        for event in before.events(0):
            if event.start in left:
                assert left[event.start] == event.pitch
            else:
                assert event.pitch >= 0
                assert before.position[event.start] != 0
                gone += 1
            could += event.pitch >= 0 and before.position[event.start] != 0
    assert gone / could == pytest.approx(0.5, abs=0.03)


def test_in_another_key_every_note_is_moved_alike_and_the_key_stays() -> None:
    shifts = set()
    for before, after in pairs("another key"):
        moved = {note.pitch - old.pitch for note, old in zip(after.notes(0), before.notes(0), strict=True)}
        assert len(moved) == 1
        shifts |= moved
    assert shifts == {*range(-5, 0), *range(1, 7)}


def test_sequences_are_the_first_bar_a_degree_or_two_higher_or_lower_each_time() -> None:
    bar = [Note(0, 6, 67, 80), Note(6, 2, 69, 80), Note(8, 4, 71, 80), Note(12, 4, -1, 0)]
    score = Score.from_notes([[note for note in bar if note.pitch >= 0]], steps=64, key="G major")
    scale = [48 + p for p in range(60) if (48 + p - 7) % 12 in SCALES[0]]
    shifts = set()
    for made in as_scores(spoiled("sequences of a bar", Excerpts.from_scores([score] * 100))):
        places = [scale.index(note.pitch) for note in made.notes(0)]
        for number in range(4):
            assert [n.start - 16 * number for n in made.notes(0)[3 * number : 3 * number + 3]] == [0, 6, 8]
            assert np.diff(places[3 * number : 3 * number + 3]).tolist() == [1, 1]
        assert made.notes(0)[0].pitch == 67
        shifts |= set(np.diff(places[::3]).tolist())
    assert shifts == {-2, -1, 1, 2}


@pytest.mark.parametrize(("name", "bars"), [("loop of a bar", 1), ("loop of half a bar", 0.5)])
def test_a_loop_is_the_tunes_own_beginning_again_and_again(name: str, bars: float) -> None:
    for row, (before, after) in enumerate(pairs(name)):
        span = max(1, int(bars * TUNES.bar[row, 0]))
        for field in ("pitch", "velocity"):
            found, own = getattr(after, field)[0], getattr(before, field)[0, :span]
            np.testing.assert_array_equal(found, np.resize(own, before.steps))
        assert after.onset[0, ::span].all()
        inner = np.arange(before.steps) % span != 0
        np.testing.assert_array_equal(after.onset[0, inner], np.resize(before.onset[0, :span], before.steps)[inner])
