"""Does `musicgym train` learn from its reward, by what it sees, and not by accident? Trained agents beside control runs.

    python -m musicgym.benchmarks.train_controls controls     # 4 arms x 5 seeds
    python -m musicgym.benchmarks.train_controls windows      # observation windows of 8, 16 and 32 steps x 3 seeds

Every arm has the same settings but for what its name says, and is judged by the task's own reward on sampled, masked pieces.
What is expected stands in `EXPECTED` and was written down before the first run; a run that misses it ends with status 1.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from musicgym.agents.comparison import Comparison, Sample, compare
from musicgym.agents.held_out import real_tunes
from musicgym.agents.players import play, randomly
from musicgym.agents.runs import write_json
from musicgym.agents.settings import Settings, reward_of
from musicgym.agents.table import markdown
from musicgym.registration import registered

PIECES = 1000  # judged for each agent and for random play
JUDGING_SEED = 20_000
CONTROL_SEEDS = (0, 1, 2, 3, 4)
WINDOW_SEEDS = (1001, 1002, 1003)  # a window is a default, so it is chosen on the seeds that defaults were tuned on
WINDOWS = (8, 16, 32)


class Expected(NamedTuple):
    """The total of one source beside another's: the 95 % interval of the difference must lie on this side of 0."""

    source: str
    relation: str  # "above" or "below"
    other: str


EXPECTED = (
    Expected("trained", "above", "random, masked"),
    Expected("trained", "above", "real tunes"),
    Expected("trained", "above", "blind"),
    Expected("trained", "above", "constant"),
    Expected("negated", "below", "random, masked"),
)
# A constant reward teaches nothing: it may move the total by at most this share of what training gains over random play.
CONSTANT_SHARE = 0.1


class Judgement(NamedTuple):
    """One agent, trained and judged."""

    arm: str
    seed: int
    seconds: float
    totals: np.ndarray  # float64 (PIECES, terms)
    distinct: int  # different pieces among them


def control_arms(base: Settings) -> dict[str, Settings]:
    """The trained arm and its controls."""
    return {
        "trained": base,
        "constant": replace(base, reward="0*rl_tuner"),
        "negated": replace(base, reward="-1*rl_tuner"),
        "blind": replace(base, blind=True),
    }


def window_arms(base: Settings) -> dict[str, Settings]:
    """One arm for each window."""
    return {f"window {window}": replace(base, window=window) for window in WINDOWS}


def train_and_judge(arm: str, settings: Settings) -> Judgement:
    """One agent of one arm."""
    from musicgym.agents.training import judge, train

    began = time.perf_counter()
    model = train(settings)
    seconds = time.perf_counter() - began
    reward = reward_of(Settings(task=settings.task))
    judged = judge(model, settings, PIECES, masked=True, reward=reward, seed=JUDGING_SEED + settings.seed)
    return Judgement(arm, settings.seed, seconds, judged.totals, judged.distinct)


def run(arms: dict[str, Settings], seeds: Sequence[int], jobs: int) -> list[Judgement]:
    """Train and judge every arm with every seed, `jobs` processes at a time. Results don't depend on `jobs`."""
    todo = [(arm, replace(settings, seed=seed)) for seed in seeds for arm, settings in arms.items()]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
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
    return found


def comparison_of(found: list[Judgement], first: str, base: Settings) -> tuple[Comparison, str]:
    """All arms, random play and real tunes, compared with the arm `first`; and a note on the tunes."""
    reward = reward_of(Settings(task=base.task))
    samples = {}
    for arm in [first, *dict.fromkeys(j.arm for j in found if j.arm != first)]:
        mine = [j for j in found if j.arm == arm]
        groups = np.concatenate([np.full(PIECES, j.seed) for j in mine])
        samples[arm] = Sample(np.concatenate([j.totals for j in mine]), groups)
    drawn = play(base.task, PIECES, randomly(masked=True), reward=reward, seed=JUDGING_SEED)
    samples["random, masked"] = Sample(drawn.totals, np.arange(PIECES))
    tunes = real_tunes(registered(base.task).make_task(), reward)
    if tunes.sample is not None:
        samples["real tunes"] = tunes.sample
    return compare(drawn.terms, first, samples), tunes.note


def verdicts(found: list[Judgement], base: Settings) -> dict[str, bool]:
    """Each expectation and whether it is met."""
    met = {}
    for source, relation, other in EXPECTED:
        compared, _ = comparison_of(found, source, base)
        met[f"{source} {relation} {other}"] = compared.verdict(other, len(compared.rows) - 1) == relation
    compared, _ = comparison_of(found, "trained", base)
    trained, constant, drawn = (compared.means[name][-1].mean for name in ("trained", "constant", "random, masked"))
    name = f"constant within {CONSTANT_SHARE:.0%} of what training gains over random, masked"
    met[name] = abs(constant - drawn) <= CONSTANT_SHARE * (trained - drawn)
    return met


def main(argv: Sequence[str] | None = None) -> int:
    """Run one experiment, write JSON and a table, and say whether what was expected came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=["controls", "windows"])
    parser.add_argument("--steps", type=int, default=Settings().steps)
    parser.add_argument("--seeds", type=int, nargs="+", help="instead of the experiment's own")
    parser.add_argument("--jobs", type=int, default=2, help="processes, each with one thread")
    parser.add_argument("--out", type=Path, default=Path("runs/controls"))
    asked = parser.parse_args(argv)
    base = Settings(steps=asked.steps)
    controls = asked.experiment == "controls"
    arms = control_arms(base) if controls else window_arms(base)
    seeds = asked.seeds or (CONTROL_SEEDS if controls else WINDOW_SEEDS)
    asked.out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    found = run(arms, seeds, asked.jobs)
    compared, note = comparison_of(found, next(iter(arms)), base)
    met = verdicts(found, base) if controls else {}
    notes = [f"seeds {', '.join(map(str, seeds))}; {base.total_steps:,} steps; intervals: bootstrap over seeds", note]
    notes += [f"{'met' if value else 'MISSED'}: {name}" for name, value in met.items()]
    text = markdown(compared, notes)
    result: dict[str, Any] = {
        "experiment": asked.experiment,
        "settings": asdict(base),
        "seeds": list(seeds),
        "seconds": time.perf_counter() - began,
        "machine": platform.platform(),
        "expected": met,
        "totals": {arm: {j.seed: float(j.totals.sum(axis=1).mean()) for j in found if j.arm == arm} for arm in arms},
        "distinct": {arm: {j.seed: j.distinct for j in found if j.arm == arm} for arm in arms},
        "means": {name: dict(zip(compared.rows, map(list, figures))) for name, figures in compared.means.items()},
        "notes": notes,
    }
    write_json(asked.out / f"{asked.experiment}.json", result)
    (asked.out / f"{asked.experiment}.md").write_text(text, encoding="utf-8")
    print(text)
    print(json.dumps(met))
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
