"""RL Tuner's nine terms, faithful form: against the original's figures and against a plain retelling of its rules."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import musicgym  # noqa: F401  # registers the environments
from musicgym.rewards import parse

TERMS = ("key", "tonic", "repeat", "autocorr", "motif", "rep_motif", "interval", "leap", "extrema")
IN_C = (0, 1, 2, 4, 6, 7, 9, 11, 13, 14, 16, 18, 19, 21, 23, 25, 26, 28, 30, 31, 33, 35, 37)
Steps = list[dict[str, float]]


def repeats(a: int, before: list[int]) -> bool:
    same, broken = 0, False
    for b in reversed(before):
        if b == a:
            same += 1
        elif b in (0, 1):
            broken = True
        else:
            break
    return (a == 0 and same > 1) or same > (6 if broken else 4)


def autocorrelation(codes: list[int], lag: int) -> float:
    x, n = np.array(codes, float), len(codes)
    x -= x.mean()
    with np.errstate(invalid="ignore"):
        return float((x[lag:] * x[: n - lag]).sum() / n / np.var(np.array(codes, float))) if lag <= n else float("nan")


def pitches(window: list[int]) -> int:
    return len(set(window) - {0, 1}) if len(window) == 8 else 0


def interval(a: int, before: list[int]) -> float:
    notes = [b for b in before if b > 1]
    if not notes:
        return 0.0
    last = notes[-1]
    home = last in (2, 14, 26, 9, 21, 33)
    if a == 1:
        return 0.3 if home else 0.075
    if a == 0:
        return 0.15 if home else 0.05
    width = abs(a - last)
    if width == 7:
        return 0.1 if home else 0.02
    if width == 4:
        return 0.15 if last in (2, 14, 26, 6, 18, 30) else 0.09
    return -1.0 if width > 12 else {11: -0.3, 2: 0.08, 5: 0.07, 9: 0.05}.get(width, 0.0)


class Leaps:
    """The original's memory of the leap that is still open."""

    def __init__(self) -> None:
        self.direction, self.origin, self.since = 0, 0, 0

    def step(self, a: int, before: list[int]) -> float:
        if not before:
            return 0.0
        if a in (0, 1):
            self.since += 1
            return 0.0
        notes = [b for b in before if b > 1]
        if notes and abs(a - notes[-1]) >= 7:
            way, since, self.since = (1 if a > notes[-1] else -1), self.since, 0
            if self.direction == 0:
                self.direction, self.origin = way, notes[-1]
                return 0.0
            if self.direction == way:
                return -5.0
            self.direction = 0
            return 5.0 if since > 6 else 0.0
        self.since += 1
        if (self.direction > 0 and a <= self.origin) or (self.direction < 0 and a >= self.origin):
            self.direction = 0
            return 5.0
        return 0.0


def original(actions: list[int]) -> tuple[Steps, set[int]]:
    """The nine terms at every step, and the steps where an autocorrelation is at the threshold, where rounding decides."""
    found, ties, leaps, end = [], set(), Leaps(), len(actions)
    for t, a in enumerate(actions):
        before, so_far = actions[:t], actions[: t + 1]
        correlations = [abs(c) for c in (autocorrelation(so_far, lag) for lag in (1, 2, 3)) if not np.isnan(c)]
        if any(abs(c - 0.15) < 1e-9 for c in correlations):
            ties.add(t)
        window, earlier = so_far[-8:], before[:-7]
        count = pitches(window)
        again = any(earlier[i : i + 8] == window for i in range(len(earlier) - 7))
        sounding = [b for b in so_far if b > 1]
        ends_well = 3.0 * (so_far.count(max(so_far)) == 1) + 3.0 * (sounding.count(min(sounding, default=-1)) == 1)
        tonic = a == 14 if t in (0, end - 4) else (t == end - 3 and a == 1) or (t > end - 3 and a in (0, 1))
        found.append(
            {
                "key": -1.0 if a not in IN_C else 0.0,
                "tonic": 3.0 * tonic,
                "repeat": -100.0 * repeats(a, before),
                "autocorr": -3.0 * sum(c for c in correlations if c > 0.15),
                "motif": 3.0 + (count - 3) * 0.3 if count >= 3 else 0.0,
                "rep_motif": 4.0 + (count - 3) if count >= 3 and again else 0.0,
                "interval": 5.0 * interval(a, before),
                "leap": leaps.step(a, before),
                "extrema": ends_well if t == end - 1 else 0.0,
            }
        )
    return found, ties


def arrays(steps: list[Steps]) -> dict[str, np.ndarray]:
    return {term: np.array([[step[term] for step in piece] for piece in steps]) for term in TERMS}


@st.composite
def sequences(draw: Any, longest: int = 300) -> list[int]:
    """Uniform, tune-like or adversarial: few symbols, repeated segments, many specials, leaps."""
    kind = draw(st.sampled_from(["uniform", "few", "segments", "tune", "specials"]))
    length = draw(st.one_of(st.integers(1, 12), st.integers(1, 64), st.sampled_from([longest, min(longest, 256)])))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    if kind == "uniform":
        made = rng.integers(0, 38, length)
    elif kind == "few":
        made = rng.choice(rng.integers(0, 38, 3), length)
    elif kind == "segments":
        parts = [rng.integers(0, 38, rng.integers(1, 10)) for _ in range(3)]
        made = np.concatenate([parts[rng.integers(3)] for _ in range(length)])[:length]
    elif kind == "tune":
        line = 20 + np.cumsum(rng.choice([-7, -2, -1, 1, 2, 2, 5, 7, -12, 12], length))
        made = np.where(rng.random(length) < 0.4, 1, np.clip(line, 2, 37))
    else:
        made = np.where(rng.random(length) < 0.7, rng.integers(0, 2, length), rng.integers(0, 38, length))
    return [int(a) for a in made]


def test_the_batch_pays_the_originals_terms_at_every_step(play: Any, golden: Any) -> None:
    played = play([piece["actions"] for piece in golden.values()])
    expected = arrays([piece["steps"] for piece in golden.values()])
    for term in TERMS:
        np.testing.assert_allclose(played.terms[term], expected[term], atol=1e-5, rtol=0, err_msg=term)
    totals = [piece["total"] for piece in golden.values()]
    np.testing.assert_allclose(played.rewards.sum(axis=1, dtype=float), totals, atol=5e-4)


def test_the_single_environment_pays_the_originals_terms_at_every_step(golden: Any) -> None:
    env = gym.make("musicgym/Melody-v0", reward="rl_tuner", observation="tokens")
    for name, piece in golden.items():
        env.reset(seed=0)
        for action, expected in zip(piece["actions"], piece["steps"], strict=True):
            _, reward, terminated, _, info = env.step(action)
            assert info["reward_terms"] == pytest.approx({term: expected[term] for term in TERMS}, abs=1e-5), name
            assert reward == pytest.approx(expected["total"], abs=1e-4)
        assert terminated


def test_scoring_the_finished_pieces_gives_the_originals_terms_and_totals(play: Any, golden: Any) -> None:
    scores = play([piece["actions"] for piece in golden.values()]).scores
    totals, marks = parse("rl_tuner").score(scores, marks=True)
    expected = arrays([piece["steps"] for piece in golden.values()])
    assert tuple(totals) == TERMS
    for row, term in enumerate(TERMS):
        np.testing.assert_allclose(marks[:, row, 0], expected[term], atol=1e-5, rtol=0, err_msg=term)
        np.testing.assert_allclose(totals[term], [piece["totals"][term] for piece in golden.values()], atol=1e-4)


def test_the_retelling_of_the_rules_agrees_with_the_original(golden: Any) -> None:
    for name, piece in golden.items():
        for found, expected in zip(original(piece["actions"])[0], piece["steps"], strict=True):
            assert found == pytest.approx({term: expected[term] for term in TERMS}, abs=1e-5), name


@settings(max_examples=150)
@given(sequences())
def test_any_sequence_of_any_length_is_paid_as_the_retelling_says(play: Any, actions: list[int]) -> None:
    played = play(actions)
    steps, ties = original(actions)
    expected, even = arrays([steps]), [t for t in range(len(actions)) if t not in ties]
    for term in TERMS:
        where = even if term == "autocorr" else slice(None)
        np.testing.assert_allclose(played.terms[term][0][where], expected[term][0][where], atol=1e-5, err_msg=term)


@pytest.mark.parametrize("length", [32, 256])
def test_many_random_pieces_are_paid_as_the_retelling_says(play: Any, length: int) -> None:
    rng = np.random.default_rng(7)
    uniform = rng.integers(0, 38, (8, length))
    walks = np.clip(14 + np.cumsum(rng.integers(-4, 5, (8, length)), axis=1), 2, 37)
    held = np.where(rng.random((8, length)) < 0.5, 1, walks)
    actions = np.concatenate([uniform, walks, held])
    played = play(actions)
    found = [original([int(a) for a in row]) for row in actions]
    expected = arrays([steps for steps, _ in found])
    for row, (_, ties) in enumerate(found):
        expected["autocorr"][row, list(ties)] = played.terms["autocorr"][row, list(ties)]
    for term in TERMS:
        np.testing.assert_allclose(played.terms[term], expected[term], atol=1e-5, err_msg=term)


def test_an_autocorrelation_of_exactly_the_threshold_costs_nothing(play: Any) -> None:
    for actions in _exact_ties():
        found = play(actions).terms["autocorr"][0, -1]
        counted = [abs(c) for c in (autocorrelation(actions, lag) for lag in (1, 2, 3)) if abs(c) > 0.15 + 1e-9]
        assert found == pytest.approx(-3.0 * sum(counted), abs=1e-5)


def _exact_ties() -> list[list[int]]:
    """Short sequences of two codes with an autocorrelation that is 3/20 in whole numbers."""
    ties = []
    for bits in range(1 << 10):
        x = [bits >> k & 1 for k in range(10)]
        total, n = sum(x), len(x)
        spread = n * (n * total - total * total)
        for lag in (1, 2, 3):
            shared = sum((n * a - total) * (n * b - total) for a, b in zip(x[lag:], x, strict=False))
            if spread and 20 * abs(shared) == 3 * spread:
                ties.append([2 + k for k in x])
    assert ties
    return ties[:20]
