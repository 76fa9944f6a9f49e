"""How well do agents harmonise sopranos that they never saw? Rule by rule beside Bach, in style, and by what they hear.

    python -m musicgym.benchmarks.chorale_agent                  # 3 seeds of the agent, one of each control run
    python -m musicgym.benchmarks.chorale_agent --seeds 1001 --twins --split valid    # while tuning

The agent is `musicgym train --task Chorale` as it comes: the mask shows the voices' ranges alone, rules only pay, and the soprano
of every page is given. Each player writes the same number of pieces to each excerpt of the split; all are judged by the task's
own reward. Bach's rates and percentiles are those of all his excerpts on the same grid, of the same number of bars. To ask what
hangs on the soprano, the agent also writes to pages whose soprano is silent, and to pages that have the soprano of another; its
voices are then set under the soprano that belongs there.
What was expected stands in `EXPECTED_RATIO` and in `chorale_style` and was written down before the first run on the test split.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from musicgym.agents.comparison import BOOTSTRAP_SEED, Figure, bootstrap
from musicgym.agents.defaults import settings_for
from musicgym.agents.greedy import Greedy
from musicgym.agents.players import Player, randomly
from musicgym.agents.settings import Settings, reward_of, task_of
from musicgym.agents.unseen import Unseen, as_written, unseen
from musicgym.benchmarks.chorale_style import PAID_BY, percentiles, style
from musicgym.benchmarks.outcome import conclude, verdicts
from musicgym.benchmarks.page_by_page import keep_median_and_worst, write_to_each
from musicgym.benchmarks.part_writing_figures import Rate, rates
from musicgym.benchmarks.train_controls import control_arms
from musicgym.pieces import Excerpts
from musicgym.rewards import Reward
from musicgym.score import REST
from musicgym.task import Task

TASK = "musicgym/Chorale-v0"
PIECES = 5  # to each page, by each player
JUDGING_SEED = 40_000
SEEDS = (0, 1, 2)
TWIN_SEEDS = (0,)  # of the control runs
RULES = ("parallel_fifths", "parallel_octaves", "voice_range", "voice_crossing", "seventh_resolution")
FEWEST = 5  # seeds of which a bootstrap says something: of three their smallest mean alone is drawn one time in 27
EXPECTED_RATIO = 2.0  # times Bach's rate, at most, of each of these rules
TRAINED, UNMASKED, STRICT = "trained", "trained, without mask", "trained, masks strike parallels"
SILENT, SWAPPED = "trained, soprano silent", "trained, another's soprano"


class Written(NamedTuple):
    """What one player wrote, `PIECES` to each page."""

    player: str
    seed: int
    totals: np.ndarray  # float64 (pages, PIECES)
    rates: dict[str, Rate]
    style: dict[str, np.ndarray]  # float64 (pages * PIECES,)
    distinct: int  # different pieces in all
    seconds: float  # of training; 0 for those who aren't trained
    music: Excerpts


def measured(name: str, seed: int, task: Task, totals: np.ndarray, music: Excerpts, distinct: int, seconds: float = 0) -> Written:
    """What there is to say of a player's pieces."""
    composed = tuple(voice for voice in range(task.voices) if voice not in task.given)
    return Written(name, seed, totals, rates(music), style(music, composed), distinct, seconds, music)


def write(
    name: str,
    settings: Settings,
    pages: Excerpts,
    choose: Player,
    seconds: float = 0.0,
    *,
    shown: Excerpts | None = None,
    **seen: Any,
) -> Written:
    """Let a player write to each page in turn.

    Where other pages are `shown`, the player writes to those, and its voices are set under what is given in `pages`.
    """
    task, reward = task_of(settings), own_reward()
    seed = JUDGING_SEED + 1000 * settings.seed
    totals, music, distinct = write_to_each(task, pages if shown is None else shown, PIECES, choose, reward, seed, **seen)
    if shown is not None:
        belongs = pages.take(np.repeat(np.arange(len(pages.length)), PIECES))
        given = list(task.given)
        for written, page in zip(
            (music.pitch, music.onset, music.velocity), (belongs.pitch, belongs.onset, belongs.velocity), strict=True
        ):
            written[:, given] = page[:, given]
        sample = as_written(task, Unseen(music, np.zeros(len(music.length), np.int32), ""), reward)
        assert sample is not None
        totals = sample[0].totals.sum(axis=1).reshape(totals.shape)
    return measured(name, settings.seed, task, totals, music, distinct, seconds)


def own_reward() -> Reward:
    """What the task pays where nothing else is asked for."""
    return reward_of(Settings(task=TASK))


def silenced(pages: Excerpts, given: tuple[int, ...]) -> Excerpts:
    """The pages with rests where something was given."""
    made = pages.take(np.arange(len(pages.length)))
    inside = np.arange(pages.pitch.shape[2]) < pages.length[:, None]
    for voice in given:
        made.pitch[:, voice][inside], made.onset[:, voice], made.velocity[:, voice] = REST, False, 0
        made.onset[:, voice, 0] = True
    return made


def swapped(pages: Excerpts, given: tuple[int, ...], families: np.ndarray) -> Excerpts:
    """Each page with what is given on another of the same length, of another family of melodies, in the same mode where one is.

    Args:
        pages: (M, voices, steps).
        given: voices that are exchanged.
        families: int32 (M,).

    Raises:
        ValueError: a page of whose length there is no other family.
    """
    made = pages.take(np.arange(len(pages.length)))
    for row in range(len(pages.length)):
        long = pages.length == pages.length[row]
        mode, foreign = pages.mode[:, 0] == pages.mode[row, 0], families != families[row]
        kept = (long & mode & foreign, long & foreign)
        others = next((np.flatnonzero(some) for some in kept if some.any()), np.zeros(0, np.int64))
        if not len(others):
            raise ValueError(f"page {row} is the only family of {pages.length[row]} steps: there is no other soprano to give it")
        other = others[np.searchsorted(others, row) % len(others)]
        for array, source in ((made.pitch, pages.pitch), (made.onset, pages.onset), (made.velocity, pages.velocity)):
            array[row, list(given)] = source[other, list(given)]
    return made


def trained(arm: str, settings: Settings, split: str, most: int | None = None) -> list[Written]:
    """One agent, trained, and what it writes: sampled, taken by what is likeliest, to a silent soprano and to another's."""
    import torch

    from musicgym.agents.training import player, train

    began = time.perf_counter()
    model = train(settings)
    seconds = time.perf_counter() - began
    task = task_of(settings)
    pages, families, _ = pages_of(task, split, most)
    assert pages is not None
    assert families is not None
    seen: dict[str, Any] = {"observation": settings.observation, "window": settings.window}
    torch.manual_seed(JUDGING_SEED + settings.seed)
    sampled = player(model, settings)
    found = [write(arm, settings, pages, sampled, seconds, **seen)]
    if arm == TRAINED:
        found.append(write("trained, likeliest codes", settings, pages, player(model, settings, greedy=True), **seen))
        found.append(write(UNMASKED, settings, pages, player(model, settings, masked=False), **seen))
        strict = replace(settings, options={**settings.options, "forbid": ("parallel_fifths", "parallel_octaves")})
        found.append(write(STRICT, strict, pages, sampled, **seen))
        found.append(write(SILENT, settings, pages, sampled, shown=silenced(pages, task.given), **seen))
        found.append(write(SWAPPED, settings, pages, sampled, shown=swapped(pages, task.given, families), **seen))
    return found


def pages_of(task: Task, split: str, most: int | None = None) -> Unseen:
    """The excerpts that are judged by, none of which overlap; of all these the first `most`."""
    pages, families, note = unseen(task, split)
    assert pages is not None
    assert families is not None
    rows = np.arange(len(families))[:most]
    return Unseen(pages.take(rows), families[rows], note if most is None else f"{note}, of these the first {len(rows)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Train, write, judge, print tables; status 1 where what was expected didn't come out."""
    asked = _parser().parse_args(argv)
    base = settings_for({"task": TASK, **({} if asked.steps is None else {"steps": asked.steps})})
    arms, task, began = control_arms(base), task_of(base), time.perf_counter()
    with ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn")) as pool:
        runs = [
            pool.submit(trained, arm, replace(settings, seed=seed), asked.split, asked.pages)
            for seed in asked.seeds
            for arm, settings in arms.items()
            if arm == TRAINED or seed in asked.twins
        ]
        found: list[Written] = []
        for run in runs:
            written = run.result()
            found += written
            print(f"{written[0].player}, seed {written[0].seed}: {written[0].totals.mean():.2f}", flush=True)
    pages = pages_of(task, asked.split, asked.pages)
    assert pages.pages is not None
    assert pages.families is not None
    for name, choose in (("random, masked", randomly(masked=True)), ("greedy", Greedy())):
        found.append(write(name, base, pages.pages, choose))
    own = as_written(task, pages, own_reward())
    assert own is not None
    bach = measured("Bach", 0, task, own[0].totals.sum(axis=1, keepdims=True), own[1], len(own[1].length))
    everything = task.changed(source=task.source.partition("/")[0]).drawn(apart=True).excerpts
    whole = measured("Bach, all excerpts", 0, task, np.zeros((len(everything.length), 1)), everything, len(everything.length))
    totals, met = totals_table([*found, bach], pages.families), verdict(found, whole, pages.families)
    reward, twins = own_reward(), sorted({*asked.seeds} & {*asked.twins})
    notes = [
        f"- {pages.note}; {PIECES} pieces to each by each player and seed",
        f"- {base.total_steps:,} choices, seeds {_text(asked.seeds)}, control runs {_text(twins)}",
        f"- reward: {reward.name} ({reward.fingerprint}); trained with {base.reward or reward.name} {' '.join(base.changes)}",
        f"- brackets: 95 % bootstrap over seeds (of fewer than {FEWEST} the range of their means) or, without seeds, families",
        f"- Bach's rates and percentiles: {len(everything.length)} excerpts of all splits on the same grid",
        *verdicts(met),
    ]
    text = "\n\n".join([totals, rates_table(found, bach, whole), style_table(found, bach, whole), "\n".join(notes)])
    result = {
        "settings": base.to_dict(), "seconds": time.perf_counter() - began,
        "training_seconds": {f"{w.player} {w.seed}": w.seconds for w in found if w.seconds}, "notes": notes,
        "totals": {f"{w.player} {w.seed}": w.totals.mean() for w in [*found, bach]},
    }  # fmt: skip
    status = conclude(asked.out, "chorale_agent", text, result, met)
    mine = next(w for w in found if w.player == TRAINED)
    keep_median_and_worst(asked.out, mine.totals, mine.music, task)  # of the first seed
    return status


def verdict(found: Sequence[Written], bach: Written, families: np.ndarray) -> dict[str, bool]:
    """What was expected of the trained agent, and whether it came out; nothing where none was trained. `families`: the pages'."""
    mine = [w for w in found if w.player == TRAINED]
    if not mine:
        return {}
    met = {
        f"{rule}: at most {EXPECTED_RATIO:g} x Bach's rate{' (by the mask)' * (rule == 'voice_range')}": _ratio(mine, bach, rule)
        <= EXPECTED_RATIO
        for rule in RULES
    }
    for name, values in bach.style.items():
        low, high = percentiles(values)
        met[f"{name}: within Bach's percentiles"] = low <= _mean(mine, name) <= high
    for player in (SILENT, SWAPPED):
        other = [w for w in found if w.player == player]
        lost = np.mean(
            [o.totals.mean(axis=1) - m.totals.mean(axis=1) for o, m in zip(other, mine, strict=True)], axis=0
        )  # (pages,)
        drawn = bootstrap(lost[:, None], families, np.random.default_rng(BOOTSTRAP_SEED))
        met[f"{player}: less than with its own, {lost.mean():.1f} a page"] = bool(np.percentile(drawn, 97.5) < 0)
    return met


def _rate(of: Sequence[Written], rule: str) -> float:
    """Faults for each opportunity, all seeds together."""
    return sum(w.rates[rule].faults for w in of) / max(sum(w.rates[rule].opportunities for w in of), 1)


def _ratio(of: Sequence[Written], bach: Written, rule: str) -> float:
    mine, his = _rate(of, rule), _rate([bach], rule)
    return mine / his if his else (np.inf if mine else 0.0)


def _mean(of: Sequence[Written], measure: str) -> float:
    return float(np.nanmean(np.concatenate([w.style[measure] for w in of])))


def _players(found: Sequence[Written]) -> dict[str, list[Written]]:
    return {name: [w for w in found if w.player == name] for name in dict.fromkeys(w.player for w in found)}


def totals_table(found: Sequence[Written], families: np.ndarray) -> str:
    """Players by what they were paid. `families`: int (pages,)."""
    lines = ["| player | total | by seed | different pieces |", "| --- | ---: | --- | --- |"]
    for name, mine in _players(found).items():
        values = np.concatenate([w.totals.mean(axis=1) for w in mine])[:, None]
        means = [float(w.totals.mean()) for w in mine]
        if 1 < len(mine) < FEWEST:
            ends = [min(means), max(means)]
        else:
            group = np.repeat(np.arange(len(mine)), len(mine[0].totals)) if len(mine) > 1 else families
            drawn = bootstrap(values, group, np.random.default_rng(BOOTSTRAP_SEED))
            ends = [float(end) for end in np.percentile(drawn, [2.5, 97.5])]
        figure = Figure(float(values.mean()), *ends)
        seeds = ", ".join(f"{mean:.1f}" for mean in means)
        distinct = f"{', '.join(str(w.distinct) for w in mine)} of {mine[0].totals.size}"
        lines.append(f"| {name} | {figure.mean:.2f} [{figure.low:.2f}, {figure.high:.2f}] | {seeds} | {distinct} |")
    return "\n".join(lines)


def rates_table(found: Sequence[Written], bach: Written, whole: Written) -> str:
    """Faults for each opportunity, and how many times Bach's rate that is; every rule of the set."""
    players = _players([*found, bach])
    shown = [
        name
        for name in players
        if name in (TRAINED, "trained, likeliest codes", UNMASKED, STRICT, "random, masked", "greedy", "Bach")
    ]
    lines = [f"| rule | Bach, all | {' | '.join(shown)} | trained, times Bach |", "| --- |" + " ---: |" * (len(shown) + 2)]
    for rule in (*RULES, *(rule for rule in whole.rates if rule not in RULES)):
        name = f"**{rule}**" if rule in RULES else rule
        cells = [f"{100 * _rate(mine, rule):.2f} %" for mine in ([whole], *(players[p] for p in shown))]
        times = f"{_ratio(players[TRAINED], whole, rule):.2f}" if TRAINED in players else ""
        lines.append(f"| {name} | {' | '.join(cells)} | {times} |")
    return "\n".join(lines)


def style_table(found: Sequence[Written], bach: Written, whole: Written) -> str:
    """Means over pieces beside Bach's percentiles."""
    players = _players([*found, bach])
    lines = [
        f"| measure | paid by | Bach's 10th to 90th percentile | {' | '.join(players)} |",
        "| --- | --- | --- |" + " ---: |" * len(players),
    ]
    for name, values in whole.style.items():
        low, high = percentiles(values)
        cells = " | ".join(f"{_mean(of, name):.2f}" for of in players.values())
        lines.append(f"| {name} | {PAID_BY.get(name, '')} | {low:.2f} to {high:.2f} | {cells} |")
    return "\n".join(lines)


def _text(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds)) or "none"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--twins", type=int, nargs="*", default=list(TWIN_SEEDS), help="which seeds the control runs have")
    parser.add_argument("--steps", type=int, help="instead of what the task is trained with")
    parser.add_argument("--split", default="test", choices=["test", "valid"], help="valid while settings are chosen")
    parser.add_argument("--pages", type=int, metavar="N", help="judge by the first N excerpts only")
    parser.add_argument("--jobs", type=int, default=2, help="processes, each with one thread")
    parser.add_argument("--out", type=Path, default=Path("runs/chorale_agent"))
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
