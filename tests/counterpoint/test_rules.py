"""Every rule of counterpoint on music judged by hand: one piece that obeys it, one that breaks it, and where."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from musicgym import Score
from musicgym.rewards import Rules, parse
from musicgym.rewards.counterpoint import SHARED, counterpoint, counterpoint_rules, hard_rules, strict_counterpoint

OWN = {name: rule for name, rule in counterpoint_rules().items() if rule not in SHARED}
ALL = Rules.of(*OWN.values(), name="own")  # each with weight 1, compiled once for every test here
NAMES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
PER_QUARTER = 4

Places = dict[float, float]  # quarter at which a site speaks -> what it says, both voices together


def music(*lines: str, key: str = "D dorian") -> Score:
    """A voice in a text: `A4` lasts a bar, `A4/2` two quarters, `z/2` is a rest of two, `C#5` and `Bb4` are altered."""
    voices = []
    for line in lines:
        at, notes = 0.0, []
        for token in line.split():
            name, _, quarters = token.partition("/")
            length = float(quarters or 4)
            if name != "z":
                pitch = NAMES[name[0]] + name.count("#") - name.count("b") + 12 * (int(name[-1]) + 1)
                notes.append((int(at * PER_QUARTER), int(length * PER_QUARTER), pitch, 80))
            at += length
        voices.append(notes)
    return Score.from_notes(voices, steps=int(at * PER_QUARTER), steps_per_quarter=PER_QUARTER, key=key)


def places(rule: str, score: Score) -> Places:
    _, marks = ALL.score([score], marks=True)  # (1, rules, voices, steps)
    said = marks[0, ALL.terms.index(rule)].sum(axis=0)
    return {step / PER_QUARTER: float(said[step]) for step in said.nonzero()[0]}


class Row(NamedTuple):
    """A rule, two voices that obey it, two that break it, and where."""

    rule: str
    obeys: tuple[str, ...]
    breaks: tuple[str, ...]
    broken: Places
    key: str = "D dorian"


ROWS = (
    Row("dissonant_attack", ("A4 A4 D5", "D4 F4 D4"), ("A4 B4 D5", "D4 F4 D4"), {4: -1}),
    Row("wide_apart", ("D5 G5", "D4 C4"), ("D5 A5", "D4 C4"), {4: -1}),
    Row("unison_inside", ("D4 A4 D4", "D4 F4 D4"), ("A4 F4 D4", "D4 F4 D4"), {4: -1}),
    Row("perfects_in_a_row", ("A4 A4 E5 D5", "D4 F4 A4 D4"), ("A4 C5 D5 D5", "D4 F4 F4 D4"), {4: -1}),
    Row("worn_interval", ("F4 G4 A4 A4", "D4 E4 F4 D4"), ("F4 G4 A4 B4 A4", "D4 E4 F4 G4 D4"), {12: -1}),
    Row("dissonance_by_step", ("A4/2 G4/2 F4", "D4 D4"), ("D5/2 G4/2 F4", "D4 D4"), {2: -1}),
    Row("dissonance_left_by_step", ("A4/2 G4/2 F4", "D4 D4"), ("A4/2 G4/2 C5", "D4 A4"), {4: -1}),
    Row("dissonance_left_by_step", ("D5/1 C5/1 A4/1 B4/1 D5", "D4 D4"), ("B4/1 C5/1 A4/1 B4/1 D5", "D4 D4"), {2: -1}),
    Row("cambiata", ("D5/1 C5/1 A4/1 B4/1 D5", "D4 D4"), ("D5/1 C5/1 A4/1 F4/1 D5", "D4 D4"), {3: -1}),
    Row("midbar_neighbour", ("A4/2 G4/2 F4", "D4 D4"), ("A4/2 G4/2 A4", "D4 F4"), {4: -1}),
    Row("paired_eighths", ("A4/1 G4/.5 F4/.5 G4/2 A4", "D4 D4"), ("A4/.5 G4/.5 F4/1 G4/2 A4", "D4 D4"), {0.5: -1, 1: -1}),
    Row("paired_eighths", ("A4/1 D5/.5 C5/.5 B4/2 A4", "D4 D4"), ("A4/1 B4/.5 D5/.5 C5/2 A4", "D4 D4"), {1.5: -1}),
    Row("paired_eighths", ("A4/3 G4/.5 F4/.5 E4", "D4 C4"), ("A4/1 G4/.5 F4/1.5 G4/1 A4", "D4 D4"), {3: -1}),
    Row("suspension_prepared", ("A4/2 D5/4 C5/2 C5", "F4 E4 A4"), ("A4/2 B4/4 A4/2 A4", "F4 C4 A4"), {4: -1}),
    Row("suspension_resolved", ("A4/2 D5/4 C5/2 C5", "F4 E4 A4"), ("A4/2 D5/4 E5/2 C5", "F4 E4 A4"), {6: -1}),
    Row("suspension_resolved", ("A4/2 D5/3 G4/1 C5/2 C5", "F4 E4 A4"), ("A4/2 D5/3 G4/1 B4/2 C5", "F4 E4 A4"), {6: -1}),
    Row("suspension_resolved", ("A4/2 D5/3 C5/.5 B4/.5 C5/2 A4", "F4 E4 F4"), ("A4/2 D5/5 C5/1 A4", "F4 E4 F4"), {7: -1}),
    Row("weak_suspension", ("A4/2 D5/4 C5/2 C5", "F4 E4 A4"), ("E4/2 D4/4 C4/2 C4", "G3 C3 C3"), {4: -1}),
    Row("weak_suspension", ("G4 E4 D4", "E4/2 D4/4 C4/2 B3"), ("D5 G4 F4", "A4/2 D4/4 C4/2 D4"), {4: -1}),
    Row("fake_suspension", ("A4/2 D5/4 C5/2 C5", "F4 E4 A4"), ("A4/2 D5/4 C5/2 C5", "F4 G4 A4"), {4: -1}),
    Row("held_over_two_lines", ("A4/2 D5/4 C5/2 C5", "F4 E4 A4"), ("A4/2 D5/8 C5/2", "F4 G4 A4"), {8: -1}),
    Row("similar_to_perfect", ("A4 D5", "F4 D4"), ("A4 C5", "D4 F4"), {4: -1}),
    Row("perfects_on_bar_lines", ("A4/2 D5/2 B4", "D4 G4"), ("A4/2 D5/2 B4", "D4 E4"), {4: -1}),
    Row("battuta", ("E5 F5", "D4 F4"), ("A5 E5", "D4 E4"), {4: -1}),
    Row("similar_motion", ("A4 B4 A4", "F4 E4 E4"), ("A4 B4 C5", "F4 G4 E4"), {4: -1}),
    Row("leaps_together", ("A4 D5", "A3 G3"), ("A4 D5", "A3 D4"), {4: -1}),
    Row("unison_left_together", ("D5 E5", "D5 C5"), ("D5 G5", "D5 E5"), {4: -1}),
    Row("perfect_beginning", ("z/2 A4/2 A4", "D4 F4"), ("z/2 F4/2 A4", "D4 F4"), {2: -1}),
    Row("perfect_beginning", ("D5 A4", "D4 F4"), ("D5 A4", "G4 F4"), {0: -1}),
    Row("perfect_close", ("E5 D5", "C4 D4"), ("E5 A4", "C4 D4"), {4: -1}),
    Row("clausula_vera", ("C#5 D5", "E4 D4"), ("A4 D5", "E4 D4"), {4: -1}),
    Row("raised_leading_tone", ("C#5 D5", "E4 D4"), ("C5 D5", "E4 D4"), {4: -1}),
    Row("raised_leading_tone", ("D5 E5", "F4 E4"), ("D5 E5", "F#4 E4"), {4: -1}, "E phrygian"),
    Row(
        "musica_ficta",
        ("A4 Bb4 C#5 D5 C#5/1 A4/1 C#5/2 D5", "D4 G4 A4 F4 E4 D4"),
        ("A4 C#5 A4 F#4 E4", "D4 A4 F4 D4 C4"),
        {8: -1, 12: -1},
    ),
    Row("chromatic_semitone", ("A4 Bb4 A4 C#5 D5", "D4 G4 F4 E4 D4"), ("A4 Bb4 B4 C5 C#5", "D4 G4 G4 A4 A4"), {8: -1, 16: -1}),
    Row("unsung_interval", ("A4 F5 F4 C5", "D4 D4 D4 A3"), ("F4 B4 D4 E5", "D4 G4 B3 C4"), {4: -1, 8: -1, 12: -1}),
    Row("sixth_down", ("E4 C5 G4", "C4 A3 C4"), ("C5 E4 G4", "A3 C4 C4"), {4: -1}),
    Row("short_note_repeated", ("A4 A4 C5", "F4 F4 A4"), ("A4/2 A4/2 C5", "F4 A4"), {2: -1}),
    Row("leaps_one_way", ("D4 A4 D5", "D4 F4 D4"), ("D4 A4 E5", "D4 F4 C4"), {8: -1}),
    Row("broken_line", ("z/2 A4/2 C5", "D4 A4"), ("z/6 A4/1 z/1 C5", "D4 F4 A4"), {4: -1, 7: -1}),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
def test_a_rule_says_nothing_of_what_obeys_it_and_marks_what_breaks_it(row):
    assert places(row.rule, music(*row.obeys, key=row.key)) == {}
    assert places(row.rule, music(*row.breaks, key=row.key)) == row.broken


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
def test_a_rule_cares_neither_for_key_nor_octave(row):
    for shift in (-7, 12):
        score = music(*row.breaks, key=row.key)
        assert places(row.rule, score.transpose(shift)) == row.broken


def test_every_rule_has_an_example():
    assert {row.rule for row in ROWS} == set(OWN)


def test_between_upper_voices_fourths_are_consonant_and_seconds_are_not():
    assert places("dissonant_attack", music("D5", "A4", "F4")) == {}
    assert places("dissonant_attack", music("D5", "C5", "F4")) == {0: -1}
    assert places("dissonant_attack", music("D5", "F4", "A4")) == {}  # the lowest voice needs not be the last


def test_in_three_voices_a_third_may_stand_at_both_ends_and_the_clausula_in_any_two():
    three = music("F4 E4 D4", "A4 C#5 D5", "D4 A3 D3")
    assert not any(places(rule, three) for rule in ("perfect_beginning", "perfect_close", "clausula_vera", "raised_leading_tone"))


def test_the_sets_are_named_and_hold_each_rule_once():
    assert parse("strict_counterpoint").terms == strict_counterpoint().terms
    assert set(strict_counterpoint().terms) == set(hard_rules()) < set(counterpoint().terms) == set(counterpoint_rules())
    assert parse("counterpoint.battuta").terms == ("battuta",)
