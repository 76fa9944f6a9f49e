"""The texture: who sounds, who moves when, how much goes on between the beats."""

from __future__ import annotations

from musicgym.rewards.part_writing.reading import on_beat
from musicgym.rewards.rules import rule
from musicgym.rewards.theory.reading import closes
from musicgym.rewards.voices import attacks, is_last
from musicgym.score import REST


@rule(sees="lower", at="chord")
def voice_rest(piece, voice, step):
    """-1 for each voice whose rest begins, or goes on over a beat, while another sounds (our own)."""
    if not is_last(piece, voice):
        return 0.0
    beat, silent, sound = on_beat(piece, step), 0, 0
    for other in range(voice + 1):
        sound += piece.pitch[other, step] >= 0
        silent += piece.pitch[other, step] == REST and (beat or piece.onset[other, step])
    return -float(silent) if sound > 0 else 0.0


@rule(sees="lower", at="chord")
def idle_beat(piece, voice, step):
    """-1 for a beat, outside of fermatas, on which no voice begins a note (our own)."""
    if not is_last(piece, voice) or not on_beat(piece, step) or piece.phrase_end[step]:
        return 0.0
    for other in range(voice + 1):
        if attacks(piece, other, step):
            return 0.0
    return -1.0


@rule(sees="own")
def held_over(piece, voice, step):
    """-1 for a beat over which a note is held that began off the beat: syncopation, rare in chorales (our own)."""
    if piece.onset[voice, step] or piece.pitch[voice, step] < 0 or not on_beat(piece, step):
        return 0.0
    return 0.0 if on_beat(piece, piece.start[voice, step]) else -1.0


@rule(sees="own", within={"beats": (1, 1000)})
def held_long(piece, voice, step, *, beats=2):
    """-1 for each beat, outside of fermatas, on which a note goes on for longer than `beats` beats (our own)."""
    if piece.onset[voice, step] or piece.pitch[voice, step] < 0 or piece.phrase_end[step] or not on_beat(piece, step):
        return 0.0
    return -1.0 if step - piece.start[voice, step] >= beats * piece.beat[step] else 0.0


@rule(sees="lower", at="bar", within={"low": (0.0, 16.0), "high": (0.0, 16.0), "bars": (1, 64)})
def ornaments(piece, voice, step, *, low=0.2, high=1.6, bars=2):
    """At the end of every `bars` bars minus how far the notes off the beat, for each beat, lie outside `low` to `high`.

    Of all voices together. Two-sided: some, not many (the limits are the 10th and 90th percentiles of Bach's). On a grid of beats
    it says nothing.
    """
    if not is_last(piece, voice) or not closes(piece, step, bars) or piece.beat[step] == 1:
        return 0.0
    notes, beats = 0, 0
    for t in range(max(step + 1 - int(bars) * piece.bar[step], 0), step + 1):
        if on_beat(piece, t):
            beats += 1
        else:
            for other in range(voice + 1):
                notes += attacks(piece, other, t)
    if beats == 0:
        return 0.0
    share = notes / beats
    return min(share - low, 0.0) + min(high - share, 0.0)
