"""Playing environments for checks: what happened to each environment of a batch, in a form that no autoreset mode changes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array, iterate

from musicgym.testing.trees import difference, info_row, leaves, row

MOST_STEPS = 3000  # of a batch, where episodes don't end
_ANY_ACTION = 0.2  # share of actions that are drawn without the mask


class Event(NamedTuple):
    """What one environment showed: at the beginning of an episode (`reward` is None) or after an action."""

    call: int  # number of the call that brought it, for messages
    action: Any  # None at the beginning
    obs: Any
    reward: Any
    terminated: bool
    truncated: bool
    info: dict[str, Any]


class Plan(NamedTuple):
    """How a batch is played."""

    num_envs: int
    mode: AutoresetMode
    seed: int
    episodes: int
    first: int = 0  # environment i is number first + i: its seed is seed + first + i, and it plays that one's actions


class Chooser:
    """Chooses the actions of environment number `index`, by the mask where there is one, now and then without it."""

    def __init__(self, space: gym.Space[Any], seed: int, index: int) -> None:
        self.space = copy.deepcopy(space)
        self.space.seed(1000 * seed + index)
        self.draws = np.random.default_rng([seed, index])

    def __call__(self, info: dict[str, Any]) -> Any:
        mask = info.get("action_mask")
        if mask is None or self.draws.random() < _ANY_ACTION:
            return self.space.sample()
        return self.space.sample(mask)


class Watch:
    """Keeps what an environment returned, to see whether later calls change it, and can write into it."""

    def __init__(self, scribble: bool = False) -> None:
        self.scribble = scribble
        self.calls = 0
        self._kept: list[tuple[str, np.ndarray, np.ndarray]] = []

    def __call__(self, call: str, returned: dict[str, Any]) -> None:
        """Look at the arrays of earlier calls, then keep those of this one. Raises AssertionError for one that has changed."""
        self.calls += 1
        for name, array, copied in self._kept:
            if not np.array_equal(array, copied, equal_nan=array.dtype.kind == "f"):
                raise AssertionError(
                    f"aliased array: the {name} was changed by a later call, {call} {self.calls}; "
                    "return a fresh array from every call"
                )
        found = [
            (f"{what}{path} that {call} {self.calls} returned", leaf)
            for what, tree in returned.items()
            for path, leaf in leaves(tree)
            if isinstance(leaf, np.ndarray) and leaf.size
        ]
        self._kept = self._kept[-200:] + [(name, leaf, leaf.copy()) for name, leaf in found]
        if self.scribble:
            for _, leaf in found:
                if leaf.flags.writeable and leaf.dtype.kind in "biuf":
                    leaf[...] = ~leaf if leaf.dtype == np.bool_ else 1 - leaf
            self._kept = []


def play(env: VectorEnv[Any, Any, Any], plan: Plan, watch: Watch | None = None) -> list[list[Event]]:
    """The events of every environment, `plan.episodes` episodes or more. Raises AssertionError for what no batch may do."""
    events: list[list[Event]] = [[] for _ in range(plan.num_envs)]
    for _ in stepwise(env, plan, events, watch or Watch()):
        pass
    return events


def stepwise(env: VectorEnv[Any, Any, Any], plan: Plan, events: list[list[Event]], watch: Watch) -> Iterator[int]:
    """Play as `play` does, pausing after every call; `events` grows."""
    n = plan.num_envs
    space = env.single_action_space
    choosers = [Chooser(space, plan.seed, plan.first + i) for i in range(n)]
    obs, infos = env.reset(seed=plan.seed + plan.first)
    check_values(env, obs, None)
    for i in range(n):
        events[i].append(_begun(0, row(obs, i), _info_of(env, infos, i)))
    watch("reset", {"observation": obs, "info": infos})
    yield 0
    ended = np.zeros(n, np.bool_)
    left = np.full(n, plan.episodes)
    for call in range(1, MOST_STEPS):
        if not (left > 0).any():
            break
        ignored = ended if plan.mode is AutoresetMode.NEXT_STEP else np.zeros(n, np.bool_)
        actions = batch_of(space, [space.sample() if ignored[i] else choosers[i](events[i][-1].info) for i in range(n)])
        ended = one_step(env, plan.mode, call, actions, ended, events, watch)
        left -= ended
        yield call
        if plan.mode is AutoresetMode.DISABLED and ended.any():
            _reset_ended(env, call, ended, events, watch)
            ended = np.zeros(n, np.bool_)
            yield call


def one_step(
    env: VectorEnv[Any, Any, Any],
    mode: AutoresetMode,
    call: int,
    actions: Any,
    before: np.ndarray,
    events: list[list[Event]],
    watch: Watch,
) -> np.ndarray:
    """Step once and note down what it brought; returns bool (N,): whose episode ended. `before`: whose ended the step before."""
    asked = copy.deepcopy(actions)
    obs, rewards, terminated, truncated, infos = env.step(actions)
    if difference(actions, asked) is not None:
        raise AssertionError(f"step() number {call} changed the array of actions that it was given")
    check_values(env, obs, (rewards, terminated, truncated))
    ended: np.ndarray = np.logical_or(terminated, truncated)
    if mode is AutoresetMode.NEXT_STEP:
        for i in map(int, np.flatnonzero(before)):
            if ended[i] or rewards[i] != 0:
                raise AssertionError(
                    f"NEXT_STEP: environment {i} ended with step {call - 1}, so step {call} should ignore its action and begin "
                    f"anew: expected reward 0 and no end, got {rewards[i]}, {terminated[i]}, {truncated[i]}"
                )
    shown = _final(infos, ended, mode, call)
    for i, action in enumerate(iterate(env.action_space, asked)):
        info = _info_of(env, infos, i)
        for name in ("final_obs", "final_info", "final_observation"):
            info.pop(name, None)
        if mode is AutoresetMode.NEXT_STEP and before[i]:
            events[i].append(_begun(call, row(obs, i), info))
        elif mode is AutoresetMode.SAME_STEP and ended[i]:
            last = _last_info(env, shown, info, i, call)
            outcome = (rewards[i].copy(), bool(terminated[i]), bool(truncated[i]))
            events[i].append(Event(call, action, copy.deepcopy(shown["obs"][i]), *outcome, last))
            events[i].append(_begun(call, row(obs, i), info))
        else:
            outcome = (rewards[i].copy(), bool(terminated[i]), bool(truncated[i]))
            events[i].append(Event(call, action, copy.deepcopy(row(obs, i)), *outcome, copy.deepcopy(info)))
    ended = ended.copy()
    watch("step", {"observation": obs, "reward": rewards, "terminated": terminated, "truncated": truncated, "info": infos})
    return ended


def _final(infos: dict[str, Any], ended: np.ndarray, mode: AutoresetMode, call: int) -> dict[str, Any]:
    """Where episodes ended: their last observations and infos. Raises AssertionError where there are none or too many."""
    for name in ("final_obs", "final_info"):
        mask = np.asarray(infos.get(f"_{name}", np.zeros(len(ended), np.bool_)))
        expected = ended if mode is AutoresetMode.SAME_STEP else np.zeros(len(ended), np.bool_)
        if not np.array_equal(mask, expected):
            raise AssertionError(
                f"info['_{name}'] of step {call} is {mask.tolist()}: expected {expected.tolist()} in mode {mode.name}, "
                f"where the episodes {np.flatnonzero(ended).tolist()} ended"
            )
    return {"obs": infos.get("final_obs"), "info": infos.get("final_info")}


def _last_info(env: VectorEnv[Any, Any, Any], shown: dict[str, Any], info: dict[str, Any], i: int, call: int) -> dict[str, Any]:
    """The info of the transition that ended an episode: `final_info`, which must agree with the reward terms beside it."""
    final = shown["info"]
    last: dict[str, Any] = copy.deepcopy(_info_of(env, final, i) if isinstance(final, dict) else dict(final[i]))
    if "reward_terms" in last and "reward_terms" in info:
        found = difference(last["reward_terms"], info["reward_terms"])
        if found is not None:
            raise AssertionError(
                f"reward terms of another transition: environment {i} ended with step {call}, and its reward_terms in final_info "
                f"and in info differ, {found}; both must be those of the transition just taken, not of the next piece"
            )
    return last


def _reset_ended(env: VectorEnv[Any, Any, Any], call: int, ended: np.ndarray, events: list[list[Event]], watch: Watch) -> None:
    obs, infos = env.reset(options={"reset_mask": ended.copy()})
    check_values(env, obs, None)
    for i in range(len(events)):
        if ended[i]:
            events[i].append(_begun(call, row(obs, i), _info_of(env, infos, i)))
        else:
            found = difference(row(obs, i), events[i][-1].obs)
            if found is not None:
                raise AssertionError(
                    f"reset_mask after step {call} left out environment {i}, but its observation changed: {found}"
                )
    watch("reset", {"observation": obs, "info": infos})


def _info_of(env: VectorEnv[Any, Any, Any], infos: dict[str, Any], i: int) -> dict[str, Any]:
    """What a batch's infos say of environment i, its mask by factor, as `action_space.sample(mask=...)` takes it."""
    info, space = info_row(infos, i), env.single_action_space
    mask = info.get("action_mask")
    if isinstance(space, gym.spaces.MultiDiscrete) and isinstance(mask, np.ndarray) and mask.dtype != object:
        info["action_mask"] = tuple(np.split(mask, np.cumsum(space.nvec)[:-1]))
    return info


def _begun(call: int, obs: Any, info: dict[str, Any]) -> Event:
    kept = {name: value for name, value in info.items() if name != "reward_terms"}
    return Event(call, None, copy.deepcopy(obs), None, False, False, copy.deepcopy(kept))


def batch_of(space: gym.Space[Any], actions: list[Any]) -> Any:
    """Actions of single environments as the batch takes them."""
    out: Any = create_empty_array(space, len(actions))
    return concatenate(space, actions, out)


def play_single(env: gym.Env[Any, Any], plan: Plan, index: int, count: int) -> list[Event]:
    """The first `count` events of a single environment that stands for number `index` of a batch."""
    choose = Chooser(env.action_space, plan.seed, index)
    obs, info = env.reset(seed=plan.seed + index)
    events = [_begun(0, obs, info)]
    while len(events) < count:
        if events[-1].terminated or events[-1].truncated:
            obs, info = env.reset()
            events.append(_begun(len(events), obs, info))
            continue
        action = choose(events[-1].info)
        obs, reward, terminated, truncated, info = env.step(action)
        events.append(Event(len(events), action, copy.deepcopy(obs), reward, terminated, truncated, copy.deepcopy(info)))
    return events


def check_values(env: VectorEnv[Any, Any, Any], obs: Any, outcome: tuple[np.ndarray, np.ndarray, np.ndarray] | None) -> None:
    """What a call returned lies in the spaces and has the shapes of a batch. Raises AssertionError."""
    if obs not in env.observation_space:
        raise AssertionError(f"an observation lies outside the observation_space {env.observation_space}: {_outside(obs)}")
    if outcome is None:
        return
    n = env.num_envs
    for name, array, kinds in zip(("reward", "terminated", "truncated"), outcome, ("f", "b", "b"), strict=True):
        ok = isinstance(array, np.ndarray) and array.shape == (n,) and array.dtype.kind in kinds
        what = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else repr(array)
        if not ok:
            raise AssertionError(f"{name} is {what}: expected {'floats' if kinds == 'f' else 'bools'} of shape ({n},)")
    if not np.isfinite(outcome[0]).all():
        raise AssertionError(f"a reward is not finite: {outcome[0].tolist()}")


def _outside(obs: Any) -> str:
    arrays = [np.asarray(leaf) for _, leaf in leaves(obs)]
    return ", ".join(f"{a.dtype} {a.shape} from {a.min()} to {a.max()}" for a in arrays if a.size)


def first_difference(left: list[Event], right: list[Event], *, strict: bool) -> str | None:
    """Where two environments' events part, as far as both go, or None."""
    for k, (a, b) in enumerate(zip(left, right)):
        if (a.reward is None) != (b.reward is None):
            return f"event {k}: one begins an episode where the other goes on with one"
        when = "at the beginning of an episode" if a.reward is None else f"at step {a.call}"
        for name in ("obs", "reward", "terminated", "truncated", "info"):
            mine, other = getattr(a, name), getattr(b, name)
            found = None if mine is None else difference(mine, other, strict=strict)
            if found is not None:
                last = name in ("obs", "info") and (a.terminated or a.truncated)
                return f"{name}{f' at the end of an episode (final_{name})' if last else ''} {found}, {when}"
    return None
