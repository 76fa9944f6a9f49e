"""RL Tuner's evaluation counters, against the original's own figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musicgym import Score
from musicgym.benchmarks.rl_tuner_metrics import counters, table
from musicgym.pieces import Excerpts
from musicgym.rewards import parse
from musicgym.score import Note
from musicgym.vector_env import ComposeVectorEnv

GOLDEN: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent.parent / "data" / "rl_tuner_golden.json").read_text())
ACTIONS = np.array([piece["actions"] for piece in GOLDEN.values()])


def test_every_counter_of_every_golden_sequence_is_the_originals() -> None:
    found = counters(ACTIONS)
    for row, (name, piece) in enumerate(GOLDEN.items()):
        assert set(found) == set(piece["stats"])
        for counter, expected in piece["stats"].items():
            value = expected[0] if isinstance(expected, list) else expected
            np.testing.assert_allclose(found[counter][row], value, atol=1e-5, err_msg=f"{name}: {counter}")


def test_scores_and_excerpts_are_counted_as_the_actions_that_write_them() -> None:
    env = ComposeVectorEnv(num_envs=len(ACTIONS), autoreset_mode="disabled")
    env.reset(seed=0)
    for column in ACTIONS.T:
        env.step(column)
    expected = counters(ACTIONS)
    for music in (env.scores(), Excerpts.from_scores(env.scores(), steps=50)):
        for name, values in counters(music).items():
            np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_pieces_of_different_lengths_are_counted_each_to_its_end() -> None:
    pieces = [Score.from_notes([[Note(2 * i, 2, 60 + 7 * (i % 2), 80) for i in range(count)]]) for count in (2, 9, 5)]
    together = counters(pieces)
    for row, piece in enumerate(pieces):
        for name, values in counters([piece]).items():
            np.testing.assert_allclose(together[name][row], values[0], atol=1e-12, err_msg=name)


def test_unique_extremes_are_what_the_reward_pays_for() -> None:
    actions = np.random.default_rng(2).integers(0, 38, (300, 16))
    actions[100:] %= 7
    found = counters(actions)
    env = ComposeVectorEnv(num_envs=300, length=16, autoreset_mode="disabled")
    env.reset(seed=0)
    for column in actions.T:
        env.step(column)
    paid = parse("rl_tuner").score(env.scores())["extrema"]
    np.testing.assert_array_equal(3.0 * (found["num_high_unique"] + found["num_low_unique"]), paid)
    assert 0 < found["num_high_unique"].sum() < 300
    assert 0 < found["num_low_unique"].sum() < 300


def test_the_table_gives_the_shares_that_the_paper_gives() -> None:
    found = table(counters(ACTIONS))
    stats = [piece["stats"] for piece in GOLDEN.values()]
    notes, pieces = ACTIONS.size, len(ACTIONS)
    resolved, doubled = (sum(s[name] for s in stats) for name in ("num_resolved_leaps", "num_leap_twice"))
    assert found["Notes in motif"] == pytest.approx(100 * sum(s["notes_in_motif"] for s in stats) / notes)
    assert found["Notes excessively repeated"] == pytest.approx(100 * sum(s["num_repeated_notes"] for s in stats) / notes)
    assert found["Compositions starting with tonic"] == pytest.approx(100 * sum(s["num_starting_tonic"] for s in stats) / pieces)
    assert found["Leaps resolved"] == pytest.approx(100 * resolved / (resolved + doubled))
    known = [s["autocorrelation1"][0] for s in stats if not np.isnan(s["autocorrelation1"][0])]
    assert found["Mean autocorrelation - lag 1"] == pytest.approx(np.mean(known), abs=1e-5)
    assert len(found) == 11


def test_shares_of_nothing_are_nan() -> None:
    found = table(counters(np.zeros((2, 8), int)), steps=8)
    assert np.isnan(found["Leaps resolved"])
    assert np.isnan(found["Mean autocorrelation - lag 2"])


def test_music_that_cannot_be_counted_is_refused() -> None:
    with pytest.raises(ValueError, match="music has 2 voices"):
        counters([Score.blank(2, 8)])
    with pytest.raises(ValueError, match="music has 8 blank steps"):
        counters([Score.blank(1, 8)])
    with pytest.raises(ValueError, match="action 38 of piece 0"):
        counters(np.full((1, 4), 38))
    with pytest.raises(ValueError, match=r"expected \(pieces, steps\)"):
        counters(np.zeros(4, int))
