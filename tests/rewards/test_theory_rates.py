"""How often the rules of melody speak: a rule that never says anything, or says it everywhere, tells nothing."""

from __future__ import annotations

import numpy as np
import pytest

from musicgym.benchmarks.adversaries import uniform_random
from musicgym.benchmarks.tunes import tunes
from musicgym.engine import Engine
from musicgym.pieces import Excerpts
from musicgym.rewards import Rules
from musicgym.rewards.theory import melody_rules
from musicgym.tasks import expressive_melody

ALL = Rules.of(*melody_rules().values(), name="melody")  # each with weight 1
LOW, HIGH = 0.001, 0.99
# The rules that speak more seldom or more often in all the music here -> what their docstrings say about it.
OUTSIDE = {"key_profile": "where notes sound it is hardly ever 0", "long_note": "Rare in tunes and in random play"}


def random_notes(pieces: int) -> Excerpts:
    """Random play of `musicgym/ExpressiveMelody-v0`: pitches, rests and durations drawn alike."""
    engine, draws = Engine(expressive_melody(), pieces), np.random.default_rng(0)
    engine.reset(np.arange(pieces), np.arange(pieces, dtype=np.uint64))
    while not engine.pieces.done.all():
        engine.write(np.stack([draws.integers(size, size=pieces) for size in engine.plan.sizes], axis=1))
    return Excerpts.from_scores([engine.score(row) for row in range(pieces)])


def rates(music: Excerpts) -> dict[str, float]:
    """For each rule the share, of the sites to which it applies, at which it does not say 0.

    Sites are notes for rules of notes, pieces for rules of the end, events for rules of any site, and for rules of bars the ends
    of those bars, by number, of which the rule says something in one piece at least: every second or fourth bar for some.
    """
    _, marks = ALL.score(music, marks=True)
    steps = np.arange(music.pitch.shape[2])
    inside, last = steps < music.length[:, None], steps == music.length[:, None] - 1
    events = music.onset[:, 0] & inside
    number = np.cumsum(music.position == 0, axis=1)
    places = {
        "any": events,
        "note": events & (music.pitch[:, 0] >= 0),
        "bar": inside & (music.position == music.bar - 1),
        "end": last,
    }
    found = {}
    for k, (term, rule, _, _) in enumerate(ALL.entries):
        says, sites = marks[:, k, 0] != 0, places[rule.at]
        if rule.at == "bar":
            sites = sites & np.isin(number, number[says])
        if rule.at != "any":
            assert not (says & ~sites).any(), term
        found[term] = float(says.sum() / max(1, sites.sum()))
    return found


@pytest.fixture(scope="module")
def measured() -> dict[str, tuple[float, ...]]:
    """For each rule its rates in held-out tunes, in random play step by step, and in random play note by note."""
    real = tunes("test").excerpts
    found = [rates(music) for music in (real, uniform_random(real, np.random.default_rng(0)), random_notes(200))]
    return {term: tuple(one[term] for one in found) for term in ALL.terms}


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
