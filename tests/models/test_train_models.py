"""The scripts that train and compare the models: that they run, what they promise, what they would say of a miss."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from musicgym import models
from musicgym.benchmarks import adversarial, model_table, train_models, vae_figures
from musicgym.benchmarks.train_models import MODELS, quick
from musicgym.models.figures import Tally
from musicgym.models.storing import kind_of
from musicgym.task import Task


def weights(name):
    recipe = MODELS[name].recipe
    model = kind_of(recipe.kind)(Task.from_json(recipe.task), **recipe.sizes)
    return sum(tensor.numel() for tensor in model.tensors().values())


@pytest.mark.parametrize("music", model_table.MUSIC)
def test_what_is_compared_has_equally_many_weights_and_equal_training(music):
    lstm, transformer = (MODELS[name].recipe for name in model_table.MUSIC[music])
    assert weights(model_table.MUSIC[music][0]) == pytest.approx(weights(model_table.MUSIC[music][1]), rel=model_table.EQUAL)
    assert (lstm.corpus, lstm.task) == (transformer.corpus, transformer.task)
    for field in ("window", "batch", "updates", "evaluate_every", "patience", "seed", "transpose"):
        assert getattr(lstm.training, field) == getattr(transformer.training, field)


def test_shipped_models_learn_from_the_four_collections_alone_and_leave_room():
    assert {name for made in MODELS.values() for name in made.recipe.corpus.split(",")} == {"bach", "ryan", "oneill", "aird"}
    shipped = [name for name, made in MODELS.items() if made.shipped]
    assert shipped == [
        "melody-ngram",
        "melody-lstm",
        "melody-lstm-c",
        "melody-lookback",
        "melody-transformer",
        "chorale-transformer",
        "melody-discriminator",
        "melody-vae",
    ]
    assert sum(4 * weights(name) for name in shipped if name != "melody-ngram") / 1e6 < train_models.MEGABYTES - 1
    assert MODELS["melody-lstm-c"].recipe.training.transpose == "C"


def test_tuning_uses_a_seed_of_its_own():
    assert train_models.TUNING_SEED not in {made.recipe.training.seed for made in MODELS.values()}


def test_models_are_trained_once_and_can_be_loaded(tmp_path, capsys):
    names = ["melody-lstm-c", "melody-ngram"]
    for _ in range(2):
        assert train_models.main([*names, "--quick", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("melody-lstm-c: lstm of") == 2
    model = models.load(str(tmp_path / "melody-lstm-c"))
    assert model.card["training"]["transpose"] == "C"
    assert model.card["recipe"]["corpus"] == "aird"
    with pytest.raises(ValueError, match="was made by another recipe"):
        train_models.train_one("melody-ngram", quick(MODELS["melody-lstm"].recipe), tmp_path)


def test_the_discriminator_learns_against_the_models_pieces_beside_it(tmp_path, capsys):
    with pytest.raises(ValueError, match=r"no model .*melody-lstm"):
        train_models.main(["melody-discriminator", "--quick", "--out", str(tmp_path)])
    assert train_models.main(["melody-lstm", "melody-discriminator", "--quick", "--out", str(tmp_path)]) == 0
    card = models.load(str(tmp_path / "melody-discriminator")).card
    assert card["against"]["fingerprint"] == models.load(str(tmp_path / "melody-lstm")).fingerprint
    assert card["recipe"]["against"] == "melody-lstm"
    again = quick(MODELS["melody-lstm"].recipe)
    train_models.train_one("other", replace(again, training=replace(again.training, seed=3)), tmp_path)
    for suffix in ("safetensors", "json"):
        (tmp_path / f"other.{suffix}").rename(tmp_path / f"melody-lstm.{suffix}")
    with pytest.raises(ValueError, match="'melody-discriminator' learned against 'melody-lstm' when that was"):
        train_models.main(["melody-discriminator", "--quick", "--out", str(tmp_path)])


def test_a_model_that_took_too_long_or_leaked_or_is_too_large_is_a_miss(tmp_path):
    for suffix in ("safetensors", "json"):
        (tmp_path / f"melody-lstm.{suffix}").write_bytes(b"0" * 11_000_000)
    card = {"training": {"seconds": 42 * 60}, "leakage": {"test": {"windows": 3, "families": 0}}}
    found = train_models.faults({"melody-lstm": card}, tmp_path)
    assert [fault.split(":")[0] for fault in found] == [
        "melody-lstm took 21.0 minutes",
        "melody-lstm",
        "the models that are shipped have 22.0 MB",
    ]


@pytest.mark.parametrize("words", [["melody-lsmt"], ["tune", "melody-ngram"], ["--ship", "--quick"]])
def test_what_was_typed_wrongly_ends_with_status_two(words, tmp_path):
    with pytest.raises(SystemExit) as stop:
        train_models.main([*words, "--out", str(tmp_path)])
    assert stop.value.code == 2


@pytest.mark.slow
def test_tuning_tries_every_point_of_the_grid(tmp_path, capsys):
    status = train_models.main(["tune", "melody-lstm", "--quick", "--out", str(tmp_path)])
    found = json.loads((tmp_path / "tuning.json").read_text())
    assert len(found["melody-lstm"]) == len(train_models.RATES)
    assert status == int(train_models.at_an_edge(found["melody-lstm"]))


def test_the_best_of_a_grid_may_not_be_its_first_or_last():
    assert train_models.at_an_edge({"1": 3.0, "2": 4.0, "3": 5.0})
    assert train_models.at_an_edge({"1": 3.0, "2": 2.0, "3": 1.0})
    assert not train_models.at_an_edge({"1": 3.0, "2": 2.0, "3": 2.5})


@pytest.mark.parametrize("script", [model_table, vae_figures, adversarial])
def test_models_that_are_not_there_are_named_at_once(script, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        script.main(["--models", str(tmp_path), "--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    assert f"--models {tmp_path}: there is no melody-" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# The table


def tallies(rng, pieces, nats):
    units = rng.integers(50, 100, (pieces, 1)) * np.array([[1.0, 0.25, 0.3]])
    return Tally(units * nats, units, units * 0.5, units)


def test_ratios_are_of_sums_and_not_means_of_ratios():
    above, below = np.array([[1.0], [10.0]]), np.array([[1.0], [20.0]])
    families = np.array([4, 9])
    draws = np.array([[1, 1], [2, 0], [0, 2]])
    point, drawn = model_table.ratios(above, below, families, draws)
    assert point[0] == pytest.approx(11 / 21)
    assert drawn[:, 0] == pytest.approx([11 / 21, 1.0, 0.5])


def test_pieces_of_a_family_are_drawn_together():
    families = np.repeat(np.arange(3), 5)
    rng = np.random.default_rng(0)
    units = np.ones((15, 3))
    nats = np.repeat(rng.random((3, 3)), 5, axis=0)
    alone = model_table.ratios(nats, units, np.arange(15), model_table.resamples(np.arange(15)))[1]
    together = model_table.ratios(nats, units, families, model_table.resamples(families))[1]
    assert together[:, 0].std() > 1.5 * alone[:, 0].std()


def test_differences_are_of_the_same_draws():
    rng = np.random.default_rng(0)
    base = tallies(rng, 40, rng.random((40, 1)) + 1)
    better = base._replace(nats=base.nats - 0.1 * base.units)
    table = model_table.rows({"5-gram": base, "melody-lstm": better}, np.arange(40), {"5-gram": 9, "melody-lstm": 10})
    difference = table["melody-lstm"].below_baseline
    assert (difference.mean, difference.low, difference.high) == pytest.approx((-0.1, -0.1, -0.1))
    assert table["5-gram"].below_baseline is None
    wide = table["melody-lstm"].nats["slot"]
    assert wide.high - wide.low > 0.05


@pytest.mark.parametrize(
    ("gain", "numbers", "met"), [(0.1, 1000, [True, True]), (-0.1, 1000, [False, True]), (0.1, 1100, [True, False])]
)
def test_what_was_expected_is_judged_by_intervals(gain, numbers, met):
    rng = np.random.default_rng(0)
    base = tallies(rng, 40, rng.random((40, 1)) + 1)
    other = base._replace(nats=base.nats - gain * base.units)
    found = {"5-gram": base, "melody-lstm": other, "melody-transformer": other}
    counts = {"5-gram": 9, "melody-lstm": 1000, "melody-transformer": numbers}
    said = model_table.expected({"melodies": model_table.rows(found, np.arange(40), counts)})
    assert [said["melody-lstm below the 5-gram on melodies"], list(said.values())[-1]] == met


@pytest.mark.slow
def test_the_table_of_tiny_models_has_every_row_and_misses_what_is_expected(tmp_path, capsys):
    assert model_table.main(["melodies", "--quick", "--out", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "| model | numbers | nats a slot |" in out
    assert "MISSED: melody-lstm below the 5-gram on melodies" in out
    found = json.loads((tmp_path / "model_table.json").read_text())["tables"]["melodies"]
    assert {"uniform", "unigram", "5-gram", "melody-lstm", "melody-transformer"} <= set(found)
    assert found["uniform"]["nats"]["slot"][0] == pytest.approx(math.log(38))
    assert found["5-gram"]["nats"]["slot"][0] < found["unigram"]["nats"]["slot"][0] < math.log(38)
