"""`check_reward`: does a reward pay what it says, whatever the order, the company and the process?"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from musicgym.engine import as_material
from musicgym.grids import taken_in
from musicgym.pieces import Excerpts
from musicgym.score import BLANK, Score
from musicgym.task import Task
from musicgym.testing.episodes import Company, Episode, close, play_alone
from musicgym.testing.music import TASKS, needs_music, random_music
from musicgym.testing.rule_checks import check_rules, rules_in

if TYPE_CHECKING:
    from musicgym.rewards import Reward

_LAW_TOLERANCE = 1e-5  # of the sum of absolute pays: each is rounded to float32


def check_reward(
    reward: Reward | str,
    task: Task | str | None = None,
    *,
    given: Sequence[Score] | Excerpts | None = None,
    pieces: int = 3,
    seed: int = 0,
    additive: bool = True,
    fresh_process: bool = False,
) -> None:
    """Check a reward by playing with it. For tests: raises AssertionError, and the message names the fault.

    What is checked, on random choices, now and then illegal ones:

    - *the law of the sum*: an episode's terms sum to `reward.score(finished)` less that of what was given at the start,
      in every order of filling, with edits too; a slot's pay in time order is its mark;
    - a float32 array (terms, N) of finite numbers, fresh from every call, 0 where nothing was written; pieces only read;
    - the same choices pay the same: again, in a batch, after other pieces have begun anew, after `reset(pieces, mask)`,
      from a saved `state()`, after `take(rows)`, in a pickled copy;
    - rules: compiled as uncompiled bit for bit (1e-6 with exp or log), carried as stateless, nothing read outside the
      piece or ahead in time, and no declared `span` or `sees` too narrow;
    - the fingerprint is the same in a copy and, with `fresh_process`, in a new process.

    Args:
        reward: a `Reward` or an expression such as "fixed_repeat(most=3) - rl_tuner.motif".
        task: a `Task` or a registered id; None for small tasks of every kind of choice, order, given part and edit.
        given: what pieces start from; None for the task's own source, or random music where the task needs some and has none.
        pieces: how many are played side by side, 2 or more.
        seed: 0 or more; another one plays other music.
        additive: False for rewards that are no sums over sites: `clip`, `scheduled`, `Potential`, `Normalised`.
        fresh_process: also take the fingerprint in a new process; the reward must then be picklable by import.

    Raises:
        AssertionError: naming the fault, and the term or rule.
        ValueError: fewer than two pieces, or a reward or task that isn't known.

    Example:
        >>> check_reward("fixed_key")
    """
    if pieces < 2:
        raise ValueError(f"check_reward(pieces={pieces}): expected 2 or more, to tell them apart")
    if isinstance(reward, str):
        from musicgym.rewards import parse

        reward = parse(reward)
    tasks = _tasks(task)
    draws = np.random.default_rng(seed)
    copied = _check_copies(reward, fresh_process)
    for voices in sorted({one.voices for one in tasks.values()}):
        for rules in rules_in(reward):
            check_rules(rules, voices, draws)
    for label, one in tasks.items():
        material = as_material(given) if given is not None else random_music(draws, one, 5) if needs_music(one) else None
        try:
            _check_task(reward, copied, one, material, pieces, seed, additive)
        except AssertionError as error:
            raise AssertionError(f"reward {reward.name}, {label}: {error}") from error


def _tasks(task: Task | str | None) -> dict[str, Task]:
    if task is None:
        return TASKS
    if isinstance(task, str):
        from musicgym.registration import registered

        return {task: registered(task).make()}
    return {"the task": task}


def _check_copies(reward: Reward, fresh_process: bool) -> Reward:
    """A pickled copy. Raises AssertionError where there can be none, or where fingerprints differ."""
    try:
        copied: Reward = pickle.loads(pickle.dumps(reward))  # noqa: S301  # made here
    except Exception as error:  # users' classes may raise anything; it is named
        raise AssertionError(
            f"reward {reward.name} does not pickle: {error}; its functions and classes must stand in a module, by their names"
        ) from error
    first = reward.fingerprint
    for what, second in (("asked a second time", reward.fingerprint), ("in a pickled copy", copied.fingerprint)):
        if first != second:
            raise AssertionError(f"reward {reward.name}: its fingerprint changes, {first} against {second} {what}")
    if fresh_process:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            theirs = pool.submit(_fingerprint, reward).result()
        if theirs != reward.fingerprint:
            raise AssertionError(
                f"reward {reward.name}: its fingerprint is {reward.fingerprint} here and {theirs} in a new process"
            )
    return copied


def _fingerprint(reward: Reward) -> str:
    return reward.fingerprint


def _check_task(
    reward: Reward, copied: Reward, task: Task, material: Excerpts | None, pieces: int, seed: int, additive: bool
) -> None:
    episodes = [play_alone(reward, task, material, seed + i) for i in range(2 * pieces)]
    for text, other in (("is not deterministic", reward), ("pays otherwise in a pickled copy", copied)):
        for first in episodes[:2]:
            second = play_alone(other, task, material, first.seed)
            if not np.array_equal(first.terms, second.terms):
                raise AssertionError(
                    f"the reward {text}: the same choices are paid {first.terms.sum():.6g} and then {second.terms.sum():.6g}"
                )
    Company(reward, task, material, [[episode] for episode in episodes[:pieces]]).finish()
    rows = [[episodes[i], episodes[pieces + i]] for i in range(pieces)]
    company = Company(reward, task, material, rows)
    company.step(restart=frozenset({0}))
    company.finish()
    _check_scores(reward, task, episodes, additive)
    _check_saved(reward, task, material, rows)


def _check_scores(reward: Reward, task: Task, episodes: list[Episode], additive: bool) -> None:
    """The law of the sum, and marks: of the music on the task's own grid, which scores don't have where it is coarse."""
    from musicgym.rewards import Rules

    totals, marks = reward.score(taken_in([episode.finish for episode in episodes], task.steps_per_quarter), marks=True)
    at_start = reward.score(taken_in([episode.start for episode in episodes], task.steps_per_quarter))
    sites_only = isinstance(reward, Rules)  # others may pay for what was given, at the end
    for k, name in enumerate(totals):
        for i, episode in enumerate(episodes):
            steps = episode.finish.steps // task.spread
            if not close(marks[i, k].sum(dtype=np.float64), totals[name][i]):
                raise AssertionError(
                    f"term {name!r}: its marks sum to {marks[i, k].sum():.6g}, but the piece's score is {totals[name][i]:.6g}"
                )
            if not additive:
                continue
            if episode.append and sites_only:
                _check_marks(reward, name, episode, episode.terms[:, k], marks[i, k, :, :steps])
            paid = episode.terms[:, k].sum(dtype=np.float64)
            expected = totals[name][i] - at_start[name][i]
            size = max(1.0, float(np.abs(episode.terms[:, k]).sum()), abs(totals[name][i]), abs(at_start[name][i]))
            if not abs(paid - expected) <= _LAW_TOLERANCE * size:
                raise AssertionError(
                    f"the law of the sum is broken: term {name!r} paid {paid:.6g} in the episode, but the finished piece is "
                    f"worth {totals[name][i]:.6g} and what was given {at_start[name][i]:.6g}, so {expected:.6g} was due"
                )
            if episode.append and (episode.start.pitch == BLANK).all():
                _check_marks(reward, name, episode, episode.terms[:, k], marks[i, k, :, :steps])


def _check_marks(reward: Reward, name: str, episode: Episode, paid: np.ndarray, marks: np.ndarray) -> None:
    carried = {term for rules in rules_in(reward) for term, rule, _, _ in rules.entries if rule.carry}
    forms = "its carried form pays {:.6g}, its stateless form" if name in carried else "it pays {:.6g}, its mark is"
    for (voice, step), value in zip(episode.slots, paid, strict=True):
        if voice >= 0 and not close(value, marks[voice, step]):
            raise AssertionError(f"term {name!r} at voice {voice}, step {step}: {forms.format(value)} {marks[voice, step]:.6g}")


def _check_saved(reward: Reward, task: Task, material: Excerpts | None, rows: list[list[Episode]]) -> None:
    """Go on from a saved state, in the same reward, in a newly bound one, and with rows taken elsewhere."""
    company = Company(reward, task, material, rows)
    for _ in range(min(len(row[0].actions) for row in rows) // 2 + 1):
        company.step()
    pieces, state = company.engine.state(), company.bound.state()
    number, at = list(company.number), list(company.at)
    company.finish()
    taken = np.array([len(rows) - 1, 0, 0])
    for text in ("load_state(state())", "load_state() into a newly bound reward", "take(rows)"):
        company.engine.load_state(pieces)
        if text.startswith("load_state()"):
            company.bound = reward.bind(task, len(rows))
        company.bound.load_state(state)
        company.number, company.at = list(number), list(at)
        if text == "take(rows)":
            company.engine = company.engine.take(taken)
            company.bound.take(taken)
            company.rows = [rows[i] for i in taken]
            company.number, company.at = [number[i] for i in taken], [at[i] for i in taken]
        try:
            company.finish()
        except AssertionError as error:
            raise AssertionError(f"{text} does not bring back all that the reward remembers: {error}") from error
