"""`part_writing` knows chorales from spoiled ones and from all scripted non-music, on families that its fit has not seen."""

from __future__ import annotations

import numpy as np
import pytest

from musicgym.benchmarks.discrimination import discrimination, worth
from musicgym.benchmarks.spoiled_parts import NON_MUSIC_IN_PARTS, kinds_of_parts
from musicgym.benchmarks.tunes import chorales
from musicgym.rewards.part_writing import part_writing, part_writing_rules


@pytest.fixture(scope="module")
def real():
    return chorales("test", limit=60)


@pytest.mark.parametrize(("kind", "least"), [("other parts", 0.93), ("displaced part", 0.92), ("wrong notes", 0.82)])
def test_chorales_are_told_from_spoiled_ones(real, kind, least):
    found = discrimination(part_writing(), real, kinds_of_parts(real.families)[kind])
    assert found.auc["total"].mean > least
    assert found.paired["total"].low > 0.9


@pytest.mark.parametrize("kind", NON_MUSIC_IN_PARTS)
def test_non_music_stands_below_the_tenth_percentile_of_chorales(real, kind):
    totals = worth(part_writing(), real.excerpts)[1][:, -1]
    played = worth(part_writing(), kinds_of_parts(real.families)[kind](real.excerpts, np.random.default_rng(0)))[1][:, -1]
    assert played.mean() < np.percentile(totals, 10)
    assert np.median(played) < np.percentile(totals, 10)


def test_every_rule_has_a_weight_that_is_none_or_more_and_25_or_more_count():
    weights = {term: weight for term, _, _, weight in part_writing().entries}
    assert list(weights) == list(part_writing_rules())
    assert min(weights.values()) >= 0
    assert sum(weight > 0 for weight in weights.values()) >= 25
