"""Renders: text, pixels, and text on stdout."""

import gymnasium as gym
import numpy as np
import pytest

from musicgym import ChordChoice, ComposeEnv, ComposeVectorEnv, Task


def play(env, seed=1):
    """Play one piece; yields a render after the reset and after every step."""
    env.action_space.seed(seed)
    env.reset(seed=seed)
    yield env.render()
    done = False
    while not done:
        _, _, done, _, _ = env.step(env.action_space.sample())
        yield env.render()


@pytest.mark.parametrize("fields", [{}, {"length": 16, "meter": (3, 4)}, {"length": 100}, {"length": 1}])
def test_pixels_have_one_shape_all_along(fields):
    frames = list(play(ComposeEnv(render_mode="rgb_array", **fields)))
    assert {frame.shape for frame in frames} == {frames[0].shape}
    assert frames[0].shape[2] == 3
    assert {frame.dtype for frame in frames} == {np.dtype(np.uint8)}


def test_pixels_show_what_was_written():
    env = ComposeEnv(render_mode="rgb_array")
    env.reset(seed=1)
    before = env.render()
    env.step(20)
    assert not np.array_equal(before, env.render())
    np.testing.assert_array_equal(env.render(), env.render())


def test_pixels_belong_to_the_caller():
    env = ComposeEnv(render_mode="rgb_array")
    env.reset(seed=1)
    first = env.render()
    kept = first.copy()
    env.step(20)
    env.render()
    np.testing.assert_array_equal(first, kept)


def test_text_names_key_metre_and_notes():
    env = ComposeEnv(render_mode="ansi", key="D minor", meter=(3, 4), length=12)
    *_, last = play(env)
    assert isinstance(last, str)
    assert "D minor, 3/4" in last
    env.reset(seed=1)
    env.step(14)
    assert "C4" in env.render()


def test_human_prints_after_every_reset_and_step(capsys):
    env = gym.make("musicgym/Melody-v0", render_mode="human")
    env.reset(seed=1)
    first = capsys.readouterr().out
    env.step(14)
    second = capsys.readouterr().out
    assert "C major" in first
    assert "C4" not in first
    assert "C4" in second


def test_nothing_is_printed_unasked(capsys):
    for _ in play(ComposeEnv(render_mode="ansi")):
        pass
    batch = ComposeVectorEnv(num_envs=2)
    batch.reset(seed=1)
    batch.step([3, 4])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("mode", "kind"), [("ansi", str), ("rgb_array", np.ndarray)])
def test_a_batch_renders_a_frame_for_each_piece(mode, kind):
    batch, single = ComposeVectorEnv(num_envs=6, render_mode=mode), ComposeEnv(render_mode=mode)
    batch.reset(seed=1)
    single.reset(seed=1)
    frames = batch.render()
    assert isinstance(frames, tuple)
    assert len(frames) == 6
    assert all(isinstance(frame, kind) for frame in frames)
    assert np.array_equal(frames[0], single.render())


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_several_voices_and_pieces_of_different_lengths_render(mode):
    env = ComposeEnv(Task(ChordChoice(), voices=4, length=6), render_mode=mode)
    assert len(list(play(env))) == 7


def test_gymnasium_records_renders():
    env = gym.wrappers.RenderCollection(gym.make("musicgym/Melody-v0", render_mode="rgb_array"))
    env.reset(seed=1)
    env.step(20)
    assert len(env.render()) == 2
