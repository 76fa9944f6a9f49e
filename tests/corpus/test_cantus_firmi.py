"""Cantus firmi: all obey their rules, as a checker apart says; they are drawn evenly, split for good, and none is Fux's."""

import itertools
import random
from collections import Counter

import pytest

from musicgym.corpus import cantus_firmi
from musicgym.corpus.cantus_firmi import FINALS, FUX, Cantus, Grammar, generate, generated
from musicgym.corpus.cantus_pages import heard_mode
from musicgym.corpus.fux import exercises
from musicgym.score import SCALES, parse_key


def obeys(cantus):
    """The rules read off the notes of a whole line, in semitones, and not move by move as they are counted."""
    notes, moves = cantus.pitches, cantus.moves
    tonic, mode = parse_key(cantus.key)
    scale = [pitch for pitch in range(30, 100) if (pitch - tonic) % 12 in SCALES[mode]]
    if not set(notes) <= set(scale) or min(notes) < 50 or max(notes) > 72 or notes[0] != notes[-1] != FINALS[cantus.key]:
        return False
    places = [scale.index(note) for note in notes]
    steps = [b - a for a, b in itertools.pairwise(places)]
    leaps = [abs(step) > 1 for step in steps]
    turns = [0, *(i for i in range(1, len(steps)) if steps[i] * steps[i - 1] < 0), len(steps)]
    outlines = [abs(notes[b] - notes[a]) for a, b in itertools.pairwise(turns)]
    degree = (max(places) - places[0]) % 7
    return (
        0 not in moves
        and moves[-1] in (-2, -1, 1)
        and all(abs(m) in (1, 2, 3, 4, 5, 7) or m in (8, 12) for m in moves)
        and max(places) - places[0] >= 4 and degree != 6 and max(places) - min(places) <= 9 and min(places) - places[0] >= -3
        and notes.count(max(notes)) == 1
        and all(b * a < 0 and abs(b) == 1 for a, b in itertools.pairwise(steps) if abs(a) >= 3)
        and all(a * b < 0 for (a, la), (b, lb) in itertools.pairwise(zip(steps, leaps)) if la and lb)
        and not any(all(leaps[i : i + 3]) for i in range(len(leaps) - 2))
        and 2 <= sum(leaps) <= min(4, 2 * len(steps) // 5)
        and not any(
            steps[i : i + 2] == steps[i + 2 : i + 4] and not (steps[i] == steps[i + 1] and abs(steps[i]) == 1)
            for i in range(len(steps) - 3)
        )
        and not any(outline in (6, 10, 11) or outline > 12 for outline in outlines)
    )  # fmt: skip


def test_all_generated_ones_obey_the_rules_and_none_is_anothers_transposition():
    cantus = generated()
    assert all(obeys(each) for each in cantus)
    assert Counter(each.key for each in cantus) == dict.fromkeys(FINALS, 100)
    assert len({each.moves for each in cantus}) == 600
    assert {len(each.pitches) for each in cantus} == set(range(8, 15))


def test_the_split_holds_for_good_and_fux_is_in_none():
    parts = [generated(split) for split in ("train", "valid", "test")]
    assert [len(part) for part in parts] == [len([c for c in generated() if c.split == s]) for s in ("train", "valid", "test")]
    assert sum(map(len, parts)) == 600
    assert all(len(part) > 40 for part in parts)
    assert not {c.moves for c in generated()} & {c.moves for c in FUX}
    up = Cantus("E dorian", tuple(pitch + 2 for pitch in parts[0][0].pitches))
    assert up.split == "train"


def test_one_line_in_two_modes_is_in_one_part_of_the_split_and_fuxs_in_none():
    shapes = [{cantus.shape for cantus in generated(split)} for split in ("train", "valid", "test")]
    assert sum(map(len, shapes)) == len(set.union(*shapes))
    assert not {cantus.shape for cantus in FUX} & set.union(*shapes)
    dorian, major = Cantus("D dorian", (62, 65, 64, 62)), Cantus("C major", (60, 64, 62, 60))
    assert dorian.shape == major.shape == (0, 2, 1, 0)
    assert dorian.split == major.split


@pytest.mark.parametrize("key", ["D dorian", "F lydian"])
def test_the_count_is_that_of_all_lines_tried_one_by_one(key):
    grammar = Grammar(key)
    final = FINALS[key]
    tonic, mode = parse_key(key)
    scale = [pitch for pitch in range(50, 73) if (pitch - tonic) % 12 in SCALES[mode]]
    near = [pitch for pitch in scale if abs(scale.index(pitch) - scale.index(final)) == 1]
    lines = ((final, *middle, last, final) for middle in itertools.product(scale, repeat=4) for last in near)
    assert grammar.count(7) == sum(obeys(Cantus(key, line)) for line in lines)


def test_each_line_is_drawn_with_the_same_chance():
    grammar, chance = Grammar("E phrygian"), random.Random(7)
    count = grammar.count(8)
    drawn = Counter(grammar.draw(8, chance) for _ in range(30 * count))
    assert len(drawn) == count
    chi_square = sum((found - 30) ** 2 / 30 for found in drawn.values())
    assert chi_square < count + 4 * (2 * count) ** 0.5


@pytest.mark.slow  # every key's lines are counted: 15 seconds
def test_the_file_is_what_the_generator_makes():
    assert tuple(generate()) == generated()


def test_there_is_none_of_too_few_notes():
    with pytest.raises(ValueError, match="there is no cantus firmus of 3 notes in D dorian"):
        Grammar("D dorian").draw(3, random.Random(0))


def test_fuxs_cantus_firmi_are_those_of_his_exercises():
    of_exercises = {tuple(note.pitch for note in e.cantus.notes(0)) for e in exercises()}
    assert of_exercises <= {cantus.pitches for cantus in FUX}
    assert {cantus.key for cantus in FUX} == set(FINALS)


def test_a_mode_is_told_by_the_last_note():
    assert all(heard_mode(cantus.pitches) == cantus.key for cantus in FUX)
    assert all(heard_mode(cantus.pitches) == cantus.key for cantus in cantus_firmi.generated())
