"""Training of networks: plain torch, AdamW, and checkpoints from which it goes on exactly, bit by bit, after a kill."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from musicgym.models import checkpoint
from musicgym.models.checkpoint import Place, State
from musicgym.models.determinism import deterministic, drawing, threads
from musicgym.models.lessons import Lesson, lesson_of
from musicgym.models.material import Moves, Music, Windows, sequences_of
from musicgym.models.neural import Network
from musicgym.models.settings import Training
from musicgym.models.tokens import Sequences

SECONDS_BETWEEN_CHECKPOINTS = 30.0
_BETAS = (0.9, 0.98)


class Progress(NamedTuple):
    """Where training stands after an update."""

    update: int
    updates: int  # at most
    epoch: int
    loss: float  # nats a token of this update
    tokens_per_second: float  # since training began or was resumed
    learning_rate: float
    best_nats: float  # a held-out slot, so far, of what the model is to make less; infinite before the first look
    held_out: dict[str, dict[str, float]] | None  # after a look: nats and accuracy, or what else there is, by unit
    train_nats: float | None  # then also: a token, mean since the look before

    def record(self) -> dict[str, Any]:
        """A look as a line of metrics.jsonl."""
        return {
            "step": self.update,
            "epoch": self.epoch,
            "train_nats": self.train_nats,
            "learning_rate": self.learning_rate,
            "tokens_per_second": round(self.tokens_per_second),
            "held_out": self.held_out,
        }


class Outcome(NamedTuple):
    """How training ended. The model has the weights of the best look."""

    updates: int
    epochs: int
    tokens: int
    seconds: float
    best_update: int
    best_nats: float  # a held-out slot
    stopped: str  # why


class NotFiniteError(ValueError):
    """Training met what is no number."""


Watcher = Callable[[Progress], None]


def train(
    model: Network,
    learned: tuple[Music, Moves],
    unseen: tuple[Music, Windows],
    training: Training,
    *,
    folder: Path | None = None,
    settings: dict[str, Any] | None = None,
    resume: bool = False,
    watcher: Watcher | None = None,
    better: Callable[[], None] | None = None,
    seconds_between_checkpoints: float = SECONDS_BETWEEN_CHECKPOINTS,
    lesson: Lesson | None = None,
) -> Outcome:
    """Train a model to the end of its updates, or until held-out music has stopped becoming clearer.

    Args:
        model: an LSTM, a Transformer or a VAE; its weights change in place, and it ends in `eval()` mode.
        learned: the pieces that it learns from, and where they may be moved.
        unseen: the held-out pieces that it is looked at with, and how they are read.
        training: how.
        folder: where checkpoint.safetensors and TensorBoard's files go, an existing folder; None for neither.
        settings: what the checkpoint belongs to, as JSON holds it; `resume` refuses others.
        resume: go on from the folder's checkpoint; the outcome is the same as without a break.
        watcher: called after each update.
        better: called when a look was the best so far, while the model has those weights.
        seconds_between_checkpoints: at least so many; 0 for one after each update. There is always one at the end, and after each
            look that was the best so far.
        lesson: what it learns from and how it is looked at; None: what is usual for its kind.

    Raises:
        ValueError: no window can be written in the model's tokens, or a checkpoint that doesn't fit.
        NotFiniteError: a loss, a gradient or weights that are no finite numbers, with the update and the batch; the last good
            checkpoint in `folder` stays.
    """
    about = {**(settings or {}), "training": dataclasses.asdict(training)}
    with threads(training.threads), deterministic(model.device):
        lesson = lesson_of(model, learned, unseen, training) if lesson is None else lesson
        run = _Run(model, learned[0], lesson, training, folder, about, watcher, better)
        if resume:
            run.restore()
        return run.finish(seconds_between_checkpoints)


class _Run:
    """Weights, optimiser and place of a training, one update after another."""

    def __init__(
        self,
        model: Network,
        music: Music,
        lesson: Lesson,
        training: Training,
        folder: Path | None,
        settings: dict[str, Any],
        watcher: Watcher | None,
        better: Callable[[], None] | None,
    ) -> None:
        self.model, self.training, self.folder, self.settings = model, training, folder, settings
        self.watcher, self.better = watcher, better
        self.music, self.lesson = music, lesson
        self.place = Place()
        self.best: dict[str, torch.Tensor] = {}
        self.parameters = dict(model.named_parameters())
        matrices = [p for p in self.parameters.values() if p.dim() > 1]
        others = [p for p in self.parameters.values() if p.dim() <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": training.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=training.learning_rate,
            betas=_BETAS,
        )

    def finish(self, seconds_between_checkpoints: float) -> Outcome:
        """Update after update, to the end."""
        began, before = time.monotonic(), self.place
        saved = began
        with _tensorboard(self.folder, self.place.update) as board:
            for windows in self._batches():
                best = self.place.best_update
                sequences = self._encoded(windows)
                if sequences is not None:
                    loss = self._update(sequences)
                    spent = time.monotonic() - began
                    self.place = self.place._replace(seconds=before.seconds + spent)
                    looked = self._look() if self._due() else None
                    self._tell(self._progress(loss, looked, (self.place.tokens - before.tokens) / max(spent, 1e-9)), board)
                    if looked is not None:
                        self.place = self.place._replace(nats=0.0, updates=0)
                self.place = self.place._replace(batch=self.place.batch + 1)
                if self.place.best_update > best or time.monotonic() - saved >= seconds_between_checkpoints:
                    self._save()
                    saved = time.monotonic()
        self._save()
        self.model.load_state_dict(self.best)
        self.model.eval()
        place, ended = self.place, self.place.stale >= self.training.patience
        why = f"{place.stale} looks without a better one" if ended else "all updates made"
        return Outcome(place.update, place.epoch, place.tokens, place.seconds, place.best_update, place.best_nats, why)

    def _batches(self) -> Iterator[Windows]:
        """What is read next, epoch after epoch, until training is over; each epoch hangs on the seed and its number alone."""
        made = self.place.update
        while not self._over():
            rng = np.random.default_rng([self.training.seed, self.place.epoch])
            plan = self.lesson.epoch(rng)
            while self.place.batch < len(plan):
                if self._over():
                    return
                yield plan[self.place.batch]
            if self.place.update == made == 0:
                raise ValueError("none of the pieces can be written in the model's tokens: choose another corpus or task")
            self.place = self.place._replace(epoch=self.place.epoch + 1, batch=0)

    def _over(self) -> bool:
        return self.place.update >= self.training.updates or self.place.stale >= self.training.patience

    def _due(self) -> bool:
        return self.place.update % self.training.evaluate_every == 0 or self.place.update == self.training.updates

    def _encoded(self, windows: Windows) -> Sequences | None:
        """The windows that the alphabet holds; None where that is none."""
        sequences, fits = sequences_of(self.music, windows, self.model.alphabet)
        return sequences if fits.any() else None

    def _update(self, sequences: Sequences) -> float:
        """One step down the gradient; the loss, in nats a token."""
        width, device = int(sequences.length.max()), self.model.device
        tokens, places = (torch.from_numpy(a[:, :width].astype(np.int64)).to(device) for a in sequences[:2])  # (B, T)
        inside = (torch.arange(width) < torch.from_numpy(sequences.length)[:, None]).to(device)  # bool (B, T)
        for group in self.optimiser.param_groups:
            group["lr"] = self.training.rate(self.place.update)
        self.model.train()
        self.optimiser.zero_grad(set_to_none=True)
        with drawing(device, self.training.seed, self.place.update):
            loss = self.lesson.loss(tokens, places, inside, self.place.update)
            loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), self.training.clip)
        nats = float(loss.detach())
        self._check("the loss", nats)
        self._check("the gradient's norm", float(norm))
        self.optimiser.step()
        self.lesson.updated()
        place = self.place
        self.place = place._replace(
            update=place.update + 1,
            tokens=place.tokens + int(sequences.length.sum()),
            nats=place.nats + nats,
            updates=place.updates + 1,
        )
        return nats

    def _look(self) -> dict[str, dict[str, float]]:
        """Figures on the held-out pieces; keeps the weights if they are the best so far."""
        with self.model.judging():
            nats, found = self.lesson.look()
        self._check("the surprise of held-out music", nats)
        if nats < self.place.best_nats:
            self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
            self.place = self.place._replace(best_nats=nats, best_update=self.place.update, stale=0)
            if self.better is not None:
                self.better()
        else:
            self.place = self.place._replace(stale=self.place.stale + 1)
        return found

    def _progress(self, loss: float, looked: dict[str, dict[str, float]] | None, speed: float) -> Progress:
        place, training = self.place, self.training
        mean = place.nats / place.updates if looked is not None else None
        rate = training.rate(place.update - 1)
        return Progress(place.update, training.updates, place.epoch, loss, speed, rate, place.best_nats, looked, mean)

    def _tell(self, progress: Progress, board: Any) -> None:
        if board is not None and progress.held_out is not None:
            board.add_scalar("train/nats", progress.train_nats, progress.update)
            board.add_scalar("train/learning_rate", progress.learning_rate, progress.update)
            for unit, figures in progress.held_out.items():
                for name, value in figures.items():
                    board.add_scalar(f"held_out/{name}_{unit}", value, progress.update)
        if self.watcher is not None:
            self.watcher(progress)

    def _check(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            raise self._not_finite(f"{what} is {value}")

    def _not_finite(self, what: str) -> NotFiniteError:
        where = f"after update {self.place.update} (epoch {self.place.epoch}, batch {self.place.batch})"
        there = self.folder is not None and (self.folder / checkpoint.NAME).exists()
        kept = f"; the last good checkpoint stays in {str(self.folder)!r}" if there else ""
        return NotFiniteError(f"training stopped {where}: {what}{kept}; train anew with a lower learning rate")

    def _save(self) -> None:
        if self.folder is None:
            return
        if fault := checkpoint.fault(self.model.state_dict()):
            raise self._not_finite(fault)
        made = {name: self.optimiser.state[p] for name, p in self.parameters.items() if p in self.optimiser.state}
        mean, square = ({name: found[key] for name, found in made.items()} for key in ("exp_avg", "exp_avg_sq"))
        checkpoint.write(self.folder, State(self.model.state_dict(), self.best, mean, square, self.place), self.settings)

    def restore(self) -> None:
        """Go back to where the folder's checkpoint was. Raises ValueError where it doesn't fit."""
        assert self.folder is not None
        state, device = checkpoint.read(self.folder, self.settings), self.model.device
        try:
            if state.place.best_update and state.best.keys() != state.weights.keys():
                raise ValueError("the weights of the best look are not there")
            self.model.load_tensors(state.weights)
            self.best = {name: tensor.to(device) for name, tensor in state.best.items()}
            for name, parameter in self.parameters.items() if state.place.update else ():
                self.optimiser.state[parameter] = {
                    "step": torch.tensor(float(state.place.update)),
                    "exp_avg": state.mean[name].to(device),
                    "exp_avg_sq": state.square[name].to(device),
                }
        except (RuntimeError, KeyError, ValueError) as error:
            raise ValueError(f"the checkpoint in {str(self.folder)!r} doesn't fit the model ({error}): train anew") from error
        self.place = state.place


@contextlib.contextmanager
def _tensorboard(folder: Path | None, update: int) -> Iterator[Any]:
    """A writer of TensorBoard's files, or None where there is no folder or TensorBoard isn't installed."""
    if folder is None:
        yield None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        yield None
        return
    writer = SummaryWriter(str(folder / "tensorboard"), purge_step=update + 1 if update else None)
    try:
        yield writer
    finally:
        writer.close()
