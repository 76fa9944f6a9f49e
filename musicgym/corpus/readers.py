"""The installed music21's collections, read without importing music21.

Only files are opened: the chorales' compressed MusicXML and the tunes' ABC. Rights are told as the files state them.
Fux's exercises alone come with this package, and are read by music21.
"""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from musicgym.corpus import fux
from musicgym.files import abc
from musicgym.files.exact import TICKS, Exact, Line
from musicgym.score import MODES, REST, key_of_sharps

VOICES = ("Soprano", "Alto", "Tenor", "Bass")
_LETTERS = "FCGDAEB"
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


class Collection(NamedTuple):
    """A collection of music21's corpus."""

    folder: str
    title: str
    rights: str
    default: bool


COLLECTIONS = {
    "bach": Collection(
        "bach",
        "Bach, four-part chorales",
        "J. S. Bach's music is in the public domain. The files have no <rights> tag; nearly all print 'PDF (c) 2004 Margaret "
        "Greentree, used by permission'. Distributed with music21.",
        True,
    ),
    "ryan": Collection(
        "ryansMammoth",
        "Ryan's Mammoth Collection of fiddle tunes (1883)",
        "The tunes are in the public domain. The files credit their transcribers (Z: fields) and state no rights. "
        "Distributed with music21.",
        True,
    ),
    "oneill": Collection(
        "oneills1850",
        "O'Neill's Music of Ireland: 1,850 melodies (1903)",
        "The tunes are in the public domain. The files credit their transcribers (Z: fields) and state no rights. "
        "Distributed with music21.",
        True,
    ),
    "aird": Collection(
        "airdsAirs",
        "Aird's Airs: six volumes of Scotch, English, Irish and foreign airs (1782-1801)",
        "The tunes are in the public domain. The files credit their transcriber, Jack Campin, and state no rights. "
        "Distributed with music21.",
        True,
    ),
    "essen": Collection(
        "essenFolksong",
        "Essen folksong collection",
        "NON-COMMERCIAL USE ONLY: the files come with a permission for non-commercial use and call their legal status unclear. "
        "Distributed with music21; never part of the default collections.",
        False,
    ),
    "fux": Collection(
        "",
        "Fux's solutions of exercises in Gradus ad Parnassum (1725)",
        "CC0 1.0, public domain: encoded by Mark Gotham, github.com/MarkGotham/species. They come with musicgym.",
        False,
    ),
}


def corpus_folder() -> Path:
    """The folder of the installed music21's corpus, found without importing it.

    Raises:
        ValueError: music21 is not installed, or was installed without its corpus.
    """
    found = importlib.util.find_spec("music21")
    folders = [Path(p) / "corpus" for p in (found.submodule_search_locations or ())] if found else []
    for folder in folders:
        if (folder / "bach").is_dir():
            return folder
    what = "music21 is installed without its corpus" if found else "music21 is not installed"
    raise ValueError(f"{what}: the built-in corpora are read from it; run `pip install music21`")


def count(name: str) -> int:
    """Number of files of a collection: what its progress bar counts."""
    return len(_files(name))


def read(name: str, advance: Callable[[], None] = lambda: None) -> list[Exact]:
    """All pieces of a collection, in the order of their files' names.

    Of the chorales' files those with exactly the parts Soprano, Alto, Tenor, Bass and no chords are read. Tunes have one
    voice: a second voice, which four of Aird's have, is left out.

    Args:
        name: a key of `COLLECTIONS`.
        advance: called after every file.

    Raises:
        ValueError: music21 or its corpus isn't installed.
    """
    pieces: list[Exact] = []
    for path in _files(name):
        if name == "fux":
            pieces.append(fux.read(path))
        else:
            pieces += list(_chorale(path) if name == "bach" else _tunes(path))
        advance()
    return pieces


def _files(name: str) -> list[Path]:
    if name == "fux":
        return fux.files()
    return sorted((corpus_folder() / COLLECTIONS[name].folder).glob("*.mxl" if name == "bach" else "*.abc"))


def _tunes(path: Path) -> Iterator[Exact]:
    for tune in abc.split(abc.decode(path.read_bytes())):
        try:
            piece = abc.parse(tune)
        except ValueError:
            continue  # a heading without notes; the bundled collections have none (tested)
        piece.lines = piece.lines[:1]
        piece.source = f"{path.parent.name}/{path.name}#{tune.number}"
        yield piece


def _chorale(path: Path) -> Iterator[Exact]:
    """The file's chorale, or nothing where it isn't one."""
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith((".xml", ".musicxml")) and not n.startswith("META-INF"))
        root = ElementTree.fromstring(archive.read(name))
    if tuple(part.findtext("part-name", "") for part in root.iter("score-part")) != VOICES:
        return
    parts = [_Part(part, voice) for part, voice in zip(root.iter("part"), VOICES)]
    if any(part.unusual for part in parts):
        return
    soprano = parts[0]
    yield Exact(
        lines=[part.line for part in parts],
        bar_lines=soprano.bar_lines,
        meters=soprano.meters,
        keys=soprano.keys,
        phrase_ends=soprano.fermatas or next((part.fermatas for part in parts if part.fermatas), []),
        title=path.stem,
        source=f"bach/{path.name}",
    )


class _Part:
    """One part of a chorale's MusicXML, in ticks."""

    def __init__(self, part: ElementTree.Element, name: str) -> None:
        self.line = Line([], [], [], name)
        self.bar_lines: list[int] = []
        self.meters: list[tuple[int, int, int]] = []
        self.keys: list[tuple[int, int, int]] = []
        self.fermatas: list[tuple[int, int]] = []
        self.unusual = False  # chords, several voices, transposition: no plain chorale
        self._divisions = 1
        self._tied = False
        self._tick = 0
        spaces: list[int] = []  # bars that the files fill up with an empty space; the last bar's is no music
        for measure in part:
            self.bar_lines.append(self._tick)
            for element in measure:
                if element.tag == "note":
                    self._note(element)
                elif element.tag == "attributes":
                    self._attributes(element)
                elif element.tag == "forward":
                    spaces.append(len(self.bar_lines))
                self.unusual |= element.tag == "backup"
        self.unusual |= bool(spaces) and spaces != [len(self.bar_lines)]

    def _attributes(self, element: ElementTree.Element) -> None:
        self._divisions = int(element.findtext("divisions", str(self._divisions)))
        if element.find("key/fifths") is not None:
            word = element.findtext("key/mode", "major")
            mode = MODES.index(word) if word in MODES else 0
            self.keys.append((self._tick, *key_of_sharps(int(element.findtext("key/fifths", "0")), mode)))
        if element.find("time/beats") is not None:
            meter = int(element.findtext("time/beats", "4")), int(element.findtext("time/beat-type", "4"))
            self.meters.append((self._tick, *meter))
        self.unusual |= element.find("transpose") is not None

    def _note(self, element: ElementTree.Element) -> None:
        if element.find("grace") is not None:
            return
        if element.find("chord") is not None:
            self.unusual = True
            return
        length, rest = divmod(int(element.findtext("duration", "0")) * TICKS, self._divisions)
        self.unusual |= bool(rest)
        duration, pitches, spellings = self.line[:3]
        pitch, spelling = REST, 0
        written = element.find("pitch")
        if written is not None:
            letter, alter = written.findtext("step", "C"), int(written.findtext("alter", "0"))
            pitch = _SEMITONES[letter] + alter + 12 * (int(written.findtext("octave", "4")) + 1)
            spelling = _LETTERS.index(letter) - 1 + 7 * alter
        ties = {tie.get("type") for tie in element.findall("tie")}
        if "stop" in ties and self._tied and pitches and pitches[-1] == pitch:
            duration[-1] += length
        else:
            duration.append(length)
            pitches.append(pitch)
            spellings.append(spelling)
        self._tied = "start" in ties
        if element.find("notations/fermata") is not None:
            self.fermatas.append((self._tick, self._tick + length))
        self._tick += length
