"""`LSTM`: a recurrent network, RL Tuner's Note RNN among others."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch

from musicgym.models.neural import NeuralModel, Reading, check_sizes
from musicgym.task import Task


class LSTMState(NamedTuple):
    """What N rows remember."""

    hidden: torch.Tensor  # float32 (N, layers, units)
    cell: torch.Tensor  # float32 (N, layers, units)

    def take(self, rows: torch.Tensor) -> LSTMState:
        """A copy of these rows, int64 (R,)."""
        return LSTMState(self.hidden[rows], self.cell[rows])


class LSTM(NeuralModel):
    """Long short-term memory (Hochreiter and Schmidhuber 1997) over tokens and places.

    Args:
        task: of whose choices the tokens are.
        name: of the model.
        units: of each layer's memory.
        embedding: width of what goes in.
        layers: one above the other.
        dropout: share of what goes in and comes out that is left out in training.

    Raises:
        ValueError: sizes below 1, or a task that no sequence model reads (`musicgym.models.tokens.alphabet_of`).

    Example:
        >>> model = LSTM(Task(), units=8, embedding=4)
        >>> logits, state = model.step(torch.tensor([38, 38]), model.start(2), torch.tensor([0, 0]))
        >>> logits.shape, len(model.sample(1)[0].events(0)) > 0
        (torch.Size([2, 38]), True)
    """

    kind: ClassVar[str] = "lstm"

    def __init__(
        self, task: Task, name: str = "", *, units: int = 192, embedding: int = 64, layers: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__(task, name)
        check_sizes("LSTM", dropout, units=units, embedding=embedding, layers=layers)
        self._config = {"units": units, "embedding": embedding, "layers": layers, "dropout": float(dropout)}
        self.reading = Reading(self, embedding)
        self.memory = torch.nn.LSTM(embedding, units, layers, batch_first=True)
        self.head = torch.nn.Linear(units, self.alphabet.size)
        self.dropout = torch.nn.Dropout(dropout)
        self.eval()

    @property
    def config(self) -> dict[str, Any]:
        """The constructor's sizes."""
        return dict(self._config)

    def start(self, n: int) -> LSTMState:
        """N rows that have read nothing."""
        shape = n, self.memory.num_layers, self.memory.hidden_size
        return LSTMState(torch.zeros(shape, device=self.device), torch.zeros(shape, device=self.device))

    @torch.no_grad()
    def step(
        self, tokens: torch.Tensor, state: LSTMState, place: torch.Tensor, active: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, LSTMState]:
        """See `SequenceModel.step`."""
        remembers = (tokens != self.alphabet.start)[:, None, None]  # a row that begins anew has forgotten all
        before = [(part * remembers).transpose(0, 1).contiguous() for part in state]  # (layers, N, units)
        # A sequence of length 1: torch fuses this, and not its LSTMCell, which takes twice as long.
        out, after = self.memory(self.reading(tokens, place)[:, None], (before[0], before[1]))
        hidden, cell = (part.transpose(0, 1) for part in after)
        if active is not None:
            keeps = ~active[:, None, None]
            hidden, cell = torch.where(keeps, state.hidden, hidden), torch.where(keeps, state.cell, cell)
        return self.head(out[:, 0]), LSTMState(hidden, cell)

    def logits(self, tokens: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """See `SequenceModel.logits`."""
        out, _ = self.memory(self.dropout(self.reading(self.shifted(tokens), place)))
        made: torch.Tensor = self.head(self.dropout(out))
        return made
