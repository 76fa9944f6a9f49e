"""Exact search: every piece that hard rules let be finished, and the piece that a reward pays most for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musicgym.choice import StepChoice
from musicgym.engine import Engine
from musicgym.pieces import Excerpts
from musicgym.rewards.forbid import Forbid
from musicgym.task import Task

if TYPE_CHECKING:
    from musicgym.rewards import Reward

MOST = 2_000_000  # beginnings side by side
BEAM = 2000
_SLACK = 1e-4  # payments are float32


class TooManyError(ValueError):
    """More beginnings than may stand side by side."""


class Best(NamedTuple):
    """What can be earned at most."""

    total: float  # of all that choices pay
    pieces: Excerpts  # (pieces, voices, steps): all that earn it


def completions(task: Task, material: Excerpts, *, forbid: Sequence[str] = (), most: int = MOST) -> Excerpts:
    """All finished pieces that masks and hard rules leave, in the order of their codes; dead ends are left out.

    Breadth first: all beginnings of one length side by side.

    Args:
        task: with a `StepChoice`; its own `forbid` holds too.
        material: the one page to start from, (1, voices, steps); what isn't blank in it is given.
        forbid: more hard rules.
        most: beginnings that may stand side by side.

    Returns:
        (pieces, voices, steps).

    Raises:
        TooManyError: more than `most` beginnings.
        ValueError: another choice, or several pages.
    """
    rules = (*task.forbid, *forbid)
    strike = Forbid(rules) if rules else None
    engine = _begun(task, material)
    while not engine.pieces.done.all():
        rows, codes = _branches(engine, strike, most)
        if not len(rows):
            return material.take(np.empty(0, np.int64))
        engine = engine.take(rows)
        engine.write(codes)
    return _music(engine)


def best(task: Task, material: Excerpts, reward: Reward, *, gain: float, forbid: Sequence[str] = (), most: int = MOST) -> Best:
    """The most that a reward can pay on one page, exactly: branch and bound over all that the masks allow.

    A beginning is given up when what it was paid, with all that could still be gained, is less than a beam search found.

    Args:
        task, material, forbid, most: as for `completions`.
        reward: what is paid.
        gain: no more than this can be paid by all choices after any beginning: the sum of what rules pay at most. For rules
            that only punish, 0.

    Raises:
        TooManyError, ValueError: as `completions`; no piece can be finished.
    """
    rules = (*task.forbid, *forbid)
    strike = Forbid(rules) if rules else None
    floor = -np.inf
    for width in (BEAM, None):
        engine = _begun(task, material)
        bound = reward.bind(task, 1)
        bound.reset(engine.pieces, np.ones(1, np.bool_))
        totals = np.zeros(1)
        while not engine.pieces.done.all():
            rows, codes = _branches(engine, strike, most)
            if not len(rows):
                raise ValueError("no piece can be finished: masks and hard rules end in dead ends")
            engine = engine.take(rows)
            engine.write(codes)
            bound.take(rows)
            paid = bound(engine.pieces).sum(axis=0, dtype=np.float64)
            if paid.max() > gain + _SLACK:
                raise ValueError(f"gain={gain}: the reward paid {paid.max():g} for one choice; name all that it can pay")
            totals = totals[rows] + paid
            open_ones = np.flatnonzero(totals + gain >= floor - _SLACK)
            if width is not None and len(open_ones) > width:
                open_ones = open_ones[np.argsort(-totals[open_ones], kind="stable")[:width]]
            if not len(open_ones):
                raise ValueError(f"gain={gain}: the reward pays more than that after some beginnings")
            engine, totals = engine.take(open_ones), totals[open_ones]
            bound.take(open_ones)
        floor = float(totals.max())
    music = _music(engine)
    return Best(floor, music.take(np.flatnonzero(totals >= floor - _SLACK)))


def _begun(task: Task, material: Excerpts) -> Engine:
    if not isinstance(task.choice, StepChoice) or len(material.length) != 1:
        raise ValueError(
            f"search over {len(material.length)} pages with {type(task.choice).__name__}: expected one page and a StepChoice"
        )
    engine = Engine(task, 1, material)
    engine.reset(np.array([0]), np.zeros(1, np.uint64))
    return engine


def _branches(engine: Engine, strike: Forbid | None, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows, int64 (branches,), and codes, int64 (branches, 1), of all choices that may be made next."""
    masks = np.empty((engine.num_pieces, engine.mask_size), np.int8)
    engine.masks(masks)
    if strike is not None:
        dead = np.zeros(engine.num_pieces, np.bool_)
        strike(engine, masks, dead)
        masks[dead] = 0
    rows, codes = np.nonzero(masks)
    if len(rows) > most:
        raise TooManyError(f"{len(rows):,} beginnings side by side: expected at most {most:,}; narrow the range")
    return rows, codes[:, None].astype(np.int64)


def _music(engine: Engine) -> Excerpts:
    return Excerpts(*(getattr(engine.pieces, field) for field in Excerpts._fields))
