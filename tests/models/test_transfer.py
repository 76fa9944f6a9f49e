"""What fine-tuning brings: the pieces that arms share, figures with known answers, what is expected, a quick run."""

import json
from pathlib import Path

import numpy as np
import pytest

from musicgym.agents.comparison import Figure
from musicgym.benchmarks import transfer
from musicgym.benchmarks.train_models import MODELS
from musicgym.benchmarks.transfer import ARMS, PIECES, Arm, Bench, Costs, expected, means


def test_what_is_gone_on_from_never_saw_bach():
    bench = Bench(Path("nowhere"))
    assert bench.tunes.corpus == "ryan,oneill,aird"
    assert bench.tunes.sizes == MODELS["melody-lstm"].recipe.sizes
    assert transfer.TUNING_SEED not in {*transfer.SEEDS, bench.tunes.training.seed}


def test_every_arm_is_tuned_on_rates_of_the_same_grid():
    assert set(transfer.TUNED) == {f"{name} {count}" for name in ARMS for count in PIECES}
    for name, (rate, dropout) in transfer.TUNED.items():
        assert rate in transfer.RATES
        assert dropout in (transfer.DROPOUTS if name.startswith("scratch") else transfer.DROPOUTS[:1])


def test_means_are_of_all_quarters_together_and_alike_for_equal_models():
    found = Costs(
        {"a0": np.array([2.0, 4.0]), "a1": np.array([4.0, 8.0]), "b": np.array([3.0, 6.0])},
        np.array([1.0, 2.0]),
        np.array([0, 1]),
    )
    points, draws = means(found, {"a": ["a0", "a1"], "b": ["b"], "same": ["a0", "a1"]})
    np.testing.assert_allclose(points["a"], [2.0, 4.0])
    np.testing.assert_allclose(points["b"], [3.0])
    np.testing.assert_allclose(draws["b"], 3.0)  # a quarter costs the same in both pieces
    np.testing.assert_array_equal(draws["a"], draws["same"])
    assert {2.0, 3.0, 4.0} == set(draws["a"].round(9))  # either seed twice, or each once


@pytest.mark.parametrize(
    ("seeds", "scratch", "permuted", "met"),
    [
        ([-0.2, -0.1], Figure(-0.15, -0.2, -0.1), Figure(-0.1, -0.2, -0.01), [True, True, True]),
        ([-0.2, -0.05], Figure(-0.12, -0.2, -0.1), Figure(-0.1, -0.2, 0.01), [False, True, False]),
        ([-0.2, -0.1], Figure(-0.15, -0.4, 0.1), Figure(0.1, 0.0, 0.2), [True, False, False]),
    ],
)
def test_one_seed_above_the_margin_or_an_interval_that_holds_0_is_a_miss(seeds, scratch, permuted, met):
    differences = {"scratch 20": {"seeds": seeds, "figure": scratch}, "permuted 20": {"seeds": seeds, "figure": permuted}}
    assert list(expected(differences).values()) == [*met, True]
    assert not expected(differences, ["scratch 5 0 after 1000"])["no run used up its updates, scratch 5 0 after 1000"]


@pytest.mark.slow
def test_a_quick_run_trains_each_arm_once_and_reports_every_seed(tmp_path, capsys):
    status = transfer.main(["--quick", "--out", str(tmp_path)])
    text = capsys.readouterr().out
    found = json.loads((tmp_path / "transfer.json").read_text())
    assert status == (0 if all(found["expected"].values()) else 1)
    assert set(found["sopranos"]) == {"before", *(f"{name} {count}" for name in ARMS for count in PIECES)}
    assert all(len(row["seeds"]) == 2 for name, row in found["sopranos"].items() if name != "before")
    assert "what is forgotten" in text
    assert (tmp_path / "transfer.md").read_text().strip() == text.strip()

    bench = Bench(tmp_path, small=True)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")}
    again = bench.learned(Arm("scratch", 20, 1e-3, 0.1), seed=0)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")} == made
    with pytest.raises(ValueError, match="was made by another recipe"):
        Bench(tmp_path).learned(Arm("scratch", 20, 1e-3, 0.1), seed=0)
    assert again.with_name(again.name + ".json").exists()


def test_fewer_pieces_are_among_the_more():
    bench_music = transfer.prepared(MODELS["melody-ngram"].recipe.__class__("ngram", "bach", transfer.MELODY.to_json()), "some")
    few, more = (transfer._some(*bench_music.learned, count, 3)[0].families.tolist() for count in (5, 20))
    assert len(few) == 5
    assert set(few) <= set(more)
    with pytest.raises(ValueError, match="there are"):
        transfer._some(*bench_music.learned, 10_000, 3)
