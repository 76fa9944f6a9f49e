"""Music made by chance, and tasks of every kind to play it in: what rewards are checked on."""

from __future__ import annotations

import dataclasses

import numpy as np

from musicgym.choice import ChordChoice, NoteChoice, StepChoice, SymbolChoice
from musicgym.pieces import Excerpts
from musicgym.score import BLANK, REST, Score, key_name
from musicgym.task import Task


def random_score(
    draws: np.random.Generator, voices: int, steps: int, *, low: int = 50, high: int = 70, blanks: float = 0.0
) -> Score:
    """A score of notes, rests and holds drawn at random, in a random key, with phrase ends; `blanks` is the share left blank."""
    tonic, mode = int(draws.integers(12)), int(draws.integers(2))
    page = Score.blank(voices, steps, key=key_name(tonic, mode), pickup=int(draws.integers(4)))
    pitch, onset = np.full((voices, steps), REST), np.zeros((voices, steps), bool)
    for voice in range(voices):
        for step in range(steps):
            if step and draws.random() < 0.4:
                pitch[voice, step] = pitch[voice, step - 1]
                continue
            rests = draws.random() < 0.2
            pitch[voice, step] = REST if rests else draws.integers(low, high + 1)
            onset[voice, step] = not rests or step > 0 or draws.random() < 0.5
    open_slots = draws.random((voices, steps)) < blanks
    after_open = np.pad(open_slots[:, :-1], ((0, 0), (1, 0)))
    onset = (onset | after_open) & ~open_slots
    pitch[open_slots] = BLANK
    marks = draws.random(steps) < 0.2 if draws.random() < 0.7 else np.zeros(steps, bool)
    return dataclasses.replace(page, pitch=pitch, onset=onset, velocity=velocities(pitch, onset, draws), phrase_end=marks)


def velocities(pitch: np.ndarray, onset: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """uint8 (voices, steps): one drawn for each note, kept up while it sounds; 0 elsewhere."""
    drawn = draws.integers(1, 128, pitch.shape)
    began = np.maximum.accumulate(np.where(onset, np.arange(pitch.shape[1]), 0), axis=1)
    return np.where(pitch >= 0, np.take_along_axis(drawn, began, axis=1), 0).astype(np.uint8)


def random_music(draws: np.random.Generator, task: Task, pieces: int) -> Excerpts:
    """Scores of different lengths for a task to start from."""
    ranges = task.choice.voice_ranges(task.voices)
    low, high = int(ranges[:, 0].max()), int(ranges[:, 1].min())
    if low > high:  # no pitch is in all voices' ranges: any will do for what is given or edited
        low, high = high, low
    assert task.length is not None  # tasks without a source have one
    lengths = [max(1, task.length - int(draws.integers(4)) * (i > 0)) for i in range(pieces)]
    scores = [random_score(draws, task.voices, steps, low=low, high=high) for steps in lengths]
    made = Excerpts.from_scores(scores, task.length)
    return made._replace(quarter=np.full_like(made.quarter, task.steps_per_quarter))  # these steps are the task's


_STEPS = StepChoice(52, 67)
TASKS: dict[str, Task] = {
    "melody": Task(_STEPS, length=12),
    "voices side by side": Task(_STEPS, voices=3, length=6),
    "voices one after the other": Task(_STEPS, voices=2, length=6, order="voice"),
    "melody in random order": Task(_STEPS, length=10, order="random"),
    "upper voice given": Task(_STEPS, voices=3, length=6, given=(0,)),
    "lowest voice given": Task(_STEPS, voices=2, length=7, given=(1,), sees="past"),
    "holes": Task(_STEPS, voices=2, length=9, blank=0.5, order="random"),
    "bars open": Task(_STEPS, length=12, blank=0.5, holes="bar", meter=(1, 4)),
    "edits": Task(_STEPS, voices=2, length=6, begin="filled", order="random", sweeps=2),
    "second thoughts": Task(_STEPS, voices=2, length=5, sweeps=2),
    "notes": Task(NoteChoice((REST, 55, 60, 64, 67), (1, 2, 3, 5), (30, 80, 127)), length=12),
    "notes in three voices": Task(NoteChoice((REST, 55, 60, 64), (1, 2, 4)), voices=3, length=7, order="random"),
    "chords": Task(ChordChoice(((60, 67), (55, 64), (52, 60))), voices=3, length=6),
    "chords under a melody": Task(ChordChoice(((52, 67), (52, 64))), voices=2, length=7, given=(0,), order="random"),
    "chord symbols": Task(SymbolChoice(3, (55, 66)), voices=5, length=7, given=(0,)),
    "chord symbols edited": Task(SymbolChoice(2), voices=4, length=7, begin="filled", order="random", sweeps=2),
    "inner voice given": Task(_STEPS, voices=3, length=5, given=(1,)),
}


def needs_music(task: Task) -> bool:
    """Whether the task starts from music rather than an empty page, and has no source of its own."""
    return not task.source and (bool(task.given) or task.begin == "filled" or task.blank < 1)
