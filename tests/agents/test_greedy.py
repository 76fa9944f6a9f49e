"""Greedy play takes what pays most at once."""

import numpy as np
import pytest

import musicgym
from musicgym.agents.greedy import Greedy
from musicgym.agents.players import play, randomly
from musicgym.task import Task


@pytest.mark.slow
def test_every_choice_pays_what_no_other_code_would_exceed():
    env = musicgym.ComposeVectorEnv("musicgym/Melody-v0", 5, reward="rl_tuner", length=12)
    observations, infos = env.reset(seed=3)
    player, rng = Greedy(), np.random.default_rng(0)
    player.attend(env.session)
    for _ in range(12):
        mask = infos["action_mask"]
        best = np.where(mask == 1, player.payments(mask.shape[1]), -np.inf).max(axis=1)
        observations, rewards, *_, infos = env.step(player(observations, (mask,), rng))
        np.testing.assert_allclose(rewards, best, atol=1e-4)


def test_it_earns_more_than_random_play():
    task = Task(length=16)
    greedy = play(task, 20, Greedy(), reward="theory", seed=1)
    random = play(task, 20, randomly(masked=True), reward="theory", seed=1)
    assert greedy.totals.sum(axis=1).mean() > random.totals.sum(axis=1).mean() + 5
    assert greedy.illegal == 0


def test_choices_of_many_factors_are_refused():
    with pytest.raises(ValueError, match="expected a task with StepChoice"):
        play(Task(musicgym.NoteChoice(), length=8), 2, Greedy(), reward="theory")
