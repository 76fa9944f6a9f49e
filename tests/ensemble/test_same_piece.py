"""An ensemble is `ComposeEnv` with several composers: same notes, same pay, and each sees what it should."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from pettingzoo import ParallelEnv

from musicgym import BLANK, ChordChoice, ComposeEnv, Score, StepChoice, Task
from musicgym.ensemble import aec_env, parallel_env
from musicgym.observation import OBSERVATIONS
from musicgym.testing.music import random_score

REWARD = "fixed_key - 0.5*at_end(fixed_key)"  # one without a memory and one with
FOUR = StepChoice(36, 81, ((60, 81), (53, 74), (48, 69), (36, 64)))


def single_of(env, given):
    """The environment with one composer over the task that the ensemble plays (chords taken apart)."""
    return ComposeEnv(env.session.task, given=given, reward=REWARD, observation="tokens")


def same_score(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("pitch", "onset", "velocity"))


def test_the_voice_whose_turn_it_is_sees_and_earns_what_the_one_composer_does(any_order):
    task, given = any_order
    env = aec_env(task, given=given, reward=REWARD, rewards="own", observation="tokens")
    single = single_of(env, given)
    draws = np.random.default_rng(2)
    for episode in range(2):
        seed = 11 if episode == 0 else None
        env.reset(seed=seed)
        observation, info = single.reset(seed=seed)
        terminated = False
        while not terminated:
            agent = env.agent_selection
            seen = {other: env.observe(other) for other in env.agents}[agent]  # looking changes nothing
            assert np.array_equal(seen["observation"], observation)
            assert np.array_equal(env.state(), observation)
            assert np.array_equal(seen["action_mask"], info["action_mask"])
            action = int(draws.integers(env.action_space(agent).n))
            env.step(action)
            observation, reward, terminated, _, info = single.step(action)
            assert env.rewards == {name: reward if name == agent else 0.0 for name in env.agents}  # to the last bit
            assert terminated == all(env.terminations.values()) == any(env.terminations.values())
        assert same_score(env.unwrapped.score, single.score)
        assert sum(env.infos[name]["illegal"] for name in env.agents) == info["illegal"]


def test_voices_that_choose_at_once_write_the_same_piece_and_share_its_whole_reward(in_time):
    task, given = in_time
    paid = {}
    for rewards in ("own", "shared"):
        env = parallel_env(task, given=given, reward=REWARD, rewards=rewards, observation="tokens")
        single = single_of(env, given)
        draws = np.random.default_rng(4)
        for seed in (3, None):
            seen, _ = env.reset(seed=seed)
            single.reset(seed=seed)
            paid[rewards], whole, terminated = dict.fromkeys(env.agents, 0.0), 0.0, False
            while env.agents:
                actions = {agent: int(draws.integers(env.action_space(agent).n)) for agent in env.agents}
                waits = {agent: seen[agent]["action_mask"].sum() == 1 for agent in env.agents}  # a hold alone
                for agent, action in actions.items():
                    if not waits[agent]:
                        *_, reward, terminated, _, _ = single.step(action)
                        whole += reward
                seen, earned, ends, *_ = env.step(actions)
                assert set(ends.values()) == {terminated}
                for agent, reward in earned.items():
                    paid[rewards][agent] += reward
                    assert rewards == "shared" or not waits[agent] or reward == 0.0
            assert same_score(env.unwrapped.score, single.score)
        if rewards == "own":
            assert sum(paid["own"].values()) == pytest.approx(whole, abs=1e-6)
        else:
            assert list(paid["shared"].values()) == [pytest.approx(whole, abs=1e-6)] * len(paid["shared"])


def test_none_sees_what_the_others_choose_at_the_same_step():
    futures = []
    for other in (2, 9):
        env = parallel_env(Task(FOUR, voices=4, length=5), observation="tokens")
        before, _ = env.reset(seed=1)
        after, *_ = env.step({"soprano": 30, "alto": 20, "tenor": other, "bass": 5})
        futures.append((before, after))
    (before_a, after_a), (before_b, after_b) = futures
    for agent in before_a:
        assert np.array_equal(before_a[agent]["observation"], before_b[agent]["observation"])
        assert not np.array_equal(after_a[agent]["observation"], after_b[agent]["observation"])


def test_agents_at_one_step_see_the_same_piece_each_from_its_own_place():
    env = parallel_env(Task(FOUR, voices=4, length=5), observation="tokens")
    seen, _ = env.reset(seed=1)
    voice_token = 4  # after remaining, position, tonic and mode
    assert [int(seen[agent]["observation"][voice_token]) for agent in env.agents] == [0, 1, 2, 3]
    others = [np.delete(seen[agent]["observation"], voice_token) for agent in env.agents]
    assert all(np.array_equal(other, others[0]) for other in others)
    lowest = [int(seen[agent]["action_mask"][2:].argmax()) + 36 for agent in env.agents]
    assert lowest == [60, 53, 48, 36]


@pytest.mark.parametrize("make", [aec_env, parallel_env])
@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("given", [(0,), (2,)])
def test_no_voice_of_an_accompaniment_hears_what_its_partner_has_yet_to_sing(make, observation, given):
    task = Task(FOUR, voices=4, length=6, given=given, sees="past")
    heard = []
    for later in (62, 63):  # the partner is the same up to step 2
        partner = Score.from_notes([[(0, 3, 61, 80), (3, 3, later, 80)]] * 4)
        env = make(task, given=[partner], observation=observation)
        begun = env.reset(seed=1)
        seen, history = begun[0] if begun else {}, []
        while (env.score.pitch[:, 2] == BLANK).any():
            if make is aec_env:
                seen = {agent: env.observe(agent) for agent in env.agents}
            history.append([value.tobytes() for agent in env.agents for value in seen[agent].values()])
            turn = act(env, 24)
            seen = turn[0] if turn else {}
        heard.append(history)
    assert len(heard[0]) > 2
    assert heard[0] == heard[1]


def test_given_voices_have_no_agent_and_names_are_those_of_the_score():
    assert parallel_env(Task(FOUR, voices=4, length=4)).possible_agents == ["soprano", "alto", "tenor", "bass"]
    sung = random_score(np.random.default_rng(1), 4, 4, low=60, high=64)
    assert parallel_env(Task(FOUR, voices=4, length=4, given=(0, 2)), given=[sung]).possible_agents == ["alto", "bass"]
    duet = Task(StepChoice(48, 60), voices=2, length=4, given=(0,))
    assert aec_env(duet, given=[random_score(np.random.default_rng(1), 2, 4, low=50, high=60)]).possible_agents == ["voice_1"]


def test_an_agent_without_a_blank_at_a_step_is_shown_a_hold_and_its_choice_is_ignored():
    score = Score.from_notes([[(0, 2, 72, 80), (2, 2, 74, 80)], [(0, 4, 60, 80)]])
    pitch, onset = score.pitch.copy(), score.onset.copy()
    pitch[0, 2:], onset[0, 2:] = BLANK, False  # the upper voice begins, the lower has nothing to begin with
    pitch[1, :], onset[1, :] = BLANK, False
    env = parallel_env(Task(StepChoice(48, 80), voices=2, length=4), given=[_with(score, pitch, onset)], rewards="own")
    seen, _ = env.reset(seed=0)
    hold_alone = np.eye(1, env.action_space("voice_0").n, 1, dtype=np.int8)[0]
    assert np.array_equal(seen["voice_0"]["action_mask"], hold_alone)
    assert seen["voice_1"]["action_mask"].sum() > 30
    seen, rewards, _, _, infos = env.step({"voice_0": 9, "voice_1": 14})
    assert (rewards["voice_0"], infos["voice_0"]["illegal"]) == (0.0, 0)
    seen, *_ = env.step({"voice_0": 9, "voice_1": 1})
    assert seen["voice_0"]["action_mask"].sum() > 30
    env.step({"voice_0": 1, "voice_1": 1})
    env.step({"voice_0": 1, "voice_1": 1})
    assert env.score.pitch.tolist() == [[72, 72, 72, 72], [60, 60, 60, 60]]


def _with(score, pitch, onset):
    return dataclasses.replace(score, pitch=pitch, onset=onset, velocity=np.where(pitch >= 0, 80, 0).astype(np.uint8))


def test_chords_are_taken_apart_into_the_choices_of_their_voices():
    ranges = ((60, 67), (55, 64), (52, 60))
    chords = ComposeEnv(Task(ChordChoice(ranges), voices=3, length=4), reward=REWARD)
    chords.reset(seed=1)
    env = parallel_env(Task(ChordChoice(ranges), voices=3, length=4), reward=REWARD)
    env.reset(seed=1)
    draws = np.random.default_rng(6)
    while env.agents:
        pitches = [int(draws.integers(low, high + 1)) for low, high in ranges]
        _, reward, *_ = chords.step([pitch - low + 2 for pitch, (low, _) in zip(pitches, ranges, strict=True)])
        _, rewards, *_ = env.step({agent: pitch - 52 + 2 for agent, pitch in zip(env.agents, pitches, strict=True)})
        assert rewards["voice_2"] == pytest.approx(reward, abs=1e-6)
    assert same_score(env.score, chords.score)


def test_the_corpus_gives_sopranos_to_harmonise():
    env = aec_env(Task(FOUR, voices=4, source="bach/train", given=(0,), length=16), rewards="own", reward="fixed_key")
    env.reset(seed=2)
    for agent in env.agent_iter():
        seen, _, terminated, _, _ = env.last()
        env.step(None if terminated else env.action_space(agent).sample(seen["action_mask"]))
    assert (env.score.pitch != BLANK).all()
    assert np.abs(np.diff(env.score.pitch[0].astype(int))).max() <= 12  # a soprano of Bach's, no random line


@pytest.mark.parametrize("make", [aec_env, parallel_env])
def test_copies_and_pickles_go_on_by_themselves(make):
    env = make(Task(FOUR, voices=4, length=4), reward=REWARD, observation="tokens")
    env.reset(seed=1)
    act(env, 7)
    twin, stored = copy.deepcopy(env), pickle.loads(pickle.dumps(env))
    before = env.score
    act(twin, 8)
    act(stored, 8)
    assert same_score(env.score, before)
    act(env, 8)
    assert same_score(env.score, twin.score)
    assert same_score(env.score, stored.score)
    assert not same_score(env.score, before)


def act(env, action):
    return env.step(dict.fromkeys(env.agents, action) if isinstance(env, ParallelEnv) else action)


def test_what_was_seen_stays_as_it_was():
    env = aec_env(Task(FOUR, voices=4, length=4), observation="tokens")
    env.reset(seed=1)
    seen = env.observe("soprano")
    kept = copy.deepcopy(seen)
    seen["action_mask"][:] = 0
    assert np.array_equal(env.observe("soprano")["action_mask"], kept["action_mask"])
    env.step(20)
    assert np.array_equal(seen["observation"], kept["observation"])
