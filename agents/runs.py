"""A run's folder: settings, figures as they come, and who is writing there.

runs/melody-1/
    config.json      the settings, the reward's expression and fingerprint, versions
    metrics.jsonl    a line for each rollout
    checkpoint.npz   what `--resume` goes on from, and what `load_agent` reads
    tensorboard/     the same figures for TensorBoard
    agent.zip        the agent as SB3 saves it; SB3 runs code from such files, so open only your own
    pieces/          eight pieces as MIDI, MusicXML and WAV; pieces.png shows them
    report.html      curves, table, pieces to hear, with what each rule says of them: one file for all seeds
    table.md, .json  what the agent, random play and real tunes earn, by term; written last
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from musicgym import __version__
from musicgym.agents.settings import Settings
from musicgym.files.atomic import replace_file
from musicgym.strict_json import dumps

CONFIG, METRICS, CHECKPOINT, AGENT, TABLE = "config.json", "metrics.jsonl", "checkpoint.npz", "agent.zip", "table.json"
REPORT = "report.html"
_VERSIONS = ("gymnasium", "numba", "numpy", "sb3-contrib", "stable-baselines3", "torch")


class Run:
    """The folder of one run, an existing one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def finished(self) -> bool:
        """Whether the run's last file is written."""
        return (self.folder / TABLE).exists()

    def config(self) -> dict[str, Any]:
        """What config.json holds. Raises ValueError if it isn't there, can't be read or isn't what `begin` writes."""
        path = self.folder / CONFIG
        try:
            found = _checked(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(
                f"{str(path)!r} cannot be read ({error}): expected the folder of a training run; put the file back as "
                "musicgym train wrote it, or train anew"
            ) from error
        return found

    def begin(self, settings: Settings, reward: str, fingerprint: str, seeds: list[int]) -> None:
        """Write config.json."""
        versions = {name: importlib.metadata.version(name) for name in _VERSIONS}
        config = {
            "settings": settings.to_dict(),
            "seeds": seeds,
            "reward": {"expression": reward, "fingerprint": fingerprint},
            "versions": {"musicgym": __version__, "python": platform.python_version(), **versions},
        }
        write_json(self.folder / CONFIG, config)

    def note(self, record: dict[str, Any]) -> None:
        """Add a line to metrics.jsonl."""
        with (self.folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(dumps(record) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """All whole lines of metrics.jsonl: a kill can leave half a line at the end.

        A "return" is None where the rollout finished no piece.
        """
        path = self.folder / METRICS
        records = []
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
            with contextlib.suppress(ValueError, RecursionError):
                records.append(json.loads(line))
        return [record for record in records if _is_record(record)]

    def go_back(self, step: int) -> None:
        """Forget what came after `step`, and the temporary files of a process that was killed."""
        kept = [record for record in self.metrics() if record["step"] <= step]
        with replace_file(self.folder / METRICS) as temporary:
            temporary.write_text("".join(dumps(record) + "\n" for record in kept), encoding="utf-8")
        for left in [*self.folder.glob(".*.npz"), *self.folder.glob(".*.zip"), *self.folder.glob(".*.json")]:
            left.unlink(missing_ok=True)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing here; a kill lifts it.

        Raises:
            ValueError: another process is at work here, or the folder can't be written to.
        """
        try:
            import fcntl
        except ImportError:  # Windows: nobody is kept out
            yield
            return
        try:
            handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise ValueError(f"cannot write to {str(self.folder)!r}: {error}; choose another folder with --out") from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ValueError(f"another process is training in {str(self.folder)!r}: let it finish or end it first") from error
            yield
        finally:
            os.close(handle)


def _checked(found: Any) -> dict[str, Any]:
    """What config.json must hold, its settings as `Settings`. Raises ValueError naming what is missing or of another type."""
    if not isinstance(found, dict):
        raise ValueError(f"it holds a {type(found).__name__}, not an object")
    if missing := [name for name in ("settings", "seeds", "reward", "versions") if name not in found]:
        raise ValueError(f"it has no {missing[0]!r}")
    seeds, reward, versions = found["seeds"], found["reward"], found["versions"]
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int and 0 <= seed < 1 << 32 for seed in seeds):
        raise ValueError(f"seeds={seeds!r}: expected a list of whole numbers, 0..{(1 << 32) - 1}")
    if not isinstance(reward, dict) or not all(isinstance(reward.get(name), str) for name in ("expression", "fingerprint")):
        raise ValueError(f"reward={reward!r}: expected an object with the texts 'expression' and 'fingerprint'")
    if not isinstance(versions, dict):
        raise ValueError(f"versions={versions!r}: expected an object")
    return {**found, "settings": Settings.from_dict(found["settings"])}


def _is_record(record: Any) -> bool:
    return isinstance(record, dict) and isinstance(record.get("step"), int) and isinstance(record.get("terms", {}), dict)


def new_run(out: Path, name: str | None, task: str) -> Run:
    """A new folder for a run: `name`, or the task's name and the next number that is free.

    Raises:
        ValueError: the name is taken or no file name, or the folder can't be made.
    """
    if name is not None:
        return Run(_make(out, name))
    stem = re.sub(r"-v\d+$", "", task.rpartition("/")[2]).lower()
    return Run(new_folder(out, stem))


def new_folder(out: Path, stem: str) -> Path:
    """A new folder in `out`: `stem` and the next number that is free. Raises ValueError if it can't be made."""
    number = 1 + max((int(m[1]) for path in out.glob(f"{stem}-*") if (m := re.fullmatch(rf"{stem}-(\d+)", path.name))), default=0)
    while (out / f"{stem}-{number}").exists():
        number += 1
    return _make(out, f"{stem}-{number}")


def made_folder(out: Path) -> Path:
    """The folder that a user named for what is new, made if it isn't there. Raises ValueError as `check_new` does."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"cannot make {str(out)!r}: {error}; choose another folder with --out") from error
    check_new(out)
    return out


def check_new(out: Path) -> None:
    """Refuse a folder with something in it, and what is no folder."""
    try:
        taken = out.exists() and next(out.iterdir(), None) is not None
    except OSError as error:
        raise ValueError(f"cannot write to {str(out)!r}: {error}; choose another folder with --out") from error
    if taken:
        raise ValueError(f"{str(out)!r} is not empty: choose a new folder with --out")


def part(run: Run, name: str) -> Run:
    """A run within a run: one seed of several. The folder is made if it isn't there."""
    (run.folder / name).mkdir(exist_ok=True)
    return Run(run.folder / name)


def check_name(name: str) -> None:
    """Raise ValueError for what cannot be a run's name."""
    if not re.fullmatch(r"[\w.+-]+", name) or name.startswith("."):
        raise ValueError(f"run name {name!r}: expected letters, digits, '-', '_', '+' and '.', not first")


def _make(out: Path, name: str) -> Path:
    check_name(name)
    folder = out / name
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        if not folder.exists():
            raise ValueError(f"cannot make {str(folder)!r}: {error}; choose another folder with --out") from error
        raise ValueError(f"{str(folder)!r} is there already: choose another --name, or go on with it by --resume") from error
    except OSError as error:
        raise ValueError(f"cannot make {str(folder)!r}: {error}; choose another folder with --out") from error
    return folder


def found_run(out: Path, name: str | None, *, learned: bool = False) -> Run:
    """A run that is there: by name, or the one that was written to last, of those with a checkpoint if `learned`.

    Raises:
        ValueError: there is none.
    """
    there = sorted((path for path in out.glob("*/") if (path / CONFIG).exists()), key=_last_written)
    if name is not None:
        if not (out / name / CONFIG).exists():
            known = ", ".join(path.name for path in there) or "none"
            raise ValueError(f"there is no run {name!r} in {str(out)!r} (there are: {known})")
        return Run(out / name)
    if not there:
        raise ValueError(f"there is no run in {str(out)!r}: start one by musicgym train, without --resume")
    if learned:
        there = [path for path in there if (path / CHECKPOINT).exists() or any(path.glob(f"seed-*/{CHECKPOINT}"))]
        if not there:
            raise ValueError(
                f"no run in {str(out)!r} has a {CHECKPOINT} yet: musicgym train, or musicgym train --resume, makes one"
            )
    return Run(there[-1])


def _last_written(folder: Path) -> float:
    return max(path.stat().st_mtime for path in [folder, *folder.glob("*"), *folder.glob("*/*")])


def write_json(path: Path, value: Any) -> None:
    """Write JSON, whole or not at all; null for what is no finite number."""
    with replace_file(path) as temporary:
        temporary.write_text(dumps(value, indent=2) + "\n", encoding="utf-8")
