"""The table of first species: shares between random play and the optimum, and what was expected of the agent."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from musicgym.benchmarks.first_species import PIECES, Written, main, table, verdict
from musicgym.pieces import Excerpts
from musicgym.score import Score

MOST = np.array([0.0, 2.0])  # the optimum, by cantus firmus


def written(player: str, seed: int, totals: tuple[float, float], legal: float) -> Written:
    """Every piece to a cantus firmus is paid the same; this share of them is legal."""
    shape = (len(MOST), PIECES)
    lawful = np.broadcast_to(np.arange(PIECES) < legal * PIECES, shape)
    return Written(player, seed, np.broadcast_to(np.array(totals)[:, None], shape), lawful, 7, 0.0, Excerpts.blank(0, 2, 0))


RANDOM = written("random, masked", 0, (-10.0, -8.0), 0.0)  # ten below the optimum


def test_a_share_goes_from_random_play_to_the_optimum() -> None:
    found = [RANDOM, written("perfect", 0, (0.0, 2.0), 1.0), written("half way", 0, (-5.0, -3.0), 0.5)]
    _, figures = table(found, MOST)
    shares = {name: kinds["share"] for name, kinds in figures.items()}
    assert {name: share.mean for name, share in shares.items()} == {"random, masked": 0.0, "perfect": 1.0, "half way": 0.5}
    assert shares["half way"].low == pytest.approx(0.5) == shares["half way"].high
    assert figures["half way"]["legal"].mean == 0.5
    assert figures["half way"]["total"].mean == -4.0


def test_seeds_are_averaged_and_lie_within_the_interval() -> None:
    found = [RANDOM, written("trained", 0, (-1.0, 1.0), 1.0), written("trained", 1, (-3.0, -1.0), 0.8)]
    text, figures = table(found, MOST)
    assert figures["trained"]["share"] == pytest.approx((0.8, 0.7, 0.9))
    assert figures["trained"]["legal"] == pytest.approx((0.9, 0.8, 1.0))
    assert f"| trained | 0.90 [0.80, 1.00] | -1.00 [-2.00, 0.00] | 0.80 [0.70, 0.90] | 7, 7 of {2 * PIECES} |" in text


@pytest.mark.parametrize(
    ("totals", "legal", "met"),
    [
        ((-1.0, 1.0), 0.96, [True, True]),
        ((-1.0, 1.0), 0.5, [False, True]),
        ((-5.0, -3.0), 0.96, [True, False]),
        ((-5.0, -3.0), 0.5, [False, False]),
    ],
)
def test_the_verdict_asks_for_legal_pieces_and_for_a_share(totals: tuple[float, float], legal: float, met: list[bool]) -> None:
    _, figures = table([RANDOM, written("trained", 0, totals, legal)], MOST)
    assert list(verdict(figures).values()) == met


def test_without_a_trained_agent_nothing_is_expected() -> None:
    assert verdict(table([RANDOM], MOST)[1]) == {}


@pytest.mark.slow  # trains an agent, if only for 2,048 choices, in a process of its own
def test_a_hardly_trained_agent_misses_and_the_run_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--seeds", "0", "--arm", "trained", "--steps", "2048", "--cantus", "2", "--split", "valid", "--jobs", "1"]
    assert main([*asked, "--out", str(tmp_path)]) == 1
    result = json.loads((tmp_path / "first_species.json").read_text(encoding="utf-8"))
    assert False in result["expected"].values()
    figures = result["figures"]
    assert {"trained", "trained, rule masks", "random, masked", "random, rule masks", "greedy"} <= figures.keys()
    assert figures["random, masked"]["share"][0] == pytest.approx(0)
    assert all(figures[name]["share"][0] <= 1 + 1e-4 for name in figures)
    assert figures["greedy"]["total"][0] > figures["random, masked"]["total"][0]
    assert figures["trained, rule masks"]["legal"][0] > figures["trained"]["legal"][0]
    page = (tmp_path / "first_species.md").read_text(encoding="utf-8")
    assert "2 cantus firmi of cantus/valid" in page
    assert "seeds 0, control runs none" in page
    assert "MISSED: legal 90% or more" in page
    assert page in capsys.readouterr().out
    kept = {path.name: Score.from_midi(path) for path in tmp_path.glob("*.mid")}
    assert kept.keys() == {f"{kind}{place}.mid" for kind in ("median", "worst") for place in range(5)}
    assert {score.voices for score in kept.values()} == {2}
