"""`Session`: pieces, their reward, their masks and what is seen of them; the one engine room of the single and the batch environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musicgym.choice import StepChoice
from musicgym.compiled import Entry, kernel
from musicgym.engine import ALL_ROWS, Engine, as_material
from musicgym.observation import Observation
from musicgym.pieces import Excerpts
from musicgym.registration import registered
from musicgym.score import BLANK, Score, parse_key
from musicgym.task import Task
from musicgym.threads import over_rows

if TYPE_CHECKING:
    from musicgym.rewards import BoundReward, Reward

OPTIONS = ("given", "key", "prefix")


class Turn(NamedTuple):
    """What one step brought, for all N pieces, before any begins anew."""

    terms: np.ndarray  # float32 (terms, N)
    rewards: np.ndarray  # float32 (N,)
    finished: int  # pieces that this step finished


class Session:
    """N pieces of a task at work with a reward and an observation.

    Args:
        task: a `Task`, or the id of a registered one.
        num_pieces: N.
        reward: a `Reward` or an expression; None for the task's own.
        observation: one of `musicgym.observation.OBSERVATIONS`.
        window: steps of the window of tokens; None for the default.
        given: what pieces start from instead of the task's source: scores or excerpts.
        fields: arguments of a registered task, or fields of `task` to change.
    """

    def __init__(
        self,
        task: Task | str,
        num_pieces: int,
        reward: Reward | str | None,
        observation: str,
        window: int | None,
        given: Sequence[Score] | Excerpts | None,
        fields: dict[str, Any],
    ) -> None:
        self.task, default = _task_of(task, fields)
        material = None if given is None else as_material(given)
        self.engine = Engine(self.task, num_pieces, material)
        self.observation = Observation(observation, self.task, self.engine.material, window)
        self.reward = _reward_of(default if reward is None else reward)
        self.bound: BoundReward = self.reward.bind(self.task, num_pieces)
        self._sizes = [int(size) for size in self.engine.plan.sizes]
        self._forbid = _forbid_of(self.task)
        self.dead = np.zeros(num_pieces, np.bool_)

    @property
    def num_pieces(self) -> int:
        """N."""
        return self.engine.num_pieces

    def reset(self, rows: np.ndarray, seeds: np.ndarray | None, options: dict[str, Any] | None) -> None:
        """Begin pieces anew; see `Engine.reset`. `options`: what they start from this once (`OPTIONS`)."""
        material = self._given(options or {})
        self.engine.reset(rows, seeds, material)
        mask = np.zeros(self.num_pieces, np.bool_)
        mask[rows] = True
        self.bound.reset(self.engine.pieces, mask)

    def step(self, actions: Any) -> Turn:
        """Write one choice into every piece that isn't done, and pay for it. Raises as `Engine.check` does."""
        checked = self.engine.check(actions)
        if self._forbid is not None:
            self.engine.pieces.dead_ends[self.dead] += 1
        finished = self.engine.write(checked)
        terms = self.bound(self.engine.pieces)
        rewards = np.empty(self.num_pieces, np.float32)
        over_rows(_add_terms, self.num_pieces, terms, rewards)
        return Turn(terms, rewards, finished)

    def observe(self, rows: np.ndarray = ALL_ROWS, out: np.ndarray | None = None) -> np.ndarray:
        """uint8 (N or rows, ...): what is seen of all pieces, or of some."""
        count = len(rows) or self.num_pieces
        out = self.observation.empty(count) if out is None else out
        over_rows(self.observation.kernel, count, self.engine.handle, self.observation.handle, rows, out)
        return out

    def masks(self, out: np.ndarray | None = None) -> np.ndarray:
        """int8 (N, codes of all factors): what may be chosen next. `dead` says where hard rules left nothing."""
        out = np.empty((self.num_pieces, self.engine.mask_size), np.int8) if out is None else out
        self.engine.masks(out)
        if self._forbid is not None:
            self._forbid(self.engine, out, self.dead)
        return out

    def split(self, masks: np.ndarray) -> Any:
        """Masks, int8 (..., codes), as the info shows them: as they are for `Discrete`, a tuple by factor for `MultiDiscrete`."""
        if isinstance(self.task.choice, StepChoice):
            return masks
        edges = np.cumsum(self._sizes)[:-1]
        return tuple(np.split(masks, edges, axis=-1))

    def _given(self, options: dict[str, Any]) -> Excerpts | None:
        unknown = [name for name in options if name not in OPTIONS]
        if unknown:
            raise ValueError(f"reset option {unknown[0]!r}: expected {', '.join(OPTIONS)}")
        if not options:
            return None
        if "given" in options and "prefix" in options:
            raise ValueError("reset options 'given' and 'prefix' both say what stands there: expected one of them")
        if "given" in options:
            material = Excerpts.from_scores([self._whole(_a_score(options, "given"))])
        elif "prefix" in options:
            material = self._begun_by(_a_score(options, "prefix"))
        else:
            material = self.engine.material.take(np.array([0]))
        if "key" in options:
            tonic, mode = parse_key(options["key"])
            material = material._replace(tonic=np.full_like(material.tonic, tonic), mode=np.full_like(material.mode, mode))
        return material

    def _whole(self, score: Score) -> Score:
        """The user's score with all voices of the task: parts for the given voices alone leave the others blank."""
        task = self.task
        if score.steps_per_quarter != task.steps_per_quarter:
            raise ValueError(f"given score has {score.steps_per_quarter} steps a quarter, the task has {task.steps_per_quarter}")
        if score.voices == task.voices:
            return score
        if score.voices != len(task.given):
            either = f"{task.voices} voices" + (f" or the {len(task.given)} given ones" if task.given else "")
            raise ValueError(f"given score has {score.voices} voices: expected {either}")
        pitch = np.full((task.voices, score.steps), BLANK, np.int8)
        onset, velocity = np.zeros(pitch.shape, bool), np.zeros(pitch.shape, np.uint8)
        for part, voice in enumerate(task.given):
            pitch[voice], onset[voice], velocity[voice] = score.pitch[part], score.onset[part], score.velocity[part]
        from dataclasses import replace

        return replace(score, pitch=pitch, onset=onset, velocity=velocity, spelling=None, programs=(), names=())

    def _begun_by(self, prefix: Score) -> Excerpts:
        """A page of the task's material that begins with these notes."""
        page = self.engine.material.take(np.array([0]))
        if prefix.voices != self.task.voices or prefix.steps >= page.pitch.shape[2]:
            raise ValueError(
                f"prefix has {prefix.voices} voices and {prefix.steps} steps: expected {self.task.voices} voices "
                f"and fewer than {page.pitch.shape[2]} steps"
            )
        page.pitch[0], page.onset[0], page.velocity[0] = BLANK, False, 0
        page.pitch[0, :, : prefix.steps] = prefix.pitch
        page.onset[0, :, : prefix.steps] = prefix.onset
        page.velocity[0, :, : prefix.steps] = prefix.velocity
        return page


def _a_score(options: dict[str, Any], name: str) -> Score:
    if not isinstance(options[name], Score):
        raise TypeError(f"reset option {name!r} is a {type(options[name]).__name__}: expected a musicgym.Score")
    score: Score = options[name]
    return score


def _task_of(task: Task | str, fields: dict[str, Any]) -> tuple[Task, str | Reward]:
    if isinstance(task, str):
        entry = registered(task)
        try:
            return entry.make_task(**fields), entry.reward
        except TypeError as error:
            raise TypeError(f"{task}: {error}") from error
    if not isinstance(task, Task):
        raise TypeError(f"task is a {type(task).__name__}: expected a musicgym.Task or a registered id")
    from dataclasses import replace

    return replace(task, **fields), "rl_tuner"


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


@Entry
def _add_terms(terms: np.ndarray, rewards: np.ndarray, lo: int, hi: int) -> None:
    _sum_terms(terms, rewards, lo, hi)


@kernel
def _sum_terms(terms: np.ndarray, rewards: np.ndarray, lo: int, hi: int) -> None:
    for n in range(lo, hi):
        total = 0.0
        for k in range(terms.shape[0]):
            total += terms[k, n]
        rewards[n] = total
