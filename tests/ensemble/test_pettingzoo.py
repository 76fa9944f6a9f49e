"""PettingZoo's own checkers and conversions, and torchrl's."""

import functools
import warnings

import numpy as np
import pytest
from pettingzoo.test import api_test, parallel_api_test, render_test
from pettingzoo.test.state_test import test_state as state_test
from pettingzoo.test.state_test import test_state_space as state_space_test
from pettingzoo.utils.conversions import aec_to_parallel, parallel_to_aec

import musicgym
from musicgym import ChordChoice, ComposeEnv, StepChoice, Task
from musicgym.ensemble import aec_env, parallel_env
from musicgym.observation import OBSERVATIONS
from musicgym.testing.ensemble import EXPECTED

TRIO = Task(StepChoice(52, 67), voices=3, length=6)


@pytest.fixture
def unexpected():
    """Warnings that PettingZoo's checkers give beside the expected ones: there should be none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught
    assert [str(w.message) for w in caught if not any(text in str(w.message) for text in EXPECTED)] == []


@pytest.mark.parametrize("id", [name for name in musicgym.task_ids() if name.startswith("musicgym/")])
def test_every_registered_task_of_steps_or_chords_is_played(id, unexpected):
    arguments = {"reward": "rl_tuner(form='fixed')", "observation": "tokens"}
    if not isinstance(ComposeEnv(id, **arguments).session.task.choice, StepChoice | ChordChoice):
        with pytest.raises(ValueError, match="expected a StepChoice or a ChordChoice"):
            parallel_env(id, **arguments)
        return
    api_test(aec_env(id, **arguments), num_cycles=70)
    parallel_api_test(parallel_env(id, **arguments), num_cycles=70)


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_every_observation_passes_the_api_tests(observation, unexpected):
    api_test(aec_env(TRIO, observation=observation), num_cycles=20)
    parallel_api_test(parallel_env(TRIO, observation=observation), num_cycles=20)


def test_both_render_in_every_mode(capsys):
    render_test(functools.partial(aec_env, TRIO))
    assert "voice 3" in capsys.readouterr().out
    for mode in parallel_env.metadata["render_modes"]:
        env = parallel_env(TRIO, render_mode=mode)
        env.reset(seed=1)
        env.step(dict.fromkeys(env.agents, 5))
        frame = env.render()
        assert (frame is None) == (mode == "human")
        assert mode != "rgb_array" or (frame.dtype, frame.shape[2]) == (np.uint8, 3)
    assert "voice 3" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:State space")  # PettingZoo would have a Box, but these are tokens
def test_the_state_is_in_its_space():
    env = aec_env(TRIO, observation="tokens")
    state_space_test(env)
    state_test(env, 20)


def play(env, actions):
    """Seen, rewards and ends of a parallel environment under these choices for each step."""
    history = [env.reset(seed=5)[0]]
    history.extend(env.step(dict(zip(env.agents, row, strict=True)))[:4] for row in actions)
    assert not env.agents
    return history


def test_pettingzoos_own_conversions_work_and_pay_the_same():
    actions = np.random.default_rng(3).integers(0, 18, (TRIO.length, TRIO.voices)).tolist()
    ours = parallel_env(TRIO, rewards="own", reward="fixed_key")
    converted = aec_to_parallel(aec_env(TRIO, rewards="own", reward="fixed_key"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checker's option, and Dict observations
        parallel_api_test(converted, num_cycles=20)
        api_test(parallel_to_aec(ours), num_cycles=20)
    for step, (a, b) in enumerate(zip(play(ours, actions)[1:], play(converted, actions)[1:], strict=True)):
        assert a[1:] == b[1:], step


def test_only_tasks_in_which_all_choose_in_turn_say_that_they_are_parallelizable():
    assert aec_env(TRIO).metadata["is_parallelizable"]
    assert not aec_env(TRIO, order="voice").metadata["is_parallelizable"]
    assert aec_env.metadata["is_parallelizable"]


@pytest.mark.slow
@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.filterwarnings("ignore:PettingZoo in TorchRL is tested")  # with an older PettingZoo
def test_torchrl_rolls_out_both(observation):
    from torchrl.envs import PettingZooWrapper, check_env_specs
    from torchrl.envs.utils import MarlGroupMapType

    one_group = MarlGroupMapType.ALL_IN_ONE_GROUP
    parallel = PettingZooWrapper(parallel_env(TRIO, observation=observation), return_state=True, group_map=one_group)
    check_env_specs(parallel)
    rollout = parallel.rollout(TRIO.length + 1)
    assert rollout.batch_size == (TRIO.length,)
    assert rollout["agents", "action"].shape == (TRIO.length, TRIO.voices)
    assert rollout["next", "agents", "terminated"].sum() == TRIO.voices

    aec = PettingZooWrapper(aec_env(TRIO, observation=observation), use_mask=True)
    check_env_specs(aec)
    rollout = aec.rollout(TRIO.length * TRIO.voices + 1)
    assert rollout.batch_size == (TRIO.length * TRIO.voices,)
    assert rollout["voice_1", "mask"].sum() == TRIO.length
