"""A score as text: a line a voice, a column a step or several."""

from __future__ import annotations

import itertools
import math

import numpy as np

from musicgym.files.notation import letter_alter_octave, spelled
from musicgym.score import BLANK, Score, key_name

_HOLD, _REST, _NOT_WRITTEN = "–", ".", "?"
_LONGEST_NAME = 12


def ansi(score: Score, *, width: int = 100, cursor: int | None = None) -> str:
    """The score as readable text, for terminals.

    A heading names title, key, metre, tempo and what one column is: as many steps as fit without hiding where an
    event begins. Below stand the voices, a line each, as many bars side by side as fit: note names such as F#4 where
    a note begins, – where it goes on, . for rests, ? for blanks, | for bar lines, with the bars' numbers (a pickup
    is bar 0) and changes of key and metre above them.

    Args:
        score: what to show.
        width: characters a line; a single bar may take more.
        cursor: a step to mark with ^ below the voices: the slot to be written next.

    Raises:
        ValueError: a cursor outside the steps.

    >>> from musicgym.score import Note
    >>> print(ansi(Score.from_notes([[Note(0, 4, 60, 80), Note(4, 2, 64, 80), Note(8, 8, 67, 80)]])))
    C major, 4/4, 120 quarters a minute, 2 steps a column, 4 a quarter
             |1
    voice 1  |C4 –  E4 .  G4 –  –  –  |
    """
    if cursor is not None and not 0 <= cursor < score.steps:
        raise ValueError(f"cursor={cursor}: expected a step within 0..{score.steps - 1}")
    lines = [score.title] if score.title else []
    unit = _unit(score, cursor)
    grid = f"{unit} step{'s' if unit > 1 else ''} a column, {score.steps_per_quarter} a quarter"
    lines.append(f"{score.key}, {score.meter[0]}/{score.meter[1]}, {score.tempo:g} quarters a minute, {grid}")
    if not score.steps:
        return "\n".join(lines)
    cells = [_cells(score, voice) for voice in range(score.voices)]
    cell = max((len(text) for line in cells for text in line), default=1) + 1
    labels = [(name or f"voice {voice + 1}")[:_LONGEST_NAME] for voice, name in enumerate(score.names)]
    margin = max(map(len, labels), default=0) + 2
    starts = [0, *(np.flatnonzero(np.diff(score.position.astype(int)) != 1) + 1).tolist()]
    spans = list(itertools.pairwise([*starts, score.steps]))
    first_number = 1 if score.position[0] == 0 else 0
    headings = [_heading(score, number, *span) for number, span in enumerate(spans, first_number)]
    columns = [range(start, stop, unit) for start, stop in spans]
    widths = [max(cell * len(steps), len(heading) + 1) for steps, heading in zip(columns, headings)]
    bar = 0
    while bar < len(spans):
        last = bar + 1
        while last < len(spans) and margin + sum(widths[bar : last + 1]) + last + 2 - bar <= width:
            last += 1
        system = range(bar, last)
        lines.append(" " * margin + "".join(f"|{headings[b].ljust(widths[b])}" for b in system))
        for label, line in zip(labels, cells):
            texts = ["".join(line[step].ljust(cell) for step in columns[b]).ljust(widths[b]) for b in system]
            lines.append(f"{label.ljust(margin)}|{'|'.join(texts)}|")
        if cursor is not None and starts[bar] <= cursor < spans[last - 1][1]:
            at = next(b for b in system if cursor < spans[b][1])
            before = sum(widths[bar:at]) + at - bar + 1 + cell * ((cursor - starts[at]) // unit)
            lines.append(" " * (margin + before) + "^")
        bar = last
    return "\n".join(line.rstrip() for line in lines)


def _unit(score: Score, cursor: int | None) -> int:
    """The most steps that a column can hold without hiding where a bar, an event or the cursor begins."""
    unit = since = 0
    begins = score.onset.any(0) | (np.diff(score.pitch, axis=1, prepend=BLANK) != 0).any(0)
    for step in range(score.steps):
        since = 0 if step == 0 or score.position[step] != score.position[step - 1] + 1 else since + 1
        if begins[step] or step == cursor:
            unit = math.gcd(unit, since)
        if step + 1 == score.steps or score.position[step + 1] != score.position[step] + 1:
            unit = math.gcd(unit, since + 1)
    return max(unit, 1)


def _cells(score: Score, voice: int) -> list[str]:
    """What stands at each step of a voice."""
    made = []
    for event in score.events(voice):
        if event.pitch >= 0:
            letter, alter, octave = letter_alter_octave(event.pitch, spelled(score, voice, event.start))
            sign = "#" * alter if alter > 0 else "b" * -alter
            made += [f"{letter}{sign}{octave}", *[_HOLD] * (event.duration - 1)]
        else:
            made += [_NOT_WRITTEN if event.pitch == BLANK else _REST] * event.duration
    return made


def _heading(score: Score, number: int, start: int, stop: int) -> str:
    """A bar's number, and the metre and key that change in it."""
    words = [str(number)]
    words += [f"{change.numerator}/{change.denominator}" for change in score.meters[1:] if start <= change.step < stop]
    words += [key_name(change.tonic, change.mode) for change in score.keys[1:] if start <= change.step < stop]
    return " ".join(words)
