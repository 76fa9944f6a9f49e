"""`VAE`: a few bars of music as a point in a space of styles and shapes, and back."""

from __future__ import annotations

import math
from typing import Any, ClassVar, NamedTuple

import torch

from musicgym.models.latent_space import LatentSpace
from musicgym.models.neural import Reading, check_sizes
from musicgym.models.posterior import Posterior
from musicgym.models.tokens import POSITIONS
from musicgym.task import Task

QUARTERS = 4  # of a bar that have a part of their own in code and plan; what comes after belongs to the last
_CODE = 64  # numbers that the encoder makes of a quarter
_NARROWEST, _WIDEST = -12.0, 6.0  # log variances


class DecoderState(NamedTuple):
    """What N rows remember that are decoded token by token."""

    hidden: torch.Tensor  # float32 (N, units)
    first: torch.Tensor  # float32 (N, units): what a row begins with
    plan: torch.Tensor  # float32 (N, bars * QUARTERS, plan): what is meant for each quarter
    place: torch.Tensor  # int64 (N,): of the last token that was asked for
    bar: torch.Tensor  # int64 (N,): in which bar that is

    def take(self, rows: torch.Tensor) -> DecoderState:
        """A copy of these rows, int64 (R,)."""
        return DecoderState(*(part[rows] for part in self))


class VAE(LatentSpace):
    """A variational autoencoder (Kingma and Welling 2014) of windows of a few bars, after MusicVAE (Roberts et al. 2018).

    A bidirectional GRU reads tokens and places; what it makes of each quarter is joined to a posterior over `latent` numbers.
    From them the decoder plans each quarter (MusicVAE's conductor, without a memory of its own), and a GRU writes token by token,
    each given those before it, its quarter's plan and its place. The page, bars and metre, is given: windows of all metres share
    one latent space. Tokens are those of steps, one a slot.

    Training makes the bound on the likelihood large, the divergence counted `beta` times: nothing at first, more from update to
    update (Bowman et al. 2016, "Generating sentences from a continuous space"), and only what it has above `free_nats`
    (Kingma et al. 2016, "Improved variational inference with inverse autoregressive flow"; of a whole window, as in MusicVAE).
    The decoder doesn't see a share of the tokens before (Bowman's word dropout), so that it comes to rely on its plan.

    What it does with music, `encode`, `decode`, `sample`, `interpolate` and more, is in `LatentSpace`.

    Args:
        task: of whose choices the tokens are.
        name: of the model.
        bars: of a window.
        latent: numbers that a window becomes.
        units: of the decoder's memory; the encoder's two have two thirds each.
        embedding: width of what goes in.
        plan: numbers that are planned for each quarter.
        conductor: False: one plan for the whole window, the flat decoder.
        dropout: share of what goes into the memories that is left out in training.
        blind: share of the tokens that the decoder doesn't see in training.
        beta: what a nat of divergence counts in training, once it counts all that it does.
        free_nats: of a window, which count nothing.
        anneal: updates until `beta` is reached.

    Raises:
        ValueError: sizes out of their range; or a task that no sequence model reads, or one of whole notes, whose tokens don't
            keep to bar lines.

    Example:
        >>> from musicgym import Score
        >>> import numpy as np
        >>> model = VAE(Task(), units=12, embedding=4, latent=3, plan=2)
        >>> tune = Score.from_notes([[(0, 16, 60, 80), (16, 16, 64, 80)]])
        >>> model.encode([tune]).shape, len(model.decode(model.encode([tune]))), model.decode(np.zeros((1, 3)))[0].steps
        ((1, 3), 1, 32)
    """

    kind: ClassVar[str] = "vae"

    def __init__(
        self,
        task: Task,
        name: str = "",
        *,
        bars: int = 2,
        latent: int = 32,
        units: int = 192,
        embedding: int = 48,
        plan: int = 64,
        conductor: bool = True,
        dropout: float = 0.0,
        blind: float = 0.2,
        beta: float = 0.2,
        free_nats: float = 8.0,
        anneal: int = 500,
    ) -> None:
        super().__init__(task, name)
        check_sizes("VAE", dropout, bars=bars, latent=latent, units=units, embedding=embedding, plan=plan, anneal=anneal)
        self._check(conductor, blind, beta=beta, free_nats=free_nats)
        self._config: dict[str, Any] = {"bars": bars, "latent": latent, "units": units, "embedding": embedding, "plan": plan}
        self._config |= {"conductor": conductor, "dropout": float(dropout), "blind": float(blind), "beta": float(beta)}
        self._config |= {"free_nats": float(free_nats), "anneal": anneal}
        self.bars, self.latent, self.blind = bars, latent, float(blind)
        self.beta, self.free_nats, self.anneal = float(beta), float(free_nats), anneal
        self.quarters = bars * QUARTERS
        self.per_quarter = max(1, int(task.steps_per_quarter))  # steps
        half = max(1, 2 * units // 3)
        self.seen = Reading(self, embedding)
        self.ahead = torch.nn.GRU(embedding, half, batch_first=True)
        self.back = torch.nn.GRU(embedding, half, batch_first=True)
        self.join = torch.nn.Linear(2 * half, _CODE)
        self.posterior_of = torch.nn.Linear(self.quarters * _CODE, 2 * latent)
        self.planned = torch.nn.Linear(latent, (self.quarters if conductor else 1) * plan)
        self.begun = torch.nn.Linear(latent, units)
        self.written = Reading(self, embedding)
        self.memory = torch.nn.GRU(embedding + plan, units, batch_first=True)
        self.head = torch.nn.Linear(units + plan, self.alphabet.size)
        self.dropout = torch.nn.Dropout(dropout)
        self.eval()

    def _check(self, conductor: bool, blind: float, **weights: float) -> None:
        if self.alphabet.kind != "step":
            raise ValueError(
                f"Task(choice={type(self.task.choice).__name__}): a VAE reads windows of whole bars, and whole notes don't keep "
                "to bar lines; expected StepChoice or ChordChoice. It judges music of whole notes too, as steps"
            )
        if conductor.__class__ is not bool:
            raise ValueError(f"VAE(conductor={conductor!r}): expected True or False")
        if isinstance(blind, bool) or not isinstance(blind, (int, float)) or not 0 <= blind < 1:
            raise ValueError(f"VAE(blind={blind!r}): expected a share within [0, 1)")
        for name, value in weights.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not (math.isfinite(value) and value >= 0):
                raise ValueError(f"VAE({name}={value!r}): expected a number from 0 on")

    @property
    def config(self) -> dict[str, Any]:
        """The constructor's sizes."""
        return dict(self._config)

    # Places

    def quarter_of(self, bar: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """Which quarter of the window a place is in, 0..quarters - 1; all int64 of one shape."""
        position = torch.div(place, self.written.slots, rounding_mode="floor")
        within = torch.div(position, self.per_quarter, rounding_mode="floor").clamp(max=QUARTERS - 1)
        return bar.clamp(max=self.bars - 1) * QUARTERS + within

    def begins_bar(self, place: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """Whether a bar line lies between two places that follow one another, bool: only there places don't rise.

        But for positions beyond those that places tell apart: they are all alike.
        """
        return (place <= before) & (place < (POSITIONS - 1) * self.written.slots)

    def bars_of(self, place: torch.Tensor) -> torch.Tensor:
        """The bar that each token is in, counted from 0, of whole windows: int64 (M, T)."""
        begins = torch.zeros_like(place)
        begins[:, 1:] = self.begins_bar(place[:, 1:], place[:, :-1]).long()
        return begins.cumsum(dim=1)

    # Encoder

    def posterior(self, tokens: torch.Tensor, place: torch.Tensor, length: torch.Tensor) -> Posterior:
        """What windows may have come from. What stands after a window's end has no influence. Gradients flow.

        Args:
            tokens, place: int64 (M, T).
            length: int64 (M,): tokens of each window.
        """
        x = self.dropout(self.seen(tokens, place))  # (M, T, embedding)
        steps = torch.arange(tokens.shape[1], device=tokens.device)
        inside = steps < length[:, None]  # (M, T)
        mirrored = torch.where(inside, length[:, None] - 1 - steps, steps)[..., None]  # of each window by itself
        ahead, _ = self.ahead(x)
        back, _ = self.back(x.gather(1, mirrored.expand_as(x)))
        back = back.gather(1, mirrored.expand_as(back))
        features = torch.tanh(self.join(torch.cat([ahead, back], dim=2)))  # (M, T, _CODE)
        quarter = self.quarter_of(self.bars_of(place), place)
        belongs = torch.nn.functional.one_hot(quarter, self.quarters).float() * inside[..., None]  # (M, T, quarters)
        code = belongs.transpose(1, 2) @ features / (self.per_quarter * self.task.voices)  # (M, quarters, _CODE)
        mean, log_variance = self.posterior_of(code.flatten(1)).chunk(2, dim=1)
        return Posterior(mean, log_variance.clamp(_NARROWEST, _WIDEST))

    # Decoder

    def plan_of(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The plan of each quarter, float32 (M, quarters, plan), and the memory that decoding begins with, (M, units)."""
        plan = torch.tanh(self.planned(latents))
        plan = plan.reshape(len(latents), -1, self._config["plan"]).expand(-1, self.quarters, -1)
        return plan, torch.tanh(self.begun(latents))

    def logits(self, tokens: torch.Tensor, place: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Logits of all tokens of whole windows, float32 (M, T, A): those at t are for `tokens[:, t]` given the ones before.

        Gradients flow.

        Args:
            tokens, place: int64 (M, T).
            latents: float32 (M, latent).
        """
        plan, first = self.plan_of(latents)
        read = self.shifted(tokens)
        if self.training and self.blind:
            read = torch.where(torch.rand(read.shape, device=read.device) < self.blind, self.alphabet.start, read)
        quarter = self.quarter_of(self.bars_of(place), place)
        meant = plan.gather(1, quarter[..., None].expand(-1, -1, plan.shape[2]))  # (M, T, plan)
        x = torch.cat([self.dropout(self.written(read, place)), meant], dim=2)
        out, _ = self.memory(x, first[None].contiguous())
        made: torch.Tensor = self.head(torch.cat([self.dropout(out), meant], dim=2))
        return made

    @torch.no_grad()
    def start(self, latents: torch.Tensor) -> DecoderState:
        """Rows that are decoded from these latents, float32 (N, latent), and have nothing yet."""
        plan, first = self.plan_of(latents)
        none = torch.zeros(len(latents), dtype=torch.int64, device=self.device)
        return DecoderState(first, first, plan, none, none)

    @torch.no_grad()
    def step(
        self, tokens: torch.Tensor, state: DecoderState, place: torch.Tensor, active: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, DecoderState]:
        """As `SequenceModel.step`: logits of the tokens to come, float32 (N, A); `alphabet.start` begins a row anew."""
        anew = tokens == self.alphabet.start
        bar = torch.where(anew, 0, state.bar + self.begins_bar(place, state.place).long())
        hidden = torch.where(anew[:, None], state.first, state.hidden)
        quarter = self.quarter_of(bar, place)
        meant = state.plan[torch.arange(len(tokens), device=self.device), quarter]
        x = torch.cat([self.written(tokens, place), meant], dim=1)
        out, after = self.memory(x[:, None], hidden[None].contiguous())
        logits: torch.Tensor = self.head(torch.cat([out[:, 0], meant], dim=1))
        hidden = after[0]
        if active is not None:
            hidden = torch.where(active[:, None], hidden, state.hidden)
            place, bar = torch.where(active, place, state.place), torch.where(active, bar, state.bar)
        return logits, DecoderState(hidden, state.first, state.plan, place, bar)
