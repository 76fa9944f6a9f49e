"""What each term of a reward is about, in one line: for reports and lists."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from musicgym.rewards.paid import Scheduled
from musicgym.rewards.reward import Reward, Rules, Sum

if TYPE_CHECKING:
    from musicgym.score import Score


def term_lines(reward: Reward, sample: Score) -> dict[str, str]:
    """Each term of a reward, in the order of `reward.score`, with one line about it.

    Of a rule that is the first line of its docstring, with its weight and its parameters where there are any; of a reward
    that is no set of rules the first line of its class's.

    Args:
        reward: any.
        sample: a piece that the reward can judge: it tells what terms it has.

    >>> from musicgym.rewards import parse
    >>> from musicgym import Score
    >>> term_lines(parse("0.5*fixed_leap"), Score.from_notes([[(0, 4, 60, 80)]]))
    {'fixed_leap': '... Weight 0.5...'}
    """
    return dict(zip(reward.score([sample]), _lines(reward, 1.0, sample), strict=True))


def _lines(reward: Reward, weight: float, sample: Score) -> list[str]:
    if isinstance(reward, Rules):
        return [
            _line(rule, weight * own, dict(zip(rule.parameters, values, strict=True))) for _, rule, values, own in reward.entries
        ]
    if isinstance(reward, Sum):
        return [line for part, own in reward.parts for line in _lines(part, weight * own, sample)]
    if isinstance(reward, Scheduled):
        return [f"{line} By a schedule." for line in _lines(reward.inner, weight, sample)]
    return [_line(type(reward), weight, {})] * len(reward.score([sample]))


def _line(documented: object, weight: float, parameters: dict[str, float]) -> str:
    first = (inspect.getdoc(documented) or "").partition("\n")[0]
    set_to = ", ".join(f"{name} {value:g}" for name, value in parameters.items())
    weighed = f"Weight {weight:g}." if weight != 1.0 else ""
    return " ".join(part for part in (first, weighed, f"({set_to})" if set_to else "") if part)
