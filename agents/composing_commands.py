"""`musicgym compose`."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicgym.commands import UsageError, typed
from musicgym.registration import imported
from musicgym.strict_json import dumps

if TYPE_CHECKING:
    from musicgym.agents.compose import Composed
    from musicgym.agents.runs import Run
    from musicgym.agents.settings import Settings
    from musicgym.agents.wish import Wish

compose = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
_EXAMPLES = """\b
Examples:
  musicgym compose                            eight pieces by the agent trained last
  musicgym compose melody-1 -n 20 --temperature 0.8 --seed 7
  musicgym compose melody-1 --given mine.mid --keep 1
  musicgym compose melody-1 --key "Eb major" --tempo 96 --out for-eva
"""


@compose.command(epilog=_EXAMPLES)
def run(
    run_: Annotated[str, typer.Argument(metavar="[RUN]", help="A run's folder, its name in runs/, or last.")] = "last",
    pieces: Annotated[int, typer.Option("-n", "--pieces", help="How many pieces.")] = 8,
    given: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="MIDI, MusicXML or ABC (book.abc#12: one tune): how every piece begins, or what is given in this task: "
            "a melody, a cantus firmus, a lead sheet's chords.",
        ),
    ] = None,
    keep: Annotated[
        int | None, typer.Option(metavar="BARS", help="Bars of FILE that stand. [default: as many as leave the agent one]")
    ] = None,
    given_key: Annotated[
        str | None, typer.Option(help="The key of FILE. [default: its own; in MIDI without one, estimated]")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Of what comes out, such as 'Eb major'. [default: FILE's, or the agent's]")
    ] = None,
    tempo: Annotated[float | None, typer.Option(help="Quarter notes a minute. [default: FILE's, or the task's]")] = None,
    temperature: Annotated[float, typer.Option(help="1: as trained; less: surer; more: freer; 0: always the likeliest.")] = 1.0,
    bars: Annotated[
        int | None, typer.Option(help="Length, where the agent takes others than its own. [default: the task's]")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same pieces.")] = 0,
    agent: Annotated[str | None, typer.Option(help="Of a run with several seeds, such as seed-3. [default: the first]")] = None,
    task: Annotated[str | None, typer.Option(help="MODULE:ID, where the run's task is one of your own.")] = None,
    reward: Annotated[str | None, typer.Option(help="Judge by another reward than the run's: EXPR, or MODULE:EXPR.")] = None,
    perform: Annotated[bool, typer.Option("--perform", help="Write MIDI and sound with a player's timing and loudness.")] = False,
    runs: Annotated[Path, typer.Option(help="Where runs lie.")] = Path("runs"),
    out: Annotated[
        Path | None, typer.Option(help="A new folder for the pieces. [default: composed-1, -2 ... in the run's]")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Let a trained agent compose, also from your own beginning.

    Pieces are written as MIDI, MusicXML and sound, with a sheet of piano rolls, each with what the run's reward pays for it.
    An agent that was trained in one key composes there; pieces are transposed to the key asked for.
    """
    from musicgym.agents.settings import reward_of, task_id
    from musicgym.agents.wish import Wish

    with typed():
        wish = Wish(pieces, given, keep, given_key, key, tempo, temperature, bars, seed)
    if out is not None:
        from musicgym.agents.runs import check_new

        check_new(out)
    if task is not None:
        with typed():
            task_id(task)  # imports the user's own
    place = _place(run_, runs)
    config = place.config()
    settings: Settings = config["settings"]
    trained_on = config["reward"]["fingerprint"]
    if reward is not None:
        with typed():
            if (expression := imported(reward, "reward")) != settings.reward:
                settings = dataclasses.replace(settings, reward=expression, changes=())
                trained_on = None
                reward_of(settings)
    if task is not None and task_id(task) != settings.task:
        raise UsageError(f"--task {task}: the agent in {str(place.folder)!r} composes {settings.task}")
    _check_known(settings)
    from musicgym.agents.compose import agent_folder  # torch: a second or two, after what can be wrong at once
    from musicgym.agents.compose import compose as composed_by

    folder = agent_folder(place, config["seeds"], agent)
    found = composed_by(folder, settings, wish)
    notes = [*found.notes, *_remarks(found, wish, trained_on)]
    target = _written(found, place, out, wish, folder, notes, perform)
    if json_:
        sys.stdout.write(dumps(_record(found, target, folder, wish, notes)) + "\n")
        return
    _say(found, target, folder, notes)


def _place(name: str, runs: Path) -> Run:
    """The run that a user means: a folder, a name in `runs`, or "last"."""
    from musicgym.agents.runs import CONFIG, Run, found_run

    if name != "last" and (Path(name) / CONFIG).exists():
        return Run(Path(name))
    return found_run(runs, None if name == "last" else name, learned=True)


def _check_known(settings: Settings) -> None:
    """Say how the user's own task and reward become known, if they aren't."""
    from musicgym.agents.settings import reward_of, task_of

    try:
        task_of(settings)
    except ValueError as error:
        raise ValueError(f"{error} (one of your own needs --task MODULE:{settings.task})") from error
    try:
        reward_of(settings)
    except ValueError as error:
        raise ValueError(f"{error} (one of your own needs --reward 'MODULE:{settings.reward}')") from error


def _remarks(found: Composed, wish: Wish, trained_on: str | None) -> list[str]:
    made = []
    if trained_on is not None and found.reward.fingerprint != trained_on:
        made.append("the reward has changed since the agent was trained on it: totals are by the present one")
    if found.distinct < wish.pieces:
        why = ": at temperature 0 nothing is left to chance" if wish.temperature == 0 else ""
        made.append(f"of {wish.pieces} pieces {found.distinct} are different{why}")
    return made


def _written(found: Composed, place: Run, out: Path | None, wish: Wish, folder: Path, notes: list[str], perform: bool) -> Path:
    """Write all files to a new folder."""
    from musicgym.agents.keepsakes import write_pieces
    from musicgym.agents.runs import made_folder, new_folder, write_json

    target = new_folder(place.folder, "composed") if out is None else made_folder(out)
    write_pieces(target, found.scores, f"{place.folder.name}, seed {wish.seed}", performed=perform)
    # In the file, paths as seen from where it lies: the same command writes the same bytes, and the folder can be moved.
    write_json(target / "composed.json", _record(found, Path(), _seen_from(target, folder), wish, notes))
    return target


def _seen_from(place: Path, path: Path) -> Path:
    try:
        return Path(os.path.relpath(path, place))
    except ValueError:  # another drive of Windows
        return path.resolve()


def _record(found: Composed, target: Path, folder: Path, wish: Wish, notes: list[str]) -> dict[str, Any]:
    pieces = [
        {
            **{kind: str(target / "pieces" / f"{number}.{kind}") for kind in ("mid", "musicxml", "wav")},
            "key": score.key,
            "tempo": score.tempo,
            "total": sum(terms.values()),
            "terms": terms,
        }
        for number, (score, terms) in enumerate(zip(found.scores, found.totals, strict=True), 1)
    ]
    of = {"name": found.reward.name, "fingerprint": found.reward.fingerprint}
    return {
        "folder": str(target),
        "agent": str(folder),
        "wish": dataclasses.asdict(wish),
        "reward": of,
        "distinct": found.distinct,
        "notes": notes,
        "pieces": pieces,
    }


def _say(found: Composed, target: Path, folder: Path, notes: list[str]) -> None:
    typer.echo(
        f"{len(found.scores)} piece{'s' * (len(found.scores) > 1)} by the agent in {folder}, judged by {found.reward.name}:"
    )
    for number, (score, terms) in enumerate(zip(found.scores, found.totals, strict=True), 1):
        numerator, denominator = score.meter
        music = f"{score.key}, {numerator}/{denominator}, {score.tempo:g} a minute"
        typer.echo(f"  {number:>3}  {sum(terms.values()):+9.2f}  {music}  {target / 'pieces' / str(number)}.mid")
    for note in notes:
        typer.echo(f"- {note}")
    typer.echo(f"All is in {target}/: .mid, .musicxml and .wav in pieces/, piano rolls in pieces.png")
