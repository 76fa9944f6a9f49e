"""MusicXML files: .musicxml and .xml as they are, .mxl compressed. Loading this module loads music21."""

from __future__ import annotations

import dataclasses
import io
import math
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from music21.instrument import Instrument
from music21.musicxml.m21ToXml import ScoreExporter
from music21.musicxml.xmlToM21 import MusicXMLImporter

from musicgym.files import music21_streams
from musicgym.files.atomic import replace_file
from musicgym.score import Score

SUFFIXES = (".musicxml", ".xml", ".mxl")
_MAX_BYTES = 64 << 20  # of a file, and of what a compressed file unpacks to
_MAX_ELEMENTS = 3_000_000
_MAX_NOTES = 200_000
_MAX_DEPTH = 64
_MAX_NUMBER = 1e7  # of any number at all
_MAX_QUARTERS = 512.0  # in one duration
# Numbers that music21 would count up to or build things from.
_MAX_COUNTS = {
    "beats": 64, "beat-type": 64, "fifths": 21, "alter": 8, "octave": 12, "staves": 16, "staff": 16, "staff-lines": 32,
    "actual-notes": 128, "normal-notes": 128, "chromatic": 48, "diatonic": 48, "octave-change": 8, "multiple-rest": 4096,
    "line": 32, "midi-channel": 128, "midi-program": 128,
}  # fmt: skip
_DOCTYPE = (
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">'
)
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONTAINER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<container><rootfiles><rootfile full-path="score.musicxml" '
    'media-type="application/vnd.recordare.musicxml+xml"/></rootfiles></container>\n'
)


def read(path: str | Path | bytes, **options: Any) -> Score:
    """Read a MusicXML file or its bytes, compressed or not.

    What is kept and what is reported stands at `musicgym.files.music21_streams.read`, which gets the options
    `voices`, `steps_per_quarter` and `strict`.
    music21's caches are not used: nothing is unpickled.

    Raises:
        ValueError: no such file, no MusicXML, more than 64 MiB unpacked, entities of its own, numbers or sizes beyond
            any music; and what `music21_streams.read` raises.
    """
    if isinstance(path, bytes):
        name, data = "MusicXML bytes", path
    else:
        name = repr(str(path))
        try:
            with Path(path).open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            raise ValueError(f"cannot read {name}: {error}") from error
    try:
        root = _parse(_unpacked(data))
        _check_numbers(root)
        return music21_streams.read(_stream(root), **options)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def write(score: Score, path: str | Path) -> None:
    """Write a MusicXML file: compressed where the name ends with .mxl, whole or not at all.

    What is written stands at `musicgym.files.music21_streams.write`; `read` gives an equal score back on the same
    grid (`spelling` then always stands, for notes the score had not spelled too). Velocities are each note's
    `dynamics`. What notes cannot say is a `miscellaneous-field`, which other programs ignore. Equal scores make
    equal bytes. Characters that XML forbids are left out of names and title, and spaces at their ends.

    Raises:
        ValueError: another suffix, a folder that isn't there, and what `music21_streams.write` raises.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"cannot write {str(path)!r} as MusicXML: expected a name that ends with {', '.join(SUFFIXES)}")
    text = _text(score)
    with replace_file(path) as temporary:
        if path.suffix.lower() == ".mxl":
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in (("META-INF/container.xml", _CONTAINER.encode()), ("score.musicxml", text)):
                    archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        else:
            temporary.write_bytes(text)


def tree(score: Score) -> ElementTree.Element:
    """A score as the root element of a MusicXML document, a part a voice; `write` says what it holds."""
    clean = dataclasses.replace(
        score, title=_NOT_IN_XML.sub("", score.title), names=tuple(_NOT_IN_XML.sub("", name) for name in score.names)
    )
    root: ElementTree.Element = ScoreExporter(music21_streams.write(clean), makeNotation=False).parse()
    # What music21 would make up: a title, a composer of its own name, today's date.
    identification = root.find("identification")
    encoding = root.find("identification/encoding")
    for parent, tag in ((root, "movement-title"), (identification, "creator"), (encoding, "encoding-date")):
        found = parent.find(tag) if parent is not None else None
        if parent is not None and found is not None and not (tag == "movement-title" and score.title):
            parent.remove(found)
    # music21 makes names of parts up by chance.
    for number, (listed, part) in enumerate(zip(root.iter("score-part"), root.iter("part")), 1):
        listed.set("id", f"P{number}")
        part.set("id", f"P{number}")
    return root


def _text(score: Score) -> bytes:
    root = tree(score)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_DOCTYPE}\n{ElementTree.tostring(root, encoding="unicode")}\n'.encode()


def _unpacked(data: bytes) -> bytes:
    """The MusicXML inside: of an archive the file that its container names, else the first that looks like one."""
    if not data.strip():
        raise ValueError("it is empty: expected MusicXML")
    if len(data) > _MAX_BYTES:
        raise ValueError(f"it holds more than {_MAX_BYTES >> 20} MiB")
    if not data.startswith(b"PK"):
        return data
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [n for n in archive.namelist() if n.lower().endswith((".xml", ".musicxml"))]
            names = [n for n in names if not n.startswith(("META-INF", "__MACOSX"))]
            if "META-INF/container.xml" in archive.namelist():
                with archive.open("META-INF/container.xml") as file:
                    container = _parse(file.read(1 << 16))
                names = [e.get("full-path", "") for e in container.iter() if e.tag.endswith("rootfile")][:1] + names
            name = next((n for n in names if n in archive.namelist()), None)
            if name is None:
                raise ValueError("the archive holds no MusicXML file")
            with archive.open(name) as file:
                found = file.read(_MAX_BYTES + 1)
    except ValueError:
        raise
    except Exception as error:  # zipfile raises by what is broken: bad archive, unknown or encrypted entry, zlib, EOF
        raise ValueError(f"it is a broken .mxl archive ({type(error).__name__}: {error})") from error
    if len(found) > _MAX_BYTES:
        raise ValueError(f"it unpacks to more than {_MAX_BYTES >> 20} MiB")
    return found


def _parse(data: bytes) -> ElementTree.Element:
    """XML without entities of its own, within the limits of depth and size."""
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = elements = notes = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements, notes
        depth, elements, notes = depth + 1, elements + 1, notes + (tag == "note")
        if depth > _MAX_DEPTH or elements > _MAX_ELEMENTS or notes > _MAX_NOTES:
            raise ValueError(f"at most {_MAX_NOTES} notes, {_MAX_ELEMENTS} elements and {_MAX_DEPTH} levels of them are read")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def entity(name: str, *_: object) -> None:
        raise ValueError(f"it declares the entity {name!r}: MusicXML needs none, files with entities are refused")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(f"it is no well-formed XML ({error})") from error
    except (LookupError, UnicodeError) as error:
        raise ValueError(f"its text cannot be decoded ({error})") from error
    return builder.close()


def _check_numbers(root: ElementTree.Element) -> None:
    """Refuse what isn't a partwise score, and numbers with which music21 would count for ever."""
    if root.tag != "score-partwise":
        raise ValueError(f"its root is <{root.tag[:40]}>: expected <score-partwise>; save it again as partwise MusicXML")
    if root.find("part") is None:
        raise ValueError("it has no <part>: expected at least one")
    divisions = 1.0
    for element in root.iter():
        for text in (element.text, *element.attrib.values()):
            _number(element.tag, text, _MAX_NUMBER)
        if element.tag == "part":
            divisions = 1.0
        elif element.tag == "divisions":
            divisions = _number("divisions", element.text, _MAX_NUMBER) or 0.0
            if divisions <= 0:
                raise ValueError(f"<divisions> is {element.text!r}: expected a number above 0")
        elif element.tag == "duration":
            _number("duration", element.text, _MAX_QUARTERS * divisions, least=0.0)
        elif element.tag in _MAX_COUNTS:
            for part in (element.text or "").split("+"):
                _number(element.tag, part, _MAX_COUNTS[element.tag])
        elif element.tag == "note" and len(element.findall("dot")) > 4:
            raise ValueError("a note has more than 4 dots")
        elif element.tag == "ending":
            for part in re.split("[,-]", element.get("number", "")):
                _number("ending", part, 64)


def _stream(root: ElementTree.Element) -> Any:
    """The music as music21 reads it."""
    importer = MusicXMLImporter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importer.xmlRootToScore(root, importer.stream)
    except Exception as error:  # music21 meets broken files with whatever its code runs into
        raise ValueError(f"music21 cannot read this MusicXML ({type(error).__name__}: {error})") from error
    _set_instruments(importer.stream, root)
    return importer.stream


def _set_instruments(stream: Any, root: ElementTree.Element) -> None:
    """Programs and names as the file states them: music21 prefers the program that goes with the name of a kind of
    piano, and names a nameless part after its instrument."""
    listed = {part.get("id"): part for part in root.iter("score-part")}
    for part in stream.parts:
        for instrument in part.recurse().getElementsByClass(Instrument):
            if instrument.partId not in listed:
                continue
            stated = listed[instrument.partId]
            text = stated.findtext("midi-instrument/midi-program", "").strip()
            if text.isascii() and text.isdigit() and 1 <= int(text) <= 128:
                instrument.midiProgram = int(text) - 1
            if not stated.findtext("part-name", "").strip():
                part.partName = instrument.partName = ""


def _number(tag: str, text: str | None, most: float, least: float | None = None) -> float | None:
    """The number in a text, None where there is none. Raises ValueError beyond `least` (by default -`most`) and `most`."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    least = -most if least is None else least
    if not (math.isfinite(number) and least <= number <= most):
        raise ValueError(f"<{tag[:40]}> holds {(text or '').strip()[:40]}: expected a number from {least:g} to {most:g}")
    return number
