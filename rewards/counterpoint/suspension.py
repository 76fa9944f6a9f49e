"""Notes held over the bar line: suspensions, true and fake, and how they are prepared and resolved."""

from __future__ import annotations

from musicgym.compiled import kernel
from musicgym.pieces import Piece
from musicgym.rewards.counterpoint.reading import (
    bar_line,
    dissonant,
    holds,
    note_before,
    suspended_against,
    suspended_at,
)
from musicgym.rewards.rules import rule
from musicgym.rewards.voices import STEP, attacks, interval_class, is_last


@rule(sees="lower")
def suspension_prepared(piece, voice, step):
    """-1 for each note held over a bar line, against a new note, that was no consonance before it.

    notaviva.com, "Rules for Fourth Species": the consonance at the end of the measure is the preparation. Of a note that is
    consonant at the bar line it is asked too: a dissonance must be left before the other voice moves.
    """
    if not is_last(piece, voice) or piece.position[step] != 0 or step == 0:
        return 0.0
    faults = 0.0
    for held in range(voice + 1):
        for other in range(voice + 1):
            if other != held and holds(piece, held, step) and attacks(piece, other, step):
                if piece.pitch[other, step - 1] < 0:
                    faults -= dissonant(piece.pitch, held, other, step)
                else:
                    faults -= dissonant(piece.pitch, held, other, step - 1)
    return faults


@kernel
def consonant_again(piece: Piece, voice: int, line: int, step: int) -> bool:
    """Whether the note here sounds well with the voice against which this one was suspended at `line`."""
    return not dissonant(piece.pitch, voice, suspended_against(piece.pitch, piece.onset, voice, line), step)


@kernel
def below(piece: Piece, voice: int, note: int, line: int, step: int) -> bool:
    """Whether the note here is the step below the one suspended at `line`, and no later than the middle of the bar."""
    fall = piece.pitch[voice, note] - piece.pitch[voice, step]
    return piece.pitch[voice, step] >= 0 and 0 < fall <= STEP and 2 * (step - line) <= piece.bar[line]


@kernel
def decorates(piece: Piece, voice: int, suspended: int, line: int, note: int) -> bool:
    """Whether this note stands between a suspension and its resolution: early enough, consonant and not the resolution itself."""
    early = 2 * (note - line) < piece.bar[line] and consonant_again(piece, voice, line, note)
    return early and not below(piece, voice, suspended, line, note)


@rule(sees="lower")
def suspension_resolved(piece, voice, step):
    """-1 for each suspension not resolved by step down to a consonance by the middle of the bar, at once or after one consonance.

    notaviva.com, "Rules for Fourth Species": "all suspended dissonances resolve by descending one degree"; Lehmann 1907,
    lesson IX: a note between suspension and resolution, if skipped to, should be consonant.
    """
    if not is_last(piece, voice):
        return 0.0
    faults = 0.0
    for held in range(voice + 1):
        note = note_before(piece, held, step)
        if note < 0 or not piece.onset[held, step]:
            continue
        line, suspended = suspended_at(piece, held, step), note
        ornament = line < 0  # then perhaps the note before the last was suspended
        if ornament:
            suspended = note_before(piece, held, note)
            line = suspended_at(piece, held, note)
        if line < 0 or (ornament and not decorates(piece, held, suspended, line, note)):
            continue
        sounds = piece.pitch[held, step] >= 0 and consonant_again(piece, held, line, step)
        early = not ornament and 2 * (step - line) < piece.bar[line]  # one more note may come before the resolution
        faults -= not (sounds and (early or below(piece, held, suspended, line, step)))
    return faults


@rule(sees="lower")
def weak_suspension(piece, voice, step):
    """-1 for each suspension that is not 7-6 or 4-3 in an upper voice nor 2-3 in a lower one.

    Rush, "Species IV": Fux allows these; 9-8 above and 4-5 below are the rarer ones (Davidson, "4th Species").
    """
    if not is_last(piece, voice) or piece.position[step] != 0:
        return 0.0
    faults = 0.0
    for held in range(voice + 1):
        other = suspended_against(piece.pitch, piece.onset, held, step)
        if other >= 0:
            second = interval_class(piece, held, other, step) <= STEP
            below = piece.pitch[held, step] < piece.pitch[other, step]
            faults -= second != below
    return faults


@rule(sees="lower")
def fake_suspension(piece, voice, step):
    """-1 for each note held over a bar line, against a new note, that makes no dissonance there.

    Lehmann 1907, lesson VI: after the bar line a consonance or a dissonance, "preferably the latter".
    """
    if not is_last(piece, voice) or piece.position[step] != 0:
        return 0.0
    faults = 0.0
    for held in range(voice + 1):
        if holds(piece, held, step) and suspended_against(piece.pitch, piece.onset, held, step) < 0:
            for other in range(voice + 1):
                if other != held and attacks(piece, other, step):
                    faults -= 1.0
                    break
    return faults


@rule(sees="own")
def held_over_two_lines(piece, voice, step):
    """-1 for each bar line but the first over which a note is held (our own; longer notes belong to a cantus in longer bars)."""
    if piece.position[step] != 0 or step == 0 or not holds(piece, voice, step):
        return 0.0
    return -1.0 if piece.start[voice, step] < bar_line(piece, step - 1) else 0.0
