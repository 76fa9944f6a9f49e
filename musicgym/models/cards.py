"""A model's card: its corpora, how they were split, that nothing leaked, what it does on music that it never saw."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

import numpy as np

from musicgym import __version__
from musicgym.corpus import Corpus
from musicgym.models import material
from musicgym.models.figures import UNITS
from musicgym.models.leakage import leakage, untouched
from musicgym.models.material import Moves, Music
from musicgym.models.model import Model
from musicgym.task import Task

_OTHERS = {"swapped": "from another window's", "zero": "from the zero latent", "chance": "by chance"}  # arms of onset_f1
_VERSIONS = ("music21", "numpy", "safetensors", "torch")


class Before:
    """What the model that training goes on from has learned before."""

    def __init__(self, corpora: list[str], task: Task) -> None:
        self.learned: dict[str, Corpus] = {}
        self.unchecked: list[str] = []  # folders that are not here any more
        self.known: dict[str, int] = {}  # split -> pieces left out of it
        for source in corpora:
            try:
                self.learned[source] = material.part_of(material.open_corpus(source, task), "train")
            except ValueError:
                self.unchecked.append(source)

    @classmethod
    def of(cls, start: Model | None, task: Task) -> Before:
        """From the card of the model, if there is one."""
        card: dict[str, Any] = dict(start.card or {}) if start is not None else {}
        corpora = [(card.get("corpus") or {}).get("source"), *((card.get("from") or {}).get("corpora") or [])]
        return cls([source for source in dict.fromkeys(corpora) if isinstance(source, str)], task)

    def unknown(self, part: Corpus, split: str) -> np.ndarray:
        """bool (pieces,): pieces of a split that share no window with what was learned before."""
        keep = np.ones(len(part), np.bool_)
        for learned in self.learned.values():
            keep &= untouched(learned, part)
        self.known[split] = int((~keep).sum())
        return keep


def begun(
    source: str,
    seed: int,
    corpus: Corpus,
    parts: dict[str, tuple[Music, Moves]],
    start: Model | None,
    before: Before,
) -> dict[str, Any]:
    """The card before training: corpora, split, leakage, versions. Raises ValueError where held-out music was learned from."""
    learned = corpus.split("train")
    leaks = {split: leakage(learned, corpus.split(split)) for split in before.known}
    for split, leak in leaks.items():
        if leak.families or leak.windows:
            raise ValueError(
                f"{leak.families} melody families and {leak.windows} transposed windows of the {split} split are among what is "
                f"learned from in corpus {corpus.name!r}: figures on it would mean nothing; make its split anew"
            )
    first = None
    if start is not None:
        corpora = [*before.learned, *before.unchecked]
        first = {"name": start.name, "fingerprint": start.fingerprint, "corpora": corpora, "unchecked": before.unchecked}
    return {
        "corpus": {
            "source": source,
            "name": corpus.name.removesuffix("[0]"),
            "rights": corpus.rights,
            "pieces": len(corpus),
        },
        "split": {
            "by": "melody family",
            "fingerprint": material.fingerprint(corpus),
            "pieces": {split: len(music.families) for split, (music, _) in parts.items()},
            "families": {split: len(np.unique(music.families)) for split, (music, _) in parts.items()},
            "left_out": {split: len(corpus.split(split)) - len(music.families) for split, (music, _) in parts.items()},
            "known_before": before.known,
        },
        "leakage": {split: leak.told() for split, leak in leaks.items()},
        "from": first,
        "seed": seed,
        "versions": {
            "musicgym": __version__,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _VERSIONS},
        },
    }


def against(opponent: Model) -> dict[str, Any]:
    """What the card of a discriminator says of the model that it learned against."""
    corpus = ((opponent.card or {}).get("corpus") or {}).get("name")
    return {"name": opponent.name, "kind": opponent.kind, "fingerprint": opponent.fingerprint, "corpus": corpus}


def text_of(model: Model, card: dict[str, Any]) -> str:
    """The card in a few sentences, for people."""
    test, pieces, leak = card["figures"]["test"], card["split"]["pieces"]["train"], card["leakage"]["test"]
    numbers = sum(tensor.numel() for tensor in model.tensors().values())
    voices = "1 voice" if model.task.voices == 1 else f"{model.task.voices} voices"
    first = f", going on from {card['from']['name']}" if card["from"] else ""
    first += f", against {card['against']['name']} and spoiled pieces" if "against" in card else ""
    return (
        f"{model.name}: {model.kind} of {numbers:,} numbers, {voices}, {model.task.steps_per_quarter:g} steps a quarter, trained "
        f"on {pieces:,} pieces of {card['corpus']['name']}{first}, keys: {card['training']['transpose']}. On {test['pieces']:,} "
        f"held-out pieces of {test['families']:,} other melody families {_figures_of(test)}. "
        f"What it learned from has {leak['windows']} transposed windows of {leak['window_notes']} notes in common with them. "
        f"Rights of the music: {card['corpus']['rights']}"
    )


def _figures_of(test: dict[str, Any]) -> str:
    """What is said of held-out pieces, in words."""
    if "onset_f1" in test:
        window, back = test["window"], test["onset_f1"]
        return (
            f"it bounds the surprise of their {test['windows']:,} windows by {test['slot']['nats']:.3f} nats a slot, "
            f"{window['reconstruction']:.1f} nats of reconstruction and {window['kl']:.1f} of divergence a window, with "
            f"{window['active_units']:.0f} active latents. Of {test['decoded']:,} of them that are decoded from their "
            f"posterior's mean, the likeliest token each time, {back['posterior_mean']:.1%} of the notes come back (F1 of pitch "
            "and place)" + "".join(f", {words} {back[arm]:.1%}" for arm, words in _OTHERS.items() if arm in back)
        )
    if "piece" in test:
        piece, prefix = test["piece"], test["prefix"]
        hardest = min(test["against"], key=lambda name: float(test["against"][name]))
        return (
            f"it tells {test['windows']:,} real windows from others on the same pages with an AUC of {piece['auc']:.3f} when "
            f"they are over and {prefix['auc']:.3f} over prefixes of four lengths, least well from {hardest} "
            f"({test['against'][hardest]:.3f}); its probabilities are off by {piece['calibration_error']:.3f} and "
            f"{prefix['calibration_error']:.3f} (expected calibration error)"
        )
    slot, onset, quarter = (test[unit] for unit in UNITS)
    return (
        f"it is surprised by {slot['nats']:.3f} nats a slot, {onset['nats']:.2f} a note onset, {quarter['nats']:.2f} a quarter "
        f"note, and foresees {slot['accuracy']:.1%}, {onset['accuracy']:.1%} and {quarter['accuracy']:.1%} of them"
    )
