"""Spoiled music: worse, on the same pages, and readable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicgym import StepChoice, Task
from musicgym.models.material import Music
from musicgym.models.spoiling import SPOILERS, spoiled
from musicgym.models.tokens import alphabet_of, encode, readable
from musicgym.pieces import Excerpts
from musicgym.testing.music import random_music

every = pytest.mark.parametrize("name", SPOILERS)


def notes(music: Excerpts, row: int, voice: int = 0) -> list[tuple[int, int]]:
    """Step and pitch of each event's beginning."""
    end = music.length[row]
    return [(int(t), int(music.pitch[row, voice, t])) for t in np.flatnonzero(music.onset[row, voice, :end])]


@pytest.fixture(scope="module")
def tunes(little: tuple[tuple[Music, object], object]) -> Excerpts:
    return little[0][0].excerpts


@every
def test_real_tunes_become_others_on_the_same_pages(tunes: Excerpts, name: str) -> None:
    made = SPOILERS[name](tunes, np.random.default_rng(0))
    differs = (made.pitch != tunes.pitch) | (made.onset != tunes.onset)
    assert differs.any(axis=(1, 2)).mean() > 0.95
    for field in ("position", "bar", "beat", "tonic", "mode", "length", "quarter"):
        np.testing.assert_array_equal(getattr(made, field), getattr(tunes, field))
    inside = np.arange(tunes.pitch.shape[2]) < tunes.length[:, None]
    np.testing.assert_array_equal((made.pitch[:, 0] > -2) & inside, inside)
    assert not made.onset[:, 0][~inside].any()


@given(seed=st.integers(0, 2**32 - 1), voices=st.integers(1, 3), name=st.sampled_from(sorted(SPOILERS)))
@settings(max_examples=60, deadline=None)
def test_whatever_the_music_it_can_be_read_and_stays_within_each_voices_pitches(seed: int, voices: int, name: str) -> None:
    task = Task(StepChoice(50, 70), voices=voices, length=21)
    draws = np.random.default_rng(seed)
    music = random_music(draws, task, 4)
    kept = [array.copy() for array in music]
    made = SPOILERS[name](music, draws)
    assert readable(made, alphabet_of(task)).all()
    encode(made, alphabet_of(task), voices)
    for before, after in zip(kept, music):
        np.testing.assert_array_equal(before, after)
    for row in range(4):
        for voice in range(voices):
            heard, was = (set(part.pitch[row, voice, : part.length[row]].tolist()) for part in (made, music))
            sounding = [pitch for pitch in was if pitch >= 0]
            assert all(min(sounding, default=0) <= pitch <= max(sounding, default=0) for pitch in heard if pitch >= 0)
            # A pitch changes where something begins, and nowhere else.
            line, onset = made.pitch[row, voice, : made.length[row]], made.onset[row, voice, : made.length[row]]
            assert (onset[1:] | (line[1:] == line[:-1])).all()


def test_wrong_notes_are_a_fifth_in_key_and_keep_the_rhythm(tunes: Excerpts) -> None:
    made = SPOILERS["wrong notes"](tunes, np.random.default_rng(0))
    np.testing.assert_array_equal(made.onset, tunes.onset)
    sounds = tunes.onset & (tunes.pitch >= 0)
    changed = sounds & (made.pitch != tunes.pitch)
    assert changed.sum() / sounds.sum() == pytest.approx(0.2, abs=0.02)
    one = SPOILERS["one wrong note"](tunes, np.random.default_rng(0))
    assert ((one.pitch != tunes.pitch) & sounds).sum(axis=(1, 2)).tolist() == [1] * len(tunes.length)


def test_permuted_pitches_are_the_same_pitches_on_the_same_rhythm(tunes: Excerpts) -> None:
    made = SPOILERS["permuted pitches"](tunes, np.random.default_rng(0))
    for row in range(len(tunes.length)):
        before, after = notes(tunes, row), notes(made, row)
        assert [step for step, _ in before] == [step for step, _ in after]
        assert sorted(pitch for _, pitch in before) == sorted(pitch for _, pitch in after)


def test_shuffled_bars_are_the_same_bars(tunes: Excerpts) -> None:
    made = SPOILERS["shuffled bars"](tunes, np.random.default_rng(0))

    def bars(music: Excerpts, row: int) -> list[bytes]:
        lines = np.flatnonzero(music.position[row, : music.length[row]] == 0)
        parts = np.split(music.pitch[row, 0, : music.length[row]], lines)
        return sorted(part.tobytes() for part in parts)

    for row in range(len(tunes.length)):
        assert bars(made, row) == bars(tunes, row)


def test_held_and_stuck_music_stops_changing(tunes: Excerpts) -> None:
    held = SPOILERS["held"](tunes, np.random.default_rng(0))
    stuck = SPOILERS["stuck"](tunes, np.random.default_rng(0))
    for row in range(len(tunes.length)):
        end, bar = int(tunes.length[row]), int(tunes.bar[row, 0])
        assert len(set(held.pitch[row, 0, 3 * end // 4 : end].tolist())) == 1
        last, before = (stuck.pitch[row, 0, a:b].tolist() for a, b in ((end - bar // 2, end), (end - bar - bar // 2, end - bar)))
        assert last == before or end // 4 < bar + bar // 2


def test_ways_take_turns_and_hang_on_the_seed_alone(tunes: Excerpts) -> None:
    made, ways = spoiled(tunes, np.random.default_rng(7))
    again, _ = spoiled(tunes, np.random.default_rng(7))
    assert np.bincount(ways, minlength=len(SPOILERS)).min() >= len(tunes.length) // len(SPOILERS)
    for one, other in zip(made, again):
        np.testing.assert_array_equal(one, other)
