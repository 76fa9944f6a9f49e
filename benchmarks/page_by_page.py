"""Players who write the same number of pieces to every page: a cantus firmus, a soprano."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musicgym.agents.players import Player, distinct_pieces, play
from musicgym.engine import score_of
from musicgym.grids import side_by_side
from musicgym.pieces import Excerpts

if TYPE_CHECKING:
    from musicgym.rewards import Reward
    from musicgym.task import Task


class Pages(NamedTuple):
    """What a player wrote."""

    totals: np.ndarray  # float64 (pages, pieces)
    music: Excerpts  # (pages * pieces, voices, steps), page by page
    distinct: int  # different pieces in all


def write_to_each(task: Task, pages: Excerpts, pieces: int, choose: Player, reward: Reward, seed: int, **seen: Any) -> Pages:
    """Let a player write to each page in turn.

    Args:
        task: what is played; its own material is left aside.
        pages: (P, voices, steps).
        pieces: to each page.
        choose, reward, seed: see `musicgym.agents.players.play`; each page has seeds of its own.
        seen: what the player sees: observation, window.
    """
    totals, music = [], []
    for row in range(len(pages.length)):
        judged = play(
            task, pieces, choose, reward=reward, seed=seed + pieces * row, given=pages.take(np.array([row])), keep=0, **seen
        )
        totals.append(judged.totals.sum(axis=1))
        music.append(judged.music)
    everything = side_by_side(music)
    return Pages(np.stack(totals), everything, distinct_pieces(everything))


def keep_median_and_worst(folder: Path, totals: np.ndarray, music: Excerpts, task: Task, pieces: int = 5) -> None:
    """Write the median pieces and the worst, so many of each, as MIDI and MusicXML: median0.mid ..., worst0.mid ...

    Args:
        folder: is there.
        totals: float64 (pages, pieces), in the order of `music`.
        music: (pages * pieces, voices, steps).
        task: of which the pieces are.
        pieces: of each kind; fewer where there are fewer.
    """
    order = np.argsort(totals.ravel(), kind="stable")
    first = max(len(order) // 2 - pieces // 2, 0)
    for kind, rows in (("worst", order[:pieces]), ("median", order[first : first + pieces])):
        for place, row in enumerate(rows.tolist()):
            score = score_of(music, row, task)
            score.to_midi(folder / f"{kind}{place}.mid")
            score.to_musicxml(folder / f"{kind}{place}.musicxml")
