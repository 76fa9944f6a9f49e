"""How a discriminator learns to tell real pieces from others, is calibrated, and what is said of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from musicgym.models.calibration import accuracy, auc, calibration_error, log_loss, platt
from musicgym.models.discriminator import Discriminator
from musicgym.models.lessons import Lesson, Look
from musicgym.models.material import Moves, Music, Windows, batches, drawn
from musicgym.models.opposition import (
    HELD_OUT,
    SAMPLES,
    Opposed,
    learned_from,
    of_like_lengths,
    opposed,
    side_by_side,
    spoiled_windows,
)
from musicgym.models.sequence_model import SequenceModel
from musicgym.models.settings import Training
from musicgym.models.spoiling import SPOILERS
from musicgym.models.tokens import Sequences

_MARKS = (0.25, 0.5, 0.75, 1.0)  # of a piece's tokens: the prefixes that are looked at
_FAKES = 1 << 35  # beside seed and update: what a batch's generated pieces are drawn by
_LOOKS, _SOME = 1 << 36, 1 << 37  # beside the seed: what held-out pages are drawn by


class Telling(Lesson):
    """Discriminators: real or not, after each token.

    A batch has as many other pieces as real ones, about as long: half of them are the opponent's, on pages of music that is
    learned from, half are real ones spoiled. What is to become less is the surprise at which is which, in nats, in the mean over
    the prefixes of each piece (see `prefix_loss`).

    Args:
        model: that learns.
        opponent: whose pieces it learns to tell from real ones.
        learned: the pieces that it learns from, and where they may be moved.
        unseen: the held-out pieces that it is looked at with, and where they may be moved.
        training: how.

    Raises:
        ValueError: an opponent that writes other tokens, or pieces that can't be written in the model's.
    """

    def __init__(
        self,
        model: Discriminator,
        opponent: SequenceModel,
        learned: tuple[Music, Moves],
        unseen: tuple[Music, Moves],
        training: Training,
    ) -> None:
        check_opponent(opponent, model)
        self.model, self.opponent, self.training = model, opponent, training
        self.music, self.moves = learned
        count = min(SAMPLES, training.updates * training.batch)
        self.samples = learned_from(opponent, *learned, model.alphabet, training.window, count, training.seed)
        self.spoiled = self.samples  # of the epoch
        self.unseen = unseen
        self.held_out = self._against(*unseen, 1)

    def epoch(self, rng: np.random.Generator) -> list[Windows]:
        windows = drawn(self.music, self.moves, self.training.window, rng)
        self.spoiled = spoiled_windows(self.music, windows, self.model.alphabet, rng)
        if not len(self.spoiled.length):
            self.spoiled = self.samples
        return batches(windows, self.training.batch, rng)

    def loss(self, tokens: torch.Tensor, place: torch.Tensor, inside: torch.Tensor, update: int) -> torch.Tensor:
        rng = np.random.default_rng([self.training.seed, update, _FAKES])
        lengths = inside.sum(dim=1).cpu().numpy()
        parts = []
        for pool, some in ((self.samples, lengths[::2]), (self.spoiled, lengths[1::2])):
            rows = of_like_lengths(pool, some, rng)
            parts.append(Sequences(*(array[rows] for array in pool)))
        real = Sequences(tokens.cpu().numpy().astype(np.int16), place.cpu().numpy().astype(np.int16), lengths.astype(np.int32))
        return prefix_loss(self.model, real, side_by_side(*parts))

    def updated(self) -> None:
        self.model.constrain()

    def look(self) -> Look:
        said = _marked(self.model, self.held_out)
        if not np.isfinite(said[0]).all():  # there is no calibration of it; training stops at such a look
            return Look(math.nan, {})
        figures = _figures(*said, self.held_out)
        return Look(figures["prefix"]["nats"], {part: figures[part] for part in ("prefix", "piece")})

    def calibrate(self) -> None:
        """Bring log-odds to what the held-out pieces say: Platt scaling, on prefixes of four lengths, the whole among them."""
        said, real, _ = _marked(self.model, self.held_out)
        self.model.calibrate(*platt(said.ravel(), np.repeat(real, said.shape[1])))

    def judged(self, music: Music, moves: Moves) -> dict[str, Any]:
        """What is said of the model, and of its calibration, on pieces that it didn't learn from; see `judged`."""
        same = music is self.unseen[0]
        return judged(self.model, self.held_out if same else self._against(music, moves, 2))

    def _against(self, music: Music, moves: Moves, part: int) -> Opposed:
        """Windows of held-out music with what stands against them: the same whenever the seed is the same."""
        windows = drawn(music, moves, self.training.window, np.random.default_rng([self.training.seed, _LOOKS]))
        some = np.random.default_rng([self.training.seed, _SOME]).permutation(len(windows.piece))[:HELD_OUT]
        return opposed(self.opponent, music, windows.take(np.sort(some)), self.model.alphabet, self.training.seed, part)


def check_opponent(opponent: SequenceModel, model: Discriminator) -> None:
    """Raises TypeError or ValueError for an opponent that can't be one: it makes nothing up, or writes other tokens."""
    if not isinstance(opponent, SequenceModel):
        raise TypeError(f"opponent {opponent!r}: expected a musicgym.models.SequenceModel, which makes pieces up")
    model.check_reads(opponent.task)


def prefix_loss(model: Discriminator, real: Sequences, generated: Sequences) -> torch.Tensor:
    """Mean surprise at which kind each prefix is of, in nats. Gradients flow.

    Both kinds weigh the same. Prefixes weigh by the square of their length, since beginnings tell little: without that the same
    network learned half as much in as many updates, of short prefixes too.
    """
    every = side_by_side(real, generated)
    width = max(1, int(every.length.max(initial=0)))
    tokens, place = (torch.from_numpy(array[:, :width].astype(np.int64)).to(model.device) for array in every[:2])
    length = torch.from_numpy(every.length.astype(np.int64)).to(model.device)
    at = torch.arange(width, device=model.device)
    weight = torch.where(at < length[:, None], (at + 1.0) ** 2, 0.0)
    weight = weight / weight.sum(dim=1, keepdim=True).clamp(min=1)
    said = model.reached(tokens, place)
    signs = torch.ones(len(every.length), device=model.device)
    signs[: len(real.length)] = -1.0
    surprise = (functional.softplus(said * signs[:, None]) * weight).sum(dim=1)
    return (surprise[: len(real.length)].mean() + surprise[len(real.length) :].mean()) / 2


def judged(model: Discriminator, found: Opposed) -> dict[str, Any]:
    """What held-out pieces say of the model.

    Of "prefix" (a quarter, half, three quarters and all of each piece) and "piece": nats of surprise at which kind it is (knowing
    nothing: 0.693), accuracy, AUC, expected calibration error, all with half of the pieces real; "auc" of whole pieces against
    the opponent's, and against each way of spoiling.
    """
    return _figures(*_marked(model, found), found)


def _figures(said: np.ndarray, real: np.ndarray, against: np.ndarray, found: Opposed) -> dict[str, Any]:
    """Of what `_marked` found."""
    whole = said[:, -1]
    figures: dict[str, Any] = {
        part: {
            "nats": log_loss(odds, which),
            "accuracy": accuracy(odds, which),
            "auc": auc(odds, which),
            "calibration_error": calibration_error(odds, which),
        }
        for part, odds, which in (("prefix", said.ravel(), np.repeat(real, said.shape[1])), ("piece", whole, real))
    }
    figures["against"] = {
        name: auc(whole[real | (against == name)], real[real | (against == name)]) for name in np.unique(against[~real]).tolist()
    }
    counts = {"pieces": len(np.unique(found.piece)), "families": len(np.unique(found.families)), "windows": len(found.piece)}
    return {**figures, **counts}


def _marked(model: Discriminator, found: Opposed) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-odds of all pieces at the marks, float64 (P, marks); whether they are real, bool (P,); and what they are, (P,)."""
    odds = []
    for part in (found.real, found.generated, found.spoiled):
        with np.errstate(invalid="ignore", over="ignore"):  # of a model that has diverged; `look` finds it
            reached = model.evidence(part).cumsum(axis=1)
        at = np.ceil(np.array(_MARKS) * part.length[:, None]).astype(np.int64) - 1  # (M, marks)
        odds.append(np.take_along_axis(reached, np.maximum(at, 0), axis=1))
    pieces = len(found.families)
    real = np.repeat([True, False, False], pieces)
    ways = np.array([*SPOILERS, "samples"])  # -1 stands for the last
    against = np.concatenate([np.full(pieces, "real"), np.full(pieces, "samples"), ways[found.spoilers]])
    return np.concatenate(odds), real, against
