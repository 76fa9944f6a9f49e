"""Measures of style on chorales that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from musicgym.benchmarks.chorale_style import percentiles, style
from musicgym.pieces import Excerpts
from musicgym.score import Score

C, F, G, C_OVER_E, C_OVER_G = ("C5 G4 E4 C3", "C5 A4 F4 F3", "B4 G4 D4 G3", "C5 G4 C4 E3", "C5 G4 E4 G3")
PITCH = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11, "C#": 1}


def chorale(*chords: str, extra: dict[int, list[tuple[int, int, int, int]]] | None = None) -> Excerpts:
    """Quarters of four voices on a grid of eighths; `extra` replaces voices."""
    voices = [
        [(2 * at, 2, 12 * (int(name[-1]) + 1) + PITCH[name[:-1]], 80) for at, name in enumerate(v)]
        for v in zip(*(c.split() for c in chords), strict=True)
    ]
    for voice, notes in (extra or {}).items():
        voices[voice] = notes
    return Excerpts.from_scores([Score.from_notes(voices, steps_per_quarter=2)])


def measured(music: Excerpts, name: str) -> float:
    return float(style(music, (1, 2, 3))[name][0])


def test_a_chord_changes_where_the_root_does() -> None:
    assert measured(chorale(C, C_OVER_E, F, G, G), "chord changes a beat") == 2 / 4


def test_beats_without_a_chord_are_told_of() -> None:
    assert measured(chorale(C, "C5 B4 A4 G3", F, "C5 C#4 D4 E3"), "beats that are a chord") == 2 / 4


def test_inversions_are_shares_of_the_beats() -> None:
    music = chorale(C, C_OVER_E, C_OVER_G, G)
    assert measured(music, "root position") == 2 / 4
    assert measured(music, "first inversion") == measured(music, "second inversion") == 1 / 4


def test_repeated_notes_of_the_bass_are_no_moves() -> None:
    music = chorale(C, C, F, G)  # C3 C3 F3 G3
    assert measured(music, "bass moves by step") == 1 / 2
    assert measured(music, "mean bass interval, semitones") == (5 + 2) / 2


def test_notes_off_the_beat_that_the_chord_lacks_are_foreign() -> None:
    passing = [(0, 1, 64, 80), (1, 1, 62, 80), (2, 2, 64, 80)]  # E4 D4 E4 over C, C
    assert measured(chorale(C, C, extra={2: passing}), "non-chord tones") == 1 / 9


def test_rests_are_counted_in_the_voices_asked_for_alone() -> None:
    music = chorale(C, C, extra={0: [(2, 2, 72, 80)], 3: [(2, 2, 48, 80)]})
    assert style(music, (1, 2, 3))["rests"][0] == pytest.approx(1 / 6)
    assert style(music, (1, 2))["rests"][0] == 0


def test_silence_has_no_style() -> None:
    music = chorale(C, G)
    music.pitch[:], music.onset[:] = -1, False
    found = style(music, (0, 1, 2, 3))
    assert found["rests"][0] == 1
    assert all(np.isnan(values[0]) for name, values in found.items() if name not in ("rests", "beats that are a chord"))


def test_percentiles_leave_out_what_could_not_be_measured() -> None:
    low, high = percentiles(np.array([*range(11), np.nan], float))
    assert (low, high) == (1.0, 9.0)
