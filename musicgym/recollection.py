"""What a composer of whole notes remembers beyond the window of steps: the last notes and rests, and what the line did so far.

A choice of a whole note moves on by up to 16 steps, so a window of steps shows one or two notes of a line whose rules ask
for more. These tokens are written only for tasks of a `NoteChoice`, and only of the voice that is chosen next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musicgym.choice import NoteChoice
from musicgym.compiled import small_kernel
from musicgym.metre import bar_number
from musicgym.pieces import Pieces
from musicgym.score import BLANK

if TYPE_CHECKING:
    from musicgym.observation import Sight
    from musicgym.task import Task

EVENTS = 6  # notes and rests that are remembered one by one
BARS = 4  # bars of a phrase, as phrases are counted where nothing marks them
VELOCITY_STEP = 4  # the line's mean velocity is told apart in steps of so many
NOTHING, REST_EVENT, FIRST_EVENT = 0, 1, 2  # codes of a remembered event's pitch


def sizes(task: Task, low: int, high: int) -> list[int]:
    """Number of values of each token, as `recollect` writes them; none for choices other than whole notes."""
    if not isinstance(task.choice, NoteChoice):
        return []
    pitches, louds = high - low + 1, len(task.choice.velocities)
    event = [pitches + FIRST_EVENT, len(task.choice.durations) + 1] + ([louds + 1] if louds > 1 else [])
    return [BARS, pitches + 1, pitches + 1] + ([128 // VELOCITY_STEP + 1] if louds > 1 else []) + event * EVENTS


@small_kernel
def recollect(pieces: Pieces, n: int, voice: int, step: int, sight: Sight, out: np.ndarray, at: int) -> int:
    """Write the tokens of one voice before `step` into `out` from place `at` on; returns the place after them."""
    out[at] = bar_number(pieces.position[n], min(step, pieces.length[n] - 1)) % BARS  # of a pickup the last
    note = -1
    if step > 0:
        sounds = pieces.onset[n, voice, step - 1] and pieces.pitch[n, voice, step - 1] >= 0
        note = step - 1 if sounds else pieces.previous[n, voice, step - 1]
    count, highest, pitches, velocities = 0, 0, 0, 0
    while note >= 0:
        pitch = pieces.pitch[n, voice, note]
        count, highest = count + 1, max(highest, pitch)
        pitches, velocities = pitches + pitch, velocities + pieces.velocity[n, voice, note]
        note = pieces.previous[n, voice, note]
    louds = sight.velocities.shape[0] > 1
    out[at + 1] = highest - sight.low + 1 if count > 0 else NOTHING
    out[at + 2] = (2 * pitches + count) // (2 * count) - sight.low + 1 if count > 0 else NOTHING  # the mean, rounded
    at += 3
    if louds:
        out[at] = velocities // (count * VELOCITY_STEP) + 1 if count > 0 else NOTHING
        at += 1
    end = step
    for _ in range(EVENTS):
        pitch, duration, velocity = NOTHING, NOTHING, NOTHING
        if end > 0 and pieces.pitch[n, voice, end - 1] != BLANK:
            start = pieces.start[n, voice, end - 1]
            pitch, duration = REST_EVENT, 1
            for i in range(1, sight.durations.shape[0]):  # the longest that is no longer: given notes may have others
                duration += sight.durations[i] <= end - start
            if pieces.pitch[n, voice, start] >= 0:
                pitch = pieces.pitch[n, voice, start] - sight.low + FIRST_EVENT
                velocity = 1
                for i in range(1, sight.velocities.shape[0]):  # the nearest
                    loud = np.int64(pieces.velocity[n, voice, start])
                    velocity = i + 1 if abs(sight.velocities[i] - loud) < abs(sight.velocities[velocity - 1] - loud) else velocity
            end = start
        out[at], out[at + 1] = pitch, duration
        at += 2
        if louds:
            out[at] = velocity
            at += 1
    return at
