"""`ComposeEnv`: one piece, as a Gymnasium environment. It is the batch of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from musicgym.score import Score
from musicgym.session import Given, Look, Session
from musicgym.spaces import action_space
from musicgym.task import Task
from musicgym.vector_env import seeds_of

if TYPE_CHECKING:
    from musicgym.rewards import Reward


class ComposeEnv(gym.Env[np.ndarray, Any]):
    """One piece of a task, written choice by choice.

    Observations are uint8, see `musicgym.observation.Observation`. An action is a code of the task's choice: an
    integer for `StepChoice`, an array (factors,) for `NoteChoice` and `ChordChoice`. The reward is the sum of
    `info["reward_terms"]`. The piece ends by termination when its last blank is filled; it is never truncated.

    `info` holds "action_mask" (int8 (codes,), or a tuple by factor: what may be chosen next), "illegal" (choices repaired
    so far), "dead_end" (hard rules left nothing, so the mask allows everything), "dead_ends" (how many of them were
    passed) and, after a step, "reward_terms" (name -> float, of that step). `struck()` says which hard rules made a dead end.

    Args:
        task: a `Task` or a registered id.
        reward: a `Reward` or an expression such as "rl_tuner - 0.5*rl_tuner.motif"; None for the task's own.
        observation: "onehot", "tokens" or "pianoroll".
        window: steps of music in the window of tokens; None for the default.
        given: what pieces start from instead of the task's own source: scores, excerpts, or names of MIDI, MusicXML or ABC files.
            Voices, as in `given=(0, 3)`, are the task's field of that name: those that stand there already. A Gymnasium spec
            goes through JSON with names of files, not with scores.
        render_mode: "ansi" (text), "rgb_array" (a piano roll, uint8 (height, width, 3)) or "human" (prints text).
        fields: arguments of a registered task (`length=64`), or fields of `task` to change.

    Raises:
        ValueError: what is asked for isn't known or doesn't fit, with what is expected.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array", "human"], "render_fps": 8}

    def __init__(
        self,
        task: Task | str = "musicgym/Melody-v0",
        *,
        reward: Reward | str | None = None,
        observation: str = "onehot",
        window: int | None = None,
        given: Given = None,
        render_mode: str | None = None,
        **fields: Any,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode={render_mode!r}: expected one of {self.metadata['render_modes']} or None")
        self.session = Session(task, 1, reward, observation, window, given, fields)
        self.render_mode = render_mode
        self.observation_space = self.session.observation.space()
        self.action_space = action_space(self.session.task.choice)
        self._pieces = self.session.engine.pieces
        self._factors = len(self.session.engine.plan.sizes)
        self._action = np.zeros((1, 1), np.int64)
        self._begun = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin a piece. Without a seed it is the next episode of the seed that the environment has.

        Args:
            seed: 0 or more.
            options: "given" (a `Score` to start from; its blanks are what is composed, or the task's own if it has
                none), "prefix" (a `Score` to go on from), "key" (a name).
                Tokens show what stands ahead of the cursor only where the environment was made for it: by a
                source, or by scores in `given=`.

        Raises:
            ValueError: a seed or option that doesn't fit; or the only page that there is begins with a dead end, with the rules.
        """
        super().reset(seed=seed)
        if seed is None and not self._begun:
            seed = int(self.np_random.integers(1 << 32))
        seeds = None if seed is None else seeds_of([seed])
        self.session.reset(np.zeros(1, np.int64), seeds, options)
        self._begun = True
        if self.render_mode == "human":
            self.render()
        look = self.session.look()
        return look.observations[0], self._info(look)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Write one choice.

        Raises:
            TypeError, ValueError: an action of another type, shape or range.
            RuntimeError: before `reset`, or after the end of the piece.
        """
        if self._pieces.done[0]:
            when = "after the piece has ended" if self._begun else "before the first reset()"
            raise RuntimeError(f"step() {when}: call reset() first")
        terms, finished = self.session.step(self._checked(action))
        look = self.session.look(terms)
        info = self._info(look)
        info["reward_terms"] = dict(zip(self.session.bound.terms, terms[:, 0].tolist(), strict=True))
        if self.render_mode == "human":
            self.render()
        return look.observations[0], float(look.rewards[0]), finished == 1, False, info

    def _checked(self, action: Any) -> np.ndarray:
        if type(action) in (int, np.int64) and self._factors == 1:  # the usual case, without the general check's price
            if not 0 <= action < self.session.engine.mask_size:  # it might not fit into an int64
                raise ValueError(f"action {action}: expected 0..{self.session.engine.mask_size - 1}")
            self._action[0, 0] = action
            return self._action
        return self.session.engine.check([action] if self._factors == 1 else np.asarray(action)[None])

    def _info(self, look: Look) -> dict[str, Any]:
        return {
            "action_mask": self.session.split(look.masks[0]),
            "illegal": int(self._pieces.illegal[0]),
            "dead_end": bool(self.session.dead[0]),
            "dead_ends": int(self._pieces.dead_ends[0]),
        }

    def action_masks(self) -> np.ndarray:
        """bool (codes of all factors,): what may be chosen next, flat, as sb3-contrib wants it.

        Raises RuntimeError before the first `reset`.
        """
        self._check_begun("action_masks()")
        masks: np.ndarray = self.session.masks()[0]
        return masks.view(np.bool_)

    def struck(self) -> dict[str, int]:
        """Hard rules (`Task.forbid`) by name: how many of the next choices each would strike by itself, most first.

        Counted among the choices that range and rhythm leave, which at a dead end are those of "action_mask": a rule that strikes
        all of them makes the dead end alone, else several make it together. Rules that strike none aren't named. Worked out rule
        by rule, which takes longer than a step.

        Raises RuntimeError before the first `reset`. docs/counterpoint.md has an example.
        """
        self._check_begun("struck()")
        return self.session.struck()

    def _check_begun(self, what: str) -> None:
        if not self._begun:
            raise RuntimeError(f"{what} before the first reset(): call reset() first")

    @property
    def score(self) -> Score:
        """The piece as it stands. Raises RuntimeError before the first `reset`."""
        self._check_begun("score")
        return self.session.engine.score(0)

    def render(self) -> Any:
        """The piece as `render_mode` says; "human" prints it. Raises RuntimeError before the first `reset`."""
        from musicgym.render.frame import show

        if self.render_mode is not None:
            self._check_begun("render()")
        return show(self.session.engine, self.render_mode)
