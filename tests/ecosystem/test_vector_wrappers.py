"""Gymnasium's wrappers of vector environments, each in the autoreset modes that it is made for."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import vector

import musicgym
from musicgym.observation import OBSERVATIONS

MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]
LENGTH = 12
# So that a piece is as many choices long in tasks of whole notes or several voices as in those of single steps.
SINGLE_STEPS = {
    "musicgym/ExpressiveMelody-v0": {"durations": (1,)},
    "musicgym/Chorale-v0": {"given": (0, 1, 2)},
    "musicgym/Accompaniment-v0": {"given": (0, 1, 2)},
    "musicgym/Infill-v0": {"given": (0, 1, 2), "blank": 1.0},
    "musicgym/ChordSymbols-v0": {"choice": musicgym.SymbolChoice(1)},
    "musicgym/Counterpoint-v0": {"cantus": (62, 65) * (LENGTH // 2 - 1) + (64, 62)},
}
every_id = pytest.mark.parametrize("id", [name for name in musicgym.task_ids() if name.startswith("musicgym/")])
every_observation = pytest.mark.parametrize("observation", OBSERVATIONS)
every_mode = pytest.mark.parametrize("mode", MODES)


def make(id, mode, observation="onehot", num_envs=4):
    fields = {"length": LENGTH, **SINGLE_STEPS.get(id, {})}
    return gym.make_vec(id, num_envs=num_envs, observation=observation, autoreset_mode=mode, **fields)


def play(env, mode, pieces=2):
    """Step through so many pieces a row; yields what every step returns. In mode DISABLED ended pieces are reset in between."""
    env.action_space.seed(7)
    yield env.reset(seed=7)
    for _ in range(pieces * (LENGTH + (mode is AutoresetMode.NEXT_STEP))):
        turn = env.step(env.action_space.sample())
        yield turn
        if mode is AutoresetMode.DISABLED and turn[2].any():
            yield env.reset(options={"reset_mask": turn[2].copy()})


@every_id
@every_mode
@every_observation
def test_record_episode_statistics_counts_every_step_and_reward_once(id, mode, observation):
    env = vector.RecordEpisodeStatistics(make(id, mode, observation))
    returns = np.zeros(4)
    for turn in play(env, mode, pieces=1):
        if len(turn) == 5:
            returns += turn[1]
            if turn[2].any():
                assert turn[4]["_episode"].all()
                np.testing.assert_array_equal(turn[4]["episode"]["l"], LENGTH)
                np.testing.assert_allclose(turn[4]["episode"]["r"], returns, rtol=1e-5)
    assert env.episode_count == 4
    assert list(env.length_queue) == [LENGTH] * 4


@every_id
@every_mode
def test_normalize_reward_runs(id, mode):
    env = vector.NormalizeReward(make(id, mode))
    rewards = np.array([turn[1] for turn in play(env, mode) if len(turn) == 5])
    assert np.isfinite(rewards).all()
    assert rewards.any()


@every_id
@every_mode
def test_dict_info_to_list_gives_each_piece_what_its_single_environment_says(id, mode):
    env = vector.DictInfoToList(make(id, mode))
    ended = np.zeros(4, bool)
    for turn in play(env, mode):
        infos = turn[-1]
        assert all(info["action_mask"].shape == (gym.spaces.flatdim(env.single_action_space),) for info in infos)
        if len(turn) == 5:
            began = ended if mode is AutoresetMode.NEXT_STEP else np.zeros(4, bool)
            for n, info in enumerate(infos):
                assert ("reward_terms" in info) == (not began[n])
                if "reward_terms" in info:
                    assert sum(info["reward_terms"].values()) == pytest.approx(turn[1][n], abs=1e-4)
                assert ("final_info" in info) == (mode is AutoresetMode.SAME_STEP and turn[2][n])
                if "final_info" in info:
                    assert info["final_info"]["reward_terms"] == info["reward_terms"]
            ended = turn[2]


@every_id
@every_observation
def test_normalize_observation_takes_next_step_alone(id, observation):
    env = vector.NormalizeObservation(make(id, AutoresetMode.NEXT_STEP, observation))
    for turn in play(env, AutoresetMode.NEXT_STEP):
        assert np.isfinite(turn[0]).all()
    for mode in (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED):
        with pytest.raises(ValueError, match="NEXT_STEP"):
            vector.NormalizeObservation(make(id, mode, observation))


@every_id
@every_observation
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_flatten_observation_gives_flat_rows(id, observation, mode):
    env = vector.FlattenObservation(make(id, mode, observation))
    width = gym.spaces.flatdim(make(id, mode, observation).single_observation_space)
    for turn in play(env, mode):
        assert turn[0].shape == (4, width)
        assert env.observation_space.contains(turn[0])


@every_id
def test_flatten_observation_refuses_same_step(id):
    with pytest.raises(ValueError, match="SAME_STEP"):
        vector.FlattenObservation(make(id, AutoresetMode.SAME_STEP))


@every_id
@every_mode
def test_a_reset_mask_reaches_the_environment_through_wrappers(id, mode):
    env = vector.RecordEpisodeStatistics(make(id, mode))
    env.action_space.seed(1)
    env.reset(seed=1)
    for _ in range(3):
        env.step(env.action_space.sample())
    env.reset(options={"reset_mask": np.array([True, False, False, True])})
    np.testing.assert_array_equal(env.episode_lengths, [0, 3, 3, 0])
    assert env.unwrapped.session.engine.pieces.cursor.tolist() == [0, 3, 3, 0]
