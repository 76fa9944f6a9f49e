"""Trains the sequence models that come with the package, and those that the table of models sets beside them.

    python -m musicgym.benchmarks.train_models                        # all of them, into runs/models; goes on after a kill
    python -m musicgym.benchmarks.train_models melody-lstm            # one of them
    python -m musicgym.benchmarks.train_models --ship                 # then copies what the package ships into its folder
    python -m musicgym.benchmarks.train_models tune                   # how learning rates were chosen
    python -m musicgym.benchmarks.train_models --quick --out DIR      # the same in seconds, for tests: the models are no good

They learn from Bach, Ryan, O'Neill and Aird alone, from the training split, and stop early by the validation split. An LSTM and
a Transformer that are compared have equally many weights, read the same windows, make as many updates, and are tuned on the same
grid with a seed that no reported figure uses. Each runs on one core, so that two learn side by side: of two cores each may take
20 minutes, those of chorales 60, which is twice that on one of them. Together the files that are shipped may have 20 MB. A run
that misses one of these ends with status 1.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from musicgym.agents.runs import write_json
from musicgym.choice import StepChoice
from musicgym.models.making import Recipe, make, prepared
from musicgym.models.progress import showing
from musicgym.models.settings import Training
from musicgym.models.storing import SHIPPED, card_of, load
from musicgym.task import Task
from musicgym.tasks.chorale import chorale

MELODIES = "bach,ryan,oneill,aird"
MELODY = Task(StepChoice(48, 83))  # as `musicgym/Melody-v0`
CHORALE = chorale(given=(), meter=None)
MEGABYTES = 20.0
THREADS, CORES = 1, 2

# Chosen by `tune` on held-out nats, before the first run that is reported.
TUNED = {"melody-lstm": 8e-3, "melody-transformer": 4e-3, "chorale-lstm": 8e-3, "chorale-transformer": 2e-3}
RATES = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2)
TUNING_SEED, TUNING_UPDATES = 1001, 600
DROPOUT = {"melody": 0.1, "chorale": 0.3}  # of both kinds; not tuned: runs so short can't show what it is good for

_MELODY = Training(window=256, batch=32, updates=3000, warmup=200, evaluate_every=200, patience=5, threads=THREADS)
_CHORALE = Training(window=128, batch=8, updates=3000, warmup=200, evaluate_every=200, patience=8, threads=THREADS)
_SIZES: dict[str, dict[str, Any]] = {
    "melody-lstm": {"units": 368, "embedding": 96},
    "melody-lookback": {"units": 368, "embedding": 96, "lookback": True},
    "melody-transformer": {"layers": 4, "width": 128, "heads": 4, "context": 512},
    "chorale-lstm": {"units": 464, "embedding": 112},
    "chorale-transformer": {"layers": 4, "width": 160, "heads": 4, "context": 512},
    "melody-discriminator": {"layers": 8, "width": 96, "dropout": 0.1},
    "melody-vae": {"bars": 2, "latent": 32, "units": 192, "embedding": 48, "plan": 64},
    "melody-vae-8": {"bars": 8, "latent": 96, "units": 192, "embedding": 48, "plan": 48},
}


class Made(NamedTuple):
    """A model to be made, and what may be spent on it."""

    recipe: Recipe
    minutes: float  # of training, of two cores
    shipped: bool


def _neural(name: str, tuned: str, transpose: str = "all") -> Recipe:
    """The recipe of one of `_SIZES`, with what one of `TUNED` was tuned to."""
    music, kind = tuned.split("-")
    task, corpus, training = (MELODY, MELODIES, _MELODY) if music == "melody" else (CHORALE, "bach", _CHORALE)
    sizes = {**_SIZES[name], "dropout": DROPOUT[music]}
    return Recipe(kind, corpus, task.to_json(), sizes, replace(training, learning_rate=TUNED[tuned], transpose=transpose))


def _discriminator() -> Recipe:
    """Against the LSTM's pieces; the rate was picked among 5e-4, 1e-3 and 3e-3 in short trials, not by `tune`."""
    training = replace(_MELODY, updates=3000, learning_rate=1e-3)
    sizes = _SIZES["melody-discriminator"]
    return Recipe("discriminator", MELODIES, MELODY.to_json(), sizes, training, against="melody-lstm")


def _vae(name: str, batch: int, updates: int) -> Recipe:
    """Not tuned: a nat of divergence counts 0.2, as in MusicVAE (Roberts et al. 2018)."""
    training = replace(_MELODY, batch=batch, updates=updates, learning_rate=3e-3, evaluate_every=300, patience=6)
    return Recipe("vae", MELODIES, MELODY.to_json(), {**_SIZES[name], "beta": 0.2}, training)


MODELS: dict[str, Made] = {
    "melody-ngram": Made(Recipe("ngram", MELODIES, MELODY.to_json(), {"order": 5}), 20, True),
    "melody-lstm": Made(_neural("melody-lstm", "melody-lstm"), 20, True),
    "melody-lstm-c": Made(_neural("melody-lstm", "melody-lstm", "C"), 20, True),
    "melody-lookback": Made(_neural("melody-lookback", "melody-lstm"), 20, True),
    "melody-transformer": Made(_neural("melody-transformer", "melody-transformer"), 20, True),
    "chorale-transformer": Made(_neural("chorale-transformer", "chorale-transformer"), 60, True),
    "chorale-lstm": Made(_neural("chorale-lstm", "chorale-lstm"), 60, False),
    "melody-discriminator": Made(_discriminator(), 20, True),  # after the model that it learns against
    "melody-vae": Made(_vae("melody-vae", batch=128, updates=6000), 20, True),
    "melody-vae-8": Made(_vae("melody-vae-8", batch=64, updates=4000), 20, False),
}


def quick(recipe: Recipe) -> Recipe:
    """The recipe made small: a few updates of a few weights on one collection."""
    sizes = {
        "ngram": {"order": 3},
        "lstm": {"units": 8, "embedding": 8},
        "transformer": {"layers": 1, "width": 8, "heads": 2, "context": 32},
        "discriminator": {"layers": 2, "width": 8},
        "vae": {"bars": recipe.sizes.get("bars", 2), "latent": 4, "units": 12, "embedding": 8, "plan": 8},
    }[recipe.kind]
    window = recipe.training.window if recipe.kind == "vae" else 16  # its windows are as long as their bars
    training = replace(recipe.training, updates=2, evaluate_every=2, window=window, batch=4, threads=1)
    return replace(recipe, corpus="aird" if recipe.corpus == MELODIES else recipe.corpus, sizes=sizes, training=training)


def train_one(name: str, recipe: Recipe, out: Path) -> dict[str, Any]:
    """Train a model into a folder, from its last checkpoint on; its card. One that is finished already is left as it is.

    Raises:
        ValueError: as `musicgym.models.making.make`; or a model of this name by another recipe.
    """
    path, folder = out / name, out / name
    folder.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f"{name}.json")
    if written.exists() and (card := card_of(written)).get("training", {}).get("finished"):
        if card.get("recipe") != recipe.to_dict():
            raise ValueError(f"{str(path)!r} was made by another recipe: choose another --out, or remove it")
        check_fresh(card, recipe, out)
        return card
    with showing(name) as watch:
        against = str(out / recipe.against) if recipe.against else ""
        found = prepared(replace(recipe, against=against), name)
        found.card["recipe"] = recipe.to_dict()
        return make(found, path, folder=folder, resume=True, watcher=watch)


def check_fresh(card: dict[str, Any], recipe: Recipe, out: Path) -> None:
    """Raises ValueError where the model that a model learned against, or went on from, has been trained anew since."""
    for field, name in (("against", recipe.against), ("from", recipe.start)):
        if name and (now := load(str(out / Path(name).name)).fingerprint) != (was := card[field]["fingerprint"]):
            raise ValueError(
                f"{card['name']!r} learned {field} {name!r} when that was {was}; now it is {now}: remove the old one"
            )


def faults(cards: dict[str, dict[str, Any]], out: Path) -> list[str]:
    """What of the cards misses what was set: leaks, minutes, megabytes."""
    found = []
    for name, card in cards.items():
        minutes = minutes_of(card)
        if minutes > MODELS[name].minutes:
            found.append(f"{name} took {minutes:.1f} minutes: expected at most {MODELS[name].minutes:g}")
        found += [
            f"{name}: {leak['windows']} windows and {leak['families']} families of the {split} split were learned from"
            for split, leak in card["leakage"].items()
            if leak["windows"] or leak["families"]
        ]
    shipped = [path for name, made in MODELS.items() if made.shipped for path in files_of(out / name) if path.exists()]
    size = sum(path.stat().st_size for path in shipped) / 1e6
    if size > MEGABYTES:
        found.append(f"the models that are shipped have {size:.1f} MB: expected at most {MEGABYTES:g}")
    return found


def missing(folder: Path, names: Sequence[str]) -> str:
    """What to say where one of these models isn't in the folder; "" where all are."""
    lacking = [name for name in names if not all(path.exists() for path in files_of(folder / name))]
    trained = " ".join(lacking)
    return f"--models {folder}: there is no {lacking[0]}; python -m musicgym.benchmarks.train_models {trained}" if lacking else ""


def minutes_of(card: dict[str, Any]) -> float:
    """Minutes of training of two cores."""
    training = card["training"]
    return float(training["seconds"]) * float(training.get("threads", 1)) / CORES / 60


def files_of(path: Path) -> tuple[Path, Path]:
    """The two files of a model."""
    return path.with_name(f"{path.name}.safetensors"), path.with_name(f"{path.name}.json")


def tune(names: Sequence[str], out: Path, *, small: bool = False) -> dict[str, dict[str, float]]:
    """Held-out nats a slot for each learning rate, by model: short runs with a seed of their own."""
    found: dict[str, dict[str, float]] = {}
    for name in names:
        found[name] = {}
        base = MODELS[name].recipe
        for rate in RATES:
            recipe = replace(base, training=replace(base.training, learning_rate=rate, seed=TUNING_SEED, updates=TUNING_UPDATES))
            recipe = quick(recipe) if small else recipe
            found[name][f"learning_rate={rate:g}"] = train_one(f"{name}-{rate:g}", recipe, out)["training"]["best_nats"]
    return found


def at_an_edge(points: dict[str, float]) -> bool:
    """Whether the best of a grid, in its order, is the first or the last: the best of all may then lie beyond."""
    best = min(points, key=lambda point: points[point])
    return best in (next(iter(points)), next(reversed(points)))


def main(argv: Sequence[str] | None = None) -> int:
    """Train what is asked for, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"{', '.join(MODELS)}, or tune; all models if none")
    parser.add_argument("--out", type=Path, default=Path("runs/models"))
    parser.add_argument("--quick", action="store_true", help="a few updates of a few weights: to see that all runs")
    parser.add_argument("--ship", action="store_true", help="copy what is shipped into the package's folder")
    asked = parser.parse_args(argv)
    known = ["tune", *TUNED] if "tune" in asked.names else list(MODELS)
    if unknown := [name for name in asked.names if name not in known]:
        parser.error(f"{unknown[0]!r}: expected some of {', '.join(known)}")
    if asked.ship and asked.quick:
        parser.error("--ship: models of --quick are no good and are not shipped")
    if "tune" in asked.names:
        compared = [name for name in asked.names if name != "tune"] or list(TUNED)
        found = tune(compared, asked.out / "tuning", small=asked.quick)
        write_json(asked.out / "tuning.json", found)
        for name, points in found.items():
            print(name)
            for point, nats in sorted(points.items(), key=lambda pair: pair[1]):
                print(f"  {point}: {nats:.4f} nats a held-out slot")
        if edges := [name for name, points in found.items() if at_an_edge(points)]:
            print(f"MISSED: the best rate of {', '.join(edges)} is at the edge of RATES: widen them")
        return 1 if edges else 0
    cards = {}
    for name in asked.names or MODELS:
        recipe = MODELS[name].recipe
        cards[name] = train_one(name, quick(recipe) if asked.quick else recipe, asked.out)
        print(cards[name]["text"], flush=True)
    missed = faults(cards, asked.out)
    for fault in missed:
        print(f"MISSED: {fault}")
    if asked.ship and not missed:
        SHIPPED.mkdir(exist_ok=True)
        for name in cards:
            for file in files_of(asked.out / name) if MODELS[name].shipped else ():
                shutil.copyfile(file, SHIPPED / file.name)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
