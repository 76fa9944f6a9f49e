"""`musicgym model`: training models, and saying what there are and what is known of one."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicgym.commands import UsageError, typed
from musicgym.models.sample_command import EXAMPLES as _SAMPLE
from musicgym.models.sample_command import sample
from musicgym.models.telling import line_of, row_of, told
from musicgym.strict_json import dumps

if TYPE_CHECKING:
    from musicgym.models.making import Recipe
    from musicgym.models.training import Watcher

model = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Models that know music: train them, let them make up pieces, list and show them.",
)
KINDS = ("ngram", "lstm", "transformer", "vae", "discriminator")
_CORPUS = "bach,ryan,oneill,aird"
_TASK = "Melody"
_CONFIG = "config.json"
_TRAIN = """\b
Examples:
  musicgym model train lstm --name tunes               every corpus that comes with the package but Essen, in twelve keys
  musicgym model train transformer --corpus bach --task Chorale --option given=() --option meter=none --name chorales
  musicgym model train lstm --corpus my/folder --from tunes --name mine
  musicgym model train lstm --name small --size units=64 --updates 500
  musicgym model train ngram --corpus ryan --size order=7 --transpose none --name reels
  musicgym model train vae --size bars=8 --batch 64 --name eights       a space of windows of eight bars
  musicgym model train discriminator --against tunes --name judge      real pieces, and those that tunes makes up
  musicgym model train --resume --name tunes           go on after a kill
"""
Out = Annotated[Path, typer.Option(help="Where models lie.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@model.command(epilog=_TRAIN)
def train(
    kind: Annotated[str | None, typer.Argument(metavar=f"[{'|'.join(KINDS)}]", help="Left out only with --resume.")] = None,
    corpus: Annotated[
        str | None,
        typer.Option(help=f"Corpora, comma-separated, or a folder of MIDI, MusicXML and ABC files. [default: {_CORPUS}]"),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the model. [default: its kind and a number]")] = None,
    task: Annotated[
        str | None, typer.Option(help=f"Whose choices, voices and grid it reads: a registered task. [default: {_TASK}]")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE for the task, such as range=48,83; may be given again for others.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="CHECKPOINT", help="A model to go on from, a name or a path; it keeps its sizes."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Of a discriminator: the model whose pieces it learns to tell from real ones."),
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE of the model's make, such as units=256, layers=2 or lookback=true; may be given again."),
    ] = None,
    transpose: Annotated[
        str | None, typer.Option(help="all (twelve keys), C (to C major, A minor, D dorian ..) or none. [default: all]")
    ] = None,
    updates: Annotated[int | None, typer.Option(help="At most so many. [default: 2000]")] = None,
    batch: Annotated[int | None, typer.Option(help="Windows an update. [default: 32]")] = None,
    window: Annotated[
        int | None, typer.Option(help="Longest stretch of music that is read as one, in steps. [default: 512]")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At its height. [default: 0.002]")] = None,
    warmup: Annotated[int | None, typer.Option(help="Updates until it is reached. [default: 100]")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Of AdamW. [default: 0.01]")] = None,
    clip: Annotated[float | None, typer.Option(help="Largest norm of a gradient. [default: 1]")] = None,
    evaluate_every: Annotated[int | None, typer.Option(help="Updates between looks at held-out music. [default: 100]")] = None,
    patience: Annotated[int | None, typer.Option(help="Looks without a better one that end it. [default: 10]")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order, keys, dropout. [default: 0]")] = None,
    threads: Annotated[int | None, typer.Option(help="Of torch. [default: 1]")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:1; with --resume the one before. [default: cpu]")] = None,
    out: Out = Path("runs/models"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the model NAME from its last checkpoint.")] = False,
    checkpoint_every: Annotated[float, typer.Option(help="Seconds between checkpoints; 0: one after each update.")] = 30.0,
    json_: AsJson = False,
) -> None:
    """Train a model on a corpus; early stopping and figures are on melody families that it never learned from.

    Writes NAME.safetensors and NAME.json, its card, and beside them the folder NAME with checkpoint, metrics.jsonl and
    TensorBoard's files. `musicgym.models.load("runs/models/NAME")` reads it.
    """
    began = time.monotonic()
    if not (math.isfinite(checkpoint_every) and checkpoint_every >= 0):
        raise UsageError(f"--checkpoint-every {checkpoint_every:g}: expected 0 seconds or more")
    training = {
        "transpose": transpose, "updates": updates, "batch": batch, "window": window, "learning_rate": learning_rate,
        "warmup": warmup, "weight_decay": weight_decay, "clip": clip, "evaluate_every": evaluate_every, "patience": patience,
        "seed": seed, "threads": threads,
    }  # fmt: skip
    asked = {key: value for key, value in training.items() if value is not None}
    words = {"kind": kind, "corpus": corpus, "task": task, "option": option, "from": start, "against": against, "size": size}
    for key in ("corpus", "task", "from", "against"):
        if words[key] == "":
            raise UsageError(f"--{key} '': expected a word; leave it out for the usual one")
    words = {key: value for key, value in words.items() if value}
    if resume:
        recipe, name, before = _resumed(out, name, {**words, **asked})
        device = device or before
    else:
        if kind is None:
            raise UsageError(f"expected a kind of model, one of {', '.join(KINDS)}, as in: musicgym model train lstm")
        with typed():
            recipe = _recipe(kind, words, asked, out)
            name = _name(out, name, kind)
    if _finished(out, name):
        _say(out, name, json_, f"The model {name} is finished: nothing to go on with.")
        return
    _make(recipe, out, name, device or "cpu", resume, checkpoint_every, quiet=json_)
    _say(out, name, json_, f"Done in {time.monotonic() - began:.0f} s: {out / name}.safetensors and {name}.json")


model.command(epilog=_SAMPLE)(sample)


@model.command("list", epilog="Example: musicgym model list --json")
def list_(out: Out = Path("runs/models"), json_: AsJson = False) -> None:
    """Name the models that come with the package, and one's own."""
    from musicgym.models.storing import SHIPPED, card_of, shipped

    found: dict[str, list[dict[str, Any]]] = {"shipped": [], "own": [], "skipped": []}
    for where, paths in (("shipped", [SHIPPED / name for name in shipped()]), ("own", sorted(out.glob("*.json")))):
        for path in paths:
            try:
                found[where].append({**row_of(card_of(path)), "path": str(path.with_name(path.name.removesuffix(".json")))})
            except ValueError as error:
                found["skipped"].append({"path": str(path), "reason": str(error)})
    if json_:
        typer.echo(dumps(found))
        return
    for where, title in (("shipped", "with the package"), ("own", f"in {out}")):
        typer.echo(f"{title}:" + ("" if found[where] else " none"))
        for row in found[where]:
            typer.echo(f"  {line_of(row)}")
    for row in found["skipped"]:
        typer.echo(f"left out: {row['reason']}")


@model.command(epilog="Examples: musicgym model show melody-lstm; musicgym model show runs/models/tunes --json")
def show(
    name: Annotated[str, typer.Argument(help="Of a model that comes with the package or lies in --out, or a path.")],
    out: Out = Path("runs/models"),
    json_: AsJson = False,
) -> None:
    """Say what a model is, what it learned from and what it does on held-out music; its weights are not read."""
    from musicgym.models.storing import card_of

    with typed():
        card = card_of(found_path(name, out))
    if json_:
        typer.echo(dumps(card))
        return
    typer.echo(told(card))


def _recipe(kind: str, words: dict[str, Any], asked: dict[str, Any], out: Path) -> Recipe:
    """What is asked for. Raises ValueError for what makes no recipe."""
    from musicgym.agents.options import make_task, parse_options
    from musicgym.agents.settings import task_id
    from musicgym.models.making import Recipe, check_sizes
    from musicgym.models.settings import Training

    if kind not in KINDS:
        raise ValueError(f"{kind!r}: expected one of {', '.join(KINDS)}")
    task = make_task(task_id(words.get("task", _TASK)), parse_options(words.get("option", ())))
    sizes = parse_options(words.get("size", ()), flag="--size")
    start = words.get("from", "")
    if start and sizes:
        raise ValueError(f"--size {next(iter(sizes))}: a model that goes on from another keeps its sizes; leave one of them out")
    check_sizes(kind, task, sizes)
    start, against = (str(found_path(path, out)) if path else "" for path in (start, words.get("against", "")))
    return Recipe(kind, words.get("corpus", _CORPUS), task.to_json(), sizes, Training(**asked), start, against)


def _name(out: Path, name: str | None, kind: str) -> str:
    """The new model's name. Raises ValueError for one that is taken or none."""
    from musicgym.agents.runs import check_name

    if name is None:
        number = 1
        while (out / f"{kind}-{number}").exists() or (out / f"{kind}-{number}.json").exists():
            number += 1
        return f"{kind}-{number}"
    check_name(name)
    if (out / name).exists() or (out / f"{name}.json").exists():
        raise ValueError(f"{str(out / name)!r} is there already: choose another --name, or go on with it by --resume")
    return name


def _resumed(out: Path, name: str | None, asked: dict[str, Any]) -> tuple[Recipe, str, str]:
    """The recipe, name and device of a model that was begun. Raises ValueError, naming the file, where it doesn't say them."""
    from musicgym.agents.runs import check_name
    from musicgym.models.making import Recipe, check_sizes
    from musicgym.task import Task

    if asked:
        raise UsageError(
            f"--resume goes on with a model's own settings: leave out {'' if 'kind' in asked else '--'}{next(iter(asked))}"
        )
    if name is None:
        raise UsageError("--resume: expected --name, the model to go on with")
    with typed():
        check_name(name)
    path = out / name / _CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        recipe, device = Recipe.from_dict(config["recipe"]), config["device"]
        check_sizes(recipe.kind, Task.from_json(recipe.task), recipe.sizes)
        if not isinstance(device, str):
            raise ValueError(f"device={device!r:.60}: expected text")
        return recipe, name, device
    except FileNotFoundError as error:
        raise UsageError(f"there is no model {name!r} in {str(out)!r} to go on with: leave out --resume") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} cannot be read ({error}): put it back as musicgym model train wrote it") from error


def _make(recipe: Recipe, out: Path, name: str, device: str, resume: bool, seconds: float, *, quiet: bool) -> None:
    """Train, with everything in its place."""
    from musicgym.agents.runs import Run, write_json
    from musicgym.models.making import make, prepared

    typer.echo(f"Training {name}, {recipe.kind}, on {recipe.corpus}", err=True)
    with typed() if not resume else contextlib.nullcontext():
        found = prepared(recipe, name, device=device)
    folder = out / name
    try:
        folder.mkdir(parents=True, exist_ok=resume)
    except OSError as error:
        raise ValueError(f"cannot make {str(folder)!r}: {error}; choose another folder with --out") from error
    place = Run(folder)
    try:
        with place.writing(), _showing(name, quiet) as show_it:
            write_json(
                folder / _CONFIG, {"name": name, "recipe": recipe.to_dict(), "device": device, "versions": found.card["versions"]}
            )
            if resume:
                place.go_back(_update(folder))

            def watch(progress: Any) -> None:
                show_it(progress)
                if progress.held_out is not None:
                    place.note(progress.record())

            make(found, out / name, folder=folder, resume=resume, watcher=watch, seconds_between_checkpoints=seconds)
    except KeyboardInterrupt:
        typer.echo(f"To go on: musicgym model train --resume --out {out} --name {name}", err=True)
        raise


@contextlib.contextmanager
def _showing(name: str, quiet: bool) -> Iterator[Watcher]:
    from musicgym.models import progress

    if quiet:
        yield progress.quiet
        return
    with progress.showing(name) as watch:
        yield watch


def _update(folder: Path) -> int:
    """The update of the folder's checkpoint; 0 where there is none that can be read."""
    from musicgym.models.checkpoint import place_of

    return place_of(folder).update


def found_path(name: str, out: Path) -> str | Path:
    """What `load` takes for a name: a model that comes with the package, a path, or else one of one's own."""
    from musicgym.models.storing import shipped

    own = out / f"{name}.json"
    return own if name not in shipped() and not Path(f"{name.removesuffix('.json')}.json").exists() and own.exists() else name


def _finished(out: Path, name: str) -> bool:
    from musicgym.models.storing import card_of

    path = out / f"{name}.json"
    return path.exists() and bool((card_of(path).get("training") or {}).get("finished"))


def _say(out: Path, name: str, as_json: bool, done: str) -> None:
    from musicgym.models.storing import card_of

    card = card_of(out / f"{name}.json")
    if as_json:
        sys.stdout.write(dumps(card) + "\n")
        return
    typer.echo(f"{told(card)}\n\n{done}")
