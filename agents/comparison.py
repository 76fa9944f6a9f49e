"""What an agent earns beside random play and real tunes: means by term with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musicgym.choice import StepChoice
from musicgym.score import key_name, parse_key
from musicgym.task import Task

if TYPE_CHECKING:
    from musicgym.rewards import Reward

RESAMPLES = 2000
BOOTSTRAP_SEED = 12345
COLLECTIONS = ("bach", "ryan", "oneill", "aird")


class Sample(NamedTuple):
    """Pieces from one source, by term."""

    totals: np.ndarray  # float64 (pieces, terms)
    groups: np.ndarray  # int64 (pieces,): pieces of one group hang together: the same seed, or the same tune


class Figure(NamedTuple):
    """A mean with its interval."""

    mean: float
    low: float
    high: float


class Comparison(NamedTuple):
    """All figures of a table. Rows are the reward's terms, then "total"."""

    rows: tuple[str, ...]
    means: dict[str, list[Figure]]  # source -> a figure for each row
    differences: dict[str, list[Figure]]  # source -> the agent's mean less the source's
    counts: dict[str, tuple[int, int]]  # source -> pieces, groups

    def verdict(self, source: str, row: int) -> str:
        """ "above", "below" or "even" (the interval of the difference holds 0): the agent beside a source."""
        figure = self.differences[source][row]
        return "above" if figure.low > 0 else "below" if figure.high < 0 else "even"


def compare(terms: Sequence[str], agent: str, samples: Mapping[str, Sample]) -> Comparison:
    """Means with 95 % percentile bootstrap intervals (Efron 1979), resampling whole groups.

    Args:
        terms: names of the columns of the samples.
        agent: which of the samples the others are compared with.
        samples: name -> pieces.
    """
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    resampled = {name: bootstrap(_with_total(s.totals), s.groups, rng) for name, s in samples.items()}
    means = {name: _with_total(s.totals).mean(axis=0) for name, s in samples.items()}
    others = [name for name in samples if name != agent]
    return Comparison(
        rows=(*terms, "total"),
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


def _with_total(totals: np.ndarray) -> np.ndarray:
    return np.concatenate([totals, totals.sum(axis=1, keepdims=True)], axis=1)


def _figures(means: np.ndarray, resampled: np.ndarray) -> list[Figure]:
    low, high = np.percentile(resampled, [2.5, 97.5], axis=0)
    return [Figure(float(m), float(a), float(b)) for m, a, b in zip(means, low, high, strict=True)]


class RealTunes(NamedTuple):
    """Held-out tunes, or why there are none."""

    sample: Sample | None
    by_collection: dict[str, tuple[int, float]]  # collection -> excerpts, mean total
    note: str


def real_tunes(task: Task, reward: Reward) -> RealTunes:
    """Excerpts of the held-out tunes (test split) as long as the task's pieces, judged by a reward.

    Windows that don't overlap and begin at bar lines, in the task's metre and mode, moved to its tonic and within its range: of
    folk tunes, and of the chorales' sopranos. Windows of one melody family make one group.

    Args:
        task: one voice, composed step by step on an empty page; for others there is no sample, and the note says so.
        reward: the judge.
    """
    if task.voices != 1 or task.source or task.length is None or not isinstance(task.choice, StepChoice):
        return RealTunes(None, {}, "no real tunes: they are for tasks of one voice that begin with an empty page")
    from musicgym import corpus

    key = task.keys[0]
    tonic, mode = parse_key(key)
    name, mode_name = key_name(tonic, mode).split()
    assert task.meter is not None
    bar = task.meter[0] * 4 * task.steps_per_quarter // task.meter[1]
    totals, groups, by_collection = [], [], {}
    for collection in COLLECTIONS:
        tunes = corpus.load(collection, steps_per_quarter=task.steps_per_quarter).split("test")
        tunes = (tunes.voice(0) if collection == "bach" else tunes).filter(meter=task.meter, mode=mode_name, voices=1)
        wish: dict[str, Any] = {
            "stride": -(-task.length // bar), "transpose_to": name, "meter": task.meter,
            "low": task.choice.low, "high": task.choice.high, "voices": 1,
        }  # fmt: skip
        excerpts = tunes.excerpts(task.length, **wish)
        if len(excerpts.length):
            worth = np.stack(list(reward.score(excerpts).values()), axis=1)  # (excerpts, terms)
            totals.append(worth)
            groups.append(tunes.families[tunes.windows(task.length, **wish).piece])
            by_collection[collection] = (len(worth), float(worth.sum(axis=1).mean()))
    if not totals:
        return RealTunes(None, {}, f"no real tunes: none of the test split in {task.meter[0]}/{task.meter[1]}, {mode_name}, fits")
    sample = Sample(np.concatenate(totals), np.concatenate(groups).astype(np.int64))
    shown = ", ".join(f"{collection} {mean:.1f} ({count})" for collection, (count, mean) in by_collection.items())
    note = (
        f"real tunes: {len(sample.groups)} excerpts of {task.length} steps in {task.meter[0]}/{task.meter[1]} from the test "
        f"split, in {mode_name}, moved to {name}; mean totals (excerpts) by collection: {shown}"
    )
    return RealTunes(sample, by_collection, note)
