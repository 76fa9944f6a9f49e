"""Real music spoiled: the same pages with other notes, such as discriminators learn to tell from real music.

All work on any number of voices. What lies in the way of a piece's range and key stays as it is: only its order or its choice of
notes is worse. `benchmarks.corruptions` judges rewards by others, of one voice.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from musicgym.models.notes import Notes, inside
from musicgym.pieces import Excerpts
from musicgym.score import SCALES

# Finished pieces and a random source -> as many pieces on the same pages.
Spoiler = Callable[[Excerpts, np.random.Generator], Excerpts]

_IN_SCALE = np.array([[degree in scale for degree in range(12)] for scale in SCALES])  # bool (modes, 12)
_FEW = 0.2  # share of notes that `wrong_notes` changes


def wrong_notes(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """A fifth of the notes, at least one, get another pitch of the local scale, within the range of their voice."""
    return _replaced(music, rng, _FEW)


def one_wrong_note(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """One note gets another pitch of the local scale, within the range of its voice."""
    return _replaced(music, rng, 0.0)


def permuted_pitches(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The notes of each voice change places; the rhythm stays."""
    notes = _sounding(music)
    line = notes.piece * music.pitch.shape[1] + notes.voice
    kept = np.argsort(line, kind="stable")
    drawn = np.lexsort((rng.random(len(line)), line))
    pitch = np.empty(len(line), np.int64)
    pitch[kept] = music.pitch[notes.piece, notes.voice, notes.start][drawn]
    return _with_pitches(music, notes, pitch)


def shuffled_bars(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """Full bars in random order, all voices together; a note that sounds across their lines is cut there."""
    steps = music.pitch.shape[2]
    within = inside(music)
    bar = np.cumsum(music.position == 0, axis=1) - (music.position[:, :1] == 0)  # (M, steps), from 0
    lots = rng.random((len(bar), steps + 1))
    # Only full bars change places, among themselves: others would move what follows to other beats.
    count = np.zeros((len(bar), steps + 1), np.int64)
    np.add.at(count, (np.arange(len(bar))[:, None], np.where(within, bar, steps)), 1)
    size = np.take_along_axis(count, bar, axis=1)
    full = within & (size == music.bar)
    source = np.broadcast_to(np.arange(steps), bar.shape).copy()
    for length in np.unique(music.bar[full]):
        chosen = full & (music.bar == length)
        row, step = np.nonzero(chosen)  # in order of piece and bar
        lot = lots[row, bar[row, step]]
        moved = np.lexsort((step, lot, row))  # whole bars, since all steps of a bar have one lot
        source[row, step] = step[moved]
    return _moved(music, source)


def stuck(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """From a step that is drawn on, within the first three quarters, one bar is played again and again to the end."""
    steps = np.arange(music.pitch.shape[2])
    length, bar = music.length[:, None].astype(np.int64), np.maximum(music.bar[:, :1].astype(np.int64), 1)
    cut = np.maximum((rng.random((len(length), 1)) * 0.75 * length).astype(np.int64), np.minimum(bar, length))
    source = np.where(steps < cut, steps, cut - bar + (steps - cut) % bar)
    return _moved(music, np.clip(source, 0, np.maximum(length - 1, 0)))


def held(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """From a step that is drawn on, within the first three quarters, what sounds is held to the end or repeated each beat."""
    steps = np.arange(music.pitch.shape[2])
    length = music.length[:, None].astype(np.int64)
    cut = (rng.random((len(length), 1)) * 0.75 * length).astype(np.int64)
    made = _moved(music, np.minimum(steps, cut))
    repeats = rng.random((len(length), 1)) < 0.5
    again = repeats & (music.position % np.maximum(music.beat, 1) == 0) & inside(music)  # (M, steps)
    made.onset[:] = np.where((steps <= cut)[:, None], music.onset, again[:, None])
    return made


SPOILERS: dict[str, Spoiler] = {
    "wrong notes": wrong_notes,
    "one wrong note": one_wrong_note,
    "permuted pitches": permuted_pitches,
    "shuffled bars": shuffled_bars,
    "stuck": stuck,
    "held": held,
}


def spoiled(music: Excerpts, rng: np.random.Generator) -> tuple[Excerpts, np.ndarray]:
    """Each piece spoiled in one way, the ways in turn from one that is drawn; and which, int64 (M,): an index into `SPOILERS`."""
    kind = (np.arange(len(music.length)) + rng.integers(len(SPOILERS))) % len(SPOILERS)
    made = music.take(np.arange(len(music.length)))
    for number, spoil in enumerate(SPOILERS.values()):
        rows = np.flatnonzero(kind == number)
        if len(rows):
            for whole, part in zip(made, spoil(music.take(rows), rng)):
                whole[rows] = part
    return made, kind


def _sounding(music: Excerpts) -> Notes:
    """All notes, without rests."""
    found = Notes.of(music)
    sounds = music.pitch[found.piece, found.voice, found.start] >= 0
    return Notes(*(array[sounds] for array in found))


def _replaced(music: Excerpts, rng: np.random.Generator, share: float) -> Excerpts:
    """Other pitches for round(share * notes) notes of each piece, at least one."""
    notes, pieces = _sounding(music), len(music.length)
    pitch = music.pitch[notes.piece, notes.voice, notes.start].astype(np.int64)
    line = notes.piece * music.pitch.shape[1] + notes.voice
    lowest, highest = (np.full(pieces * music.pitch.shape[1], end) for end in (127, -1))
    np.minimum.at(lowest, line, pitch)
    np.maximum.at(highest, line, pitch)
    every = np.arange(128)
    tonic, mode = music.tonic[notes.piece, notes.start], music.mode[notes.piece, notes.start]
    fits = _IN_SCALE[mode[:, None], (every - tonic[:, None]) % 12] & (every != pitch[:, None])
    fits &= (every >= lowest[line, None]) & (every <= highest[line, None])  # (E, 128)
    choosable = fits.any(axis=1)
    wanted = np.maximum(1, np.round(share * np.bincount(notes.piece, minlength=pieces)))  # (M,)
    order = np.lexsort((rng.random(len(line)), ~choosable, notes.piece))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(notes.piece, notes.piece)
    chosen = np.flatnonzero(choosable & (rank < wanted[notes.piece]))
    pitch[chosen] = np.where(fits[chosen], rng.random((len(chosen), 128)), -1.0).argmax(axis=1)
    return _with_pitches(music, notes, pitch)


def _with_pitches(music: Excerpts, notes: Notes, pitch: np.ndarray) -> Excerpts:
    """The music with other pitches, int64 (E,), in the place of its notes'."""
    voices, steps = music.pitch.shape[1:]
    slots = np.repeat((notes.piece * voices + notes.voice) * steps + notes.start, notes.duration)
    ends = np.cumsum(notes.duration)
    slots += np.arange(len(slots)) - np.repeat(ends - notes.duration, notes.duration)
    made = music.pitch.copy()
    made.reshape(-1)[slots] = np.repeat(pitch, notes.duration)
    return music._replace(pitch=made)


def _moved(music: Excerpts, source: np.ndarray) -> Excerpts:
    """The pages with the notes of the steps `source`, int64 (M, steps); notes are cut where these don't follow one another."""
    within = inside(music)[:, None]
    made = Excerpts.blank_like(music)
    for name in ("pitch", "velocity", "onset"):
        np.copyto(getattr(made, name), np.take_along_axis(getattr(music, name), source[:, None], axis=2), where=within)
    made.onset[:, :, 1:] |= (source[:, 1:] != source[:, :-1] + 1)[:, None] & within[:, :, 1:]
    return made
