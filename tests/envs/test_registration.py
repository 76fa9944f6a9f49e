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
    with pytest.raises(TypeError, match=r"lab/Scale-v3 got .*bottom.*there are top"):
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


@pytest.mark.parametrize(
    ("id", "arguments"),
    [
        ("musicgym/Chorale-v0", {"given": (), "ranges": ((57, 81), (53, 74), (48, 69), (36, 64)), "meter": (3, 4)}),
        ("musicgym/Chorale-v0", {"given": (0, 3), "forbid": ("parallel_fifths",), "key": ("C major", "A minor")}),
        ("musicgym/Counterpoint-v0", {"voices": 3, "range": ((60, 84), (55, 77)), "cantus": (62, 65, 64, 62)}),
        ("musicgym/Counterpoint-v0", {"rhythm": (("n", "n", "n"), ())}),
        ("musicgym/ChordSymbols-v0", {"range": (60, 79), "programs": (0, 1, 2, 3, 4)}),
        ("musicgym/Infill-v0", {"given": (1,), "meter": None}),
        ("musicgym/ExpressiveMelody-v0", {"durations": (1, 2), "velocities": (40, 80), "range": (60, 72)}),
    ],
)
def test_a_spec_is_the_same_environment_after_json(id, arguments):
    spec = gym.make(id, **arguments).spec
    back = gym.make(gym.envs.registration.EnvSpec.from_json(spec.to_json()))
    assert back.unwrapped.session.task == gym.make(spec).unwrapped.session.task


def test_files_are_given_by_name_so_that_specs_with_music_go_through_json(tmp_path):
    path = str(tmp_path / "cantus.mid")
    cantus = musicgym.Score.from_notes([[(16 * bar, 16, pitch, 80) for bar, pitch in enumerate((62, 65, 64, 62))]])
    cantus.to_midi(path)
    for given in (path, [path], tmp_path / "cantus.mid", [tmp_path / "cantus.mid", cantus]):
        env = gym.make("musicgym/Counterpoint-v0", given=given)
        env.reset(seed=1)
        assert ([note.pitch for note in env.unwrapped.score.notes(1)], env.unwrapped.score.key) == ([62, 65, 64, 62], "D dorian")
    spec = gym.make("musicgym/Counterpoint-v0", given=[path]).spec
    env = gym.make(gym.envs.registration.EnvSpec.from_json(spec.to_json()))
    env.reset(seed=1)
    assert [note.pitch for note in env.unwrapped.score.notes(1)] == [62, 65, 64, 62]


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


def test_an_argument_of_another_task_brings_up_the_tasks_own_name_for_it():
    with pytest.raises(TypeError, match=r"Chorale-v0 got an unexpected keyword argument 'range': did you mean ranges"):
        gym.make("musicgym/Chorale-v0", range=(50, 60))
