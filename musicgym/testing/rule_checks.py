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

ALL = 2  # `rule.sees`: 0 its own voice only, 1 also voices with lower numbers
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
    for edit in range(_EDITS):
        i = edit % len(scores)
        for k, (_, rule, values, _) in enumerate(rules.entries):
            _check_reach(rule, values, scores[i], plain[i][k], draws)


def _check_compiled(rule: Rule, plain: np.ndarray, compiled: np.ndarray) -> None:
    tolerance = 0.0 if is_exact(rule.function) else _LOG_TOLERANCE
    apart = np.abs(compiled - plain) > tolerance * np.maximum(1.0, np.abs(plain))
    apart |= np.isnan(compiled) != np.isnan(plain)
    if apart.any():
        voice, step = (int(k) for k in np.argwhere(apart)[0])
        here, there = compiled[voice, step], plain[voice, step]
        if rule.at != "any" and here == 0.0:
            raise AssertionError(
                f"rule {rule.name}: at={rule.at!r} is too narrow: it says {there:g} of voice {voice}, step {step}, "
                "where it isn't asked"
            )
        raise AssertionError(
            f"rule {rule.name}: compiled and uncompiled differ, {here!r} against {there!r} at voice {voice}, step {step}; "
            "compiled code computes in int64 where NumPy keeps small types, which wrap"
        )


def _check_reach(rule: Rule, values: tuple[float, ...], score: Score, before: np.ndarray, draws: np.random.Generator) -> None:
    """Change one slot, and see whether the rule judges any site otherwise that should not be able to see it."""
    voice, step = int(draws.integers(score.voices)), int(draws.integers(score.steps))
    changed, last = _edited(score, voice, step, draws)
    voices, steps = np.arange(score.voices)[:, None], np.arange(score.steps)
    ahead = (steps < step) | ((steps == step) & (voices < voice))  # bool (voices, steps): sites that the slot comes after
    too_far = (steps > last + rule.span) & ~ahead
    hidden = ((voices < voice) if rule.sees else (voices != voice)) & (rule.sees < ALL) & ~ahead
    stood = (score.pitch != BLANK) & (changed.pitch != BLANK)
    after = judge_plainly(rule, values, finished_pieces(Excerpts.from_scores([changed])), 0, ahead | too_far | hidden)
    before = before[:, : score.steps]
    differs = (before != after) & ~(np.isnan(before) & np.isnan(after)) & stood
    for v, s in np.argwhere(differs & (ahead | too_far | hidden)).tolist():
        where = f"rule {rule.name}: a change at voice {voice}, step {step} changes what it says of voice {v}, step {s}"
        if ahead[v, s]:
            raise AssertionError(f"{where}: a rule may look only at earlier steps, and at lower-numbered voices of its own step")
        if too_far[v, s]:
            wider = f"declare span={s - last} or more, or None for any distance"
            raise AssertionError(f"{where}: span={rule.span} is too narrow: {wider}")
        declared, wider = ("lower", "all") if rule.sees else ("own", "lower" if v > voice else "all")
        raise AssertionError(f"{where}: sees={declared!r} is too narrow: declare sees={wider!r}")


def _edited(score: Score, voice: int, step: int, draws: np.random.Generator) -> tuple[Score, int]:
    """The score with another event at one slot, holds after it going on with it, and the last step that this changed."""
    pitch, onset, velocity = score.pitch.copy(), score.onset.copy(), score.velocity.copy()
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
    loud = velocity[voice, step - 1] if not onset[voice, step] else draws.integers(1, 128)
    pitch[voice, step : last + 1] = pitch[voice, step]
    velocity[voice, step : last + 1] = loud if pitch[voice, step] >= 0 else 0
    return dataclasses.replace(score, pitch=pitch, onset=onset, velocity=velocity), last
