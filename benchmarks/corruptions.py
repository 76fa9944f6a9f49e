"""Real tunes spoiled on purpose: the same pages, other notes. A reward that knows music prefers the tune."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from musicgym.benchmarks.events import Events, events, laid, pitch_range, within
from musicgym.pieces import Excerpts
from musicgym.score import SCALES

# Finished one-voice pieces and a random source -> as many pieces on the same pages.
Corruption = Callable[[Excerpts, np.random.Generator], Excerpts]

_IN_SCALE = np.array([[degree in scale for degree in range(12)] for scale in SCALES])  # bool (modes, 12)


def permuted_notes(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The piece's notes and rests, each with its length and loudness, in random order."""
    line = events(music)
    return laid(music, line.take(np.lexsort((rng.random(len(line.piece)), line.piece))))


def wrong_notes(music: Excerpts, rng: np.random.Generator, *, share: float = 0.2) -> Excerpts:
    """A share of the notes, at least one, get another pitch of the local key's scale; rhythm and range stay.

    The new pitch is drawn alike from all that differ from the old one, belong to the seven notes of the key in force where the
    note begins (natural minor for minor) and lie between the piece's lowest and highest note. A note for which there is no such
    pitch is never chosen: a piece without a choosable note stays as it is.

    Raises:
        ValueError: a share outside 0..1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"wrong_notes(share={share}): expected a share of the notes, 0..1")
    return _replaced(music, rng, share)


def one_wrong_note(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """One note with another pitch of the local key's scale, as in `wrong_notes`."""
    return _replaced(music, rng, 0.0)


def displaced(music: Excerpts, rng: np.random.Generator, *, beats: float = 1) -> Excerpts:
    """The notes begin so many beats later; what runs over the end comes first. A note that the end cuts becomes two.

    Raises:
        ValueError: no shift at all.
    """
    if beats == 0:
        raise ValueError("displaced(beats=0): expected a shift by one or more beats, forwards or (below 0) backwards")
    line, inside = events(music), within(music)
    shift = (beats * music.beat[:, :1]).astype(np.int64) % np.maximum(music.length[:, None], 1)  # (M, 1)
    source = (np.arange(inside.shape[1]) - shift) % np.maximum(music.length[:, None], 1)  # (M, steps)
    begins = _begins(music, line)
    begins[:, 0] = True  # where the end meets the beginning
    moved = np.take_along_axis(begins, source, axis=1)
    moved[:, 0] = True
    return _with(music, source, moved)


def retrograde(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The notes and rests from the last to the first, each with its length."""
    line = events(music)
    return laid(music, line.take(np.lexsort((-line.start, line.piece))))


def shuffled_bars(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The bars in random order. A note that sounds across a bar line is cut there, unless the two bars stay together."""
    line = events(music)
    pieces, steps = len(music.length), music.pitch.shape[2]
    bar = np.cumsum(music.position == 0, axis=1) - (music.position[:, :1] == 0)  # (M, steps), from 0
    lots = rng.random((pieces, steps))  # more than there are bars
    lot = np.where(within(music), np.take_along_axis(lots, bar, axis=1), np.inf)
    source = np.argsort(lot, axis=1, kind="stable")  # keeps the order of steps inside a bar
    moved = np.take_along_axis(_begins(music, line), source, axis=1)
    moved[:, 1:] |= source[:, 1:] != source[:, :-1] + 1
    moved[:, 0] = True
    return _with(music, source, moved)


def looped(music: Excerpts, rng: np.random.Generator, *, bars: float) -> Excerpts:
    """The first `bars` bars again and again. A note that sounds at their end is cut there.

    Raises:
        ValueError: no bars at all.
    """
    if not bars > 0:
        raise ValueError(f"looped(bars={bars}): expected more than 0 bars, such as 1 or 0.5")
    line = events(music)
    steps = np.maximum((bars * music.bar[:, :1]).astype(np.int64), 1)  # (M, 1)
    source = np.arange(music.position.shape[1]) % steps  # (M, steps)
    return _with(music, source, np.take_along_axis(_begins(music, line), source, axis=1))


CORRUPTIONS: dict[str, Corruption] = {
    "permuted notes": permuted_notes,
    "20 % wrong notes": wrong_notes,
    "one wrong note": one_wrong_note,
    "displaced by a beat": displaced,
    "retrograde": retrograde,
    "shuffled bars": shuffled_bars,
}


def _replaced(music: Excerpts, rng: np.random.Generator, share: float) -> Excerpts:
    """Other pitches for round(share * notes) notes of each piece, at least one."""
    line = events(music)
    sounds = line.pitch >= 0
    pieces = len(music.length)
    fits = in_scale_alternatives(music, line, *pitch_range(line, pieces)) & sounds[:, None]  # (E, 128)
    choosable = fits.any(axis=1)
    wanted = np.maximum(1, np.round(share * np.bincount(line.piece[sounds], minlength=pieces)))  # (M,)
    # Lots put each piece's choosable notes in random order; the first of them are chosen.
    order = np.lexsort((rng.random(len(line.piece)), ~choosable, line.piece))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(line.piece, line.piece)
    chosen = np.flatnonzero(choosable & (rank < wanted[line.piece]))
    lots = rng.random((len(chosen), 128))
    pitch = line.pitch.copy()
    pitch[chosen] = np.where(fits[chosen], lots, -1.0).argmax(axis=1)
    return laid(music, line._replace(pitch=pitch))


def in_scale_alternatives(music: Excerpts, line: Events, lowest: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """bool (E, 128): the other pitches of the local scale within the piece's range."""
    pitches = np.arange(128)
    tonic, mode = music.tonic[line.piece, line.start], music.mode[line.piece, line.start]
    in_scale = _IN_SCALE[mode[:, None], (pitches - tonic[:, None]) % 12]
    in_range = (pitches >= lowest[line.piece, None]) & (pitches <= highest[line.piece, None])
    return np.asarray(in_scale & in_range & (pitches != line.pitch[:, None]))


def _begins(music: Excerpts, line: Events) -> np.ndarray:
    """bool (M, steps): where events begin, the first one's step 0 too."""
    begins = np.zeros(music.position.shape, np.bool_)
    begins[line.piece, line.start] = True
    return begins


def _with(music: Excerpts, source: np.ndarray, begins: np.ndarray) -> Excerpts:
    """The pages with the notes of the steps `source`, int (M, steps), beginning where `begins` says."""
    inside = within(music)[:, None]
    made = Excerpts.blank_like(music)
    for name in ("pitch", "velocity"):
        np.copyto(getattr(made, name), np.take_along_axis(getattr(music, name), source[:, None], axis=2), where=inside)
    np.copyto(made.onset, begins[:, None], where=inside)
    return made
