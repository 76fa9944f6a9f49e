"""Does `chord_symbols` know harmony: `python -m musicgym.benchmarks.chord_symbols`.

Four-bar excerpts of the test split, their sopranos over the labels' chords, beside the same sopranos over other chords:
`kinds_of_symbols`. AUC and intervals are those of `discrimination`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from musicgym import rewards
from musicgym.benchmarks.corruptions import Corruption, displaced
from musicgym.benchmarks.discrimination import discrimination, worth
from musicgym.benchmarks.spoiled_parts import other_parts, part, shuffled_beats, with_voices
from musicgym.benchmarks.theory_page import interval_cell, table
from musicgym.benchmarks.tunes import Tunes
from musicgym.chords import VOICINGS
from musicgym.pieces import Excerpts
from musicgym.tasks.chord_symbols import chord_symbols


def sopranos_over_chords(split: str) -> Tunes:
    """Windows of four bars of 4/4: sopranos of chorales, and under them the chords of their labels, one a beat."""
    drawn = replace(chord_symbols(range=(50, 90)), source=f"bach:symbols/{split}").drawn(apart=True)
    count = len(drawn.families)
    nothing = np.zeros(count, np.int64)
    return Tunes(drawn.excerpts, drawn.families, nothing, np.tile((4, 4), (count, 1)), np.zeros(count, np.bool_), ("bach",))


def late_chords(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """Every chord a beat later; the last one comes first."""
    return _under(music, [displaced(part(music, voice), rng, beats=1) for voice in range(1, music.pitch.shape[1])])


def shuffled_chords(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The chords of the beats in random order."""
    shuffled = shuffled_beats(music, rng)
    return _under(music, [part(shuffled, voice) for voice in range(1, music.pitch.shape[1])])


def random_chords(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """On every beat any root, quality and inversion."""
    pieces, _, steps = music.pitch.shape
    begun = np.arange(steps) - music.position % music.beat  # (M, steps): where each beat begins
    codes = np.take_along_axis(rng.integers(len(VOICINGS), size=(pieces, steps)), np.maximum(begun, 0), axis=1)
    made = Excerpts(*(array.copy() for array in music))
    made.pitch[:, 1:] = np.where(music.pitch[:, 1:] >= 0, np.moveaxis(VOICINGS[codes], 2, 1), music.pitch[:, 1:])
    return made


def kinds_of_symbols(families: np.ndarray) -> dict[str, Corruption]:
    """The same melodies over other chords, by name, for pieces of these melody families, int (M,).

    Another chorale's are of the same metre and mode, moved to the melody's key.
    """
    return {
        "another chorale's": partial(other_parts, families=families),
        "the same a beat late": late_chords,
        "the same shuffled": shuffled_chords,
        "random ones": random_chords,
    }


def _under(music: Excerpts, lower: Sequence[Excerpts]) -> Excerpts:
    """The melodies over other voices, pieces of one voice each."""
    voices = [part(music, 0), *lower]
    return with_voices(music, voices, np.ones((len(voices), len(music.length)), np.bool_))


def main() -> None:
    """Print the table: what each rule pays Bach's chords and others on average, and its AUC against these."""
    real, reward = sopranos_over_chords("test"), rewards.parse("chord_symbols")
    terms, totals = worth(reward, real.excerpts)
    kinds = kinds_of_symbols(real.families)
    found = {name: discrimination(reward, real, how).auc for name, how in kinds.items()}
    means = {name: worth(reward, how(real.excerpts, np.random.default_rng(0)))[1].mean(axis=0) for name, how in kinds.items()}
    rows = [
        [
            f"`{term}`",
            f"{totals[:, k].mean():.2f}",
            *(f"{means[kind][k]:.2f}: {interval_cell(found[kind][term], 2)}" for kind in kinds),
        ]
        for k, term in enumerate(terms)
    ]
    print(
        f"{len(real.families)} excerpts of {len(np.unique(real.families))} families; means a piece, and AUC with its interval\n"
    )
    print(table(["rule", "Bach", *kinds], rows))


if __name__ == "__main__":
    main()
