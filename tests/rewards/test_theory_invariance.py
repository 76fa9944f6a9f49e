"""What the rules of melody do not see (key, octave, a pickup's rest, the grid), what they must see, and that they stay inside."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from musicgym import Score
from musicgym.benchmarks.corruptions import displaced, retrograde
from musicgym.benchmarks.tunes import tunes
from musicgym.engine import finished_pieces
from musicgym.pieces import Excerpts
from musicgym.rewards import Rules
from musicgym.rewards.theory import melody_rules, theory
from musicgym.score import MODES, REST, MeterChange, bar_steps
from musicgym.testing.uncompiled import judge_plainly

ALL = Rules.of(*melody_rules().values(), name="melody")  # each with weight 1
METERS = ((4, 4), (2, 4), (3, 4), (6, 8), (9, 8), (5, 4), (7, 8), (2, 2), (3, 8), (12, 8))


@pytest.fixture(scope="module")
def real():
    """Eight bars each of tunes of the validation split, in 2/4, 3/4, 4/4, 2/2, 6/8 and 9/8."""
    return tunes("valid", limit=150).excerpts


def random_melody(draws: np.random.Generator, meters: list[tuple[int, int]], grid: int, pickup: int = 0, cut: int = 0) -> Score:
    """A bar of each metre after a pickup, the last one `cut` steps short: notes in walks, leaps, holds, rests, some bars again.

    Keys change at random places, to any mode.
    """
    bars = [bar_steps(meter, grid) for meter in meters]
    starts = pickup + np.cumsum([0, *bars])
    position = np.concatenate([np.arange(bars[0] - pickup, bars[0]), *(np.arange(bar) for bar in bars)])
    steps = len(position)
    pitch, onset, last = np.full(steps, REST), np.zeros(steps, bool), 67
    for step in range(steps):
        if step and draws.random() < 0.55:
            pitch[step] = pitch[step - 1]
            continue
        onset[step] = True
        if draws.random() < 0.85:
            last = int(np.clip(last + draws.integers(-3, 4) * (1 + 3 * (draws.random() < 0.15)), 50, 90))
            pitch[step] = last
    for number in range(1, len(bars)):
        other = number - draws.choice((1, 1, 2, 4))
        if draws.random() < 0.5 and other >= 0 and bars[other] == bars[number]:
            here, there = slice(starts[number], starts[number + 1]), slice(starts[other], starts[other + 1])
            shift = draws.choice((0, 0, 2, -3))
            pitch[here] = np.where(pitch[there] >= 0, pitch[there] + shift, REST)
            onset[here] = onset[there]
            onset[starts[number]] = True
            if number + 1 < len(bars):
                onset[starts[number + 1]] = True
    keys = np.sort(draws.integers(0, steps, 2))
    tonic, mode = (draws.integers(most, size=3)[np.searchsorted(keys, np.arange(steps), "right")] for most in (12, len(MODES)))
    changes = [MeterChange(0, *meters[0])]
    for start, meter in zip(starts[1:-1], meters[1:], strict=True):
        if meter != changes[-1][1:]:
            changes.append(MeterChange(int(start), *meter))
    end = steps - cut
    page = Score.blank(1, end, steps_per_quarter=grid, meter=meters[0])
    return dataclasses.replace(
        page,
        pitch=pitch[None, :end],
        onset=onset[None, :end],
        velocity=np.where(pitch >= 0, 80, 0)[None, :end],
        position=position[:end],
        tonic=tonic[:end],
        mode=mode[:end],
        meters=tuple(changes),
    )


@st.composite
def melodies(draw: st.DrawFn, pickups: bool = True) -> Score:
    grid, meter = draw(st.sampled_from((4, 4, 12))), draw(st.sampled_from(METERS))
    meters = [meter] * draw(st.integers(1, 9))
    bar = bar_steps(meter, grid)
    draws = np.random.default_rng(draw(st.integers(0, 2**32)))
    pickup = draw(st.integers(0, bar - 1)) if pickups else 0
    return random_melody(draws, meters, grid, pickup, draw(st.integers(0, bar - 1)))


def worth(music: Excerpts | list[Score]) -> np.ndarray:
    """float64 (M, terms)."""
    return np.stack(list(ALL.score(music).values()), axis=1)


def assert_same(found: np.ndarray, expected: np.ndarray, *but: str) -> None:
    for k, term in enumerate(ALL.terms):
        if term not in but:
            np.testing.assert_allclose(found[:, k], expected[:, k], atol=1e-9, err_msg=term)


def transposed(music: Excerpts, semitones: int, keys: int) -> Excerpts:
    pitch = np.where(music.pitch >= 0, music.pitch + semitones, music.pitch).astype(np.int8)
    return music._replace(pitch=pitch, tonic=((music.tonic + keys) % 12).astype(np.int8))


def after_a_rest(music: Excerpts, steps: int) -> Excerpts:
    """The music after a pickup that is one rest of so many steps."""
    made = {
        name: np.concatenate([array[..., :1].repeat(steps, -1), array], axis=-1)
        for name, array in music._asdict().items()
        if array.ndim > 1
    }
    made["pitch"][..., :steps] = REST
    made["velocity"][..., :steps] = 0
    made["onset"][..., :steps] = np.arange(steps) == 0
    made["position"][:, :steps] = music.bar[:, :1] - steps + np.arange(steps)
    return Excerpts(**made, length=music.length + steps, quarter=music.quarter)


def on_finer_grid(music: Excerpts, times: int) -> Excerpts:
    """The same music with so many steps for one."""
    made = {name: array.repeat(times, axis=-1) for name, array in music._asdict().items() if array.ndim > 1}
    part = np.arange(made["position"].shape[1]) % times
    made["onset"] &= part == 0
    made["position"] = (made["position"] * times + part).astype(np.int16)
    made |= {name: made[name] * times for name in ("bar", "beat")}
    return Excerpts(**made, length=music.length * times, quarter=music.quarter * times)


@pytest.mark.parametrize("semitones", range(-5, 7))
def test_a_piece_in_another_key_is_worth_the_same(real, semitones):
    assert_same(worth(transposed(real, semitones, semitones)), worth(real))


@pytest.mark.parametrize("semitones", [-24, -12, 12])
def test_a_piece_in_another_octave_is_worth_the_same(real, semitones):
    assert_same(worth(transposed(real, semitones, 0)), worth(real))


@given(melody=melodies(), semitones=st.integers(-17, 17))
def test_random_music_in_another_key_or_octave_is_worth_the_same(melody, semitones):
    music = Excerpts.from_scores([melody])
    assert_same(worth(transposed(music, semitones, semitones)), worth(music))


@pytest.mark.parametrize("semitones", [1, 6, 7])
def test_other_notes_in_the_same_key_are_worth_something_else(real, semitones):
    differs = np.abs(worth(transposed(real, semitones, 0)) - worth(real)) > 1e-9
    assert differs[:, ALL.terms.index("key_profile")].all()
    assert differs[:, ALL.terms.index("in_key")].mean() > 0.7  # a fifth higher, tunes that leave out one note stay in key


@pytest.mark.parametrize("steps", [1, 2, 4, 7])
def test_a_rest_before_the_first_bar_line_changes_nothing(real, steps):
    assert_same(worth(after_a_rest(real, steps)), worth(real))


@given(melody=melodies(pickups=False), data=st.data())
def test_a_rest_before_random_music_changes_nothing(melody, data):
    music = Excerpts.from_scores([melody])
    steps = data.draw(st.integers(0, int(music.bar[0, 0]) - 1))
    assert_same(worth(after_a_rest(music, steps)), worth(music))


def test_a_finer_grid_changes_nothing(real):
    for times in (2, 3):
        assert_same(worth(on_finer_grid(real, times)), worth(real))


@pytest.mark.parametrize("change", [retrograde, displaced])
def test_backwards_or_a_beat_later_a_tune_is_worth_something_else(real, change):
    changed = change(real, np.random.default_rng(0))
    assert (np.abs(worth(changed) - worth(real)) > 1e-9).any(axis=1).mean() > 0.99
    less = sum(theory().score(changed).values()) < sum(theory().score(real).values())
    assert less.mean() > 0.55


def chromatic(key: str) -> list[int]:
    """The notes of C4..B4 that are out of this key."""
    score = Score.from_notes([[(i, 1, 60 + i, 80) for i in range(12)]], key=key)
    _, marks = ALL.score([score], marks=True)
    return np.flatnonzero(marks[0, ALL.terms.index("in_key"), 0]).tolist()


def test_each_mode_has_its_notes_and_minor_its_raised_ones():
    black = [1, 3, 6, 8, 10]
    assert all(chromatic(key) == black for key in ("C major", "E phrygian", "F lydian", "G mixolydian", "B locrian"))
    assert chromatic("A minor") == [1, 3, 10]  # F sharp and G sharp are the raised sixth and seventh
    assert chromatic("D dorian") == [3, 6, 8, 10]  # C sharp leads to the tonic
    assert chromatic("E minor") == [5, 8, 10]


@pytest.mark.parametrize("mode", MODES)
def test_a_piece_begins_and_ends_in_its_own_mode(mode):
    third, fifth = {"major": 4, "lydian": 4, "mixolydian": 4}.get(mode, 3), 6 if mode == "locrian" else 7
    for pitch in range(60, 72):
        score = Score.from_notes([[(0, 16, pitch, 80)]], key=f"C {mode}")
        found = {term: values[0] for term, values in ALL.score([score]).items()}
        stable = pitch - 60 in (0, third, fifth)
        assert found["opening"] == (0 if stable else -1)
        assert found["closing"] == (0 if pitch == 60 else -0.5 if stable else -1)


def test_a_change_of_key_inside_a_piece_counts_from_where_it_stands():
    """Four bars in one key and four in another: sites are judged as if all the piece were in the key of the place."""
    draws = np.random.default_rng(5)
    melody = random_melody(draws, [(4, 4)] * 8, 4)
    parts = [dataclasses.replace(melody, tonic=np.full(128, t), mode=np.full(128, m)) for t, m in ((2, 0), (11, 1))]
    first = np.arange(128) < 64
    both = dataclasses.replace(melody, tonic=np.where(first, 2, 11), mode=np.where(first, 0, 1))
    _, (one, other, changed) = ALL.score([*parts, both], marks=True)
    across = {"chromatic_resolved", "leading_tone", "cadence"}  # look at the note before, in its own key
    keyed = 0
    for k, term in enumerate(ALL.terms):
        expected = np.where(first, one[k], other[k])
        sites = np.arange(128) != 64 + np.flatnonzero(melody.onset[0, 64:])[0] if term in across else slice(None)
        np.testing.assert_array_equal(changed[k][..., sites], expected[..., sites], err_msg=term)
        keyed += not np.array_equal(one[k], other[k])
    assert keyed >= 4


@limits(max_examples=40)
@given(melody=melodies())
def test_compiled_rules_say_what_plain_python_says_and_read_nothing_outside(melody):
    assert_as_plain([melody])


def test_and_so_they_do_where_the_metre_changes_and_on_coarse_grids():
    draws = np.random.default_rng(11)
    mixed = [METERS[i] for i in draws.integers(len(METERS), size=9)]
    assert_as_plain([random_melody(draws, mixed, 4, pickup=3, cut=2)])
    assert_as_plain([random_melody(draws, [(4, 4), (3, 4), (3, 4), (4, 4), (4, 4), (4, 4), (6, 8), (4, 4)], 4)])
    assert_as_plain([random_melody(draws, [(2, 4)] * 9, 1, pickup=1), random_melody(draws, [(6, 8)] * 6, 2, pickup=5, cut=4)])


def test_and_so_they_do_on_real_tunes(real):
    assert_as_plain(real.take(np.arange(0, 150, 30)))


def assert_as_plain(music: Excerpts | list[Score]) -> None:
    music = music if isinstance(music, Excerpts) else Excerpts.from_scores(music)
    pieces = finished_pieces(music)
    _, marks = ALL.score(music, marks=True)
    for row in range(len(music.length)):
        for k, (_, rule, values, _) in enumerate(ALL.entries):
            plain = judge_plainly(rule, values, pieces, row).astype(np.float32)
            np.testing.assert_array_equal(marks[row, k], plain, err_msg=rule.name)
