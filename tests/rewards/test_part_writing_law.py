"""The rules of part-writing keep the law of the sum in every order and with edits, and what every reward must."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from musicgym import StepChoice, Task
from musicgym.benchmarks.tunes import chorales
from musicgym.rewards import Rules
from musicgym.rewards.part_writing import part_writing_rules
from musicgym.testing.episodes import play_alone
from musicgym.testing.music import random_score
from musicgym.testing.rule_checks import check_rules

ALL = Rules.of(*part_writing_rules().values(), name="parts")  # each with weight 1


@pytest.mark.slow
@limits(max_examples=15)
@given(
    order=st.sampled_from(["time", "voice", "random"]),
    sweeps=st.integers(1, 2),
    voices=st.integers(2, 4),
    bars=st.integers(2, 4),
    seed=st.integers(0, 2**31),
)
def test_random_play_in_any_order_is_paid_what_it_is_worth(order, sweeps, voices, bars, seed):
    task = Task(StepChoice(52, 67), voices=voices, length=bars * 8 - seed % 3, meter=(2, 4), order=order, sweeps=sweeps)
    episode = play_alone(ALL, task, None, seed)
    finish, start = np.stack(list(ALL.score([episode.finish, episode.start]).values())).T
    paid, size = episode.terms.sum(axis=0, dtype=np.float64), np.abs(episode.terms).sum(axis=0)
    for term, one, other, of in zip(ALL.terms, paid, finish - start, size, strict=True):
        assert abs(one - other) <= 1e-5 * max(1.0, of), term


@pytest.mark.slow
def test_edits_of_a_chorale_are_paid_the_difference_that_they_make():
    music = chorales("valid", 1, limit=20).excerpts
    for row in range(0, 20, 5):
        one = music.take(np.array([row]))
        length = int(one.length[0])
        meter = (length // 4, 4)
        task = Task(StepChoice(36, 84), voices=4, length=length, meter=meter, begin="filled", order="random")
        cut = one._replace(**{name: getattr(one, name)[..., :length] for name in one._fields if getattr(one, name).ndim > 1})
        episode = play_alone(ALL, task, cut, row)
        finish, start = np.stack(list(ALL.score([episode.finish, episode.start]).values())).T
        np.testing.assert_allclose(episode.terms.sum(axis=0, dtype=np.float64), finish - start, atol=1e-3)


@pytest.mark.parametrize("voices", [1, 2, 3, 4, 5])
def test_rules_look_only_where_they_may_and_no_wider_than_they_say(voices):
    check_rules(ALL, voices, np.random.default_rng(voices))


def test_one_voice_alone_hears_only_rules_of_single_voices():
    score = random_score(np.random.default_rng(3), 1, 64)
    spoken = {term for term, values in ALL.score([score]).items() if values[0] != 0}
    assert spoken <= {
        "wide_leaps",
        "augmented_intervals",
        "stuck_voice",
        "voice_range",
        "held_over",
        "held_long",
        "fermata_together",
        "in_key",
        "foreign_note",
    }
