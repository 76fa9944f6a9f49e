"""The body of one ABC tune: which line and which voice a symbol belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from musicgym.files import abc_fields
from musicgym.files.abc_voice import TOKEN, Voice
from musicgym.files.exact import Exact
from musicgym.files.grid import MAX_VOICES
from musicgym.score import Change

_Row = TypeVar("_Row", bound=tuple[Any, ...])
_LEFT_OUT = {  # token -> what stands in the report; Score has no place for these
    "grace": ("dropped", "grace notes"),
    "quoted": ("ignored", "chord symbols or texts"),
    "decoration": ("ignored", "decorations"),
    "sign": ("ignored", "decorations"),
    "slur": ("ignored", "slur signs"),
    "ending": ("ignored", "endings, left in written order"),
    "repeat": ("ignored", "repeat signs, not played out"),
    "overlay": ("dropped", "voice overlays"),
    "chord": ("merged", "chords, of which the highest note was kept"),
    "cut": ("quantised", "lengths finer than a tick, rounded"),
    "nothing": ("dropped", "notes of no length"),
    "stranger": ("ignored", "characters that are no ABC"),
    "lyrics": ("ignored", "lines of words"),
}
_HANDLED = (
    "note",
    "bar",
    "rest",
    "broken",
    "tuplet",
    "tie",
    "field",
    "chord",
    "bars_rest",
    "overlay",
    "sign",
    "decoration",
    "grace",
)


def parse(lines: list[str], header: dict[str, str]) -> Exact:
    """Read the lines of a tune's body under its header's fields.

    Raises:
        ValueError: no notes, or music that no score can hold.
    """
    troubles: list[str] = []
    key = abc_fields.key(header.get("K", ""))
    if key.trouble:
        troubles.append(key.trouble)
    meter = abc_fields.meter(header["M"]) if "M" in header else (4, 4)
    if meter is None:
        troubles.append(f"M:{header['M'].strip()[:40]}: bars are counted in 4/4")
    unit = abc_fields.unit_length(header["L"]) if "L" in header else None
    if "L" in header and unit is None:
        troubles.append(f"L:{header['L'].strip()[:40]} is no note length")

    def new_voice(name: str) -> Voice:
        # Without a metre the unit is an eighth, as for 4/4.
        return Voice(name, key, meter, unit, header.get("Q", ""))

    voices: dict[str, Voice] = {}
    current: Voice | None = None
    handlers: dict[str, Callable[[re.Match[str]], None]] = {}
    for line in lines:
        if len(line) > 1 and line[1] == ":" and line[0].isalpha() and line[2:3] not in ("|", ":"):
            tokens = [(line[0], line[2:])]
        else:
            tokens = []
        if tokens and line[0] in "wWs":
            if current is not None:
                current.left_out["lyrics"] += 1
            continue
        for letter, text in tokens:
            if letter == "V":
                current, handlers = _switch(voices, text, new_voice)
            elif letter in "KMLQ":
                if current is None:
                    current, handlers = _switch(voices, "", new_voice)
                trouble = current.set_field(letter, text)
                if trouble:
                    troubles.append(trouble)
        if tokens:
            continue
        for m in TOKEN.finditer(line):
            kind = m.lastgroup
            if kind == "space" or kind is None:
                continue
            if kind == "field" and m.group("field")[1] == "V":
                current, handlers = _switch(voices, m.group("field")[3:-1], new_voice)
                continue
            if current is None:
                current, handlers = _switch(voices, "", new_voice)
            handler = handlers.get(kind)
            if handler is not None:
                handler(m)
            else:
                current.left_out[kind] += 1
    return _assemble(list(voices.values()), header, troubles)


def _switch(
    voices: dict[str, Voice], text: str, new_voice: Callable[[str], Voice]
) -> tuple[Voice, dict[str, Callable[[re.Match[str]], None]]]:
    name = (text.split() or [""])[0][:40]
    if name not in voices:
        if len(voices) >= MAX_VOICES:
            raise ValueError(f"more than {MAX_VOICES} voices")
        voices[name] = new_voice(name)
    voice = voices[name]
    return voice, {kind: getattr(voice, kind) for kind in _HANDLED}


def _assemble(voices: list[Voice], header: dict[str, str], troubles: list[str]) -> Exact:
    sounding = [voice for voice in voices if any(pitch >= 0 for pitch in voice.line.pitch)]
    if not sounding:
        raise ValueError("no notes: expected ABC music after the K: field")
    first = sounding[0]
    changes = [Change("ignored", -1, -1, trouble) for trouble in troubles]
    for index, voice in enumerate(sounding):
        for token, count in voice.left_out.items():
            if count:
                kind, what = _LEFT_OUT[token]
                changes.append(Change(kind, index, -1, f"{count} {what}", voice.lost_notes[token]))
    return Exact(
        lines=[voice.line for voice in sounding],
        bar_lines=first.bar_lines,
        meters=_last_of_each_tick(first.meters),
        keys=_last_of_each_tick(first.keys),
        tempos=_last_of_each_tick(first.tempos),
        phrase_ends=first.phrase_ends,
        title=header.get("T", "").strip(),
        changes=changes,
    )


def _last_of_each_tick(rows: list[_Row]) -> list[_Row]:
    return list({row[0]: row for row in rows}.values())
