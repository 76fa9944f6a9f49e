"""Near music: what is wrong in one respect only. Real tunes are told from these where the weights of `theory` are fitted.

A reward that pays an agent must know each of these apart from music, or agents find out that it does not. The three corruptions
that rewards are judged by (`musicgym.benchmarks.corruptions`) leave most of it as it was.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from musicgym.benchmarks.corruptions import Corruption, looped, wrong_notes
from musicgym.benchmarks.events import Events, events, laid, pitch_range
from musicgym.pieces import Excerpts
from musicgym.score import REST, SCALES, TRIADS

_SCALES = np.array(SCALES)
_DEGREES = np.array([np.searchsorted(scale, np.arange(12), side="right") - 1 for scale in SCALES])  # of each semitone, from below
_TRIADS = np.array([[degree in triad for degree in range(12)] for triad in TRIADS])  # bool (modes, 12)
LENGTHS = (1, 2, 3, 4, 5, 6, 8)  # steps
LONG = (4, 8, 12, 16)


def chromatic_notes(music: Excerpts, rng: np.random.Generator, *, share: float = 0.2) -> Excerpts:
    """A share of the notes moves to any pitch within a third beyond the piece's range."""
    line = events(music)
    chosen = _chosen(line, rng, share)
    lowest, highest = pitch_range(line, len(music.length))
    drawn = rng.integers(lowest[line.piece] - 3, highest[line.piece] + 4)
    return laid(music, line._replace(pitch=np.where(chosen, drawn, line.pitch)))


def octaves_astray(music: Excerpts, rng: np.random.Generator, *, share: float = 0.15) -> Excerpts:
    """A share of the notes moves up or down an octave."""
    line = events(music)
    chosen = _chosen(line, rng, share)
    moved = np.clip(line.pitch + rng.choice([-12, 12], len(line.pitch)), 0, 127)
    return laid(music, line._replace(pitch=np.where(chosen, moved, line.pitch)))


def rests_astray(music: Excerpts, rng: np.random.Generator, *, share: float = 0.15) -> Excerpts:
    """A share of the notes becomes rests."""
    line = events(music)
    return laid(music, line._replace(pitch=np.where(_chosen(line, rng, share), REST, line.pitch)))


def shaken_rhythm(music: Excerpts, rng: np.random.Generator, *, share: float = 0.6) -> Excerpts:
    """A share of every second event begins one or two steps too early or too late, at its neighbours' cost.

    An event of a single step between two such has no room and stays.
    """
    line = events(music)
    first = np.searchsorted(line.piece, line.piece)  # (E,)
    inner = (np.arange(len(line.piece)) - first) % 2 == 1
    inner &= np.append(line.piece[1:] == line.piece[:-1], np.False_) & (rng.random(len(inner)) < share)
    before, own = np.roll(line.duration, 1), line.duration
    shift = rng.choice([-2, -1, 1, 2], len(inner))
    shift = np.where(inner, np.clip(shift, 1 - before, own - 1), 0)
    return laid(music, line._replace(duration=own - shift + np.roll(shift, -1)))


def random_lengths(music: Excerpts, rng: np.random.Generator, *, lengths: tuple[int, ...] = LENGTHS) -> Excerpts:
    """The pitches in their order, each with a length drawn anew; what is over is left out, the last note fills the rest."""
    line = events(music)
    return _fitted(music, line._replace(duration=rng.choice(lengths, len(line.piece))))


def divided(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """Every note becomes single steps that walk from it up or down the scale."""
    line = events(music)
    single = line.take(np.repeat(np.arange(len(line.piece)), line.duration))
    start = np.concatenate([s + np.arange(d) for s, d in zip(line.start, line.duration)])
    walk = np.cumsum(rng.choice([-1, 1], len(start)))
    own = walk - np.repeat(walk[np.cumsum(line.duration) - line.duration], line.duration)  # 0 where a note begins
    tonic, mode = music.tonic[single.piece, start].astype(np.int64), music.mode[single.piece, start]
    above = single.pitch - tonic
    degree = _DEGREES[mode, above % 12] + 7 * (above // 12) + own
    pitch = tonic + _SCALES[mode, degree % 7] + 12 * (degree // 7)
    pitch = np.where(single.pitch >= 0, np.clip(pitch, 0, 127), REST)
    return laid(music, single._replace(start=start, duration=np.ones_like(start), pitch=pitch))


def swallowed_notes(music: Excerpts, rng: np.random.Generator, *, share: float = 0.5) -> Excerpts:
    """A share of the notes, never the first of a bar, is swallowed by what stands before it, which lasts on."""
    line = events(music)
    gone = (rng.random(len(line.piece)) < share) & (line.pitch >= 0) & (music.position[line.piece, line.start] != 0)
    gone &= line.start > 0
    kept = np.flatnonzero(~gone)
    owner = np.cumsum(~gone) - 1  # (E,): which of those kept lasts on
    return laid(music, line.take(kept)._replace(duration=np.bincount(owner, line.duration).astype(np.int64)))


def slow_notes(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """Random notes of the scale, within the piece's range, of a quarter and more."""
    return random_lengths(wrong_notes(music, rng, share=1.0), rng, lengths=LONG)


def triad_notes(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """Every note becomes a random one of the tonic triad within a third beyond the piece's range: leaps that no chord forbids."""
    line = events(music)
    lowest, highest = pitch_range(line, len(music.length))
    pitches = np.arange(128)
    tonic, mode = music.tonic[line.piece, line.start].astype(np.int64), music.mode[line.piece, line.start]
    fits = _TRIADS[mode[:, None], (pitches - tonic[:, None]) % 12]  # (E, 128)
    fits &= (pitches >= lowest[line.piece, None] - 3) & (pitches <= highest[line.piece, None] + 3)
    drawn = np.where(fits, rng.random(fits.shape), -1.0).argmax(axis=1)
    return laid(music, line._replace(pitch=np.where(line.pitch >= 0, drawn, REST)))


def another_key(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The tune moved by one to eleven semitones, down from the tritone on, while its key stays."""
    line = events(music)
    shift = rng.integers(1, 12, len(music.length))
    moved = np.clip(line.pitch + np.where(shift > 6, shift - 12, shift)[line.piece], 0, 127)
    return laid(music, line._replace(pitch=np.where(line.pitch >= 0, moved, REST)))


def sequences(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The first bar again and again, each time one or two degrees higher or lower than the last."""
    line = events(looped(music, rng, bars=1))
    bar = np.maximum(music.bar[:, :1].astype(np.int64), 1)  # (M, 1)
    drawn = rng.choice([-2, -1, 1, 2], (len(bar), int(((music.position.shape[1] - 1) // bar).max(initial=0)) + 1))
    drawn[:, 0] = 0
    shift = np.cumsum(drawn, axis=1)[line.piece, line.start // bar[line.piece, 0]]
    tonic, mode = music.tonic[line.piece, line.start].astype(np.int64), music.mode[line.piece, line.start]
    above = line.pitch - tonic
    degree = _DEGREES[mode, above % 12] + 7 * (above // 12) + shift
    moved = np.clip(tonic + _SCALES[mode, degree % 7] + 12 * (degree // 7), 0, 127)
    return laid(music, line._replace(pitch=np.where(line.pitch >= 0, moved, REST)))


NEAR_MUSIC: dict[str, Corruption] = {
    "wrong notes throughout": partial(wrong_notes, share=1.0),
    "20 % chromatic notes": chromatic_notes,
    "octaves astray": octaves_astray,
    "rests astray": rests_astray,
    "shaken rhythm": shaken_rhythm,
    "random lengths": random_lengths,
    "divided into steps": divided,
    "swallowed notes": swallowed_notes,
    "slow notes": slow_notes,
    "triad notes": triad_notes,
    "another key": another_key,
    "sequences of a bar": sequences,
    "loop of a bar": partial(looped, bars=1),
    "loop of half a bar": partial(looped, bars=0.5),
}


def _chosen(line: Events, rng: np.random.Generator, share: float) -> np.ndarray:
    """bool (E,): a share of the notes, and the first note where the lots leave a piece without any."""
    chosen = (rng.random(len(line.piece)) < share) & (line.pitch >= 0)
    none = np.bincount(line.piece, chosen, minlength=int(line.piece.max(initial=0)) + 1) == 0
    notes = np.flatnonzero(line.pitch >= 0)
    _, first = np.unique(line.piece[notes], return_index=True)
    chosen[notes[first]] |= none[line.piece[notes[first]]]
    return chosen


def _fitted(music: Excerpts, line: Events) -> Excerpts:
    """The pages with these events, cut or drawn out so that they fill them."""
    ends = np.cumsum(line.duration)
    first = np.searchsorted(line.piece, line.piece)
    ends -= (ends - line.duration)[first]  # within the piece
    starts = ends - line.duration
    room = music.length[line.piece].astype(np.int64)
    kept = np.flatnonzero(starts < room)
    last = np.append(line.piece[kept][1:] != line.piece[kept][:-1], np.True_)
    ends = np.where(last, room[kept], ends[kept])
    return laid(music, line.take(kept)._replace(start=starts[kept], duration=ends - starts[kept]))
