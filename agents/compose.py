"""A trained agent composes: pieces of its own, or the end of a beginning that a user gives it, in any key of its mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from musicgym import rewards
from musicgym.agents.beginnings import Beginning, begin_with, learned_key, nearest_shift
from musicgym.agents.parts import parts_of
from musicgym.agents.players import play
from musicgym.agents.runs import CHECKPOINT, Run
from musicgym.agents.settings import Settings, reward_of, task_of
from musicgym.agents.training import load_agent, player
from musicgym.agents.wish import Wish
from musicgym.given import on_pages
from musicgym.pieces import Excerpts
from musicgym.score import Score, TempoChange, bar_steps, parse_key
from musicgym.task import Task
from musicgym.vector_env import ComposeVectorEnv


class Composed(NamedTuple):
    """What was composed."""

    scores: list[Score]
    totals: list[dict[str, float]]  # of each piece by term, judged in the agent's own key, the given bars included
    reward: rewards.Reward
    distinct: int  # how many pieces differ from each other
    notes: list[str]  # what was done on the way, in words


def agent_folder(run: Run, seeds: Sequence[int], agent: str | None) -> Path:
    """The folder of one agent of a run: the only one, the first of several, or `agent`, such as "seed-3".

    Raises:
        ValueError: there is no such agent, or it has learned nothing yet.
    """
    there = [f"seed-{seed}" for seed in seeds]
    if agent is not None and agent not in there:
        raise ValueError(f"--agent {agent!r}: {str(run.folder)!r} has {', '.join(there)}")
    folder = run.folder if len(seeds) == 1 else run.folder / (agent or there[0])
    if not (folder / CHECKPOINT).exists():
        raise ValueError(
            f"the agent in {str(folder)!r} has learned nothing yet: there is no {CHECKPOINT}; musicgym train --resume goes on"
        )
    return folder


def compose(folder: Path, settings: Settings, wish: Wish) -> Composed:
    """Let an agent compose. The same wish gives the same pieces.

    Args:
        folder: the agent's, with its checkpoint.npz; reading it runs no code.
        settings: the run's.
        wish: what is to be composed.

    Raises:
        ValueError: a damaged checkpoint; a length, key, mode, metre or beginning that the agent doesn't take, with what it does.
    """
    asked = _with_length(settings, wish.bars)
    task, reward = task_of(asked), reward_of(asked)
    beginning, page = None, None
    if wish.given is not None and task.given:
        if wish.keep is not None:
            raise ValueError(f"--keep {wish.keep}: this agent writes voices to the whole of {wish.given!r}; leave it out")
        beginning = parts_of(wish.given, task, key=wish.given_key)
        page = on_pages([beginning.prefix], task)
        _check_length(task, page, asked)
    elif wish.given is not None:
        beginning = begin_with(wish.given, task, keep=wish.keep, key=wish.given_key)
    options, current = _start(task, wish, beginning)
    model = load_agent(folder, replace(asked, n_envs=1))
    if wish.temperature:
        _divide_logits(model.policy.action_net, wish.temperature)
    torch.manual_seed(wish.seed)
    played = play(
        task,
        wish.pieces,
        player(model, asked, greedy=not wish.temperature),
        reward=reward,
        observation=asked.observation,
        window=asked.window,
        seed=wish.seed,
        options=options,
        given=page,
        keep=wish.pieces,
    )
    totals = reward.score(played.music)
    rows = [{term: float(values[i]) for term, values in totals.items()} for i in range(wish.pieces)]
    made = [_finished(score, wish, beginning) for score in played.scores]
    notes = [] if beginning is None else list(beginning.notes)
    if current is not None and wish.key is not None and (shift := nearest_shift(parse_key(current)[0], parse_key(wish.key)[0])):
        notes.append(f"transposed by {shift:+} semitones from {current} to {wish.key}")
    return Composed(made, rows, reward, played.distinct, notes)


def _with_length(settings: Settings, bars: int | None) -> Settings:
    """The settings for pieces of so many bars. Raises ValueError if the agent would see something of another shape."""
    if bars is None:
        return settings
    task = task_of(settings)
    if task.source or task.meter is None or task.length is None:
        raise ValueError(f"--bars {bars}: the length of this agent's pieces is that of the corpus they start from")
    bar = bar_steps(task.meter, task.steps_per_quarter)
    longer = replace(settings, options={**settings.options, "length": bars * bar})
    shapes = []
    try:
        task_of(longer)
    except ValueError as error:
        raise ValueError(f"--bars {bars}: {error}") from error
    for asked in (settings, longer):
        env = ComposeVectorEnv(task_of(asked), 1, reward=reward_of(asked), observation=asked.observation, window=asked.window)
        shapes.append(env.single_observation_space.shape)
        env.close()
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"--bars {bars}: this agent was trained on {task.length / bar:g} bars, and what it sees of {bars} has another shape "
            f"({shapes[1]}, not {shapes[0]}); train one with --option length={bars * bar}"
        )
    return longer


def _start(task: Task, wish: Wish, beginning: Beginning | None) -> tuple[dict[str, Any], str | None]:
    """What pieces start from, and the key that they are in before `wish.key` moves them, if it is the same for all."""
    if beginning is not None:
        if wish.key is not None and parse_key(wish.key)[1] != parse_key(beginning.key)[1]:
            raise ValueError(
                f"--key {wish.key}: {wish.given!r} is in {beginning.key}: it can be transposed, not put into another mode"
            )
        start = {} if task.given else {"prefix": beginning.prefix, "key": beginning.learned}
        return start, beginning.key
    if wish.key is None:
        return {}, None
    if task.source:
        raise ValueError(f"--key {wish.key}: this agent's pieces have the keys of the corpus that they start from")
    learned = learned_key(task.keys, wish.key, "--key")
    return {"key": learned}, learned


def _check_length(task: Task, page: Excerpts, settings: Settings) -> None:
    """Raises ValueError for a part of another length than an agent takes that sees whole pieces as pictures."""
    steps, usual = page.pitch.shape[2], task.material().pitch.shape[2]
    if settings.observation == "pianoroll" and steps != usual:
        raise ValueError(
            f"the given part has {steps} steps, but this agent sees rolls of {usual}: give it as many, or train one with "
            "--observation tokens"
        )


def _divide_logits(layer: torch.nn.Module, temperature: float) -> None:
    """Divide all logits by the temperature, which is dividing the last layer's weights."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.div_(temperature)


def _finished(score: Score, wish: Wish, beginning: Beginning | None) -> Score:
    """A page as the user gets it: the given bars where they were, in the key and tempo asked for."""
    if beginning is not None:
        score = score.excerpt(beginning.lead, score.steps) if beginning.lead else score
        score = score.transpose(-beginning.semitones)
        score = replace(score, tempos=(TempoChange(0, beginning.tempo),))
    if wish.key is not None:
        score = score.transpose(nearest_shift(score.keys[0].tonic, parse_key(wish.key)[0]))
    if wish.tempo is not None:
        score = replace(score, tempos=(TempoChange(0, float(wish.tempo)),))
    return score
