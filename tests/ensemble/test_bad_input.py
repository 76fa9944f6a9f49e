"""What an ensemble refuses, and what it says then."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from musicgym import BLANK, NoteChoice, StepChoice, Task
from musicgym.ensemble import aec_env, parallel_env
from musicgym.testing.music import random_score

DUO = Task(StepChoice(52, 67), voices=2, length=3)
both = pytest.mark.parametrize("make", [aec_env, parallel_env])


@both
@pytest.mark.parametrize("rewards", ["team", ("mixed", 1.5), ("mixed",), ("mixed", True), ("own", 1), None])
def test_a_payment_that_is_none(make, rewards):
    with pytest.raises(ValueError, match=r"rewards=.* expected 'shared', 'own' or \('mixed', share\)"):
        make(DUO, rewards=rewards)


@both
def test_a_render_mode_or_field_that_is_none(make):
    with pytest.raises(ValueError, match="render_mode='page': expected one of"):
        make(DUO, render_mode="page")
    with pytest.raises(TypeError, match="did you mean"):
        make(DUO, lenght=4)


@both
def test_choices_of_whole_notes(make):
    with pytest.raises(ValueError, match=r"NoteChoice.*choose step by step: expected a StepChoice or a ChordChoice"):
        make(Task(NoteChoice(), voices=2, length=8))


@pytest.mark.parametrize("order", ["voice", "random"])
def test_voices_that_choose_at_once_in_another_order_than_time(order):
    with pytest.raises(ValueError, match=rf"order='{order}'.*expected order='time', or an aec_env"):
        parallel_env(DUO, order=order)


@both
def test_before_the_first_reset(make):
    env = make(DUO)
    for use in (lambda: env.step({}), lambda: env.score, lambda: env.state(), lambda: make(DUO, render_mode="ansi").render()):
        with pytest.raises(RuntimeError, match="before the first reset"):
            use()
    assert env.agents == []


def test_turns_before_the_first_reset():
    env = aec_env(DUO)
    for use in (env.last, env.agent_iter):
        with pytest.raises(RuntimeError, match=r"(last|agent_iter)\(\) before the first reset"):
            use()


@pytest.mark.parametrize("actions", [None, [3, 3], 3])
def test_choices_that_are_not_told_by_agent(actions):
    env = parallel_env(DUO)
    env.reset(seed=1)
    with pytest.raises(ValueError, match=r"actions .*: expected a dict with one for each of voice_0, voice_1"):
        env.step(actions)


def test_after_the_end():
    env = parallel_env(DUO)
    env.reset(seed=1)
    for _ in range(3):
        env.step(dict.fromkeys(env.agents, 4))
    with pytest.raises(RuntimeError, match="after the piece has ended: call reset"):
        env.step({})
    env = aec_env(DUO)
    env.reset(seed=1)
    for _ in range(6):
        env.step(4)
    with pytest.raises(ValueError, match="None"):
        env.step(4)
    env.step(None)
    env.step(None)
    with pytest.raises(RuntimeError, match="after the piece has ended: call reset"):
        env.step(None)


def test_actions_that_are_none_write_nothing():
    env = parallel_env(DUO)
    env.reset(seed=1)
    for actions, message in (
        ({"voice_0": 3}, "lack 'voice_1': expected one for each of voice_0, voice_1"),
        ({"voice_0": 3, "voice_1": 3, "bass": 3}, "hold 'bass'"),
        ({"voice_0": 3, "voice_1": 18}, "action 18 of voice_1: expected 0..17"),
        ({"voice_0": 3, "voice_1": -1}, "action -1 of voice_1: expected 0..17"),
    ):
        with pytest.raises(ValueError, match=message):
            env.step(actions)
    for action in (2.0, None, "3", [1, 2], True):
        with pytest.raises(TypeError, match=r"action .* of voice_1: expected a whole number"):
            env.step({"voice_0": 3, "voice_1": action})
    assert (env.score.pitch == BLANK).all()
    env.step({"voice_0": np.int32(3), "voice_1": np.array([4])})
    assert env.score.pitch[:, 0].tolist() == [53, 54]


@both
def test_an_agent_that_is_none(make):
    env = make(
        Task(StepChoice(52, 67), voices=4, length=2, given=(0,)),
        given=[random_score(np.random.default_rng(1), 4, 2, low=60, high=64)],
    )
    for space in (env.observation_space, env.action_space):
        with pytest.raises(ValueError, match="agent 'soprano': expected one of alto, tenor, bass"):
            space("soprano")


@both
def test_a_piece_with_blanks_in_a_voice_that_has_no_agent(make):
    score = random_score(np.random.default_rng(1), 2, 3, low=52, high=67)
    page = np.zeros((2, 3), np.uint8)
    holed = dataclasses.replace(score, pitch=np.full((2, 3), BLANK), onset=page == 1, velocity=page)
    env = make(dataclasses.replace(DUO, given=(0,)), given=[score])
    env.reset(seed=1)
    with pytest.raises(ValueError, match="blanks in voice 0, which the task says is given"):
        env.reset(options={"given": holed})
    with pytest.raises(RuntimeError):
        env.step({"voice_1": 3})
    env.reset(seed=1)
    assert env.agents == ["voice_1"]


@both
def test_an_unknown_reset_option_is_ignored_with_a_warning(make):
    with pytest.warns(UserWarning, match="reset option 'tempo' is ignored: expected given, key, prefix"):
        make(DUO).reset(options={"tempo": 3})


@both
def test_options_and_seeds_are_those_of_the_single_environment(make):
    env = make(DUO)
    env.reset(options={"key": "D major"})
    assert env.score.keys[0].tonic == 2
    with pytest.raises(ValueError, match="seed -1"):
        env.reset(seed=-1)
    with pytest.raises(TypeError, match="expected a dict"):
        env.reset(options=3)


def test_importing_musicgym_does_not_load_pettingzoo_and_a_missing_one_is_named():
    code = (
        "import sys, musicgym; assert 'pettingzoo' not in sys.modules; sys.modules['pettingzoo'] = None; import musicgym.ensemble"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert 'musicgym.ensemble needs PettingZoo: run `pip install "musicgym[ensemble]"`' in done.stderr
