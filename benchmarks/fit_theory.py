"""The default weights of `theory`: fitted, on training families, to tell real tunes from spoiled ones and from non-music.

    python -m musicgym.benchmarks.fit_theory [--write]

A logistic regression (log-odds that a piece is a real tune) on the rules' totals, one intercept for each length, weights held
at or above 0 because every rule says itself which way is better, and a ridge. A rule that alone tells real tunes of validation
families neither from spoiled ones nor from near music (`telling`) gets weight 0. Nothing here sees the test families.
What agents farmed while they were tuned (loops, chords, thin bars), and readers found to be overpaid (sequences, tunes in another
key), was added to `near_music` as a kind; no agent's piece is used.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

from musicgym.benchmarks.adversaries import ADVERSARIES
from musicgym.benchmarks.discrimination import discrimination, named, worth
from musicgym.benchmarks.near_music import NEAR_MUSIC
from musicgym.benchmarks.tunes import Tunes, tunes
from musicgym.files.atomic import replace_file
from musicgym.rewards import Rules
from musicgym.rewards.theory import theory

SEED = 7
BARS = (2, 4, 8)  # lengths of the windows that are fitted together
WINDOWS = 1500  # of each length
RIDGE = 0.0003  # on weights times their rule's deviation
DOUBTFUL = 0.1  # tunes with more than this share of notes outside their key, whose key may be wrong, are not fitted
ENDINGS = 0.25  # how much windows with which a tune ends count among all
DECIMALS = 3
SPOILED = ("permuted notes", "20 % wrong notes", "one wrong note")
CLEARLY = 0.75  # an AUC that noise does not reach where pieces are few
SCRIPTED = ("two-bar loop", "scale in eighths")  # made of what most rules praise
NEAREST = (*SPOILED, "20 % chromatic notes", "shaken rhythm")
# How much telling tunes from each kind counts, beside the real tunes' total of half as much as all kinds.
SHARES = {
    "permuted notes": 1.0, "20 % wrong notes": 2.0, "one wrong note": 1.0,
    **dict.fromkeys(NEAR_MUSIC, 1.0), "octaves astray": 0.5, "rests astray": 0.5, "random lengths": 0.5,
    "loop of a bar": 0.2, "loop of half a bar": 0.2, "sequences of a bar": 0.3, "another key": 0.5,
    **dict.fromkeys(ADVERSARIES, 0.2), **dict.fromkeys(SCRIPTED, 1.0), "uniform random": 0.5,
}  # fmt: skip


class Sample(NamedTuple):
    """Pieces of all kinds and lengths."""

    values: np.ndarray  # float64 (S, rules): totals of rules of weight 1
    real: np.ndarray  # bool (S,)
    near: np.ndarray  # bool (S,): real, or of `NEAREST`
    length: np.ndarray  # int64 (S,): which of the lengths, from 0
    counts: np.ndarray  # float64 (S,): how much a piece counts


def plain() -> Rules:
    """Theory with weight 1 for every rule."""
    whole = theory()
    return whole.weighted(**dict.fromkeys(whole.terms, 1.0))


def sample(split: str = "train") -> Sample:
    """Real windows of a split with everything that they are to be told from.

    Windows with which a tune ends count more than others, so that endings are learned from endings.
    """
    rng = np.random.default_rng(SEED)
    parts: list[Sample] = []
    judge = plain()
    for index, bars in enumerate(BARS):
        found = _sure(tunes(split, bars), judge)
        share = np.where(found.ends, ENDINGS / found.ends.sum(), (1 - ENDINGS) / (~found.ends).sum())
        kinds = {"": (found.excerpts, sum(SHARES.values()) / 2)}
        for name, weight in SHARES.items():
            if bars > 2 or name != "two-bar loop":  # two bars are no loop of two bars
                kinds[name] = named(name)(found.excerpts, rng), weight
        for name, (music, weight) in kinds.items():
            values = worth(judge, music)[1][:, :-1]
            kind = np.full(len(values), not name), np.full(len(values), not name or name in NEAREST)
            parts.append(Sample(values, *kind, np.full(len(values), index), weight * share))
    return Sample(*(np.concatenate(field) for field in zip(*parts)))


def _sure(found: Tunes, judge: Rules) -> Tunes:
    """At most `WINDOWS` windows, without those whose key is in doubt."""
    notes = (found.excerpts.onset & (found.excerpts.pitch >= 0)).sum(axis=(1, 2))
    outside = -judge.only("in_key").score(found.excerpts)["in_key"]
    rows = np.flatnonzero(outside <= DOUBTFUL * notes)
    if len(rows) > WINDOWS:
        rows = rows[np.linspace(0, len(rows) - 1, WINDOWS).round().astype(np.int64)]
    return found.take(rows)


def fit(found: Sample, least: np.ndarray | None = None) -> np.ndarray:
    """float64 (rules,): the weights, none below `least`, float64 (rules,); where that isn't given, none below 0."""
    deviation = found.values[found.near].std(axis=0) + 1e-9  # far-fetched non-music would make every rule's deviation a large one
    scaled = found._replace(values=found.values / deviation, counts=found.counts / found.counts.sum())
    rules = found.values.shape[1]
    lengths = int(found.length.max()) + 1
    floor = np.zeros(rules) if least is None else least * deviation
    bounds = [(low, None) for low in floor.tolist()] + [(None, None)] * lengths
    start = np.concatenate([floor, np.zeros(lengths)])
    solved = minimize(loss, start, args=(scaled,), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 2000})
    if not solved.success:
        raise RuntimeError(f"the fit did not converge: {solved.message}")
    return np.asarray(solved.x[:rules] / deviation)


def loss(theta: np.ndarray, found: Sample) -> tuple[float, np.ndarray]:
    """What the fit makes least: the logistic loss with its ridge, and its gradient, float64 (rules + lengths,).

    Args:
        theta: float64 (rules + lengths,): weights, then intercepts.
        found: pieces whose rules are in units of their deviations; counts that sum to 1.
    """
    rules = found.values.shape[1]
    lengths = np.eye(len(theta) - rules)[found.length]
    odds = found.values @ theta[:rules] + lengths @ theta[rules:]
    miss = (1 / (1 + np.exp(-np.clip(odds, -500, 500))) - found.real) * found.counts
    cost = (np.logaddexp(0, np.where(found.real, -odds, odds)) * found.counts).sum() + RIDGE / 2 * (theta[:rules] ** 2).sum()
    return float(cost), np.concatenate([found.values.T @ miss + RIDGE * theta[:rules], lengths.T @ miss])


def telling(split: str = "valid", bars: int = 8) -> dict[str, bool]:
    """Whether a rule, alone, tells real tunes from one kind at least of spoiled tunes (`SPOILED`), near music or `SCRIPTED` play.

    It does where the interval of its AUC lies above 0.5, of scripted play, whose pieces are few and alike, above `CLEARLY`. An
    AUC below 0.5 counts for nothing, since no weight is negative, nor does what a rule tells of other scripted play, from which
    rules that know nothing of music tell tunes. One look in forty at noise finds an interval above 0.5, so intervals are as much
    wider as normal ones would be for as many looks (Bonferroni).
    """
    real = tunes(split, bars)
    kinds = (*SPOILED, *NEAR_MUSIC, *SCRIPTED)
    wider = norm.ppf(1 - 0.025 / len(kinds)) / norm.ppf(1 - 0.025)
    judge = plain()
    found = dict.fromkeys(judge.terms, False)
    for name in kinds:
        for term, figure in discrimination(judge, real, name, seed=SEED).auc.items():
            if term in found and figure.mean - wider * (figure.mean - figure.low) > (CLEARLY if name in SCRIPTED else 0.5):
                found[term] = True
    return found


def weights() -> dict[str, float]:
    """Rule -> its fitted weight, rounded."""
    tells = telling()
    return {
        term: round(float(weight), DECIMALS) if tells[term] else 0.0
        for term, weight in zip(plain().terms, fit(sample()), strict=True)
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Fit, say what differs from the committed weights, and write them if asked to."""
    return fitted_and_committed(argv, __doc__ or "", "musicgym.rewards.theory", weights)


def fitted_and_committed(argv: Sequence[str] | None, about: str, package: str, weights: Callable[[], dict[str, float]]) -> int:
    """The command of a fit: what `weights` gives beside the weights.json of a package, which it replaces if asked to.

    Returns:
        0 where they agree, or are written; else 1.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="replace the weights of the package")
    asked = parser.parse_args(argv)
    path = Path(str(files(package).joinpath("weights.json")))
    stood = json.loads(path.read_text(encoding="utf-8"))
    fitted = weights()
    for term, weight in fitted.items():
        print(f"{term:24} {weight:7.3f}" + ("" if stood.get(term) == weight else f"   (committed: {stood.get(term)})"))
    if asked.write:
        with replace_file(path) as temporary:
            temporary.write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")
    return 0 if asked.write or fitted == stood else 1


if __name__ == "__main__":
    raise SystemExit(main())
