"""A run's report.html: what was learned, what it is worth beside random play and real tunes, and pieces of each to hear."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from musicgym.agents.comparison import Comparison
from musicgym.agents.held_out import RealTunes
from musicgym.agents.players import Judged
from musicgym.agents.runs import REPORT, Run
from musicgym.agents.settings import Settings, task_of
from musicgym.engine import finished_pieces, score_of
from musicgym.pieces import Excerpts
from musicgym.render.report import Curve, Group, Link, Piece, Report, Rule, Span, Table
from musicgym.render.report import write_report as write_page
from musicgym.rewards.descriptions import term_lines
from musicgym.rewards.marks import Concern, concerns, subjects
from musicgym.rewards.parties import parties

if TYPE_CHECKING:
    from musicgym.rewards import Reward
    from musicgym.score import Score
    from musicgym.task import Task

AGENT_PIECES, RANDOM_PIECES, REAL_TUNES = 8, 2, 4
_REFERENCES = ("random, masked", "real tunes")


def write_report(
    run: Run,
    parts: Sequence[tuple[Settings, Run]],
    *,
    reward: Reward,
    trained_on: Reward,
    comparison: Comparison,
    notes: Sequence[str],
    agents: Sequence[Judged],
    random: Judged,
    tunes: RealTunes,
) -> None:
    """Write report.html into a run's folder: one page for all seeds.

    Args:
        run: the run.
        parts: settings and folder of each seed.
        reward: what judged.
        trained_on: what the agents were paid.
        comparison, notes: the table, and what is said below it.
        agents: the pieces of each seed's agent.
        random: pieces of random play.
        tunes: real tunes, or none.

    Raises:
        ValueError: the folder can't be written to.
    """
    settings, config = parts[0][0], run.config()
    task, name = task_of(settings), settings.task.rpartition("/")[2]
    groups = list(_groups(task, parts, reward, agents, random, tunes))
    sample = groups[0].pieces[0].score
    seeds = f"{len(parts)} seeds" if len(parts) > 1 else f"seed {settings.seed}"
    blind = ", blind" if settings.blind else ""
    same = trained_on.fingerprint == reward.fingerprint
    curves = [curve for own, place in parts if (curve := _curve(own, place)) is not None]
    page = Report(
        title=f"{name}: {run.folder.name}",
        summary=f"MaskablePPO{blind}, {settings.total_steps:,} choices, {seeds}, trained on {config['reward']['expression']}.",
        curves=curves,
        table=_table(comparison, [source for source in _REFERENCES if same and source in comparison.means]),
        rules=[Rule(term, line) for term, line in term_lines(reward, sample).items()],
        groups=groups,
        settings={
            "Settings": _shown(settings.to_dict()),
            "Task": _shown({field.name: getattr(task, field.name) for field in dataclasses.fields(task)}),
            "Reward": _shown({**config["reward"], "judged by": reward.name, "fingerprint of that": reward.fingerprint}),
            "Versions": {**_shown(config["versions"]), "verovio": importlib.metadata.version("verovio")},
        },
        notes=[*notes, *([] if curves else ["no learning curve: no piece was finished in training"])],
    )
    write_page(run.folder / REPORT, page)


def _groups(
    task: Task,
    parts: Sequence[tuple[Settings, Run]],
    reward: Reward,
    agents: Sequence[Judged],
    random: Judged,
    tunes: RealTunes,
) -> Iterator[Group]:
    """Pieces to show, judged."""
    names = [f"seed {own.seed}" for own, _ in parts]
    # Seeds take turns until there are enough: (seed's index, row).
    turns = [(turn % len(agents), turn // len(agents)) for turn in range(AGENT_PIECES)]
    turns = [(seed, row) for seed, row in turns if row < len(agents[seed].totals)]
    yield Group(
        "Agent",
        "The first pieces of each seed, sampled; none was chosen.",
        judged_pieces(
            reward, [(f"{names[seed]}, piece {row + 1}", _score(task, agents[seed].music, row)) for seed, row in turns]
        ),
    )
    ranked = sorted(
        (float(total), seed, row) for seed, judged in enumerate(agents) for row, total in enumerate(judged.totals.sum(axis=1))
    )
    chosen = [("median", ranked[len(ranked) // 2]), ("worst", ranked[0])]
    yield Group(
        "Agent: median and worst",
        f"By total, of {len(ranked):,} pieces of {'all seeds' if len(agents) > 1 else names[0]}.",
        judged_pieces(
            reward, [(f"{rank}: {names[seed]}", _score(task, agents[seed].music, row)) for rank, (_, seed, row) in chosen]
        ),
    )
    yield Group(
        "Random play",
        "Codes drawn alike from those that the task's mask allows.",
        judged_pieces(reward, [(f"random, piece {row + 1}", _score(task, random.music, row)) for row in range(RANDOM_PIECES)]),
    )
    if tunes.excerpts is not None:
        yield Group(
            "Real tunes",
            "Held out: no agent learned from them. Drawn evenly from the collections.",
            judged_pieces(reward, list(_real(task, tunes, tunes.excerpts))),
        )


def _real(task: Task, tunes: RealTunes, excerpts: Excerpts) -> Iterator[tuple[str, Score]]:
    """Some real tunes, the collections taking turns."""
    counts = {collection: count for collection, (count, _) in tunes.by_collection.items()}
    starts = dict(zip(counts, np.cumsum([0, *counts.values()]).tolist(), strict=False))
    turns = [(collection, turn) for turn in range(REAL_TUNES) for collection in counts]
    for collection, turn in [(c, t) for c, t in turns if t < counts[c]][:REAL_TUNES]:
        row = turn * counts[collection] // REAL_TUNES  # apart from each other: neighbours are of one tune
        yield f"{collection}, excerpt {row + 1} of {counts[collection]}", _score(task, excerpts, starts[collection] + row)


def _score(task: Task, music: Excerpts, row: int) -> Score:
    return score_of(finished_pieces(music.take(np.array([row]))), 0, task)


def judged_pieces(reward: Reward, pieces: list[tuple[str, Score]]) -> list[Piece]:
    """Labelled scores as pieces to show, what the reward says of them on the notes, bars and whole that it is about."""
    scores = [score for _, score in pieces]
    _, sites = reward.score(scores, marks=True)  # float32 (pieces, terms, voices, steps)
    about = concerns(reward, scores[0])
    hang = parties(reward, scores, list(sites), [concern.others for concern in about])
    return [_marked(label, score, own, hangs, about) for (label, score), own, hangs in zip(pieces, sites, hang, strict=True)]


def _marked(label: str, score: Score, sites: np.ndarray, hangs: np.ndarray, about: Sequence[Concern]) -> Piece:
    """A piece, from what is paid at its sites: float32 (terms, voices, steps), and what that hangs on."""
    marks = np.zeros((len(about), score.voices, score.steps), np.float32)
    spans, links = [], []
    for term, voice, paid_at, value, subject in subjects(sites, about, score):
        if subject.scope == "note":
            marks[term, voice, subject.start] += value
            if hangs[term, voice, paid_at].any():
                others = np.flatnonzero(hangs[term, voice, paid_at]).tolist()
                links.append(Link(term, voice, subject.start, tuple(others)))
        else:
            spans.append(Span(term, voice, subject.start, subject.stop, value, whole=subject.scope == "piece"))
    return Piece(label, score, marks, spans, links)


def _curve(settings: Settings, place: Run) -> Curve | None:
    """How an agent learned; None if no rollout finished a piece."""
    # Where pieces take several rollouts, some finish none; a curve is drawn through those that do.
    records = [record for record in place.metrics() if record.get("return") is not None]
    terms = next((terms for record in records if (terms := record.get("terms"))), None)
    if terms is None:
        return None
    values = {"return": [_known(record.get("return")) for record in records]}
    values |= {term: [_known(record.get("terms", {}).get(term)) for record in records] for term in terms}
    return Curve(f"seed {settings.seed}", [record["step"] for record in records], values)


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def _table(comparison: Comparison, references: Sequence[str]) -> Table:
    def number(count: int, word: str) -> str:
        return f"{count:,} {word}{'' if count == 1 else 's'}"

    return Table(
        rows=comparison.rows,
        columns=comparison.means,
        verdicts={s: [comparison.verdict(s, row) for row in range(len(comparison.rows))] for s in comparison.differences},
        counts={
            source: number(pieces, "piece") + (f", {number(groups, 'group')}" if groups < pieces else "")
            for source, (pieces, groups) in comparison.counts.items()
        },
        references=references,
    )


def _shown(values: dict[str, Any]) -> dict[str, str]:
    return {name: "–" if value is None or value in ("", ()) else str(value) for name, value in values.items()}
