"""Compiled code that outlives the process and is never stale.

Numba's own file cache looks only at the file of the function that it compiles: a helper edited in another
file would silently keep its old value. So what Python calls is compiled in a small generated module in the user's cache
folder, whose name hashes the source of every function and constant reached.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import inspect
import sys
import textwrap
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np

import musicgym
from musicgym.cache import cache_folder
from musicgym.files.atomic import replace_file

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile a function that runs inside a kernel: no allocation, no Python objects, no exceptions.

    Without reference counting a call costs what its work costs; with it, passing some 25 arrays along costs 50 atomic
    operations. `kernel(f).py_func` is the plain function.
    """
    made: F = numba.njit(nogil=True, _nrt=False, forceinline=True)(function)
    return made


def small_kernel(function: F) -> F:
    """As `kernel`, for functions of a few numbers that are called from many places: not copied into each."""
    made: F = numba.njit(nogil=True, _nrt=False)(function)
    return made


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The Python function behind a compiled one."""
    found: Callable[..., Any] = getattr(function, "py_func", function)
    return found


class Entry:
    """A compiled function that Python calls, written as `wrapper` around kernels; compiled when first called.

    `wrapper` may unpack handles and allocate; its globals must be importable functions and constants of its module.
    """

    def __init__(self, wrapper: Callable[..., Any]) -> None:
        self.wrapper = wrapper
        functools.update_wrapper(self, wrapper)

    @functools.cached_property
    def compiled(self) -> Callable[..., Any]:
        """The dispatcher; from the cache where the same sources have been compiled before."""
        function = self.wrapper
        names = [n for n in function.__code__.co_names if n in function.__globals__]
        imports = f"from {function.__module__} import {', '.join(names)}\n" if names else ""
        text = f"from numba import njit\n{imports}\n\n@njit(nogil=True, cache=CACHE)\n{_bare_source(function)}"
        module = load(function.__name__.strip("_"), text, [function, *(function.__globals__[n] for n in names)])
        made: Callable[..., Any] = getattr(module, function.__name__)
        return made

    def __call__(self, *args: Any) -> Any:
        return self.compiled(*args)


def load(name: str, text: str, reached: Iterable[Any], in_place: Mapping[str, Any] | None = None) -> types.ModuleType:
    """Import a generated module from the cache folder, written there first if it isn't there yet.

    Args:
        name: for people who look into the folder.
        text: the module's source; where it says CACHE stands whether Numba may cache it.
        reached: functions whose sources, with all that they reach, are hashed into the module's file name.
        in_place: names for the module's namespace; if given, the module is run in memory and not cached
            (functions of a notebook or of `__main__` cannot be imported by name in another process).
    """
    versions = f"{numba.__version__} {np.__version__} {musicgym.__version__} {sys.version_info[:2]}"
    key = hashlib.sha256("\n".join([versions, text, digest(reached)]).encode()).hexdigest()[:20]
    full_name = f"musicgym_{name}_{key}"
    if full_name in sys.modules and in_place is None:
        return sys.modules[full_name]
    path = None if in_place is not None else _written(full_name, text.replace("CACHE", "True"))
    if path is None:
        module = types.ModuleType(full_name)
        module.__dict__.update(in_place or {})
        source = compile(text.replace("CACHE", "False"), f"<{full_name}>", "exec")
        exec(source, module.__dict__)  # noqa: S102  # the text was made here, from the functions' own sources
        return module
    spec = importlib.util.spec_from_file_location(full_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[full_name] = module
    return module


def _written(name: str, text: str) -> Path | None:
    """The module's file, holding exactly `text`; None if the cache folder can't be written to."""
    folder = cache_folder() / "kernels"
    path = folder / f"{name}.py"
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return path
        folder.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        _warn_once(f"musicgym cannot write compiled code to {folder} ({error}) and compiles in every process: set MUSICGYM_CACHE")
        return None
    return path


@functools.cache
def _warn_once(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=4)


def digest(functions: Iterable[Any]) -> str:
    """A hash of the sources of functions and of all functions and constants that they reach, comments aside."""
    found: dict[str, str] = {}
    for function in functions:
        _reach(function, found)
    return hashlib.sha256("\n".join(f"{k}={found[k]}" for k in sorted(found)).encode()).hexdigest()


def _reach(value: Any, found: dict[str, str], label: str = "") -> None:
    value = plain(value)
    if isinstance(value, types.FunctionType):
        label = f"{value.__module__}.{value.__qualname__}"
        if value.__module__.split(".")[0] in ("numba", "numpy", "math") or label in found:
            return
        found[label] = _meaning(value)
        for name, inner in _globals_of(value):
            _reach(inner, found, f"{label}:{name}")
    elif isinstance(value, (bool, int, float, str, tuple, np.ndarray, np.generic)):
        found[label] = repr(value.tolist() if isinstance(value, np.ndarray) else value)
    elif isinstance(value, type) and hasattr(value, "_fields"):
        found[f"{value.__module__}.{value.__qualname__}"] = repr(value._fields)


def _globals_of(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Names and values that a function takes from outside: globals, attributes of modules, closures, defaults."""
    for code in _codes(function.__code__):
        for name in code.co_names:
            if name in function.__globals__:
                value = function.__globals__[name]
                if isinstance(value, types.ModuleType):
                    for inner in code.co_names:
                        if inner != name and hasattr(value, inner):
                            yield f"{name}.{inner}", getattr(value, inner)
                else:
                    yield name, value
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield name, cell.cell_contents
    yield "defaults", tuple(function.__defaults__ or ())
    yield "kwdefaults", tuple(sorted((function.__kwdefaults__ or {}).items()))


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _meaning(function: types.FunctionType) -> str:
    """A function's source without comments, layout, docstring and decorators; its byte code where there is no source."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, SyntaxError, TypeError):
        codes = _codes(function.__code__)
        return repr([(c.co_code, c.co_names, [k for k in c.co_consts if not hasattr(k, "co_code")]) for c in codes])
    if isinstance(tree, ast.FunctionDef):
        tree.decorator_list = []
        if ast.get_docstring(tree, clean=False) is not None:
            tree.body = tree.body[1:]
    return ast.dump(tree)


def _bare_source(function: Callable[..., Any]) -> str:
    """A function's source without decorators and annotations, ready to be put into a generated module."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    made = tree.body[0]
    assert isinstance(made, ast.FunctionDef)
    made.decorator_list = []
    made.returns = None
    for argument in [*made.args.args, *made.args.kwonlyargs]:
        argument.annotation = None
    return ast.unparse(tree) + "\n"
