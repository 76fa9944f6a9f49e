"""Nested observations and infos: their rows, their arrays, and where two of them differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All values that are no container, with their places: `["reward_terms"]["key"]`."""
    if isinstance(tree, Mapping):
        for name, value in tree.items():
            yield from leaves(value, f"{path}[{name!r}]")
    elif isinstance(tree, (tuple, list)) or (isinstance(tree, np.ndarray) and tree.dtype == object):
        for i, value in enumerate(tree):
            yield from leaves(value, f"{path}[{i}]")
    else:
        yield path, tree


def row(tree: Any, i: int) -> Any:
    """What belongs to environment i in a batch of observations or values."""
    if isinstance(tree, Mapping):
        return {name: row(value, i) for name, value in tree.items()}
    if isinstance(tree, tuple):
        return tuple(row(value, i) for value in tree)
    return tree[i]


def info_row(infos: Mapping[str, Any], i: int) -> dict[str, Any]:
    """What a batch's infos say of environment i, by Gymnasium's `_`-prefixed masks, as a single environment's info."""
    found: dict[str, Any] = {}
    for name, value in infos.items():
        if name.startswith("_") or not _is_true_of(infos.get(f"_{name}"), i):
            continue
        found[name] = info_row(value, i) if isinstance(value, Mapping) else row(value, i)
    return found


def _is_true_of(mask: Any, i: int) -> bool:
    return mask is None or bool(mask[i])


def difference(left: Any, right: Any, path: str = "", *, strict: bool = True) -> str | None:
    """Where and how two trees differ, or None. Not strict: number types may differ, and `left` may hold more names."""
    if isinstance(left, Mapping) or isinstance(right, Mapping):
        if not isinstance(left, Mapping) or not isinstance(right, Mapping):
            return f"{path or 'value'}: {_short(left)} against {_short(right)}"
        missing = sorted(map(str, set(right) - set(left))) + (sorted(map(str, set(left) - set(right))) if strict else [])
        if missing:
            return f"{path}[{missing[0]!r}] is only there in one of them"
        pairs = [(left[name], right[name], f"{path}[{name!r}]") for name in right]
    elif isinstance(left, (tuple, list)) and isinstance(right, (tuple, list)):
        if len(left) != len(right):
            return f"{path}: {len(left)} entries against {len(right)}"
        pairs = [(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(left, right, strict=True))]
    else:
        return None if _same(left, right, strict) else f"{path or 'value'}: {_unlike(left, right)}"
    return next((found for a, b, at in pairs if (found := difference(a, b, at, strict=strict))), None)


def _same(left: Any, right: Any, strict: bool) -> bool:
    a, b = np.asarray(left), np.asarray(right)
    if a.shape != b.shape or (strict and a.dtype != b.dtype):
        return False
    if a.dtype.kind not in "fc":
        return bool(np.array_equal(a, b))
    return bool(np.array_equal(a, b.astype(a.dtype), equal_nan=True))


def _unlike(left: Any, right: Any) -> str:
    a, b = np.asarray(left), np.asarray(right)
    if a.shape != b.shape or a.dtype != b.dtype or a.ndim == 0:
        return f"{_short(left)} against {_short(right)}"
    at = tuple(int(k) for k in np.argwhere(a != b)[0])
    return f"{a[at]} against {b[at]} at index {at}"


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.ndim:
        return f"{value.dtype} {value.shape}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
