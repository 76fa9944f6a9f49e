"""What pieces of several sources are worth, as the rows of a report's table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_SMALL = 1e-9


class Table(NamedTuple):
    """What pieces of several sources are worth, by term."""

    rows: Sequence[str]  # the terms, then sums such as "total"
    columns: Mapping[str, Sequence[tuple[float, float, float]]]  # source -> for each row mean, low, high; nan where not judged
    verdicts: Mapping[str, Sequence[str]]  # source -> for each row whether the first column is "above", "below", "even" or ""
    counts: Mapping[str, str]  # source -> how many pieces, in words
    references: Sequence[str] = ()  # sources whose means are drawn beside the learning curves: those judged as agents were paid


def rows_of(table: Table, about: Mapping[str, str]) -> list[dict[str, Any]]:
    """The table's rows as the template shows them, each with a scale of its own for the picture at its end.

    Rows in which nothing but 0 stands are left to `silent_rows`.

    Args:
        table: the table.
        about: what a row's term is about, where it is known.
    """
    made = []
    for index, name in enumerate(table.rows):
        cells = []
        figures = {source: column[index] for source, column in table.columns.items()}
        known = [value for figure in figures.values() for value in figure if math.isfinite(value)]
        if name in silent_rows(table):
            continue
        digits = _digits(max(map(abs, known), default=0.0))
        low, high = (min(*known, 0.0), max(*known, 0.0)) if known else (0.0, 0.0)
        span = high - low

        def place(value: float, low: float = low, span: float = span) -> float:
            return 50.0 if span < _SMALL else 4 + 92 * (value - low) / span

        for source, figure in figures.items():
            judged = all(map(math.isfinite, figure))
            cells.append(
                {
                    "text": _figure(figure, digits) if judged else ("–", ""),
                    "verdict": table.verdicts[source][index] if source in table.verdicts else "",
                    "dot": [round(place(value), 2) for value in figure] if judged else None,
                }
            )
        made.append({"name": name, "about": about.get(name, ""), "cells": cells, "zero": round(place(0.0), 2)})
    return made


def silent_rows(table: Table) -> list[str]:
    """Rows in which nothing but 0 stands: terms that never paid or took anything."""
    columns = table.columns.values()
    return [row for index, row in enumerate(table.rows[:-1]) if not any(value for c in columns for value in c[index])]


def _digits(largest: float) -> int:
    """Decimals that suit a row whose largest figure this is."""
    return 0 if largest >= 1000 else 1 if largest >= 10 else 2 if largest >= 0.2 or largest < _SMALL else 4


def _figure(figure: tuple[float, float, float], digits: int) -> tuple[str, str]:
    """A mean and its interval."""
    mean, low, high = (_fixed(value, digits) for value in figure)
    return mean, f"{low} … {high}"


def _fixed(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.replace("-", "" if float(text) == 0 else "−")
