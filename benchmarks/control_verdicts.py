"""What trained agents and their controls have to show, written down before the first run, and whether they do."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import percentileofscore

from musicgym.agents.comparison import BOOTSTRAP_SEED, COMPARABLE, Comparison, Figure, Sample, bootstrap, compare
from musicgym.agents.held_out import held_out, real_tunes
from musicgym.agents.players import play, randomly
from musicgym.agents.settings import Settings, reward_of, task_of
from musicgym.benchmarks import loudness
from musicgym.benchmarks.panel import DISTANCES, Panel
from musicgym.pieces import Excerpts

PIECES = 1000  # judged for each agent and for random play
CONTROL_JUDGING_SEED = 20_000  # judging begins here: apart from the pieces that `musicgym train` judges its agents by
RANDOM, REAL = "random, masked", "real tunes"


class Judgement(NamedTuple):
    """One agent, trained and judged."""

    arm: str
    seed: int
    seconds: float
    totals: np.ndarray  # float64 (PIECES, terms)
    distinct: int  # different pieces among them
    music: Excerpts  # (PIECES, voices, steps)


class Expected(NamedTuple):
    """The total of one source beside another's: the 95 % interval of the difference must lie on this side of 0."""

    source: str
    relation: str  # "above" or "below"
    other: str


EXPECTED = (
    Expected("trained", "above", RANDOM),
    Expected("trained", "above", "blind"),
    Expected("trained", "above", "constant"),
    Expected("negated", "below", RANDOM),
)
# A constant reward teaches nothing: it may move the total by at most this share of what training gains over random play.
CONSTANT_SHARE = 0.1
# A reward that knows music: its agent's mean total, by the lower end of its interval over seeds, lies at or above this percentile
# of real tunes ...
REAL_PERCENTILE = 25
# ... hardly a piece of an agent's is the copy of another ...
DISTINCT_SHARE = 0.95
# ... and by measures that no rule uses it is nearer to real music than random play is, the whole interval: distances are less,
# and other values are nearer to what real tunes have.
NEARER_BY_DISTANCE = DISTANCES
NEARER_BY_VALUE = ("log_likelihood",)
# Where velocities are chosen, strong beats are louder than weak ones (the whole interval of the correlation is above 0), and the
# velocities of a piece have a standard deviation above this (the whole interval, too).
LEAST_SPREAD = 1.0
# RL Tuner's reward as its code pays it doesn't know music: real tunes lose by it, and its agent is above them.
EXPECTED_OF_RL_TUNER = (*EXPECTED, Expected("trained", "above", REAL))


class Samples(NamedTuple):
    """All that was judged, by the trained arm's reward."""

    terms: tuple[str, ...]
    by_source: dict[str, Sample]  # arms, random play, real tunes
    music: dict[str, Excerpts]  # source -> pieces, in the order of its sample
    note: str  # on the real tunes


def samples_of(found: list[Judgement], base: Settings, split: str = "test") -> Samples:
    """Arms as they come, random play and the real tunes of a split, all judged by the reward of `base`.

    Figures are of the test split; where settings are chosen by them the split is "valid".
    """
    task, reward = task_of(base), reward_of(base)
    by_source: dict[str, Sample] = {}
    music: dict[str, Excerpts] = {}
    for arm in dict.fromkeys(j.arm for j in found):
        mine = [j for j in found if j.arm == arm]
        groups = np.concatenate([np.full(len(j.totals), j.seed) for j in mine])
        by_source[arm] = Sample(np.concatenate([j.totals for j in mine]), groups)
        music[arm] = Excerpts(*(np.concatenate(arrays) for arrays in zip(*(j.music for j in mine), strict=True)))
    drawn = play(task, PIECES, randomly(masked=True), reward=reward, seed=CONTROL_JUDGING_SEED)
    by_source[RANDOM], music[RANDOM] = Sample(drawn.totals, np.arange(PIECES)), drawn.music
    tunes = real_tunes(task, reward, split)
    if tunes.sample is not None and tunes.excerpts is not None:
        by_source[REAL], music[REAL] = tunes.sample, tunes.excerpts
    return Samples(drawn.terms, by_source, music, tunes.note)


def compared_with(source: str, samples: Samples) -> Comparison:
    """All sources beside one, which stands first."""
    ordered = {source: samples.by_source[source], **samples.by_source}
    return compare(samples.terms, source, ordered)


def panel_of(samples: Samples, base: Settings, split: str = "test") -> dict[str, dict[str, Figure]]:
    """Source -> measure of the panel -> figure; nothing for tasks that have no real tunes.

    The measures know the training and validation splits, in the task's metre, mode and range; where the "real tunes" are of the
    validation split, the training split alone. Of all agents of an arm together as many pieces are measured as of random play:
    distances fall with the number of pieces.
    """
    if REAL not in samples.music:
        return {}
    task = task_of(base)
    panel = Panel.fit(held_out(task, "train").excerpts, held_out(task, "valid" if split == "test" else "train").excerpts)
    taken: dict[str, Excerpts] = {}
    groups: dict[str, np.ndarray] = {}
    for source, music in samples.music.items():
        group = samples.by_source[source].groups
        several = np.unique(group)
        rows = np.arange(len(group))
        if source not in (RANDOM, REAL):
            rows = np.concatenate([np.flatnonzero(group == seed)[: PIECES // len(several)] for seed in several])
        taken[source], groups[source] = music.take(rows), group[rows]
    return panel.compare(taken, groups)


def loudness_of(samples: Samples) -> dict[str, dict[str, Figure]]:
    """Source -> measure of `loudness` -> figure; nothing for several voices or where all have one velocity.

    The corpora have no velocities: nothing is said of real tunes.
    """
    if samples.music[RANDOM].pitch.shape[1] > 1 or not loudness.varies(samples.music[RANDOM]):
        return {}
    found = {}
    for source, pieces in samples.music.items():
        if source == REAL:
            continue
        columns = loudness.by_piece(pieces)
        resampled = bootstrap(columns, samples.by_source[source].groups, np.random.default_rng(BOOTSTRAP_SEED))
        ends = np.percentile(resampled, [2.5, 97.5], axis=0)
        figures = zip(columns.mean(axis=0).tolist(), *ends.tolist(), strict=True)
        found[source] = {name: Figure(*figure) for name, figure in zip(loudness.MEASURES, figures, strict=True)}
    return found


def standing_of(samples: Samples) -> str:
    """Where the trained agent's mean stands among real tunes, by the terms by which both are judged; "" without real tunes."""
    if REAL not in samples.by_source:
        return ""
    mean = _total(samples, "trained").mean
    percentile = percentileofscore(_tunes(samples), mean, kind="mean")
    return f"the trained agent's mean, {mean:.1f}, stands at percentile {percentile:.0f} of {REAL}"


def verdicts(
    found: list[Judgement],
    base: Settings,
    samples: Samples,
    panel: dict[str, dict[str, Figure]],
    loud: dict[str, dict[str, Figure]],
) -> dict[str, bool]:
    """Each expectation and whether it is met, by what `panel_of` and `loudness_of` found of the samples."""
    of_rl_tuner = reward_of(base).name == "rl_tuner"
    met = {}
    for source, relation, other in EXPECTED_OF_RL_TUNER if of_rl_tuner else EXPECTED:
        compared = compared_with(source, samples)
        met[f"{source} {relation} {other}"] = compared.verdict(other, _comparable(compared)) == relation
    compared = compared_with("trained", samples)
    trained, constant, drawn = (compared.means[name][_comparable(compared)].mean for name in ("trained", "constant", RANDOM))
    name = f"constant within {CONSTANT_SHARE:.0%} of what training gains over {RANDOM}"
    met[name] = abs(constant - drawn) <= CONSTANT_SHARE * (trained - drawn)
    if of_rl_tuner:
        return met
    fewest = min(j.distinct / len(j.totals) for j in found if j.arm == "trained")
    met[f"distinct pieces of every trained agent {DISTINCT_SHARE:.0%} or more"] = fewest >= DISTINCT_SHARE
    if REAL in samples.by_source:
        quartile = float(np.percentile(_tunes(samples), REAL_PERCENTILE))
        met[f"trained at or above percentile {REAL_PERCENTILE} of {REAL}"] = _total(samples, "trained").low >= quartile
        for measure in (*NEARER_BY_DISTANCE, *NEARER_BY_VALUE):
            target = 0.0 if measure in NEARER_BY_DISTANCE else panel[REAL][measure].mean
            met[f"trained nearer to real music than {RANDOM} by {measure}"] = (
                _gap(panel["trained"][measure], target)[1] < _gap(panel[RANDOM][measure], target)[0]
            )
    if loud:
        met["trained louder on strong beats than on weak ones"] = loud["trained"]["loud_beats"].low > 0
        spread = loud["trained"]["loud_spread"]
        met[f"trained not constant in loudness: spread above {LEAST_SPREAD:g}"] = spread.low > LEAST_SPREAD
    return met


def _tunes(samples: Samples) -> np.ndarray:
    """float64 (tunes,): real tunes' totals of the terms by which they can be judged."""
    totals = samples.by_source[REAL].totals
    return np.asarray(totals[:, ~np.isnan(totals).any(axis=0)].sum(axis=1))


def _total(samples: Samples, source: str) -> Figure:
    """A source's mean of the same terms, with its interval."""
    compared = compared_with(source, samples)
    return compared.means[source][_comparable(compared)]


def _comparable(compared: Comparison) -> int:
    """The row of the sum by which all sources are judged."""
    return len(compared.rows) - 1 - (COMPARABLE in compared.rows)


def _gap(figure: Figure, target: float) -> tuple[float, float]:
    """The least and the greatest distance of an interval from a value."""
    ends = abs(figure.low - target), abs(figure.high - target)
    return (0.0 if figure.low <= target <= figure.high else min(ends)), max(ends)
