"""Codes, names and tables of chords, beside music21's chord symbols."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicgym import chords
from musicgym.chords import (
    CHORD_OF_SET,
    CHORD_SETS,
    INVERSION_OF,
    MEMBERS,
    QUALITIES,
    SUFFIXES,
    check_chords,
    chord_code,
    chord_name,
    chord_of,
    chord_parts,
    chord_spelling,
    parse_chord,
    pitch_classes,
    transpose_chords,
)
from musicgym.score import NO_CHORD, Score

CODES = [chord_code(r, q, i) for r in range(12) for q in range(len(QUALITIES)) for i in range(3 if q < 4 else 4)]
codes = st.sampled_from(CODES)


def with_chords(codes: list[int]) -> Score:
    return dataclasses.replace(Score.blank(1, len(codes)), chord=np.array(codes))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("root", ["C", "F#", "Bb", "D"])
def test_names_mean_what_music21_takes_them_for(root: str, suffix: str) -> None:
    harmony = pytest.importorskip("music21.harmony")
    code = parse_chord(root + suffix)
    for inversion in range(3 if chord_parts(code)[1] < 4 else 4):
        inverted = chord_code(*chord_parts(code)[:2], inversion)
        symbol = harmony.ChordSymbol(re.sub("([A-G])b", r"\1-", chord_name(inverted)).replace("-b", "--"))
        assert symbol.root().pitchClass == chord_parts(code)[0]
        assert symbol.bass().pitchClass == pitch_classes(inverted)[0]
        assert sorted({pitch.pitchClass for pitch in symbol.pitches}) == sorted(pitch_classes(inverted))
        assert symbol.inversion() == inversion


def test_qualities_are_what_music21_calls_these_chords() -> None:
    chord = pytest.importorskip("music21.chord")
    for quality, name in enumerate(QUALITIES):
        sounding = chord.Chord([60 + interval for interval in pitch_classes(chord_code(0, quality))])
        theirs = sounding.commonName.replace("half-diminished seventh chord", "half-diminished")
        assert theirs.replace(" chord", "").removesuffix(" triad") == name


@given(codes)
def test_a_code_and_its_parts_are_the_same_chord(code: int) -> None:
    assert chord_code(*chord_parts(code)) == code


@given(codes, st.integers(0, 11), st.integers(0, 6))
def test_a_name_in_any_key_reads_back(code: int, tonic: int, mode: int) -> None:
    assert parse_chord(chord_name(code, tonic, mode)) == code


@given(codes, st.integers(-24, 24))
def test_transposing_a_chord_transposes_its_pitch_classes(code: int, semitones: int) -> None:
    moved = int(transpose_chords(np.array([code]), semitones)[0])
    assert pitch_classes(moved) == tuple((pitch + semitones) % 12 for pitch in pitch_classes(code))


@given(codes, st.permutations(range(4)), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_what_sounds_is_recognised_in_any_spacing(code: int, above: list[int], octaves: list[int]) -> None:
    classes = pitch_classes(code)
    pitches = [36 + classes[0]] + [48 + classes[i] + 12 * octaves[i] for i in above if i < len(classes)]
    found = chord_of(pitches)
    if QUALITIES[chord_parts(code)[1]] in ("augmented", "diminished seventh"):  # symmetrical: the bass is the root
        assert chord_parts(found) == (classes[0], chord_parts(code)[1], 0)
    else:
        assert found == code


def test_chords_without_their_fifth_are_recognised() -> None:
    assert [chord_name(chord_of(pitches)) for pitches in ([48, 64], [48, 63], [48, 64, 70], [48, 64, 71], [48, 63, 70])] == [
        "C", "Cm", "C7", "Cmaj7", "Cm7",
    ]  # fmt: skip  # one row


def test_fifths_clusters_and_silence_are_no_chords() -> None:
    assert [chord_of(pitches) for pitches in ([48, 55], [60, 61, 62], [], [-1, -2], [60])] == [NO_CHORD] * 5


def test_tables_agree_with_each_other() -> None:
    for chord, members in enumerate(MEMBERS):
        found = CHORD_OF_SET[CHORD_SETS[chord]]
        assert CHORD_SETS[found] == CHORD_SETS[chord]
        assert [INVERSION_OF[chord, pitch] for pitch in members if pitch >= 0] == list(range((members >= 0).sum()))
        assert (INVERSION_OF[chord] >= 0).sum() == (members >= 0).sum()


@given(codes, st.integers(0, 11), st.integers(0, 6))
def test_spelled_root_and_bass_are_the_chords_own(code: int, tonic: int, mode: int) -> None:
    root, bass = chord_spelling(code, tonic, mode)
    assert (root * 7 % 12, bass * 7 % 12) == (chord_parts(code)[0], pitch_classes(code)[0])


@pytest.mark.parametrize("name", ["H", "c", "Cadd9", "C/D", "C/", "C7/F#", "N", "C b", 7, "Cm7/Bbb"])
def test_what_is_no_chord_symbol_is_refused_by_name(name: object) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        parse_chord(name)  # type: ignore[arg-type]  # that is what is tested
    assert repr(name) in str(refused.value)


@pytest.mark.parametrize(
    "parts", [(12, 0, 0), (0, 9, 0), (0, 0, 3), (-1, 0, 0), (0, 4, 4), (1.5, 0), (0, "x"), (0, 0, None), (True, 0)]
)
def test_parts_outside_their_ranges_are_refused(parts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        chord_code(*parts)


@pytest.mark.parametrize("code", [-2, 3, 432, 999])
def test_a_score_refuses_codes_that_are_no_chords(code: int) -> None:
    with pytest.raises(ValueError, match=f"Score.chord holds {code}"):
        with_chords([0, code])
    with pytest.raises(ValueError, match="chord code"):
        chord_parts(code)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: chords.chord_parts(1.5), r"chord code 1\.5: expected"),
        (lambda: chords.pitch_classes("x"), "chord code 'x': expected"),
        (lambda: chords.chord_name(None), "chord code None: expected"),
        (lambda: chords.chord_spelling(4, "D"), "key of tonic 'D' and mode 0: expected"),
        (lambda: chords.chord_name(4, 2, 7), "mode 7: expected"),
        (lambda: chords.chord_of(60), r"pitches 60: expected a row of MIDI numbers"),
        (lambda: chords.chord_of(["C4"]), r"pitches \['C4'\]: expected whole numbers"),
        (lambda: chords.chord_of([60.5, 64]), r"pitches \[60\.5, 64\]: expected whole numbers"),
        (lambda: chords.chords_of(60), r"pitch has shape \(\): expected \(voices, steps\)"),
        (lambda: chords.chords_of([[60.5]]), r"pitch \[\[60\.5\]\]: expected whole numbers"),
        (lambda: chords.transpose_chords("C", 1), "codes 'C': expected whole numbers"),
        (lambda: chords.transpose_chords([0, 5000], 1), "codes holds 5000: expected NO_CHORD"),
        (lambda: chords.transpose_chords([0], 1.5), r"semitones 1\.5: expected whole numbers"),
        (lambda: chords.check_chords([1.5], "these"), r"these \[1\.5\]: expected whole numbers"),
    ],
)
def test_what_is_no_whole_number_is_named(ask, message: str) -> None:  # type: ignore[no-untyped-def]  # functions of many kinds
    with pytest.raises(ValueError, match=message):
        ask()


def test_every_code_is_taken_by_a_score() -> None:
    check_chords(np.array([NO_CHORD, *CODES]), "these")
    assert len(set(CODES)) == 12 * (4 * 3 + 5 * 4)


@given(codes, st.integers(-12, 12))
def test_a_transposed_score_moves_its_chords(code: int, semitones: int) -> None:
    moved = with_chords([code, NO_CHORD]).transpose(semitones)
    assert moved.chord is not None
    assert moved.chord.tolist() == [int(transpose_chords(np.array([code]), semitones)[0]), NO_CHORD]
