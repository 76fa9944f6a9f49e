"""How a chorale moves: measures of style, piece by piece, to be set beside those of Bach's own excerpts.

Some of them are also what rules of `part_writing` pay for, within limits of their own (`PAID_BY`): that an agent of that reward
keeps to them shows that it learned, not that its music is natural. The others no rule pays for.
"""

from __future__ import annotations

import numpy as np

from musicgym.benchmarks.events import within
from musicgym.chords import CHORD_SETS, INVERSIONS, QUALITIES, chords_of
from musicgym.pieces import Excerpts
from musicgym.score import REST

STEP = 2  # semitones
PAID_BY = {
    "chord changes a beat": "harmonic_rhythm", "root position": "root_positions", "second inversion": "second_inversions",
    "bass moves by step": "bass_steps", "non-chord tones": "nonchord_share", "rests": "voice_rest",
    "beats that are a chord": "unprepared_dissonance",
}  # fmt: skip  # measure -> rule
LOWEST, HIGHEST = 10, 90  # percentiles of Bach's between which music counts as like his


def style(music: Excerpts, composed: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Measure -> float64 (M,), one value for each piece; nan where a piece has nothing that could be measured.

    Chords are those of `musicgym.chords.chords_of`, beat by beat. Beats on which the notes are no chord are counted by the first
    measure, and left out of the others: read those only where most beats are one.

    Args:
        music: finished pieces of several voices, the last of them the bass.
        composed: the voices whose rests are counted.
    """
    pitch, inside = music.pitch.astype(np.int64), within(music)
    pieces, voices, steps = pitch.shape
    chord = chords_of(pitch.swapaxes(0, 1).reshape(voices, -1)).reshape(pieces, steps).astype(np.int64)
    beat = inside & (music.position % music.beat == 0)
    root = np.where(chord >= 0, chord // (INVERSIONS * len(QUALITIES)), -1)
    inversion = np.where(chord >= 0, chord % INVERSIONS, -1)
    made = {"beats that are a chord": _share((chord >= 0) & beat, beat), "chord changes a beat": _changes(root, beat)}
    for number, name in enumerate(("root position", "first inversion", "second inversion")):
        made[name] = _share((inversion == number) & beat, (inversion >= 0) & beat)
    bass, onset = pitch[:, -1], music.onset[:, -1] & inside & (pitch[:, -1] >= 0)
    size = np.abs(_intervals(bass, onset))  # (M, steps), 0 where nothing moves
    made["bass moves by step"] = _share((size > 0) & (size <= STEP), size > 0)
    made["mean bass interval, semitones"] = _share(size, size > 0)
    made["non-chord tones"] = _foreign(music, chord, beat)
    sounding = np.broadcast_to(inside[:, None], (pieces, len(composed), steps))
    made["rests"] = _share((pitch[:, composed] == REST) & sounding, sounding)
    return made


def _share(counted: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Sum over sum, piece by piece; nan where there is nothing to count."""
    axes = tuple(range(1, counted.ndim))
    whole = of.sum(axis=axes).astype(float)
    return np.asarray(np.divide(counted.sum(axis=axes), whole, out=np.full(len(whole), np.nan), where=whole > 0))


def _changes(root: np.ndarray, beat: np.ndarray) -> np.ndarray:
    """The share of beats whose root is another than that of the beat before, of those where both have one."""
    found = np.full(len(root), np.nan)
    for n in range(len(root)):
        here = root[n, beat[n]]
        both = (here[1:] >= 0) & (here[:-1] >= 0)
        if both.any():
            found[n] = (here[1:] != here[:-1])[both].mean()
    return found


def _intervals(pitch: np.ndarray, onset: np.ndarray) -> np.ndarray:
    """int64 (M, steps): semitones from the note before to the note that begins here; 0 where none does."""
    made = np.zeros_like(pitch)
    for n in range(len(pitch)):
        at = np.flatnonzero(onset[n])
        made[n, at[1:]] = np.diff(pitch[n, at])
    return made


def _foreign(music: Excerpts, chord: np.ndarray, beat: np.ndarray) -> np.ndarray:
    """The share of notes, of those in beats that begin with a chord, that this chord doesn't hold."""
    steps = np.arange(chord.shape[1])
    begun = np.maximum.accumulate(np.where(beat, steps, 0), axis=1)  # where the beat of each step begins
    ruling = np.take_along_axis(chord, begun, axis=1)
    members = np.where(ruling >= 0, CHORD_SETS[np.maximum(ruling, 0) // INVERSIONS], 0).astype(np.int64)[:, None]
    notes = music.onset & (music.pitch >= 0) & within(music)[:, None] & (ruling >= 0)[:, None]
    held = (members >> (np.maximum(music.pitch, 0) % 12)) & 1
    return _share(notes & (held == 0), notes)


def percentiles(values: np.ndarray) -> tuple[float, float]:
    """Between which four of five of these pieces lie."""
    low, high = np.nanpercentile(values, [LOWEST, HIGHEST])
    return float(low), float(high)
