"""`musicgym model sample`: pieces that a model makes up, to be heard and read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicgym.commands import typed
from musicgym.strict_json import dumps

if TYPE_CHECKING:
    from musicgym.models.model import Model
    from musicgym.score import Score

EXAMPLES = """\b
Examples:
  musicgym model sample melody-lstm                     eight tunes of eight bars
  musicgym model sample melody-transformer -n 20 --bars 16 --meter 6/8 --temperature 0.8
  musicgym model sample chorale-transformer --bars 4 --out four-voices
  musicgym model sample runs/models/tunes --seed 7
"""


def sample(
    name: Annotated[str, typer.Argument(help="Of a model that comes with the package or lies in --models, or a path.")],
    pieces: Annotated[int, typer.Option("-n", "--pieces", help="How many pieces.")] = 8,
    bars: Annotated[int | None, typer.Option(help="Length. [default: 8; of a VAE its own]")] = None,
    meter: Annotated[str, typer.Option(help="Such as 3/4.")] = "4/4",
    tempo: Annotated[float, typer.Option(help="Quarter notes a minute.")] = 100.0,
    temperature: Annotated[float, typer.Option(help="1: as learned; less: surer; more: freer; 0: always the likeliest.")] = 1.0,
    top_p: Annotated[float, typer.Option(help="Only the likeliest choices that together are so probable; 1: all.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same pieces.")] = 0,
    perform: Annotated[bool, typer.Option("--perform", help="Write MIDI and sound with a player's timing and loudness.")] = False,
    models: Annotated[Path, typer.Option(help="Where one's own models lie.")] = Path("runs/models"),
    out: Annotated[Path | None, typer.Option(help="A new folder. [default: runs/sampled-1, -2 ...]")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Let a model make up pieces: MIDI, MusicXML and sound, with a sheet of piano rolls.

    A piece's key is the one that its notes fit best.
    """
    from musicgym.agents.keepsakes import write_pieces
    from musicgym.agents.runs import check_new, made_folder, new_folder
    from musicgym.models.commands import found_path
    from musicgym.models.storing import load

    with typed():
        if out is not None:
            check_new(out)
        model = load(found_path(name, models))
        page = _page(model, bars, meter, tempo)
        scores = [_in_its_key(score) for score in _made_up(model, pieces, page, temperature, top_p, seed)]
    target = new_folder(Path("runs"), "sampled") if out is None else made_folder(out)
    write_pieces(target, scores, f"{model.name}, seed {seed}", performed=perform)
    paths = [str(target / "pieces" / f"{number}.mid") for number in range(1, len(scores) + 1)]
    if json_:
        found = [{"mid": path, "key": score.key} for path, score in zip(paths, scores, strict=True)]
        typer.echo(dumps({"model": model.name, "fingerprint": model.fingerprint, "folder": str(target), "pieces": found}))
        return
    for path, score in zip(paths, scores, strict=True):
        typer.echo(f"  {path}  {score.key}")
    typer.echo(f"All is in {target}/: .mid, .musicxml and .wav in pieces/, piano rolls in pieces.png")


def _page(model: Model, bars: int | None, meter: str, tempo: float) -> Score:
    """What a piece is written on. Raises ValueError for a length, metre or tempo that can't be."""
    from musicgym.models.latent_space import LatentSpace
    from musicgym.score import Score, bar_steps

    own = model.bars if isinstance(model, LatentSpace) else None
    count = bars if bars is not None else own or 8
    if count < 1 or (own is not None and count > own):
        raise ValueError(f"--bars {count}: expected {'1 or more' if own is None else f'1..{own}, the windows of this model'}")
    top, _, bottom = meter.partition("/")
    if not (top.isdecimal() and bottom.isdecimal()):
        raise ValueError(f"--meter {meter}: expected beats and their value, such as 3/4")
    parts = int(top), int(bottom)
    grid = model.task.score_grid
    return Score.blank(model.task.voices, count * bar_steps(parts, grid), steps_per_quarter=grid, meter=parts, tempo=tempo)


def _made_up(model: Model, n: int, page: Score, temperature: float, top_p: float, seed: int) -> list[Score]:
    from musicgym.models.latent_space import LatentSpace
    from musicgym.models.sequence_model import SequenceModel

    if not isinstance(model, (SequenceModel, LatentSpace)):
        raise ValueError(f"{model.name!r} is a model of kind {model.kind!r}, which judges and makes nothing up: name another one")
    return model.sample(n, pages=[page], temperature=temperature, top_p=top_p, seed=seed)


def _in_its_key(score: Score) -> Score:
    """The same notes, in the key that they fit best; silence stays as it is."""
    from musicgym.corpus.keys import heard_key
    from musicgym.corpus.own_files import in_key

    return in_key(score, *heard_key(score)) if (score.pitch >= 0).any() else score
