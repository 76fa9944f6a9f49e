"""Gymnasium's own checkers, unmodified, on every registered id and observation."""

import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils import performance
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.utils.env_match import check_environments_match

import musicgym
from musicgym.observation import OBSERVATIONS

IDS = [name for name in musicgym.task_ids() if name.startswith("musicgym/")]  # not those that other tests register
every_id = pytest.mark.parametrize("id", IDS)
every_observation = pytest.mark.parametrize("observation", OBSERVATIONS)


@every_id
@every_observation
@pytest.mark.parametrize("render_mode", [None, "ansi", "rgb_array", "human"])
def test_check_env_has_nothing_to_say(id, observation, render_mode):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(id, observation=observation, render_mode=render_mode).unwrapped)


@every_id
@every_observation
@pytest.mark.parametrize("render_mode", ["ansi", "rgb_array"])
def test_two_environments_of_one_id_match(id, observation, render_mode):
    first, second = (gym.make(id, observation=observation, render_mode=render_mode) for _ in range(2))
    check_environments_match(first, second, num_steps=80)


@every_id
@every_observation
def test_the_passive_checker_has_nothing_to_say(id, observation):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make(id, observation=observation, disable_env_checker=False, render_mode="rgb_array")
        env.action_space.seed(1)
        env.reset(seed=1)
        done = False
        while not done:
            _, _, done, _, _ = env.step(env.action_space.sample())
            env.render()


@every_id
@every_observation
def test_a_spec_survives_json(id, observation):
    env = gym.make(id, observation=observation, reward="2 * rl_tuner(form='fixed')", length=24)
    spec = gym.envs.registration.EnvSpec.from_json(env.spec.to_json())
    again = gym.make(spec)
    assert again.spec == env.spec
    check_environments_match(env, again, num_steps=30)


@every_id
def test_an_id_with_the_package_before_it_needs_no_import(id):
    code = (
        "import gymnasium as gym, sys\n"
        f"env = gym.make('musicgym:{id}')\n"
        f"batch = gym.make_vec('musicgym:{id}', num_envs=2)\n"
        "print(type(env.unwrapped).__name__, type(batch).__name__, env.spec.id)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == f"ComposeEnv ComposeVectorEnv {id}\n", done.stderr


@every_id
def test_making_environments_warns_of_nothing(id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gym.make(id).close()
        gym.make_vec(id, num_envs=2).close()
        gym.make_vec(id, num_envs=2, vectorization_mode="sync").close()


def trace(env, seed, steps):
    """All that a vector environment of fixed actions says, infos aside."""
    env.action_space.seed(seed)
    said = [env.reset(seed=seed)[0]]
    for _ in range(steps):
        said.extend(np.asarray(part) for part in env.step(env.action_space.sample())[:4])
    env.close()
    return said


def assert_same(first, second):
    """Two traces, array by array."""
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@every_id
@every_observation
def test_a_batch_plays_as_gymnasiums_batch_of_single_environments(id, observation):
    native = gym.make_vec(id, num_envs=3, observation=observation, autoreset_mode="next-step")
    singles = gym.make_vec(id, num_envs=3, observation=observation, vectorization_mode="sync")
    assert_same(trace(native, seed=5, steps=70), trace(singles, seed=5, steps=70))


@pytest.mark.slow
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_environments_work_in_other_processes(context):
    def make():
        return gym.make("musicgym:musicgym/Melody-v0", observation="tokens", key=("C major", "E minor"))

    away = gym.vector.AsyncVectorEnv([make] * 2, context=context)
    assert_same(trace(away, seed=3, steps=40), trace(gym.vector.SyncVectorEnv([make] * 2), seed=3, steps=40))


@pytest.mark.slow
def test_make_vec_makes_asynchronous_batches():
    native = gym.make_vec("musicgym/Melody-v0", num_envs=2, autoreset_mode="next-step")
    away = gym.make_vec("musicgym/Melody-v0", num_envs=2, vectorization_mode="async")
    assert_same(trace(native, seed=3, steps=40), trace(away, seed=3, steps=40))


@every_id
@pytest.mark.parametrize(
    "wrap",
    [
        gym.wrappers.RecordEpisodeStatistics,
        gym.wrappers.FlattenObservation,
        gym.wrappers.NormalizeReward,
        gym.wrappers.Autoreset,
        lambda env: gym.wrappers.TimeLimit(env, 6),
        lambda env: gym.wrappers.FrameStackObservation(env, 3),
    ],
)
@every_observation
def test_gymnasiums_wrappers_of_single_environments(id, observation, wrap):
    env = wrap(gym.make(id, observation=observation))
    env.action_space.seed(1)
    seen, _ = env.reset(seed=1)
    for _ in range(6):  # shorter than any piece of any task
        assert env.observation_space.contains(seen)
        seen, _, terminated, truncated, _ = env.step(env.action_space.sample())
        assert not terminated
    assert truncated == any(isinstance(layer, gym.wrappers.TimeLimit) for layer in layers(env))


def layers(env):
    """An environment and all that it wraps."""
    while isinstance(env, gym.Wrapper):
        yield env
        env = env.env


@every_id
@every_observation
def test_gymnasiums_performance_functions_run(id, observation):
    assert performance.benchmark_step(gym.make(id, observation=observation), target_duration=0.05, seed=1) > 0
    assert performance.benchmark_init(lambda: gym.make(id, observation=observation), target_duration=0.05, seed=1) > 0
    picture = gym.make(id, observation=observation, render_mode="rgb_array")
    picture.reset(seed=1)
    assert performance.benchmark_render(picture, target_duration=0.05) > 0
    if hasattr(performance, "benchmark_vector_step"):  # since Gymnasium 1.3
        for mode in ("next-step", "same-step", "disabled"):
            batch = gym.make_vec(id, num_envs=4, observation=observation, autoreset_mode=mode)
            assert performance.benchmark_vector_step(batch, target_duration=0.05, seed=1) > 0


@every_id
def test_the_same_seed_gives_the_same_infos(id):
    one, other = gym.make(id), gym.make(id)
    assert data_equivalence(one.reset(seed=9), other.reset(seed=9), exact=True)
    action = one.action_space.sample()
    assert data_equivalence(one.step(action), other.step(action), exact=True)
