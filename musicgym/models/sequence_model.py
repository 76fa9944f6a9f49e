"""`SequenceModel`: what a model of sequences is asked, whatever it is made of."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from musicgym.models.model import Model
from musicgym.models.tokens import Sequences
from musicgym.pieces import Excerpts
from musicgym.score import Score

if TYPE_CHECKING:
    from typing import Self


class State(Protocol):
    """What a model keeps of N sequences that it reads side by side."""

    def take(self, rows: torch.Tensor) -> Self:
        """A copy of these rows, int64 (R,), which may repeat: what planners branch on."""


class SequenceModel(Model):
    """Says of every token how likely it is after those before it; reads token by token, N pieces at once, or whole pieces.

    What the tokens mean is in `musicgym.models.tokens`. A model reads all voices, given ones too, in order of time.
    """

    # What a kind of model has to say

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

    def token_log_prob(self, music: Excerpts | Sequence[Score]) -> np.ndarray:
        """Natural logarithm of the probability of each token given those before it, float64 (M, T); 0 after a piece's end.

        The tokens are those of `sequences(music)`.

        Raises:
            ValueError: as that does, or log probabilities that are no finite numbers.
        """
        return self._said(self.sequences(music))

    def _said(self, found: Sequences) -> np.ndarray:
        logs: np.ndarray = np.zeros(found.tokens.shape)
        with self.judging():
            for part, tokens, place in self.in_parts(found):
                said = torch.log_softmax(self.logits(tokens, place).double(), dim=2)
                logs[part, : tokens.shape[1]] = said.gather(2, tokens[:, :, None]).squeeze(2).cpu().numpy()
        logs[np.arange(logs.shape[1]) >= found.length[:, None]] = 0.0
        if not np.isfinite(logs).all():
            row = int((~np.isfinite(logs)).any(axis=1).argmax())
            raise ValueError(
                f"model {self.name!r} gives piece {row} a log probability that is no finite number: it has diverged, or was "
                "given broken weights; train it anew"
            )
        return logs

    def log_prob(self, music: Excerpts | Sequence[Score], given: Sequence[int] = ()) -> np.ndarray:
        """Natural logarithm of the probability of each piece, float64 (M,), in nats.

        Args:
            music: finished pieces.
            given: voices that stand there: they are read, but their own tokens don't count.

        Raises:
            ValueError: as `token_log_prob`, or a voice that there isn't.
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
                or from the first page on again; of any length and metre. None: the task's own, drawn as its environments draw
                them.
            seed: of the first piece.

        Raises:
            ValueError: a number out of its range, pages or a prefix that don't fit the task.
        """
        from musicgym.engine import score_of

        made = self.sample_excerpts(n, temperature=temperature, top_p=top_p, prefix=prefix, pages=pages, seed=seed)
        return [score_of(made, row, self.task) for row in range(n)]
