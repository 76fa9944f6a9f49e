"""How a VAE learns windows of bars: `Coding`."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from musicgym.models.bars import in_drawn_keys, sounding, windows_of
from musicgym.models.figures import held
from musicgym.models.lessons import Lesson, Look
from musicgym.models.material import Moves, Music, Windows, batches
from musicgym.models.settings import Training
from musicgym.models.vae import VAE
from musicgym.models.vae_figures import figures_of, foreseen


class Coding(Lesson):
    """Windows of bars: minus the bound on their likelihood, the divergence counted `beta` times.

    An epoch has every window of `model.bars` whole bars with a note in it once, from each bar line on, in a key that is drawn.
    What is to become less on held-out music is what training makes less once `beta` is reached.

    Args:
        model: that learns.
        learned: the pieces that it learns from, and where they may be moved.
        unseen: held-out pieces, and their windows.
        training: how; windows of more steps than `window` are left out.

    Raises:
        ValueError: no window, or no held-out one that can be written in the model's tokens.
    """

    def __init__(self, model: VAE, learned: tuple[Music, Moves], unseen: tuple[Music, Windows], training: Training) -> None:
        self.model, self.training = model, training
        music, self.moves = learned
        found = sounding(music.excerpts, windows_of(music.excerpts, model.bars, overlap=True))
        self.windows = found.take(found.stop - found.start <= training.window)
        if not len(self.windows.piece):
            raise ValueError(
                f"none of the {len(music.families)} pieces has {model.bars} whole bars of at most {training.window} steps with a "
                "note in them: choose another corpus, a model of fewer bars, or a longer window"
            )
        self.unseen = held(*unseen, model.alphabet)

    def epoch(self, rng: np.random.Generator) -> list[Windows]:
        return batches(in_drawn_keys(self.windows, self.moves, rng), self.training.batch, rng)

    def loss(self, tokens: torch.Tensor, place: torch.Tensor, inside: torch.Tensor, update: int) -> torch.Tensor:
        model = self.model
        said = model.posterior(tokens, place, inside.sum(dim=1))
        latents = said.at(torch.randn_like(said.mean))
        surprise = functional.cross_entropy(model.logits(tokens, place, latents)[inside], tokens[inside], reduction="sum")
        beta = model.beta * min(1.0, update / model.anneal)
        divergence = functional.relu(said.kl.sum(dim=1) - model.free_nats).sum()
        return (surprise + beta * divergence) / inside.sum()

    def look(self) -> Look:
        found = foreseen(self.model, self.unseen.sequences)
        aim = found.surprise + self.model.beta * np.maximum(found.kl - self.model.free_nats, 0)
        return Look(float(aim.sum() / self.unseen.sequences.length.sum()), figures_of(found, self.unseen.sequences.length))
