"""What a rule must keep to: compiled as uncompiled, nothing outside the piece, nothing to come, no wider than declared."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from musicgym.engine import finished_pieces
from musicgym.pieces import Excerpts
from musicgym.score import BLANK, REST, Score
from musicgym.testing.music import random_score
from musicgym.testing.uncompiled import is_exact, judge_plainly

if TYPE_CHECKING:
    from musicgym.rewards import Reward, Rules
    from musicgym.rewards.rules import Rule

_STEPS = 12
_LOG_TOLERANCE = 1e-6  # where exp or log occur
_EDITS = 60


def rules_in(reward: Reward) -> list[Rules]:
    """All sets of rules that a reward is made of."""
    from musicgym.rewards import Rules

    if isinstance(reward, Rules):
        return [reward]
    inner = [part for part, _ in getattr(reward, "parts", ())] + [getattr(reward, "inner", None)]
    return [found for part in inner if part is not None for found in rules_in(part)]


def check_rules(rules: Rules, voices: int, draws: np.random.Generator) -> None:
    """All checks of a set of rules on music for so many voices. Raises AssertionError naming the rule."""
    scores = [random_score(draws, voices, _STEPS - k, blanks=0.25 * (k % 2)) for k in range(4)]
    pieces = finished_pieces(Excerpts.from_scores(scores))
    plain = [[judge_plainly(rule, values, pieces, i) for _, rule, values, _ in rules.entries] for i in range(len(scores))]
    _, marks = rules.score(scores, marks=True)
    for i in range(len(scores)):
        for k, (_, rule, _, weight) in enumerate(rules.entries):
            _check_compiled(rule, (weight * plain[i][k]).astype(np.float32), marks[i, k])
    for _, rule, values, _ in rules.entries:
        for _ in range(_EDITS):
            _check_reach(rule, values, scores[int(draws.integers(len(scores)))], draws)


def _check_compiled(rule: Rule, plain: np.ndarray, compiled: np.ndarray) -> None:
    tolerance = 0.0 if is_exact(rule.function) else _LOG_TOLERANCE
    apart = np.abs(compiled - plain) > tolerance * np.maximum(1.0, np.abs(plain))
    apart |= np.isnan(compiled) != np.isnan(plain)
    if apart.any():
        voice, step = (int(k) for k in np.argwhere(apart)[0])
        here, there = compiled[voice, step], plain[voice, step]
        raise AssertionError(
            f"rule {rule.name}: compiled and uncompiled differ, {here!r} against {there!r} at voice {voice}, step {step}; "
            "compiled code computes in int64 where NumPy keeps small types, which wrap"
        )


def _check_reach(rule: Rule, values: tuple[float, ...], score: Score, draws: np.random.Generator) -> None:
    """Change one slot, and see which sites the rule judges otherwise."""
    voice, step = int(draws.integers(score.voices)), int(draws.integers(score.steps))
    changed, last = _edited(score, voice, step, draws)
    pieces = finished_pieces(Excerpts.from_scores([score, changed]))
    before, after = (judge_plainly(rule, values, pieces, i) for i in range(2))
    stood = score.pitch != BLANK
    stood[voice, step] = False  # the slot itself is judged anew whatever the rule declares
    differs = (before != after) & ~(np.isnan(before) & np.isnan(after))
    for v, s in np.argwhere(differs[:, : score.steps] & stood):
        where = f"rule {rule.name}: a change at voice {voice}, step {step} changes what it says of voice {v}, step {s}"
        ahead = s < step or (s == step and v < voice)
        if ahead:
            raise AssertionError(f"{where}: a rule may look only at earlier steps, and at lower-numbered voices of its own step")
        if s > last + rule.span:
            raise AssertionError(
                f"{where}: span={rule.span} is too narrow: declare span={s - last} or more, or None for any distance"
            )
        hidden = ("own" if v != voice else "") if rule.sees == 0 else ("lower" if rule.sees == 1 and v < voice else "")
        wider = "lower" if v > voice and hidden == "own" else "all"
        if hidden:
            raise AssertionError(f"{where}: sees={hidden!r} is too narrow: declare sees={wider!r}")


def _edited(score: Score, voice: int, step: int, draws: np.random.Generator) -> tuple[Score, int]:
    """The score with another event at one slot, holds after it going on with it, and the last step that this changed."""
    pitch, onset = score.pitch.copy(), score.onset.copy()
    can_hold = step > 0 and pitch[voice, step - 1] != BLANK
    kind = draws.random()
    if can_hold and kind < 0.25:
        pitch[voice, step], onset[voice, step] = pitch[voice, step - 1], False
    elif kind < 0.5:
        pitch[voice, step], onset[voice, step] = REST, True
    else:
        pitch[voice, step], onset[voice, step] = draws.integers(50, 71), True
    last = step
    while last + 1 < score.steps and pitch[voice, last + 1] != BLANK and not onset[voice, last + 1]:
        last += 1
        pitch[voice, last] = pitch[voice, step]
    return dataclasses.replace(score, pitch=pitch, onset=onset, velocity=np.where(pitch >= 0, 80, 0)), last
