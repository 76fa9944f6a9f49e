"""Chord symbols in music21 streams and MusicXML."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from musicgym.chords import chord_code, chord_name, parse_chord, pitch_classes
from musicgym.score import NO_CHORD, Note, Score

music21 = pytest.importorskip("music21")
NAMES = ["Bbmaj7/D", "", "F#m7b5", "C", "Edim7", "Gaug/B", "A7/G", "Ddim"]


def with_chords(codes: list[int], *, each: int = 6) -> Score:
    melody = Score.from_notes([[Note(16 * i, 16, 72, 80) for i in range(-(-len(codes) * each // 16))]])
    chord = np.full(melody.steps, NO_CHORD)
    for i, code in enumerate(codes):
        chord[i * each : (i + 1) * each] = code
    return dataclasses.replace(melody, chord=chord)


def test_symbols_stand_above_the_first_part_where_chords_change(tmp_path: Path) -> None:
    with_chords([parse_chord(name) for name in NAMES]).to_musicxml(tmp_path / "a.musicxml")
    read = music21.converter.parse(tmp_path / "a.musicxml", forceSource=True)
    found = list(read.recurse().getElementsByClass(music21.harmony.ChordSymbol))
    assert [symbol.getOffsetInHierarchy(read) for symbol in found] == [1.5 * i for i in range(8)]
    for symbol, name in zip(found, NAMES):
        if name:
            classes = pitch_classes(parse_chord(name))
            assert symbol.bass().pitchClass == classes[0]
            assert {pitch.pitchClass for pitch in symbol.pitches} == set(classes)
        else:
            assert isinstance(symbol, music21.harmony.NoChord)


def test_every_chord_comes_back_from_a_file(tmp_path: Path) -> None:
    codes = [chord_code(7 * i % 12, i % 9, i % (3 if i % 9 < 4 else 4)) for i in range(36)]
    score = with_chords(codes, each=4)
    score.to_musicxml(tmp_path / "a.mxl")
    back = Score.from_musicxml(tmp_path / "a.mxl")
    assert back.chord is not None
    assert [chord_name(int(code)) for code in back.chord] == [chord_name(int(code)) for code in score.chord]
    assert back.changes == ()


def test_symbols_change_no_accidental_of_the_notes(tmp_path: Path) -> None:
    plain = Score.from_notes([[Note(0, 8, 66, 80), Note(8, 8, 65, 80)]])
    dressed = dataclasses.replace(plain, chord=np.full(16, parse_chord("D7/F#")))
    plain.to_musicxml(tmp_path / "plain.musicxml")
    dressed.to_musicxml(tmp_path / "dressed.musicxml")
    count = [(tmp_path / f"{name}.musicxml").read_text().count("<accidental") for name in ("plain", "dressed")]
    assert count[0] == count[1] == 2


def test_a_lead_sheet_of_another_program_is_read() -> None:
    part = music21.stream.Part()
    for name, pitch in (("Dm7", "F4"), ("G7/B", "G4"), ("C", "E4"), ("Csus4", "F4")):
        part.append(music21.harmony.ChordSymbol(name))
        part.append(music21.note.Note(pitch, quarterLength=2))
    score = Score.from_music21(part)
    assert score.chord is not None
    assert [chord_name(int(code)) for code in score.chord[::8]] == ["Dm7", "G7/B", "C", "C"]
    assert any("Csus4" in change.detail for change in score.changes)  # no code for it: told, and the chord before goes on


def test_a_score_without_a_single_chord_has_none() -> None:
    assert dataclasses.replace(Score.blank(1, 3), chord=np.full(3, NO_CHORD)).chord is None


def test_a_file_without_a_single_chord_reads_as_a_score_that_has_none(tmp_path: Path) -> None:
    part = music21.stream.Part()
    part.append(music21.harmony.NoChord())
    part.append(music21.note.Note(72, quarterLength=4))
    silent = Score.from_music21(part)
    assert silent.chord is None
    silent.to_musicxml(tmp_path / "a.musicxml")
    assert Score.from_musicxml(tmp_path / "a.musicxml").chord is None
    assert dataclasses.replace(silent, chord=np.full(silent.steps, NO_CHORD)) == silent


@pytest.mark.parametrize("inside", ["", "<function>V</function>", "<numeral><numeral-root>5</numeral-root></numeral>"])
def test_symbols_without_a_root_are_reported_and_left_out(inside: str, tmp_path: Path) -> None:
    path = tmp_path / "x.musicxml"
    Score.from_notes([[(0, 16, 72, 80)]]).to_musicxml(path)
    harmony = f"<harmony>{inside}<kind>major</kind></harmony>"
    path.write_text(path.read_text(encoding="utf-8").replace("<note", harmony + "<note", 1), encoding="utf-8")
    back = Score.from_musicxml(path)
    assert back.chord is None
    assert any("chord symbol without a root" in change.detail for change in back.changes)
