"""Marks stand on what a rule is about: on the note, the bar or the piece, wherever it is paid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicgym import Note, Score
from musicgym.rewards import AtEnd, parse
from musicgym.rewards.marks import Concern, Mark, judge, subjects
from musicgym.testing.music import random_score

RULES = "syncopation + odd_length + leading_tone + leap_recovered + empty_bar + pitch_variety + closing"
HEAD = "X:1\nM:4/4\nL:1/8\nK:C\n"


def marks_of(tune: str, rule: str, **options: Any) -> list[Mark]:
    return [mark for mark in judge(parse(RULES), Score.from_abc(HEAD + tune), **options).marks if mark.rule == rule]


def told(marks: list[Mark]) -> list[tuple[int, float, str]]:
    return [(mark.bar, mark.beat, mark.note) for mark in marks]


def test_a_syncopated_note_is_marked_and_not_the_next() -> None:
    marks = marks_of("C D2 E2 F2 G|]", "syncopation")
    assert told(marks) == [(1, 1.5, "D4"), (1, 2.5, "E4"), (1, 3.5, "F4")]
    assert [mark.paid_at for mark in marks] == [6, 10, 14]


def test_a_syncopated_note_that_sounds_to_the_end_is_marked() -> None:
    assert told(marks_of("C2 D2 E3 F-|F8|]", "syncopation")) == [(1, 4.5, "F4")]


def test_what_ends_where_the_last_step_begins_is_marked_and_not_the_last_step() -> None:
    assert told(marks_of("C2 D2 E F5/2G/|]", "odd_length")) == [(1, 3.5, "F4")]
    assert told(marks_of("C2 D2 E2 F5/2|]", "odd_length")) == [(1, 4.0, "F4")]


def test_a_leading_tone_left_unanswered_is_marked_and_not_the_answer() -> None:
    assert told(marks_of("G2 A2 B2 e2|]", "leading_tone")) == [(1, 3.0, "B4")]


def test_the_note_that_was_leapt_to_is_marked_where_no_step_answers() -> None:
    assert told(marks_of("C2 G2 A2 c2|]", "leap_recovered")) == [(1, 2.0, "G4")]
    assert told(marks_of("C2 G2 z2 A2|]", "leap_recovered")) == [(1, 2.0, "G4")]


def test_a_rule_of_bars_marks_the_whole_bar_or_bars() -> None:
    (mark,) = marks_of("C8|z8|C8|D8|]", "empty_bar")
    assert (mark.scope, mark.step, mark.bar, mark.last_bar, mark.note) == ("bar", 16, 2, 2, "whole bar")
    (first, second) = marks_of("C8|z8|C8|D8|]", "pitch_variety")
    assert [(m.step, m.bar, m.last_bar, m.note, m.paid_at) for m in (first, second)] == [
        (0, 1, 2, "whole bars", 31),
        (32, 3, 4, "whole bars", 63),
    ]


def test_a_rule_of_the_end_marks_the_whole_piece_and_comes_last() -> None:
    (mark,) = marks_of("C8|D8|]", "closing")
    assert (mark.scope, mark.step, mark.bar, mark.last_bar, mark.note, mark.paid_at) == ("piece", 0, 1, 2, "whole piece", 31)
    everything = judge(parse(RULES), Score.from_abc(HEAD + "C D2 E2 F2 G|z8|A D2 E2 F2 D|]")).marks
    assert everything[-1].scope == "piece"
    assert [m.rule for m in everything if m.bar == 2 or m.rule == "syncopation"][3] == "empty_bar"  # after the notes of bar 1


def test_bars_keep_their_numbers_in_an_excerpt() -> None:
    marks = marks_of("C8|z8|C D2 E2 F2 G|z8|]", "syncopation", first=32)
    assert [(m.step, *place) for m, place in zip(marks, told(marks), strict=True)] == [
        (34, 3, 1.5, "D4"),
        (38, 3, 2.5, "E4"),
        (42, 3, 3.5, "F4"),
    ]
    assert [(m.bar, m.last_bar) for m in marks_of("C8|z8|C8|z8|]", "empty_bar", first=32)] == [(4, 4)]


def test_a_pickup_is_bar_0_of_the_whole_piece() -> None:
    score = Score.from_abc("X:1\nM:4/4\nL:1/4\nK:C\nG|c d ^f f|c4|]")
    (mark,) = judge(AtEnd(parse("fixed_key")), score).marks
    assert (mark.bar, mark.last_bar) == (0, 2)


def test_what_is_paid_at_the_end_is_about_the_whole_piece_and_other_rewards_about_where_they_pay() -> None:
    score = Score.from_notes([[Note(0, 4, 61, 80), Note(4, 4, 60, 80)]])
    (mark,) = judge(AtEnd(parse("fixed_key")), score).marks
    assert (mark.note, mark.value, mark.paid_at) == ("whole piece", -1.0, 7)
    (mark,) = judge(parse("clip(fixed_key, low=-1, high=1)"), score).marks
    assert (mark.note, mark.step) == ("C#4", 0)


def test_a_rule_of_ones_own_marks_the_place_where_it_is_judged() -> None:
    score = Score.from_notes([[Note(0, 4, 61, 80), Note(4, 4, 60, 80)]])
    assert [m.note for m in judge(parse("rl_tuner(form='fixed')"), score).marks if m.rule == "key"] == ["C#4"]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), voices=st.integers(1, 3))
def test_every_value_has_a_place_in_its_own_voice_not_after_its_payment(seed: int, voices: int) -> None:
    draws = np.random.default_rng(seed)
    score = random_score(draws, voices, 40)
    sites = draws.normal(size=(5, voices, 40)).astype(np.float32)
    about = [Concern("here"), Concern("ended"), Concern("before"), Concern("bar", 2), Concern("piece")]
    found = list(subjects(sites, about, score))
    assert sum(value for *_, value, _ in found) == pytest.approx(float(sites.sum(dtype=np.float64)), abs=1e-3)
    for term, _, step, _, subject in found:
        assert 0 <= subject.start < subject.stop <= 40
        assert subject.start <= step
        assert subject.scope == ("note", "note", "note", "bar", "piece")[term]
