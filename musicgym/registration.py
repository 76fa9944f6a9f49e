"""Names of tasks: what `gym.make`, the command line and experiments know them by."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gymnasium as gym
from gymnasium.envs.registration import parse_env_id

if TYPE_CHECKING:
    from musicgym.rewards import Reward
    from musicgym.task import Task


@dataclasses.dataclass(frozen=True)
class Registered:
    """A task by name: how to make it, and the reward that it has unless another is asked for."""

    id: str
    make_task: Callable[..., Task]
    reward: str | Reward

    def make(self, **options: Any) -> Task:
        """The task with these arguments.

        Raises:
            TypeError: an argument that it doesn't have, with the nearest names; a function that doesn't make a task.
            ValueError: a value that the task doesn't take.
        """
        from musicgym.task import Task

        names = self._options()
        for name in options:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
                hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names) or 'none'}"
                # Python's own words for it: torchrl looks for them.
                raise TypeError(f"{self.id} got an unexpected keyword argument {name!r}: {hint}")
        try:
            made = self.make_task(**options)
        except TypeError as error:
            raise TypeError(f"{self.id} with {options}: {error}") from error
        if not isinstance(made, Task):
            raise TypeError(f"{self.id}: its function made a {type(made).__name__}: expected a musicgym.Task")
        return made

    def _options(self) -> list[str]:
        """What the task's function takes; one that takes any name hands those to `Task`."""
        from musicgym.task import Task

        kinds = {name: parameter.kind for name, parameter in inspect.signature(self.make_task).parameters.items()}
        fields = [field.name for field in dataclasses.fields(Task)] if inspect.Parameter.VAR_KEYWORD in kinds.values() else []
        named = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
        return list(dict.fromkeys([*(name for name, kind in kinds.items() if kind in named), *fields]))


_TASKS: dict[str, Registered] = {}


def register(id: str, task: Task | Callable[..., Task], reward: str | Reward = "rl_tuner") -> None:
    """Register a task: `gym.make(id)`, `gym.make_vec(id, n)`, SB3 and the command line know it from now on.

    Args:
        id: "namespace/Name-v0".
        task: a task, whose fields `gym.make(id, field=value)` may change; or a function of keyword arguments that makes one.
        reward: the default reward, an expression or a `Reward`.

    Raises:
        ValueError: the id isn't of the form "namespace/Name-v0".
        TypeError: `task` is neither a task nor a function.
    """
    try:
        parse_env_id(id)
    except (gym.error.Error, TypeError) as error:
        raise ValueError(f"id {id!r}: expected the form 'namespace/Name-v0'") from error
    if not callable(task) and not dataclasses.is_dataclass(task):
        raise TypeError(
            f"register({id!r}): task is a {type(task).__name__}: expected a musicgym.Task or a function that makes one"
        )
    make_task = task if callable(task) else task.changed
    gym.register(
        id=id,
        entry_point="musicgym.env:ComposeEnv",
        vector_entry_point="musicgym.vector_env:ComposeVectorEnv",
        kwargs={"task": id},
        disable_env_checker=True,  # its checks cost more than a step, and `musicgym.testing` and the tests make them
        order_enforce=False,  # the environment does that itself
    )
    _TASKS[id] = Registered(id, make_task, reward)


def registered(id: str) -> Registered:
    """What is registered under an id. Raises ValueError with the nearest ids for an unknown one."""
    if id not in _TASKS:
        near = difflib.get_close_matches(id, _TASKS, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"registered are {', '.join(sorted(_TASKS))}"
        raise ValueError(f"unknown task {id!r}: {hint}")
    return _TASKS[id]


def task_ids() -> list[str]:
    """All registered ids."""
    return sorted(_TASKS)


def parted(name: str) -> tuple[str | None, str]:
    """The module and the rest of "my_module:lab/Blues-v0" or "my_module:2*blue_note"; None where no module is named.

    >>> parted("my.module:lab/Blues-v0"), parted("rl_tuner(form='a:b')")
    (('my.module', 'lab/Blues-v0'), (None, "rl_tuner(form='a:b')"))
    """
    found = re.match(r"\s*([^\W\d]\w*(?:\.[^\W\d]\w*)*)\s*:(.*)", name, re.DOTALL)
    return (found[1], found[2].strip()) if found else (None, name)


def imported(name: str, what: str) -> str:
    """What a user means by "MODULE:REST", once the module is imported, which registers it: the rest.

    The module is looked for in the working folder and among the installed packages. This runs its code: only names that a
    user types come here, none that is read from a file.

    Args:
        name: a task's id or a reward's expression, with or without a module before it.
        what: "task" or "reward", for the message.

    Raises:
        ValueError: there is no such module.
    """
    module, rest = parted(name)
    if module is None:
        return name
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ValueError(f"{what} {name!r}: there is no module {module!r} here or among the installed packages") from error
    return rest
