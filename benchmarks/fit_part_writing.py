"""The default weights of `part_writing`: fitted, on training families, to tell Bach's chorales from spoiled ones and non-music.

    python -m musicgym.benchmarks.fit_part_writing [--write]

As `fit_theory`: a logistic regression on the rules' totals of four bars, with a ridge. A rule that alone tells chorales of
validation families from none of what they are told from (`telling_of_parts`) gets weight 0 and has no part in the fit. All others
weigh at least so much that one standard deviation of Bach's own costs `LEAST`: an agent that is paid by these rules is free to
break what others only happen to cover in spoiled chorales. Nothing here sees the test families.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm

from musicgym.benchmarks.discrimination import discrimination, worth
from musicgym.benchmarks.fit_theory import CLEARLY, DECIMALS, SEED, Sample, fit, fitted_and_committed
from musicgym.benchmarks.spoiled_parts import SPOILED_PARTS, kinds_of_parts
from musicgym.benchmarks.tunes import chorales
from musicgym.pieces import Excerpts
from musicgym.rewards import Rules
from musicgym.rewards.part_writing import part_writing

BARS = 4
SPOILED = ("other parts", "displaced part", "wrong notes")  # those by which the rules are judged
NEAREST = ("other parts", *SPOILED_PARTS)
# How much telling chorales from each kind counts, beside the chorales' total of half as much as all kinds.
SHARES = {
    "other parts": 1.0, "displaced part": 1.5, "wrong notes": 1.5, "shuffled beats": 1.0, "late part": 0.7,
    "revoiced chords": 1.0, "octave astray": 0.7, "rests astray": 0.5, "one chord a bar": 0.7, "busy parts": 0.7,
    "held chord": 0.2, "repeated chord": 0.3, "two chords": 0.5, "random triads": 0.5, "random in key": 0.3, "random steps": 0.3,
    "in octaves": 0.3, "planed triads": 0.5, "silence": 0.2, "soprano alone": 0.2, "soprano over a held chord": 0.3,
}  # fmt: skip
LEAST = 0.15  # log-odds
SMALLEST = 0.1  # a deviation that is not smaller than this: some rules are never broken in Bach's chorales
COPIES = 3  # of each chorale and kind of `SPOILED`: there are few chorales


def plain_parts() -> Rules:
    """Part-writing with weight 1 for every rule."""
    whole = part_writing()
    return whole.weighted(**dict.fromkeys(whole.terms, 1.0))


def sample_of_parts(split: str = "train") -> Sample:
    """Real windows of a split with everything that they are to be told from."""
    rng = np.random.default_rng(SEED)
    found, judge = chorales(split, BARS), plain_parts()
    kinds = kinds_of_parts(found.families)
    parts = [_judged(judge, found.excerpts, True, True, sum(SHARES.values()) / 2)]
    for name, weight in SHARES.items():
        copies = COPIES if name in SPOILED else 1
        spoiled = [kinds[name](found.excerpts, rng) for _ in range(copies)]
        parts += [_judged(judge, music, False, name in NEAREST, weight / copies) for music in spoiled]
    return Sample(*(np.concatenate(field) for field in zip(*parts)))


def _judged(judge: Rules, music: Excerpts, real: bool, near: bool, weight: float) -> Sample:
    """Pieces of one kind, which count `weight` together."""
    values = worth(judge, music)[1][:, :-1]
    count = len(values)
    kinds = np.full(count, real), np.full(count, near)
    return Sample(values, *kinds, np.zeros(count, np.int64), np.full(count, weight / count))


def telling_of_parts(split: str = "valid") -> dict[str, bool]:
    """Whether a rule, alone, tells chorales from one kind at least of `SHARES`, as in `fit_theory.telling`.

    The interval of its AUC, widened for so many looks, must lie above 0.5; of scripted non-music, which is all alike, above
    `CLEARLY`.
    """
    real, judge = chorales(split, BARS), plain_parts()
    kinds = kinds_of_parts(real.families)
    wider = norm.ppf(1 - 0.025 / len(SHARES)) / norm.ppf(1 - 0.025)
    found = dict.fromkeys(judge.terms, False)
    for name in SHARES:
        least = 0.5 if name in NEAREST else CLEARLY
        for term, figure in discrimination(judge, real, kinds[name], seed=SEED).auc.items():
            if term in found and figure.mean - wider * (figure.mean - figure.low) > least:
                found[term] = True
    return found


def weights() -> dict[str, float]:
    """Rule -> its fitted weight, rounded."""
    tells, found = telling_of_parts(), sample_of_parts()
    used = np.array(list(tells.values()))
    least = LEAST / np.maximum(found.values[found.real].std(axis=0), SMALLEST)
    fitted = np.zeros(len(used))
    fitted[used] = fit(found._replace(values=found.values[:, used]), least[used])
    return {term: round(float(weight), DECIMALS) for term, weight in zip(tells, fitted, strict=True)}


def main(argv: Sequence[str] | None = None) -> int:
    """Fit, say what differs from the committed weights, and write them if asked to."""
    return fitted_and_committed(argv, __doc__ or "", "musicgym.rewards.part_writing", weights)


if __name__ == "__main__":
    raise SystemExit(main())
