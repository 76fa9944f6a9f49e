"""Playing sequences of actions through the batch environment, and RL Tuner's golden sequences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from musicgym import Score, Task
from musicgym.choice import StepChoice
from musicgym.rewards import Reward, parse
from musicgym.vector_env import ComposeVectorEnv


class Played(NamedTuple):
    """What N pieces were paid, and what they are."""

    terms: dict[str, np.ndarray]  # float32 (N, steps)
    rewards: np.ndarray  # float32 (N, steps)
    scores: list[Score]
    reward: Reward


@pytest.fixture(scope="session")
def play() -> Any:
    """`play(actions, reward, low=48, high=83, key="C major")`: actions, int (N, steps), played as a batch."""

    def played(actions: Any, reward: Reward | str = "rl_tuner", low: int = 48, high: int = 83, **fields: Any) -> Played:
        actions = np.atleast_2d(np.asarray(actions, np.int64))
        task = Task(StepChoice(low, high), length=actions.shape[1], **fields)
        reward = parse(reward) if isinstance(reward, str) else reward
        env = ComposeVectorEnv(task, len(actions), reward=reward, observation="tokens", autoreset_mode="disabled")
        env.reset(seed=0)
        paid, sums = [], []
        for column in actions.T:
            _, rewards, _, _, info = env.step(column)
            paid.append({name: row for name, row in info["reward_terms"].items() if not name.startswith("_")})
            sums.append(rewards)
        terms = {name: np.stack([step[name] for step in paid], axis=1) for name in paid[0]}
        return Played(terms, np.stack(sums, axis=1), env.scores(), reward)

    return played


@pytest.fixture(scope="session")
def lstm() -> Any:
    """`lstm(task, seed=0)`: a small model of random weights, large enough that its logits differ; each seed has its own."""
    import torch

    from musicgym.models.lstm import LSTM

    def made(task: Task, seed: int = 0) -> LSTM:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            model = LSTM(task, f"lstm-{seed}", units=8, embedding=4)
            for weights in model.parameters():
                weights.mul_(3)
        return model

    return made


@pytest.fixture(scope="session")
def golden() -> dict[str, dict[str, Any]]:
    """Sequence name -> actions, the terms at every step, totals and evaluation counters, as the original code computes them."""
    found: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent.parent / "data" / "rl_tuner_golden.json").read_text())
    return found
