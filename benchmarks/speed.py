"""How fast the environments are, beside others on the same machine in the same minutes: `musicgym bench speed`.

Each part returns plain data, so the whole is JSON. Rates are steps of all pieces together in a second.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym

import musicgym
from musicgym.benchmarks import speed_players as players
from musicgym.benchmarks.learning_share import learning_share
from musicgym.benchmarks.startup import startup
from musicgym.benchmarks.timing import Candidate, Timing, side_by_side

REWARDS = {"rl_tuner": "rl_tuner", "rl_tuner fixed": "rl_tuner(form='fixed')", "one rule": "rl_tuner.key", "theory": "theory"}
OBSERVATIONS = ("tokens", "onehot")
ACTIONS = ("uniform", "corpus")
CHORALES: dict[str, tuple[int, ...]] = {"all voices": (), "soprano given": (0,)}
WORTH_THREADS = 8192  # below this musicgym keeps to one thread


class Effort(NamedTuple):
    """How much is measured."""

    pieces: tuple[int, ...] = (1, 64, 1024, 8192, 65_536)
    rounds: int = 7
    seconds: float = 0.1  # a turn
    processes: int = 5
    files: int = 500
    learn_steps: int = 100_000
    empty_cache: bool = True


QUICK = Effort((1, 64), rounds=2, seconds=0.005, processes=1, files=20, learn_steps=2048, empty_cache=False)
Note = Callable[[str], None]


def measure(effort: Effort, parts: tuple[str, ...] = (), note: Note = lambda text: None) -> dict[str, Any]:
    """Measure all parts, or some of `PARTS`. `note` is told what is being measured.

    Raises:
        ValueError: a part that isn't there.
    """
    for part in parts:
        if part not in PARTS:
            raise ValueError(f"part {part!r}: expected some of {', '.join(PARTS)}")
    began, loads = time.strftime("%Y-%m-%dT%H:%M:%S%z"), [os.getloadavg()[0]]
    found: dict[str, Any] = {}
    try:
        for part in parts or tuple(PARTS):
            note(part)
            found[part] = PARTS[part](effort, note)
    finally:
        musicgym.set_threads(1)
    loads.append(os.getloadavg()[0])
    return {"began": began, "machine": {**machine(), "load_average": loads}, "effort": effort._asdict(), **found}


def machine() -> dict[str, Any]:
    """What the figures hang on."""
    versions = {}
    for name in ("musicgym", "numpy", "numba", "gymnasium", "envpool", "stable-baselines3", "torch"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = musicgym.__version__ if name == "musicgym" else ""
    model = next((line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "")
    return {
        "processor": model or platform.processor(),
        "cores": cores(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def batches(effort: Effort, note: Note) -> list[dict[str, Any]]:
    """Steps a second for every number of pieces, reward, observation, kind of actions and number of threads, and of the peers."""
    rows: list[dict[str, Any]] = []
    for pieces in effort.pieces:
        note(f"batches of {pieces}")
        rows += _batches_of(pieces, effort)
    return rows


def _batches_of(pieces: int, effort: Effort) -> list[dict[str, Any]]:
    actions = {"uniform": players.uniform_actions(pieces), "corpus": players.corpus_actions(pieces)}
    what: dict[str, dict[str, Any]] = {}
    candidates: dict[str, Candidate] = {}

    def enter(player: players.Player, **fields: Any) -> None:
        name = str(fields)
        what[name], candidates[name] = {"pieces": pieces, **fields}, Candidate(player, pieces)

    threads_tried = sorted({1, cores()}) if pieces >= WORTH_THREADS else [1]
    enter(players.cart_poles(pieces), environment="CartPoleVectorEnv", threads=1)
    for threads in threads_tried:
        pool = players.pooled_cart_poles(pieces, threads)
        if pool is not None:
            enter(pool, environment="EnvPool CartPole-v1", threads=threads)
    for reward, observation, kind in product(REWARDS, OBSERVATIONS, ACTIONS):
        player = players.composing(pieces, REWARDS[reward], observation, actions[kind])
        for threads in threads_tried:
            fields = {"reward": reward, "observation": observation, "actions": kind}
            enter(player.on(threads), environment="musicgym", threads=threads, **fields)
    timings = side_by_side(candidates, rounds=effort.rounds, seconds=effort.seconds)
    return [{**what[name], **_rate(timing), **_ratios(what[name], timing, what, timings)} for name, timing in timings.items()]


def _rate(timing: Timing) -> dict[str, float]:
    return {"steps_per_second": 1 / timing.median, "best": 1 / timing.best}


def _ratios(row: dict[str, Any], timing: Timing, what: dict[str, dict[str, Any]], timings: dict[str, Timing]) -> dict[str, float]:
    """How many times a peer's rate, and how many times the rate of the same on one thread."""
    ratios = {}
    for name, other in what.items():
        if row["environment"] == "musicgym" != other["environment"] and other["threads"] == row["threads"]:
            ratios[f"times_{other['environment'].partition(' ')[0]}"] = timing.times_faster_than(timings[name])
        if other["threads"] == 1 < row["threads"] and {**other, "threads": row["threads"]} == row:
            ratios["times_one_thread"] = timing.times_faster_than(timings[name])
    return ratios


def single(effort: Effort, note: Note) -> dict[str, Any]:
    """Microseconds a step of one piece, its resets included, without Gymnasium's wrappers."""
    batch = players.composing(1, players.REWARD, "tokens", players.uniform_actions(1))
    candidates = {
        "ComposeEnv, tokens": Candidate(players.single_melody("tokens")),
        "ComposeEnv, onehot": Candidate(players.single_melody("onehot")),
        "ComposeVectorEnv of 1, tokens": Candidate(batch),
        "CartPole-v1": Candidate(players.Single(gym.make("CartPole-v1"))),
    }
    timings = side_by_side(candidates, rounds=effort.rounds, seconds=effort.seconds)
    return {
        name: {
            "microseconds": 1e6 * found.median,
            "best": 1e6 * found.best,
            "times_CartPole": found.times_faster_than(timings["CartPole-v1"]),
        }
        for name, found in timings.items()
    }


def slots(effort: Effort, note: Note) -> dict[str, Any]:
    """Nanoseconds a slot in long pieces and in short ones, 1,024 at a time: a rule that looks back too far shows here."""
    pieces = min(1024, effort.pieces[-1])
    found: dict[str, Any] = {"pieces": pieces}
    for observation in OBSERVATIONS:
        candidates = {}
        for length in (32, 256):
            player = players.composing(pieces, players.REWARD, observation, players.uniform_actions(pieces), length=length)
            candidates[str(length)] = Candidate(player, pieces)
        timings = side_by_side(candidates, rounds=effort.rounds, seconds=effort.seconds)
        found[observation] = {
            **{f"nanoseconds_at_{length}": 1e9 * timing.median for length, timing in timings.items()},
            "ratio": timings["32"].times_faster_than(timings["256"]),
        }
    return found


def chorales(effort: Effort, note: Note) -> dict[str, Any]:
    """Slots a second of four-bar chorales under `part_writing`: tokens, 8,192 pieces at most, one thread."""
    pieces = min(WORTH_THREADS, effort.pieces[-1])
    candidates = {name: Candidate(players.chorales(pieces, given), pieces) for name, given in CHORALES.items()}
    timings = side_by_side(candidates, rounds=effort.rounds, seconds=effort.seconds)
    rates = {name: {"slots_per_second": 1 / found.median, "best": 1 / found.best} for name, found in timings.items()}
    return {"pieces": pieces, **rates}


def files(effort: Effort, note: Note) -> dict[str, Any]:
    """MIDI files written in a second, to a folder and to memory; and what the folder takes where the bytes are there already.

    The folder is in memory where the machine has such a one: a disk may take longer for an empty file than this for a tune.
    """
    from musicgym.files import midi

    scores = players.melodies(effort.files)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        paths = [Path(folder) / f"{number}.mid" for number in range(len(scores))]

        def to_folder(times: int) -> None:
            for _ in range(times):
                for score, path in zip(scores, paths, strict=True):
                    score.to_midi(path)

        def to_memory(times: int) -> None:
            for _ in range(times):
                for score in scores:
                    midi.to_bytes(score)

        contents = [midi.to_bytes(score) for score in scores]

        def bytes_alone(times: int) -> None:
            for _ in range(times):
                for content, path in zip(contents, paths, strict=True):
                    path.write_bytes(content)

        ways = {"to_folder": to_folder, "to_memory": to_memory, "ready_bytes_to_folder": bytes_alone}
        candidates = {name: Candidate(way, len(scores)) for name, way in ways.items()}
        timings = side_by_side(candidates, rounds=effort.rounds, seconds=effort.seconds)
    return {name: {"files_per_second": 1 / found.median, "best": 1 / found.best} for name, found in timings.items()}


def corpora(effort: Effort, note: Note) -> dict[str, Any]:
    """Milliseconds to load each collection that comes with music21, once built."""
    from musicgym import corpus

    def loading(name: str) -> Callable[[int], object]:
        return lambda times: [corpus.load(name) for _ in range(times)]

    names = [name for name in corpus.names() if name != "essen"]  # that one is built on request alone
    timings = side_by_side({name: Candidate(loading(name)) for name in names}, rounds=effort.rounds, seconds=effort.seconds)
    return {name: {"milliseconds": 1e3 * found.median, "best": 1e3 * found.best} for name, found in timings.items()}


def starting(effort: Effort, note: Note) -> dict[str, Any]:
    """Seconds from a user's command to the first step."""
    return startup(effort.processes, with_empty_cache=effort.empty_cache)


def learning(effort: Effort, note: Note) -> dict[str, Any] | None:
    """The environment's share of `learn()`; None without the agents' extra."""
    return learning_share(effort.learn_steps)


PARTS: dict[str, Callable[[Effort, Note], Any]] = {
    "single": single,
    "batches": batches,
    "slots": slots,
    "chorales": chorales,
    "startup": starting,
    "files": files,
    "corpora": corpora,
    "learning": learning,
}
