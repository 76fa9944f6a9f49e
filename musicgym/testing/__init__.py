"""Checks of environments and rewards, for users' own tests: each raises AssertionError and names the fault that it found."""

from musicgym.testing.ensemble import check_ensemble
from musicgym.testing.reward import check_reward
from musicgym.testing.vector_env import check_vector_env

__all__ = ["check_ensemble", "check_reward", "check_vector_env"]
