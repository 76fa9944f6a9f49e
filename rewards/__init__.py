"""Every reward function."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if not __name__.startswith("musicgym."):
    raise ImportError(f"import musicgym.rewards, not {__name__}: the folder rewards/ is installed under musicgym")

# Public names and the modules they come from, imported when first asked for: none of them is needed to import musicgym.
_HOME = {
    "AtEnd": "paid",
    "BoundReward": "reward",
    "Likelihood": "likelihood",
    "Nearness": "latent",
    "Normalised": "paid",
    "Potential": "paid",
    "Realness": "discriminator",
    "Reward": "reward",
    "Rules": "reward",
    "Statistics": "statistics",
    "Typicality": "likelihood",
    "WindowBound": "latent",
    "names": "expression",
    "parse": "expression",
    "register": "expression",
    "rule": "rules",
    "with_settings": "settings",
}

if TYPE_CHECKING:
    from musicgym.rewards.discriminator import Realness
    from musicgym.rewards.expression import names, parse, register
    from musicgym.rewards.latent import Nearness, WindowBound
    from musicgym.rewards.likelihood import Likelihood, Typicality
    from musicgym.rewards.paid import AtEnd, Normalised, Potential
    from musicgym.rewards.reward import BoundReward, Reward, Rules
    from musicgym.rewards.rules import rule
    from musicgym.rewards.settings import with_settings
    from musicgym.rewards.statistics import Statistics

__all__ = [
    "AtEnd",
    "BoundReward",
    "Likelihood",
    "Nearness",
    "Normalised",
    "Potential",
    "Realness",
    "Reward",
    "Rules",
    "Statistics",
    "Typicality",
    "WindowBound",
    "names",
    "parse",
    "register",
    "rule",
    "with_settings",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'musicgym.rewards' has no attribute {name!r}")
    value: object = getattr(_import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
