"""Performance: rules for how loud the notes are, after the KTH rule system.

Friberg, Bresin and Sundberg, "Overview of the KTH rule system for musical performance" (Advances in Cognitive Psychology 2, 2006)
lists them; figures are those of its program, Director Musices. There, rules add decibels to a deadpan score; here they judge
velocities that were chosen, each note at its onset, against the voice's notes before it (all of this our own):

- What shall be loud has a measure, such as the strength of the beat. A note is paid for being louder than the notes before where
  the measure is higher than theirs, softer where it is lower: louder than the last note for accents, which come and go; than
  the mean so far for the rest, which sums up to a covariance. So a piece of one velocity is worth nothing, as is music that
  has no velocities; no level is better than another, and none is best to begin with.
- A note counts as the time since the note before it, in beats, `MOST_BEATS` at most: many short notes earn no more than few
  long ones. The first note, which has nothing to be compared with, earns nothing.
"""

from __future__ import annotations

import numpy as np

from musicgym.compiled import kernel
from musicgym.metre import counted_phrase, marked_phrase, metrical_weight
from musicgym.pieces import Piece
from musicgym.rewards.reward import Rules
from musicgym.rewards.rules import rule
from musicgym.rewards.voices import attacks

MOST_BEATS = 2.0  # that a note can count
UNMARKED, MARKED = 1.0, 2.0  # whether phrase ends are marked, as a carry remembers it; 0 is not yet known


@kernel
def goes_on(piece: Piece, voice: int, step: int) -> bool:
    """Whether a note begins here that has another before it."""
    return attacks(piece, voice, step) and piece.previous[voice, step] >= 0


@kernel
def bounded(value: float) -> float:
    """The value within -1..1."""
    return min(max(value, -1.0), 1.0)


@kernel
def beats(piece: Piece, voice: int, step: int) -> float:
    """What the note here counts: beats since the note before it, `MOST_BEATS` at most."""
    return min((step - piece.previous[voice, step]) / piece.beat[step], MOST_BEATS)


@kernel
def paid(piece: Piece, voice: int, step: int, count: float, velocities: float, full: float, more: float) -> float:
    """What a note earns whose measure is `more` above the mean; `velocities` is the sum of the `count` notes' before it."""
    louder = piece.velocity[voice, step] - velocities / count
    return beats(piece, voice, step) * bounded(louder / full) * bounded(more)


@kernel
def strength(piece: Piece, step: int) -> float:
    """The metrical weight of a step, -1..1."""
    return metrical_weight(piece.position[step], piece.bar[step], piece.beat[step])


@rule(sees="own", at="note", within={"full": (1, 127)})
def metrical_accent(piece, voice, step, *, full=12):
    """Up to +1 a beat for a note louder than the one before on a stronger beat, or softer on a weaker one; -1 for the opposite.

    Strength is 1 on the bar line, 0.5 in the middle of a bar of an even number of beats, -0.4 on other beats, else -1. Its
    difference, 1 at most, is earned in full by `full` velocities (our own, after the system's metrical patterns).
    """
    if not goes_on(piece, voice, step):
        return 0.0
    before = piece.previous[voice, step]
    stronger = strength(piece, step) - strength(piece, before)
    return paid(piece, voice, step, 1.0, np.float64(piece.velocity[voice, before]), full, stronger)


@kernel
def has_phrase_marks(piece: Piece) -> bool:
    """Whether any phrase end is marked."""
    step = 0
    while step < piece.length and not piece.phrase_end[step]:
        step += 1
    return step < piece.length


@kernel
def height(step: int, first: int, end: int, turn: float) -> float:
    """How loud a phrase from step `first` up to `end` is to be here: a parabola, -1 at its ends, 1 where it turns."""
    place = min((step - first) / (end - first), 1.0) - turn
    away = place / turn if place < 0 else place / (1.0 - turn)
    return bounded(1.0 - 3.0 * away * away)


@kernel
def phrase(piece: Piece, step: int, bars: float, marked: bool) -> tuple[int, int]:
    """First step of the phrase that a step is in, and the step after its last."""
    if marked:
        return marked_phrase(piece.phrase_end, piece.length, step)
    return counted_phrase(piece.position, piece.bar, piece.length, step, int(bars))


@rule(sees="own", at="note", within={"full": (1, 127), "bars": (1, 64), "turn": (0.1, 0.9)})
def phrase_arch(piece, voice, step, *, full=24, bars=4, turn=0.4):
    """Up to +1 a beat for notes soft where a phrase begins and ends and loud where it turns, -1 for the opposite.

    The arch is a parabola that turns after the share `turn` of the phrase. What it is above or below its mean so far is earned in
    full by `full` velocities. Phrases are those of the phrase marks, or where there are none of `bars` bars (the system's phrase
    arch, whose shape is a parabola, too, and turns at 0.3 in the defaults of its program).
    """
    if not goes_on(piece, voice, step):
        return 0.0
    marked = has_phrase_marks(piece)
    first, end = phrase(piece, step, bars, marked)
    here = height(step, first, end, turn)
    count, velocities, heights, before = 0.0, 0.0, 0.0, piece.previous[voice, step]
    while before >= 0:
        if before < first:
            first, end = phrase(piece, before, bars, marked)
        count += 1.0
        velocities += piece.velocity[voice, before]
        heights += height(before, first, end, turn)
        before = piece.previous[voice, before]
    return paid(piece, voice, step, count, velocities, full, here - heights / count)


@phrase_arch.carried(4)
def _arch_carried(piece, voice, step, carry, *, full=24, bars=4, turn=0.4):
    """Carries how many notes there were, the sums of their velocities and heights, and whether phrase ends are marked."""
    if carry[3] == 0:
        carry[3] = MARKED if has_phrase_marks(piece) else UNMARKED
    first, end = phrase(piece, step, bars, carry[3] == MARKED)
    here, value = height(step, first, end, turn), 0.0
    if carry[0] > 0:
        value = paid(piece, voice, step, carry[0], carry[1], full, here - carry[2] / carry[0])
    carry[0] += 1
    carry[1] += piece.velocity[voice, step]
    carry[2] += here
    return value


@rule(sees="own", at="note", within={"full": (1, 127), "width": (1, 127)})
def high_loud(piece, voice, step, *, full=12, width=5):
    """Up to +1 a beat for notes louder where higher and softer where lower, -1 for the opposite.

    All of it is earned by `full` velocities and `width` semitones from the means so far (the system's "high loud", in its program
    3 dB an octave, counted from the mean pitch of the voice).
    """
    if not goes_on(piece, voice, step):
        return 0.0
    count, velocities, pitches, before = 0.0, 0.0, 0.0, piece.previous[voice, step]
    while before >= 0:
        count += 1.0
        velocities += piece.velocity[voice, before]
        pitches += piece.pitch[voice, before]
        before = piece.previous[voice, before]
    return paid(piece, voice, step, count, velocities, full, (piece.pitch[voice, step] - pitches / count) / width)


@high_loud.carried(3)
def _high_carried(piece, voice, step, carry, *, full=12, width=5):
    """Carries how many notes there were, the sum of their velocities, and that of their pitches."""
    value = 0.0
    if carry[0] > 0:
        value = paid(piece, voice, step, carry[0], carry[1], full, (piece.pitch[voice, step] - carry[2] / carry[0]) / width)
    carry[0] += 1
    carry[1] += piece.velocity[voice, step]
    carry[2] += piece.pitch[voice, step]
    return value


@rule(sees="own", at="note", within={"most": (0, 126)})
def smooth_velocity(piece, voice, step, *, most=24):
    """Down to -1 a beat for a note whose velocity is more than `most` from the last one's, all of it at twice that (our own)."""
    if not goes_on(piece, voice, step):
        return 0.0
    before = np.float64(piece.velocity[voice, piece.previous[voice, step]])  # unsigned numbers would have no difference below 0
    jump = abs(piece.velocity[voice, step] - before)
    return -beats(piece, voice, step) * bounded(max(jump - most, 0.0) / max(most, 1.0))


def performance() -> Rules:
    """How expressively loud the notes are: `metrical_accent`, `phrase_arch`, `high_loud` and `smooth_velocity`.

    A piece of one velocity is worth 0 in every term. Sharp contrasts are worth no more than clear ones.
    """
    weights = {metrical_accent: 1.0, phrase_arch: 1.0, high_loud: 0.5, smooth_velocity: 1.0}
    return Rules("performance", [(rule.name, rule, rule.values({}), weight) for rule, weight in weights.items()])
