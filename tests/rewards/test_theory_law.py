"""The rules of melody keep the law of the sum in every order and with edits, carry what they should, and hear one voice each."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from musicgym import NoteChoice, StepChoice, Task
from musicgym.benchmarks.tunes import tunes
from musicgym.pieces import Excerpts
from musicgym.rewards import Rules
from musicgym.rewards.theory import melody_rules, theory
from musicgym.score import BLANK, REST
from musicgym.testing import check_reward
from musicgym.testing.episodes import begin, pay, play_alone
from musicgym.testing.music import random_score

ALL = Rules.of(*melody_rules().values(), name="melody")  # each with weight 1: where `theory` has 0 nothing would be seen
LOW, HIGH = 36, 100


@functools.cache
def real() -> Excerpts:
    """Three bars each of some real tunes in 4/4, in 48 steps."""
    return tunes("valid", 3, meters=((4, 4),), limit=40).excerpts


def code(pitch: int, onset: bool) -> int:
    """What a `StepChoice` from LOW on writes."""
    return 1 if not onset else 0 if pitch == REST else pitch - LOW + 2


def assert_paid(paid: np.ndarray, due: np.ndarray, size: np.ndarray) -> None:
    """float64 (terms,): sums of what was paid and what was due; `size` of what float32 had to hold on the way."""
    for term, one, other, of in zip(ALL.terms, paid, due, size, strict=True):
        assert abs(one - other) <= 1e-5 * max(1.0, of), (term, one, other)


@limits(max_examples=30)
@given(
    order=st.sampled_from(["time", "voice", "random"]),
    sweeps=st.integers(1, 2),
    filled=st.booleans(),
    voices=st.integers(1, 2),
    bars=st.integers(2, 4),
    notes=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_random_play_in_any_order_is_paid_what_it_is_worth(order, sweeps, filled, voices, bars, notes, seed):
    choice = NoteChoice((REST, 55, 57, 59, 60, 62, 64), (1, 2, 3, 4, 8)) if notes else StepChoice(52, 67)
    edits = {} if notes else {"sweeps": sweeps, "begin": "filled" if filled else "blank"}
    task = Task(choice, voices=voices, length=bars * 8 - seed % 3, meter=(2, 4), order=order, **edits)
    material = None
    if task.begin == "filled":
        draws = np.random.default_rng(seed)
        material = in_bars_of_eight(Excerpts.from_scores([random_score(draws, voices, task.length, low=52, high=67)]))
    episode = play_alone(ALL, task, material, seed)
    finish, start = np.stack(list(ALL.score([episode.finish, episode.start]).values())).T
    assert_paid(episode.terms.sum(axis=0, dtype=np.float64), finish - start, np.abs(episode.terms).sum(axis=0))


def in_bars_of_eight(music: Excerpts) -> Excerpts:
    """The music in 2/4."""
    position = np.arange(music.pitch.shape[2], dtype=np.int16)[None] % 8
    return music._replace(position=position, bar=np.full_like(position, 8), beat=np.full_like(position, 4))


@limits(max_examples=30)
@given(row=st.integers(0, 39), share=st.sampled_from([0.0, 0.1, 0.5]), seed=st.integers(0, 2**31))
def test_edits_of_a_real_tune_are_paid_the_difference_that_they_make(row, share, seed):
    music = real().take(np.array([row]))
    task = Task(StepChoice(LOW, HIGH), length=48, begin="filled", order="random")
    engine, bound = begin(ALL, task, music, [seed])
    draws, start, paid = np.random.default_rng(seed), engine.score(0), []
    while not engine.pieces.done[0]:
        step = engine.pieces.order[0, engine.pieces.cursor[0], 1]
        same = code(int(engine.pieces.pitch[0, 0, step]), bool(engine.pieces.onset[0, 0, step]))
        action = int(draws.integers(HIGH - LOW + 3)) if draws.random() < share else same
        engine.write(np.array([[action]]))
        paid.append(pay(bound, engine.pieces)[:, 0])
    if share == 0:
        assert np.abs(paid).max() < 1e-12
    finish, before = np.stack(list(ALL.score([engine.score(0), start]).values())).T
    assert_paid(np.sum(paid, axis=0, dtype=np.float64), finish - before, np.abs(paid).sum(axis=0))


@pytest.mark.parametrize(("most", "reach"), [(17, 7), (5, 3)])
def test_real_tunes_written_forward_are_paid_their_marks(most, reach):
    """Where pieces only grow at their ends carried forms are asked; marks are those of the stateless ones."""
    assert {term for term, rule, _, _ in ALL.entries if rule.carry} == {"compass", "tessitura"}
    music, reward = real(), ALL.set("compass", most=most).set("tessitura", reach=reach)
    engine, bound = begin(reward, Task(StepChoice(LOW, HIGH), length=48), None, list(range(40)))
    engine.pieces.tonic[:], engine.pieces.mode[:] = music.tonic, music.mode
    _, marks = reward.score(music, marks=True)  # (M, terms, 1, steps)
    for step in range(48):
        begins = music.onset[:, 0, step] | (step == 0)
        codes = [code(int(pitch), bool(onset)) for pitch, onset in zip(music.pitch[:, 0, step], begins, strict=True)]
        engine.write(np.array(codes)[:, None])
        np.testing.assert_allclose(pay(bound, engine.pieces), marks[:, :, 0, step].T, atol=1e-6)
    if reach < 7:
        assert all((marks[:, reward.terms.index(term)] < 0).sum() > 20 for term in ("compass", "tessitura"))


def test_a_real_tune_filled_in_any_order_earns_the_same():
    """Slot by slot in a drawn order: what each half-finished page is worth more than the one before."""
    for row in range(0, 40, 8):
        music = real().take(np.array([row]))
        draws, earned, before = np.random.default_rng(row), np.zeros(len(ALL.terms)), np.zeros(len(ALL.terms))
        page = Excerpts.blank_like(music)
        for step in draws.permutation(48):
            page.pitch[0, 0, step] = music.pitch[0, 0, step]
            stands = page.pitch[0, 0] != BLANK
            behind = np.concatenate([[False], stands[:-1]])
            page.onset[0, 0] = stands & (music.onset[0, 0] | ~behind)
            after = np.array([value[0] for value in ALL.score(page).values()])
            earned += after - before
            before = after
        np.testing.assert_allclose(earned, [value[0] for value in ALL.score(music).values()], atol=1e-9)


@given(seed=st.integers(0, 2**31), voices=st.integers(2, 4), steps=st.integers(20, 90))
def test_every_rule_hears_its_own_voice_only(seed, voices, steps):
    together = random_score(np.random.default_rng(seed), voices, steps)
    totals, marks = ALL.score([together], marks=True)
    alone = [
        dataclasses.replace(
            together,
            **{name: getattr(together, name)[v : v + 1] for name in ("pitch", "onset", "velocity")},
            programs=(),
            names=(),
        )
        for v in range(voices)
    ]
    singly, marked = ALL.score(alone, marks=True)
    np.testing.assert_array_equal(marks[0], marked[:, :, 0].swapaxes(0, 1))
    for term, values in singly.items():
        assert totals[term][0] == pytest.approx(values.sum(), abs=1e-9), term


@pytest.mark.parametrize("reward", [theory(), ALL], ids=["theory", "melody"])
def test_the_rules_keep_what_every_reward_must(reward):
    check_reward(reward)


@pytest.mark.parametrize("order", ["time", "random"])
def test_and_do_so_over_many_short_bars(order):
    check_reward(ALL, Task(StepChoice(55, 67), length=22, meter=(1, 4), order=order))
