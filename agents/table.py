"""A comparison as Markdown, as JSON and on the terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from musicgym.agents.comparison import Comparison, Figure

if TYPE_CHECKING:
    from rich.console import Console

_UNJUDGED = "no velocities"


def markdown(comparison: Comparison, notes: list[str]) -> str:
    """The table as Markdown, with a second one of differences and the notes below."""
    sources = list(comparison.means)
    others = list(comparison.differences)
    lines = ["| term | " + " | ".join(sources) + " |", "| --- |" + " ---: |" * len(sources)]
    for index, row in enumerate(comparison.rows):
        lines.append(f"| {row} | " + " | ".join(_text(comparison.means[s][index]) for s in sources) + " |")
    lines += ["", f"{sources[0]} less the others:", ""]
    lines += ["| term | " + " | ".join(others) + " |", "| --- |" + " ---: |" * len(others)]
    for index, row in enumerate(comparison.rows):
        cells = [f"{_text(comparison.differences[s][index], '+')} {comparison.verdict(s, index)}".rstrip() for s in others]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(f"- {note}" for note in notes), ""])


def to_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON can hold it; what can't be judged is null."""
    rows = comparison.rows
    return {
        "means": {s: {r: _fields(f) for r, f in zip(rows, figures, strict=True)} for s, figures in comparison.means.items()},
        "differences": {
            s: {
                r: {**_fields(f), "verdict": comparison.verdict(s, i) or None}
                for i, (r, f) in enumerate(zip(rows, figures, strict=True))
            }
            for s, figures in comparison.differences.items()
        },
        "counts": {s: {"pieces": pieces, "groups": groups} for s, (pieces, groups) in comparison.counts.items()},
    }


def show(comparison: Comparison, notes: list[str], console: Console) -> None:
    """Print means, half their intervals, and whether the first source is above (+), below (-) or even (=).

    Terms that are 0 for every piece (a weight of 0, a rule that never applies) share one line below the table.
    """
    from rich import box
    from rich.table import Table

    marks = {"above": "[green]+[/]", "below": "[red]-[/]", "even": "=", "": ""}
    table = Table(
        title="What pieces earn, by term (± half the 95 % interval)",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("term")
    for source in comparison.means:
        table.add_column(source, justify="right")
    silent = [row for i, row in enumerate(comparison.rows) if not any(any(f[i]) for f in comparison.means.values())]
    for index, row in enumerate(comparison.rows):
        if row in silent and row != "total":
            continue
        cells = [_short(comparison.means[s][index]) for s in comparison.means]
        marked = [
            f"{cell}\N{NO-BREAK SPACE}{marks[comparison.verdict(s, index)]}" if s in comparison.differences else cell
            for cell, s in zip(cells, comparison.means, strict=True)
        ]
        table.add_row(row, *marked, style="bold" if row == "total" else "", end_section=index == len(comparison.rows) - 2)
    console.print(table)
    console.print(f"+ - = : {next(iter(comparison.means))} is above, below, or not told apart from this (95 %)", style="dim")
    if silent:
        console.print(f"0 for all pieces: {', '.join(silent)}", style="dim", markup=False, highlight=False)
    for note in notes:
        console.print(note, style="dim", markup=False, highlight=False)


def _fields(figure: Figure) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in figure._asdict().items()}


def _short(figure: Figure) -> str:
    if math.isnan(figure.mean):
        return _UNJUDGED.replace(" ", "\N{NO-BREAK SPACE}")
    half = (figure.high - figure.low) / 2
    digits = 0 if half >= 10 else 2 if half < 0.1 and abs(figure.mean) < 10 else 1
    return f"{figure.mean:.{digits}f} ±{half:.{digits}f}".replace(" ", "\N{NO-BREAK SPACE}")


def _text(figure: Figure, sign: str = "") -> str:
    """Mean and interval, with decimals to suit their size."""
    if math.isnan(figure.mean):
        return _UNJUDGED
    largest = max(map(abs, figure))
    digits = 0 if largest >= 100 else 1 if largest >= 10 else 2
    mean, low, high = (f"{value:{sign if i == 0 else ''}.{digits}f}" for i, value in enumerate(figure))
    return f"{mean} [{low}, {high}]".replace("-0.00", "0.00").replace("+0.00 ", "0.00 ")
