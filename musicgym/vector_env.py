"""`ComposeVectorEnv`: N pieces composed side by side, as a Gymnasium vector environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from musicgym.score import Score
from musicgym.session import NO_TERMS, Given, Look, Session
from musicgym.spaces import action_space
from musicgym.task import Task

if TYPE_CHECKING:
    from musicgym.rewards import Reward

Reset = tuple[np.ndarray, dict[str, Any]]
Step = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


class ComposeVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """N pieces of one task, written choice by choice.

    Observations are uint8, see `musicgym.observation.Observation`. Actions are codes of the task's choice: (N,) for
    `StepChoice`, (N, factors) for `NoteChoice` and `ChordChoice`. The reward is the sum of the terms in
    `info["reward_terms"]`. A piece ends by termination when its last blank is filled; it is never truncated.

    `info` holds, each with Gymnasium's `_`-prefixed mask of the pieces that it is true of:

    - "action_mask": int8 (N, codes), of several factors side by side: what may be chosen next.
    - "reward_terms": name -> float32 (N,), of the transition just taken (not where a piece began anew instead).
    - "illegal": int32 (N,), choices of the present piece that had to be repaired so far.
    - "dead_end": bool (N,), hard rules left nothing, so the mask allows everything; "dead_ends" counts those passed;
      `struck(row)` says which rules made one.
    - in SAME_STEP mode, where a piece ended: "final_obs" (object array) and "final_info".

    Args:
        task: a `Task` or a registered id.
        num_envs: N.
        reward: a `Reward` or an expression such as "rl_tuner - 0.5*rl_tuner.motif"; None for the task's own.
        observation: "onehot", "tokens" or "pianoroll".
        window: steps of music in the window of tokens; None for the default.
        autoreset_mode: "same-step" (the default), "next-step" or "disabled", or an `AutoresetMode`.
        copy: fresh arrays from every call; with False observations and masks are the same buffers each time.
        given: what pieces start from instead of the task's own source: scores, excerpts, or names of MIDI, MusicXML or ABC files.
            Voices, as in `given=(0, 3)`, are the task's field of that name: those that stand there already. A Gymnasium spec
            goes through JSON with names of files, not with scores.
        render_mode: "rgb_array" or "ansi", or None.
        fields: arguments of a registered task (`length=64`), or fields of `task` to change.

    Raises:
        ValueError: what is asked for isn't known or doesn't fit, with what is expected.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 8, "autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self,
        task: Task | str = "musicgym/Melody-v0",
        num_envs: int = 1,
        *,
        reward: Reward | str | None = None,
        observation: str = "onehot",
        window: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        copy: bool = True,
        given: Given = None,
        render_mode: str | None = None,
        **fields: Any,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode={render_mode!r}: expected one of {self.metadata['render_modes']} or None")
        self.session = Session(task, num_envs, reward, observation, window, given, fields)
        self.num_envs = num_envs
        self.autoreset_mode = _mode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = render_mode
        self.copy = copy
        self.single_observation_space = self.session.observation.space()
        self.single_action_space = action_space(self.session.task.choice)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._buffers = None if copy else (self.session.observation.empty(num_envs), self.session.masks())
        self._all = np.ones(num_envs, np.bool_)
        self._all.flags.writeable = False
        self._hidden_terms = tuple(f"_{name}" for name in self.session.bound.terms)
        self._begun = False

    def reset(self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None) -> Reset:
        """Begin all pieces anew, or those of `options["reset_mask"]`, bool (N,).

        Args:
            seed: piece i gets the seed + i, or its own out of a list; None, also in the list: its seed's next episode.
            options: for these pieces, this once: "given" (a `Score` to start from; its blanks are what is composed,
                or the task's own if it has none), "prefix" (a `Score` to go on from), "key" (a name).
                Tokens show what stands ahead of the cursor only where the environment was made for it: by a
                source, or by scores in `given=`.
        """
        mask = None
        if isinstance(options, dict) and "reset_mask" in options:
            mask = options["reset_mask"]
            options = {name: value for name, value in options.items() if name != "reset_mask"}
        rows = self._rows(mask)
        seeds = self._seeds(seed)
        kept = np.array([seeds[row] is None for row in rows] if seeds else [True] * len(rows))
        if not kept.all():
            self.session.reset(rows[~kept], seeds_of([seeds[row] for row in rows[~kept]]), options)
        if kept.any():
            self.session.reset(rows[kept], None, options)
        self._begun = True
        look = self._look()
        infos = {"action_mask": look.masks, "_action_mask": self._all, **self._state_infos(self._all)}
        return look.observations, infos

    def step(self, actions: Any) -> Step:
        """Write one choice into every piece.

        Raises:
            TypeError, ValueError: actions of another type, shape or range.
            RuntimeError: before the first `reset`, or (mode DISABLED) into a finished piece.
        """
        self._check_begun("step()")
        session, pieces = self.session, self.session.engine.pieces
        ended: np.ndarray | None = None
        taken = self._all
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            ended = pieces.done.copy()
        elif self.autoreset_mode is AutoresetMode.DISABLED and pieces.done.any():
            row = int(np.flatnonzero(pieces.done)[0])
            raise RuntimeError(f"step() into piece {row}, which is finished: call reset(options={{'reset_mask': mask}}) first")
        terms, finished = session.step(session.engine.check(actions))
        infos: dict[str, Any] = {}
        if finished or ended is not None:
            terminated = pieces.done.copy()
        else:
            terminated = np.zeros(self.num_envs, np.bool_)
        if ended is not None and ended.any():
            session.reset(np.flatnonzero(ended), None, None)
            terminated[ended] = False
            taken = ~ended
        if finished and self.autoreset_mode is AutoresetMode.SAME_STEP:
            self._finish(terms, terminated, infos)
        infos["reward_terms"], infos["_reward_terms"] = self._terms(terms, taken), taken
        look = self._look(terms)
        infos.update(self._state_infos(self._all))
        infos["action_mask"], infos["_action_mask"] = look.masks, self._all
        return look.observations, look.rewards, terminated, np.zeros(self.num_envs, np.bool_), infos

    def _finish(self, terms: np.ndarray, terminated: np.ndarray, infos: dict[str, Any]) -> None:
        """Note down how finished pieces ended, and begin them anew."""
        rows = np.flatnonzero(terminated)
        mask = terminated.copy()
        final = np.full(self.num_envs, None, dtype=object)
        final[rows] = list(self.session.observe(rows))
        infos["final_obs"], infos["_final_obs"] = final, mask
        infos["final_info"] = {
            "reward_terms": self._terms(terms, mask),
            "_reward_terms": mask,
            "action_mask": np.ones((self.num_envs, self.session.engine.mask_size), np.int8),
            "_action_mask": mask,
            **self._state_infos(mask),
            "dead_end": np.zeros(self.num_envs, np.bool_),  # nothing is left to choose
        }
        infos["_final_info"] = mask
        self.session.reset(rows, None, None)

    def _terms(self, terms: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
        made: dict[str, np.ndarray] = {}
        for name, hidden, row in zip(self.session.bound.terms, self._hidden_terms, terms, strict=True):
            made[name] = row
            made[hidden] = mask
        return made

    def _look(self, terms: np.ndarray = NO_TERMS) -> Look:
        observations, masks = self._buffers or (None, None)
        return self.session.look(terms, observations, masks)

    def _state_infos(self, mask: np.ndarray) -> dict[str, Any]:
        """What `info` counts of the pieces as they stand."""
        pieces = self.session.engine.pieces
        return {
            "illegal": pieces.illegal.copy(),
            "_illegal": mask,
            "dead_end": self.session.dead.copy(),
            "_dead_end": mask,
            "dead_ends": pieces.dead_ends.copy(),
            "_dead_ends": mask,
        }

    def _rows(self, mask: Any) -> np.ndarray:
        if mask is None:
            return np.arange(self.num_envs)
        if not self._begun:
            raise ValueError("options['reset_mask'] in the first reset(): expected none, so that all pieces begin")
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(
                f"options['reset_mask']={mask!r}: expected a bool array of shape ({self.num_envs},), one true at least"
            )
        return np.flatnonzero(mask)

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        """The seed of each piece, None for the next episode of the one it has; nothing at all if that is so for every piece."""
        if isinstance(seed, (int, np.integer)):
            seeds_of([seed])
            super().reset(seed=int(seed))
            return [int(seed) + i for i in range(self.num_envs)]
        drawn: list[int | None] = []
        if not self._begun:
            first = int(self.np_random.integers(1 << 32))
            drawn = [first + i for i in range(self.num_envs)]
        if seed is None:
            return drawn
        if not isinstance(seed, (list, tuple, np.ndarray)) or len(seed) != self.num_envs:
            raise ValueError(f"seed {seed!r}: expected a whole number, or a list of {self.num_envs}, one for each piece")
        given = list(seed)
        seeds_of([s for s in given if s is not None])
        return [drawn[i] if s is None and drawn else s for i, s in enumerate(given)]

    def action_masks(self) -> np.ndarray:
        """bool (N, codes of all factors): what may be chosen next, flat, as sb3-contrib wants it.

        Raises RuntimeError before the first `reset`.
        """
        self._check_begun("action_masks()")
        return self.session.masks().view(np.bool_)

    def struck(self, row: int) -> dict[str, int]:
        """Hard rules by name: how many of piece `row`'s next choices each would strike; see `ComposeEnv.struck`."""
        self._check_begun("struck()")
        return self.session.struck(row)

    def scores(self, rows: Sequence[int] | np.ndarray | None = None) -> list[Score]:
        """The pieces as they stand, all or those at `rows`. Raises RuntimeError before the first `reset`."""
        self._check_begun("scores()")
        return [self.session.engine.score(int(row)) for row in (range(self.num_envs) if rows is None else rows)]

    def render(self) -> Any:
        """A tuple of N frames, one for each piece, as `render_mode` says. Raises RuntimeError before the first `reset`."""
        if self.render_mode is None:
            gym.logger.warn("render() without a render_mode: make the environment with render_mode='rgb_array' or 'ansi'")
            return None
        from musicgym.render.frame import frame

        self._check_begun("render()")
        return tuple(frame(self.session.engine, row, self.render_mode) for row in range(self.num_envs))

    def _check_begun(self, what: str) -> None:
        if not self._begun:
            raise RuntimeError(f"{what} before the first reset(): call reset() first")

    def close_extras(self, **kwargs: Any) -> None:
        """Nothing to close."""


def seeds_of(seeds: Sequence[int | None]) -> np.ndarray:
    """Seeds as uint64 (N,). Raises ValueError for one that is no whole number from 0 on."""
    for seed in seeds:
        if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
            raise ValueError(f"seed {seed!r}: expected a whole number, 0 or more")
    return np.array([int(s) % (1 << 64) for s in seeds if s is not None], np.uint64)


def _mode(mode: AutoresetMode | str) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    text = str(mode).lower().replace("_", "-").removesuffix("-mode").removesuffix("step").rstrip("-")
    names = {"next": AutoresetMode.NEXT_STEP, "same": AutoresetMode.SAME_STEP, "disabled": AutoresetMode.DISABLED}
    if text not in names:
        raise ValueError(f"autoreset_mode={mode!r}: expected 'same-step', 'next-step' or 'disabled'")
    return names[text]
