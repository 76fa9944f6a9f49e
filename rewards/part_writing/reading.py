"""What the rules of part-writing read off a piece: chords, beats, degrees, fermatas.

A rule of whole chords judges at the last voice, from where it sees all others. Harmony is read once a beat: what sounds where the
beat begins or, where that is no chord (a suspension), what sounds in its middle.
"""

from __future__ import annotations

import numpy as np

from musicgym.chords import CHORD_OF_SET, INVERSION_OF, MEMBERS, QUALITIES
from musicgym.compiled import kernel, small_kernel
from musicgym.pieces import Piece
from musicgym.rewards.voices import lowest_pitch

MAJOR, MINOR, DIMINISHED, AUGMENTED, DOMINANT = 0, 1, 2, 3, 4  # indices into `QUALITIES`
HALF_DIMINISHED, DIMINISHED_SEVENTH = 7, 8
KINDS = len(QUALITIES)
NONE = -1  # no chord


@kernel
def on_beat(piece: Piece, step: int) -> bool:
    """Whether a beat begins with this step."""
    return piece.position[step] % piece.beat[step] == 0


@kernel
def ends_beat(piece: Piece, step: int) -> bool:
    """Whether a beat ends with this step."""
    return (piece.position[step] + 1) % piece.beat[step] == 0


@kernel
def beat_begun(piece: Piece, step: int) -> int:
    """First step of the beat that this step is in; 0 where the piece begins within it."""
    return max(step - piece.position[step] % piece.beat[step], 0)


@kernel
def fermata_begins(piece: Piece, step: int) -> bool:
    """Whether a phrase's last chord begins here."""
    return piece.phrase_end[step] and (step == 0 or not piece.phrase_end[step - 1])


@small_kernel
def heard_classes(pitch: np.ndarray, step: int) -> int:
    """The pitch classes that sound, as a set of bits, bit 0 for C; `pitch` is int8 (voices, steps)."""
    found = 0
    for voice in range(pitch.shape[0]):
        if pitch[voice, step] >= 0:
            found |= 1 << (pitch[voice, step] % 12)
    return found


@kernel
def is_symmetrical(found: int) -> bool:
    """Whether any note of this chord may be its root: it is taken for that which is in the bass (`rooted_on`)."""
    return found >= 0 and (found % KINDS == AUGMENTED or found % KINDS == DIMINISHED_SEVENTH)


@kernel
def rooted_on(found: int, pitch: int) -> int:
    """The chord of the same quality with this pitch for its root."""
    return pitch % 12 * KINDS + found % KINDS


@kernel
def chord(piece: Piece, step: int) -> int:
    """The chord that sounds at this step, an index into `musicgym.chords.MEMBERS` (root * `KINDS` + quality); NONE for none."""
    return chord_heard(piece.pitch, step)


@small_kernel
def chord_heard(pitch: np.ndarray, step: int) -> int:
    """As `chord`; `pitch` is int8 (voices, steps)."""
    found = int(CHORD_OF_SET[heard_classes(pitch, step)])
    return rooted_on(found, lowest_pitch(pitch, step)) if is_symmetrical(found) else found


@kernel
def inversion(piece: Piece, found: int, step: int) -> int:
    """0 where the root of the chord `found` is in the bass at this step, 1 the third, 2 the fifth, 3 the seventh; -1 another."""
    bass = lowest_pitch(piece.pitch, step)
    return INVERSION_OF[found, bass % 12] if bass >= 0 else -1


@kernel
def heard_at(piece: Piece, begun: int, last: int) -> int:
    """Where the chord of the beat from `begun` to `last` stands: at its first step or in its middle; -1 where it has none."""
    return place_heard(piece.pitch, begun, piece.beat[begun], last)


@small_kernel
def place_heard(pitch: np.ndarray, begun: int, beat: int, last: int) -> int:
    """As `heard_at`; `pitch` is int8 (voices, steps), a beat lasts `beat` steps."""
    if chord_heard(pitch, begun) >= 0:
        return begun
    middle = begun + beat // 2
    return middle if begun < middle <= last and chord_heard(pitch, middle) >= 0 else -1


@kernel
def heard_before(piece: Piece, begun: int, beats: int) -> int:
    """Where the chord of the last beat before that from `begun` on stands, of the last `beats` beats; -1 where none has one."""
    return place_before(piece.pitch, piece.position, piece.beat, begun, beats)


@small_kernel
def place_before(pitch: np.ndarray, position: np.ndarray, beat: np.ndarray, begun: int, beats: int) -> int:
    """As `heard_before`, of the arrays of a `Piece`."""
    last = begun - 1
    for _ in range(beats):
        if last < 0:
            return -1
        first = max(last - position[last] % beat[last], 0)
        found = place_heard(pitch, first, beat[first], last)
        if found >= 0:
            return found
        last = first - 1
    return -1


@kernel
def root_degree(piece: Piece, found: int, step: int) -> int:
    """Semitones of a chord's root above the local tonic, 0..11."""
    return (found // KINDS - piece.tonic[step]) % 12


@kernel
def belongs(found: int, pitch: int) -> bool:
    """Whether a pitch is one of a chord's."""
    return found >= 0 and INVERSION_OF[found, pitch % 12] >= 0


@kernel
def seventh_of(found: int) -> int:
    """The pitch class of a chord's seventh; -1 where it has none."""
    return MEMBERS[found, 3] if found >= 0 else -1


@kernel
def is_dominant(piece: Piece, found: int, step: int) -> bool:
    """Whether a chord is the local key's V or vii°, with its seventh or without."""
    if found < 0:
        return False
    degree, kind = root_degree(piece, found, step), found % KINDS
    if degree == 7:
        return kind == MAJOR or kind == DOMINANT
    return degree == 11 and (kind == DIMINISHED or kind == HALF_DIMINISHED or kind == DIMINISHED_SEVENTH)
