"""The report as a file: one that asks for no other, in which a user's text is only text."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musicgym import rewards
from musicgym.score import Score

pytest.importorskip("verovio", reason="the report needs verovio: pip install 'musicgym[report]'")

from musicgym.render.report import Group, Piece, Report, Rule, Span, Table, html, marks_data, write_report

VOID = {"meta", "link", "br", "img", "input", "hr", "wbr"}


class Page(HTMLParser):
    """Elements of a page with their attributes, its texts, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)


@pytest.fixture(scope="module")
def text(full_report: Report) -> str:
    return html(full_report)


@pytest.fixture(scope="module")
def parsed(text: str) -> Page:
    return Page(text)


def data_of(text: str) -> Any:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])  # type: ignore[index]  # it is there


def test_nothing_on_the_page_lies_elsewhere(text: str, parsed: Page) -> None:
    for tag, attributes in parsed.elements:
        assert tag not in ("img", "iframe", "object", "embed", "base", "audio", "video", "source")
        for name, value in attributes.items():
            if name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href", "ping", "background"):
                assert value is not None
                assert value.startswith(("#", "data:")), (tag, name, value)
            assert not name.startswith("on"), (tag, name)
    style = "".join(parsed.texts["style"])
    assert "url(" not in style
    assert "@import" not in style
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")  # the name space that scripts make SVG elements in


def test_the_page_itself_forbids_requests_and_other_scripts(parsed: Page) -> None:
    policy = next(a["content"] for tag, a in parsed.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "script-src 'sha256-" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]
    assert "base-uri 'none'; form-action 'none'" in policy


def test_a_users_text_is_only_text(text: str, parsed: Page, hostile: str) -> None:
    assert not parsed.open
    scripts = [attributes for tag, attributes in parsed.elements if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "data"}, {}]
    assert "<img" not in text
    assert parsed.texts["title"][0] == hostile
    assert "".join(parsed.texts["h1"]) == hostile
    data = data_of(text)
    assert data["rules"][1] == {"name": hostile, "about": hostile}
    assert data["pieces"][1]["label"] == hostile


def test_voices_names_and_titles_are_only_text_in_the_music(full_report: Report, text: str, parsed: Page, hostile: str) -> None:
    assert full_report.groups[0].pieces[1].score.title == hostile
    drawn = {"".join(texts) for tag, texts in parsed.texts.items() if tag in ("text", "tspan")}
    assert any("<b>bass</b>" in words for words in drawn)  # Verovio prints the names of voices
    assert "<b>bass" not in text
    assert data_of(text)["pieces"][1]["names"] == [hostile, "<b>bass</b>", "voice 3"]
    assert not [tag for tag, _ in parsed.elements if tag in ("img", "script")][2:]


@pytest.mark.parametrize("name", ["\x00\x01\x1b", "\uffff", "]]><!--", "&lt;&#0;"])
def test_names_that_xml_cannot_hold_have_a_report(name: str, melody: Score) -> None:
    score = dataclasses.replace(melody, title=name, names=(name,))
    page = Page(html(Report("t", "", groups=[Group("g", "", [Piece("p", score)])])))
    assert not page.open


def test_what_signs_and_pointing_say_is_there_as_text(parsed: Page, text: str, hostile: str) -> None:
    assert not [tag for tag, attributes in parsed.elements if "title" in attributes]
    said = [words for words in parsed.texts["span"] if words.startswith(": agent is ")]
    assert said == [": agent is above this", ": agent is not told apart from this"]
    table = text[text.index('<table class="terms">') : text.index("</table>")]
    assert re.search(r"<details><summary>leap</summary><span class=\"what\">-1 for a leap\.</span></details>", table)


def test_what_is_said_of_bars_and_of_the_whole_has_its_place(text: str, hostile: str) -> None:
    piece = data_of(text)["pieces"][1]
    assert piece["spans"] == [[0, 0, 0, 16, -2.0, 0], [1, 2, 0, 16, 0.5, 0], [1, 0, 0, 32, 1.0, 0], [1, 0, 0, 40, -0.25, 1]]
    card = text.split("<article")[2]
    (line,) = re.findall(r'<p class="whole">(.*?)</p>', card)
    assert 'data-rule="1"' in line
    assert line.endswith("<b>−0.25</b></span>")
    assert '<p class="whole">' not in text.split("<article")[1]


@pytest.mark.parametrize("span", [Span(2, 0, 0, 1, 1.0), Span(0, 1, 0, 1, 1.0), Span(0, 0, 3, 3, 1.0), Span(0, 0, 0, 33, 1.0)])
def test_spans_that_do_not_fit_are_refused(span: Span, melody: Score) -> None:
    group = Group("g", "", [Piece("p", melody, spans=[span])])
    with pytest.raises(ValueError, match=r"'p' has Span.*\(rules, voices, steps\) = \(2, 1, 32\)"):
        html(Report("t", "", rules=[Rule("r", ""), Rule("s", "")], groups=[group]))


def test_ids_are_given_once_and_what_is_referred_to_is_there(parsed: Page) -> None:
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in parsed.elements:
        for name in ("href", "for", "aria-labelledby"):
            value = attributes.get(name) or ""
            if value and not value.startswith("data:"):
                assert value.removeprefix("#") in ids


def test_everything_that_can_be_used_has_a_name_and_a_language(parsed: Page) -> None:
    assert parsed.elements[0] == ("html", {"lang": "en"})
    labelled = {attributes["for"] for tag, attributes in parsed.elements if tag == "label"}
    for tag, attributes in parsed.elements:
        if tag == "select":
            assert attributes["id"] in labelled
        if tag == "button" or "tabindex" in attributes:
            assert attributes.get("aria-label") or attributes.get("aria-labelledby")


@pytest.mark.parametrize("expression", ["fixed_key - 0.5*fixed_leap", "fixed_key", "AtEnd(fixed_key)"])
def test_marks_are_those_of_the_reward(expression: str, melody: Score) -> None:
    reward = rewards.AtEnd(rewards.parse("fixed_key")) if expression.startswith("AtEnd") else rewards.parse(expression)
    scores = [melody, melody.transpose(5)]
    totals, marks = reward.score(scores, marks=True)
    report = Report(
        "t",
        "",
        rules=[Rule(t, "") for t in totals],
        groups=[Group("g", "", [Piece(str(i), s, m) for i, (s, m) in enumerate(zip(scores, marks, strict=True))])],
    )
    for i, piece in enumerate(data_of(html(report))["pieces"]):
        found = np.zeros_like(marks[i])
        for term, flat in piece["marks"].items():
            for voice, step, value in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
                found[int(term), voice, step] = value
        assert (found == marks[i]).all()
        assert found.sum() == pytest.approx(sum(values[i] for values in totals.values()), abs=1e-4)


def test_values_come_back_as_they_were() -> None:
    marks = np.array([[[1 / 3, 1e-30, -2.5, 0.0, 16777216.0]]], np.float32)
    assert np.array(marks_data(marks)["0"][2::3], np.float32).tolist() == [v for v in marks[0, 0].tolist() if v]


def test_notes_and_times_are_those_of_the_score(text: str, melody: Score) -> None:
    score, piece = melody, data_of(text)["pieces"][0]
    assert [tuple(note[:4]) for note in piece["voices"][0]] == [tuple(note) for note in score.notes(0)]
    assert [note[4] for note in piece["voices"][0]][:3] == ["C4", "D4", "F♯4"]
    assert piece["tempos"] == [[0, 120.0], [16, 240.0]]
    assert piece["bars"] == [[0, 0, 1], [16, 0, 2]]
    assert len(data_of(text)["pieces"][1]["voices"]) == 3


def test_every_note_is_drawn_in_both_pictures(text: str) -> None:
    cards = text.split("<article")[1:]
    assert len(cards) == 3
    for card, piece in zip(cards, data_of(text)["pieces"], strict=True):
        staves, rolls = card.split('<svg class="roll"')
        for voice, notes in enumerate(piece["voices"]):
            for start, *_ in notes:
                assert f'data-at="v{voice}s{start}"' in staves
                assert rolls.count(f'data-at="v{voice}s{start}"') == 2  # the note and its velocity


def test_curves_are_thinned_and_say_where_nothing_is_known(text: str, hostile: str) -> None:
    curve = data_of(text)["curves"][1]
    assert len(curve["steps"]) == len(curve["values"]["leap"]) == 100
    assert curve["steps"][-1] == 30_000
    assert curve["values"][hostile][0] == 200.0  # the mean of 100, 200, 300
    assert None not in curve["values"]["return"]
    assert data_of(text)["references"] == {hostile: {"leap": None, hostile: -2.0, "total": 1e-05}}


def test_a_table_shows_figures_and_what_is_not_judged(parsed: Page, text: str) -> None:
    cells = [t.strip() for t in parsed.texts["td"] if t.strip()]
    assert cells[:4] == ["1.00", "–", "−2.00", "−2.00"]
    assert "0.0000" in cells
    assert "−0.0000" not in cells


def test_a_report_of_nothing_is_a_page() -> None:
    page = Page(html(Report("empty", "")))
    assert "".join(page.texts["h1"]) == "empty"
    assert not [attributes for tag, attributes in page.elements if tag == "section"]
    table = Table(("total",), {"agent": [(1.0, 1.0, 1.0)]}, {}, {"agent": "1 piece"})
    assert Page(html(Report("t", "", table=table))).texts["td"]


def test_equal_reports_make_equal_files(full_report: Report, text: str, tmp_path: Path) -> None:
    write_report(tmp_path / "a.html", full_report)
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == text


def test_marks_that_do_not_fit_are_refused_and_nothing_is_written(tmp_path: Path, melody: Score) -> None:
    group = Group("g", "", [Piece("p", melody, np.zeros((3, 1, 32), np.float32))])
    with pytest.raises(ValueError, match=r"'p' has marks \(3, 1, 32\): expected \(rules, voices, steps\) = \(1, 1, 32\)"):
        write_report(tmp_path / "a.html", Report("t", "", rules=[Rule("r", "")], groups=[group]))
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="nowhere"):
        write_report(tmp_path / "nowhere" / "a.html", Report("t", ""))


def test_the_size_of_a_runs_report_is_moderate() -> None:
    rng = np.random.default_rng(1)
    marks = np.where(rng.random((25, 1, 128)) < 0.2, rng.normal(size=(25, 1, 128)), 0).astype(np.float32)
    from musicgym.testing.music import random_score

    pieces = [Piece(f"{i}", random_score(rng, 1, 128), marks) for i in range(14)]
    assert (
        len(html(Report("t", "", rules=[Rule(f"r{i}", "about") for i in range(25)], groups=[Group("g", "", pieces)]))) < 1_500_000
    )
