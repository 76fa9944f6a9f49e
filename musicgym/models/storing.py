"""Models on disk: NAME.safetensors holds what was learned, NAME.json what it belongs to. Reading them runs no code."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicgym import strict_json
from musicgym.files.atomic import replace_file
from musicgym.models.sections import check_sections
from musicgym.task import Task

if TYPE_CHECKING:
    import torch

    from musicgym.models.model import Model

FORMAT = 1  # to be raised whenever tokens, places or a kind of model would mean something else
SHIPPED = Path(__file__).resolve().parent / "weights"
KINDS = {  # name on disk -> module and class
    "discriminator": ("musicgym.models.discriminator", "Discriminator"),
    "lstm": ("musicgym.models.lstm", "LSTM"),
    "ngram": ("musicgym.models.ngram", "NGramModel"),
    "transformer": ("musicgym.models.transformer", "Transformer"),
    "vae": ("musicgym.models.vae", "VAE"),
}
_OWN = {"format": int, "kind": str, "name": str, "config": dict, "task": dict, "sha256": str}  # what `save` says by itself
_PICKLES = (b"PK\x03\x04", b"\x80", b"\x1f\x8b")  # torch.save's files, bare pickles, and both when packed with gzip


def kind_of(name: str) -> type[Model]:
    """The class of a kind of model. Raises ValueError for an unknown one."""
    if name not in KINDS:
        raise ValueError(f"kind of model {name!r:.60}: expected one of {', '.join(sorted(KINDS))}")
    module, attribute = KINDS[name]
    found: type[Model] = getattr(importlib.import_module(module), attribute)
    return found


def save(model: Model, path: str | Path, card: Mapping[str, Any] | None = None) -> Path:
    """Write a model: PATH.safetensors and PATH.json, whole or not at all. In a folder they have the model's name.

    Args:
        model: of a kind in `KINDS`.
        path: a folder that is there, or a name with or without either suffix.
        card: what else is known of the model, as JSON types: "corpus", "split", "figures" (numbers by part of the split and
            unit), "training", "text" (for people). Sections that are read anywhere are checked: `musicgym.models.sections`.

    Returns:
        The path of the JSON file.

    Raises:
        ValueError: a card with entries that `save` makes itself or sections of other types, a model of another kind, weights
            that are no finite numbers, or a folder that isn't there.

    Example:
        >>> from musicgym.models import LSTM, load
        >>> save(LSTM(Task(), "mine", units=8), "mine", {"corpus": {"name": "ryan"}}).name
        'mine.json'
        >>> load("./mine").card["corpus"]["name"]
        'ryan'
    """
    from safetensors.torch import save as packed

    from musicgym.models.checkpoint import fault

    if taken := sorted(set(card or {}) & set(_OWN)):
        raise ValueError(f"card: {', '.join(taken)} are written by save itself: expected other names")
    try:
        check_sections(card or {})
    except ValueError as error:
        raise ValueError(f"card: {error}") from error
    if kind_of(model.kind) is not type(model):
        raise ValueError(f"a {type(model).__name__} calls itself {model.kind!r}, the name of another class: give it its own kind")
    if Path(path).is_dir() and Path(model.name).name != model.name:
        raise ValueError(f"model.name={model.name!r} is no name of a file: give the path of a file instead of a folder")
    tensors = model.tensors()
    if broken := fault(tensors):
        raise ValueError(f"model {model.name!r}: {broken}, and no file of them could be loaded: train it anew")
    stem = Path(path) / model.name if Path(path).is_dir() else _stem(path)
    weights = packed({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    told = {
        "format": FORMAT,
        "kind": model.kind,
        "name": model.name,
        "config": model.config,
        "task": json.loads(model.task.to_json()),
        "sha256": hashlib.sha256(weights).hexdigest(),
        **(card or {}),
    }
    text = strict_json.dumps(told, indent=1) + "\n"
    with replace_file(_beside(stem, ".safetensors")) as one, replace_file(_beside(stem, ".json")) as other:
        one.write_bytes(weights)
        other.write_text(text, encoding="utf-8")
    return _beside(stem, ".json")


def shipped() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.json"))


def card_of(name: str | Path) -> dict[str, Any]:
    """What stands in a model's JSON file; its weights are not read.

    Args:
        name: of a model that comes with the package, or a path, as `load` takes it.

    Raises:
        ValueError: no such file, or one that `save` didn't write, with the section that can't be.
    """
    path = _beside(_found(name), ".json")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"no model {str(name)!r}: there is no {str(path)!r}; {_there_are()}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"model {str(path)!r} cannot be read ({_one_line(error)}): expected a file of musicgym.models.save"
        ) from error
    if not isinstance(card, dict) or any(not isinstance(card.get(key), kind) for key, kind in _OWN.items()):
        raise ValueError(
            f"model {str(path)!r}: expected an object with {', '.join(_OWN)}, as musicgym.models.save writes it; get it anew"
        )
    if card["format"].__class__ is not int or card["format"] != FORMAT:  # true is a number to Python, and equal to 1
        raise ValueError(
            f"model {str(path)!r} is of format {card['format']}, this version of musicgym reads format {FORMAT}: train it anew"
        )
    try:
        check_sections(card)
    except ValueError as error:
        raise ValueError(f"model {str(path)!r}: {error}") from error
    return card


def load(name: str | Path, task: Task | None = None, *, device: str | torch.device = "cpu") -> Model:
    """A model that `save` wrote; its JSON file is in its attribute `card`.

    Args:
        name: of a model that comes with the package, such as "melody-lstm"; or a path with or without a suffix. A file of the
            working folder that has the name of such a model is "./melody-lstm".
        task: one that the model has to read; None for any.
        device: where neural models go; an n-gram model stays on the CPU.

    Raises:
        ValueError: no such model; an unknown kind; weights that are altered, cut short, a pickle (which is never loaded), of
            another make, or no finite numbers; or a model that reads another task's tokens.
    """
    stem, card = _found(name), card_of(name)
    where = f"model {str(_beside(stem, '.json'))!r}"
    try:
        kind = kind_of(card["kind"])
        made = _made(kind, card)
        made.load_tensors(_weights(_beside(stem, ".safetensors"), card["sha256"]))
        if task is not None:
            made.check_reads(task)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    made.card = card
    if hasattr(made, "to"):
        made.to(device)
    return made


def _made(kind: type[Model], card: dict[str, Any]) -> Model:
    """A model of the card's make, without memory for its weights. Raises ValueError where there can be none."""
    import torch

    try:
        task = Task.from_json(json.dumps(card["task"]))
        with torch.device("meta"):  # whatever sizes are said, nothing is allocated before the weights are known to fit
            make: Any = kind  # its own arguments are the config's
            made: Model = make(task, card["name"], **card["config"])
            return made
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError, RuntimeError, RecursionError, MemoryError) as error:
        raise ValueError(f"its task or config makes no model ({_one_line(error)}); get the file anew") from error


def _weights(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file. Raises ValueError for another file than the one that was written."""
    from safetensors import SafetensorError
    from safetensors.torch import load as unpacked

    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"its weights cannot be read ({_one_line(error)}): expected {path.name!r} beside it") from error
    if data.startswith(_PICKLES) and data[8:9] != b"{":  # of safetensors, the first 8 bytes are a length and may be any
        raise ValueError(
            f"{path.name!r} is a pickle, as torch.save makes them, which could run any code and is never loaded: "
            "expected safetensors"
        )
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(
            f"{path.name!r} ({len(data):,} bytes) is not the file that was written with it: cut short, altered, or of another "
            "model; get both files anew"
        )
    try:
        tensors: dict[str, torch.Tensor] = unpacked(data)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path.name!r} is no safetensors file ({_one_line(error)}); get both files anew") from error
    return tensors


def _found(name: str | Path) -> Path:
    """The path without suffix that a name means."""
    return SHIPPED / name if isinstance(name, str) and name in shipped() else _stem(name)


def _stem(path: str | Path) -> Path:
    path, given = Path(path), path
    if not path.name:
        raise ValueError(f"no model {str(given)!r}: it names no file; {_there_are()}")
    return path.with_suffix("") if path.suffix in (".json", ".safetensors") else path


def _beside(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)


def _there_are() -> str:
    return f"with the package come {', '.join(shipped()) or 'none'}; or give the path of a file that musicgym.models.save wrote"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
