"""How well models foresee music that none of them saw: one table for melodies, one for chorales.

    python -m musicgym.benchmarks.model_table --models runs/models     # after musicgym.benchmarks.train_models

Every model reads the same whole pieces of the test split, moved as little as the ranges ask. n-gram models are counted on what
the networks learn from, in all keys that fit. LSTM and Transformer have equally many weights, to a hundredth, and are tuned
alike; see `train_models`. Intervals: 95 %, percentile bootstrap over melody families, the same draws for all models.

Expected, before the first run: both networks below the 5-gram in nats a slot, on melodies and on chorales, the interval of the
difference below 0; LSTM and Transformer of equally many weights. A run that misses one of these ends with status 1.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from musicgym.agents.comparison import BOOTSTRAP_SEED, RESAMPLES, Figure
from musicgym.benchmarks.outcome import conclude, verdicts
from musicgym.benchmarks.train_models import MODELS, missing, quick, train_one
from musicgym.models import material
from musicgym.models.figures import UNITS, Predictor, Tally, held, summary, tally
from musicgym.models.making import Prepared, prepared
from musicgym.models.ngram import NGramModel
from musicgym.models.sequence_model import SequenceModel
from musicgym.models.storing import load

MUSIC = {"melodies": ("melody-lstm", "melody-transformer"), "chorales": ("chorale-lstm", "chorale-transformer")}
BESIDE = {"melodies": ("melody-lookback",), "chorales": ()}  # not compared by kind: told what comes back
ORDERS = (3, 5, 7, 9, 12, 16)  # of n-gram models, for the best by the validation split
BASELINE = "5-gram"
PLACED = "5-gram that knows the position in the bar"
EQUAL = 0.01  # share by which the weights of LSTM and Transformer may differ


class Row(NamedTuple):
    """A model's figures."""

    numbers: int  # weights or counts
    nats: dict[str, Figure]  # by unit
    accuracy: dict[str, Figure]
    below_baseline: Figure | None  # nats a slot less the baseline's; None for the baseline


def judged(found: Prepared, models: dict[str, Path], orders: Sequence[int] = ORDERS) -> dict[str, Row]:
    """The rows of one table.

    Args:
        found: the music; its model is not used.
        models: name -> path of networks that learned from it.
        orders: of n-gram models, of which the best by the validation split is shown too.
    """
    counted, _ = material.sequences_of(found.learned[0], material.in_all_keys(*found.learned), found.model.alphabet)

    def grams(order: int, positions: bool = False) -> NGramModel:
        return NGramModel(found.task, f"{order}-gram", order=order, positions=positions).fit(counted)

    valid = {order: summary(_tally(found, "valid", grams(order).logits))["slot"]["nats"] for order in orders}
    best = min(valid, key=lambda order: valid[order])
    size = found.model.alphabet.size
    predictors: dict[str, tuple[int, Predictor]] = {"uniform": (0, lambda tokens, _: torch.zeros(*tokens.shape, size))}
    counted_ones = (
        ("unigram", 1, False),
        (BASELINE, 5, False),
        (PLACED, 5, True),
        *(((f"{best}-gram, the best of {', '.join(map(str, orders))}", best, False),) if best != 5 else ()),
    )
    for name, order, positions in counted_ones:
        model = grams(order, positions)
        predictors[name] = sum(part.numel() for part in model.tensors().values()), model.logits
    for name, path in models.items():
        network = load(path, found.task)
        if not isinstance(network, SequenceModel):
            raise ValueError(f"{str(path)!r} is a model of kind {network.kind!r}: expected a sequence model, of train_models")
        predictors[name] = sum(part.numel() for part in network.tensors().values()), network.logits
    tallies = {name: _tally(found, "test", predict) for name, (_, predict) in predictors.items()}
    families = held(*_whole(found, "test"), found.model.alphabet).families
    return rows(tallies, families, {name: numbers for name, (numbers, _) in predictors.items()})


def rows(tallies: dict[str, Tally], families: np.ndarray, numbers: dict[str, int]) -> dict[str, Row]:
    """Figures with intervals, from what each piece adds to them.

    Args:
        tallies: name -> of the same M pieces.
        families: int (M,), drawn together.
        numbers: name -> weights or counts.
    """
    draws = resamples(families)
    nats = {name: ratios(found.nats, found.units, families, draws) for name, found in tallies.items()}
    right = {name: ratios(found.right, found.judged, families, draws) for name, found in tallies.items()}
    made = {}
    for name, (point, drawn) in nats.items():
        base, base_drawn = nats[BASELINE]
        below = None if name == BASELINE else _figure(float(point[0] - base[0]), drawn[:, 0] - base_drawn[:, 0])
        accuracy = {unit: _figure(float(p), d) for unit, p, d in zip(UNITS, right[name][0], right[name][1].T)}
        made[name] = Row(numbers[name], {u: _figure(float(p), d) for u, p, d in zip(UNITS, point, drawn.T)}, accuracy, below)
    return made


def resamples(families: np.ndarray) -> np.ndarray:
    """How often each family is drawn in each resample, int64 (RESAMPLES, families)."""
    count = len(np.unique(families))
    return np.random.default_rng(BOOTSTRAP_SEED).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)


def ratios(above: np.ndarray, below: np.ndarray, families: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums over all pieces, one by the other: float64 (units,) of all and (RESAMPLES, units) of the resamples.

    Args:
        above, below: float64 (M, units).
        families: int (M,).
        draws: of `resamples`.
    """
    _, group = np.unique(families, return_inverse=True)
    sums = np.zeros((2, draws.shape[1], above.shape[1]))
    for total, part in zip(sums, (above, below)):
        np.add.at(total, group, part)
    return sums[0].sum(axis=0) / sums[1].sum(axis=0), (draws @ sums[0]) / (draws @ sums[1])


def expected(tables: dict[str, dict[str, Row]]) -> dict[str, bool]:
    """What was expected, and whether it came out."""
    met = {}
    for music, table in tables.items():
        networks = {name: row for name, row in table.items() if name in MUSIC[music]}
        for name, row in {**networks, **{name: row for name, row in table.items() if name in BESIDE[music]}}.items():
            met[f"{name} below the {BASELINE} on {music}"] = row.below_baseline is not None and row.below_baseline.high < 0
        fewest, most = (pick(row.numbers for row in networks.values()) for pick in (min, max))
        met[f"LSTM and Transformer of {music} have equally many weights"] = most - fewest <= EQUAL * most
    return met


def markdown(music: str, table: dict[str, Row], note: str) -> str:
    """One table."""
    named = {"slot": "a slot", "onset": "a note onset", "quarter": "a quarter note"}
    columns = [f"{what} {named[unit]}" for what in ("nats", "accuracy") for unit in UNITS]
    lines = [f"### {music}", "", note, "", f"| model | numbers | {' | '.join(columns)} | nats a slot above the {BASELINE} |"]
    lines.append("| --- |" + " ---: |" * (len(columns) + 2))
    for name, row in table.items():
        cells = [f"{f.mean:.3f} [{f.low:.3f}, {f.high:.3f}]" for f in row.nats.values()]
        cells += [f"{f.mean:.1%} [{f.low:.1%}, {f.high:.1%}]" for f in row.accuracy.values()]
        below = "" if row.below_baseline is None else "{:+.3f} [{:+.3f}, {:+.3f}]".format(*row.below_baseline)
        lines.append(f"| {name} | {row.numbers:,} | {' | '.join(cells)} | {below} |")
    return "\n".join([*lines, ""])


def _note(card: dict[str, Any]) -> str:
    """What was judged on."""
    split, pieces, families = card["split"], card["split"]["pieces"], card["split"]["families"]
    return (
        f"{pieces['test']:,} pieces of {families['test']:,} melody families of {card['corpus']['name']} (split "
        f"{split['fingerprint']}); {pieces['train']:,} pieces to learn from."
    )


def _whole(found: Prepared, split: str) -> tuple[material.Music, material.Windows]:
    music, moves = found.unseen[split]
    return music, material.as_written(music, moves)


def _tally(found: Prepared, split: str, predict: Predictor) -> Tally:
    alphabet, task = found.model.alphabet, found.task
    return tally(predict, held(*_whole(found, split), alphabet), alphabet, task.voices, task.steps_per_quarter)


def _figure(mean: float, drawn: np.ndarray) -> Figure:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Figure(mean, float(low), float(high))


def main(argv: Sequence[str] | None = None) -> int:
    """Judge the models, write JSON and tables, and say whether what was expected came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("music", nargs="*", help="melodies or chorales; both if none")
    parser.add_argument("--models", type=Path, default=Path("runs/models"), help="where train_models left them")
    parser.add_argument("--out", type=Path, default=Path("runs/model_table"))
    parser.add_argument("--quick", action="store_true", help="with tiny models trained on the spot: to see that all runs")
    asked = parser.parse_args(argv)
    if unknown := [name for name in asked.music if name not in MUSIC]:
        parser.error(f"{unknown[0]!r}: expected some of {', '.join(MUSIC)}")
    needed = [name for music in asked.music or MUSIC for name in (*MUSIC[music], *BESIDE[music])]
    if not asked.quick and (fault := missing(asked.models, needed)):
        parser.error(fault)
    tables: dict[str, dict[str, Row]] = {}
    texts = []
    with tempfile.TemporaryDirectory() as temporary:
        for music in asked.music or MUSIC:
            names, folder = (*MUSIC[music], *BESIDE[music]), asked.models
            recipe = MODELS[names[0]].recipe
            if asked.quick:
                recipe, folder = quick(recipe), Path(temporary)
                for name in names:
                    train_one(name, quick(MODELS[name].recipe), folder)
            found = prepared(replace(recipe, kind="ngram", sizes={}), music)
            tables[music] = judged(found, {name: folder / name for name in names}, ORDERS[:2] if asked.quick else ORDERS)
            texts.append(markdown(music, tables[music], _note(found.card)))
    met = expected(tables)
    result = {"tables": {music: {name: row._asdict() for name, row in table.items()} for music, table in tables.items()}}
    return conclude(asked.out, "model_table", "\n".join([*texts, *verdicts(met)]), result, met)


if __name__ == "__main__":
    raise SystemExit(main())
