"""Whole pieces by anything that chooses: an agent, random play."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from musicgym.pieces import Excerpts
from musicgym.score import Score
from musicgym.vector_env import ComposeVectorEnv

if TYPE_CHECKING:
    from musicgym.rewards import Reward
    from musicgym.session import Session
    from musicgym.task import Task

# Observations (N, ...), a mask int8 (N, codes) for each factor and a random source -> actions, int (N,) or (N, factors).
Player = Callable[[np.ndarray, tuple[np.ndarray, ...], np.random.Generator], np.ndarray]
KEPT_SCORES = 8


@runtime_checkable
class Attentive(Protocol):
    """A player that looks at the pieces themselves, not only at what is observed of them: a planner."""

    def attend(self, session: Session) -> None:
        """These are the pieces that are played next."""


class NotFiniteError(ValueError):
    """A reward paid nan or an infinity."""


def not_finite(paid: Mapping[str, np.ndarray]) -> str:
    """What to say of a reward that paid nan or an infinity, from what each term paid."""
    found = {term: values[~np.isfinite(values)] for term, values in paid.items()}
    named = [f"{term} {values[0]:g}" for term, values in found.items() if values.size] or [
        "the sum of its terms no finite number"
    ]
    return f"the reward paid {', '.join(named)}: expected finite numbers; look for divisions by 0 and the like in its rules"


class Judged(NamedTuple):
    """Pieces and what they are worth."""

    terms: tuple[str, ...]
    totals: np.ndarray  # float64 (pieces, terms)
    scores: list[Score]  # the first pieces, as many as were asked for
    illegal: int  # choices that had to be repaired, of all pieces
    distinct: int  # how many of the pieces differ from each other in their notes; loudness doesn't count
    music: Excerpts  # (pieces, voices, steps): all of them, in order


def play(
    task: Task | str,
    pieces: int,
    choose: Player,
    *,
    reward: Reward | str | None = None,
    observation: str = "tokens",
    window: int | None = None,
    seed: int = 0,
    options: dict[str, Any] | None = None,
    given: Excerpts | None = None,
    keep: int = KEPT_SCORES,
) -> Judged:
    """Let a player write pieces, each to its end.

    Args:
        task: a `Task` or a registered id.
        pieces: how many, side by side.
        choose: the player.
        reward: what judges them; None for the task's own.
        observation, window: what the player sees.
        seed: piece i has the seed + i; the player's random source has it too.
        options: what all pieces start from, see `ComposeVectorEnv.reset`.
        given: pages of which each piece draws one to start from, instead of the task's own.
        keep: of how many pieces there will be a score.

    Raises:
        NotFiniteError: the reward paid nan or an infinity; the message names its terms.
    """
    rng = np.random.default_rng(seed)
    env = ComposeVectorEnv(
        task, pieces, reward=reward, observation=observation, window=window, given=given, autoreset_mode="next-step"
    )
    observations, infos = env.reset(seed=seed, options=options)
    player: object = choose
    if isinstance(player, Attentive):
        player.attend(env.session)
    terms = env.session.bound.terms
    totals = np.zeros((len(terms), pieces))
    scores: dict[int, Score] = {}
    illegal = np.zeros(pieces, np.int64)
    playing = np.ones(pieces, np.bool_)
    music: Excerpts | None = None
    while playing.any():
        masks = env.session.split(infos["action_mask"])
        actions = choose(observations, masks if isinstance(masks, tuple) else (masks,), rng)
        observations, _, ended, _, infos = env.step(actions)
        for row, term in zip(totals, terms, strict=True):
            row[playing] += infos["reward_terms"][term][playing]
        ended = ended & playing  # pieces that ended before go on with others, which don't count
        illegal[ended] = infos["illegal"][ended]
        if ended.any():
            found = Excerpts(*(getattr(env.session.engine.pieces, field) for field in Excerpts._fields))
            music = found.take(np.arange(pieces)) if music is None else music
            for kept, array in zip(music, found, strict=True):
                kept[ended] = array[ended]
        first = [int(row) for row in np.flatnonzero(ended) if row < keep]
        scores.update(zip(first, env.scores(first), strict=True))
        playing &= ~ended
    env.close()
    assert music is not None
    if not np.isfinite(totals).all():
        raise NotFiniteError(not_finite(dict(zip(terms, totals, strict=True))))
    return Judged(terms, totals.T, [scores[row] for row in sorted(scores)], int(illegal.sum()), distinct_pieces(music), music)


def distinct_pieces(music: Excerpts) -> int:
    """How many pieces differ from each other in pitches and onsets."""
    notes = np.concatenate([music.pitch, music.onset.astype(np.int8)], axis=2).reshape(len(music.length), -1)
    return len(np.unique(notes, axis=0))


def randomly(*, masked: bool) -> Player:
    """A player that draws from all codes alike, or from those that the masks allow."""

    def choose(observations: np.ndarray, masks: tuple[np.ndarray, ...], rng: np.random.Generator) -> np.ndarray:
        drawn = []
        for mask in masks:
            lots = rng.random(mask.shape)
            drawn.append(np.where(mask, lots, -1.0).argmax(axis=1) if masked else lots.argmax(axis=1))
        return drawn[0] if len(drawn) == 1 else np.stack(drawn, axis=1)

    return choose
