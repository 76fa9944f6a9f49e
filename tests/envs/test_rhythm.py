"""Rhythm by masks: what a bar's steps may begin with, what becomes of other choices, and that something is always left."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicgym import REST, ChordChoice, ComposeEnv, ComposeVectorEnv, NoteChoice, Score, StepChoice, Task
from musicgym.testing import check_vector_env
from musicgym.testing.music import random_music

SECOND = ("nr n", "n n", "n h")
HALVES = Task(StepChoice(48, 72), length=8, steps_per_quarter=0.5, rhythm=SECOND)
LETTERS = {"n": 1, "h": 2, "r": 4}


def kinds(score, voice, times):
    """The letter of each of a voice's steps of the task."""
    rests, onsets = score.pitch[voice, ::times] == REST, score.onset[voice, ::times]
    return ["h" if not begins else "r" if rests[i] else "n" for i, begins in enumerate(onsets)]


def played(env, seed, masked=True):
    rng = np.random.default_rng(seed)
    _, info = env.reset(seed=seed)
    sizes = env.session.engine.plan.sizes
    while True:
        mask = info["action_mask"]
        parts = mask if isinstance(mask, tuple) else (mask,)
        assert all(part.any() for part in parts)
        action = [rng.choice(np.flatnonzero(part)) if masked else rng.integers(size) for part, size in zip(parts, sizes)]
        pieces = env.session.engine.pieces
        step = pieces.order[0, pieces.cursor[0], 1]
        ignored = np.flatnonzero(pieces.given[0, :, step]) if isinstance(mask, tuple) else ()
        before = info["illegal"]
        _, _, over, _, info = env.step(np.array(action) if isinstance(mask, tuple) else action[0])
        assert (info["illegal"] > before) == (
            not all(p[code] for v, (p, code) in enumerate(zip(parts, action)) if v not in ignored)
        )
        if over:
            return env.score


@st.composite
def rhythms(draw, bar):
    steps = st.lists(st.sets(st.sampled_from("nhr"), min_size=1).map("".join), min_size=bar, max_size=bar).map(" ".join)
    return draw(st.tuples(steps, steps, steps))


def expected(rhythm, bar, length):
    bars = length // bar
    for step in range(length):
        place = 2 if step // bar == bars - 1 else 0 if step < bar else 1
        yield rhythm[place].split()[step % bar]


@pytest.mark.parametrize("masked", [True, False])
@given(data=st.data(), bars=st.integers(1, 4), bar=st.sampled_from([1, 2, 4]), seed=st.integers(0, 99), voices=st.integers(1, 2))
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_what_the_rhythm_lets_stand(masked, data, bars, bar, seed, voices):
    rhythm = data.draw(rhythms(bar))
    choice = data.draw(st.sampled_from([StepChoice(50, 60), ChordChoice(((50, 60), (48, 58))[:voices])]))
    order = data.draw(st.sampled_from(["time", "voice"]))
    task = Task(choice, voices=voices, length=bar * bars, steps_per_quarter=bar / 4, rhythm=rhythm, order=order)
    score = played(ComposeEnv(task, reward="theory.in_key"), seed, masked)
    for voice in range(voices):
        for step, (kind, letters) in enumerate(zip(kinds(score, voice, task.spread), expected(rhythm, bar, bar * bars))):
            # The first step has nothing to hold: where that is all it may do it is free, and a rest there has no beginning.
            free = step == 0 and letters == "h"
            assert free or kind in letters or (kind, step) == ("h", 0)


@given(data=st.data(), seed=st.integers(0, 99), order=st.sampled_from(["time", "voice", "random"]))
@settings(max_examples=40, deadline=None)
def test_masks_always_leave_something_and_count_what_they_do_not_show(data, seed, order):
    fields = data.draw(st.sampled_from([{}, {"begin": "filled", "sweeps": 2}, {"blank": 0.5}, {"given": (0,)}]))
    first = st.just(()) if "given" in fields else rhythms(4)  # a given voice against its rhythm would be refused
    rhythm = data.draw(st.tuples(first, st.one_of(st.just(()), rhythms(4))))
    choice = data.draw(st.sampled_from([StepChoice(50, 60), ChordChoice(((50, 60), (50, 60)))]))
    task = Task(choice, voices=2, length=10, steps_per_quarter=1, rhythm=rhythm, order=order, **fields)
    material = random_music(np.random.default_rng(seed), task, 2)  # its pickups and bars of 16 steps are bars of another length
    for music in (material, [Score.from_notes([[(0, 10, 55, 80)], [(3, 5, 54, 80)]], steps_per_quarter=1)]):
        for masked in (True, False):
            played(ComposeEnv(task, reward="theory.in_key", given=music), seed, masked)


def test_choices_against_the_rhythm_become_what_it_lets_stand():
    env = ComposeEnv(HALVES, reward="theory")
    env.reset(seed=0)
    for action in (20, 1, 0, 5, 5, 1, 7, 0):  # a note; hold, rest: the note again; ...; a rest in the last bar: held
        _, _, _, _, info = env.step(action)
    assert [(n.start // 2, n.pitch) for n in env.score.notes(0)] == [
        (0, 66),
        (1, 66),
        (2, 66),
        (3, 51),
        (4, 51),
        (5, 51),
        (6, 53),
    ]
    assert info["illegal"] == 4
    env.reset()
    env.step(1)
    assert env.score.pitch[0, 0] == 60  # nothing to hold, no note before: the middle of the range


def test_masks_show_the_rhythm():
    env = ComposeEnv(HALVES, reward="theory")
    _, info = env.reset(seed=0)
    shown = []
    for action in (0, 14, 14, 14, 14, 14, 14, 1):
        mask = info["action_mask"]
        shown.append("".join(letter for letter, on in (("n", mask[2:].all()), ("h", mask[1]), ("r", mask[0])) if on))
        assert mask[2:].all() or not mask[2:].any()
        _, _, _, _, info = env.step(action)
    assert shown == ["nr", "n", "n", "n", "n", "n", "n", "h"]


def test_voices_may_have_rhythms_of_their_own():
    task = HALVES.changed(voices=3, rhythm=((), SECOND, ("n h", "n h", "n h")))
    score = played(ComposeEnv(task, reward="theory"), 1)
    assert kinds(score, 2, 2) == ["n", "h"] * 4
    assert kinds(score, 1, 2)[2:] == ["n", "n", "n", "n", "n", "h"]
    assert Task.from_json(task.to_json()) == task


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rhythm": ("n n", "n n")}, r"'n n'.*expected \(first bar, bars between, last bar\)"),
        ({"rhythm": ("n", "n n", "n h")}, "'n' has 1 steps, a bar has 2: they must agree"),
        ({"rhythm": ("n x", "n n", "n h")}, "'x' in 'n x': expected letters of n, h and r"),
        ({"rhythm": (SECOND, SECOND)}, r"for each of 1 voices"),
        ({"rhythm": 3}, "expected a tuple"),
        ({"choice": NoteChoice()}, "expected StepChoice or ChordChoice"),
        ({"meter": None, "source": "bach"}, "expected a meter"),
    ],
)
def test_a_rhythm_that_is_none_is_refused(fields, message):
    with pytest.raises(ValueError, match=rf"Task\(rhythm=.*{message}"):
        HALVES.changed(**fields)


@pytest.mark.parametrize("choice", [StepChoice(48, 72), ChordChoice(((48, 60), (48, 60)))])
def test_environments_with_a_rhythm_pass_the_checks(choice):
    task = HALVES.changed(choice=choice, voices=2)
    more = {"reward": "theory", "observation": "tokens"}
    check_vector_env(functools.partial(ComposeVectorEnv, task), 3, single=lambda: ComposeEnv(task, **more), episodes=2, **more)
