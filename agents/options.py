"""A task's options: from words such as `length=64` to a task."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

from musicgym.registration import registered
from musicgym.task import Task

_WORDS = {"none": None, "true": True, "false": False}


def parse_options(words: Iterable[str], flag: str = "--option") -> dict[str, Any]:
    """Options from words of the form name=value; `flag` is what messages call them.

    A value is a number, none, true, false or text. A list of them, with commas between, is a tuple: `given=0,` is one of one,
    `given=()` one of none.

    Raises:
        ValueError: a word of another form, a name that comes twice.

    Example:
        >>> parse_options(["length=64", "meter=3,4", "key=A minor"])
        {'length': 64, 'meter': (3, 4), 'key': 'A minor'}
    """
    found: dict[str, Any] = {}
    for word in words:
        name, sign, text = word.partition("=")
        name = name.strip()
        if not sign or not name.isidentifier():
            raise ValueError(f"{flag} {word!r}: expected name=value, such as length=64 or key='A minor'")
        if name in found:
            raise ValueError(f"{flag} {word!r}: {name} has a value already, {found[name]!r}; expected one")
        text = text.strip()
        listed = text[1:-1] if text.startswith("(") and text.endswith(")") else text
        parts = [_value(part.strip()) for part in listed.split(",") if part.strip()]
        found[name] = tuple(parts) if "," in text or listed != text else parts[0] if parts else ""
    return found


def make_task(id: str, options: dict[str, Any]) -> Task:
    """The registered task with these arguments.

    Raises:
        ValueError: an unknown task or option, with the nearest names; a value that the task doesn't take.
    """
    make = registered(id).make_task
    names = _option_names(make)
    for name in options:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names) or 'none'}"
            raise ValueError(f"task {id} has no option {name!r}: {hint}")
    try:
        made = make(**options)
    except TypeError as error:
        raise ValueError(f"task {id} with the options {options}: {error}") from error
    if not isinstance(made, Task):
        raise ValueError(f"task {id}: its function made a {type(made).__name__}: expected a musicgym.Task")
    return made


def _option_names(make: Callable[..., Task]) -> list[str]:
    """What a task's function takes; one that takes any name hands those to `Task`."""
    kinds = {name: parameter.kind for name, parameter in inspect.signature(make).parameters.items()}
    fields = [field.name for field in dataclasses.fields(Task)] if inspect.Parameter.VAR_KEYWORD in kinds.values() else []
    named = [
        name for name, kind in kinds.items() if kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    ]
    return list(dict.fromkeys([*named, *fields]))


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for number in (int, float):
        with contextlib.suppress(ValueError):
            found = number(text)
            if math.isfinite(found):
                return found
    return text
