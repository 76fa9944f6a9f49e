"""From a score to a music21 stream that is ready to print: measures, ties, note values, spellings, beams."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from fractions import Fraction

import music21
import numpy as np

from musicgym.choir import is_choir
from musicgym.files import chord_symbols, unprinted
from musicgym.files.notation import Bar, Value, bars, letter_alter_octave, positions_as_read, signature, spelled, values
from musicgym.score import MODES, MeterChange, Note, Score

KEPT_FIELD = "musicgym"  # the metadata field for what notes cannot say
_LOWEST_TREBLE = 57  # a voice whose middle lies lower is written in the bass clef


def write(score: Score) -> music21.stream.Score:
    """The score as a music21 stream, a part a voice, complete with accidentals, beams and tuplet brackets.

    Notes are cut and tied at bar lines and into values that can be printed, spelled as the score says or by the
    local key. Chords are symbols above the first part, where they change. A phrase's end is a fermata on the notes that fill
    it, or that begin or sound there. Blanks are rests. A metre that changes within a bar changes at the next bar line. A
    velocity is its note's `volume`. What this cannot say (blanks, rests that follow rests, local keys, bars counted otherwise)
    stands as one line in the metadata, from which `read` takes it back as long as it fits the notes.

    Raises:
        ValueError: no voices or no steps; a metre whose bar isn't a whole number of steps.
    """
    if not score.voices or not score.steps:
        raise ValueError(
            f"a score of {score.voices} voices and {score.steps} steps cannot be printed: expected one or more of both"
        )
    layout = bars(score)
    marked = _marked(score)
    on_paper = np.zeros(score.pitch.shape, np.bool_)  # where notes and rests with a fermata stand
    made = music21.stream.Score()
    for voice in range(score.voices):
        part = _Part(score, voice, layout, marked[voice], on_paper[voice])
        if voice == 0:
            part.add_symbols(layout)
        made.insert(0, part.stream)
    made.metadata = music21.metadata.Metadata()
    if score.title:
        made.metadata.title = score.title
    spans = [(bar.start, bar.stop) for bar in layout]
    printed = unprinted.as_printed(
        score,
        position=positions_as_read(spans, [bar.full for bar in layout]),
        phrase_end=next((line for line in on_paper if line.any()), on_paper[0]),  # a reader follows one voice
        meters=tuple(MeterChange(step, *meter) for step, meter in _printed_meters(score, layout).items()),
    )
    kept = unprinted.collect(score, printed)
    if kept:
        made.metadata.addCustom(KEPT_FIELD, kept)
    return made


def _marked(score: Score) -> list[set[int]]:
    """For each voice the steps at which begins, or sounds, a note or rest that gets a fermata.

    Within a stretch of `phrase_end` these are the notes that fill it, one after another; where none does, those
    that begin it; where none begins, those that sound at its beginning.
    """
    marked: list[set[int]] = [set() for _ in range(score.voices)]
    ends = [{note.start: note.start + note.duration for note in score.notes(voice)} for voice in range(score.voices)]
    edges = np.flatnonzero(np.diff(score.phrase_end.astype(np.int8), prepend=0, append=0))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist()):
        step = start
        while step < stop:
            begin = {voice: ends[voice][step] for voice in range(score.voices) if step in ends[voice]}
            filling = [end for end in begin.values() if end <= stop]
            if filling:
                voices, following = [voice for voice, end in begin.items() if end == max(filling)], max(filling)
            else:
                sounding = np.flatnonzero(score.pitch[:, step] >= 0).tolist() or list(range(score.voices))
                voices, following = list(begin) or (sounding if step == start else []), stop
            for voice in voices:
                marked[voice].add(step)
            step = following
    return marked


def _printed_meters(score: Score, layout: list[Bar]) -> dict[int, tuple[int, int]]:
    """Metres by the first step of the bars at which they are printed."""
    made, last = {}, -1
    for bar in layout:
        index = sum(change.step <= bar.start for change in score.meters) - 1
        if index != last:
            made[bar.start] = bar.meter
        last = index
    return made


class _Part:
    """One voice as a music21 part, in `stream`. Steps of the fermatas it prints are set in `on_paper`."""

    def __init__(self, score: Score, voice: int, layout: list[Bar], marked: set[int], on_paper: np.ndarray) -> None:
        self.score, self.voice, self.marked, self.on_paper = score, voice, marked, on_paper
        self.meters = _printed_meters(score, layout)
        self.keys = {change.step: _key(signature(score, index), change.mode) for index, change in enumerate(score.keys)}
        self.stream = music21.stream.Part(id=f"P{voice + 1}")
        self.stream.partName = score.names[voice]
        measures = []
        for number, bar in enumerate(layout, 0 if layout[0].first else 1):
            measures.append(self._measure(bar, number))
        for index, value, event in self._values(layout):
            measures[index].insert(self._quarters(value.start - layout[index].start), self._printed(value, event))
        measures[-1].rightBarline = music21.bar.Barline("final")
        self.stream.append(measures)
        self._finish(measures)

    def _quarters(self, steps: int) -> Fraction:
        return Fraction(steps, self.score.steps_per_quarter)

    def _measure(self, bar: Bar, number: int) -> music21.stream.Measure:
        """The measure of a bar with all but its notes."""
        measure = music21.stream.Measure(number=number)
        if bar.start == 0:
            measure.insert(0, _instrument(self.score, self.voice))
            measure.insert(0, _clef(self.score, self.voice))
            measure.showNumber = music21.stream.enums.ShowNumber.NEVER if bar.first else music21.stream.enums.ShowNumber.DEFAULT
        if bar.first and bar.first + bar.stop - bar.start == bar.full:  # for beams
            measure.paddingLeft = self._quarters(bar.first)
        elif bar.stop - bar.start < bar.full:
            measure.paddingRight = self._quarters(bar.full - bar.stop + bar.start)
        if bar.start in self.meters:
            numerator, denominator = self.meters[bar.start]
            measure.insert(0, music21.meter.TimeSignature(f"{numerator}/{denominator}"))
        for step, key in self.keys.items():
            if bar.start <= step < bar.stop:
                measure.insert(self._quarters(step - bar.start), key)
        for change in self.score.tempos if self.voice == 0 else ():
            if bar.start <= change.step < bar.stop:
                mark = music21.tempo.MetronomeMark(number=round(change.quarters, unprinted.TEMPO_DECIMALS))
                measure.insert(self._quarters(change.step - bar.start), mark)
        return measure

    def _values(self, layout: list[Bar]) -> Iterator[tuple[int, Value, Note]]:
        """The voice's events cut into printable values: index of the bar, value, event."""
        index = 0
        for event in _notes_and_silences(self.score, self.voice):
            at, end = event.start, event.start + event.duration
            while at < end:
                while layout[index].stop <= at:
                    index += 1
                stop = min(layout[index].stop, end, *(step for step in self.keys if step > at))
                for value in values(at, stop, layout[index], self.score.steps_per_quarter, rest=event.pitch < 0):
                    yield index, value, event
                at = stop

    def _printed(self, value: Value, event: Note) -> music21.note.GeneralNote:
        length = music21.duration.Duration(self._quarters(value.duration))
        printed: music21.note.GeneralNote
        if event.pitch < 0:
            printed = music21.note.Rest(duration=length)
        else:
            letter, alter, octave = letter_alter_octave(event.pitch, spelled(self.score, self.voice, event.start))
            # Without an Accidental where there is none: one of 0 would be printed as a natural.
            sign = "#" * alter if alter > 0 else "-" * -alter
            printed = music21.note.Note(music21.pitch.Pitch(f"{letter}{sign}", octave=octave), duration=length)
            printed.volume.velocity = event.velocity
            comes, goes = value.start > event.start, value.start + value.duration < event.start + event.duration
            if comes or goes:
                printed.tie = music21.tie.Tie("continue" if comes and goes else "stop" if comes else "start")
        # One fermata for all of a note that is tied, on its last value.
        first, stop = (event.start if event.pitch >= 0 else value.start), value.start + value.duration
        last = event.pitch < 0 or stop == event.start + event.duration
        if last and any(first <= step < stop for step in self.marked):
            fermata = music21.expressions.Fermata()
            fermata.type = "upright"
            printed.expressions.append(fermata)
            self.on_paper[value.start : stop] = True
        return printed

    def _finish(self, measures: list[music21.stream.Measure]) -> None:
        """Accidentals, beams and tuplet brackets, which music21's exporter would make on a copy."""
        self.stream.makeAccidentals(inPlace=True, cautionaryPitchClass=False, cautionaryNotImmediateRepeat=False)
        self.stream.makeBeams(inPlace=True)
        for measure in measures:
            music21.stream.makeNotation.makeTupletBrackets(measure, inPlace=True)

    def add_symbols(self, layout: list[Bar]) -> None:
        """Chord symbols, last of all: to music21 they are chords, whose notes would change the accidentals of others."""
        measures = list(self.stream.getElementsByClass(music21.stream.Measure))
        for step, symbol in chord_symbols.symbols(self.score):
            index = sum(bar.start <= step for bar in layout) - 1
            measures[index].insert(self._quarters(step - layout[index].start), symbol)


def _notes_and_silences(score: Score, voice: int) -> list[Note]:
    """The events of a voice; rests and blanks that touch are one silence."""
    made: list[Note] = []
    for event in score.events(voice):
        if event.pitch < 0 and made and made[-1].pitch < 0:
            made[-1] = made[-1]._replace(duration=made[-1].duration + event.duration)
        else:
            made.append(event)
    return made


def _key(sharps: int, mode: int) -> music21.key.Key:
    key: music21.key.Key = music21.key.KeySignature(sharps).asKey(MODES[mode])
    return key


def _clef(score: Score, voice: int) -> music21.clef.Clef:
    """The clef in which a voice needs few ledger lines; above another voice it may be a tenor's, the treble an octave lower."""
    pitch = score.pitch[voice]
    sounding = pitch[pitch >= 0].astype(int)
    if score.voices == 1 or not sounding.size:
        low = bool(sounding.size) and float(np.median(sounding)) < _LOWEST_TREBLE
        return music21.clef.BassClef() if low else music21.clef.TrebleClef()

    if is_choir(score):
        return (music21.clef.TrebleClef, music21.clef.TrebleClef, music21.clef.Treble8vbClef, music21.clef.BassClef)[voice]()

    def beyond(kind: int) -> float:
        lowest, highest = ((62, 79), (50, 67), (41, 59))[kind]  # a note further than the lowest and the highest line
        return float(np.maximum(0, np.maximum(lowest - sounding, sounding - highest)).mean())

    best = min((0, 2, 1) if voice == score.voices - 1 else (0, 1, 2), key=beyond)
    return music21.clef.Treble8vbClef() if best == 1 else music21.clef.BassClef() if best else music21.clef.TrebleClef()


def _instrument(score: Score, voice: int) -> music21.instrument.Instrument:
    # music21's own class of the program would bring a transposition with it (a clarinet's part written a tone higher).
    made = music21.instrument.Instrument()
    made.midiProgram = score.programs[voice]
    made.instrumentName = _instrument_name(score.programs[voice])
    made.partName = score.names[voice]
    made.instrumentId = f"I{voice + 1}"
    channel = voice % 15  # of 16, without the drums'
    made.midiChannel = channel + (channel >= 9)
    return made


@functools.cache
def _instrument_name(program: int) -> str:
    try:
        return str(music21.instrument.instrumentFromMidiProgram(program).instrumentName)
    except music21.exceptions21.Music21Exception:
        return f"General MIDI {program + 1}"
