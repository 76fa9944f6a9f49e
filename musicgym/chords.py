"""Chords as numbers: codes, names and tables of what sounds.

A chord's *code* is `(root * len(QUALITIES) + quality) * 4 + inversion`: root a pitch class (C = 0), quality an index into
`QUALITIES`, inversion 0 for root position up to 3 for the seventh in the bass; `NO_CHORD` (-1) is none. `code // 4` is the chord
without its inversion, 0..107, by which the tables are indexed. The tables are plain NumPy arrays, so that compiled code can
read them.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np

from musicgym.score import MODES, NO_CHORD, spell, spelling_name

QUALITIES = (
    "major",
    "minor",
    "diminished",
    "augmented",
    "dominant seventh",
    "major seventh",
    "minor seventh",
    "half-diminished",
    "diminished seventh",
)
SUFFIXES = ("", "m", "dim", "aug", "7", "maj7", "m7", "m7b5", "dim7")  # as lead sheets write them, in QUALITIES' order
TRIAD_QUALITIES = 4  # the first so many qualities are triads, which have no third inversion
INVERSIONS = 4
VOICES = 4  # that a chord symbol is written out in
LOWEST_ABOVE, LOWEST_BASS = 55, 36  # MIDI numbers: each of the upper voices, and the bass, keeps within an octave from here
_INTERVALS = (
    (0, 4, 7),
    (0, 3, 7),
    (0, 3, 6),
    (0, 4, 8),
    (0, 4, 7, 10),
    (0, 4, 7, 11),
    (0, 3, 7, 10),
    (0, 3, 6, 10),
    (0, 3, 6, 9),
)
_FIFTHS = {0: 0, 3: -3, 4: 4, 6: -6, 7: 1, 8: 8, 9: -9, 10: -2, 11: 5}  # the same intervals as places on the line of fifths
_OTHER_SUFFIXES = {
    "maj": 0, "M": 0, "min": 1, "-": 1, "o": 2, "°": 2, "+": 3, "dom7": 4, "M7": 5, "Δ": 5, "Δ7": 5, "j7": 5,
    "min7": 6, "-7": 6, "ø": 7, "ø7": 7, "min7b5": 7, "-7b5": 7, "o7": 8, "°7": 8,
}  # fmt: skip  # a table reads better in rows
_SUFFIX_QUALITY = {suffix: quality for quality, suffix in enumerate(SUFFIXES)} | _OTHER_SUFFIXES
_SYMMETRICAL = (3, 8)  # augmented, diminished seventh: any of their notes may be the root
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def _members() -> np.ndarray:
    made = np.full((12 * len(QUALITIES), INVERSIONS), -1, np.int8)
    for root in range(12):
        for quality, intervals in enumerate(_INTERVALS):
            made[root * len(QUALITIES) + quality, : len(intervals)] = [(root + i) % 12 for i in intervals]
    return made


def _sets() -> np.ndarray:
    bits = np.where(MEMBERS >= 0, 1 << np.maximum(MEMBERS, 0).astype(np.int16), 0)
    return np.asarray(np.bitwise_or.reduce(bits, axis=1), np.int16)


def _inversions() -> np.ndarray:
    made = np.full((len(MEMBERS), 12), -1, np.int8)
    for inversion in range(INVERSIONS):
        has = np.flatnonzero(MEMBERS[:, inversion] >= 0)
        made[has, MEMBERS[has, inversion]] = inversion
    return made


def _chords_of_sets() -> np.ndarray:
    made = np.full(4096, NO_CHORD, np.int16)
    # Later lines overwrite earlier ones: what is whole wins over what lacks a note. Backwards, so that of the roots of a
    # symmetrical chord, and of the qualities that share a root and a third, the first stands.
    for chord in reversed(range(len(MEMBERS))):
        root, third, _, seventh = MEMBERS[chord].tolist()
        if chord % len(QUALITIES) in (0, 1):
            made[1 << root | 1 << third] = chord
        if QUALITIES[chord % len(QUALITIES)] in ("dominant seventh", "major seventh", "minor seventh"):
            made[1 << root | 1 << third | 1 << seventh] = chord
    for chord in reversed(range(len(MEMBERS))):
        made[CHORD_SETS[chord]] = chord
    return made


def _voicings() -> np.ndarray:
    made = np.zeros((len(MEMBERS) * INVERSIONS, VOICES), np.int8)
    for code in range(len(made)):
        members = [int(member) for member in MEMBERS[code // INVERSIONS] if member >= 0]
        inversion = code % INVERSIONS
        bass = members[inversion if inversion < len(members) else 0]
        above = [member for member in members if len(members) == 3 or member != bass]
        made[code, :3] = sorted((LOWEST_ABOVE + (member - LOWEST_ABOVE) % 12 for member in above), reverse=True)
        made[code, 3] = LOWEST_BASS + (bass - LOWEST_BASS) % 12
    return made


MEMBERS = _members()  # int8 (108, 4): pitch classes of root, third, fifth and seventh, -1 where a triad has none
CHORD_SETS = _sets()  # int16 (108,): the pitch classes as a set of bits, bit 0 for C
INVERSION_OF = _inversions()  # int8 (108, 12): the inversion that this bass makes of a chord, -1 where the bass is no member
# int16 (4096,): bit set of pitch classes -> chord without inversion, NO_CHORD where it is none. Triads may lack their fifth (of
# root and third), sevenths on a perfect fifth too. Of a symmetrical chord (augmented, diminished seventh) it is the lowest root;
# `chord_of` and whoever knows the bass take the bass.
CHORD_OF_SET = _chords_of_sets()
# int8 (432, 4): code -> the pitches that write it out, from the highest down: above a low bass the three members of a triad, or
# those of a seventh chord that the bass has not, in close position. The third inversion of a triad stands as root position.
VOICINGS = _voicings()
for _table in (MEMBERS, CHORD_SETS, INVERSION_OF, CHORD_OF_SET, VOICINGS):
    _table.flags.writeable = False


def chord_code(root: int, quality: int, inversion: int = 0) -> int:
    """The code of a chord.

    Args:
        root: pitch class, 0..11.
        quality: index into `QUALITIES`.
        inversion: 0..3; triads have none above 2.

    Raises:
        ValueError: a number out of its range, or the third inversion of a triad.

    Example:
        >>> chord_code(2, QUALITIES.index("minor seventh"), 1)
        97
    """
    for name, value, most in (("root", root, 11), ("quality", quality, len(QUALITIES) - 1), ("inversion", inversion, 3)):
        if not _is_whole(value) or not 0 <= value <= most:
            raise ValueError(f"chord_code({name}={value!r}): expected a whole number within 0..{most}")
    if inversion == 3 and quality < TRIAD_QUALITIES:
        raise ValueError(f"chord_code(quality={quality}, inversion=3): a triad has no third inversion; expected 0..2")
    return (root * len(QUALITIES) + quality) * INVERSIONS + inversion


def chord_parts(code: int) -> tuple[int, int, int]:
    """Root, quality and inversion of a code; `chord_code` makes the code of them again. Raises ValueError for one that is none.

    >>> chord_parts(97)
    (2, 6, 1)
    """
    if not _is_whole(code) or not 0 <= code < len(MEMBERS) * INVERSIONS or MEMBERS[code // INVERSIONS, code % INVERSIONS] < 0:
        raise ValueError(
            f"chord code {code!r}: expected (root * {len(QUALITIES)} + quality) * 4 + inversion, as chord_code makes it"
        )
    chord, inversion = divmod(int(code), INVERSIONS)
    return chord // len(QUALITIES), chord % len(QUALITIES), inversion


def pitch_classes(code: int) -> tuple[int, ...]:
    """The chord's pitch classes, from the bass up.

    >>> pitch_classes(parse_chord("Dm7/F"))
    (5, 9, 0, 2)
    """
    root, quality, inversion = chord_parts(code)
    members = [(root + interval) % 12 for interval in _INTERVALS[quality]]
    return tuple(members[inversion:] + members[:inversion])


def chord_of(pitches: Iterable[int]) -> int:
    """The code of the chord that sounds, its lowest pitch the bass; `NO_CHORD` where it is none of `QUALITIES`.

    A triad may lack its fifth, and so may a seventh chord on a perfect fifth.

    Args:
        pitches: MIDI numbers, in any order and octave; what is below 0 (rests, blanks) is left out.

    Raises:
        ValueError: pitches that aren't whole numbers.

    Example:
        >>> chord_name(chord_of([53, 62, 69, 72])), chord_of([60, 61, 62])
        ('Dm7/F', -1)
    """
    found = _whole_numbers(list(pitches) if isinstance(pitches, Iterable) else pitches, "pitches")
    if found.ndim != 1:
        raise ValueError(f"pitches {pitches!r}: expected a row of MIDI numbers")
    sounding = [pitch for pitch in found.tolist() if pitch >= 0]
    if not sounding:
        return NO_CHORD
    bits = 0
    for pitch in sounding:
        bits |= 1 << pitch % 12
    chord, bass = int(CHORD_OF_SET[bits]), min(sounding) % 12
    if chord == NO_CHORD:
        return NO_CHORD
    if chord % len(QUALITIES) in _SYMMETRICAL:
        chord = bass * len(QUALITIES) + chord % len(QUALITIES)
    return chord * INVERSIONS + int(INVERSION_OF[chord, bass])


def chords_of(pitch: np.ndarray) -> np.ndarray:
    """As `chord_of` for every step of many voices at once, but the bass is the last voice, whatever lies below it.

    Args:
        pitch: int (voices, steps); REST and BLANK are no chord's notes, and no chord stands on them.

    Returns:
        int16 (steps,): codes, `NO_CHORD` where the notes are none.

    Raises:
        ValueError: pitches that aren't whole numbers, or of another shape.
    """
    pitch = _whole_numbers(pitch, "pitch").astype(np.int64)
    if pitch.ndim != 2 or not len(pitch):
        raise ValueError(f"pitch has shape {pitch.shape}: expected (voices, steps)")
    bits = np.bitwise_or.reduce(np.where(pitch >= 0, 1 << pitch % 12, 0), axis=0)
    bass = pitch[-1] % 12
    chord = CHORD_OF_SET[bits].astype(np.int64)
    symmetrical = np.isin(chord % len(QUALITIES), _SYMMETRICAL) & (chord >= 0)
    chord = np.where(symmetrical, bass * len(QUALITIES) + chord % len(QUALITIES), chord)
    inversion = INVERSION_OF[chord, bass]
    return np.where((chord >= 0) & (inversion >= 0) & (pitch[-1] >= 0), chord * INVERSIONS + inversion, NO_CHORD).astype(np.int16)


def chord_spelling(code: int, tonic: int = 0, mode: int = 0) -> tuple[int, int]:
    """Places on the line of fifths (C = 0) of root and bass, the root spelled in a key and the bass as a member of the chord.

    Args:
        code: of a chord.
        tonic: the key's, 0..11.
        mode: index into `MODES`.

    Raises:
        ValueError: a code, tonic or mode that is none.

    Example:
        >>> [spelling_name(place) for place in chord_spelling(parse_chord("E7/G#"), 9, 1)]
        ['E', 'G#']
    """
    root, quality, inversion = chord_parts(code)
    if not _is_whole(tonic) or not 0 <= tonic <= 11 or not _is_whole(mode) or not 0 <= mode < len(MODES):
        raise ValueError(f"key of tonic {tonic!r} and mode {mode!r}: expected 0..11 and an index into MODES, 0..{len(MODES) - 1}")
    place = spell(root, tonic, mode)
    return place, place + _FIFTHS[_INTERVALS[quality][inversion]]


def chord_name(code: int, tonic: int = 0, mode: int = 0) -> str:
    """The chord symbol: root, suffix of `SUFFIXES` and, unless it is in root position, a slash and the bass; "" for `NO_CHORD`.

    Spelled in the key of `tonic` and `mode`, C major unless said otherwise.

    >>> chord_name(parse_chord("Dm7/F")), chord_name(parse_chord("F#")), chord_name(parse_chord("Gb"), 1, 0)
    ('Dm7/F', 'F#', 'Gb')
    """
    if code == NO_CHORD:
        return ""
    root, bass = chord_spelling(code, tonic, mode)
    _, quality, inversion = chord_parts(code)
    return spelling_name(root) + SUFFIXES[quality] + (f"/{spelling_name(bass)}" if inversion else "")


def parse_chord(name: str) -> int:
    """The code of a chord symbol such as "C", "F#m", "Bbmaj7" or "Dm7/F"; "" and "N.C." are `NO_CHORD`.

    Raises:
        ValueError: text that is no chord symbol, a chord that `QUALITIES` doesn't hold, a bass that isn't in the chord.

    Example:
        >>> parse_chord("Dm7/F") == chord_of([53, 62, 69, 72]) == chord_code(2, 6, 1)
        True
    """
    if not isinstance(name, str):
        raise ValueError(f"chord {name!r}: expected text such as 'Dm7/F'")
    if name.strip() in ("", "N.C.", "NC"):
        return NO_CHORD
    upper, slash, lower = name.strip().partition("/")
    root, suffix = _pitch_class(upper)
    if root < 0 or suffix not in _SUFFIX_QUALITY:
        known = ", ".join(f"C{suffix}" for suffix in SUFFIXES)
        raise ValueError(f"chord {name!r}: expected a root A..G with # or b, and a suffix as in {known}")
    chord = root * len(QUALITIES) + _SUFFIX_QUALITY[suffix]
    bass, rest = _pitch_class(lower) if slash else (root, "")
    if bass < 0 or rest or INVERSION_OF[chord, bass] < 0:
        inversions = range(1, len(_INTERVALS[chord % len(QUALITIES)]))
        basses = ", ".join(chord_name(chord * INVERSIONS + i).partition("/")[2] for i in inversions)
        raise ValueError(f"chord {name!r}: expected another note of the chord after the slash: {basses}")
    return chord * INVERSIONS + int(INVERSION_OF[chord, bass])


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _whole_numbers(values: Any, what: str) -> np.ndarray:
    """An array of whole numbers. Raises ValueError, in the name of `what`, for anything else."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu" and array.size:
        raise ValueError(f"{what} {values!r}: expected whole numbers")
    return array.astype(np.int64) if array.dtype.kind not in "iu" else array


def _pitch_class(text: str) -> tuple[int, str]:
    """The pitch class that a text begins with, -1 for none, and the rest of the text."""
    if text[:1] not in _LETTERS:
        return -1, text
    rest = text[1:].lstrip("#b") if text[1:2] in ("#", "b") else text[1:]
    accidentals = text[1 : len(text) - len(rest)]
    return (_LETTERS[text[0]] + accidentals.count("#") - accidentals.count("b")) % 12, rest


def transpose_chords(codes: np.ndarray, semitones: int | np.ndarray) -> np.ndarray:
    """Chords moved by semitones, int16 as `codes`; `NO_CHORD` stays. `semitones` may be an array that fits the codes' shape.

    Raises ValueError for codes that no chord has, and for semitones that aren't whole numbers.

    >>> [chord_name(int(code)) for code in transpose_chords(np.array([parse_chord("Dm7/F"), -1]), 3)]
    ['Fm7/Ab', '']
    """
    each = len(QUALITIES) * INVERSIONS  # codes of one root
    check_chords(codes, "codes")
    codes, moved = np.asarray(codes), _whole_numbers(semitones, "semitones").astype(np.int64)
    return np.where(codes < 0, codes, (codes + moved * each) % (12 * each)).astype(np.int16)


def check_chords(codes: np.ndarray, what: str) -> None:
    """Raises ValueError, in the name of `what`, unless every value is `NO_CHORD` or a chord's code."""
    codes = _whole_numbers(codes, what)
    known = (codes >= 0) & (codes < len(MEMBERS) * INVERSIONS)
    known[known] = MEMBERS[codes[known] // INVERSIONS, codes[known] % INVERSIONS] >= 0
    wrong = codes[~known & (codes != NO_CHORD)]
    if wrong.size:
        raise ValueError(f"{what} holds {int(wrong[0])}: expected NO_CHORD (-1) or codes of musicgym.chords.chord_code")
