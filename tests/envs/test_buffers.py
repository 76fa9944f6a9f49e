"""What belongs to the caller and what to the environment."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from musicgym import ComposeEnv, ComposeVectorEnv
from musicgym.observation import OBSERVATIONS

MODES = ["same-step", "next-step", "disabled"]


def arrays(value):
    """All arrays in what a step returned."""
    if isinstance(value, np.ndarray):
        yield value
        if value.dtype == object:
            yield from (item for item in value if isinstance(item, np.ndarray))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from arrays(inner)
    elif isinstance(value, (tuple, list)):
        for inner in value:
            yield from arrays(inner)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_nothing_that_was_returned_changes_later(mode, observation):
    batch = ComposeVectorEnv(num_envs=4, length=6, observation=observation, autoreset_mode=mode)
    batch.action_space.seed(3)
    kept = [batch.reset(seed=3)]
    for _ in range(14):
        turn = batch.step(batch.action_space.sample())
        kept.append(turn)
        if mode == "disabled" and turn[2].any():
            kept.append(batch.reset(options={"reset_mask": turn[2]}))
        if len(kept) == 3:
            snapshot = [array.copy() for array in arrays(kept)]
    for array, before in zip(arrays(kept[:3]), snapshot, strict=True):
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("mode", MODES)
def test_no_two_returns_share_memory(mode):
    batch = ComposeVectorEnv(num_envs=3, length=2, autoreset_mode=mode)
    batch.reset(seed=1)
    first = [array for array in arrays(batch.step([14, 20, 30])) if array.flags.writeable]
    second = [array for array in arrays(batch.step([14, 20, 30])) if array.flags.writeable]
    assert not any(np.shares_memory(a, b) for a in first for b in second if a.dtype != object)


def test_writing_into_what_was_returned_changes_nothing():
    batch, other = (ComposeVectorEnv(num_envs=3, length=5) for _ in range(2))
    batch.reset(seed=1)
    other.reset(seed=1)
    for action in range(4, 12):
        turn, expected = batch.step([action] * 3), other.step([action] * 3)
        np.testing.assert_array_equal(turn[0], expected[0])
        np.testing.assert_array_equal(turn[1], expected[1])
        for array in arrays(turn):
            if array.flags.writeable and array.dtype != object:
                array[...] = 1


def test_without_copies_the_same_buffers_are_handed_out():
    batch = ComposeVectorEnv(num_envs=3, copy=False)
    reference = ComposeVectorEnv(num_envs=3)
    seen, infos = batch.reset(seed=1)
    reference.reset(seed=1)
    for action in (14, 1, 20):
        later, rewards, *_, later_infos = batch.step([action] * 3)
        expected = reference.step([action] * 3)
        assert later is seen or np.shares_memory(later, seen)
        assert np.shares_memory(later_infos["action_mask"], infos["action_mask"])
        np.testing.assert_array_equal(later, expected[0])
        np.testing.assert_array_equal(rewards, expected[1])
        np.testing.assert_array_equal(later_infos["action_mask"], expected[-1]["action_mask"])


def test_final_observations_are_copies_even_without_copies():
    batch = ComposeVectorEnv(num_envs=2, length=2, copy=False)
    batch.reset(seed=1)
    batch.step([14, 20])
    *_, infos = batch.step([14, 20])
    final = [row.copy() for row in infos["final_obs"]]
    batch.step([30, 31])
    for row, before in zip(infos["final_obs"], final, strict=True):
        np.testing.assert_array_equal(row, before)


def test_a_single_environment_hands_out_fresh_arrays():
    env = ComposeEnv()
    first, info = env.reset(seed=1)
    kept, mask = first.copy(), info["action_mask"].copy()
    env.step(20)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(info["action_mask"], mask)


def test_actions_are_not_kept_or_changed():
    batch, other = (ComposeVectorEnv(num_envs=3) for _ in range(2))
    batch.reset(seed=1)
    other.reset(seed=1)
    actions = np.array([14, 15, 16])
    batch.step(actions)
    assert actions.tolist() == [14, 15, 16]
    actions[:] = 30
    other.step([14, 15, 16])
    np.testing.assert_array_equal(batch.step([1, 1, 1])[0], other.step([1, 1, 1])[0])


def test_metadata_belongs_to_each_environment():
    batches = [ComposeVectorEnv(num_envs=2, autoreset_mode=mode) for mode in MODES]
    expected = [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED]
    assert [batch.metadata["autoreset_mode"] for batch in batches] == expected
    assert [batch.autoreset_mode for batch in batches] == expected
    assert ComposeVectorEnv.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert len({id(batch.metadata) for batch in batches}) == 3


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, "next-step", "NextStep", "next_step", "NEXT_STEP"])
def test_a_mode_may_be_written_in_several_ways(mode):
    assert ComposeVectorEnv(num_envs=1, autoreset_mode=mode).autoreset_mode is AutoresetMode.NEXT_STEP


def test_two_environments_share_no_state():
    one, other = ComposeVectorEnv(num_envs=2), ComposeVectorEnv(num_envs=2)
    one.reset(seed=1)
    other.reset(seed=1)
    for action in (14, 20, 25):
        one.step([action] * 2)
    assert all((score.pitch == -2).all() for score in other.scores())


def test_environments_can_be_left_open_or_closed_twice():
    env, batch = ComposeEnv(), ComposeVectorEnv(num_envs=2)
    for _ in range(2):
        env.close()
        batch.close()


def test_a_score_taken_from_an_environment_stays_as_it_was():
    env = gym.make("musicgym/Melody-v0")
    env.reset(seed=1)
    env.step(14)
    score = env.unwrapped.score
    kept = copy.deepcopy(score)
    env.step(30)
    env.reset()
    assert score == kept


def test_a_spec_pickles():
    spec = gym.make("musicgym/Melody-v0", length=20).spec
    assert pickle.loads(pickle.dumps(spec)) == spec
