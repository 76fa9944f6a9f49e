"""From a recipe to a model on disk: its music, its training, its figures on held-out music, and the card that says all that."""

from __future__ import annotations

import dataclasses
import inspect
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from musicgym.choice import NoteChoice
from musicgym.corpus import SPLITS, Corpus
from musicgym.models import bars, material, vae_figures
from musicgym.models.cards import Before, against, begun, text_of
from musicgym.models.checkpoint import NAME as CHECKPOINT
from musicgym.models.determinism import drawing
from musicgym.models.discriminator import Discriminator
from musicgym.models.discriminator_lesson import Telling
from musicgym.models.figures import held, summary, tally
from musicgym.models.material import Moves, Music, Windows
from musicgym.models.model import Model
from musicgym.models.neural import Network
from musicgym.models.ngram import NGramModel
from musicgym.models.sequence_model import SequenceModel
from musicgym.models.settings import Training
from musicgym.models.storing import card_of, kind_of, load, save
from musicgym.models.training import SECONDS_BETWEEN_CHECKPOINTS, Watcher, train
from musicgym.models.vae import VAE
from musicgym.task import Task

_FIRST_WEIGHTS = 1 << 32  # beside the seed: what first weights are drawn by; beyond all numbers of updates


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All that a model's making hangs on, as JSON holds it.

    Args:
        kind: "ngram", "lstm", "transformer", "vae" or "discriminator".
        corpus: names of corpora, comma-separated, or a folder; see `musicgym.models.material.open_corpus`.
        task: as `Task.to_json` writes it: whose choices, voices and grid the model reads.
        sizes: the model's constructor's own arguments; none where it goes on from another.
        training: how it learns; of an n-gram model only `transpose`.
        start: a model to go on from, a name or a path; "" for none.
        against: of a discriminator: the model whose pieces it learns to tell from real ones, a name or a path.
    """

    kind: str
    corpus: str
    task: str
    sizes: dict[str, Any] = dataclasses.field(default_factory=dict)
    training: Training = dataclasses.field(default_factory=Training)
    start: str = ""
    against: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        fields = dataclasses.asdict(self)
        return fields if self.against else {name: value for name, value in fields.items() if name != "against"}

    @classmethod
    def from_dict(cls, fields: Any) -> Recipe:
        """What `to_dict` made. Raises ValueError for other fields, or values of other types."""
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(fields, dict) or {*fields, "against"} != names:
            raise ValueError(f"recipe {str(fields)[:80]}: expected an object with {', '.join(sorted(names))}")
        for name, value in fields.items():
            kind, expected = (dict, "an object") if name in ("sizes", "training") else (str, "text")
            if not isinstance(value, kind):
                raise ValueError(f"recipe with {name}={value!r:.60}: expected {expected}")
        return cls(**{**fields, "training": Training.from_dict(fields["training"])})


def check_sizes(kind: str, task: Task, sizes: dict[str, Any]) -> None:
    """Whether there is a model of a kind, of a task, with such sizes; none is made.

    Raises:
        ValueError: an unknown kind, sizes that it doesn't have or that are out of their range, a task that it can't read.
    """
    make: Any = kind_of(kind)
    known = [name for name in inspect.signature(make).parameters if name not in ("task", "name")]
    if odd := [name for name in sizes if name not in known]:
        raise ValueError(f"size {odd[0]!r}: expected one of {', '.join(known)}, the sizes of a model of kind {kind!r}")
    try:
        with torch.device("meta"):  # nothing is allocated
            make(task, **sizes)
    except (TypeError, OverflowError, RuntimeError) as error:
        raise ValueError(f"sizes {sizes!r:.80} make no model of kind {kind!r}: {error}") from error


class Prepared(NamedTuple):
    """A recipe's task and music, and a model that has learned nothing yet of it."""

    recipe: Recipe
    task: Task
    corpus: Corpus
    learned: tuple[Music, Moves]
    unseen: dict[str, tuple[Music, Moves]]  # "valid" and "test"
    model: Model
    card: dict[str, Any]  # what is known of it before it learns
    opponent: SequenceModel | None = None  # of a discriminator


def prepared(recipe: Recipe, name: str, *, device: str = "cpu") -> Prepared:
    """Read a recipe's corpora and make its model.

    Where all notes of the corpora are equally loud and the task chooses velocities, the model is of a task with one velocity: it
    says nothing of what it never heard.

    Raises:
        ValueError: an unknown kind, corpus or size; a task that no sequence model reads; an empty corpus or part of its split,
            named; no window of a VAE's bars in one of them; a model to go on from that is of another kind or reads other tokens,
            or one to learn against that can't be.
    """
    task = Task.from_json(recipe.task)
    kind: Any = kind_of(recipe.kind)
    with torch.device("meta"):
        kind(task, name, **recipe.sizes)  # finds out what doesn't fit before corpora are read
    opponent = _opponent(recipe)
    corpus = material.open_corpus(recipe.corpus, task)
    start = _start(recipe)
    before = Before.of(start, task)
    parts: dict[str, tuple[Music, Moves]] = {}
    for split in SPLITS:
        part = material.part_of(corpus, split)
        music = material.whole_pieces(part, task, None if split == "train" else before.unknown(part, split))
        parts[split] = material.fitting(music, material.moves(music, task, recipe.training.transpose))
    learned = parts.pop("train")
    task = _heard(task, learned[0])
    if start is not None:
        start.check_reads(task)
        model: Any = kind(task, name, **start.config)
        model.load_tensors(start.tensors())
    else:
        with drawing(torch.device("cpu"), recipe.training.seed, _FIRST_WEIGHTS):
            model = kind(task, name, **recipe.sizes)
    for network in (model, opponent):
        if isinstance(network, Network):
            network.to(_device(device))
    if isinstance(model, VAE):
        for some in (learned, *parts.values()):
            windows_of(model, *some)  # finds out what has none before training begins
    card = begun(recipe.corpus, recipe.training.seed, corpus, {"train": learned, **parts}, start, before)
    if opponent is not None:
        model.check_reads(opponent.task)
        card["against"] = against(opponent)
    return Prepared(recipe, task, corpus, learned, parts, model, card, opponent)


def make(
    found: Prepared,
    path: Path,
    *,
    folder: Path | None = None,
    resume: bool = False,
    watcher: Watcher | None = None,
    seconds_between_checkpoints: float = SECONDS_BETWEEN_CHECKPOINTS,
) -> dict[str, Any]:
    """Train the model, judge it on the held-out pieces, and write it.

    While a network learns, the best weights so far lie at `path` already; the card says that they are not finished.

    Args:
        found: of `prepared`.
        path: where the model goes, PATH.safetensors and PATH.json; not a folder.
        folder: where its checkpoint and TensorBoard's files go, an existing folder; None for neither.
        resume: go on from the folder's checkpoint, if there is one yet.
        watcher: called after each update.
        seconds_between_checkpoints: see `musicgym.models.training.train`.

    Returns:
        The card, which is also the model's attribute `card`.

    Raises:
        ValueError: nothing that can be written in the model's tokens, a checkpoint that doesn't fit, what is no number (the best
            weights and the last good checkpoint stay), a path that can't be written to.
    """
    recipe, model, card = found.recipe, found.model, dict(found.card)
    path = path.with_name(path.name + ".json")
    began = time.monotonic()
    telling = None
    if isinstance(model, NGramModel):
        sequences, _ = material.sequences_of(found.learned[0], material.in_all_keys(*found.learned), model.alphabet)
        model.fit(sequences)
        told: dict[str, Any] = {"transpose": recipe.training.transpose, "tokens": int(sequences.length.sum())}
    elif isinstance(model, Network):
        unfinished = {**card, "training": {**dataclasses.asdict(recipe.training), "finished": False}}
        music, moves = found.unseen["valid"]
        settings = {"name": model.name, "recipe": recipe.to_dict()}
        if isinstance(model, Discriminator) and found.opponent is not None:
            telling = Telling(model, found.opponent, found.learned, found.unseen["valid"], recipe.training)
            settings["against"] = found.opponent.fingerprint
        outcome = train(
            model,
            found.learned,
            (music, windows_of(model, music, moves)),
            recipe.training,
            folder=folder,
            settings=settings,
            resume=resume and folder is not None and (folder / CHECKPOINT).exists(),
            watcher=watcher,
            better=lambda: _written(model, path, unfinished),
            seconds_between_checkpoints=seconds_between_checkpoints,
            lesson=telling,
        )
        made = {"updates_made" if name == "updates" else name: value for name, value in outcome._asdict().items()}
        told = {**dataclasses.asdict(recipe.training), **made, "device": str(model.device)}
    else:
        raise ValueError(
            f"models of kind {model.kind!r} are not trained here: expected ngram, lstm, transformer, vae or discriminator"
        )
    if telling is not None:
        telling.calibrate()
    told |= {"seconds": round(told.get("seconds", time.monotonic() - began), 1), "finished": True}
    if telling is not None:
        figures = {split: telling.judged(*pieces) for split, pieces in found.unseen.items()}
    else:
        figures = {split: judged(model, *pieces) for split, pieces in found.unseen.items()}
    card |= {"training": told, "figures": {"valid": figures["valid"], "test": figures["test"]}}
    card["text"] = text_of(model, card)
    _written(model, path, card)
    model.card = card_of(path)
    return dict(model.card)


def windows_of(model: Model, music: Music, moves: Moves) -> Windows:
    """How a model is given the pieces that it is judged on: whole, or in windows of bars one after the other."""
    return bars.in_turn(music, moves, model.bars) if isinstance(model, VAE) else material.as_written(music, moves)


def judged(model: Model, music: Music, moves: Moves) -> dict[str, Any]:
    """What is said of a model on pieces that it didn't learn from, moved as little as their ranges ask.

    Of sequence models nats and accuracy by unit, of a VAE what `musicgym.models.vae_figures.judged` finds.
    """
    windows = windows_of(model, music, moves)
    pieces = held(music, windows, model.alphabet)
    if isinstance(model, VAE):
        return vae_figures.judged(model, music, windows, pieces)
    if not isinstance(model, SequenceModel):
        raise TypeError(f"a {type(model).__name__} can't be judged here: expected a sequence model or a VAE")
    with model.judging():
        found = tally(model.logits, pieces, model.alphabet, model.task.voices, model.task.steps_per_quarter, model.device)
    counts = {"pieces": len(pieces.families), "families": len(np.unique(pieces.families)), "left_out": pieces.left_out}
    return {**summary(found), **counts}


def _start(recipe: Recipe) -> Network | None:
    """The model to go on from. Raises ValueError for one that can't be gone on from."""
    if not recipe.start:
        return None
    start = load(recipe.start)
    if start.kind != recipe.kind or not isinstance(start, Network):
        raise ValueError(
            f"the model {recipe.start!r} is of kind {start.kind!r}: expected one of kind {recipe.kind!r} with weights to go "
            "on from; an n-gram model is counted anew"
        )
    return start


def _opponent(recipe: Recipe) -> SequenceModel | None:
    """The model that a discriminator is to learn against. Raises ValueError where there is none, or one that isn't asked for."""
    is_needed = recipe.kind == Discriminator.kind
    if is_needed != bool(recipe.against):
        what = (
            "a discriminator learns to tell real pieces from a model's: name that model"
            if is_needed
            else (f"a model of kind {recipe.kind!r} learns against no other: leave it out")
        )
        raise ValueError(f"against={recipe.against!r}: {what}")
    if not is_needed:
        return None
    opponent = load(recipe.against)
    if not isinstance(opponent, SequenceModel):
        raise ValueError(f"against={recipe.against!r} is of kind {opponent.kind!r}: expected a model that makes pieces up")
    return opponent


def _heard(task: Task, music: Music) -> Task:
    """The task, with one velocity where it chooses several and the music has one."""
    velocities = np.unique(music.excerpts.velocity[music.excerpts.pitch >= 0])
    if not isinstance(task.choice, NoteChoice) or len(velocities) > 1:
        return task
    nearest = min(task.choice.velocities, key=lambda velocity: abs(velocity - int(velocities[0])))
    return task.changed(choice=dataclasses.replace(task.choice, velocities=(nearest,)))


def _device(name: str) -> torch.device:
    try:
        found = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device {name!r}: expected cpu, cuda or cuda:1") from error
    if found.type not in ("cpu", "cuda") or (found.type == "cuda" and not torch.cuda.is_available()):
        raise ValueError(
            f"device {name!r}: torch {torch.__version__} finds no such device here; expected cpu, or cuda with a GPU"
        )
    return found


def _written(model: Model, path: Path, card: dict[str, Any]) -> None:
    save(model, path, json.loads(json.dumps(card)))
