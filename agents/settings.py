"""What a training run is asked for: everything that its outcome hangs on, as JSON beside the agent."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from musicgym.agents.options import make_task
from musicgym.registration import imported, registered, task_ids

if TYPE_CHECKING:
    from musicgym.rewards import Reward
    from musicgym.task import Task


@dataclasses.dataclass(frozen=True)
class Settings:
    """One training run.

    The defaults were tuned on `musicgym/Melody-v0` with `rl_tuner` and seeds 1001..1003, which no reported figure uses; what
    `musicgym train` takes for other rewards and tasks is in `musicgym.agents.defaults`. `ent_coef` decides between high returns
    and many different pieces: RL Tuner's faithful reward pays a motif that is repeated to the end so well that with 0.12 or less
    an agent ends up writing one piece over and over, for about twice the return; at 0.17 no two are alike. A window of 8 steps
    taught no less than 16 or 32, in two thirds and half of the time.

    Args:
        task: a registered id.
        options: arguments of the task, such as {"length": 64}; not to be changed afterwards.
        reward: an expression; None for the task's own.
        changes: other parameters and weights of the reward's rules, see `musicgym.rewards.with_settings`.
        steps: choices to learn from; rounded up to whole rollouts of n_envs * n_steps.
        seed: of the agent's weights and choices, and of the pieces.
        observation, window: what the agent sees, see `musicgym.observation`.
        blind: the agent sees zeros instead.
        n_envs: pieces played side by side.
        n_steps: choices in each of them between two updates.
        ent_coef_end: what `ent_coef` becomes in a line by the end of training; None: it stays. High at first, an agent also finds
            what it must lose something for on the way; low at last, it does what pays.
        batch_size, n_epochs, learning_rate, clip_range, ent_coef, gamma, gae_lambda: of PPO; the rate falls to 0 in a line.
        net: widths of the hidden layers of policy and value. Where tokens are observed the two share the first, which reads them
            as they are (`musicgym.agents.tokens`): several times the choices a second of "onehot", their bits.
        reward_scale: rewards are multiplied by this on their way to PPO (not in any figure shown); None: by what makes the
            returns of random play have a standard deviation of 1.
        threads: of torch. Another number may change results in the last digits, and more than there are idle cores
            makes training many times slower.

    Raises:
        ValueError: naming the field and what it expects.
    """

    task: str = "musicgym/Melody-v0"
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    reward: str | None = None
    changes: tuple[str, ...] = ()
    steps: int = 500_000
    seed: int = 0
    observation: str = "onehot"
    window: int | None = 8
    blind: bool = False
    n_envs: int = 64
    n_steps: int = 32
    batch_size: int = 512
    n_epochs: int = 4
    learning_rate: float = 1e-3
    clip_range: float = 0.2
    ent_coef: float = 0.17
    ent_coef_end: float | None = None
    gamma: float = 0.95
    gae_lambda: float = 0.95
    net: tuple[int, ...] = (128,)
    reward_scale: float | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        self._check_types()
        object.__setattr__(self, "net", tuple(self.net))
        object.__setattr__(self, "changes", tuple(self.changes))
        object.__setattr__(self, "options", {name: _tuples(value) for name, value in self.options.items()})  # JSON has lists
        for name in ("learning_rate", "clip_range", "ent_coef", "gamma", "gae_lambda"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name}={getattr(self, name)}: expected 0 or more")
        if self.ent_coef_end is not None and not (math.isfinite(self.ent_coef_end) and self.ent_coef_end >= 0):
            raise ValueError(f"ent_coef_end={self.ent_coef_end}: expected 0 or more, or None")
        for name in ("steps", "n_envs", "n_steps", "batch_size", "n_epochs", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected 1 or more")
        if not 0 <= self.seed < 1 << 32:
            raise ValueError(f"seed={self.seed}: expected 0..{(1 << 32) - 1}")
        if self.n_envs * self.n_steps < 2:
            raise ValueError("n_envs=1 with n_steps=1: PPO needs two choices or more between updates")
        if self.reward_scale is not None and not (math.isfinite(self.reward_scale) and self.reward_scale > 0):
            raise ValueError(f"reward_scale={self.reward_scale}: expected a number above 0")

    def _check_types(self) -> None:
        """Settings come from files too, where anything can stand."""
        for names, fits, expected in _TYPES:
            for name in names.split():
                if not fits(getattr(self, name)):
                    raise ValueError(f"{name}={getattr(self, name)!r}: expected {expected}")

    @property
    def total_steps(self) -> int:
        """`steps`, rounded up to whole rollouts: where training ends."""
        rollout = self.n_envs * self.n_steps
        return -(-self.steps // rollout) * rollout

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Settings:
        """What `to_dict` made. Raises ValueError for unknown fields, and for values of another type."""
        if not isinstance(fields, dict):
            raise ValueError(f"settings={fields!r}: expected an object with the fields of a run")
        names = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(fields) - names):
            raise ValueError(f"settings have the field {unknown[0]!r}: expected only {', '.join(sorted(names))}")
        return cls(**fields)


def task_of(settings: Settings) -> Task:
    """The task of a run, its options included. Raises ValueError for an unknown task or options that don't fit."""
    return make_task(settings.task, settings.options)


def task_id(name: str) -> str:
    """The registered id that a user means: "Melody", "melody-v0", "musicgym/Melody-v0", "my_module:lab/Blues-v0".

    The part before a colon is a module, imported from the working folder or the installed packages, that registers the task.

    Raises:
        ValueError: no such module or task, with the nearest ids.
    """
    wanted = imported(name, "task")
    short = wanted.lower()
    for known in reversed(task_ids()):  # the newest version first
        bare = known.lower().rpartition("/")[2]
        if short in (bare, bare.rpartition("-v")[0]) or wanted == known:
            return known
    return registered(wanted).id


def reward_of(settings: Settings) -> Reward:
    """The reward of a run. Raises ValueError for an unknown task, a bad expression, or changes of what isn't in it."""
    from musicgym import rewards

    asked = settings.reward if settings.reward is not None else registered(settings.task).reward
    return rewards.with_settings(rewards.parse(asked) if isinstance(asked, str) else asked, settings.changes)


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or isinstance(value, (float, np.floating))


def _is_list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, (list, tuple)) and all(map(fits, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


# Fields, what their values must be, the same in words.
_TYPES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("task observation", _is_text, "text"),
    ("reward", lambda value: value is None or _is_text(value), "text, or None"),
    ("options", lambda value: isinstance(value, dict) and all(map(_is_text, value)), "names with values"),
    ("changes", _is_list_of(_is_text), "a list of texts"),
    ("steps seed n_envs n_steps batch_size n_epochs threads", _is_whole, "a whole number"),
    ("window", lambda value: value is None or _is_whole(value), "a whole number, or None"),
    ("blind", lambda value: isinstance(value, bool), "True or False"),
    ("learning_rate clip_range ent_coef gamma gae_lambda", _is_number, "a number"),
    ("net", _is_list_of(lambda width: _is_whole(width) and width >= 1), "a list of whole numbers, 1 or more"),
    ("reward_scale ent_coef_end", lambda value: value is None or _is_number(value), "a number, or None"),
)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, (list, tuple)) else value
