"""Chorale agents beside Bach: the verdict, what is hidden from an agent, and a run from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from musicgym.agents.settings import Settings, task_of
from musicgym.benchmarks import chorale_agent
from musicgym.benchmarks.chorale_agent import (
    RULES,
    SILENT,
    SWAPPED,
    TRAINED,
    Written,
    main,
    silenced,
    swapped,
    totals_table,
    verdict,
)
from musicgym.benchmarks.part_writing_figures import Rate
from musicgym.pieces import Excerpts
from musicgym.score import REST, Score


def written(player: str, total: float, faults: int = 1, share: float = 0.5) -> Written:
    """Two pages, `faults` of a hundred by every rule, the same style throughout; Bach's lies between 0.4 and 0.6."""
    spread = np.linspace(share - 0.125, share + 0.125, 101)
    music = Excerpts.blank(1, 4, 1)
    rates = {rule: Rate("note", 100, faults, -float(faults)) for rule in RULES}
    return Written(player, 0, np.full((2, 3), total), rates, {"root position": spread}, 2, 0.0, music)


BACH = written("Bach, all excerpts", 0.0)
FAMILIES = np.array([0, 1], np.int32)


def asked(*found: Written) -> list[bool]:
    return list(verdict(found, BACH, FAMILIES).values())


def test_the_verdict_asks_for_rates_style_and_an_ear_for_the_soprano() -> None:
    deaf = [written(SILENT, -9.0), written(SWAPPED, -8.0)]
    assert all(asked(written(TRAINED, -2.0, faults=2), *deaf))
    assert asked(written(TRAINED, -2.0, faults=3), *deaf) == [False] * len(RULES) + [True, True, True]
    assert asked(written(TRAINED, -2.0, share=0.7), *deaf) == [True] * len(RULES) + [False, True, True]
    assert asked(written(TRAINED, -8.5), *deaf) == [True] * len(RULES) + [True, True, False]


def test_without_a_trained_agent_nothing_is_expected() -> None:
    assert verdict([written("greedy", 0.0)], BACH, FAMILIES) == {}


def test_totals_stand_with_their_interval_and_seeds() -> None:
    text = totals_table([written("greedy", -3.0)], FAMILIES)
    assert "| greedy | -3.00 [-3.00, -3.00] | -3.0 | 2 of 6 |" in text


def test_of_few_seeds_the_range_stands_in_brackets_and_pages_of_one_family_are_drawn_together() -> None:
    assert "| trained | -2.00 [-3.00, -1.00] |" in totals_table([written(TRAINED, -3.0), written(TRAINED, -1.0)], FAMILIES)
    uneven = written("greedy", 0.0)._replace(totals=np.array([[-1.0], [-3.0]]))
    assert "-2.00 [-3.00, -1.00]" in totals_table([uneven], FAMILIES)
    assert "-2.00 [-2.00, -2.00]" in totals_table([uneven], np.zeros(2, np.int32))


@pytest.fixture(scope="module")
def pages() -> Excerpts:
    task = task_of(Settings(task=chorale_agent.TASK, options={"bars": 1, "steps_per_quarter": 1}))
    return task.changed(source="bach/valid").drawn(apart=True).excerpts.take(np.arange(6))


def test_a_silent_page_has_rests_for_its_soprano_and_all_else(pages: Excerpts) -> None:
    made = silenced(pages, (0,))
    assert (made.pitch[:, 0][:, : made.length.min()] == REST).all()
    np.testing.assert_array_equal(made.pitch[:, 1:], pages.pitch[:, 1:])
    np.testing.assert_array_equal(made.tonic, pages.tonic)


def test_every_page_gets_the_soprano_of_another_family_in_its_mode(pages: Excerpts) -> None:
    families = np.array([0, 0, 0, 1, 1, 1], np.int32)
    pages.mode[:] = np.array([0, 0, 1, 0, 1, 1])[:, None]
    made = swapped(pages, (0,), families)
    expected = [3, 3, 4, 0, 2, 2]
    np.testing.assert_array_equal(made.pitch[:, 0], pages.pitch[expected, 0])
    np.testing.assert_array_equal(made.pitch[:, 1:], pages.pitch[:, 1:])


def test_a_mode_of_one_family_gives_way_to_another_mode_and_one_family_is_named(pages: Excerpts) -> None:
    pages.mode[:] = np.array([0, 0, 0, 1, 1, 1])[:, None]
    made = swapped(pages, (0,), np.array([0, 0, 0, 1, 1, 1], np.int32))
    np.testing.assert_array_equal(made.pitch[:3, 0], pages.pitch[[3, 3, 3], 0])
    with pytest.raises(ValueError, match="page 0 is the only family"):
        swapped(pages, (0,), np.zeros(6, np.int32))


@pytest.mark.slow
def test_a_tiny_run_leaves_tables_figures_and_music(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chorale_agent, "PIECES", 1)
    words = [
        "--steps",
        "512",
        "--seeds",
        "3",
        "--twins",
        "--split",
        "valid",
        "--jobs",
        "1",
        "--pages",
        "10",
        "--out",
        str(tmp_path),
    ]
    assert main(words) == 1  # nothing is learned from 512 choices
    assert "| Bach |" in capsys.readouterr().out
    figures = json.loads((tmp_path / "chorale_agent.json").read_text())
    assert not all(figures["expected"].values())
    assert len(list(tmp_path.glob("*.mid"))) == 10
    score = Score.from_midi(tmp_path / "median0.mid")
    assert score.voices == 4
