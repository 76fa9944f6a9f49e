"""What `theory` and each of its rules tell, measured on held-out families: the figures of docs/theory.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from musicgym.agents.comparison import Figure
from musicgym.benchmarks.adversaries import ADVERSARIES
from musicgym.benchmarks.discrimination import discrimination, named, standing, worth
from musicgym.benchmarks.events import within
from musicgym.benchmarks.fit_theory import NEAREST, SHARES, plain, telling
from musicgym.benchmarks.tunes import METERS, Tunes
from musicgym.engine import Engine
from musicgym.pieces import Excerpts
from musicgym.rewards import Reward
from musicgym.rewards.theory import theory
from musicgym.tasks.melody import expressive_melody

FEWEST_WINDOWS = 20  # of a metre, or its 10th percentile is that of one or two tunes
LOWEST = 10  # percentile of real tunes that non-music should stay below
UNITS = {"note": "note", "chord": "event", "bar": "bar", "end": "piece", "any": "event"}  # what a rule judges, by its `at`
# Rules that judge less than their `at` says: a note or rest is over at any step, a piece has one first note.
UNITS_OF = {
    "opening": "piece", "syncopation": "note", "odd_length": "note", "long_note": "note",
    "silence": "rest", "rest_inside": "rest", "downbeat": "bar",
}  # fmt: skip


class Firing(NamedTuple):
    """How often one rule of weight 1 speaks."""

    unit: str  # what it judges: "note", "rest", "event" (either), "bar" (some rules: every second or fourth) or "piece"
    share: float  # of those, 0..1, at which it says other than 0
    mean: float  # of what it says of one, silences included


class Rivals(NamedTuple):
    """How scripted non-music stands beside real tunes, metre by metre."""

    real: np.ndarray  # float64 (metres, 2): mean and 10th percentile of real tunes' totals
    mean: dict[str, np.ndarray]  # adversary -> float64 (metres,): mean total
    above: dict[str, np.ndarray]  # adversary -> float64 (metres,): share of its pieces above the metre's 10th percentile
    half: dict[str, np.ndarray]  # adversary -> float64 (metres,): median total
    standing: dict[str, Figure]  # adversary -> percentile among real tunes of the same length


class Weightless(NamedTuple):
    """Why a rule weighs nothing."""

    tells: bool  # what `fit_theory.telling` says, of validation families
    best: tuple[str, Figure]  # of all kinds that which it tells best, the right way round, on held-out families; its AUC
    close: tuple[str, Figure]  # the same of `NEAREST`
    nearest: tuple[str, float]  # the weighted rule most like it, with their correlation
    explained: float  # R^2 of the rule on all weighted rules


def firing(kinds: Mapping[str, Excerpts]) -> dict[str, dict[str, Firing]]:
    """For each kind of music, how often each rule of `theory` speaks.

    A rule of bars is asked at the ends of those bars, by number, at which it says something in one piece of any kind: every
    second or fourth for some.

    Args:
        kinds: name -> finished one-voice pieces that begin with a bar.
    """
    rules = plain()
    marks = {name: rules.score(music, marks=True)[1][:, :, 0] for name, music in kinds.items()}  # float32 (M, terms, steps)
    number = {name: np.cumsum(music.position == 0, axis=1) for name, music in kinds.items()}  # (M, steps): bars, from 1
    found: dict[str, dict[str, Firing]] = {name: {} for name in kinds}
    for k, (term, rule, _, _) in enumerate(rules.entries):
        unit = UNITS_OF.get(term, UNITS[rule.at])
        spoken = np.concatenate([number[name][marks[name][:, k] != 0] for name in kinds])
        for name, music in kinds.items():
            sites = _sites(music)[unit]
            if rule.at == "bar":
                sites = sites & np.isin(number[name], spoken)
            count = max(int(sites.sum()), 1)
            said = marks[name][:, k]
            found[name][term] = Firing(unit, float((said != 0).sum() / count), float(said.sum(dtype=np.float64) / count))
    return found


def random_notes(pieces: int) -> Excerpts:
    """Random play of `musicgym/ExpressiveMelody-v0`: pitches, rests and durations drawn alike, in C."""
    engine, draws = Engine(expressive_melody(), pieces), np.random.default_rng(0)
    engine.reset(np.arange(pieces), np.arange(pieces, dtype=np.uint64))
    while not engine.pieces.done.all():
        engine.write(np.stack([draws.integers(size, size=pieces) for size in engine.plan.sizes], axis=1))
    return Excerpts.from_scores([engine.score(row) for row in range(pieces)])


def rivals(reward: Reward, real: Tunes) -> tuple[list[tuple[int, int]], Rivals]:
    """The metres with at least `FEWEST_WINDOWS` windows, and how every adversary stands there by its total.

    An adversary plays on the tunes' own pages, so each metre has as many of its pieces as it has real ones.
    """
    metres = [metre for metre in METERS if (real.meter == metre).all(axis=1).sum() >= FEWEST_WINDOWS]
    rows = [(real.meter == metre).all(axis=1) for metre in metres]
    known = real.take(np.any(rows, axis=0))
    rows = [(known.meter == metre).all(axis=1) for metre in metres]
    totals = worth(reward, known.excerpts)[1][:, -1]
    stood = np.array([[totals[row].mean(), np.percentile(totals[row], LOWEST)] for row in rows])
    found = Rivals(stood, {}, {}, {}, {})
    for name in ADVERSARIES:
        played = worth(reward, named(name)(known.excerpts, np.random.default_rng(0)))[1][:, -1]
        found.mean[name] = np.array([played[row].mean() for row in rows])
        found.half[name] = np.array([np.median(played[row]) for row in rows])
        found.above[name] = np.array([(played[row] > lowest).mean() for row, lowest in zip(rows, stood[:, 1])])
        found.standing[name] = standing(reward, known, name)
    return metres, found


def alone(real: Tunes) -> dict[str, dict[str, Figure]]:
    """For each rule its AUC, alone, against each kind of music that the fit tells tunes from."""
    found = {name: discrimination(plain(), real, name).auc for name in SHARES}
    return {term: {name: auc[term] for name, auc in found.items()} for term in plain().terms}


def at_best(aucs: Mapping[str, Figure]) -> tuple[str, Figure]:
    """The kind of music against which the AUC is highest, the first of equals, and that AUC."""
    best = max(aucs, key=lambda name: aucs[name].mean)
    return best, aucs[best]


def weightless(real: Tunes, aucs: Mapping[str, Mapping[str, Figure]]) -> dict[str, Weightless]:
    """What is known of the rules whose fitted weight is 0. Correlations are over the tunes and their `NEAREST` kinds.

    Args:
        real: held-out tunes.
        aucs: what `alone` found of them.
    """
    weights = {term: weight for term, _, _, weight in theory().entries}
    silent = [term for term, weight in weights.items() if weight == 0]
    if not silent:
        return {}
    tells, judge = telling(), plain()
    rng = np.random.default_rng(0)
    music = [real.excerpts, *(named(name)(real.excerpts, rng) for name in NEAREST)]
    values = dict(zip(weights, np.concatenate([worth(judge, one)[1][:, :-1] for one in music]).T))  # term -> (pieces,)
    heard = {term: values[term] for term, weight in weights.items() if weight > 0}
    others = np.column_stack([np.ones(len(values[silent[0]])), *heard.values()])
    found = {}
    for term in silent:
        alike = {other: float(np.corrcoef(values[term], column)[0, 1]) for other, column in heard.items()}
        nearest = max(alike, key=lambda other: abs(alike[other]))
        fitted = others @ np.linalg.lstsq(others, values[term], rcond=None)[0]
        explained = 1 - float(np.var(values[term] - fitted) / np.var(values[term]))
        found[term] = Weightless(
            tells[term],
            at_best(aucs[term]),
            at_best({name: aucs[term][name] for name in NEAREST}),
            (nearest, alike[nearest]),
            explained,
        )
    return found


def _sites(music: Excerpts) -> dict[str, np.ndarray]:
    """bool (M, steps) each: where notes, rests and events begin, bars end, and pieces end."""
    inside = within(music)
    event = music.onset[:, 0] & inside
    sounds = music.pitch[:, 0] >= 0
    last = np.arange(inside.shape[1]) == music.length[:, None] - 1
    bar = inside & (music.position == music.bar - 1)
    return {"note": event & sounds, "rest": event & ~sounds, "event": event, "bar": bar, "piece": last}
