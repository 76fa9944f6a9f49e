"""Part-writing: how four voices go together in a chorale, with weights that were fitted to tell Bach from what is spoiled.

`part_writing()` is the set. `parallels`, `motion`, `spacing`, `doubling`, `resolution`, `harmony`, `cadence` and `texture` hold
the rules, `weights.json` the fitted weights. Notes carry no spelling, and the key is the local one (`piece.tonic`, `piece.mode`):
rules that hang on it say so.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from musicgym.rewards.part_writing import cadence, doubling, harmony, motion, parallels, resolution, spacing, texture
from musicgym.rewards.reward import Rules
from musicgym.rewards.rules import Rule
from musicgym.rewards.theory.tonality import in_key

MODULES = (parallels, motion, spacing, doubling, resolution, harmony, cadence, texture)


def part_writing_rules() -> dict[str, Rule]:
    """All rules of part-writing by name, in the order in which their modules state them, and melody's `in_key`."""
    found = (value for module in MODULES for value in vars(module).values() if isinstance(value, Rule))
    own = {rule.name: rule for rule in found if rule.__module__.startswith(__name__)}
    return {**own, in_key.name: in_key}


def part_writing() -> Rules:
    """Part-writing of chorales: parallels, spacing, resolutions, harmony, cadences; every rule a term of its own name."""
    weights = _weights()
    return Rules("part_writing", [(name, rule, rule.values({}), weights[name]) for name, rule in part_writing_rules().items()])


@cache
def _weights() -> dict[str, float]:
    """Rule -> fitted weight, read once in a process."""
    found: dict[str, float] = json.loads(files(__name__).joinpath("weights.json").read_text(encoding="utf-8"))
    return found
