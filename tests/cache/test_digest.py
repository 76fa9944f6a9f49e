"""Digests: equal where two functions compute the same, different where anything that they reach differs."""

from __future__ import annotations

import enum
import functools
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

from musicgym.digest import digest


def made(source: str, **names: Any) -> Any:
    """The function `f` of a source, with these globals."""
    space: dict[str, Any] = {"np": np, "numba": numba, **names}
    exec(source, space)
    return space["f"]


def module(**names: Any) -> types.ModuleType:
    found = types.ModuleType("constants")
    found.__dict__.update(names)
    return found


def scaled(k: float) -> Any:
    def inner(x: float) -> float:
        return k * x

    return inner


class Before(NamedTuple):
    pitch: int
    onset: int


class After(NamedTuple):
    onset: int
    pitch: int


After.__qualname__ = "Before"


class Loud(enum.IntEnum):
    FORTE = 1


class Soft(enum.IntEnum):
    FORTE = 2


Soft.__qualname__ = "Loud"
LONG = np.zeros(100_000)
OTHER_LONG = LONG.copy()
OTHER_LONG[50_000] = 1
USES_K = "def f(x): return x * K"


@pytest.mark.parametrize(
    ("source", "one", "other"),
    [
        (USES_K, {"K": 1}, {"K": 2}),
        (USES_K, {"K": 1}, {"K": 1.0}),
        (USES_K, {"K": True}, {"K": 1}),
        (USES_K, {"K": np.int8(1)}, {"K": np.int64(1)}),
        (USES_K, {"K": LONG}, {"K": OTHER_LONG}),
        (USES_K, {"K": LONG}, {"K": LONG.astype(np.float32)}),
        (USES_K, {"K": LONG}, {"K": LONG.reshape(10, -1)}),
        (USES_K, {"K": (1, (LONG, 2))}, {"K": (1, (OTHER_LONG, 2))}),
        (USES_K, {"K": {"a": LONG}}, {"K": {"a": OTHER_LONG}}),
        (USES_K, {"K": Before(1, 2)}, {"K": After(1, 2)}),
        ("def f(x): return K.FORTE * x", {"K": Loud}, {"K": Soft}),
        ("def f(x): return K(x)", {"K": scaled(1)}, {"K": scaled(2)}),
        ("def f(x): return K(x) - L(x)", {"K": scaled(1), "L": scaled(2)}, {"K": scaled(2), "L": scaled(1)}),
        ("def f(x): return K[0](x)", {"K": (scaled(1),)}, {"K": (scaled(2),)}),
        ("def f(x): return m.K * x", {"m": module(K=1)}, {"m": module(K=2)}),
        ("def f(x): return m.g(x)", {"m": module(g=scaled(1))}, {"m": module(g=scaled(2))}),
        ("def f(x, g=K): return g(x)", {"K": scaled(1)}, {"K": scaled(2)}),
        ("def f(x, *, k=K): return k * x", {"K": 1}, {"K": 2}),
        ("f = K", {"K": functools.partial(scaled(3), 1)}, {"K": functools.partial(scaled(3), 2)}),
        ("def f(x):\n  def g(y): return y * K\n  return g(x)", {"K": 1}, {"K": 2}),
        ("from __future__ import annotations\ndef f(p: K): return p.pitch", {"K": Before}, {"K": After}),
        ("f = numba.njit(fastmath=K)(g)", {"g": scaled(1), "K": False}, {"g": scaled(1), "K": True}),
    ],
)
def test_a_digest_tells_apart(source: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert digest([made(source, **one)]) != digest([made(source, **other)])
    assert digest([made(source, **one)]) == digest([made(source, **one)])


def test_modules_within_packages_are_looked_into() -> None:
    def package(k: float) -> types.ModuleType:
        outer, inner = types.ModuleType("outer"), types.ModuleType("outer.inner")
        outer.inner, inner.K = inner, k  # type: ignore[attr-defined]
        return outer

    source = "def f(x): return outer.inner.K * x"
    assert digest([made(source, outer=package(1))]) != digest([made(source, outer=package(2))])


def test_functions_on_one_line_are_told_apart() -> None:
    one, other = (lambda x: x + 1), (lambda x: x + 2)
    assert digest([one]) != digest([other])


def test_objects_that_are_called_are_told_apart_by_their_settings() -> None:
    class Decay:
        def __init__(self, rate: float) -> None:
            self.rate = rate

        def __call__(self, step: int) -> float:
            return self.rate**step

    assert digest([Decay(0.5)]) != digest([Decay(0.9)])
    assert digest([Decay(0.5)]) == digest([Decay(0.5)])
    assert digest([Decay(0.5).__call__]) != digest([Decay(0.9).__call__])


def test_functions_that_call_one_another_have_a_digest() -> None:
    source = "def f(x): return g(x - 1) if x else 0\ndef g(x): return f(x) + K"
    assert digest([made(source, K=1)]) != digest([made(source, K=2)])
    assert digest([made(source, K=1)]) == digest([made(source, K=1)])


def test_what_is_digested_is_the_function_in_memory_though_its_file_has_been_edited(tmp_path: Path) -> None:
    path = tmp_path / "edited.py"
    functions = []
    for text in ("def f(x):\n    return x + 1\n", "def f(x):\n    return x + 2\n"):
        path.write_text(text)
        space: dict[str, Any] = {}
        exec(compile(text, str(path), "exec"), space)
        functions.append(space["f"])
    assert digest(functions[:1]) != digest(functions[1:])


def test_a_digest_is_the_same_in_every_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from musicgym.digest import digest\n"
        "def f(x): return x in {'a', 'bc', 'def', 'ghij'} or G(x)\n"
        "def G(x, h=lambda y: y): return h(x), NAMES, TABLE\n"
        "NAMES, TABLE = frozenset({'a', 'bc', 'def'}), {'k': (f, 1.5)}\n"
        "print(digest([f]))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, script],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": seed},
        ).stdout
        for seed in "123"
    }
    assert len(found) == 1
