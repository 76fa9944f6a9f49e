"""Compiled code that outlives the process and is never stale.

Numba's own file cache looks only at the file of the function that it compiles: a helper edited in another
file would silently keep its old value. So what Python calls is compiled in a small generated module in the user's cache
folder, whose name hashes the source of every function and constant reached (`musicgym.digest`).
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import inspect
import os
import sys
import textwrap
import types
import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher

import musicgym
from musicgym.cache import cache_folder
from musicgym.digest import digest_of_all
from musicgym.files.atomic import replace_file

F = TypeVar("F", bound=Callable[..., Any])


_NO_COUNTS = {"nogil": True, "_nrt": False}


def kernel(function: F) -> F:
    """Compile a function that runs inside a kernel: no allocation, no Python objects, no exceptions.

    Without reference counting a call costs what its work costs; with it, passing some 25 arrays along costs 50 atomic
    operations. `kernel(f).py_func` is the plain function.
    """
    made: F = numba.njit(**_NO_COUNTS, forceinline=True)(function)
    return made


def inlined(function: F) -> F:
    """As `kernel`, put into its callers before they are compiled: the engine's own parts, which no one else calls.

    Half the time to compile where functions are nested deeply, more where one is called from many places.
    """
    made: F = numba.njit(**_NO_COUNTS, inline="always")(function)
    return made


def small_kernel(function: F) -> F:
    """As `kernel`, for functions of a few numbers that are called from many places: not copied into each."""
    made: F = numba.njit(**_NO_COUNTS)(function)
    return made


def hidden(function: F, *, inline: bool = False) -> F:
    """As `small_kernel` or, with `inline`, as `kernel`, for generated modules alone: a call from Python would crash the process.

    A way in from Python that unpacks some 25 arrays takes longer to compile than many a rule.
    """
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, **_NO_COUNTS}
    if inline:  # to Numba forceinline=False is no default: three times as slow
        options["forceinline"] = True
    made: F = numba.njit(**options)(function)
    return made


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
        text = f"from numba import njit\n{imports}\n\n@njit(nogil=True, cache=_CACHE_)\n{_bare_source(function)}"
        module = load(function.__name__.strip("_"), text, [function, *(function.__globals__[n] for n in names)])
        made: Callable[..., Any] = getattr(module, function.__name__)
        return made

    def __call__(self, *args: Any) -> Any:
        return self.compiled(*args)

    def __reduce__(self) -> str:
        return self.wrapper.__name__  # by name, as a function


def load(name: str, text: str, reached: Iterable[Any], in_place: Mapping[str, Any] | None = None) -> types.ModuleType:
    """Import a generated module from the cache folder, written there first if it isn't there yet.

    Args:
        name: for people who look into the folder.
        text: the module's source; where it says _CACHE_ stands whether Numba may cache it.
        reached: functions whose sources, with all that they reach, are hashed into the module's file name.
        in_place: names for the module's namespace; if given, the module is run in memory and not cached
            (functions of a notebook or of `__main__` cannot be imported by name in another process).
    """
    known, kernels = digest_of_all(reached)
    _renew(kernels)
    versions = f"{numba.__version__} {np.__version__} {musicgym.__version__} {sys.version_info[:2]}"
    key = hashlib.sha256("\n".join([versions, text, known]).encode()).hexdigest()[:20]
    full_name = f"musicgym_{name}_{key}"
    if full_name in sys.modules and in_place is None:
        return sys.modules[full_name]
    path = None if in_place is not None else _written(full_name, text)
    if path is not None:
        try:
            module = _run(full_name, text.replace("_CACHE_", "True"), str(path), {})
        except RuntimeError as error:  # the file is there, but Numba may write neither beside it nor in its own folder
            _warn_once(path.parent, str(error))
        else:
            entries = [f for f in vars(module).values() if isinstance(f, Dispatcher) and f.py_func.__module__ == full_name]
            for entry in entries:
                if isinstance(entry._cache, FunctionCache):
                    entry._cache = _RecoveringCache(entry.py_func)
            sys.modules[full_name] = module
            return module
    return _run(full_name, text.replace("_CACHE_", "False"), f"<{full_name}>", in_place or {})


_FROZEN: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()  # kernel -> what it read when it was first compiled


def _renew(kernels: list[tuple[Any, str]]) -> None:
    """Compile anew, helpers first, if a kernel was compiled when a constant that it reads had another value than now."""
    if any(_FROZEN.setdefault(kernel, read) != read for kernel, read in kernels if isinstance(kernel, Dispatcher)):
        for kernel, read in reversed(kernels):
            if isinstance(kernel, Dispatcher):
                _FROZEN[kernel] = read
                if kernel.signatures:
                    kernel.recompile()


def _run(name: str, text: str, file: str, names: Mapping[str, Any]) -> types.ModuleType:
    """A module out of a text that was made here, from the functions' own sources. What stands in the file is not run."""
    module = types.ModuleType(name)
    module.__dict__.update(names)
    exec(compile(text, file, "exec"), module.__dict__)  # noqa: S102  # made here, see above
    return module


class _RecoveringCache(FunctionCache):  # type: ignore[misc]  # numba has no types
    """Numba's file cache, but a file that can't be read (cut in half, overwritten) is as good as none, and saving may fail."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            found = super().load_overload(sig, target_context)
            # Two processes that save different signatures at once may leave one's code under the other's name.
            return found if found is None or tuple(found.signature.args) == tuple(sig) else None
        except Exception:  # pickle raises nearly anything on spoilt bytes; compiling anew mends it
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _warn_once(Path(self.cache_path), str(error))


def _written(name: str, text: str) -> Path | None:
    """The module's file, holding exactly `text`; None if the cache folder can't be written to."""
    folder = cache_folder() / "kernels"
    path = folder / f"{name}.py"
    content = text.replace("_CACHE_", "True").encode()
    try:
        if path.is_file() and path.read_bytes() == content:
            return path
        folder.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as temporary:
            temporary.write_bytes(content)
            # Numba drops what it compiled from a file with another time. The name says all that the file holds, and
            # processes that start at once all write it: let them agree.
            os.utime(temporary, (_TIME, _TIME))
        _announce(folder)
    except (OSError, ValueError) as error:
        _warn_once(folder, str(error))
        return None
    return path


@functools.cache
def _announce(folder: Path) -> None:
    """Say why the first start is slow; once a process, and only where something is compiled."""
    print(
        f"musicgym compiles what it needs, once, into {folder}: that takes 20 seconds or, with many rules, a minute or two",
        file=sys.stderr,
        flush=True,
    )


_TIME = 946684800  # the year 2000
_warned: set[Path] = set()


def _warn_once(folder: Path, reason: str) -> None:
    if folder not in _warned:
        _warned.add(folder)
        text = f"musicgym cannot keep compiled code in {folder} ({reason}) and compiles in every process: set MUSICGYM_CACHE"
        warnings.warn(text, RuntimeWarning, stacklevel=4)


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
