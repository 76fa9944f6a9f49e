"""Log-odds that mean what they say: found again where they were put, and measured as the textbooks do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from musicgym.models.calibration import accuracy, auc, calibration_error, log_loss, platt


def drawn(count: int = 40_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds as they should be, and what they are of: half of them real."""
    draws = np.random.default_rng(seed)
    odds = draws.normal(0, 2, count)
    return odds, draws.random(count) < expit(odds)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (3.0, -2.0), (0.01, 1.0), (200.0, 0.0)])
def test_platt_finds_the_way_back(scale: float, shift: float) -> None:
    odds, real = drawn()
    back, moved = platt(scale * odds + shift, real)
    np.testing.assert_allclose(back * (scale * np.array([-3.0, 0.0, 3.0]) + shift) + moved, [-3, 0, 3], atol=0.15)
    assert calibration_error(back * (scale * odds + shift) + moved, real) < 0.01


def test_kinds_weigh_the_same_however_many_there_are() -> None:
    odds, real = drawn()
    fewer = real | (np.random.default_rng(1).random(len(odds)) < 0.2)
    for measure in (log_loss, accuracy, calibration_error, auc):
        assert measure(odds, real) == pytest.approx(measure(odds[fewer], real[fewer]), abs=0.01)
    np.testing.assert_allclose(platt(odds[fewer], real[fewer]), (1, 0), atol=0.06)


def test_kinds_that_lie_apart_keep_a_finite_scale() -> None:
    scale, shift = platt(np.array([1.0, 2, 3, -1, -2, -3]), np.array([True] * 3 + [False] * 3))
    assert np.isfinite([scale, shift]).all()
    assert scale > 0
    assert platt(np.zeros(4), np.array([True, True, False, False]))[1] == pytest.approx(0, abs=1e-6)


def test_sure_and_wrong_half_the_time_is_off_by_a_half() -> None:
    real = np.array([True, False] * 50)
    assert calibration_error(np.full(100, 20.0), real) == pytest.approx(0.5, abs=1e-6)
    assert calibration_error(np.zeros(100), real) == 0
    assert log_loss(np.zeros(100), real) == pytest.approx(np.log(2))
    assert accuracy(np.zeros(100), real) == 0.5


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30))
@settings(deadline=None)
def test_the_auc_is_the_share_of_pairs_in_order(pairs: list[tuple[int, bool]]) -> None:
    odds, real = (np.array(column) for column in zip(*pairs))
    if real.all() or not real.any():
        with pytest.raises(ValueError, match="at least one of each kind"):
            auc(odds.astype(float), real)
        return
    ahead = np.sign(odds[real][:, None] - odds[~real])
    assert auc(odds.astype(float), real) == pytest.approx((ahead.mean() + 1) / 2)


def test_log_odds_that_are_no_numbers_are_refused() -> None:
    for measure in (platt, auc, log_loss, accuracy, calibration_error):
        with pytest.raises(ValueError, match="1 of whose log-odds are no finite numbers"):
            measure(np.array([0.0, np.nan]), np.array([True, False]))
