"""Processes that train agents side by side, one torch thread each, and tell the first process how they get on.

A worker hears nothing of Ctrl-C: the first process lets go of its end of the pipe, and the worker stops at its next rollout.
Should the first process die, however suddenly, its workers end at once, so that none of them writes where a resumed run writes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import traceback
from collections.abc import Sequence
from importlib import import_module
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from musicgym.agents.runs import Run
from musicgym.agents.seeds import SeedWatcher, train_part
from musicgym.agents.settings import Settings

if TYPE_CHECKING:
    from musicgym.agents.training import Progress

_PATIENCE = 10.0  # seconds that a worker has to stop by itself


class Job(NamedTuple):
    """One agent to train."""

    settings: Settings
    folder: Path
    seconds: float  # between checkpoints


class Failure(NamedTuple):
    """What ended a job."""

    message: str
    expected: bool  # bad input, whose message says what to do; else the message is a traceback


class Done(NamedTuple):
    """A job is done."""

    seed: int


def train_side_by_side(
    todo: Sequence[tuple[Settings, Run]], watcher: SeedWatcher, seconds: float, *, jobs: int, modules: Sequence[str]
) -> None:
    """Train agents in `jobs` processes; see `seeds.train_parts`.

    Raises:
        ValueError: what a worker says of bad input.
        ChildProcessError: another failure, with the worker's traceback, or a worker that ended without a word.
    """
    waiting = [Job(settings, place.folder, seconds) for settings, place in todo]
    workers: dict[Connection, BaseProcess] = {}
    busy: dict[Connection, int] = {}  # seed that is trained at the other end
    try:
        for _ in range(jobs):
            pipe, process = _started(modules)
            workers[pipe] = process
            busy[pipe] = _hand_out(pipe, waiting)
        while busy:
            ready = wait(list(busy))
            for pipe in [pipe for pipe in busy if pipe in ready]:
                said = _heard(pipe, workers[pipe], busy[pipe])
                if isinstance(said, Failure):
                    raise (ValueError if said.expected else ChildProcessError)(f"seed {busy[pipe]}: {said.message}")
                if not isinstance(said, Done):
                    watcher(busy[pipe], said)
                elif waiting:
                    busy[pipe] = _hand_out(pipe, waiting)
                else:
                    del busy[pipe]
    finally:
        _end(workers)


def _started(modules: Sequence[str]) -> tuple[Connection, BaseProcess]:
    context = get_context("spawn")  # a forked child can hang in the locks of torch's or Numba's threads
    mine, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, tuple(modules)), daemon=True)
    process.start()
    theirs.close()
    return mine, process


def _hand_out(pipe: Connection, waiting: list[Job]) -> int:
    job = waiting.pop(0)
    pipe.send(job)
    return job.settings.seed


def _heard(pipe: Connection, process: BaseProcess, seed: int) -> Progress | Done | Failure:
    try:
        said: Progress | Done | Failure = pipe.recv()
        return said
    except (EOFError, OSError) as error:
        process.join(_PATIENCE)
        raise ChildProcessError(
            f"seed {seed}: its process ended without a word (status {process.exitcode}; -9 is often too little memory): "
            "go on with --resume, with fewer --jobs"
        ) from error


def _end(workers: dict[Connection, BaseProcess]) -> None:
    for pipe in workers:
        pipe.close()
    for process in workers.values():
        process.join(_PATIENCE)
        if process.is_alive():  # in the middle of compiling, say; files are whole at every moment
            process.terminate()
            process.join()


def work(pipe: Connection, modules: tuple[str, ...]) -> None:
    """What a worker does: train what comes through the pipe until nobody holds its other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        for module in modules:
            import_module(module)
        while True:
            job: Job = pipe.recv()
            place = Run(job.folder)
            with place.writing():
                train_part(job.settings, place, lambda seed, progress: pipe.send(progress), job.seconds)
            pipe.send(Done(job.settings.seed))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:  # whatever it is, the first process tells it
        expected = isinstance(error, (ValueError, OSError))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # unless it has let go already
            pipe.send(Failure(str(error) if expected else traceback.format_exc(), expected))


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
