"""The page of theory's figures says what the package holds, and measuring again finds what it says."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from musicgym.agents.comparison import Figure
from musicgym.benchmarks.adversaries import ADVERSARIES
from musicgym.benchmarks.corruptions import CORRUPTIONS
from musicgym.benchmarks.near_music import NEAR_MUSIC
from musicgym.benchmarks.theory_figures import at_best, firing, rivals
from musicgym.benchmarks.theory_page import main, meaning_and_source, page
from musicgym.benchmarks.tunes import tunes
from musicgym.pieces import Excerpts
from musicgym.rewards.theory import melody_rules, theory
from musicgym.score import Score

PAGE = Path(__file__).resolve().parents[2] / "docs" / "theory.md"
WEIGHTS = json.loads(files("musicgym.rewards.theory").joinpath("weights.json").read_text(encoding="utf-8"))
NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")


def tables(text: str) -> list[list[dict[str, str]]]:
    """Every table of a page: its rows, each a cell by the name of its column."""
    found: list[list[dict[str, str]]] = []
    head: list[str] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            head = []
        elif not head:
            head = cells(line)
            found.append([])
        elif not set(line) <= set("| -"):
            found[-1].append(dict(zip(head, cells(line), strict=True)))
    return found


def cells(line: str) -> list[str]:
    return [cell.strip(" *`") for cell in line.strip("|").split(" | ")]


COMMITTED = PAGE.read_text(encoding="utf-8")
TABLES = tables(COMMITTED)
OF_RULES = [table for table in TABLES if "rule" in table[0] and "R²" not in table[0]]


def test_the_weights_of_the_page_are_those_of_the_package() -> None:
    weighed = [table for table in OF_RULES if "weight" in table[0]]
    assert len(weighed) == 2
    for table in weighed:
        assert {row["rule"]: float(row["weight"]) for row in table} == WEIGHTS


def test_every_rule_has_a_row_in_every_table_of_rules() -> None:
    assert len(OF_RULES) == 3
    for table in OF_RULES:
        assert [row["rule"] for row in table] == list(melody_rules())


def test_the_rules_that_weigh_nothing_are_listed_with_a_reason() -> None:
    (table,) = (table for table in TABLES if "R²" in table[0])
    assert {row["rule"] for row in table} == {term for term, weight in WEIGHTS.items() if weight == 0}
    assert {row["why"] for row in table} <= {"tells nothing", "adds nothing"}


def test_every_kind_of_spoiled_tunes_and_non_music_has_a_row() -> None:
    assert [row["real tunes against"] for row in TABLES[0]] == [*CORRUPTIONS, *NEAR_MUSIC, "uniform random"]
    assert [row["on the pages of tunes in"] for row in TABLES[2]][2:] == list(ADVERSARIES)


@pytest.mark.parametrize("rule", melody_rules().values(), ids=lambda rule: rule.name)
def test_every_rule_has_a_meaning_and_a_source(rule) -> None:
    meaning, source = meaning_and_source(rule)
    assert meaning.endswith(".")
    assert "our own" in source.lower() or re.search(r"\d{4}|[A-Z][a-z]+ [A-Z][a-z]+|[\"“]|head_music", source), source
    for row in (row for row in OF_RULES[0] if row["rule"] == rule.name):
        assert (row["before weighing"], row["source"]) == (meaning.strip(" *`"), source.strip(" *`"))


@pytest.mark.slow
def test_measuring_again_finds_what_the_page_says() -> None:
    ours, theirs = page().splitlines(), COMMITTED.splitlines()
    assert [NUMBER.sub("0", line) for line in ours] == [NUMBER.sub("0", line) for line in theirs]
    for mine, stood in zip(ours, theirs):
        found, said = ([float(number.replace(",", "")) for number in NUMBER.findall(line)] for line in (mine, stood))
        assert found == pytest.approx(said, abs=0.0101), stood


def test_how_often_a_rule_speaks_is_counted_on_what_it_judges() -> None:
    # Two bars of 4/4 in C: four notes, one of them outside the key, and a rest that fills the second bar.
    music = Excerpts.from_scores(
        [Score.from_notes([[(0, 4, 60, 80), (4, 4, 61, 80), (8, 4, 62, 80), (12, 4, 64, 80)]], steps=32)]
    )
    found = firing({"one": music})["one"]
    assert found["in_key"] == ("note", 0.25, -0.25)
    assert found["downbeat"] == ("bar", 0.5, -0.5)
    assert found["empty_bar"] == ("bar", 1.0, -1.0)  # asked at the ends of second bars alone: it never speaks at the first
    assert found["silence"] == ("rest", 1.0, -3.0)
    assert found["closing"] == ("piece", 1.0, -0.5)


def test_rivals_are_compared_with_the_tunes_of_their_metre() -> None:
    real = tunes("test", limit=200)
    metres, found = rivals(theory().only("in_key", "empty_bar"), real)
    assert (9, 8) not in metres
    assert found.real.shape == (len(metres), 2)
    np.testing.assert_allclose(found.mean["silence"], -8 * WEIGHTS["empty_bar"])
    assert (found.above["silence"] == 0).all()
    assert found.standing["silence"].mean < 10


def test_at_best_is_the_highest_and_the_first_of_equals() -> None:
    figures = {name: Figure(mean, mean, mean) for name, mean in (("a", 0.5), ("b", 0.9), ("c", 0.9))}
    assert at_best(figures) == ("b", figures["b"])


def test_a_page_in_no_folder_is_refused(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path / "nowhere" / "theory.md")])
    assert "there is no folder" in capsys.readouterr().err
