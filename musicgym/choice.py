"""What one action writes: a grid step, a whole note, a chord's notes, or a chord symbol.

Any action inside the space can be played. One that the music does not allow is repaired by the rule that
each class states, and counted in `info["illegal"]`; an action outside the space is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from musicgym.chords import INVERSIONS, LOWEST_ABOVE, LOWEST_BASS, QUALITIES, VOICES
from musicgym.score import REST

REST_BEGINS, HOLD, FIRST_PITCH = 0, 1, 2  # codes of `StepChoice` and of each factor of `ChordChoice`
STEP, NOTE, CHORD, SYMBOL = 0, 1, 2, 3  # kinds of choice, as the kernels know them


@dataclass(frozen=True)
class StepChoice:
    """One grid step of one voice, as `Discrete`: 0 a rest begins, 1 hold, 2.. the pitches from `low` to `high`.

    Repairs: a hold with nothing to hold becomes a rest (at the first step the silence before the piece goes on,
    elsewhere a rest begins); a pitch outside the voice's range moves by octaves towards it, and if no octave
    fits becomes the range's nearest end. What the task's rhythm doesn't let begin becomes a hold, a note or a rest, the first of
    these that it lets stand there; the note has the pitch of the voice's last note, or with none before the middle of its range.

    Args:
        low: lowest pitch, MIDI number 0..127.
        high: highest pitch.
        ranges: optional (low, high) per voice, inside `low..high`; a voice's mask shows only its own range.
    """

    low: int = 48
    high: int = 83
    ranges: tuple[tuple[int, int], ...] = ()
    kind: ClassVar[int] = STEP

    def __post_init__(self) -> None:
        check_range("StepChoice", self.low, self.high)
        object.__setattr__(self, "low", int(self.low))
        object.__setattr__(self, "high", int(self.high))
        object.__setattr__(self, "ranges", tuple((int(a), int(b)) for a, b in self.ranges))
        for low, high in self.ranges:
            check_range("StepChoice.ranges", low, high)
            if low < self.low or high > self.high:
                raise ValueError(f"StepChoice.ranges holds ({low}, {high}): expected ranges inside {self.low}..{self.high}")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of each factor of the action."""
        return (self.high - self.low + 1 + FIRST_PITCH,)

    def voice_ranges(self, voices: int) -> np.ndarray:
        """int64 (voices, 2): lowest and highest pitch of each voice. Raises ValueError if `ranges` has other voices."""
        return _voice_ranges(self.ranges or ((self.low, self.high),) * voices, voices)


@dataclass(frozen=True)
class NoteChoice:
    """A whole note (or rest) of one voice, as `MultiDiscrete` over pitch, duration and velocity.

    Every combination of unmasked factors is legal. Repair: a duration is cut at the end of the piece or at the
    next slot that is already written, and counted where the mask had a shorter one to offer. A pitch outside
    the voice's range cannot occur: all voices share `pitches`.

    Args:
        pitches: MIDI numbers, and `REST` (-1) where rests may be chosen.
        durations: in steps, rising.
        velocities: 1..127.
    """

    pitches: tuple[int, ...] = (REST, *range(48, 84))
    durations: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12, 16)
    velocities: tuple[int, ...] = (80,)
    kind: ClassVar[int] = NOTE

    def __post_init__(self) -> None:
        for name, low, high in (("pitches", REST, 127), ("durations", 1, 32767), ("velocities", 1, 127)):
            if not all(isinstance(value, (int, np.integer)) for value in getattr(self, name)):
                raise ValueError(f"NoteChoice({name}={getattr(self, name)!r}): expected whole numbers")
            values = tuple(int(value) for value in getattr(self, name))
            if not values or len(set(values)) != len(values) or not all(low <= value <= high for value in values):
                raise ValueError(f"NoteChoice({name}={values}): expected one or more different values within {low}..{high}")
            object.__setattr__(self, name, values)
        if list(self.durations) != sorted(self.durations):
            raise ValueError(f"NoteChoice(durations={self.durations}): expected rising values")
        if max(self.pitches) < 0:
            raise ValueError(f"NoteChoice(pitches={self.pitches}): expected at least one MIDI number")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of each factor of the action."""
        return len(self.pitches), len(self.durations), len(self.velocities)

    def voice_ranges(self, voices: int) -> np.ndarray:
        """int64 (voices, 2): lowest and highest pitch of each voice."""
        sounding = [pitch for pitch in self.pitches if pitch >= 0]
        return _voice_ranges(((min(sounding), max(sounding)),) * voices, voices)


@dataclass(frozen=True)
class ChordChoice:
    """All blank voices of one step, as `MultiDiscrete` with one factor a voice, coded as in `StepChoice`.

    The factor of a voice that is given at this step is ignored; its mask shows a hold alone.
    Repairs as in `StepChoice`, voice by voice.

    Args:
        ranges: (low, high) for each voice, MIDI numbers.
    """

    ranges: tuple[tuple[int, int], ...] = ((60, 81), (53, 74), (48, 69), (36, 64))
    kind: ClassVar[int] = CHORD

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranges", tuple((int(a), int(b)) for a, b in self.ranges))
        if not self.ranges:
            raise ValueError("ChordChoice(ranges=()): expected a (low, high) for each voice")
        for low, high in self.ranges:
            check_range("ChordChoice.ranges", low, high)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of each factor of the action."""
        return tuple(high - low + 1 + FIRST_PITCH for low, high in self.ranges)

    def voice_ranges(self, voices: int) -> np.ndarray:
        """int64 (voices, 2): lowest and highest pitch of each voice. Raises ValueError if `ranges` has other voices."""
        return _voice_ranges(self.ranges, voices)


@dataclass(frozen=True)
class SymbolChoice:
    """A chord symbol, as `MultiDiscrete` over root (pitch class), quality (index into `QUALITIES`) and inversion (0..3).

    It is written out in the last four voices: three in close position (MIDI 55..66) above a low bass (36..47), as the table
    `musicgym.chords.VOICINGS` has them, from the step chosen to the end of its cell; what is given there stays. A cell is
    `duration` steps counted from the bar line, cut by the next bar line and by the end. Every cell begins a chord anew, also the
    same one. Inversions of a symmetrical chord (augmented, diminished seventh) are the same notes as root positions.

    Every combination may be chosen: the third inversion of a triad, which has none, is its root position. It is not counted
    as illegal, since no mask by factors can show it.

    Args:
        duration: steps of a cell: a beat, half a bar.
        melody: lowest and highest pitch of the voices above the four, which are given.
    """

    duration: int = 4
    melody: tuple[int, int] = (57, 81)
    kind: ClassVar[int] = SYMBOL

    def __post_init__(self) -> None:
        if isinstance(self.duration, bool) or not isinstance(self.duration, (int, np.integer)) or not 1 <= self.duration <= 32767:
            raise ValueError(f"SymbolChoice(duration={self.duration!r}): expected a whole number of steps, 1 or more")
        object.__setattr__(self, "duration", int(self.duration))
        object.__setattr__(self, "melody", tuple(self.melody))
        if len(self.melody) != 2:
            raise ValueError(f"SymbolChoice(melody={self.melody}): expected (lowest, highest), MIDI numbers")
        check_range("SymbolChoice.melody", *self.melody)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of each factor of the action."""
        return 12, len(QUALITIES), INVERSIONS

    def voice_ranges(self, voices: int) -> np.ndarray:
        """int64 (voices, 2): lowest and highest pitch of each voice. Raises ValueError for fewer than four."""
        if voices < VOICES:
            raise ValueError(f"SymbolChoice writes into {VOICES} voices, the task has {voices}: expected voices={VOICES} or more")
        above, bass = (LOWEST_ABOVE, LOWEST_ABOVE + 11), (LOWEST_BASS, LOWEST_BASS + 11)
        return _voice_ranges((self.melody,) * (voices - VOICES) + (above,) * (VOICES - 1) + (bass,), voices)


Choice = StepChoice | NoteChoice | ChordChoice | SymbolChoice
_CLASSES: dict[str, Any] = {c.__name__: c for c in (StepChoice, NoteChoice, ChordChoice, SymbolChoice)}


def choice_from_json(fields: dict[str, Any]) -> Choice:
    """The choice that `choice_to_json` described. Raises ValueError for an unknown class."""
    name = fields.get("class") if isinstance(fields, dict) else fields
    if name not in _CLASSES:
        raise ValueError(f"choice class {name!r}: expected one of {', '.join(_CLASSES)}")
    made: Choice = _CLASSES[name](**{key: _tuples(value) for key, value in fields.items() if key != "class"})
    return made


def choice_to_json(choice: Choice) -> dict[str, Any]:
    """The choice as JSON types, its class's name under "class"."""
    fields = {name: getattr(choice, name) for name in choice.__dataclass_fields__ if name != "kind"}
    return {"class": type(choice).__name__, **fields}


def check_range(what: str, low: int, high: int) -> None:
    """Raises ValueError, in the name of `what`, for a lowest and highest pitch that are no range of MIDI numbers."""
    if not all(isinstance(pitch, (int, np.integer)) for pitch in (low, high)) or not 0 <= low < high <= 127:
        raise ValueError(f"{what}(low={low}, high={high}): low must be below high (MIDI numbers 0..127)")


def _voice_ranges(ranges: Sequence[tuple[int, int]], voices: int) -> np.ndarray:
    if len(ranges) != voices:
        raise ValueError(f"{len(ranges)} ranges for {voices} voices: expected one (low, high) for each voice")
    return np.array(ranges, np.int64)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, (list, tuple)) else value


# The choice of tasks that stand for finished music, in which nothing is chosen: this very object, not one that is equal.
ANY_PITCH = StepChoice(0, 127)
