"""The page of part-writing names the rules that weigh something though none of the three kinds says so."""

from __future__ import annotations

from pathlib import Path

from musicgym.agents.comparison import Figure
from musicgym.benchmarks.fit_part_writing import SPOILED
from musicgym.benchmarks.part_writing_page import departures
from musicgym.rewards.part_writing import part_writing

PAGE = Path(__file__).resolve().parents[2] / "docs" / "part_writing.md"
WEIGHTS = {term: weight for term, _, _, weight in part_writing().entries}
NOTHING, UPSIDE_DOWN, TELLS = Figure(0.5, 0.4, 0.6), Figure(0.4, 0.3, 0.45), Figure(0.6, 0.51, 0.7)


def test_a_departure_weighs_something_and_tells_chorales_from_none_of_the_three_kinds() -> None:
    weights = {"told": 1.0, "told once": 1.0, "untold": 1.0, "upside down": 0.1, "weightless": 0.0}
    found = {name: dict.fromkeys(SPOILED, NOTHING) for name in weights}
    found["told"] = dict.fromkeys(SPOILED, TELLS)
    found["told once"] = {**found["untold"], SPOILED[1]: TELLS}
    found["upside down"] = dict.fromkeys(SPOILED, UPSIDE_DOWN)
    assert departures(weights, found) == ["untold", "upside down"]


def test_the_page_lists_them_with_the_weights_that_hold() -> None:
    listed = PAGE.read_text(encoding="utf-8").split("## Rules that weigh more than the three kinds say")[1]
    rows = [line.split(" | ") for line in listed.splitlines() if line.startswith("| `")]
    assert rows
    for name, weight, *further in rows:
        assert float(weight) == round(WEIGHTS[name.strip("| `")], 3) > 0
        assert any("[" in cell for cell in further)
