"""Digests of functions: what they compute, as a hash of their sources and of all functions and constants that they reach."""

from __future__ import annotations

import ast
import enum
import functools
import hashlib
import inspect
import re
import textwrap
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

_NUMBERED = re.compile(r"function \d+")
_FOREIGN = ("math", "numba", "numpy")  # named, not read: their versions stand for them


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The Python function behind a compiled one."""
    found: Callable[..., Any] = getattr(function, "py_func", function)
    return found


def digest(functions: Iterable[Any]) -> str:
    """A hash of the sources of functions and of all functions and constants that they reach; comments and docstrings aside.

    The same in every process. Two functions of one digest compute the same, and so they do when what they
    reach is imported from elsewhere.
    """
    return digest_of_all(functions)[0]


def digest_of_all(functions: Iterable[Any]) -> tuple[str, list[tuple[Any, str]]]:
    """As `digest`; and the compiled functions that are reached, callers first, each with what it reads itself, written down."""
    reader = _Reader()
    roots = [reader.text(function) for function in functions]
    own = [
        (kernel, _NUMBERED.sub("function", reader.lines[number]))
        for kernel, number in reader.kernels.values()
        if number is not None
    ]
    return hashlib.sha256("\n".join([*roots, *reader.lines]).encode()).hexdigest(), own


class _Reader:
    """Writes values down so that equal texts mean equal values. Functions are numbered in the order in which they are met."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.kernels: dict[int, tuple[Any, int | None]] = {}  # by id: a compiled function and the number of its plain one
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no id is used twice

    def text(self, value: Any) -> str:
        if hasattr(value, "py_func"):  # how it is compiled matters too: fastmath, boundscheck
            options = getattr(value, "targetoptions", {})
            self.kernels.setdefault(id(value), (value, None))
            function = self.text(value.py_func)
            self.kernels[id(value)] = value, self._numbers.get(id(value.py_func))
            return f"{function}{sorted((k, self.text(v)) for k, v in options.items())}"
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, np.ndarray):
            objects = [self.text(v) for v in value.flat] if value.dtype.hasobject else hashlib.sha256(value.tobytes()).hexdigest()
            return f"array {value.dtype} {value.shape} {objects}"
        if isinstance(value, enum.Enum):
            return f"{type(value).__qualname__}.{value.name}={self.text(value.value)}"
        if isinstance(value, (tuple, list)):
            return f"{type(value).__qualname__}{getattr(value, '_fields', '')}[{', '.join(map(self.text, value))}]"
        if isinstance(value, dict):
            return f"dict{[(self.text(k), self.text(v)) for k, v in value.items()]}"
        if isinstance(value, (set, frozenset)):
            return f"set{sorted(map(self.text, value))}"
        if isinstance(value, (bool, int, float, complex, str, bytes, np.generic, type(None), type(...))):
            return f"{type(value).__qualname__} {value!r}"
        if isinstance(value, type):
            members = (
                [self.text(member) for member in vars(value)["_member_map_"].values()] if isinstance(value, enum.EnumMeta) else ""
            )
            return f"{value.__qualname__}{getattr(value, '_fields', '')}{members}"
        return self._object(value)

    def _function(self, function: types.FunctionType) -> str:
        if function.__module__ and function.__module__.split(".")[0] in _FOREIGN:
            return f"{function.__module__}.{function.__qualname__}"
        if id(function) not in self._numbers:
            number = self._numbers[id(function)] = len(self.lines)
            self._kept.append(function)
            self.lines.append("")
            outside = "".join(f"\n {name}: {self.text(value)}" for name, value in _outside(function))
            self.lines[number] = f"{_meaning(function)}{outside}"
        return f"function {self._numbers[id(function)]}"

    def _object(self, value: Any) -> str:
        """An object of another kind: by its settings and what calling it does, where it can be called."""
        name = getattr(value, "__qualname__", getattr(value, "__name__", type(value).__qualname__))
        if isinstance(value, functools.partial):
            return f"partial({self.text(value.func)}, {self.text(value.args)}, {self.text(value.keywords)})"
        if isinstance(value, types.MethodType):
            return f"{self.text(value.__func__)} of {self.text(value.__self__)}"
        call = inspect.getattr_static(type(value), "__call__", None)
        if not isinstance(call, types.FunctionType) or id(value) in self._numbers:
            return str(name)
        self._numbers[id(value)] = -1
        self._kept.append(value)
        return f"{name}({self.text(vars(value) if hasattr(value, '__dict__') else None)}).{self.text(call)}"


def _outside(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Names and values that a function takes from outside: globals, attributes of modules, layouts, closures, defaults."""
    for code in _codes(function.__code__):
        for name in code.co_names:
            if name in function.__globals__:
                value = function.__globals__[name]
                yield from _of_module(name, value, code.co_names) if isinstance(value, types.ModuleType) else [(name, value)]
    for argument, kind in function.__annotations__.items():
        layout = function.__globals__.get(kind) if isinstance(kind, str) else kind
        if isinstance(layout, type) and hasattr(layout, "_fields"):
            yield argument, layout  # compiled code finds a field by its place
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            yield name, "empty"
    yield "defaults", function.__defaults__
    yield "kwdefaults", function.__kwdefaults__


def _of_module(path: str, module: types.ModuleType, names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """What a function that uses these names can mean by attributes of a module, or of a package's modules."""
    if module.__name__.split(".")[0] in _FOREIGN:
        return
    for name in names:
        value = getattr(module, name, None)
        if isinstance(value, types.ModuleType):
            if value.__name__.startswith(f"{module.__name__}."):
                yield from _of_module(f"{path}.{name}", value, names)
        elif value is not None:
            yield f"{path}.{name}", value


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


@functools.cache
def _meaning(function: types.FunctionType) -> str:
    """A function's source without comments, layout, docstring and decorators.

    Its byte code where there is no source, or where the file has been edited since the function was made: what is compiled
    is the function in memory.
    """
    made = _byte_code(function.__code__)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        if not isinstance(tree, ast.FunctionDef):
            return made
        tree.decorator_list = []
        modules = [name for name, value in function.__globals__.items() if isinstance(value, types.ModuleType)]
        imports = [ast.Import([ast.alias(name)]) for name in modules]  # calls of what is imported have a byte code of their own
        whole = compile(ast.fix_missing_locations(ast.Module([*imports, tree], [])), "", "exec", dont_inherit=True)
    except (OSError, SyntaxError, TypeError, ValueError, IndexError):
        return made
    if made not in [_byte_code(c) for c in whole.co_consts if isinstance(c, types.CodeType)]:
        return made
    if ast.get_docstring(tree, clean=False) is not None:
        tree.body = tree.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _byte_code(code: types.CodeType) -> str:
    parts = []
    for inner in _codes(code):
        doc = inner.co_consts[:1] if inner.co_consts and isinstance(inner.co_consts[0], str) else ()
        parts.append((inner.co_code, inner.co_names, inner.co_varnames, [_constant(c) for c in inner.co_consts[len(doc) :]]))
    return repr(parts)


def _constant(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(map(repr, value))
    return "code" if isinstance(value, types.CodeType) else repr(value)
