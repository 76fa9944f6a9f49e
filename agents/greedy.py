"""Greedy play: at each choice the code that pays most at once. The baseline that learning has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musicgym.choice import StepChoice

if TYPE_CHECKING:
    from musicgym.rewards.reward import BoundReward
    from musicgym.session import Session

MOST_TRIALS = 1 << 14  # pieces that are tried at once


class Greedy:
    """A player that tries every code the mask allows and takes what pays most at once; ties are broken at random.

    It looks one choice ahead by the environment's own reward: a planner, to be named as such beside what an agent learned.

    Args:
        masked: only codes that the mask allows.

    Raises:
        ValueError: on a task whose choice isn't a `StepChoice`: other choices have too many codes to be tried one by one.
    """

    def __init__(self, *, masked: bool = True) -> None:
        self.masked = masked
        self._session: Session | None = None
        self._bound: BoundReward | None = None  # the session's reward once more: it pays what is only tried

    def attend(self, session: Session) -> None:
        """The pieces that are played next. Called by `players.play`."""
        if not isinstance(session.task.choice, StepChoice):
            raise ValueError(f"greedy play of {type(session.task.choice).__name__}: expected a task with StepChoice")
        self._session = session
        self._bound = session.reward.bind(session.task, session.num_pieces)

    def __call__(self, observations: np.ndarray, masks: tuple[np.ndarray, ...], rng: np.random.Generator) -> np.ndarray:
        """int64 (N,): the codes chosen."""
        assert self._session is not None
        codes = masks[0].shape[1]
        paid = self.payments(codes)
        if self.masked:
            paid[masks[0] == 0] = -np.inf
        best = paid == paid.max(axis=1, keepdims=True)
        return np.asarray(np.where(best, rng.random(paid.shape), -1.0).argmax(axis=1))

    def payments(self, codes: int) -> np.ndarray:
        """float64 (N, codes): what each code would pay now; 0 for pieces that are finished."""
        assert self._session is not None
        assert self._bound is not None
        session, bound = self._session, self._bound
        n, remembered = session.num_pieces, session.bound.state()
        paid = np.zeros((n, codes))
        share = max(1, MOST_TRIALS // codes)
        for first in range(0, n, share):
            rows = np.repeat(np.arange(first, min(first + share, n)), codes)
            trial = session.engine.take(rows)
            bound.load_state(remembered)
            bound.take(rows)
            trial.write(np.tile(np.arange(codes), len(rows) // codes)[:, None])
            paid[first : first + share] = bound(trial.pieces).sum(axis=0, dtype=np.float64).reshape(-1, codes)
        return paid
