"""`AECEnsemble`: voices choose one after the other, as PettingZoo's AEC API."""

from __future__ import annotations

from typing import Any

from pettingzoo import AECEnv

from musicgym.ensemble.voices import Seen, Voices, name_of


class AECEnsemble(Voices, AECEnv):  # type: ignore[misc]  # PettingZoo comes without types
    """Composed voices as agents that choose in the task's order, each seeing all that was written before.

    In the order "time" that is voice after voice of a step, from the highest, then the next step; other orders work too.
    The agent whose choice is next (`agent_selection`) sees, chooses and is masked just as `ComposeEnv`'s one composer is.
    The others see the piece from their own place at the same step; the masks of those with nothing left to choose there
    show a hold alone.

    What is paid and what infos say counts from an agent's last choice to its next, as `last()` has it. After the end of the piece
    each agent takes one more step, with None, as PettingZoo has it. Arguments, agents and infos are those of `Voices`.

    Example:
        >>> from musicgym import StepChoice, Task
        >>> env = AECEnsemble(Task(StepChoice(48, 72), voices=2, length=8), rewards="own", reward="fixed_key")
        >>> env.reset(seed=1)
        >>> for agent in env.agent_iter():
        ...     seen, reward, terminated, truncated, info = env.last()
        ...     env.step(None if terminated else env.action_space(agent).sample(seen["action_mask"]))
        >>> env.score.pitch.shape, env.terminations
        ((2, 8), {})
    """

    metadata: dict[str, Any] = {**Voices.metadata, "name": "musicgym_aec_v0", "is_parallelizable": True}
    agent_selection: str
    rewards: dict[str, float]
    terminations: dict[str, bool]
    truncations: dict[str, bool]
    infos: dict[str, dict[str, Any]]
    _dead: bool  # hard rules leave the agent that chooses next nothing

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Begin a piece, as `ComposeEnv.reset` with the same arguments does.

        Raises:
            ValueError: an option that doesn't fit, or a piece with blanks in a voice that has no agent.
        """
        self._begin(seed, options)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {agent: {} for agent in self.agents}
        self._skip_agent_selection = None
        self._select()

    def step(self, action: int | None) -> None:
        """Write the choice of `agent_selection`; None once the piece has ended.

        Raises:
            TypeError, ValueError: an action of another type or range.
            RuntimeError: before `reset`, or when all agents are gone.
        """
        self._check_begun("step()")
        if not self.agents:
            raise RuntimeError("step() after the piece has ended: call reset() first")
        agent = self.agent_selection
        if self.terminations[agent]:
            self._was_dead_step(action)
            return
        code = self._checked(agent, action)
        self._cumulative_rewards[agent] = 0.0
        self._owed[self._place[self._voice[agent]]] = 0.0
        paid, place, finished = self._write(code, self._dead)
        for payee, share in zip(self.agents, self._shares[:, place].tolist(), strict=True):
            self.rewards[payee] = share * paid
        self._accumulate_rewards()
        if finished:
            self.terminations = dict.fromkeys(self.agents, True)
            self.agent_selection, self._dead = self.agents[0], False
        else:
            self._select()
        chooses = self.agent_selection
        self.infos = self._infos([self._dead and other == chooses for other in self.agents])
        if self.render_mode == "human":
            self.render()

    def last(self, observe: bool = True) -> tuple[Seen | None, float, bool, bool, dict[str, Any]]:
        """What `agent_selection` sees, was paid since it last chose, whether the piece has ended, and its info.

        Raises RuntimeError before `reset`.
        """
        self._check_begun("last()")
        found: tuple[Seen | None, float, bool, bool, dict[str, Any]] = super().last(observe)
        return found

    def agent_iter(self, max_iter: int = 2**63) -> Any:
        """The agents in the order in which they choose, up to the end of the piece. Raises RuntimeError before `reset`."""
        self._check_begun("agent_iter()")
        return super().agent_iter(max_iter)

    def _select(self) -> None:
        """Turn to the agent whose choice is next."""
        pieces, task = self._pieces, self.session.task
        voice = int(pieces.order[0, pieces.cursor[0], 0])
        self.agent_selection = name_of(voice, task.voices)
        self._dead = bool(task.forbid) and self._look(voice, True)[1]

    def observe(self, agent: str) -> Seen:
        """What `agent` sees now: "observation" and "action_mask", fresh arrays.

        Raises:
            ValueError: there is no such agent.
            RuntimeError: before `reset`.
        """
        self._check_begun("observe()")
        voice = self._voice[self._known(agent)]
        chooses = agent == self.agent_selection or voice in self._turn()
        return self._look(voice, chooses)[0]
