"""The script that sets trained agents beside controls: what it runs, what it writes, what it calls met."""

import json

import numpy as np
import pytest

from musicgym.agents.settings import Settings
from musicgym.benchmarks import train_controls
from musicgym.benchmarks.train_controls import CONTROL_SEEDS, PIECES, WINDOW_SEEDS, Judgement, control_arms, verdicts


def test_controls_differ_from_the_trained_arm_in_one_field_each():
    base = Settings()
    changed = {
        arm: {k for k, v in settings.to_dict().items() if v != base.to_dict()[k]} for arm, settings in control_arms(base).items()
    }
    assert changed == {"trained": set(), "constant": {"reward"}, "negated": {"reward"}, "blind": {"blind"}}


def test_a_default_is_not_chosen_on_the_seeds_that_figures_are_reported_on():
    assert not set(WINDOW_SEEDS) & set(CONTROL_SEEDS)


def judgements(**means):
    rng = np.random.default_rng(0)
    terms = np.zeros((PIECES, 9))
    return [
        Judgement(arm, seed, 1.0, terms + rng.normal(mean / 9, 0.1, terms.shape), PIECES)
        for arm, mean in means.items()
        for seed in range(5)
    ]


@pytest.mark.parametrize(
    ("means", "missed"),
    [
        ({"trained": 100, "constant": -18, "negated": -200, "blind": 50}, []),
        ({"trained": 100, "constant": 60, "negated": -200, "blind": 50}, ["constant within 10%"]),
        ({"trained": 100, "constant": -18, "negated": 0, "blind": 50}, ["negated below"]),
        ({"trained": 100, "constant": -18, "negated": -200, "blind": 130}, ["trained above blind"]),
    ],
)
def test_each_expectation_can_be_missed(means, missed):
    met = verdicts(judgements(**means), Settings())
    assert [name for name, value in met.items() if not value] == [name for name in met if any(name.startswith(m) for m in missed)]
    assert len([name for name, value in met.items() if not value]) == len(missed)


@pytest.mark.slow
def test_a_tiny_run_writes_json_and_a_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(train_controls, "WINDOWS", (4, 8))
    assert train_controls.main(["windows", "--steps", "128", "--seeds", "7", "8", "--jobs", "1", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "windows.json").read_text())
    assert found["seeds"] == [7, 8]
    assert set(found["totals"]) == {"window 4", "window 8"}
    assert set(found["means"]) == {"window 4", "window 8", "random, masked", "real tunes"}
    assert "| total |" in (tmp_path / "windows.md").read_text()
    capsys.readouterr()
