"""Music that a task's agents never saw: what they are judged on where they learn from a corpus, and what its composer wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musicgym.agents.comparison import Sample
from musicgym.pieces import Excerpts
from musicgym.score import BLANK
from musicgym.task import Task

if TYPE_CHECKING:
    from musicgym.rewards import Reward

_LEARNED = "/train"


class Unseen(NamedTuple):
    """Pages to be judged on, or None for the task's own, and what to say of it."""

    pages: Excerpts | None  # (M, voices, steps)
    families: np.ndarray | None  # int32 (M,)
    note: str


def unseen(task: Task, split: str = "test") -> Unseen:
    """What agents of a task are judged on: where it draws from a training split, the same collections' `split`.

    Excerpts don't overlap.
    """
    if not task.source.endswith(_LEARNED):
        said = f"judged on {task.source!r}, which agents also learn from" if task.source else ""
        return Unseen(None, None, said)
    source = f"{task.source.removesuffix(_LEARNED)}/{split}"
    found = task.changed(source=source).drawn(apart=True)
    count = f"{len(found.excerpts.length)} pieces or excerpts of {len(np.unique(found.families))} families"
    return Unseen(found.excerpts, found.families, f"judged on {source!r}, which no agent learned from: {count}")


def as_written(task: Task, pages: Unseen, reward: Reward) -> tuple[Sample, Excerpts] | None:
    """What the source's own music is paid by the reward, as its choices would be: its total less that of what is given.

    None where the task has no such music: blank pages, holes that are drawn, edits, voices that the source leaves blank.
    """
    music = pages.pages
    if music is None or pages.families is None or task.blank < 1 or task.begin == "filled":
        return None
    inside = np.arange(music.pitch.shape[2]) < music.length[:, None, None]
    if ((music.pitch == BLANK) & inside).any():
        return None
    composed = [voice for voice in range(task.voices) if voice not in task.given]
    begun = music.take(np.arange(len(music.length)))
    begun.pitch[:, composed], begun.onset[:, composed], begun.velocity[:, composed] = BLANK, False, 0
    whole, given = reward.score(music), reward.score(begun)
    totals = np.stack([whole[term] - given[term] for term in whole], axis=1)  # (M, terms)
    return Sample(totals, pages.families.astype(np.int64)), music
