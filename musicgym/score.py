"""`Score`: a finished or half-finished piece of music on a grid of steps."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import music21

REST = -1  # a pitch value: silence
BLANK = -2  # a pitch value: nothing is written here yet

MODES = ("major", "minor", "dorian", "phrygian", "lydian", "mixolydian", "locrian")
SCALES = (  # semitones above the tonic, in MODES' order; minor is natural minor
    (0, 2, 4, 5, 7, 9, 11),
    (0, 2, 3, 5, 7, 8, 10),
    (0, 2, 3, 5, 7, 9, 10),
    (0, 1, 3, 5, 7, 8, 10),
    (0, 2, 4, 6, 7, 9, 11),
    (0, 2, 4, 5, 7, 9, 10),
    (0, 1, 3, 5, 6, 8, 10),
)
TRIADS = tuple((scale[0], scale[2], scale[4]) for scale in SCALES)  # on the tonic, in MODES' order
# The major key that shares a mode's signature lies this far above its tonic, in fifths.
_FIFTHS_FROM_MAJOR = (0, -3, -2, -4, 1, -1, -5)
_LETTERS = "FCGDAEB"  # the line of fifths from F; a letter's index less one is its natural's place (C = 0)
DEFAULT_VELOCITY = 80
NO_CHORD = -1


class Change(NamedTuple):
    """One thing that reading or writing a file could not keep as it was."""

    kind: str  # "quantised", "dropped", "merged", "cut", "ignored"
    voice: int  # -1 where no single voice is meant
    step: int  # -1 where no single step is meant
    detail: str
    notes: int = 0  # how many written notes are no longer there


class Note(NamedTuple):
    """One note: `start` and `duration` in steps, `pitch` as MIDI number, `velocity` 0..127."""

    start: int
    duration: int
    pitch: int
    velocity: int


class MeterChange(NamedTuple):
    """From `step` on the bar holds `numerator` beats of 1/`denominator`."""

    step: int
    numerator: int
    denominator: int


class TempoChange(NamedTuple):
    """From `step` on a minute holds `quarters` quarter notes."""

    step: int
    quarters: float


class KeyChange(NamedTuple):
    """From `step` on the music is written in this key: `tonic` 0..11 (C = 0), `mode` an index into `MODES`."""

    step: int
    tonic: int
    mode: int


def parse_key(name: str) -> tuple[int, int]:
    """Tonic (0..11) and mode (index into `MODES`) of a key's name.

    >>> parse_key("F# minor"), parse_key("Bb"), parse_key("a"), parse_key("D dorian")
    ((6, 1), (10, 0), (9, 1), (2, 2))
    """
    words = name.replace("-", "b").split() if isinstance(name, str) else []
    letter = words[0][:1].upper() if words else ""
    accidentals = words[0][1:] if words else ""
    mode = words[1].lower() if len(words) == 2 else ("minor" if words and words[0][:1].islower() else "major")
    if len(words) not in (1, 2) or not letter or letter not in _LETTERS or accidentals.strip("#b") or mode not in MODES:
        raise ValueError(f"key {name!r}: expected a tonic and a mode such as 'C major', 'F# minor', 'Bb', 'a' or 'D dorian'")
    natural = (_LETTERS.index(letter) - 1) * 7
    return (natural + accidentals.count("#") - accidentals.count("b")) % 12, MODES.index(mode)


def key_sharps(tonic: int, mode: int) -> int:
    """Sharps (> 0) or flats (< 0) of a key's signature, -5..6: the spelling with fewest accidentals, F sharp before G flat.

    >>> key_sharps(9, 1), key_sharps(5, 0), key_sharps(2, 2)
    (0, -1, 0)
    """
    return (tonic * 7 + _FIFTHS_FROM_MAJOR[mode] + 5) % 12 - 5


def key_of_sharps(sharps: int, mode: int) -> tuple[int, int]:
    """Tonic and mode of the key with this signature and mode."""
    return (sharps - _FIFTHS_FROM_MAJOR[mode]) * 7 % 12, mode


def key_name(tonic: int, mode: int) -> str:
    """The key's name, e.g. "F# minor"; `parse_key` reads it back."""
    return f"{spelling_name(key_sharps(tonic, mode) - _FIFTHS_FROM_MAJOR[mode])} {MODES[mode]}"


def spelling_name(fifths: int) -> str:
    """The note name at a place on the line of fifths (C = 0, G = 1, F = -1): "F#" is 6, "Bb" is -2."""
    letter = _LETTERS[(fifths + 1) % 7]
    accidentals = (fifths + 1) // 7
    return letter + ("#" * accidentals if accidentals >= 0 else "b" * -accidentals)


def spell(pitch: int, tonic: int, mode: int) -> int:
    """Place on the line of fifths (C = 0) of a MIDI pitch spelled in a key.

    The twelve places run from four fifths below the signature's own major tonic to seven above it, shifted
    by one in other modes so that minor gets its raised sixth and seventh (our own choice).
    """
    low = key_sharps(tonic, mode) - (4 if mode == 0 else 3)
    return (pitch * 7 - low) % 12 + low


@dataclasses.dataclass(frozen=True, eq=False)
class Score:
    """A piece of music as arrays over voices and steps.

    A voice sounds one pitch at a time. A *step* is `1 / steps_per_quarter` of a quarter note. At each step
    a voice holds either the beginning of an event (`onset` true: a note or a rest begins) or the
    continuation of what was there before (`onset` false, the same pitch again). `BLANK` slots are not
    written yet. A piece that begins with a rest without onset begins in a silence that was there before it.

    Arrays are read-only; use `dataclasses.replace` or the methods to get changed copies.

    Attributes:
        pitch: int8 (voices, steps); MIDI number, `REST` or `BLANK`.
        onset: bool (voices, steps).
        velocity: uint8 (voices, steps); 1..127 of the note that sounds, 0 for rests and blanks.
        position: int16 (steps,); steps since the bar line. Stored, never computed: pickups and short bars are common.
        tonic: int8 (steps,); local tonic's pitch class.
        mode: int8 (steps,); index into `MODES`.
        phrase_end: bool (steps,); a phrase ends with the event that begins or sounds here (a fermata).
        spelling: int8 (voices, steps) or None; place on the line of fifths (C = 0), only where a note sounds.
        chord: int16 (steps,) or None; codes of `musicgym.chords`, `NO_CHORD` where there is none; None if there is none at all,
            also of a file that says "N.C." throughout: so there is one way of saying it.
        steps_per_quarter: the grid.
        meters, tempos, keys: changes by step; the first of each is at step 0.
        programs: General MIDI program per voice (0..127).
        names: a name per voice, may be empty text.
        title, source: free text.
        changes: what reading the file could not keep (not part of equality).

    Raises:
        ValueError: naming the attribute, when shapes or values don't fit.

    Example:
        >>> score = Score.from_notes([[Note(0, 4, 60, 80), Note(4, 4, 62, 80)]], steps=8)
        >>> score.notes(0)
        [Note(start=0, duration=4, pitch=60, velocity=80), Note(start=4, duration=4, pitch=62, velocity=80)]
    """

    pitch: np.ndarray
    onset: np.ndarray
    velocity: np.ndarray
    position: np.ndarray
    tonic: np.ndarray
    mode: np.ndarray
    phrase_end: np.ndarray
    spelling: np.ndarray | None = None
    chord: np.ndarray | None = None
    steps_per_quarter: int = 4
    meters: tuple[MeterChange, ...] = (MeterChange(0, 4, 4),)
    tempos: tuple[TempoChange, ...] = (TempoChange(0, 120.0),)
    keys: tuple[KeyChange, ...] = (KeyChange(0, 0, 0),)
    programs: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    title: str = ""
    source: str = ""
    changes: tuple[Change, ...] = dataclasses.field(default=(), repr=False)

    _SLOTS: ClassVar[dict[str, Any]] = {"pitch": np.int8, "onset": np.bool_, "velocity": np.uint8}
    _STEPS: ClassVar[dict[str, Any]] = {"position": np.int16, "tonic": np.int8, "mode": np.int8, "phrase_end": np.bool_}
    _TEXTS = ("steps_per_quarter", "meters", "tempos", "keys", "programs", "names", "title", "source")

    def __post_init__(self) -> None:
        pitch = np.asarray(self.pitch)
        if pitch.ndim != 2:
            raise ValueError(f"Score.pitch has shape {pitch.shape}: expected (voices, steps)")
        voices, steps = pitch.shape
        shapes: list[tuple[str, Any, tuple[int, ...]]] = [(n, d, (voices, steps)) for n, d in self._SLOTS.items()]
        shapes += [(n, d, (steps,)) for n, d in self._STEPS.items()]
        if self.spelling is not None:
            shapes.append(("spelling", np.int8, (voices, steps)))
        if self.chord is not None:
            shapes.append(("chord", np.int16, (steps,)))
        for name, dtype, shape in shapes:
            given = np.asarray(getattr(self, name))
            array = given.astype(dtype, copy=True)
            if array.shape != shape:
                raise ValueError(f"Score.{name} has shape {array.shape}: expected {shape}, as pitch has {pitch.shape}")
            if not np.array_equal(array, given):
                raise ValueError(f"Score.{name}: its values don't fit {np.dtype(dtype).name}")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "programs", tuple(self.programs) or (0,) * voices)
        object.__setattr__(self, "names", tuple(self.names) or ("",) * voices)
        self._check_values()

    def _check_values(self) -> None:
        voices, steps = self.pitch.shape
        if steps and (self.pitch.min(initial=0) < BLANK):
            raise ValueError(f"Score.pitch holds {self.pitch.min()}: expected MIDI numbers 0..127, REST (-1) or BLANK (-2)")
        held = ~self.onset & (self.pitch != BLANK)
        broken = held[:, 1:] & (self.pitch[:, 1:] != self.pitch[:, :-1])
        if broken.any():
            voice, step = np.argwhere(broken)[0]
            raise ValueError(f"Score: voice {voice}, step {step + 1} has no onset but another pitch than the step before it")
        if (held[:, :1] & (self.pitch[:, :1] >= 0)).any():
            raise ValueError("Score: a note at step 0 needs an onset")
        if (self.onset & (self.pitch == BLANK)).any():
            raise ValueError("Score: a BLANK slot cannot have an onset")
        if steps and (self.position.min() < 0 or self.tonic.min() < 0 or self.tonic.max() > 11):
            raise ValueError("Score: position must be >= 0 and tonic within 0..11")
        if steps and not 0 <= self.mode.min() <= self.mode.max() < len(MODES):
            raise ValueError(f"Score.mode: expected 0..{len(MODES) - 1}, indices into MODES {MODES}")
        if self.chord is not None:
            from musicgym.chords import check_chords

            check_chords(self.chord, "Score.chord")
            if not (self.chord != NO_CHORD).any():
                object.__setattr__(self, "chord", None)
        if self.velocity.max(initial=0) > 127:
            raise ValueError(f"Score.velocity holds {self.velocity.max()}: expected 0..127")
        if self.steps_per_quarter < 1:
            raise ValueError(f"Score.steps_per_quarter is {self.steps_per_quarter}: expected 1 or more")
        for name in ("meters", "tempos", "keys"):
            changes = getattr(self, name)
            if not changes or changes[0][0] != 0 or any(a[0] >= b[0] for a, b in itertools.pairwise(changes)):
                raise ValueError(f"Score.{name} is {changes}: expected changes in rising order of step, the first at step 0")
        if len(self.programs) != voices or len(self.names) != voices:
            raise ValueError(f"Score: {len(self.programs)} programs and {len(self.names)} names for {voices} voices")

    # Making scores

    @classmethod
    def blank(
        cls,
        voices: int,
        steps: int,
        *,
        steps_per_quarter: int = 4,
        meter: tuple[int, int] = (4, 4),
        key: str = "C major",
        tempo: float = 120.0,
        pickup: int = 0,
        programs: Sequence[int] = (),
    ) -> Score:
        """A score with nothing written: all slots `BLANK`. `pickup` is the number of steps before the first bar line."""
        bar = bar_steps(meter, steps_per_quarter)
        if not 0 <= pickup < bar:
            raise ValueError(f"pickup={pickup}: expected 0..{bar - 1} steps, less than a bar")
        tonic, mode = parse_key(key)
        return cls(
            pitch=np.full((voices, steps), BLANK),
            onset=np.zeros((voices, steps), bool),
            velocity=np.zeros((voices, steps)),
            position=(np.arange(steps) - pickup) % bar,
            tonic=np.full(steps, tonic),
            mode=np.full(steps, mode),
            phrase_end=np.zeros(steps, bool),
            steps_per_quarter=steps_per_quarter,
            meters=(MeterChange(0, *meter),),
            tempos=(TempoChange(0, float(tempo)),),
            keys=(KeyChange(0, tonic, mode),),
            programs=tuple(programs),
        )

    @classmethod
    def from_notes(cls, voices: Sequence[Iterable[Note]], steps: int | None = None, **blank: Any) -> Score:
        """A score from lists of notes, a list a voice; rests fill the gaps. `blank` goes to `Score.blank`.

        Raises:
            ValueError: a note that overlaps the one before it in its voice, is empty, or lies outside the steps.
        """
        lists = [sorted(Note(*note) for note in notes) for notes in voices]
        if steps is None:
            steps = max((n.start + n.duration for notes in lists for n in notes), default=0)
        base = cls.blank(len(lists), steps, **blank)
        pitch, onset, velocity = np.full(base.pitch.shape, REST), np.zeros(base.onset.shape, bool), np.zeros(base.pitch.shape)
        for voice, notes in enumerate(lists):
            end = 0
            if steps:
                onset[voice, 0] = True
            for note in notes:
                if note.start < end or note.duration < 1 or note.start + note.duration > steps or not 0 <= note.pitch <= 127:
                    raise ValueError(
                        f"voice {voice}: {note} must begin at step {end} or later, last 1 step or more, "
                        f"end by step {steps} and have a pitch within 0..127"
                    )
                end = note.start + note.duration
                pitch[voice, note.start : end] = note.pitch
                velocity[voice, note.start : end] = note.velocity
                onset[voice, note.start] = True
                if end < steps:
                    onset[voice, end] = True
        return dataclasses.replace(base, pitch=pitch, onset=onset, velocity=velocity)

    # Reading scores

    @property
    def voices(self) -> int:
        """Number of voices."""
        return int(self.pitch.shape[0])

    @property
    def steps(self) -> int:
        """Length in steps."""
        return int(self.pitch.shape[1])

    @property
    def key(self) -> str:
        """Name of the key at the beginning, e.g. "F# minor"."""
        return key_name(self.keys[0].tonic, self.keys[0].mode)

    @property
    def meter(self) -> tuple[int, int]:
        """Metre at the beginning, e.g. (4, 4)."""
        return self.meters[0].numerator, self.meters[0].denominator

    @property
    def tempo(self) -> float:
        """Quarter notes a minute at the beginning."""
        return self.tempos[0].quarters

    @property
    def finished(self) -> bool:
        """True where no slot is blank."""
        return not bool((self.pitch == BLANK).any())

    def notes(self, voice: int) -> list[Note]:
        """The notes of a voice in order; rests and blanks are left out."""
        return [n for n in self.events(voice) if n.pitch >= 0]

    def events(self, voice: int) -> list[Note]:
        """The events of a voice in order: notes, rests (pitch `REST`) and stretches of blanks (pitch `BLANK`)."""
        pitch, onset = self.pitch[voice], self.onset[voice]
        starts = onset.copy()
        if self.steps:
            starts[0] = True
            starts[1:] |= pitch[1:] != pitch[:-1]
        at = np.flatnonzero(starts)
        ends = np.append(at[1:], self.steps)
        return [Note(int(a), int(b - a), int(pitch[a]), int(self.velocity[voice, a])) for a, b in zip(at, ends)]

    def seconds(self, step: float) -> float:
        """Time at which a step begins, in seconds, by the tempo changes."""
        total = 0.0
        for change, following in zip(self.tempos, [*self.tempos[1:], None]):
            end = step if following is None else min(step, following.step)
            if end > change.step:
                total += (end - change.step) / self.steps_per_quarter * 60.0 / change.quarters
        return total

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Score):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._TEXTS) and all(
            _same(getattr(self, name), getattr(other, name)) for name in (*self._SLOTS, *self._STEPS, "spelling", "chord")
        )

    __hash__ = None  # type: ignore[assignment]  # arrays inside: compared by value, never a key

    def __repr__(self) -> str:
        name = f"{self.title!r}, " if self.title else ""
        notes = sum(len(self.notes(v)) for v in range(self.voices))
        beats, unit = self.meter
        return f"Score({name}voices={self.voices}, steps={self.steps}, notes={notes}, {beats}/{unit}, {self.key})"

    # Changed copies

    def transpose(self, semitones: int) -> Score:
        """The score, its keys and its chords moved by semitones. Raises ValueError if a note would leave 0..127."""
        pitch = np.where(self.pitch >= 0, self.pitch.astype(int) + semitones, self.pitch)
        if ((pitch < 0) & (self.pitch >= 0)).any() or pitch.max(initial=0) > 127:
            raise ValueError(f"transpose({semitones}): a note would leave the MIDI range 0..127")
        tonics = (self.tonic.astype(int) + semitones) % 12
        keys = tuple(KeyChange(k.step, (k.tonic + semitones) % 12, k.mode) for k in self.keys)
        spelling = None
        if self.spelling is not None:
            shift = self._signature_shift(keys)  # (steps,)
            spelling = np.where(self.pitch >= 0, self.spelling + shift, self.spelling)
        chord = None
        if self.chord is not None:
            from musicgym.chords import transpose_chords

            chord = transpose_chords(self.chord, semitones)
        return dataclasses.replace(self, pitch=pitch, tonic=tonics, keys=keys, spelling=spelling, chord=chord)

    def _signature_shift(self, keys: tuple[KeyChange, ...]) -> np.ndarray:
        """How far each step's spellings move on the line of fifths when the keys change to `keys`."""
        shift = np.zeros(self.steps, int)
        for old, new in zip(self.keys, keys):
            shift[old.step :] = key_sharps(new.tonic, new.mode) - key_sharps(old.tonic, old.mode)
        return shift

    def excerpt(self, start: int, stop: int) -> Score:
        """The steps from `start` up to `stop`. A note cut at its beginning begins at step 0."""
        if not 0 <= start < stop <= self.steps:
            raise ValueError(f"excerpt({start}, {stop}): expected 0 <= start < stop <= {self.steps}")
        onset = self.onset[:, start:stop].copy()
        onset[:, 0] |= self.pitch[:, start] != BLANK
        if start == 0:
            onset[:, 0] = self.onset[:, 0]
        arrays: dict[str, Any] = {n: getattr(self, n)[..., start:stop] for n in ("pitch", "velocity", *self._STEPS)}
        for name in ("spelling", "chord"):
            if getattr(self, name) is not None:
                arrays[name] = getattr(self, name)[..., start:stop]
        for name in ("meters", "tempos", "keys"):
            arrays[name] = _changes_within(getattr(self, name), start, stop)
        return dataclasses.replace(self, onset=onset, changes=(), **arrays)

    # Files: each method's module says what the format holds and what is reported in `changes`

    @classmethod
    def from_midi(cls, path: str | Path | bytes, **options: Any) -> Score:
        """Read a MIDI file or its bytes; see `musicgym.files.midi.read`."""
        from musicgym.files import midi

        return midi.read(path, **options)

    def to_midi(self, path: str | Path, **options: Any) -> None:
        """Write a MIDI file, a track a voice; see `musicgym.files.midi.write`."""
        from musicgym.files import midi

        midi.write(self, path, **options)

    @classmethod
    def from_musicxml(cls, path: str | Path | bytes, **options: Any) -> Score:
        """Read a MusicXML file (.musicxml, .xml, .mxl) or its bytes; see `musicgym.files.musicxml.read`."""
        from musicgym.files import musicxml

        return musicxml.read(path, **options)

    def to_musicxml(self, path: str | Path) -> None:
        """Write a MusicXML file, pitches spelled in key; see `musicgym.files.musicxml.write`."""
        from musicgym.files import musicxml

        musicxml.write(self, path)

    @classmethod
    def from_abc(cls, text: str | Path, **options: Any) -> Score:
        """Read one tune of ABC text or an .abc file; see `musicgym.files.abc.read`."""
        from musicgym.files import abc

        return abc.read(text, **options)

    @classmethod
    def from_music21(cls, stream: music21.stream.Stream[Any], **options: Any) -> Score:
        """Take a music21 stream; see `musicgym.files.music21_streams.read`."""
        from musicgym.files import music21_streams

        return music21_streams.read(stream, **options)

    def to_music21(self) -> music21.stream.Score:
        """The score as a music21 stream; see `musicgym.files.music21_streams.write`."""
        from musicgym.files import music21_streams

        return music21_streams.write(self)

    def to_svg(self, path: str | Path, **options: Any) -> None:
        """Write the score as printed music, an SVG file; see `musicgym.render.engraving.write_svg`."""
        from musicgym.render import engraving

        engraving.write_svg(self, path, **options)

    def to_wav(self, path: str | Path, **options: Any) -> None:
        """Render to a WAV file; see `musicgym.files.audio.write`."""
        from musicgym.files import audio

        audio.write(self, path, **options)


def bar_steps(meter: tuple[int, int], steps_per_quarter: float) -> int:
    """Steps in a full bar. Raises ValueError for a metre or grid that is none, and when the bar isn't a whole number of steps."""
    pair: Any = meter
    grid: Any = steps_per_quarter
    if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(isinstance(part, Integral) for part in pair):
        raise ValueError(f"meter={meter!r}: expected (beats, unit), two whole numbers such as (4, 4)")
    if grid.__class__ is bool or not isinstance(grid, Real):
        raise ValueError(f"steps_per_quarter={grid!r}: expected a number of steps such as 4")
    numerator, denominator = meter
    if numerator < 1 or denominator < 1 or steps_per_quarter <= 0 or numerator * 4 * steps_per_quarter % denominator:
        raise ValueError(f"meter {numerator}/{denominator} is no whole number of steps at {steps_per_quarter} a quarter")
    return int(numerator * 4 * steps_per_quarter // denominator)


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None:
        return a is None and b is None
    return bool(np.array_equal(a, b))


def _changes_within(changes: tuple[Any, ...], start: int, stop: int) -> tuple[Any, ...]:
    """The changes in force from `start` up to `stop`, counted from `start`."""
    first = [c for c in changes if c.step <= start][-1]
    later: Iterator[Any] = (c._replace(step=c.step - start) for c in changes if start < c.step < stop)
    return (first._replace(step=0), *later)
