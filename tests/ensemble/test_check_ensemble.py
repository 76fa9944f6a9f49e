"""`check_ensemble` passes our ensembles on every kind of task and names planted faults."""

import functools

import gymnasium as gym
import numpy as np
import pytest
from pettingzoo import ParallelEnv

from musicgym import StepChoice, Task
from musicgym.ensemble import aec_env, parallel_env
from musicgym.testing import check_ensemble

TRIO = Task(StepChoice(52, 67), voices=3, length=4)
REWARD = "fixed_key - 0.5*at_end(fixed_key)"  # one without a memory and one with
QUICK = {"task": TRIO, "reward": "fixed_key", "observation": "tokens", "cycles": 12}


def test_parallel_ensembles_pass_on_every_task(in_time):
    task, given = in_time
    check_ensemble(parallel_env, task=task, given=given, reward=REWARD, observation="tokens", rewards="own", cycles=20)


def test_ensembles_in_turn_pass_on_every_task(any_order):
    task, given = any_order
    check_ensemble(aec_env, task=task, given=given, reward=REWARD, observation="tokens", rewards=("mixed", 0.25), cycles=20)


@pytest.mark.parametrize("make", [aec_env, parallel_env])
@pytest.mark.parametrize("rewards", ["shared", "own", ("mixed", 0.25)])
def test_ensembles_pass_under_every_payment(make, rewards):
    check_ensemble(functools.partial(make, rewards=rewards), **QUICK)


class Underpaid(parallel_env):
    def step(self, actions):
        seen, rewards, *rest = super().step(actions)
        rewards["voice_1"] -= 0.5
        rest[-1]["voice_1"]["reward_terms"]["fixed_key"] -= 0.5
        return seen, rewards, *rest


class Misinformed(parallel_env):
    def step(self, actions):
        *rest, infos = super().step(actions)
        infos["voice_2"]["reward_terms"]["fixed_key"] += 1.0
        return *rest, infos


class Accusing(parallel_env):
    def step(self, actions):
        *rest, infos = super().step(actions)
        infos["voice_0"]["illegal"] += self.session.engine.pieces.cursor[0]
        return *rest, infos


class Closed(parallel_env):
    def _look(self, voice, chooses):
        seen, dead = super()._look(voice, chooses)
        seen["action_mask"][:] = seen["action_mask"] * (self.session.engine.pieces.cursor[0] < 6)
        return seen, dead


class Aliased(parallel_env):
    buffer = None

    def _look(self, voice, chooses):
        seen, dead = super()._look(voice, chooses)
        self.buffer = seen["action_mask"] if self.buffer is None else self.buffer
        self.buffer[:] = seen["action_mask"]
        return {**seen, "action_mask": self.buffer}, dead


class Unseeded(parallel_env):
    def step(self, actions):
        return super().step({**actions, "voice_0": int(np.random.randint(2, 10))})  # noqa: NPY002  # the fault that is planted


class Meddled(aec_env):
    """Writes other notes than are chosen, always the same."""

    def step(self, action):
        super().step(None if action is None else (action + 1) % 18)


class Restless(aec_env):
    """Looking changes what is seen."""

    looks = 0

    def observe(self, agent):
        self.looks += 1
        seen = super().observe(agent)
        seen["observation"][0] = self.looks % 2
        return seen


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Underpaid, "voice_1 is paid .*was due: of what the one composer is paid"),
        (Misinformed, "reward_terms of voice_2 sum to"),
        (Accusing, "a choice of voice_0 is legal by its mask but was counted as illegal"),
        (Closed, "the action mask of voice_0 leaves nothing to choose"),
        (Aliased, "aliased array: a step changes what was seen before it"),
        (Unseeded, "Incorrect observations|the same seed a second time plays otherwise"),  # by where its draws first differ
        (Meddled, "voice_0 is paid .* was due"),
        (Restless, r"observe\(\) shows something else a second time"),
    ],
)
def test_an_ensemble_with_a_planted_fault_is_named(fault, message):
    with pytest.raises(AssertionError, match=message):
        check_ensemble(fault, **QUICK)


class Guessing(ParallelEnv):
    """Two agents who are paid for choosing alike, three times; made by someone else."""

    metadata = {"name": "guessing_v0"}  # as PettingZoo has it
    possible_agents = ["one", "two"]  # as PettingZoo has it
    fault = ""

    def __init__(self, fault=""):
        self.fault = fault
        self.observation_spaces = {agent: gym.spaces.Discrete(4) for agent in self.possible_agents}
        self.action_spaces = {agent: gym.spaces.Discrete(3) for agent in self.possible_agents}

    def observation_space(self, agent):
        return self.observation_spaces[agent]

    def action_space(self, agent):
        return self.action_spaces[agent]

    def reset(self, seed=None, options=None):
        self.agents, self.left = self.possible_agents[:], 3
        self.paid = self.paid + 1 if self.fault else 1
        return dict.fromkeys(self.agents, 3), {agent: {} for agent in self.agents}

    paid = 0

    def step(self, actions):
        self.left -= 1
        reward = float(self.paid if actions["one"] == actions["two"] else -self.paid)
        agents, over = self.agents, self.left == 0
        self.agents = [] if over else agents
        parts = (dict.fromkeys(agents, value) for value in (self.left, reward, over, False))
        return *parts, {agent: {} for agent in agents}


def test_an_ensemble_of_others_is_played_too():
    check_ensemble(Guessing, cycles=12)
    with pytest.raises(AssertionError, match=r"the same seed a second time plays otherwise in episode 0: .*rewards"):
        check_ensemble(Guessing, cycles=12, fault="pays more from piece to piece")
