"""Action spaces of the choices."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from musicgym.choice import Choice, StepChoice


def action_space(choice: Choice) -> gym.Space[Any]:
    """`Discrete` for a `StepChoice`, `MultiDiscrete` for the others."""
    if isinstance(choice, StepChoice):
        return gym.spaces.Discrete(choice.sizes[0])
    return gym.spaces.MultiDiscrete(np.array(choice.sizes))
