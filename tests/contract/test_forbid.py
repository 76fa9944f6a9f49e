"""Hard rules: what they forbid is struck from the mask, a dead end opens it again and is counted."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicgym import ComposeEnv, ComposeVectorEnv, Score, StepChoice, Task
from musicgym.rewards import Rules, register, rule
from musicgym.testing import check_vector_env
from musicgym.testing.music import random_score


@rule(sees="own")
def upwards(piece, voice, step, *, most=2, on=1):
    """-1 for anything but a note that lies one to `most` semitones above the one before: a line that must end in a dead end."""
    before = piece.previous[voice, step]
    if on == 0:
        return 0.0
    if not piece.onset[voice, step] or piece.pitch[voice, step] < 0:
        return -1.0
    if before < 0:
        return 0.0
    return 0.0 if 0 < piece.pitch[voice, step] - piece.pitch[voice, before] <= most else -1.0


@rule(span=0, sees="lower")
def no_clash(piece, voice, step, *, on=1):
    """-1 for each lower-numbered voice a semitone away; of no account where either rests."""
    faults = 0.0
    for other in range(voice):
        both = piece.pitch[voice, step] >= 0 and piece.pitch[other, step] >= 0
        faults -= on == 1 and both and abs(piece.pitch[voice, step] - piece.pitch[other, step]) % 12 in (1, 11)
    return faults


HARD = Rules.of(upwards, no_clash, name="hard")  # one set, compiled once, of which one rule or the other is switched off
NO_CLASH = HARD.set("upwards", on=0)
register("rising", lambda most=2: HARD.set("no_clash", on=0).set("upwards", most=most))
register("no_clash_rule", NO_CLASH)
register("both_hard", HARD)


def test_what_a_rule_would_punish_is_struck_from_the_mask():
    env = ComposeEnv(Task(StepChoice(60, 64), length=4, forbid=("rising",)), reward="fixed_key", observation="tokens")
    _, info = env.reset(seed=1)
    assert info["action_mask"].tolist() == [0, 0, 1, 1, 1, 1, 1]  # any note; no rest, nothing to hold
    *_, info = env.step(3)  # 61
    assert info["action_mask"].tolist() == [0, 0, 0, 0, 1, 1, 0]  # 62 or 63
    assert not info["dead_end"]
    assert np.array_equal(env.action_masks(), info["action_mask"].astype(bool))


def test_a_dead_end_opens_the_mask_says_so_and_is_counted_when_it_is_passed():
    env = ComposeEnv(Task(StepChoice(60, 64), length=4, forbid=("rising",)), reward="fixed_key", observation="tokens")
    _, info = env.reset(seed=1)
    assert (info["dead_end"], info["dead_ends"]) == (False, 0)
    *_, info = env.step(6)  # 64, the highest there is
    assert info["action_mask"].tolist() == [1, 1, 1, 1, 1, 1, 1]
    assert (info["dead_end"], info["dead_ends"]) == (True, 0)
    *_, info = env.step(6)
    assert (info["dead_end"], info["dead_ends"]) == (True, 1)
    *_, info = env.step(2)
    assert (info["dead_end"], info["dead_ends"]) == (False, 2)
    *_, ended, _, info = env.step(3)
    assert ended
    assert (info["dead_end"], info["dead_ends"], info["illegal"]) == (False, 2, 0)


def test_at_a_dead_end_rules_are_named_with_how_many_choices_they_strike():
    task = Task(StepChoice(60, 64), voices=2, length=2, forbid=("both_hard",))
    env = ComposeEnv(task, reward="fixed_key", observation="tokens")
    with pytest.raises(RuntimeError, match="before the first reset"):
        env.struck()
    env.reset(seed=1)
    assert env.struck() == {"upwards": 1}  # the rest; there is nothing to hold
    env.step(6)  # 64
    assert env.struck() == {"upwards": 1, "no_clash": 1}  # the rest, and 63
    *_, info = env.step(4)  # 62
    assert info["dead_end"]
    assert env.struck() == {"upwards": 7}  # all of them
    before = [array.copy() for array in env.session.engine.pieces]
    env.struck()
    assert all(np.array_equal(a, b) for a, b in zip(before, env.session.engine.pieces, strict=True))
    batch = ComposeVectorEnv(task, 2, reward="fixed_key", observation="tokens")
    batch.reset(seed=1)
    batch.step([6, 2])
    assert (batch.struck(0), batch.struck(1)) == ({"upwards": 1, "no_clash": 1}, {"upwards": 1, "no_clash": 1})
    with pytest.raises(ValueError, match=r"piece 2: expected 0\.\.1"):
        batch.struck(2)


def test_where_no_rule_is_hard_none_strikes():
    env = ComposeEnv(Task(StepChoice(60, 64), length=2), reward="fixed_key", observation="tokens")
    env.reset(seed=1)
    assert env.struck() == {}


def test_rules_that_leave_the_first_choice_of_the_only_page_nothing_are_named():
    task = Task(StepChoice(71, 72), voices=3, length=2, given=(0, 1), forbid=("both_hard",))
    says = (
        r"nothing to choose in voice 2 at step 0, .*; of 3 choices they strike: no_clash 2, upwards 1; expected a range, a page"
    )
    clash = Score.from_notes([[(0, 2, 72, 80)], [(0, 2, 71, 80)]])
    free = Score.from_notes([[(0, 2, 72, 80)], [(0, 2, 72, 80)]])
    options = {"reward": "fixed_key", "observation": "tokens"}
    with pytest.raises(ValueError, match=says):
        ComposeEnv(task, given=[clash], **options).reset(seed=1)
    env = ComposeEnv(task, given=[clash], **options)
    env.reset(seed=1, options={"given": free})
    with pytest.raises(ValueError, match=says):  # another page that was possible says nothing of the environment's own
        env.reset(seed=1)
    with pytest.raises(ValueError, match=says):
        ComposeVectorEnv(task, 2, given=[clash], **options).reset(seed=1)
    env = ComposeEnv(task, given=[free], **options)
    env.reset(seed=1)
    with pytest.raises(ValueError, match=says):
        env.reset(seed=1, options={"given": clash})
    drawn = ComposeVectorEnv(task, 8, given=[clash, free], **options)  # of several pages some may be impossible
    dead = drawn.reset(seed=1)[1]["dead_end"]
    assert dead.any()
    assert not dead.all()


def test_dead_ends_are_counted_once_however_often_the_mask_is_asked_for():
    env = ComposeEnv(Task(StepChoice(60, 64), length=4, forbid=("rising",)), reward="fixed_key", observation="tokens")
    env.reset(seed=1)
    env.step(6)
    for _ in range(3):
        env.action_masks()
    assert env.step(6)[4]["dead_ends"] == 1


def test_parameters_of_a_hard_rule_stand_in_its_expression():
    env = ComposeEnv(Task(StepChoice(60, 64), length=4, forbid=("rising(most=1)",)), reward="fixed_key", observation="tokens")
    env.reset(seed=1)
    assert env.step(3)[4]["action_mask"].tolist() == [0, 0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize("order", ["time", "voice", "random"])
@given(seed=st.integers(0, 2**32))
def test_a_mask_under_hard_rules_holds_just_the_choices_that_cost_nothing(order, seed):
    """The oracle tries every code on a copy and lets the reward of the same rules judge it."""
    task = Task(StepChoice(58, 63), voices=3, length=4, given=(1,), order=order, forbid=("no_clash_rule",))
    draws = np.random.default_rng(seed)
    env = ComposeEnv(task, reward=NO_CLASH, observation="tokens", given=[random_score(draws, 3, 4, low=58, high=63)])
    _, info = env.reset(seed=seed)
    ended = False
    while not ended:
        engine, paid = env.session.engine, []
        plain = np.empty((1, engine.mask_size), np.int8)
        engine.masks(plain)
        for code in range(engine.mask_size):
            branch, bound = engine.take(np.array([0])), NO_CLASH.bind(task, 1)
            bound.reset(branch.pieces, np.ones(1, bool))
            branch.write(np.array([[code]]))
            paid.append(float(bound(branch.pieces).sum()))
        allowed = (np.array(paid) >= 0) & (plain[0] == 1)
        assert info["dead_end"] == (not allowed.any())
        assert info["action_mask"].astype(bool).tolist() == (allowed if allowed.any() else plain[0] == 1).tolist()
        ended, _, info = env.step(int(draws.choice(np.flatnonzero(info["action_mask"]))))[2:]


def test_a_line_without_dead_ends_breaks_no_hard_rule():
    task = Task(StepChoice(60, 83), length=8, forbid=("rising",))
    env = ComposeVectorEnv(task, 8, reward="rising", observation="tokens", autoreset_mode="disabled")
    _, infos = env.reset(seed=5)
    draws, total = np.random.default_rng(0), np.zeros(8)
    for _ in range(8):
        choices = [draws.choice(np.flatnonzero(mask)) for mask in infos["action_mask"]]
        _, rewards, _, _, infos = env.step(np.array(choices))
        total += rewards
    assert np.array_equal(total == 0, infos["dead_ends"] == 0)
    assert (total == 0).any()


def test_a_batch_under_hard_rules_is_its_singles_in_every_mode():
    task = Task(StepChoice(60, 66), length=5, forbid=("rising",))
    more = {"reward": "fixed_key", "observation": "tokens"}
    check_vector_env(functools.partial(ComposeVectorEnv, task), 3, single=lambda: ComposeEnv(task, **more), **more)


def test_a_hard_rule_that_is_not_known_is_named():
    with pytest.raises(ValueError, match="unknown reward or rule 'upward'"):
        ComposeEnv(Task(forbid=("upward",)), reward="fixed_key")


def test_what_is_no_rule_cannot_be_forbidden():
    with pytest.raises(ValueError, match="expected rules"):
        ComposeEnv(Task(forbid=("at_end(fixed_key)",)), reward="fixed_key")


def test_a_score_in_a_dead_end_is_still_a_score():
    env = ComposeEnv(Task(StepChoice(60, 64), length=3, forbid=("rising",)), reward="fixed_key", observation="tokens")
    env.reset(seed=0)
    for code in (6, 1, 0):
        env.step(code)
    assert env.score == Score.from_notes([[(0, 2, 64, 80)]], steps=3)


def test_a_negated_rule_forbids_what_the_rule_rewards_and_a_weight_of_nothing_forbids_nothing():
    bare = ComposeEnv(Task(StepChoice(60, 64), length=4, forbid=("0*rising",)), reward="fixed_key").reset(seed=0)[1][
        "action_mask"
    ]
    free = ComposeEnv(Task(StepChoice(60, 64), length=4), reward="fixed_key").reset(seed=0)[1]["action_mask"]
    assert np.array_equal(bare, free)
    negated = ComposeEnv(Task(StepChoice(60, 64), length=4, forbid=("-rising",)), reward="fixed_key")
    assert np.array_equal(negated.reset(seed=0)[1]["action_mask"], free)  # the rule never pays more than nothing
