"""Rewards added, scaled, clipped, scheduled, shaped and normalised: what is paid, against NumPy."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from musicgym import Score
from musicgym.choice import StepChoice
from musicgym.rewards import AtEnd, Normalised, Potential, Reward, parse, rule
from musicgym.task import Task
from musicgym.vector_env import ComposeVectorEnv


@rule(span=0, sees="own")
def algebra_high(piece, voice, step, *, above=60):
    """+1 for a note above a pitch."""
    return 1.0 if piece.onset[voice, step] and piece.pitch[voice, step] > above else 0.0


@rule(span=0, sees="own")
def algebra_rest(piece, voice, step):
    """+1 where a rest begins."""
    return 1.0 if piece.onset[voice, step] and piece.pitch[voice, step] == -1 else 0.0


@rule(sees="own")
def algebra_width(piece, voice, step):
    """The semitones from the note before."""
    before = piece.previous[voice, step]
    if before < 0 or not piece.onset[voice, step] or piece.pitch[voice, step] < 0:
        return 0.0
    return float(abs(piece.pitch[voice, step] - piece.pitch[voice, before]))


A, B, C = algebra_high(), algebra_rest(), algebra_width()
ACTIONS = np.random.default_rng(0).integers(0, 38, (5, 24))
HIGH, RESTS = (ACTIONS > 14).astype(float), (ACTIONS == 0).astype(float)


def widths() -> np.ndarray:
    """float64 (N, steps): semitones from the note before, at notes."""
    found = np.zeros(ACTIONS.shape)
    for n, row in enumerate(ACTIONS):
        notes = np.flatnonzero(row > 1)
        found[n, notes[1:]] = abs(np.diff(row[notes]))
    return found


WIDTHS = widths()


def finished(play: Any) -> Any:
    return play(ACTIONS, A + B + C).scores


def test_sums_differences_and_multiples_pay_their_parts_in_proportion(play: Any) -> None:
    played = play(ACTIONS, 2 * A + B - C * 0.25)
    assert list(played.terms) == ["algebra_high", "algebra_rest", "algebra_width"]
    for found, expected in zip(played.terms.values(), (2 * HIGH, RESTS, -0.25 * WIDTHS), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(played.rewards, 2 * HIGH + RESTS - 0.25 * WIDTHS, atol=1e-5)


def test_brackets_are_opened_with_the_right_signs(play: Any) -> None:
    played = play(ACTIONS, A - 2 * (B - (C - 3 * A)))
    np.testing.assert_allclose(played.rewards, HIGH - 2 * (RESTS - (WIDTHS - 3 * HIGH)), atol=1e-4)
    assert (-1 * -A).fingerprint == A.fingerprint


def test_the_builtin_sum_adds_rewards(play: Any) -> None:
    np.testing.assert_allclose(play(ACTIONS, sum([A, B, C])).rewards, HIGH + RESTS + WIDTHS, atol=1e-5)


def test_a_term_that_occurs_twice_gets_a_name_for_each(play: Any) -> None:
    twice = A + algebra_high(above=72) + B
    played = play(ACTIONS, twice)
    assert len(played.terms) == 3
    np.testing.assert_allclose(played.rewards, HIGH + (ACTIONS > 26) + RESTS, atol=1e-6)
    assert set(twice.score(played.scores)) == set(played.terms)


def test_sums_of_every_kind_of_reward_have_terms_of_different_names_that_sum_to_the_reward(play: Any) -> None:
    mixed = A + B + C + AtEnd(A) + AtEnd(A) + Potential(C, 0.9) + (A - B).clip(-0.5, 0.5) + B.scheduled(float)
    played = play(ACTIONS, mixed)
    assert len(set(played.terms)) == 8
    np.testing.assert_allclose(np.sum(list(played.terms.values()), axis=0), played.rewards, atol=1e-4)


def test_clipping_holds_the_sum_of_the_terms_at_each_choice(play: Any) -> None:
    played = play(ACTIONS, (A + B - C).clip(-3, 0.5))
    (found,) = played.terms.values()
    np.testing.assert_allclose(found, (HIGH + RESTS - WIDTHS).clip(-3, 0.5), atol=1e-6)


def test_a_schedule_weights_the_environments_steps_and_leaves_finished_pieces_at_its_start(play: Any) -> None:
    played = play(ACTIONS, C.scheduled(lambda k: 2.0 + k))
    np.testing.assert_allclose(played.terms["algebra_width"], WIDTHS * (2 + np.arange(ACTIONS.shape[1])), rtol=1e-6)
    totals, marks = played.reward.score(played.scores, marks=True)
    np.testing.assert_allclose(totals["algebra_width"], 2 * WIDTHS.sum(axis=1))
    np.testing.assert_allclose(marks[:, 0, 0], 2 * WIDTHS)


def test_at_end_pays_the_whole_sum_with_the_last_choice(play: Any) -> None:
    played = play(ACTIONS, AtEnd(A - C))
    (found,) = played.terms.values()
    assert not found[:, :-1].any()
    np.testing.assert_allclose(found[:, -1], (HIGH - WIDTHS).sum(axis=1), rtol=1e-6)


@pytest.mark.parametrize("gamma", [0.5, 0.99, 1.0])
def test_a_potential_changes_no_pieces_discounted_return_in_any_episode(gamma: float) -> None:
    env = ComposeVectorEnv(Task(StepChoice(), length=24), 5, reward=Potential(C - A, gamma), observation="tokens")
    env.reset(seed=0)
    for actions in (ACTIONS, ACTIONS[::-1] % 20):
        paid = np.array([env.step(column)[1] for column in actions.T], float)  # (steps, N)
        assert abs(paid).max() > 1
        np.testing.assert_allclose((gamma ** np.arange(24)) @ paid, 0, atol=1e-4)


def test_normalised_totals_of_the_reference_have_mean_0_and_deviation_1_and_stay_so(play: Any) -> None:
    scores = finished(play)
    reward = Normalised(A - C, scores)
    (totals,) = reward.score(scores).values()
    assert np.mean(totals) == pytest.approx(0, abs=1e-5)
    assert np.std(totals) == pytest.approx(1, abs=1e-5)
    before = reward.fingerprint
    played = play(ACTIONS % 20, reward)
    np.testing.assert_allclose(played.rewards.sum(axis=1), next(iter(reward.score(played.scores).values())), atol=1e-4)
    assert reward.fingerprint == before
    np.testing.assert_array_equal(next(iter(reward.score(scores).values())), totals)


def test_what_is_paid_for_a_piece_is_what_the_finished_piece_scores(play: Any) -> None:
    for reward in (A + B - C, AtEnd(A) + 2 * B, (A - C).clip(-1, 1), Potential(C, 1.0)):
        played = play(ACTIONS, reward)
        for term, totals in reward.score(played.scores).items():
            np.testing.assert_allclose(played.terms[term].sum(axis=1), totals, atol=1e-4, err_msg=term)


def test_a_saved_reward_goes_on_where_it_was() -> None:
    env = ComposeVectorEnv(Task(StepChoice(), length=24), 5, reward=AtEnd(A) + Potential(C, 0.9) + B.scheduled(float))
    env.reset(seed=0)
    bound, engine = env.session.bound, env.session.engine
    for column in ACTIONS.T[:10]:
        env.step(column)
    saved = bound.state(), engine.state()
    first = [env.step(column)[1] for column in ACTIONS.T[10:23]]
    bound.load_state(saved[0])
    engine.load_state(saved[1])
    again = [env.step(column)[1] for column in ACTIONS.T[10:23]]
    np.testing.assert_array_equal(first, again)


def test_rewards_pickle_with_all_that_they_are_made_of(play: Any) -> None:
    reward = 2 * A - C + AtEnd(algebra_high(above=70)) + Potential(B, 0.9) + (A + B).clip(0, 1)
    copy = pickle.loads(pickle.dumps(reward))
    assert copy.fingerprint == reward.fingerprint
    np.testing.assert_array_equal(play(ACTIONS, copy).rewards, play(ACTIONS, reward).rewards)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: A.clip(1, 0), ValueError, "low must be below high"),
        (lambda: Potential(A, 0), ValueError, r"gamma=0\): expected a discount in \(0, 1\]"),
        (lambda: Potential(A, 1.01), ValueError, "expected a discount"),
        (lambda: AtEnd("algebra_high"), TypeError, "expected a Reward"),
        (lambda: A * float("nan"), ValueError, "expected a finite weight"),
        (lambda: A * True, TypeError, "unsupported operand"),
        (lambda: A + 1, TypeError, "unsupported operand"),
        (lambda: A * B, TypeError, "unsupported operand"),
        (lambda: A.scheduled(3), TypeError, "expected a function of the step number"),
        (lambda: A.weighted(algebra_hihg=2), ValueError, "has no term 'algebra_hihg': did you mean algebra_high"),
        (lambda: algebra_high(over=2), ValueError, "has no parameter 'over': it has above"),
        (lambda: algebra_high(above="high"), ValueError, "above='high': expected a finite number"),
    ],
)
def test_what_makes_no_reward_is_refused(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


def test_a_reference_without_spread_is_refused(play: Any) -> None:
    score = finished(play)[0]
    with pytest.raises(ValueError, match="expected two or more that differ"):
        Normalised(A, [score, score])


def test_weights_terms_and_parameters_of_a_set_can_be_changed(play: Any) -> None:
    changed = (A + B + C).weighted(algebra_rest=-2.0).set("algebra_high", above=72)
    np.testing.assert_allclose(play(ACTIONS, changed).rewards, (ACTIONS > 26) - 2 * RESTS + WIDTHS, atol=1e-5)
    assert isinstance(changed.only("algebra_rest"), Reward)
    np.testing.assert_allclose(play(ACTIONS, changed.only("algebra_rest")).rewards, -2 * RESTS)


@pytest.mark.parametrize("changed", [AtEnd, lambda reward: reward.clip(-9, 9)])
def test_a_schedule_inside_another_reward_stands_at_its_beginning_for_finished_music(changed):
    score = Score.from_notes([[(0, 4, 61, 80), (4, 4, 61, 80)]])
    scheduled = parse("rl_tuner.key").scheduled(lambda step: 1.0 if step == 0 else 3.0)
    assert sum(values[0] for values in changed(scheduled).score([score]).values()) == -2


def test_weights_that_no_reward_can_hold_are_refused():
    with pytest.raises(ValueError, match="float32"):
        parse("rl_tuner.key") * 1e30 * 1e30
