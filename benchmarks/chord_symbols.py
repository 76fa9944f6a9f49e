"""Does `chord_symbols` know harmony: `python -m musicgym.benchmarks.chord_symbols`.

Four-bar excerpts of the test split, their sopranos over the labels' chords, beside the same sopranos over (a) another excerpt's
chords, (b) their own a beat late, (c) chords drawn at random. A rule's AUC is the share of excerpts worth more with their own
chords than with those, ties a half; intervals are bootstraps over melody families.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from musicgym import rewards
from musicgym.chords import VOICINGS
from musicgym.pieces import Excerpts
from musicgym.tasks.chord_symbols import chord_symbols


def against(music: Excerpts, seed: int = 0) -> dict[str, Excerpts]:
    """The same melodies over other chords; by name."""
    rng = np.random.default_rng(seed)
    pieces, _, steps = music.pitch.shape
    others = (np.arange(pieces) + rng.integers(1, pieces, pieces)) % pieces
    beat = int(music.beat[0, 0])
    drawn = np.moveaxis(
        VOICINGS[rng.integers(0, len(VOICINGS), (pieces, -(-steps // beat))).repeat(beat, axis=1)[:, :steps]], 2, 1
    )
    lower = {
        "another's chords": music.pitch[others, 1:],
        "a beat late": np.roll(music.pitch[:, 1:], beat, axis=2),
        "random": drawn,
    }
    return {name: music._replace(pitch=np.concatenate([music.pitch[:, :1], below], axis=1)) for name, below in lower.items()}


def auc(real: np.ndarray, other: np.ndarray, family: np.ndarray, draws: int = 500) -> tuple[float, float, float]:
    """Share of pieces in which the real one is worth more, and the 95 % interval over families; floats (n,), int (n,)."""
    wins = (real > other + 1e-6) + 0.5 * (np.abs(real - other) <= 1e-6)
    _, of = np.unique(family, return_inverse=True)
    sums, counts = np.bincount(of, wins), np.bincount(of)
    chosen = np.random.default_rng(0).integers(0, len(sums), (draws, len(sums)))
    found = sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1)
    low, high = np.quantile(found, (0.025, 0.975))
    return float(wins.mean()), float(low), float(high)


def main() -> None:
    """Print the table."""
    drawn = replace(chord_symbols(range=(50, 90)), source="bach:symbols/test").drawn(apart=True)
    music, family = drawn.excerpts, drawn.families
    reward = rewards.parse("chord_symbols")
    real = reward.score(music)
    others = {name: reward.score(changed) for name, changed in against(music).items()}
    print(f"{len(family)} excerpts of {len(np.unique(family))} families; means a piece, and AUC with its interval\n")
    print("| rule | Bach | " + " | ".join(others) + " |")
    print("| --- | ---: |" + " ---: |" * len(others))
    total = {"total": np.sum(list(real.values()), axis=0), **real}
    for term, values in total.items():
        cells = []
        for scores in others.values():
            other = np.sum(list(scores.values()), axis=0) if term == "total" else scores[term]
            share, low, high = auc(values, other, family)
            cells.append(f"{other.mean():.2f}: {share:.2f} [{low:.2f}, {high:.2f}]")
        print(f"| `{term}` | {values.mean():.2f} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
