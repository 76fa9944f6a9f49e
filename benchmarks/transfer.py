"""What a model that knows fiddle tunes needs of Bach: fine-tuned on a few chorale sopranos, against learning from them alone.

    python -m musicgym.benchmarks.transfer                      # trains what it goes on from first; goes on after a kill
    python -m musicgym.benchmarks.transfer tune                 # how learning rates were chosen
    python -m musicgym.benchmarks.transfer --quick --out DIR    # the same in seconds, for tests: the figures mean nothing

An LSTM of the size of `melody-lstm` learns from Ryan, O'Neill and Aird, never from Bach. From there it goes on with 5, 20 or 100
sopranos of Bach's training split, drawn anew by each seed. Beside it stand

- scratch: the same network from random weights, on the same sopranos; tuned on more settings, since it may want more dropout;
- permuted: as fine-tuned, but gone on from a twin that learned from the tunes with the pitches of each in random order. Rhythm,
  range and the notes in use are there, the melody is not: what this arm lacks is what knowing melodies brings;
- before: the first model as it is.

Every arm stops early by the same validation split of Bach's sopranos, with the same patience, and is judged on the test split as
written. What is forgotten: nats of the tunes' test split before and after. Learning rates are
chosen by `tune` for each arm and number of pieces, by the validation split and with a seed that no figure uses. Intervals: 95 %,
percentile bootstrap over seeds and, apart from them, melody families; the same draws for all arms.

Expected, before the first run: from 20 pieces fine-tuning is `MARGIN` nats a quarter note below scratch or more, in every seed,
and the interval of the difference ends below 0; it is below the permuted twin too; all runs stop by themselves. A run that misses
one of these ends with status 1.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from musicgym.agents.comparison import BOOTSTRAP_SEED, RESAMPLES, Figure
from musicgym.agents.runs import write_json
from musicgym.benchmarks.outcome import conclude, verdicts
from musicgym.benchmarks.train_models import MELODY, MODELS, check_fresh, quick, train_one
from musicgym.models import material
from musicgym.models.figures import UNITS, held, tally
from musicgym.models.making import Prepared, Recipe, make, prepared
from musicgym.models.material import Moves, Music
from musicgym.models.progress import showing
from musicgym.models.sequence_model import SequenceModel
from musicgym.models.settings import Training
from musicgym.models.spoiling import permuted_pitches
from musicgym.models.storing import card_of, load

FIDDLE, PERMUTED = "fiddle-lstm", "fiddle-lstm-permuted"  # what is gone on from
NEW = "bach"
ARMS = ("fine-tuned", "permuted", "scratch")
PIECES = (5, 20, 100)
JUDGED = 20  # pieces from which something is expected
SEEDS = (0, 1, 2, 3, 4)
MARGIN = 0.10  # nats a quarter note
TUNING_SEED = 1001
SPOILING_SEED = 77  # of the twin's tunes
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
DROPOUTS = (0.1, 0.5)  # of scratch; the others keep what they learned with

# Chosen by `tune`, before the first run that is reported: learning rate, and of scratch dropout.
TUNED: dict[str, tuple[float, float]] = {
    "fine-tuned 5": (3e-4, 0.1),
    "fine-tuned 20": (3e-4, 0.1),
    "fine-tuned 100": (1e-3, 0.1),
    "permuted 5": (1e-3, 0.1),
    "permuted 20": (3e-2, 0.1),
    "permuted 100": (1e-2, 0.1),
    "scratch 5": (3e-3, 0.1),
    "scratch 20": (1e-2, 0.1),
    "scratch 100": (3e-3, 0.1),
}

_UNIT = UNITS.index("quarter")
_TRAINING = Training(window=256, batch=4, updates=1000, warmup=10, evaluate_every=20, patience=5)


class Arm(NamedTuple):
    """One way to learn from a few pieces."""

    name: str  # of `ARMS`
    pieces: int
    rate: float
    dropout: float


def arms(found: dict[str, tuple[float, float]]) -> list[Arm]:
    """All arms with what they were tuned to."""
    return [Arm(name, count, *found[f"{name} {count}"]) for name in ARMS for count in PIECES]


class Bench:
    """Where everything lies, and how much is done."""

    def __init__(self, out: Path, *, small: bool = False) -> None:
        self.out, self.small = out, small
        self.seeds = SEEDS[:2] if small else SEEDS
        base = MODELS["melody-lstm"].recipe
        tunes = replace(base, corpus="ryan,oneill,aird")
        self.tunes: Recipe = quick(tunes) if small else tunes
        self.training = replace(_TRAINING, updates=4, evaluate_every=2) if small else _TRAINING

    def first(self, name: str) -> Path:
        """The model that is gone on from, trained if it isn't there yet."""
        path = self.out / name
        if name == FIDDLE:
            train_one(name, self.tunes, self.out)
            return path
        if not _is_finished(path, self.tunes):
            found = prepared(self.tunes, name)
            draws = np.random.default_rng(SPOILING_SEED)
            music, moves = found.learned
            unseen, unseen_moves = found.unseen["valid"]
            found = found._replace(
                learned=(_permuted(music, draws), moves),
                unseen={**found.unseen, "valid": (_permuted(unseen, draws), unseen_moves)},
            )
            found.card["recipe"] = self.tunes.to_dict()
            found.card["spoiled"] = f"the pitches of each piece in random order, by {SPOILING_SEED}"
            path.mkdir(parents=True, exist_ok=True)
            with showing(name) as watch:
                make(found, path, folder=path, resume=True, watcher=watch)
        return path

    def learned(self, arm: Arm, seed: int) -> Path:
        """An arm's model from one seed's pieces, trained if it isn't there yet."""
        path = self.out / f"{arm.name}-{arm.pieces}-{seed}-{arm.rate:g}-{arm.dropout:g}"
        recipe = self._recipe(arm, seed)
        if _is_finished(path, recipe):
            return path
        found = prepared(recipe, path.name)
        music, moves = _some(*found.learned, arm.pieces, seed)
        found = found._replace(learned=(music, moves))
        found.card["split"]["pieces"]["train"] = arm.pieces
        found.card["split"]["families"]["train"] = len(np.unique(music.families))
        found.card["recipe"] = recipe.to_dict()
        make(found, path)
        return path

    def _recipe(self, arm: Arm, seed: int) -> Recipe:
        training = replace(self.training, learning_rate=arm.rate, seed=seed)
        base = Recipe("lstm", NEW, MELODY.to_json(), training=training)
        if arm.name == "scratch":
            return replace(base, sizes={**self.tunes.sizes, "dropout": arm.dropout})
        return replace(base, start=str(self.first(FIDDLE if arm.name == "fine-tuned" else PERMUTED)))

    def music(self) -> dict[str, Prepared]:
        """Both styles' pieces; the models beside them are not used."""
        recipe = replace(self.tunes, kind="ngram", sizes={"order": 1})
        return {"tunes": prepared(recipe, "tunes"), "sopranos": prepared(replace(recipe, corpus=NEW), "sopranos")}


class Costs(NamedTuple):
    """Surprise of M held-out pieces, by model."""

    nats: dict[str, np.ndarray]  # model -> float64 (M,)
    quarters: np.ndarray  # float64 (M,)
    families: np.ndarray  # int (M,)


def costs(found: Prepared, models: dict[str, Path]) -> Costs:
    """What the pieces of a style's test split, as written, cost each model."""
    music, moves = found.unseen["test"]
    pieces = held(music, material.as_written(music, moves), found.model.alphabet)
    nats, quarters = {}, np.empty(0)
    for name, path in models.items():
        model = load(path, found.task)
        assert isinstance(model, SequenceModel)
        with model.judging():
            told = tally(model.logits, pieces, model.alphabet, model.task.voices, model.task.steps_per_quarter, model.device)
        nats[name], quarters = told.nats[:, _UNIT], told.units[:, _UNIT]
    return Costs(nats, quarters, pieces.families)


def means(found: Costs, names: Mapping[str, Sequence[str]]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Nats a quarter note of groups of models: by seed, float64 (seeds,), and in resamples, float64 (RESAMPLES,).

    Args:
        found: what pieces cost.
        names: group -> its models, one for each seed, in the same order; or one, which counts for all.
    """
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    _, family = np.unique(found.families, return_inverse=True)
    count = int(family.max()) + 1
    weights = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)[:, family].astype(float)  # (resamples, M)
    most = max(len(group) for group in names.values())
    seeds = rng.integers(most, size=(RESAMPLES, most))
    points, draws = {}, {}
    for group, models in names.items():
        nats = np.stack([found.nats[model] for model in models])  # (seeds, M)
        points[group] = nats.sum(axis=1) / found.quarters.sum()
        by_seed = (weights @ nats.T) / (weights @ found.quarters)[:, None]  # (resamples, seeds)
        draws[group] = np.take_along_axis(by_seed, seeds % len(models), axis=1).mean(axis=1)
    return points, draws


def figure(values: np.ndarray, draws: np.ndarray) -> Figure:
    """The mean over seeds, with what the middle 95 % of resamples say."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return Figure(float(values.mean()), float(low), float(high))


def tune(bench: Bench) -> dict[str, dict[str, float]]:
    """Nats a slot of the validation split, by arm and setting, from one draw of pieces."""
    found: dict[str, dict[str, float]] = {}
    for name in ARMS:
        for count in PIECES:
            points = found[f"{name} {count}"] = {}
            for rate in RATES:
                for dropout in DROPOUTS if name == "scratch" else DROPOUTS[:1]:
                    path = bench.learned(Arm(name, count, rate, dropout), TUNING_SEED)
                    points[f"[{rate:g}, {dropout:g}]"] = card_of(path.with_name(path.name + ".json"))["training"]["best_nats"]
    return found


def chosen_of(found: dict[str, dict[str, float]]) -> dict[str, tuple[float, float]]:
    """The best setting of each arm: rate and dropout."""
    best = {name: json.loads(min(points, key=lambda point: points[point])) for name, points in found.items()}
    return {name: (rate, dropout) for name, (rate, dropout) in best.items()}


def report(bench: Bench, chosen: Iterable[Arm]) -> tuple[dict[str, Any], str]:
    """All figures as JSON holds them, and as tables."""
    models: dict[str, Path] = {"before": bench.first(FIDDLE)}
    groups: dict[str, list[str]] = {"before": ["before"]}
    ended = []
    for arm in chosen:
        group = groups[f"{arm.name} {arm.pieces}"] = [f"{arm.name} {arm.pieces} {seed}" for seed in bench.seeds]
        models |= {name: bench.learned(arm, seed) for name, seed in zip(group, bench.seeds, strict=True)}
        cards = [card_of(models[name].with_name(models[name].name + ".json")) for name in group]
        ended += [f"{name} after {card['training']['updates_made']}" for name, card in zip(group, cards) if _used_up(card)]
    music = bench.music()
    points, draws = means(costs(music["sopranos"], models), groups)
    kept = {group: names for group, names in groups.items() if group == "before" or group.startswith("fine-tuned")}
    forgotten, forgotten_draws = means(
        costs(music["tunes"], {name: models[name] for names in kept.values() for name in names}), kept
    )
    differences = {
        f"{name} {count}": {
            "seeds": (points[f"fine-tuned {count}"] - points[f"{name} {count}"]).tolist(),
            "figure": figure(
                points[f"fine-tuned {count}"] - points[f"{name} {count}"],
                draws[f"fine-tuned {count}"] - draws[f"{name} {count}"],
            ),
        }
        for name in ("permuted", "scratch")
        for count in PIECES
    }
    result = {
        "sopranos": {g: {"seeds": points[g].tolist(), "figure": figure(points[g], draws[g])} for g in groups},
        "fine-tuned less": differences,
        "tunes": {g: {"seeds": forgotten[g].tolist(), "figure": figure(forgotten[g], forgotten_draws[g])} for g in kept},
        "expected": expected(differences, ended),
    }
    return result, markdown(result)


def expected(differences: dict[str, dict[str, Any]], ended: Sequence[str] = ()) -> dict[str, bool]:
    """What was expected, and whether it came out."""
    scratch, permuted = (differences[f"{name} {JUDGED}"] for name in ("scratch", "permuted"))
    return {
        f"from {JUDGED} pieces {MARGIN:g} nats a quarter note below scratch in every seed": max(scratch["seeds"]) <= -MARGIN,
        "the interval of that difference below 0": scratch["figure"].high < 0,
        f"from {JUDGED} pieces below the permuted twin, interval below 0": permuted["figure"].high < 0,
        f"no run used up its updates{''.join(f', {name}' for name in ended)}": not ended,
    }


def markdown(result: dict[str, Any]) -> str:
    """The figures as tables: nats a quarter note."""
    lines = []
    for title, key in (
        ("Bach's sopranos, nats a quarter note", "sopranos"),
        ("fine-tuned less", "fine-tuned less"),
        ("the tunes, nats a quarter note: what is forgotten", "tunes"),
    ):
        lines += [f"| {title} | mean | seeds |", "| --- | ---: | --- |"]
        for name, row in result[key].items():
            seeds = " ".join(f"{value:.3f}" for value in row["seeds"])
            lines.append(f"| {name} | {{:.3f}} [{{:.3f}}, {{:.3f}}] | {seeds} |".format(*row["figure"]))
        lines.append("")
    return "\n".join([*lines, *verdicts(result["expected"])])


def _used_up(card: dict[str, Any]) -> bool:
    """Whether a run ended for want of updates, and might have gone on."""
    return bool(card["training"]["updates_made"] >= card["training"]["updates"])


def _some(music: Music, moves: Moves, count: int, seed: int) -> tuple[Music, Moves]:
    """So many pieces, drawn by the seed; those of fewer pieces are among those of more."""
    if count > len(music.families):
        raise ValueError(f"{count} pieces to learn from: there are {len(music.families)}")
    rows = np.sort(np.random.default_rng([seed, len(PIECES)]).permutation(len(music.families))[:count])
    return Music(music.excerpts.take(rows), music.families[rows], music.keys[rows]), Moves(moves.shift[rows], moves.fits[rows])


def _permuted(music: Music, draws: np.random.Generator) -> Music:
    return music._replace(excerpts=permuted_pitches(music.excerpts, draws))


def _is_finished(path: Path, recipe: Recipe) -> bool:
    """Whether the model is there. Raises ValueError where another recipe made it."""
    written = path.with_name(path.name + ".json")
    if not written.exists() or not (card := card_of(written)).get("training", {}).get("finished"):
        return False
    if card.get("recipe") != json.loads(json.dumps(recipe.to_dict())):
        raise ValueError(f"{str(path)!r} was made by another recipe: choose another --out, or remove it")
    check_fresh(card, recipe, path.parent)
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """Tune or compare, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["compare", "tune"], default="compare")
    parser.add_argument("--out", type=Path, default=Path("runs/transfer"))
    parser.add_argument("--quick", action="store_true", help="a few updates of a few weights: to see that all runs")
    asked = parser.parse_args(argv)
    bench = Bench(asked.out, small=asked.quick)
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.what == "tune":
        found = tune(bench)
        write_json(asked.out / "tuning.json", found)
        for name, points in found.items():
            print(name, *(f"  {setting}: {nats:.4f}" for setting, nats in sorted(points.items(), key=lambda p: p[1])), sep="\n")
        best = chosen_of(found)
        print("TUNED =", best)
        edges = [name for name, (rate, _) in best.items() if rate in (RATES[0], RATES[-1])]
        if edges:
            print(f"MISSED: the best rate of {', '.join(edges)} is at the edge of RATES: widen them")
        return 1 if edges else 0
    if not (TUNED or asked.quick):
        parser.error("TUNED is empty: run tune first, and write down what it chose")
    chosen = dict.fromkeys((f"{name} {count}" for name in ARMS for count in PIECES), (1e-3, 0.1)) if asked.quick else TUNED
    result, text = report(bench, arms(chosen))
    return conclude(asked.out, "transfer", text, result, result["expected"])


if __name__ == "__main__":
    raise SystemExit(main())
