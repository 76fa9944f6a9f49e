"""What `info` says of single environments and batches, in which types, and that a batch says what Gymnasium's own would."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import musicgym
from musicgym import ChordChoice, ComposeEnv, ComposeVectorEnv, NoteChoice, StepChoice, Task, rewards

TERMS = set(rewards.parse("theory").terms)  # of the default task
MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]
TASKS = {
    "steps": Task(length=6, key=("C major", "D minor", "F# dorian")),
    "notes": Task(NoteChoice(velocities=(60, 90)), length=9),
    "chords": Task(ChordChoice(), voices=4, length=4),
    "random order": Task(StepChoice(60, 71), voices=2, length=4, order="random"),
}


def test_a_single_environments_info_has_these_names_and_types():
    env = ComposeEnv()
    _, info = env.reset(seed=1)
    assert set(info) == {"action_mask", "illegal", "dead_end", "dead_ends"}
    assert info["action_mask"].dtype == np.int8
    assert info["action_mask"].shape == (38,)
    assert [type(info[name]) for name in ("illegal", "dead_end", "dead_ends")] == [int, bool, int]
    _, reward, terminated, truncated, info = env.step(14)
    assert set(info) == {"action_mask", "illegal", "dead_end", "dead_ends", "reward_terms"}
    assert set(info["reward_terms"]) == TERMS
    assert {type(value) for value in info["reward_terms"].values()} == {float}
    assert [type(value) for value in (reward, terminated, truncated)] == [float, bool, bool]


def test_the_reward_is_the_sum_of_its_terms():
    env, batch = ComposeEnv(), ComposeVectorEnv(num_envs=3)
    env.reset(seed=1)
    batch.reset(seed=1)
    env.action_space.seed(1)
    for _ in range(32):
        action = env.action_space.sample()
        _, reward, _, _, info = env.step(action)
        assert reward == pytest.approx(sum(info["reward_terms"].values()), abs=1e-5)
        _, paid, _, _, infos = batch.step([action] * 3)
        terms = infos["reward_terms"]
        np.testing.assert_allclose(paid, sum(terms[name] for name in TERMS), atol=1e-4)


def test_a_batchs_info_has_arrays_of_these_types():
    batch = ComposeVectorEnv(num_envs=5)
    _, infos = batch.reset(seed=1)
    assert infos["action_mask"].shape == (5, 38)
    seen, paid, terminated, truncated, infos = batch.step(np.zeros(5, np.int64))
    dtypes = {name: infos[name].dtype for name in ("action_mask", "illegal", "dead_end", "dead_ends")}
    assert dtypes == {"action_mask": np.int8, "illegal": np.int32, "dead_end": np.bool_, "dead_ends": np.int32}
    assert {infos["reward_terms"][name].dtype for name in TERMS} == {np.dtype(np.float32)}
    assert (seen.dtype, paid.dtype, terminated.dtype, truncated.dtype) == (np.uint8, np.float32, np.bool_, np.bool_)
    for name in ("action_mask", "illegal", "dead_end", "dead_ends", "reward_terms"):
        assert infos[f"_{name}"].tolist() == [True] * 5


def test_a_mask_forbids_a_hold_at_the_beginning_alone():
    env = ComposeEnv()
    _, info = env.reset(seed=1)
    assert info["action_mask"].tolist() == [1, 0] + [1] * 36
    *_, info = env.step(20)
    assert info["action_mask"].all()


def test_an_illegal_choice_is_repaired_and_counted():
    env = ComposeEnv()
    env.reset(seed=1)
    *_, info = env.step(1)  # a hold with nothing to hold
    assert info["illegal"] == 1
    *_, info = env.step(20)
    assert info["illegal"] == 1
    assert env.reset()[1]["illegal"] == 0


def test_a_single_environments_masks_of_several_factors_come_as_a_tuple_and_flat():
    env = ComposeEnv(TASKS["notes"])
    _, info = env.reset(seed=1)
    sizes = tuple(env.action_space.nvec)
    assert tuple(mask.shape[0] for mask in info["action_mask"]) == sizes
    assert env.action_masks().shape == (sum(sizes),)
    np.testing.assert_array_equal(np.concatenate(info["action_mask"]), env.action_masks())
    assert env.action_space.contains(env.action_space.sample(mask=info["action_mask"]))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["notes", "chords"])
def test_a_batchs_masks_of_several_factors_are_one_flat_array_that_gymnasium_takes_apart_by_piece(name, mode):
    env, single = ComposeVectorEnv(TASKS[name], num_envs=3, autoreset_mode=mode), ComposeEnv(TASKS[name])
    codes = int(single.action_space.nvec.sum())
    assert env.reset(seed=1)[1]["action_mask"].dtype == np.int8
    listed = gym.wrappers.vector.DictInfoToList(env)
    listed.action_space.seed(1)
    _, infos = listed.reset(seed=1)
    ended = finals = 0
    for _ in range(12):
        for row, info in enumerate(infos):
            assert info["action_mask"].shape == (codes,)
            np.testing.assert_array_equal(info["action_mask"], env.action_masks()[row])
        *_, terminated, _, infos = listed.step(listed.action_space.sample())
        ended += terminated.any()
        for info in infos:
            finals += "final_info" in info
            assert "final_info" not in info or info["final_info"]["action_mask"].shape == (codes,)
        if mode is AutoresetMode.DISABLED and terminated.any():
            _, infos = listed.reset(options={"reset_mask": np.ones(3, bool)})
    assert ended
    assert (finals > 0) == (mode is AutoresetMode.SAME_STEP)


def test_a_single_environments_first_mask_is_the_batchs_row():
    single, batch = ComposeEnv(TASKS["notes"]), ComposeVectorEnv(TASKS["notes"], num_envs=2)
    (_, info), (_, infos) = single.reset(seed=1), batch.reset(seed=1)
    np.testing.assert_array_equal(np.concatenate(info["action_mask"]), infos["action_mask"][0])


def test_action_masks_agree_with_the_info_in_both_environments():
    env, batch = ComposeEnv(), ComposeVectorEnv(num_envs=3)
    _, info = env.reset(seed=1)
    _, infos = batch.reset(seed=1)
    assert env.action_masks().dtype == batch.action_masks().dtype == np.bool_
    np.testing.assert_array_equal(env.action_masks(), info["action_mask"])
    np.testing.assert_array_equal(batch.action_masks(), infos["action_mask"])


def test_masks_keep_their_values_when_the_environment_goes_on():
    batch = ComposeVectorEnv(num_envs=2)
    batch.reset(seed=1)
    before = batch.action_masks()
    kept = before.copy()
    batch.step(np.array([20, 20]))
    np.testing.assert_array_equal(before, kept)


def assert_says(ours, theirs, at=""):
    """Whatever Gymnasium's batch says of a piece, ours says too."""
    for name, value in theirs.items():
        if name.startswith("_"):
            continue
        mask = theirs[f"_{name}"]
        assert ours[f"_{name}"][mask].all(), f"{at}{name}: not said of pieces {np.flatnonzero(mask & ~ours['_' + name])}"
        if isinstance(value, dict):
            assert_says(ours[name], value, f"{at}{name}.")
        elif value.dtype == object and isinstance(value[np.flatnonzero(mask)[0]], tuple):  # a mask for each factor: ours are flat
            for row in np.flatnonzero(mask):
                np.testing.assert_array_equal(ours[name][row], np.concatenate(value[row]))
        else:
            for row in np.flatnonzero(mask):
                np.testing.assert_allclose(ours[name][row], value[row], rtol=1e-6, err_msg=f"{at}{name}")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", TASKS)
def test_a_batch_says_what_gymnasiums_batch_of_singles_says(name, mode):
    task, n = TASKS[name], 3
    batch = ComposeVectorEnv(task, n, observation="tokens", autoreset_mode=mode)
    singles = SyncVectorEnv([lambda: ComposeEnv(task, observation="tokens")] * n, autoreset_mode=mode)
    batch.action_space.seed(5)
    (seen, infos), (seen_there, infos_there) = batch.reset(seed=11), singles.reset(seed=11)
    np.testing.assert_array_equal(seen, seen_there)
    assert_says(infos, infos_there)
    for _ in range(30):
        actions = batch.action_space.sample()
        *turn, infos = batch.step(actions)
        *turn_there, infos_there = singles.step(actions)
        for ours, theirs in zip(turn, turn_there, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)
        assert_says(infos, infos_there)
        assert set(infos_there) <= set(infos)
        assert ("final_obs" in infos) == ("final_obs" in infos_there)
        if "final_obs" in infos:
            assert infos["final_obs"].dtype == infos_there["final_obs"].dtype == object
            assert [x is None for x in infos["final_obs"]] == [x is None for x in infos_there["final_obs"]]
            np.testing.assert_array_equal(infos["_final_obs"], infos_there["_final_obs"])
            np.testing.assert_array_equal(infos["_final_info"], infos_there["_final_info"])
        if mode is AutoresetMode.DISABLED and turn[2].any():
            ours = batch.reset(options={"reset_mask": turn[2].copy()})
            theirs = singles.reset(options={"reset_mask": turn[2].copy()})
            np.testing.assert_array_equal(ours[0], theirs[0])
            assert_says(ours[1], theirs[1])


def test_terms_are_of_the_transition_just_taken_where_a_new_piece_began_too():
    batch = gym.make_vec("musicgym/Melody-v0", num_envs=2, length=3)
    batch.reset(seed=1)
    for _ in range(3):
        _, paid, terminated, _, infos = batch.step(np.array([14, 1]))
        terms = infos["reward_terms"]
        np.testing.assert_allclose(paid, sum(terms[name] for name in TERMS), atol=1e-5)
    assert terminated.all()
    assert infos["_reward_terms"].all()
    for name in TERMS:
        np.testing.assert_array_equal(infos["final_info"]["reward_terms"][name], terms[name])
    assert all((score.pitch == musicgym.BLANK).all() for score in batch.unwrapped.scores())


def test_the_step_that_begins_a_new_piece_in_next_step_mode_ignores_the_action_and_pays_nothing():
    batch = ComposeVectorEnv(num_envs=2, length=2, autoreset_mode="next-step")
    begun, _ = batch.reset(seed=1)
    for _ in range(2):
        *_, terminated, _, _ = batch.step(np.array([14, 14]))
    assert terminated.all()
    seen, paid, terminated, _, infos = batch.step(np.array([20, 30]))
    np.testing.assert_array_equal(seen, begun)
    assert not paid.any()
    assert not terminated.any()
    assert not infos["_reward_terms"].any()
    assert not infos["illegal"].any()
