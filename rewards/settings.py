"""Rewards with other parameters and weights, from words such as `leap_recovered.leap=7`: what `--set` takes."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Iterable

import numpy as np

from musicgym.rewards.paid import Normalised
from musicgym.rewards.reward import Reward, Rules, Sum, few_or_list

_LARGEST = float(np.finfo(np.float32).max)


def with_settings(reward: Reward, words: Iterable[str]) -> Reward:
    """The reward with other parameters (`TERM.PARAMETER=VALUE`) and weights (`TERM=VALUE`) of its rules, one word after another.

    Terms have the names under which the reward pays them. Rules inside a sum, and inside `at_end`, `clip`, `potential` or a
    schedule, are reached too; a weight is then the rule's own, before what stands around it.

    Args:
        reward: what is changed; it stays as it is.
        words: text.

    Raises:
        ValueError: a word of another form, a name that comes twice, a term or parameter that isn't there (with the nearest names)
            or that stands in several places, a value that is no number or out of the parameter's range, a rule inside
            `Normalised`.

    Example:
        >>> from musicgym.rewards import parse
        >>> changed = with_settings(parse("fixed_repeat + 2*fixed_leap"), ["fixed_repeat.most=3", "fixed_leap=0.5"])
        >>> [(term, values, weight) for term, _, values, weight in changed.entries]
        [('fixed_repeat', (3.0,), 1.0), ('fixed_leap', (), 0.5)]
    """
    given: dict[str, str] = {}
    for word in words:
        name = word.partition("=")[0].strip()
        if name in given:
            raise ValueError(f"{word!r}: {name} was set already, by {given[name]!r}: expected one value")
        given[name] = word
        reward = _changed_by(reward, word)
    return reward


def rule_sets(reward: Reward) -> list[Rules]:
    """All sets of rules that a reward is made of, wherever they stand in it."""
    if isinstance(reward, Rules):
        return [reward]
    inner = [part for part, _ in reward.parts] if isinstance(reward, Sum) else [getattr(reward, "inner", None)]
    return [found for part in inner if isinstance(part, Reward) for found in rule_sets(part)]


def _changed_by(reward: Reward, word: str) -> Reward:
    name, sign, text = (part.strip() for part in word.partition("="))
    if not (name and sign):
        raise ValueError(f"{word!r}: expected TERM.PARAMETER=VALUE, such as leap_recovered.leap=7, or TERM=WEIGHT")
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{word!r}: {text!r} is no number: expected {name}=NUMBER") from None
    if not abs(value) <= _LARGEST:
        raise ValueError(f"{word!r}: expected a finite number that float32 can hold")
    term, parameter = _found(reward, name)
    if parameter is None:
        return _mapped(reward, term, lambda rules: rules.weighted(**{term: value}))
    return _mapped(reward, term, lambda rules: rules.set(term, **{parameter: value}))


def _found(reward: Reward, name: str) -> tuple[str, str | None]:
    """The term, and the parameter unless its weight is meant, that a name means."""
    places: list[tuple[str, str | None]] = []
    known: dict[str, tuple[str, str | None]] = {}
    for rules in rule_sets(reward):
        for term, rule, _, _ in rules.entries:
            own = {term: (term, None), **{f"{term}.{parameter}": (term, parameter) for parameter in rule.parameters}}
            known |= own
            if name in own:
                places.append(own[name])
    if len(places) == 1:
        return places[0]
    if places:
        raise ValueError(f"{name!r} stands in {reward.name} {len(places)} times: change it inside the expression instead")
    if not known:
        raise ValueError(f"{name!r}: reward {reward.name} is not made of rules, so nothing in it can be set")
    of_term = [given for given, (term, _) in known.items() if name.startswith(f"{term}.") and given != term]
    near = of_term or difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    near = near or [given for given in known if given.rpartition(".")[2] == name]
    hint = f"did you mean {' or '.join(near[:3])}?" if near else few_or_list(known, reward.name)
    raise ValueError(f"reward {reward.name} has no term or parameter {name!r}: {hint}")


def _mapped(reward: Reward, term: str, change: Callable[[Rules], Rules]) -> Reward:
    """The reward with the set of rules that holds a term replaced."""
    if isinstance(reward, Rules):
        return change(reward) if term in reward.terms else reward
    if isinstance(reward, Sum):
        return Sum([(_mapped(part, term, change), weight) for part, weight in reward.parts])
    inner = getattr(reward, "inner", None)
    if not isinstance(inner, Reward) or not any(term in rules.terms for rules in rule_sets(inner)):
        return reward
    if isinstance(reward, Normalised):
        raise ValueError(f"{term!r} stands inside {reward.name}, whose statistics were taken of the rule as it is: make it anew")
    made = copy.copy(reward)
    made.inner = _mapped(inner, term, change)  # type: ignore[attr-defined]  # it has one: `inner` was just read
    return made
