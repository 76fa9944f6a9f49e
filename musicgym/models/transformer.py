"""`Transformer`: attention over what was read, with a key/value cache, so that a step costs no more than its length."""

from __future__ import annotations

import math
from typing import Any, ClassVar, NamedTuple

import torch
from torch.nn import functional

from musicgym.models.neural import NeuralModel, Reading, check_sizes
from musicgym.task import Task

_BASE = 10_000.0  # of the rotations' wave lengths
_FIRST_ROOM = 64  # tokens that a cache has room for at first; doubled when it is full, up to the context


class TransformerState(NamedTuple):
    """Keys and values of the last tokens of N rows; token number t lies at t modulo the context."""

    keys: tuple[torch.Tensor, ...]  # a layer: float32 (N, key_heads, room, width / heads)
    values: tuple[torch.Tensor, ...]
    length: torch.Tensor  # int64 (N,): tokens that each row has read

    def take(self, rows: torch.Tensor) -> TransformerState:
        """A copy of these rows, int64 (R,)."""
        keys, values = (tuple(layer[rows] for layer in part) for part in (self.keys, self.values))
        return TransformerState(keys, values, self.length[rows])


class Transformer(NeuralModel):
    """A decoder (Vaswani et al. 2017, "Attention is all you need") over tokens and places, normalised before each sublayer.

    Distances are told by rotary positions (Su et al. 2021, "RoFormer"). A token sees the last `context` tokens, itself among
    them. All heads share their keys and values unless asked otherwise (Shazeer 2019, "Fast transformer decoding: one write-head
    is all you need"): a long cache is read from memory at every step, and that is what a step's time goes into.

    Args:
        task: of whose choices the tokens are.
        name: of the model.
        layers: one above the other.
        width: of the vectors; a multiple of twice the heads.
        heads: of queries.
        key_heads: of keys and values; a divisor of `heads`.
        context: tokens that can be seen.
        dropout: share of what each sublayer adds that is left out in training.

    Raises:
        ValueError: sizes below 1 or that don't divide one another, or a task that no sequence model reads.

    Example:
        >>> model = Transformer(Task(), layers=1, width=8, heads=2)
        >>> logits, state = model.step(torch.tensor([38, 38]), model.start(2), torch.tensor([0, 0]))
        >>> logits.shape, state.length.tolist()
        (torch.Size([2, 38]), [1, 1])
    """

    kind: ClassVar[str] = "transformer"

    def __init__(
        self,
        task: Task,
        name: str = "",
        *,
        layers: int = 4,
        width: int = 128,
        heads: int = 4,
        key_heads: int = 1,
        context: int = 512,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(task, name)
        sizes = {"layers": layers, "width": width, "heads": heads, "key_heads": key_heads, "context": context}
        check_sizes("Transformer", dropout, **sizes)
        if width % (2 * heads) or heads % key_heads:
            raise ValueError(
                f"Transformer(width={width}, heads={heads}, key_heads={key_heads}): expected a width that is a multiple of "
                f"{2 * heads}, twice the heads, and heads that are a multiple of key_heads"
            )
        self._config = {**sizes, "dropout": float(dropout)}
        self.context = context
        self.reading = Reading(self, width)
        self.layers = torch.nn.ModuleList(_Layer(width, heads, key_heads, dropout) for _ in range(layers))
        self.norm = torch.nn.LayerNorm(width)
        self.head = torch.nn.Linear(width, self.alphabet.size)
        self.dropout = torch.nn.Dropout(dropout)
        for (
            name_of,
            weights,
        ) in self.named_parameters():  # as GPT-2 (Radford et al. 2019): what layers add up to stays of one size
            if weights.dim() == 2:
                deep = name_of.endswith(("out.weight", "down.weight"))
                torch.nn.init.normal_(weights, std=0.02 / math.sqrt(2 * layers) if deep else 0.02)
        self.eval()

    @property
    def config(self) -> dict[str, Any]:
        """The constructor's sizes."""
        return dict(self._config)

    def start(self, n: int) -> TransformerState:
        """N rows that have read nothing."""
        layers = self._stack()
        room = min(_FIRST_ROOM, self.context)
        parts = [
            tuple(torch.zeros(n, layer.key_heads, room, layer.head_width, device=self.device) for layer in layers)
            for _ in range(2)
        ]
        return TransformerState(parts[0], parts[1], torch.zeros(n, dtype=torch.int64, device=self.device))

    @torch.no_grad()
    def step(
        self, tokens: torch.Tensor, state: TransformerState, place: torch.Tensor, active: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, TransformerState]:
        """See `SequenceModel.step`. It costs O(longest row), at most O(context)."""
        begins = tokens == self.alphabet.start
        position = torch.where(begins if active is None else begins & active, 0, state.length)  # (N,)
        seen = (position + 1).clamp(max=self.context)
        shortest, longest = (int(end) for end in seen.aminmax())
        state = _with_room(state, longest, self.context)
        length = position + 1
        if active is not None:
            # What is written in the other rows lies where their next token will overwrite it.
            length = torch.where(active, length, state.length)
            shortest, longest = 0, max(1, int((seen * active).max()))
        hidden = torch.arange(longest, device=self.device) >= seen[:, None] if shortest < longest else None  # bool (N, longest)
        slot = position % self.context
        turn = _turn(position, self._stack()[0])
        x = self.reading(tokens, place)
        for layer, keys, values in zip(self._stack(), state.keys, state.values, strict=True):
            x = layer.step(x, turn, keys, values, slot, longest, hidden)
        return self.head(self.norm(x)), state._replace(length=length)

    def logits(self, tokens: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """See `SequenceModel.logits`."""
        x = self.dropout(self.reading(self.shifted(tokens), place))
        turn = _turn(torch.arange(tokens.shape[1], device=tokens.device), self._stack()[0])
        for layer in self._stack():
            x = layer(x, turn, self.context)
        made: torch.Tensor = self.head(self.norm(x))
        return made

    def _stack(self) -> list[_Layer]:
        return [layer for layer in self.layers if isinstance(layer, _Layer)]


class _Layer(torch.nn.Module):
    """Attention and a network of one hidden layer, each added to what comes in."""

    def __init__(self, width: int, heads: int, key_heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.key_heads, self.head_width = heads, key_heads, width // heads
        self.before = torch.nn.LayerNorm(width)
        self.project = torch.nn.Linear(width, (heads + 2 * key_heads) * self.head_width)
        self.out = torch.nn.Linear(width, width)
        self.between = torch.nn.LayerNorm(width)
        self.up = torch.nn.Linear(width, 4 * width)
        self.down = torch.nn.Linear(4 * width, width)
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, turn: torch.Tensor, context: int) -> torch.Tensor:
        """Whole sequences, (M, T, width) -> (M, T, width)."""
        m, t, width = x.shape
        parts = self._parts(x, turn[:, None])  # (M, T, heads, head width) each
        query, key, value = (part.transpose(1, 2) for part in parts)
        shared = self.heads // self.key_heads
        heard = _banded(query, key.repeat_interleave(shared, dim=1), value.repeat_interleave(shared, dim=1), context)
        x = x + self.dropout(self.out(heard.transpose(1, 2).reshape(m, t, width)))
        made: torch.Tensor = x + self.dropout(self._network(x))
        return made

    def step(
        self,
        x: torch.Tensor,
        turn: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        slot: torch.Tensor,
        longest: int,
        hidden: torch.Tensor | None,
    ) -> torch.Tensor:
        """One token a row, (N, width) -> (N, width); its key and value are put into the cache at `slot`, int64 (N,)."""
        n, width = x.shape
        query, key, value = self._parts(x, turn[:, None])  # (N, heads, head width) each
        rows = torch.arange(n, device=x.device)
        keys[rows, :, slot], values[rows, :, slot] = key, value
        asked = query.view(n, self.key_heads, -1, self.head_width).transpose(2, 3)  # (N, key heads, head width, shared)
        # Keys times queries, not the other way round: torch's product of small matrices is a third faster so.
        fit = torch.matmul(keys[:, :, :longest], asked).transpose(2, 3) * self.head_width**-0.5  # (N, key heads, shared, longest)
        if hidden is not None:
            fit = fit.masked_fill(hidden[:, None, None], -torch.inf)
        heard = torch.matmul(torch.softmax(fit, dim=-1), values[:, :, :longest])
        x = x + self.out(heard.reshape(n, width))
        return x + self._network(x)

    def _parts(self, x: torch.Tensor, turn: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries, keys and values, (..., heads of each, head width); queries and keys are turned by their position."""
        made = self.project(self.before(x)).unflatten(-1, (-1, self.head_width))
        query, key, value = made.split((self.heads, self.key_heads, self.key_heads), dim=-2)
        return _turned(query, turn), _turned(key, turn), value

    def _network(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.down(functional.gelu(self.up(self.between(x))))
        return made


def _banded(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, context: int) -> torch.Tensor:
    """Attention of each token to the last `context` ones, itself among them, (M, heads, T, head width).

    Longer sequences go in blocks of `context` tokens, which see their own block and the one before: time and memory grow with
    T times the context, not with T squared.
    """
    length = query.shape[2]
    if length <= context:
        return functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    heard = []
    for first in range(0, length, context):
        begin, end = max(0, first - context + 1), min(first + context, length)
        behind = torch.arange(first, end, device=query.device)[:, None] - torch.arange(begin, end, device=query.device)
        seen = (behind >= 0) & (behind < context)
        heard.append(
            functional.scaled_dot_product_attention(query[:, :, first:end], key[:, :, begin:end], value[:, :, begin:end], seen)
        )
    return torch.cat(heard, dim=2)


def _turn(position: torch.Tensor, layer: _Layer) -> torch.Tensor:
    """Cosine and sine of the angles at positions (P,), float32 (P, 2, half a head's width); worked out in float64."""
    half = layer.head_width // 2
    speed = _BASE ** (-torch.arange(half, device=position.device, dtype=torch.float64) / half)
    angle = position.double()[:, None] * speed
    return torch.stack([angle.cos(), angle.sin()], dim=1).float()


def _turned(x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Each pair of components, of the first and the second half, turned by its angle."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = turn[..., 0, :], turn[..., 1, :]
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def _with_room(state: TransformerState, tokens: int, context: int) -> TransformerState:
    """The state with room for so many tokens a row."""
    room = state.keys[0].shape[2]
    if tokens <= room:
        return state
    more = min(max(2 * room, tokens), context) - room
    keys, values = (tuple(functional.pad(layer, (0, 0, 0, more)) for layer in part) for part in (state.keys, state.values))
    return TransformerState(keys, values, state.length)
