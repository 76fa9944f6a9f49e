"""How right the chord labels and local keys of chorales are: `python -m musicgym.benchmarks.chord_labels`.

The truth are the Roman-numeral analyses of chorales that come with music21 (Andrew Jones, proofread by Dmitri Tymoczko and Hamish
Robb). Each chorale is labelled by weights that were trained on the others only, half quarter by half quarter. `--write` trains on
all of them and writes the weights that the package ships.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musicgym.chords import CHORD_SETS, QUALITIES
from musicgym.corpus import built, keys, labels, readers
from musicgym.corpus.labels import CHORDS, SHAPES, Moments, Weights
from musicgym.files.exact import Store, take

EPOCHS = 10
ALIGNED = 0.85  # share of the sounding notes that must be in the chord that the analysis names there
OTHER_NAMES = {"bwv248(2).12": "bwv248.12-2"}  # names of analyses -> of music21's files
_PER_QUARTER = 2


class Analysis(NamedTuple):
    """One analysed chorale, a value for each half quarter; -1 where the analysis has nothing, or no chord of QUALITIES."""

    name: str
    root: np.ndarray  # int64 (T,)
    chord: np.ndarray  # int64 (T,): root * len(QUALITIES) + quality
    inversion: np.ndarray  # int64 (T,)
    key: np.ndarray  # int64 (T,): tonic, 12 more in minor
    members: np.ndarray  # bool (T, 12): pitch classes of the chord, whatever it is


class Truth(NamedTuple):
    """The analyses that line up with their chorales, and why others are left out."""

    store: Store
    analyses: list[Analysis]
    left_out: dict[str, str]


def read_truth() -> Truth:
    """All analyses, beside the chorales that they line up with. Needs music21."""
    collection = built.load("bach")
    known = {str(source).split("/")[-1].removesuffix(".mxl"): i for i, source in enumerate(collection.store.sources)}
    rows, analyses, left_out = [], [], {}
    for path in sorted((readers.corpus_folder() / "bach" / "choraleAnalyses").glob("*.rntxt")):
        found = re.search(r"BWV:\s*(\S+)", path.read_text(encoding="utf-8"))
        name = f"bwv{found[1]}" if found else path.stem
        name = OTHER_NAMES.get(name, name)
        if name not in known:
            left_out[f"{path.stem} ({name})"] = "music21 has no chorale of this name in four plain parts"
            continue
        store = take(collection.store, np.array([known[name]]))
        moments = labels.moments(store)
        analysis = _read(path, name, int(moments.size[0]))
        heard = moments.heard[0, :, 0]
        agreement = float((heard * analysis.members).sum() / heard.sum())
        if agreement < ALIGNED:
            left_out[f"{path.stem} ({name})"] = f"only {agreement:.0%} of the notes are in the chords named: it does not line up"
            continue
        rows.append(known[name])
        analyses.append(analysis)
    return Truth(take(collection.store, np.array(rows)), analyses, left_out)


def _read(path: Path, name: str, count: int) -> Analysis:
    from music21 import converter, roman

    roots, chords, inversions, local = (np.full(count, -1) for _ in range(4))
    made = Analysis(name, roots, chords, inversions, local, np.zeros((count, 12), np.bool_))
    piece = converter.parse(path)
    for numeral in piece.recurse().getElementsByClass(roman.RomanNumeral):
        begin = float(numeral.getOffsetInHierarchy(piece)) * _PER_QUARTER
        end = begin + float(numeral.quarterLength) * _PER_QUARTER
        at = slice(int(np.ceil(begin)), min(count, int(np.ceil(end))))
        classes = sorted({pitch.pitchClass for pitch in numeral.pitches})
        root, key = numeral.root().pitchClass, numeral.key
        bits = sum(1 << pitch for pitch in classes)
        same = [root * len(QUALITIES) + q for q in range(len(QUALITIES)) if CHORD_SETS[root * len(QUALITIES) + q] == bits]
        made.root[at], made.chord[at] = root, same[0] if same else -1
        made.inversion[at] = numeral.inversion()
        made.key[at] = key.tonic.pitchClass + 12 * (key.mode == "minor")
        made.members[at] = np.isin(np.arange(12), classes)
    return made


def train(pieces: list[tuple[Moments, np.ndarray]], epochs: int = EPOCHS) -> Weights:
    """Averaged weights of a structured perceptron (M. Collins, 2002).

    Args:
        pieces: of each its moments (of one piece) and its chords, int (T,), -1 for unknown ones, which teach nothing.
        epochs: how often it goes through the pieces, each time in another order.
    """
    weights = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    total = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    rng = np.random.default_rng(0)
    for _ in range(epochs):
        for i in rng.permutation(len(pieces)):
            found, truth = pieces[i]
            path = labels.likeliest(found, weights)[0]
            gold = np.where(truth >= 0, truth, path)
            if (path != gold).any():
                _count(weights, found, gold, 1.0)
                _count(weights, found, path, -1.0)
            for name in total:
                total[name] += weights[name]
    return {name: array / (epochs * len(pieces)) for name, array in total.items()}


def _count(weights: Weights, found: Moments, path: np.ndarray, sign: float) -> None:
    """Add what a labelling, int (T,), uses to the weights."""
    root, quality = path // len(QUALITIES), path % len(QUALITIES)
    above = (np.arange(12) - root[:, None]) % 12
    rows = np.arange(SHAPES["sound"][0])
    np.add.at(weights["sound"], (rows[None, :, None], quality[:, None, None], above[:, None, :]), sign * found.heard[0])
    tonic, minor = found.tonic[0].astype(np.int64), found.minor[0]
    np.add.at(weights["degree"], (minor, (root - tonic) % 12, quality), sign)
    at = np.flatnonzero(path[1:] != path[:-1]) + 1
    np.add.at(weights["change"], found.metre[0, at], sign)
    np.add.at(weights["motion"], (root[at] - root[at - 1]) % 12, sign)
    np.add.at(weights["quality"], (quality[at - 1], quality[at]), sign)
    np.add.at(weights["function"], (minor[at], (root[at - 1] - tonic[at]) % 12, (root[at] - tonic[at]) % 12), sign)


def template(found: Moments) -> np.ndarray:
    """The plainest labeller, for comparison: the chord with most of the notes inside and fewest outside, its root in the bass."""
    chords = np.arange(CHORDS)
    inside = (CHORD_SETS[:, None] >> np.arange(12) & 1) * 2.0 - 1.0  # (108, 12)
    root_in_bass = (chords[:, None] // len(QUALITIES) == np.arange(12)) * 0.5
    plain = found.heard[0, :, 0] @ inside.T + found.heard[0, :, 2] @ root_in_bass.T - 0.2 * (chords % len(QUALITIES) > 3)
    return np.asarray(plain.argmax(axis=1))


def alone(found: Moments, piece: int) -> Moments:
    """One of the pieces, without padding."""
    count = found.size[piece]
    return Moments(*[*(array[piece : piece + 1, :count] for array in found[:-1]), found.size[piece : piece + 1]])


class Row(NamedTuple):
    """Of one chorale: half quarters, and how many of them are right."""

    moments: int
    root: int
    chord: int
    inverted: int  # root, quality and inversion
    key: int
    template_root: int
    template_chord: int


def leave_one_out(truth: Truth, epochs: int = EPOCHS) -> dict[str, Row]:
    """Each chorale judged by weights of the others."""
    found = labels.moments(truth.store)
    pieces = [(alone(found, i), analysis.chord) for i, analysis in enumerate(truth.analyses)]
    made = {}
    for i, analysis in enumerate(truth.analyses):
        weights = train(pieces[:i] + pieces[i + 1 :], epochs)
        path = labels.likeliest(pieces[i][0], weights)
        inversion = labels.with_inversions(pieces[i][0], path)[0] % 4
        plain = template(pieces[i][0])
        chord = path[0]
        key = pieces[i][0].tonic[0] + 12 * pieces[i][0].minor[0].astype(np.int64)
        right = chord == analysis.chord
        made[analysis.name] = Row(
            len(chord),
            int((chord // len(QUALITIES) == analysis.root).sum()),
            int(right.sum()),
            int((right & (inversion == analysis.inversion)).sum()),
            int((key == analysis.key).sum()),
            int((plain // len(QUALITIES) == analysis.root).sum()),
            int((plain == analysis.chord).sum()),
        )
    return made


def keys_left_out(truth: Truth) -> float:
    """Share of half quarters in the analysts' key where the key finder's numbers are chosen on the other chorales only."""
    settings = [keys.Costs(*c) for c in itertools.product((2.0, 3.0, 4.0, 6.0), (0.1, 0.2, 0.4), (0.3, 0.6, 1.0))]
    right = np.zeros((len(settings), len(truth.analyses)))
    for s, costs in enumerate(settings):
        found = labels.moments(keys.with_heard_keys(truth.store, costs)[0])
        for i, analysis in enumerate(truth.analyses):
            one = alone(found, i)
            right[s, i] = (one.tonic[0] + 12 * one.minor[0].astype(np.int64) == analysis.key).sum()
    others = right.sum(axis=1, keepdims=True) - right
    chosen = others.argmax(axis=0)
    return float(right[chosen, np.arange(len(truth.analyses))].sum() / sum(len(a.root) for a in truth.analyses))


def table(rows: dict[str, Row], left_out: dict[str, str]) -> str:
    """The figures as Markdown."""
    head = "| chorale | half quarters | root | and quality | and inversion | local key | template root | and quality |"
    lines = [head, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    total = Row(*(sum(values) for values in zip(*rows.values())))
    for name, row in [*rows.items(), ("all", total)]:
        lines.append(f"| {name} | {row.moments} | " + " | ".join(f"{100 * n / row.moments:.1f} %" for n in row[1:]) + " |")
    return "\n".join([*lines, "", "Left out:", *(f"- {name}: {reason}" for name, reason in left_out.items())])


def write_weights(truth: Truth, path: Path) -> None:
    """Train on every analysis and write the weights as JSON, rounded to hundredths."""
    found = labels.moments(truth.store)
    weights = train([(alone(found, i), analysis.chord) for i, analysis in enumerate(truth.analyses)])
    flat = {name: np.round(array, 2).ravel().tolist() for name, array in weights.items()}
    lines = [f"{json.dumps(name)}: {json.dumps([int(v) if v == int(v) else v for v in values])}" for name, values in flat.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Print the table; with `--write` also write the package's weights."""
    parser = argparse.ArgumentParser(description="How right chord labels are on chorales that they were not trained on.")
    parser.add_argument("--write", type=Path, metavar="FILE", help="train on all analyses and write the weights here")
    options = parser.parse_args(arguments)
    truth = read_truth()
    print(table(leave_one_out(truth), truth.left_out))
    print(f"\nLocal keys, the key finder's numbers chosen on the other chorales: {100 * keys_left_out(truth):.1f} %")
    if options.write:
        write_weights(truth, options.write)


if __name__ == "__main__":
    main()
