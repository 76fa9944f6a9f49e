"""What rewards of sequence models have in common: models by name, finished music, voices that count, readers that are shared."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musicgym.choice import ANY_PITCH
from musicgym.engine import finished_pieces
from musicgym.grids import taken_in
from musicgym.pieces import Excerpts
from musicgym.rewards.model_reader import Reader
from musicgym.rewards.reward import BoundReward, Reward
from musicgym.task import Task

if TYPE_CHECKING:
    import torch

    from musicgym.models.discriminator import Discriminator
    from musicgym.models.model import Model
    from musicgym.models.sequence_model import SequenceModel
    from musicgym.score import Score

PIECES_AT_ONCE = 256  # that are read of finished music: what a model keeps of each takes memory


class Judged(NamedTuple):
    """What a model says of M finished pieces; 0 where it has not read: at blanks, and after them."""

    log_prob: np.ndarray  # float64 (M, voices, steps, factors): of an event's tokens, where it begins
    spans: np.ndarray  # int64 (M, voices, steps): slots that the event fills, where it begins


class ByModel(Reward):
    """What rewards of sequence models have in common: which voices count, and judging finished pieces.

    Args:
        model: what judges.
        given: voices that count nothing, such as those that the task gives; they are read all the same.
    """

    def __init__(self, model: SequenceModel, given: Sequence[int]) -> None:
        check_is_model(model, type(self).__name__)
        voices = model.task.voices
        self.given = tuple(sorted(set(given)))
        if not all(0 <= voice < voices for voice in self.given) or len(self.given) == voices:
            raise ValueError(f"given={tuple(given)}: expected voices within 0..{voices - 1}, and at least one left that counts")
        self.model = model

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
    def _sites(self, read: list[Judged], material: Excerpts) -> np.ndarray:
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
        grid = self.model.task.steps_per_quarter
        _, sites = sites_of(scores, grid, lambda part: self._sites([read_through(model, part) for model in self.models], part))
        totals = {self.term: sites.sum(axis=(1, 2))}
        return (totals, sites[:, None].astype(np.float32)) if marks else totals


class BoundByModels(BoundReward):
    """A reward at work that asks models; it remembers nothing but what its readers do.

    Where several rewards of one environment have the same model, the first of them owns its reader.

    Attributes:
        readers: one for each model.
    """

    def __init__(self, readers: list[Reader]) -> None:
        self.readers = readers
        self.parts = tuple(readers)
        self.share({})

    def share(self, known: dict[Hashable, BoundReward]) -> None:
        found = []
        for own in self.readers:
            reader = known.setdefault(own.key, own)
            assert isinstance(reader, Reader)
            found.append(reader)
        self.parts = tuple(own for own in self.parts if own in found)
        self.readers = found

    @property
    def logits(self) -> torch.Tensor:
        """What the (first) model says of the next choice; see `Reader.logits`."""
        return self.readers[0].logits


def sites_of(
    scores: Sequence[Score] | Excerpts, grid: float, worth: Callable[[Excerpts], np.ndarray]
) -> tuple[Excerpts, np.ndarray]:
    """Finished pieces on a grid, and what each slot is worth, float64 (M, voices, steps); so many pieces are read at once.

    Args:
        scores: the pieces.
        grid: steps a quarter.
        worth: of some of the pieces.

    Raises:
        ValueError: scores that don't fit the grid, and as `worth` does.
    """
    material = scores if isinstance(scores, Excerpts) else taken_in(list(scores), grid, "score")
    sites = np.zeros(material.pitch.shape)
    for first in range(0, len(sites), PIECES_AT_ONCE):
        rows = np.arange(first, min(first + PIECES_AT_ONCE, len(sites)))
        sites[rows] = worth(material.take(rows))
    return material, sites


def read_through(model: SequenceModel | Discriminator, material: Excerpts, by: type[Reader] = Reader) -> Judged:
    """What a model says of each event of finished pieces, read up to the first blank, by such a reader.

    Raises:
        ValueError: other voices or another grid than the model's, or what it doesn't know.
    """
    pieces = finished_pieces(material)
    count, voices, steps = pieces.pitch.shape
    task = Task(ANY_PITCH, voices=voices, length=steps)
    reader = by(model, task, count)
    reader.read()
    made = Judged(np.zeros((count, voices, steps, model.alphabet.factors)), np.zeros((count, voices, steps), np.int64))
    reader.record = made.log_prob, made.spans
    reader.reset(pieces, np.ones(count, np.bool_))
    return made


def check_surprise(surprise: float, least: float = 0.0) -> None:
    """Raises ValueError for what is no mean surprise: not finite, or not above `least`."""
    if not (math.isfinite(surprise) and surprise > least):
        raise ValueError(f"surprise={surprise!r}: expected nats a slot{', above 0' if least == 0 else ', a finite number'}")


def card_surprise(model: Model) -> float:
    """What a model's card says of its mean surprise on the validation split, in nats a slot. Raises ValueError if it doesn't."""
    try:
        found = float((model.card or {})["figures"]["valid"]["slot"]["nats"])
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"model {model.name!r} has no card that says its mean surprise on held-out music: give surprise=, in nats a slot; "
            "musicgym.rewards.likelihood.mean_surprise works it out of some music"
        ) from None
    if not (math.isfinite(found) and found > 0):
        raise ValueError(f"model {model.name!r}: its card gives the mean surprise {found:g}: expected nats a slot, above 0")
    return found


def named_model(model: str | SequenceModel) -> SequenceModel:
    """The model of a name or path, or the one that is handed in. Raises ValueError for a number, as expressions may have."""
    if isinstance(model, (int, float)):
        raise ValueError(f"model {model!r}: expected a name or path in quotes, such as 'melody-ngram'")
    if not isinstance(model, str):
        return model
    from musicgym.models import load
    from musicgym.models.sequence_model import SequenceModel

    found = load(model)
    if not isinstance(found, SequenceModel):
        raise ValueError(f"model {model!r} is of kind {found.kind!r}: expected a sequence model, such as an lstm")
    return found


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
