"""Does adversarial training make a generator's pieces harder to tell from real ones, and at what price?

    python -m musicgym.benchmarks.adversarial                      # after musicgym.benchmarks.train_models; goes on after a kill
    python -m musicgym.benchmarks.adversarial --seeds 0 2 4        # these alone, while another process does the others
    python -m musicgym.benchmarks.adversarial --quick --out DIR    # the same in seconds, for tests: the figures mean nothing

The melody LSTM learns against the melody discriminator, five times with seeds of its own (`CONTEST`). Before and after that it
writes pieces on pages of real windows. Three judges that have seen nothing yet (`fresh_judges`) learn to tell these from the
windows of the training split, stop early by the validation split, and are asked about the test split; all pieces are as long as
the real ones, window by window. All generators stand on the same pages and have judges of the same seeds. Twins of one seed's
contest are paid for being found out ("negated"), or for what came of another piece ("blind"). There is none with a constant pay:
nothing but the leash is left of it, which holds the generator at the pretrained one, where it begins.

Intervals: 95 %, percentile bootstrap over seeds and melody families, crossed; the same draws for all generators. All seeds begin
with one generator and one discriminator, whose own chance is not in them.

Expected, before the first run: for each of the three judges the AUC falls, the two intervals apart; distinct 4-grams and Vendi
score are no more than a twentieth below those of the pretrained generator, by the lower end of the difference's interval over
seeds; nineteen of twenty pieces have no longer copy from the training split than nineteen of twenty real test windows have; each
judge finds the twins' pieces out more easily, the interval of the difference above 0. A run that misses one of these ends with
status 1.

The contest's settings were chosen among six with seed 1001, by n-gram's and CNN's AUC on the validation split, after the same had
been looked at on the test split. The judges, their rates and the number of windows were chosen by how well they tell the
pretrained generator's pieces, on test windows too; that generator was not changed for it. Judges learn from windows of the
training split, which the contest's discriminator has seen as well.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from musicgym.agents.comparison import BOOTSTRAP_SEED, RESAMPLES, Figure
from musicgym.agents.runs import write_json
from musicgym.benchmarks.diversity import distinct, longest_copies, vendi
from musicgym.benchmarks.fresh_judges import KINDS, Budget, Sides, verdict
from musicgym.benchmarks.outcome import conclude, verdicts
from musicgym.benchmarks.train_models import MELODIES, MELODY, MODELS, missing, quick, train_one
from musicgym.corpus import SPLITS
from musicgym.models import material
from musicgym.models.adversarial import contest
from musicgym.models.checkpoint import NAME as CHECKPOINT
from musicgym.models.contest import Contest
from musicgym.models.discriminator import Discriminator
from musicgym.models.material import Moves, Music, Windows, drawn, music_of
from musicgym.models.neural import NeuralModel
from musicgym.models.opposition import made_up
from musicgym.models.storing import load, save
from musicgym.models.tokens import alphabet_of, encode, readable
from musicgym.pieces import Excerpts

GENERATOR, DISCRIMINATOR = "melody-lstm", "melody-discriminator"
ARMS = ("pretrained", "adversarial")
SEEDS = (0, 1, 2, 3, 4)
TWINS, TWINS_OF = ("negated", "blind"), 0
CONTEST = Contest(
    rounds=200,
    batch=128,
    group=8,
    steps=128,
    generator_rate=1e-3,
    discriminator_rate=2e-4,
    discriminator_updates=1,
    leash=0.4,
    discount=0.97,
    inertia=0.98,
)
BUDGET = Budget()
COUNTS = {"train": 4096, "valid": 512, "test": 768}  # windows, at most
MOST_LOST = 0.05  # of diversity
_SIDES = ("real", "generated")
_PAGES, _SAMPLES, _JUDGES = 11, 12, 13  # beside a seed: what is drawn by


class Scale(NamedTuple):
    """How much is done."""

    seeds: tuple[int, ...]
    contest: Contest
    budget: Budget
    counts: dict[str, int]


FULL = Scale(SEEDS, CONTEST, BUDGET, COUNTS)
QUICK = Scale(
    (0, 1),
    Contest(rounds=2, batch=8, group=4, steps=32),
    Budget(updates=4, batch=8, evaluate_every=2),
    {"train": 16, "valid": 8, "test": 12},
)

Pieces = dict[str, tuple[Music, Moves]]  # by split


def pieces_of(corpus: str) -> Pieces:
    """The pieces of each split, and where they may be moved."""
    found = material.open_corpus(corpus, MELODY)
    parts: Pieces = {}
    for split in SPLITS:
        music = material.whole_pieces(material.part_of(found, split), MELODY)
        parts[split] = material.fitting(music, material.moves(music, MELODY, "all"))
    return parts


def arms_of(seed: int) -> tuple[str, ...]:
    """The generators of a seed: before, after, and of one seed twins."""
    return (*ARMS, *(TWINS if seed == TWINS_OF else ()))


def one_seed(
    generator: NeuralModel, discriminator: Discriminator, pieces: Pieces, scale: Scale, seed: int, out: Path
) -> dict[str, Any]:
    """What judges and measures say of all generators of a seed; what was done already is not done again."""
    settings = dataclasses.replace(scale.contest, seed=seed)
    windows = {split: _windows(*pieces[split], settings.steps, scale.counts[split], seed) for split in SPLITS}
    about = {
        "budget": scale.budget._asdict(),
        "counts": scale.counts,
        "generator": generator.fingerprint,
        "discriminator": discriminator.fingerprint,
    }
    arms = {}
    (out / f"seed-{seed}").mkdir(exist_ok=True)
    for arm in arms_of(seed):
        own = dataclasses.replace(settings, twin=arm if arm in TWINS else "")
        asked = json.loads(json.dumps(about if arm == ARMS[0] else {**about, "contest": dataclasses.asdict(own)}))
        path = _path(out, seed, arm)
        if path.exists():
            arms[arm] = json.loads(path.read_text(encoding="utf-8"))
            if arms[arm]["about"] != asked:
                raise ValueError(f"{str(path)!r} was made by other settings or models: choose another --out, or remove it")
            continue
        learner = generator if arm == ARMS[0] else _learned(generator, discriminator, pieces, own, path.with_suffix(""))
        arms[arm] = {"about": asked, **_judged(learner, pieces, windows, scale.budget, seed)}
        write_json(path, arms[arm])
    music, _ = pieces["test"]
    return {
        "families": music.families[windows["test"].piece].tolist(),
        "real_copies": longest_copies(music_of(music, windows["test"]), pieces["train"][0].excerpts).tolist(),
        "arms": arms,
    }


def _learned(
    generator: NeuralModel, discriminator: Discriminator, pieces: Pieces, settings: Contest, folder: Path
) -> NeuralModel:
    """The generator after a contest, which goes on from the folder's checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    learner = _copy_of(generator)
    there = (folder / CHECKPOINT).exists()
    contest(learner, discriminator, pieces["train"], settings, folder=folder, resume=there)
    first = {"name": generator.name, "fingerprint": generator.fingerprint}
    save(learner, folder / "generator", {"contest": dataclasses.asdict(settings), "from": first})
    return learner


def _path(out: Path, seed: int, arm: str) -> Path:
    return out / f"seed-{seed}" / f"{arm}.json"


def _copy_of(model: NeuralModel) -> NeuralModel:
    made: Any = type(model)
    copied: NeuralModel = made(model.task, f"{model.name}-adversarial", **model.config)
    copied.load_tensors({name: tensor.clone() for name, tensor in model.tensors().items()})
    return copied


def _windows(music: Music, moves: Moves, steps: int, count: int, seed: int) -> Windows:
    """At most so many windows that models read, each step of a piece in one of them."""
    rng = np.random.default_rng([seed, _PAGES])
    found = drawn(music, moves, steps, rng)
    fits = readable(music_of(music, found), alphabet_of(MELODY))
    rows = np.flatnonzero(fits & (found.stop - found.start >= steps // 2))
    return found.take(np.sort(rng.permutation(rows)[:count]))


def _judged(model: NeuralModel, pieces: Pieces, windows: dict[str, Windows], budget: Budget, seed: int) -> dict[str, Any]:
    """What judges and measures say of a generator."""
    sides: dict[str, Sides] = {}
    written: dict[str, Excerpts] = {}
    for number, split in enumerate(SPLITS):
        real = music_of(pieces[split][0], windows[split])
        first = int(np.random.SeedSequence([seed, _SAMPLES, number]).generate_state(1, np.uint64)[0] >> np.uint64(3))
        written[split] = made_up(model, real, first)
        sides[split] = Sides(*(encode(part, model.alphabet, 1) for part in (real, written[split])))
    judges = {}
    for number, kind in enumerate(KINDS):
        of_judge = int(np.random.SeedSequence([seed, _JUDGES, number]).generate_state(1)[0])
        found = verdict(kind, model.alphabet, sides["train"], sides["valid"], sides["test"], budget, of_judge)
        judges[kind] = {
            "auc": found.auc,
            "updates": found.updates,
            "real": found.real.tolist(),
            "generated": found.generated.tolist(),
        }
    test = written["test"]
    return {
        "judges": judges,
        "distinct": distinct(test),
        "vendi": vendi(test),
        "copies": longest_copies(test, pieces["train"][0].excerpts).tolist(),
    }


class Table(NamedTuple):
    """What all seeds say together."""

    auc: dict[str, dict[str, Figure]]  # judge -> arm, and "difference"
    diversity: dict[str, dict[str, Figure]]  # "distinct" and "vendi" -> arm, and "difference"
    twins: dict[str, dict[str, Figure]]  # judge -> arm of the seed that has twins, and a twin's less "adversarial" -> AUC
    copies: dict[str, dict[str, float]]  # arm, and "real" -> 95th percentile, most, and share above the real 95th percentile


def table(found: Sequence[dict[str, Any]]) -> Table:
    """The figures of all seeds.

    Args:
        found: of `one_seed`, one for each.
    """
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    seeds = rng.integers(len(found), size=(RESAMPLES, len(found)))
    weights = _family_weights([np.array(one["families"]) for one in found], rng)
    aucs = {}
    for kind in KINDS:
        point, draws = {}, {}
        for arm in ARMS:
            judged = [one["arms"][arm]["judges"][kind] for one in found]
            wins = [_wins(np.array(one["real"]), np.array(one["generated"])) for one in judged]
            point[arm] = float(np.mean([matrix.mean() for matrix in wins]))
            by_seed = np.stack([_resampled(matrix, weight) for matrix, weight in zip(wins, weights, strict=True)])
            draws[arm] = np.take_along_axis(by_seed.T, seeds, axis=1).mean(axis=1)
        aucs[kind] = _with_difference(point, draws)
    diversity = {}
    for name in ("distinct", "vendi"):
        values = {arm: np.array([one["arms"][arm][name] for one in found]) for arm in ARMS}
        draws = {arm: values[arm][seeds].mean(axis=1) for arm in ARMS}
        diversity[name] = _with_difference({arm: float(values[arm].mean()) for arm in ARMS}, draws)
    longest = {arm: np.concatenate([one["arms"][arm]["copies"] for one in found]) for arm in ARMS}
    longest["real"] = np.concatenate([one["real_copies"] for one in found])
    usual = float(np.percentile(longest["real"], 95))
    copies = {
        name: {
            "95th percentile": float(np.percentile(values, 95)),
            "most": float(values.max()),
            "share above real": float((values > usual).mean()),
        }
        for name, values in longest.items()
    }
    twins = {}
    for one, weight in zip(found, weights, strict=True):
        if set(one["arms"]) > set(ARMS):
            twins = {kind: _beside_twins(one["arms"], kind, weight) for kind in KINDS}
    return Table(aucs, diversity, twins, copies)


def _beside_twins(arms: dict[str, Any], kind: str, weight: np.ndarray) -> dict[str, Figure]:
    """What a judge says of all arms of one seed, and of twins less the arm that they are twins of."""
    wins = {arm: _wins(*(np.array(said["judges"][kind][side]) for side in _SIDES)) for arm, said in arms.items()}
    drawn = {arm: _resampled(matrix, weight) for arm, matrix in wins.items()}
    made = {arm: _figure(float(matrix.mean()), drawn[arm]) for arm, matrix in wins.items()}
    for twin in TWINS:
        apart = made[twin].mean - made[ARMS[1]].mean
        made[_apart(twin)] = _figure(apart, drawn[twin] - drawn[ARMS[1]])
    return made


def _apart(twin: str) -> str:
    return f"{twin} less {ARMS[1]}"


def _wins(real: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """float64 (M, M): whether each real piece is taken for likelier real than each generated one; a tie is a half."""
    return np.asarray((np.sign(real[:, None] - generated) + 1) / 2)


def _family_weights(families: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """How often each piece is drawn where families are, float64 (RESAMPLES, M) for each seed: the same families in all of them.

    Args:
        families: int (M,) of each seed.
        rng: draws.
    """
    every, group = np.unique(np.concatenate(families), return_inverse=True)
    drawn = rng.multinomial(len(every), np.full(len(every), 1 / len(every)), size=RESAMPLES).astype(np.float64)
    return [drawn[:, own] for own in np.split(group, np.cumsum([len(part) for part in families])[:-1])]


def _resampled(wins: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The AUC of each resample, float64 (RESAMPLES,)."""
    return np.asarray(((weights @ wins) * weights).sum(axis=1) / weights.sum(axis=1) ** 2)


def _with_difference(point: dict[str, float], draws: dict[str, np.ndarray]) -> dict[str, Figure]:
    """A figure for each arm, and for the second less the first."""
    before, after = ARMS
    point = {**point, "difference": point[after] - point[before]}
    draws = {**draws, "difference": draws[after] - draws[before]}
    return {name: _figure(point[name], draws[name]) for name in point}


def _figure(point: float, draws: np.ndarray) -> Figure:
    return Figure(point, *np.percentile(draws, [2.5, 97.5]).tolist())


def expected(found: Table) -> dict[str, bool]:
    """What was expected, and whether it came out."""
    before, after = ARMS
    met = {
        f"the {kind} tells less well, intervals apart": figures[after].high < figures[before].low
        for kind, figures in found.auc.items()
    }
    for name, figures in found.diversity.items():
        most = MOST_LOST * figures["pretrained"].mean
        met[f"{name} no more than a twentieth below the pretrained"] = figures["difference"].low >= -most
    usual = found.copies["real"]["95th percentile"]
    for kind, figures in found.twins.items():
        met[f"the {kind} tells the twins' better"] = all(figures[_apart(twin)].low > 0 for twin in TWINS)
    met["longest copies no longer than real ones'"] = found.copies[after]["95th percentile"] <= usual
    return met


def markdown(found: Table, met: dict[str, bool], note: str) -> str:
    """The figures as tables."""
    lines = ["## Adversarial training", "", note, "", f"| | {' | '.join(ARMS)} | difference |", "| --- | ---: | ---: | ---: |"]
    for label, part in (("AUC of the ", found.auc), ("", found.diversity)):
        for name, figures in part.items():
            lines.append(f"| {label}{name} | {' | '.join(map(_cell, figures.values()))} |")
    if found.twins:
        names = list(next(iter(found.twins.values())))
        lines += ["", f"| AUC, seed {TWINS_OF} | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names)]
        lines += [f"| {kind} | {' | '.join(map(_cell, figures.values()))} |" for kind, figures in found.twins.items()]
    columns = list(next(iter(found.copies.values())))
    lines += ["", f"| longest copy, in steps | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    lines += [
        f"| {name} | {' | '.join(f'{values[column]:.3g}' for column in columns)} |" for name, values in found.copies.items()
    ]
    return "\n".join([*lines, "", *verdicts(met), ""])


def _cell(figure: Figure) -> str:
    return f"{figure.mean:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run all seeds, write JSON and tables, and say whether what was expected came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("runs/models"), help="where train_models left them")
    parser.add_argument("--out", type=Path, default=Path("runs/adversarial"))
    parser.add_argument("--seeds", nargs="+", type=int, help="only these; tables are written when all are done")
    parser.add_argument("--quick", action="store_true", help="tiny models trained on the spot, two seeds: to see that all runs")
    asked = parser.parse_args(argv)
    scale, folder, corpus = (QUICK if asked.quick else FULL), asked.models, "aird" if asked.quick else MELODIES
    seeds = asked.seeds or scale.seeds
    if unknown := sorted(set(seeds) - set(scale.seeds)):
        parser.error(f"--seeds {unknown[0]}: expected some of {', '.join(map(str, scale.seeds))}")
    if not asked.quick and (fault := missing(asked.models, (GENERATOR, DISCRIMINATOR))):
        parser.error(fault)
    with tempfile.TemporaryDirectory() as temporary:
        if asked.quick:
            folder = Path(temporary)
            for name in (GENERATOR, DISCRIMINATOR):
                train_one(name, quick(MODELS[name].recipe), folder)
        generator, discriminator = (load(folder / name, MELODY) for name in (GENERATOR, DISCRIMINATOR))
    if not isinstance(generator, NeuralModel) or not isinstance(discriminator, Discriminator):
        raise TypeError(f"{generator.kind} and {discriminator.kind}: expected a network and a discriminator")
    asked.out.mkdir(parents=True, exist_ok=True)
    pieces = pieces_of(corpus)
    for seed in seeds:
        said = one_seed(generator, discriminator, pieces, scale, seed, asked.out)
        aucs = {arm: {kind: round(j["auc"], 3) for kind, j in told["judges"].items()} for arm, told in said["arms"].items()}
        print(f"seed {seed}: {aucs}", flush=True)
    lacking = [seed for seed in scale.seeds if not all(_path(asked.out, seed, arm).exists() for arm in arms_of(seed))]
    if lacking:
        print(f"seeds {lacking} are still to be done")
        return 0
    found = [one_seed(generator, discriminator, pieces, scale, seed, asked.out) for seed in scale.seeds]
    figures = table(found)
    met = expected(figures)
    note = f"{len(found)} seeds, {len(found[0]['families'])} test windows each, {scale.contest.rounds} rounds."
    return conclude(asked.out, "adversarial", markdown(figures, met, note), {"table": figures._asdict()}, met)


if __name__ == "__main__":
    raise SystemExit(main())
