"""`ParallelEnsemble`: all voices of a step choose at once, as PettingZoo's parallel API."""

from __future__ import annotations

from typing import Any

from pettingzoo import ParallelEnv

from musicgym.ensemble.voices import Seen, Voices


class ParallelEnsemble(Voices, ParallelEnv):  # type: ignore[misc]  # PettingZoo comes without types
    """Composed voices as agents that choose their slots of a step at once, none seeing what the others choose there.

    What they choose is written from the highest voice to the lowest, so the piece and its whole reward are those of `ComposeEnv`
    for the same choices in this order. Each sees the piece from its own place at the step that comes next. One that has no blank
    there (it is given, or was filled by hand) sees a mask of a hold alone, and what it chooses is ignored. Hard rules
    (`Task.forbid`) and masks know nothing of the step's other choices. The task must go in order of time. Arguments, agents and
    infos are those of `Voices`.

    Example:
        >>> from musicgym import StepChoice, Task
        >>> env = ParallelEnsemble(Task(StepChoice(48, 72), voices=2, length=8), rewards="own", reward="fixed_key")
        >>> seen, infos = env.reset(seed=1)
        >>> env.agents, seen["voice_1"]["action_mask"].shape
        (['voice_0', 'voice_1'], (27,))
        >>> seen, rewards, terminations, truncations, infos = env.step({"voice_0": 14, "voice_1": 2})
        >>> env.score.pitch[:, 0]
        array([60, 48], dtype=int8)
    """

    metadata: dict[str, Any] = {**Voices.metadata, "name": "musicgym_parallel_v0", "is_parallelizable": True}
    _at_once = True

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Seen], dict[str, dict[str, Any]]]:
        """Begin a piece, as `ComposeEnv.reset` with the same arguments does.

        Raises:
            ValueError: an option that doesn't fit, or a piece with blanks in a voice that has no agent.
        """
        self._begin(seed, options)
        self._dead = [False] * len(self.agents)
        return self._look_around(), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, int]
    ) -> tuple[dict[str, Seen], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Write the choices of all agents for one step; nothing is written if one of them can't be.

        Raises:
            TypeError, ValueError: an action of another type or range, one that is missing, or one of no agent.
            RuntimeError: before `reset`, or after the end of the piece.
        """
        self._check_begun("step()")
        if not self.agents:
            raise RuntimeError("step() after the piece has ended: call reset() first")
        agents = self.agents
        if not isinstance(actions, dict):
            raise ValueError(f"actions {actions!r}: expected a dict with one for each of {', '.join(agents)}")
        if actions.keys() != self._voice.keys():
            missing = [agent for agent in agents if agent not in actions]
            wrong = f"lack {missing[0]!r}" if missing else f"hold {next(a for a in actions if a not in self._voice)!r}"
            raise ValueError(f"actions {wrong}: expected one for each of {', '.join(agents)}")
        chosen = [self._checked(agent, actions[agent]) for agent in agents]
        self._owed[:] = 0.0
        rewards = [0.0] * len(agents)
        finished = False
        for voice in self._turn():
            place = self._place[voice]
            paid, _, finished = self._write(chosen[place], self._dead[place])
            for payee, share in enumerate(self._shares[:, place].tolist()):
                rewards[payee] += share * paid
        seen = self._look_around()
        infos = self._infos(self._dead)
        if self.render_mode == "human":
            self.render()
        if finished:
            self.agents = []
        ends, never = dict.fromkeys(agents, finished), dict.fromkeys(agents, False)
        return seen, dict(zip(agents, rewards, strict=True)), ends, never, infos

    def _look_around(self) -> dict[str, Seen]:
        """What each agent sees, and in `_dead` whether hard rules left it nothing."""
        turn = self._turn()
        seen = {}
        for agent, voice in self._voice.items():
            seen[agent], self._dead[self._place[voice]] = self._look(voice, voice in turn)
        return seen
