"""Adversaries play what they say, on the pages of real tunes."""

from __future__ import annotations

import numpy as np
import pytest

from musicgym import Score
from musicgym.benchmarks.adversaries import ADVERSARIES
from musicgym.benchmarks.tunes import tunes
from musicgym.pieces import Excerpts
from musicgym.score import SCALES, Note
from musicgym.vector_env import ComposeVectorEnv

TUNES = tunes("test", limit=80).excerpts
NOTES = ("pitch", "onset", "velocity")


def played(name: str, music: Excerpts = TUNES, seed: int = 0) -> Excerpts:
    return ADVERSARIES[name](music, np.random.default_rng(seed))


def score_of(music: Excerpts, row: int = 0) -> Score:
    steps = int(music.length[row])
    slots = {name: getattr(music, name)[row, ..., :steps] for name in (*NOTES, "position", "tonic", "mode", "phrase_end")}
    return Score(**slots)


def in_g(meter: tuple[int, int] = (4, 4), steps: int = 32, key: str = "G major") -> Excerpts:
    return Excerpts.from_scores([Score.from_notes([[Note(0, 4, 60, 80)]], steps=steps, meter=meter, key=key)], steps=40)


@pytest.mark.parametrize("name", ADVERSARIES)
def test_pages_stay_and_the_music_is_finished_and_can_be_a_score(name: str) -> None:
    made = played(name)
    for field in Excerpts._fields:
        if field not in NOTES:
            np.testing.assert_array_equal(getattr(made, field), getattr(TUNES, field), err_msg=field)
    assert all(score_of(made, row).finished for row in range(len(made.length)))
    past = np.arange(made.pitch.shape[2]) >= made.length[:, None, None]
    assert (made.pitch[past] == -2).all()
    assert not made.onset[past].any()
    for one, other in zip(made, played(name)):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "duration", "pitches"),
    [
        ("one note", 2, [67] * 16),
        ("repeated quarters", 4, [67] * 8),
        ("scale in eighths", 2, [67, 69, 71, 72, 74, 76, 78, 79, 78, 76, 74, 72, 71, 69, 67, 69]),
        ("scale in sixteenths", 1, [67, 69, 71, 72, 74, 76, 78, 79, 78, 76, 74, 72, 71, 69] * 2 + [67, 69, 71, 72]),
        ("arpeggio", 2, [67, 71, 74, 79, 74, 71, 67, 71, 74, 79, 74, 71, 67, 71, 74, 79]),
        ("trill", 1, [67, 69] * 16),
        ("leap and back", 2, [67, 76, 74, 66] * 4),
        ("hold", 32, [67]),
    ],
)
def test_patterns_in_g_major(name: str, duration: int, pitches: list[int]) -> None:
    expected = [Note(i * duration, duration, pitch, 80) for i, pitch in enumerate(pitches)]
    assert score_of(played(name, in_g())).notes(0) == expected


def test_silence_is_one_rest() -> None:
    assert score_of(played("silence", in_g())).events(0) == [Note(0, 32, -1, 0)]


def test_patterns_follow_the_local_key() -> None:
    for name in ("scale in eighths", "arpeggio", "leap and back", "random walk", "trill"):
        for row in range(0, 80, 5):
            score = score_of(played(name), row)
            for note in score.notes(0):
                assert (note.pitch - score.tonic[note.start]) % 12 in SCALES[score.mode[note.start]], name


def test_a_random_walk_goes_by_step_or_third_and_uses_a_twelfth() -> None:
    music = Excerpts.from_scores([Score.from_notes([[Note(0, 4, 60, 80)]], steps=64)] * 200)
    made = played("random walk", music)
    notes = made.pitch[:, 0, ::2].astype(int)
    assert np.abs(np.diff(notes, axis=1)).max() == 4
    assert (notes.min(), notes.max()) == (60, 79)
    assert len(np.unique(made.pitch, axis=0)) == 200
    assert not np.array_equal(made.pitch, played("random walk", music, seed=1).pitch)


def test_the_loop_is_the_tunes_own_first_two_bars() -> None:
    made = played("two-bar loop")
    for row in range(len(made.length)):
        span, steps = 2 * int(TUNES.bar[row, 0]), int(TUNES.length[row])
        copies = made.pitch[row, 0, :steps].reshape(-1, span)
        assert (copies == TUNES.pitch[row, 0, :span]).all()
        assert made.onset[row, 0, 0:steps:span].all()


def codes_of(music: Excerpts) -> np.ndarray:
    """What `StepChoice(48, 83)` would have to choose, int (M, steps): 0 a rest, 1 hold, 2.. pitches."""
    pitch = music.pitch[:, 0].astype(int)
    return np.where(music.onset[:, 0], np.where(pitch < 0, 0, pitch - 46), 1)


def empty_pages(pieces: int) -> Excerpts:
    return Excerpts.from_scores([Score.from_notes([[Note(0, 4, 60, 80)]], steps=32)] * pieces)


def test_uniform_random_draws_every_legal_choice_alike() -> None:
    codes = codes_of(played("uniform random", empty_pages(4000)))
    assert (codes[:, 0] != 1).all()
    share = np.bincount(codes[:, 1:].ravel(), minlength=38) / codes[:, 1:].size
    np.testing.assert_allclose(share, 1 / 38, atol=0.0025)  # five standard deviations
    first = np.bincount(codes[:, 0], minlength=38) / len(codes)
    np.testing.assert_allclose(first[[0, *range(2, 38)]], 1 / 37, atol=0.013)


@pytest.mark.slow  # compiles the environment where no other test has
def test_the_environment_writes_the_same_music_from_the_same_choices() -> None:
    made = played("uniform random", empty_pages(50))
    env = ComposeVectorEnv("musicgym/Melody-v0", 50, autoreset_mode="disabled")
    env.reset(seed=0)
    for column in codes_of(made).T:
        env.step(column)
    for row, score in enumerate(env.scores()):
        np.testing.assert_array_equal(score.pitch, made.pitch[row])
        np.testing.assert_array_equal(score.onset, made.onset[row])
