"""The sections of a model's card: which ones are read anywhere, and what they have to be made of. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OBJECTS = ("corpus", "from", "training", "figures", "versions")
_TEXTS = (("corpus", "name"), ("corpus", "source"), ("from", "name"), ("training", "transpose"))
_UNITS, _COUNTS = ("slot", "piece"), ("pieces", "families")
_LARGEST = 1 << 53  # whole numbers beyond it are no float64


def check_sections(card: Mapping[str, Any]) -> None:
    """Whether a card's sections are such as readers of cards rely on; any of them, and any other, may be missing or null.

    Raises:
        ValueError: naming the section, and what it is expected to be.
    """
    for name in _OBJECTS:
        _check(name, card.get(name), dict, "an object")
    _check("text", card.get("text"), str, "text")
    for name, field in _TEXTS:
        _check(f"{name}.{field}", (card.get(name) or {}).get(field), str, "text")
    _check("training.finished", (card.get("training") or {}).get("finished"), bool, "true or false")
    corpora = (card.get("from") or {}).get("corpora")
    _check("from.corpora", corpora, list, "a list of names")
    for source in corpora or ():
        _check("from.corpora", source, str, "a list of names")
    for part, figures in (card.get("figures") or {}).items():
        _check_figures(f"figures.{part}", figures)


def _check_figures(name: str, figures: Any) -> None:
    """Those of one part of the split: numbers, and objects of numbers by unit."""
    if not isinstance(figures, dict):
        raise ValueError(f"{name}={figures!r:.60}: expected an object; correct the file, or get it anew")
    for field, value in figures.items():
        if field in _UNITS:
            _check(f"{name}.{field}", value, dict, "an object of numbers")
        if field in _COUNTS and isinstance(value, dict):
            raise ValueError(f"{name}.{field}={value!r:.60}: expected a number; correct the file, or get it anew")
        for unit, number in value.items() if isinstance(value, dict) else ((None, value),):
            place = f"{name}.{field}" + ("" if unit is None else f".{unit}")
            # Null is what files of strict JSON have in the place of nan.
            is_number = number.__class__ is float or (number.__class__ is int and abs(number) <= _LARGEST)
            if number is not None and not is_number:
                raise ValueError(f"{place}={number!r:.60}: expected a number; correct the file, or get it anew")


def _check(name: str, value: Any, kind: type, expected: str) -> None:
    if value is not None and not isinstance(value, kind):
        raise ValueError(f"{name}={value!r:.60}: expected {expected}; correct the file, or get it anew")
