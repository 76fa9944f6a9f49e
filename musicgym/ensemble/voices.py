"""What both kinds of ensemble are: one piece, its voices as agents, what each sees, may choose and is paid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from musicgym.choice import HOLD, ChordChoice, StepChoice
from musicgym.score import Score
from musicgym.session import OPTIONS, Given, Session
from musicgym.spaces import action_space
from musicgym.task import Task
from musicgym.vector_env import seeds_of

if TYPE_CHECKING:
    from musicgym.rewards import Reward

Seen = dict[str, np.ndarray]  # "observation": uint8, "action_mask": int8 (codes,)
Rewards = str | tuple[str, float]
_THE_PIECE = np.zeros(1, np.int64)  # its row
FOUR_VOICES = ("soprano", "alto", "tenor", "bass")


class Voices:
    """One piece of a task whose composed voices are agents; `ParallelEnsemble` and `AECEnsemble` say when they choose.

    Infos are empty after `reset` and then hold "illegal" (choices of this agent repaired so far), "dead_end" (it chooses next,
    and hard rules leave it nothing, so that its mask allows everything), "dead_ends" (how many of them it has passed) and
    "reward_terms" (name -> float: what its reward is the sum of). The piece ends by termination, for all agents at once.

    Args:
        task: a `Task` or a registered id with a `StepChoice`; a `ChordChoice` is taken apart into its voices.
        reward: a `Reward` or an expression; None for the task's own.
        rewards: who is paid for a choice: "shared" (every agent gets all of it), "own" (the one that made it; in all as much as
            `ComposeEnv` pays), or ("mixed", share) (the others get the `share`, 0..1, of it).
        observation, window, given, render_mode: as in `ComposeEnv`.
        fields: arguments of a registered task, or fields of `task` to change.

    Raises:
        ValueError: what is asked for isn't known or doesn't fit, with what is expected.

    Attributes:
        possible_agents: names of the composed voices, highest first: "soprano", "alto", "tenor" and "bass" in a task of
            four voices, else "voice_0", "voice_1", ... by their place in the score. Given voices are no agents.
        agents: those at work: all of them from `reset` until the piece has ended, which it does for all at once.
        session: the piece, its reward and its observation.
        share: of what the others' choices pay, that each agent gets: 1 where rewards are shared, 0 where each has its own.
        state_space: of `state()`.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array", "human"], "render_fps": 8}
    possible_agents: list[str]
    agents: list[str]
    _at_once = False  # all voices of a step choose before any of it is written

    def __init__(
        self,
        task: Task | str,
        *,
        reward: Reward | str | None = None,
        rewards: Rewards = "shared",
        observation: str = "onehot",
        window: int | None = None,
        given: Given = None,
        render_mode: str | None = None,
        **fields: Any,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode={render_mode!r}: expected one of {self.metadata['render_modes']} or None")
        self.share = share_of(rewards)
        self.session = Session(task, 1, reward, observation, window, given, fields)
        if (steps := _step_by_step(self.session.task)) is not self.session.task:
            self.session = Session(steps, 1, self.session.reward, observation, window, given, {})
        self.render_mode = render_mode
        task = self.session.task
        if self._at_once and task.order != "time":
            raise ValueError(
                f"Task(order={task.order!r}): voices that choose at once go in time: expected order='time', "
                "or an aec_env, where they choose one after the other"
            )
        in_step = self._at_once or (task.order == "time" and task.blank == 1)  # every agent has a turn at each step
        self.metadata = {**self.metadata, "is_parallelizable": in_step}
        self._voices = [voice for voice in range(task.voices) if voice not in task.given]
        self.possible_agents = [name_of(voice, task.voices) for voice in self._voices]
        self.agents = []
        self._voice = dict(zip(self.possible_agents, self._voices, strict=True))
        self._place = {voice: place for place, voice in enumerate(self._voices)}
        self.state_space = self.session.observation.space()
        codes = self.session.engine.mask_size
        self.observation_spaces = {agent: self._seen_space(codes) for agent in self.possible_agents}
        self.action_spaces = {agent: action_space(task.choice) for agent in self.possible_agents}
        self._pieces = self.session.engine.pieces
        self._action = np.zeros((1, 1), np.int64)
        agents = len(self._voices)
        self._shares = np.where(np.eye(agents, dtype=bool), 1.0, self.share)  # (payee, writer): of what a writer's choice pays
        self._owed = np.zeros((agents, len(self.session.bound.terms)))  # terms since each agent was last asked
        self._illegal, self._dead_ends = [0] * agents, [0] * agents  # of each agent in this piece
        self._begun = False

    def _seen_space(self, codes: int) -> gym.spaces.Dict:
        mask = gym.spaces.Box(0, 1, (codes,), np.int8)
        return gym.spaces.Dict({"observation": self.session.observation.space(), "action_mask": mask})

    def observation_space(self, agent: str) -> gym.spaces.Dict:
        """What `agent` sees: "observation", as `ComposeEnv` shows it, and "action_mask", int8 (codes,)."""
        return self.observation_spaces[self._known(agent)]

    def action_space(self, agent: str) -> gym.Space[Any]:
        """`Discrete`: the codes of `StepChoice`, the same for all agents."""
        return self.action_spaces[self._known(agent)]

    def _known(self, agent: str) -> str:
        if agent not in self._voice:
            raise ValueError(f"agent {agent!r}: expected one of {', '.join(self.possible_agents)}")
        return agent

    def _begin(self, seed: int | None, options: dict[str, Any] | None) -> None:
        """Begin a piece, as `ComposeEnv.reset` does with the same seed and options."""
        if isinstance(options, dict) and (others := [name for name in options if name not in OPTIONS]):
            # PettingZoo's api_test hands in an option that no environment knows.
            gym.logger.warn(f"reset option {others[0]!r} is ignored: expected {', '.join(OPTIONS)}")
            options = {name: value for name, value in options.items() if name in OPTIONS}
        if seed is None and not self._begun:
            seed = int(np.random.default_rng().integers(1 << 32))
        self.agents = []
        self.session.reset(_THE_PIECE, None if seed is None else seeds_of([seed]), options)
        open_voices = np.unique(self._pieces.order[0, : self._pieces.visits[0], 0])
        for voice in open_voices[np.isin(open_voices, self._voices, invert=True)]:
            raise ValueError(
                f"the piece has blanks in voice {voice}, which the task says is given, so that it has no agent: "
                f"fill them, or make the environment with a task whose given={self.session.task.given} leaves it out"
            )
        self._owed[:] = 0.0
        self._illegal, self._dead_ends = [0] * len(self._voices), [0] * len(self._voices)
        self.agents = self.possible_agents[:]
        self._begun = True
        if self.render_mode == "human":
            self.render()

    def _turn(self) -> list[int]:
        """Voices that have something to choose at the step of the cursor, from the cursor on."""
        pieces, task = self._pieces, self.session.task
        cursor, end = int(pieces.cursor[0]), int(pieces.visits[0])
        ahead = task.voices if task.order == "time" else 1
        slots = pieces.order[0, cursor : min(cursor + ahead, end)].tolist()
        turn: list[int] = []
        for voice, step in slots:
            if step != slots[0][1] or (turn and voice <= turn[-1]):
                break
            turn.append(voice)
        return turn

    def _look(self, voice: int, chooses: bool) -> tuple[Seen, bool]:
        """The piece as it stands, seen by `voice` from the step of the cursor, and whether hard rules left it nothing.

        Where it has nothing to choose there, its mask shows a hold alone, as a `ChordChoice`'s does for given voices.
        """
        pieces = self._pieces
        if pieces.done[0]:
            look = self.session.look()
            return {"observation": look.observations[0], "action_mask": look.masks[0]}, False
        with self._seat(voice):
            if chooses:
                look = self.session.look()
                return {"observation": look.observations[0], "action_mask": look.masks[0]}, bool(self.session.dead[0])
            mask = np.zeros(self.session.engine.mask_size, np.int8)
            mask[HOLD] = 1
            return {"observation": self.session.observe(_THE_PIECE)[0], "action_mask": mask}, False

    @contextmanager
    def _seat(self, voice: int) -> Iterator[None]:
        """For so long the engine, observation and masks take the next choice to be this voice's."""
        pieces, cursor = self._pieces, self._pieces.cursor[0]
        own = pieces.order[0, cursor, 0]
        pieces.order[0, cursor, 0] = voice
        try:
            yield
        finally:
            pieces.order[0, cursor, 0] = own

    def _write(self, action: int, dead: bool) -> tuple[float, int, bool]:
        """Write the next choice; returns what it pays, the place of its agent, and whether the piece has ended.

        `dead` says whether hard rules had left nothing to choose from.
        """
        pieces = self._pieces
        place = self._place[int(pieces.order[0, pieces.cursor[0], 0])]
        illegal = int(pieces.illegal[0])
        self.session.dead[0] = dead
        self._action[0, 0] = action
        terms, finished = self.session.step(self._action)
        self._illegal[place] += int(pieces.illegal[0]) - illegal
        self._dead_ends[place] += dead
        self._owed += self._shares[:, place, None] * terms[:, 0]
        paid = float(np.add.accumulate(terms[:, 0])[-1])  # in the order, and so with the rounding, of ComposeEnv's sum
        return paid, place, finished == 1

    def struck(self, agent: str) -> dict[str, int]:
        """Hard rules by name: how many of the agent's next choices each would strike; see `ComposeEnv.struck`.

        Raises:
            ValueError: there is no such agent.
            RuntimeError: before `reset`.
        """
        self._check_begun("struck()")
        voice = self._voice[self._known(agent)]
        if self._pieces.done[0] or (voice not in self._turn()):
            return {}
        with self._seat(voice):
            return self.session.struck()

    def _infos(self, dead: list[bool]) -> dict[str, dict[str, Any]]:
        terms, rows = self.session.bound.terms, self._owed.tolist()
        return {
            agent: {
                "illegal": self._illegal[place],
                "dead_end": dead[place],
                "dead_ends": self._dead_ends[place],
                "reward_terms": dict(zip(terms, rows[place], strict=True)),
            }
            for place, agent in enumerate(self.possible_agents)
        }

    def _checked(self, agent: str, action: Any) -> int:
        """The action as a number. Raises TypeError or ValueError, naming the agent, for one that is none of its codes."""
        if type(action) not in (int, np.int64):
            array = np.asarray(action)
            if array.dtype.kind not in "iu" or array.size != 1:
                raise TypeError(f"action {action!r} of {agent}: expected a whole number")
            action = int(array.reshape(())[()])
        codes = self.session.engine.mask_size
        if not 0 <= action < codes:
            raise ValueError(f"action {action} of {agent}: expected 0..{codes - 1}")
        return int(action)

    def _check_begun(self, what: str) -> None:
        if not self._begun:
            raise RuntimeError(f"{what} before the first reset(): call reset() first")

    @property
    def score(self) -> Score:
        """The piece as it stands. Raises RuntimeError before the first `reset`."""
        self._check_begun("score")
        return self.session.engine.score(0)

    def state(self) -> np.ndarray:
        """The piece as `ComposeEnv` would show it to the one composer of all voices, uint8: for centralised critics."""
        self._check_begun("state()")
        state: np.ndarray = self.session.look().observations[0]
        return state

    def render(self) -> Any:
        """The piece as `render_mode` says, as `ComposeEnv.render` gives it. Raises RuntimeError before the first `reset`."""
        from musicgym.render.frame import show

        if self.render_mode is not None:
            self._check_begun("render()")
        return show(self.session.engine, self.render_mode)

    def close(self) -> None:
        """Nothing to close."""


def name_of(voice: int, voices: int) -> str:
    """Name of the agent that composes a voice, counted from the highest.

    >>> name_of(1, 4), name_of(1, 2)
    ('alto', 'voice_1')
    """
    return FOUR_VOICES[voice] if voices == len(FOUR_VOICES) else f"voice_{voice}"


def share_of(rewards: Rewards) -> float:
    """The share of what other voices' choices pay that an agent gets, besides all that its own pay.

    >>> share_of("shared"), share_of("own"), share_of(("mixed", 0.25))
    (1.0, 0.0, 0.25)
    """
    if isinstance(rewards, str) and rewards in ("shared", "own"):
        return 1.0 if rewards == "shared" else 0.0
    if isinstance(rewards, (tuple, list)) and len(rewards) == 2 and rewards[0] == "mixed":
        share = rewards[1]
        if isinstance(share, (int, float)) and not isinstance(share, bool) and 0 <= share <= 1:
            return float(share)
    raise ValueError(f"rewards={rewards!r}: expected 'shared', 'own' or ('mixed', share) with a share within 0..1")


def _step_by_step(task: Task) -> Task:
    """The task with one choice a voice and step; chords are taken apart into the choices of their voices."""
    if isinstance(task.choice, ChordChoice):
        ranges = task.choice.ranges
        low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        order = "time" if task.order == "voice" else task.order  # a chord has all voices of its step in either
        return task.changed(choice=StepChoice(low, high, ranges), order=order)
    if not isinstance(task.choice, StepChoice):
        raise ValueError(
            f"Task(choice={type(task.choice).__name__}(...)): the voices of an ensemble choose step by step: "
            "expected a StepChoice or a ChordChoice"
        )
    return task
