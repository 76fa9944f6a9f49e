"""`check_vector_env`: is a batch of environments what it claims to be?"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from musicgym.testing.playing import (
    Chooser,
    Event,
    Plan,
    Watch,
    batch_of,
    first_difference,
    one_step,
    play,
    play_single,
    stepwise,
)
from musicgym.testing.trees import leaves

Maker = Callable[..., VectorEnv[Any, Any, Any]]
_TERMS_TOLERANCE = 1e-5  # of a reward's size: what sums of float32 may be off


def check_vector_env(
    make: str | Maker,
    num_envs: int = 4,
    *,
    single: Callable[[], gym.Env[Any, Any]] | None = None,
    modes: Sequence[AutoresetMode] | None = None,
    seed: int = 0,
    episodes: int = 2,
    fresh_arrays: bool = True,
    fresh_process: bool = False,
    **kwargs: Any,
) -> None:
    """Check a vector environment by playing it. For tests: raises AssertionError, and the message names the fault.

    What is checked, in every autoreset mode:

    - observations, rewards and flags have the types, shapes and spaces of a batch;
    - *aliased arrays*: what a call returned isn't changed by later calls, and writing into it changes nothing;
    - *reward terms*: `info["reward_terms"]` sum to the reward and are those of the transition just taken, in `final_info` too;
    - *masks* are never all false, and an action that the mask allows is never counted in `info["illegal"]`;
    - `final_obs` and `final_info` stand where an episode ended, and are of its last transition;
    - the same seed brings the same bytes: again, in a batch of another size (*seeds that depend on num_envs*), in batches
      of one, in single environments, in the other modes;
    - *shared state*: a second environment that is played in between changes nothing;
    - where the environment is one of ours: a saved state can be gone back to.

    Infos that an environment doesn't have are not checked, so any Gymnasium vector environment can be tried.

    Args:
        make: a registered id; or a function called as `make(num_envs, autoreset_mode=mode, **kwargs)`, or without the
            mode if it has no such parameter (then the environment's own mode is the only one).
        num_envs: N, 2 or more.
        single: makes one `gymnasium.Env` that the batch should equal; for an id that of `gym.make`.
        modes: which autoreset modes; None for all.
        seed: 0 or more.
        episodes: at least so many episodes are played in each environment.
        fresh_arrays: False for an environment that is meant to return its own buffers.
        fresh_process: also play in a new process; `make` must then be importable and `kwargs` picklable.
        kwargs: for `make` and `gym.make`.

    Raises:
        AssertionError: naming the fault, the environment and the step.
        ValueError: fewer than two environments.

    Example:
        >>> check_vector_env("CartPole-v1", num_envs=2, episodes=1)
    """
    if num_envs < 2:
        raise ValueError(f"check_vector_env(num_envs={num_envs}): expected 2 or more, to tell them apart")
    maker = _maker(make)
    if isinstance(make, str) and single is None:
        single = _Single(make, kwargs)
    takes_mode = _takes_mode(maker)
    wanted = list(modes or AutoresetMode) if takes_mode else [_mode_of(maker(num_envs, **kwargs))]
    logs: dict[AutoresetMode, list[list[Event]]] = {}
    for mode in wanted:
        bound = _Bound(maker, mode, {**kwargs, "autoreset_mode": mode} if takes_mode else kwargs)
        logs[mode] = _check_mode(bound, Plan(num_envs, mode, seed, episodes), single, fresh_arrays)
        for i, events in enumerate(logs[mode]):
            found = first_difference(logs[wanted[0]][i], events, strict=True)
            if found is not None:
                raise AssertionError(f"environment {i} differs between modes {wanted[0].name} and {mode.name}: {found}")
    if fresh_process:
        _check_process(bound, Plan(num_envs, mode, seed, episodes))


class _Bound:
    """Makes batches of any size in one mode."""

    def __init__(self, maker: Maker, mode: AutoresetMode, kwargs: dict[str, Any]) -> None:
        self.maker, self.mode, self.kwargs = maker, mode, kwargs

    def __call__(self, num_envs: int) -> VectorEnv[Any, Any, Any]:
        env = self.maker(num_envs, **self.kwargs)
        if env.num_envs != num_envs:
            raise AssertionError(f"num_envs={num_envs} was asked for, the environment has num_envs={env.num_envs}")
        if _mode_of(env) is not self.mode:
            raise AssertionError(
                f"metadata['autoreset_mode'] is {env.metadata.get('autoreset_mode')!r}: expected {self.mode!r}, as asked for"
            )
        return env

    def play(self, plan: Plan, watch: Watch) -> list[list[Event]]:
        """The events of a fresh batch."""
        with closing(self(plan.num_envs)) as env:
            return play(env, plan, watch)


class _Single:
    """Makes one registered environment; a class so that it pickles."""

    def __init__(self, id: str, kwargs: dict[str, Any]) -> None:
        self.id, self.kwargs = id, kwargs

    def __call__(self) -> gym.Env[Any, Any]:
        return gym.make(self.id, **self.kwargs)


class _Registered:
    """Makes batches of a registered environment; a class so that it pickles."""

    def __init__(self, id: str) -> None:
        self.id = id

    def __call__(self, num_envs: int, *, autoreset_mode: AutoresetMode, **kwargs: Any) -> VectorEnv[Any, Any, Any]:
        from musicgym.registration import task_ids

        if self.id in task_ids():
            return gym.make_vec(self.id, num_envs=num_envs, autoreset_mode=autoreset_mode, **kwargs)
        vector = {"autoreset_mode": autoreset_mode}
        return gym.make_vec(self.id, num_envs=num_envs, vectorization_mode="sync", vector_kwargs=vector, **kwargs)


def _maker(make: str | Maker) -> Maker:
    return _Registered(make) if isinstance(make, str) else make


def _takes_mode(maker: Maker) -> bool:
    parameters = inspect.signature(maker).parameters.values()
    return any(p.name == "autoreset_mode" or p.kind is p.VAR_KEYWORD for p in parameters)


def _mode_of(env: VectorEnv[Any, Any, Any]) -> AutoresetMode:
    mode = env.metadata.get("autoreset_mode")
    if not isinstance(mode, AutoresetMode):
        raise AssertionError(f"metadata['autoreset_mode'] is {mode!r}: expected a gymnasium.vector.AutoresetMode")
    return mode


def _check_mode(
    make: _Bound, plan: Plan, single: Callable[[], gym.Env[Any, Any]] | None, fresh_arrays: bool
) -> list[list[Event]]:
    """All checks of one mode; returns the events of each environment."""
    mode, n, seed = plan.mode.name, plan.num_envs, plan.seed
    with closing(make(n)) as env:
        events = play(env, plan, Watch() if fresh_arrays else _Blind())
        for i in range(n):
            _check_masks(events[i], f"{mode}: environment {i}")
            _check_terms(events[i], f"{mode}: environment {i}")
        again = play(env, plan, _Blind())
    _compare(events, again, f"{mode}: reset(seed={seed}) a second time: environment {{}} does not play the same again")
    if fresh_arrays:
        text = f"{mode}: aliased array: writing into returned arrays changes what environment {{}} does"
        _compare(events, make.play(plan, Watch(scribble=True)), text)
    _check_shared(make, plan, events)
    text = (
        f"{mode}: seeds, or something else, depend on num_envs: with seed {seed} environment {{}} of {n} is not that of {n + 1}"
    )
    _compare(events, make.play(plan._replace(num_envs=n + 1), _Blind()), text)
    for i in range(n):
        text = f"{mode}: environment {i} of a batch of {n} differs from a batch of one with its seed {seed + i}"
        _compare([events[i]], make.play(plan._replace(num_envs=1, first=i), _Blind()), text)
        if single is not None:
            with closing(single()) as env:
                found = first_difference(events[i], play_single(env, plan, i, len(events[i])), strict=False)
            if found is not None:
                raise AssertionError(
                    f"{mode}: environment {i} differs from a single environment with its seed {seed + i}: {found}"
                )
    _check_saved(make, plan)
    return events


class _Blind(Watch):
    """Looks at nothing."""

    def __call__(self, call: str, returned: dict[str, Any]) -> None:
        pass


def _compare(left: list[list[Event]], right: list[list[Event]], text: str) -> None:
    """Raises AssertionError with the text, its {} filled with i, where environment i differs."""
    for i, (a, b) in enumerate(zip(left, right)):
        found = first_difference(a, b, strict=True)
        if found is not None:
            raise AssertionError(f"{text.format(i)}: {found}")


def _check_masks(events: list[Event], who: str) -> None:
    before: Event | None = None
    for event in events:
        mask = event.info.get("action_mask")
        for factor, part in enumerate(_factors(mask)):
            if not np.any(part):
                raise AssertionError(f"{who}: the action mask (factor {factor}) is all false after call {event.call}")
        if before is not None and event.reward is not None and "illegal" in event.info and "illegal" in before.info:
            parts = _factors(before.info.get("action_mask"))
            codes = np.atleast_1d(event.action)
            legal = parts and all(part[code] for part, code in zip(parts, codes, strict=True))
            if legal and event.info["illegal"] != before.info["illegal"]:
                what = f"action {event.action} at step {event.call}"
                raise AssertionError(f"{who}: {what} is legal by its mask but was counted in info['illegal']")
        before = event


def _factors(mask: Any) -> tuple[Any, ...]:
    return mask if isinstance(mask, tuple) else () if mask is None else (mask,)


def _check_terms(events: list[Event], who: str) -> None:
    for event in events:
        terms = event.info.get("reward_terms")
        if event.reward is None or terms is None:
            continue
        total, size = sum(map(float, terms.values())), sum(abs(float(term)) for term in terms.values())
        ended = event.terminated or event.truncated
        hint = "; the episode ended here: are these the reward terms of the next piece?" if ended else ""
        if not abs(total - float(event.reward)) <= _TERMS_TOLERANCE * max(1.0, size):
            raise AssertionError(
                f"{who}: reward_terms sum to {total:.6g}, but the reward is {float(event.reward):.6g} at step {event.call}{hint}"
            )


def _check_shared(make: _Bound, plan: Plan, alone: list[list[Event]]) -> None:
    """Two environments in turn, with other seeds: the first must do what it does alone."""
    mine: list[list[Event]] = [[] for _ in range(plan.num_envs)]
    others: list[list[Event]] = [[] for _ in range(plan.num_envs)]
    with closing(make(plan.num_envs)) as first, closing(make(plan.num_envs)) as second:
        other = stepwise(second, plan._replace(seed=plan.seed + 17), others, _Blind())
        for _ in stepwise(first, plan, mine, _Blind()):
            next(other, None)
    text = (
        f"{plan.mode.name}: state shared between environments: environment {{}} changes when another batch is played in between"
    )
    _compare(alone, mine, text)


def _check_saved(make: _Bound, plan: Plan) -> None:
    """Go back to a saved state of one of our environments, and play on in the same way."""
    with closing(make(plan.num_envs)) as env:
        session: Any = getattr(env.unwrapped, "session", None)
        if session is None:
            return
        events: list[list[Event]] = [[] for _ in range(plan.num_envs)]
        player = stepwise(env, plan, events, _Blind())
        for _ in range(4):
            next(player, None)
        while session.engine.pieces.done.any():  # until all are in the middle
            next(player)
        engine, bound, masks = session.engine.state(), session.bound.state(), session.masks()
        runs = []
        for _ in range(2):
            session.engine.load_state(engine)
            session.bound.load_state(bound)
            if not np.array_equal(session.masks(), masks):
                raise AssertionError(f"{plan.mode.name}: save and restore: masks differ after going back")
            runs.append(_play_on(env, plan))
    _compare(runs[0], runs[1], f"{plan.mode.name}: save and restore: environment {{}} goes another way from a saved state")


def _play_on(env: VectorEnv[Any, Any, Any], plan: Plan) -> list[list[Event]]:
    """A few steps from wherever the environment stands, up to the first end of an episode."""
    events: list[list[Event]] = [[] for _ in range(plan.num_envs)]
    choosers = [Chooser(env.single_action_space, plan.seed + 1, i) for i in range(plan.num_envs)]
    ended = np.zeros(plan.num_envs, np.bool_)
    for call in range(1, 12):
        actions = batch_of(env.single_action_space, [choose({}) for choose in choosers])
        ended = one_step(env, plan.mode, call, actions, ended, events, _Blind())
        if ended.any():
            break
    return events


def _digest(make: _Bound, plan: Plan) -> list[str]:
    """A hash of what happens to each environment."""
    hashes = []
    for events in make.play(plan, _Blind()):
        found = hashlib.sha256()
        for event in events:
            for path, leaf in leaves([event.obs, event.reward, event.terminated, event.truncated, event.info]):
                array = np.asarray(leaf)
                found.update(f"{path} {array.dtype} {array.shape}".encode())
                found.update(repr(leaf).encode() if array.dtype == object else array.tobytes())
        hashes.append(found.hexdigest())
    return hashes


def _check_process(make: _Bound, plan: Plan) -> None:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        theirs = pool.submit(_digest, make, plan).result()
    for i, (here, there) in enumerate(zip(_digest(make, plan), theirs, strict=True)):
        if here != there:
            raise AssertionError(f"environment {i} plays differently in a fresh process with the same seed {plan.seed}")
