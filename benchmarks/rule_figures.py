"""How often each rule speaks in real music, and what it tells alone: the figures of docs/rules.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from musicgym import corpus
from musicgym.agents.comparison import Figure
from musicgym.benchmarks.chord_symbols import kinds_of_symbols, sopranos_over_chords
from musicgym.benchmarks.corruptions import Corruption
from musicgym.benchmarks.discrimination import discrimination
from musicgym.benchmarks.fit_part_writing import SPOILED
from musicgym.benchmarks.loudness import varies
from musicgym.benchmarks.spoiled_parts import kinds_of_parts
from musicgym.benchmarks.tunes import Tunes, chorales, tunes
from musicgym.pieces import Excerpts
from musicgym.rewards import Rules
from musicgym.score import DEFAULT_VELOCITY

SPLIT = "test"
BARS = 4
MELODY_KINDS = ("permuted notes", "one wrong note")
NO_VELOCITIES = (
    "none, for want of real music: in all collections that come with the package every note has one velocity "
    f"({DEFAULT_VELOCITY}), of which this rule says 0"
)


class Rate(NamedTuple):
    """At how many places a rule takes, and gives, for every 100 notes."""

    takes: float
    gives: float


class Told(NamedTuple):
    """What is measured of one rule."""

    rates: dict[str, Rate]  # by music
    aucs: dict[str, Figure]  # by what is told from what
    untold: list[str]  # why there is no AUC, where there is none


class _Study(NamedTuple):
    """Music to measure a set of rules on."""

    name: str
    rates: Excerpts
    real: Tunes | None
    kinds: Mapping[str, str | Corruption]
    voices: int | None = None  # whose notes are counted, from the highest down; None for all
    untold: str = ""  # why there is no real music to tell from spoiled music


def told(of: Mapping[str, Rules]) -> dict[str, Told]:
    """The figures of every rule of some sets, by its name; a rule of several sets has those of each."""
    made: dict[str, Told] = {}
    seen: set[tuple[str, str]] = set()
    for name, reward in of.items():
        study = _study(name)
        if study is None:
            continue
        names = {term: rule.name for term, rule, _, _ in reward.entries if (rule.name, study.name) not in seen}
        if not names:
            continue
        seen |= {(rule, study.name) for rule in names.values()}
        judge = reward.weighted(**dict.fromkeys(reward.terms, 1.0))
        real = study.real
        aucs = {} if real is None else {kind: discrimination(judge, real, how).auc for kind, how in study.kinds.items()}
        rates = _rates(judge, study.rates, study.voices)
        for term, rule in names.items():
            one = made.setdefault(rule, Told({}, {}, []))
            one.rates[study.name] = rates[term]
            one.aucs.update({f"{study.name} against {kind}": found[term] for kind, found in aucs.items()})
            if study.untold:
                one.untold.append(study.untold)
    return made


def _study(name: str) -> _Study | None:
    """Chorales for part-writing and chords, Fux for counterpoint, tunes for melody; None for other sets."""
    if "counterpoint" in name:
        music = Excerpts.from_scores(list(corpus.load("fux")))
        return _Study("Fux", music, _as_tunes(music), {"one wrong note a bar": kinds_of_parts(np.arange(1))["wrong notes"]})
    if name == "part_writing":
        real = chorales(SPLIT, BARS)
        kinds = kinds_of_parts(real.families)
        return _Study("Bach", Excerpts.from_scores(list(corpus.load("bach"))), real, {kind: kinds[kind] for kind in SPOILED})
    if name == "chord_symbols":
        real = sopranos_over_chords(SPLIT)
        return _Study("Bach's chords", real.excerpts, real, kinds_of_symbols(real.families), voices=1)
    if name not in ("theory", "performance"):
        return None
    found = tunes(SPLIT, 8)
    if name == "performance" and not varies(found.excerpts):
        return _Study("tunes", found.excerpts, None, {}, untold=NO_VELOCITIES)
    return _Study("tunes", found.excerpts, found, {kind: kind for kind in MELODY_KINDS})


def _as_tunes(music: Excerpts) -> Tunes:
    """Each piece a family of its own."""
    count = len(music.length)
    nothing = np.zeros(count, np.int64)
    return Tunes(music, np.arange(count), nothing, np.zeros((count, 2), np.int64), np.ones(count, np.bool_), ("fux",))


def _rates(judge: Rules, music: Excerpts, voices: int | None) -> dict[str, Rate]:
    """Of all places, for every 100 notes of the first so many voices."""
    inside = np.arange(music.pitch.shape[2]) < music.length[:, None, None]
    notes = int((music.onset & (music.pitch >= 0) & inside)[:, :voices].sum())
    takes = gives = np.zeros(len(judge.terms))
    for rows in np.array_split(np.arange(len(music.length)), max(1, len(music.length) // 64)):
        sites = judge.score(music.take(rows), marks=True)[1]  # float32 (pieces, terms, voices, steps)
        takes = takes + (sites < 0).sum(axis=(0, 2, 3))
        gives = gives + (sites > 0).sum(axis=(0, 2, 3))
    return {term: Rate(100 * down / notes, 100 * up / notes) for term, down, up in zip(judge.terms, takes, gives)}
