"""ABC notation, read by a reader of our own (standard: https://abcnotation.com/wiki/abc:standard:v2.1).

Kept: title, key with mode, metre, unit length, tempo, and their changes inside the tune; notes with spelling,
rests, ties, tuplets, broken rhythm; bar lines, so that pickups and short bars have their true position; fermatas
(as `phrase_end`); voices (`V:`). An accidental holds for its letter in every octave until the bar line, and over
the bar line where a tie does. Of a chord the highest note is kept. Repeats and endings stay in written order.
Grace notes, chords, slurs, decorations, chord symbols, words and overlays are left out and counted in `Score.changes`.
Not read: macros, `U:` redefinitions, transposing clefs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from musicgym.files import abc_body
from musicgym.files.exact import Exact
from musicgym.files.steps import to_score
from musicgym.score import Score

_FIELD = re.compile(r"([A-Za-z]):(.*)")
_MAX_BYTES = 64 << 20


class Tune(NamedTuple):
    """The text of one tune of a file."""

    number: str  # what `X:` says, "" without one
    header: dict[str, str]  # the first field of each letter, the file's own header below the tune's
    body: list[str]  # lines of music and fields after the first `K:`, without comments

    @property
    def title(self) -> str:
        """The first `T:` field."""
        return self.header.get("T", "").strip()


def read(
    source: str | bytes | Path, *, steps_per_quarter: int = 4, strict: bool = False, number: str | int | None = None
) -> Score:
    """Read one tune.

    Args:
        source: ABC text, its bytes, or the path of a file (a `Path`, or text of one line that ends in ".abc").
        steps_per_quarter: the grid. Notes that don't fit move to the nearest step and are reported.
        strict: refuse what doesn't fit the grid instead.
        number: which tune (its `X:` field), needed where the source holds several.

    Raises:
        ValueError: no tune, several without `number`, no notes, damaged music, or under `strict` a note off the grid.
        OSError: the file can't be opened.

    >>> score = read("X:1\\nT:Scale\\nM:4/4\\nL:1/4\\nK:Gdor\\nG | A B ^c d | (3efe d4 |]")
    >>> score, [n.pitch for n in score.notes(0)], score.position[:6].tolist()
    (Score('Scale', voices=1, steps=44, notes=9, 4/4, G dorian), [67, 69, 70, 73, 74, 76, 77, 76, 74], [12, 13, 14, 15, 0, 1])
    """
    found = split(_text(source))
    if number is not None:
        chosen = [tune for tune in found if _same_number(tune.number, str(number))]
        if len(chosen) != 1:
            numbers = ", ".join(tune.number for tune in found[:8]) or "none"
            raise ValueError(f"number={number!r}: {len(chosen)} tunes have it; the file's numbers are {numbers}")
        found = chosen
    if len(found) != 1:
        advice = "pass number=, or use musicgym.files.abc.read_tunes" if found else "expected ABC text with a K: field and notes"
        raise ValueError(f"{len(found)} tunes in the ABC text: {advice}")
    return _score(found[0], _name(source), steps_per_quarter, strict)


def read_tunes(source: str | bytes | Path, *, steps_per_quarter: int = 4, strict: bool = False) -> Iterator[Score]:
    """Each tune of a file in turn; arguments as for `read`.

    Raises:
        ValueError: at the first tune that can't be read, naming it. To go on after it, use `split` and `parse`.

    >>> [score.title for score in read_tunes("X:1\\nT:One\\nK:C\\nCDE\\n\\nX:2\\nT:Two\\nK:G\\nGAB")]
    ['One', 'Two']
    """
    for tune in split(_text(source)):
        yield _score(tune, _name(source), steps_per_quarter, strict)


def parse(tune: Tune) -> Exact:
    """One tune in exact time.

    Raises:
        ValueError: naming the tune and what is wrong with it.
    """
    try:
        return abc_body.parse(tune.body, tune.header)
    except ValueError as error:
        raise ValueError(f"ABC tune {tune.number or '?'} {tune.title[:60]!r}: {error}") from error


def split(text: str) -> list[Tune]:
    """The tunes of a file's text: each begins at an `X:` field, or at the first field of a text that has none."""
    tunes: list[Tune] = []
    common: dict[str, str] = {}  # a file header: fields before the first X:
    header: dict[str, str] = {}
    body: list[str] = []
    number, in_body = "", False

    def close() -> None:
        if "K" in header or body:
            tunes.append(Tune(number, {**common, **header}, body))

    for line in text.splitlines():
        if line.startswith("%"):
            continue
        if "%" in line:
            line = line[: line.index("%")] if "\\%" not in line else re.sub(r"(?<!\\)%.*", "", line)
        if line.startswith("X:"):
            if header and not in_body and not tunes and "K" not in header:
                common = header
            else:
                close()
            header, body, in_body = {}, [], False
            number = line[2:].strip()
            continue
        if in_body:
            body.append(line)
            continue
        found = _FIELD.match(line)
        if found:
            header.setdefault(found[1], found[2])
            in_body = found[1] == "K"
    close()
    return tunes


def decode(data: bytes) -> str:
    """Bytes of an ABC file as text: UTF-8, or Latin-1 where that fails, as older files are."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _score(tune: Tune, name: str, steps_per_quarter: int, strict: bool) -> Score:
    exact = parse(tune)
    exact.source = name
    try:
        return to_score(exact, steps_per_quarter, strict=strict)
    except ValueError as error:
        raise ValueError(f"ABC tune {tune.number or '?'} {tune.title[:60]!r}: {error}") from error


def _text(source: str | bytes | Path) -> str:
    if isinstance(source, bytes):
        return decode(source)
    if _name(source):
        path = Path(source)
        if path.is_file() and path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"{path.name} has {path.stat().st_size} bytes: at most {_MAX_BYTES} are read")
        return decode(path.read_bytes())
    if not isinstance(source, str):
        raise ValueError(f"{type(source).__name__} is no ABC: expected text, bytes or a path")
    return source


def _name(source: str | bytes | Path) -> str:
    """The file's name where `source` is a path, else ""."""
    if isinstance(source, Path):
        return source.name
    is_path = isinstance(source, str) and source.endswith(".abc") and "\n" not in source and "\0" not in source
    return Path(source).name if is_path else ""  # type: ignore[arg-type]  # is_path says so


def _same_number(a: str, b: str) -> bool:
    return a == b or (a.isascii() and b.isascii() and a.isdigit() and b.isdigit() and a.lstrip("0") == b.lstrip("0"))
