"""Users' own files one by one, as scores: what a command makes of the files, folders and wildcards that a user types."""

from __future__ import annotations

import dataclasses
import glob
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musicgym.corpus.folder import ABC, MIDI, MUSICXML
from musicgym.corpus.keys import heard_key
from musicgym.files import abc
from musicgym.files.steps import to_score
from musicgym.score import KeyChange, Score, bar_steps, parse_key

ENDINGS = MIDI + MUSICXML + ABC
_KEY_SIGNATURE = b"\xff\x59\x02"  # the meta event; 0xff occurs nowhere else but in text and system messages
_ODD_METRE = re.compile(r"a bar of (\d+)/(\d+) is no whole number of steps")  # what readers say of a metre they had to round

_ABC_FIELD = re.compile(r"[KLMQ]:")  # what readers begin with where they say so


class Place(NamedTuple):
    """A file, and which of its tunes is meant."""

    path: Path
    number: str = ""  # an ABC tune's X: field, "" for all tunes

    def __str__(self) -> str:
        return f"{self.path}#{self.number}" if self.number else str(self.path)


class Opened(NamedTuple):
    """One piece, or what is wrong with a file."""

    name: str  # the file, and after # the tune's number where it holds several
    score: Score | None
    reason: str = ""  # why there is no score
    key_from: str = "the file"  # "the file", "the notes" (estimated) or "asked for"


def places(words: Sequence[str]) -> list[Place]:
    """The files that words mean: files, folders with all that lies inside, wildcards, "book.abc#12" for one tune of a book.

    A file that isn't there stays in the list: `scores` says what is wrong with it.

    Raises:
        ValueError: a folder without music, a wildcard that nothing matches.
    """
    found: list[Place] = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
            if not inside:
                raise ValueError(f"no music in {word!r}: expected files that end in {', '.join(ENDINGS)}")
            found += [Place(file) for file in inside]
        elif path.exists() or not glob.has_magic(word):
            book, sign, number = word.rpartition("#")
            one_tune = sign and not path.exists() and Path(book).suffix.lower() in ABC
            found.append(Place(Path(book), number) if one_tune else Place(path))
        else:
            matches = sorted(file for file in glob.glob(word, recursive=True) if Path(file).suffix.lower() in ENDINGS)
            if not matches:
                raise ValueError(f"no music matches {word!r}: expected files that end in {', '.join(ENDINGS)}")
            found += [Place(Path(file)) for file in matches]
    return found


def scores(place: Place, *, steps_per_quarter: int = 4, voices: str = "tracks", key: str | None = None) -> Iterator[Opened]:
    """The pieces of a file: one, or the tunes of an ABC book. What can't be read is told, not raised.

    Args:
        place: a file.
        steps_per_quarter: the grid.
        voices: how MIDI and MusicXML parts become voices, see `musicgym.files.voices.build`.
        key: the key that every piece is in; None for the file's own, or where a MIDI file names none, the one that its notes
            fit best (`musicgym.corpus.keys.heard_key`).

    Raises:
        ValueError: a key that isn't one.
    """
    if key is not None:
        parse_key(key)
    try:
        for name, score, has_key in _read(place, steps_per_quarter, voices):
            try:
                yield _checked(name, score, has_key, key)
            except ValueError as error:
                yield Opened(name, None, str(error))
    except (ValueError, OSError) as error:
        yield Opened(str(place), None, str(error))


def misread(score: Score) -> list[str]:
    """What the reader of ABC says of fields that it did not understand (`M:0/4`) or reads in a way of its own (`M:none`)."""
    return [change.detail for change in score.changes if _ABC_FIELD.match(change.detail)]


def in_key(score: Score, tonic: int, mode: int) -> Score:
    """The same notes, read in one key throughout."""
    tonics, modes = np.full(score.steps, tonic, np.int8), np.full(score.steps, mode, np.int8)
    return dataclasses.replace(score, tonic=tonics, mode=modes, keys=(KeyChange(0, tonic, mode),))


def _read(place: Place, grid: int, voices: str) -> Iterator[tuple[str, Score | ValueError, bool]]:
    """Name, score (or why there is none), and whether the file names its key."""
    path, kind = place.path, place.path.suffix.lower()
    if not path.exists():
        raise ValueError(f"{str(path)!r}: there is no such file")
    if kind in ABC:
        tunes = abc.split(abc.decode(path.read_bytes()))
        if not tunes:
            raise ValueError(f"{str(path)!r}: no ABC tune in it: expected text with a K: field and notes")
        chosen = [tune for tune in tunes if place.number in ("", tune.number)]
        if not chosen:
            raise ValueError(
                f"{str(path)!r}: no tune has the number {place.number!r}; it has {tunes[0].number}..{tunes[-1].number}"
            )
        for tune in chosen:
            name = str(path) if len(tunes) == 1 else f"{path}#{tune.number}"
            try:
                yield name, to_score(abc.parse(tune), grid), True
            except ValueError as error:
                yield name, error, True
    elif kind in MIDI:
        score = Score.from_midi(path, steps_per_quarter=grid, voices=voices)
        yield str(path), score, _KEY_SIGNATURE in path.read_bytes()
    elif kind in MUSICXML:
        yield str(path), Score.from_musicxml(path, steps_per_quarter=grid, voices=voices), True
    else:
        raise ValueError(f"{str(path)!r} is no music: expected a name that ends in {', '.join(ENDINGS)}")


def _checked(name: str, score: Score | ValueError, has_key: bool, key: str | None) -> Opened:
    if isinstance(score, ValueError):
        raise score
    if not (score.pitch >= 0).any():
        raise ValueError(f"{name!r} has no notes")
    _check_metre(name, score)
    if key is not None:
        return Opened(name, in_key(score, *parse_key(key)), key_from="asked for")
    if not has_key:
        return Opened(name, in_key(score, *heard_key(score)), key_from="the notes")
    return Opened(name, score)


def _check_metre(name: str, score: Score) -> None:
    """Refuse a metre that the grid cannot hold: its bars would lie elsewhere than the file says."""
    rounded = [(int(found[1]), int(found[2])) for change in score.changes if (found := _ODD_METRE.search(change.detail))]
    for numerator, denominator in [*rounded, *((meter.numerator, meter.denominator) for meter in score.meters)]:
        try:
            bar_steps((numerator, denominator), score.steps_per_quarter)
        except ValueError as error:
            finer = denominator // math.gcd(denominator, 4 * numerator)
            finer = math.lcm(finer, score.steps_per_quarter)
            raise ValueError(f"{name!r}: {error}; a grid of {finer} a quarter holds it") from None
