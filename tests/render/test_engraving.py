"""Printed music: every note is there once, and can be found again."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musicgym.render.engraving import Engraving, engrave, write_svg
from musicgym.score import BLANK, MeterChange, Note, Score, TempoChange
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
