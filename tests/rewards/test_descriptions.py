"""What is said of a reward's terms."""

from __future__ import annotations

import pytest

from musicgym import Score, rewards
from musicgym.rewards.descriptions import term_lines

SAMPLE = Score.from_notes([[(0, 4, 60, 80), (4, 4, 67, 80)]])


def test_a_rules_line_is_the_first_of_its_docstring_with_weight_and_parameters() -> None:
    (line,) = term_lines(rewards.parse("-2*fixed_repeat(most=3)"), SAMPLE).values()
    assert line.startswith("-3 for a note like the `most` notes before it;")
    assert line.endswith("Weight -2. (most 3)")
    assert "\n" not in line


def test_every_reward_says_something_of_every_term_in_the_order_of_score() -> None:
    key = rewards.parse("fixed_key")
    for reward in (
        rewards.AtEnd(key) + 0.5 * rewards.parse("fixed_leap"),
        key.clip(-1, 1) - rewards.Potential(key, 0.9),
        key.scheduled(float) + key.scheduled(float),
    ):
        lines = term_lines(reward, SAMPLE)
        assert list(lines) == list(reward.score([SAMPLE]))
        assert all(lines.values())


def test_weights_of_a_sum_multiply() -> None:
    key = rewards.parse("fixed_key")
    lines = term_lines(3 * (0.5 * (rewards.AtEnd(key) + key.scheduled(float))), SAMPLE)
    assert len(lines) == 2
    assert all("Weight 1.5." in line for line in lines.values())


@pytest.mark.parametrize("name", ["rl_tuner", "rl_tuner(form='fixed')"])
def test_each_rule_of_a_set_has_its_own_line(name: str) -> None:
    lines = term_lines(rewards.parse(name), SAMPLE)
    assert len(set(lines.values())) == len(lines)
