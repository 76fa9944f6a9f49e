"""One voice of an ABC tune: notes, bars, tuplets, ties, fields inside the tune."""

from __future__ import annotations

import re
from collections import Counter

from musicgym.files import abc_fields
from musicgym.files.exact import MAX_TICKS, TICKS, Line
from musicgym.score import REST

TOKEN = re.compile(
    r"""
      (?P<note>(\^\^|\^|__|_|=)?([A-Ga-g])([,']*)(\d*)(/*)(\d*))
    | (?P<bar>\[\|\]?|:*\|[|:]*\]?|::+)
    | (?P<rest>[zx](\d*)(/*)(\d*))
    | (?P<broken>>+|<+)
    | (?P<tuplet>\((\d)(?::(\d?)(?::(\d?))?)?)
    | (?P<tie>-)
    | (?P<field>\[([A-Za-z]):([^\]\n]*)\])
    | (?P<ending>\[?\d[\d,\-]*|\["[^"\n]*")
    | (?P<chord>\[([^\]|\n]*)\](\d*)(/*)(\d*))
    | (?P<grace>\{[^}\n]*\})
    | (?P<quoted>"[^"\n]*")
    | (?P<decoration>![^!\n|]{1,40}!|\+[a-z]{1,20}\+)
    | (?P<bars_rest>[ZX](\d*))
    | (?P<overlay>&)
    | (?P<slur>[()])
    | (?P<sign>[.~H-WYh-w])
    | (?P<space>[\s\\`$*!;?\]@:]|y\d*)
    | (?P<stranger>.)
    """,
    re.X,
)
_NOTE = re.compile(r"(\^\^|\^|__|_|=)?([A-Ga-g])([,']*)(\d*)(/*)(\d*)")
_AT = dict(TOKEN.groupindex)  # a kind's first inner group is the one after its own
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_FIFTHS = {letter: index - 1 for index, letter in enumerate("FCGDAEB")}
_PER = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # (p notes in the time of q; 5, 7 and 9 depend on the metre


class Voice:
    """Reads one voice; a tune without `V:` fields has one."""

    def __init__(self, name: str, key: abc_fields.Key, meter: tuple[int, int] | None, unit: int | None, tempo: str) -> None:
        self.line = Line([], [], [], name)
        self.tick = 0
        self.bar_lines = [0]
        self.meter = meter
        self.meters = [(0, *(meter or (4, 4)))]
        self.unit = unit if unit is not None else abc_fields.default_unit(meter)
        quarters = abc_fields.tempo(tempo, self.unit)
        self.tempos = [(0, quarters if quarters is not None else 120.0)]
        self.keys = [(0, key.tonic, key.mode)]
        self.signature = key.signature
        self.altered = dict(key.signature)  # the signature with the bar's accidentals, which hold in every octave
        self.phrase_ends: list[tuple[int, int]] = []
        self.left_out: Counter[str] = Counter()
        self.lost_notes: Counter[str] = Counter()  # notes in what was left out
        self._length = 0  # of the last note or rest: what `>` lengthens
        self._broken = 0  # dots owed to the next note: positive after `>`
        self._tuplet = (1, 1, 0)  # p notes in the time of q, for so many notes more
        self._tie = ""  # letter and octave marks of a tied note
        self._last = ""  # letter and octave marks of the last note
        self._overlaid = False
        self._fermata = False

    def note(self, m: re.Match[str]) -> None:
        if self._overlaid:
            self.lost_notes["overlay"] += 1
        else:
            self._sound(m[2], m[3], m[4], self._ticks(*m.group(5, 6, 7)))

    def chord(self, m: re.Match[str]) -> None:
        notes = _NOTE.findall(m[_AT["chord"] + 1])
        if self._overlaid or not notes:
            self.lost_notes["overlay"] += len(notes)
            return
        self.left_out["chord"] += len(notes) > 1
        self.lost_notes["chord"] += len(notes) - 1
        pitched = [(self._pitch(*note[:3]), note) for note in notes]
        highest = max(pitched, key=lambda p: p[0])[1]
        inner = self._ticks(*notes[0][3:])
        tie = "-" in m[_AT["chord"] + 1]
        whole = self._ticks(*m.group(*range(_AT["chord"] + 2, _AT["chord"] + 5)))
        self._sound(highest[0], highest[1], highest[2], inner * whole // self.unit)
        if tie:
            self._tie = highest[1] + highest[2]

    def grace(self, m: re.Match[str]) -> None:
        self.left_out["grace"] += 1
        self.lost_notes["grace"] += len(_NOTE.findall(m["grace"]))

    def rest(self, m: re.Match[str]) -> None:
        if not self._overlaid:
            self._tie = ""
            self._add(REST, 0, self._ticks(*m.group(*range(_AT["rest"] + 1, _AT["rest"] + 4))))

    def bars_rest(self, m: re.Match[str]) -> None:
        numerator, denominator = self.meters[-1][1:]
        bars = _number(m["bars_rest"][1:], 1)
        self._tie = ""
        for _ in range(min(bars, 10_000)):
            self._add(REST, 0, numerator * TICKS * 4 // denominator)
            self.bar_lines.append(self.tick)

    def bar(self, m: re.Match[str]) -> None:
        self.bar_lines.append(self.tick)
        self.altered = dict(self.signature)
        self._overlaid = False
        self.left_out["repeat"] += ":" in m.group()

    def broken(self, m: re.Match[str]) -> None:
        dots = len(m.group()) if m.group()[0] == ">" else -len(m.group())
        if self._overlaid or not self._length or abs(dots) > 4:
            return
        change = self._length // 2 ** abs(dots)
        more = self._length - change if dots > 0 else change - self._length
        self.line.duration[-1] += more
        self.tick += more
        if self.phrase_ends and self.phrase_ends[-1][1] == self.tick - more:
            self.phrase_ends[-1] = (self.phrase_ends[-1][0], self.tick)
        self._broken = dots

    def tuplet(self, m: re.Match[str]) -> None:
        first, second, third = m.group(*range(_AT["tuplet"] + 1, _AT["tuplet"] + 4))
        p = int(first)
        if p < 2:
            self.left_out["slur"] += 1
            return
        numerator, denominator = self.meters[-1][1:]
        compound = denominator >= 8 and numerator % 3 == 0
        q = _number(second or "", 0) or _PER.get(p, 3 if compound else 2)
        self._tuplet = p, q, _number(third or "", 0) or p

    def tie(self, m: re.Match[str]) -> None:
        if self.line.pitch and self.line.pitch[-1] >= 0 and not self._overlaid:
            self._tie = self._last

    def field(self, m: re.Match[str]) -> None:
        self.set_field(m["field"][1], m["field"][3:-1])

    def sign(self, m: re.Match[str]) -> None:
        if m.group() == "H":
            self._fermata = True
        else:
            self.left_out["sign"] += 1

    def decoration(self, m: re.Match[str]) -> None:
        if "fermata" in m.group():
            self._fermata = True
        else:
            self.left_out["decoration"] += 1

    def overlay(self, m: re.Match[str]) -> None:
        self._overlaid = True
        self.left_out["overlay"] += 1

    def set_field(self, letter: str, text: str) -> str:
        """Obey a field inside the tune; returns what was not understood."""
        if letter == "K":
            key = abc_fields.key(text)
            self.signature, self.altered = key.signature, dict(key.signature)
            self.keys.append((self.tick, key.tonic, key.mode))
            return key.trouble
        if letter == "M":
            self.meter = abc_fields.meter(text)
            if self.meter is None:
                return f"M:{text[:40]}: bars are counted in 4/4"
            self.meters.append((self.tick, *self.meter))
        elif letter == "L":
            unit = abc_fields.unit_length(text)
            if unit is None:
                return f"L:{text[:40]} is no note length"
            self.unit = unit
        elif letter == "Q":
            quarters = abc_fields.tempo(text, self.unit)
            if quarters is None:
                return f"Q:{text[:40]} is no tempo"
            self.tempos.append((self.tick, quarters))
        return ""

    def _ticks(self, multiple: str, slashes: str, divisor: str) -> int:
        """Length of a note in ticks, before tuplets and broken rhythm."""
        if not slashes:
            return self.unit * _number(multiple, 1)
        parts = _number(divisor, 0) if divisor else 2 ** min(len(slashes), 12)
        if parts == 0:
            raise ValueError(f"a length of {multiple}{slashes}{divisor}: expected a divisor of 1 or more")
        length, lost = divmod(self.unit * _number(multiple, 1), parts)
        self.left_out["cut"] += lost > 0
        return length

    def _pitch(self, accidental: str | None, letter: str, octaves: str) -> int:
        """MIDI number; an accidental is remembered until the bar line."""
        name = letter.upper()
        if accidental:
            self.altered[name] = abc_fields.ALTERATIONS[accidental]
        octave = octaves.count("'") - octaves.count(",") + (letter != name)
        pitch = 60 + _SEMITONES[name] + 12 * octave + self.altered[name]
        if not 0 <= pitch <= 127:
            raise ValueError(f"the note {accidental or ''}{letter}{octaves[:20]} lies outside the MIDI range 0..127")
        return pitch

    def _sound(self, accidental: str | None, letter: str, octaves: str, length: int) -> None:
        pitch = self._pitch(accidental, letter, octaves)
        spelling = _FIFTHS[letter.upper()] + 7 * self.altered[letter.upper()]
        if self._tie and self._tie == letter + octaves and not accidental:
            pitch, spelling = self.line.pitch[-1], self.line.spelling[-1]  # a tie carries an accidental over the bar line
        self._add(pitch, spelling, length, tied=bool(self._tie) and pitch == self.line.pitch[-1])
        self._last, self._tie = letter + octaves, ""

    def _add(self, pitch: int, spelling: int, length: int, *, tied: bool = False) -> None:
        p, q, notes = self._tuplet
        if notes:
            length, lost = divmod(length * q, p)
            self.left_out["cut"] += lost > 0
            self._tuplet = p, q, notes - 1
        if self._broken:
            short = length // 2 ** abs(self._broken)
            length = short if self._broken > 0 else 2 * length - short
            self._broken = 0
        self._length = length
        if length <= 0:
            self.left_out["nothing"] += 1
            self.lost_notes["nothing"] += pitch >= 0
            return
        duration, pitches, spellings = self.line[:3]
        if tied:
            duration[-1] += length
        else:
            duration.append(length)
            pitches.append(pitch)
            spellings.append(spelling)
        if self._fermata and pitch >= 0:
            self.phrase_ends.append((self.tick, self.tick + length))
            self._fermata = False
        self.tick += length
        if self.tick > MAX_TICKS:
            raise ValueError(f"the tune lasts more than {MAX_TICKS // TICKS} quarters")


def _number(text: str, default: int) -> int:
    if len(text) > 6:
        raise ValueError(f"the number {text[:20]}... in the music is too large")
    return int(text) if text else default
