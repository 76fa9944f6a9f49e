"""Rewards by name: `rl_tuner - 0.5*rl_tuner.motif`, `fixed_repeat(most=3)`, `at_end(rl_tuner)`. Parsed, never evaluated."""

from __future__ import annotations

import ast
import difflib
import inspect
import keyword
from collections.abc import Callable
from importlib import import_module
from typing import Any

from musicgym.rewards.paid import AtEnd, Clipped, Potential
from musicgym.rewards.reward import Reward
from musicgym.rewards.rules import RULES

Factory = Callable[..., Reward]
# Rewards that are known without being imported by the user: name -> the module that holds a function of that name.
_BUILT_IN = {
    "chord_symbols": "musicgym.rewards.chord_symbols",
    "counterpoint": "musicgym.rewards.counterpoint",
    "part_writing": "musicgym.rewards.part_writing",
    "performance": "musicgym.rewards.performance",
    "rl_tuner": "musicgym.rewards.rl_tuner",
    "strict_counterpoint": "musicgym.rewards.counterpoint",
    "theory": "musicgym.rewards.theory",
}
# Those that are learned from music.
_LEARNED = {
    "discriminator": "musicgym.rewards.discriminator",
    "likelihood": "musicgym.rewards.likelihood",
    "statistics": "musicgym.rewards.statistics",
    "typicality": "musicgym.rewards.likelihood",
    "vae": "musicgym.rewards.latent",
}
_BUILT_IN |= _LEARNED
_REWARDS: dict[str, Factory] = {}
_LONGEST = 10_000  # characters: Python's own parser may fail on worse
_PAID: dict[str, Callable[..., Reward]] = {"at_end": AtEnd, "potential": Potential, "clip": Clipped}


def register(name: str, factory: Factory | Reward) -> None:
    """Make a reward known by name: `musicgym train --reward name`, `gym.make(..., reward="name(parameter=2)")`.

    Args:
        name: a Python identifier.
        factory: called with the expression's keyword arguments, numbers or text; or a reward without any.

    Raises:
        ValueError: no identifier, or the name belongs to something built in.
    """
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"reward name {name!r}: expected a Python identifier")
    if name in _PAID or name in _load_built_in():
        raise ValueError(f"reward name {name!r} is built in: choose another")
    if name in RULES:
        raise ValueError(f"reward name {name!r} is a rule's, of {RULES[name].__module__}: choose another")
    if isinstance(factory, Reward):
        reward = factory
        _REWARDS[name] = lambda: reward
    else:
        _REWARDS[name] = factory


def names() -> list[str]:
    """All names that an expression may use."""
    _load_built_in()
    return sorted({*_BUILT_IN, *_REWARDS, *RULES, *_PAID})


def documented() -> list[tuple[str, str, str]]:
    """Name, kind and docstring of all that an expression may use.

    Kinds, in this order: "set" (of rules, and what users register), "learned" (from music), "change" (of another reward), "rule".
    """
    built_in = _load_built_in()
    learned = {name: built_in.pop(name) for name in _LEARNED}
    sets: dict[str, Any] = {**_REWARDS, **built_in}
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("set", sets),
        ("learned", learned),
        ("change", dict(_PAID)),
        ("rule", dict(RULES)),
    ]
    return [(name, kind, inspect.getdoc(known[name]) or "") for kind, known in kinds for name in sorted(known)]


def parse(text: str) -> Reward:
    """The reward that an expression describes.

    Names of registered rewards and rules, calls with keyword parameters (numbers, quoted text, True or False), one term of a set
    (`rl_tuner.leap`), `+ - *`, numbers, brackets, and `at_end(a)`, `potential(a, gamma=0.99)`, `clip(a, low=-1, high=1)`.

    Raises:
        ValueError: saying which part is not understood, with the nearest names for an unknown one.

    Example:
        >>> parse("rl_tuner - 0.5 * rl_tuner.motif").terms[:2]
        ('key', 'tonic')
    """
    if len(text) > _LONGEST:
        raise ValueError(f"reward {text[:40]!r}... has {len(text)} characters: expected at most {_LONGEST}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"reward {text!r} is no expression: {error}") from error
    try:
        value = _value(tree.body, text)
    except RecursionError as error:
        raise ValueError(f"reward {text!r} is nested too deeply") from error
    if not isinstance(value, Reward):
        raise ValueError(f"reward {text!r} is a number: expected a reward's name in it")
    return value


def _load_built_in() -> dict[str, Factory]:
    """All that is built in. Importing it also makes its rules known by name."""
    return {name: _built_in(name) for name in _BUILT_IN}


def _built_in(name: str) -> Factory:
    factory: Factory = getattr(import_module(_BUILT_IN[name]), name)
    return factory


def _value(node: ast.expr, text: str) -> Reward | float:
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub, ast.Mult)):
        return _combined(_value(node.left, text), node.op, _value(node.right, text), text)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = _value(node.operand, text)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return float(str(node.value))  # not float(): of a whole number beyond 1e308 it is an error, here it is infinite
    if isinstance(node, ast.Name):
        return _call(_known(node.id, text), node.id, {}, text)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _called(node.func.id, node, text)
    if isinstance(node, ast.Attribute):
        whole = _value(node.value, text)
        if hasattr(whole, "only"):
            term: Reward = whole.only(node.attr)
            return term
    raise ValueError(
        f"reward {text!r}: {ast.unparse(node)!r} is not understood; expected names, numbers, + - *, brackets and "
        "calls with keyword parameters"
    )


def _combined(left: Reward | float, op: ast.operator, right: Reward | float, text: str) -> Reward | float:
    if isinstance(op, ast.Mult):
        if isinstance(left, Reward) and isinstance(right, Reward):
            raise ValueError(f"reward {text!r} multiplies two rewards: expected a number times a reward")
        return left * right  # type: ignore[operator]  # at most one of them is a reward
    if isinstance(left, Reward) != isinstance(right, Reward):
        raise ValueError(f"reward {text!r} adds a number to a reward: a constant teaches nothing; expected rewards")
    return left + right if isinstance(op, ast.Add) else left - right  # type: ignore[operator]  # both are of one kind


def _called(name: str, node: ast.Call, text: str) -> Reward:
    if any(word.arg is None for word in node.keywords):
        raise ValueError(f"reward {text!r}: ** is not understood; expected {name}(parameter=1)")
    factory = _PAID[name] if name in _PAID else _known(name, text)
    given = {word.arg: _parameter(word.value, text, _is_flag(factory, word.arg)) for word in node.keywords if word.arg}
    if name not in _PAID:
        if node.args:
            raise ValueError(f"reward {text!r}: parameters of {name} need their names, as in {name}(parameter=1)")
        return _call(factory, name, given, text)
    inner = _value(node.args[0], text) if len(node.args) == 1 else None
    if not isinstance(inner, Reward):
        raise ValueError(f"reward {text!r}: {name} expects one reward first, then named numbers")
    return _call(factory, name, {"inner": inner, **given}, text)


def _is_flag(factory: Callable[..., Reward], parameter: str) -> bool:
    """Whether a parameter is either True or False."""
    takes = inspect.signature(factory).parameters
    return parameter in takes and isinstance(takes[parameter].default, bool)


def _parameter(node: ast.expr, text: str, is_flag: bool) -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(f"reward {text!r}: parameter {ast.unparse(node)!r}: expected a number or quoted text") from error
    if is_flag and value.__class__ is not bool:
        raise ValueError(f"reward {text!r}: parameter {value!r}: expected True or False")
    if not is_flag and type(value) not in (int, float, str):
        raise ValueError(f"reward {text!r}: parameter {value!r}: expected a number or quoted text")
    return value


def _known(name: str, text: str) -> Factory:
    if name in _BUILT_IN:  # only this one is imported: a set's modules take time that other rewards needn't pay
        return _built_in(name)
    if name not in _REWARDS and name not in RULES:
        _load_built_in()  # for the rules in its modules
    known: dict[str, Factory] = {**RULES, **_REWARDS}
    if name not in known:
        usable = [*known, *_BUILT_IN]
        near = difflib.get_close_matches(name, [*usable, *_PAID], n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "see musicgym list rewards"
        inside = f" in {text!r}" if text.strip() != name else ""
        raise ValueError(f"unknown reward or rule {name!r}{inside}: {hint}")
    return known[name]


def _call(factory: Callable[..., Reward], name: str, given: dict[str, Any], text: str) -> Reward:
    try:
        made = factory(**given)
    except TypeError as error:
        reason = _refused(factory, name, given) or f"{name} does not take these parameters: {error}"
        raise ValueError(f"reward {text!r}: {reason}") from error
    if not isinstance(made, Reward):
        raise ValueError(f"reward {text!r}: {name} made a {type(made).__name__}: expected a Reward")
    return made


def _refused(factory: Callable[..., Reward], name: str, given: dict[str, Any]) -> str:
    """Which parameters are too many or missing; "" where it is something else."""
    takes = {p.name: p for p in inspect.signature(factory).parameters.values() if p.name != "inner"}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in takes.values())
    unknown = [] if takes_any else [word for word in given if word != "inner" and word not in takes]
    if unknown:
        word = unknown[0]
        own = f"it takes {', '.join(takes)}" if takes else f"{name} takes no parameters"
        of_rules = [f"--set {term}.{word}={given[word]}" for term in _terms_with(factory, word)] if name not in _PAID else []
        hint = f"; of its rules: {' or '.join(of_rules[:3])}" if of_rules else ""
        return f"{name} has no parameter {word!r}: {own}{hint}"
    missing = [word for word, p in takes.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD and word not in given]
    return f"{name} needs {' and '.join(missing)}, as in {name}(..., {missing[0]}=1)" if missing else ""


def _terms_with(factory: Callable[..., Reward], parameter: str) -> list[str]:
    """The terms of a set, as it is without parameters, whose rules have a parameter of this name."""
    from musicgym.rewards.settings import rule_sets

    try:
        made = factory()
    except (TypeError, ValueError):  # it needs some
        return []
    return [term for rules in rule_sets(made) for term, rule, _, _ in rules.entries if parameter in rule.parameters]
