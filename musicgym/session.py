"""`Session`: pieces with a reward and an observation; what the single and the batch environment are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musicgym.choice import StepChoice
from musicgym.engine import ALL_ROWS, Engine, as_material
from musicgym.given import as_scores, begun_by, on_pages
from musicgym.handle import handle
from musicgym.observation import Observation, View
from musicgym.pieces import Excerpts
from musicgym.registration import registered
from musicgym.score import Score, parse_key
from musicgym.task import Task, pitch_bounds
from musicgym.threads import over_rows

if TYPE_CHECKING:
    from musicgym.rewards import BoundReward, Reward

OPTIONS = ("given", "key", "prefix")
Given = Sequence[Score] | Sequence[str | Path] | Sequence[int] | str | Path | Excerpts | None


NO_TERMS = np.empty((0, 0), np.float32)
_NO_SUMS = np.empty(0, np.float32)
_NO_MASKS = np.empty((0, 0), np.int8)


class Look(NamedTuple):
    """What is seen of pieces as they stand."""

    observations: np.ndarray  # uint8 (N, ...)
    masks: np.ndarray  # int8 (N, codes of all factors): what may be chosen next
    rewards: np.ndarray  # float32 (N,): the sums of the terms that were handed in


class Session:
    """N pieces of a task at work with a reward and an observation.

    Args:
        task: a `Task`, or the id of a registered one.
        num_pieces: N.
        reward: a `Reward` or an expression; None for the task's own.
        observation: one of `musicgym.observation.OBSERVATIONS`.
        window: steps of the window of tokens; None for the default.
        given: what pieces start from instead of the task's source: scores, names of files that hold some, or excerpts. Or whole
            numbers, or nothing in a list or tuple: then the field `given` of the task, the voices that stand there already.
        fields: arguments of a registered task, or fields of `task` to change.
    """

    def __init__(
        self,
        task: Task | str,
        num_pieces: int,
        reward: Reward | str | None,
        observation: str,
        window: int | None,
        given: Given,
        fields: dict[str, Any],
    ) -> None:
        named = isinstance(given, (list, tuple)) and all(isinstance(voice, (int, np.integer)) for voice in given)
        if named:  # also an empty list, which is what JSON makes of an empty tuple
            assert isinstance(given, (list, tuple))
            fields, given = {**fields, "given": tuple(int(voice) for voice in given)}, None
        self.task, default = _task_of(task, fields)
        if isinstance(given, (str, Path)):
            given = [given]
        if isinstance(given, (list, tuple)) and given and all(isinstance(one, (Score, str, Path)) for one in given):
            given = on_pages(as_scores(given, self.task), self.task)
        material = None if given is None else as_material(given)
        self.engine = Engine(self.task, num_pieces, material)
        # A user's own music is seen as the task's is, so that agents can go on with it.
        usual = self.task.material() if material is not None and self.task.source else self.engine.material
        self.observation = Observation(observation, self.task, usual, window, self.engine.material.pitch.shape[2])
        self._pitches = pitch_bounds(self.task, usual)
        self._check_music(self.engine.material, "given")
        self.reward = _reward_of(default if reward is None else reward)
        self.bound: BoundReward = self.reward.bind(self.task, num_pieces)
        self._edges = np.cumsum(self.engine.plan.sizes)[:-1]
        self._forbid = _forbid_of(self.task)
        self.dead = np.zeros(num_pieces, np.bool_)
        self._is_possible = self._forbid is None  # whether hard rules are known to leave the first choice of the page something
        self._take_hold()

    def _take_hold(self) -> None:
        self._view = handle(View(self.engine.pieces, self.engine.plan, self.observation.sight))
        self._look = self.observation.kernel.compiled

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_view", "_look")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._take_hold()

    @property
    def num_pieces(self) -> int:
        """N."""
        return self.engine.num_pieces

    def reset(self, rows: np.ndarray, seeds: np.ndarray | None, options: dict[str, Any] | None) -> None:
        """Begin pieces anew; see `Engine.reset`. `options`: what they start from this once (`OPTIONS`).

        Raises:
            ValueError: an option that doesn't fit; or all pieces begin at one place of one page, and hard rules leave
                it nothing: which rules they are.
        """
        if not isinstance(options, (dict, type(None))):
            raise TypeError(f"reset options are a {type(options).__name__}: expected a dict")
        material = self._given(options or {})
        self.engine.reset(rows, seeds, material)
        mask = np.zeros(self.num_pieces, np.bool_)
        mask[rows] = True
        self.bound.reset(self.engine.pieces, mask)
        if material is not None or not self._is_possible:
            self._check_possible(int(rows[0]), self.engine.material if material is None else material)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, int]:
        """Write one choice, int64 (N, factors), into every piece that isn't done, and judge it.

        Returns:
            The reward's terms, float32 (terms, N), and how many pieces were finished. Raises as `Engine.write` does.
        """
        if self._forbid is not None:
            dead = self.dead.copy()
        finished = self.engine.write(actions)
        if self._forbid is not None:
            self.engine.pieces.dead_ends[dead] += 1
        return self.bound(self.engine.pieces), finished

    def look(self, terms: np.ndarray = NO_TERMS, observations: np.ndarray | None = None, masks: np.ndarray | None = None) -> Look:
        """Observe all pieces, mask what may be chosen next and add up the terms of the last step, in one pass.

        Arrays are fresh, or those handed in. `dead` says where hard rules left nothing.
        """
        n = self.num_pieces
        observations = self.observation.empty(n) if observations is None else observations
        masks = np.empty((n, self.engine.mask_size), np.int8) if masks is None else masks
        rewards = np.empty(n, np.float32)
        over_rows(self._look, n, self._view, ALL_ROWS, terms, observations, masks, rewards)
        if self._forbid is not None:
            self._forbid(self.engine, masks, self.dead)
        return Look(observations, masks, rewards)

    def observe(self, rows: np.ndarray) -> np.ndarray:
        """uint8 (rows, ...): fresh observations of some pieces."""
        out = self.observation.empty(len(rows))
        self._look(self._view, rows, NO_TERMS, out, _NO_MASKS, _NO_SUMS, 0, len(rows))
        return out

    def masks(self) -> np.ndarray:
        """int8 (N, codes of all factors): what may be chosen next. `dead` says where hard rules left nothing."""
        out = np.empty((self.num_pieces, self.engine.mask_size), np.int8)
        self.engine.masks(out)
        if self._forbid is not None:
            self._forbid(self.engine, out, self.dead)
        return out

    def struck(self, row: int = 0) -> dict[str, int]:
        """Hard rules by name: how many of a piece's choices each strikes; see `ComposeEnv.struck`."""
        if not 0 <= row < self.num_pieces:
            raise ValueError(f"piece {row}: expected 0..{self.num_pieces - 1}")
        if self._forbid is None or self.engine.pieces.done[row]:
            return {}
        counts: dict[str, int] = self._forbid.struck(self.engine, row)
        return counts

    def _check_possible(self, row: int, material: Excerpts) -> None:
        """Raises ValueError, with the rules that strike, where the one page that there is begins with a dead end."""
        task, pieces = self.task, self.engine.pieces
        if self._forbid is None or len(material.length) > 1 or task.order == "random" or task.blank < 1 or pieces.done[row]:
            return  # where first choices are drawn, another draw may do
        masks = self.masks()
        if self.dead[row]:
            voice, step = pieces.order[row, 0].tolist()
            rules = ", ".join(f"{rule} {count}" for rule, count in self.struck(row).items())
            raise ValueError(
                f"Task(forbid={task.forbid!r}): hard rules leave nothing to choose in voice {voice} at step {step}, the first of "
                f"the page; of {masks[row].sum()} choices they strike: {rules}; expected a range, a page and rules that go "
                "together: leave one out, or make it part of the reward"
            )
        self._is_possible = self._is_possible or material is self.engine.material

    def split(self, masks: np.ndarray) -> Any:
        """Masks, int8 (..., codes), as `action_space.sample(mask=...)` takes them: a tuple by factor for `MultiDiscrete`."""
        if isinstance(self.task.choice, StepChoice):
            return masks
        return tuple(np.split(masks, self._edges, axis=-1))

    def _given(self, options: dict[str, Any]) -> Excerpts | None:
        if not isinstance(options, dict):
            raise TypeError(f"reset options are a {type(options).__name__}: expected a dict of {', '.join(OPTIONS)}")
        unknown = [name for name in options if name not in OPTIONS]
        if unknown:
            raise ValueError(f"reset option {unknown[0]!r}: expected {', '.join(OPTIONS)}")
        if not options:
            return None
        if "given" in options and "prefix" in options:
            raise ValueError("reset options 'given' and 'prefix' both say what stands there: expected one of them")
        if "given" in options:
            material = on_pages([_a_score(options, "given")], self.task)
        elif "prefix" in options:
            material = begun_by(_a_score(options, "prefix"), self.engine.material, self.task)
        else:
            material = self.engine.material
        if "key" in options:
            tonic, mode = parse_key(options["key"])
            material = material._replace(tonic=np.full_like(material.tonic, tonic), mode=np.full_like(material.mode, mode))
        self._check_music(material, "reset options")
        return material

    def _check_music(self, material: Excerpts, who: str) -> None:
        """Raises ValueError, in the name of `who`, for pitches that no observation shows."""
        sounding = material.pitch[material.pitch >= 0]
        low, high = self._pitches
        if sounding.min(initial=high) < low or sounding.max(initial=low) > high:
            raise ValueError(
                f"{who}: the score has pitches from {sounding.min()} to {sounding.max()}, but what is observed is "
                f"{low}..{high}: transpose it, or make the environment with a wider range"
            )


def _a_score(options: dict[str, Any], name: str) -> Score:
    if not isinstance(options[name], Score):
        raise TypeError(f"reset option {name!r} is a {type(options[name]).__name__}: expected a musicgym.Score")
    score: Score = options[name]
    return score


def _task_of(task: Task | str, fields: dict[str, Any]) -> tuple[Task, str | Reward]:
    if isinstance(task, str):
        entry = registered(task)
        return entry.make(**fields), entry.reward
    if not isinstance(task, Task):
        raise TypeError(f"task is a {type(task).__name__}: expected a musicgym.Task or a registered id")
    return task.changed(**fields), "rl_tuner"


def _reward_of(reward: Reward | str) -> Reward:
    from musicgym import rewards

    if isinstance(reward, str):
        return rewards.parse(reward)
    if not isinstance(reward, rewards.Reward):
        raise TypeError(f"reward is a {type(reward).__name__}: expected a musicgym.rewards.Reward or an expression")
    return reward


def _forbid_of(task: Task) -> Any:
    if not task.forbid:
        return None
    from musicgym.rewards.forbid import Forbid

    return Forbid(task.forbid)
