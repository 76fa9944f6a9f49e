"""MusicXML files: what goes out comes back, and nothing that comes in does harm."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musicgym.chords import MEMBERS
from musicgym.files import musicxml
from musicgym.score import BLANK, MODES, REST, KeyChange, MeterChange, Note, Score, TempoChange, bar_steps, key_of_sharps, spell

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
METERS = [(4, 4), (3, 4), (6, 8), (2, 2), (5, 4), (7, 8)]
CHORDS = [-1, *(4 * int(chord) + int(i) for chord, i in zip(*np.nonzero(MEMBERS >= 0)))]


def round_trip(score: Score, folder: Path, suffix: str = ".musicxml", **options: Any) -> Score:
    path = folder / f"score{suffix}"
    musicxml.write(score, path)
    return musicxml.read(path, steps_per_quarter=score.steps_per_quarter, **options)


def with_spelling(score: Score) -> Score:
    """The score spelled as it will be printed where it has no spelling of its own."""
    if score.spelling is not None:
        return score
    spelling = np.zeros(score.pitch.shape, int)
    for voice in range(score.voices):
        for note in score.notes(voice):
            places = spell(note.pitch, int(score.tonic[note.start]), int(score.mode[note.start]))
            spelling[voice, note.start : note.start + note.duration] = places
    return dataclasses.replace(score, spelling=spelling) if (score.pitch >= 0).any() else score


@st.composite
def scores(draw: st.DrawFn, grid: int) -> Score:
    """Scores with everything that the grid holds: odd bars, silences of every kind, local keys, blanks."""
    voices, steps = draw(st.integers(1, 3)), draw(st.integers(1, 7 * grid))
    pitch, onset = np.full((voices, steps), REST), np.zeros((voices, steps), bool)
    velocity = np.zeros((voices, steps), int)
    for voice in range(voices):
        step = 0
        while step < steps:
            length = min(draw(st.integers(1, 2 * grid)), steps - step)
            kind = draw(st.sampled_from(["note", "note", "note", "rest", "blank"]))
            if kind == "note":
                pitch[voice, step : step + length] = draw(st.integers(12, 120))
                velocity[voice, step : step + length] = draw(st.integers(1, 127))
            elif kind == "blank":
                pitch[voice, step : step + length] = BLANK
            onset[voice, step] = kind != "blank"
            step += length
    later = st.lists(st.integers(1, steps), max_size=2, unique=True)
    changes = later.map(lambda found: [0, *sorted(step for step in found if step < steps)])
    meters = tuple(MeterChange(step, *draw(st.sampled_from(METERS))) for step in draw(changes))
    keys = tuple(
        KeyChange(s, *key_of_sharps(draw(st.integers(-5, 6)), draw(st.integers(0, len(MODES) - 1)))) for s in draw(changes)
    )
    tempos = tuple(TempoChange(s, draw(st.floats(20, 400))) for s in draw(changes))
    bars, position = draw(st.booleans()), []
    while len(position) < steps:
        full = bar_steps(meters[0][1:], grid)
        first = draw(st.integers(0, full - 1)) if bars else (0 if position else draw(st.integers(0, full - 1)))
        position += range(first, draw(st.integers(first + 1, full)) if bars else full)
    tonic, mode = np.zeros(steps, int), np.zeros(steps, int)
    for change in keys:
        tonic[change.step :], mode[change.step :] = change.tonic, change.mode
    if draw(st.booleans()):
        tonic[draw(st.integers(0, steps - 1)) :] = draw(st.integers(0, 11))
    text = st.text("ABcdé &<>\"'#", max_size=8).map(str.strip).map(lambda words: " ".join(words.split()))
    return Score(
        pitch=pitch,
        onset=onset,
        velocity=velocity,
        position=np.array(position[:steps]),
        tonic=tonic,
        mode=mode,
        phrase_end=np.array(draw(st.lists(st.booleans(), min_size=steps, max_size=steps))) & draw(st.booleans()),
        chord=np.array(draw(st.lists(st.sampled_from(CHORDS), min_size=steps, max_size=steps))) if draw(st.booleans()) else None,
        steps_per_quarter=grid,
        meters=meters,
        tempos=tempos,
        keys=keys,
        programs=tuple(draw(st.integers(0, 127)) for _ in range(voices)),
        names=tuple(draw(text) for _ in range(voices)),
        title=draw(text),
        source=draw(text),
    )


@pytest.mark.parametrize("grid", [4, 12])
@given(data=st.data())
@FEW
def test_a_score_comes_back_as_it_was(tmp_path: Path, grid: int, data: st.DataObject) -> None:
    score = data.draw(scores(grid))
    back = round_trip(score, tmp_path)
    expected = with_spelling(score)
    for field in dataclasses.fields(Score):
        if field.name != "changes":
            assert np.array_equal(getattr(back, field.name), getattr(expected, field.name)), field.name
    assert back == expected
    assert back.changes == ()


@pytest.mark.parametrize("suffix", [".xml", ".musicxml", ".mxl"])
def test_each_suffix_comes_back_from_a_path_and_from_bytes(tmp_path: Path, suffix: str) -> None:
    score = with_spelling(Score.from_notes([[Note(0, 6, 71, 99)], [Note(4, 4, 50, 1)]], steps=8, key="B minor"))
    assert round_trip(score, tmp_path, suffix) == score
    assert Score.from_musicxml((tmp_path / f"score{suffix}").read_bytes()) == score
    assert zipfile.is_zipfile(tmp_path / f"score{suffix}") == (suffix == ".mxl")


def elements(score: Score, folder: Path) -> ElementTree.Element:
    musicxml.write(score, folder / "score.xml")
    return ElementTree.parse(folder / "score.xml").getroot()


def test_triplets_are_written_as_tuplets(tmp_path: Path) -> None:
    score = Score.from_notes([[Note(0, 4, 60, 80), Note(4, 4, 62, 80), Note(8, 4, 64, 80)]], steps_per_quarter=12)
    notes = list(elements(score, tmp_path).iter("note"))
    assert [note.findtext("type") for note in notes] == ["eighth"] * 3
    assert [note.findtext("time-modification/actual-notes") for note in notes] == ["3"] * 3
    assert [tuplet.get("type") for tuplet in notes[0].iter("tuplet")] == ["start"]
    assert [tuplet.get("type") for tuplet in notes[2].iter("tuplet")] == ["stop"]


def test_a_note_across_the_bar_line_is_two_tied_notes(tmp_path: Path) -> None:
    score = Score.from_notes([[Note(12, 8, 60, 80)]], steps=32)
    notes = [n for n in elements(score, tmp_path).iter("note") if n.find("pitch") is not None]
    assert [[tie.get("type") for tie in note.findall("tie")] for note in notes] == [["start"], ["stop"]]


def test_naturals_are_only_printed_where_they_cancel_something(tmp_path: Path) -> None:
    score = Score.from_notes([[Note(0, 4, 71, 80), Note(4, 4, 66, 80), Note(8, 4, 65, 80), Note(12, 4, 72, 80)]], key="G major")
    printed = [note.findtext("accidental") for note in elements(score, tmp_path).iter("note")]
    assert printed == [None, None, "natural", None]


def test_pitches_are_spelled_by_the_local_key(tmp_path: Path) -> None:
    score = Score.from_notes([[Note(0, 4, 70, 80), Note(4, 4, 70, 80)]], steps=8)
    score = dataclasses.replace(score, tonic=[5] * 4 + [11] * 4)  # F major, then B major
    printed = [(n.findtext("pitch/step"), n.findtext("pitch/alter")) for n in elements(score, tmp_path).iter("note")]
    assert printed == [("B", "-1"), ("A", "1")]


def test_a_key_with_flats_gets_a_signature_of_flats_where_its_notes_are_spelled_so(tmp_path: Path) -> None:
    score = Score.from_notes([[Note(0, 4, 66, 80), Note(4, 4, 70, 80)]], key="Gb major")
    assert elements(score, tmp_path).findtext(".//fifths") == "6"
    flats = dataclasses.replace(score, spelling=[[-6] * 4 + [-2] * 4])
    assert elements(flats, tmp_path).findtext(".//fifths") == "-6"
    assert musicxml.read(tmp_path / "score.xml") == flats


def test_equal_scores_make_equal_bytes(tmp_path: Path) -> None:
    score = Score.from_notes([[Note(0, 6, 71, 99)], [Note(4, 4, 50, 1)]], steps=8)
    for suffix in (".xml", ".mxl"):
        musicxml.write(score, tmp_path / f"a{suffix}")
        musicxml.write(dataclasses.replace(score), tmp_path / f"b{suffix}")
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_nothing_made_up_is_written(tmp_path: Path) -> None:
    text = ElementTree.tostring(elements(Score.from_notes([[Note(0, 4, 60, 80)]]), tmp_path), encoding="unicode")
    assert "Fragment" not in text
    assert "<creator" not in text


def test_edits_in_a_notation_program_win_over_what_is_kept_beside_the_notes(tmp_path: Path) -> None:
    score = Score.from_notes([[Note(0, 4, 60, 80)]], steps=16, tempo=100.123)
    score = dataclasses.replace(score, tonic=[7] * 16)
    assert round_trip(score, tmp_path).tempo == 100.123
    text = (tmp_path / "score.musicxml").read_text()
    (tmp_path / "edited.musicxml").write_text(text.replace("100.12<", "90<").replace("<fifths>0<", "<fifths>2<"))
    edited = musicxml.read(tmp_path / "edited.musicxml")
    assert (edited.tempo, edited.key, int(edited.tonic[0])) == (90.0, "D major", 2)
    assert [change.detail.split()[0] for change in edited.changes] == ["tempos", "tonic"]


def test_another_grid_reads_the_notes_without_what_was_kept_for_the_first(tmp_path: Path) -> None:
    score = Score.from_notes([[Note(0, 4, 60, 80), Note(4, 2, 62, 80)]], steps=16)
    musicxml.write(
        dataclasses.replace(
            score, pitch=np.where(score.pitch == REST, BLANK, score.pitch), onset=score.onset & (score.pitch >= 0)
        ),
        tmp_path / "a.xml",
    )
    back = musicxml.read(tmp_path / "a.xml", steps_per_quarter=12)
    assert back.notes(0) == [Note(0, 12, 60, 80), Note(12, 6, 62, 80)]
    assert back.finished
    assert any("silence" in change.detail for change in back.changes)


@pytest.mark.parametrize("name", ["score.mid", "score", "score.musicxml.gz"])
def test_other_suffixes_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"\.musicxml"):
        musicxml.write(Score.from_notes([[Note(0, 4, 60, 80)]]), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        musicxml.write(Score.from_notes([[Note(0, 4, 60, 80)]]), tmp_path / "nowhere" / "a.musicxml")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.musicxml"
    path.write_text("old")
    with pytest.raises(ValueError, match="cannot be printed"):
        musicxml.write(Score.blank(0, 16), path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.musicxml"]


def test_control_characters_are_left_out_of_texts(tmp_path: Path) -> None:
    score = dataclasses.replace(Score.from_notes([[Note(0, 4, 60, 80)]]), title="a\x00b\ud800", names=("\x07c",))
    back = round_trip(score, tmp_path)
    assert (back.title, back.names) == ("ab", ("c",))


# What is not MusicXML, or means harm


def archive(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return made.getvalue()


def plain_file(body: str = "", attributes: str = "<divisions>4</divisions>", note: str = "<duration>4</duration>") -> bytes:
    pitch = "<pitch><step>C</step><octave>4</octave></pitch>"
    return (
        '<score-partwise><part-list><score-part id="P1"><part-name/></score-part></part-list><part id="P1"><measure number="1">'
        f"<attributes>{attributes}</attributes><note>{pitch}{note}</note>{body}</measure></part></score-partwise>"
    ).encode()


def test_the_plain_file_of_these_tests_can_be_read() -> None:
    assert musicxml.read(plain_file()).notes(0) == [Note(0, 4, 60, 80)]
    assert musicxml.read(archive({"a.xml": plain_file()})).notes(0) == [Note(0, 4, 60, 80)]
    assert musicxml.read(plain_file().decode().encode("utf-16")).notes(0) == [Note(0, 4, 60, 80)]


BOMB = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]>'
HOSTILE = {
    "empty": b"",
    "blank": b" \n",
    "binary": bytes(range(256)),
    "other XML": b"<html/>",
    "timewise": b"<score-timewise/>",
    "no part": b"<score-partwise/>",
    "no measure": b'<score-partwise><part id="P1"/></score-partwise>',
    "truncated": plain_file()[:-30],
    "own entities": BOMB.encode() + plain_file(),
    "external entity": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + plain_file("&x;"),
    "unknown encoding": b'<?xml version="1.0" encoding="nonsense"?>' + plain_file(),
    "no divisions": plain_file(attributes="<divisions>0</divisions>"),
    "endless note": plain_file(note="<duration>1e9</duration>"),
    "note of no number": plain_file(note="<duration>nan</duration>"),
    "negative note": plain_file(note="<duration>-4</duration>"),
    "endless metre": plain_file(attributes="<time><beats>999999999</beats><beat-type>4</beat-type></time>"),
    "endless key": plain_file(attributes="<key><fifths>99999</fifths></key>"),
    "endless endings": plain_file('<barline><ending number="1-99999999" type="start"/></barline>'),
    "many dots": plain_file(note="<duration>4</duration><type>half</type>" + "<dot/>" * 5000),
    "deep": b"<score-partwise>" + b"<a>" * 100_000,
    "broken archive": archive({"a.xml": plain_file()})[:-40],
    "archive without music": archive({"a.txt": b"music"}),
    "archive of garbage": archive({"a.xml": b"\x00\x01"}),
    "archive with a broken container": archive({"META-INF/container.xml": b"<a>", "a.xml": plain_file()}),
    "archive that only names": archive({"META-INF/container.xml": b'<a><rootfile full-path="../../etc/passwd"/></a>'}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_music_is_refused_with_a_reason(name: str) -> None:
    with pytest.raises(ValueError, match=r"^MusicXML bytes: .{10}"):
        musicxml.read(HOSTILE[name])


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = archive({"a.xml": b" " * (musicxml._MAX_BYTES + 1)})
    assert len(bomb) < 1 << 17
    with pytest.raises(ValueError, match="unpacks to more than 64 MiB"):
        musicxml.read(bomb)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing\.xml"):
        musicxml.read(tmp_path / "nothing.xml")
    with pytest.raises(ValueError, match="cannot read"):
        musicxml.read(tmp_path)


def refused_or_read(data: bytes) -> None:
    try:
        score = musicxml.read(data, voices="split")
    except ValueError:
        return
    assert isinstance(score, Score)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    refused_or_read(data)
    refused_or_read(b"PK\x03\x04" + data)


@pytest.fixture(scope="module")
def real_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    notes = [Note(0, 4, 60, 80), Note(4, 8, 62, 70), Note(12, 20, 66, 90), Note(40, 8, 59, 40)]
    score = dataclasses.replace(Score.from_notes([notes, notes[1:]], steps_per_quarter=12, pickup=4), title="T")
    path = tmp_path_factory.mktemp("real") / "a.musicxml"
    musicxml.write(score, path)
    return path.read_bytes()


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_files_are_read_or_refused(real_file: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(real_file)))
    length = data.draw(st.integers(0, 40))
    put = data.draw(
        st.one_of(st.binary(max_size=4), st.sampled_from([b"0", b"-1", b"99999", b"nan", b"1e400", b"", b"<chord/>"]))
    )
    refused_or_read(real_file[:at] + put + real_file[at + length :])


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_files_with_other_values_or_lost_elements_are_read_or_refused(real_file: bytes, data: st.DataObject) -> None:
    root = ElementTree.fromstring(real_file)
    everything = list(root.iter())
    for _ in range(data.draw(st.integers(1, 3))):
        element = data.draw(st.sampled_from(everything))
        kind = data.draw(st.sampled_from(["text", "attribute", "children", "copy", "tag"]))
        value = data.draw(st.sampled_from(["", "0", "-1", "7", "64", "99999", "1e9", "nan", "C", "yes", "3+2", "x" * 50]))
        if kind == "text":
            element.text = value
        elif kind == "attribute":
            element.set(data.draw(st.sampled_from(["number", "type", "id", "dynamics", "tempo", "implicit"])), value)
        elif kind == "children":
            del element[:]
        elif kind == "copy" and element is not root:
            element.append(ElementTree.fromstring(ElementTree.tostring(data.draw(st.sampled_from(everything[-30:])))))
        elif kind == "tag":
            element.tag = data.draw(
                st.sampled_from(["forward", "backup", "note", "rest", "grace", "chord", "cue", "unpitched", "key"])
            )
    refused_or_read(ElementTree.tostring(root))
