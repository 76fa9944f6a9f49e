"""Tasks of every kind with music to start from, for Hypothesis."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st

from musicgym import ChordChoice, NoteChoice, StepChoice, Task
from musicgym.pieces import Excerpts
from musicgym.testing.music import needs_music, random_music, random_score

_RANGES = ((55, 67), (52, 66), (50, 64), (48, 62))


class Setting(NamedTuple):
    """A task, what its pieces start from (None: the task's empty pages), and a seed."""

    task: Task
    material: Excerpts | None
    seed: int


@st.composite
def _settings(draw: st.DrawFn, choices: tuple[str, ...] = ("step", "note", "chord"), edits: bool = True) -> Setting:
    kind = draw(st.sampled_from(choices))
    voices = draw(st.integers(1, 4))
    editable = edits and kind != "note"
    task = Task(
        {
            "step": StepChoice(48, 67, ranges=_RANGES[:voices] if draw(st.booleans()) else ()),
            "note": NoteChoice((-1, 55, 60, 64), draw(st.sampled_from([(1, 2, 3), (2, 5), (3,)])), (60, 90)),
            "chord": ChordChoice(_RANGES[:voices]),
        }[kind],
        voices=voices,
        length=draw(st.integers(1, 7)),
        given=tuple(draw(st.sets(st.integers(0, voices - 1), max_size=voices - 1))),
        blank=draw(st.sampled_from([1.0, 0.5])),
        holes=draw(st.sampled_from(["slot", "bar", "voice"])),
        sees=(sees := draw(st.sampled_from(["all", "past"]))),
        lookahead=draw(st.integers(0, 3)) if sees == "past" else 0,
        order=draw(st.sampled_from(["time", "voice", "random"] if sees == "all" else ["time"])),
        begin=draw(st.sampled_from(["blank", "filled"])) if editable and sees == "all" else "blank",
        sweeps=draw(st.integers(1, 2)) if editable and sees == "all" else 1,
        key=draw(st.sampled_from(["C major", ("D minor", "Ab major")])),
        meter=draw(st.sampled_from([(1, 4), (4, 4)])),
    )
    draws = np.random.default_rng(draw(st.integers(0, 2**16)))
    material = None
    if needs_music(task):
        material = random_music(draws, task, 3)
        if draw(st.booleans()):  # scores with blanks of their own
            scores = [random_score(draws, voices, n, low=55, high=62, blanks=0.4) for n in material.length]
            material = Excerpts.from_scores(scores, task.length)
    return Setting(task, material, draw(st.integers(0, 2**40)))


@pytest.fixture(scope="session")
def settings():
    """Makes a strategy of settings: `settings(choices=("step",), edits=False)`."""
    return _settings
