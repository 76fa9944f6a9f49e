"""Every rule of part-writing on pieces judged by hand: one that obeys it and one that breaks it."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest

from musicgym import Score
from musicgym.rewards import Rules
from musicgym.rewards.part_writing import part_writing_rules

ALL = Rules.of(*part_writing_rules().values(), name="parts")  # each with weight 1, compiled once for every test here
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


class Row(NamedTuple):
    """A rule, a piece that obeys it, one that breaks it, and its total there.

    A piece is a line a voice, from the highest: notes as letter, # or b, octave and, after a star, their length in sixteenths (a
    quarter where there is none); z is a rest. In C major and 4/4 where nothing else is said; `fermata` is where one begins, in
    sixteenths, and it lasts to the end.
    """

    rule: str
    obeys: str
    breaks: str
    total: float
    fermata: int = -1
    key: str = "C major"


def score(lines: str, fermata: int = -1, key: str = "C major", **blank: Any) -> Score:
    """The piece that these lines stand for."""
    voices = []
    for line in lines.strip().splitlines():
        notes, at = [], 0
        for word in line.split():
            name, _, length = word.partition("*")
            steps = int(length or 4)
            if name != "z":
                sharp = name.count("#") - name.count("b")
                notes.append((at, steps, 12 + 12 * int(name[-1]) + _LETTERS[name[0]] + sharp, 80))
            at += steps
        voices.append(notes)
    made = Score.from_notes(voices, at, key=key, **blank)
    ends = (np.arange(made.steps) >= fermata) & (fermata >= 0)
    return dataclasses.replace(made, phrase_end=ends)


CADENCE = "C5 D5 B4 C5\nG4 A4 G4 G4\nE4 F4 D4 E4\nC4 F3 G3 C3"
TWO_BARS = (  # I IV V I, vi ii V I, with passing notes
    "C5 C5 B4 C5 C5 D5*2 C5*2 B4 C5\nG4 A4*2 F4*2 G4 G4 A4 A4 G4*2 F4*2 E4\n"
    "E4 F4 D4 E4 E4 F4 D4 C4\nE4*2 C4*2 F3 G3 C4*2 B3*2 A3 D3*2 E3*2 F3*2 G3*2 C3"
)
HELD = "C5*32\nG4*32\nE4*32\nC3*32"

ROWS = (
    Row("parallel_fifths", "C5 D5\nG4 G4\nE4 D4\nC4 B3", "C5 D5\nA4 A4\nF4 G4\nF3 B3", -1),
    Row("parallel_octaves", CADENCE, "C5 D5\nG4 G4\nE4 D4\nC4 D4", -1),
    Row("antiparallels", CADENCE, "C5 G4\nE4 D4\nG3 B3\nC3 G3", -1),
    Row("direct_perfects", "C5 D5\nE4 D4\nG3 B3\nC3 G3", "C5 G5\nE4 D4\nG3 B3\nE3 G3", -1),
    Row("voice_crossing", CADENCE, "C5 D5\nG4 F4\nE4 G4\nC4 B3", -1),
    Row("voice_overlap", CADENCE, "C5 F5\nG4 D5\nE4 A4\nC4 D4", -2),
    Row("all_one_way", CADENCE, "C5 D5\nG4 A4\nE4 F4\nC4 D4", -1),
    Row("inner_leaps", "C5 C5\nG4 D4\nE4 F4\nC3 C4", "C5 C5\nG4 C4\nE4 F4\nC3 C4", -1),
    Row("wide_leaps", "C5 C4\nE4 G4\nG3 C4\nC3 C4", "C5 D4\nE4 G4\nG3 C4\nC3 D4", -2),
    Row("augmented_intervals", "A4 B4 G#4\nF4 E4 E4\nD4 D4 B3\nD3 G3 E3", "F4 G#4\nF4 E4\nD4 B3\nF3 B3", -2, key="A minor"),
    Row("voice_leading_distance", CADENCE, "C5 G5\nG4 D5\nE4 B4\nC4 G3", -9),
    Row("stuck_voice", TWO_BARS, HELD, -4),
    Row(
        "bass_steps",
        TWO_BARS,
        "C5 C5 B4 C5 C5 C5 B4 C5\nG4 A4 G4 G4 G4 A4 G4 G4\nE4 F4 D4 E4 E4 F4 D4 E4\nC4 F3 G3 C3 C4 F3 B3 C4",
        -0.4 + 2 / 7,
    ),
    Row("cross_relation", "C5 C#5\nG4 A4\nE4 E4\nC4 A3", "C5 E5\nG4 A4\nE4 E4\nA3 C#4", -1),
    Row("voice_range", CADENCE, "A5 B5\nA4 B4\nA3 B3\nC3 F4", -2),
    Row("spacing", CADENCE, "C5 C5 C5\nG4 G4 B3\nE4 F3 E3\nC4 A1 G2", -3),
    Row("doubled_leading_tone", CADENCE, "B4 C5\nG4 G4\nD4 E4\nB3 C4", -1),
    Row("doubled_third", CADENCE, "E5 C5\nG4 G4\nE4 E4\nC4 C4", -1),
    Row("doubled_fault", "B4 C5\nF4 E4\nD4 C4\nG3 C3", "F5 E5\nB4 C5\nF4 E4\nG3 C4", -1),
    Row("incomplete_chord", CADENCE, "C5 C5\nG4 C5\nC4 C4\nC4 C3", -3),
    Row("leading_tone_resolution", "D5 C5\nB4 G4\nG4 E4\nG3 C4", "B4 G4\nD4 E4\nG3 G3\nG3 C4", -1),
    Row("seventh_resolution", "B4 C5\nF4 E4\nD4 C4\nG3 C3", "B4 C5\nF4 G4\nD4 E4\nG3 C3", -1),
    Row("unprepared_dissonance", "C5 C5*2 B4*2\nG4 G4\nE4 D4\nC4 G3", "D5 C5*2 B4*2\nA4 G4\nF4 D4\nD4 G3", -1),
    Row("foreign_note", "C5*2 D5*2 E5\nG4 G4\nE4 E4\nC4 C4", "C5*2 F4*2 C5\nG4 G4\nE4 E4\nC4 C4", -1),
    Row("six_four", "C5 C5\nA4 G4\nF4 E4\nF3 G3", "D5 C5\nG4 G4\nB3 E4\nD3 G3", -1),
    Row("progression", CADENCE, "C5 B4\nA4 G4\nF4 E4\nF3 E3", -1),
    Row("retrogression", CADENCE, "B4 A4\nG4 F4\nD4 C4\nG3 F3", -1),
    Row("harmonic_rhythm", TWO_BARS, HELD, -0.5),
    Row("root_positions", TWO_BARS, "C5*32\nG4*32\nE4*32\nE3*32", -0.5),
    Row("second_inversions", TWO_BARS, "C5*32\nG4*32\nE4*32\nG3*32", -7),
    Row("nonchord_share", TWO_BARS, HELD, -0.04),
    Row("chord_variety", TWO_BARS, HELD, -3),
    Row("worn_harmony", TWO_BARS, HELD, -1),
    Row("fermata_chord", CADENCE, "C5 D5 B4 C5\nG4 A4 G4 G4\nE4 F4 D4 G4\nC4 F3 G3 E3", -1, fermata=12),
    Row("fermata_cadence", CADENCE, "C5 E5 C5\nG4 B4 G4\nE4 G4 E4\nC4 E3 C3", -1, fermata=8),
    Row("fermata_together", CADENCE, "C5 D5 B4 C5\nG4 A4 G4 G4\nE4 F4 D4*2 E4*6\nC4 F3 G3 C3*2 E3*2", -2, fermata=12),
    Row("final_chord", CADENCE, "C5 D5 B4 C5\nG4 A4 G4 A4\nE4 F4 D4 E4\nC4 F3 G3 A3", -1, fermata=12),
    Row("voice_rest", CADENCE, "C5 D5\nG4 z\nz z\nC4 B3", -3),
    Row("idle_beat", CADENCE, "C5*8\nG4*8\nE4*8\nC4*8", -1),
    Row("held_over", CADENCE, "C5*2 D5*6\nG4*8\nE4*8\nC4*8", -1),
    Row("held_long", "C5*8 D5\nG4*8 G4\nE4*8 D4\nC4*8 B3", "C5*16\nG4*8 G4*8\nE4*8 D4*8\nC4*8 B3*8", -2),
    Row("ornaments", TWO_BARS, HELD, -0.2),
    Row("in_key", CADENCE, "C5 C#5\nG4 A4\nE4 E4\nC4 A3", -1),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
def test_a_rule_is_silent_where_it_is_obeyed_and_speaks_where_it_is_broken(row):
    fermata = 12 if row.fermata >= 0 else -1
    obeyed = ALL.score([score(row.obeys, fermata, row.key)])[row.rule][0]
    broken = ALL.score([score(row.breaks, row.fermata, row.key)])[row.rule][0]
    assert obeyed == pytest.approx(0.0, abs=1e-12)
    assert broken == pytest.approx(row.total)


def test_every_rule_has_its_pieces():
    assert [row.rule for row in ROWS] == list(part_writing_rules())
