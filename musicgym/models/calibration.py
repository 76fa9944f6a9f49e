"""Whether log-odds mean what they say: how well they tell two kinds apart, how far they are off, and what puts them right."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import mannwhitneyu

_BINS = 15  # of probabilities, as in Guo et al. 2017, "On calibration of modern neural networks"


def platt(log_odds: np.ndarray, real: np.ndarray) -> tuple[float, float]:
    """The scale and shift that bring log-odds nearest to what they should be, in log loss (Platt 1999).

    Both kinds weigh the same, however many there are of each. Targets are drawn a little towards each other, as Platt does, so
    that the scale stays finite where the kinds don't overlap.

    Args:
        log_odds: float64 (P,), at least one of each kind.
        real: bool (P,).

    Raises:
        ValueError: one kind only, or log-odds that aren't finite.

    Example:
        >>> from scipy.special import expit
        >>> draws = np.random.default_rng(0)
        >>> true = draws.normal(0, 2, 20000)
        >>> scale, shift = platt(3 * true - 1.5, draws.random(20000) < expit(true))
        >>> round(scale, 1), round(shift, 1)
        (0.3, 0.5)
    """
    counts = _counts(log_odds, real)
    weight = np.where(real, 0.5 / counts[0], 0.5 / counts[1])
    target = np.where(real, (counts[0] + 1) / (counts[0] + 2), 1 / (counts[1] + 2))
    spread = float(np.std(log_odds)) or 1.0  # so that the search begins at a slope of its own size

    def loss(found: np.ndarray) -> tuple[float, np.ndarray]:
        steep = math.exp(found[0]) / spread
        said = steep * log_odds + found[1]
        nats = np.logaddexp(0, said) - target * said
        slope = weight * (expit(said) - target)
        return float(weight @ nats), np.array([(slope * said).sum() - found[1] * slope.sum(), slope.sum()])

    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-8, 8), (None, None)]).x
    return math.exp(float(found[0])) / spread, float(found[1])


def calibration_error(log_odds: np.ndarray, real: np.ndarray) -> float:
    """The expected calibration error: how far the share of real pieces is from the probability said, in the mean over pieces.

    Probabilities are sorted into fifteen bins of equal width (Guo et al. 2017); both kinds weigh the same.

    >>> calibration_error(np.array([0.0, 0.0, 9.0, 9.0]), np.array([True, False, True, False])).__round__(2)
    0.25
    """
    counts = _counts(log_odds, real)
    weight = np.where(real, 0.5 / counts[0], 0.5 / counts[1])
    said = expit(log_odds)
    bins = np.minimum((said * _BINS).astype(np.int64), _BINS - 1)
    return float(np.abs(np.bincount(bins, weight * (said - real), minlength=_BINS)).sum())


def auc(log_odds: np.ndarray, real: np.ndarray) -> float:
    """The probability that a real piece is taken for likelier real than a generated one, a tie counting half.

    >>> auc(np.array([1.0, 2.0, 0.0, 1.0]), np.array([True, True, False, False]))
    0.875
    """
    counts = _counts(log_odds, real)
    return float(mannwhitneyu(log_odds[real], log_odds[~real]).statistic / (counts[0] * counts[1]))


def log_loss(log_odds: np.ndarray, real: np.ndarray) -> float:
    """Mean surprise at which kind it is, in nats; both kinds weigh the same. Knowing nothing costs log 2."""
    _counts(log_odds, real)
    return float((np.logaddexp(0, -log_odds[real]).mean() + np.logaddexp(0, log_odds[~real]).mean()) / 2)


def accuracy(log_odds: np.ndarray, real: np.ndarray) -> float:
    """Share taken for what they are, half of those in doubt among them; both kinds weigh the same."""
    _counts(log_odds, real)
    right = (np.sign(log_odds) * np.where(real, 1, -1) + 1) / 2
    return float((right[real].mean() + right[~real].mean()) / 2)


def _counts(log_odds: np.ndarray, real: np.ndarray) -> tuple[int, int]:
    found = int(real.sum()), int((~real).sum())
    if not all(found) or not np.isfinite(log_odds).all():
        raise ValueError(
            f"{found[0]} real and {found[1]} generated pieces, {int((~np.isfinite(log_odds)).sum())} of whose log-odds are no "
            "finite numbers: expected at least one of each kind, and finite numbers"
        )
    return found
