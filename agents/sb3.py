"""Stable-Baselines3's view of a batch of pieces: `make_vec_env`.

Gymnasium's `VectorEnv` and SB3's `VecEnv` differ in how they begin, end and report episodes, and there is no official adapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from musicgym.agents.players import NotFiniteError, not_finite
from musicgym.task import Task
from musicgym.vector_env import ComposeVectorEnv

if TYPE_CHECKING:
    from musicgym.rewards import Reward


def make_vec_env(
    task: Task | str,
    n_envs: int,
    *,
    reward: Reward | str | None = None,
    observation: str = "onehot",
    window: int | None = None,
    seed: int | None = None,
    blind: bool = False,
    render_mode: str | None = None,
    **fields: Any,
) -> VecMonitor:
    """N pieces of a task as an SB3 `VecEnv`, wrapped in `VecMonitor`.

    Observations are fresh uint8 arrays (N, ...), rewards float32 (N,). Where a piece ends, its info holds

    - "terminal_observation": what was seen of the finished piece, a copy;
    - "TimeLimit.truncated": False, because pieces end by termination;
    - "episode_terms": term name -> float, what each term of the reward paid for the whole piece;
    - "episode": return, length and time, from `VecMonitor`.

    `env_method("action_masks")` is a bool array (N, codes), which sb3-contrib's `MaskablePPO` uses by itself.

    Args:
        task: a registered id or a `Task`.
        n_envs: N.
        reward: a `Reward` or an expression; None for the task's own.
        observation: "onehot", "tokens" or "pianoroll".
        window: steps of music in the window; None for the default.
        seed: piece i gets the seed + i at the first reset.
        blind: every observation is zeros; a control that shows whether an agent uses what it sees.
        render_mode: "rgb_array", "ansi" or None.
        fields: arguments of the task, such as `length=64`.

    Raises:
        ValueError: an unknown task or reward, or settings that don't fit, with what is expected.

    Example:
        >>> env = make_vec_env("musicgym/Melody-v0", 4, seed=7)
        >>> env.reset().shape[0], env.env_method("action_masks").shape
        (4, (4, 38))
    """
    batch = ComposeVectorEnv(
        task, n_envs, reward=reward, observation=observation, window=window, render_mode=render_mode, **fields
    )
    venv: VecEnv = ComposeVecEnv(batch)
    venv.seed(seed)
    return VecMonitor(Blind(venv) if blind else venv)


class ComposeVecEnv(VecEnv):
    """An SB3 `VecEnv` over a `ComposeVectorEnv`; see `make_vec_env`.

    Args:
        batch: in SAME_STEP mode and with fresh arrays: SB3 keeps an observation until after the next step.

    Raises:
        ValueError: another autoreset mode, or `copy=False`.
    """

    def __init__(self, batch: ComposeVectorEnv) -> None:
        if batch.autoreset_mode is not gym.vector.AutoresetMode.SAME_STEP or not batch.copy:
            raise ValueError(
                f"ComposeVecEnv over autoreset_mode={batch.autoreset_mode}, copy={batch.copy}: "
                "SB3 needs a batch in SAME_STEP mode with copy=True"
            )
        self.batch = batch  # before VecEnv.__init__, which asks for render_mode
        self._actions: np.ndarray | None = None
        self._terms: tuple[str, ...] = batch.session.bound.terms
        self._paid = np.zeros((len(self._terms), batch.num_envs))  # float64 (terms, N): of the present pieces
        # One empty info a piece, handed out at every step. Where a piece ends its place holds a new one, once.
        self._blank: list[dict[str, Any]] = [{} for _ in range(batch.num_envs)]
        super().__init__(batch.num_envs, batch.single_observation_space, batch.single_action_space)

    def reset(self) -> VecEnvObs:
        """Begin all pieces anew, with the seeds and options set before, which are then used up. Returns observations."""
        observations, _ = self.batch.reset(seed=self._seeds)
        for row, options in enumerate(self._options):
            if options:
                only = np.arange(self.num_envs) == row
                observations, _ = self.batch.reset(seed=self._seeds, options={**options, "reset_mask": only})
        self._reset_seeds()
        self._reset_options()
        self._paid[:] = 0.0
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Write one choice into every piece. Returns observations, rewards, ends and infos; see `make_vec_env`.

        Raises:
            NotFiniteError: the reward paid nan or an infinity; the message names its terms.
        """
        if self._actions is None:
            raise RuntimeError("step_wait() before step_async(): call step(actions)")
        actions, self._actions = self._actions, None
        observations, rewards, terminated, truncated, infos = self.batch.step(actions)
        paid = infos["reward_terms"]
        if not np.isfinite(rewards).all():
            raise NotFiniteError(not_finite(paid))
        for row, term in zip(self._paid, self._terms, strict=True):
            row += paid[term]
        dones = terminated | truncated
        handed = self._blank.copy()
        if "final_obs" in infos:
            for ended in np.flatnonzero(dones):
                handed[ended] = {
                    "terminal_observation": infos["final_obs"][ended].copy(),
                    "TimeLimit.truncated": False,
                    "episode_terms": dict(zip(self._terms, self._paid[:, ended].tolist(), strict=True)),
                }
            self._paid[:, dones] = 0.0
        return observations, rewards, dones, handed

    def close(self) -> None:
        """Close the batch."""
        self.batch.close()

    def state(self) -> dict[str, Any]:
        """A copy of all that the next step hangs on: the pieces, what rewards remember, what was paid so far."""
        session = self.batch.session
        return {
            "pieces": session.engine.state()._asdict(),
            "reward": session.bound.state(),
            "paid": self._paid.copy(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state()` returned, in another process too. Call `reset()` first.

        Raises:
            ValueError: the state belongs to another task or number of pieces.
        """
        from musicgym.pieces import Pieces

        if state["paid"].shape != self._paid.shape:
            raise ValueError(f"state of (terms, pieces) {state['paid'].shape}: expected {self._paid.shape}")
        session = self.batch.session
        session.engine.load_state(Pieces(**state["pieces"]))
        session.bound.reset(session.engine.pieces, np.ones(self.num_envs, np.bool_))
        session.bound.load_state(state["reward"])
        session.masks()  # finds dead ends of hard rules anew
        self._paid[:] = state["paid"]

    # What SB3 asks single environments

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """For each piece asked for, its own "score" or the batch's attribute."""
        rows = self._rows(indices)
        if attr_name == "score":
            return list(self.batch.scores(rows))
        return [getattr(self.batch, attr_name)] * len(rows)

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the batch.

        Raises:
            ValueError: only some pieces are asked for: they share their attributes.
        """
        if len(set(self._rows(indices).tolist())) < self.num_envs:
            raise ValueError(f"set_attr({attr_name!r}, indices={indices}): the pieces share their attributes; leave out indices")
        setattr(self.batch, attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any) -> Any:
        """Call a method for each piece asked for: "action_masks" (as one bool array, a row each) or "render".

        Raises:
            AttributeError: another method.
        """
        rows = self._rows(indices)
        if method_name == "action_masks":
            masks = self.batch.action_masks(*method_args, **method_kwargs)
            return masks if indices is None else masks[rows]
        if method_name == "render":
            return [self._frame(int(row), *method_args, **method_kwargs) for row in rows]
        raise AttributeError(f"env_method({method_name!r}): pieces of a batch answer action_masks and render")

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None) -> list[bool]:
        """False for each piece asked for: no piece is an environment of its own that could be wrapped."""
        return [False] * len(self._rows(indices))

    def get_images(self) -> Sequence[np.ndarray | None]:
        """A piano roll of each piece, uint8 (height, width, 3); None where `render_mode` isn't "rgb_array"."""
        if self.render_mode != "rgb_array":
            return [None] * self.num_envs
        return [self._frame(row) for row in range(self.num_envs)]

    def _frame(self, row: int) -> Any:
        from musicgym.render.frame import frame

        return None if self.batch.render_mode is None else frame(self.batch.session.engine, row, self.batch.render_mode)

    def _rows(self, indices: VecEnvIndices) -> np.ndarray:
        every = np.arange(self.num_envs)
        if indices is None:
            return every
        return every[[indices] if isinstance(indices, int) else list(indices)]


class Blind(VecEnvWrapper):
    """A `VecEnv` in which nothing is seen: observations are zeros."""

    def reset(self) -> VecEnvObs:
        """As the wrapped environment, seeing nothing."""
        return np.zeros_like(self.venv.reset())

    def step_wait(self) -> VecEnvStepReturn:
        """As the wrapped environment, seeing nothing."""
        observations, rewards, dones, infos = self.venv.step_wait()
        for row in np.flatnonzero(dones):
            infos[row]["terminal_observation"] = np.zeros_like(infos[row]["terminal_observation"])
        return np.zeros_like(observations), rewards, dones, infos
