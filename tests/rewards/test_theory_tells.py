"""Theory tells tunes that no weight was fitted to from spoiled ones and from cheap play, before any agent is trained."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from musicgym.benchmarks.adversaries import ADVERSARIES
from musicgym.benchmarks.discrimination import discrimination, worth
from musicgym.benchmarks.tunes import Tunes, tunes
from musicgym.rewards.theory import theory

CHEAP = (
    "one note",
    "repeated quarters",
    "silence",
    "hold",
    "scale in eighths",
    "scale in sixteenths",
    "two-bar loop",
    "uniform random",
)
METERS = ((2, 2), (2, 4), (3, 4), (4, 4), (6, 8))  # 40 windows and more each; of 9/8 there are too few to speak of a tenth
PAGES = [(name, meter) for name in CHEAP for meter in METERS]


@functools.cache
def held_out() -> Tunes:
    """Every window of eight bars of the families of the test split."""
    return tunes("test", 8)


@pytest.mark.parametrize(("spoiled", "least"), [("permuted notes", 0.95), ("uniform random", 0.95), ("20 % wrong notes", 0.85)])
def test_tunes_are_worth_more_than_spoiled_ones(spoiled, least):
    """Any tune against any spoiled one, of whatever metre: the AUC that is published."""
    auc = discrimination(theory(), held_out(), spoiled).auc["total"]
    assert auc.mean >= least
    assert auc.low > least - 0.03


def test_one_wrong_note_makes_most_tunes_worth_less():
    assert discrimination(theory(), held_out(), "one wrong note").paired["total"].low > 0.6


@pytest.mark.parametrize(("name", "meter"), PAGES, ids=[f"{name}-{beats}/{unit}" for name, (beats, unit) in PAGES])
def test_cheap_play_is_worth_less_than_nine_tunes_in_ten(name, meter):
    """The mean of its pieces on the pages of all eight-bar windows in a metre, against the windows' own 10th percentile."""
    rows = (held_out().meter == meter).all(axis=1)
    music = held_out().excerpts.take(rows)
    real, cheap = (worth(theory(), one)[1][:, -1] for one in (music, ADVERSARIES[name](music, np.random.default_rng(0))))
    assert len(real) >= 40
    assert cheap.mean() < np.percentile(real, 10)


def test_the_opposite_of_theory_tells_the_opposite():
    permuted = discrimination(-theory(), held_out(), "permuted notes").auc["total"]
    assert permuted.high < 0.05
