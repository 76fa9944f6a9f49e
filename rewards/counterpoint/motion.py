"""How two voices move together: into perfect consonances, by leap, from bar line to bar line."""

from __future__ import annotations

from musicgym.rewards.counterpoint.consonance import line_before
from musicgym.rewards.counterpoint.reading import perfect
from musicgym.rewards.rules import rule
from musicgym.rewards.voices import OCTAVE, STEP, attacks, interval_class, is_last, lowest_pitch, moves, same_direction


@rule(span=1, sees="lower")
def similar_to_perfect(piece, voice, step):
    """-1 for each two voices, one of them the lowest, that move in the same direction into a unison, fifth or octave.

    Fux, Gradus, I: a perfect consonance is approached by contrary or oblique motion. Between upper voices only parallels are
    faults, those of `parallel_fifths` and `parallel_octaves`.
    """
    if not is_last(piece, voice):
        return 0.0
    lowest, faults = lowest_pitch(piece.pitch, step), 0.0
    for one in range(voice + 1):
        for two in range(one):
            if (
                min(piece.pitch[one, step], piece.pitch[two, step]) == lowest
                and same_direction(piece, one, two, step)
                and perfect(piece, one, two, step)
            ):
                faults -= 1.0
    return faults


@rule(span=1, sees="lower", at="note")
def similar_motion(piece, voice, step):
    """-1 for each voice above that moves with this one in the same direction (our own: contrary motion sets lines apart)."""
    faults = 0.0
    for other in range(voice):
        faults -= same_direction(piece, voice, other, step)
    return faults


@rule(sees="lower")
def perfects_on_bar_lines(piece, voice, step):
    """-1 for each voice above with which this one goes the same way from a fifth or octave at a bar line to another at the next.

    Directcurrentmusic, "Species counterpoint rules": no parallel fifths or octaves on consecutive strong beats. Only where both
    begin notes at the bar line: a note held over it is a suspension, which the voice would otherwise not have been late for.
    """
    if piece.position[step] != 0 or step == 0 or not attacks(piece, voice, step):
        return 0.0
    faults = 0.0
    for other in range(voice):
        line = line_before(piece, voice, other, step)
        if (
            line >= 0
            and attacks(piece, other, step)
            and perfect(piece, voice, other, step)
            and interval_class(piece, voice, other, step) == interval_class(piece, voice, other, line)
        ):
            one = piece.pitch[voice, step] - piece.pitch[voice, line]
            two = piece.pitch[other, step] - piece.pitch[other, line]
            if one * two > 0 and not same_direction(piece, voice, other, step):  # else it is a direct or a parallel one
                faults -= 1.0
    return faults


@rule(span=1, sees="lower", at="note")
def battuta(piece, voice, step):
    """-1 for each two voices that come together at a bar line in an octave, the lower by step up, the upper by leap down.

    kfox/gradus, a digest of Fux: the octave after the tenth is to be avoided where it falls on the beat.
    """
    if piece.position[step] != 0:
        return 0.0
    faults = 0.0
    for other in range(voice):
        one, two = moves(piece, other, step), moves(piece, voice, step)
        if piece.pitch[other, step] < piece.pitch[voice, step]:
            one, two = two, one
        if abs(piece.pitch[other, step] - piece.pitch[voice, step]) == OCTAVE and one < -STEP and 0 < two <= STEP:
            faults -= 1.0
    return faults


@rule(span=1, sees="lower", at="note", within={"leap": (1, 24)})
def leaps_together(piece, voice, step, *, leap=5):
    """-1 for each voice above that leaps the same way as this one, both by `leap` semitones or more (a fourth; our own)."""
    faults = 0.0
    for other in range(voice):
        one, two = moves(piece, voice, step), moves(piece, other, step)
        faults -= min(abs(one), abs(two)) >= leap and one * two > 0
    return faults


@rule(span=1, sees="lower", at="note")
def unison_left_together(piece, voice, step):
    """-1 for each voice above with which this one leaves a unison the same way (our own, after the rule of direct motion)."""
    faults = 0.0
    for other in range(voice):
        if same_direction(piece, voice, other, step) and piece.pitch[voice, step - 1] == piece.pitch[other, step - 1]:
            faults -= 1.0
    return faults
