"""Chord symbols of music21, which MusicXML prints above the notes, from a score's codes and back."""

from __future__ import annotations

from typing import Any

import music21
import numpy as np

from musicgym.chords import CHORD_SETS, INVERSION_OF, INVERSIONS, QUALITIES, chord_parts, chord_spelling
from musicgym.score import NO_CHORD, Score, spelling_name

_KINDS = {  # QUALITIES as music21 names them, where it uses other words
    "dominant seventh": "dominant-seventh",
    "major seventh": "major-seventh",
    "minor seventh": "minor-seventh",
    "half-diminished": "half-diminished-seventh",
    "diminished seventh": "diminished-seventh",
}


def symbols(score: Score) -> list[tuple[int, music21.harmony.Harmony]]:
    """Step and symbol where a chord begins that is another than before, spelled in the local key; "N.C." where chords stop."""
    if score.chord is None:
        return []
    made: list[tuple[int, music21.harmony.Harmony]] = []
    for step in np.flatnonzero(np.diff(score.chord.astype(int), prepend=NO_CHORD)).tolist():
        code = int(score.chord[step])
        if code == NO_CHORD:
            made.append((step, music21.harmony.NoChord()))
            continue
        root, bass = (_name(place) for place in chord_spelling(code, int(score.tonic[step]), int(score.mode[step])))
        quality = QUALITIES[chord_parts(code)[1]]
        made.append((step, music21.harmony.ChordSymbol(root=root, bass=bass, kind=_KINDS.get(quality, quality))))
    return made


def code_of(symbol: Any) -> int | None:
    """The code of a chord symbol, `NO_CHORD` of "N.C."; None of a chord that a score has no code for."""
    if isinstance(symbol, music21.harmony.NoChord):
        return NO_CHORD
    if not symbol.pitches:  # no root: music21 would look for it for ever
        return None
    try:
        root, bass = symbol.root().pitchClass, symbol.bass().pitchClass
        bits = sum(1 << pitch for pitch in {pitch.pitchClass for pitch in symbol.pitches})
    except (AttributeError, music21.exceptions21.Music21Exception):  # a symbol without a root
        return None
    for quality in range(len(QUALITIES)):
        chord = int(root) * len(QUALITIES) + quality
        if CHORD_SETS[chord] == bits:
            return chord * INVERSIONS + int(INVERSION_OF[chord, bass])
    return None


def spread(found: list[tuple[int, int]], steps: int) -> np.ndarray | None:
    """Codes by the step at which they begin as int16 (steps,); None where there are none."""
    if not found:
        return None
    chord = np.full(steps, NO_CHORD, np.int16)
    for step, code in sorted(found, key=lambda pair: pair[0]):
        chord[step:] = code
    return chord if (chord != NO_CHORD).any() else None


def _name(fifths: int) -> str:
    return spelling_name(fifths).replace("b", "-")
