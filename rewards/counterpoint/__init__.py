"""Species counterpoint after Fux: one set of rules for all five species, two voices and three, above and below a cantus firmus.

`counterpoint()` has all of them, `strict_counterpoint()` the hard ones, which Fux's own solutions obey: for
`Task(forbid=("strict_counterpoint",))`. Species differ by grid and rhythm mask only. `weights.json` says which are hard, and
holds the weights, which are our own. Rates in Fux: docs/counterpoint.md.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from musicgym.rewards.counterpoint import cadence, consonance, dissonance, melody, motion, suspension
from musicgym.rewards.part_writing.motion import voice_crossing, voice_overlap
from musicgym.rewards.part_writing.parallels import antiparallels, parallel_fifths, parallel_octaves
from musicgym.rewards.reward import Rules
from musicgym.rewards.rules import Rule
from musicgym.rewards.theory.contour import climax, compass
from musicgym.rewards.theory.line import consecutive_leaps, leap_recovered, leap_size, outlined_tritone, repeated_notes

MODULES = (consonance, dissonance, suspension, motion, cadence, melody)
# Rules of other sets that counterpoint asks for too, with its own values of their parameters.
SHARED: dict[Rule, dict[str, float]] = {
    parallel_fifths: {},
    parallel_octaves: {},
    antiparallels: {},
    voice_crossing: {},
    voice_overlap: {},
    compass: {"most": 17},
    leap_recovered: {"leap": 7},
    consecutive_leaps: {},
    outlined_tritone: {},
    repeated_notes: {"most": 1},
    climax: {},
    leap_size: {},
}


def counterpoint_rules() -> dict[str, Rule]:
    """All rules of counterpoint by name: its own, in the order in which the modules state them, then those it shares."""
    found = (value for module in MODULES for value in vars(module).values() if isinstance(value, Rule))
    own = {rule.name: rule for rule in found if rule.__module__.startswith(__name__)}
    return own | {rule.name: rule for rule in SHARED}


def hard_rules() -> tuple[str, ...]:
    """Names of the rules that `strict_counterpoint` holds."""
    return tuple(_weights()["hard"])


def counterpoint() -> Rules:
    """Species counterpoint, hard rules and soft ones, every rule a term of its own name."""
    weights = _weights()["hard"] | _weights()["soft"]
    return _set("counterpoint", weights)


def strict_counterpoint() -> Rules:
    """The hard rules of species counterpoint, those that Fux's own solutions obey: what `forbid` takes."""
    return _set("strict_counterpoint", _weights()["hard"])


def _set(name: str, weights: dict[str, float]) -> Rules:
    rules = counterpoint_rules()
    entries = [(term, rule, rule.values(SHARED.get(rule, {})), weights[term]) for term, rule in rules.items() if term in weights]
    return Rules(name, entries)


@cache
def _weights() -> dict[str, dict[str, float]]:
    """ "hard" and "soft": rule -> weight, read once in a process."""
    found: dict[str, dict[str, float]] = json.loads(files(__name__).joinpath("weights.json").read_text(encoding="utf-8"))
    return found
