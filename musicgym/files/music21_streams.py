"""music21 streams to and from scores. Loading this module loads music21."""

from __future__ import annotations

import bisect
import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import music21
import numpy as np

from musicgym.files import chord_symbols, unprinted
from musicgym.files.bars import signature_of
from musicgym.files.grid import MAX_STEPS, TimedNote, check_size, lay_out, nearest_step, pitch_name, positions, quantise
from musicgym.files.music21_writing import KEPT_FIELD, write
from musicgym.files.notation import positions_as_read
from musicgym.files.voices import build
from musicgym.score import DEFAULT_VELOCITY, MODES, Change, KeyChange, MeterChange, Score, TempoChange, bar_steps, key_of_sharps

__all__ = ["read", "write"]

_LETTERS = "FCGDAEB"  # in fifths; C is 0 on the line
_MODES_ALSO_CALLED = {"ionian": "major", "aeolian": "minor"}


def read(stream: Any, *, voices: str = "tracks", steps_per_quarter: int = 4, strict: bool = False) -> Score:
    """The music of a music21 stream on a grid, at sounding pitch, a voice or more for each part.

    Kept: pitches with their spelling, tied notes as one, bars as they are (pickups and short bars too), metres,
    key signatures (the key in force is also the local `tonic` and `mode`), tempos, instruments as programs, part
    names, title, the fermatas of the first part that has any as `phrase_end`, chord symbols of the first that has any as
    `chord` (those of `musicgym.chords.QUALITIES`), velocities (where a note has none:
    of the part's last dynamic mark, else 80), and with voices="tracks" what `write` noted beside the notes.
    Reported in `changes`: notes moved, cut or dropped to fit grid and voices, grace notes, unpitched notes, other chord
    symbols, repeats (they are not played out), signatures without a mode (taken as major), ornaments,
    articulations and lyrics, second instruments of a part. Rests that follow each other become one.

    Args:
        stream: a music21 Score, Part, Measure or other stream; of an Opus choose one of its `scores`.
        voices: "tracks", "skyline" or "split", as in `musicgym.files.voices.build`; a music21 part is a track.
        steps_per_quarter: the grid.
        strict: refuse a piece with notes that would be moved, cut or dropped.

    Raises:
        ValueError: no music21 stream, no music in it, more than the grid's limits; under `strict` the first misfit.

    >>> import music21
    >>> read(music21.converter.parse("tinynotation: 3/4 E4 r f# g trip{b-8 a g}", forceSource=True), steps_per_quarter=12)
    Score(voices=1, steps=60, notes=6, 3/4, C major)
    """
    parts = _parts_of(stream)
    taken = [_PartReader(part, index, steps_per_quarter) for index, part in enumerate(parts)]
    if strict:
        for part in taken:
            if part.misfit:
                raise ValueError(f"part {part.index}: {part.misfit}; leave strict off to have it reported")
    quantised = quantise([p.notes for p in taken], ticks_per_quarter=1, steps_per_quarter=steps_per_quarter, strict=strict)
    made = build(quantised, voices, strict=strict)
    lines, origin = (made.notes, made.part) if made.notes else ([[]], [0])
    barred = next((p for p in taken if p.measures), taken[0])
    end = max(barred.end, *(p.end for p in taken), *(n.start + n.duration for line in lines for n in line), 0)
    if not 1 <= end <= MAX_STEPS:
        raise ValueError(f"the stream is {end} steps long: expected 1 to {MAX_STEPS}; it must hold notes or rests")
    check_size(len(lines), end)

    changes = [c._replace(voice=c.voice if voices == "tracks" else -1) for p in taken for c in p.changes]
    marks = stream.getElementsByClass(music21.tempo.MetronomeMark)
    tempos = _in_order([t for p in taken for t in p.tempos] + _tempos(marks, steps_per_quarter))
    keys = _in_order(barred.keys)
    phrase_end = np.zeros(end, np.bool_)
    for first, stop in next((p.fermatas for p in taken if p.fermatas), []):
        phrase_end[first : max(stop, first + 1)] = True
    tonic, mode = np.zeros(end, np.int8), np.zeros(end, np.int8)
    keys = keys if keys and keys[0].step == 0 else [KeyChange(0, 0, 0), *keys]
    for key in keys:
        tonic[key.step :], mode[key.step :] = key.tonic, key.mode
    metadata = stream.metadata
    score = Score(
        **lay_out(lines, end),
        position=barred.positions(end),
        tonic=tonic,
        mode=mode,
        phrase_end=phrase_end,
        chord=chord_symbols.spread(next((p.symbols for p in taken if p.symbols), []), end),
        steps_per_quarter=steps_per_quarter,
        meters=tuple(c for c in barred.meters if c.step < end),
        tempos=tuple(t for t in tempos if t.step < end) if tempos and tempos[0].step == 0 else (TempoChange(0, 120.0), *tempos),
        keys=tuple(k for k in keys if k.step < end),
        programs=tuple(taken[max(part, 0)].program for part in origin),
        names=tuple(taken[part].name if part >= 0 else "" for part in origin),
        title=_title(metadata),
    )
    kept = metadata.getCustom(KEPT_FIELD) if metadata is not None else ()
    if kept and voices == "tracks":
        try:
            score, unfit = unprinted.restore(score, str(kept[0]))
            changes += [Change("ignored", -1, -1, f"{name} as kept beside the notes no longer fits them") for name in unfit]
        except ValueError as error:
            changes.append(Change("ignored", -1, -1, str(error)))
    return dataclasses.replace(score, changes=tuple(changes + made.changes + barred.repeats()))


def _parts_of(stream: Any) -> list[Any]:
    """The parts of a stream, at sounding pitch."""
    if not isinstance(stream, music21.stream.Stream):
        raise ValueError(f"from_music21 got a {type(stream).__name__}: expected a music21 stream")
    if isinstance(stream, music21.stream.Opus):
        raise ValueError(f"from_music21 got an Opus of {len(list(stream.scores))} scores: pass one of its .scores")
    parts: list[Any] = list(stream.getElementsByClass(music21.stream.Part)) or [stream]
    return [part.toSoundingPitch() if part.atSoundingPitch is not True and _transposes(part) else part for part in parts]


def _transposes(part: Any) -> bool:
    return any(i.transposition is not None for i in part.recurse().getElementsByClass(music21.instrument.Instrument))


def _exact(offset: Any) -> Fraction:
    """A music21 offset or length in quarters, which is a float or a Fraction."""
    return Fraction(offset)


def _in_order(changes: Sequence[Any]) -> list[Any]:
    """Changes by step; of several on one step the last stays."""
    return [change for _, change in sorted({change.step: change for change in changes}.items())]


def _tempos(marks: Any, steps_per_quarter: int) -> list[TempoChange]:
    found = []
    for mark in marks:
        quarters = mark.getQuarterBPM()
        if quarters is not None and 0 < quarters < 1e6:
            found.append(TempoChange(nearest_step(_exact(mark.offset), 1, steps_per_quarter), round(float(quarters), 6)))
    return found


def _title(metadata: Any) -> str:
    return "" if metadata is None else str(metadata.title or metadata.movementName or "")


def _marks(element: Any) -> Iterator[str]:
    """Names of what stands at a note and isn't kept."""
    yield from (e.name for e in element.expressions if not isinstance(e, music21.expressions.Fermata))
    yield from (articulation.name for articulation in element.articulations)
    yield from ("lyric" for _ in element.lyrics)


class _PartReader:
    """What one part holds, with offsets in steps where no exact time is needed."""

    def __init__(self, part: Any, index: int, steps_per_quarter: int) -> None:
        self.part = part
        self.index = index
        self.steps_per_quarter = steps_per_quarter
        self.flat = part.flatten()
        self.changes: list[Change] = []
        self.fermatas: list[tuple[int, int]] = []  # first step and step after the last of a note or rest
        self.symbols: list[tuple[int, int]] = []  # step and code of the chord symbols
        self.misfit = ""  # the first grace or unpitched note or the like, for `strict`
        self.measures = list(part.getElementsByClass(music21.stream.Measure))
        self.end = self._step(self.flat.highestTime)
        self.notes = list(self._read_notes())
        self.meters = self._read_meters()
        self.keys = self._read_keys()
        self.tempos = _tempos(self.flat.getElementsByClass(music21.tempo.MetronomeMark), steps_per_quarter)
        self.program, self.name = self._read_instrument()

    def _step(self, offset: Any) -> int:
        return nearest_step(_exact(offset), 1, self.steps_per_quarter)

    def _drop(self, offset: Any, detail: str) -> None:
        self.misfit = self.misfit or detail
        self.changes.append(Change("dropped", self.index, self._step(offset), detail, 1))

    # Notes

    def _read_notes(self) -> Iterator[TimedNote]:
        """Notes at exact times in quarters, tied ones merged."""
        made: list[TimedNote] = []
        open_ties: dict[int, int] = {}  # pitch -> index in `made` of a note that is tied on
        marks: Counter[str] = Counter()
        dynamics = [(_exact(d.offset), d.volumeScalar) for d in self.flat.getElementsByClass(music21.dynamics.Dynamic)]
        dynamics = [(at, scalar) for at, scalar in dynamics if scalar is not None]
        for element in self.flat.notesAndRests:
            marks.update(_marks(element))
            if any(isinstance(expression, music21.expressions.Fermata) for expression in element.expressions):
                self.fermatas.append((self._step(element.offset), self._step(element.offset + element.duration.quarterLength)))
            for note, pitch, spelling in self._pitches(element):
                onset, duration = _exact(element.offset), _exact(element.duration.quarterLength)
                before = open_ties.pop(pitch, None)
                if note.tie is not None and note.tie.type in ("stop", "continue") and before is not None:
                    if made[before].onset + made[before].duration == onset:
                        made[before] = made[before]._replace(duration=made[before].duration + duration)
                    else:
                        before = None
                else:
                    before = None
                if before is None:
                    before = len(made)
                    made.append(TimedNote(onset, duration, pitch, self._velocity(note, element, onset, dynamics), spelling))
                if note.tie is not None and note.tie.type in ("start", "continue"):
                    open_ties[pitch] = before
        if marks:
            listed = ", ".join(f"{count} {name}" for name, count in sorted(marks.items()))
            self.changes.append(Change("ignored", self.index, -1, f"marks that a score does not hold: {listed}"))
        return iter(made)

    def _pitches(self, element: Any) -> Iterator[tuple[Any, int, int | None]]:
        """The sounding notes of an element: note, MIDI number, place on the line of fifths."""
        if element.isRest:
            return
        if isinstance(element, music21.harmony.Harmony):
            code = chord_symbols.code_of(element)
            if code is None:
                told = element.figure if element.pitches else "without a root"
                self.changes.append(Change("ignored", self.index, self._step(element.offset), f"chord symbol {told}"))
            else:
                self.symbols.append((self._step(element.offset), code))
            return
        for note in element.notes if isinstance(element, music21.chord.ChordBase) else (element,):
            if not isinstance(note, music21.note.Note):
                self._drop(element.offset, "a note without a pitch (percussion)")
                continue
            exact = note.pitch.ps
            pitch = round(exact)
            if element.duration.isGrace:
                self._drop(element.offset, f"grace note {note.pitch.nameWithOctave}")
            elif not 0 <= pitch <= 127:
                self._drop(element.offset, f"{note.pitch.nameWithOctave} lies outside the MIDI range 0..127")
            else:
                if pitch != exact:
                    self.misfit = self.misfit or f"microtone {note.pitch.nameWithOctave}"
                    detail = f"microtone {note.pitch.nameWithOctave}, now {pitch_name(pitch)}"
                    self.changes.append(Change("quantised", self.index, self._step(element.offset), detail))
                spelling = _LETTERS.index(note.pitch.step) - 1 + 7 * int(note.pitch.alter)
                yield note, pitch, spelling if (spelling * 7 - pitch) % 12 == 0 and -128 <= spelling <= 127 else None

    def _velocity(self, note: Any, element: Any, onset: Fraction, dynamics: list[tuple[Fraction, float]]) -> int:
        for holder in (note, element):
            if holder.hasVolumeInformation() and holder.volume.velocity is not None:
                return int(min(max(holder.volume.velocity, 0), 127))
        at = bisect.bisect_right(dynamics, onset, key=lambda mark: mark[0])
        return round(min(max(dynamics[at - 1][1], 0.0), 1.0) * 127) if at else DEFAULT_VELOCITY

    # What stands beside the notes

    def _read_meters(self) -> list[MeterChange]:
        found = []
        for signature in self.flat.getElementsByClass(music21.meter.TimeSignature):
            step, grid = self._step(signature.offset), self.steps_per_quarter
            numerator, denominator = int(signature.numerator), int(signature.denominator)
            if 4 * grid * numerator % denominator:
                fitting = signature_of(max(round(4 * grid * numerator / denominator), 1), grid) or (4, 4)
                named = f"a bar of {numerator}/{denominator} is no whole number of steps at {grid} a quarter"
                self.misfit = self.misfit or named
                self.changes.append(Change("quantised", -1, step, f"{named}: read as {fitting[0]}/{fitting[1]}"))
                numerator, denominator = fitting
            found.append(MeterChange(step, numerator, denominator))
        found = _in_order(found)
        return found if found and found[0].step == 0 else [MeterChange(0, 4, 4), *found]

    def _read_keys(self) -> list[KeyChange]:
        found = []
        for signature in self.flat.getElementsByClass(music21.key.KeySignature):
            step = self._step(signature.offset)
            if signature.sharps is None:
                self.changes.append(Change("ignored", -1, step, "a key signature that belongs to no key"))
                continue
            name = str(getattr(signature, "mode", None))
            name = _MODES_ALSO_CALLED.get(name, name)
            if name not in MODES:
                self.changes.append(
                    Change("ignored", -1, step, f"a signature of {signature.sharps} sharps without a mode: taken as major")
                )
                name = "major"
            found.append(KeyChange(step, *key_of_sharps(signature.sharps, MODES.index(name))))
        return found

    def _read_instrument(self) -> tuple[int, str]:
        instruments = list(self.flat.getElementsByClass(music21.instrument.Instrument))
        for later in instruments[1:]:
            if later.midiProgram != instruments[0].midiProgram:
                detail = f"{later.instrumentName or 'another instrument'} from here on"
                self.changes.append(Change("ignored", self.index, self._step(later.offset), detail))
        first = instruments[0] if instruments else None
        program = 0 if first is None or first.midiProgram is None else int(first.midiProgram)
        name = getattr(self.part, "partName", None)
        if name is None and first is not None:
            name = first.partName
        return program if 0 <= program <= 127 else 0, str(name or "")

    def positions(self, steps: int) -> np.ndarray:
        """Steps since the bar line, int16 (steps,)."""
        meters = self.meters
        if not self.measures:
            lines: list[int] = []
            for change, stop in zip(meters, [*(m.step for m in meters[1:]), steps]):
                lines += range(change.step, stop, bar_steps(change[1:], self.steps_per_quarter))
            return positions(steps, lines)
        starts = sorted({min(self._step(m.offset), steps) for m in self.measures} | {0})
        spans = [(a, b) for a, b in zip(starts, [*starts[1:], steps]) if a < b]
        full = []
        for start, _ in spans:
            change = meters[bisect.bisect_right(meters, start, key=lambda m: m.step) - 1]
            full.append(bar_steps(change[1:], self.steps_per_quarter))
        return positions_as_read(spans, full)

    def repeats(self) -> list[Change]:
        """A change for each repeat sign, first and second ending, da capo and the like: they are not played out."""
        found = []
        for kind in (music21.bar.Repeat, music21.repeat.RepeatExpression, music21.spanner.RepeatBracket):
            for sign in self.part.recurse().getElementsByClass(kind):
                step = -1 if kind is music21.spanner.RepeatBracket else self._step(sign.getOffsetInHierarchy(self.part))
                found.append(Change("ignored", -1, step, f"{type(sign).__name__}: repeats are not played out"))
        return found
