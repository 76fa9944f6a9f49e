"""What a VAE of melodies keeps of music that it never saw, and what it makes up.

    python -m musicgym.benchmarks.vae_figures --models runs/models     # after musicgym.benchmarks.train_models

Windows of whole bars of the test split, one after the other, moved as little as the ranges ask; a few at even distances are
decoded. Every interval is a 95 % percentile bootstrap over melody families, the same draws for all arms.

- Notes that come back: F1 of note onsets, pitch and place, when windows are decoded freely, the likeliest token each time, from
  the mean of their posterior; from that of another window of the same bars and another family (swapped); from the zero latent;
  and by chance, the other window's own notes.
- The bound on the likelihood, in reconstruction and divergence, active units (Burda et al. 2016), and what the LSTM of melodies
  says of the same windows.
- Draws of the prior, beside as many windows of the LSTM on the same pages: Jensen-Shannon distances of intervals, durations and
  times between onsets from the validation split's windows (`panel`). Degrees of the scale are left out: both write in any key.

Expected, before the first run, of windows of two bars: F1 from the posterior's mean is 0.80 or more; swapped and zero latents
have no more than 0.10 above chance; the mean of the prior's three distances is no more than 0.03 above the LSTM's. A run that
misses one of these ends with status 1. Windows of eight bars are shown beside them and nothing is expected of them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from musicgym.agents.comparison import Figure
from musicgym.benchmarks.model_table import ratios, resamples
from musicgym.benchmarks.outcome import conclude, verdicts
from musicgym.benchmarks.panel import Panel
from musicgym.benchmarks.train_models import MODELS, missing, quick, train_one
from musicgym.models import bars, material
from musicgym.models.latent_space import LatentSpace
from musicgym.models.making import Prepared, prepared
from musicgym.models.sequence_model import SequenceModel
from musicgym.models.storing import load
from musicgym.models.tokens import readable
from musicgym.models.vae_figures import ARMS, Returned, decoded, foreseen, partners
from musicgym.pieces import Excerpts

NAMES = ("melody-vae", "melody-vae-8")
BESIDE = "melody-lstm"
LEAST_F1, MOST_ABOVE_CHANCE, MOST_BEYOND_LSTM = 0.80, 0.10, 0.03
DECODED, DRAWN = 1024, 1024  # windows
KEY_FREE = ("interval", "duration", "inter_onset")


class Held(NamedTuple):
    """Windows that were not learned from."""

    music: Excerpts
    families: np.ndarray  # int64 (M,)


class Told(NamedTuple):
    """What is said of one VAE."""

    bars: int
    windows: int
    families: int
    f1: dict[str, Figure]  # by arm
    bound: dict[str, Figure]  # "nats a slot", and of a window "reconstruction", "divergence"
    active_units: int
    latent: int
    lstm_nats: Figure  # a slot of the same windows
    distances: dict[str, dict[str, float]]  # "prior", "lstm", "real" -> by measure


def windows_of(found: Prepared, split: str, count: int, most: int | None = None) -> Held:
    """Windows of so many bars, of one part of the split."""
    music, moves = found.learned if split == "train" else found.unseen[split]
    where = bars.in_turn(music, moves, count)
    if most is not None:
        where = where.take(np.unique(np.linspace(0, len(where.piece) - 1, most).astype(np.int64)))
    pages = material.music_of(music, where)
    fits = readable(pages, found.model.alphabet)
    return Held(pages.take(fits), music.families[where.piece[fits]].astype(np.int64))


def judged(model: LatentSpace, lstm: SequenceModel, found: Prepared, *, decode: int = DECODED, draw: int = DRAWN) -> Told:
    """All figures of a VAE.

    Args:
        model: the VAE.
        lstm: what it stands beside.
        found: the music of both.
        decode: windows that are decoded.
        draw: draws of the prior.
    """
    held = windows_of(found, "test", model.bars)
    draws = resamples(held.families)
    sequences = model.sequences(held.music)
    likely, slots = foreseen(model, sequences), sequences.length.astype(float)
    ones = np.ones_like(slots)
    nats = _figures([likely.surprise + likely.kl, -lstm.log_prob(held.music)], [slots, slots], held.families, draws)
    a_window = _figures([likely.surprise, likely.kl], [ones, ones], held.families, draws)
    some = windows_of(found, "test", model.bars, decode)
    return Told(
        bars=model.bars,
        windows=len(slots),
        families=draws.shape[1],
        f1=returning(decoded(model, some.music, some.families), _with_partners(some)),
        bound={"nats a slot": nats[0], "reconstruction": a_window[0], "divergence": a_window[1]},
        active_units=likely.active_units,
        latent=model.latent,
        lstm_nats=nats[1],
        distances=nearness(model, lstm, found, draw),
    )


def returning(found: dict[str, Returned], families: np.ndarray) -> dict[str, Figure]:
    """F1 with intervals, by arm. `families`: int (M,), of the windows that were compared."""
    draws = resamples(families)
    above, below = [2.0 * one.both for one in found.values()], [1.0 * (one.own + one.other) for one in found.values()]
    return dict(zip(found, _figures(above, below, families, draws)))


def nearness(model: LatentSpace, lstm: SequenceModel, found: Prepared, draw: int) -> dict[str, dict[str, float]]:
    """Distances from the validation split of what both models make up on pages of the test split, and of its own music."""
    pages = windows_of(found, "test", model.bars, draw).music
    blank = Excerpts.blank_like(pages)
    count = len(pages.length)
    panel = Panel.fit(windows_of(found, "train", model.bars, draw).music, windows_of(found, "valid", model.bars).music)
    made = {
        "prior": model.decode_excerpts(model.draw(count), pages=blank, temperature=1.0),
        "lstm": lstm.sample_excerpts(count, pages=blank),
        "real": pages,
    }
    return {name: {key: panel.measure(music)[key] for key in KEY_FREE} for name, music in made.items()}


def expected(told: dict[str, Told]) -> dict[str, bool]:
    """What was expected, and whether it came out."""
    met = {}
    for name, one in told.items():
        if one.bars != 2:
            continue
        met[f"{name}: F1 from the posterior's mean {LEAST_F1} or more"] = one.f1["posterior_mean"].mean >= LEAST_F1
        for arm in ("swapped", "zero"):
            most = one.f1["chance"].mean + MOST_ABOVE_CHANCE
            met[f"{name}: F1 from {arm} latents no more than {MOST_ABOVE_CHANCE} above chance"] = one.f1[arm].mean <= most
        prior, lstm = (float(np.mean(list(one.distances[who].values()))) for who in ("prior", "lstm"))
        met[f"{name}: draws of the prior no more than {MOST_BEYOND_LSTM} further off than the LSTM's"] = (
            prior <= lstm + MOST_BEYOND_LSTM
        )
    return met


def markdown(told: dict[str, Told]) -> str:
    """The tables."""
    arms = " | ".join("F1, " + arm.replace("_", " ") for arm in ARMS)
    lines = [f"| model | bars | windows | families | {arms} |"]
    lines.append("| --- |" + " ---: |" * (3 + len(ARMS)))
    for name, one in told.items():
        lines.append(f"| {name} | {one.bars} | {one.windows:,} | {one.families:,} | {_cells(one.f1[arm] for arm in ARMS)} |")
    lines += ["", "| model | bound, nats a slot | LSTM's nats a slot | reconstruction | divergence | active latents |"]
    lines.append("| --- |" + " ---: |" * 5)
    for name, one in told.items():
        cells = _cells((one.bound["nats a slot"], one.lstm_nats, one.bound["reconstruction"], one.bound["divergence"]))
        lines.append(f"| {name} | {cells} | {one.active_units} of {one.latent} |")
    lines += ["", f"| distance from real windows | {' | '.join(name.replace('_', ' ') for name in KEY_FREE)} | mean |"]
    lines.append("| --- |" + " ---: |" * (len(KEY_FREE) + 1))
    for name, one in told.items():
        for who, found in one.distances.items():
            mean = float(np.mean(list(found.values())))
            lines.append(f"| {name}, {who} | {' | '.join(f'{found[key]:.3f}' for key in KEY_FREE)} | {mean:.3f} |")
    return "\n".join([*lines, ""])


def _cells(figures: Any) -> str:
    return " | ".join(f"{figure.mean:.3f} [{figure.low:.3f}, {figure.high:.3f}]" for figure in figures)


def _figures(above: Sequence[np.ndarray], below: Sequence[np.ndarray], families: np.ndarray, draws: np.ndarray) -> list[Figure]:
    """Ratios of sums with intervals, each of float64 (M,) by another."""
    point, drawn = ratios(np.stack(above, axis=1), np.stack(below, axis=1), families, draws)
    ends = np.percentile(drawn, [2.5, 97.5], axis=0)
    return [Figure(float(mean), float(low), float(high)) for mean, low, high in zip(point, *ends)]


def _with_partners(held: Held) -> np.ndarray:
    """The families of windows that `decoded` says something of."""
    return held.families[partners(held.music, held.families) >= 0]


def main(argv: Sequence[str] | None = None) -> int:
    """Judge the models, write JSON and tables, and say whether what was expected came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"{' or '.join(NAMES)}; both if none")
    parser.add_argument("--models", type=Path, default=Path("runs/models"), help="where train_models left them")
    parser.add_argument("--out", type=Path, default=Path("runs/vae_figures"))
    parser.add_argument("--quick", action="store_true", help="with tiny models trained on the spot: to see that all runs")
    asked = parser.parse_args(argv)
    if unknown := [name for name in asked.names if name not in NAMES]:
        parser.error(f"{unknown[0]!r}: expected some of {', '.join(NAMES)}")
    if not asked.quick and (fault := missing(asked.models, [*(asked.names or NAMES), BESIDE])):
        parser.error(fault)
    told: dict[str, Told] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if asked.quick else asked.models
        for name in asked.names or NAMES:
            recipe = MODELS[name].recipe
            if asked.quick:
                recipe = quick(recipe)
                for one in (name, BESIDE):
                    train_one(one, quick(MODELS[one].recipe), folder)
            found = prepared(recipe, name)
            model, lstm = load(folder / name, found.task), load(folder / BESIDE, found.task)
            assert isinstance(model, LatentSpace)
            assert isinstance(lstm, SequenceModel)
            told[name] = judged(model, lstm, found, **({"decode": 64, "draw": 64} if asked.quick else {}))
    met = expected(told)
    result = {"models": {name: one._asdict() for name, one in told.items()}}
    return conclude(asked.out, "vae_figures", "\n".join([markdown(told), *verdicts(met)]), result, met)


if __name__ == "__main__":
    raise SystemExit(main())
