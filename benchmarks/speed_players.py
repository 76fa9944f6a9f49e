"""What is timed: environments that play prepared actions, pieces at different places."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

import musicgym
from musicgym.choice import FIRST_PITCH, HOLD, REST_BEGINS
from musicgym.score import REST, Score

LENGTH, LOW, HIGH = 32, 48, 83  # of Melody as it is registered
REWARD = "rl_tuner"  # where nothing else is said: figures are compared over the years, whatever the task's own reward is
STEPS = 4 * LENGTH  # of prepared actions, played round and round


class Player:
    """Steps an environment with prepared actions.

    Args:
        step: takes an array (N,).
        actions: (steps, N).
        threads: set before every turn, as it holds for the whole process.
        at: the first step of `actions` that is played.
    """

    def __init__(self, step: Callable[[np.ndarray], Any], actions: np.ndarray, *, threads: int = 1, at: int = 0) -> None:
        self.step = step
        self.actions = list(actions)
        self.threads = threads
        self.clock = [at]  # a list, so that players of one environment share it

    def __call__(self, times: int) -> None:
        musicgym.set_threads(self.threads)
        actions, step, begun = self.actions, self.step, self.clock[0]
        for at in range(begun, begun + times):
            step(actions[at % len(actions)])
        self.clock[0] = (begun + times) % len(actions)

    def on(self, threads: int) -> Player:
        """A player of the same environment on so many threads."""
        made = Player(self.step, np.empty(0), threads=threads)
        made.actions, made.clock = self.actions, self.clock
        return made


def composing(
    pieces: int, reward: str, observation: str, actions: np.ndarray, *, length: int = LENGTH, threads: int = 1
) -> Player:
    """A batch of melodies, piece i begun i steps after the first, so that every step ends some."""
    env = gym.make_vec("musicgym/Melody-v0", num_envs=pieces, reward=reward, observation=observation, length=length)
    env.reset(seed=1)
    place = np.arange(pieces) % length
    for step in range(length):
        env.step(actions[step % len(actions)])
        late = place == (step + 1) % length
        if late.any():
            env.reset(options={"reset_mask": late})
    return Player(env.step, actions, at=length % len(actions))


def chorales(pieces: int, given: tuple[int, ...]) -> Player:
    """A batch of chorales in which these voices stand already: a slot a step, random actions, in the repaired form if need be."""
    env = gym.make_vec("musicgym/Chorale-v0", num_envs=pieces, reward="part_writing", observation="tokens", given=given)
    env.reset(seed=1)
    codes = env.single_action_space
    assert isinstance(codes, gym.spaces.Discrete)
    return Player(env.step, uniform_actions(pieces, int(codes.n)))


def uniform_actions(pieces: int, codes: int = HIGH - LOW + 1 + FIRST_PITCH) -> np.ndarray:
    """int64 (STEPS, pieces)."""
    return np.random.default_rng(1).integers(0, codes, (STEPS, pieces))


def corpus_actions(pieces: int) -> np.ndarray:
    """int64 (STEPS, pieces): real tunes, each played from where its piece begins when `composing` plays them."""
    codes = tunes()
    chosen = np.random.default_rng(1).integers(0, len(codes), (STEPS // LENGTH, pieces))
    place = np.arange(pieces) % LENGTH
    step = np.arange(STEPS)[:, None] - place + LENGTH  # steps since the piece's first beginning, a whole piece ahead
    actions: np.ndarray = codes[chosen[step // LENGTH % (STEPS // LENGTH), np.arange(pieces)], step % LENGTH]
    return actions


def tunes() -> np.ndarray:
    """int64 (tunes, LENGTH): two bars each of the fiddle tunes, in C, as codes of Melody's choice."""
    from musicgym import corpus

    found = corpus.load("fiddle").excerpts(LENGTH, stride=2, meter=(4, 4), transpose_to="C", low=LOW, high=HIGH)
    return codes_of(found.pitch[:, 0], found.onset[:, 0])


def melodies(count: int) -> list[Score]:
    """So many tunes, played through the environment."""
    env = gym.make_vec("musicgym/Melody-v0", num_envs=count, reward="rl_tuner.key", autoreset_mode="disabled")
    env.reset(seed=1)
    codes = tunes()
    for step in codes[np.arange(count) % len(codes)].T:
        env.step(step)
    scores: list[Score] = env.unwrapped.scores()  # type: ignore[attr-defined]  # ours
    return scores


def codes_of(pitch: np.ndarray, onset: np.ndarray) -> np.ndarray:
    """int64 (tunes, steps) from int8 and bool (tunes, steps): the codes that write this music."""
    events = np.where(pitch == REST, REST_BEGINS, pitch.astype(np.int64) - LOW + FIRST_PITCH)
    codes: np.ndarray = np.where(onset, events, HOLD)
    codes[~onset[:, 0], 0] = REST_BEGINS  # there is nothing to hold at the beginning
    return codes


def cart_poles(pieces: int) -> Player:
    """Gymnasium's own hand-vectorised CartPole-v1."""
    env = gym.make_vec("CartPole-v1", num_envs=pieces, vectorization_mode="vector_entry_point")
    env.reset(seed=1)
    return Player(env.step, uniform_actions(pieces, 2))


def pooled_cart_poles(pieces: int, threads: int) -> Player | None:
    """EnvPool's CartPole-v1, or None where EnvPool isn't installed."""
    try:
        import envpool
    except ImportError:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the bounds of its spaces
        env = envpool.make("CartPole-v1", env_type="gymnasium", num_envs=pieces, num_threads=threads, seed=1)
        env.reset()
    return Player(env.step, uniform_actions(pieces, 2).astype(np.int32), threads=threads)


class Single:
    """Plays whole episodes in a single environment, without wrappers, and counts steps. `turn(n)` takes n steps or a few more."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        self.env = env.unwrapped
        self.actions = [int(a) for a in np.random.default_rng(1).integers(0, env.action_space.n, STEPS)]  # type: ignore[attr-defined]
        self.env.reset(seed=1)
        self.done = False

    def __call__(self, times: int) -> None:
        step, reset, done = self.env.step, self.env.reset, self.done
        left = times
        while left > 0:
            for action in self.actions[:left]:
                if done:
                    reset()
                _, _, done, truncated, _ = step(action)
                done = done or truncated
            left -= len(self.actions)
        self.done = done


def single_melody(observation: str) -> Single:
    """`ComposeEnv`, one piece."""
    return Single(gym.make("musicgym/Melody-v0", reward=REWARD, observation=observation, length=LENGTH))
