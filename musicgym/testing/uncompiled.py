"""Rules without Numba: the plain Python that a compiled rule is held against."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from musicgym.score import BLANK

if TYPE_CHECKING:
    from musicgym.pieces import Pieces
    from musicgym.rewards.rules import Rule

# Functions whose last bit may differ between the C library that NumPy calls and the one that compiled code does.
_INEXACT = {"exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "pow", "power", "sin", "cos", "tan", "tanh", "sinh", "cosh"}


@functools.cache
def uncompiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with every compiled function that it reaches replaced by the Python that was compiled."""
    made: Callable[..., Any] = _plain(function, {})
    return made


@functools.cache
def is_exact(function: Callable[..., Any]) -> bool:
    """Whether the function and all that it reaches keep to arithmetic that is the same everywhere, bit for bit."""
    reached: dict[int, Any] = {}
    _plain(function, reached)
    return not any(_INEXACT & set(f.__code__.co_names) for f in reached.values() if isinstance(f, types.FunctionType))


def _plain(value: Any, known: dict[int, Any]) -> Any:
    function = getattr(value, "py_func", value)
    if isinstance(function, types.ModuleType):
        return _Module(function, known)
    if not isinstance(function, types.FunctionType) or function.__module__.split(".")[0] in ("numpy", "math", "numba"):
        return value
    if id(function) not in known:
        names = dict(function.__globals__)
        made = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
        made.__kwdefaults__ = function.__kwdefaults__
        known[id(function)] = made
        for name in function.__code__.co_names:
            if name in names:
                names[name] = _plain(names[name], known)
    return known[id(function)]


class _Module:
    """A module whose compiled functions are seen as plain ones."""

    def __init__(self, module: types.ModuleType, known: dict[int, Any]) -> None:
        self._module, self._known = module, known

    def __getattr__(self, name: str) -> Any:
        return _plain(getattr(self._module, name), self._known)


def judge_plainly(rule: Rule, values: tuple[float, ...], pieces: Pieces, row: int, sites: np.ndarray | None = None) -> np.ndarray:
    """float64 (voices, steps): what the uncompiled rule says of the written sites of a piece, or of some, bool (voices, steps).

    Raises AssertionError where it reads outside the piece or fails, naming the site.
    """
    from musicgym.rewards.rules import checked_view

    judge, parameters = uncompiled(rule.function), dict(zip(rule.parameters, values, strict=True))
    piece = checked_view(pieces, row)
    stands = pieces.pitch[row] != BLANK
    found = np.zeros(stands.shape)
    with np.errstate(all="ignore"):
        for voice, step in np.argwhere(stands if sites is None else stands & sites).tolist():
            where = f"at voice {voice}, step {step}"
            try:
                found[voice, step] = judge(piece, voice, step, **parameters)
            except IndexError as error:
                raise AssertionError(f"rule {rule.name} reads outside the piece {where}: {error}") from error
            except Exception as error:  # users' rules may raise anything; it is named
                text = f"rule {rule.name} fails uncompiled {where}: {type(error).__name__}: {error}"
                raise AssertionError(text) from error
    return found
