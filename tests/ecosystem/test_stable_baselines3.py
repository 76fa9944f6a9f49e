"""Stable-Baselines3 and sb3-contrib take the single environment as it is."""

import re
import warnings

import gymnasium as gym
import numpy as np
import pytest
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env

import musicgym
from musicgym.observation import OBSERVATIONS

# Backwards: a process beside this one, which tests Gymnasium's ways, then compiles other tasks first.
every_id = pytest.mark.parametrize("id", [name for name in reversed(musicgym.task_ids()) if name.startswith("musicgym/")])
every_observation = pytest.mark.parametrize("observation", OBSERVATIONS)
# Of a piano roll narrower than 36 steps: its width is the piece's length, and the default CnnPolicy wants 36.
SMALL_PICTURE = "The minimal resolution for an image is 36x36"


@every_id
@every_observation
@pytest.mark.parametrize("render_mode", [None, "rgb_array"])
def test_check_env_has_nothing_to_say(id, observation, render_mode):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=re.escape(SMALL_PICTURE))
        check_env(gym.make(id, observation=observation, render_mode=render_mode))


@every_id
def test_a_piano_roll_as_wide_as_the_default_policy_wants_is_not_complained_about(id):
    env = gym.make(id, observation="pianoroll", **({"length": 48, "range": (48, 83)} if "Melody-" in id else {}))
    if min(env.observation_space.shape[1:]) < 36:
        pytest.skip("its pieces are shorter, or its range narrower, than the smallest picture")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)


@every_id
def test_masks_are_found_through_wrappers(id):
    env = gym.wrappers.RecordEpisodeStatistics(gym.make(id))
    _, info = env.reset(seed=1)
    assert is_masking_supported(env)
    masks = get_action_masks(env)
    assert masks.dtype == np.bool_
    np.testing.assert_array_equal(masks, np.hstack(info["action_mask"]).astype(bool))  # side by side, of several factors


@every_id
def test_masks_are_stacked_by_sb3s_own_vector_environment(id):
    batch = make_vec_env(id, n_envs=3, seed=1)
    batch.reset()
    masks = get_action_masks(batch)
    assert masks.shape == (3, gym.spaces.flatdim(gym.make(id).action_space))
    assert masks.dtype == np.bool_


@every_id
@every_observation
@pytest.mark.parametrize("algorithm", [PPO, MaskablePPO])
def test_an_mlp_learns_from_every_observation(id, observation, algorithm):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # sums of value counts once wrapped around
        env = gym.make(id, observation=observation)
        agent = algorithm("MlpPolicy", env, n_steps=64, batch_size=64, n_epochs=1, seed=1, device="cpu")
        agent.learn(64)
    assert agent.policy.features_dim == gym.spaces.flatdim(env.observation_space)


def test_masked_codes_are_never_chosen():
    agent = MaskablePPO("MlpPolicy", "musicgym/Melody-v0", n_steps=64, batch_size=64, n_epochs=1, seed=1, device="cpu")
    agent.learn(64)
    env = gym.make("musicgym/Melody-v0")
    for seed in range(5):
        seen, info = env.reset(seed=seed)
        done = False
        while not done:
            action, _ = agent.predict(seen, action_masks=get_action_masks(env))
            seen, _, done, _, info = env.step(action)
        assert info["illegal"] == 0
