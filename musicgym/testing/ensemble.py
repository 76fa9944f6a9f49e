"""`check_ensemble`: does an environment of several agents keep PettingZoo's rules, repeat itself and pay what is due?"""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from musicgym.testing.trees import difference

# What PettingZoo warns of though it is as it should be: observations with masks are Dicts (so are its own chess and go), agents
# have the names of voices, and its checker hands in an option that is none.
EXPECTED = ("Observation space for each agent", "We recommend agents to be named", "reset option 'options'", "Observation is not")
_ANY_ACTION = 0.1  # share of actions that are drawn without the mask
_TOLERANCE = 1e-5  # of a reward's size: float32 terms, added up in another order


class Turn(NamedTuple):
    """What one step of an ensemble showed."""

    actions: dict[str, int]  # of those who chose
    seen: dict[str, Any]  # by agent, before the choice
    rewards: dict[str, float]  # that the step paid
    ends: dict[str, bool]
    infos: dict[str, Any]


def check_ensemble(make: Callable[..., Any], *, seed: int = 0, episodes: int = 2, cycles: int = 50, **kwargs: Any) -> None:
    """Check an ensemble by playing with it. For tests: raises AssertionError, and the message names the fault.

    What is checked, on random choices, now and then illegal ones:

    - PettingZoo's own `api_test` and `seed_test`, or `parallel_api_test` and `parallel_seed_test`, with their expected warnings
      left out;
    - *seeds*: the same seed and choices show and pay the same, byte for byte: again, and in a second environment while the first
      is played; another environment changes nothing;
    - what was seen stays as it was; looking changes nothing; masks leave a choice, and one that they allow is not counted in
      `infos[agent]["illegal"]`;
    - `infos[agent]["reward_terms"]` add up to the agent's reward;
    - where the environment is one of ours: `ComposeEnv` with the same choices writes the same piece and is paid the same in all,
      of which each agent gets all of its own choices' part and `share` of the others'.

    Infos that an environment doesn't have are not checked, so any PettingZoo environment with `Discrete` actions can be tried.
    Needs PettingZoo.

    Args:
        make: called as `make(**kwargs)`: `musicgym.ensemble.parallel_env`, `aec_env`, or a function of your own.
        seed: 0 or more.
        episodes: that are played, one after the other.
        cycles: of PettingZoo's tests.
        kwargs: for `make`.

    Raises:
        AssertionError: naming the fault, the agent and the step.

    Example:
        >>> from musicgym import StepChoice, Task
        >>> from musicgym.ensemble import parallel_env
        >>> check_ensemble(parallel_env, task=Task(StepChoice(52, 67), voices=2, length=4), reward="fixed_key", cycles=8)
    """
    from pettingzoo import ParallelEnv

    maker = functools.partial(make, **kwargs)
    at_once = isinstance(maker(), ParallelEnv)
    _check_with_pettingzoo(maker, at_once, cycles)
    play = _play_at_once if at_once else _play_in_turn
    env, other = maker(), maker()
    first, scores = [], []
    for turns in _episodes(play, env, seed, episodes):
        first.append(turns)
        scores.append(getattr(env, "score", None))
    for text, second in (
        ("the same seed a second time", _episodes(play, env, seed, episodes)),
        ("the same seed in another environment", _beside(play, other, maker(), seed, episodes)),
    ):
        for number, (before, after) in enumerate(zip(first, second, strict=True)):
            found = difference([turn._asdict() for turn in before], [turn._asdict() for turn in after])
            if found is not None:
                raise AssertionError(f"{text} plays otherwise in episode {number}: {found}")
    for number, turns in enumerate(first):
        _check_infos(turns, at_once, f"episode {number}")
    if hasattr(env, "session") and hasattr(env, "share"):
        _check_pay(env, first, scores, seed)


def _check_with_pettingzoo(maker: Callable[[], Any], at_once: bool, cycles: int) -> None:
    from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        for text in EXPECTED:
            warnings.filterwarnings("ignore", message=f"(?s).*{re.escape(text)}")
        (parallel_api_test if at_once else api_test)(maker(), num_cycles=cycles)
        (parallel_seed_test if at_once else seed_test)(maker, num_cycles=cycles)


Play = Callable[[Any, int | None, np.random.Generator], Iterator[Turn]]


def _episodes(play: Play, env: Any, seed: int, episodes: int) -> Iterator[list[Turn]]:
    """Episodes one after the other: only the first is seeded."""
    draws = np.random.default_rng([seed, 3])
    for number in range(episodes):
        yield list(play(env, seed if number == 0 else None, draws))


def _beside(play: Play, env: Any, other: Any, seed: int, episodes: int) -> Iterator[list[Turn]]:
    """As `_episodes`, while another environment is played step by step beside it."""
    draws, others = np.random.default_rng([seed, 3]), np.random.default_rng([seed, 4])
    for number in range(episodes):
        beside = play(other, seed + 17 + number, others)
        turns = []
        for turn in play(env, seed if number == 0 else None, draws):
            turns.append(turn)
            next(beside, None)
        yield turns


def _play_at_once(env: Any, seed: int | None, draws: np.random.Generator) -> Iterator[Turn]:
    seen, _ = env.reset(seed=seed)
    while env.agents:
        actions = {agent: _choose(draws, env.action_space(agent), seen[agent], agent) for agent in env.agents}
        shown, kept = seen, copy.deepcopy(seen)
        seen, rewards, ends, cuts, infos = env.step(dict(actions))
        _check_kept(kept, shown)
        over = {agent: bool(ends[agent] or cuts[agent]) for agent in ends}
        yield Turn(actions, kept, dict(rewards), over, copy.deepcopy(infos))


def _play_in_turn(env: Any, seed: int | None, draws: np.random.Generator) -> Iterator[Turn]:
    env.reset(seed=seed)
    while env.agents:
        agent = env.agent_selection
        if env.terminations[agent] or env.truncations[agent]:
            env.step(None)
            continue
        seen = {name: env.observe(name) for name in env.agents}
        kept = copy.deepcopy(seen)
        found = difference(kept, {name: env.observe(name) for name in env.agents})
        if found is not None:
            raise AssertionError(f"observe() shows something else a second time: {found}")
        action = _choose(draws, env.action_space(agent), seen[agent], agent)
        env.step(action)
        _check_kept(kept, seen)
        over = {name: bool(env.terminations[name] or env.truncations[name]) for name in env.agents}
        yield Turn({agent: action}, kept, dict(env.rewards), over, copy.deepcopy(env.infos))


def _choose(draws: np.random.Generator, space: Any, seen: Any, agent: str) -> int:
    mask = seen.get("action_mask") if isinstance(seen, dict) else None
    if mask is not None and not np.any(mask):
        raise AssertionError(f"the action mask of {agent} leaves nothing to choose")
    legal = np.arange(space.n) if mask is None or draws.random() < _ANY_ACTION else np.flatnonzero(mask)
    return int(draws.choice(legal))


def _check_kept(kept: dict[str, Any], shown: dict[str, Any]) -> None:
    found = difference(kept, shown)
    if found is not None:
        raise AssertionError(f"aliased array: a step changes what was seen before it: {found}")


def _check_infos(turns: list[Turn], at_once: bool, who: str) -> None:
    """Legal choices are not counted as illegal; terms add up to rewards."""
    illegal = dict.fromkeys(turns[0].seen, 0)
    owed = dict.fromkeys(turns[0].seen, 0.0)  # in turn, an agent's terms are those since it last chose
    for step, turn in enumerate(turns):
        for agent, info in turn.infos.items():
            if agent in turn.actions and isinstance(turn.seen[agent], dict) and "illegal" in info:
                mask = turn.seen[agent].get("action_mask")
                if mask is not None and mask[turn.actions[agent]] and info["illegal"] != illegal[agent]:
                    raise AssertionError(
                        f"{who}, step {step}: a choice of {agent} is legal by its mask but was counted as illegal"
                    )
            illegal[agent] = info.get("illegal", 0)
            owed[agent] = turn.rewards[agent] + (0.0 if at_once or agent in turn.actions else owed[agent])
            terms = info.get("reward_terms")
            if terms is not None and not _close(sum(terms.values()), owed[agent], sum(map(abs, terms.values()))):
                total = sum(terms.values())
                raise AssertionError(
                    f"{who}, step {step}: reward_terms of {agent} sum to {total:.6g}, its reward is {owed[agent]:.6g}"
                )


def _close(a: float, b: float, size: float) -> bool:
    return abs(a - b) <= _TOLERANCE * max(1.0, size)


def _check_pay(env: Any, episodes: list[list[Turn]], scores: list[Any], seed: int) -> None:
    """The one composer of all voices, with the same choices: the same piece, and the same pay, shared out."""
    from musicgym.env import ComposeEnv

    session = env.session
    single = ComposeEnv(session.task, reward=session.reward, given=session.engine.material, observation="tokens")
    voices = [voice for voice in range(session.task.voices) if voice not in session.task.given]
    names = dict(zip(voices, env.possible_agents, strict=True))
    for number, turns in enumerate(episodes):
        single.reset(seed=seed if number == 0 else None)
        for step, turn in enumerate(turns):
            due, size = dict.fromkeys(names.values(), 0.0), 0.0
            for agent, paid in _written(single, turn, names):
                size += abs(paid)
                for payee in due:
                    due[payee] += paid if payee == agent else env.share * paid
            for agent, reward in turn.rewards.items():
                if not _close(reward, due[agent], size):
                    raise AssertionError(
                        f"episode {number}, step {step}: {agent} is paid {reward:.6g}, but {due[agent]:.6g} was due: of what the "
                        f"one composer is paid for these choices, its own part and {env.share:g} of the others'"
                    )
        for name in ("pitch", "onset", "velocity"):
            found = difference(getattr(scores[number], name), getattr(single.score, name), name)
            if found is not None:
                raise AssertionError(f"episode {number}: the piece is not what one composer writes with these choices: {found}")


def _written(single: Any, turn: Turn, names: dict[int, str]) -> Iterator[tuple[str, float]]:
    """Write the choices that have a slot at this step, from the highest voice down: whose each is, and what it pays."""
    pieces = single.session.engine.pieces
    here, last = None, -1
    while not pieces.done[0]:
        voice, step = pieces.order[0, pieces.cursor[0]].tolist()
        if names[voice] not in turn.actions or here not in (None, step) or (here is not None and voice <= last):
            return
        here, last = step, voice
        yield names[voice], single.step(turn.actions[names[voice]])[1]
