"""Cantus firmi: Fux's own, and generated ones in six modes, drawn evenly from all lines that textbooks' rules allow.

The generated ones stand in `cantus_firmi.txt`; `python -m musicgym.corpus.cantus_firmi` writes it anew, the same.

Their rules, after Shaffer, "Composing a cantus firmus" (kshaffer.github.io/musicianshipResources/cantusFirmus.html), and
Rothgeb, "The Cantus Firmus" (rothfarb.faculty.music.ucsb.edu/courses/103/Cantus_Firmus.html): 8 to 14 notes of the mode,
none repeated at once; the final first and last, in one register, the last approached by step, from below
only by semitone (our own: a given note cannot be raised, and no line could close upon a whole tone); melodic consonances no
larger than an octave (our own: minor sixths and octaves only upwards); a range of a fifth to a tenth; one climax, heard once, a
fifth or more above the final and not on the seventh degree; a fourth or more is followed by a step back; no three leaps in a
row and no two in one direction; mostly steps (our own: two to four leaps, no more than two in five moves); no pair of moves
repeated at once, but for scales; no run in one direction that outlines a tritone, a seventh or more than an octave.
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import random
from pathlib import Path
from typing import NamedTuple

from musicgym.corpus.families import SPLITS
from musicgym.files.atomic import replace_file
from musicgym.score import SCALES, parse_key

LOWEST, HIGHEST = 50, 72  # MIDI numbers: all cantus firmi lie within, Fux's too
LONGEST = 16  # notes that pages have room for
FINALS = {
    "D dorian": 62,
    "E phrygian": 64,
    "F lydian": 53,
    "G mixolydian": 55,
    "A minor": 57,
    "C major": 60,
}  # in Fux's registers
LENGTHS = range(8, 15)  # notes
EACH = 100  # generated cantus firmi a mode
_FILE = Path(__file__).with_name("cantus_firmi.txt")
_MOVES = (-4, -3, -2, -1, 1, 2, 3, 4, 5, 7)  # degrees
_SEMITONES = {1: (1, 2), 2: (3, 4), 3: (5,), 4: (7,), 5: (8,), 7: (12,)}  # of melodic consonances, by degrees
_FAULTY_RUNS = (6, 10, 11)  # semitones that no run outlines


class Cantus(NamedTuple):
    """One cantus firmus."""

    key: str  # "D dorian": on its final
    pitches: tuple[int, ...]  # MIDI numbers

    @property
    def moves(self) -> tuple[int, ...]:
        """Semitones from note to note: the same for all transpositions."""
        return tuple(b - a for a, b in zip(self.pitches, self.pitches[1:], strict=False))

    @property
    def shape(self) -> tuple[int, ...]:
        """Degrees of its mode above the final, note by note: the same for all transpositions and in all modes."""
        final, mode = parse_key(self.key)
        above = [divmod(pitch - final, 12) for pitch in self.pitches]
        degrees = [7 * octave + bisect.bisect(SCALES[mode], semitones) - 1 for octave, semitones in above]
        return tuple(degree - degrees[0] for degree in degrees)

    @property
    def split(self) -> str:
        """Its part of the split, "train", "valid" or "test" (8, 1 and 1 in ten), by a hash of its shape.

        One line in two modes is one shape: an agent that was trained on the one knows the other.
        """
        tenth = int.from_bytes(hashlib.sha256(repr(self.shape).encode()).digest()[:8], "big") % 10
        return SPLITS[max(0, tenth - 7)]


FUX = (
    Cantus("D dorian", (62, 65, 64, 62, 67, 65, 69, 67, 65, 64, 62)),
    Cantus("E phrygian", (64, 60, 62, 60, 57, 69, 67, 64, 65, 64)),
    Cantus("F lydian", (53, 55, 57, 53, 50, 52, 53, 60, 57, 53, 55, 53)),
    Cantus("G mixolydian", (55, 60, 59, 55, 60, 64, 62, 67, 64, 60, 62, 59, 57, 55)),
    Cantus("A minor", (57, 60, 59, 62, 60, 64, 65, 64, 62, 60, 59, 57)),
    Cantus("C major", (60, 64, 65, 67, 64, 69, 67, 64, 65, 64, 62, 60)),
    Cantus("C major", (60, 62, 65, 64, 67, 64, 65, 64, 62, 60)),
)


@functools.cache
def generated(split: str = "") -> tuple[Cantus, ...]:
    """The generated cantus firmi, 100 a mode, or one part of their split. Fux's own are not among them, in no transposition.

    Raises:
        ValueError: a split that is none.

    Example:
        >>> len(generated()), generated("test")[0].key
        (600, 'D dorian')
    """
    if split and split not in SPLITS:
        raise ValueError(f"split {split!r}: expected one of {', '.join(SPLITS)}")
    found = []
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        key, pitches = line.split(":")
        found.append(Cantus(key, tuple(map(int, pitches.split()))))
    return tuple(cantus for cantus in found if split in ("", cantus.split))


class _Line(NamedTuple):
    """A line as far as the rules ask about it."""

    degree: int  # above the final, counted from 0
    last: int  # the last three moves in degrees, 0 for none
    second: int
    third: int
    run: int  # degree where the run in one direction began
    leaps: int
    peaked: bool  # the climax was heard


class Grammar:
    """All cantus firmi of one key, counted and drawn evenly.

    Args:
        key: one of `FINALS`.

    Example:
        >>> Grammar("D dorian").count(8)
        33
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self._final = FINALS[key]
        self._scale = SCALES[parse_key(key)[1]]
        degrees = [degree for degree in range(-7, 10) if LOWEST <= self.pitch(degree) <= HIGHEST]
        self._lowest, highest = max(degrees[0], -3), degrees[-1]
        self._peaks = [peak for peak in (4, 5, 7, 8) if peak <= highest]
        self._completions = functools.cache(self._count)

    def pitch(self, degree: int) -> int:
        """The MIDI number of a degree of the mode, counted from 0 at the final."""
        return self._final + 12 * (degree // 7) + self._scale[degree % 7]

    def count(self, notes: int) -> int:
        """How many cantus firmi of so many notes there are."""
        return sum(self._completions(_BEGIN, notes - 1, notes, peak) for peak in self._peaks)

    def draw(self, notes: int, chance: random.Random) -> Cantus:
        """One of them, each with the same chance. Raises ValueError where there is none."""
        if not self.count(notes):
            raise ValueError(f"there is no cantus firmus of {notes} notes in {self.key}")
        number = chance.randrange(self.count(notes))
        for peak in self._peaks:
            found = self._completions(_BEGIN, notes - 1, notes, peak)
            if number < found:
                break
            number -= found
        line, degrees = _BEGIN, [0]
        for left in range(notes - 1, 0, -1):
            for move in _MOVES:
                after = self._after(line, move, left, notes, peak)
                found = 0 if after is None else self._completions(after, left - 1, notes, peak)
                if after is not None and number < found:
                    break
                number -= found
            assert after is not None
            line = after
            degrees.append(line.degree)
        return Cantus(self.key, tuple(map(self.pitch, degrees)))

    def _count(self, line: _Line, left: int, notes: int, peak: int) -> int:
        """How many ways there are to go on from a line for `left` notes."""
        if left == 0:
            return int(line.degree == 0 and line.peaked and line.leaps >= 2 and not self._faulty(line.run, 0))
        following = (self._after(line, move, left, notes, peak) for move in _MOVES)
        return sum(self._completions(after, left - 1, notes, peak) for after in following if after is not None)

    def _after(self, line: _Line, move: int, left: int, notes: int, peak: int) -> _Line | None:
        """The line with one move more, of `left` that are to come; None where a rule is against it."""
        degree, size, leap = line.degree + move, abs(move), abs(move) > 1
        back = line.last * move < 0
        if not max(self._lowest, peak - 9) <= degree <= peak or (degree == peak and line.peaked):
            return None
        semitones = abs(self.pitch(degree) - self.pitch(line.degree))
        if semitones not in _SEMITONES[size] or (left == 1 and (leap or move * semitones > 1)):
            return None
        if abs(line.last) >= 3 and not (back and size == 1):
            return None
        if leap and abs(line.last) > 1 and (not back or abs(line.second) > 1):
            return None
        leaps = line.leaps + leap
        if leaps > min(4, 2 * (notes - 1) // 5):
            return None
        if (move, line.last) == (line.second, line.third) and not (move == line.last and size == 1):
            return None
        if back and self._faulty(line.run, line.degree):
            return None
        return _Line(
            degree, move, line.last, line.second, line.degree if back else line.run, leaps, line.peaked or degree == peak
        )

    def _faulty(self, start: int, end: int) -> bool:
        outline = abs(self.pitch(end) - self.pitch(start))
        return outline in _FAULTY_RUNS or outline > 12


_BEGIN = _Line(0, 0, 0, 0, 0, 0, False)


def generate(each: int = EACH, seed: int = 1725) -> list[Cantus]:
    """Cantus firmi of all lengths in all keys, `each` a key, no two of them transpositions of one another, none one of Fux's."""
    chance = random.Random(seed)
    seen = {cantus.moves for cantus in FUX}
    made = []
    for key in FINALS:
        grammar, found = Grammar(key), 0
        while found < each:
            cantus = grammar.draw(LENGTHS[found % len(LENGTHS)], chance)
            if cantus.moves not in seen:
                seen.add(cantus.moves)
                made.append(cantus)
                found += 1
    return made


def main() -> None:
    """Write the file of generated cantus firmi."""
    text = "".join(f"{cantus.key}: {' '.join(map(str, cantus.pitches))}\n" for cantus in generate())
    with replace_file(_FILE) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
