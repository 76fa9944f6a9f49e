"""`musicgym train`."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicgym.agents.defaults import settings_for
from musicgym.agents.options import parse_options
from musicgym.agents.seeds import check_jobs, jobs_for
from musicgym.agents.settings import Settings, reward_of, task_id, task_of
from musicgym.commands import UsageError, typed
from musicgym.registration import imported, parted
from musicgym.strict_json import dumps

if TYPE_CHECKING:
    from rich.console import Console

    from musicgym.agents.outcome import Outcome
    from musicgym.agents.runs import Run
    from musicgym.agents.seeds import SeedWatcher

train = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
_DEFAULT = settings_for({})  # of `musicgym train` without a word
_PIPE_WIDTH = 100  # columns, where the output is no terminal
_EXAMPLES = """\b
Examples:
  musicgym train                 the melody task, into runs/melody-1
  musicgym train --seeds 5       five agents, side by side on all cores, and intervals over them
  musicgym train --resume        go on with the last run after a kill
  musicgym train --reward "rl_tuner(form='fixed') - 0.5*rl_tuner.motif"
  musicgym train --reward theory --set leap_recovered.leap=7 --set in_key=2
  musicgym train --option length=128 --option key="A minor" --option range=55,76
"""


@train.command(epilog=_EXAMPLES)
def run(
    task: Annotated[
        str | None, typer.Option(help=f"A registered task, or MODULE:ID for one of your own. [default: {_DEFAULT.task}]")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE for the task, such as length=128 or meter=3,4; may be given again for others."),
    ] = None,
    reward: Annotated[
        str | None,
        typer.Option(help="What pays: an expression of rewards' names, or MODULE:EXPR for your own. [default: the task's own]"),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="TERM.PARAMETER=VALUE or TERM=WEIGHT, a rule's other than its own; may be given again."),
    ] = None,
    steps: Annotated[int | None, typer.Option(help=f"Choices to learn from. [default: {_DEFAULT.steps}]")] = None,
    seed: Annotated[int | None, typer.Option(help="The seed, the first where there are several. [default: 0]")] = None,
    seeds: Annotated[int | None, typer.Option(help="Number of agents, each with its own seed. [default: 1]")] = None,
    jobs: Annotated[
        int | None,
        typer.Option(help="Seeds trained side by side; no result depends on it. [default: as many as there are cores]"),
    ] = None,
    envs: Annotated[int | None, typer.Option(help=f"Pieces played side by side. [default: {_DEFAULT.n_envs}]")] = None,
    observation: Annotated[str | None, typer.Option(help="onehot, tokens or pianoroll. [default: onehot]")] = None,
    window: Annotated[int | None, typer.Option(help=f"Steps of music that the agent sees. [default: {_DEFAULT.window}]")] = None,
    entropy: Annotated[
        float | None,
        typer.Option(
            help=f"How much variety is worth to the agent: less brings higher returns, and copies. [default: {_DEFAULT.ent_coef}]"
        ),
    ] = None,
    blind: Annotated[bool, typer.Option("--blind", help="Show the agent nothing: a control.")] = False,
    threads: Annotated[int | None, typer.Option(help=f"Threads of torch. [default: {_DEFAULT.threads}]")] = None,
    name: Annotated[str | None, typer.Option(help="Of the run's folder. [default: the task's name and a number]")] = None,
    out: Annotated[Path, typer.Option(help="Where runs lie.")] = Path("runs"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run NAME, or with the last one, from its last checkpoint.")
    ] = False,
    checkpoint_every: Annotated[float, typer.Option(help="Seconds between checkpoints; 0: one after each rollout.")] = 5.0,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end and nothing else.")] = False,
) -> None:
    """Train an agent and leave its pieces, scores and figures in a folder.

    The agent (MaskablePPO of sb3-contrib) learns to write pieces that the reward pays well. Beside it stand random play and
    held-out real tunes, by term. Checkpoints are written as it goes. Defaults are those of the melody task with its own reward,
    theory, in four bars (length=64); other tasks and rewards have their own, and config.json says what was used.
    """
    began = time.monotonic()
    with typed():
        check_jobs(jobs)
        options = parse_options(option or []) or None
    if not (math.isfinite(checkpoint_every) and checkpoint_every >= 0):
        raise UsageError(f"--checkpoint-every {checkpoint_every:g}: expected 0 seconds or more")
    asked = {
        "task": task, "options": options, "reward": reward, "changes": set_ or None,
        "steps": steps, "seed": seed, "seeds": seeds, "n_envs": envs, "observation": observation, "window": window,
        "ent_coef": entropy, "blind": blind or None, "threads": threads,
    }  # fmt: skip
    asked = {field: value for field, value in asked.items() if value is not None}
    place, all_seeds = _resumed(out, name, asked) if resume else _begun(out, name, asked)
    console = _console(quiet=json_)
    with typed():
        at_once = jobs_for(len(all_seeds), place.config()["settings"].threads, jobs)
    if place.finished:
        _report(place, None, json_, console, began)
        return
    from musicgym.agents.outcome import complete  # torch: a second or two, after the first words

    @contextmanager
    def showing() -> Iterator[SeedWatcher]:
        from musicgym.agents.progress import Display

        with Display(console, all_seeds).showing() as display:
            yield display

    try:
        with place.writing():
            modules = [module for name in (task, reward) if name is not None and (module := parted(name)[0]) is not None]
            outcome = complete(
                place,
                all_seeds,
                showing,
                jobs=at_once,
                modules=modules,
                seconds_between_checkpoints=checkpoint_every,
            )
    except KeyboardInterrupt:
        typer.echo(f"To go on: musicgym train --resume --out {out} --name {place.folder.name}", err=True)
        raise
    _report(place, outcome, json_, console, began)


def _begun(out: Path, name: str | None, asked: dict[str, Any]) -> tuple[Run, list[int]]:
    """A new run's folder, with its config, and its seeds."""
    from musicgym.agents.runs import check_name, new_run

    wanted = dict(asked)
    count = wanted.pop("seeds", 1)
    if count < 1:
        raise UsageError(f"--seeds {count}: expected 1 or more")
    with typed():
        if name is not None:
            check_name(name)
        wanted["task"] = task_id(wanted.get("task", _DEFAULT.task))
        if "reward" in wanted:
            wanted["reward"] = imported(wanted["reward"], "reward")
        settings = settings_for(wanted)
        task_of(settings)
        reward = reward_of(settings)
        work = f"{settings.total_steps:,} steps, seed {settings.seed}{_more(count)}"
        typer.echo(f"Training on {settings.task}{_options(settings.options)}: {work}", err=True)
        _check(settings)
    place = new_run(out, name, settings.task)
    seeds = [settings.seed + i for i in range(count)]
    place.begin(settings, settings.reward or reward.name, reward.fingerprint, seeds)
    return place, seeds


def _options(options: dict[str, Any]) -> str:
    """ " (length=64, meter=3,4)": as they are typed, whether they were asked for or tuned."""
    words = [f"{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}" for name, value in options.items()]
    return f" ({', '.join(words)})" if words else ""


def _more(count: int) -> str:
    return f" and {count - 1} more" if count > 1 else ""


def _check(settings: Settings) -> None:
    """Find out what doesn't fit before a folder is made."""
    from musicgym import ComposeVectorEnv

    task, reward = task_of(settings), reward_of(settings)
    ComposeVectorEnv(task, 1, reward=reward, observation=settings.observation, window=settings.window).close()


def _resumed(out: Path, name: str | None, asked: dict[str, Any]) -> tuple[Run, list[int]]:
    from musicgym.agents.runs import found_run

    task = asked.pop("task", None)
    with typed():
        if task is not None:
            task_id(task)  # imports the user's own
        reward = imported(asked.pop("reward"), "reward") if "reward" in asked else None
    if asked:
        named = {"n_envs": "envs", "ent_coef": "entropy", "options": "option", "changes": "set"}
        field = next(iter(asked))
        raise UsageError(f"--resume goes on with a run's own settings: leave out --{named.get(field, field)}")
    place = found_run(out, name)
    config = place.config()
    if task is not None and task_id(task) != config["settings"].task:
        raise UsageError(f"--task {task}: the run in {str(place.folder)!r} is of {config['settings'].task}")
    if reward is not None and reward != config["settings"].reward:
        raise UsageError(f"--reward {reward}: the run in {str(place.folder)!r} has {config['reward']['expression']}")
    typer.echo(f"Going on with {place.folder}", err=True)
    return place, config["seeds"]


def _console(quiet: bool) -> Console:
    from rich.console import Console

    return Console(stderr=True, quiet=quiet)


def _report(place: Run, outcome: Outcome | None, as_json: bool, console: Console, began: float) -> None:
    """Say how it went and where things are."""
    folder = place.folder
    config = place.config()
    if as_json:
        settings = dataclasses.asdict(config.pop("settings"))
        found = json.loads((folder / "table.json").read_text(encoding="utf-8"))
        line = {"folder": str(folder), "already_finished": outcome is None, "settings": settings, **config, **found}
        sys.stdout.write(dumps(line) + "\n")
        return
    if outcome is None:
        console.print(f"The run in {folder} is finished: nothing to go on with. Its figures are in {folder / 'table.md'}.")
        return
    from rich.console import Console

    from musicgym.agents import table

    shown = Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)
    table.show(outcome.comparison, outcome.notes, shown)
    first = folder if len(config["seeds"]) == 1 else folder / f"seed-{config['seeds'][0]}"
    lines = [
        f"Done in {time.monotonic() - began:.0f} s. All is in {folder}/",
        f"  look    {folder / 'report.html'} in any browser: curves, table, pieces to see and hear, what each rule says",
        f"          {first / 'pieces.png'} (piano rolls), {first / 'pieces' / '1.musicxml'} in a notation program",
        f"  listen  {first / 'pieces' / '1.wav'}, or the .mid files in any MIDI player (eight pieces)",
        f"  figures {folder / 'table.md'}, {first / 'metrics.jsonl'}, or: tensorboard --logdir {folder}",
        f"  agent   {first / 'agent.zip'} (SB3's format, which runs code when loaded: open only your own)",
    ]
    shown.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
