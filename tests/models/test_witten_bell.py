"""The n-gram model against the formula counted out in dictionaries."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicgym.models.witten_bell import NGram

SEQUENCES = st.lists(st.lists(st.integers(0, 4), max_size=12), min_size=1, max_size=6).filter(any)


def counted_out(training: list[list[int]], history: list[int], token: int, order: int, vocabulary: int) -> float:
    """Witten-Bell as its paper writes it: contexts as tuples, beginnings as -1."""
    follows: dict[tuple[int, ...], Counter[int]] = {}
    for sequence in training:
        padded = [-1] * (order - 1) + sequence
        for at in range(order - 1, len(padded)):
            for length in range(order):
                follows.setdefault(tuple(padded[at - length : at]), Counter())[padded[at]] += 1
    probability = 1 / vocabulary
    past = [-1] * (order - 1) + history
    for length in range(order):
        counts = follows.get(tuple(past[len(past) - length :]), Counter())
        if counts:
            probability = (counts[token] + len(counts) * probability) / (counts.total() + len(counts))
    return probability


@given(SEQUENCES, SEQUENCES, st.integers(1, 5))
def test_probabilities_are_those_of_the_formula(training: list[list[int]], asked: list[list[int]], order: int) -> None:
    model = NGram(5, order).fit([np.array(sequence, int) for sequence in training])
    for sequence, found in zip(asked, model.log_prob([np.array(sequence, int) for sequence in asked]), strict=True):
        expected = [counted_out(training, sequence[:at], token, order, 5) for at, token in enumerate(sequence)]
        np.testing.assert_allclose(np.exp(found), expected, rtol=1e-12)


@given(SEQUENCES, SEQUENCES, st.integers(1, 5))
def test_after_any_context_they_sum_to_one_and_are_the_ones_of_log_prob(
    training: list[list[int]], contexts: list[list[int]], order: int
) -> None:
    model = NGram(5, order).fit([np.array(sequence, int) for sequence in training])
    found = model.distribution([np.array(context, int) for context in contexts])
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)
    for context, row in zip(contexts, found):
        last = [model.log_prob([np.array([*context, token])])[0][-1] for token in range(5)]
        np.testing.assert_allclose(np.exp(last), row, rtol=1e-12)


def test_a_hand_example() -> None:
    model = NGram(3, order=2).fit([np.array([0, 1, 0, 1, 0, 1])])
    after_one_0 = (3 + (3 + 2 / 3) / 8) / 4  # 1 always follows 0; three of six tokens are 1, two kinds, a third each before that
    assert model.distribution([np.array([0])])[0, 1] == pytest.approx(after_one_0)


def test_what_was_learned_is_likelier_than_what_was_not() -> None:
    rng = np.random.default_rng(0)
    scale = np.arange(50) % 7
    model = NGram(7).fit([scale])
    assert model.log_prob([scale])[0].mean() > -0.3
    assert model.log_prob([rng.permutation(scale)])[0].mean() < -1.5


def test_fitting_again_forgets() -> None:
    model = NGram(4, order=3).fit([np.array([0, 1, 2])])
    again = model.fit([np.array([3, 3, 3])])
    fresh = NGram(4, order=3).fit([np.array([3, 3, 3])])
    np.testing.assert_array_equal(again.distribution([np.array([3])]), fresh.distribution([np.array([3])]))


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="vocabulary=0"):
        NGram(0)
    with pytest.raises(ValueError, match="expected at least one token"):
        NGram(3).fit([])
    with pytest.raises(ValueError, match=r"tokens 0\.\.3: expected 0\.\.2"):
        NGram(3).fit([np.array([0, 3])])
    with pytest.raises(ValueError, match="fit the model"):
        NGram(3).log_prob([np.array([0])])
    model = NGram(3).fit([np.array([0, 1])])
    assert model.log_prob([]) == []
    assert [len(found) for found in model.log_prob([np.zeros(0, int), np.array([2]), np.zeros(0, int)])] == [0, 1, 0]
