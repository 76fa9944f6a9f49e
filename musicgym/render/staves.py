"""How voices share staves: a staff a voice under a bracket, or two staves under a brace, as MusicXML says it.

Both work on the tree that `musicgym.files.musicxml.tree` makes: parts of one voice each, all with the same measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from musicgym.choir import is_choir, voice_names
from musicgym.score import Score

Layout = Literal["auto", "open", "grand"]
LAYOUTS: tuple[Layout, ...] = ("auto", "open", "grand")
_MOST_ON_A_STAFF = 2
_NEVER_TREBLE, _NEVER_BASS = 55, 62  # medians below and above which a staff has the other clef
_SHARPS, _FLATS = "FCGDAEB", "BEADGCF"
_SIGNS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
# Children of a note that come before what is put in: MusicXML has an order.
_BEFORE_VOICE = ("grace", "chord", "pitch", "unpitched", "rest", "duration", "tie", "cue")
_BEFORE_SIGN = (*_BEFORE_VOICE, "instrument", "voice", "type", "dot")
_BEFORE_STEM = (*_BEFORE_SIGN, "accidental", "time-modification")
_BEFORE_STAFF = (*_BEFORE_STEM, "stem", "notehead")


class _Placed(NamedTuple):
    """An element of a measure and where it stands."""

    at: int  # divisions since the bar line
    voice: int
    element: Element


def layout_of(score: Score, layout: Layout = "auto") -> Literal["open", "grand"]:
    """The layout that "auto" means for a score: "grand" for four voices within a choir's ranges, else "open".

    Raises:
        ValueError: an unknown layout, or "grand" for one voice or more than four.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout={layout!r}: expected one of {', '.join(map(repr, LAYOUTS))}")
    if layout == "grand" and not 2 <= score.voices <= 2 * _MOST_ON_A_STAFF:
        raise ValueError(f"layout='grand' for a score of {score.voices} voices: two staves hold 2 to 4; expected 'open'")
    if layout == "auto":
        return "grand" if is_choir(score) else "open"
    return layout


def open_score(root: Element, score: Score) -> None:
    """Join the parts under a bracket, with their names and, from the second system on, their short names."""
    if score.voices < 2:
        return
    listed = root.find("part-list")
    assert listed is not None
    for part, name in zip(listed.findall("score-part"), voice_names(score), strict=True):
        stated = part.find("part-name")
        assert stated is not None
        stated.text = name
        short = Element("part-abbreviation")
        short.text = _short(name)
        part.insert(list(part).index(stated) + 1, short)
    begin, end = Element("part-group", type="start", number="1"), Element("part-group", type="stop", number="1")
    SubElement(begin, "group-symbol").text = "bracket"
    SubElement(begin, "group-barline").text = "no"
    listed.insert(0, begin)
    listed.append(end)


def grand_staff(root: Element, score: Score) -> None:
    """Put all parts on two staves under a brace; of voices that share a staff, the stems point away from each other."""
    staff_of = _staves(score)
    clefs = [_clef(score, [voice for voice, own in enumerate(staff_of) if own == staff], staff) for staff in (1, 2)]
    shared = [staff for staff in (1, 2) if staff_of.count(staff) > 1]
    parts, listed = root.findall("part"), root.find("part-list")
    assert listed is not None
    fifths = 0
    for measures in zip(*(part.findall("measure") for part in parts), strict=True):
        _merge(measures, staff_of, shared, clefs)
        fifths = _sign(measures[0], shared, fifths)
    for part, entry in zip(parts[1:], listed.findall("score-part")[1:], strict=True):
        root.remove(part)
        listed.remove(entry)
    name = listed.find("score-part/part-name")
    assert name is not None
    name.text = ""


def _short(name: str) -> str:
    """A name for the systems after the first: "S." of "Soprano"."""
    words = name.split()
    return f"{words[0][0]}. {words[-1]}" if len(words) > 1 and words[-1].isdecimal() else f"{name.strip()[:1]}."


def _staves(score: Score) -> list[int]:
    """The staff of each voice, 1 or 2: the upper ones on the treble staff, split where fewest notes need ledger lines."""

    def lines(voice: int, low: int, high: int) -> float:
        pitch = score.pitch[voice][score.pitch[voice] >= 0].astype(int)
        return float(np.maximum(0, np.maximum(low - pitch, pitch - high)).mean()) if pitch.size else 0.0

    least = max(1, score.voices - _MOST_ON_A_STAFF)
    costs = {}
    for upper in range(least, min(_MOST_ON_A_STAFF, score.voices - 1) + 1):
        cost = sum(lines(v, 60, 81) if v < upper else lines(v, 40, 60) for v in range(score.voices))
        costs[upper] = (cost, -upper)
    upper = min(costs, key=lambda count: costs[count])
    return [1 if voice < upper else 2 for voice in range(score.voices)]


def _clef(score: Score, voices: Sequence[int], staff: int) -> str:
    """The sign of a staff's clef, treble above and bass below but for music that lies wholly elsewhere."""
    pitch = score.pitch[list(voices)]
    middle = float(np.median(pitch[pitch >= 0])) if (pitch >= 0).any() else 60.0
    return "F" if middle < _NEVER_TREBLE or (staff == 2 and middle <= _NEVER_BASS) else "G"


def _merge(measures: Sequence[Element], staff_of: Sequence[int], shared: Sequence[int], clefs: Sequence[str]) -> None:
    """Put the notes of all measures into the first, voice after voice."""
    first = measures[0]
    attributes = first.find("attributes")
    if attributes is not None and attributes.find("clef") is not None:
        _two_clefs(attributes, clefs)
    bar_line = first.find("barline[@location='right']")
    if bar_line is not None:
        first.remove(bar_line)
    length = sum(int(element.findtext("duration", "0")) for element in first)
    has_fermata = [measure.find("note/notations/fermata") is not None for measure in measures]
    for voice, (measure, staff) in enumerate(zip(measures, staff_of, strict=True)):
        outer = 0 if staff == 1 else len(measures) - 1  # the voice of this staff that shows a fermata
        for note in measure.iter("note"):
            _put(note, "voice", str(voice + 1), _BEFORE_VOICE)
            _put(note, "staff", str(staff), _BEFORE_STAFF)
            if staff in shared:
                _put(note, "stem", "up" if voice == staff_of.index(staff) else "down", _BEFORE_STEM)
            _one_fermata(note, drop=voice != outer and has_fermata[outer], below=staff == 2)
        if voice:
            SubElement(SubElement(first, "backup"), "duration").text = str(length)
            first.extend(element for element in measure if element.tag in ("note", "forward"))
    if bar_line is not None:
        first.append(bar_line)


def _sign(measure: Element, shared: Sequence[int], fifths: int) -> int:
    """Accidentals of voices that share a staff, which hold for both until the bar line; returns the signature at the bar's end.

    Each part alone would leave out a sign that the other voice has made needful.
    """
    signatures, notes = [(0, fifths)], []
    now = 0
    for element in measure:
        if element.tag == "attributes" and (stated := element.findtext("key/fifths")):
            signatures.append((now, int(stated)))
        if element.tag == "note" and element.find("pitch") is not None and int(element.findtext("staff", "1")) in shared:
            notes.append(_Placed(now, int(element.findtext("voice", "1")), element))
        now += int(element.findtext("duration", "0")) * (-1 if element.tag == "backup" else 1)
    standing: dict[tuple[str | None, ...], int] = {}
    since = 0
    for placed in sorted(notes, key=lambda placed: placed[:2]):
        begun = sum(at <= placed.at for at, _ in signatures) - 1
        if begun != since:
            standing, since = {}, begun
        note = placed.element
        letter, alter = note.findtext("pitch/step", ""), int(note.findtext("pitch/alter", "0"))
        line = (note.findtext("staff"), letter, note.findtext("pitch/octave"))
        for accidental in note.findall("accidental"):
            note.remove(accidental)
        if any(tie.get("type") == "stop" for tie in note.findall("tie")):
            continue
        if standing.get(line, _altered(letter, signatures[begun][1])) != alter:
            _put(note, "accidental", _SIGNS[alter], _BEFORE_SIGN)
            standing[line] = alter
    return signatures[-1][1]


def _altered(letter: str, fifths: int) -> int:
    """What a signature of so many sharps, or flats below 0, does to a letter."""
    order = _SHARPS if fifths >= 0 else _FLATS
    return int(order.index(letter) < abs(fifths)) * (1 if fifths >= 0 else -1)


def _two_clefs(attributes: Element, clefs: Sequence[str]) -> None:
    for clef in attributes.findall("clef"):
        attributes.remove(clef)
    SubElement(attributes, "staves").text = "2"
    for number, sign in enumerate(clefs, 1):
        clef = SubElement(attributes, "clef", number=str(number))
        SubElement(clef, "sign").text = sign
        SubElement(clef, "line").text = "2" if sign == "G" else "4"


def _put(note: Element, tag: str, text: str, after: Sequence[str]) -> None:
    """Give a note a child, which comes behind those of other tags."""
    found = note.find(tag)
    if found is None:
        found = Element(tag)
        note.insert(sum(child.tag in after for child in note), found)
    found.text = text


def _one_fermata(note: Element, *, drop: bool, below: bool) -> None:
    """Of two voices on a staff only the outer one shows a fermata, where it has one; below the lower staff it is turned over."""
    notations = note.find("notations")
    fermata = None if notations is None else notations.find("fermata")
    if notations is None or fermata is None:
        return
    if drop:
        notations.remove(fermata)
        if not len(notations):
            note.remove(notations)
    elif below:
        fermata.set("type", "inverted")
