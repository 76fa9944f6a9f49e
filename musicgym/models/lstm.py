"""`LSTM`: a recurrent network, RL Tuner's Note RNN among others."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch

from musicgym.models.lookback import Lookback
from musicgym.models.neural import NeuralModel, Reading, check_sizes
from musicgym.task import Task


class LSTMState(NamedTuple):
    """What N rows remember."""

    hidden: torch.Tensor  # float32 (N, layers, units)
    cell: torch.Tensor  # float32 (N, layers, units)
    read: torch.Tensor  # int64 (N, longest lag + 1): the last tokens, in a ring; (N, 0) without lookback
    length: torch.Tensor  # int64 (N,): tokens that each row has read

    def take(self, rows: torch.Tensor) -> LSTMState:
        """A copy of these rows, int64 (R,)."""
        return LSTMState._make(part[rows] for part in self)


class LSTM(NeuralModel):
    """Long short-term memory (Hochreiter and Schmidhuber 1997) over tokens and places.

    Args:
        task: of whose choices the tokens are.
        name: of the model.
        units: of each layer's memory.
        embedding: width of what goes in.
        layers: one above the other.
        dropout: share of what goes in and comes out that is left out in training.
        lookback: it is told what comes back from a bar or a phrase before, and may speak for it (`Lookback`).

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
        self,
        task: Task,
        name: str = "",
        *,
        units: int = 192,
        embedding: int = 64,
        layers: int = 1,
        dropout: float = 0.0,
        lookback: bool = False,
    ) -> None:
        super().__init__(task, name)
        check_sizes("LSTM", dropout, units=units, embedding=embedding, layers=layers)
        if lookback.__class__ is not bool:
            raise ValueError(f"LSTM(lookback={lookback!r}): expected True or False")
        self._config = {"units": units, "embedding": embedding, "layers": layers, "dropout": float(dropout)}
        self._config |= {"lookback": True} if lookback else {}
        self.reading = Reading(self, embedding)
        self.memory = torch.nn.LSTM(embedding, units, layers, batch_first=True)
        self.head = torch.nn.Linear(units, self.alphabet.size)
        self.lookback = Lookback(self, embedding, units) if lookback else None
        self.dropout = torch.nn.Dropout(dropout)
        self.eval()

    @property
    def config(self) -> dict[str, Any]:
        """The constructor's sizes."""
        return dict(self._config)

    def start(self, n: int) -> LSTMState:
        """N rows that have read nothing."""
        hidden, cell = (torch.zeros(n, self.memory.num_layers, self.memory.hidden_size, device=self.device) for _ in range(2))
        length = torch.zeros(n, dtype=torch.int64, device=self.device)
        return LSTMState(hidden, cell, length[:, None][:, :0] if self.lookback is None else self.lookback.start(n), length)

    @torch.no_grad()
    def step(
        self, tokens: torch.Tensor, state: LSTMState, place: torch.Tensor, active: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, LSTMState]:
        """See `SequenceModel.step`."""
        begins = tokens == self.alphabet.start if active is None else (tokens == self.alphabet.start) & active
        remembers = ~begins[:, None, None]  # a row that begins anew has forgotten all
        memory = [(part * remembers).transpose(0, 1).contiguous() for part in state[:2]]  # (layers, N, units)
        x, ahead = self.reading(tokens, place), None
        position = torch.where(begins, 0, state.length)
        if self.lookback is not None:  # rows that aren't active put what they read where their next token's will be
            before, ahead = self.lookback.stepped(state.read, tokens, position)
            x = x + self.lookback.told(tokens, before)
        # A sequence of length 1: torch fuses this, and not its LSTMCell, which takes twice as long.
        out, after = self.memory(x[:, None], (memory[0], memory[1]))
        hidden, cell = (part.transpose(0, 1) for part in after)
        length = position + 1
        if active is not None:
            keeps = ~active[:, None, None]
            hidden, cell = torch.where(keeps, state.hidden, hidden), torch.where(keeps, state.cell, cell)
            length = torch.where(active, length, state.length)
        return self._spoken(out[:, 0], ahead), LSTMState(hidden, cell, state.read, length)

    def logits(self, tokens: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """See `SequenceModel.logits`."""
        read, ahead = self.shifted(tokens), None
        x = self.reading(read, place)
        if self.lookback is not None:
            before, ahead = self.lookback.whole(read)
            x = x + self.lookback.told(read, before)
        out, _ = self.memory(self.dropout(x))
        return self._spoken(self.dropout(out), ahead)

    def _spoken(self, out: torch.Tensor, ahead: torch.Tensor | None) -> torch.Tensor:
        made: torch.Tensor = self.head(out)
        return made if self.lookback is None or ahead is None else self.lookback.spoken_for(made, out, ahead)
