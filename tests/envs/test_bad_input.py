"""Every bad argument, action, option and seed gets an error that names it and says what was expected."""

import gymnasium as gym
import numpy as np
import pytest

import musicgym
from musicgym import ComposeEnv, ComposeVectorEnv, NoteChoice, Score, Task

MELODY = "musicgym/Melody-v0"


@pytest.mark.parametrize("make", [ComposeEnv, ComposeVectorEnv])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reward": "rl_tunr"}, "unknown reward or rule 'rl_tunr'.*did you mean rl_tuner"),
        ({"reward": "rl_tuner(form='flawless')"}, "flawless"),
        ({"reward": "3"}, "expected a reward's name"),
        ({"reward": "rl_tuner +"}, "no expression"),
        ({"reward": "rl_tuner.melody"}, "has no term 'melody'.*leap"),
        ({"task": "musicgym/Melodie-v0"}, "unknown task 'musicgym/Melodie-v0': did you mean musicgym/Melody-v0"),
        ({"task": "xyz"}, "unknown task 'xyz': registered are .*musicgym/Melody-v0"),
        ({"observation": "pixels"}, "observation='pixels': expected one of onehot, tokens, pianoroll"),
        ({"observation": None}, "observation=None: expected one of"),
        ({"forbid": None}, r"Task\(forbid=None\): expected a tuple"),
        ({"source": 5}, r"Task\(source=5\): expected names of corpora as text"),
        ({"window": 0}, r"window=0: expected 1\.\.1024"),
        ({"window": 2.5}, r"window=2.5: expected 1\.\.1024"),
        ({"window": "8"}, r"window='8': expected 1\.\.1024"),
        ({"render_mode": "rgb"}, "render_mode='rgb': expected one of .*'rgb_array'"),
        ({"given": "tune.mid"}, "given='tune.mid': .*there is no such file"),
        ({"given": ["tune.txt"]}, "given='tune.txt': .*there is no such file"),
        ({"forbid": (5,)}, r"forbid=\(5,\)\): expected names of rules"),
        ({"blank": "x"}, r"blank='x'\): expected a share within"),
        ({"blank": None}, r"blank=None\): expected a share within"),
        ({"task": "musicgym/Infill-v0", "blank": "x"}, r"blank='x'\): expected a share within"),
        ({"task": "musicgym/Chorale-v0", "steps_per_quarter": "4"}, "steps_per_quarter='4': expected a number of steps"),
        ({"task": "musicgym/Chorale-v0", "steps_per_quarter": "4", "bars": None}, "steps_per_quarter='4': expected a number"),
        ({"task": "musicgym/Chorale-v0", "meter": "4/4"}, r"meter='4/4': expected \(beats, unit\), two whole numbers"),
        ({"task": "musicgym/Chorale-v0", "meter": ("4", 4)}, r"meter=\('4', 4\): expected \(beats, unit\)"),
        ({"task": "musicgym/ChordSymbols-v0", "meter": None}, r"meter=None: expected \(beats, unit\), two whole numbers"),
        ({"given": [Score.blank(2, 8)]}, "given score has 2 voices: expected 1 voices"),
        ({"length": 0}, r"length=0\): expected 1 step or more"),
        ({"length": 40_000}, r"length=40000\): expected voices \* length below 32768"),
        ({"length": 2.5}, r"length=2.5\): expected a whole number"),
        ({"length": "8"}, r"length='8'\): expected a whole number"),
        ({"length": None}, r"length=None\): expected a number of steps"),
        ({"range": (60, 50)}, r"low=60, high=50\): low must be below high"),
        ({"range": (0, 200)}, r"low=0, high=200"),
        ({"range": (60,)}, r"range=\(60,\): expected \(lowest, highest\)"),
        ({"range": 60}, r"range=60: expected \(lowest, highest\)"),
        ({"range": ("C3", "C4")}, "low=C3, high=C4"),
        ({"key": "H major"}, "key 'H major': expected a tonic and a mode"),
        ({"key": ()}, r"key=\(\)\): expected a key's name"),
        ({"key": ("C major", 3)}, "key 3: expected a tonic and a mode"),
        ({"key": 3}, "key=3"),
        ({"meter": (0, 4)}, "0/4"),
        ({"meter": (4, 3)}, "4/3"),
        ({"meter": "4/4"}, "meter='4/4'"),
        ({"meter": (4,)}, r"meter=\(4,\)"),
        ({"steps_per_quarter": 0}, "steps_per_quarter=0"),
        ({"steps_per_quarter": 2.5}, "steps_per_quarter=2.5"),
        ({"voices": 0}, "voices=0"),
        ({"order": "backwards"}, "order='backwards'.*'time', 'voice' or 'random'"),
        ({"velocity": 0}, "velocity=0"),
        ({"tempo": "fast"}, "tempo='fast'"),
        ({"source": "beatles"}, "beatles"),
    ],
)
def test_a_bad_argument_is_named(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


@pytest.mark.parametrize("make", [ComposeEnv, ComposeVectorEnv])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reward": 3}, "reward is a int: expected"),
        ({"task": 3}, "task is a int: expected a musicgym.Task"),
        ({"given": 3}, "given is a int.*expected a list of musicgym.Score"),
        ({"given": ["tune.mid", 3]}, "expected a list of musicgym.Score"),
        ({"lenght": 3}, "lenght"),
    ],
)
def test_an_argument_of_a_wrong_type_is_named(make, arguments, message):
    with pytest.raises(TypeError, match=message):
        make(**arguments)


@pytest.mark.parametrize("mode", ["none", None, 3, "", "same-step-mode-please"])
def test_a_bad_autoreset_mode_is_named(mode):
    with pytest.raises(ValueError, match=r"autoreset_mode=.*'same-step', 'next-step' or 'disabled'"):
        gym.make_vec(MELODY, num_envs=2, autoreset_mode=mode)


@pytest.mark.parametrize("num_envs", [0, -1, 2.5, "3", None, True])
def test_a_bad_number_of_pieces_is_named(num_envs):
    with pytest.raises(ValueError, match=f"{num_envs!r} pieces: expected a whole number"):
        ComposeVectorEnv(num_envs=num_envs)


def test_a_batch_has_no_human_render_mode():
    with pytest.raises(ValueError, match="render_mode='human'"):
        gym.make_vec(MELODY, num_envs=2, render_mode="human")


def test_gymnasium_names_the_nearest_id():
    with pytest.raises(gym.error.NameNotFound, match="Did you mean: `Melody`"):
        gym.make("musicgym/Melodie-v0")


@pytest.mark.parametrize("action", [1.0, np.float32(1), "3", None, True, np.bool_(True), {}, [], [None], 3 + 0j])
def test_an_action_of_a_wrong_type_is_refused(action):
    env = ComposeEnv()
    env.reset(seed=1)
    with pytest.raises(TypeError, match=r"actions have dtype .*: expected integers"):
        env.step(action)


@pytest.mark.parametrize("action", [-1, 38, 10**30, -(10**30), np.int64(38), np.int8(-1), np.uint8(200), np.array(99)])
def test_an_action_out_of_range_is_named(action):
    env = ComposeEnv()
    env.reset(seed=1)
    with pytest.raises(ValueError, match=f"action {action}.*: expected 0..37"):
        env.step(action)


@pytest.mark.parametrize("action", [[3, 4], np.zeros((1, 1), int), np.zeros((2, 1), int)])
def test_an_action_of_a_wrong_shape_is_refused(action):
    env = ComposeEnv()
    env.reset(seed=1)
    with pytest.raises(ValueError, match=r"actions have shape .*: expected \(1,\)"):
        env.step(action)


@pytest.mark.parametrize(
    "actions", [[1.0, 2, 3], ["1", "2", "3"], None, [1, 2, None], np.zeros(3, bool), [2**70, 1, 1], np.zeros(3, "datetime64[s]")]
)
def test_actions_of_a_wrong_type_are_refused(actions):
    batch = ComposeVectorEnv(num_envs=3)
    batch.reset(seed=1)
    with pytest.raises(TypeError, match=r"actions have dtype .*: expected integers"):
        batch.step(actions)


@pytest.mark.parametrize("actions", [5, [1, 2], [1, 2, 3, 4], [[1, 2], [3, 4], [5, 6]], np.zeros((3, 1, 1), int)])
def test_actions_of_a_wrong_shape_are_refused(actions):
    batch = ComposeVectorEnv(num_envs=3)
    batch.reset(seed=1)
    with pytest.raises(ValueError, match=r"actions have shape .*: expected \(3,\)"):
        batch.step(actions)


@pytest.mark.parametrize(("actions", "row"), [([1, 2, 38], 2), ([14, -1, 99], 1), (np.array([2**63, 1, 1], np.uint64), 0)])
def test_the_first_action_out_of_range_is_named_with_its_piece(actions, row):
    batch = ComposeVectorEnv(num_envs=3)
    batch.reset(seed=1)
    with pytest.raises(ValueError, match=rf"action .* of piece {row} .*: expected 0\.\.37"):
        batch.step(actions)


@pytest.mark.parametrize("action", [3, [3], [3, 1], [3, 1, 0, 0]])
def test_an_action_with_other_factors_is_refused(action):
    env = ComposeEnv(Task(NoteChoice()))
    env.reset(seed=1)
    with pytest.raises(ValueError, match=r"expected \(1, 3\)"):
        env.step(action)


def test_a_code_outside_its_factor_is_named():
    env = ComposeEnv(Task(NoteChoice()))
    env.reset(seed=1)
    with pytest.raises(ValueError, match=r"action 8 of piece 0 \(factor 1\): expected 0\.\.7"):
        env.step([3, 8, 0])


@pytest.mark.parametrize("bad", [[14, 1.5], [14, 99], [14]])
def test_refused_actions_leave_every_piece_as_it_was(bad):
    batch, other = (ComposeVectorEnv(num_envs=2) for _ in range(2))
    for env in (batch, other):
        env.reset(seed=1)
        env.step([20, 21])
    with pytest.raises((ValueError, TypeError)):
        batch.step(bad)
    (seen, rewards, *_, infos), (seen_there, rewards_there, *_, infos_there) = batch.step([22, 1]), other.step([22, 1])
    np.testing.assert_array_equal(seen, seen_there)
    np.testing.assert_array_equal(rewards, rewards_there)
    np.testing.assert_array_equal(infos["illegal"], infos_there["illegal"])
    assert batch.scores() == other.scores()


def test_a_step_before_the_first_reset_is_refused():
    with pytest.raises(RuntimeError, match=r"before the first reset\(\)"):
        ComposeEnv().step(3)
    with pytest.raises(RuntimeError, match=r"before the first reset\(\)"):
        ComposeVectorEnv(num_envs=2).step([3, 3])


def test_a_step_after_the_end_is_refused():
    env = ComposeEnv(length=2)
    env.reset(seed=1)
    env.step(20)
    assert env.step(20)[2]
    with pytest.raises(RuntimeError, match=r"after the piece has ended: call reset\(\)"):
        env.step(20)


def test_a_step_into_an_ended_piece_is_refused_where_the_caller_resets():
    batch = ComposeVectorEnv(num_envs=3, length=2, autoreset_mode="disabled")
    batch.reset(seed=1)
    batch.step([20] * 3)
    batch.reset(options={"reset_mask": np.array([True, False, True])})
    batch.step([20] * 3)
    with pytest.raises(RuntimeError, match=r"piece 1, which is finished.*reset_mask"):
        batch.step([20] * 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"giben": 1}, "reset option 'giben': expected given, key, prefix"),
        ({"given": Score.blank(2, 8)}, "given score has 2 voices: expected 1"),
        ({"given": Score.blank(1, 64)}, "64 steps: expected .* 1..32 steps"),
        ({"given": Score.blank(1, 8, steps_per_quarter=12)}, "12 steps a quarter, the task has 4"),
        ({"prefix": Score.blank(1, 8, steps_per_quarter=12)}, "12 steps a quarter, the task has 4"),
        ({"prefix": Score.blank(1, 32)}, "32 steps: expected 1 voices and fewer than 32"),
        ({"given": Score.blank(1, 8), "prefix": Score.blank(1, 8)}, "expected one of them"),
        ({"key": "H major"}, "key 'H major'"),
        ({"key": 3}, "key 3: expected"),
    ],
)
def test_a_bad_reset_option_is_named(options, message):
    for env in (ComposeEnv(), ComposeVectorEnv(num_envs=2)):
        with pytest.raises(ValueError, match=message):
            env.reset(seed=1, options=options)


@pytest.mark.parametrize(
    ("options", "name"), [({"given": 3}, "'given' is a int"), ({"prefix": "x"}, "'prefix' is a str"), ("xy", "a str")]
)
def test_a_reset_option_of_a_wrong_type_is_named(options, name):
    for env in (ComposeEnv(), ComposeVectorEnv(num_envs=2)):
        with pytest.raises(TypeError, match=name):
            env.reset(seed=1, options=options)


MASKS = [[True, False], np.array([1, 0]), np.array([True]), np.zeros(2, bool), np.ones((2, 1), bool), "x", 3]


@pytest.mark.parametrize("mask", MASKS)
def test_a_bad_reset_mask_is_named(mask):
    batch = ComposeVectorEnv(num_envs=2)
    batch.reset(seed=1)
    with pytest.raises(ValueError, match=r"(?s)reset_mask.*expected a bool array of shape \(2,\), one true at least"):
        batch.reset(options={"reset_mask": mask})


def test_the_first_reset_takes_no_mask():
    with pytest.raises(ValueError, match="first reset"):
        ComposeVectorEnv(num_envs=2).reset(options={"reset_mask": np.array([True, False])})


def test_rendering_without_a_mode_warns_and_returns_nothing():
    for env in (ComposeEnv(), ComposeVectorEnv(num_envs=2)):
        env.reset(seed=1)
        with pytest.warns(UserWarning, match="render_mode='"):
            assert env.render() is None


def test_a_refused_reset_leaves_the_environment_usable():
    env = ComposeEnv()
    env.reset(seed=1)
    env.step(20)
    with pytest.raises(ValueError, match="giben"):
        env.reset(options={"giben": 1})
    env.step(21)
    assert env.score.pitch[0, :2].tolist() == [66, 67]
    assert musicgym.task_ids()


@pytest.mark.parametrize("ask", [lambda env: env.score, lambda env: env.render(), lambda env: env.action_masks()])
def test_asking_a_piece_that_has_not_begun_says_to_reset(ask):
    with pytest.raises(RuntimeError, match="before the first reset"):
        ask(ComposeEnv(render_mode="ansi"))


@pytest.mark.parametrize("ask", [lambda env: env.scores(), lambda env: env.render(), lambda env: env.action_masks()])
def test_asking_pieces_that_have_not_begun_says_to_reset(ask):
    with pytest.raises(RuntimeError, match="before the first reset"):
        ask(ComposeVectorEnv(num_envs=2, render_mode="ansi"))


def test_an_action_of_an_ended_piece_is_ignored_whatever_it_is():
    env = ComposeVectorEnv(num_envs=1, length=1, autoreset_mode="next-step")
    env.reset(seed=0)
    assert env.step(np.array([5]))[2].all()
    assert env.step(np.array([999]))[1] == 0


def test_a_prefix_on_a_page_with_given_voices_is_refused():
    task = Task(voices=2, length=4, given=(0,))
    score = Score.from_notes([[(0, 4, 72, 80)], [(0, 4, 60, 80)]], steps=4)
    env = ComposeEnv(task, given=[score])
    with pytest.raises(ValueError, match="'prefix' goes with blank pages"):
        env.reset(options={"prefix": score.excerpt(0, 2)})
