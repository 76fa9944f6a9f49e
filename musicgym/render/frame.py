"""A piece that is being written as text or picture: what environments render."""

from __future__ import annotations

import sys
from typing import Any

import gymnasium as gym
import numpy as np

from musicgym.engine import Engine
from musicgym.render.pianoroll import pianoroll
from musicgym.render.text import ansi
from musicgym.task import pitch_bounds


def frame(engine: Engine, row: int, mode: str) -> str | np.ndarray:
    """Piece `row` as text ("ansi") or as a piano roll, uint8 (height, width, 3), whose size is the task's ("rgb_array")."""
    pieces, score, times = engine.pieces, engine.score(row), engine.task.spread
    cursor = None
    if pieces.cursor[row] < pieces.visits[row]:
        cursor = int(pieces.order[row, pieces.cursor[row], 1]) * times
    if mode == "ansi":
        return ansi(score, cursor=cursor)
    given = np.repeat(pieces.given[row, :, : pieces.length[row]], times, axis=1)
    width = 64 + 12 * pieces.pitch.shape[2] * times
    return pianoroll(
        score, width=min(width, 1280), pitches=pitch_bounds(engine.task, engine.material), cursor=cursor, given=given
    )


def show(engine: Engine, mode: str | None) -> Any:
    """What an environment's `render` gives of its piece; "human" prints it, and without a mode there is a warning."""
    if mode is None:
        gym.logger.warn("render() without a render_mode: make the environment with render_mode='ansi', 'rgb_array' or 'human'")
        return None
    if mode == "human":
        print(frame(engine, 0, "ansi"), file=sys.stdout, flush=True)
        return None
    return frame(engine, 0, mode)
