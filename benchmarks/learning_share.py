"""Which share of `learn()` is spent inside environment calls, at the settings of `musicgym train --reward rl_tuner`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from musicgym.benchmarks.speed_players import REWARD


def learning_share(steps: int) -> dict[str, Any] | None:
    """Train a little and time the environment as the agent sees it, its SB3 wrappers included.

    Args:
        steps: choices to learn from.

    Returns:
        "share" of learn()'s wall time inside the environment's `step` and `action_masks`, "steps_per_second" of `learn()`,
        and "pieces" and "steps"; None where the agents' extra isn't installed.
    """
    try:
        from musicgym.agents.defaults import settings_for
        from musicgym.agents.training import make_agent
    except ImportError:
        return None
    settings = settings_for({"reward": REWARD, "steps": steps})
    agent = make_agent(settings)
    env: Any = agent.get_env()
    agent.learn(settings.n_envs * settings.n_steps)  # what is compiled and allocated once
    inside = Stopwatch()
    env.step = inside.around(env.step)
    env.env_method = inside.around(env.env_method)
    begun = time.perf_counter()
    agent.learn(settings.total_steps)
    taken = time.perf_counter() - begun
    return {
        "share": inside.seconds / taken,
        "steps_per_second": settings.total_steps / taken,
        "pieces": settings.n_envs,
        "steps": settings.total_steps,
    }


class Stopwatch:
    """Adds up the wall time of calls. Calls inside calls count once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.running = False

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same callable, timed."""

        def timed(*args: Any, **named: Any) -> Any:
            if self.running:
                return call(*args, **named)
            self.running = True
            begun = time.perf_counter()
            try:
                return call(*args, **named)
            finally:
                self.seconds += time.perf_counter() - begun
                self.running = False

        return timed
