"""Rewards by name: what an expression means, what it refuses, and that it never runs what it reads."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicgym.rewards import AtEnd, Potential, Reward, names, parse, register
from musicgym.rewards.expression import _REWARDS
from musicgym.rewards.rl_tuner import rl_tuner
from musicgym.rewards.rl_tuner_fixed import fixed_key, fixed_leap, fixed_repeat


@pytest.fixture
def registry() -> Iterator[None]:
    """Forgets what a test registers."""
    before = dict(_REWARDS)
    yield
    _REWARDS.clear()
    _REWARDS.update(before)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("rl_tuner", rl_tuner()),
        ("  rl_tuner\n", rl_tuner()),
        ("rl_tuner(form='fixed')", rl_tuner("fixed")),
        ("fixed_key + 2 * fixed_leap", fixed_key() + 2 * fixed_leap()),
        ("2*fixed_key + fixed_leap", 2 * fixed_key() + fixed_leap()),
        ("2*(fixed_key + fixed_leap)", 2 * fixed_key() + 2 * fixed_leap()),
        ("fixed_key - fixed_leap - fixed_repeat", fixed_key() - fixed_leap() - fixed_repeat()),
        ("fixed_key - (fixed_leap - fixed_repeat)", fixed_key() - fixed_leap() + fixed_repeat()),
        ("-fixed_key * 3", -3 * fixed_key()),
        ("(1 + 2 * 3) * fixed_key", 7 * fixed_key()),
        ("+fixed_key * -.5e1", -5 * fixed_key()),
        ("fixed_repeat(most=6)", fixed_repeat(most=6)),
        ("fixed_repeat(most=-2.5)", fixed_repeat(most=-2.5)),
        ("rl_tuner.leap", rl_tuner().only("leap")),
        ("0.5*rl_tuner(form='fixed').leap", 0.5 * rl_tuner("fixed").only("leap")),
        ("at_end(rl_tuner.leap - fixed_key)", AtEnd(rl_tuner().only("leap") - fixed_key())),
        ("potential(fixed_key, gamma=0.9) * 2", 2 * Potential(fixed_key(), 0.9)),
        ("clip(fixed_key + fixed_leap, low=-1, high=2)", (fixed_key() + fixed_leap()).clip(-1, 2)),
    ],
)
def test_an_expression_means_what_its_python_means(text: str, meant: Reward) -> None:
    assert parse(text).fingerprint == meant.fingerprint


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is no expression"),
        ("2 *", "is no expression"),
        ("3 + 4", "is a number"),
        ("rl_tunre", "did you mean rl_tuner"),
        ("at_edn(rl_tuner)", "did you mean at_end"),
        ("zzzzzz", "see musicgym list rewards$"),
        ("rl_tuner.leaps", "has no term 'leaps': did you mean leap"),
        ("rl_tuner(form='mended')", "expected 'faithful' or 'fixed'"),
        ("rl_tuner(from='fixed')", "is no expression"),
        ("rl_tuner(shape='fixed')", "rl_tuner has no parameter 'shape': it takes form$"),
        ("rl_tuner('fixed')", "need their names"),
        ("rl_tuner(**fixed)", r"\*\* is not understood"),
        ("rl_tuner(form=fixed_key)", "expected a number or quoted text"),
        ("fixed_repeat(most='4')", "expected a finite number"),
        ("fixed_repeat(most=True)", "expected a number or quoted text"),
        ("fixed_repeat(most=1e999)", "expected a finite number"),
        ("fixed_repeat(least=4)", "has no parameter 'least': it has most"),
        ("fixed_key + 1", "adds a number to a reward"),
        ("fixed_key * fixed_leap", "multiplies two rewards"),
        ("fixed_key / 2", "'fixed_key / 2' is not understood"),
        ("fixed_key ** 2", "is not understood"),
        ("True * fixed_key", "is not understood"),
        ("1e999 * fixed_key", "expected a finite weight"),
        ("1e308 * 1e308 * fixed_key", "expected a finite weight"),
        ("9" * 400 + " * fixed_key", "expected a finite weight"),
        ("9" * 5000 + " * fixed_key", "is no expression"),
        ("at_end()", "at_end expects one reward first"),
        ("at_end(3)", "at_end expects one reward first"),
        ("at_end(fixed_key, fixed_leap)", "at_end expects one reward first"),
        ("potential(fixed_key)", r"potential needs gamma, as in potential\(\.\.\., gamma=1\)"),
        ("potential(fixed_key, gamma=2)", "expected a discount"),
        ("theory(leap=3)", "theory takes no parameters; of its rules: --set leap_recovered.leap=3$"),
        ("theory.nosuchterm", "see musicgym list rewards 'theory'$"),
        ("clip(fixed_key)", "clip needs low and high"),
        ("clip(fixed_key, low='a', high=1)", "clip does not take these parameters"),
        ("clip(fixed_key, inner=2, low=0, high=1)", "expected a Reward"),
    ],
)
def test_what_is_no_reward_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('false')",
        "__import__(name='os')",
        "(lambda: rl_tuner)()",
        "[rl_tuner][0]",
        "rl_tuner if True else rl_tuner",
        "(x := rl_tuner)",
        "f'{rl_tuner}'",
        "rl_tuner.__class__",
        "rl_tuner.entries",
        "rl_tuner.only('leap')",
        "rl_tuner.__class__.__mro__",
        "at_end.__globals__",
        "at_end(rl_tuner).inner",
        "rl_tuner(form=__import__('os'))",
        "rl_tuner(form=(1).__class__)",
        "rl_tuner(form=[rl_tuner for _ in ()])",
        "__builtins__",
        "parse",
        "Reward",
        "await_",
        "...",
        "None",
        "'rl_tuner'",
        "b'rl_tuner'",
        "1j * rl_tuner",
        "rl_tuner; rl_tuner",
        "import os",
        "rl_tuner\x00",
        "\ud800",
        "рl_tuner",  # its first letter is Cyrillic
        "-" * 5000 + "rl_tuner",
        "(" * 5000 + "rl_tuner" + ")" * 5000,
        "1+" * 4000 + "rl_tuner",
        "rl_tuner" + ".leap" * 1900,
        "at_end(" * 1200 + "fixed_key" + ")" * 1200,
        "fixed_key" + " " * 20_000 + "+ fixed_key",
    ],
    ids=range(36),
)
def test_hostile_text_is_refused_and_nothing_else(text: str) -> None:
    with pytest.raises(ValueError, match=r"reward"):
        parse(text)


@given(st.text(alphabet=st.sampled_from(list("rl_tuner.key fixed()+-*=,'0123456789e[]{}\n\\:lambda@ℝé")), max_size=30))
def test_any_text_is_a_reward_or_a_value_error(text: str) -> None:
    try:
        found: Reward | str = parse(text)
    except ValueError as error:
        found = str(error)
    assert isinstance(found, Reward) or "reward" in found or "rule" in found


def test_a_registered_reward_is_known_by_name_with_its_parameters(registry: None) -> None:
    register("mine", lambda strength=1.0, form="faithful": strength * rl_tuner(form))
    register("ready", fixed_key() + fixed_leap())
    assert {"mine", "ready", "rl_tuner", "fixed_key"} <= set(names())
    assert (
        parse("mine(strength=2, form='fixed') - ready").fingerprint
        == (2 * rl_tuner("fixed") - (fixed_key() + fixed_leap())).fingerprint
    )
    with pytest.raises(ValueError, match="did you mean ready"):
        parse("reddy")


def test_a_registered_reward_can_be_registered_anew(registry: None) -> None:
    register("mine", fixed_key())
    register("mine", fixed_leap())
    assert parse("mine").fingerprint == fixed_leap().fingerprint


@pytest.mark.parametrize(
    "name", ["rl_tuner", "at_end", "clip", "potential", "fixed_key", "two words", "", "1st", "lambda", "None"]
)
def test_names_that_are_taken_or_no_names_are_refused(registry: None, name: str) -> None:
    with pytest.raises(ValueError, match="reward name"):
        register(name, fixed_key())


def test_a_factory_that_makes_no_reward_is_named(registry: None) -> None:
    register("broken", lambda: 3)  # type: ignore[arg-type,return-value]
    with pytest.raises(ValueError, match="broken made a int: expected a Reward"):
        parse("broken")


def test_rewards_are_found_by_name_before_anything_else_is_imported() -> None:
    code = (
        f"import sys; sys.path[:] = {sys.path}; from musicgym.rewards import names, parse; print(*names()); parse('fixed_leap')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"rl_tuner", "fixed_leap", "faithful_key"} <= set(found)


def test_a_built_in_reward_is_parsed_without_importing_the_others() -> None:
    code = (
        f"import sys; sys.path[:] = {sys.path}; from musicgym.rewards import parse; parse('2*rl_tuner.leap'); "
        "print(*(name for name in sys.modules if name.startswith('musicgym.rewards')))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "musicgym.rewards.rl_tuner" in found
    assert not {"musicgym.rewards.theory", "musicgym.rewards.performance"} & set(found)
