"""The models that come with the package: all there, of the committed recipes, and nothing seen of what they are judged on."""

import json

import numpy as np
import pytest

from musicgym import models, rewards
from musicgym.benchmarks import model_rewards, train_models
from musicgym.benchmarks.train_models import MODELS
from musicgym.models import material
from musicgym.models.leakage import leakage
from musicgym.models.sequence_model import SequenceModel
from musicgym.models.storing import SHIPPED
from musicgym.task import Task
from musicgym.testing import check_sequence_model

NAMES = [name for name, made in MODELS.items() if made.shipped]
each = pytest.mark.parametrize("name", NAMES)


def test_all_that_is_shipped_is_there_and_small():
    assert models.shipped() == sorted(NAMES)
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) / 1e6 <= train_models.MEGABYTES


@each
def test_a_card_is_of_the_committed_recipe_and_of_the_split_of_today(name):
    card, recipe = models.card_of(name), MODELS[name].recipe
    assert card["recipe"] == recipe.to_dict()
    assert card["training"]["finished"]
    assert train_models.minutes_of(card) <= MODELS[name].minutes
    corpus = material.open_corpus(recipe.corpus, Task.from_json(recipe.task))
    assert card["split"]["fingerprint"] == material.fingerprint(corpus)
    if "against" in card:
        assert card["against"]["fingerprint"] == models.load(recipe.against).fingerprint


@each
def test_nothing_that_a_model_is_judged_on_was_learned_from(name):
    card, recipe = models.card_of(name), MODELS[name].recipe
    corpus = material.open_corpus(recipe.corpus, Task.from_json(recipe.task))
    for split in ("valid", "test"):
        found = leakage(corpus.split("train"), corpus.split(split))
        assert (found.families, found.windows) == (0, 0)
        assert card["leakage"][split] == found.told()
        assert card["figures"][split]["pieces"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["melody-ngram", "melody-lstm", "melody-lookback", "melody-transformer", "chorale-transformer"])
def test_a_sequence_model_keeps_what_it_must_and_makes_music_up(name):
    model = models.load(name)
    assert isinstance(model, SequenceModel)
    check_sequence_model(model)
    pieces = model.sample(2, seed=1)
    assert [piece.voices for piece in pieces] == [model.task.voices] * 2
    paid = rewards.parse(f"likelihood(model='{name}')").score(pieces)["likelihood"]
    np.testing.assert_allclose(paid, model.log_prob(pieces), atol=1e-3)


@pytest.mark.slow
def test_what_rewards_tell_and_cost_is_measured(tmp_path, capsys):
    for what in ("tell", "speed"):
        model_rewards.main([what, "--quick", "--out", str(tmp_path)])
        text = capsys.readouterr().out
        assert (tmp_path / f"{what}.md").read_text().strip() == text.strip()
        for name in model_rewards.SEQUENCE_MODELS:
            assert name in text
    found = json.loads((tmp_path / "tell.json").read_text())["told"]
    assert found["likelihood(model='melody-lstm')"]["20 % wrong notes"]["paired"]["total"][1] > 0.8  # the interval's lower end
