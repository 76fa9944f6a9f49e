"""`Discriminator`: whether a piece is real or generated, after each of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from musicgym.models.lookback import Lookback
from musicgym.models.neural import Network, Reading, check_sizes
from musicgym.models.tokens import Sequences
from musicgym.pieces import Excerpts
from musicgym.score import Score
from musicgym.task import Task

_DEEPEST = 12  # layers; each doubles what a row has to remember


class DiscriminatorState(NamedTuple):
    """What was read of N rows."""

    past: torch.Tensor  # float32 (N, sum of rings, width): each layer's last inputs, in a ring of its own
    read: torch.Tensor  # int64 (N, longest lag + 1): the last tokens, in a ring; -1 before the first
    total: torch.Tensor  # float32 (N, width): sum of what the last layer made
    most: torch.Tensor  # float32 (N, width): and the largest of it
    heard: torch.Tensor  # float32 (N,): what the tokens, each for itself, spoke for real music
    says: torch.Tensor  # float32 (N, A): what each token that may come next would speak
    odds: torch.Tensor  # float32 (N, A): log-odds of the prefix with each of them
    length: torch.Tensor  # int64 (N,): tokens that each row has read

    def take(self, rows: torch.Tensor) -> DiscriminatorState:
        """A copy of these rows, int64 (R,)."""
        return DiscriminatorState._make(part[rows] for part in self)

    def where(self, active: torch.Tensor, other: DiscriminatorState) -> DiscriminatorState:
        """The rows of another state where `active`, bool (N,), is false; the rings are these."""
        parts = zip(self[2:], other[2:], strict=True)
        kept = [torch.where(active.view(-1, *(1,) * (one.dim() - 1)), one, another) for one, another in parts]
        return DiscriminatorState._make([*self[:2], *kept])


class Discriminator(Network):
    """Says how much each token speaks for a real piece and against a generated one, given those before it.

    That is its evidence, in nats: what the token adds to the log-odds of what stands there so far being real, where one is as
    likely as the other beforehand: 0 for the empty prefix. So evidence adds up, at the end to the piece's log-odds. `step` and
    `logits` give the evidence of every token that may come next, as those of other models give logits.

    A network of dilated causal convolutions (van den Oord et al. 2016, "WaveNet") reads tokens and places, the last
    2 ** `layers` tokens of them, and which tokens are the same as those a bar or a phrase before (`Lookback`). What it says of
    each token is summed up, also for being one that comes back; mean and maximum of what it made since the beginning tell of the
    whole prefix. No matrix in it stretches a vector by more than `bound`: training keeps their spectral norms there (Miyato et
    al. 2018, "Spectral normalization for generative adversarial networks"; by projection, as in Gouk et al. 2021,
    "Regularisation of neural networks by enforcing Lipschitz continuity").

    Args:
        task: of whose choices the tokens are.
        name: of the model.
        layers: one above the other; each looks twice as far back as the one below.
        width: of the vectors.
        dropout: share of what each layer adds that is left out in training.
        bound: largest spectral norm of a matrix.

    Raises:
        ValueError: sizes out of their range, or a task that no sequence model reads.

    Example:
        >>> model = Discriminator(Task(), layers=2, width=8)
        >>> evidence, state = model.step(torch.tensor([38, 38]), model.start(2), torch.tensor([0, 0]))
        >>> evidence.shape, state.length.tolist()
        (torch.Size([2, 38]), [1, 1])
    """

    kind: ClassVar[str] = "discriminator"
    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(
        self, task: Task, name: str = "", *, layers: int = 8, width: int = 96, dropout: float = 0.0, bound: float = 1.0
    ) -> None:
        super().__init__(task, name)
        check_sizes("Discriminator", dropout, layers=layers, width=width)
        if layers > _DEEPEST:
            raise ValueError(f"Discriminator(layers={layers}): expected at most {_DEEPEST}, which see {2**_DEEPEST:,} tokens")
        if isinstance(bound, bool) or not isinstance(bound, (int, float)) or not 0 < bound < np.inf:
            raise ValueError(f"Discriminator(bound={bound!r}): expected a number above 0")
        self._config = {"layers": layers, "width": width, "dropout": float(dropout), "bound": float(bound)}
        self.reading = Reading(self, width)
        self.layers = torch.nn.ModuleList(_Layer(width, 2**layer) for layer in range(layers))
        self.head = torch.nn.Linear(3 * width, self.alphabet.size)
        self.each = torch.nn.Linear(width, self.alphabet.size)
        self.lookback = Lookback(self, width, width)
        self.dropout = torch.nn.Dropout(dropout)
        for head in (self.head, self.each):  # at first nothing speaks for or against
            torch.nn.init.normal_(head.weight, std=0.02)
            torch.nn.init.zeros_(head.bias)
        # What calibration has found: log-odds are stretched by the one and moved by the other.
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))
        self.constrain()
        self.eval()

    @property
    def config(self) -> dict[str, Any]:
        """The constructor's sizes."""
        return dict(self._config)

    def start(self, n: int) -> DiscriminatorState:
        """N rows that have read nothing."""
        width, rings, size = self.reading.token.embedding_dim, sum(layer.ring for layer in self._stack()), self.alphabet.size

        def nothing(*shape: int) -> torch.Tensor:
            return torch.zeros(n, *shape, device=self.device)

        length = torch.zeros(n, dtype=torch.int64, device=self.device)
        read = self.lookback.start(n)
        return DiscriminatorState(
            nothing(rings, width), read, nothing(width), nothing(width), nothing(), nothing(size), nothing(size), length
        )

    @torch.no_grad()
    def step(
        self, tokens: torch.Tensor, state: DiscriminatorState, place: torch.Tensor, active: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, DiscriminatorState]:
        """See `SequenceModel.step`; what comes back is evidence, in nats, and no logits."""
        begins = tokens == self.alphabet.start
        if active is not None:
            begins = begins & active
        position = torch.where(begins, 0, state.length)
        rows = torch.arange(len(tokens), device=self.device)
        # Rows that aren't active put what they read where their next token's will be, and nothing else.
        before, ahead = self.lookback.stepped(state.read, tokens, position)
        x, first = self.reading(tokens, place) + self.lookback.told(tokens, before), 0
        for layer in self._stack():
            behind = state.past[rows, first + (position - layer.distance) % layer.ring]
            state.past[rows, first + position % layer.ring] = x
            x = x + layer(behind * (position >= layer.distance)[:, None], x)
            first += layer.ring
        x = functional.gelu(x)
        goes_on = ~begins[:, None]
        total, most = state.total * goes_on + x, torch.where(goes_on, torch.maximum(state.most, x), x)
        read = tokens.clamp(max=self.alphabet.size - 1)[:, None]
        heard = (state.heard + state.says.gather(1, read)[:, 0]) * ~begins
        count, says = (position + 1)[:, None], self.lookback.spoken_for(self.each(x), x, ahead)
        odds = self._odds(x, total / count, most, heard[:, None] + says, count)
        reached = state.odds.gather(1, read) * goes_on
        after = DiscriminatorState(state.past, state.read, total, most, heard, says, odds, position + 1)
        return odds - reached, after if active is None else after.where(active, state)

    def logits(self, tokens: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """The evidence of all tokens at every place of whole sequences, float32 (M, T, A); see `SequenceModel.logits`."""
        read = self.shifted(tokens)
        before, ahead = self.lookback.whole(read)
        x = self.dropout(self.reading(read, place) + self.lookback.told(read, before))
        for layer in self._stack():
            behind = functional.pad(x, (0, 0, layer.distance, 0))[:, : x.shape[1]]
            x = x + self.dropout(layer(behind, x))
        x = functional.gelu(x)
        count = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)[:, None]
        says = self.lookback.spoken_for(self.each(x), x, ahead)
        own = says.gather(2, tokens[:, :, None])
        odds = self._odds(x, x.cumsum(dim=1) / count, x.cummax(dim=1).values, own.cumsum(dim=1) - own + says, count)
        reached = odds.gather(2, tokens[:, :, None])
        return odds - functional.pad(reached, (0, 0, 1, 0))[:, :-1]

    def reached(self, tokens: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """The log-odds of every prefix of whole sequences, float32 (M, T): after each token. Gradients flow.

        Args:
            tokens: int64 (M, T).
            place: int64 (M, T).
        """
        evidence = self.logits(tokens, place).gather(2, tokens[:, :, None])[:, :, 0]
        return evidence.cumsum(dim=1)

    def prefix_log_odds(self, music: Excerpts | Sequence[Score]) -> np.ndarray:
        """The log-odds, real against generated, of every prefix of each piece, float64 (M, T), in nats: after each token.

        The tokens are those of `sequences(music)`; after a piece's end its own log-odds stand. Raises as that does.
        """
        found = self.sequences(music)
        return self.evidence(found).cumsum(axis=1)

    def log_odds(self, music: Excerpts | Sequence[Score]) -> np.ndarray:
        """The log-odds, real against generated, of each piece, float64 (M,), in nats. Raises as `sequences` does."""
        return np.asarray(self.evidence(self.sequences(music)).sum(axis=1))

    @torch.no_grad()
    def constrain(self) -> None:
        """Bring every matrix's spectral norm down to the bound, where it is above: to be called after each change of weights.

        A matrix that holds what is no finite number has no such norm and stays as it is, for its trainer to find.
        """
        for module in self.modules():
            if isinstance(module, torch.nn.Linear) and not module.weight.is_meta and bool(torch.isfinite(module.weight).all()):
                norm = torch.linalg.matrix_norm(module.weight, ord=2)
                module.weight.div_((norm / self._config["bound"]).clamp(min=1.0))

    @torch.no_grad()
    def calibrate(self, scale: float, shift: float) -> None:
        """From now on log-odds are `scale` times what they were, plus `shift` from the first token on.

        Raises:
            ValueError: a scale that isn't above 0, or numbers that aren't finite.
        """
        if not (np.isfinite(scale) and scale > 0 and np.isfinite(shift)):
            raise ValueError(f"calibrate({scale!r}, {shift!r}): expected a finite scale above 0 and a finite shift")
        self.scale.mul_(scale)
        self.shift.mul_(scale).add_(shift)

    def evidence(self, found: Sequences) -> np.ndarray:
        """The evidence of each token, float64 (M, T); 0 after a piece's end."""
        made: np.ndarray = np.zeros(found.tokens.shape)
        with self.judging():
            for part, tokens, place in self.in_parts(found):
                said = self.logits(tokens, place).gather(2, tokens[:, :, None])[:, :, 0]
                made[part, : tokens.shape[1]] = said.double().cpu().numpy()
        made[np.arange(made.shape[1]) >= found.length[:, None]] = 0.0
        return made

    def _odds(
        self, x: torch.Tensor, mean: torch.Tensor, most: torch.Tensor, heard: torch.Tensor, count: torch.Tensor
    ) -> torch.Tensor:
        """Log-odds of the prefix with each token that may come next, (..., A).

        Args:
            x, mean, most: (..., width).
            heard: (..., A), what all tokens spoke, each for itself.
            count: (..., 1), how many these are; the sum of so many is of the size of its root.
        """
        made: torch.Tensor = self.scale * (self.head(torch.cat([x, mean, most], dim=-1)) + heard / count.sqrt()) + self.shift
        return made

    def _stack(self) -> list[_Layer]:
        return [layer for layer in self.layers if isinstance(layer, _Layer)]


class _Layer(torch.nn.Module):
    """What is added to each vector, made of itself and of the one `distance` tokens before it."""

    def __init__(self, width: int, distance: int) -> None:
        super().__init__()
        self.distance = distance
        self.ring = distance + 1  # vectors kept: the one looked back at, and all after it
        self.mix = torch.nn.Linear(2 * width, width)
        self.out = torch.nn.Linear(width, width)

    def forward(self, behind: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """(..., width) both -> (..., width)."""
        made: torch.Tensor = self.out(functional.gelu(self.mix(torch.cat([behind, x], dim=-1))))
        return made
