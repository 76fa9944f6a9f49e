"""Tasks of every kind that an ensemble can play, and what their pieces start from."""

import numpy as np
import pytest

from musicgym import ChordChoice, StepChoice, Task
from musicgym.testing.music import needs_music, random_music

SATB = StepChoice(36, 81, ((60, 81), (53, 74), (48, 69), (36, 64)))
IN_TIME = {
    "three voices on a blank page": Task(StepChoice(52, 67), voices=3, length=6),
    "one voice": Task(StepChoice(52, 67), length=8),
    "under a soprano": Task(SATB, voices=4, length=6, given=(0,)),
    "alto and bass given": Task(SATB, voices=4, length=6, given=(1, 3)),
    "soprano unheard until it sings": Task(SATB, voices=4, length=6, given=(0,), sees="past"),
    "holes": Task(SATB, voices=4, length=8, blank=0.5),
    "bars open": Task(StepChoice(52, 67), voices=2, length=12, blank=0.5, holes="bar", meter=(1, 4)),
    "edits": Task(StepChoice(52, 67), voices=3, length=4, begin="filled", sweeps=2),
    "second thoughts": Task(StepChoice(52, 67), voices=2, length=1, sweeps=3),
    "hard rules": Task(StepChoice(52, 67), voices=3, length=5, forbid=("-1*fixed_key",)),  # no note of the key
    "chords": Task(ChordChoice(), voices=4, length=5, given=(0,)),
}
OTHER_ORDERS = {
    "voice after voice": Task(StepChoice(52, 67), voices=3, length=5, order="voice"),
    "at random": Task(SATB, voices=4, length=5, given=(2,), order="random"),
}


def music_for(task):
    return random_music(np.random.default_rng(7), task, 3) if needs_music(task) else None


@pytest.fixture(params=IN_TIME)
def in_time(request):
    """A task in time order, and what its pieces start from."""
    return IN_TIME[request.param], music_for(IN_TIME[request.param])


@pytest.fixture(params=[*IN_TIME, *OTHER_ORDERS])
def any_order(request):
    """A task in any order, and what its pieces start from."""
    task = {**IN_TIME, **OTHER_ORDERS}[request.param]
    return task, music_for(task)
