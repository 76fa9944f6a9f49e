"""Checkpoints: all that a training run hangs on, in one file of arrays, so that it goes on as if it had never stopped.

A checkpoint is an .npz of plain arrays and a JSON text that says where each belongs; reading one runs no code.
"""

from __future__ import annotations

import json
import random
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicgym.files.atomic import replace_file

if TYPE_CHECKING:
    from sb3_contrib import MaskablePPO
    from stable_baselines3.common.vec_env import VecEnv, VecMonitor

    from musicgym.agents.sb3 import ComposeVecEnv

FORMAT = 1  # to be raised whenever what a checkpoint holds would change
# What altered files raise. RecursionError: a plan nested too deeply; MemoryError: an array said to be enormous;
# RuntimeError, AttributeError: trees of another form, in the hands of torch and NumPy.
_DAMAGE = (
    *(OSError, KeyError, IndexError, EOFError, TypeError, ValueError, AttributeError, OverflowError),
    *(RuntimeError, RecursionError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error),
)


_KINDS: dict[str, type] = {
    **dict.fromkeys(("timesteps", "updates", "pieces"), int),
    **dict.fromkeys(("policy", "optimiser", "env", "random"), dict),
    **dict.fromkeys(("observations", "starts", "returns", "lengths"), np.ndarray),
}


def write(path: Path, tree: Any) -> None:
    """Write dicts, lists, numbers, text and arrays, whole or not at all.

    Raises:
        ValueError: the folder can't be written to.
        TypeError: something else in the tree.
    """
    arrays: list[np.ndarray] = []
    plan = json.dumps(_plan(tree, arrays))
    with replace_file(path) as temporary, temporary.open("wb") as file:
        named: dict[str, Any] = {f"a{index}": array for index, array in enumerate(arrays)}
        np.savez(file, allow_pickle=False, plan=np.array(plan), **named)


def read(path: Path) -> dict[str, Any]:
    """What `capture` returned and `write` wrote; tuples come back as lists.

    Raises:
        ValueError: the file isn't there, is damaged or of another format, is no checkpoint, or holds weights that are no numbers.
    """
    state = read_tree(path)
    try:
        _check(state)
    except ValueError as error:
        raise ValueError(f"checkpoint {str(path)!r} cannot be used: {error}") from error
    return dict(state)


def read_tree(path: Path) -> Any:
    """What `write` wrote; tuples come back as lists.

    Raises:
        ValueError: the file isn't there, is damaged, or is no tree.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return _tree(json.loads(str(file["plan"])), {name: file[name] for name in file.files})
    except _DAMAGE as error:
        raise ValueError(
            f"checkpoint {str(path)!r} cannot be read ({_one_line(error)}): expected a file written by musicgym train"
        ) from error


def _check(state: Any) -> None:
    """Raises ValueError unless this can be what `capture` returned; whether it fits an agent `restore` and `load_policy` say."""
    if not isinstance(state, dict) or "format" not in state:
        raise ValueError("it doesn't hold the state of an agent; expected a file written by musicgym train")
    if state["format"] != FORMAT:
        raise ValueError(
            f"it is of format {state['format']!r:.40}, and this version of musicgym reads format {FORMAT}; train anew"
        )
    for name, kind in _KINDS.items():
        if not isinstance(state.get(name), kind):
            raise ValueError(f"its {name!r} is a {type(state.get(name)).__name__}: expected a {kind.__name__}; train anew")
    if state["timesteps"] < 0:
        raise ValueError(f"its timesteps are {state['timesteps']}: expected 0 or more; train anew")
    for name, weights in state["policy"].items():
        if not isinstance(weights, np.ndarray) or weights.dtype.kind != "f":
            raise ValueError(f"its policy's {name!r} is no array of floats; train anew")
        if not np.isfinite(weights).all():
            raise ValueError(f"its policy's {name!r} holds weights that are no finite numbers; train anew")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _plan(value: Any, arrays: list[np.ndarray]) -> Any:
    """The tree as JSON, with numbers in place of its arrays, which go to `arrays`."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, dict):
        return {"dict": [[key, _plan(item, arrays)] for key, item in value.items()]}  # pairs: keys may be numbers
    if isinstance(value, (list, tuple)):
        return [_plan(item, arrays) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}: expected arrays, numbers, text, dicts and lists")


def _tree(plan: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(plan, list):
        return [_tree(item, arrays) for item in plan]
    if isinstance(plan, dict):
        if "array" in plan:
            return arrays[f"a{plan['array']}"]
        return {key: _tree(item, arrays) for key, item in plan["dict"]}
    return plan


def capture(model: MaskablePPO) -> dict[str, Any]:
    """All that training goes on from, between two rollouts: weights, optimiser, pieces, counters and random states."""
    import torch

    monitor, env = _layers(model)
    return {
        "format": FORMAT,
        "timesteps": model.num_timesteps,
        "updates": model._n_updates,
        "policy": _arrays(model.policy.state_dict()),
        "optimiser": _arrays(model.policy.optimizer.state_dict()),
        "observations": np.array(model._last_obs),
        "starts": np.array(model._last_episode_starts),
        "env": env.state(),
        "returns": monitor.episode_returns.copy(),
        "lengths": monitor.episode_lengths.copy(),
        "pieces": monitor.episode_count,
        "random": {
            "python": random.getstate(),
            "numpy": np.random.get_state(),  # noqa: NPY002  # SB3 draws from it  # SB3 draws its minibatches from it
            "torch": torch.get_rng_state().numpy(),
        },
    }


def load_policy(model: MaskablePPO, state: dict[str, Any]) -> None:
    """Put a checkpoint's weights into a model of the same make. Raises ValueError for another make."""
    try:
        model.policy.load_state_dict(_tensors(state["policy"]))
    except _DAMAGE as error:
        raise ValueError(f"the checkpoint's weights don't fit these settings: {_one_line(error)}") from error


def restore(model: MaskablePPO, state: dict[str, Any]) -> None:
    """Bring a newly made model to where a checkpoint was; `learn(..., reset_num_timesteps=False)` then goes on.

    Raises:
        ValueError: the checkpoint is of another format or belongs to other settings.
    """
    if state.get("format") != FORMAT:
        raise ValueError(f"checkpoint of format {state.get('format')}: this version of musicgym reads format {FORMAT}")
    load_policy(model, state)
    try:
        _go_on(model, state)
    except _DAMAGE as error:
        raise ValueError(f"the checkpoint doesn't fit these settings: {_one_line(error)}; train anew") from error


def _go_on(model: MaskablePPO, state: dict[str, Any]) -> None:
    """Optimiser, pieces, counters and random states of a checkpoint."""
    import torch

    model.policy.optimizer.load_state_dict(_tensors(state["optimiser"]))
    monitor, env = _layers(model)
    monitor.reset()
    env.load_state(state["env"])
    monitor.episode_returns[:], monitor.episode_lengths[:] = state["returns"], state["lengths"]
    monitor.episode_count = state["pieces"]
    model.num_timesteps, model._n_updates = state["timesteps"], state["updates"]
    shape = (model.n_envs, *(model.observation_space.shape or ()))
    if state["observations"].shape != shape or state["starts"].shape != (model.n_envs,):
        raise ValueError(f"observations {state['observations'].shape} of pieces {state['starts'].shape}: expected {shape}")
    model._last_obs, model._last_episode_starts = state["observations"], state["starts"]
    version, words, gauss = state["random"]["python"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(tuple(state["random"]["numpy"]))  # noqa: NPY002  # SB3 draws from it
    torch.set_rng_state(torch.from_numpy(state["random"]["torch"]))


def _layers(model: MaskablePPO) -> tuple[VecMonitor, ComposeVecEnv]:
    """The two layers of the model's environment that have a state."""
    from stable_baselines3.common.vec_env import VecEnvWrapper, VecMonitor

    from musicgym.agents.sb3 import ComposeVecEnv

    env: VecEnv | None = model.get_env()
    monitor: VecMonitor | None = None
    while isinstance(env, VecEnvWrapper):
        monitor = env if isinstance(env, VecMonitor) else monitor
        env = env.venv
    if monitor is None or not isinstance(env, ComposeVecEnv):
        raise ValueError("checkpoints are for models on musicgym.agents.sb3.make_vec_env")
    return monitor, env


def _arrays(value: Any) -> Any:
    """The tree with arrays in place of tensors."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy().copy()
    if isinstance(value, dict):
        return {key: _arrays(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_arrays(item) for item in value]
    return value


def _tensors(value: Any) -> Any:
    """The tree with tensors in place of arrays."""
    import torch

    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, dict):
        return {key: _tensors(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_tensors(item) for item in value]
    return value
