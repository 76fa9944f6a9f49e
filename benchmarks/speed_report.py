"""What `musicgym bench speed` found, as tables to read, and held against the figures that the project sets itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple


class Goal(NamedTuple):
    """A figure to reach."""

    what: str
    goal: str
    found: float
    reached: bool


def report(found: dict[str, Any]) -> str:
    """All tables."""
    machine = found["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items() if number)
    loads = " and ".join(f"{load:.1f}" for load in machine["load_average"])
    computer = f"{machine['processor']}, {machine['cores']} cores, load {loads} at the beginning and the end"
    parts = [f"{computer}\nPython {machine['python']}, {versions}"]
    for part, table in _TABLES.items():
        if found.get(part) is not None:
            parts.append(table(found[part]))
    reached = [(g.what, g.goal, f"{g.found:.3g}", "yes" if g.reached else "NO") for g in goals(found)]
    if reached:
        parts.append(_table(("figure", "goal", "found", "reached"), reached))
    return "\n\n".join(parts)


def goals(found: dict[str, Any]) -> list[Goal]:
    """The project's figures, as far as they were measured."""
    made = []
    for what, goal, more, value in _measured(found):
        made.append(Goal(what, f">= {goal:g}" if more else f"<= {goal:g}", value, value >= goal if more else value <= goal))
    return made


def _measured(found: dict[str, Any]) -> Iterator[tuple[str, float, bool, float]]:
    """(what, goal, whether more is better, value)."""
    for row in found.get("batches") or ():
        if row["environment"] != "musicgym" or row["reward"] not in ("rl_tuner", "theory") or row["actions"] != "uniform":
            continue
        pieces, observation, rate = row["pieces"], row["observation"], row["steps_per_second"] / 1e6
        if row["reward"] == "theory":
            if (row["threads"], pieces, observation) == (1, 8192, "tokens"):
                yield "million steps/s, theory, tokens, 8192 pieces", 5.0, True, rate
            continue
        if row["threads"] == 1 and pieces == 8192:
            yield f"million steps/s, {observation}, 8192 pieces", {"tokens": 8.0, "onehot": 3.0}[observation], True, rate
        if observation == "tokens" and row["threads"] == 1 and pieces == 1024 and "times_EnvPool" in row:
            yield "times EnvPool's CartPole, 1024 pieces", 6.0, True, row["times_EnvPool"]
        if observation == "tokens" and row["threads"] == 2 and pieces == 65_536:
            yield "two cores as against one, 65536 pieces", 1.8, True, row["times_one_thread"]
    if found.get("slots"):
        yield "a slot among 256 as against 32, tokens", 1.5, False, found["slots"]["tokens"]["ratio"]
    if found.get("chorales") and found["chorales"]["pieces"] == 8192:
        yield "million slots/s, chorales, part_writing", 2.0, True, found["chorales"]["all voices"]["slots_per_second"] / 1e6
    if found.get("single"):
        yield "microseconds a step of one piece", 8.0, False, found["single"]["ComposeEnv, tokens"]["microseconds"]
    if found.get("startup"):
        for name, goal in (("import_musicgym", 0.4), ("first_step", 1.5), ("first_step_ever", 20.0)):
            if name in found["startup"]:
                yield f"seconds, {name.replace('_', ' ')}", goal, False, found["startup"][name]["median"]
    if found.get("files"):
        yield "MIDI files a second", 5000.0, True, found["files"]["to_folder"]["files_per_second"]
    for name, row in (found.get("corpora") or {}).items():
        yield f"milliseconds to load {name}", 50.0, False, row["milliseconds"]
    if found.get("learning"):
        yield "share of learn() inside the environment", 0.05, False, found["learning"]["share"]


def _batches(rows: Sequence[dict[str, Any]]) -> str:
    head = (
        "pieces",
        "threads",
        "environment",
        "reward",
        "observation",
        "actions",
        "M steps/s",
        "best",
        "x CartPoleVec",
        "x EnvPool",
        "x 1 thread",
    )
    lines = []
    for row in sorted(rows, key=lambda row: (row["pieces"], row["threads"])):
        ratios = [row.get(f"times_{name}") for name in ("CartPoleVectorEnv", "EnvPool", "one_thread")]
        lines.append((
            *(str(row.get(name, "")) for name in ("pieces", "threads", "environment", "reward", "observation", "actions")),
            f"{row['steps_per_second'] / 1e6:.3f}",
            f"{row['best'] / 1e6:.3f}",
            *("" if ratio is None else f"{ratio:.2f}" for ratio in ratios),
        ))  # fmt: skip
    return _table(head, lines)


def _single(found: dict[str, Any]) -> str:
    names = ("microseconds", "best", "times_CartPole")
    rows = [(name, *(f"{row[column]:.2f}" for column in names)) for name, row in found.items()]
    return _table(("one piece, unwrapped", "us a step", "best", "x CartPole"), rows)


def _slots(found: dict[str, Any]) -> str:
    names = ("nanoseconds_at_32", "nanoseconds_at_256", "ratio")
    rows = [(name, *(f"{row[column]:.2f}" for column in names)) for name, row in found.items() if name != "pieces"]
    return _table((f"{found['pieces']} pieces", "ns a slot, 32 slots", "256 slots", "ratio"), rows)


def _chorales(found: dict[str, Any]) -> str:
    rows = [
        (name, f"{row['slots_per_second'] / 1e6:.3f}", f"{row['best'] / 1e6:.3f}")
        for name, row in found.items()
        if name != "pieces"
    ]
    return _table((f"{found['pieces']} chorales, part_writing, tokens", "million slots/s", "best"), rows)


def _startup(found: dict[str, Any]) -> str:
    rows = [(name.replace("_", " "), f"{row['median']:.2f}", f"{row['best']:.2f}") for name, row in found.items()]
    return _table(("start", "seconds", "best"), rows)


def _files(found: dict[str, Any]) -> str:
    rows = [(name.replace("_", " "), f"{row['files_per_second']:.0f}", f"{row['best']:.0f}") for name, row in found.items()]
    return _table(("MIDI", "files/s", "best"), rows)


def _corpora(found: dict[str, Any]) -> str:
    rows = [(name, f"{row['milliseconds']:.1f}", f"{row['best']:.1f}") for name, row in found.items()]
    return _table(("corpus", "ms to load", "best"), rows)


def _learning(found: dict[str, Any]) -> str:
    row = (str(found["pieces"]), f"{found['steps_per_second']:.0f}", f"{found['share']:.1%}")
    return _table(("learn() of musicgym train: pieces", "steps/s", "inside the environment"), [row])


_TABLES: dict[str, Callable[[Any], str]] = {
    "single": _single,
    "batches": _batches,
    "slots": _slots,
    "chorales": _chorales,
    "startup": _startup,
    "files": _files,
    "corpora": _corpora,
    "learning": _learning,
}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side, figures to the right."""
    widths = [max(len(line[column]) for line in [head, *rows]) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        return "  ".join(
            cell.rjust(width) if cell[:1].isdigit() else cell.ljust(width) for cell, width in zip(cells, widths, strict=True)
        ).rstrip()

    return "\n".join([line(head), "  ".join("-" * width for width in widths), *map(line, rows)])
