"""`musicgym bench`: everything that measures, a subcommand each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from musicgym.commands import UsageError

bench = typer.Typer(help="Measure: speed of the environments.", no_args_is_help=True, add_completion=False)


@bench.callback()
def _measure() -> None:
    """Measure: speed of the environments."""


@bench.command()
def speed(
    quick: Annotated[
        bool, typer.Option("--quick", help="Few pieces and short turns: to see that it runs, not how fast.")
    ] = False,
    part: Annotated[list[str] | None, typer.Option(help="Only this part; may be repeated.", metavar="PART")] = None,
    out: Annotated[Path, typer.Option(help="Where all figures go as JSON.")] = Path("runs/speed.json"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON instead of tables.")] = False,
) -> None:
    """Steps a second of the environments, beside Gymnasium's and EnvPool's CartPole in the same minutes.

    Parts: single, batches, slots, startup, files, corpora, learning. All of them take some minutes.

    Examples:

        musicgym bench speed

        musicgym bench speed --part single --part startup
    """
    from musicgym.benchmarks.speed import PARTS, QUICK, Effort, measure
    from musicgym.benchmarks.speed_report import report
    from musicgym.files.atomic import replace_file

    for name in part or ():
        if name not in PARTS:
            raise UsageError(f"--part {name}: expected some of {', '.join(PARTS)}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--out {out}: {error}; choose a folder that can be made and written to") from error
    with replace_file(out) as temporary:  # first of all, so that a bad name is found before minutes are spent
        found = measure(
            QUICK if quick else Effort(), tuple(part or ()), note=lambda what: typer.echo(f"measuring {what}", err=True)
        )
        text = json.dumps(found, indent=1)
        temporary.write_text(text, encoding="utf-8")
    typer.echo(text if as_json else f"{report(found)}\n\nAll figures: {out}")
