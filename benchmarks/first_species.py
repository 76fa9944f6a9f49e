"""How well do agents learn first species? On cantus firmi they never saw, beside random play, greedy play and the exact optimum.

    python -m musicgym.benchmarks.first_species                  # 5 seeds of the agent, 2 of each control run
    python -m musicgym.benchmarks.first_species --seeds 1001 --arm trained --split valid    # while tuning

The agent is `musicgym train --task Counterpoint` as it comes: masks show range and rhythm alone, rules only pay. Each writes
the same number of pieces to each cantus firmus of the split and of Fux's own. Legal is a piece in which no rule of
`strict_counterpoint` finds a fault. The optimum is the most that the reward can pay to that cantus firmus, by branch and bound.
What was expected stands in `EXPECTED_LEGAL` and `EXPECTED_SHARE` and was written down before the first run on the test split.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from musicgym import rewards
from musicgym.agents.comparison import BOOTSTRAP_SEED, Figure, bootstrap
from musicgym.agents.defaults import settings_for
from musicgym.agents.greedy import Greedy
from musicgym.agents.players import Player, randomly
from musicgym.agents.settings import Settings, reward_of, task_of
from musicgym.benchmarks.exhaustive import best
from musicgym.benchmarks.outcome import conclude, verdicts
from musicgym.benchmarks.page_by_page import keep_median_and_worst, write_to_each
from musicgym.benchmarks.train_controls import CONTROL_SEEDS, control_arms
from musicgym.grids import side_by_side
from musicgym.pieces import Excerpts
from musicgym.task import Task

TASK, HARD = "musicgym/Counterpoint-v0", "strict_counterpoint"
PIECES = 50  # to each cantus firmus, by each player
JUDGING_SEED = 30_000
TWIN_SEEDS = (0, 1)  # of the control runs
EXPECTED_LEGAL, EXPECTED_SHARE = 0.90, 0.8


class Written(NamedTuple):
    """What one player wrote, `PIECES` to each cantus firmus."""

    player: str
    seed: int
    totals: np.ndarray  # float64 (cantus firmi, PIECES)
    legal: np.ndarray  # bool (cantus firmi, PIECES)
    distinct: int  # different pieces in all
    seconds: float  # of training; 0 for those who aren't trained
    music: Excerpts  # (cantus firmi * PIECES, voices, steps)


def pages_of(task: Task, split: str, most: int | None = None) -> Excerpts:
    """The cantus firmi that are judged by, the first `most`: a split's, and before them Fux's own where it is the test split."""
    sources = ("fux_cantus", "cantus/test") if split == "test" else (f"cantus/{split}",)
    found = side_by_side([task.changed(source=source).material() for source in sources])
    return found.take(np.arange(len(found.length))[:most])


def write(name: str, seed: int, task: Task, pages: Excerpts, choose: Player, seconds: float = 0.0, **seen: Any) -> Written:
    """Let a player write to each cantus firmus in turn."""
    reward, hard = rewards.parse(_reward_text()), rewards.parse(HARD)
    totals, music, distinct = write_to_each(task, pages, PIECES, choose, reward, JUDGING_SEED + 1000 * seed, **seen)
    faults = np.stack(list(hard.score(music).values()))  # (rules, pieces)
    return Written(name, seed, totals, (faults == 0).all(axis=0).reshape(totals.shape), distinct, seconds, music)


def _reward_text() -> str:
    from musicgym.registration import registered

    reward = registered(TASK).reward
    assert isinstance(reward, str)
    return reward


def trained(arm: str, settings: Settings, split: str, most: int | None = None) -> list[Written]:
    """One agent, trained, and what it writes: sampled, taken by what is likeliest, sampled behind masks of the hard rules."""
    import torch

    from musicgym.agents.training import player, train

    began = time.perf_counter()
    model = train(settings)
    seconds = time.perf_counter() - began
    task = task_of(settings)
    pages = pages_of(task, split, most)
    seen: dict[str, Any] = {"observation": settings.observation, "window": settings.window}
    torch.manual_seed(JUDGING_SEED + settings.seed)
    found = [write(arm, settings.seed, task, pages, player(model, settings), seconds, **seen)]
    if arm == "trained":
        likeliest = player(model, settings, greedy=True)
        found.append(write("trained, likeliest codes", settings.seed, task, pages, likeliest, **seen))
        strict = task.changed(forbid=(HARD,))
        found.append(write("trained, rule masks", settings.seed, strict, pages, player(model, settings), **seen))
    return found


def optimum(task: Task, page: Excerpts) -> tuple[float, int]:
    """The most that can be earned to one cantus firmus, and how many pieces earn it."""
    reward = rewards.parse(_reward_text())
    found = best(task, page, reward, gain=_gain(reward) * (task.voices - len(task.given)))
    return found.total, len(found.pieces.length)


def _gain(reward: rewards.Reward) -> float:
    """What a voice can be paid at most after any beginning: of these rules, which punish, only `climax` pays, once a voice."""
    assert isinstance(reward, rewards.Rules)
    return sum(weight for term, _, _, weight in reward.entries if term in PAYING)


PAYING = ("climax",)


def main(argv: Sequence[str] | None = None) -> int:
    """Train, write, judge, print a table; status 1 where what was expected didn't come out."""
    asked = _parser().parse_args(argv)
    base = settings_for({"task": TASK, **({} if asked.steps is None else {"steps": asked.steps})})
    arms = {arm: s for arm, s in control_arms(base).items() if not asked.arm or arm in asked.arm}
    task, began = task_of(base), time.perf_counter()
    pages = pages_of(task, asked.split, asked.cantus)
    found: list[Written] = []
    with ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn")) as pool:
        runs = [
            pool.submit(trained, arm, replace(settings, seed=seed), asked.split, asked.cantus)
            for seed in asked.seeds
            for arm, settings in arms.items()
            if arm == "trained" or seed in asked.twins
        ]
        optima = [pool.submit(optimum, task, pages.take(np.array([row]))) for row in range(len(pages.length))]
        for run in runs:
            found += run.result()
            print(f"{found[-1].player}, seed {found[-1].seed}: legal {found[-1].legal.mean():.3f}", flush=True)
        most = np.array([o.result()[0] for o in optima])
        ways = [o.result()[1] for o in optima]
    strict = task.changed(forbid=(HARD,))
    for name, played, choose in (
        ("random, masked", task, randomly(masked=True)),
        ("random, rule masks", strict, randomly(masked=True)),
        ("greedy", task, Greedy()),
        ("greedy, rule masks", strict, Greedy()),
    ):
        found.append(write(name, 0, played, pages, choose))
    twins = [seed for seed in asked.seeds if seed in asked.twins] if arms.keys() - {"trained"} else []
    text, figures = table(found, most)
    met = verdict(figures)
    reward = reward_of(base)
    of_fux = ", Fux's among them, others" if asked.split == "test" else ""
    notes = [
        f"- {len(pages.length)} cantus firmi{of_fux} of cantus/{asked.split}; {PIECES} pieces to each by each player and seed",
        f"- {base.total_steps:,} choices, seeds {_text(asked.seeds)}, control runs {_text(twins)}",
        f"- reward: {reward.name} ({reward.fingerprint})",
        f"- optimum: mean {most.mean():.2f}; pieces that reach it: {min(ways)} to {max(ways)} to a cantus firmus",
        "- 95 % intervals: bootstrap over seeds, or over cantus firmi for players without seeds",
        *verdicts(met),
    ]
    text = "\n".join([text, "", *notes])
    result = {
        "settings": base.to_dict(), "seconds": time.perf_counter() - began,
        "figures": {name: {kind: list(f) for kind, f in kinds.items()} for name, kinds in figures.items()},
        "training_seconds": {f"{w.player} {w.seed}": w.seconds for w in found if w.seconds},
        "optimum": most.tolist(), "notes": notes,
    }  # fmt: skip
    status = conclude(asked.out, "first_species", text, result, met)
    if mine := next((w for w in found if w.player == "trained"), None):
        keep_median_and_worst(asked.out, mine.totals, mine.music, task)  # of the first seed
    return status


def verdict(figures: Mapping[str, Mapping[str, Figure]]) -> dict[str, bool]:
    """What was expected of the trained agent, and whether it came out; nothing where none was trained."""
    if "trained" not in figures:
        return {}
    legal, share = figures["trained"]["legal"], figures["trained"]["share"]
    return {
        f"legal {EXPECTED_LEGAL:.0%} or more": legal.mean >= EXPECTED_LEGAL,
        f"share {EXPECTED_SHARE} or more": share.mean >= EXPECTED_SHARE,
    }


def table(found: list[Written], most: np.ndarray) -> tuple[str, dict[str, dict[str, Figure]]]:
    """Players by legal share, total and share of what lies between random play and the optimum, as Markdown and figures."""
    players = list(dict.fromkeys(w.player for w in found))
    chance = np.concatenate([w.totals for w in found if w.player == "random, masked"], axis=1).mean(axis=1)  # (cantus firmi,)
    figures: dict[str, dict[str, Figure]] = {}
    lines = ["| player | legal | total | share of the optimum | different pieces |", "| --- | ---: | ---: | ---: | ---: |"]
    for name in players:
        mine = [w for w in found if w.player == name]
        rows = np.array(
            [
                [values.mean() for values in (w.legal[c], w.totals[c])] + [most[c] - chance[c], w.totals[c].mean() - chance[c]]
                for w in mine
                for c in range(len(most))
            ]
        )
        group = np.repeat(np.arange(len(mine)), len(most)) if len(mine) > 1 else np.arange(len(most))
        drawn = bootstrap(rows, group, np.random.default_rng(BOOTSTRAP_SEED))
        mean = rows.mean(axis=0)
        kinds = {
            "legal": (mean[0], drawn[:, 0]),
            "total": (mean[1], drawn[:, 1]),
            "share": (mean[3] / mean[2], drawn[:, 3] / drawn[:, 2]),
        }
        figures[name] = {
            kind: Figure(float(value), *(float(q) for q in np.percentile(draws, [2.5, 97.5])))
            for kind, (value, draws) in kinds.items()
        }
        cells = [f"{f.mean:.2f} [{f.low:.2f}, {f.high:.2f}]" for f in figures[name].values()]
        distinct = ", ".join(str(w.distinct) for w in mine)
        lines.append(f"| {name} | {' | '.join(cells)} | {distinct} of {len(most) * PIECES} |")
    return "\n".join(lines), figures


def _text(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds)) or "none"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(CONTROL_SEEDS))
    parser.add_argument("--twins", type=int, nargs="*", default=list(TWIN_SEEDS), help="which seeds the control runs have")
    parser.add_argument("--arm", action="append", help="only this arm: trained, constant, negated or blind; may be given again")
    parser.add_argument("--steps", type=int, help="instead of what the task is trained with")
    parser.add_argument("--split", default="test", choices=["test", "valid"], help="valid while settings are chosen")
    parser.add_argument("--cantus", type=int, metavar="N", help="judge by so many cantus firmi only")
    parser.add_argument("--jobs", type=int, default=2, help="processes, each with one thread")
    parser.add_argument("--out", type=Path, default=Path("runs/first_species"))
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
