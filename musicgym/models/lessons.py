"""What a kind of model learns from, what it is to make small, and how it stands on held-out music: `Lesson`."""

from __future__ import annotations

import abc
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from musicgym.models.figures import Held, held, summary, tally
from musicgym.models.material import Moves, Music, Windows, batches, drawn
from musicgym.models.neural import Network, NeuralModel
from musicgym.models.settings import Training


class Look(NamedTuple):
    """How a model stands on held-out music."""

    nats: float  # what is to become less, a slot
    figures: dict[str, dict[str, float]]  # by unit, as metrics.jsonl and TensorBoard keep them


class Lesson(abc.ABC):
    """What `musicgym.models.training` asks of a kind of model."""

    @abc.abstractmethod
    def epoch(self, rng: np.random.Generator) -> list[Windows]:
        """Batches of windows of the pieces that are learned from, in the order in which they are read."""

    @abc.abstractmethod
    def loss(self, tokens: torch.Tensor, place: torch.Tensor, inside: torch.Tensor, update: int) -> torch.Tensor:
        """What is to become less, in nats a token, of a batch. Gradients flow; draws are from torch's global generator.

        Args:
            tokens, place: int64 (B, T).
            inside: bool (B, T): false after a window's end.
            update: updates made before this one.
        """

    def updated(self) -> None:
        """Called after each update, for what the model's weights have to keep to."""
        return

    @abc.abstractmethod
    def look(self) -> Look:
        """How the model stands; no gradients flow and nothing is left to chance."""


class Foreseeing(Lesson):
    """Sequence models: each token, given those before it.

    Args:
        model: that learns.
        learned: the pieces that it learns from, and where they may be moved.
        unseen: the held-out pieces that it is looked at with, and how they are read.
        training: how.

    Raises:
        ValueError: no held-out piece can be written in the model's tokens.
    """

    def __init__(
        self, model: NeuralModel, learned: tuple[Music, Moves], unseen: tuple[Music, Windows], training: Training
    ) -> None:
        self.model, self.training = model, training
        self.music, self.moves = learned
        self.unseen: Held = held(*unseen, model.alphabet)

    def epoch(self, rng: np.random.Generator) -> list[Windows]:
        return batches(drawn(self.music, self.moves, self.training.window, rng), self.training.batch, rng)

    def loss(self, tokens: torch.Tensor, place: torch.Tensor, inside: torch.Tensor, update: int) -> torch.Tensor:
        return functional.cross_entropy(self.model.logits(tokens, place)[inside], tokens[inside])

    def look(self) -> Look:
        model, task = self.model, self.model.task
        found = summary(tally(model.logits, self.unseen, model.alphabet, task.voices, task.steps_per_quarter, model.device))
        return Look(found["slot"]["nats"], found)


def lesson_of(model: Network, learned: tuple[Music, Moves], unseen: tuple[Music, Windows], training: Training) -> Lesson:
    """The lesson of a model's kind. Raises TypeError for a kind that has none, ValueError as the lessons do."""
    from musicgym.models.vae import VAE
    from musicgym.models.vae_lesson import Coding

    if isinstance(model, VAE):
        return Coding(model, learned, unseen, training)
    if isinstance(model, NeuralModel):
        return Foreseeing(model, learned, unseen, training)
    raise TypeError(f"a {type(model).__name__} can't be trained here: expected an LSTM, a Transformer or a VAE")
