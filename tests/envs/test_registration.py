"""A user's own task: registered once, known everywhere."""

import subprocess
import sys

import gymnasium as gym
import pytest

import musicgym
from musicgym import NoteChoice, StepChoice, Task
from musicgym.registration import _TASKS, registered


@pytest.fixture
def clean():
    """Forgets what the test registers."""
    known = dict(_TASKS)
    yield
    for id in set(_TASKS) - set(known):
        gym.registry.pop(id, None)
        del _TASKS[id]


def test_a_task_is_known_to_make_and_make_vec(clean):
    musicgym.register("lab/Blues-v0", Task(NoteChoice(), length=12, key="Bb major"), reward="rl_tuner(form='fixed')")
    env, batch = gym.make("lab/Blues-v0"), gym.make_vec("lab/Blues-v0", num_envs=3, length=20)
    env.reset(seed=1)
    batch.reset(seed=1)
    assert (env.unwrapped.score.steps, env.unwrapped.score.key) == (12, "Bb major")
    assert batch.unwrapped.scores()[0].steps == 20
    assert "lab/Blues-v0" in musicgym.task_ids()


def test_a_function_of_arguments_makes_tasks(clean):
    def scale(top=60):
        return Task(StepChoice(48, top), length=4)

    musicgym.register("lab/Scale-v3", scale)
    assert gym.make("lab/Scale-v3", top=72).action_space.n == 27
    with pytest.raises(TypeError, match=r"lab/Scale-v3: .*bottom"):
        gym.make("lab/Scale-v3", bottom=40)


def test_a_field_that_tasks_do_not_have_is_named(clean):
    musicgym.register("lab/Plain-v0", Task())
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'lenght': did you mean length"):
        gym.make("lab/Plain-v0", lenght=8)


@pytest.mark.parametrize("id", ["", "a/b/c-v0", "lab/Blues v0!", 5, None])
def test_a_malformed_id_is_named(id, clean):
    with pytest.raises(ValueError, match="expected the form 'namespace/Name-v0'"):
        musicgym.register(id, Task())
    assert id not in _TASKS


@pytest.mark.parametrize("task", [5, None, "musicgym/Melody-v0"])
def test_what_is_no_task_is_refused_at_once(task, clean):
    with pytest.raises(TypeError, match=r"register\('lab/No-v0'\): task is a .*: expected a musicgym.Task or a function"):
        musicgym.register("lab/No-v0", task)
    assert "lab/No-v0" not in gym.registry


def test_a_function_that_makes_no_task_is_named(clean):
    musicgym.register("lab/Five-v0", lambda: 5)
    with pytest.raises(TypeError, match="lab/Five-v0: its function made a int"):
        gym.make("lab/Five-v0")


def test_a_reward_that_is_unknown_is_named_when_the_environment_is_made(clean):
    musicgym.register("lab/Unpaid-v0", Task(), reward="rl_tunr")
    with pytest.raises(ValueError, match="did you mean rl_tuner"):
        gym.make("lab/Unpaid-v0")
    assert gym.make("lab/Unpaid-v0", reward="rl_tuner").reset(seed=1)


def test_registering_an_id_again_replaces_it_and_gymnasium_warns(clean):
    musicgym.register("lab/Twice-v0", Task(length=4))
    with pytest.warns(UserWarning, match="Overriding environment lab/Twice-v0"):
        musicgym.register("lab/Twice-v0", Task(length=6))
    env = gym.make("lab/Twice-v0")
    env.reset(seed=1)
    assert env.unwrapped.score.steps == 6


def test_the_nearest_ids_are_named(clean):
    with pytest.raises(ValueError, match="did you mean musicgym/Melody-v0"):
        registered("musicgym/melody-v0")


def test_importing_twice_registers_once_and_silently():
    code = (
        "import warnings; warnings.simplefilter('error'); import musicgym, importlib; importlib.import_module('musicgym.tasks')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
