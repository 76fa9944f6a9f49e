"""The agents of a run: each seed is trained in its own folder, one after the other or side by side."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicgym.agents.runs import AGENT, CHECKPOINT, Run, part
from musicgym.agents.settings import Settings, reward_of
from musicgym.files.atomic import replace_file

if TYPE_CHECKING:
    from sb3_contrib import MaskablePPO

    from musicgym.agents.training import Progress

JUDGING_SEED = 10_000  # random sources of judging begin here, far from those of training
KEEPSAKES = 8

# Told of each rollout: the seed of the agent, and where its training stands.
SeedWatcher = Callable[[int, "Progress"], None]


def parts_of(run: Run, settings: Settings, seeds: Sequence[int]) -> list[tuple[Settings, Run]]:
    """Settings and folder for each seed: the run's own folder for one, else one inside it for each."""
    if len(seeds) == 1:
        return [(replace(settings, seed=seeds[0]), run)]
    return [(replace(settings, seed=seed), part(run, f"seed-{seed}")) for seed in seeds]


def jobs_for(seeds: int, threads: int, asked: int | None) -> int:
    """How many processes train side by side: as asked, or as many as there are cores for; never more than there are seeds.

    Raises:
        ValueError: fewer than one is asked for.
    """
    check_jobs(asked)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(seeds, max(1, usable // threads) if asked is None else asked)


def check_jobs(asked: int | None) -> None:
    """Raises ValueError if fewer processes than one are asked for."""
    if asked is not None and asked < 1:
        raise ValueError(f"--jobs {asked}: expected 1 or more")


def train_parts(
    parts: Sequence[tuple[Settings, Run]], watcher: SeedWatcher, seconds: float, *, jobs: int, modules: Sequence[str]
) -> None:
    """Train every agent that isn't trained yet, from its last checkpoint on. What comes out doesn't depend on `jobs`.

    Args:
        parts: settings and folder of each agent.
        watcher: told of each rollout.
        seconds: between checkpoints, see `training.train`.
        jobs: how many side by side, each in a process of its own; 1: in this process, one after the other.
        modules: modules that register what the settings name; processes import them.

    Raises:
        ValueError, ChildProcessError: what one agent's training failed of; the others go on from their checkpoints another time.
    """
    todo = [(settings, place) for settings, place in parts if not is_trained(settings, place)]
    if jobs > 1 and len(todo) > 1:
        from musicgym.agents.workers import train_side_by_side

        train_side_by_side(todo, watcher, seconds, jobs=min(jobs, len(todo)), modules=modules)
        return
    for settings, place in todo:
        train_part(settings, place, watcher, seconds)


def is_trained(settings: Settings, place: Run) -> bool:
    """Whether nothing is left to do for this agent."""
    from musicgym.agents import checkpoint

    path = place.folder / CHECKPOINT
    if not ((place.folder / AGENT).exists() and (place.folder / "pieces.png").exists() and path.exists()):
        return False
    return bool(checkpoint.read(path)["timesteps"] >= settings.total_steps)


def train_part(settings: Settings, place: Run, watcher: SeedWatcher, seconds: float) -> None:
    """Train one agent from its last checkpoint on, and leave it and some of its pieces in its folder."""
    from musicgym.agents import checkpoint
    from musicgym.agents.keepsakes import write_pieces
    from musicgym.agents.training import judge, train

    path = place.folder / CHECKPOINT
    state: dict[str, Any] | None = checkpoint.read(path) if path.exists() else None
    place.go_back(state["timesteps"] if state else 0)
    if state is None:  # TensorBoard's files of a run that was killed before its first checkpoint
        shutil.rmtree(place.folder / "tensorboard", ignore_errors=True)

    def watch(progress: Progress) -> None:
        place.note(progress.record())
        watcher(settings.seed, progress)

    model = train(settings, folder=place.folder, state=state, watcher=watch, seconds_between_checkpoints=seconds)
    _save(model, place.folder / AGENT)
    judged = judge(model, settings, KEEPSAKES, masked=True, reward=reward_of(settings), seed=JUDGING_SEED + settings.seed)
    write_pieces(place.folder, judged.scores, f"{settings.task.rpartition('/')[2]}, seed {settings.seed}")


def _save(model: MaskablePPO, path: Path) -> None:
    with replace_file(path) as temporary:
        model.save(temporary)
