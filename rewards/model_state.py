"""What a sequence model keeps of its rows, as arrays: copied, saved, and put back row by row, whatever the model is made of."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def has_rows(state: Any, rows: int) -> bool:
    """Whether a state is made of tensors alone, with so many rows first, in NamedTuples, dataclasses, tuples, lists or dicts."""
    import torch

    if isinstance(state, torch.Tensor):
        return state.ndim > 0 and len(state) == rows
    parts = _parts(state)
    return parts is not None and all(has_rows(part, rows) for part in parts)


def as_arrays(state: Any, rows: int) -> Any:
    """A copy of a state of so many rows, as nested lists of arrays.

    One that isn't made of tensors with rows first is copied by its own `take` and stays what it is.
    """
    import torch

    if isinstance(state, torch.Tensor):
        return state.detach().cpu().numpy().copy()
    if has_rows(state, rows):
        return [as_arrays(part, rows) for part in _parts(state) or []]
    return state.take(torch.arange(rows))


def from_arrays(like: Any, saved: Any, rows: int, device: torch.device) -> Any:
    """The state of so many rows that `as_arrays` copied. `like`: one of the same make, of one row."""
    import torch

    if isinstance(like, torch.Tensor):
        return torch.from_numpy(saved.copy()).to(device)
    if has_rows(like, 1):
        return _made(like, [from_arrays(part, one, rows, device) for part, one in zip(_parts(like) or [], saved, strict=True)])
    return saved.take(torch.arange(rows, device=device))


def of_a_shape(state: Any, other: Any) -> bool:
    """Whether rows of one state, which `has_rows`, could stand in another: not where one has had to make more room."""
    import torch

    if isinstance(state, torch.Tensor):
        return bool(state.shape[1:] == other.shape[1:] and state.dtype == other.dtype)
    return all(of_a_shape(one, two) for one, two in zip(_parts(state) or [], _parts(other) or [], strict=True))


def put_rows(state: Any, rows: torch.Tensor, part: Any) -> Any:
    """The state, which `has_rows`, with those of another in the places `rows`, int64 (R,). Its tensors are changed in place."""
    return _put(state, rows, part, set())


def _put(state: Any, rows: torch.Tensor, part: Any, changed: set[int]) -> Any:
    import torch

    if isinstance(state, torch.Tensor):
        # Rows that share one memory can't be changed in it, nor can two parts of a state that are the same tensor.
        state = state.clone() if state.data_ptr() in changed else state.contiguous()
        changed.add(state.data_ptr())
        return state.index_copy_(0, rows, part)
    both = zip(_parts(state) or [], _parts(part) or [], strict=True)
    return _made(state, [_put(one, rows, other, changed) for one, other in both])


def _parts(state: Any) -> list[Any] | None:
    """What a state is made of, None for what isn't made of parts."""
    if isinstance(state, dict):
        return list(state.values())
    if isinstance(state, (tuple, list)):
        return list(state)
    if dataclasses.is_dataclass(state):
        return [getattr(state, field.name) for field in dataclasses.fields(state)]
    return None


def _made(like: Any, parts: list[Any]) -> Any:
    if isinstance(like, dict):
        return dict(zip(like, parts, strict=True))
    if hasattr(like, "_fields"):
        return type(like)(*parts)
    if isinstance(like, (tuple, list)):
        return type(like)(parts)
    names = [field.name for field in dataclasses.fields(like)]
    return type(like)(**dict(zip(names, parts, strict=True)))
