"""AUC by term: counted by hand, against SciPy and against resampling done the slow way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicgym.benchmarks.corruptions import CORRUPTIONS
from musicgym.benchmarks.discrimination import _weighted_auc, discrimination, named, separation, standing, worth
from musicgym.benchmarks.tunes import tunes
from musicgym.rewards import Rules, parse, rule

TUNES = tunes("test", limit=200)


@rule
def first_pitch(piece, voice, step):
    """The first note's pitch."""
    return float(piece.pitch[voice, step]) if step == 0 else 0.0


@rule
def a_tenth(piece, voice, step):
    """A tenth for each note on an even pitch, three tenths for others: sums that hang on their order by a rounding error."""
    if not piece.onset[voice, step]:
        return 0.0
    return 0.1 if piece.pitch[voice, step] % 2 == 0 else 0.3


@rule
def nothing(piece, voice, step):
    """0 everywhere."""
    return 0.0


def by_hand(real: list[float], spoiled: list[float]) -> float:
    return sum((a > b) + 0.5 * (a == b) for a, b in itertools.product(real, spoiled)) / (len(real) * len(spoiled))


def test_auc_is_the_share_of_pairs_won_with_ties_half() -> None:
    real, spoiled = np.array([[3.0], [2.0], [2.0], [0.0]]), np.array([[2.0], [1.0], [-1.0], [2.0]])
    figure = separation(real, spoiled, np.arange(4), np.arange(4))[0]
    assert figure.mean == (4 + 3 + 3 + 1) / 16


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=20))
def test_auc_of_small_numbers_with_many_ties_is_that_of_all_pairs(values: list[tuple[int, int]]) -> None:
    pairs = np.array(values, float)
    groups = np.arange(len(pairs)) // 2
    figure = separation(pairs[:, :1], pairs[:, 1:], groups, groups)[0]
    assert figure.mean == pytest.approx(by_hand(*pairs.T.tolist()))
    assert figure.low <= figure.high


def test_a_resample_counts_a_group_as_often_as_it_was_drawn() -> None:
    rng = np.random.default_rng(1)
    groups = np.array([0, 0, 1, 2, 2, 2])
    real, spoiled = rng.integers(0, 5, 6).astype(float), np.sort(rng.integers(0, 5, 6).astype(float))
    below, upto = (np.searchsorted(spoiled, real, side=side) for side in ("left", "right"))
    draws = np.array([[2, 1, 0], [0, 0, 3], [1, 1, 1]])
    found = _weighted_auc(draws[:, groups], draws[:, groups], below, upto)
    for value, times in zip(found, draws[:, groups]):
        assert value == pytest.approx(by_hand(np.repeat(real, times).tolist(), np.repeat(spoiled, times).tolist()))


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    draws = 60
    # 50 groups of 2 with means of their own; between normal variables one standard deviation apart the AUC is 0.76.
    offset = rng.normal(0, 0.5**0.5, (draws, 50, 1))
    real, spoiled = (offset + rng.normal(mean, 0.5**0.5, (draws, 50, 2)) for mean in (1.0, 0.0))
    groups = np.repeat(np.arange(50), 2)
    figures = separation(real.reshape(draws, 100).T, spoiled.reshape(draws, 100).T, groups, groups)
    assert np.mean([f.low <= 0.7602 <= f.high for f in figures]) >= 0.85
    assert np.mean([f.mean for f in figures]) == pytest.approx(0.7602, abs=0.02)


def test_a_reward_that_sees_nothing_gets_a_half_and_no_interval() -> None:
    found = discrimination(Rules.of(nothing), TUNES, "permuted notes")
    assert found.auc["nothing"] == found.paired["total"] == (0.5, 0.5, 0.5)


def test_sums_of_the_same_marks_in_another_order_are_ties() -> None:
    found = discrimination(Rules.of(a_tenth), TUNES, "retrograde")
    assert found.paired["a_tenth"].mean == 0.5


def test_each_term_and_the_total_is_judged_and_a_negative_weight_turns_the_auc_round() -> None:
    reward = parse("rl_tuner(form='fixed')")
    plain = discrimination(reward, TUNES, "20 % wrong notes", seed=3)
    turned = discrimination(-1 * reward, TUNES, "20 % wrong notes", seed=3)
    assert list(plain.auc) == [*reward.terms, "total"]
    assert plain.families == len(np.unique(TUNES.families)) < plain.tunes == 200
    for term in plain.auc:
        assert plain.auc[term].mean + turned.auc[term].mean == pytest.approx(1.0)
        assert plain.paired[term].mean + turned.paired[term].mean == pytest.approx(1.0)
        assert plain.auc[term].low <= plain.auc[term].mean <= plain.auc[term].high


def test_paired_compares_each_tune_with_its_own_copies() -> None:
    reward = Rules.of(first_pitch)
    found = discrimination(reward, TUNES, "retrograde")
    first = TUNES.excerpts.pitch[:, 0, 0].astype(int)
    last = TUNES.excerpts.pitch[np.arange(200), 0, TUNES.excerpts.length - 1].astype(int)
    assert found.paired["total"].mean == pytest.approx(np.mean((first > last) + 0.5 * (first == last)))
    assert found.auc["total"].mean == pytest.approx(by_hand(first.tolist(), last.tolist()))


def test_more_copies_change_little_and_the_same_seed_nothing() -> None:
    reward = parse("rl_tuner(form='fixed')")
    one = discrimination(reward, TUNES, "permuted notes", seed=1)
    assert discrimination(reward, TUNES, "permuted notes", seed=1) == one
    many = discrimination(reward, TUNES, "permuted notes", seed=2, copies=5)
    assert many.auc["total"].mean == pytest.approx(one.auc["total"].mean, abs=0.05)
    assert many != one


def test_standing_is_a_percentile_among_real_tunes_of_the_same_length() -> None:
    reward = Rules.of(first_pitch)
    among = standing(reward, TUNES, lambda music, rng: music)  # the tunes themselves: the middle of their own ranks
    assert among.mean == pytest.approx(50.0, abs=1e-9)
    assert standing(reward, TUNES, "silence").mean < 1.0  # a few tunes begin with a rest too
    assert standing(-1 * reward, TUNES, "silence").mean > 99.0


def test_totals_are_the_rewards_own() -> None:
    reward = parse("rl_tuner(form='fixed')")
    terms, values = worth(reward, TUNES.excerpts)
    for term, column in zip(terms, values.T):
        expected = sum(reward.score(TUNES.excerpts).values()) if term == "total" else reward.score(TUNES.excerpts)[term]
        np.testing.assert_allclose(column, expected, atol=1e-9)


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(ValueError, match="copies=0"):
        discrimination(Rules.of(nothing), TUNES, "retrograde", copies=0)
    with pytest.raises(ValueError, match=r"'retrogade'.*'permuted notes'"):
        named("retrogade")
    assert named("shuffled bars") is CORRUPTIONS["shuffled bars"]
    with pytest.raises(ValueError, match="same groups"):
        separation(np.zeros((2, 1)), np.zeros((2, 1)), np.array([0, 1]), np.array([0, 2]))
