"""`musicgym/Melody-v0`: what its arguments change."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest

from musicgym import REST, ComposeEnv, ComposeVectorEnv, Note, Score, rewards
from musicgym.observation import OBSERVATIONS

MELODY = "musicgym/Melody-v0"


def compose(actions, **arguments):
    """A piece of these actions, as far as they go, and what the last step returned."""
    env = gym.make(MELODY, **arguments)
    env.reset(seed=1)
    for action in actions:
        turn = env.step(action)
    return env.unwrapped.score, turn


def test_by_default_it_has_rl_tuners_actions_and_length_and_is_paid_for_theory():
    env = gym.make(MELODY)
    assert env.action_space == gym.spaces.Discrete(38)
    score, (_, _, terminated, truncated, info) = compose([14] + [1] * 31)
    assert (score.steps, score.voices, score.key, score.meter, score.steps_per_quarter) == (32, 1, "C major", (4, 4), 4)
    assert (terminated, truncated) == (True, False)
    assert score.notes(0) == [Note(0, 32, 60, 80)]
    assert info["reward_terms"].keys() == set(rewards.parse("theory").terms)


def test_actions_are_rest_hold_and_pitches():
    score, _ = compose([2, 1, 0, 1, 37, 1, 14, 0])
    assert [note[:3] for note in score.notes(0)] == [(0, 2, 48), (4, 2, 83), (6, 1, 60)]
    assert score.pitch[0, :8].tolist() == [48, 48, REST, REST, 83, 83, 60, REST]


@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, 200])
def test_length_is_the_number_of_steps(length):
    *_, (_, _, terminated, _, _) = compose([20] * length, length=length)
    assert terminated
    if length > 1:
        *_, (_, _, terminated, _, _) = compose([20] * (length - 1), length=length)
        assert not terminated


def test_range_sets_the_pitches():
    env = gym.make(MELODY, range=(60, 72))
    assert env.action_space.n == 15
    score, _ = compose([2, 14], range=(60, 72))
    assert score.pitch[0, :2].tolist() == [60, 72]


def test_key_sets_the_scale_that_the_reward_judges():
    in_g, turn_g = compose([14, 20], reward="rl_tuner", key="G major")  # C4, then F sharp
    _, turn_c = compose([14, 20], reward="rl_tuner")
    assert in_g.key == "G major"
    assert turn_g[4]["reward_terms"]["key"] == 0
    assert turn_c[4]["reward_terms"]["key"] == -1


def test_several_keys_are_drawn_from():
    batch = gym.make_vec(MELODY, num_envs=60, key=("C major", "A minor", "Eb major"))
    batch.reset(seed=1)
    counts = {}
    for score in batch.unwrapped.scores():
        counts[score.key] = counts.get(score.key, 0) + 1
    assert set(counts) == {"C major", "A minor", "Eb major"}
    assert min(counts.values()) > 8


def test_metre_and_grid_set_the_bars():
    score, _ = compose([20], length=36, meter=(6, 8), steps_per_quarter=12)
    assert (score.meter, score.steps_per_quarter) == ((6, 8), 12)
    np.testing.assert_array_equal(score.position, np.arange(36))
    score, _ = compose([20], length=24, meter=(3, 4))
    np.testing.assert_array_equal(score.position, np.arange(24) % 12)


def test_reward_is_an_expression_or_an_object():
    _, (_, plain, *_) = compose([16], reward="rl_tuner.key")
    _, (_, twice, *_, info) = compose([15], reward="2 * rl_tuner.key")  # C sharp
    _, (_, other, *_) = compose([15], reward=rewards.parse("rl_tuner.key"))
    assert (plain, twice, other) == (0, -2, -1)
    assert list(info["reward_terms"]) == ["key"]


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_observations_stay_inside_their_space(observation):
    env, batch = ComposeEnv(observation=observation), ComposeVectorEnv(num_envs=3, observation=observation)
    assert batch.single_observation_space == env.observation_space
    env.action_space.seed(1)
    seen, _ = env.reset(seed=1)
    batched, _ = batch.reset(seed=1)
    for _ in range(33):
        assert env.observation_space.contains(seen)
        assert batch.observation_space.contains(batched)
        assert seen.dtype == np.uint8
        action = env.action_space.sample()
        seen, _, done, _, _ = env.step(action)
        batched = batch.step([action] * 3)[0]
        if done:
            seen, _ = env.reset()


def test_one_hot_bits_are_the_tokens():
    tokens, bits = ComposeEnv(observation="tokens"), ComposeEnv(observation="onehot")
    sizes = tokens.observation_space.nvec
    tokens.action_space.seed(4)
    one, other = tokens.reset(seed=1)[0], bits.reset(seed=1)[0]
    for _ in range(32):
        np.testing.assert_array_equal(
            np.concatenate([np.eye(n, dtype=np.uint8)[t] for n, t in zip(sizes, one, strict=True)]), other
        )
        action = tokens.action_space.sample()
        one, other = tokens.step(action)[0], bits.step(action)[0]


def test_window_sets_how_far_back_is_seen():
    sizes = [ComposeEnv(observation="tokens", window=window).observation_space.shape[0] for window in (1, 8, 32, 99)]
    assert sizes[1] - sizes[0] == 7
    assert sizes[2] - sizes[1] == 24
    assert sizes[3] == sizes[2]  # there is no more than the piece
    near, far = ComposeEnv(observation="tokens", window=2), ComposeEnv(observation="tokens", window=8)
    for env in (near, far):
        env.reset(seed=1)
    for action in (20, 25, 14, 14, 14):
        first = near.step(action)[0], far.step(action)[0]
    for env in (near, far):
        env.reset(seed=1)
    for action in (21, 25, 14, 14, 14):
        second = near.step(action)[0], far.step(action)[0]
    assert np.array_equal(first[0], second[0])
    assert not np.array_equal(first[1], second[1])


def test_given_is_what_the_piece_starts_from():
    page = Score.from_notes([[Note(0, 4, 60, 80), Note(4, 4, 64, 80)]], steps=16)
    pitch, onset = page.pitch.copy(), page.onset.copy()
    pitch[0, 8:], onset[0, 8:] = -2, False
    page = dataclasses.replace(page, pitch=pitch, onset=onset)
    for env in (ComposeEnv(), gym.make(MELODY)):
        env.reset(seed=1, options={"given": page})
        env.action_space.seed(1)
        done, steps = False, 0
        while not done:
            _, _, done, _, _ = env.step(env.action_space.sample())
            steps += 1
        score = env.unwrapped.score
        assert steps == 8
        assert score.steps == 16
        assert score.pitch[0, :8].tolist() == [60] * 4 + [64] * 4
        env.reset()
        assert env.unwrapped.score.steps == 32  # given this once


def test_prefix_is_gone_on_from_to_the_tasks_own_length():
    prefix = Score.from_notes([[Note(0, 2, 67, 80)]], steps=4)
    batch = ComposeVectorEnv(num_envs=2)
    batch.reset(seed=1, options={"prefix": prefix})
    for step in range(28):
        _, _, terminated, _, _ = batch.step([20, 21])
        assert terminated.all() == (step == 27)
    env = ComposeEnv()
    env.reset(seed=1, options={"prefix": prefix, "key": "E minor"})
    assert env.score.pitch[0, :5].tolist() == [67, 67, REST, REST, -2]
    assert (env.score.steps, env.score.key) == (32, "E minor")
