"""Rewards that change how another one is paid: when, within what bounds, on what scale. Each pays one row but `Scheduled`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from musicgym.digest import digest
from musicgym.pieces import Excerpts, Pieces
from musicgym.rewards.reward import BoundReward, Reward, State
from musicgym.task import Task

if TYPE_CHECKING:
    from musicgym.score import Score


class _Changed(Reward):
    """A reward made of one other."""

    inner: Reward

    def __init__(self, inner: Reward, name: str, settings: str) -> None:
        self.inner = inner
        self.name = name
        self._settings = settings

    @property
    def description(self) -> str:
        return f"{type(self).__name__}{self._settings} of ({self.inner.description})"


def _checked(inner: Reward, who: str) -> Reward:
    if not isinstance(inner, Reward):
        raise TypeError(f"{who}({inner!r}): expected a Reward; musicgym.rewards.parse makes one from text")
    return inner


class _BoundChanged(BoundReward):
    """One row out of all rows of another bound reward."""

    def __init__(self, name: str, inner: BoundReward) -> None:
        self.terms = (name,)
        self.parts = (inner,)

    def sums(self, pieces: Pieces) -> np.ndarray:
        """float64 (N,): what the inner reward pays in all."""
        total: np.ndarray = self.parts[0](pieces).sum(axis=0, dtype=np.float64)
        return total


class Clipped(_Changed):
    """The sum of a reward's terms at each choice, held within low..high. Made by `reward.clip(low, high)`."""

    def __init__(self, inner: Reward, low: float, high: float) -> None:
        if not low < high:
            raise ValueError(f"clip({low}, {high}): low must be below high")
        super().__init__(inner, f"clip({_checked(inner, 'clip').name}, {low:g}, {high:g})", f"({low!r}, {high!r})")
        self.low, self.high = low, high

    def bind(self, task: Task, num_envs: int, seed: int = 0) -> BoundReward:
        return _BoundClipped(self, self.inner.bind(task, num_envs, seed))


class _BoundClipped(_BoundChanged):
    def __init__(self, reward: Clipped, inner: BoundReward) -> None:
        super().__init__(reward.name, inner)
        self.low, self.high = reward.low, reward.high

    def __call__(self, pieces: Pieces) -> np.ndarray:
        held = np.where(pieces.written, self.sums(pieces).clip(self.low, self.high), 0.0)
        return held[None].astype(np.float32)


class Scheduled(_Changed):
    """A reward times a weight that changes while an agent learns. Made by `reward.scheduled(weight)`.

    `weight(k)` is called with the number of steps that the environment has made before this one, and with 0 for finished pieces.
    """

    def __init__(self, inner: Reward, weight: Callable[[int], float]) -> None:
        if not callable(weight):
            raise TypeError(f"scheduled({weight!r}): expected a function of the step number")
        super().__init__(inner, inner.name, f"({digest([weight])})")
        self.weight = weight

    def bind(self, task: Task, num_envs: int, seed: int = 0) -> BoundReward:
        return _BoundScheduled(self, self.inner.bind(task, num_envs, seed))

    def score(self, scores: Sequence[Score] | Excerpts, *, marks: bool = False) -> Any:  # as the base class
        weight = self.weight(0)
        if not marks:
            return {term: weight * values for term, values in self.inner.score(scores).items()}
        totals, sites = self.inner.score(scores, marks=True)
        return {term: weight * values for term, values in totals.items()}, np.float32(weight) * sites


class _BoundScheduled(BoundReward):
    def __init__(self, reward: Scheduled, inner: BoundReward) -> None:
        self.terms = inner.terms
        self.parts = (inner,)
        self.weight = reward.weight
        self.steps = 0
        self._stands = False

    def read(self) -> None:
        super().read()
        self._stands = True

    def __call__(self, pieces: Pieces) -> np.ndarray:
        paid: np.ndarray = self.parts[0](pieces) * np.float32(self.weight(self.steps))
        self.steps += not self._stands
        return paid

    def state(self) -> State:
        return {**super().state(), "steps": self.steps}

    def load_state(self, state: State) -> None:
        super().load_state(state)
        self.steps = state["steps"]


class _BoundRunning(_BoundChanged):
    """One that keeps each piece's running sum."""

    arrays = ("running",)

    def __init__(self, name: str, inner: BoundReward, num_envs: int) -> None:
        super().__init__(name, inner)
        self.running = np.zeros(num_envs)

    def reset(self, pieces: Pieces, mask: np.ndarray) -> None:
        super().reset(pieces, mask)
        self.running[mask] = 0.0


class AtEnd(_Changed):
    """The sum of a reward over the piece, paid with the last choice: the sparse twin of a dense reward."""

    def __init__(self, inner: Reward) -> None:
        super().__init__(inner, f"at_end({_checked(inner, 'AtEnd').name})", "")

    def bind(self, task: Task, num_envs: int, seed: int = 0) -> BoundReward:
        return _BoundAtEnd(self.name, self.inner.bind(task, num_envs, seed), num_envs)


class _BoundAtEnd(_BoundRunning):
    def __call__(self, pieces: Pieces) -> np.ndarray:
        self.running += self.sums(pieces)
        return np.where(pieces.done & pieces.written, self.running, 0.0)[None].astype(np.float32)


class Potential(_Changed):
    """Potential-based shaping (Ng, Harada and Russell 1999) with a reward's running sum as the potential.

    Pays `gamma * after - before`, with the potential 0 at the start and after the last choice, so that its
    discounted return is 0 for every piece.

    Args:
        inner: the reward whose running sum is the potential.
        gamma: the agent's own discount, in (0, 1].
    """

    def __init__(self, inner: Reward, gamma: float) -> None:
        if not 0 < gamma <= 1:
            raise ValueError(f"Potential(gamma={gamma}): expected a discount in (0, 1]")
        super().__init__(inner, f"potential({_checked(inner, 'Potential').name})", f"({gamma!r})")
        self.gamma = gamma

    def bind(self, task: Task, num_envs: int, seed: int = 0) -> BoundReward:
        return _BoundPotential(self.name, self.inner.bind(task, num_envs, seed), num_envs, self.gamma)


class _BoundPotential(_BoundRunning):
    def __init__(self, name: str, inner: BoundReward, num_envs: int, gamma: float) -> None:
        super().__init__(name, inner, num_envs)
        self.gamma = gamma

    def __call__(self, pieces: Pieces) -> np.ndarray:
        before = self.running
        after = before + self.sums(pieces)
        self.running = after
        paid = self.gamma * np.where(pieces.done, 0.0, after) - before
        return np.where(pieces.written, paid, 0.0)[None].astype(np.float32)


class Normalised(_Changed):
    """A reward on the scale of a reference set: a piece's total is its distance from the set's mean in standard deviations.

    The statistics are taken once, here, and never change. Each choice pays its reward over the standard deviation, the last one
    also minus the mean over it.

    Args:
        inner: the reward.
        reference: at least two pieces of music whose totals are not all alike.
    """

    def __init__(self, inner: Reward, reference: Sequence[Score] | Excerpts) -> None:
        totals = np.sum(list(_checked(inner, "Normalised").score(reference).values()), axis=0)
        self.mean, self.deviation = float(np.mean(totals)), float(np.std(totals))
        if len(totals) < 2 or self.deviation == 0:
            raise ValueError(f"Normalised: {len(totals)} pieces, deviation {self.deviation}: expected two or more that differ")
        super().__init__(inner, f"normalised({inner.name})", f"({self.mean!r}, {self.deviation!r})")

    def bind(self, task: Task, num_envs: int, seed: int = 0) -> BoundReward:
        return _BoundNormalised(self, self.inner.bind(task, num_envs, seed))


class _BoundNormalised(_BoundChanged):
    def __init__(self, reward: Normalised, inner: BoundReward) -> None:
        super().__init__(reward.name, inner)
        self.mean, self.deviation = reward.mean, reward.deviation

    def __call__(self, pieces: Pieces) -> np.ndarray:
        ends = pieces.done & pieces.written
        return ((self.sums(pieces) - np.where(ends, self.mean, 0.0)) / self.deviation)[None].astype(np.float32)
