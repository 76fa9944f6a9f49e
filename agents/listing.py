"""`musicgym list`: what there is to train on, to be paid by, to compose with and to learn from. Loads no torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from musicgym.choice import Choice, NoteChoice, StepChoice
from musicgym.commands import UsageError, typed
from musicgym.files.grid import pitch_name
from musicgym.registration import imported, registered, task_ids
from musicgym.strict_json import dumps
from musicgym.task import Task

list_ = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
KINDS = ("tasks", "rewards", "agents", "corpora")
ALGORITHMS = {"MaskablePPO": "proximal policy optimisation that never draws a masked choice (sb3-contrib)"}
_EXAMPLES = """\b
Examples:
  musicgym list
  musicgym list rewards
  musicgym list rewards theory                what the set is made of: weights, parameters, ranges
  musicgym list rewards "my_module:2*blues"   the same for any expression
"""


@list_.command(epilog=_EXAMPLES)
def run(
    kind: Annotated[str, typer.Argument(metavar=f"[{'|'.join(KINDS)}]", help="One kind; all if left out.")] = "all",
    name: Annotated[str | None, typer.Argument(help="With rewards: a reward's name or expression, shown term by term.")] = None,
    runs: Annotated[Path, typer.Option(help="Where trained agents lie.")] = Path("runs"),
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Name the tasks, rewards, agents and corpora there are."""
    if kind != "all" and kind not in KINDS:
        raise UsageError(f"{kind!r}: expected one of {', '.join(KINDS)}")
    if name is not None and kind != "rewards":
        raise UsageError(f"{name!r} after {kind}: only rewards are shown one by one, as in: musicgym list rewards theory")
    if name is not None:
        with typed():
            found: dict[str, Any] = {"reward": terms_of(imported(name, "reward"))}
        lines = _reward_lines(found["reward"])
    else:
        every: dict[str, Callable[[], Any]] = {
            "tasks": tasks,
            "rewards": rewards,
            "agents": lambda: agents(runs),
            "corpora": corpora,
        }
        found = {wanted: every[wanted]() for wanted in KINDS if kind in ("all", wanted)}
        lines = [line for wanted, rows in found.items() for line in _lines(wanted, rows, runs, in_full=kind != "all")]
    typer.echo(dumps(found) if json_ else "\n".join(lines).strip())


def tasks() -> list[dict[str, Any]]:
    """Each registered task: its id, first line of doc, pieces, action, what is observed, its own reward."""
    return [_task(id) for id in task_ids()]


def _task(id: str) -> dict[str, Any]:
    from musicgym.observation import DEFAULT_WINDOW, OBSERVATIONS, Observation

    entry = registered(id)
    task = entry.make()
    seen = {}
    if not task.source:  # else the whole corpus would have to be read
        page = task.material()
        seen = {kind: _space(Observation(kind, task, page).space()) for kind in OBSERVATIONS}
    return {
        "id": id,
        "about": _sentence(inspect.getdoc(entry.make_task)) if inspect.isfunction(entry.make_task) else "",
        "pieces": _pieces(task),
        "action": _action(task.choice),
        "observation": seen or f"of the corpus {task.source} (default window: {DEFAULT_WINDOW} steps)",
        "reward": entry.reward if isinstance(entry.reward, str) else entry.reward.name,
    }


def _pieces(task: Task) -> str:
    voices = "one voice" if task.voices == 1 else f"{task.voices} voices"
    length = "whole pieces" if task.length is None else f"{task.length} steps"
    meter = "" if task.meter is None else f" in {task.meter[0]}/{task.meter[1]}"
    where = f"from {task.source}" if task.source else " or ".join(task.keys)
    return f"{voices}, {length}, {task.steps_per_quarter:g} a quarter{meter}, {where}"


def _action(choice: Choice) -> str:
    if isinstance(choice, StepChoice):
        return f"Discrete({choice.sizes[0]}): rest, hold, {pitch_name(choice.low)} to {pitch_name(choice.high)}"
    sizes = ", ".join(map(str, choice.sizes))
    if isinstance(choice, NoteChoice):
        return f"MultiDiscrete([{sizes}]): pitch or rest, length, loudness of a whole note"
    return f"MultiDiscrete([{sizes}]): rest, hold or pitch of each voice"


def _space(space: Any) -> str:
    """The space in a few words: the numbers of a long `MultiDiscrete` fill a page."""
    return f"{type(space).__name__}({', '.join(map(str, space.shape))}) {space.dtype}"


def rewards() -> list[dict[str, str]]:
    """Each name that an expression may use: its kind (set, rule or change) and first line of doc."""
    from musicgym.rewards.expression import documented

    return [{"name": name, "kind": kind, "about": _sentence(doc)} for name, kind, doc in documented()]


def terms_of(expression: str) -> dict[str, Any]:
    """What a reward is made of: terms with rule, weight, and parameters with value, default and range.

    Raises:
        ValueError: an expression that isn't understood.
    """
    from musicgym.rewards.expression import parse
    from musicgym.rewards.settings import rule_sets

    reward = parse(expression)
    terms = [
        {
            "term": term,
            "rule": rule.name,
            "about": _sentence(rule.__doc__),
            "weight": weight,
            "parameters": {
                parameter: {"value": value, "default": rule.parameters[parameter], "within": rule.within.get(parameter)}
                for parameter, value in zip(rule.parameters, values, strict=True)
            },
        }
        for rules in rule_sets(reward)
        for term, rule, values, weight in rules.entries
    ]
    return {"name": reward.name, "fingerprint": reward.fingerprint, "terms": terms}


def agents(runs: Path) -> dict[str, Any]:
    """The algorithms that `musicgym train` takes, the agents trained in a folder, and the runs skipped there and why."""
    from musicgym.agents.runs import CONFIG, Run

    trained, skipped = [], []
    for path in sorted(runs.glob(f"*/{CONFIG}")):
        place = Run(path.parent)
        try:
            config = place.config()
        except ValueError as error:  # of another version, half a file, altered
            skipped.append({"run": str(place.folder), "reason": str(error)})
            continue
        settings = config["settings"]
        trained.append(
            {
                "run": str(place.folder),
                "task": settings.task,
                "reward": config["reward"]["expression"],
                "seeds": config["seeds"],
                "steps": settings.total_steps,
                "finished": place.finished,
            }
        )
    return {"algorithms": ALGORITHMS, "trained": trained, "skipped": skipped}


def corpora() -> list[dict[str, str]]:
    """Each collection: its name, title and rights; nothing is read."""
    from musicgym.corpus.readers import COLLECTIONS

    return [{"name": name, "title": found.title, "rights": found.rights} for name, found in COLLECTIONS.items()]


def _lines(kind: str, rows: Any, runs: Path, *, in_full: bool) -> Iterator[str]:
    yield f"\n{kind}"
    if kind == "tasks":
        for row in rows:
            yield f"  {row['id']}  {row['pieces']}; pays {row['reward']}"
            yield f"    action       {row['action']}"
            seen = row["observation"]
            yield f"    observation  {seen if isinstance(seen, str) else ', '.join(f'{k}: {v}' for k, v in seen.items())}"
    elif kind == "rewards":
        shown = [row for row in rows if in_full or row["kind"] != "rule"]
        width = max(len(row["name"]) for row in shown)
        for row in shown:
            yield f"  {row['name']:<{width}}  {row['kind']:<6}  {row['about']}"
        if not in_full:
            yield f"  and {len(rows) - len(shown)} single rules: musicgym list rewards"
    elif kind == "agents":
        yield from (f"  {name}: {about}; what musicgym train trains" for name, about in rows["algorithms"].items())
        yield f"  trained in {runs}/: " + ("" if rows["trained"] else "none")
        for row in rows["trained"]:
            seeds = f"{len(row['seeds'])} seeds, " if len(row["seeds"]) > 1 else ""
            state = "" if row["finished"] else ", not finished"
            yield f"    {row['run']}  {row['task']}, {row['reward']}, {seeds}{row['steps']:,} steps{state}"
        yield from (f"    {row['run']}  left out: {row['reason']}" for row in rows["skipped"])
    else:
        yield from (f"  {row['name']:<7} {row['title']}" for row in rows)
        yield "  musicgym corpus list says how much is in them, and their rights"


def _reward_lines(found: dict[str, Any]) -> list[str]:
    """A reward's terms as a table."""
    if not found["terms"]:
        return [f"{found['name']} ({found['fingerprint']}) is not made of rules"]
    width = max(len(row["term"]) for row in found["terms"])
    lines = [f"{found['name']} ({found['fingerprint']}): {len(found['terms'])} terms, with their weights"]
    for row in found["terms"]:
        lines.append(f"  {row['term']:<{width}}  {row['weight']:>+8.4g}  {row['about']}")
        for parameter, told in row["parameters"].items():
            within = "any number" if told["within"] is None else "{:g} to {:g}".format(*told["within"])
            default = "" if told["value"] == told["default"] else f", default {told['default']:g}"
            lines.append(f"  {'':<{width}}  {'':>8}    {parameter}={told['value']:g}{default}, {within}")
    return lines


def _sentence(doc: str | None) -> str:
    return (doc or "").strip().partition("\n")[0]
