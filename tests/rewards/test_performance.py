"""The performance rules: worked examples by hand, what they make of pieces played in known ways, and their uncompiled oracle."""

import dataclasses

import numpy as np
import pytest

from musicgym import Note, Score
from musicgym.engine import finished_pieces
from musicgym.pieces import Excerpts
from musicgym.rewards import names, parse
from musicgym.rewards.performance import high_loud, metrical_accent, performance, phrase_arch, smooth_velocity
from musicgym.testing import check_reward
from musicgym.testing.uncompiled import judge_plainly

LOUD = np.array([40, 52, 64, 76, 88, 100, 112])
TERMS = ("metrical_accent", "phrase_arch", "high_loud", "smooth_velocity")


def line(*velocities, length=4, pitches=(60,), **score):
    """Notes of `length` sixteenths, one after another."""
    notes = [Note(i * length, length, pitches[i % len(pitches)], v) for i, v in enumerate(velocities)]
    return Score.from_notes([notes], **score)


def marks(rule, score, **parameters):
    """What a rule says of each note of the first voice."""
    _, found = rule(**parameters).score([score], marks=True)
    starts = [note.start for note in score.notes(0)]
    assert not np.delete(found[0, 0, 0], starts).any()  # nothing is said anywhere else
    return [pytest.approx(value, abs=1e-6) for value in found[0, 0, 0, starts].tolist()]


# By hand, in quarters of 4/4: strengths are 1, -0.4, 0.5, -0.4, so from note to note -1.4 (1 counts), 0.9, -0.9, 1.4. full is 12.


@pytest.mark.parametrize(
    ("velocities", "expected"),
    [
        ((90, 78, 90, 78, 90), [0, 1, 0.9, 0.9, 1]),
        ((78, 90, 78, 90, 78), [0, -1, -0.9, -0.9, -1]),
        ((80, 80, 80, 80, 80), [0, 0, 0, 0, 0]),
        ((80, 77, 77, 77, 83), [0, 0.25, 0, 0, 0.5]),
        ((40, 40, 112, 112, 112), [0, 0, 0.9, 0, 0]),  # more than enough is no more than enough
    ],
)
def test_metrical_accent_by_hand(velocities, expected):
    assert marks(metrical_accent, line(*velocities)) == expected


def test_metrical_accent_off_the_beat_and_in_other_metres():
    assert marks(metrical_accent, line(80, 68, 80, 92, length=2)) == [0, 0.5, 0.3, -0.3]  # eighths: half a beat each
    assert marks(metrical_accent, line(80, 80, 68, 80, meter=(3, 4))) == [0, 0, 0, 1]  # no middle in a bar of three
    assert marks(metrical_accent, line(80, 68, length=6, meter=(6, 8))) == [0, 0.5]  # two beats, each a dotted quarter
    assert marks(metrical_accent, line(80, 92, length=3, pickup=3)) == [0, 0.75]  # the bar line comes after the pickup
    assert marks(metrical_accent, line(80, 92, length=3, pickup=3), full=24) == [0, 0.375]


def test_a_note_counts_as_the_beats_since_the_one_before_two_at_most():
    for steps, count in ((1, 0.25), (2, 0.5), (4, 1), (7, 1.75)):
        page = Score.from_notes([[Note(16 - steps, 1, 60, 80), Note(16, 4, 60, 104)]])
        assert marks(metrical_accent, page) == [0, count]
    assert marks(high_loud, Score.from_notes([[Note(0, 1, 60, 80), Note(16, 4, 72, 104)]])) == [0, 2]


def test_phrase_arch_by_hand():
    # Whole notes, four bars: turn 0.4, so the bar lines are 1, 3/8, 1/6 and 7/12 of the way from the turn to an end.
    heights = [max(-1, 1 - 3 * away**2) for away in (1, 3 / 8, 1 / 6, 7 / 12)]
    assert heights == pytest.approx([-1, 0.578125, 0.9166667, -0.0208333], abs=1e-6)
    # Above the mean so far by 1.578, 1.128 (1 counts) and -0.186; velocities by 12 of 24 above 60, 12 above 66, 12 below 70.
    fall = heights[3] - np.mean(heights[:3])
    assert marks(phrase_arch, line(60, 72, 78, 58, length=16)) == [0, 1, 1, -fall]
    assert fall == pytest.approx(-0.1857639, abs=1e-6)
    assert marks(phrase_arch, line(84, 72, 66, 86, length=16)) == [0, -1, -1, fall]
    assert marks(phrase_arch, line(80, 80, 80, 80, length=16)) == [0, 0, 0, 0]
    assert marks(phrase_arch, line(60, 84, length=16), full=48) == [0, 1]


def test_phrase_arch_counts_bars_from_the_first_bar_line():
    # Whole notes: the fifth bar begins a phrase, more than 1 below the mean height so far, so 12 softer than it earns half.
    assert marks(phrase_arch, line(72, 72, 72, 72, 60, length=16))[4] == 1
    # Of phrases of two bars, turning in the middle, every other bar line is at the turn: heights -1, 1, -1, 1.
    said = marks(phrase_arch, line(60, 72, 60, 72, length=16), bars=2, turn=0.5)
    assert said == [0, 1, 2 * (-6 / 24) * -1, 2 * (8 / 24)]
    # A pickup lies before the first phrase and is as soft as its beginning; the last phrase ends with the piece.
    assert marks(phrase_arch, line(60, 72, 72, length=4, pickup=4)) == [0, 0, 0.25]


def test_phrase_arch_goes_by_marks_where_there_are_some():
    page = line(60, 72, 78, 58, 60, 72, 78, 58)
    marked = dataclasses.replace(page, phrase_end=np.arange(page.steps) % 16 >= 12)  # each bar is a phrase
    assert marks(phrase_arch, marked)[:4] == [0, 0.5, 0.5, 0.5 * 0.1857639]  # as by bars above, in quarters
    assert marks(phrase_arch, marked)[4] == pytest.approx((60 - 67) / 24 * -1)
    assert marks(phrase_arch, page)[4].expected < 0  # by bars it is the middle of the phrase


def test_high_loud_by_hand():
    # The second note is 7 semitones above the first, the third 1.5 of 5 below the mean of both, 63.5.
    assert marks(high_loud, line(60, 72, 54, pitches=(60, 67, 62))) == [0, 1, 0.3]
    assert marks(high_loud, line(60, 48, 66, pitches=(60, 67, 62))) == [0, -1, -0.3]
    assert marks(high_loud, line(60, 60, 60, pitches=(60, 67, 62))) == [0, 0, 0]


def test_high_loud_parameters_say_how_much_is_enough():
    score = line(60, 66, pitches=(60, 65))
    assert marks(high_loud, score) == [0, 0.5]
    assert marks(high_loud, score, full=6) == [0, 1]
    assert marks(high_loud, score, width=10) == [0, 0.25]


def test_smooth_velocity_by_hand():
    assert marks(smooth_velocity, line(40, 64, 52, 28)) == [0, 0, 0, 0]  # 24 and less is smooth
    assert marks(smooth_velocity, line(40, 76, 40, 112, 111)) == [0, -0.5, -0.5, -1, 0]
    assert marks(smooth_velocity, line(40, 50, 60), most=5) == [0, -1, -1]
    assert marks(smooth_velocity, line(40, 52), most=0) == [0, -1]


def played(how, seed, low=40):
    """Eight bars of a walk in mixed rhythm, played in a known way (own formulae, not the rules')."""
    draws = np.random.default_rng(seed)
    notes, start, pitch = [], 0, 67
    while start < 128:
        length = min(int(draws.choice((2, 2, 4, 4, 4, 6, 8))), 128 - start)
        pitch = int(np.clip(pitch + draws.integers(-4, 5), 55, 84))
        strong = {0: 1, 8: 0.5, 4: -0.5, 12: -0.5}.get(start % 16, -1)
        middle = 1.5 * np.sin(np.pi * (start % 64) / 64) - 0.9
        high = np.clip((pitch - 69) / 6, -1, 1)
        level = {
            "constant": 0,
            "random": draws.choice(LOUD) - 76,
            "accents": 12 * strong,
            "arches": 12 * middle,
            "heights": 12 * high,
            "full": 10 * strong + 10 * middle + 5 * high,
            "opposite": -10 * strong - 10 * middle - 5 * high,
        }[how]
        notes.append(Note(start, length, pitch, int(LOUD[np.abs(LOUD - 76 - level).argmin()]) if how != "constant" else 76))
        start += length
    return Score.from_notes([notes], steps=128)


def worth(how):
    """Term -> float64 (40,): what forty pieces played so are worth."""
    return performance().score([played(how, seed) for seed in range(40)])


def test_pieces_of_one_velocity_are_worth_nothing_and_shaped_ones_more():
    totals = {how: sum(worth(how).values()) for how in ("constant", "random", "accents", "arches", "full", "opposite")}
    assert not totals["constant"].any()
    assert (totals["full"] > 5).all()
    assert (totals["opposite"] < -5).all()
    means = {how: values.mean() for how, values in totals.items()}
    assert means["random"] < -3 < means["constant"] < 3 < means["accents"] < means["full"]
    assert means["arches"] < means["full"]


@pytest.mark.parametrize(("how", "term"), [("accents", 0), ("arches", 1), ("heights", 2)])
def test_each_way_of_playing_is_paid_by_its_own_term(how, term):
    found = {name: values.mean() for name, values in worth(how).items()}
    assert tuple(found) == TERMS
    assert found.pop(TERMS[term]) > 2 + max(found.values())
    assert worth("opposite")[TERMS[term]].mean() < 0


@pytest.mark.parametrize("rule", [metrical_accent, phrase_arch, high_loud, smooth_velocity])
def test_rules_fire_on_random_play_but_not_everywhere(rule):
    scores = [played("random", seed) for seed in range(20)]
    _, found = rule().score(scores, marks=True)
    share = sum((marks[0, 0] != 0).sum() for marks in found) / sum(len(score.notes(0)) for score in scores)
    assert 0.1 < share < 0.99


@pytest.mark.parametrize("term", range(4))
def test_no_note_is_worth_more_than_its_beats(term):
    _, found = (
        performance().only(TERMS[term]).score([played(how, seed) for how in ("random", "full") for seed in range(20)], marks=True)
    )
    assert np.abs(found).max() <= 2


def test_many_short_notes_earn_no_more_than_few_long_ones():
    totals = []
    for length in (1, 2, 4):
        levels = [88 if i * length % 16 == 0 else 82 if i * length % 16 == 8 else 64 for i in range(128 // length)]
        totals.append(sum(performance().only("metrical_accent").score([line(*levels, length=length)]).values())[0])
    assert 5 < totals[0] <= totals[1] <= totals[2] <= 32


@pytest.mark.parametrize("rule", [metrical_accent, phrase_arch, high_loud, smooth_velocity])
def test_the_uncompiled_rule_says_the_same_of_marked_and_unmarked_music(rule):
    scores = [played("random", seed) for seed in range(3)]
    scores.append(dataclasses.replace(scores[0], phrase_end=np.arange(128) % 40 > 35))
    pieces = finished_pieces(Excerpts.from_scores(scores))
    _, found = rule().score(scores, marks=True)
    for row in range(len(scores)):
        plain = judge_plainly(rule, rule.values({}), pieces, row)
        np.testing.assert_allclose(found[row, 0], plain, atol=1e-6)


def test_the_set_keeps_what_every_reward_must():
    check_reward(performance())


def test_the_set_has_a_name_and_its_rules_take_only_parameters_that_make_sense():
    assert {"performance", *TERMS} <= set(names())
    assert parse("performance - 0.5*performance.smooth_velocity").terms[:4] == TERMS
    for expression, message in {
        "metrical_accent(full=0)": "full=0: expected a whole number, 1..127",
        "phrase_arch(turn=1)": "turn=1: expected 0.1..0.9",
        "phrase_arch(bars=0)": "bars=0: expected a whole number, 1..64",
        "high_loud(width=-3)": "width=-3: expected a whole number, 1..127",
        "smooth_velocity(most=127)": "most=127: expected a whole number, 0..126",
    }.items():
        with pytest.raises(ValueError, match=message):
            parse(expression)
