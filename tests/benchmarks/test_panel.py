"""The panel's measures: counted by hand, blind to key and octave, and real tunes nearer to real tunes than non-music."""

from __future__ import annotations

import numpy as np
import pytest

from musicgym import Score
from musicgym.benchmarks.adversaries import ADVERSARIES
from musicgym.benchmarks.corruptions import CORRUPTIONS
from musicgym.benchmarks.panel import DISTANCES, MEASURES, Panel
from musicgym.benchmarks.tunes import tunes
from musicgym.score import Note

REFERENCE, TEST = tunes("valid"), tunes("test")
PANEL = Panel.fit(tunes("train"), REFERENCE)


def line(*pitches: int, steps: int = 2, key: str = "C major", meter: tuple[int, int] = (4, 4)) -> Score:
    """Notes after one another, each so long."""
    notes = [Note(i * steps, steps, pitch, 80) for i, pitch in enumerate(pitches)]
    return Score.from_notes([notes], key=key, meter=meter)


def rhythm(*durations: int, meter: tuple[int, int] = (4, 4)) -> Score:
    """A scale with these lengths."""
    starts = np.cumsum([0, *durations[:-1]])
    return Score.from_notes([[Note(int(s), d, 60 + i, 80) for i, (s, d) in enumerate(zip(starts, durations))]], meter=meter)


def divergence(p: dict[object, float], q: dict[object, float]) -> float:
    """Jensen-Shannon distance, written out."""
    total = 0.0
    for value in {*p, *q}:
        a, b = p.get(value, 0.0), q.get(value, 0.0)
        total += sum(x * np.log2(2 * x / (a + b)) / 2 for x in (a, b) if x)
    return float(np.sqrt(total))


@pytest.fixture(scope="module")
def small() -> Panel:
    """A panel whose reference is c' d' e' g' in eighths."""
    return Panel.fit([line(60, 62, 64, 67)], [line(60, 62, 64, 67)])


def test_distances_counted_by_hand(small: Panel) -> None:
    found = small.measure([line(60, 64, 64, 72), line(60, 62, 64, 67, steps=4)])
    assert found["pitch_class"] == pytest.approx(
        divergence({0: 0.25, 2: 0.25, 4: 0.25, 7: 0.25}, {0: 3 / 8, 2: 1 / 8, 4: 3 / 8, 7: 1 / 8})
    )
    assert found["interval"] == pytest.approx(
        divergence({2: 2 / 3, 3: 1 / 3}, {4: 1 / 6, 0: 1 / 6, 8: 1 / 6, 2: 2 / 6, 3: 1 / 6})
    )
    assert found["duration"] == pytest.approx(divergence({0.5: 1.0}, {0.5: 0.5, 1.0: 0.5}))
    assert found["inter_onset"] == pytest.approx(divergence({0.5: 1.0}, {0.5: 0.5, 1.0: 0.5}))


def test_alike_is_0_and_nothing_in_common_is_1(small: Panel) -> None:
    same = small.measure([line(60, 62, 64, 67)])
    assert [same[name] for name in DISTANCES] == pytest.approx([0.0] * 4)
    other = small.measure([line(61, 70, 61, 70, steps=3)])
    assert [other[name] for name in DISTANCES] == pytest.approx([1.0] * 4)
    silent = small.measure([Score.from_notes([[]], steps=16)])
    assert [silent[name] for name in DISTANCES] == [1.0] * 4


def test_rests_lengthen_the_time_between_notes_and_not_the_notes(small: Panel) -> None:
    broken = Score.from_notes([[Note(0, 1, 60, 80), Note(2, 1, 62, 80), Note(4, 1, 64, 80), Note(6, 1, 67, 80)]])
    found = small.measure([broken])
    assert found["inter_onset"] == pytest.approx(0.0)
    assert found["duration"] == pytest.approx(1.0)
    assert found["interval"] == pytest.approx(0.0)


def test_lengths_are_counted_in_beats() -> None:
    three_eighths = Panel.fit([rhythm(2, 2, 2, 6, meter=(6, 8))], [rhythm(2, 2, 2, 6, meter=(6, 8))])
    twelve = [Score.from_notes([[Note(i * 4, 4, 60 + i, 80) for i in range(3)]], steps_per_quarter=12)]  # a third of a beat each
    assert three_eighths.measure(twelve)["duration"] == pytest.approx(divergence({1: 3 / 4, 3: 1 / 4}, {1: 1.0}))


def test_key_and_octave_make_no_difference() -> None:
    pieces = [
        Score.from_notes([[Note(2 * i, 2, int(p), 80) for i, p in enumerate(row)]])
        for row in 60 + np.arange(90).reshape(5, -1) % 13
    ]
    plain = PANEL.measure(pieces)
    assert PANEL.measure([piece.transpose(5) for piece in pieces]) == pytest.approx(plain)
    assert PANEL.measure([piece.transpose(-12) for piece in pieces]) == pytest.approx(plain)


def test_scores_and_excerpts_give_the_same_figures() -> None:
    some = TEST.take(np.arange(0, 511, 40)).excerpts
    scores = []
    for row, steps in enumerate(some.length.tolist()):
        slots = {
            n: getattr(some, n)[row, ..., :steps]
            for n in ("pitch", "onset", "velocity", "position", "tonic", "mode", "phrase_end")
        }
        scores.append(Score(**slots))
    quarters = TEST.take(np.arange(0, 511, 40)).excerpts._replace(beat=np.where(some.beat > 1, 4, 1).astype(np.int16))
    assert PANEL.measure(scores) == pytest.approx(PANEL.measure(quarters))  # scores made here have no metre but 4/4


def test_held_out_tunes_stand_nearer_to_held_out_tunes_than_random_play_on_every_distance() -> None:
    rng = np.random.default_rng(0)
    real = PANEL.measure(TEST)
    random = PANEL.measure(ADVERSARIES["uniform random"](TEST.excerpts, rng))
    for name in DISTANCES:
        assert real[name] < 0.1
        assert random[name] > 0.4
    assert real["log_likelihood"] > random["log_likelihood"] + 5


@pytest.mark.parametrize("name", ["permuted notes", "20 % wrong notes", "one wrong note", "retrograde", "shuffled bars"])
def test_spoiled_tunes_are_less_likely_than_the_tunes(name: str) -> None:
    spoiled = PANEL.measure(CORRUPTIONS[name](TEST.excerpts, np.random.default_rng(0)))
    assert spoiled["log_likelihood"] < PANEL.measure(TEST)["log_likelihood"] - 0.1


def test_distinct_counts_copies_once() -> None:
    first, second = line(60, 62, 64), line(60, 64, 67)
    assert PANEL.measure([first, second, first, first])["distinct"] == 0.5
    tied = Score.from_notes([[Note(0, 4, 60, 80), Note(4, 2, 64, 80)]])
    apart = Score.from_notes([[Note(0, 2, 60, 80), Note(2, 2, 60, 80), Note(4, 2, 64, 80)]])
    assert PANEL.measure([tied, apart])["distinct"] == 1.0


def test_repetition_is_a_pattern_of_four_notes_that_comes_back_on_other_notes() -> None:
    motif = (60, 62, 64, 65)
    for pieces, share in (
        ([line(*motif, 72, *(p + 3 for p in motif))], 1.0),  # transposed
        ([line(*motif, *motif)], 1.0),
        ([line(*motif, 72, *(p + 3 for p in motif[:3]))], 0.0),  # three of the four
        ([line(*motif), line(*motif)], 0.0),  # in another piece
        ([line(60, 62, 64, 66, 68)], 0.0),  # the second lies on notes of the first
        ([line(48, 62, 48, 64, 77, 49, 64, 49, 66)], 0.0),  # wide intervals are told apart
        ([rhythm(1, 2, 3, 1, 4, 1, 2, 3, 4)], 1.0),  # the last note's own length doesn't count
        ([rhythm(1, 2, 3, 1, 4, 2, 1, 3, 4)], 0.0),
        ([line(*motif, 72, *(p + 3 for p in motif)), line(60, 61)], 0.5),
    ):
        assert PANEL.measure(pieces)["repetition"] == share


def test_likelihoods_are_of_every_note_and_rest() -> None:
    pieces = [Score.from_notes([[Note(0, 2, 60, 80), Note(4, 2, 62, 80)]]), line(60, 62, 64, 65)]
    found = PANEL.log_likelihoods(pieces)
    assert [len(values) for values in found] == [3, 4]
    assert PANEL.measure(pieces)["log_likelihood"] == pytest.approx(np.concatenate(found).mean())


def test_comparing_gives_every_measure_with_an_interval_over_groups() -> None:
    loops = ADVERSARIES["random walk"](TEST.excerpts, np.random.default_rng(1))
    some = {"tunes": TEST, "walks": loops, "walks in two groups": loops}
    found = PANEL.compare(some, {"walks in two groups": np.arange(511) % 2})
    assert list(found) == list(some)
    for name, pieces in some.items():
        assert list(found[name]) == list(MEASURES)
        for measure, value in PANEL.measure(pieces).items():
            figure = found[name][measure]
            assert figure.mean == pytest.approx(value)
            assert figure.low <= figure.high
    assert found["tunes"]["interval"].high < found["walks"]["interval"].low
    by_tune = PANEL.compare({"tunes": TEST}, {"tunes": np.arange(511)})["tunes"]["log_likelihood"]
    by_family = found["tunes"]["log_likelihood"]
    assert by_family.high - by_family.low > by_tune.high - by_tune.low  # families hang together
    assert PANEL.compare({"tunes": TEST})["tunes"] == found["tunes"]


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        PANEL.measure([])
    with pytest.raises(ValueError, match="2 voices"):
        PANEL.measure([Score.from_notes([[Note(0, 1, 60, 80)]] * 2)])
    with pytest.raises(ValueError, match="blank"):
        PANEL.measure([Score.blank(1, 8)])
    with pytest.raises(ValueError, match=r"groups of 'a' have shape \(2,\): expected \(1,\)"):
        PANEL.compare({"a": [line(60, 62)]}, {"a": np.zeros(2, int)})
    with pytest.raises(ValueError, match="no two notes in a row"):
        Panel.fit(REFERENCE, [line(60)])
