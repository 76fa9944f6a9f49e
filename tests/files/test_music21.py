"""music21 streams: its own notes are the oracle."""

from __future__ import annotations

import dataclasses
from typing import Any

import music21
import numpy as np
import pytest

from musicgym.score import BLANK, REST, Change, KeyChange, MeterChange, Note, Score, TempoChange


def stream_of(text: str) -> Any:
    return music21.converter.parse(f"tinyNotation: {text}", forceSource=True)


def kinds(score: Score) -> list[str]:
    return [change.kind for change in score.changes]


@pytest.fixture(scope="module")
def chorale() -> Any:
    return music21.corpus.parse("bach/bwv66.6", forceSource=True)


def test_a_chorale_has_the_notes_that_music21_finds(chorale: Any) -> None:
    score = Score.from_music21(chorale)
    assert score.names == ("Soprano", "Alto", "Tenor", "Bass")
    assert (score.key, score.meter, score.changes) == ("F# minor", (4, 4), ())
    for voice, part in enumerate(chorale.parts):
        theirs = [(n.offset * 4, n.quarterLength * 4, n.pitch.midi) for n in part.stripTies().flatten().notes]
        assert [(n.start, n.duration, n.pitch) for n in score.notes(voice)] == theirs
        for note in part.flatten().notes:
            step = int(note.offset * 4)
            assert score.position[step] == (note.beat - 1) * 4
            assert score.spelling is not None
            assert "FCGDAEB"[(score.spelling[voice, step] + 1) % 7] == note.pitch.step
    fermatas = [n.offset * 4 for n in chorale.parts[0].flatten().notes if n.expressions]
    assert np.flatnonzero(np.diff(score.phrase_end.astype(int), prepend=0) == 1).tolist() == fermatas


@pytest.mark.parametrize("name", ["bach/bwv66.6", "bach/bwv269", "bach/bwv253", "bach/bwv846"])
def test_what_music21_gave_comes_back_through_a_stream_of_ours(name: str) -> None:
    score = Score.from_music21(music21.corpus.parse(name, forceSource=True))
    again = Score.from_music21(score.to_music21())
    assert again == score
    assert again.changes == ()


def test_short_bars_after_a_repeat_sign_go_on_counting() -> None:
    score = Score.from_music21(music21.corpus.parse("bach/bwv269", forceSource=True))
    jumps = np.flatnonzero(np.diff(score.position.astype(int)) != 1) + 1
    assert (score.position[jumps] == 0).all()
    assert score.position[0] == 8  # a pickup of one quarter in 3/4
    assert "ignored" in kinds(score)  # the repeat sign


def test_written_measures_are_full_and_numbered(chorale: Any) -> None:
    written = Score.from_music21(chorale).to_music21()
    for part, theirs in zip(written.parts, chorale.parts):
        measures = list(part.getElementsByClass("Measure"))
        assert [m.number for m in measures] == [m.number for m in theirs.getElementsByClass("Measure")]
        assert [m.offset for m in measures] == [m.offset for m in theirs.getElementsByClass("Measure")]
        assert part.isWellFormedNotation()
    assert [type(p.recurse().getElementsByClass("Clef").first()).__name__ for p in written.parts] == [
        "TrebleClef",
        "TrebleClef",
        "Treble8vbClef",
        "BassClef",
    ]


@pytest.mark.parametrize(
    ("start", "duration", "types"),
    [
        (0, 16, ["whole"]),
        (0, 6, ["quarter"]),  # dotted
        (4, 6, ["quarter"]),
        (2, 4, ["quarter"]),  # a syncopation
        (3, 2, ["16th", "16th"]),
        (0, 5, ["quarter", "16th"]),
        (2, 14, ["eighth", "half"]),  # dotted half
        (12, 8, ["quarter", "quarter"]),  # over the bar line
    ],
)
def test_notes_are_cut_into_values_that_show_the_beats(start: int, duration: int, types: list[str]) -> None:
    written = Score.from_notes([[Note(start, duration, 60, 80)]], steps=32).to_music21()
    notes = list(written.recurse().notes)
    assert [note.duration.type for note in notes] == types
    assert sum(note.quarterLength for note in notes) * 4 == duration


@pytest.mark.parametrize("grid", [1, 2, 3, 4, 5, 6, 8, 12, 24])
@pytest.mark.parametrize("meter", [(4, 4), (3, 4), (6, 8), (5, 4)])
def test_every_stretch_of_a_bar_can_be_printed(grid: int, meter: tuple[int, int]) -> None:
    if meter[0] * 4 * grid % meter[1]:
        pytest.skip("no whole number of steps")
    bar = meter[0] * 4 * grid // meter[1]
    for start in range(0, bar, max(1, bar // 12)):
        score = Score.from_notes([[Note(start, bar - start, 60, 80)]], steps=bar, steps_per_quarter=grid, meter=meter)
        written = score.to_music21()
        assert all(n.duration.type not in ("complex", "inexpressible") for n in written.recurse().notesAndRests)
        assert Score.from_music21(written, steps_per_quarter=grid).notes(0) == score.notes(0)


def test_b_is_no_b_natural() -> None:
    written = Score.from_notes([[Note(0, 4, 71, 80)]]).to_music21()
    assert written.recurse().notes.first().pitch.accidental is None


def test_what_only_a_score_knows_survives_a_stream() -> None:
    score = Score.from_notes([[Note(0, 4, 60, 80), Note(8, 4, 61, 3)]], steps=20, pickup=4, tempo=90.5, programs=(71,))
    pitch, onset = score.pitch.copy(), score.onset.copy()
    pitch[0, 12:16], onset[0, 12:16] = BLANK, False
    onset[0, 16] = onset[0, 18] = True
    score = dataclasses.replace(
        score,
        pitch=pitch,
        onset=onset,
        tonic=[0] * 10 + [7] * 10,
        chord=[5] * 20,
        position=[*range(4), *range(9), *range(7)],
        meters=(MeterChange(0, 4, 4), MeterChange(6, 3, 4)),
        tempos=(TempoChange(0, 100.0), TempoChange(5, 66.125)),
        keys=(KeyChange(0, 0, 0), KeyChange(9, 2, 2)),
        phrase_end=[False] * 9 + [True] * 2 + [False] * 9,
        spelling=[[0] * 8 + [7] * 4 + [0] * 8],
        title="Title",
        names=("Flute",),
    )
    assert Score.from_music21(score.to_music21()) == score


def test_chords_and_voices_are_kept_by_split_and_reported_by_tracks() -> None:
    part = music21.stream.Part([music21.chord.Chord("C4 E4 G4", quarterLength=2), music21.note.Note("D4", quarterLength=2)])
    top = Score.from_music21(part)
    assert [n.pitch for n in top.notes(0)] == [67, 62]
    assert kinds(top) == ["dropped", "dropped"]
    split = Score.from_music21(part, voices="split")
    assert sorted(n.pitch for voice in range(split.voices) for n in split.notes(voice)) == [60, 62, 64, 67]
    assert split.changes == ()
    with pytest.raises(ValueError, match="split"):
        Score.from_music21(part, strict=True)


def test_skyline_follows_the_highest_part() -> None:
    score = music21.stream.Score([stream_of("4/4 c4 d e f"), stream_of("4/4 c'1")])
    assert [n.pitch for n in Score.from_music21(score, voices="skyline").notes(0)] == [72]


def test_clarinets_are_read_at_sounding_pitch() -> None:
    part = music21.stream.Part([music21.instrument.Clarinet(), music21.key.Key("D"), music21.note.Note("D4", quarterLength=4)])
    part.atSoundingPitch = False
    score = Score.from_music21(music21.stream.Score([part]))
    assert [n.pitch for n in score.notes(0)] == [60]
    assert (score.key, score.programs) == ("C major", (71,))


def test_ties_are_one_note_and_repeated_notes_are_two() -> None:
    assert Score.from_music21(stream_of("4/4 c2~ c4 c4 d1~ d1")).notes(0) == [
        Note(0, 12, 60, 80),
        Note(12, 4, 60, 80),
        Note(16, 32, 62, 80),
    ]


def test_rests_that_follow_each_other_are_one() -> None:
    assert [e.pitch for e in Score.from_music21(stream_of("4/4 r4 r c2")).events(0)] == [REST, 60]


def test_triplets_fit_twelve_and_are_moved_on_four() -> None:
    stream = stream_of("2/4 trip{c8 d e} f4")
    assert [n.duration for n in Score.from_music21(stream, steps_per_quarter=12).notes(0)] == [4, 4, 4, 12]
    assert kinds(Score.from_music21(stream)) == ["quantised"] * 3
    with pytest.raises(ValueError, match="steps_per_quarter=12"):
        Score.from_music21(stream, strict=True)


def test_what_a_score_does_not_hold_is_reported() -> None:
    part = stream_of("4/4 c4 d e f")
    notes = list(part.recurse().notes)
    measure = part.getElementsByClass("Measure").first()
    measure.insert(0, music21.note.Note("B3").getGrace())
    measure.insert(0, music21.harmony.ChordSymbol("Csus4"))
    measure.rightBarline = music21.bar.Repeat("end")
    notes[1].articulations.append(music21.articulations.Staccato())
    notes[1].lyric = "la"
    notes[2].expressions.append(music21.expressions.Trill())
    score = Score.from_music21(part)
    assert [n.pitch for n in score.notes(0)] == [60, 62, 64, 65]
    text = " ".join(change.detail for change in score.changes)
    for word in ("grace note B3", "chord symbol Csus4", "Repeat", "1 staccato", "1 lyric", "1 trill"):
        assert word in text
    with pytest.raises(ValueError, match="grace note B3"):
        Score.from_music21(part, strict=True)


def test_percussion_is_reported_and_left_out() -> None:
    part = music21.stream.Part([music21.note.Unpitched(quarterLength=2), music21.note.Note("C4", quarterLength=2)])
    score = Score.from_music21(part)
    assert score.notes(0) == [Note(8, 8, 60, 80)]
    assert kinds(score) == ["dropped"]


def test_quarter_tones_go_to_a_key_of_the_piano_and_are_reported() -> None:
    note = music21.note.Note("C4", quarterLength=4)
    note.pitch.accidental = "half-sharp"
    score = Score.from_music21(music21.stream.Part([note]))
    assert score.notes(0)[0].pitch in (60, 61)
    assert kinds(score) == ["quantised"]


def test_velocity_is_the_notes_own_else_the_dynamic_marks() -> None:
    part = stream_of("4/4 c4 d e f")
    part.getElementsByClass("Measure").first().insert(1, music21.dynamics.Dynamic("ff"))
    list(part.recurse().notes)[3].volume.velocity = 20
    velocities = [n.velocity for n in Score.from_music21(part).notes(0)]
    assert (velocities[0], velocities[3]) == (80, 20)
    assert velocities[1] == velocities[2] > 100


def test_modes_and_signatures_without_mode() -> None:
    assert Score.from_music21(music21.stream.Part([music21.key.Key("d", "dorian"), music21.note.Note()])).key == "D dorian"
    bare = Score.from_music21(music21.stream.Part([music21.key.KeySignature(2), music21.note.Note()]))
    assert bare.key == "D major"
    assert bare.changes == (Change("ignored", -1, 0, "a signature of 2 sharps without a mode: taken as major"),)


def test_streams_without_measures_are_barred_by_their_metre() -> None:
    flat = music21.stream.Part([music21.meter.TimeSignature("3/4"), music21.note.Note(quarterLength=5)])
    assert Score.from_music21(flat).position.tolist() == [*range(12), *range(8)]


def test_a_metre_that_misses_the_grid_is_rounded_and_reported() -> None:
    part = music21.stream.Part([music21.meter.TimeSignature("3/8"), music21.note.Note(quarterLength=2)])
    score = Score.from_music21(part, steps_per_quarter=1)
    assert score.meter == (2, 4)
    assert kinds(score) == ["quantised"]


@pytest.mark.parametrize("given", [None, "C4 D4", music21.note.Note("C4"), music21.stream.Opus(), music21.stream.Score()])
def test_what_is_no_music_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match=r"expected|pass one"):
        Score.from_music21(given)
