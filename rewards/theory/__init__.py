"""Theory of melody: rules that tell music from noise, with weights that were fitted to do so.

`theory()` is the set. `tonality`, `line`, `contour`, `rhythm` and `form` hold the rules, `weights.json` the fitted weights.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from musicgym.rewards.reward import Rules
from musicgym.rewards.rules import Rule
from musicgym.rewards.theory import contour, form, line, rhythm, tonality

MODULES = (tonality, line, contour, rhythm, form)


def melody_rules() -> dict[str, Rule]:
    """All rules of melody by name, in the order in which their modules state them."""
    found = (value for module in MODULES for value in vars(module).values() if isinstance(value, Rule))
    return {rule.name: rule for rule in found if rule.__module__.startswith(__name__)}


def theory() -> Rules:
    """Music theory for melody, every rule a term of its own name."""
    weights = _weights()
    return Rules("theory", [(name, rule, rule.values({}), weights[name]) for name, rule in melody_rules().items()])


@cache
def _weights() -> dict[str, float]:
    """Rule -> fitted weight, read once in a process."""
    found: dict[str, float] = json.loads(files(__name__).joinpath("weights.json").read_text(encoding="utf-8"))
    return found
