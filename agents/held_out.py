"""Real tunes that no agent learned from, cut to a task's measure: what its agents are set beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musicgym.agents.comparison import Sample
from musicgym.agents.unseen import as_written, unseen
from musicgym.choice import ChordChoice, NoteChoice
from musicgym.grids import misfits, thinned
from musicgym.pieces import Excerpts
from musicgym.score import bar_steps, key_name, parse_key
from musicgym.task import Task

if TYPE_CHECKING:
    from musicgym.corpus import Corpus
    from musicgym.rewards import Reward

COLLECTIONS = ("bach", "ryan", "oneill", "aird")
_LOUDNESS_SEED = 12345


class RealTunes(NamedTuple):
    """Held-out tunes, or why there are none."""

    sample: Sample | None
    by_collection: dict[str, tuple[int, float]]  # collection -> excerpts, mean total of the terms that are judged
    note: str
    excerpts: Excerpts | None = None  # (pieces, 1, steps): the tunes themselves, in the order of the sample


class HeldOut(NamedTuple):
    """M windows of tunes of one split."""

    excerpts: Excerpts  # (M, 1, steps)
    families: np.ndarray  # int64 (M,)
    counts: dict[str, int]  # collection -> windows; they stand in this order
    left_out: int  # windows with pitches or lengths that the task's choice doesn't have


def real_tunes(task: Task, reward: Reward, split: str = "test") -> RealTunes:
    """Excerpts of the tunes of one split, held out unless said, as long as the task's pieces, judged by a reward.

    Windows of one melody family make one group. The collections say nothing of loudness (all their notes are equally loud): where
    the task chooses velocities, terms that hear them are nan, and the note names them.

    Where a task draws from a corpus, they are that corpus's own music, as its choices would be paid; see `unseen.as_written`.

    Args:
        task: one voice on an empty page, or a task with a source; for others there is no sample, and the note says so.
        reward: the judge.
        split: "test"; where something is tuned "valid".
    """
    if task.source:
        pages = unseen(task, split)
        written = as_written(task, pages, reward)
        if written is None:
            return RealTunes(None, {}, "no real music beside it: its composer's choices at these blanks can't be told apart")
        sample, music = written
        by_collection = {task.source.partition("/")[0]: (len(sample.totals), float(sample.totals.sum(axis=1).mean()))}
        note = f"real tunes: the composer's own voices, {pages.note.removeprefix('judged ')}"
        return RealTunes(sample, by_collection, note, music)
    if task.voices != 1 or task.length is None or isinstance(task.choice, ChordChoice):
        return RealTunes(
            None, {}, "no real tunes: they are for tasks of one voice that begin with an empty page, or with a source"
        )
    assert task.meter is not None
    tonic, mode = key_name(*parse_key(task.keys[0])).split()
    kind = f"in {task.meter[0]}/{task.meter[1]} from the {split} split, in {mode}, moved to {tonic}"
    found = held_out(task, split)
    without = f"; {found.left_out} left out, with pitches or lengths that can't be chosen" if found.left_out else ""
    if not found.counts:
        return RealTunes(None, {}, f"no real tunes: none {kind}, fits{without}")
    worth = reward.score(found.excerpts)
    totals = np.stack(list(worth.values()), axis=1)  # (excerpts, terms)
    unheard = ""
    if isinstance(task.choice, NoteChoice) and len(task.choice.velocities) > 1:
        hearing = hears_loudness(reward, found.excerpts)
        totals[:, hearing] = np.nan
        names = ", ".join(term for term, yes in zip(worth, hearing, strict=True) if yes)
        unheard = f"; not judged by {names}: the collections have no velocities" if names else ""
    sums = np.split(np.nansum(totals, axis=1), np.cumsum(list(found.counts.values()))[:-1])
    by_collection = {c: (count, float(part.mean())) for (c, count), part in zip(found.counts.items(), sums, strict=True)}
    shown = ", ".join(f"{collection} {mean:.1f} ({count})" for collection, (count, mean) in by_collection.items())
    note = (
        f"real tunes: {len(totals)} excerpts of {task.length} steps {kind}; mean totals (excerpts) by collection: {shown}"
        f"{without}{unheard}"
    )
    return RealTunes(Sample(totals, found.families), by_collection, note, found.excerpts)


def held_out(task: Task, split: str = "test") -> HeldOut:
    """Windows of one split's folk tunes and chorales' sopranos that could be pieces of a task.

    They don't overlap, begin at bar lines, are as long as the task's pieces, in its metre and mode, moved to its tonic (that of
    its first key) and within its range. Where notes are chosen whole, their pitches and lengths are those that can be chosen.

    Args:
        task: one voice on an empty page.
        split: "test", "valid" or "train".
    """
    assert task.meter is not None
    assert task.length is not None
    tonic, mode = key_name(*parse_key(task.keys[0])).split()
    low, high = task.choice.voice_ranges(1)[0].tolist()
    wish: dict[str, Any] = {
        "stride": -(-task.length // bar_steps(task.meter, task.steps_per_quarter)), "transpose_to": tonic,
        "meter": task.meter, "low": low, "high": high, "voices": 1,
    }  # fmt: skip
    steps = task.length * task.spread  # as long as the task's pieces are as scores
    parts: list[Excerpts] = []
    families: list[np.ndarray] = []
    counts: dict[str, int] = {}
    left_out = 0
    for collection in COLLECTIONS:
        tunes = melodies(collection, split, task.score_grid).filter(meter=task.meter, mode=mode)
        excerpts = tunes.excerpts(steps, **wish)
        fits = ~np.any(list(misfits(excerpts, task.spread).values()), axis=0)
        excerpts = thinned(excerpts, task.spread)
        if isinstance(task.choice, NoteChoice):
            fits &= _can_be_chosen(excerpts, task.choice)
        left_out += int((~fits).sum())
        parts.append(excerpts.take(fits))
        families.append(tunes.families[tunes.windows(steps, **wish).piece[fits]])
        if fits.any():
            counts[collection] = int(fits.sum())
    together = Excerpts(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    return HeldOut(together, np.concatenate(families).astype(np.int64), counts, left_out)


def melodies(collection: str, split: str, steps_per_quarter: int) -> Corpus:
    """The one-voice pieces of one split of a collection; the chorales give their sopranos."""
    from musicgym import corpus

    pieces = corpus.load(collection, steps_per_quarter=steps_per_quarter).split(split)
    return pieces.voice(0) if collection == "bach" else pieces.filter(voices=1)


def hears_loudness(reward: Reward, excerpts: Excerpts) -> np.ndarray:
    """bool (terms,): the terms whose values change where every note gets a velocity at random."""
    steps = np.arange(excerpts.pitch.shape[2])
    begins = np.maximum.accumulate(np.where(excerpts.onset, steps, 0), axis=2)  # (M, voices, steps): where the event began
    drawn = np.random.default_rng(_LOUDNESS_SEED).integers(1, 128, excerpts.velocity.shape, np.uint8)
    velocity = np.where(excerpts.pitch >= 0, np.take_along_axis(drawn, begins, axis=2), 0).astype(np.uint8)
    plain, changed = reward.score(excerpts), reward.score(excerpts._replace(velocity=velocity))
    return np.array([not np.allclose(plain[term], changed[term]) for term in plain])


def _can_be_chosen(excerpts: Excerpts, choice: NoteChoice) -> np.ndarray:
    """bool (M,): windows whose notes all have a pitch and a length of the choice's; a rest may be made of several."""
    pitch, steps = excerpts.pitch[:, 0], np.arange(excerpts.pitch.shape[2])
    begins = excerpts.onset[:, 0] | (steps == 0)  # (M, steps)
    ends = np.concatenate([begins[:, 1:], np.ones((len(pitch), 1), np.bool_)], axis=1)  # the event's last step
    so_far = steps - np.maximum.accumulate(np.where(begins, steps, 0), axis=1) + 1
    fits = np.isin(pitch, choice.pitches) & (~ends | (pitch < 0) | np.isin(so_far, choice.durations))
    return np.asarray(fits.all(axis=1))
