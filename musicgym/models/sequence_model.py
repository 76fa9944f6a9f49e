"""`SequenceModel`: what a model of sequences is asked, whatever it is made of."""

from __future__ import annotations

import abc
import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import torch

from musicgym.grids import taken_in
from musicgym.models.tokens import Alphabet, Sequences, alphabet_of, encode
from musicgym.pieces import Excerpts
from musicgym.score import Score
from musicgym.task import Task

if TYPE_CHECKING:
    from typing import Self

_TOKENS_AT_ONCE = 1 << 14  # of whole sequences; more need memory and gain no time


class State(Protocol):
    """What a model keeps of N sequences that it reads side by side."""

    def take(self, rows: torch.Tensor) -> Self:
        """A copy of these rows, int64 (R,), which may repeat: what planners branch on."""


class SequenceModel(abc.ABC):
    """Says of every token how likely it is after those before it; reads token by token, N pieces at once, or whole pieces.

    What the tokens mean is in `musicgym.models.tokens`. A model reads all voices, given ones too, in order of time.

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

    @abc.abstractmethod
    def start(self, n: int) -> Any:
        """The `State` of N rows that have read nothing. Their first token is `alphabet.start`."""

    @abc.abstractmethod
    def step(
        self, tokens: torch.Tensor, state: Any, place: torch.Tensor, active: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """Read a token in every row. No gradient flows.

        The state handed in may be changed and belongs to the model from then on: go on with the one that is returned, and keep
        `state.take(rows)` where the old one is still needed.

        Args:
            tokens: int64 (N,), the ones just read; `alphabet.start` begins a row anew, whatever it read before.
            state: of N rows.
            place: int64 (N,), of the tokens to come.
            active: bool (N,); the other rows keep their state, and their logits mean nothing. None: all.

        Returns:
            Logits of the tokens to come, float32 (N, A), not normalised; and the state.
        """

    @abc.abstractmethod
    def logits(self, tokens: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """Logits of all tokens of whole sequences, float32 (M, T, A): those at t are for `tokens[:, t]` given the ones before.

        Gradients flow. What stands after a sequence's end has no influence on what stands before.

        Args:
            tokens: int64 (M, T), without `alphabet.start`.
            place: int64 (M, T), of the same tokens.
        """

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
        """While this lasts no gradients flow, and nothing in `logits` is left to chance (dropout)."""
        with torch.no_grad():
            yield

    def sequences(self, music: Excerpts | Sequence[Score]) -> Sequences:
        """Finished pieces as the model's tokens.

        Raises:
            ValueError: other voices or another grid than the task's, blanks, or what the alphabet doesn't have.
        """
        if not isinstance(music, Excerpts):
            music = taken_in(music, self.task.steps_per_quarter, "score")
        elif (music.quarter != self.task.steps_per_quarter).any():
            other = float(music.quarter[music.quarter != self.task.steps_per_quarter][0])
            raise ValueError(
                f"the music has {other:g} steps a quarter: expected {self.task.steps_per_quarter:g}, those of the model's task"
            )
        return encode(music, self.alphabet, self.task.voices)

    def token_log_prob(self, music: Excerpts | Sequence[Score]) -> np.ndarray:
        """Natural logarithm of the probability of each token given those before it, float64 (M, T); 0 after a piece's end.

        The tokens are those of `sequences(music)`. Raises as that does.
        """
        return self._said(self.sequences(music))

    def _said(self, found: Sequences) -> np.ndarray:
        logs: np.ndarray = np.zeros(found.tokens.shape)
        rows = max(1, _TOKENS_AT_ONCE // max(1, found.tokens.shape[1]))
        with self.judging():
            for first in range(0, len(logs), rows):
                part = slice(first, first + rows)
                width = int(found.length[part].max())
                tokens = torch.from_numpy(found.tokens[part, :width].astype(np.int64)).to(self.device)
                place = torch.from_numpy(found.place[part, :width].astype(np.int64)).to(self.device)
                said = torch.log_softmax(self.logits(tokens, place).double(), dim=2)
                logs[part, :width] = said.gather(2, tokens[:, :, None]).squeeze(2).cpu().numpy()
        logs[np.arange(logs.shape[1]) >= found.length[:, None]] = 0.0
        return logs

    def log_prob(self, music: Excerpts | Sequence[Score], given: Sequence[int] = ()) -> np.ndarray:
        """Natural logarithm of the probability of each piece, float64 (M,), in nats.

        Args:
            music: finished pieces.
            given: voices that stand there: they are read, but their own tokens don't count.

        Raises:
            ValueError: as `sequences`, or a voice that there isn't.
        """
        if not all(0 <= voice < self.task.voices for voice in given):
            raise ValueError(f"given={tuple(given)}: expected voices within 0..{self.task.voices - 1}")
        found, factors = self.sequences(music), self.alphabet.factors
        voice = found.place.astype(np.int64) % (self.task.voices * factors) // factors
        return np.asarray(np.where(np.isin(voice, list(given)), 0.0, self._said(found)).sum(axis=1))

    def sample_excerpts(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        prefix: Score | None = None,
        pages: Excerpts | Sequence[Score] | None = None,
        seed: int = 0,
    ) -> Excerpts:
        """N pieces as arrays: see `sample`."""
        from musicgym.models.sampling import played

        return played(self, n, temperature, top_p, prefix, pages, seed)

    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        prefix: Score | None = None,
        pages: Excerpts | Sequence[Score] | None = None,
        seed: int = 0,
    ) -> list[Score]:
        """N pieces that the model makes up, played choice by choice through the engine of its task and masked as it says.

        What `task.forbid` strikes is not asked. The same seed gives the same pieces; piece i has the seed + i, and is the same
        whatever N is.

        Args:
            n: how many.
            temperature: logits are divided by it; 0 takes the likeliest token, of equals the first.
            top_p: only the likeliest tokens whose probabilities together reach this are drawn from (nucleus sampling, Holtzman
                et al. 2020, "The curious case of neural text degeneration").
            prefix: how every piece begins: a score of all voices, on otherwise blank pages.
            pages: what pieces are written on: excerpts, or scores as `given=` of an environment takes them; piece i on page i,
                or from the first page on again. None: the task's own, drawn as its environments draw them.
            seed: of the first piece.

        Raises:
            ValueError: a number out of its range, pages or a prefix that don't fit the task.
        """
        from musicgym.engine import score_of

        made = self.sample_excerpts(n, temperature=temperature, top_p=top_p, prefix=prefix, pages=pages, seed=seed)
        return [score_of(made, row, self.task) for row in range(n)]


def _words(alphabet: Alphabet) -> str:
    """An alphabet in words, for messages."""
    if alphabet.kind == "step":
        return f"steps with pitches {alphabet.low}..{alphabet.high}"
    sounding = [pitch for pitch in alphabet.pitches if pitch >= 0]
    count = f"{len(alphabet.pitches)} pitches and rests within {min(sounding)}..{max(sounding)}"
    return f"whole notes of {count}, durations {alphabet.durations}, velocities {alphabet.velocities or 'none'}"
