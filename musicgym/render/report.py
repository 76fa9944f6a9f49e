"""A run as one page to look at and to listen to: an HTML file that asks for no other. Loading this module loads music21.

`write_report` takes plain data (`Report`), so that anything can be shown: a run of training, pieces beside each other.
The page's parts lie in `musicgym/render/page/`. What a user wrote (titles, expressions, names) is only ever text on it.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musicgym.choir import voice_names
from musicgym.files import midi
from musicgym.files.atomic import replace_file
from musicgym.files.audio import TIMBRES
from musicgym.files.notation import bars, letter_alter_octave, spelled
from musicgym.pieces import beat_steps
from musicgym.render.engraving import STYLE, Engraving, engrave, symbol_definitions
from musicgym.render.report_marks import Link, Span, check_marks, links_data, marks_data, of_the_whole, spans_data
from musicgym.render.report_table import Table, rows_of, silent_rows
from musicgym.render.roll import roll
from musicgym.score import Score

if TYPE_CHECKING:
    import jinja2
    import markupsafe

__all__ = ["Curve", "Group", "Link", "Piece", "Report", "Rule", "Span", "Table", "html", "marks_data", "write_report"]

_PAGE = "musicgym.render.page"
_SCRIPTS = ("music.js", "sound.js", "curves.js", "player.js", "marks.js", "page.js")
_MOST_POINTS = 120  # of a learning curve: more are averaged
_PAGE_WIDTH = 72.0  # of printed music: a staff of some 30 pixels in a card of half the page, 20 on a telephone


class Curve(NamedTuple):
    """How one agent learned."""

    label: str  # "seed 0"
    steps: Sequence[float]
    values: Mapping[str, Sequence[float]]  # "return" and each term -> a value for each of the steps; nan where none is known


class Rule(NamedTuple):
    """One term of the reward that marks the pieces."""

    name: str
    about: str  # one line


class Piece(NamedTuple):
    """A piece to show.

    Attributes:
        label: its heading.
        score: its music.
        marks: what is said of notes and rests, each at a step of the one that it is about, float32 (terms, voices, steps), in the
            order of the report's rules; None: the piece was not judged.
        spans: what is said of bars and of the whole.
        links: other voices that marks hang on.
    """

    label: str
    score: Score
    marks: np.ndarray | None = None
    spans: Sequence[Span] = ()
    links: Sequence[Link] = ()


class Group(NamedTuple):
    """Pieces of one source."""

    title: str
    about: str
    pieces: Sequence[Piece]


class Report(NamedTuple):
    """All that a page shows. Parts that are empty are left out."""

    title: str
    summary: str
    curves: Sequence[Curve] = ()
    table: Table | None = None
    rules: Sequence[Rule] = ()
    groups: Sequence[Group] = ()
    settings: Mapping[str, Mapping[str, Any]] = {}  # heading -> name -> value
    notes: Sequence[str] = ()


def write_report(path: str | Path, report: Report) -> None:
    """Write a report as one HTML file, whole or not at all.

    Raises:
        ValueError: marks whose shape doesn't fit their rules and score, pieces that can't be printed, a folder that isn't there.
        ModuleNotFoundError: Jinja2 or Verovio is missing; `pip install "musicgym[report]"`.
    """
    text = html(report)
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def html(report: Report) -> str:
    """A report as the text of an HTML file; equal reports make equal text. Raises as `write_report`."""
    shown = [[_shown(piece, report.rules) for piece in group.pieces] for group in report.groups]
    engravings = [piece["engraving"] for group in shown for piece in group]
    symbols = {name: outline for engraving in engravings for name, outline in engraving.symbols.items()}
    data = {
        "rules": [rule._asdict() for rule in report.rules],
        "curves": [_thinned(curve) for curve in report.curves],
        "references": _references(report.table),
        "pieces": [piece.pop("data") for group in shown for piece in group],
        "timbres": [timbre._asdict() for timbre in TIMBRES],
    }
    script = "(() => {\n" + "\n".join(_part(name) for name in _SCRIPTS) + "})();"
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            groups=list(zip(report.groups, shown, strict=True)),
            table=report.table and rows_of(report.table, {rule.name: rule.about for rule in report.rules}),
            silent=report.table and silent_rows(report.table),
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            style=STYLE + _part("report.css"),
            symbols=symbol_definitions(symbols),
            data=_as_json(data),
        )
    )


def _shown(piece: Piece, rules: Sequence[Rule]) -> dict[str, Any]:
    """What the page needs of a piece: drawings for the template, "data" for the scripts."""
    score = piece.score
    shape = (len(rules), score.voices, score.steps)
    check_marks(piece.label, piece.marks, piece.spans, shape)
    marks = np.zeros(shape, np.float32) if piece.marks is None else piece.marks
    sums = marks.sum(axis=(1, 2), dtype=np.float64)
    heard = np.asarray(marks.any(axis=(1, 2)))  # bool (rules,)
    for span in piece.spans:
        sums[span.rule] += span.value
        heard[span.rule] = True
    found = [(rule, float(worth)) for rule, worth, speaks in zip(rules, sums, heard, strict=True) if speaks]
    found.sort(key=lambda pair: -abs(pair[1]))
    largest = max((abs(worth) for _, worth in found), default=0.0) or 1.0
    engraving = engrave(score, width=_PAGE_WIDTH, title=False, tempo=False)
    return {
        "label": piece.label,
        "facts": _facts(score),
        "total": None if piece.marks is None else float(sums.sum()),
        "totals": [(rule, worth, abs(worth) / largest) for rule, worth in found],
        "whole": [(index, rules[index], worth) for index, worth in of_the_whole(piece.spans).items()],
        "engraving": engraving,
        "staves": _inside(engraving),
        "roll": roll(score),
        "midi": base64.b64encode(midi.to_bytes(score, blanks="rest")).decode(),
        "voices": voice_names(score) if score.voices > 1 else [],
        "data": {
            "label": piece.label,
            "marks": marks_data(marks),
            "spans": spans_data(piece.spans),
            "links": links_data(piece.links),
            **_music(score),
        },
    }


def _music(score: Score) -> dict[str, Any]:
    """A score as the scripts need it to play and to name its notes."""
    beats = [[c.step, beat_steps((c.numerator, c.denominator), score.steps_per_quarter)] for c in score.meters]
    first = 0 if score.steps and score.position[0] else 1
    return {
        "steps": score.steps,
        "grid": score.steps_per_quarter,
        "programs": score.programs,
        "names": voice_names(score),
        "tempos": score.tempos,
        "bars": [[bar.start, bar.first, number] for number, bar in enumerate(bars(score), first)],
        "beats": beats,
        "voices": [
            [[n.start, n.duration, n.pitch, n.velocity, _note_name(score, voice, n.start)] for n in score.notes(voice)]
            for voice in range(score.voices)
        ],
    }


def _note_name(score: Score, voice: int, step: int) -> str:
    letter, alter, octave = letter_alter_octave(int(score.pitch[voice, step]), spelled(score, voice, step))
    return f"{letter}{'♯' * alter if alter > 0 else '♭' * -alter}{octave}"


def _facts(score: Score) -> str:
    beats, unit = score.meter
    return f"{score.key} · {beats}/{unit} · ♩ = {score.tempo:g}"


def _inside(engraving: Engraving) -> str:
    """The drawing for a page of many: ids would not be unique there."""
    return re.sub(r' id="(v\d+s\d+)"', r' data-at="\1"', engraving.drawing)


def _thinned(curve: Curve) -> dict[str, Any]:
    """A curve of at most `_MOST_POINTS` points, each the mean of its neighbours."""
    size = -(-len(curve.steps) // _MOST_POINTS) or 1
    edges = range(0, len(curve.steps), size)
    values = {}
    for name, column in curve.values.items():
        rows = [np.asarray(column[i : i + size], np.float64) for i in edges]
        values[name] = [_number(float(np.nanmean(row))) if np.isfinite(row).any() else None for row in rows]
    return {"label": curve.label, "steps": [curve.steps[min(i + size, len(curve.steps)) - 1] for i in edges], "values": values}


def _number(value: float) -> float | None:
    """Five digits of a number, which is more than a curve shows; None for nan and infinities."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _references(table: Table | None) -> dict[str, dict[str, float | None]]:
    """Source -> row -> mean, for lines beside the learning curves."""
    if table is None:
        return {}
    return {
        source: {row: _number(figure[0]) for row, figure in zip(table.rows, table.columns[source], strict=True)}
        for source in table.references
    }


def _as_json(data: Any) -> str:
    """JSON that can stand in a script element: nothing in it ends the element or begins a comment."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


@functools.cache
def _part(name: str) -> str:
    return files(_PAGE).joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2
    import markupsafe

    def signed(value: float) -> str:
        text = f"{value:+.2f}" if abs(value) < 100 else f"{value:+.0f}"
        return text.replace("-", "−")

    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_part),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def breakable(name: str) -> markupsafe.Markup:
        return markupsafe.Markup("_<wbr>").join(name.split("_"))  # escapes what it joins

    made.filters |= {"signed": signed, "breakable": breakable}
    return made
