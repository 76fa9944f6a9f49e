"""From steps to what a score on paper shows: bars, note values that can be printed, spellings, signatures.

Nothing here knows a file format: writers of MusicXML and engravers share it.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from musicgym.pieces import beat_steps
from musicgym.score import Score, bar_steps, key_sharps, spell

_FEWEST_ACCIDENTALS = range(
    -15, 20
)  # places on the line of fifths with at most two sharps or flats: F double flat to B double sharp
_LETTERS_BY_FIFTHS = "FCGDAEB"


class Bar(NamedTuple):
    """The steps between two bar lines, with the metre that counts them."""

    start: int
    stop: int
    first: int  # position of `start`: above 0 in a pickup
    full: int  # steps in a full bar of its metre
    meter: tuple[int, int]


class Value(NamedTuple):
    """A part of an event that one printed note value can hold; the parts of one note are tied."""

    start: int
    duration: int  # steps


def bars(score: Score) -> list[Bar]:
    """The bars of a score: a new one begins wherever `position` doesn't go on counting.

    Raises:
        ValueError: a metre whose bar isn't a whole number of steps.
    """
    breaks = np.flatnonzero(np.diff(score.position.astype(int)) != 1) + 1
    edges = [0, *breaks.tolist(), score.steps] if score.steps else []
    made = []
    for start, stop in itertools.pairwise(edges):
        change = [c for c in score.meters if c.step <= start][-1]
        meter = change.numerator, change.denominator
        made.append(Bar(start, stop, int(score.position[start]), bar_steps(meter, score.steps_per_quarter), meter))
    return made


def bar_numbers(score: Score) -> np.ndarray:
    """The number of each step's bar as a score on paper counts them, int64 (steps,): a pickup is bar 0.

    >>> bar_numbers(Score.blank(1, 12, pickup=2))[[0, 1, 2]].tolist()
    [0, 0, 1]
    """
    begins = np.diff(score.position.astype(int), prepend=-2) != 1
    first = 1 if score.steps and score.position[0] == 0 else 0
    return np.cumsum(begins) + first - 1


def positions_as_read(spans: Sequence[tuple[int, int]], full: Sequence[int]) -> np.ndarray:
    """Steps since the bar line, int16 (steps,), as readers take them from the measures of a file.

    The rule is that of `musicgym.files.exact.bar_positions`: a short measure ends where a full one would if it
    begins the piece or follows a measure that stopped short (a pickup, the second half of a bar cut in two by a
    repeat sign); every other measure begins at 0. Longer than its metre says, it is counted as several bars.

    Args:
        spans: first and last step (exclusive) of each measure, without gaps, the first at 0.
        full: steps in a full bar of each measure's metre.

    >>> positions_as_read([(0, 1), (1, 5), (5, 8), (8, 9)], [4, 4, 4, 4]).tolist()
    [3, 0, 1, 2, 3, 0, 1, 2, 3]
    """
    made = np.zeros(spans[-1][1] if spans else 0, np.int16)
    stopped_short = len(spans) > 1
    for (start, stop), whole in zip(spans, full):
        length = stop - start
        first = whole - length if stopped_short and length < whole else 0
        made[start:stop] = np.arange(first, first + length) % whole
        stopped_short = (first + length) % whole != 0
    return made


def values(start: int, stop: int, bar: Bar, steps_per_quarter: int, *, rest: bool = False) -> Iterator[Value]:
    """The steps from `start` to `stop`, which lie within the bar, cut into printable values that show the beats.

    The longest value that starts well comes first: values within a beat, whole beats, a beat and a half,
    a beat or two that begin in the middle of one. Rests are never syncopated.
    """
    beat = beat_steps(bar.meter, steps_per_quarter)
    while start < stop:
        at = start - bar.start + bar.first
        duration = next(d for d in _printable(steps_per_quarter) if _suits(at, d, stop - start, beat, steps_per_quarter, rest))
        yield Value(start, duration)
        start += duration


@functools.cache
def _printable(steps_per_quarter: int) -> tuple[int, ...]:
    """Durations in steps that one note value can hold, longest first: plain, dotted, of triplets, of other tuplets."""
    plain = [Fraction(2) ** e for e in range(3, -9, -1)]  # quarters: two whole notes to a 1024th
    found = {v * dots for v in plain for dots in (1, Fraction(3, 2))} | {v * Fraction(2, 3) for v in plain if v <= 2}
    steps = {int(v * steps_per_quarter) for v in found if (v * steps_per_quarter).denominator == 1}
    steps |= {2**e for e in range(steps_per_quarter.bit_length()) if 2**e < steps_per_quarter}
    return tuple(sorted(steps | {1}, reverse=True))


def _is_plain(duration: int, steps_per_quarter: int) -> bool:
    """True for a value outside tuplets, dotted or not: a power of two of a quarter, or three times one."""
    quarters = Fraction(duration, steps_per_quarter)
    top, bottom = quarters.numerator, quarters.denominator
    top //= 3 if top % 3 == 0 else 1
    return top & (top - 1) == 0 and bottom & (bottom - 1) == 0


def _suits(at: int, duration: int, left: int, beat: int, steps_per_quarter: int, rest: bool) -> bool:
    """True where the next value of an event with `left` steps to go, at this position in the bar, may have this duration."""
    if duration > left:
        return False
    # A syncopation is only shown where it is all that is left.
    return _begins_well(at, duration, beat, steps_per_quarter) or (
        duration == left and not rest and _syncopated(at, duration, beat)
    )


def _begins_well(at: int, duration: int, beat: int, steps_per_quarter: int) -> bool:
    """True where a value of this duration may stand at this position in the bar."""
    within_beat = at // beat == (at + duration - 1) // beat
    if not _is_plain(duration, steps_per_quarter):  # a tuplet: within its quarter, but for three triplet quarters in a half note
        if 3 * duration == 2 * steps_per_quarter and beat == steps_per_quarter and at % (2 * steps_per_quarter) % duration == 0:
            return True
        within_quarter = at // steps_per_quarter == (at + duration - 1) // steps_per_quarter
        return duration == 1 or (within_quarter and at % steps_per_quarter % max(1, duration // 2) == 0)
    if at % _smallest_plain(steps_per_quarter):
        return duration == 1
    if within_beat:
        return True
    return at % beat == 0 and (duration % beat == 0 or 2 * duration == 3 * beat)


def _syncopated(at: int, duration: int, beat: int) -> bool:
    return duration in (beat, 2 * beat) and duration % 2 == 0 and at % (duration // 2) == 0


@functools.cache
def _smallest_plain(steps_per_quarter: int) -> int:
    """Steps of the shortest note value outside tuplets: 1 on four steps a quarter, 3 on twelve."""
    while steps_per_quarter % 2 == 0:
        steps_per_quarter //= 2
    return steps_per_quarter


def spelled(score: Score, voice: int, step: int) -> int:
    """Place on the line of fifths of the note at a slot: the score's own spelling where it has a usable one
    (the right pitch, at most double accidentals), else by the local key."""
    pitch = int(score.pitch[voice, step])
    if score.spelling is not None:
        fifths = int(score.spelling[voice, step])
        if fifths in _FEWEST_ACCIDENTALS and (fifths * 7 - pitch) % 12 == 0:
            return fifths
    return spell(pitch, int(score.tonic[step]), int(score.mode[step]))


def letter_alter_octave(pitch: int, fifths: int) -> tuple[str, int, int]:
    """A pitch spelled from its place on the line of fifths: letter, sharps (flats below 0) and octave.

    >>> letter_alter_octave(60, 12), letter_alter_octave(59, -7), letter_alter_octave(66, 6)
    (('B', 1, 3), ('C', -1, 4), ('F', 1, 4))
    """
    letter, alter = _LETTERS_BY_FIFTHS[(fifths + 1) % 7], (fifths + 1) // 7
    return letter, alter, (pitch - alter) // 12 - 1


def signature(score: Score, index: int) -> int:
    """Sharps (flats below 0) to print for the key change `score.keys[index]`, -7..7.

    Of two signatures that sound the same, as six sharps and six flats, the one nearer to the spelled notes.
    """
    change = score.keys[index]
    sharps = key_sharps(change.tonic, change.mode)
    if score.spelling is None:
        return sharps
    stop = score.keys[index + 1].step if index + 1 < len(score.keys) else score.steps
    sounding = score.pitch[:, change.step : stop] >= 0
    if not sounding.any():
        return sharps
    middle = (
        float(score.spelling[:, change.step : stop][sounding].mean()) - 2
    )  # a scale's middle lies two fifths above its signature
    return min((s for s in (sharps - 12, sharps, sharps + 12) if -7 <= s <= 7), key=lambda s: (abs(s - middle), s != sharps))
