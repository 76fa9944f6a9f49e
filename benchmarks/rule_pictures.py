"""The examples of docs/rules.md as pictures: what obeys beside what breaks, in one small SVG file a rule."""

from __future__ import annotations

import dataclasses
import re
from typing import NamedTuple

import numpy as np

from musicgym.benchmarks.rule_examples import Example, music
from musicgym.chords import chord_of
from musicgym.render.engraving import STYLE, Engraving, engrave, symbol_definitions
from musicgym.rewards.marks import judge
from musicgym.rewards.reward import Reward
from musicgym.score import Score

_ONE_SYSTEM = 200.0  # distances of two staff lines: wider than any example
_LINE = 180  # units of a drawing from one staff line to the next
_SCALE = 6 / _LINE  # pixels a unit
_WORDS = 2.5 * _LINE  # height of the words above the music
_GAP = 3 * _LINE
_MOST_VOICES = 4
_FAULT = "#c33300"
_STAFF_LINE = re.compile(r'<path d="M(-?[\d.]+) [\d.]+ L([\d.]+) [\d.]+"')
_PATH = re.compile(r' d="([^"]+)"')
_DECIMALS = re.compile(r"(\d+)\.\d+")


class _Drawn(NamedTuple):
    engraving: Engraving
    faults: list[str]  # ids of the notes that are at fault
    width: float  # of what is drawn


def picture(rule: Reward, example: Example) -> str:
    """An SVG document with both pieces, in the second the notes at fault in red; equal examples make equal text."""
    obeys, breaks = (
        _drawn(music(text, example.fields, loud))
        for text, loud in zip((example.obeys, example.breaks), example.loud, strict=True)
    )
    drawn = [
        obeys,
        breaks._replace(faults=_faults(rule, music(example.breaks, example.fields, example.loud[1]), breaks.engraving)),
    ]
    width = sum(one.width for one in drawn) + _GAP
    height = max(one.engraving.height for one in drawn) + _WORDS
    symbols = {name: outline for one in drawn for name, outline in one.engraving.symbols.items()}
    parts, at = [], 0.0
    for one, word, loud in zip(drawn, ("obeys", "breaks"), example.loud, strict=True):
        told = word if not loud else f"{word}: velocities {' '.join(map(str, loud))}"
        parts.append(f'<text x="{at + _LINE:.0f}" y="{_WORDS - 60:.0f}" font-size="330">{told}</text>')
        parts.append(f'<g transform="translate({at:.0f} {_WORDS:.0f})">{_marked(one)}</g>')
        at += one.width + _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="engraving" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width * _SCALE:.0f}" height="{height * _SCALE:.0f}">'
        f"<style>{STYLE}.fault{{color:{_FAULT};fill:{_FAULT}}}</style>"
        f'<rect width="100%" height="100%" style="fill:#fff;stroke:none"/>{symbol_definitions(symbols)}{"".join(parts)}</svg>\n'
    )


def _drawn(score: Score) -> _Drawn:
    """Voices on two staves; of more than four the highest alone, with the others' chords as symbols."""
    if score.voices > _MOST_VOICES:
        chords = [chord_of(score.pitch[1:, step]) for step in range(score.steps)]
        alone = {name: getattr(score, name)[:1] for name in ("pitch", "onset", "velocity", "spelling", "programs")}
        score = dataclasses.replace(score, **alone, names=("",), chord=np.array(chords, np.int16))
    engraving = engrave(score, width=_ONE_SYSTEM, title=False, tempo=False, layout="grand" if score.voices > 1 else "open")
    right = max(float(end) for _, end in _STAFF_LINE.findall(engraving.drawing))
    return _Drawn(engraving, [], right + 4 * _LINE)


def _faults(rule: Reward, score: Score, engraving: Engraving) -> list[str]:
    """Ids of the notes that a rule takes something for, and of those that it hangs on."""
    begins = [_event_starts(score, voice) for voice in range(score.voices)]
    faults = {
        (voice, begins[voice][mark.step])
        for mark in judge(rule, score).marks
        if mark.value < 0 and mark.scope == "note"
        for voice in (mark.voice, *mark.others)
    }
    return [name for name, place in engraving.printed.items() if (place.voice, place.event) in faults]


def _event_starts(score: Score, voice: int) -> list[int]:
    """The step at which the note or rest at each step began."""
    begins = score.onset[voice].copy()
    begins[:1] = True
    starts: list[int] = np.maximum.accumulate(np.where(begins, np.arange(score.steps), 0)).tolist()
    return starts


def _marked(one: _Drawn) -> str:
    """A drawing in whole units, with its faults of a class of their own and without ids, which another one has too."""
    text = one.engraving.drawing
    for name in one.faults:
        text = re.sub(rf'id="{name}" class="', f'id="{name}" class="fault ', text)
        text = re.sub(rf'class="([^"]*)" id="{name}"', rf'class="fault \1" id="{name}"', text)
    text = re.sub(r' id="v\d+s\d+"', "", text)
    return _PATH.sub(lambda found: _DECIMALS.sub(r"\1", found.group()), text)
