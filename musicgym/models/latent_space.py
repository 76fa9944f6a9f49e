"""What can be done with music where windows of it are points in a space: `LatentSpace`, what a `VAE` is to those who use it."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from musicgym.grids import side_by_side, taken_in
from musicgym.models.bars import windows_of
from musicgym.models.material import Music, music_of
from musicgym.models.neural import Network
from musicgym.models.posterior import Bound, Posterior
from musicgym.models.sampling import ROWS, played
from musicgym.models.slerp import slerp
from musicgym.models.tokens import Alphabet, Sequences
from musicgym.pieces import Excerpts
from musicgym.score import Score, bar_steps
from musicgym.task import Task

SAMPLES = 4  # of the posterior, by which a bound is estimated
_TOKENS_AT_ONCE = 1 << 14
_LATENTS, _NOISE = 1 << 20, 2 << 20  # beside a seed: what draws of the prior and of posteriors are made by


class LatentSpace(Network):
    """A network that takes windows of music to points, `latent` numbers each, and points to music.

    Latents are float32 (M, latent). Music is finished windows of at most `bars` bars: scores on any grid that the task's holds,
    or excerpts on the task's own. `windows` cuts longer music.
    """

    bars: int
    latent: int

    @abc.abstractmethod
    def posterior(self, tokens: torch.Tensor, place: torch.Tensor, length: torch.Tensor) -> Posterior:
        """What windows, int64 (M, T) and (M,), may have come from."""

    @abc.abstractmethod
    def logits(self, tokens: torch.Tensor, place: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Logits of all tokens of whole windows given those before and latents, float32 (M, T, A)."""

    @abc.abstractmethod
    def start(self, latents: torch.Tensor) -> Any:
        """The state of rows that are decoded from these latents."""

    @abc.abstractmethod
    def step(
        self, tokens: torch.Tensor, state: Any, place: torch.Tensor, active: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """As `SequenceModel.step`."""

    # From music to latents

    def windows(self, music: Excerpts | Sequence[Score]) -> Excerpts:
        """Music in windows of `bars` whole bars, piece by piece: see `musicgym.models.bars.windows_of`.

        Raises:
            ValueError: no piece is so long, or music that doesn't fit the task's grid.
        """
        pages = self._pages(music)
        found = windows_of(pages, self.bars)
        if not len(found.piece):
            raise ValueError(f"none of the {len(pages.length)} pieces has {self.bars} whole bars: expected longer music")
        nothing = np.zeros(len(pages.length), np.int64)
        return music_of(Music(pages, nothing, np.stack([nothing, nothing], axis=1)), found)

    def encode(self, music: Excerpts | Sequence[Score]) -> np.ndarray:
        """The means of the windows' posteriors, float32 (M, latent).

        Raises:
            ValueError: a window of more bars; other voices or another grid than the task's, blanks, or a pitch beyond its range.
        """
        parts = [said.mean.cpu().numpy() for said, _, _ in self.read(self._windowed(music))]
        return np.concatenate([np.zeros((0, self.latent), np.float32), *parts])

    def bound(self, music: Excerpts | Sequence[Score], samples: int = SAMPLES) -> Bound:
        """The evidence lower bound of windows: log p is no less than minus reconstruction and divergence together.

        The reconstruction is estimated by draws of the posterior that are made by the same noise for every window, so that a
        window is always worth the same.

        Args:
            music: the windows.
            samples: draws.

        Raises:
            ValueError: as `encode`; no draw.
        """
        noise = self.noise(samples)
        surprise, divergence = [], []
        for said, tokens, place in self.read(self._windowed(music)):
            nats = self.surprise(said, tokens, place.clamp(min=0), place >= 0, noise)
            surprise.append(nats.cpu().numpy())
            divergence.append(said.kl.double().sum(dim=1).cpu().numpy())
        none = np.zeros(0)
        return Bound(np.concatenate([none, *surprise]), np.concatenate([none, *divergence]))

    def noise(self, samples: int) -> torch.Tensor:
        """Draws of the standard normal distribution, float32 (samples, latent), always the same."""
        if samples.__class__ is not int or samples < 1:
            raise ValueError(f"samples={samples!r}: expected a whole number of draws, 1 or more")
        draws = np.random.default_rng(_NOISE).standard_normal((samples, self.latent)).astype(np.float32)
        return torch.from_numpy(draws).to(self.device)

    def surprise(
        self, said: Posterior, tokens: torch.Tensor, place: torch.Tensor, inside: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """Minus log p of the tokens inside M windows, given draws of their posteriors, in the mean: float64 (M,), in nats."""
        nats = torch.zeros(len(tokens), dtype=torch.float64, device=self.device)
        for one in noise:
            logs = self.logits(tokens, place, said.at(one)).double().log_softmax(dim=2)
            nats -= (logs.gather(2, tokens[..., None])[..., 0] * inside).sum(dim=1)
        return nats / len(noise)

    def read(self, found: Sequences) -> Iterator[tuple[Posterior, torch.Tensor, torch.Tensor]]:
        """Posterior, tokens and places of windows, int64 (R, T), so many at a time; places after a window's end are -1."""
        rows = max(1, _TOKENS_AT_ONCE // max(1, found.tokens.shape[1]))
        for first in range(0, len(found.length), rows):
            part = slice(first, first + rows)
            width = int(found.length[part].max())
            tokens = torch.from_numpy(found.tokens[part, :width].astype(np.int64)).to(self.device)
            place = torch.from_numpy(found.place[part, :width].astype(np.int64)).to(self.device)
            length = torch.from_numpy(found.length[part].astype(np.int64)).to(self.device)
            with self.judging():
                said = self.posterior(tokens, place, length)
                inside = torch.arange(width, device=self.device) < length[:, None]
                yield said, tokens, torch.where(inside, place, -1)

    # From latents to music

    def decode(
        self,
        latents: np.ndarray,
        *,
        pages: Excerpts | Sequence[Score] | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> list[Score]:
        """The music at some latents, written choice by choice, each given the ones before, with the masks of the task's engine.

        Args:
            latents: float (M, latent).
            pages: what is written on: their bars and metres are kept, their notes are not; window i on page i, or from the first
                one on again. None: pages of `bars` bars in the task's metre (4/4 where it has none) and keys.
            temperature: 0 takes the likeliest token each time; else as for `SequenceModel.sample`.
            top_p: as there.
            seed: of the first window; window i has the seed + i, and is the same whatever M is.

        Raises:
            ValueError: latents of another shape or that are no finite numbers, pages of other voices, another grid or more bars,
                a number out of its range.
        """
        from musicgym.engine import score_of

        made = self.decode_excerpts(latents, pages=pages, temperature=temperature, top_p=top_p, seed=seed)
        return [score_of(made, row, self._open_task) for row in range(len(made.length))]

    def decode_excerpts(
        self,
        latents: np.ndarray,
        *,
        pages: Excerpts | Sequence[Score] | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> Excerpts:
        """The music at some latents as arrays: see `decode`."""
        points = self._checked(latents)
        blank = Excerpts.blank_like(self._own_pages() if pages is None else self._few_bars(self._pages(pages)))
        made = []
        for first in range(0, len(points), ROWS):
            rows = np.arange(first, min(first + ROWS, len(points)))
            full = np.zeros((ROWS, self.latent), np.float32)  # as `played` has them
            full[: len(rows)] = points[rows]
            player = _Decoder(self, torch.from_numpy(full).to(self.device), self._open_task)
            page = blank.take(rows % len(blank.length))
            made.append(played(player, len(rows), temperature, top_p, None, page, seed + first))
        return side_by_side(made)

    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        pages: Excerpts | Sequence[Score] | None = None,
        seed: int = 0,
    ) -> list[Score]:
        """N windows at draws of the prior; the same seed gives the same. Arguments and errors as `decode`."""
        return self.decode(self.draw(n, seed), pages=pages, temperature=temperature, top_p=top_p, seed=seed)

    def draw(self, n: int, seed: int = 0) -> np.ndarray:
        """Latents drawn from the prior, the standard normal distribution: float32 (N, latent); row i is that of seed + i."""
        if n.__class__ is not int or n < 1:
            raise ValueError(f"sample({n!r}): expected a whole number of windows, 1 or more")
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 1 << 62:
            raise ValueError(f"seed={seed!r}: expected a whole number, 0 or more")
        rows = [np.random.default_rng([_LATENTS, int(seed) + row]).standard_normal(self.latent) for row in range(n)]
        return np.array(rows, np.float32)

    # Ways through the space

    def interpolate(self, first: Score, last: Score, n: int = 7, *, seed: int = 0, temperature: float = 0.0) -> list[Score]:
        """From one window to another in N windows, both ends' reconstructions among them, on the first one's page.

        Raises:
            ValueError: as `encode`; fewer than 2.

        Example:
            >>> from musicgym import Score, Task
            >>> from musicgym.models import VAE
            >>> model = VAE(Task(), units=6, embedding=4, latent=3, plan=2)
            >>> ends = [Score.from_notes([[(0, 32, pitch, 80)]]) for pitch in (60, 72)]
            >>> len(model.interpolate(*ends, n=3))
            3
        """
        if n.__class__ is not int or n < 2:
            raise ValueError(f"interpolate(n={n!r}): expected 2 windows or more, the ends among them")
        one, other = self.encode([first])[0], self.encode([last])[0]
        way = slerp(one, other, np.linspace(0, 1, n))
        return self.decode(way, pages=[first], temperature=temperature, seed=seed)

    def direction(self, having: Excerpts | Sequence[Score], lacking: Excerpts | Sequence[Score]) -> np.ndarray:
        """The direction of an attribute: from the mean of windows that lack it to that of those that have it, float32 (latent,).

        `model.decode(model.encode([tune]) + 1.5 * direction)` gives a tune more of it (Roberts et al. 2018, "attribute vectors").

        Raises:
            ValueError: as `encode`; no window on one side.
        """
        means = []
        for music, name in ((having, "having"), (lacking, "lacking")):
            latents = self.encode(music)
            if not len(latents):
                raise ValueError(f"direction({name}=[]): expected one window or more")
            means.append(latents.mean(axis=0))
        return np.asarray(means[0] - means[1])

    # What all this stands on

    @property
    def _open_task(self) -> Task:
        """The model's task with nothing on its pages."""
        meter = self.task.meter or (4, 4)
        length = self.bars * bar_steps(meter, self.task.steps_per_quarter)
        return dataclasses.replace(
            self.task, source="", given=(), blank=1.0, meter=meter, length=length, transpose_to=None, quantise=False
        )

    def _own_pages(self) -> Excerpts:
        return self._open_task.material()

    def _pages(self, music: Excerpts | Sequence[Score]) -> Excerpts:
        """Music on the task's grid. Raises ValueError where it isn't."""
        grid = self.task.steps_per_quarter
        if not isinstance(music, Excerpts):
            return taken_in(music, grid, "score")
        if (other := music.quarter != grid).any():
            raise ValueError(
                f"the music has {music.quarter[other][0]:g} steps a quarter: expected {grid:g}, those of the model's task"
            )
        return music

    def _few_bars(self, pages: Excerpts) -> Excerpts:
        """Raises ValueError for windows of more bars than the model reads."""
        within = np.arange(pages.position.shape[1]) < pages.length[:, None]
        bars = ((pages.position == 0) & within)[:, 1:].sum(axis=1) + 1
        if (bars > self.bars).any():
            row = int(np.argmax(bars > self.bars))
            raise ValueError(
                f"piece {row} has {bars[row]} bars: expected at most {self.bars}, a window of model {self.name!r}; "
                "cut it with windows()"
            )
        return pages

    def _windowed(self, music: Excerpts | Sequence[Score]) -> Sequences:
        if not isinstance(music, Excerpts) and not len(music):
            return Sequences(np.zeros((0, 0), np.int16), np.zeros((0, 0), np.int16), np.zeros(0, np.int32))
        return self.sequences(self._few_bars(self._pages(music)))

    def _checked(self, latents: np.ndarray) -> np.ndarray:
        points = np.asarray(latents, np.float32)
        if points.ndim != 2 or points.shape[1] != self.latent or not len(points):
            raise ValueError(f"latents have shape {points.shape}: expected (windows, {self.latent}), at least one window")
        if not np.isfinite(points).all():
            raise ValueError("latents hold what is no finite number: expected points as encode gives them")
        return points


class _Decoder:
    """A latent space's decoder as `played` asks for it; row i is decoded from latents i."""

    def __init__(self, space: LatentSpace, latents: torch.Tensor, task: Task) -> None:
        self.space, self.latents, self.task = space, latents, task
        self.alphabet: Alphabet = space.alphabet
        self.judging = space.judging
        self.step = space.step

    @property
    def device(self) -> torch.device:
        return self.space.device

    def start(self, n: int) -> Any:
        assert n == len(self.latents)
        return self.space.start(self.latents)
