"""Exact search finds all pieces that may be finished, and of them those that are paid most."""

from __future__ import annotations

import numpy as np
import pytest

from musicgym import NoteChoice, Task, rewards
from musicgym.benchmarks.exhaustive import TooManyError, best, completions
from musicgym.pieces import Excerpts
from musicgym.tasks.counterpoint import counterpoint

HARD = "strict_counterpoint"
SHORT = counterpoint(cantus=(62, 65, 64, 62), range=(65, 75))
CLIMAX = 0.2  # the most that `counterpoint` pays to one voice: its weight for a climax


def paid(reward: str, task: Task, music: Excerpts) -> np.ndarray:
    """float64 (pieces,): what all choices of each piece pay, which is what it is worth beyond the given voice alone."""
    worth = [np.sum(list(rewards.parse(reward).score(one).values()), axis=0) for one in (music, task.material())]
    return np.asarray(worth[0] - worth[1])


def written(music: Excerpts) -> set[bytes]:
    return {pitch.tobytes() for pitch in music.pitch}


@pytest.mark.parametrize(
    "task",
    [SHORT, counterpoint(above=False, cantus=(60, 62, 65, 64, 62), range=(52, 60))],
    ids=["four notes, above", "five notes, below"],
)
def test_the_best_is_the_most_that_any_completion_is_worth(task: Task) -> None:
    music = completions(task, task.material())
    low, high = task.choice.ranges[0 if task.given == (1,) else 1]
    assert len(music.length) == len(written(music)) == (high - low + 1) ** int(music.length[0])
    worth = paid("counterpoint", task, music)
    found = best(task, task.material(), rewards.parse("counterpoint"), gain=CLIMAX)
    assert found.total == pytest.approx(worth.max(), abs=1e-4)
    assert written(found.pieces) == written(music.take(np.flatnonzero(worth > worth.max() - 1e-3)))


def test_behind_hard_rules_those_are_completed_that_break_none() -> None:
    everything = completions(SHORT, SHORT.material())
    legal = everything.take(np.flatnonzero(paid(HARD, SHORT, everything) == 0))
    assert 0 < len(legal.length) < len(everything.length) / 100
    assert written(completions(SHORT, SHORT.material(), forbid=(HARD,))) == written(legal)
    assert written(completions(SHORT.changed(forbid=(HARD,)), SHORT.material())) == written(legal)


def test_the_best_behind_hard_rules_breaks_none_of_them() -> None:
    legal = completions(SHORT, SHORT.material(), forbid=(HARD,))
    found = best(SHORT, SHORT.material(), rewards.parse("counterpoint"), gain=CLIMAX, forbid=(HARD,))
    assert found.total == pytest.approx(paid("counterpoint", SHORT, legal).max(), abs=1e-4)


def test_dead_ends_leave_nothing_to_complete() -> None:
    narrow = counterpoint(cantus=(62, 65, 64, 62), range=(74, 75))  # neither is consonant with E
    assert len(completions(narrow, narrow.material(), forbid=(HARD,)).length) == 0
    with pytest.raises(ValueError, match="no piece can be finished"):
        best(narrow, narrow.material(), rewards.parse("counterpoint"), gain=CLIMAX, forbid=(HARD,))


def test_a_gain_that_is_too_small_is_named() -> None:
    with pytest.raises(ValueError, match=r"gain=0: the reward paid 2 for one choice"):
        best(SHORT, SHORT.material(), rewards.parse("counterpoint") * 0 + 2 * rewards.parse("climax"), gain=0)


def test_more_beginnings_than_may_stand_side_by_side_are_refused() -> None:
    with pytest.raises(TooManyError, match="121 beginnings side by side: expected at most 100; narrow the range"):
        completions(SHORT, SHORT.material(), most=100)
    with pytest.raises(TooManyError, match="expected at most 100"):
        best(SHORT, SHORT.material(), rewards.parse("counterpoint"), gain=CLIMAX, most=100)


def test_several_pages_and_other_choices_are_refused() -> None:
    two = Excerpts(*(np.concatenate([array, array]) for array in SHORT.material()))
    with pytest.raises(ValueError, match="2 pages with StepChoice: expected one page and a StepChoice"):
        completions(SHORT, two)
    notes = Task(NoteChoice(), length=8)
    with pytest.raises(ValueError, match="1 pages with NoteChoice"):
        completions(notes, notes.material())
