"""The SB3 adapter keeps what SB3 and sb3-contrib expect of a `VecEnv`."""

import numpy as np
import pytest
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecMonitor

import musicgym
from musicgym import rewards
from musicgym.agents.sb3 import ComposeVecEnv, make_vec_env

MELODY = "musicgym/Melody-v0"


def played(env, steps, seed=0):
    """Random legal play: a list of what each step returned."""
    rng = np.random.default_rng(seed)
    env.reset()
    out = []
    for _ in range(steps):
        masks = get_action_masks(env)
        out.append(env.step((rng.random(masks.shape) * masks).argmax(axis=1)))
    return out


def test_a_step_gives_fresh_uint8_observations_float32_rewards_and_bool_ends():
    env = make_vec_env(MELODY, 3, seed=1)
    first = env.reset()
    kept = first.copy()
    observations, returned, dones, infos = env.step(np.array([5, 6, 7]))
    assert (observations.dtype, returned.dtype, dones.dtype) == (np.uint8, np.float32, np.bool_)
    assert observations.shape == (3, *env.observation_space.shape)
    assert isinstance(infos, list)
    assert len(infos) == 3
    np.testing.assert_array_equal(first, kept)  # SB3 stores it only now
    assert not np.shares_memory(first, observations)


def test_it_plays_as_gymnasiums_batch_does():
    env, batch = make_vec_env(MELODY, 4, seed=3, length=8), musicgym.ComposeVectorEnv(MELODY, 4, length=8)
    np.testing.assert_array_equal(env.reset(), batch.reset(seed=3)[0])
    rng = np.random.default_rng(0)
    for _ in range(20):
        actions = rng.integers(0, 38, 4)
        mine, theirs = env.step(actions), batch.step(actions)
        np.testing.assert_array_equal(mine[0], theirs[0])
        np.testing.assert_array_equal(mine[1], theirs[1])
        np.testing.assert_array_equal(mine[2], theirs[2])
        if mine[2].any():
            for row in range(4):
                np.testing.assert_array_equal(mine[3][row]["terminal_observation"], theirs[4]["final_obs"][row])


def test_a_finished_piece_reports_its_end_its_return_and_its_terms():
    env = make_vec_env(MELODY, 5, reward="rl_tuner", length=9, seed=2)
    steps = played(env, 9)
    total = np.sum([step[1] for step in steps], axis=0)
    for row, info in enumerate(steps[-1][3]):
        assert info["TimeLimit.truncated"] is False
        assert info["episode"]["l"] == 9
        assert info["episode"]["r"] == pytest.approx(total[row], abs=1e-4)
        assert sum(info["episode_terms"].values()) == pytest.approx(total[row], abs=1e-4)
        assert tuple(info["episode_terms"]) == rewards.parse("rl_tuner").terms


def test_terms_of_one_piece_do_not_leak_into_the_next():
    env = make_vec_env(MELODY, 2, length=6, seed=2)
    steps = played(env, 12)
    second = np.sum([step[1] for step in steps[6:]], axis=0)
    assert [sum(info["episode_terms"].values()) for info in steps[-1][3]] == pytest.approx(second.tolist(), abs=1e-4)


def test_infos_speak_of_an_end_once_and_what_was_handed_out_stays():
    env = make_vec_env(MELODY, 2, length=4)
    steps = played(env, 6)
    assert all("terminal_observation" in info for info in steps[3][3])
    assert [steps[i][3] for i in (0, 1, 2, 4, 5)] == [[{}, {}]] * 5


def test_the_terminal_observation_is_a_copy_of_its_own():
    env = make_vec_env(MELODY, 2, length=4)
    steps = played(env, 4)
    seen, infos = steps[-1][0], steps[-1][3]
    first, second = (info["terminal_observation"] for info in infos)
    kept = first.copy()
    second[:] = 99
    seen[:] = 99
    env.step(np.array([3, 3]))
    np.testing.assert_array_equal(first, kept)


def test_masks_come_stacked_as_bool_for_all_or_some():
    env = make_vec_env(MELODY, 3)
    env.reset()
    masks = env.env_method("action_masks")
    assert (masks.dtype, masks.shape) == (np.bool_, (3, 38))
    assert not masks[:, 1].any()  # nothing to hold yet
    assert env.env_method("action_masks", indices=[2]).shape == (1, 38)
    assert is_masking_supported(env)
    np.testing.assert_array_equal(get_action_masks(env), masks)


def test_a_seed_decides_what_is_drawn_and_is_used_once():
    pages = {"key": ("C major", "G major", "A minor", "F major", "D dorian")}
    env = make_vec_env(MELODY, 8, seed=4, **pages)
    first = env.reset()
    assert not np.array_equal(first, env.reset())
    assert env.seed(4) == list(range(4, 12))
    np.testing.assert_array_equal(env.reset(), first)


def test_options_reach_the_pieces_that_they_are_for():
    env = make_vec_env(MELODY, 3, seed=1)
    env.set_options([{}, {"key": "E minor"}, {}])
    env.reset()
    assert [score.key for score in env.get_attr("score")] == ["C major", "E minor", "C major"]
    env.reset()
    assert [score.key for score in env.get_attr("score")] == ["C major"] * 3


def test_attributes_are_the_batchs():
    env = make_vec_env(MELODY, 3, render_mode="rgb_array")
    assert env.get_attr("render_mode") == ["rgb_array"] * 3
    assert env.get_attr("num_envs", indices=[0, 2]) == [3, 3]
    assert not env.has_attr("nonsense")
    env.set_attr("mood", "calm")
    assert env.get_attr("mood", indices=1) == ["calm"]
    with pytest.raises(ValueError, match="share their attributes"):
        env.set_attr("mood", "wild", indices=[1])
    with pytest.raises(AttributeError, match="action_masks and render"):
        env.env_method("sing")
    assert env.env_is_wrapped(Monitor, indices=[0, 1]) == [False, False]
    assert isinstance(env, VecMonitor)


def test_pictures_of_all_pieces_are_tiled():
    env = make_vec_env(MELODY, 5, render_mode="rgb_array", length=8)
    played(env, 3)
    images = env.get_images()
    assert len(images) == 5
    assert {image.shape for image in images} == {images[0].shape}
    assert env.render().shape[0] > images[0].shape[0]


def test_without_a_render_mode_there_are_no_pictures():
    assert list(make_vec_env(MELODY, 2).get_images()) == [None, None]


def test_a_blind_agent_sees_zeros_and_nothing_else_changes():
    seeing, blind = (make_vec_env(MELODY, 4, length=8, seed=5, blind=b) for b in (False, True))
    assert not blind.reset().any()
    for mine, theirs in zip(played(blind, 16), played(seeing, 16), strict=True):
        assert not mine[0].any()
        np.testing.assert_array_equal(mine[1], theirs[1])
        for info, other in zip(mine[3], theirs[3], strict=True):
            assert info.keys() == other.keys()
            assert not info.get("terminal_observation", np.zeros(1)).any()


def test_a_saved_state_goes_on_as_the_original_in_another_environment():
    env = make_vec_env(MELODY, 3, length=12, seed=6, key=("C major", "G major"))
    played(env, 7)
    state = env.unwrapped.state()
    other = make_vec_env(MELODY, 3, length=12, seed=77, key=("C major", "G major"))
    other.reset()
    other.unwrapped.load_state(state)
    rng = np.random.default_rng(1)
    for _ in range(30):  # over several ends
        actions = rng.integers(0, 38, 3)
        one, two = env.step(actions), other.step(actions)
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])
        assert [i.get("episode_terms") for i in one[3]] == [i.get("episode_terms") for i in two[3]]


def test_a_state_of_another_size_is_refused():
    state = make_vec_env(MELODY, 3, reward="rl_tuner").unwrapped.state()
    with pytest.raises(ValueError, match=r"expected \(9, 2\)"):
        make_vec_env(MELODY, 2, reward="rl_tuner").unwrapped.load_state(state)


@pytest.mark.parametrize("kept", [{"autoreset_mode": "next-step"}, {"copy": False}])
def test_batches_that_would_mislead_sb3_are_refused(kept):
    with pytest.raises(ValueError, match=r"SAME_STEP mode with copy=True"):
        ComposeVecEnv(musicgym.ComposeVectorEnv(MELODY, 2, **kept))


def test_an_unknown_task_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean musicgym/Melody-v0"):
        make_vec_env("musicgym/Melodie-v0", 2)


@pytest.mark.parametrize("observation", ["onehot", "tokens", "pianoroll"])
def test_maskable_ppo_learns_on_it(observation):
    env = make_vec_env(MELODY, 4, observation=observation, length=8)
    model = MaskablePPO("MlpPolicy", env, n_steps=8, batch_size=16, n_epochs=1, seed=0, device="cpu").learn(64)
    assert model.num_timesteps == 64
    assert len(model.ep_info_buffer) == 8
