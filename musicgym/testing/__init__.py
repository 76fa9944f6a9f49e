"""Checks of environments, rewards and models, for users' own tests: each raises AssertionError and names its fault."""

from typing import TYPE_CHECKING

from musicgym.testing.ensemble import check_ensemble
from musicgym.testing.reward import check_reward
from musicgym.testing.vector_env import check_vector_env

if TYPE_CHECKING:
    from musicgym.testing.sequence_model import check_sequence_model

__all__ = ["check_ensemble", "check_reward", "check_sequence_model", "check_vector_env"]


def __getattr__(name: str) -> object:
    if name != "check_sequence_model":
        raise AttributeError(f"module 'musicgym.testing' has no attribute {name!r}")
    from musicgym.testing.sequence_model import check_sequence_model  # torch is an extra, and loads slowly

    return check_sequence_model
