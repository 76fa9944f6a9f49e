"""`Model`: what every model of music has: a task whose tokens it reads, weights that lie on disk, a name and a fingerprint."""

from __future__ import annotations

import abc
import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from musicgym.grids import taken_in
from musicgym.models.tokens import Alphabet, Sequences, alphabet_of, encode
from musicgym.pieces import Excerpts
from musicgym.score import Score
from musicgym.task import Task

if TYPE_CHECKING:
    import torch


_TOKENS_AT_ONCE = 1 << 14  # of whole sequences; more need memory and gain no time


class Model(abc.ABC):
    """A model of the music of a task. What its tokens mean is in `musicgym.models.tokens`.

    Attributes:
        kind: the class's name on disk.
        task: of whose choices, voices and grid the pieces are.
        name: of the model, for people.
        alphabet: of the task; A tokens.
        places: how many places there are.
        card: what its JSON file says, where it was loaded from one.
    """

    kind: ClassVar[str]
    task: Task
    name: str
    alphabet: Alphabet
    places: int
    card: dict[str, Any] | None = None

    def of_task(self, task: Task, name: str) -> None:
        """Take on a task and a name; to be called once, by the constructor. Raises ValueError as `alphabet_of` does."""
        self.task = task
        self.name = name or self.kind
        self.alphabet = alphabet_of(task)
        self.places = self.alphabet.places(task.voices)

    # What a kind of model has to say

    @property
    @abc.abstractmethod
    def device(self) -> torch.device:
        """Where tensors are expected and come from."""

    @property
    @abc.abstractmethod
    def config(self) -> dict[str, Any]:
        """The constructor's other arguments, as JSON types: `type(model)(task, name, **config)` is one of the same make."""

    @abc.abstractmethod
    def tensors(self) -> dict[str, torch.Tensor]:
        """All that was learned, by name."""

    @abc.abstractmethod
    def load_tensors(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take on what another model of the same make learned. Raises ValueError for other names, shapes or types."""

    # What follows from it

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of a hash of what the model is made of, what it learned and what its tokens mean."""
        about: dict[str, Any] = {"kind": self.kind, "config": self.config, "alphabet": self.alphabet.to_json()}
        about |= {"voices": self.task.voices, "steps_per_quarter": self.task.steps_per_quarter}
        found = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
        for name, tensor in sorted(self.tensors().items()):
            array = tensor.detach().cpu().numpy()
            found.update(f"{name} {array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        return found.hexdigest()[:16]

    def check_reads(self, task: Task) -> None:
        """Raises ValueError unless a task's pieces are made of the model's tokens: its choices, voices and grid are the same.

        A model without velocities reads notes with velocities too; it says nothing of how loud they are.
        """
        asked = alphabet_of(task)
        if asked != self.alphabet and asked.without_velocities() != self.alphabet:
            raise ValueError(
                f"model {self.name!r} reads {_words(self.alphabet)}, the task has {_words(asked)}: expected the same; take "
                "another model, or give the task the model's range"
            )
        for field in ("voices", "steps_per_quarter"):
            own, other = getattr(self.task, field), getattr(task, field)
            if own != other:
                raise ValueError(f"model {self.name!r} is of {field}={own}, the task has {field}={other}: take another model")

    @contextlib.contextmanager
    def judging(self) -> Iterator[None]:
        """While this lasts no gradients flow, and nothing is left to chance (dropout)."""
        import torch

        with torch.no_grad():
            yield

    def sequences(self, music: Excerpts | Sequence[Score]) -> Sequences:
        """Finished pieces as the model's tokens.

        Raises:
            ValueError: other voices or another grid than the task's, blanks, or what the alphabet doesn't have.
        """
        if isinstance(music, Score) or (not isinstance(music, Excerpts) and not all(isinstance(one, Score) for one in music)):
            raise TypeError(f"{str(music)[:60]}: expected a list of musicgym.Score, as in [score], or Excerpts")
        if not isinstance(music, Excerpts):
            music = taken_in(music, self.task.steps_per_quarter, "score")
        elif (music.quarter != self.task.steps_per_quarter).any():
            other = float(music.quarter[music.quarter != self.task.steps_per_quarter][0])
            raise ValueError(
                f"the music has {other:g} steps a quarter: expected {self.task.steps_per_quarter:g}, those of the model's task"
            )
        return encode(music, self.alphabet, self.task.voices)

    def in_parts(self, found: Sequences) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
        """Whole sequences, some rows at a time so that what layers make stays small: rows, tokens and places, int64 (R, T)."""
        import torch

        rows = max(1, _TOKENS_AT_ONCE // max(1, found.tokens.shape[1]))
        for first in range(0, len(found.length), rows):
            part = slice(first, first + rows)
            width = int(found.length[part].max())
            tokens, place = (torch.from_numpy(array[part, :width].astype(np.int64)) for array in found[:2])
            yield part, tokens.to(self.device), place.to(self.device)


def _words(alphabet: Alphabet) -> str:
    """An alphabet in words, for messages."""
    if alphabet.kind == "step":
        return f"steps with pitches {alphabet.low}..{alphabet.high}"
    sounding = [pitch for pitch in alphabet.pitches if pitch >= 0]
    count = f"{len(alphabet.pitches)} pitches and rests within {min(sounding)}..{max(sounding)}"
    return f"whole notes of {count}, durations {alphabet.durations}, velocities {alphabet.velocities or 'none'}"
