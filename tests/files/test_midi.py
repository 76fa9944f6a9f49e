"""MIDI files: our own come back as they were, others' are read as other libraries read them, and losses are reported."""

from __future__ import annotations

import dataclasses
import importlib.util
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import music21
import numpy as np
import pytest
import symusic
from hypothesis import example, given, settings
from hypothesis import strategies as st

from musicgym.files import midi, midi_tracks
from musicgym.score import BLANK, MODES, KeyChange, MeterChange, Note, Score, TempoChange

END = b"\x00\xff\x2f\x00"
NOTE = b"\x00\x90\x3c\x50\x83\x60\x80\x3c\x00"  # C4, velocity 80, 480 ticks


def smf_bytes(*tracks: bytes, division: int = 480, form: int = 1) -> bytes:
    """A MIDI file of these tracks' events, for what no library would write."""
    return b"".join(
        [b"MThd" + struct.pack(">IHHH", 6, form, len(tracks), division)]
        + [b"MTrk" + struct.pack(">I", len(t + END)) + t + END for t in tracks]
    )


def marker(text: bytes) -> bytes:
    return b"\x00\xff\x06" + bytes([len(text)]) + text


def played(*tracks: list[tuple[int, int, int, int]], drums: int = -1, **metas: list[Any]) -> bytes:
    """What symusic writes of tracks of (onset, duration, pitch, velocity) in ticks, 480 a quarter, and of `metas`."""
    score = symusic.Score(480)
    for kind, events in metas.items():
        getattr(score, kind).extend(events)
    for index, notes in enumerate(tracks):
        track = symusic.Track(is_drum=index == drums)
        track.notes.extend(symusic.Note(*note) for note in notes)
        score.tracks.append(track)
    return score.dumps_midi()


def kinds(score: Score) -> list[str]:
    return [change.kind for change in score.changes]


# Our own files come back as they were


@st.composite
def changes_at(draw: st.DrawFn, steps: int, value: st.SearchStrategy[tuple]) -> list[tuple]:
    """Changes in rising order of step, the first at 0."""
    later = draw(st.lists(st.integers(1, max(steps - 1, 1)), max_size=3, unique=True))
    return [(step, *draw(value)) for step in sorted({0, *(s for s in later if s < steps)})]


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """Scores whose rests are merged: all that the format holds."""
    grid = draw(st.sampled_from([4, 12]))
    steps = draw(st.integers(1, 80))
    voices = []
    for _ in range(draw(st.integers(1, 3))):
        notes, at = [], 0
        for gap, duration, pitch, velocity in draw(
            st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(0, 127), st.integers(1, 127)), max_size=12)
        ):
            at += gap
            if at + duration <= steps:
                notes.append(Note(at, duration, pitch, velocity))
                at += duration
        voices.append(notes)
    meters = [MeterChange(*m) for m in draw(changes_at(steps, st.tuples(st.integers(1, 12), st.sampled_from([2, 4, 8, 16]))))]
    meters = [m for m in meters if m.numerator * 4 * grid % m.denominator == 0] or [MeterChange(0, 4, 4)]
    meters[0] = meters[0]._replace(step=0)
    tempo = st.one_of(st.integers(400, 50000).map(lambda t: t / 100), st.floats(4, 1000))
    keys = draw(changes_at(steps, st.tuples(st.integers(0, 11), st.integers(0, len(MODES) - 1))))
    base = Score.from_notes(voices, steps=steps, steps_per_quarter=grid)
    lengths = [m.numerator * 4 * grid // m.denominator for m in meters]
    position = np.zeros(steps, int)
    how = draw(st.sampled_from(["regular", "pickup", "any"]))
    at = draw(st.integers(0, lengths[0] - 1)) if how == "pickup" else 0
    for step in range(steps):
        position[step] = at
        bar = max(i for i, m in enumerate(meters) if m.step <= step)
        at = 0 if at + 1 >= lengths[bar] or any(m.step == step + 1 for m in meters) else at + 1
    if how == "any":
        for step in draw(st.lists(st.integers(0, steps - 1), max_size=4)):
            position[step:] = np.arange(draw(st.integers(0, 50)), 200)[: steps - step]
    tonic, mode = np.zeros(steps, int), np.zeros(steps, int)
    local = draw(st.one_of(st.just(keys), changes_at(steps, st.tuples(st.integers(0, 11), st.integers(0, len(MODES) - 1)))))
    for step, t, m in local:
        tonic[step:], mode[step:] = t, m
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    return dataclasses.replace(
        base,
        position=position,
        tonic=tonic,
        mode=mode,
        phrase_end=np.array(draw(st.one_of(st.just([False] * steps), st.lists(st.booleans(), min_size=steps, max_size=steps)))),
        meters=tuple(meters),
        tempos=tuple(TempoChange(*t) for t in draw(changes_at(steps, st.tuples(tempo)))),
        keys=tuple(KeyChange(*k) for k in keys),
        programs=tuple(draw(st.integers(0, 127)) for _ in voices),
        names=tuple(draw(text) for _ in voices),
        title=draw(text),
        source=draw(text),
    )


@settings(max_examples=300, deadline=None)
@given(scores())
def test_a_score_comes_back_as_it_was_written(score: Score) -> None:
    back = midi.read(midi.to_bytes(score), steps_per_quarter=score.steps_per_quarter, strict=True)
    for name in ("meters", "tempos", "keys", "programs", "names", "title", "source"):
        assert getattr(back, name) == getattr(score, name)
    assert back.position.tolist() == score.position.tolist()
    assert back == score
    assert back.changes == ()


@settings(max_examples=50, deadline=None)
@given(scores())
def test_split_voices_of_a_monophonic_file_are_its_tracks(score: Score) -> None:
    assert midi.read(midi.to_bytes(score), steps_per_quarter=score.steps_per_quarter, voices="split") == score


def test_a_file_on_disk_comes_back(tmp_path: Path) -> None:
    score = dataclasses.replace(Score.from_notes([[(0, 3, 60, 90), (5, 3, 64, 20)], [(0, 16, 40, 64)]], pickup=4), title="Über")
    score.to_midi(tmp_path / "a.mid")
    assert Score.from_midi(tmp_path / "a.mid") == score
    assert [p.name for p in tmp_path.iterdir()] == ["a.mid"]


def test_repeated_rest_onsets_come_back_as_one_rest() -> None:
    score = Score.from_notes([[(0, 4, 60, 80)]], steps=16)
    onset = score.onset.copy()
    onset[0, 8] = True
    assert midi.read(midi.to_bytes(dataclasses.replace(score, onset=onset))) == score


def test_silent_voices_and_scores_of_rests_come_back() -> None:
    score = Score.from_notes([[], [(0, 4, 60, 80)], []], steps=16, programs=(5, 6, 7))
    for how in ("tracks", "split"):
        assert midi.read(midi.to_bytes(score), voices=how) == score
    silence = Score.from_notes([[]], steps=16)
    assert midi.read(midi.to_bytes(silence)) == silence


def test_ten_thousand_bars_come_back() -> None:
    score = Score.from_notes([[(16 * i, 4, 60, 80) for i in range(10_000)]])
    long = midi.read(midi.to_bytes(score))
    assert long == score
    assert long.steps == 159_988


# What other libraries find in our files


def events_by_music21(data: bytes) -> Iterator[list[tuple[int, music21.midi.MidiEvent]]]:
    """Each track's events with their ticks, as music21 reads them."""
    file = music21.midi.MidiFile()
    file.readstr(data)
    for track in file.tracks:
        now, made = 0, []
        for event in track.events:
            if isinstance(event, music21.midi.DeltaTime):
                now += event.time
            else:
                made.append((now, event))
        yield made


@settings(max_examples=50, deadline=None)
@given(scores())
def test_symusic_finds_the_notes_and_tempos_we_wrote(score: Score) -> None:
    ticks = 480 // score.steps_per_quarter
    voices = [score.notes(v) for v in range(score.voices)]
    expected = [sorted((n.start * ticks, n.duration * ticks, n.pitch, n.velocity) for n in notes) for notes in voices]
    theirs = symusic.Score.from_midi(midi.to_bytes(score))
    found = [sorted((n.time, n.duration, n.pitch, n.velocity) for n in t.notes) for t in theirs.tracks]
    assert found == [e for e in expected if e]
    assert [(t.time, t.mspq) for t in theirs.tempos] == [(t.step * ticks, round(6e7 / t.quarters)) for t in score.tempos]
    assert theirs.ticks_per_quarter == 480


@settings(max_examples=50, deadline=None)
@given(scores())
def test_music21_finds_the_tracks_we_wrote(score: Score) -> None:
    ticks = 480 // score.steps_per_quarter
    first, *voices = events_by_music21(midi.to_bytes(score))
    assert not any(e.isNoteOn() or e.isNoteOff() for _, e in first)
    names = [score.title, *score.names]
    for voice, (events, name) in enumerate(zip((first, *voices), names, strict=True)):
        meta = [e.data.decode() for _, e in events if e.type == music21.midi.MetaEvents.SEQUENCE_TRACK_NAME]
        assert meta == ([name] if name else []), voice
    for voice, events in enumerate(voices):
        open_at, found = {}, []
        for now, event in events:
            if event.isNoteOn():
                open_at[event.pitch] = now, event.velocity
            elif event.isNoteOff():
                start, velocity = open_at.pop(event.pitch)
                found.append(Note(start // ticks, (now - start) // ticks, event.pitch, velocity))
        assert sorted(found) == score.notes(voice)
        programs = [e.data for _, e in events if e.type == music21.midi.ChannelVoiceMessages.PROGRAM_CHANGE]
        assert programs == [score.programs[voice]]
        assert {e.channel for _, e in events if e.isNoteOn()} <= {voice + 2}


def test_seventeen_voices_leave_the_drum_channel_alone() -> None:
    score = Score.from_notes([[(0, 4, 60 + voice, 80)] for voice in range(17)])
    assert midi.read(midi.to_bytes(score)) == score
    channels = [e.channel for track in events_by_music21(midi.to_bytes(score)) for _, e in track if e.isNoteOn()]
    assert len(channels) == 17
    assert 10 not in channels


def test_music21_finds_metre_key_and_a_pickup_as_a_short_first_bar() -> None:
    score = Score.blank(1, 44, meter=(3, 4), key="C minor", pickup=4)
    score = dataclasses.replace(score, pitch=np.full((1, 44), -1), onset=np.arange(44)[None] == 0)
    first, _ = events_by_music21(midi.to_bytes(score))
    kind = music21.midi.MetaEvents
    assert [(now, *e.data[:2]) for now, e in first if e.type == kind.TIME_SIGNATURE] == [(0, 1, 2), (480, 3, 2)]
    assert [tuple(e.data) for _, e in first if e.type == kind.KEY_SIGNATURE] == [(0xFD, 1)]
    assert [(now, e.data) for now, e in first if e.type == kind.MARKER] == [(44 * 120, b"musicgym end")]


def test_music21_shows_a_part_for_each_voice_and_none_for_the_first_track() -> None:
    score = Score.from_notes([[(0, 4, 60, 80)], [(4, 4, 48, 80)]])
    stream = music21.midi.translate.midiStringToStream(midi.to_bytes(score))
    assert [[n.pitch.midi for n in part.recurse().notes] for part in stream.parts] == [[60], [48]]


# Others' files


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(1, 20), st.integers(30, 90), st.integers(1, 127)),
        min_size=1,
        max_size=20,
        unique_by=lambda note: note[2],  # symusic's writer says nothing of which strike a release belongs to
    )
)
def test_split_voices_hold_every_note_that_symusic_wrote(notes: list[tuple[int, int, int, int]]) -> None:
    data = played([(120 * start, 120 * duration, pitch, velocity) for start, duration, pitch, velocity in notes])
    score = midi.read(data, voices="split", strict=True)
    assert sorted(n for v in range(score.voices) for n in score.notes(v)) == sorted(Note(*n) for n in notes)


def test_a_file_that_music21_wrote_holds_its_notes_metre_key_and_tempo() -> None:
    part = music21.stream.Part([music21.meter.TimeSignature("3/4"), music21.key.Key("g"), music21.tempo.MetronomeMark(number=90)])
    part.append([music21.note.Note(p, quarterLength=q) for p, q in ((67, 1), (70, 0.5), (69, 0.5), (66, 1), (67, 3))])
    score = midi.read(music21.midi.translate.streamToMidiFile(part).writestr(), strict=True)
    assert [n[:3] for n in score.notes(0)] == [(0, 4, 67), (4, 2, 70), (6, 2, 69), (8, 4, 66), (12, 12, 67)]
    assert (score.meter, score.key, score.steps) == ((3, 4), "G minor", 24)
    assert round(score.tempo) == 90


def test_files_of_other_programs_hold_the_notes_that_symusic_finds() -> None:
    package = importlib.util.find_spec("music21")
    assert package is not None
    assert package.origin is not None
    files = sorted((Path(package.origin).parent / "midi" / "testPrimitive").glob("*.mid"))
    assert len(files) > 10
    for path in files:
        data = path.read_bytes()
        ours = sorted(note for part in midi_tracks.parse(data, path.name).parts for note in part.notes)
        theirs = [(n.time, n.duration, n.pitch, n.velocity) for t in symusic.Score.from_midi(data).tracks for n in t.notes]
        assert ours == sorted(theirs), path.name


def test_unquantised_playing_is_moved_and_every_move_reported() -> None:
    score = midi.read(played([(7, 110, 60, 80), (125, 230, 62, 70), (360, 120, 64, 60)]))
    assert score.notes(0) == [Note(0, 1, 60, 80), Note(1, 2, 62, 70), Note(3, 1, 64, 60)]
    assert [(c.kind, c.voice, c.step) for c in score.changes] == [("quantised", 0, 0), ("quantised", 0, 1)]
    assert score.changes[0].detail == "C4 lay from step 0.05833 to 0.975, now from 0 to 1"


def test_strict_refuses_triplets_on_four_and_names_twelve() -> None:
    data = played([(0, 160, 60, 80), (160, 160, 62, 80), (320, 160, 64, 80)])
    with pytest.raises(ValueError, match=r"part 0: the note C4 that begins at quarter 0 .*steps_per_quarter=12 would hold"):
        midi.read(data, strict=True)
    assert [n.duration for n in midi.read(data, steps_per_quarter=12, strict=True).notes(0)] == [4, 4, 4]


def test_a_grace_note_gives_way_to_its_main_note_and_is_reported() -> None:
    score = midi.read(played([(0, 400, 60, 80), (470, 10, 74, 80), (480, 480, 72, 80)]))
    assert [n.pitch for n in score.notes(0)] == [60, 72]
    assert [c.detail for c in score.changes if c.kind == "dropped"] == [
        "D5 is too short for the grid (a grace note?) and gives way to C5"
    ]


def test_a_chord_in_a_track_leaves_its_highest_note_and_reports_the_others() -> None:
    data = played([(0, 480, 60, 80), (0, 480, 64, 80), (0, 480, 67, 80)])
    score = midi.read(data)
    assert score.notes(0) == [Note(0, 4, 67, 80)]
    assert [c.detail for c in score.changes] == ["E4 sounds below G4 in a chord", "C4 sounds below G4 in a chord"]
    with pytest.raises(ValueError, match="voices='split' keeps every note"):
        midi.read(data, strict=True)


def test_legato_overlap_is_cut_at_the_next_onset_and_reported() -> None:
    score = midi.read(played([(0, 600, 60, 80), (480, 480, 62, 80)]))
    assert score.notes(0) == [Note(0, 4, 60, 80), Note(4, 4, 62, 80)]
    assert kinds(score) == ["cut"]


def test_drums_are_left_out_and_reported() -> None:
    score = midi.read(played([(0, 480, 60, 80)], [(0, 10, 38, 90), (480, 10, 38, 90)], drums=1))
    assert score.voices == 1
    assert [(c.kind, c.detail) for c in score.changes] == [("dropped", "track 1: 2 notes on the drum channel")]


def test_channels_of_a_format_0_file_are_parts_and_its_name_the_title() -> None:
    name = b"\x00\xff\x03\x04Song"
    one = name + b"\x00\xc0\x05\x00\xc1\x06\x00\x90\x3c\x50\x00\x91\x30\x40\x83\x60\x80\x3c\x00\x00\x81\x30\x00"
    score = midi.read(smf_bytes(one, form=0))
    assert (score.programs, score.names, score.title) == ((5, 6), ("", ""), "Song")
    assert [score.notes(v) for v in (0, 1)] == [[Note(0, 4, 60, 80)], [Note(0, 4, 48, 64)]]


def test_tempo_metre_and_key_changes_follow_the_file() -> None:
    score = midi.read(
        played(
            [(0, 1440, 60, 80), (1440, 2880, 62, 80)],
            time_signatures=[symusic.TimeSignature(0, 3, 4), symusic.TimeSignature(1440, 6, 8)],
            tempos=[symusic.Tempo(0, mspq=500_000), symusic.Tempo(1440, mspq=400_000)],
            key_signatures=[symusic.KeySignature(1440, -3, 1)],
        )
    )
    assert score.meters == (MeterChange(0, 3, 4), MeterChange(12, 6, 8))
    assert score.tempos == (TempoChange(0, 120.0), TempoChange(12, 150.0))
    assert score.keys == (KeyChange(0, 0, 0), KeyChange(12, 0, 1))
    assert score.position.tolist() == [*range(12), *range(12), *range(12)]
    assert score.mode.tolist() == [0] * 12 + [1] * 24


def test_a_short_first_bar_is_read_as_a_pickup() -> None:
    metres = [symusic.TimeSignature(0, 1, 4), symusic.TimeSignature(480, 4, 4)]
    score = midi.read(played([(0, 480, 60, 80), (480, 1920, 62, 80)], time_signatures=metres))
    assert score.meters == (MeterChange(0, 4, 4),)
    assert score.position.tolist() == [12, 13, 14, 15, *range(16)]


def test_a_bar_that_is_no_whole_number_of_steps_is_reported_or_refused() -> None:
    data = played([(0, 1920, 60, 80)], time_signatures=[symusic.TimeSignature(0, 7, 32)])
    score = midi.read(data)
    assert score.meters == (MeterChange(0, 1, 4),)
    assert score.position.tolist()[:9] == [0, 1, 2, 3, 0, 1, 2, 0, 1]  # bar lines stay where they are: 0, 3.5, 7
    assert score.changes[0].detail.startswith("a bar of 7/32 is no whole number of steps at 4 a quarter")
    with pytest.raises(ValueError, match="7/32"):
        midi.read(data, strict=True)


def test_tempo_changes_within_a_step_are_merged_and_those_after_the_end_ignored() -> None:
    tempos = [(0, 500_000), (470, 600_000), (480, 400_000), (9480, 1)]
    score = midi.read(played([(0, 960, 60, 80)], tempos=[symusic.Tempo(tick, mspq=length) for tick, length in tempos]))
    assert score.tempos == (TempoChange(0, 120.0), TempoChange(4, 150.0))
    assert kinds(score) == ["quantised", "merged", "ignored"]


def test_a_note_without_end_and_one_struck_again_are_kept_and_reported() -> None:
    again = b"\x00\x90\x3c\x50\x83\x60\x90\x3c\x51\x83\x60\x80\x3c\x40"  # struck at 0 and 480, released once at 960
    stuck = b"\x00\x90\x3e\x50\x83\x60\x90\x40\x50\x83\x60\x80\x40\x40"  # D4 is never released
    score = midi.read(smf_bytes(again, stuck), voices="split")
    notes = sorted(n for v in range(score.voices) for n in score.notes(v))
    assert notes == [Note(0, 8, 60, 80), Note(0, 8, 62, 80), Note(4, 4, 60, 81), Note(4, 4, 64, 80)]
    assert [c.detail.split(" has ")[0] for c in score.changes] == ["track 0: C4 at quarter 1", "track 1: D4 at quarter 0"]


def test_pedals_bends_and_later_programs_are_reported() -> None:
    score = midi.read(smf_bytes(b"\x00\xc0\x05\x00\xb0\x40\x7f\x00\xe0\x00\x40" + NOTE + b"\x00\xc0\x07"))
    assert score.programs == (5,)
    assert [(c.kind, c.step) for c in score.changes] == [("ignored", 4), ("ignored", -1), ("ignored", -1)]


def test_meta_events_whose_time_mido_loses_are_reported_or_refused() -> None:
    data = smf_bytes(b"\x00\xff\x0a\x01x" + NOTE)
    assert [c.detail.split(":")[0] for c in midi.read(data).changes] == ["track 0"]
    with pytest.raises(ValueError, match="1 meta events of unknown kind"):
        midi.read(data, strict=True)


def test_what_follows_the_promised_tracks_is_reported() -> None:
    (change,) = midi.read(smf_bytes(NOTE) + b"more").changes
    assert (change.kind, change.detail) == ("ignored", "4 bytes after the 1 tracks that the header promises")


def test_a_wrapped_file_is_read() -> None:
    inside = smf_bytes(NOTE)
    wrapped = b"RIFF" + struct.pack("<I", len(inside) + 12) + b"RMIDdata" + struct.pack("<I", len(inside)) + inside
    assert midi.read(wrapped) == midi.read(inside)


def test_skyline_is_the_highest_note_over_all_tracks() -> None:
    high = [(0, 480, 72, 80), (960, 480, 74, 80)]
    low = [(0, 240, 60, 70), (480, 480, 62, 70), (960, 960, 64, 70)]
    score = midi.read(played(high, low), voices="skyline")
    assert score.notes(0) == [Note(0, 4, 72, 80), Note(4, 4, 62, 70), Note(8, 4, 74, 80), Note(12, 4, 64, 70)]
    assert [(c.kind, c.step) for c in score.changes] == [("dropped", 0), ("cut", 12)]


def test_an_unknown_way_to_make_voices_is_an_error() -> None:
    with pytest.raises(ValueError, match="voices='chords': expected one of 'tracks', 'skyline', 'split'"):
        midi.read(played([(0, 480, 60, 80)]), voices="chords")


# Bad input


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "MIDI bytes: no MIDI file, or a broken one"),
        (b"RIFF", "no MIDI file"),
        (smf_bytes(), "without tracks"),
        (smf_bytes(b""), "without notes"),
        (played([(0, 9, 60, 1)], drums=0), "without notes"),
        (smf_bytes(NOTE, division=0), "time division 0"),
        (smf_bytes(NOTE, division=0xE728), "SMPTE"),
        (smf_bytes(NOTE, form=2), "format 2"),
        (smf_bytes(NOTE)[:-9], "cut off"),
        (smf_bytes(b"\x00\x90\x3c"), "cut off|0..127"),
        (smf_bytes(b"\x00\x3c\x50"), "running status"),
        (smf_bytes(b"\x00\x90\x80\x50"), "in range 0..127"),
        (smf_bytes(b"\x00\xff\x59\x02\x63\x00" + NOTE), "99 sharps"),
        (smf_bytes(b"\xff\xff\xff\xff\x7f\x90\x3c\x50"), "more than 268435455 ticks between two events"),
        (smf_bytes(b"\xff" * 5000), "more than 4096 bytes in a row"),
        (smf_bytes(b"\xff\xff\xff\x7f\x90\x3c\x50" * 9), "C4 that begins at quarter 559241 .* would end at step"),
        (smf_bytes(marker(b"musicgym bar 4/x 3"), NOTE), "expected a whole number"),
        (smf_bytes(marker(b"musicgym tempo x") + b"\x00\xff\x51\x03\x07\xa1\x20", NOTE), "expected a number"),
        (smf_bytes(marker(b"musicgym local H major"), NOTE), "key 'H major'"),
        (smf_bytes(marker(b"musicgym bar 3/64 0"), NOTE), "3/64"),
    ],
)
def test_broken_files_are_refused_with_their_fault(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        midi.read(data)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read .*nowhere\.mid"):
        Score.from_midi(tmp_path / "nowhere.mid")
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    with pytest.raises(ValueError, match=r"broken\.mid': no MIDI file, or a broken one \(4 bytes\); mido says: it is cut off"):
        Score.from_midi(tmp_path / "broken.mid")


TEMPLATE = midi.to_bytes(
    dataclasses.replace(
        Score.from_notes([[(0, 4, 60, 80), (6, 2, 62, 80)], [(1, 3, 50, 80)]], pickup=3, key="D dorian", tempo=97.31),
        title="t",
        position=np.array([5, 6, 0, 1, 2, 3, 9, 0]),
        phrase_end=np.array([0, 0, 1, 0, 0, 0, 1, 1], bool),
    )
)


@st.composite
def spoilt_bytes(draw: st.DrawFn) -> bytes:
    """Bytes of any kind, tracks of any bytes, and our own file with bytes changed, added or cut."""
    how = draw(st.integers(0, 3))
    if how == 0:
        return draw(st.binary(max_size=80))
    if how == 1:
        return smf_bytes(*draw(st.lists(st.binary(max_size=60), max_size=3)), division=draw(st.integers(0, 65535)))
    if how == 2:
        strike, release, stray = b"\x00\x90\x3c\x50", b"\x70\x3c\x00", b"\xff\xff\x7f\x80\x3c\x00"
        metre, tempo, key = b"\x00\xff\x58\x04\x03\x06\x18\x08", b"\x01\xff\x51\x03\x00\x00\x01", b"\x00\xff\x59\x02\xf9\x01"
        pieces = st.sampled_from([strike, release, stray, metre, tempo, key, b"\x00\xf0\x02\x00\xf7"])
        return smf_bytes(b"".join(draw(st.lists(pieces, max_size=20))), division=draw(st.sampled_from([1, 3, 96, 32767])))
    made = bytearray(TEMPLATE)
    for place, byte in draw(st.lists(st.tuples(st.integers(0, len(made) - 1), st.integers(0, 255)), min_size=1, max_size=6)):
        made[place] = byte
    return bytes(made[: draw(st.integers(0, len(made)))]) if draw(st.booleans()) else bytes(made)


@settings(max_examples=1500, deadline=None)
@given(spoilt_bytes(), st.sampled_from(["tracks", "skyline", "split"]), st.sampled_from([1, 4, 12]), st.booleans())
@example(b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01\xe0MTrk\xff\xff\xff\xff", "tracks", 4, False)
def test_any_bytes_give_a_score_or_a_value_error(data: bytes, how: str, grid: int, strict: bool) -> None:
    try:
        score = midi.read(data, voices=how, steps_per_quarter=grid, strict=strict)
    except ValueError:
        return
    assert score.steps >= 1
    assert score.finished


@pytest.mark.parametrize("how", ["tracks", "skyline", "split"])
def test_twenty_thousand_notes_on_one_step_are_read_or_refused(how: str) -> None:
    data = played([(0, 480, i % 128, 80) for i in range(20_000)])
    if how == "split":
        with pytest.raises(ValueError, match="20000 notes sound together; at most 128 voices"):
            midi.read(data, voices=how)
    else:
        score = midi.read(data, voices=how)
        assert len(score.notes(0)) == 1
        assert kinds(score).count("dropped") == 19_999


def test_files_beyond_any_music_are_refused_before_they_cost_much() -> None:
    with pytest.raises(ValueError, match="more than 2097152 bytes"):
        midi.read(bytes(3 << 20))
    with pytest.raises(ValueError, match="more than 200000 notes"):
        midi.read(smf_bytes(*[b"\x00\x90\x3c\x50" + b"\x01\x3c\x50" * 100_000] * 2))


# What can't be written


def test_blanks_are_refused_or_written_as_rests() -> None:
    score = Score.from_notes([[(0, 4, 60, 80)]], steps=8)
    pitch, onset = score.pitch.copy(), score.onset.copy()
    pitch[0, 5:], onset[0, 5:] = BLANK, False
    holes = dataclasses.replace(score, pitch=pitch, onset=onset)
    with pytest.raises(ValueError, match="3 blank slots: fill them, or pass blanks='rest'"):
        midi.to_bytes(holes)
    assert midi.read(midi.to_bytes(holes, blanks="rest")) == score
    with pytest.raises(ValueError, match="blanks='keep'"):
        midi.to_bytes(holes, blanks="keep")


def test_velocity_0_is_written_as_1() -> None:
    score = Score.from_notes([[(0, 4, 60, 0)]])
    assert midi.read(midi.to_bytes(score)).notes(0) == [Note(0, 4, 60, 1)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tempos": (TempoChange(0, 2.0),)}, "tempo 2.0 at step 0"),
        ({"tempos": (TempoChange(0, float("nan")),)}, "tempo nan"),
        ({"programs": (128,)}, r"programs\[0\] is 128"),
        ({"meters": (MeterChange(0, 3, 32),)}, "3/32"),
        ({"steps_per_quarter": 40_000}, "steps_per_quarter=40000"),
        ({"tempos": (TempoChange(0, 6e7 + 1),)}, "tempo 60000001.0"),
    ],
)
def test_what_midi_cannot_hold_is_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        midi.to_bytes(dataclasses.replace(Score.from_notes([[(0, 4, 60, 80)]]), **change))


def test_a_score_too_long_for_midi_is_refused() -> None:
    with pytest.raises(ValueError, match="step 600000 at 1 a quarter: a MIDI file is written up to step 559240"):
        midi.to_bytes(Score.from_notes([[(599_999, 1, 60, 80)]], steps_per_quarter=1))
    late = (TempoChange(0, 120.0), TempoChange(10**9, 60.0))
    with pytest.raises(ValueError, match="step 1000000000 at 4 a quarter"):
        midi.to_bytes(dataclasses.replace(Score.from_notes([[(0, 4, 60, 80)]]), tempos=late))


def test_halves_of_surrogate_pairs_which_no_file_can_hold_are_left_out(tmp_path: Path) -> None:
    score = dataclasses.replace(Score.from_notes([[Note(0, 4, 60, 80)]]), title="a\ud800b", names=("\udfffc",))
    score.to_midi(tmp_path / "x.mid")
    back = Score.from_midi(tmp_path / "x.mid")
    assert (back.title, back.names) == ("ab", ("c",))


def test_an_empty_score_is_refused() -> None:
    with pytest.raises(ValueError, match="0 voices and 8 steps"):
        midi.to_bytes(Score.blank(0, 8))


def test_an_unwritable_folder_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    score = Score.from_notes([[(0, 4, 60, 80)]])
    with pytest.raises(ValueError, match=r"cannot write .*choose a folder that exists"):
        score.to_midi(tmp_path / "no" / "a.mid")
    (tmp_path / "folder.mid").mkdir()
    with pytest.raises(ValueError, match="cannot write"):
        score.to_midi(tmp_path / "folder.mid")
    assert [p.name for p in tmp_path.iterdir()] == ["folder.mid"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mid"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="tempo"):
        dataclasses.replace(Score.from_notes([[(0, 4, 60, 80)]]), tempos=(TempoChange(0, 1.0),)).to_midi(path)
    assert path.read_bytes() == b"old"


def test_every_reader_finds_a_track_program_and_velocities_for_each_voice(tmp_path: Path) -> None:
    import mido
    import pretty_midi

    names, programs = ("Soprano", "Alto", "Tenor", "Bass"), (52, 68, 70, 43)
    lines = [[(4 * i, 4, 72 - 7 * voice + i, 50 + 20 * voice + i) for i in range(4)] for voice in range(4)]
    score = dataclasses.replace(Score.from_notes(lines), programs=programs, names=names)
    score.to_midi(tmp_path / "parts.mid")
    tracks = mido.MidiFile(tmp_path / "parts.mid").tracks[1:]
    assert tuple(track.name for track in tracks) == names
    assert [[m.program for m in track if m.type == "program_change"] for track in tracks] == [[program] for program in programs]
    channels = [{m.channel for m in track if m.type == "note_on"} for track in tracks]
    assert len(set.union(*channels)) == 4
    assert {9}.isdisjoint(set.union(*channels))
    played = pretty_midi.PrettyMIDI(str(tmp_path / "parts.mid")).instruments
    assert [(own.name, own.program, own.is_drum) for own in played] == [
        (n, p, False) for n, p in zip(names, programs, strict=True)
    ]
    parts = music21.converter.parse(tmp_path / "parts.mid").parts
    for voice, (own, part) in enumerate(zip(played, parts, strict=True)):
        velocities = [50 + 20 * voice + i for i in range(4)]
        assert [note.velocity for note in own.notes] == velocities
        assert [note.volume.velocity for note in part.recurse().notes] == velocities
