"""From settings to a finished run: train each seed, write down pieces and figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np

from musicgym import rewards
from musicgym.agents import table
from musicgym.agents.comparison import Comparison, Sample, compare
from musicgym.agents.held_out import real_tunes
from musicgym.agents.players import Judged, play, randomly
from musicgym.agents.report import write_report
from musicgym.agents.runs import TABLE, Run, write_json
from musicgym.agents.seeds import JUDGING_SEED, SeedWatcher, parts_of, train_parts
from musicgym.agents.settings import Settings, reward_of, task_of
from musicgym.agents.training import SECONDS_BETWEEN_CHECKPOINTS, judge, load_agent
from musicgym.agents.unseen import unseen
from musicgym.files.atomic import replace_file

JUDGED_PIECES = 2000  # of the agents, all seeds together at least so many of each, and of each kind of random play
AGENT_COLUMN = "agent"

# Something that shows progress while the block lasts.
Showing = Callable[[], AbstractContextManager[SeedWatcher]]


class Outcome(NamedTuple):
    """What a run came to."""

    comparison: Comparison
    notes: list[str]


def complete(
    run: Run,
    seeds: Sequence[int],
    showing: Showing,
    *,
    jobs: int = 1,
    modules: Sequence[str] = (),
    judge_by: rewards.Reward | None = None,
    seconds_between_checkpoints: float = SECONDS_BETWEEN_CHECKPOINTS,
) -> Outcome:
    """Train what is not yet trained, from the last checkpoints on, and write all that a run leaves.

    Args:
        run: with its config.json.
        seeds: one, trained in the run's folder, or several, each in a folder of its own inside.
        showing: shows progress.
        jobs, modules: see `seeds.train_parts`.
        judge_by: the reward of the table; None for the one that was trained on.
        seconds_between_checkpoints: see `training.train`.

    Raises:
        ValueError: the reward is no longer what it was when the run began, a checkpoint is damaged, a folder can't be written to.
        ChildProcessError: a process that trained one of several seeds failed.
    """
    config = run.config()
    settings: Settings = config["settings"]
    reward = reward_of(settings)
    if reward.fingerprint != config["reward"]["fingerprint"]:
        raise ValueError(
            f"the reward {config['reward']['expression']!r} has changed since {str(run.folder)!r} began: "
            "what was learned and what would be learned don't belong together; begin a new run"
        )
    parts = parts_of(run, settings, seeds)
    with showing() as watcher:
        train_parts(parts, watcher, seconds_between_checkpoints, jobs=jobs, modules=modules)
    return _judge(run, parts, reward if judge_by is None else judge_by, trained_on=reward)


def _judge(run: Run, parts: list[tuple[Settings, Run]], reward: rewards.Reward, trained_on: rewards.Reward) -> Outcome:
    """Write the report and the table, the last of a run's files."""
    settings = parts[0][0]
    task = task_of(settings)
    pieces = -(-JUDGED_PIECES // len(parts))
    pages = unseen(task)
    agents: list[Judged] = []
    free: list[np.ndarray] = []
    illegal, distinct = 0, list[int]()
    terms: tuple[str, ...] = ()
    for own, place in parts:
        model = load_agent(place.folder, own)
        judged = judge(model, own, pieces, masked=True, reward=reward, seed=JUDGING_SEED + own.seed, given=pages.pages)
        unmasked = judge(model, own, pieces, masked=False, reward=reward, seed=JUDGING_SEED + own.seed, given=pages.pages)
        terms, illegal = judged.terms, illegal + unmasked.illegal
        distinct.append(judged.distinct)
        agents.append(judged)
        free.append(unmasked.totals)
    samples = {AGENT_COLUMN: _sample([judged.totals for judged in agents]), "agent, no mask": _sample(free)}
    random, free_random = (
        play(task, JUDGED_PIECES, randomly(masked=is_masked), reward=reward, seed=JUDGING_SEED, given=pages.pages)
        for is_masked in (True, False)
    )
    samples |= {"random, masked": _sample([random.totals]), "random": _sample([free_random.totals])}
    tunes = real_tunes(task, reward)
    if tunes.sample is not None:
        samples["real tunes"] = tunes.sample
    comparison = compare(terms, AGENT_COLUMN, samples)
    seeds = ", ".join(str(own.seed) for own, _ in parts)
    options = "".join(f", {name}={value!r}" for name, value in settings.options.items())
    notes = [
        f"task: {settings.task}{options}",
        f"agent: MaskablePPO, sampled (not greedy) with the task's mask, {pieces * len(parts)} pieces, seeds {seeds}, "
        f"{settings.total_steps:,} steps each" + (", blind" if settings.blind else ""),
        f"different pieces among an agent's {pieces}: " + ", ".join(map(str, distinct)),
        f"agent, no mask: the same, sampled from all codes; {illegal} choices had to be repaired",
        f"random: {JUDGED_PIECES} pieces each, codes drawn alike from those that the mask allows, or from all",
        *([pages.note] if pages.note else []),
        tunes.note,
        "intervals: 95 %, percentile bootstrap over "
        + ("seeds" if len(parts) > 1 else "pieces")
        + " (tunes: over melody families)",
        f"trained on {trained_on.name} ({trained_on.fingerprint}), judged by {reward.name} ({reward.fingerprint})",
    ]
    with replace_file(run.folder / "table.md") as temporary:
        temporary.write_text(table.markdown(comparison, notes), encoding="utf-8")
    write_report(
        run,
        parts,
        reward=reward,
        trained_on=trained_on,
        comparison=comparison,
        notes=notes,
        agents=agents,
        random=random,
        tunes=tunes,
    )
    details = {
        "notes": notes,
        "illegal_without_mask": illegal,
        "distinct": distinct,
        "pieces_per_agent": pieces,
        "real_by_collection": tunes.by_collection,
    }
    write_json(run.folder / TABLE, {**table.to_json(comparison), **details})
    return Outcome(comparison, notes)


def _sample(totals: list[np.ndarray]) -> Sample:
    """One source's pieces; those of one seed hang together where there are several seeds."""
    groups = [np.full(len(t), i) for i, t in enumerate(totals)] if len(totals) > 1 else [np.arange(len(t)) for t in totals]
    return Sample(np.concatenate(totals), np.concatenate(groups).astype(np.int64))
