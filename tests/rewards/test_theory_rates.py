"""How often the rules of melody speak: a rule that never says anything, or says it everywhere, tells nothing."""

from __future__ import annotations

import numpy as np
import pytest

from musicgym.benchmarks.adversaries import uniform_random
from musicgym.benchmarks.theory_figures import firing, random_notes
from musicgym.benchmarks.tunes import tunes
from musicgym.rewards.theory import melody_rules

LOW, HIGH = 0.001, 0.99
# The rules that speak more seldom or more often in all the music here -> what their docstrings say about it.
OUTSIDE = {"key_profile": "where notes sound it is hardly ever 0", "long_note": "Rare in tunes and in random play"}


@pytest.fixture(scope="module")
def measured() -> dict[str, tuple[float, ...]]:
    """For each rule its rates in tunes of the validation split, in random play step by step, and in random play note by note."""
    real = tunes("valid").excerpts
    found = firing({"tunes": real, "steps": uniform_random(real, np.random.default_rng(0)), "notes": random_notes(200)})
    return {term: tuple(found[kind][term].share for kind in found) for term in melody_rules()}


def test_every_rule_speaks_somewhere_and_is_silent_elsewhere_or_says_why(measured):
    outside = {term for term, shares in measured.items() if not any(LOW <= share <= HIGH for share in shares)}
    assert outside == set(OUTSIDE)
    for term, reason in OUTSIDE.items():
        assert reason in " ".join((melody_rules()[term].__doc__ or "").split())
        assert max(measured[term]) > 0


@pytest.mark.parametrize(
    "term",
    ["in_key", "chromatic_resolved", "dissonant_leap", "leap_recovered", "consecutive_leaps", "outlined_tritone", "tessitura"],
)
def test_faults_of_notes_are_rarer_in_tunes_than_in_random_play(measured, term):
    real, steps, notes = measured[term]
    assert 5 * real < min(steps, notes)
