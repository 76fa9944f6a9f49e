"""Quantisation and voice making: what fits stays, what moves is reported, nothing vanishes unsaid."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicgym.files.grid import GridNote, TimedNote, fits, lay_out, nearest_step, positions, quantise
from musicgym.files.voices import build
from musicgym.score import REST, Note, Score

fractions = st.fractions(min_value=0, max_value=30, max_denominator=50)
timed = st.lists(st.builds(TimedNote, fractions, fractions, st.integers(0, 127), st.integers(1, 127)), max_size=25)
grid_notes = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8), st.integers(40, 80)), max_size=30).map(
    lambda notes: [GridNote(*note, 80) for note in sorted(notes, key=lambda n: (n[0], -n[2], -n[1]))]
)


@settings(max_examples=200, deadline=None)
@given(timed, st.sampled_from([1, 3, 4, 12]))
def test_every_note_keeps_at_least_a_step_and_moves_by_half_a_step_at_most(notes: list[TimedNote], grid: int) -> None:
    (made,) = quantise([notes], ticks_per_quarter=1, steps_per_quarter=grid)
    assert len(made) == len(notes)
    left = Counter((n.pitch, n.velocity, n.start) for n in made)
    for note in notes:
        start = math.floor(note.onset * grid + Fraction(1, 2))
        assert left[note.pitch, note.velocity, start] > 0
        left[note.pitch, note.velocity, start] -= 1
    assert all(n.duration >= 1 for n in made)


@settings(max_examples=200, deadline=None)
@given(timed, st.sampled_from([4, 12]))
def test_a_note_is_reported_as_moved_exactly_when_it_did_not_fit(notes: list[TimedNote], grid: int) -> None:
    (made,) = quantise([notes], ticks_per_quarter=1, steps_per_quarter=grid)
    fitting = sum(bool(n.duration) and fits(n.onset, 1, grid) and fits(n.duration, 1, grid) for n in notes)
    assert sum(not n.moved for n in made) == fitting
    if fitting < len(notes):
        with pytest.raises(ValueError, match="does not fit"):
            quantise([notes], ticks_per_quarter=1, steps_per_quarter=grid, strict=True)
    else:
        quantise([notes], ticks_per_quarter=1, steps_per_quarter=grid, strict=True)


def test_notes_that_touch_still_touch() -> None:
    notes = [TimedNote(Fraction(i, 7), Fraction(1, 7), 60 + i) for i in range(28)]
    (made,) = quantise([notes], ticks_per_quarter=1, steps_per_quarter=12)
    assert all(a.start + a.duration == b.start for a, b in pairwise(made))


def test_halves_go_to_the_later_step() -> None:
    assert [nearest_step(t, 8, 4) for t in range(5)] == [0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("note", "grid", "message"),
    [
        (TimedNote(-1, 2, 60), 4, "times must be 0 or more"),
        (TimedNote(0, -2, 60), 4, "times must be 0 or more"),
        (TimedNote(0, 1, 128), 4, "pitch"),
        (TimedNote(0, 1, 60, 200), 4, "velocity"),
        (TimedNote(1 << 40, 1, 60), 4, "C4 that begins at quarter 1.09951e.12 .* at most 1000000 steps"),
        (TimedNote(0, 1, 60), 0, "steps_per_quarter=0"),
    ],
)
def test_impossible_notes_are_refused_by_name(note: TimedNote, grid: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quantise([[note]], ticks_per_quarter=1, steps_per_quarter=grid)


def test_strict_says_so_where_no_usual_grid_would_do() -> None:
    with pytest.raises(ValueError, match="no usual grid holds every note"):
        quantise([[TimedNote(Fraction(1, 7), 1, 60)]], ticks_per_quarter=1, steps_per_quarter=4, strict=True)


# Voices


def sounding(notes: list[GridNote]) -> Counter[tuple[int, int]]:
    """How often each pitch sounds at each step."""
    return Counter((step, n.pitch) for n in notes for step in range(n.start, n.start + n.duration))


def monophonic(line: list[GridNote]) -> bool:
    return all(a.start + a.duration <= b.start for a, b in pairwise(line))


@settings(max_examples=300, deadline=None)
@given(st.lists(grid_notes, min_size=1, max_size=3))
def test_split_loses_no_note_and_uses_no_voice_too_many(parts: list[list[GridNote]]) -> None:
    made = build(parts, "split")
    assert made.changes == []
    for index, part in enumerate(parts):
        lines = [line for line, origin in zip(made.notes, made.part, strict=True) if origin == index]
        assert Counter(n for line in lines for n in line) == Counter(part)
        together = Counter(step for n in part for step in range(n.start, n.start + n.duration))
        assert len(lines) == max(together.values(), default=1)
        heights = [sum(n.pitch * n.duration for n in line) / sum(n.duration for n in line) for line in lines if line]
        assert heights == sorted(heights, reverse=True)
    assert all(map(monophonic, made.notes))
    assert build(parts, "split") == made


@settings(max_examples=300, deadline=None)
@given(st.lists(grid_notes, min_size=1, max_size=3))
def test_tracks_keep_the_highest_note_of_each_onset_and_report_the_rest(parts: list[list[GridNote]]) -> None:
    made = build(parts, "tracks")
    for voice, (part, line) in enumerate(zip(parts, made.notes, strict=True)):
        assert monophonic(line)
        assert [n.start for n in line] == sorted({n.start for n in part})
        assert all(n.pitch == max(p.pitch for p in part if p.start == n.start) for n in line)
        assert sum(c.kind == "dropped" and c.voice == voice for c in made.changes) == len(part) - len(line)


@settings(max_examples=300, deadline=None)
@given(st.lists(grid_notes, min_size=1, max_size=3))
def test_a_skyline_never_sounds_below_another_note_that_begins_there(parts: list[list[GridNote]]) -> None:
    made = build(parts, "skyline")
    (line,) = made.notes
    everything = [n for part in parts for n in part]
    assert monophonic(line)
    assert not sounding(line) - sounding(everything)
    tops = dict(sounding(line).keys())
    for note in everything:
        assert tops.get(note.start, -1) >= note.pitch  # silent or lower nowhere where a note begins
    assert sum(c.kind == "dropped" for c in made.changes) == len(everything) - len(line)


def test_split_follows_voices_through_a_chorale_cadence() -> None:
    soprano = [Note(0, 4, 72, 80), Note(4, 4, 71, 80), Note(8, 8, 72, 80)]
    alto = [Note(0, 4, 64, 80), Note(4, 2, 67, 80), Note(6, 2, 65, 80), Note(8, 8, 64, 80)]
    bass = [Note(0, 4, 48, 80), Note(4, 4, 43, 80), Note(8, 8, 48, 80)]
    part = sorted((GridNote(*n) for voice in (soprano, alto, bass) for n in voice), key=lambda n: (n.start, -n.pitch))
    assert [[Note(*n[:4]) for n in line] for line in build([part], "split").notes] == [soprano, alto, bass]


def test_split_gives_a_lone_low_note_to_the_low_voice() -> None:
    part = [GridNote(0, 4, 72, 80), GridNote(0, 4, 48, 80), GridNote(4, 4, 50, 80), GridNote(8, 4, 71, 80)]
    assert [[n.pitch for n in line] for line in build([part], "split").notes] == [[72, 71], [48, 50]]


def test_a_legato_descent_keeps_all_its_notes_in_the_skyline() -> None:
    scale = [GridNote(4 * i, 5, 72 - i, 80) for i in range(5)]
    made = build([scale], "skyline")
    assert [(n.start, n.pitch) for n in made.notes[0]] == [(0, 72), (5, 71), (9, 70), (13, 69), (17, 68)]
    assert {c.kind for c in made.changes} == {"cut"}


# Arrays


def test_laid_out_voices_make_a_score_with_written_rests_and_spellings() -> None:
    notes = [GridNote(0, 2, 61, 80, spelling=-5), GridNote(4, 2, 62, 90, spelling=2)]
    arrays = lay_out([[*notes, GridNote(6, 1, REST, 0), GridNote(7, 1, REST, 0)]], 8)
    assert arrays["onset"].tolist() == [[True, False, True, False, True, False, True, True]]
    assert arrays["spelling"].tolist() == [[-5, -5, 0, 0, 2, 2, 0, 0]]
    blank = Score.blank(1, 8)
    score = Score(**arrays, position=blank.position, tonic=blank.tonic, mode=blank.mode, phrase_end=blank.phrase_end)
    assert [n.start for n in score.events(0)] == [0, 2, 4, 6, 7]


def test_overlapping_notes_are_no_voice() -> None:
    with pytest.raises(ValueError, match=r"voice 0: .*must begin at step 4"):
        lay_out([[GridNote(0, 4, 60, 80), GridNote(3, 4, 62, 80)]], 8)


def test_a_score_too_large_to_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="128 voices on 999999 steps: at most"):
        lay_out([[] for _ in range(128)], 999_999)


def test_positions_count_from_the_bar_line_and_a_pickup_from_its_place() -> None:
    made = positions(10, [3, 7], first=1)
    assert made.tolist() == [1, 2, 3, 0, 1, 2, 3, 0, 1, 2]
    assert made.dtype == np.int16
    assert positions(0, []).tolist() == []
    with pytest.raises(ValueError, match="32767"):
        positions(40_000, [])
