"""Who is paid for what: shared, own and mixed rewards, what infos say of them, and hard rules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicgym import ComposeEnv, StepChoice, Task
from musicgym.ensemble import aec_env, parallel_env
from musicgym.rewards import Rules, parse, register, rule

TRIO = Task(StepChoice(52, 67), voices=3, length=4)
REWARD = "rl_tuner(form='fixed')"


def play(env, actions):
    """Rewards and infos of each step of a parallel environment."""
    env.reset(seed=1)
    return [(turn[1], turn[4]) for turn in (env.step(dict(zip(env.agents, row, strict=True))) for row in actions)]


@settings(max_examples=20)
@given(st.lists(st.lists(st.integers(0, 17), min_size=3, max_size=3), min_size=4, max_size=4), st.floats(0, 1))
def test_mixed_is_own_and_a_share_of_what_the_others_earn(actions, share):
    own = play(parallel_env(TRIO, reward=REWARD, rewards="own"), actions)
    mixed = play(parallel_env(TRIO, reward=REWARD, rewards=("mixed", share)), actions)
    shared = play(parallel_env(TRIO, reward=REWARD), actions)
    for (alone, _), (some, _), (whole, _) in zip(own, mixed, shared, strict=True):
        total = sum(alone.values())
        assert list(whole.values()) == [pytest.approx(total, abs=1e-5)] * 3
        for agent, earned in some.items():
            assert earned == pytest.approx((1 - share) * alone[agent] + share * whole[agent], abs=1e-5)


@pytest.mark.parametrize("rewards", ["shared", "own", ("mixed", 0.5)])
def test_terms_add_up_to_the_reward(rewards):
    actions = np.random.default_rng(1).integers(0, 18, (4, 3)).tolist()
    for earned, infos in play(parallel_env(TRIO, reward=REWARD, rewards=rewards), actions):
        for agent in earned:
            assert sum(infos[agent]["reward_terms"].values()) == pytest.approx(earned[agent], abs=1e-5)
    env = aec_env(TRIO, reward=REWARD, rewards=rewards)
    env.reset(seed=1)
    draws = np.random.default_rng(2)
    for _ in env.agent_iter():
        _, earned, terminated, _, info = env.last()
        assert sum(info.get("reward_terms", {}).values()) == pytest.approx(earned, abs=1e-5)
        env.step(None if terminated else int(draws.integers(18)))


@pytest.mark.parametrize("make", [aec_env, parallel_env])
def test_what_own_rewards_pay_in_all_is_what_the_finished_piece_is_worth(make):
    env = make(TRIO, reward=REWARD, rewards="own")
    env.reset(seed=1)
    draws = np.random.default_rng(3)
    earned = 0.0
    while env.agents and not any(getattr(env, "terminations", {}).values()):
        if make is aec_env:
            env.step(int(draws.integers(18)))
            earned += sum(env.rewards.values())
        else:
            earned += sum(env.step({agent: int(draws.integers(18)) for agent in env.agents})[1].values())
    whole = sum(float(values[0]) for values in parse(REWARD).score([env.score]).values())
    assert earned == pytest.approx(whole, abs=1e-4)


def test_illegal_choices_are_counted_for_those_who_made_them():
    env = parallel_env(TRIO)
    env.reset(seed=1)
    *_, infos = env.step({"voice_0": 1, "voice_1": 5, "voice_2": 1})  # nothing to hold yet
    assert [infos[agent]["illegal"] for agent in env.agents] == [1, 0, 1]
    *_, infos = env.step({"voice_0": 1, "voice_1": 5, "voice_2": 1})
    assert [infos[agent]["illegal"] for agent in env.agents] == [1, 0, 1]


@rule(span=0, sees="own")
def never_the_first(piece, voice, step):
    """-1 for whatever voice 0 does after the first step."""
    return -1.0 if voice == 0 and step > 0 else 0.0


register("never_the_first_rule", Rules.of(never_the_first))


def test_dead_ends_are_told_to_the_voice_that_meets_them_and_counted_when_it_has_passed():
    task = Task(StepChoice(59, 68), voices=2, length=3, forbid=("never_the_first_rule",))
    single = ComposeEnv(task, reward="fixed_key")
    env, both = aec_env(task, reward="fixed_key"), parallel_env(task, reward="fixed_key")
    single.reset(seed=1)
    env.reset(seed=1)
    both.reset(seed=1)
    told = []
    for _ in range(6):
        env.observe("voice_1")  # whose mask is no dead end
        env.step(7)
        *_, info = single.step(7)
        told.append([[env.infos[agent][name] for agent in env.agents] for name in ("dead_end", "dead_ends")])
        assert sum(told[-1][1]) == info["dead_ends"]
        assert any(told[-1][0]) == info["dead_end"]
    before, at, after = [[False, False], [0, 0]], [[True, False], [0, 0]], [[False, False], [1, 0]]
    again, passed = [[True, False], [1, 0]], [[False, False], [2, 0]]
    assert told == [before, at, after, again, passed, passed]
    seen, *_, infos = both.step({"voice_0": 7, "voice_1": 7})
    assert seen["voice_0"]["action_mask"].all()  # opened
    assert [(infos[agent]["dead_end"], infos[agent]["dead_ends"]) for agent in infos] == [(True, 0), (False, 0)]
    *_, infos = both.step({"voice_0": 7, "voice_1": 7})
    assert [(infos[agent]["dead_end"], infos[agent]["dead_ends"]) for agent in infos] == [(True, 1), (False, 0)]


def test_an_agent_is_told_which_hard_rules_strike_how_many_of_its_choices():
    task = Task(StepChoice(59, 68), voices=2, length=2, forbid=("never_the_first_rule",))
    both, env = parallel_env(task, reward="fixed_key"), aec_env(task, reward="fixed_key")
    with pytest.raises(RuntimeError, match="before the first reset"):
        both.struck("voice_0")
    both.reset(seed=1)
    assert both.struck("voice_0") == {}
    both.step({"voice_0": 7, "voice_1": 7})
    assert (both.struck("voice_0"), both.struck("voice_1")) == ({"never_the_first": 12}, {})
    env.reset(seed=1)
    env.step(7)
    env.step(7)
    assert (env.struck("voice_0"), env.struck("voice_1")) == ({"never_the_first": 12}, {})
    with pytest.raises(ValueError, match="expected one of voice_0, voice_1"):
        env.struck("alto")
