"""Episodes of a task as a reward sees them: played once alone, then again in other company."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musicgym.engine import Engine
from musicgym.pieces import Excerpts, Pieces
from musicgym.score import Score
from musicgym.task import Task

if TYPE_CHECKING:
    from musicgym.rewards import BoundReward, Reward

_ANY_ACTION = 0.2  # share of actions that are drawn without the mask
_TOLERANCE = 1e-5  # of a value's size: float32, and sums taken in another order


class Episode(NamedTuple):
    """One piece from its beginning to its end."""

    seed: int
    start: Score
    finish: Score
    actions: np.ndarray  # int64 (T, factors)
    terms: np.ndarray  # float32 (T, terms)
    slots: list[tuple[int, int]]  # voice and step of the only slot that each action wrote; (-1, -1) where it wrote others
    append: bool  # every choice came after all that stood there


def close(a: Any, b: Any, tolerance: float = _TOLERANCE) -> bool:
    """Whether two values or arrays agree but for rounding."""
    return bool(np.all(np.abs(np.subtract(a, b, dtype=np.float64)) <= tolerance * np.maximum(1.0, np.abs(a))))


def begin(reward: Reward, task: Task, material: Excerpts | None, seeds: list[int]) -> tuple[Engine, BoundReward]:
    """Pieces with these seeds at their beginning, and the reward bound to them."""
    engine = Engine(task, len(seeds), material)
    bound = reward.bind(task, len(seeds))
    engine.reset(np.arange(len(seeds)), np.array(seeds, np.uint64))
    bound.reset(engine.pieces, np.ones(len(seeds), np.bool_))
    return engine, bound


def pay(bound: BoundReward, pieces: Pieces) -> np.ndarray:
    """float32 (terms, N): what the last choices pay. Raises AssertionError for a wrong array, a value that is no number,
    pay where nothing was written, and changed pieces."""
    before = [array.copy() for array in pieces]
    terms = bound(pieces)
    n = pieces.pitch.shape[0]
    for name, array, copied in zip(Pieces._fields, pieces, before, strict=True):
        if not np.array_equal(array, copied):
            raise AssertionError(f"the reward changed pieces.{name}: a reward may only read")
    shape = (len(bound.terms), n)
    what = f"{terms.dtype} {terms.shape}" if isinstance(terms, np.ndarray) else repr(terms)
    if not (isinstance(terms, np.ndarray) and terms.shape == shape and terms.dtype == np.float32):
        raise AssertionError(f"the reward returned {what}: expected float32 {shape}, (terms, N) with the terms {bound.terms}")
    for name, values in zip(bound.terms, terms, strict=True):
        if not np.isfinite(values).all():
            raise AssertionError(f"term {name!r} is {values[~np.isfinite(values)][0]}: expected finite numbers")
        idle = values[~pieces.written]
        if idle.any():
            raise AssertionError(f"term {name!r} pays {idle[idle != 0][0]} in a piece that was not written: expected 0")
    return terms


def play_alone(reward: Reward, task: Task, material: Excerpts | None, seed: int) -> Episode:
    """A piece of its own, with a reward of its own, actions drawn from the seed."""
    draws = np.random.default_rng([seed, 7])
    engine, bound = begin(reward, task, material, [seed])
    start, append = engine.score(0), bool(engine.pieces.append[0])
    actions, paid, slots = [], [], []
    # What the last call returned and a copy of it, then those of the call before.
    returned, kept = np.empty((0, 0)), np.empty((0, 0))
    while not engine.pieces.done[0]:
        mask = np.empty((1, engine.mask_size), np.int8)
        engine.masks(mask)
        action = _choose(draws, mask[0], engine.plan.sizes)
        before = engine.pieces.pitch[0].copy()
        engine.write(engine.check(action[None]))
        returned_before, kept_before = returned, kept
        returned = pay(bound, engine.pieces)
        kept = returned.copy()
        if not np.array_equal(returned_before, kept_before):
            raise AssertionError(
                "aliased array: the terms that a call returned were changed by the next call; return a fresh array"
            )
        changed = np.argwhere(before != engine.pieces.pitch[0])
        slots.append((int(changed[0][0]), int(changed[0][1])) if len(changed) == 1 else (-1, -1))
        actions.append(action)
        paid.append(kept[:, 0])
    return Episode(seed, start, engine.score(0), np.array(actions), np.array(paid), slots, append)


def _choose(draws: np.random.Generator, mask: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    action = np.zeros(len(sizes), np.int64)
    at = 0
    for factor, size in enumerate(sizes):
        codes = np.arange(size) if draws.random() < _ANY_ACTION else np.flatnonzero(mask[at : at + size])
        if size > 4 and draws.random() < 0.3 and 1 in codes:
            codes = np.array([1])  # holds are one code of many, and music is full of them
        action[factor] = draws.choice(codes)
        at += size
    return action


class Company:
    """The episodes of `play_alone` played again side by side, each row one after the other of its own list."""

    def __init__(self, reward: Reward, task: Task, material: Excerpts | None, rows: list[list[Episode]]) -> None:
        self.rows = rows
        self.engine, self.bound = begin(reward, task, material, [episodes[0].seed for episodes in rows])
        self.number = [0] * len(rows)  # of the episode that each row is in
        self.at = [0] * len(rows)  # actions taken in it

    def finish(self) -> None:
        """Step until every row has played its last episode to the end."""
        while any(self.number[i] < len(row) - 1 or self.at[i] < len(row[-1].actions) for i, row in enumerate(self.rows)):
            self.step()

    def step(self, restart: frozenset[int] = frozenset()) -> None:
        """One action in every row. Raises AssertionError where a row isn't paid what it was alone.

        Rows at the end of an episode, and those of `restart`, then begin their next one.
        """
        actions = np.zeros((len(self.rows), len(self.engine.plan.sizes)), np.int64)
        playing = [self.at[i] < len(self._episode(i).actions) for i in range(len(self.rows))]
        for i, plays in enumerate(playing):
            if plays:
                actions[i] = self._episode(i).actions[self.at[i]]
        self.engine.write(self.engine.check(actions))
        terms = pay(self.bound, self.engine.pieces)
        for i, plays in enumerate(playing):
            if plays:
                self._check(i, terms[:, i])
                self.at[i] += 1
        self._begin_next(restart)

    def _episode(self, i: int) -> Episode:
        return self.rows[i][self.number[i]]

    def _check(self, i: int, terms: np.ndarray) -> None:
        expected = self._episode(i).terms[self.at[i]]
        if close(terms, expected):
            return
        k = int(np.argmax(np.abs(terms.astype(np.float64) - expected)))
        name, at = self.bound.terms[k], self.at[i]
        where = f"term {name!r} pays {terms[k]:.6g} for action {at} of a piece that pays {expected[k]:.6g} alone"
        if self.number[i]:
            raise AssertionError(
                f"reset(pieces, mask) does not begin anew: {where}, in the row's second episode; what the reward remembers "
                "of the piece before must be forgotten, for the pieces of the mask"
            )
        if any(self.number):
            raise AssertionError(
                f"reset(pieces, mask) changes pieces outside its mask: {where}, after other rows have begun anew"
            )
        raise AssertionError(f"a piece's pay depends on the other pieces of the batch: {where}, in row {i} of {len(self.rows)}")

    def _begin_next(self, restart: frozenset[int]) -> None:
        mask = np.zeros(len(self.rows), np.bool_)
        for i, row in enumerate(self.rows):
            over = self.at[i] == len(self._episode(i).actions) or i in restart
            if over and self.number[i] + 1 < len(row):
                mask[i] = True
                self.number[i] += 1
                self.at[i] = 0
        if mask.any():
            seeds = [self._episode(int(i)).seed for i in np.flatnonzero(mask)]
            self.engine.reset(np.flatnonzero(mask), np.array(seeds, np.uint64))
            self.bound.reset(self.engine.pieces, mask)
