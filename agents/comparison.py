"""What an agent earns beside random play and real tunes: means by term with bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 2000
BOOTSTRAP_SEED = 12345
COMPARABLE = "total but for velocities"


class Sample(NamedTuple):
    """Pieces from one source, by term."""

    totals: np.ndarray  # float64 (pieces, terms); nan in the column of a term that can't be judged on these pieces
    groups: np.ndarray  # int64 (pieces,): pieces of one group hang together: the same seed, or the same tune


class Figure(NamedTuple):
    """A mean with its interval; nan where pieces of this source can't be judged."""

    mean: float
    low: float
    high: float


class Comparison(NamedTuple):
    """All figures of a table. Rows are the reward's terms, then "total".

    Where a source can't be judged by every term there is one more row before the last, `COMPARABLE`: the sum of the terms by
    which all sources are judged.
    """

    rows: tuple[str, ...]
    means: dict[str, list[Figure]]  # source -> a figure for each row
    differences: dict[str, list[Figure]]  # source -> the agent's mean less the source's
    counts: dict[str, tuple[int, int]]  # source -> pieces, groups

    def verdict(self, source: str, row: int) -> str:
        """ "above", "below" or "even" (the interval of the difference holds 0): the agent beside a source; "" if not judged."""
        figure = self.differences[source][row]
        if math.isnan(figure.mean):
            return ""
        return "above" if figure.low > 0 else "below" if figure.high < 0 else "even"


def compare(terms: Sequence[str], agent: str, samples: Mapping[str, Sample]) -> Comparison:
    """Means with 95 % percentile bootstrap intervals (Efron 1979), resampling whole groups.

    Args:
        terms: names of the columns of the samples.
        agent: which of the samples the others are compared with.
        samples: name -> pieces.
    """
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    judged = ~np.any([np.isnan(s.totals).any(axis=0) for s in samples.values()], axis=0)  # bool (terms,): in all sources
    totals = {name: _with_sums(s.totals, judged) for name, s in samples.items()}
    resampled = {name: bootstrap(totals[name], s.groups, rng) for name, s in samples.items()}
    means = {name: values.mean(axis=0) for name, values in totals.items()}
    others = [name for name in samples if name != agent]
    return Comparison(
        rows=(*terms, "total") if judged.all() else (*terms, COMPARABLE, "total"),
        means={name: _figures(means[name], resampled[name]) for name in samples},
        differences={name: _figures(means[agent] - means[name], resampled[agent] - resampled[name]) for name in others},
        counts={name: (len(s.groups), len(np.unique(s.groups))) for name, s in samples.items()},
    )


def bootstrap(totals: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Means of resamples, float64 (RESAMPLES, terms): as many groups as there are, drawn with replacement.

    Args:
        totals: float64 (pieces, terms).
        groups: int64 (pieces,).
        rng: the random source.
    """
    names, group = np.unique(groups, return_inverse=True)
    sums = np.zeros((len(names), totals.shape[1]))
    np.add.at(sums, group, totals)
    sizes = np.bincount(group).astype(float)
    draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)  # (resamples, groups)
    return np.asarray(draws @ sums / (draws @ sizes)[:, None])


def _with_sums(totals: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """float64 (pieces, terms + 1 or 2): with the sum of what is judged everywhere, if that isn't all, and the sum of all."""
    comparable = [] if judged.all() else [totals[:, judged].sum(axis=1, keepdims=True)]
    return np.concatenate([totals, *comparable, totals.sum(axis=1, keepdims=True)], axis=1)


def _figures(means: np.ndarray, resampled: np.ndarray) -> list[Figure]:
    low, high = np.percentile(resampled, [2.5, 97.5], axis=0)
    return [Figure(float(m), float(a), float(b)) for m, a, b in zip(means, low, high, strict=True)]
