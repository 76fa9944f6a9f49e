"""A score as printed music: SVG by Verovio, in which every note can be found again. Loading this module loads music21."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

import numpy as np

from musicgym.files import musicxml
from musicgym.files.atomic import replace_file
from musicgym.render.staves import Layout, grand_staff, layout_of, open_score
from musicgym.score import Score

if TYPE_CHECKING:
    import verovio

WIDTH = 90.0  # of a page by default: about three bars of a melody
_SPACE = 180  # Verovio's units from one staff line to the next
_PAGE_UNITS = 10  # Verovio's units in one of its options' units
_TALLEST = 60_000  # the highest page that Verovio makes, in its options' units
_XML_ID = "{http://www.w3.org/XML/1998/namespace}id"
_SVG = "http://www.w3.org/2000/svg"
# Signs of music fonts, for which a page without such a font needs letters that are in others: in tempo marks half, quarter,
# eighth and dot; in chord symbols double flat, flat, natural, sharp, double sharp.
_LETTERS = str.maketrans(
    {"\ueca3": "\U0001d15e", "\ueca5": "\u2669", "\ueca7": "\u266a", "\uecb7": "."}
    | {"\uea63": "\u266d\u266d", "\uea64": "\u266d", "\uea65": "\u266e", "\uea66": "\u266f", "\uea67": "x", "\U0001d12a": "x"}
)
_CHORD_SIZE = "330px"  # Verovio's, 405, run into each other where chords change fast
# What Verovio's own style sheet says, without the ids of one document.
STYLE = (
    ".engraving{color:#000;fill:currentColor;font-family:'Times New Roman',Times,serif}"
    ".engraving :is(path,polygon,polyline,rect,ellipse){stroke:currentColor}"
    ".engraving defs *{stroke:none}"
    ".engraving :is(.ending,.fing,.reh,.tempo){font-weight:bold}"
    ".engraving :is(.dir,.dynam,.mNum){font-style:italic}"
)


class Printed(NamedTuple):
    """What a printed note or rest stands for. Tied notes are several of these, of one event."""

    voice: int
    step: int  # at which the printed value begins
    event: int  # at which its note begins, or the silence, be it of one rest or of several


class Engraving(NamedTuple):
    """Printed music.

    Attributes:
        width, height: of the drawing, in its own units, of which there are 180 from one staff line to the next.
        symbols: name of each glyph -> its outline, SVG text; the drawing uses them as "#NAME".
        drawing: SVG text, to stand in an `svg` element of class "engraving" whose viewBox is `0 0 width height`. Classes are
            Verovio's ("system", "measure", "note", "notehead", "rest"). Only notes and rests have ids.
        printed: id in the drawing -> what it stands for; every note and rest that is drawn.
    """

    width: float
    height: float
    symbols: Mapping[str, str]
    drawing: str
    printed: Mapping[str, Printed]

    @property
    def svg(self) -> str:
        """A whole SVG document that needs no font and no other file."""
        scale = 10 / _SPACE  # 10 pixels from line to line
        return (
            f'<svg xmlns="{_SVG}" class="engraving" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'width="{self.width * scale:.0f}" height="{self.height * scale:.0f}">'
            f"<style>{STYLE}</style>{symbol_definitions(self.symbols)}{self.drawing}</svg>\n"
        )


def symbol_definitions(symbols: Mapping[str, str]) -> str:
    """SVG text that defines glyphs for all that stands in the same document."""
    return "<defs>" + "".join(f'<g id="{name}">{outline}</g>' for name, outline in symbols.items()) + "</defs>"


def engrave(score: Score, *, width: float = WIDTH, title: bool = True, tempo: bool = True, layout: Layout = "auto") -> Engraving:
    """Print a score. Equal scores make equal drawings.

    A note's id says its voice and step: "v0s12"; of a note that is tied, every part has one of its own.

    Args:
        score: with one or more voices; blanks are printed as rests. Its chords stand above, where they change.
        width: of the page, from staff line to staff line; systems are broken to fit.
        title: print the title, if there is one, above the music.
        tempo: print tempo marks.
        layout: "open", a staff a voice, with its name and under a bracket where there are several; "grand", all voices on a
            treble and a bass staff under a brace, two at most on each; "auto", grand for the four voices of a choir, else open.

    Raises:
        ValueError: a score without voices or steps, a width below 20 or above 3,000, an unknown layout, "grand" for one voice or
            more than four, or music that Verovio cannot print.

    >>> from musicgym.score import Note
    >>> engraving = engrave(Score.from_notes([[Note(0, 4, 60, 80), Note(4, 8, 64, 80)]], steps=16))
    >>> engraving.printed["v0s4"]
    Printed(voice=0, step=4, event=4)
    """
    if not 20 <= width <= 3000:
        raise ValueError(f"width={width}: expected 20..3000 times the distance of two staff lines")
    on_two_staves = layout_of(score, layout) == "grand"
    root = musicxml.tree(score)
    printed = _name_notes(root, score)
    (grand_staff if on_two_staves else open_score)(root, score)
    for time in root.iter("time"):
        if (time.findtext("beats"), time.findtext("beat-type")) == ("2", "2"):
            time.set("symbol", "cut")
    if not tempo:
        for measure in root.iter("measure"):
            for direction in measure.findall("direction"):
                measure.remove(direction)
    pages = list(_pages(ElementTree.tostring(root, encoding="unicode"), width, title and bool(score.title)))
    symbols = {name: outline for page in pages for name, outline in _symbols(page)}
    drawings, height, widest = [], 0.0, 0.0
    for page in pages:
        staves = next(e for e in page.iter("svg") if e.get("class") == "definition-scale")
        page_width, page_height = map(float, staves.attrib["viewBox"].split()[2:])
        drawing = _drawing(staves, printed)
        drawings.append(drawing if not height else f'<g transform="translate(0 {height:g})">{drawing}</g>')
        widest, height = max(widest, page_width), height + page_height
    return Engraving(widest, height, symbols, "".join(drawings), printed)


def write_svg(score: Score, path: str | Path, *, width: float = WIDTH, layout: Layout = "auto") -> None:
    """Write a score as an SVG file, with title and tempo; whole or not at all. Arguments and errors as `engrave`'s.

    Raises:
        ValueError: also a folder that isn't there or can't be written to.
    """
    text = engrave(score, width=width, layout=layout).svg
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _name_notes(root: ElementTree.Element, score: Score) -> dict[str, Printed]:
    """Give every note and rest in a document of one part a voice an id, and say what it stands for."""
    printed = {}
    for voice, part in enumerate(root.iter("part")):
        begins = _event_starts(score, voice)
        now, divisions = Fraction(0), 1  # steps since the beginning, divisions of a quarter
        for element in part.iterfind("measure/*"):
            if element.tag == "attributes":
                divisions = int(element.findtext("divisions", str(divisions)))
            if element.tag == "note":
                step = int(now)
                name = f"v{voice}s{step}"
                element.set("id", name)
                printed[name] = Printed(voice, step, int(begins[step]))
            if element.tag in ("note", "forward"):
                now += Fraction(element.findtext("duration", "0")) / divisions * score.steps_per_quarter
    return printed


def _event_starts(score: Score, voice: int) -> np.ndarray:
    """int64 (steps,): where the note or the silence at each step begins; rests and blanks that touch are one silence."""
    sounding = score.pitch[voice] >= 0
    begins = score.onset[voice] & sounding
    begins[0] = True
    begins[1:] |= sounding[1:] != sounding[:-1]
    return np.maximum.accumulate(np.where(begins, np.arange(score.steps), 0))


def _pages(document: str, width: float, title: bool) -> Iterator[ElementTree.Element]:
    """Verovio's pages, parsed, as high as their music, their tags without namespace."""
    toolkit = _toolkit()
    toolkit.resetOptions()
    toolkit.setOptions(
        {
            "adjustPageHeight": True,
            "breaks": "auto",
            "footer": "none",
            "header": "auto" if title else "none",
            "pageHeight": _TALLEST,
            "pageMarginBottom": 20,
            "pageMarginLeft": 30,  # bar numbers stand a little to the left of a system
            "pageMarginRight": 0,
            "pageMarginTop": 20,
            "pageWidth": round(width * _SPACE / _PAGE_UNITS),
            "scale": 100,
            "smuflTextFont": "none",
            "svgFormatRaw": True,
            "svgRemoveXlink": True,
            "svgViewBox": True,
            "xmlIdSeed": 1,
        }
    )
    if not toolkit.loadData(document):
        raise ValueError(f"Verovio cannot print this score: {toolkit.getLog().strip() or 'it gives no reason'}")
    for number in range(1, toolkit.getPageCount() + 1):
        page = ElementTree.fromstring(toolkit.renderToSVG(number))
        for element in page.iter():
            element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
            element.attrib.pop(_XML_ID, None)
        yield page


@functools.cache
def _toolkit() -> verovio.toolkit:
    """Verovio, made once: it reads its fonts when it is made."""
    import verovio

    verovio.enableLog(verovio.LOG_OFF)  # it would write warnings to stderr; `getLog` has its errors
    return verovio.toolkit()


def _symbols(page: ElementTree.Element) -> Iterator[tuple[str, str]]:
    """Name and outline of each glyph of a page; names as the drawing uses them: "E0A4", not "E0A4-x1y2z3"."""
    for glyph in page.iterfind("defs/*"):
        yield glyph.get("id", "").partition("-")[0], "".join(ElementTree.tostring(e, encoding="unicode") for e in glyph)


def _drawing(staves: ElementTree.Element, printed: Mapping[str, Printed]) -> str:
    """A page's music as SVG text, without ids but those of notes and rests, and without what draws nothing."""
    for parent in list(staves.iter()):
        for child in list(parent):
            empty = child.tag == "g" and not len(child) and child.get("id") not in printed
            if empty or "placeholder" in child.get("class", ""):
                parent.remove(child)
        if parent.get("id") not in printed:
            parent.attrib.pop("id", None)
        if href := parent.get("href"):
            parent.set("href", href.partition("-")[0])
        if parent.text and "\ue000" <= parent.text[0] <= "\uf8ff":  # a sign of a music font: of the range for private use
            parent.text = parent.text.translate(_LETTERS)
            parent.attrib.pop("font-family", None)
            parent.set("font-size", "520px")
        if parent.get("class", "").startswith("harm"):
            for sign in parent.iter("tspan"):
                if "font-size" in sign.attrib:
                    sign.set("font-size", _CHORD_SIZE)
                    sign.text = (sign.text or "").translate(_LETTERS)
        if "class" in parent.attrib:  # some classes name an element, by its id
            parent.set("class", " ".join(word for word in parent.attrib["class"].split() if not word.startswith("id-")))
    text = "".join(ElementTree.tostring(element, encoding="unicode") for element in staves)
    return re.sub(r">\s+<g", "><g", text)
