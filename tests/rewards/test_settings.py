"""`with_settings`: other parameters and weights of a reward's rules, from words."""

import pytest

from musicgym.rewards import AtEnd, Normalised, parse, with_settings
from musicgym.rewards.settings import rule_sets
from musicgym.score import Score

FIXED = "rl_tuner(form='fixed')"


def entry(reward, term):
    (found,) = [e for rules in rule_sets(reward) for e in rules.entries if e[0] == term]
    return found


@pytest.mark.parametrize(
    "expression",
    [FIXED, f"at_end({FIXED})", f"2*at_end({FIXED}) + rl_tuner.motif", f"clip(potential({FIXED}, gamma=0.9), low=-1, high=1)"],
)
def test_a_parameter_and_a_weight_are_changed_wherever_the_rule_stands(expression):
    changed = with_settings(parse(expression), ["repeat.most=7", "leap=-0.5"])
    assert entry(changed, "repeat")[2:] == ((7.0,), 1.0)
    assert entry(changed, "leap")[3] == -0.5
    assert entry(parse(expression), "repeat")[2] == (4.0,)  # the original is left alone


def test_what_is_paid_and_the_fingerprint_change_and_change_back():
    plain = parse(FIXED)
    score = Score.from_notes([[(i, 1, 60, 80) for i in range(8)]])
    changed = with_settings(plain, ["repeat.most=2"])
    assert changed.score([score])["repeat"][0] < plain.score([score])["repeat"][0]
    assert changed.fingerprint != plain.fingerprint
    assert with_settings(changed, ["repeat.most=4"]).fingerprint == plain.fingerprint


def test_two_words_for_the_same_are_refused():
    with pytest.raises(ValueError, match="key was set already, by 'key=2'"):
        with_settings(parse(FIXED), ["key=2", "key=3"])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("reapet.most=3", "did you mean repeat.most"),
        ("kye=3", "did you mean key"),
        ("repeat.mots=3", "did you mean repeat.most"),
        ("key.most=3", "no term or parameter 'key.most'"),
        ("key", "expected TERM.PARAMETER=VALUE"),
        ("=3", "expected TERM.PARAMETER=VALUE"),
        ("key=", "'' is no number"),
        ("key=loud", "'loud' is no number"),
        ("key=nan", "finite"),
        ("key=inf", "finite"),
        ("repeat.most=1e300", "finite number that float32 can hold"),
    ],
)
def test_what_is_not_there_or_no_number_is_said(word, message):
    with pytest.raises(ValueError, match=message):
        with_settings(parse(FIXED), [word])


def test_a_value_out_of_a_parameters_range_names_the_range(lab_rules):
    with pytest.raises(ValueError, match=r"fixed_width: most=30: expected a whole number, 1\.\.24"):
        with_settings(lab_rules(), ["fixed_width.most=30"])


@pytest.fixture
def lab_rules():
    from musicgym.rewards.rules import RULES, rule

    @rule(within={"most": (1, 24)})
    def fixed_width(piece, voice, step, *, most=12):
        """Says nothing (our own)."""
        return 0.0

    yield fixed_width
    del RULES["fixed_width"]


def test_a_rule_that_stands_twice_is_not_guessed():
    with pytest.raises(ValueError, match=r"stands in .* 2 times"):
        with_settings(parse(f"{FIXED} + at_end({FIXED})"), ["key=2"])


def test_a_reward_without_rules_has_nothing_to_set():
    class Silent(type(AtEnd(parse("rl_tuner")))):
        def __init__(self):
            self.name, self.inner = "silent", None

    with pytest.raises(ValueError, match="not made of rules"):
        with_settings(Silent(), ["key=2"])


def test_statistics_of_a_rule_are_not_kept_for_another():
    scores = [Score.from_notes([[(0, 4, pitch, 80)]]) for pitch in (60, 61, 66)]
    with pytest.raises(ValueError, match="make it anew"):
        with_settings(Normalised(parse(FIXED), scores), ["key=2"])
