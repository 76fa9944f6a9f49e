"""The script of a VAE's figures: that it runs, and what it would say of a miss."""

import json

import numpy as np
import pytest

from musicgym.agents.comparison import Figure
from musicgym.benchmarks import vae_figures
from musicgym.benchmarks.vae_figures import Told, expected, markdown, returning
from musicgym.models.vae_figures import Returned


def told(f1=0.85, swapped=0.1, zero=0.08, chance=0.07, prior=0.12, bars=2):
    arms = {"posterior_mean": f1, "swapped": swapped, "zero": zero, "chance": chance}
    near = {who: dict.fromkeys(vae_figures.KEY_FREE, value) for who, value in (("prior", prior), ("lstm", 0.1), ("real", 0.05))}
    nats = Figure(1.0, 0.9, 1.1)
    return Told(
        bars=bars,
        windows=100,
        families=40,
        f1={arm: Figure(value, value - 0.02, value + 0.02) for arm, value in arms.items()},
        bound={"nats a slot": nats, "reconstruction": nats, "divergence": nats},
        active_units=30,
        latent=64,
        lstm_nats=nats,
        distances=near,
    )


@pytest.mark.parametrize(
    ("changes", "met"),
    [
        ({}, [True, True, True, True]),
        ({"f1": 0.79}, [False, True, True, True]),
        ({"swapped": 0.18}, [True, False, True, True]),
        ({"zero": 0.2}, [True, True, False, True]),
        ({"prior": 0.14}, [True, True, True, False]),
        ({"f1": 0.1, "bars": 8}, []),
    ],
)
def test_what_was_expected_is_judged(changes, met):
    assert list(expected({"melody-vae": told(**changes)}).values()) == met


def test_tables_hold_every_arm():
    text = markdown({"melody-vae": told()})
    assert "| melody-vae | 2 | 100 | 40 | 0.850 [0.830, 0.870] | 0.100 [" in text
    assert "| 30 of 64 |" in text
    assert "| melody-vae, prior | 0.120 | 0.120 | 0.120 | 0.120 |" in text


def test_f1_is_of_all_notes_together_and_families_are_drawn_together():
    one = Returned(np.array([1, 8]), np.array([2, 8]), np.array([2, 8]))
    families = np.array([3, 7])
    found = returning({"posterior_mean": one}, families)["posterior_mean"]
    assert found.mean == one.f1 == pytest.approx(18 / 20)
    assert (found.low, found.high) == pytest.approx((0.5, 1.0))


@pytest.mark.slow
def test_the_figures_of_tiny_models_are_all_there_and_miss_what_is_expected(tmp_path, capsys):
    assert vae_figures.main(["melody-vae", "--quick", "--out", str(tmp_path)]) == 1
    assert "MISSED: melody-vae: F1 from the posterior's mean 0.8 or more" in capsys.readouterr().out
    found = json.loads((tmp_path / "vae_figures.json").read_text())["models"]["melody-vae"]
    assert set(found["f1"]) == {"posterior_mean", "swapped", "zero", "chance"}
    assert found["latent"] == 4
    with pytest.raises(SystemExit) as stop:
        vae_figures.main(["melody-vea"])
    assert stop.value.code == 2
