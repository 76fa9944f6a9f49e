"""`musicgym/ExpressiveMelody-v0`: what its arguments change, and that it keeps what every environment must."""

import gymnasium as gym
import numpy as np
import pytest

from musicgym import REST, ComposeEnv, ComposeVectorEnv, Note
from musicgym.observation import OBSERVATIONS
from musicgym.registration import registered
from musicgym.testing import check_vector_env

EXPRESSIVE = "musicgym/ExpressiveMelody-v0"


def durations(**arguments):
    return registered(EXPRESSIVE).make(**arguments).choice.durations


def test_by_default_it_is_eight_bars_of_pitches_durations_and_velocities():
    env = gym.make(EXPRESSIVE)
    assert env.action_space == gym.spaces.MultiDiscrete([31, 8, 7])
    env.reset(seed=1)
    for action in ([6, 3, 0], [0, 1, 6], [30, 7, 4]):
        env.step(np.array(action))
    score = env.unwrapped.score
    assert (score.steps, score.voices, score.key, score.meter, score.steps_per_quarter) == (128, 1, "C major", (4, 4), 4)
    assert score.pitch[0, :7].tolist() == [60] * 4 + [REST] * 2 + [84]
    assert (score.velocity[0, :7].tolist(), score.onset[0, :7].tolist()) == ([40] * 4 + [0, 0, 88], [1, 0, 0, 0, 1, 0, 1])


def test_an_episode_of_masked_choices_fills_all_bars_and_repairs_nothing():
    env = ComposeEnv(EXPRESSIVE, bars=2)
    env.action_space.seed(3)
    for seed in range(20):
        _, info = env.reset(seed=seed)
        asked, done = [], False
        while not done:
            action = env.action_space.sample(mask=info["action_mask"])
            choice = env.session.task.choice
            asked.append((choice.pitches[action[0]], choice.durations[action[1]], choice.velocities[action[2]]))
            _, _, done, _, info = env.step(action)
        starts = np.cumsum([0] + [duration for _, duration, _ in asked])
        assert starts[-1] == env.score.steps == 32
        expected = [Note(int(s), d, p, v) for s, (p, d, v) in zip(starts, asked, strict=False) if p != REST]
        assert env.score.notes(0) == expected
        assert info["illegal"] == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, (1, 2, 3, 4, 6, 8, 12, 16)),
        ({"meter": (3, 4)}, (1, 2, 3, 4, 6, 8, 12)),
        ({"meter": (6, 8)}, (1, 2, 3, 4, 6, 8, 12)),
        ({"meter": (5, 8), "steps_per_quarter": 2}, (1, 2, 3, 4)),
        ({"steps_per_quarter": 1}, (1, 2, 3, 4)),
        ({"steps_per_quarter": 12}, (3, 4, 6, 8, 9, 12, 18, 24, 36, 48)),
        ({"meter": (1, 16)}, (1,)),
        ({"durations": (2, 5)}, (2, 5)),
    ],
)
def test_durations_are_the_note_values_that_grid_and_bar_hold(arguments, expected):
    assert durations(**arguments) == expected


@pytest.mark.parametrize(("meter", "grid"), [((3, 4), 4), ((6, 8), 4), ((5, 4), 2), ((7, 8), 12), ((2, 2), 1), ((12, 8), 4)])
def test_it_plays_in_other_metres_and_grids(meter, grid):
    env = gym.make(EXPRESSIVE, meter=meter, steps_per_quarter=grid, bars=3, observation="tokens")
    _, info = env.reset(seed=1)
    env.action_space.seed(1)
    done = False
    while not done:
        seen, reward, done, _, info = env.step(env.action_space.sample(mask=info["action_mask"]))
        assert np.isfinite(reward)
        assert env.observation_space.contains(seen)
    bar = meter[0] * 4 * grid // meter[1]
    assert env.unwrapped.score.meter == meter
    np.testing.assert_array_equal(env.unwrapped.score.position, np.arange(3 * bar) % bar)


def test_arguments_set_range_key_velocities_and_any_field_of_a_task():
    env = gym.make(EXPRESSIVE, range=(60, 72), key="G minor", velocities=(50, 90), length=20, tempo=90)
    assert env.action_space == gym.spaces.MultiDiscrete([14, 8, 2])
    env.reset(seed=1)
    score = env.unwrapped.score
    assert (score.steps, score.key, score.tempo) == (20, "G minor", 90)


@pytest.mark.parametrize("make", [ComposeEnv, ComposeVectorEnv])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"meter": (3, 8), "steps_per_quarter": 1}, "meter 3/8"),
        ({"meter": (4, 8), "steps_per_quarter": 1}, "meter 4/8 at 1 steps a quarter: .* a finer steps_per_quarter"),
        ({"meter": (5, 5)}, "meter 5/5 at 4 steps"),
        ({"meter": (4, 3)}, "meter 4/3"),
        ({"meter": (0, 4)}, "meter 0/4"),
        ({"meter": "4/4"}, "meter='4/4'"),
        ({"meter": None}, "meter=None"),
        ({"bars": 0}, "bars=0: expected a whole number from 1 on"),
        ({"bars": 2.5}, "bars=2.5"),
        ({"bars": True}, "bars=True"),
        ({"bars": 2, "length": 32}, "bars=2 beside length=32"),
        ({"bars": 10_000}, "length=160000"),
        ({"range": (60, 50)}, r"low=60, high=50\): low must be below high"),
        ({"range": 60}, "range=60"),
        ({"durations": (4, 2)}, r"durations=\(4, 2\)\): expected rising"),
        ({"velocities": (0, 64)}, r"velocities=\(0, 64\)"),
        ({"key": "H major"}, "key 'H major'"),
    ],
)
def test_a_bad_argument_is_named(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(EXPRESSIVE, **arguments)


def test_an_unknown_argument_is_named():
    with pytest.raises(TypeError, match="lenght"):
        gym.make(EXPRESSIVE, lenght=8)


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_the_batch_keeps_what_a_vector_environment_must(observation):
    check_vector_env(EXPRESSIVE, num_envs=3, observation=observation, bars=2, key=("C major", "E minor"))
