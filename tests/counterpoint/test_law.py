"""The rules of counterpoint keep what every reward must: nothing wider than declared, and the law of the sum in every order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicgym import StepChoice, Task
from musicgym.benchmarks.fux_rates import plain
from musicgym.corpus.fux import exercises
from musicgym.pieces import Excerpts
from musicgym.score import BLANK
from musicgym.testing import check_reward

ALL = plain()


@pytest.mark.slow  # compiles every form of the rules
@pytest.mark.parametrize("voices", [2, 3])
@pytest.mark.parametrize("order", ["time", "random"])
def test_the_rules_keep_what_every_reward_must(voices, order):
    task = Task(StepChoice(55, 64), voices=voices, length=22, steps_per_quarter=2, meter=(2, 4), order=order)
    check_reward(ALL, task)


@pytest.mark.slow  # as above
def test_and_do_so_where_a_bar_is_one_step():
    check_reward(ALL, Task(StepChoice(55, 67), voices=2, length=7, steps_per_quarter=1, meter=(1, 4)))


@settings(max_examples=10)
@given(number=st.integers(0, 25), seed=st.integers(0, 2**31))
def test_a_solution_of_fux_filled_in_any_order_earns_the_same(number, seed):
    """Slot by slot in a drawn order: what each half-finished page is worth more than the one before."""
    music = Excerpts.from_scores([exercises()[number].score])
    voices, steps = music.pitch.shape[1:]
    page, before = Excerpts.blank_like(music), np.zeros(len(ALL.terms))
    earned = np.zeros(len(ALL.terms))
    for slots in np.array_split(np.random.default_rng(seed).permutation(voices * steps), 12):
        voice, step = slots // steps, slots % steps
        page.pitch[0, voice, step] = music.pitch[0, voice, step]
        stands = page.pitch[0] != BLANK
        behind = np.pad(stands[:, :-1], ((0, 0), (1, 0)))
        page.onset[0] = stands & (music.onset[0] | ~behind)
        after = np.array([value[0] for value in ALL.score(page).values()])
        earned, before = earned + after - before, after
    np.testing.assert_allclose(earned, [value[0] for value in ALL.score(music).values()], atol=1e-9)
