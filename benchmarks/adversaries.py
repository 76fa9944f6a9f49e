"""Scripted non-music on the pages of real tunes: cheap play. A reward that pays one of these more than a tune can be fooled.

All of them take finished one-voice pieces (only `two_bar_loop` reads their notes) and a random source, and fill the same pages.
Notes begin anew at every multiple of a fixed length; eighths and sixteenths are meant at `STEPS_PER_QUARTER`. The lowest tonic
used is the one within C4..B4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from musicgym.benchmarks.corruptions import looped
from musicgym.benchmarks.events import within
from musicgym.pieces import Excerpts
from musicgym.score import DEFAULT_VELOCITY, REST, SCALES

# Finished one-voice pieces and a random source -> as many pieces on the same pages.
Adversary = Callable[[Excerpts, np.random.Generator], Excerpts]

STEPS_PER_QUARTER = 4
SIXTEENTH, EIGHTH, QUARTER = 1, 2, 4  # steps
LOW, HIGH = 48, 83  # range of random play, that of Melody-v0
_MIDDLE_C = 60
_SCALES = np.array(SCALES)  # (modes, 7)


def silence(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """One rest from beginning to end."""
    return _written(music, np.full(music.position.shape, REST), np.arange(music.position.shape[1]) == 0)


def hold(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The first key's tonic, held from beginning to end."""
    pitch = np.broadcast_to(_tonic(music)[:, :1], music.position.shape)
    return _written(music, pitch, np.arange(music.position.shape[1]) == 0)


def one_note(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The tonic in eighths."""
    return _pattern(music, [0], EIGHTH)


def repeated_quarters(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The tonic in quarters."""
    return _pattern(music, [0], QUARTER)


def scale_in_eighths(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """An octave of the scale up and down in eighths."""
    return _pattern(music, [0, 1, 2, 3, 4, 5, 6, 7, 6, 5, 4, 3, 2, 1], EIGHTH)


def scale_in_sixteenths(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """An octave of the scale up and down in sixteenths."""
    return _pattern(music, [0, 1, 2, 3, 4, 5, 6, 7, 6, 5, 4, 3, 2, 1], SIXTEENTH)


def arpeggio(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The tonic triad up to the octave and down in eighths."""
    return _pattern(music, [0, 2, 4, 7, 4, 2], EIGHTH)


def trill(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """Tonic and supertonic in turn in sixteenths."""
    return _pattern(music, [0, 1], SIXTEENTH)


def leap_and_back(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """In eighths: a sixth up, a step down, a sixth down, a step up, which is every leap answered by a step."""
    return _pattern(music, [0, 5, 4, -1], EIGHTH)


def random_walk(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """In eighths: up or down the scale by up to two steps at a time, or the same note again, turned back at a twelfth."""
    pieces, steps = music.position.shape
    moves = rng.integers(-2, 3, (pieces, -(-steps // EIGHTH)))
    along = np.cumsum(moves, axis=1) % 22  # a walk on 0..11 with mirrors at both ends
    degrees = np.minimum(along, 22 - along)
    return _pattern(music, degrees, EIGHTH)


def two_bar_loop(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """The tune's own first two bars again and again."""
    return looped(music, rng, bars=2)


def uniform_random(music: Excerpts, rng: np.random.Generator) -> Excerpts:
    """Random play of `StepChoice(48, 83)` with its mask: a rest, a hold or one of 36 pitches at each step, all alike."""
    pieces, steps = music.position.shape
    codes = rng.integers(-2, HIGH - LOW + 1, (pieces, steps))  # -2 hold, -1 rest, 0.. pitches
    codes[:, 0] = rng.integers(-1, HIGH - LOW + 1, pieces)  # nothing to hold yet
    begins = codes > -2
    last = np.maximum.accumulate(np.where(begins, np.arange(steps), 0), axis=1)
    sounding = np.take_along_axis(codes, last, axis=1)
    return _written(music, np.where(sounding < 0, REST, sounding + LOW), begins)


ADVERSARIES: dict[str, Adversary] = {
    "one note": one_note,
    "repeated quarters": repeated_quarters,
    "silence": silence,
    "hold": hold,
    "scale in eighths": scale_in_eighths,
    "scale in sixteenths": scale_in_sixteenths,
    "arpeggio": arpeggio,
    "trill": trill,
    "leap and back": leap_and_back,
    "random walk": random_walk,
    "two-bar loop": two_bar_loop,
    "uniform random": uniform_random,
}


def _pattern(music: Excerpts, degrees: Sequence[int] | np.ndarray, duration: int) -> Excerpts:
    """Scale degrees, (n,) or (M, n), counted from the tonic (0), over and over, each so many steps long, in the local key."""
    steps = music.position.shape[1]
    number = np.arange(steps) // duration
    degrees = np.atleast_2d(degrees)
    degree = np.broadcast_to(degrees[:, number % degrees.shape[1]], music.position.shape)
    first = number * duration  # the key where a note begins is the note's
    tonic, mode = _tonic(music)[:, first], music.mode[:, first]
    pitch = tonic + _SCALES[mode, degree % 7] + 12 * (degree // 7)
    return _written(music, pitch, np.arange(steps) % duration == 0)


def _tonic(music: Excerpts) -> np.ndarray:
    """int64 (M, steps): the local tonic within C4..B4."""
    return _MIDDLE_C + music.tonic.astype(np.int64)


def _written(music: Excerpts, pitch: np.ndarray, begins: np.ndarray) -> Excerpts:
    """The pages with these pitches, int (M, steps), and onsets, bool (M, steps) or (steps,)."""
    inside = within(music)
    made = Excerpts.blank_like(music)
    np.copyto(made.pitch[:, 0], pitch.astype(np.int8), where=inside)
    np.copyto(made.onset[:, 0], begins, where=inside)
    made.velocity[:, 0] = np.where(inside & (pitch >= 0), DEFAULT_VELOCITY, 0)
    return made
