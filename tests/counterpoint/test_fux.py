"""What the rules say of Fux's own solutions, on every grid that holds them."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from musicgym import Score
from musicgym.benchmarks import fux_rates
from musicgym.benchmarks.fux_rates import admitted, breaches, octave_higher, plain
from musicgym.corpus.fux import Exercise, exercises
from musicgym.rewards.counterpoint import hard_rules, strict_counterpoint

BY_SPECIES = {1: (9, 10), 2: (4, 4), 3: (4, 4), 4: (4, 4), 5: (4, 4)}


@functools.cache
def found() -> list[Exercise]:
    return exercises()


def test_hard_rules_admit_all_of_fux_but_one_and_that_is_explained():
    places = breaches(found())
    assert admitted(found(), places) == BY_SPECIES
    refused = {(place.figure, place.bar, place.rule) for place in places if place.rule in hard_rules()}
    assert refused == {("22", 8, "dissonant_attack"), ("22", 11, "unsung_interval")}
    assert {figure for figure, *_ in refused} == set(fux_rates.EXPLANATIONS)


def test_the_explanation_of_figure_22_is_true():
    score = next(exercise.score for exercise in found() if exercise.figure == "22")
    totals = strict_counterpoint().score([octave_higher(score, 6, 10)])
    assert not any(value[0] for value in totals.values())


def on_grid(score: Score, steps_per_quarter: int) -> Score:
    """The same music on another grid."""
    ratio = steps_per_quarter / score.steps_per_quarter
    voices = [
        [(round(start * ratio), round(length * ratio), pitch, loud) for start, length, pitch, loud in score.notes(voice)]
        for voice in range(score.voices)
    ]
    key = score.title.split(", ")[2]  # "Fux, figure 5: species 1, D dorian, cantus firmus below"
    return Score.from_notes(voices, steps=round(score.steps * ratio), steps_per_quarter=steps_per_quarter, meter=(2, 2), key=key)


@pytest.mark.parametrize("steps_per_quarter", [2, 4, 12])
def test_rules_say_the_same_on_every_grid(steps_per_quarter):
    rules = plain()
    for exercise in found()[::3]:
        given, other = (
            np.array([value[0] for value in rules.score([score]).values()])
            for score in (exercise.score, on_grid(exercise.score, steps_per_quarter))
        )
        np.testing.assert_array_equal(given, other)


def test_the_tables_have_a_row_for_every_rule_species_and_rejection():
    said: list[str] = []
    fux_rates.main(said.append)
    rows = [line for line in said[0].splitlines() if line.startswith("| ")]
    assert len(rows) == 3 * 2 + len(plain().terms) + len(BY_SPECIES) + 2  # each table has two lines of its own
