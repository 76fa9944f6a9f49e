"""Users' own files: MIDI, MusicXML and ABC from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from musicgym.corpus import families
from musicgym.corpus.built import Built
from musicgym.files import abc
from musicgym.files.exact import Exact, pack
from musicgym.files.steps import from_score
from musicgym.score import Score

MIDI = (".mid", ".midi")
MUSICXML = (".musicxml", ".mxl", ".xml")
ABC = (".abc",)


class Failure(NamedTuple):
    """A file, or a tune of one, that could not be read."""

    path: Path
    reason: str


def read(path: Path, steps_per_quarter: int, voices: str, strict: bool) -> tuple[list[Exact], list[Failure]]:
    """All pieces of the files in a folder and its subfolders, in order of their names, and what could not be read.

    Raises:
        ValueError: no folder, or no file of a kind that can be read.
    """
    if not path.is_dir():
        raise ValueError(f"{str(path)!r} is no folder: expected one with files that end in {_endings()}")
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in MIDI + MUSICXML + ABC and file.is_file())
    if not files:
        raise ValueError(f"no music in {str(path)!r}: expected files that end in {_endings()}")
    pieces: list[Exact] = []
    failures: list[Failure] = []
    for file in tqdm(files, desc=f"Reading {path}", unit="file", disable=len(files) < 20):
        try:
            for piece in _pieces(file, steps_per_quarter, voices, strict):
                if isinstance(piece, str):
                    failures.append(Failure(file, piece))
                else:
                    piece.source = str(file.relative_to(path)) + piece.source
                    piece.title = piece.title or file.stem
                    pieces.append(piece)
        except (ValueError, OSError) as error:
            failures.append(Failure(file, str(error)))
    return pieces, failures


def _endings() -> str:
    return ", ".join(MIDI + MUSICXML + ABC)


def _pieces(file: Path, steps_per_quarter: int, voices: str, strict: bool) -> Iterator[Exact | str]:
    """A file's pieces; a reason in words for each tune of an ABC file that can't be read."""
    kind = file.suffix.lower()
    if kind in ABC:
        for tune in abc.split(abc.decode(file.read_bytes())):
            try:
                piece = abc.parse(tune)
                pack([piece])  # refuses what no corpus can hold
            except ValueError as error:
                yield str(error)
                continue
            piece.source = f"#{tune.number}" if tune.number else ""
            yield piece
    else:
        options = {"steps_per_quarter": steps_per_quarter, "voices": voices, "strict": strict}
        if kind in MIDI:
            score = Score.from_midi(file, **options)
        else:
            score = Score.from_musicxml(file, **options)
        piece = from_score(score)
        pack([piece])
        piece.source = ""
        yield piece


def with_families(pieces: list[Exact]) -> Built:
    """Pieces with home keys as written, families among themselves, and a split that hangs on their music alone."""
    store = pack(pieces)
    found = families.find(store)
    first = store.keys[store.key_at[:-1]]
    return Built(store, first[:, 1].astype(np.int8), first[:, 2].astype(np.int8), found.family, found.split)
