"""How real music looks to a discriminator while it is written: `discriminator`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from musicgym.pieces import Excerpts, Pieces
from musicgym.rewards.by_model import BoundByModels, read_through, sites_of
from musicgym.rewards.model_reader import Reader
from musicgym.rewards.reward import BoundReward, Reward
from musicgym.task import Task

if TYPE_CHECKING:
    import torch

    from musicgym.models.discriminator import Discriminator
    from musicgym.models.online import Online
    from musicgym.score import Score

When = Literal["step", "end"]


class Realness(Reward):
    """The log-odds that a piece is real and not generated, in nats, as a discriminator sees it.

    A choice pays the difference that it makes to the log-odds of what is written without a gap, given slots that come right after
    it among them; these are 0 for an empty page. That is shaping with the log-odds as potential (Ng, Harada and Russell 1999), so
    it adds up: a whole piece is worth `model.log_odds(piece)`. What the page begins with pays nothing.

    Args:
        model: what judges. The same one in several rewards of an environment reads once a step for all. One that goes on
            learning is a `musicgym.models.Online`: choices are then paid as it stands when they are made, and of a piece that is
            being written while it learns it has in mind what it made of the beginning before.
        when: "step": each choice pays; "end": the last one pays for all.

    Raises:
        ValueError: another word; on binding, a task that the model can't read.
        TypeError: a model that is no discriminator.

    Example:
        >>> from musicgym import Score
        >>> from musicgym.models import Discriminator
        >>> tune = Score.from_notes([[(0, 2, 60, 80), (2, 2, 62, 80)]])
        >>> model = Discriminator(Task(length=4), layers=2, width=8)
        >>> totals, marks = Realness(model).score([tune], marks=True)
        >>> bool(abs(totals["discriminator"] - model.log_odds([tune]))[0] < 1e-4), marks.shape
        (True, (1, 1, 1, 4))
    """

    def __init__(self, model: Discriminator | Online, *, when: When = "step") -> None:
        from musicgym.models.discriminator import Discriminator
        from musicgym.models.online import Online

        if not isinstance(model, (Discriminator, Online)):
            raise TypeError(
                f"Realness({model!r}): expected a musicgym.models.Discriminator or Online; musicgym.models.load finds one by its "
                "name"
            )
        if when not in ("step", "end"):
            raise ValueError(f"when={when!r}: expected 'step' or 'end'")
        self.online = model if isinstance(model, Online) else None
        self.model = model.model if isinstance(model, Online) else model
        self.when = when
        self.name = (
            f"discriminator({self.model.name}{', end' if when == 'end' else ''}{'' if self.online is None else ', online'})"
        )

    @property
    def description(self) -> str:
        learns = "" if self.online is None else f" online, {self.online.description}"
        return f"discriminator {self.model.fingerprint} {self.when}{learns}"

    def bind(self, task: Task, num_envs: int, seed: int = 0) -> BoundReward:
        reader = EvidenceReader(self.model, task, num_envs)
        if self.online is not None:  # another one that has learned the same so far may go on otherwise
            reader.key = ("online", id(self.online), reader.key)
        return _BoundRealness([reader], self.when, num_envs)

    def score(self, scores: Sequence[Score] | Excerpts, *, marks: bool = False) -> Any:
        """As `Reward.score`; what a whole note is worth stands where it begins, what is paid at the end in the last slot.

        Raises:
            ValueError: other voices, another grid, a pitch or length that the model doesn't know, naming it.
        """
        grid = self.model.task.steps_per_quarter
        material, sites = sites_of(
            scores, grid, lambda part: np.asarray(read_through(self.model, part, EvidenceReader).log_prob.sum(axis=3))
        )
        totals = {"discriminator": sites.sum(axis=(1, 2))}
        if not marks:
            return totals
        if self.when == "end":
            sites[:] = 0.0
            sites[np.arange(len(sites)), -1, material.length - 1] = totals["discriminator"]
        return totals, sites[:, None].astype(np.float32)


class EvidenceReader(Reader):
    """A discriminator that reads along: its `sums` are evidence where other readers' are log probabilities."""

    key: Hashable

    def _said(self, logits: torch.Tensor) -> torch.Tensor:
        return logits


class _BoundRealness(BoundByModels):
    terms = ("discriminator",)
    arrays = ("paid_before",)

    def __init__(self, readers: list[Reader], when: When, rows: int) -> None:
        super().__init__(readers)
        self.when = when
        self.paid_before = np.zeros(rows)  # float64 (N,): with "end", what the choices so far would have paid

    def reset(self, pieces: Pieces, mask: np.ndarray) -> None:
        super().reset(pieces, mask)
        self.paid_before[mask] = 0.0

    def __call__(self, pieces: Pieces) -> np.ndarray:
        (reader,) = self.readers
        reader.follow(pieces, self)
        paid = reader.paid.sum(axis=(1, 2))  # float64 (N,)
        if self.when == "end":
            self.paid_before += paid
            paid = np.where(pieces.done & pieces.written, self.paid_before, 0.0)
        return np.asarray(paid, np.float32)[None]


def discriminator(model: str | Discriminator | Online, when: str = "step") -> Realness:
    """How real music looks: `discriminator(model="melody-discriminator", when="end")`.

    Args:
        model: a shipped discriminator's name or the path of one, as `musicgym.models.load` takes them; or one itself.
        when: "step": each choice pays the difference that it makes to the log-odds; "end": the last pays for all.

    Raises:
        ValueError: no such model, one of another kind, or another word; see `Realness`.
    """
    from musicgym.models.discriminator import Discriminator

    if isinstance(model, str):
        from musicgym.models import load

        found = load(model)
        if not isinstance(found, Discriminator):
            raise ValueError(f"model {model!r} is of kind {found.kind!r}: expected a discriminator")
        model = found
    word: Any = when
    return Realness(model, when=word)
