"""The reward of a discriminator: what choices pay sums to the piece's log-odds, whatever is chosen, and it may go on learning."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch

from musicgym import ChordChoice, NoteChoice, Score, StepChoice, Task, models
from musicgym.models import Discriminator, Online
from musicgym.models.lstm import LSTM
from musicgym.rewards import Likelihood, Realness, parse
from musicgym.rewards.discriminator import discriminator
from musicgym.rewards.model_reader import readers
from musicgym.testing.music import random_music
from musicgym.testing.reward import check_reward
from musicgym.vector_env import ComposeVectorEnv

STEPS = StepChoice(50, 70)
WIDE = StepChoice(36, 96)
PAGES = {
    "steps": Task(STEPS, length=11),
    "steps in three voices": Task(STEPS, voices=3, length=5),
    "notes": Task(NoteChoice((-1, 55, 60, 64, 67), (1, 2, 3, 5), (30, 80, 127)), length=9),
    "chords": Task(ChordChoice(((60, 67), (55, 64), (52, 60))), voices=3, length=5),
}


def judge(task: Task, seed: int = 0) -> Discriminator:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = Discriminator(task, "judge", layers=3, width=8)
    with torch.no_grad():
        made.head.weight.mul_(20)
    made.calibrate(1.5, 0.3)
    return made


def play(task: Task, reward: Any, rows: int = 4) -> tuple[np.ndarray, list[Score]]:
    """What each step pays, float64 (steps, N), of one piece a row, and the pieces."""
    env = ComposeVectorEnv(task, rows, reward=reward, observation="tokens", autoreset_mode="disabled")
    env.reset(seed=3)
    env.action_space.seed(5)
    paid = []
    done = np.zeros(rows, bool)
    while not done.all():
        _, rewards, ended, _, info = env.step(env.action_space.sample())
        assert np.allclose(rewards, sum(info["reward_terms"][name] for name in ("discriminator",)))
        paid.append(rewards.astype(float))
        done |= ended
    return np.array(paid), env.scores()


@pytest.mark.parametrize("page", PAGES)
def test_an_episode_sums_to_the_pieces_log_odds_step_by_step_or_at_its_end(page: str) -> None:
    model, rows = judge(PAGES[page]), 1 if page == "notes" else 4  # pieces of whole notes end at different times
    paid, scores = play(PAGES[page], Realness(model), rows)
    np.testing.assert_allclose(paid.sum(axis=0), model.log_odds(scores), atol=1e-4)
    last, again = play(PAGES[page], Realness(model, when="end"), rows)
    np.testing.assert_allclose(last.sum(axis=0), model.log_odds(again), atol=1e-4)
    assert ((last != 0).sum(axis=0) == 1).all()
    assert len(set(np.round(paid.sum(axis=0), 3))) == rows


def test_after_each_choice_what_was_paid_are_the_prefixs_log_odds() -> None:
    task = PAGES["steps"]
    model = judge(task)
    paid, scores = play(task, Realness(model))
    np.testing.assert_allclose(paid.cumsum(axis=0).T, model.prefix_log_odds(scores), atol=1e-4)


def test_finished_music_is_worth_its_log_odds() -> None:
    model, music = judge(Task(STEPS, voices=2)), random_music(np.random.default_rng(1), Task(STEPS, voices=2, length=9), 4)
    totals, marks = Realness(model).score(music, marks=True)
    np.testing.assert_allclose(totals["discriminator"], model.log_odds(music), atol=1e-4)
    np.testing.assert_allclose(marks.sum(axis=(1, 2, 3)), totals["discriminator"], atol=1e-4)
    ends, last = Realness(model, when="end").score(music, marks=True)
    np.testing.assert_allclose(ends["discriminator"], totals["discriminator"])
    rows = np.arange(4)
    np.testing.assert_allclose(last[rows, 0, 1, music.length - 1], totals["discriminator"], rtol=1e-6)
    assert (last != 0).sum() == 4


@pytest.mark.parametrize("when", ["step", "end"])
@pytest.mark.parametrize("page", ["steps", "steps in three voices"])
def test_it_keeps_all_that_rewards_keep(page: str, when: Any) -> None:
    task = PAGES[page]
    check_reward(Realness(judge(Task(WIDE, voices=task.voices)), when=when), task, additive=when == "step")


def test_edits_and_other_orders_sum_to_the_log_odds_too() -> None:
    model = judge(Task(WIDE, voices=2))
    for task in (Task(STEPS, voices=2, length=6, order="random"), Task(STEPS, voices=2, length=4, sweeps=2)):
        check_reward(Realness(model), task)


def test_rewards_that_share_a_discriminator_read_once_and_others_beside_it_apart() -> None:
    task = PAGES["steps"]
    model, lstm = judge(task), LSTM(task, "lstm", units=4, embedding=2)
    reward = Realness(model) + 0.5 * Realness(copy.deepcopy(model), when="end") + Likelihood(lstm) + Realness(judge(task, 1))
    env = ComposeVectorEnv(task, 2, reward=reward, observation="tokens")
    env.reset(seed=0)
    assert [found.model.name for found in readers(env.session.bound)] == ["judge", "lstm", "judge"]


# Online


def test_one_that_learns_pays_as_it_stands_and_says_so() -> None:
    task = PAGES["steps"]
    online = Online(judge(task), learning_rate=0.02)
    reward, fixed = Realness(online), Realness(judge(task))
    assert reward.fingerprint != fixed.fingerprint
    env = ComposeVectorEnv(task, 3, reward=reward, observation="tokens", autoreset_mode="disabled")
    before, prints = None, []
    for _ in range(2):
        env.reset(seed=3)
        env.action_space.seed(5)
        total = np.zeros(3)
        for _ in range(task.length or 0):
            total += env.step(env.action_space.sample())[1]
        np.testing.assert_allclose(total, online.model.log_odds(env.scores()), atol=1e-4)
        assert before is None or np.abs(total - before).max() > 1e-3
        before = total
        prints.append(reward.fingerprint)
        online.update(random_music(np.random.default_rng(0), task, 3), env.scores())
    assert len(set(prints)) == 2


def test_two_that_learn_apart_read_apart_also_while_they_are_alike() -> None:
    task = PAGES["steps"]
    one, other = Online(judge(task)), Online(judge(task))
    env = ComposeVectorEnv(task, 2, reward=Realness(one) + Realness(one, when="end") + Realness(other), observation="tokens")
    env.reset(seed=0)
    assert [found.model for found in readers(env.session.bound)] == [one.model, other.model]


def test_a_copy_of_the_reward_pays_the_same() -> None:
    reward = Realness(Online(judge(PAGES["steps"])))
    again = pickle.loads(pickle.dumps(reward))
    assert again.fingerprint == reward.fingerprint
    music = random_music(np.random.default_rng(1), PAGES["steps"], 3)
    np.testing.assert_array_equal(again.score(music)["discriminator"], reward.score(music)["discriminator"])


# By name, and what is wrong


def test_expressions_name_it(tmp_path: Any) -> None:
    model = judge(PAGES["steps"])
    models.save(model, tmp_path / "judge")
    reward = parse(f"2*discriminator(model='{tmp_path}/judge') + discriminator(model='{tmp_path}/judge', when='end')")
    music = random_music(np.random.default_rng(1), PAGES["steps"], 3)
    for name, weight in zip(reward.score(music), (2, 1)):
        np.testing.assert_allclose(reward.score(music)[name], weight * model.log_odds(music), atol=1e-4)
    assert Realness(model).fingerprint != Realness(model, when="end").fingerprint


def test_what_it_cannot_take_is_named(tmp_path: Any) -> None:
    task = PAGES["steps"]
    model = judge(task)
    models.save(LSTM(task, "lstm", units=4), tmp_path / "lstm")
    for make, kind, message in (
        (lambda: discriminator(f"{tmp_path}/lstm"), ValueError, "is of kind 'lstm': expected a discriminator"),
        (lambda: discriminator("nothing"), ValueError, "no model 'nothing'"),
        (lambda: discriminator(model, when="bar"), ValueError, "when='bar': expected 'step' or 'end'"),
        (lambda: Realness(LSTM(task, units=4)), TypeError, "expected a musicgym.models.Discriminator or Online"),
        (lambda: Realness(model).bind(Task(STEPS, voices=2), 1), ValueError, "reads 1 voices, the task has 2"),
        (lambda: Realness(model).bind(Task(WIDE), 1), ValueError, r"knows the pitches 50\.\.70"),
        (lambda: Realness(model).score([Score.from_notes([[(0, 4, 90, 80)]])]), ValueError, "doesn't know pitch 90"),
    ):
        with pytest.raises(kind, match=message):
            make()


def test_evidence_that_is_no_number_ends_the_step() -> None:
    task = PAGES["steps"]
    model = judge(task)
    with torch.no_grad():
        model.head.bias[:] = torch.nan
    env = ComposeVectorEnv(task, 1, reward=Realness(model), observation="tokens")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="expected a finite number"):
        env.step(env.action_space.sample())
