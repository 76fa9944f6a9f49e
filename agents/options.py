"""A task's options: from words such as `length=64` to a task."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
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
    try:
        return registered(id).make(**options)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for number in (int, float):
        with contextlib.suppress(ValueError):
            found = number(text)
            if math.isfinite(found):
                return found
    return text
