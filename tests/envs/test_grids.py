"""Grids coarser than a quarter: tasks play on them, scores go in and come out whole."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicgym import ChordChoice, ComposeEnv, ComposeVectorEnv, NoteChoice, Score, StepChoice, Task
from musicgym.grids import misfits, spread, taken_in, thinned
from musicgym.testing import check_vector_env
from musicgym.testing.music import random_music

COARSE = (0.5, 0.25, 0.125)
WHOLES = Task(StepChoice(48, 72), length=6, steps_per_quarter=0.25)


def played(env, seed=0, **options):
    _, info = env.reset(seed=seed, **options)
    rng = np.random.default_rng(seed)
    while True:
        allowed = info["action_mask"]
        if isinstance(allowed, tuple):
            action = np.array([rng.choice(np.flatnonzero(part)) for part in allowed])
        else:
            action = rng.choice(np.flatnonzero(allowed))
        _, _, over, _, info = env.step(action)
        if over:
            return env.unwrapped.score


@pytest.mark.parametrize("grid", COARSE)
@pytest.mark.parametrize("choice", [StepChoice(48, 72), NoteChoice(durations=(1, 2, 3)), ChordChoice(((60, 72),))])
def test_scores_of_coarse_tasks_have_one_step_a_quarter_and_come_back(grid, choice):
    task = Task(choice, length=4, steps_per_quarter=grid, meter=(8, 4) if grid == 0.125 else (4, 4))
    env = ComposeEnv(task, reward="theory")
    score = played(env)
    assert (score.steps_per_quarter, score.steps, score.meter) == (1, round(4 / grid), task.meter)
    assert all(note.start % (1 / grid) == 0 and note.duration % (1 / grid) == 0 for note in score.notes(0))
    back = taken_in([score], grid)
    assert (back.pitch[0] == env.session.engine.pieces.pitch[0]).all()
    assert (back.onset[0] == env.session.engine.pieces.onset[0]).all()
    assert (back.length[0], back.quarter[0]) == (4, grid)


def test_a_coarse_task_is_written_in_json():
    assert Task.from_json(WHOLES.to_json()) == WHOLES
    assert Task(steps_per_quarter=4.0).steps_per_quarter.__class__ is int


@pytest.mark.parametrize("grid", [0, 0.3, -0.5, 1.5, "4", True])
def test_other_grids_are_refused(grid):
    with pytest.raises(ValueError, match=r"Task\(steps_per_quarter=.*0\.5, 0\.25, 0\.125"):
        Task(steps_per_quarter=grid)


def test_a_bar_must_be_whole_steps_of_a_coarse_grid():
    with pytest.raises(ValueError, match=r"meter 3/4 is no whole number of steps at 0\.25"):
        Task(steps_per_quarter=0.25, meter=(3, 4))


@given(seed=st.integers(0, 1000), up=st.integers(1, 4), voices=st.integers(1, 3))
def test_spreading_and_thinning_are_inverse(seed, up, voices):
    task = Task(voices=voices, length=8, choice=StepChoice(48, 72))
    music = random_music(np.random.default_rng(seed), task, 3)
    wide = spread(music, up)
    assert not any(found.any() for found in misfits(wide, up).values())
    for array, again in zip(music, thinned(wide, up), strict=True):
        np.testing.assert_array_equal(array, again)


def test_scores_of_a_finer_or_coarser_grid_are_taken_in():
    cantus = [(0, 4, 62, 80), (4, 4, 65, 80)]
    by_quarters = Score.from_notes([cantus], steps_per_quarter=1)
    by_sixteenths = Score.from_notes([[(4 * a, 4 * b, p, v) for a, b, p, v in cantus]])
    for grid, steps in ((0.25, 2), (0.5, 4), (1, 8), (2, 16), (12, 96)):
        for score in (by_quarters, by_sixteenths):
            music = taken_in([score], grid)
            assert music.pitch.shape == (1, 1, steps)
            assert (music.onset.sum(), music.bar[0, 0]) == (2, 4 * grid)
            assert music.position[0].tolist() == [step % (4 * grid) for step in range(steps)]


@pytest.mark.parametrize(
    ("score", "fault"),
    [
        (Score.from_notes([[(0, 16, 62, 80), (24, 8, 65, 80)]]), "begins between two of the task's steps"),
        (Score.from_notes([[(0, 20, 62, 80)]]), "its length is no whole number"),
        (Score.from_notes([[(0, 32, 62, 80)]], pickup=4), "its bars begin between"),
        (Score.from_notes([[(0, 48, 62, 80)]], meter=(3, 4)), "bars"),
    ],
)
def test_what_does_not_fit_is_named(score, fault):
    env = ComposeEnv(WHOLES, reward="theory")
    for option in ("given", "prefix"):
        with pytest.raises(ValueError, match=f"4 steps a quarter, the task has 0.25: .*{fault}"):
            env.reset(options={option: score})


def test_a_score_begins_a_coarse_piece():
    env = ComposeEnv(WHOLES, reward="theory")
    prefix = Score.from_notes([[(0, 16, 62, 80), (16, 16, 65, 80)]])
    score = played(env, options={"prefix": prefix})
    assert [tuple(note) for note in score.notes(0)[:2]] == [(0, 4, 62, 80), (4, 4, 65, 80)]


@pytest.mark.parametrize("order", ["time", "voice", "random"])
def test_environments_of_coarse_tasks_pass_the_checks(order):
    task = WHOLES.changed(voices=2, choice=StepChoice(48, 72), order=order)
    more = {"reward": "theory", "observation": "tokens"}
    check_vector_env(functools.partial(ComposeVectorEnv, task), 3, single=lambda: ComposeEnv(task, **more), episodes=2, **more)


def test_the_chorales_give_whole_notes_where_there_are_any():
    task = Task(ChordChoice(((36, 84),) * 4), voices=4, length=4, steps_per_quarter=0.5, source="bach", given=(0,))
    assert set(task.material().quarter) == {0.5}


def test_frames_and_text_show_coarse_pieces():
    for mode, kind in (("ansi", str), ("rgb_array", np.ndarray)):
        env = ComposeEnv(WHOLES, reward="theory", render_mode=mode)
        played(env)
        assert isinstance(env.render(), kind)
