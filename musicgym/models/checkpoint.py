"""Checkpoints of training: all that it hangs on, in one safetensors file, so that it goes on as if it had never stopped.

Random draws are pure functions of the seed and the number of the update or epoch, so there is no random state to keep.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import torch
from safetensors.torch import save_file

from musicgym.files.atomic import replace_file
from musicgym.strict_json import dumps

NAME = "checkpoint.safetensors"
FORMAT = 1  # to be raised whenever what a checkpoint holds would change
_GROUPS = ("weights", "best", "mean", "square")


class Place(NamedTuple):
    """Where training stands, between two updates."""

    update: int = 0  # updates made
    epoch: int = 0
    batch: int = 0  # of the epoch, to be read next
    tokens: int = 0  # read so far
    seconds: float = 0.0  # spent so far
    nats: float = 0.0  # sum of the losses since the last evaluation
    updates: int = 0  # updates since the last evaluation
    best_nats: float = float("inf")  # a held-out slot
    best_update: int = 0
    stale: int = 0  # evaluations since the best one


class State(NamedTuple):
    """A checkpoint's tensors by their names in the model, and where training stood."""

    weights: dict[str, torch.Tensor]
    best: dict[str, torch.Tensor]  # those of the best evaluation; empty before the first
    mean: dict[str, torch.Tensor]  # AdamW's running mean of each weight's gradient; empty before the first update
    square: dict[str, torch.Tensor]  # and of its square
    place: Place


def fault(weights: dict[str, torch.Tensor]) -> str:
    """Which weights hold what is no finite number, in words; "" where all are sound, as those of a checkpoint must be."""
    broken = [name for name, tensor in weights.items() if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())]
    return f"the weights {broken[0]!r} are no finite numbers" if broken else ""


def write(folder: Path, state: State, settings: dict[str, Any]) -> None:
    """Write the folder's checkpoint, whole or not at all. Raises ValueError where the folder can't be written to."""
    tensors = {
        f"{group}.{name}": tensor.detach().contiguous().clone()
        for group in _GROUPS
        for name, tensor in getattr(state, group).items()
    }
    told = {"format": FORMAT, "place": state.place._asdict(), "settings": settings, "sha256": _digest(tensors)}
    with replace_file(folder / NAME) as temporary:
        save_file(tensors, temporary, {"checkpoint": dumps(told)})


def place_of(folder: Path) -> Place:
    """Where training stood; at its beginning where the folder has no checkpoint. Raises ValueError for one that can't be read."""
    return _read(folder)[0] if (folder / NAME).exists() else Place()


def read(folder: Path, settings: dict[str, Any]) -> State:
    """What `write` wrote.

    Raises:
        ValueError: there is no checkpoint, it is damaged or of another format, or belongs to other settings.
    """
    path = folder / NAME
    place, written, tensors = _read(folder)
    if written != json.loads(dumps(settings)):  # as JSON has it: tuples are lists there
        raise ValueError(
            f"checkpoint {str(path)!r} belongs to other settings, or other models, than it is to go on with: give those that it "
            "began with, or begin anew in another folder"
        )
    groups: dict[str, dict[str, torch.Tensor]] = {group: {} for group in _GROUPS}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        if group not in groups:
            raise ValueError(f"checkpoint {str(path)!r} holds {name!r}, which no checkpoint has: train anew")
        groups[group][rest] = tensor
    return State(**groups, place=place)


def _read(folder: Path) -> tuple[Place, Any, dict[str, torch.Tensor]]:
    """Place, settings and tensors."""
    path = folder / NAME
    try:
        with safetensors.safe_open(path, "pt") as file:
            told = json.loads((file.metadata() or {})["checkpoint"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
        if told["format"] != FORMAT:
            raise ValueError(f"it is of format {told['format']!r:.40}, this version of musicgym reads format {FORMAT}")
        if told["sha256"] != _digest(tensors):
            raise ValueError("its weights are not those that were written: they were altered")
        where: dict[str, Any] = {name: math.inf if value is None else value for name, value in told["place"].items()}
        place = Place(**where)
        if not all(isinstance(value, (int, float)) and value >= 0 for value in place):
            raise ValueError(f"it says that training stood at {place}")
        return place, told["settings"], tensors
    except (OSError, AttributeError, KeyError, TypeError, ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise ValueError(
            f"checkpoint {str(path)!r} cannot be read ({' '.join(str(error).split())}): expected a file that musicgym model "
            "train wrote; train anew under another --name"
        ) from error


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    found = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode() + tensor.cpu().numpy().tobytes())
    return found.hexdigest()
