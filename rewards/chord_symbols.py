"""Rules of chord symbols: a melody over chords that stand written out in the last four voices (see `musicgym.SymbolChoice`).

They read chords off those voices' notes, so it is the same whether chords or melody are composed, and judge at the last voice,
which sees all others. `chord_symbols()` is the set. Its tables of chords, successions and cadences were counted by
`benchmarks/chord_tables.py` in the labels of the chorales of the train split.
"""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np

from musicgym.chords import CHORD_OF_SET, CHORD_SETS, INVERSION_OF, TRIAD_QUALITIES, VOICES
from musicgym.compiled import kernel
from musicgym.pieces import Piece
from musicgym.rewards.part_writing.reading import (
    DOMINANT,
    KINDS,
    NONE,
    fermata_begins,
    is_symmetrical,
    on_beat,
    root_degree,
    rooted_on,
)
from musicgym.rewards.reward import Rules
from musicgym.rewards.rules import rule
from musicgym.rewards.voices import STEP, attacks, is_last
from musicgym.score import REST, SCALES

WORST = 5.0  # nats below the likeliest at which a chord or succession is -1
_COUNTS = json.loads(files(__package__).joinpath("chord_symbols.json").read_text(encoding="utf-8"))
_MINOR = np.array([3 in scale for scale in SCALES], np.int64)  # by mode: whether its third is minor


def _graded(name: str, *shape: int) -> np.ndarray:
    """Counts as values from 0, the likeliest of the last axis, down to -1; one is added to each."""
    counts = np.array(_COUNTS[name], np.float64).reshape(shape) + 1.0
    return np.asarray(np.maximum(np.log(counts / counts.max(axis=-1, keepdims=True)) / WORST, -1.0))


CHORD_USE = _graded("use", 2, 12 * KINDS)  # minor or not, root above the tonic * KINDS + quality
SUCCESSION = _graded("succession", 2, 12, 12)  # minor or not, old and new root above the tonic
CADENCE = _graded("cadence", 2, 12)  # minor or not, root above the tonic


@kernel
def chord_at(piece: Piece, step: int) -> int:
    """The chord in the last four voices, as `part_writing.reading.chord` numbers them; NONE where there is none."""
    voices, heard = piece.pitch.shape[0], 0
    if voices < VOICES or step < 0:
        return NONE
    for voice in range(voices - VOICES, voices):
        if piece.pitch[voice, step] < 0:
            return NONE
        heard |= 1 << piece.pitch[voice, step] % 12
    found = int(CHORD_OF_SET[heard])
    return rooted_on(found, piece.pitch[voices - 1, step]) if is_symmetrical(found) else found


@kernel
def inversion_at(piece: Piece, step: int, chord: int) -> int:
    """The chord's inversion by the last voice, which is one of its notes."""
    return INVERSION_OF[chord, piece.pitch[piece.pitch.shape[0] - 1, step] % 12]


@kernel
def under_melody(piece: Piece, voice: int) -> bool:
    """Whether this is the voice at which chords are judged, with a melody above them."""
    return voice >= VOICES and is_last(piece, voice)


@kernel
def follows_other(piece: Piece, step: int) -> int:
    """The chord that ends where another begins at this step; -1 where none does."""
    before, here = chord_at(piece, step - 1), chord_at(piece, step)
    return before if here >= 0 and before != here else -1


@rule(sees="lower")
def melody_in_chord(piece, voice, step):
    """-1 on each beat on which the melody has a note that is none of the chord's (suspensions and accented passing notes too)."""
    if not under_melody(piece, voice) or not on_beat(piece, step) or piece.pitch[0, step] < 0:
        return 0.0
    chord = chord_at(piece, step)
    return -1.0 if chord >= 0 and not CHORD_SETS[chord] >> piece.pitch[0, step] % 12 & 1 else 0.0


@rule(sees="lower", about="before")
def nonchord_left_by_step(piece, voice, step):
    """-1 where the melody leaps away from a note that was none of the chord's when it began (the textbooks' non-chord tones)."""
    if not under_melody(piece, voice) or not attacks(piece, 0, step):
        return 0.0
    before = piece.previous[0, step]
    chord = chord_at(piece, before)
    if chord < 0 or CHORD_SETS[chord] >> piece.pitch[0, before] % 12 & 1:
        return 0.0
    return -1.0 if abs(piece.pitch[0, step] - piece.pitch[0, before]) > STEP else 0.0


@rule(sees="lower")
def melody_silent(piece, voice, step):
    """-1 on each beat on which the melody rests over a chord (our own: chorales' sopranos hardly rest)."""
    if not under_melody(piece, voice) or not on_beat(piece, step) or piece.pitch[0, step] != REST:
        return 0.0
    return -1.0 if chord_at(piece, step) >= 0 else 0.0


@rule(sees="lower", at="note")
def chord_in_key(piece, voice, step):
    """Down to -1 for a chord that is rarer in the local key than its commonest one; counted in chorales."""
    chord = chord_at(piece, step) if under_melody(piece, voice) else -1
    if chord < 0:
        return 0.0
    return CHORD_USE[_MINOR[piece.mode[step]], root_degree(piece, chord, step) * KINDS + chord % KINDS]


@rule(sees="lower", at="note")
def chord_succession(piece, voice, step):
    """Down to -1 for a chord whose root follows the one before it more seldom than the commonest does; counted in chorales."""
    before = follows_other(piece, step) if under_melody(piece, voice) else -1
    if before < 0:
        return 0.0
    here = chord_at(piece, step)
    return SUCCESSION[_MINOR[piece.mode[step]], root_degree(piece, before, step), root_degree(piece, here, step)]


@rule(sees="lower")
def cadence_chord(piece, voice, step, *, inverted=0.5):
    """Down to -1 for the root of a fermata's chord where others are commoner there, and -`inverted` more for an inverted one."""
    if not under_melody(piece, voice) or not fermata_begins(piece, step):
        return 0.0
    chord = chord_at(piece, step)
    if chord < 0:
        return 0.0
    value = CADENCE[_MINOR[piece.mode[step]], root_degree(piece, chord, step)]
    return value - inverted if inversion_at(piece, step, chord) > 0 else value


@rule(sees="lower", at="note")
def chord_over_bar_line(piece, voice, step):
    """-1 where a bar begins with the chord that the last one ended with: in Bach harmony moves at nine bar lines of ten."""
    if not under_melody(piece, voice) or step == 0 or piece.position[step] > 0:
        return 0.0
    chord = chord_at(piece, step)
    return -1.0 if chord >= 0 and chord == chord_at(piece, step - 1) else 0.0


@rule(sees="lower", within={"most": (1, 64)})
def static_harmony(piece, voice, step, *, most=2):
    """-1 on each beat on which a chord has stood for more than `most` beats (three or more are one in twenty of Bach's)."""
    if not under_melody(piece, voice) or not on_beat(piece, step):
        return 0.0
    chord, first = chord_at(piece, step), step - int(most * piece.beat[step])
    if chord < 0 or first < 0:
        return 0.0
    for before in range(first, step):
        if chord_at(piece, before) != chord:
            return 0.0
    return -1.0


@rule(sees="lower", at="note", about="before")
def six_four_left(piece, voice, step):
    """-1 where the bass leaps away from a triad's second inversion (cadential, passing and neighbouring ones stay or step)."""
    before = follows_other(piece, step) if under_melody(piece, voice) else -1
    if before < 0 or before % KINDS >= TRIAD_QUALITIES or inversion_at(piece, step - 1, before) != 2:
        return 0.0
    moved = (piece.pitch[voice, step] - piece.pitch[voice, step - 1]) % 12
    return -1.0 if STEP < moved < 12 - STEP else 0.0


@rule(sees="lower", at="note", about="before")
def dominant_resolves(piece, voice, step):
    """-1 where a dominant seventh is followed by a root neither a fourth above its own nor, deceptively, a step above it."""
    before = follows_other(piece, step) if under_melody(piece, voice) else -1
    if before < 0 or before % KINDS != DOMINANT:
        return 0.0
    moved = (chord_at(piece, step) // KINDS - before // KINDS) % 12
    return 0.0 if moved == 0 or moved == 1 or moved == 2 or moved == 5 else -1.0


def chord_symbols() -> Rules:
    """Chord symbols under a melody, every rule a term of its own name; all are penalties, so nothing is earned by more chords."""
    weights = {
        melody_in_chord: 1.0,
        nonchord_left_by_step: 1.0,
        melody_silent: 1.0,
        chord_in_key: 1.0,
        chord_succession: 1.0,
        cadence_chord: 1.0,
        chord_over_bar_line: 0.5,
        static_harmony: 0.5,
        six_four_left: 1.0,
        dominant_resolves: 0.5,
    }
    return Rules("chord_symbols", [(rule.name, rule, rule.values({}), weight) for rule, weight in weights.items()])
