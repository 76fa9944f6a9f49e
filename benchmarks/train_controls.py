"""Does `musicgym train` learn from its reward, by what it sees, and not by accident? Trained agents beside control runs.

    python -m musicgym.benchmarks.train_controls controls     # the melody's own reward, theory: 4 arms x 5 seeds
    python -m musicgym.benchmarks.train_controls controls --reward rl_tuner
    python -m musicgym.benchmarks.train_controls windows      # observation windows of 8, 16 and 32 steps x 3 seeds
    python -m musicgym.benchmarks.train_controls settings --reward theory --arm "" --arm "n_envs=256 n_epochs=3"

Every arm has the same settings but for what its name says, and is judged by the trained arm's reward on sampled, masked pieces.
What is expected stands in `control_verdicts` and was written down before the first run; a run that misses it ends with status 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from importlib import import_module
from math import isnan
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from musicgym.agents.comparison import Figure
from musicgym.agents.defaults import settings_for
from musicgym.agents.options import parse_options
from musicgym.agents.seeds import jobs_for
from musicgym.agents.settings import Settings, reward_of, task_id, task_of
from musicgym.agents.table import markdown
from musicgym.benchmarks import loudness
from musicgym.benchmarks.control_verdicts import (
    CONTROL_JUDGING_SEED,
    PIECES,
    Judgement,
    compared_with,
    loudness_of,
    panel_of,
    samples_of,
    standing_of,
    verdicts,
)
from musicgym.benchmarks.outcome import conclude
from musicgym.registration import imported, parted, registered

CONTROL_SEEDS = (0, 1, 2, 3, 4)
TUNING_SEEDS = (1001, 1002, 1003)  # defaults are chosen on seeds that no reported figure uses
WINDOWS = (8, 16, 32)
# Of which split the real tunes are: what is tuned by them must not be judged by them.
SPLITS = {"controls": "test", "windows": "valid", "settings": "valid"}
PANEL = "Measures that no rule uses:"
LOUDNESS = f"Is velocity used as it is paid? All but {list(loudness.MEASURES)[-1]}, which no rule measures:"


def control_arms(base: Settings) -> dict[str, Settings]:
    """The trained arm and its controls. Raises ValueError where the task's own reward isn't an expression."""
    asked = base.reward if base.reward is not None else registered(base.task).reward
    if not isinstance(asked, str):
        raise ValueError(f"controls need a reward as text, {base.task} has {asked!r}: name one with --reward")
    return {
        "trained": base,
        "constant": replace(base, reward=f"0*({asked})"),
        "negated": replace(base, reward=f"-1*({asked})"),
        "blind": replace(base, blind=True),
    }


def window_arms(base: Settings) -> dict[str, Settings]:
    """One arm for each window."""
    return {f"window {window}": replace(base, window=window) for window in WINDOWS}


def setting_arms(base: Settings, words: Sequence[str]) -> dict[str, Settings]:
    """One arm for each text of settings, such as "n_envs=256 net=128,128". Raises ValueError for unknown ones."""
    arms = {}
    for word in words:
        changed = parse_options(word.split(), flag="--arm")
        net = changed.get("net", base.net)
        arms[word or "as it is"] = Settings.from_dict(
            {**base.to_dict(), **changed, "net": net if isinstance(net, tuple) else (net,)}
        )
    return arms


def train_and_judge(arm: str, settings: Settings, judge_by: Settings) -> Judgement:
    """One agent of one arm, judged by the reward of other settings."""
    from musicgym.agents.training import judge, train

    began = time.perf_counter()
    model = train(settings)
    seconds = time.perf_counter() - began
    judged = judge(model, settings, PIECES, masked=True, reward=reward_of(judge_by), seed=CONTROL_JUDGING_SEED + settings.seed)
    return Judgement(arm, settings.seed, seconds, judged.totals, judged.distinct, judged.music)


def run(
    arms: dict[str, Settings], seeds: Sequence[int], jobs: int | None, judge_by: Settings, modules: Sequence[str] = ()
) -> list[Judgement]:
    """Train and judge every arm with every seed, `jobs` processes at a time. Results don't depend on `jobs`."""
    todo = [(arm, replace(settings, seed=seed), judge_by) for seed in seeds for arm, settings in arms.items()]
    at_once = jobs_for(len(todo), judge_by.threads, jobs)
    context = get_context("spawn")
    with ProcessPoolExecutor(at_once, mp_context=context, initializer=_import, initargs=(tuple(modules),)) as pool:
        futures = [pool.submit(train_and_judge, *job) for job in todo]
        found = []
        for future in futures:
            found.append(future.result())
            last = found[-1]
            mean = float(last.totals.sum(axis=1).mean())
            print(
                f"{last.arm}, seed {last.seed}: {mean:.1f} in {last.seconds:.0f} s, {last.distinct} of {PIECES} differ",
                flush=True,
            )
    order = list(arms)
    return sorted(found, key=lambda judgement: order.index(judgement.arm))  # stable: seeds stay in order


def _import(modules: tuple[str, ...]) -> None:
    for module in modules:
        import_module(module)


def figure_table(title: str, panel: dict[str, dict[str, Figure]]) -> str:
    """Measures by source, as Markdown under a title."""
    measures = list(next(iter(panel.values())))
    lines = [title, "", "| measure | " + " | ".join(panel) + " |", "| --- |" + " ---: |" * len(panel)]
    for measure in measures:
        found = (figures[measure] for figures in panel.values())
        cells = ("none" if isnan(f.mean) else f"{f.mean:.3f} [{f.low:.3f}, {f.high:.3f}]" for f in found)
        lines.append(f"| {measure} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def main(argv: Sequence[str] | None = None) -> int:
    """Run one experiment, write JSON and a table, and say whether what was expected came out."""
    asked = _parser().parse_args(argv)
    try:
        base = _settings(asked)
        task_of(base), reward_of(base)
        arms = {
            "controls": lambda: control_arms(base),
            "windows": lambda: window_arms(base),
            "settings": lambda: setting_arms(base, asked.arm or [""]),
        }[asked.experiment]()
    except ValueError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    seeds = asked.seeds or (CONTROL_SEEDS if asked.experiment == "controls" else TUNING_SEEDS)
    asked.out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    modules = [module for name in (asked.task, asked.reward) if name and (module := parted(name)[0])]
    found = run(arms, seeds, asked.jobs, base, modules)
    split = SPLITS[asked.experiment]
    samples = samples_of(found, base, split)
    compared = compared_with(next(iter(arms)), samples)
    panel, loud = panel_of(samples, base, split), loudness_of(samples)
    controls = asked.experiment == "controls"
    met = verdicts(found, base, samples, panel, loud) if controls else {}
    standing = standing_of(samples) if controls else ""
    reward = reward_of(base)
    notes = [
        f"{base.task}, {reward.name} ({reward.fingerprint}); seeds {', '.join(map(str, seeds))}; {base.total_steps:,} steps",
        "intervals: bootstrap over seeds",
        samples.note,
        *([standing] if standing else []),
        *(f"{'met' if value else 'MISSED'}: {name}" for name, value in met.items()),
    ]
    tables = [figure_table(title, figures) for title, figures in ((PANEL, panel), (LOUDNESS, loud)) if figures]
    text = "\n".join([markdown(compared, notes), *tables])
    result: dict[str, Any] = {
        "experiment": asked.experiment,
        "settings": {arm: settings.to_dict() for arm, settings in arms.items()},
        "seeds": list(seeds),
        "seconds": time.perf_counter() - began,
        "totals": {arm: {j.seed: float(j.totals.sum(axis=1).mean()) for j in found if j.arm == arm} for arm in arms},
        "distinct": {arm: {j.seed: j.distinct for j in found if j.arm == arm} for arm in arms},
        "training_seconds": {arm: {j.seed: j.seconds for j in found if j.arm == arm} for arm in arms},
        "means": {name: dict(zip(compared.rows, map(_finite, figures))) for name, figures in compared.means.items()},
        "panel": {name: {measure: _finite(f) for measure, f in measures.items()} for name, measures in panel.items()},
        "loudness": {name: {measure: _finite(f) for measure, f in measures.items()} for name, measures in loud.items()},
        "notes": notes,
    }
    return conclude(asked.out, asked.experiment, text, result, met)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=["controls", "windows", "settings"])
    parser.add_argument("--task", default=Settings().task, help="a registered task, or MODULE:ID")
    parser.add_argument("--option", action="append", default=[], help="NAME=VALUE for the task; may be given again")
    parser.add_argument("--reward", help="an expression, or MODULE:EXPR; the task's own if left out")
    parser.add_argument("--set", action="append", default=[], help="TERM.PARAMETER=VALUE or TERM=WEIGHT of the reward")
    parser.add_argument("--steps", type=int, help="instead of what the task and the reward are trained with")
    parser.add_argument("--arm", action="append", help='of "settings": settings of an arm, "n_envs=256 ent_coef=0.1"')
    parser.add_argument("--seeds", type=int, nargs="+", help="instead of the experiment's own")
    parser.add_argument("--jobs", type=int, help="processes, each with one thread; as many as there are cores if left out")
    parser.add_argument("--out", type=Path, default=Path("runs/controls"))
    return parser


def _settings(asked: argparse.Namespace) -> Settings:
    """The settings of the trained arm."""
    wanted = {
        "task": task_id(asked.task),
        "options": parse_options(asked.option),
        "reward": None if asked.reward is None else imported(asked.reward, "reward"),
        "changes": tuple(asked.set),
        "steps": asked.steps,
    }
    return settings_for({name: value for name, value in wanted.items() if value is not None})


def _finite(figure: Figure) -> list[float | None]:
    """Mean and interval as JSON can hold them: null where there is nothing to judge."""
    return [value if value == value else None for value in figure]  # nan is the one number that isn't itself


if __name__ == "__main__":
    raise SystemExit(main())
