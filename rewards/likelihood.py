"""Rewards of how likely music is to sequence models, choice by choice: `likelihood` and `typicality`.

Both are functions of a piece as far as it is written without a gap, read in order of time with all voices of a step before the
next: log p of what stands there, each token given those before it. A choice pays the difference that it makes to that. So:

- In order of time a choice pays the log probability, not masked, of what it wrote and of the given slots that come right after.
- In other orders what is written behind a gap pays when the gap is filled; an edit pays for all that it makes likelier or less
  likely after it, and costs reading the piece anew.
- What the page begins with pays nothing.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musicgym.engine import finished_pieces
from musicgym.grids import taken_in
from musicgym.pieces import Excerpts, Pieces
from musicgym.rewards.model_reader import BoundByModels, Reader
from musicgym.rewards.reward import BoundReward, Reward
from musicgym.task import Task

if TYPE_CHECKING:
    from musicgym.models.sequence_model import SequenceModel
    from musicgym.score import Score

_PIECES_AT_ONCE = 256  # that are read of finished music: what a model keeps of each takes memory


class Reading(NamedTuple):
    """What a model says of M finished pieces; 0 where it has not read: at blanks, and after them."""

    log_prob: np.ndarray  # float64 (M, voices, steps, factors): of an event's tokens, where it begins
    spans: np.ndarray  # int64 (M, voices, steps): slots that the event fills, where it begins


class ByModel(Reward):
    """What rewards of sequence models have in common: which voices count, and the corpus's mean surprise.

    Args:
        model: what judges.
        given: voices that count nothing, such as those that the task gives; they are read all the same.
        surprise: mean of -log p over the slots of the corpus, in nats; None: what the model's card says of held-out music.
    """

    def __init__(self, model: SequenceModel, given: Sequence[int], surprise: float | None) -> None:
        check_is_model(model, type(self).__name__)
        voices = model.task.voices
        self.given = tuple(sorted(set(given)))
        if not all(0 <= voice < voices for voice in self.given) or len(self.given) == voices:
            raise ValueError(f"given={tuple(given)}: expected voices within 0..{voices - 1}, and at least one left that counts")
        if surprise is not None and not (math.isfinite(surprise) and surprise > 0):
            raise ValueError(f"surprise={surprise!r}: expected nats a slot, above 0")
        self.model = model
        self._surprise = surprise

    @property
    def models(self) -> tuple[SequenceModel, ...]:
        """All that judge, the first one first."""
        return (self.model,)

    @property
    def counts(self) -> np.ndarray:
        """float64 (voices,): 1 for voices that count, 0 for the others."""
        return np.array([float(voice not in self.given) for voice in range(self.model.task.voices)])

    def _own(self, task: Task, num_envs: int) -> list[Reader]:
        return [Reader(model, task, num_envs) for model in self.models]

    @abc.abstractmethod
    def _sites(self, read: list[Reading], material: Excerpts) -> np.ndarray:
        """What each slot of finished pieces is worth, float64 (M, voices, steps), from what each model says."""

    @property
    def term(self) -> str:
        """The only one."""
        return type(self).__name__.lower()

    def score(self, scores: Sequence[Score] | Excerpts, *, marks: bool = False) -> Any:
        """As `Reward.score`; a whole note's value stands where it begins.

        Raises:
            ValueError: other voices, another grid, a pitch or length that a model doesn't know, naming it.
        """
        material = scores
        if not isinstance(material, Excerpts):
            material = taken_in(list(material), self.model.task.steps_per_quarter, "score")
        sites = np.zeros(material.pitch.shape)
        for first in range(0, len(sites), _PIECES_AT_ONCE):
            rows = np.arange(first, min(first + _PIECES_AT_ONCE, len(sites)))
            part = material.take(rows)
            sites[rows] = self._sites([read_through(model, part) for model in self.models], part)
        totals = {self.term: sites.sum(axis=(1, 2))}
        return (totals, sites[:, None].astype(np.float32)) if marks else totals


class Likelihood(ByModel):
    """Log p of each choice under a sequence model, in nats, or its log-odds against another model.

    A whole piece is worth `model.log_prob(piece, given)`.

    Args:
        model: what judges. The same one in several rewards of an environment reads once a step for all.
        minus: pay log p less what this one says: what is specific to the corpus of `model` and not just frequent everywhere.
        centred: less the mean log p of a slot on held-out music, for every slot that is written: 0 a slot is then how real music
            fares, whatever the model. The total of a page of a given size only moves.
        given: voices that count nothing, such as those that the task gives; they are read all the same.
        surprise: for `centred`: the mean of -log p a slot on music to compare with, in nats (with `minus`, of the difference);
            None: what the models' cards say of held-out music.

    Raises:
        ValueError: no such voice; `centred` where a card doesn't say the mean; on binding, a task that the model can't read.
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
        super().__init__(model, given, surprise)
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

    def _sites(self, read: list[Reading], material: Excerpts) -> np.ndarray:
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
        super().__init__(model, given, surprise)
        self.surprise = card_surprise(model) if surprise is None else float(surprise)
        self.name = f"typicality({model.name})"

    @property
    def description(self) -> str:
        return f"typicality {self.model.fingerprint} surprise {self.surprise!r} given {self.given}"

    def bind(self, task: Task, num_envs: int, seed: int = 0) -> BoundReward:
        return _BoundTypicality(self, self._own(task, num_envs))

    def _sites(self, read: list[Reading], material: Excerpts) -> np.ndarray:
        ahead = (-read[0].log_prob.sum(axis=3) - self.surprise * read[0].spans) * self.counts[:, None]
        in_turn = ahead.transpose(0, 2, 1).reshape(len(ahead), -1)  # (M, steps * voices), as they are read
        worth = -np.abs(np.cumsum(in_turn, axis=1)) / (material.length * self.counts.sum())[:, None]
        paid = np.diff(worth, axis=1, prepend=0.0)
        return paid.reshape(len(ahead), -1, ahead.shape[1]).transpose(0, 2, 1)


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
    model: str | SequenceModel, minus: str | SequenceModel = "", centred: bool = False, given: str | float | Sequence[int] = ""
) -> Likelihood:
    """How likely each choice is to a sequence model: `likelihood(model="melody-ngram", centred=True)`.

    Args:
        model: a shipped model's name or the path of one, as `musicgym.models.load` takes them; or a `SequenceModel`.
        minus: another one: log-odds against it.
        centred: less the mean of held-out music, so that weights mean the same whatever the model.
        given: voices that count nothing, "0" or "0, 2".

    Raises:
        ValueError: no such model, or a value out of its range; see `Likelihood`.
    """
    if not isinstance(centred, bool):
        raise ValueError(f"likelihood(centred={centred!r}): expected True or False")
    against = None if isinstance(minus, str) and not minus else named_model(minus)
    return Likelihood(named_model(model), minus=against, centred=centred, given=voices_of(given))


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


def read_through(model: SequenceModel, material: Excerpts) -> Reading:
    """What a model says of each event of finished pieces, read up to the first blank.

    Raises:
        ValueError: other voices or another grid than the model's, or what it doesn't know.
    """
    pieces = finished_pieces(material)
    count, voices, steps = pieces.pitch.shape
    task = Task(voices=voices, length=steps).changed(choice=_any_music())
    reader = Reader(model, task, count)
    reader.read()
    made = Reading(np.zeros((count, voices, steps, model.alphabet.factors)), np.zeros((count, voices, steps), np.int64))
    reader.record = tuple(made)
    reader.reset(pieces, np.ones(count, np.bool_))
    return made


def mean_surprise(model: SequenceModel, music: Sequence[Score] | Excerpts, given: Sequence[int] = ()) -> float:
    """Mean of -log p over the slots of some music, in nats: the `surprise` of a model that has no card.

    Args:
        model: what judges.
        music: finished pieces.
        given: voices that don't count.

    Raises:
        ValueError: as `Likelihood.score`.
    """
    material = music if isinstance(music, Excerpts) else taken_in(list(music), model.task.steps_per_quarter, "score")
    reward = Likelihood(model, given=given)
    slots = material.length.sum() * reward.counts.sum()
    return float(-reward.score(material)[reward.term].sum() / slots)


def card_surprise(model: SequenceModel) -> float:
    """What a model's card says of its mean surprise on held-out music, in nats a slot. Raises ValueError where it doesn't."""
    card = getattr(model, "card", None) or {}
    try:
        found = float(card["figures"]["held_out"]["slot"]["nats"])
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"model {model.name!r} has no card that says its mean surprise on held-out music: give surprise=, in nats a slot; "
            "musicgym.rewards.likelihood.mean_surprise works it out"
        ) from None
    if not (math.isfinite(found) and found > 0):
        raise ValueError(f"model {model.name!r}: its card gives the mean surprise {found:g}: expected nats a slot, above 0")
    return found


def named_model(model: str | SequenceModel) -> SequenceModel:
    """The model of a name or path, or the one that is handed in."""
    if not isinstance(model, str):
        return model
    from musicgym.models import load

    return load(model)


def check_is_model(model: object, who: str) -> None:
    """Raises TypeError for what is no sequence model."""
    from musicgym.models.sequence_model import SequenceModel

    if not isinstance(model, SequenceModel):
        raise TypeError(f"{who}({model!r}): expected a musicgym.models.SequenceModel; musicgym.models.load finds one by its name")


def voices_of(given: str | float | Sequence[int]) -> tuple[int, ...]:
    """Voices from text such as "0, 2", a number or numbers.

    >>> voices_of("0, 2"), voices_of(1.0), voices_of("")
    ((0, 2), (1,), ())
    """
    words = given.split(",") if isinstance(given, str) else [given] if isinstance(given, (int, float)) else list(given)
    try:
        numbers = [float(word) for word in words if not (isinstance(word, str) and not word.strip())]
        if not all(number.is_integer() for number in numbers):
            raise ValueError("no whole numbers")
    except (TypeError, ValueError):
        raise ValueError(f'given={given!r}: expected voices, counted from 0, such as "0" or "0, 2"') from None
    return tuple(int(number) for number in numbers)


def _any_music() -> Any:
    from musicgym.choice import StepChoice

    return StepChoice(0, 127)
