"""Holes in real pieces: what is blank, what stays, and edits of what stands there."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest

from musicgym import BLANK, ComposeEnv, Score
from musicgym.tasks.infill import infill


def begun(seed=0, **fields):
    env = gym.make("musicgym/Infill-v0", reward="parallel_fifths", **fields).unwrapped
    env.reset(seed=seed)
    return env


def blanks(score: Score) -> np.ndarray:
    """bool (voices, steps): what is blank."""
    return score.pitch == BLANK


def test_bars_of_single_voices_are_blank_as_a_whole():
    shares = []
    for seed in range(20):
        score = begun(seed, holes="bar").score
        bars = np.split(blanks(score), np.flatnonzero(score.position == 0)[1:], axis=1)
        assert all((bar.all(axis=1) | ~bar.any(axis=1)).all() for bar in bars)
        shares.append(blanks(score).mean())
    assert 0.25 < np.mean(shares) < 0.55  # two bars in five


def test_whole_voices_are_blank():
    kinds = set()
    for seed in range(20):
        holes = blanks(begun(seed, holes="voice").score)
        assert (holes.all(axis=1) | ~holes.any(axis=1)).all()
        kinds.add(tuple(holes.any(axis=1)))
    assert len(kinds) > 4


def test_slots_are_blank_here_and_there():
    holes = blanks(begun(holes="slot", blank=0.5).score)
    assert 0.3 < holes.mean() < 0.7


@pytest.mark.parametrize("holes", ["slot", "bar", "voice"])
def test_there_is_always_a_hole_of_its_kind(holes):
    size = {"slot": 1, "bar": 16, "voice": 64}[holes]
    for seed in range(5):
        assert blanks(begun(seed, holes=holes, blank=1e-9).score).sum() == size


def test_voices_that_are_given_have_no_holes():
    for seed in range(5):
        assert not blanks(begun(seed, given=(0, 2), blank=1.0).score)[[0, 2]].any()


@pytest.mark.parametrize("order", ["time", "voice", "random"])
def test_what_stood_there_stays(order):
    env = begun(5, order=order)
    page, rng = env.score, np.random.default_rng(0)
    given = ~blanks(page)
    ended = False
    while not ended:
        ended = env.step(int(rng.choice(np.flatnonzero(env.action_masks()))))[2]
    assert env.score.finished
    assert np.array_equal(env.score.pitch[given], page.pitch[given])


def test_edits_begin_with_the_pieces_own_notes_and_go_through_the_holes_alone():
    env, blank = begun(2, improve=True, sweeps=2), begun(2)
    page, opened = env.score, blanks(blank.score)
    assert page.finished
    steps = 0
    while not env.step(0)[2]:  # rests
        steps += 1
    assert steps + 1 == 2 * opened.sum()
    assert (env.score.pitch[opened] == -1).all()
    assert np.array_equal(env.score.pitch[~opened], page.pitch[~opened])


def test_ones_own_draft_is_improved():
    notes = [[(0, 8, top, 80), (8, 8, top - 1, 80)] for top in (72, 67, 60, 48)]
    env = begun(holes="voice", improve=True, given=(0,), blank=1.0)
    env.reset(options={"given": Score.from_notes(notes)})
    assert env.score.notes(3) == Score.from_notes(notes).notes(3)
    assert env.session.engine.pieces.visits[0] == 3 * 16


def test_ones_own_holes_are_filled():
    page = Score.from_notes([[(0, 16, top, 80)] for top in (72, 67, 60, 48)])
    pitch, onset = page.pitch.copy(), page.onset.copy()
    pitch[1, 4:8], onset[1, 8] = BLANK, True
    own = dataclasses.replace(page, pitch=pitch, onset=onset, velocity=np.where(pitch >= 0, 80, 0))
    env = begun()
    env.reset(options={"given": own})
    assert np.array_equal(blanks(env.score), pitch == BLANK)


def test_tunes_have_holes_too():
    env = begun(1, source="fiddle/train")
    assert env.score.voices == 1
    assert 0 < blanks(env.score).mean() < 1
    assert infill(source="fiddle/train").choice.voice_ranges(1).tolist() == [[55, 88]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"holes": "note"}, "holes='note'.: expected 'slot', 'bar' or 'voice'"),
        ({"blank": 0.0}, r"blank=0.0.: expected a share within \(0, 1\]"),
        ({"improve": 1}, "improve=1: expected True or False"),
        ({"source": "bachs/train"}, "no corpus is called 'bachs': did you mean 'bach'"),
    ],
)
def test_bad_wishes_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        ComposeEnv("musicgym/Infill-v0", **fields)
