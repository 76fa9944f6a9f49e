"""Batches of music as structures of arrays: what tasks start from, and the scores that are being written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from musicgym.score import BLANK, NO_CHORD, Score, bar_steps


class Excerpts(NamedTuple):
    """M pieces of music as arrays, padded to one length: what corpora hand to tasks and models.

    Steps at or after a piece's `length` hold `BLANK` and zeros.
    """

    pitch: np.ndarray  # int8 (M, voices, steps)
    onset: np.ndarray  # bool (M, voices, steps)
    velocity: np.ndarray  # uint8 (M, voices, steps)
    position: np.ndarray  # int16 (M, steps): steps since the bar line
    bar: np.ndarray  # int16 (M, steps): steps in a full bar of the metre in force
    beat: np.ndarray  # int16 (M, steps): steps in one beat of the metre in force
    tonic: np.ndarray  # int8 (M, steps): local tonic's pitch class
    mode: np.ndarray  # int8 (M, steps): index into MODES
    phrase_end: np.ndarray  # bool (M, steps)
    chord: np.ndarray  # int16 (M, steps): NO_CHORD where there is none
    length: np.ndarray  # int32 (M,)
    quarter: np.ndarray  # float64 (M,): steps in a quarter note; 0.5, 0.25 or 0.125 on coarse grids

    @classmethod
    def blank(cls, pieces: int, voices: int, steps: int) -> Excerpts:
        """Arrays of this shape with nothing in them, to be filled by the caller."""
        slots, along = (pieces, voices, steps), (pieces, steps)
        return cls(
            pitch=np.full(slots, BLANK, np.int8),
            onset=np.zeros(slots, np.bool_),
            velocity=np.zeros(slots, np.uint8),
            position=np.zeros(along, np.int16),
            bar=np.ones(along, np.int16),
            beat=np.ones(along, np.int16),
            tonic=np.zeros(along, np.int8),
            mode=np.zeros(along, np.int8),
            phrase_end=np.zeros(along, np.bool_),
            chord=np.full(along, NO_CHORD, np.int16),
            length=np.zeros(pieces, np.int32),
            quarter=np.full(pieces, 4, np.float64),
        )

    @classmethod
    def from_scores(cls, scores: Sequence[Score], steps: int | None = None) -> Excerpts:
        """Scores side by side, padded to the longest or to `steps`.

        Raises:
            ValueError: no scores, scores of different numbers of voices, or one longer than `steps`.
        """
        if not scores:
            raise ValueError("Excerpts.from_scores: expected at least one score, got none")
        longest = max(score.steps for score in scores)
        steps = longest if steps is None else steps
        if longest > steps:
            raise ValueError(f"a score has {longest} steps: expected at most {steps}")
        voices = scores[0].voices
        made = cls.blank(len(scores), voices, steps)
        for i, score in enumerate(scores):
            if score.voices != voices:
                raise ValueError(f"score {i} has {score.voices} voices, the first has {voices}: they must agree")
            end = score.steps
            made.length[i] = end
            made.quarter[i] = score.steps_per_quarter
            for name in ("pitch", "onset", "velocity", "position", "tonic", "mode", "phrase_end"):
                getattr(made, name)[i, ..., :end] = getattr(score, name)
            if score.chord is not None:
                made.chord[i, :end] = score.chord
            for change in score.meters:
                meter = change.numerator, change.denominator
                made.bar[i, change.step : end] = bar_steps(meter, score.steps_per_quarter)
                made.beat[i, change.step : end] = beat_steps(meter, score.steps_per_quarter)
        return made

    @classmethod
    def blank_like(cls, other: Excerpts) -> Excerpts:
        """The same pages with no notes on them."""
        blank = cls.blank(*other.pitch.shape)
        return other._replace(pitch=blank.pitch, onset=blank.onset, velocity=blank.velocity)

    def take(self, rows: np.ndarray) -> Excerpts:
        """The pieces at `rows` (indices or a bool mask), copied."""
        return Excerpts(*(array[rows] for array in self))


def beat_steps(meter: tuple[int, int], steps_per_quarter: float) -> int:
    """Steps in one beat, 1 at the least: a dotted unit in 6/8, 9/8 and 12/8, else the metre's own unit."""
    numerator, denominator = meter
    units = 3 if denominator >= 8 and numerator > 3 and numerator % 3 == 0 else 1
    return max(1, int(units * 4 * steps_per_quarter // denominator))


class Pieces(NamedTuple):
    """N scores that are being written, N first. The engine changes these arrays in place; nothing else should.

    `N` pieces of `voices` voices on `steps` steps; a *slot* is one step of one voice; `visits` is the
    number of slots in a piece's filling order.
    """

    pitch: np.ndarray  # int8 (N, voices, steps): MIDI number, REST or BLANK
    onset: np.ndarray  # bool (N, voices, steps)
    velocity: np.ndarray  # uint8 (N, voices, steps)
    given: np.ndarray  # bool (N, voices, steps): stood there before the composer began
    start: np.ndarray  # int16 (N, voices, steps): step at which the event that sounds here began
    previous: np.ndarray  # int16 (N, voices, steps): step of the last note onset before this step, -1 for none
    position: np.ndarray  # int16 (N, steps): steps since the bar line
    bar: np.ndarray  # int16 (N, steps): steps in a full bar
    beat: np.ndarray  # int16 (N, steps): steps in one beat
    tonic: np.ndarray  # int8 (N, steps)
    mode: np.ndarray  # int8 (N, steps)
    phrase_end: np.ndarray  # bool (N, steps)
    chord: np.ndarray  # int16 (N, steps)
    length: np.ndarray  # int32 (N,): steps in this piece
    quarter: np.ndarray  # float64 (N,): steps in a quarter note; 0.5, 0.25 or 0.125 on coarse grids
    order: np.ndarray  # int16 (N, visits, 2): voice and step of the slots in the order in which they are visited
    visits: np.ndarray  # int32 (N,): how many of `order` this piece uses
    cursor: np.ndarray  # int32 (N,): index into `order` of the slot to be chosen next
    append: np.ndarray  # bool (N,): every choice comes after all that stands there, so nothing written earlier can see it
    forward: np.ndarray  # bool (N,): so it is but for given voices of lower numbers than all composed ones, such as a soprano
    done: np.ndarray  # bool (N,): the last choice finished the piece
    written: np.ndarray  # bool (N,): the last step wrote into this piece
    illegal: np.ndarray  # int32 (N,): choices repaired in this piece so far
    dead_ends: np.ndarray  # int32 (N,): dead ends met in this piece so far
    seed: np.ndarray  # uint64 (N,)
    episode: np.ndarray  # int64 (N,): how often the piece has begun since it was seeded
    # What the last choice overwrote, slot by slot, so that rewards can compare with the music before it.
    log_count: np.ndarray  # int32 (N,)
    log_slot: np.ndarray  # int16 (N, writes, 2): voice and step
    log_pitch: np.ndarray  # int8 (N, writes)
    log_onset: np.ndarray  # bool (N, writes)
    log_velocity: np.ndarray  # uint8 (N, writes)


class Piece(NamedTuple):
    """One piece as a rule sees it. Arrays are indexed [voice, step] or [step]."""

    pitch: np.ndarray  # int8 (voices, steps): MIDI number, REST or BLANK
    onset: np.ndarray  # bool (voices, steps)
    velocity: np.ndarray  # uint8 (voices, steps)
    given: np.ndarray  # bool (voices, steps)
    start: np.ndarray  # int16 (voices, steps): step at which the event that sounds here began
    previous: np.ndarray  # int16 (voices, steps): step of the last note onset before this step, -1 for none
    position: np.ndarray  # int16 (steps,): steps since the bar line
    bar: np.ndarray  # int16 (steps,): steps in a full bar
    beat: np.ndarray  # int16 (steps,): steps in one beat
    tonic: np.ndarray  # int8 (steps,): local tonic's pitch class
    mode: np.ndarray  # int8 (steps,): index into MODES
    phrase_end: np.ndarray  # bool (steps,)
    chord: np.ndarray  # int16 (steps,)
    length: int  # steps in the piece; the arrays may be longer
    quarter: float  # steps in a quarter note; 0.5, 0.25 or 0.125 on coarse grids
