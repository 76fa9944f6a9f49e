"""Printed music: every note is there once, and can be found again."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musicgym.chords import parse_chord
from musicgym.render.engraving import Engraving, engrave, write_svg
from musicgym.score import BLANK, KeyChange, MeterChange, Note, Score, TempoChange
from musicgym.testing.music import random_score

verovio = pytest.importorskip("verovio", reason="engraving needs verovio: pip install 'musicgym[report]'")

SVG = "{http://www.w3.org/2000/svg}"
ANY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def drawn(engraving: Engraving) -> dict[str, str]:
    """Id and first class of every element that has an id in the drawing."""
    found = [
        e for e in ElementTree.fromstring(engraving.svg).iter() if "id" in e.attrib and e.attrib["id"] not in engraving.symbols
    ]
    ids = Counter(e.attrib["id"] for e in found)
    assert not [name for name, count in ids.items() if count > 1]
    return {e.attrib["id"]: e.attrib["class"].split()[0] for e in found}


def choir(steps: int = 16, **given: Any) -> Score:
    """Four voices, a whole note each a bar: C major in root position."""
    lines = [[Note(at, 16, pitch, 80) for at in range(0, steps, 16)] for pitch in (72, 64, 55, 48)]
    return Score.from_notes(lines, steps=steps, **given)


def groups(engraving: Engraving, name: str) -> list[ElementTree.Element]:
    """Elements of a class of Verovio's."""
    return [e for e in ElementTree.fromstring(engraving.svg).iter(f"{SVG}g") if name in e.get("class", "").split()]


def check(score: Score, engraving: Engraving) -> None:
    """Every onset of a note is printed, and nothing else is a note."""
    elements = drawn(engraving)
    assert elements.keys() == engraving.printed.keys()
    notes = {name: place for name, place in engraving.printed.items() if elements[name] == "note"}
    for name, kind in elements.items():
        voice, step, event = engraving.printed[name]
        assert kind in ("note", "rest", "mRest")
        assert (score.pitch[voice, step] >= 0) == (kind == "note")
        assert event <= step
    onsets = {(voice, note.start) for voice in range(score.voices) for note in score.notes(voice)}
    assert {(place.voice, place.event) for place in notes.values()} == onsets
    assert {(place.voice, place.step) for place in notes.values()} >= onsets


@given(seed=st.integers(0, 10**6), voices=st.integers(1, 4), steps=st.integers(1, 70), blanks=st.sampled_from([0.0, 0.3]))
@ANY
def test_every_note_is_printed_and_nothing_else_is_a_note(seed: int, voices: int, steps: int, blanks: float) -> None:
    score = random_score(np.random.default_rng(seed), voices, steps, blanks=blanks)
    check(score, engrave(score))


@given(seed=st.integers(0, 10**6), voices=st.integers(2, 4), steps=st.integers(1, 70), blanks=st.sampled_from([0.0, 0.3]))
@ANY
def test_every_note_is_printed_on_two_staves_too(seed: int, voices: int, steps: int, blanks: float) -> None:
    score = random_score(np.random.default_rng(seed), voices, steps, blanks=blanks)
    engraving = engrave(score, layout="grand")
    check(score, engraving)
    assert all(len(groups_in(measure, "staff")) == 2 for measure in groups(engraving, "measure"))


def groups_in(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [e for e in element.iter(f"{SVG}g") if name in e.get("class", "").split()]


def test_a_choir_stands_on_two_staves_and_other_voices_on_a_staff_each() -> None:
    assert len(groups(engrave(choir()), "staff")) == 2
    assert len(groups(engrave(choir(), layout="open"), "staff")) == 4
    assert len(groups(engrave(choir().transpose(20)), "staff")) == 4
    words = ["".join(e.itertext()).strip() for e in groups(engrave(choir(), layout="open"), "label")]
    assert words == ["Soprano", "Alto", "Tenor", "Bass"]
    assert not groups(engrave(choir()), "label")


def test_clefs_follow_the_voices_ranges() -> None:
    def clefs(score: Score, layout: Any) -> list[str]:
        return [e.get("href", "")[1:] for g in groups(engrave(score, layout=layout), "clef") for e in g.iter(f"{SVG}use")]

    treble, treble_8, bass = "E050", "E052", "E062"
    assert clefs(choir(), "open") == [treble, treble, treble_8, bass]
    assert clefs(choir(), "grand") == [treble, bass]
    high = Score.from_notes([[Note(0, 16, 79, 80)], [Note(0, 16, 74, 80)]])
    assert clefs(high, "grand") == [treble, treble]
    assert clefs(high.transpose(-36), "grand") == [bass, bass]


def test_stems_of_voices_on_one_staff_point_away_from_each_other() -> None:
    quarters = [[Note(at, 4, pitch, 80) for at in range(0, 16, 4)] for pitch in (67, 74, 60, 55)]  # the alto above the soprano
    engraving = engrave(Score.from_notes(quarters), layout="grand")
    upwards = {}
    for note in groups(engraving, "note"):
        stem = next(path.get("d", "") for g in groups_in(note, "stem") for path in g.iter(f"{SVG}path"))
        start, end = (float(word.split()[1]) for word in stem.removeprefix("M").split("L"))
        head = float(next(note.iter(f"{SVG}use")).get("transform", "").split(",")[1].split(")")[0])
        upwards[note.get("id", "").split("s")[0]] = min(start, end) < head - 200
    assert upwards == {"v0": True, "v1": False, "v2": True, "v3": False}


def test_an_accidental_holds_for_both_voices_of_a_staff() -> None:
    # The soprano's F sharp would make the alto's F one too.
    lines = [[Note(0, 4, 78, 80), Note(4, 12, 79, 80)], [Note(0, 4, 60, 80), Note(4, 12, 77, 80)]]
    score = Score.from_notes([*lines, [Note(0, 16, 55, 80)], [Note(0, 16, 48, 80)]])
    signs = [note.get("id") for note in groups(engrave(score, layout="grand"), "note") if groups_in(note, "accid")]
    assert signs == ["v0s0", "v1s4"]
    apart = [note.get("id") for note in groups(engrave(score, layout="open"), "note") if groups_in(note, "accid")]
    assert apart == ["v0s0"]


def test_a_staff_shows_one_fermata_of_two_voices() -> None:
    ends = np.zeros(32, np.bool_)
    ends[16:] = True
    score = dataclasses.replace(choir(32), phrase_end=ends)
    assert len(groups(engrave(score), "fermata")) == 2
    assert len(groups(engrave(score, layout="open"), "fermata")) == 4


def test_a_changed_key_is_printed_once_a_staff_and_its_signs_hold() -> None:
    score = choir(32, key="D major")
    score = dataclasses.replace(score, keys=(*score.keys, KeyChange(16, 0, 0)))
    assert [note.get("id") for note in groups(engrave(score), "note") if groups_in(note, "accid")] == ["v0s0", "v3s0"]


@pytest.mark.parametrize(("meter", "grid"), [((3, 4), 12), ((6, 8), 4), ((5, 4), 3), ((2, 2), 8)])
def test_other_metres_and_grids_are_printed(meter: tuple[int, int], grid: int) -> None:
    lengths = [1, 2, grid, 3 * grid, grid // 3 or 1]
    starts = np.cumsum([0, *lengths])
    notes = [Note(int(s), d, 60 + 2 * i, 80) for i, (s, d) in enumerate(zip(starts, lengths, strict=False))]
    score = Score.from_notes([notes], steps=int(starts[-1]) + 5, meter=meter, steps_per_quarter=grid, pickup=1)
    check(score, engrave(score))


def test_ids_stand_where_verovios_own_time_map_has_them(tmp_path: Path) -> None:
    score = dataclasses.replace(random_score(np.random.default_rng(3), 3, 60), meters=(MeterChange(0, 3, 4),))
    score.to_musicxml(tmp_path / "score.musicxml")
    root = ElementTree.parse(tmp_path / "score.musicxml").getroot()
    for number, note in enumerate(root.iter("note")):
        note.set("id", f"n{number}")
    toolkit = verovio.toolkit()
    assert toolkit.loadData(ElementTree.tostring(root, encoding="unicode"))
    began = {f"n{number}": place for number, place in enumerate(engrave(score).printed.values())}
    listed = [(name, moment["qstamp"]) for moment in toolkit.renderToTimemap() for name in moment.get("on", [])]
    sounding = [place for place in began.values() if score.pitch[place.voice, place.step] >= 0]
    assert len(listed) == len(sounding) > sum(len(score.notes(voice)) for voice in range(3))  # it lists all parts of tied notes
    for name, quarters in listed:
        assert began[name].step == round(quarters * score.steps_per_quarter)


def test_all_parts_of_a_tied_note_stand_for_the_same_event() -> None:
    score = Score.from_notes([[Note(0, 2, 60, 80), Note(2, 21, 64, 80)]], steps=32)
    tied = [place for place in engrave(score).printed.values() if place.event == 2]
    assert [place.step for place in tied] == [2, 4, 16, 22]
    assert {place.voice for place in tied} == {0}


def test_rests_that_touch_are_one_silence_with_blanks() -> None:
    score = Score.from_notes([[Note(0, 4, 60, 80)]], steps=32)
    pitch, onset = score.pitch.copy(), score.onset.copy()
    pitch[0, 20:] = BLANK
    onset[0, 8] = True
    score = dataclasses.replace(score, pitch=pitch, onset=onset)
    assert {place.event for place in engrave(score).printed.values()} == {0, 4}


def test_notes_stand_from_left_to_right_in_their_system() -> None:
    score = Score.from_notes([[Note(i, 1, 60 + i % 12, 80) for i in range(64)]] * 2)
    root = ElementTree.fromstring(engrave(score).svg)
    systems = [system for system in root.iter(f"{SVG}g") if system.get("class") == "system"]
    assert len(systems) > 1
    for system in systems:
        for voice in "01":
            heads = {
                int(note.get("id", "").split("s")[1]): float(
                    next(note.iter(f"{SVG}use")).get("transform", "").split("(")[1].split(",")[0]
                )
                for note in system.iter(f"{SVG}g")
                if note.get("id", "").startswith(f"v{voice}s")
            }
            assert sorted(heads) == list(range(min(heads), max(heads) + 1))
            assert [x for _, x in sorted(heads.items())] == sorted(heads.values())


def test_equal_scores_make_equal_drawings_whatever_was_drawn_before() -> None:
    first, other = (random_score(np.random.default_rng(seed), 2, 40) for seed in (1, 2))
    engraving = engrave(first)
    engrave(other, width=200, title=False)
    assert engrave(first) == engraving
    code = (
        "import numpy as np; from musicgym.render.engraving import engrave; from musicgym.testing.music import random_score;"
        "print(engrave(random_score(np.random.default_rng(1), 2, 40)).svg, end='')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120, check=True)
    assert done.stdout.decode() == engraving.svg


HOSTILE = "</svg><script>alert('1')</script> & \"<b>\" ]]> \x00"


def test_titles_and_names_are_text(tmp_path: Path) -> None:
    score = dataclasses.replace(Score.from_notes([[Note(0, 16, 60, 80)]]), title=HOSTILE, names=(HOSTILE,))
    score.to_svg(tmp_path / "score.svg")
    root = ElementTree.parse(tmp_path / "score.svg").getroot()
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert "script" not in tags
    assert tags <= {
        "svg",
        "style",
        "defs",
        "g",
        "path",
        "use",
        "text",
        "tspan",
        "polygon",
        "polyline",
        "rect",
        "ellipse",
        "title",
    }
    words = "".join("".join(text.itertext()) for text in root.iter(f"{SVG}text"))
    assert words.count("<script>alert('1')</script>") == 2


def test_the_drawing_refers_to_nothing_outside_itself() -> None:
    score = dataclasses.replace(random_score(np.random.default_rng(5), 2, 64), tempos=(TempoChange(0, 90.5), TempoChange(32, 60)))
    engraving = engrave(score)
    text = engraving.svg
    used = {e.get("href", "")[1:] for e in ElementTree.fromstring(text).iter(f"{SVG}use")}
    assert used
    assert used <= engraving.symbols.keys()
    assert "url(" not in text
    assert text.count("http") == text.count('xmlns="http://www.w3.org/2000/svg"') == 1
    assert not [letter for letter in text if "\ue000" <= letter <= "\uf8ff"]  # signs that only a music font has
    assert "90.5" in text
    assert "90.5" not in engrave(score, tempo=False).svg


def test_a_narrow_page_has_more_systems() -> None:
    score = Score.from_notes([[Note(4 * i, 4, 60, 80) for i in range(64)]])
    wide, narrow = (engrave(score, width=width) for width in (300, 40))
    assert narrow.drawing.count('class="system"') > wide.drawing.count('class="system"')
    assert (narrow.width, wide.width) == (7200, 54000)
    assert narrow.height > wide.height


@pytest.mark.slow
def test_music_that_no_page_holds_goes_on_below() -> None:
    score = Score.from_notes([[Note(i, 16, 60, 80) for i in range(0, 16 * 400, 16)]])
    engraving = engrave(score, width=20)
    check(score, engraving)
    assert engraving.height > 600_000
    assert "translate(0 " in engraving.drawing


def test_chord_symbols_stand_above_the_first_voice_where_chords_change() -> None:
    names = ["C"] * 8 + ["Dm7/F"] * 8 + [""] * 4 + ["Bb"] * 4 + ["F#dim"] * 8
    score = dataclasses.replace(choir(32), chord=[parse_chord(name) for name in names])
    for layout in ("open", "grand"):
        engraving = engrave(score, layout=layout)
        check(score, engraving)
        words = ["".join(e.itertext()).strip() for e in groups(engraving, "harm")]
        assert words == ["C", "Dm7/F", "N.C.", "B\u266d", "F\u266fdim"]
        places = [float(next(e.iter(f"{SVG}text")).get("x", "")) for e in groups(engraving, "harm")]
        assert places == sorted(places)
    assert not groups(engrave(choir(32)), "harm")


@pytest.mark.parametrize(("voices", "layout"), [(1, "grand"), (5, "grand"), (4, "piano")])
def test_a_layout_that_does_not_hold_the_voices_is_refused(voices: int, layout: Any) -> None:
    with pytest.raises(ValueError, match=f"layout='{layout}'"):
        engrave(Score.from_notes([[Note(0, 4, 60, 80)]] * voices), layout=layout)


@pytest.mark.parametrize(
    ("score", "width", "message"),
    [
        (Score.blank(0, 4), 90, "0 voices"),
        (Score.blank(1, 0), 90, "0 steps"),
        (Score.blank(1, 4), 5, r"width=5: expected 20\.\.3000"),
    ],
)
def test_what_cannot_be_printed_is_refused(score: Score, width: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engrave(score, width=width)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        write_svg(Score.blank(1, 4), tmp_path / "nowhere" / "a.svg")
    assert not list(tmp_path.iterdir())
