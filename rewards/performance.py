"""Performance: rules for how loud the notes are, after the KTH rule system.

Friberg, Bresin and Sundberg, "Overview of the KTH rule system for musical performance" (Advances in Cognitive Psychology 2, 2006)
lists them; figures are those of its program, Director Musices. There, rules add decibels to a deadpan score; here they judge
velocities that were chosen. All judge a note at its onset, against the voice's notes before it:

- *Loud* and *soft* mean above and below the mean velocity of the voice's notes so far (our own). So a piece of one velocity is
  worth nothing, as is music that has no velocities, and no level is better than another.
- A note counts as the time since the note before it, in beats, `MOST_BEATS` at most (our own): many short notes earn no more than
  few long ones, and the first note, which has nothing to be compared with, earns nothing.
"""

from __future__ import annotations

import numpy as np

from musicgym.compiled import kernel
from musicgym.metre import counted_phrase, marked_phrase, metrical_weight
from musicgym.pieces import Piece
from musicgym.rewards.reward import Rules
from musicgym.rewards.rules import rule

MOST_BEATS = 2.0  # that a note can count
UNMARKED, MARKED = 1.0, 2.0  # whether phrase ends are marked, as a carry remembers it; 0 is not yet known


@kernel
def begins(piece: Piece, voice: int, step: int) -> bool:
    """Whether a note begins here that has another before it."""
    return piece.pitch[voice, step] >= 0 and piece.onset[voice, step] and piece.previous[voice, step] >= 0


@kernel
def beats(piece: Piece, voice: int, step: int) -> float:
    """What the note here counts: beats since the note before it, `MOST_BEATS` at most."""
    return min((step - piece.previous[voice, step]) / piece.beat[step], MOST_BEATS)


@kernel
def bounded(value: float) -> float:
    """The value within -1..1."""
    return min(max(value, -1.0), 1.0)


@kernel
def mean_velocity(piece: Piece, voice: int, step: int) -> float:
    """Mean velocity of the voice's notes before this step, of which there is one."""
    count, total, before = 0, 0, piece.previous[voice, step]
    while before >= 0:
        count, total = count + 1, total + piece.velocity[voice, before]
        before = piece.previous[voice, before]
    return total / count


@kernel
def accent(piece: Piece, step: int, louder: float, full: float) -> float:
    """What `metrical_accent` says of a note that is so much louder than the notes before."""
    return bounded(louder / (metrical_weight(piece.position[step], piece.bar[step], piece.beat[step]) * full))


@rule(sees="own", within={"full": (1, 127)})
def metrical_accent(piece, voice, step, *, full=12):
    """Up to +1 a beat for notes louder on strong beats and softer elsewhere, -1 for the opposite.

    All of it is earned on a bar line by `full` velocities above the mean so far, off the beat by as many below, in the middle
    of a bar by half of it above, on other beats by 0.4 of it below (our own, after the KTH rule system's metrical patterns).
    """
    if not begins(piece, voice, step):
        return 0.0
    louder = piece.velocity[voice, step] - mean_velocity(piece, voice, step)
    return beats(piece, voice, step) * accent(piece, step, louder, full)


@metrical_accent.carried(2)
def _accent_carried(piece, voice, step, carry, *, full=12):
    """Carries how many notes there were, and the sum of their velocities."""
    if not (piece.pitch[voice, step] >= 0 and piece.onset[voice, step]):
        return 0.0
    value = 0.0
    if carry[0] > 0:
        louder = piece.velocity[voice, step] - carry[1] / carry[0]
        value = beats(piece, voice, step) * accent(piece, step, louder, full)
    carry[0] += 1
    carry[1] += piece.velocity[voice, step]
    return value


@kernel
def has_phrase_marks(piece: Piece) -> bool:
    """Whether any phrase end is marked."""
    step = 0
    while step < piece.length and not piece.phrase_end[step]:
        step += 1
    return step < piece.length


@kernel
def arch(piece: Piece, step: int, bars: float, turn: float, marked: bool) -> float:
    """How loud the phrase is to be here: a parabola, -1 at its ends, 1 where it turns, 0 on the average."""
    if marked:
        first, end = marked_phrase(piece.phrase_end, piece.length, step)
    else:
        first, end = counted_phrase(piece.position, piece.length, step, int(bars), piece.bar[step])
    place = (step - first) / (end - first) - turn
    place = place / turn if place < 0 else place / (1.0 - turn)
    return bounded(3.0 * (1.0 - place * place) - 2.0)


@rule(sees="own", within={"full": (1, 127), "bars": (1, 64), "turn": (0.1, 0.9)})
def phrase_arch(piece, voice, step, *, full=12, bars=4, turn=0.4):
    """Up to +1 a beat for notes soft where a phrase begins and ends and loud where it turns, -1 for the opposite.

    The arch is a parabola that turns after the share `turn` of the phrase; all of it is earned by `full` velocities from the mean
    so far. Phrases are those of the phrase marks, or where there are none of `bars` bars (the KTH rule system's phrase arch,
    whose shape is a parabola, too, and turns at 0.3 in the defaults of its program).
    """
    if not begins(piece, voice, step):
        return 0.0
    louder = piece.velocity[voice, step] - mean_velocity(piece, voice, step)
    loud = arch(piece, step, bars, turn, has_phrase_marks(piece))
    return beats(piece, voice, step) * bounded(louder / full) * loud


@phrase_arch.carried(3)
def _arch_carried(piece, voice, step, carry, *, full=12, bars=4, turn=0.4):
    """Carries how many notes there were, the sum of their velocities, and whether phrase ends are marked."""
    if not (piece.pitch[voice, step] >= 0 and piece.onset[voice, step]):
        return 0.0
    if carry[2] == 0:
        carry[2] = MARKED if has_phrase_marks(piece) else UNMARKED
    value = 0.0
    if carry[0] > 0:
        louder = piece.velocity[voice, step] - carry[1] / carry[0]
        loud = arch(piece, step, bars, turn, carry[2] == MARKED)
        value = beats(piece, voice, step) * bounded(louder / full) * loud
    carry[0] += 1
    carry[1] += piece.velocity[voice, step]
    return value


@rule(sees="own", within={"full": (1, 127), "width": (1, 127)})
def high_loud(piece, voice, step, *, full=12, width=5):
    """Up to +1 a beat for notes louder where higher and softer where lower, -1 for the opposite.

    All of it is earned `full` velocities and `width` semitones from the voice's means so far (the KTH rule system's "high
    loud", in its program 3 dB an octave, counted from the mean pitch of the voice).
    """
    if not begins(piece, voice, step):
        return 0.0
    count, pitches, before = 0, 0, piece.previous[voice, step]
    while before >= 0:
        count, pitches = count + 1, pitches + piece.pitch[voice, before]
        before = piece.previous[voice, before]
    louder = piece.velocity[voice, step] - mean_velocity(piece, voice, step)
    higher = piece.pitch[voice, step] - pitches / count
    return beats(piece, voice, step) * bounded(louder / full) * bounded(higher / width)


@high_loud.carried(3)
def _high_carried(piece, voice, step, carry, *, full=12, width=5):
    """Carries how many notes there were, the sum of their velocities, and that of their pitches."""
    if not (piece.pitch[voice, step] >= 0 and piece.onset[voice, step]):
        return 0.0
    value = 0.0
    if carry[0] > 0:
        louder = piece.velocity[voice, step] - carry[1] / carry[0]
        higher = piece.pitch[voice, step] - carry[2] / carry[0]
        value = beats(piece, voice, step) * bounded(louder / full) * bounded(higher / width)
    carry[0] += 1
    carry[1] += piece.velocity[voice, step]
    carry[2] += piece.pitch[voice, step]
    return value


@rule(sees="own", within={"most": (0, 126)})
def smooth_velocity(piece, voice, step, *, most=24):
    """Down to -1 a beat for a note whose velocity is more than `most` from the last one's, all of it at twice that (our own)."""
    if not begins(piece, voice, step):
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
