"""How well a reward tells real tunes from spoiled ones, before any agent sees it: AUC, by term, with intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import mannwhitneyu, percentileofscore

from musicgym.agents.comparison import BOOTSTRAP_SEED, RESAMPLES, Figure, bootstrap
from musicgym.benchmarks.adversaries import ADVERSARIES
from musicgym.benchmarks.corruptions import CORRUPTIONS, Corruption
from musicgym.benchmarks.near_music import NEAR_MUSIC
from musicgym.benchmarks.tunes import Tunes
from musicgym.pieces import Excerpts
from musicgym.rewards import Reward

DECIMALS = 9  # totals that differ by less are the same: sums of the same marks in another order
_AT_ONCE = 250  # resamples


class Discrimination(NamedTuple):
    """What a reward's terms, and their "total", tell."""

    auc: dict[str, Figure]  # by term: any tune against any spoiled tune
    paired: dict[str, Figure]  # by term: each tune against its own spoiled copies
    tunes: int
    families: int


def discrimination(
    reward: Reward, tunes: Tunes, corruption: str | Corruption, *, copies: int = 1, seed: int = 0
) -> Discrimination:
    """The probability that a real tune is worth more than a spoiled one, a tie counting half (the AUC; Hanley & McNeil 1982).

    0.5 tells nothing, 1 everything, 0 everything upside down. `auc` compares tunes with spoiled copies of any tune: what
    differs from tune to tune, such as their lengths, stands in the way. `paired` compares each with its own copies alone.
    Intervals: 95 %, percentile bootstrap over melody families, a family's tunes and spoiled copies being drawn together.

    Args:
        reward: the judge.
        tunes: real ones.
        corruption: a name of `CORRUPTIONS` or `NEAR_MUSIC`, or a function of (pieces, random source) such as an adversary.
        copies: how many times each tune is spoiled.
        seed: of the corruption's random source.

    Raises:
        ValueError: an unknown corruption, or fewer than one copy.

    Example:
        >>> from musicgym import rewards
        >>> from musicgym.benchmarks.tunes import tunes
        >>> found = discrimination(rewards.parse("rl_tuner(form='fixed')"), tunes("valid", limit=60), "permuted notes")
        >>> found.paired["interval"].mean > 0.5, found.tunes
        (True, 60)
    """
    if copies < 1:
        raise ValueError(f"discrimination(copies={copies}): expected 1 or more")
    rng = np.random.default_rng(seed)
    spoil = named(corruption)
    terms, real = worth(reward, tunes.excerpts)
    spoiled = np.stack([worth(reward, spoil(tunes.excerpts, rng))[1] for _ in range(copies)])  # (copies, M, terms)
    wins = ((real > spoiled) + 0.5 * (real == spoiled)).mean(axis=0)  # (M, terms)
    resampled = bootstrap(wins, tunes.families, np.random.default_rng(BOOTSTRAP_SEED))
    paired = [_figure(mean, sample) for mean, sample in zip(wins.mean(axis=0), resampled.T)]
    pooled = separation(real, spoiled.reshape(-1, len(terms)), tunes.families, np.tile(tunes.families, copies))
    return Discrimination(dict(zip(terms, pooled)), dict(zip(terms, paired)), len(tunes.families), len(np.unique(tunes.families)))


def standing(reward: Reward, tunes: Tunes, adversary: str | Corruption, *, seed: int = 0) -> Figure:
    """Percentile, 0..100, at which an adversary's pieces stand among real tunes by their total.

    Each piece is put among the real tunes of its own length (a tie counts half); the figure is the mean over the pieces, its
    interval as in `discrimination`.

    Args:
        reward: the judge.
        tunes: real ones, also the pages on which the adversary plays.
        adversary: a name of `ADVERSARIES` or of `CORRUPTIONS`, or a function of (pieces, random source).
        seed: of the adversary's random source.
    """
    pieces = named(adversary)(tunes.excerpts, np.random.default_rng(seed))
    real, played = (worth(reward, music)[1][:, -1] for music in (tunes.excerpts, pieces))
    percentiles = np.zeros(len(real))
    for length in np.unique(tunes.excerpts.length):
        rows = tunes.excerpts.length == length
        percentiles[rows] = percentileofscore(real[rows], played[rows], kind="mean")
    resampled = bootstrap(percentiles[:, None], tunes.families, np.random.default_rng(BOOTSTRAP_SEED))
    return _figure(float(percentiles.mean()), resampled[:, 0])


def named(corruption: str | Corruption) -> Corruption:
    """The corruption or adversary of this name; functions are handed back. Raises ValueError for an unknown name."""
    known = {**CORRUPTIONS, **NEAR_MUSIC, **ADVERSARIES}
    if not isinstance(corruption, str):
        return corruption
    if corruption not in known:
        raise ValueError(f"no corruption or adversary is called {corruption!r}: expected one of {', '.join(map(repr, known))}")
    return known[corruption]


def worth(reward: Reward, music: Excerpts) -> tuple[tuple[str, ...], np.ndarray]:
    """The reward's terms and "total"; what each piece gets, float64 (M, terms + 1), rounded so that equal sums are equal."""
    found = reward.score(music)
    values = np.stack(list(found.values()), axis=1)
    return (*found, "total"), np.concatenate([values, values.sum(axis=1, keepdims=True)], axis=1).round(DECIMALS)


def separation(real: np.ndarray, spoiled: np.ndarray, real_groups: np.ndarray, spoiled_groups: np.ndarray) -> list[Figure]:
    """AUC of each column with its interval: P(real > spoiled) + P(real == spoiled) / 2.

    Args:
        real: float64 (M, terms).
        spoiled: float64 (S, terms).
        real_groups, spoiled_groups: int (M,), (S,): resampled together; both hold the same groups.

    Raises:
        ValueError: groups that only one side has.
    """
    names, groups = np.unique(real_groups, return_inverse=True)
    if not np.array_equal(names, np.unique(spoiled_groups)):
        raise ValueError("separation: real and spoiled pieces must come from the same groups")
    others = np.searchsorted(names, spoiled_groups)
    point = mannwhitneyu(real, spoiled, method="asymptotic").statistic / (len(real) * len(spoiled))
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)  # (resamples, groups)
    figures = []
    for term, mean in enumerate(point):
        order = np.argsort(spoiled[:, term])
        ordered = spoiled[order, term]
        below, upto = (np.searchsorted(ordered, real[:, term], side=side) for side in ("left", "right"))
        resampled = np.concatenate(
            [
                _weighted_auc(some[:, groups], some[:, others[order]], below, upto)
                for some in np.array_split(draws, -(-RESAMPLES // _AT_ONCE))
            ]
        )
        figures.append(_figure(float(mean), resampled))
    return figures


def _weighted_auc(real: np.ndarray, spoiled: np.ndarray, below: np.ndarray, upto: np.ndarray) -> np.ndarray:
    """AUC of pieces with multiplicities.

    Args:
        real: int (resamples, M): how often each real piece was drawn.
        spoiled: int (resamples, S): the same, in rising order of the spoiled pieces' worth.
        below, upto: int (M,): how many spoiled pieces are worth less than a real one; no more than it.
    """
    counts = np.concatenate([np.zeros((len(spoiled), 1), np.int64), np.cumsum(spoiled, axis=1)], axis=1)
    wins = (real * (counts[:, below] + counts[:, upto])).sum(axis=1) / 2
    return np.asarray(wins / (real.sum(axis=1) * counts[:, -1]))


def _figure(mean: float, resampled: np.ndarray) -> Figure:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Figure(float(mean), float(low), float(high))
