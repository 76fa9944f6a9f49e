"""Counts of chords in the labels of chorales: `python -m musicgym.benchmarks.chord_tables FILE` writes what rules read.

Counted beat by beat, in the train split, by local key: chords, roots after roots where the chord changes, roots under fermatas.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from musicgym import corpus
from musicgym.chords import INVERSIONS, QUALITIES


def tables(split: str = "train") -> dict[str, np.ndarray]:
    """Counts as int64: "use" (2, 108), "succession" (2, 12, 12), "cadence" (2, 12); first index 1 for minor keys."""
    use, succession = np.zeros((2, 12 * len(QUALITIES)), np.int64), np.zeros((2, 12, 12), np.int64)
    cadence = np.zeros((2, 12), np.int64)
    for score in corpus.load("bach").split(split):
        assert score.chord is not None
        at = np.flatnonzero(score.position % score.steps_per_quarter == 0)
        chord = score.chord[at].astype(np.int64) // INVERSIONS
        root, quality = np.divmod(chord, len(QUALITIES))
        tonic, minor = score.tonic[at].astype(np.int64), (score.mode[at] == 1).astype(np.int64)
        degree = (root - tonic) % 12
        np.add.at(use, (minor, degree * len(QUALITIES) + quality), 1)
        new = np.flatnonzero(chord[1:] != chord[:-1]) + 1
        np.add.at(succession, (minor[new], (root[new - 1] - tonic[new]) % 12, degree[new]), 1)
        ends = np.flatnonzero(np.diff(score.phrase_end[at].astype(int), prepend=0) > 0)
        np.add.at(cadence, (minor[ends], degree[ends]), 1)
    return {"use": use, "succession": succession, "cadence": cadence}


def main(arguments: list[str] | None = None) -> None:
    """Write the counts as JSON."""
    parser = argparse.ArgumentParser(description="Count chords in the labels of the chorales' train split.")
    parser.add_argument("file", type=Path, help="where the JSON goes")
    rows = [f"{json.dumps(name)}: {json.dumps(counts.ravel().tolist())}" for name, counts in tables().items()]
    parser.parse_args(arguments).file.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
