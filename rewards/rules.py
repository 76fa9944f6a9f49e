"""`@rule`: one musical idea as a plain function of a piece and a site, written once for training, evaluation and analysis."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from musicgym.compiled import inlined, kernel
from musicgym.digest import digest
from musicgym.pieces import Piece, Pieces

if TYPE_CHECKING:
    from musicgym.rewards.reward import Rules

Sees = Literal["own", "lower", "all"]
At = Literal["any", "note", "chord", "bar", "end"]
About = Literal["here", "ended", "before", "bar", "piece"]
OWN, LOWER, ALL = 0, 1, 2  # which voices a rule looks at, as the kernels know it
_SEES_NAMES: tuple[Sees, ...] = ("own", "lower", "all")
_SEES = {name: i for i, name in enumerate(_SEES_NAMES)}
SITES: tuple[At, ...] = ("any", "note", "chord", "bar", "end")
ABOUTS: tuple[About, ...] = ("here", "ended", "before", "bar", "piece")
_ABOUT_AT: dict[At, About] = {"any": "here", "note": "here", "chord": "here", "bar": "bar", "end": "piece"}
_REACH = 32767  # a span for "to the end of the piece": pieces are shorter
_FIRST = ("piece", "voice", "step")

_OWN = (  # where this library's rules are
    "musicgym.rewards.chord_symbols",
    "musicgym.rewards.counterpoint",
    "musicgym.rewards.part_writing",
    "musicgym.rewards.performance",
    "musicgym.rewards.rl_tuner",
    "musicgym.rewards.theory",
)

RULES: dict[str, Rule] = {}


class Rule:
    """A rule: a function `(piece, voice, step, *, parameters) -> float` that judges what stands at one site.

    It looks at that site, at what stands earlier in time, and at voices with a lower number at the same step; where
    the site is blank it is not asked. A note's pitch is judged at its onset, its length where the next event
    begins or at the piece's last step. `piece` is a `musicgym.pieces.Piece`.

    Calling a rule gives a reward of it alone: `fixed_repeat(most=3)`. `RULES` holds every rule by name.

    Attributes:
        name: the function's name.
        parameters: names and default values.
        span: a site is not affected by slots more than so many steps before it.
        sees: OWN voice only, own and LOWER numbers, or ALL voices.
        at: the sites that it judges, one of `SITES`; everywhere else it is 0.
        within: parameter name -> lowest and highest value that makes sense; a parameter that isn't in it takes any number.
        about: what its marks stand on, one of `ABOUTS`; it changes nothing that is paid.
        function: the plain function: the oracle of the compiled one.
    """

    def __init__(
        self,
        function: Callable[..., float],
        span: int | None,
        sees: Sees,
        at: At = "any",
        within: Mapping[str, tuple[float, float]] | None = None,
        *,
        about: About | None = None,
    ) -> None:
        self.function = function
        self.name: str = function.__name__
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.parameters = _parameters(function, _FIRST)
        if span is not None and span < 0:
            raise ValueError(f"rule {self.name}: span={span}: expected 0 or more steps, or None")
        self.span = _REACH if span is None else span
        self.within = _bounds(self.name, {} if within is None else within)
        if unknown := sorted(set(self.within) - set(self.parameters)):
            raise ValueError(f"rule {self.name}: within={self.within}: it has no parameter {unknown[0]!r}")
        self._check(self.parameters)
        if sees not in _SEES:
            raise ValueError(f"rule {self.name}: sees={sees!r}: expected 'own', 'lower' or 'all'")
        self.sees = _SEES[sees]
        if at not in SITES:
            raise ValueError(f"rule {self.name}: at={at!r}: expected one of {', '.join(map(repr, SITES))}")
        self.at: At = at
        self.about: About = about or _ABOUT_AT[at]
        if self.about not in ABOUTS:
            raise ValueError(f"rule {self.name}: about={about!r}: expected one of {', '.join(map(repr, ABOUTS))}")
        self.compiled = inlined(_positional(function))
        function.__qualname__ = f"{self.name}.function"  # where pickle finds it: the module's own name is the rule's
        self.carry = 0
        self.compiled_carried: Callable[..., float] | None = None
        self.carried_function: Callable[..., float] | None = None

    def carried(self, size: int) -> Callable[[Callable[..., float]], Rule]:
        """Decorator for a cheaper form, `(piece, voice, step, carry, *, parameters)`, for pieces written forward in time.

        `carry` is float64 (size,), zeros when a piece begins and kept between its sites, a carry of its own for each voice.
        It is called in order at every site that the rule judges (`at`; holds too where that is "any"). The stateless form stays
        the oracle and serves everywhere else.
        """

        def decorate(function: Callable[..., float]) -> Rule:
            if _parameters(function, (*_FIRST, "carry")) != self.parameters:
                raise ValueError(f"rule {self.name}: its carried form must have the parameters {self.parameters}")
            self.carry = size
            self.carried_function = function
            self.compiled_carried = kernel(_positional(function))
            function.__qualname__ = f"{self.name}.carried_function"
            return self

        return decorate

    def values(self, given: dict[str, float]) -> tuple[float, ...]:
        """Parameter values in order.

        Raises:
            ValueError: a name that the rule doesn't have, a value that is no number, or one that isn't `within` its range.
        """
        for name, value in given.items():
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise ValueError(f"rule {self.name} has no parameter {name!r}: it has {known}")
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
                raise ValueError(f"rule {self.name}: {name}={value!r}: expected a finite number")
        self._check(given)
        return tuple(float(v) for v in {**self.parameters, **given}.values())

    def _check(self, given: Mapping[str, float]) -> None:
        for name, value in given.items():
            low, high = self.within.get(name, (-np.inf, np.inf))
            whole = isinstance(low, int) and isinstance(high, int)
            if not low <= value <= high or (whole and value != int(value)):
                kind = "a whole number, " if whole else ""
                raise ValueError(f"rule {self.name}: {name}={value:g}: expected {kind}{low:g}..{high:g}")

    def __call__(self, **parameters: float) -> Rules:
        """A reward of this rule alone, weight 1, with these parameters."""
        from musicgym.rewards.reward import Rules

        return Rules(self.name, [(self.name, self, self.values(parameters), 1.0)])

    @functools.cached_property
    def digest(self) -> str:
        """Of the function and all that it reaches, as they were when the rule was first used."""
        return digest([self.function])

    def __reduce__(self) -> str | tuple[Any, ...]:
        """By name where another process can import it, so that it is the same rule there; else (cloudpickle) by its functions."""
        if self.__module__ != "__main__" and getattr(sys.modules.get(self.__module__), self.name, None) is self:
            return str(self.name)
        kept = (self.function, self.span, self.sees, self.at, self.within, self.carry, self.carried_function, self.about)
        return _remade, kept

    def __repr__(self) -> str:
        return f"<rule {self.name}>"


def _remade(
    function: Callable[..., float],
    span: int,
    sees: int,
    at: At,
    within: dict[str, tuple[float, float]],
    carry: int,
    carried: Callable[..., float] | None,
    about: About,
) -> Rule:
    here = getattr(sys.modules.get(function.__module__), function.__name__, None)
    if isinstance(here, Rule) and here.function is function:
        return here
    made = Rule(function, span, _SEES_NAMES[sees], at, within, about=about)
    return made if carried is None else made.carried(carry)(carried)


@overload
def rule(function: Callable[..., float], /) -> Rule: ...
@overload
def rule(
    *,
    span: int | None = None,
    sees: Sees = "all",
    at: At = "any",
    within: Mapping[str, tuple[float, float]] | None = None,
    about: About | None = None,
) -> Callable[[Callable[..., float]], Rule]: ...
def rule(
    function: Callable[..., float] | None = None,
    /,
    *,
    span: int | None = None,
    sees: Sees = "all",
    at: At = "any",
    within: Mapping[str, tuple[float, float]] | None = None,
    about: About | None = None,
) -> Rule | Callable[[Callable[..., float]], Rule]:
    """Make a function a rule and register it under its name.

    Args:
        span: how many steps ahead of a slot a site can be and still see it; None, the default, for any number.
        sees: the voices that the rule looks at: "own", "lower" (own and lower numbers) or "all".
            Narrower is faster where pieces are not written forward in time; `musicgym.testing.check_reward` finds
            what was declared too narrow.
        at: the sites that the rule judges; elsewhere it must be 0. "note": where a note begins; "chord": the last of several
            voices, which sees all others; "bar": the last step of a bar; "end": the piece's last step; "any": all. Narrower is
            faster, and what is too narrow is found likewise.
        within: lowest and highest value of parameters, inclusive; two whole numbers (`int`) say that the parameter is one.
        about: what a value is about, for those who look at marks; what is paid where stays the same. "here": what stands at
            the site; "ended": the event (note or rest) that is over where the site's begins, or that sounds to the end;
            "before": the note before; "bar": the whole bar, or the last `bars` bars where the rule has a parameter of that name;
            "piece": all of it. By default "bar" for at="bar", "piece" for at="end", else "here".

    Raises:
        ValueError: the signature isn't `(piece, voice, step, *, parameters with number defaults)`, or another
            module has registered the name.
    """

    def decorate(function: Callable[..., float]) -> Rule:
        made = Rule(function, span, sees, at, within, about=about)
        if not made.__module__.startswith("musicgym.rewards"):
            for module in _OWN:  # a user's rule must not take a name that one of ours will want when it is first asked for
                import_module(module)
        known = RULES.get(made.name)
        if known is not None and known.__module__ != made.__module__:
            raise ValueError(f"rule {made.name!r} is already registered by {known.__module__}: choose another name")
        RULES[made.name] = made
        return made

    return decorate if function is None else decorate(function)


def _parameters(function: Callable[..., float], first: tuple[str, ...]) -> dict[str, float]:
    found = inspect.signature(function).parameters.values()
    leading = tuple(p.name for p in found if p.kind is not p.KEYWORD_ONLY)
    keywords = [p for p in found if p.kind is p.KEYWORD_ONLY]
    numbers = all(isinstance(p.default, (int, float)) and not isinstance(p.default, bool) for p in keywords)
    if leading != first or not numbers:
        raise ValueError(
            f"rule {function.__name__}{inspect.signature(function)}: expected ({', '.join(first)}, *, name=number, ...)"
        )
    return {p.name: float(p.default) for p in keywords}


def _bounds(name: str, within: Any) -> dict[str, tuple[float, float]]:
    """What a rule's parameters are within, checked."""
    fits = isinstance(within, Mapping) and all(
        isinstance(parameter, str)
        and isinstance(pair, (tuple, list))
        and len(pair) == 2
        and all(isinstance(bound, (int, float)) and not isinstance(bound, bool) for bound in pair)
        and pair[0] <= pair[1]  # not so with nan
        for parameter, pair in within.items()
    )
    if not fits:
        raise ValueError(f"rule {name}: within={within!r}: expected name -> (low, high), two numbers, low <= high")
    return {parameter: (low, high) for parameter, (low, high) in within.items()}


def _positional(function: Callable[..., float]) -> Callable[..., float]:
    """The function with its keyword-only parameters made positional: Numba knows no others."""
    code = function.__code__
    assert isinstance(function, types.FunctionType)
    count = code.co_argcount + code.co_kwonlyargcount
    defaults = tuple((function.__kwdefaults__ or {}).values())
    made = types.FunctionType(
        code.replace(co_argcount=count, co_kwonlyargcount=0),
        function.__globals__,
        function.__name__,
        defaults,
        function.__closure__,
    )
    made.__module__, made.__qualname__ = function.__module__, function.__qualname__
    return made


class Checked:
    """An array as an uncompiled rule should see it: int64, and an IndexError where compiled code would read elsewhere.

    NumPy's int8 wraps in arithmetic where compiled code widens, and both would count a negative index from the end.
    """

    def __init__(self, array: np.ndarray) -> None:
        self._array = array.astype(np.int64)
        self.shape = array.shape

    def __getitem__(self, index: Any) -> Any:
        for i, size in zip(index if isinstance(index, tuple) else (index,), self.shape, strict=False):
            if not 0 <= i < size:
                raise IndexError(f"index {index} is outside an array of shape {self.shape}")
        value = self._array[index]
        return Checked(value) if isinstance(value, np.ndarray) else int(value)


def checked_view(pieces: Pieces, row: int) -> Piece:
    """Piece `row` for an uncompiled rule (`rule.function`): its arrays widened and checked."""
    numbers: dict[str, Any] = {"length": int(pieces.length[row]), "quarter": float(pieces.quarter[row])}
    fields: dict[str, Any] = {name: Checked(getattr(pieces, name)[row]) for name in Piece._fields if name not in numbers}
    return Piece(**fields, **numbers)
