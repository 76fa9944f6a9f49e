"""RL Tuner's terms as rules of this library: every key, range and way of computing them; and the fixed form, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicgym.engine import as_material, finished_pieces
from musicgym.rewards import Rules, parse
from musicgym.rewards.rl_tuner import rl_tuner
from musicgym.score import MODES, key_name
from musicgym.testing.uncompiled import judge_plainly

OFFSETS = dict(zip(MODES, (0, 3, -2, -4, -5, 5, 1), strict=True))  # from a mode's tonic to that of its relative major
# Pitch codes of RL Tuner around middle C; 0 is a rest, 1 a hold.
G3, B3, C4, Cs4, D4, E4, F4, Fs4, G4, A4, B4, C5, D5, G5 = 9, 13, 14, 15, 16, 18, 19, 20, 21, 23, 25, 26, 28, 33
REST, HOLD = 0, 1


def random_actions(pieces: int, steps: int, seed: int = 3) -> np.ndarray:
    """int64 (pieces, steps): uniform ones, and ones with many holds and repeats."""
    rng = np.random.default_rng(seed)
    made = rng.integers(0, 38, (pieces, steps))
    made[pieces // 2 :] = np.where(rng.random(made[pieces // 2 :].shape) < 0.5, HOLD, made[pieces // 2 :] % 5 + C4)
    return made


actions_of_any_length = st.builds(
    lambda length, seed, width: np.random.default_rng(seed).integers(0, width, length),
    st.one_of(st.integers(1, 40), st.sampled_from([255, 256, 257, 300])),
    st.integers(0, 2**32 - 1),
    st.sampled_from([3, 6, 38]),
)


@settings(max_examples=60)
@given(actions_of_any_length, st.integers(0, 11), st.integers(0, 6), st.sampled_from([0, 24, 43, 48, 60, 90]))
@pytest.mark.parametrize("form", ["faithful", "fixed"])
def test_what_is_paid_as_it_is_written_is_what_the_finished_sites_are_worth(
    play: Any, form: str, actions: np.ndarray, tonic: int, mode: int, low: int
) -> None:
    played = play(actions, rl_tuner(form), low=low, high=low + 35, key=key_name(tonic, mode))
    _, marks = played.reward.score(played.scores, marks=True)
    paid = np.stack(list(played.terms.values()))
    np.testing.assert_allclose(paid[:, 0], marks[0, :, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("form", ["faithful", "fixed"])
@pytest.mark.parametrize("key", ["C major", "Eb minor", "F# mixolydian"])
def test_compiled_rules_say_what_the_uncompiled_ones_say(play: Any, form: str, key: str) -> None:
    scores = play(random_actions(4, 40), low=40, high=75, key=key).scores
    reward = rl_tuner(form)
    _, marks = reward.score(scores, marks=True)
    pieces = finished_pieces(as_material(scores))
    for row, (term, rule, values, _) in enumerate(reward.entries):
        for n in range(len(scores)):
            plain = judge_plainly(rule, values, pieces, n)
            np.testing.assert_allclose(marks[n, row], plain, rtol=1e-6, atol=1e-6, err_msg=term)


def test_the_faithful_terms_move_with_the_signature_of_the_key(play: Any) -> None:
    actions = random_actions(6, 40)
    in_c = play(actions)
    for mode, name in enumerate(MODES):
        for tonic in range(12):
            up = (tonic + OFFSETS[name] + 6) % 12 - 6
            moved = play(actions, low=48 + up, high=83 + up, key=key_name(tonic, mode))
            for term in in_c.terms:
                if term != "tonic" or name == "major":
                    np.testing.assert_array_equal(moved.terms[term], in_c.terms[term], err_msg=f"{term}, {key_name(tonic, mode)}")


def test_the_faithful_tonic_is_that_of_the_mode(play: Any) -> None:
    in_a_minor = play([[A4, HOLD, HOLD, C4, A4, HOLD, REST, HOLD]], key="A minor").terms["tonic"][0]
    np.testing.assert_array_equal(in_a_minor, [3, 0, 0, 0, 3, 3, 3, 3])
    assert not play([[A4, REST, REST, REST, A4, C4, C4, C4]]).terms["tonic"].any()


def test_notes_below_the_originals_range_are_notes(play: Any) -> None:
    """The same line two octaves lower, where the original's numbering would run into its codes for rests and holds."""
    actions = random_actions(12, 48)
    high, low = play(actions, low=48), play(actions, low=24, high=59)
    for term in ("key", "repeat", "motif", "rep_motif", "interval", "leap"):
        np.testing.assert_array_equal(low.terms[term], high.terms[term], err_msg=term)


@pytest.mark.parametrize("mode", range(len(MODES)))
def test_the_fixed_terms_move_with_the_tonic(play: Any, mode: int) -> None:
    actions = random_actions(4, 32)
    fixed = rl_tuner("fixed")
    expected = fixed.score(play(actions, key=key_name(0, mode)).scores)
    for tonic in range(1, 12):
        moved = fixed.score(play(actions, low=48 + tonic, high=83 + tonic, key=key_name(tonic, mode)).scores)
        for term in expected:
            np.testing.assert_allclose(moved[term], expected[term], atol=1e-9, err_msg=f"{term}, {key_name(tonic, mode)}")


HALF_BAR = [C4, HOLD, D4, HOLD, E4, HOLD, C4, HOLD]
BY_HAND = [
    ("key", [C4, HOLD, E4, G4], 0.0),
    ("key", [Cs4, HOLD, HOLD, G4], -1.0),  # a held note is one fault
    ("tonic", [C5, HOLD, REST, G4, G4, C4, HOLD, HOLD, HOLD], 9.0),  # begins, ends and rests for a beat on any tonic
    ("tonic", [C4, HOLD, E4, HOLD, D4, HOLD, HOLD, C4], 6.0),  # the last is shorter than a beat
    ("tonic", [REST, HOLD, C4, G4, D4, HOLD, HOLD, HOLD], 3.0),  # the first note need not begin the piece
    ("tonic", [D4, HOLD, E4, HOLD, D4, HOLD, HOLD, HOLD], 0.0),
    ("repeat", [C4, C4, C4, C4, D4], 0.0),
    ("repeat", [C4, HOLD, C4, REST, C4, C4, C4, HOLD], -3.0),  # the fifth C
    ("autocorr", [C4, D4, C4, D4], -3.0 * (3 / 4 + 2 / 4 + 1 / 4)),
    ("autocorr", [C4, HOLD, D4, REST, C4, HOLD, D4, HOLD], -4.5),  # notes, not steps
    ("autocorr", [C4, D4, C4, D4, E4], 0.0),  # -3/35, -1/10, 1/35
    ("autocorr", [C4, C4, C4, C4], 0.0),
    ("motif", HALF_BAR, 3.0),
    ("motif", [C4, D4, E4, F4, C4, D4, E4, F4], 3.3),
    ("motif", [C4, D4, C4, D4, C4, D4, C4, D4], 0.0),
    ("motif", [C4, C4, C4, C4, D4, D4, D4, D4, E4, E4, E4, E4, F4, F4, F4, F4], 0.0),  # none lies within a half bar
    ("rep_motif", HALF_BAR + HALF_BAR, 4.0),
    ("rep_motif", HALF_BAR + [C4, HOLD, D4, HOLD, E4, HOLD, D4, HOLD], 0.0),
    ("interval", [C4, G4], 0.5),
    ("interval", [D4, A4], 0.1),
    ("interval", [C4, E4], 0.75),
    ("interval", [C4, HOLD, REST, HOLD, D4, HOLD], 0.4),  # holds and rests earn nothing
    ("interval", [C4, B4], -1.5),
    ("interval", [G3, C5], -5.0),
    ("leap", [C4, HOLD, C5, HOLD, B4, HOLD], 5.0),
    ("leap", [C4, C5, C4, C5], 0.0),  # leaping to and fro is no answer
    ("leap", [C4, G4, D5], -5.0),
    ("leap", [C4, G4, A4], 0.0),
    ("leap", [C4, F4, E4], 0.0),  # a fourth is no leap
    ("extrema", [C4, E4, HOLD, D4], 6.0),  # a held note occurs once
    ("extrema", [C4, E4, C4, D4], 3.0),
    ("extrema", [C4, E4, C4, E4], 0.0),
]


@pytest.mark.parametrize(("term", "actions", "worth"), BY_HAND)
def test_the_fixed_form_is_worth_what_was_reckoned_by_hand(play: Any, term: str, actions: list[int], worth: float) -> None:
    assert rl_tuner("fixed").score(play(actions).scores)[term] == pytest.approx([worth], abs=1e-9)


def test_the_fixed_key_is_the_local_scale(play: Any) -> None:
    worth = [rl_tuner("fixed").score(play([Fs4, F4], key=key).scores)["key"][0] for key in ("C major", "G major", "E phrygian")]
    assert worth == [-1.0, -1.0, -1.0]
    assert rl_tuner("fixed").score(play([Fs4, G4], key="G major").scores)["key"][0] == 0.0


def test_only_the_fixed_form_lets_a_note_be_held(play: Any) -> None:
    scores = play([[C4] + [HOLD] * 15]).scores
    assert rl_tuner().score(scores)["repeat"][0] <= -900
    assert rl_tuner("fixed").score(scores)["repeat"][0] == 0
    assert total(rl_tuner("fixed"), scores)[0] > 0


def test_only_the_fixed_form_keeps_the_repeat_penalty_in_proportion(play: Any, golden: Any) -> None:
    scores = play([golden["constant_tonic"]["actions"], golden["c_major_scale_then_cadence"]["actions"]]).scores
    assert total(rl_tuner(), scores)[0] == pytest.approx(-2694)
    dull, scale = total(rl_tuner("fixed"), scores)
    assert -100 < dull < 0 < scale


def test_only_the_fixed_form_does_not_reward_uniformly_random_play(play: Any, golden: Any) -> None:
    """The original pays a motif at each of 25 steps: some 100 for any random piece, its official sample earns 43 in all."""
    random = play(np.random.default_rng(5).integers(0, 38, (256, 32))).scores
    tune = play(golden["c_major_scale_then_cadence"]["actions"]).scores
    assert rl_tuner().score(random)["motif"].mean() > 95
    assert rl_tuner("fixed").score(random)["motif"].max() <= 4 * (3 + 5 * 0.3)
    assert total(rl_tuner("fixed"), random).mean() < 0
    assert total(rl_tuner("fixed"), tune)[0] > np.quantile(total(rl_tuner("fixed"), random), 0.99)


def test_only_the_fixed_form_pays_nothing_for_holding_and_resting(play: Any) -> None:
    rests, tune = play([[REST] * 32]).scores, play([[C4] + [HOLD] * 31]).scores
    assert rl_tuner().score(tune)["interval"][0] > 40
    assert rl_tuner("fixed").score(tune)["interval"][0] == 0
    assert total(rl_tuner("fixed"), rests)[0] == 0


def total(reward: Rules, scores: Any) -> np.ndarray:
    """float64 (N,)"""
    summed: np.ndarray = np.sum(list(reward.score(scores).values()), axis=0)
    return summed


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 'faithful' or 'fixed'"):
        parse("rl_tuner(form='mended')")
