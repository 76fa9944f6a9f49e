"""What the rules of part-writing do not see (the key, the grid), what they read in ternary metre and minor, and real music."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from musicgym.benchmarks.tunes import chorales
from musicgym.engine import finished_pieces
from musicgym.pieces import Excerpts
from musicgym.rewards import Rules, parse
from musicgym.rewards.part_writing import part_writing_rules
from musicgym.testing.music import random_score
from musicgym.testing.uncompiled import judge_plainly

ALL = Rules.of(*part_writing_rules().values(), name="parts")  # each with weight 1


@pytest.fixture(scope="module")
def real() -> Excerpts:
    """Four bars each of chorales of the validation split, some in 3/4."""
    return chorales("valid", limit=40).excerpts


def worth(music: Excerpts) -> dict[str, np.ndarray]:
    return ALL.score(music)


def transposed(music: Excerpts, semitones: int) -> Excerpts:
    pitch = np.where(music.pitch >= 0, music.pitch + semitones, music.pitch).astype(np.int8)
    return music._replace(pitch=pitch, tonic=((music.tonic + semitones) % 12).astype(np.int8))


def on_finer_grid(music: Excerpts, times: int) -> Excerpts:
    """The same music with so many steps for one."""
    made = {name: array.repeat(times, axis=-1) for name, array in music._asdict().items() if array.ndim > 1}
    part = np.arange(made["position"].shape[1]) % times
    made["onset"] &= part == 0
    made["position"] = (made["position"] * times + part).astype(np.int16)
    made |= {name: made[name] * times for name in ("bar", "beat")}
    return Excerpts(**made, length=music.length * times, quarter=music.quarter * times)


@pytest.mark.parametrize("semitones", [-5, -1, 1, 3, 6])
def test_a_chorale_in_another_key_is_worth_the_same_but_for_its_ranges(real, semitones):
    expected, found = worth(real), worth(transposed(real, semitones))
    for term in ALL.terms:
        if term != "voice_range":
            np.testing.assert_allclose(found[term], expected[term], atol=1e-9, err_msg=term)


@limits(max_examples=25)
@given(seed=st.integers(0, 2**31), voices=st.integers(2, 5), semitones=st.integers(-12, 12))
def test_random_parts_in_another_key_are_worth_the_same(seed, voices, semitones):
    music = Excerpts.from_scores([random_score(np.random.default_rng(seed), voices, 48)])
    expected, found = worth(music), worth(transposed(music, semitones))
    for term in ALL.terms:
        if term != "voice_range":
            np.testing.assert_allclose(found[term], expected[term], atol=1e-9, err_msg=term)


@pytest.mark.parametrize("times", [2, 3])
def test_a_finer_grid_changes_nothing(real, times):
    expected, found = worth(real), worth(on_finer_grid(real, times))
    for term in ALL.terms:
        np.testing.assert_allclose(found[term], expected[term], atol=1e-9, err_msg=term)


def test_compiled_rules_say_of_chorales_what_plain_python_says(real):
    music = real.take(np.array([0, 20, 39]))
    pieces = finished_pieces(music)
    _, marks = ALL.score(music, marks=True)
    for row in range(3):
        for k, (_, rule, values, _) in enumerate(ALL.entries):
            plain = judge_plainly(rule, values, pieces, row).astype(np.float32)
            np.testing.assert_array_equal(marks[row, k], plain, err_msg=rule.name)


def test_chorales_in_ternary_metre_and_in_minor_are_worth_as_much_as_others(real):
    """Mean totals of the two kinds lie within a deviation of all."""
    music = chorales("train", limit=300).excerpts
    totals = sum(parse("part_writing").score(music).values())
    for kind in (music.bar[:, 0] == 12, music.mode[:, 0] == 1):
        assert kind.sum() > 15
        assert abs(totals[kind].mean() - totals[~kind].mean()) < totals.std()
