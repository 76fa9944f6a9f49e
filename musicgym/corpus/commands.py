"""`musicgym corpus`: what real music there is, building it, and showing a piece."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from musicgym.commands import UsageError, typed

corpus = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Collections of real tunes: those of the installed music21, and folders of files.",
)
Grid = Annotated[int, typer.Option("--grid", help="Steps a quarter: 4, or 12 where triplets matter.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")]


@corpus.command("list", epilog="Example: musicgym corpus list --grid 12")
def list_(grid: Grid = 4, json_: AsJson = False) -> None:
    """Name the collections, and say how much is in them and what their files say of rights."""
    from musicgym.corpus.bundled import load, names
    from musicgym.corpus.readers import COLLECTIONS

    built = [name for name in names() if name != "essen"]  # non-commercial: only read where it is asked for by name
    rows = [load(name, steps_per_quarter=grid).summary() for name in built]
    if json_:
        typer.echo(json.dumps(rows))
        return
    typer.echo(
        f"{'name':8} {'pieces':>7} {'notes':>8} {'families':>9} {'train':>6} {'valid':>6} {'test':>6} {'off the grid':>13}"
    )
    for row in rows:
        split = row["split"]
        counts = f"{row['pieces']:7,} {row['notes']:8,} {row['families']:9,}"
        typer.echo(f"{row['name']:8} {counts} {split['train']:6,} {split['valid']:6,} {split['test']:6,} {row['left_out']:13,}")
    for name, collection in COLLECTIONS.items():
        typer.echo(f"\n{name}: {collection.title}\n  {collection.rights}")


@corpus.command(epilog="Example: musicgym corpus build bach ryan")
def build(names: Annotated[list[str] | None, typer.Argument(help="Collections; all but essen if none is named.")] = None) -> None:
    """Read collections into the cache folder, where that has not been done yet."""
    from musicgym.cache import cache_folder
    from musicgym.corpus.bundled import load
    from musicgym.corpus.bundled import names as known

    for name in names or [name for name in known() if name != "essen"]:
        with typed():
            pieces, on_grid = len(load(name, exact=False)), len(load(name))
        off = f"{on_grid:,} on a grid of 4 steps a quarter, {pieces - on_grid:,} off the grid"
        typer.echo(f"{name}: {pieces:,} pieces ({off}) in {cache_folder()}")


@corpus.command(epilog="Examples: musicgym corpus show bach 335; musicgym corpus show my/folder 0 --midi out.mid")
def show(
    source: Annotated[str, typer.Argument(help="A collection, or a folder of MIDI, MusicXML and ABC files.")],
    index: Annotated[int, typer.Argument(help="Which piece, counted from 0.")] = 0,
    grid: Grid = 4,
    midi: Annotated[Path | None, typer.Option(help="Also write the piece as MIDI.")] = None,
    musicxml: Annotated[Path | None, typer.Option(help="Also write it as MusicXML.")] = None,
) -> None:
    """Print one piece as text, and write it to files."""
    from musicgym.corpus.bundled import load
    from musicgym.corpus.corpus import Corpus
    from musicgym.render.text import ansi

    if Path(source).is_dir():
        found = Corpus.from_folder(source, steps_per_quarter=grid)
    else:
        with typed():
            found = load(source, steps_per_quarter=grid)
    if not 0 <= index < len(found):
        raise UsageError(f"piece {index}: {source} has the pieces 0..{len(found) - 1}")
    score = found[index]
    typer.echo(ansi(score))
    for path, write in ((midi, score.to_midi), (musicxml, score.to_musicxml)):
        if path is not None:
            write(path)
            typer.echo(f"written to {path}")
