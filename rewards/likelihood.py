"""Rewards of how likely music is to sequence models, choice by choice: `likelihood` and `typicality`.

Both are functions of a piece as far as it is written without a gap, read in order of time with all voices of a step before the
next: log p of what stands there, each token given those before it. A choice pays the difference that it makes to that. So:

- In order of time a choice pays the log probability, not masked, of what it wrote and of the given slots that come right after.
- In other orders what is written behind a gap pays when the gap is filled; an edit pays for all that it makes likelier or less
  likely after it, and costs reading the piece anew.
- What the page begins with pays nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from musicgym.grids import taken_in
from musicgym.pieces import Excerpts, Pieces
from musicgym.rewards.by_model import (
    BoundByModels,
    ByModel,
    Judged,
    card_surprise,
    check_is_model,
    check_surprise,
    named_model,
    voices_of,
)
from musicgym.rewards.model_reader import Reader
from musicgym.rewards.reward import BoundReward
from musicgym.task import Task

if TYPE_CHECKING:
    from musicgym.models.sequence_model import SequenceModel
    from musicgym.score import Score


class Likelihood(ByModel):
    """Log p of each choice under a sequence model, in nats, or its log-odds against another model.

    A whole piece is worth `model.log_prob(piece, given)`.

    Args:
        model: what judges. The same one in several rewards of an environment reads once a step for all.
        minus: pay log p less what this one says: what is specific to the corpus of `model` and not just frequent everywhere.
        centred: less the mean log p of a slot on held-out music, for every slot that is written: 0 a slot is then how real music
            fares, whatever the model. The total of a page of a given size only moves. Cards say the mean of all voices together.
        given: voices that count nothing, such as those that the task gives; they are read all the same.
        surprise: for `centred`: the mean of -log p a slot on music to compare with, in nats, above 0; with `minus` that of the
            difference, which may be below 0. None: what the models' cards say of the validation split.

    Raises:
        ValueError: no such voice; `centred` where a card doesn't say the mean; `surprise` without it; on binding, a task that the
            model can't read.

    Example:
        >>> from musicgym import Score
        >>> from musicgym.models import NGramModel
        >>> tune = Score.from_notes([[(0, 2, 60, 80), (2, 2, 62, 80)]])
        >>> model = NGramModel(Task(length=4), "mine", order=2)
        >>> reward = Likelihood(model.fit(model.sequences([tune])))
        >>> totals, marks = reward.score([tune], marks=True)
        >>> totals["likelihood"].round(3).tolist(), model.log_prob([tune]).round(3).tolist(), marks.shape
        ([-1.966], [-1.966], (1, 1, 1, 4))
    """

    def __init__(
        self,
        model: SequenceModel,
        *,
        minus: SequenceModel | None = None,
        centred: bool = False,
        given: Sequence[int] = (),
        surprise: float | None = None,
    ) -> None:
        super().__init__(model, given)
        if surprise is not None:
            if not centred:
                raise ValueError(f"surprise={surprise!r}: it is what centred=True takes as the mean; give both or neither")
            check_surprise(surprise, least=0.0 if minus is None else -math.inf)
        if minus is not None:
            check_is_model(minus, "Likelihood(minus=...)")
            if minus.task.voices != model.task.voices:
                raise ValueError(f"minus reads {minus.task.voices} voices, the model {model.task.voices}: they must agree")
        self.minus = minus
        self.centre = 0.0  # nats that each slot is paid less
        if centred:
            self.centre = -surprise if surprise is not None else sum(-sign * card_surprise(one) for one, sign in self._signed)
        self.name = f"likelihood({model.name}{'' if minus is None else f' - {minus.name}'})"

    @property
    def _signed(self) -> list[tuple[SequenceModel, float]]:
        return [(self.model, 1.0), *([] if self.minus is None else [(self.minus, -1.0)])]

    @property
    def models(self) -> tuple[SequenceModel, ...]:
        return tuple(model for model, _ in self._signed)

    @property
    def description(self) -> str:
        return f"likelihood {[m.fingerprint for m in self.models]} centre {self.centre!r} given {self.given}"

    def bind(self, task: Task, num_envs: int, seed: int = 0) -> BoundReward:
        return _BoundLikelihood(self, self._own(task, num_envs))

    def _sites(self, read: list[Judged], material: Excerpts) -> np.ndarray:
        signs = [sign for _, sign in self._signed]
        logs = np.sum([sign * one.log_prob.sum(axis=3) for sign, one in zip(signs, read, strict=True)], axis=0)
        return np.asarray((logs - self.centre * read[0].spans) * self.counts[:, None])


class _BoundLikelihood(BoundByModels):
    def __init__(self, reward: Likelihood, readers: list[Reader]) -> None:
        super().__init__(readers)
        self.terms = (reward.term,)
        self.counts, self.centre = reward.counts, reward.centre

    def __call__(self, pieces: Pieces) -> np.ndarray:
        for reader in self.readers:
            reader.follow(pieces, self)
        first, *others = (reader.paid.sum(axis=2) @ self.counts for reader in self.readers)
        paid = first - sum(others) - self.centre * (self.readers[0].paid_spans @ self.counts)
        return np.asarray(paid, np.float32)[None]


class Typicality(ByModel):
    """Minus the distance of a piece's mean surprise from that of real music, in nats a slot.

    Real music is neither as predictable as it could be nor as surprising (Meister et al. 2023, "Locally typical sampling"), while
    the likeliest music is a hold without end. A piece is worth

        -|S - n s| / M

    with S the surprise, -log p, of the n slots that are read so far, s the mean surprise of a slot of real music, and M the slots
    of the whole page, all of voices that count. When the page is full that is minus the distance of the two means; an empty page
    is worth 0, and each choice pays the difference that it makes. So a choice that is more surprising than s pays while the
    piece is behind, and costs while it is ahead.

    Args:
        model: what judges. The same one in several rewards of an environment reads once a step for all.
        given: voices that count nothing, such as those that the task gives; they are read all the same.
        surprise: s; None: what the model's card says of held-out music.

    Raises:
        ValueError: no such voice; a card that doesn't say s; on binding, a task that the model can't read.
    """

    def __init__(self, model: SequenceModel, *, given: Sequence[int] = (), surprise: float | None = None) -> None:
        super().__init__(model, given)
        if surprise is not None:
            check_surprise(surprise)
        self.surprise = card_surprise(model) if surprise is None else float(surprise)
        self.name = f"typicality({model.name})"

    @property
    def description(self) -> str:
        return f"typicality {self.model.fingerprint} surprise {self.surprise!r} given {self.given}"

    def bind(self, task: Task, num_envs: int, seed: int = 0) -> BoundReward:
        return _BoundTypicality(self, self._own(task, num_envs))

    def _sites(self, read: list[Judged], material: Excerpts) -> np.ndarray:
        ahead = (-read[0].log_prob.sum(axis=3) - self.surprise * read[0].spans) * self.counts[:, None]
        in_turn = ahead.transpose(0, 2, 1).reshape(len(ahead), -1)  # (M, steps * voices), as they are read
        worth = -np.abs(np.cumsum(in_turn, axis=1)) / (material.length * self.counts.sum())[:, None]
        paid = np.diff(worth, axis=1, prepend=0.0)
        return np.asarray(paid.reshape(len(ahead), -1, ahead.shape[1]).transpose(0, 2, 1))


class _BoundTypicality(BoundByModels):
    def __init__(self, reward: Typicality, readers: list[Reader]) -> None:
        super().__init__(readers)
        self.terms = (reward.term,)
        self.counts, self.surprise = reward.counts, reward.surprise

    def __call__(self, pieces: Pieces) -> np.ndarray:
        (reader,) = self.readers
        reader.follow(pieces, self)
        after = self._ahead(reader.sums, reader.spans)
        before = self._ahead(reader.sums - reader.paid, reader.spans - reader.paid_spans)
        paid = (np.abs(before) - np.abs(after)) / (pieces.length * self.counts.sum())
        # Sums of another order leave a last digit where nothing was read.
        return np.where(pieces.written, paid, 0.0)[None].astype(np.float32)

    def _ahead(self, sums: np.ndarray, spans: np.ndarray) -> np.ndarray:
        """float64 (N,): nats of surprise above what real music would have had so far."""
        return np.asarray(-(sums.sum(axis=2) @ self.counts) - self.surprise * (spans @ self.counts))


def likelihood(
    model: str | SequenceModel,
    minus: str | SequenceModel = "",
    centred: bool = False,
    given: str | float | Sequence[int] = "",
    surprise: float = 0,
) -> Likelihood:
    """How likely each choice is to a sequence model: `likelihood(model="melody-ngram", centred=True)`.

    Args:
        model: a shipped model's name or the path of one, as `musicgym.models.load` takes them; or a `SequenceModel`.
        minus: another one: log-odds against it.
        centred: less the mean of held-out music, so that weights mean the same whatever the model.
        given: voices that count nothing, "0" or "0, 2".
        surprise: with `centred`: that mean, in nats a slot; 0: what the cards say.

    Raises:
        ValueError: no such model, or a value out of its range; see `Likelihood`.
    """
    if not isinstance(centred, bool):
        raise ValueError(f"likelihood(centred={centred!r}): expected True or False")
    against = None if isinstance(minus, str) and not minus else named_model(minus)
    mean = None if surprise == 0 else surprise
    return Likelihood(named_model(model), minus=against, centred=centred, given=voices_of(given), surprise=mean)


def typicality(model: str | SequenceModel, given: str | float | Sequence[int] = "", surprise: float = 0) -> Typicality:
    """How near a piece's mean surprise is to that of real music: `typicality(model="melody-ngram", given="")`.

    Args:
        model: a shipped model's name or the path of one, as `musicgym.models.load` takes them; or a `SequenceModel`.
        given: voices that count nothing, "0" or "0, 2".
        surprise: real music's, in nats a slot; 0: what the model's card says of held-out music.

    Raises:
        ValueError: no such model, or a value out of its range; see `Typicality`.
    """
    return Typicality(named_model(model), given=voices_of(given), surprise=None if surprise == 0 else surprise)


def mean_surprise(
    model: SequenceModel,
    music: Sequence[Score] | Excerpts,
    given: Sequence[int] = (),
    minus: SequenceModel | None = None,
) -> float:
    """Mean of -log p over the slots of some music, in nats: the `surprise` of a model that has no card.

    Args:
        model: what judges.
        music: finished pieces.
        given: voices that don't count.
        minus: less what this model says, as for `Likelihood`.

    Raises:
        ValueError: as `Likelihood.score`.
    """
    material = music if isinstance(music, Excerpts) else taken_in(list(music), model.task.steps_per_quarter, "score")
    reward = Likelihood(model, minus=minus, given=given)
    slots = material.length.sum() * reward.counts.sum()
    return float(-reward.score(material)[reward.term].sum() / slots)
