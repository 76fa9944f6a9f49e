"""The bundled collections as cache files: built once from the installed music21, then loaded in milliseconds.

The four default collections are always built together, because families reach over all of them; the
Essen songs, asked for by name, are fitted to their families afterwards.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from musicgym.cache import cache_folder
from musicgym.corpus import families, keys, labels, readers
from musicgym.corpus.families import Families
from musicgym.files.atomic import replace_file
from musicgym.files.exact import Store, concatenate, pack, read_arrays, take

FORMAT = 3  # to be raised whenever what a cache file holds would change
DEFAULT = tuple(name for name, collection in readers.COLLECTIONS.items() if collection.default)


class Built(NamedTuple):
    """One collection as it lies in the cache."""

    store: Store
    tonic: np.ndarray  # int8 (M,): home key's tonic
    mode: np.ndarray  # int8 (M,): home key's mode
    family: np.ndarray  # int32 (M,): one numbering for all collections
    split: np.ndarray  # int8 (M,): index into families.SPLITS, -1 for none


# Collections built where the cache can't be written to, so that one process builds them once.
_in_memory: dict[str, Built] = {}


def load(name: str) -> Built:
    """A collection from the cache; built, and announced on stderr, where the cache doesn't have it.

    A file that is damaged, or that another version wrote, is built again with a warning. Files are renamed into place, so
    that nobody reads a half-written one; of several processes one builds and the others wait for it (where the system has
    no file locks all build, and the last wins with the same data). Where the cache can't be written to, the collection
    stays in memory, with one warning.

    Raises:
        ValueError: music21 or its corpus isn't installed.
    """
    path = _path(name)
    if str(path) in _in_memory:
        return _in_memory[str(path)]
    found = _from_file(path, warn=True)
    if found is None:
        names = DEFAULT if name in DEFAULT else (name,)
        known = [] if names == DEFAULT or name == "fux" else [load(default) for default in DEFAULT]
        with _one_at_a_time(path.parent):
            found = _from_file(path, warn=False)  # another process may just have built it
            if found is None:
                found = _build(names, known)[name]
    return found


def _from_file(path: Path, *, warn: bool) -> Built | None:
    """What the cache holds; None where that is nothing or of no use."""
    if not path.exists():
        return None
    try:
        return _read(path)
    except Exception as error:  # a spoilt archive raises nearly anything: flipped bytes gave nine classes of error
        if warn:
            warnings.warn(f"the corpus cache {path} cannot be used ({error}) and is built again", RuntimeWarning, stacklevel=4)
        return None


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other process is inside; the system ends the wait when that process dies. No wait without file locks."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            folder.mkdir(parents=True, exist_ok=True)
            fcntl.flock(stack.enter_context((folder / ".lock").open("w")), fcntl.LOCK_EX)
        yield


def _path(name: str) -> Path:
    return cache_folder() / "corpora" / f"{name}.npz"


@functools.cache
def _version() -> str:
    try:
        return f"{FORMAT}, music21 {importlib.metadata.version('music21')}"
    except importlib.metadata.PackageNotFoundError:
        return f"{FORMAT}, without music21"


def _read(path: Path) -> Built:
    arrays = read_arrays(path)
    version = str(arrays.pop("version"))
    if version != _version():
        raise ValueError(f"it was written by version {version}, this is {_version()}")
    store = Store(**{field: arrays.pop(field) for field in Store._fields})
    return Built(store, **arrays)


def _build(names: tuple[str, ...], known: list[Built]) -> dict[str, Built]:
    """Read, analyse and write collections; `known` ones have families that stay."""
    total = sum(readers.count(name) for name in names)
    folder = cache_folder() / "corpora"
    with tqdm(total=total + 2, desc=f"Building corpora ({', '.join(names)}) once, into {folder}", unit="file", leave=True) as bar:
        built = _with_families({name: _collection(name, lambda: _advance(bar)) for name in names}, known)
        bar.update()
        for name, collection in built.items():
            _write(_path(name), collection)
        bar.update()
    return built


def _advance(bar: tqdm) -> None:
    bar.update()


def _collection(name: str, advance: Callable[[], None]) -> tuple[Store, np.ndarray, np.ndarray]:
    """The pieces of a collection with their home keys."""
    store = pack(readers.read(name, advance))
    if name == "bach":
        heard, tonic, mode = keys.with_heard_keys(store)
        return labels.with_chords(heard), tonic, mode
    if name == "essen":  # its K: fields give the tonic, with a major signature whatever the mode
        return keys.with_heard_modes(store)
    first = store.keys[store.key_at[:-1]]
    return store, first[:, 1].astype(np.int8), first[:, 2].astype(np.int8)


def _with_families(collections: dict[str, tuple[Store, np.ndarray, np.ndarray]], known: list[Built]) -> dict[str, Built]:
    if "fux" in collections:
        return {"fux": Built(*collections["fux"], *families.of_fux(collections["fux"][0]))}
    everything = concatenate([store for store, _, _ in collections.values()])
    if known:
        old = concatenate([built.store for built in known])
        of_old = Families(np.concatenate([b.family for b in known]), np.concatenate([b.split for b in known]))
        found = families.join(old, of_old, everything)
    else:
        found = families.find(everything)
    ends = np.cumsum([store.pieces for store, _, _ in collections.values()])[:-1]
    parts = zip(np.split(found.family, ends), np.split(found.split, ends))
    return {name: Built(*data, *part) for (name, data), part in zip(collections.items(), parts)}


def _write(path: Path, built: Built) -> None:
    more = {field: getattr(built, field) for field in Built._fields if field != "store"}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as temporary:
            built.store.save(temporary, version=np.array(_version()), **more)
    except (OSError, ValueError) as error:
        _warn_once(f"musicgym cannot write corpora to {path.parent} ({error}) and keeps them in memory: set MUSICGYM_CACHE")
        _in_memory[str(path)] = built


@functools.cache
def _warn_once(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=6)


def together(parts: list[Built]) -> Built:
    """Collections one after another."""
    if len(parts) == 1:
        return parts[0]
    arrays = (np.concatenate([getattr(part, field) for part in parts]) for field in Built._fields[1:])
    return Built(concatenate([part.store for part in parts]), *arrays)


def chosen(built: Built, pieces: np.ndarray, voice: int | None = None) -> Built:
    """Some of the pieces, by index; only one of their voices where `voice` is given."""
    return Built(take(built.store, pieces, voice), *(getattr(built, field)[pieces] for field in Built._fields[1:]))
