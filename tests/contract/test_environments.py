"""Environments of tasks that nobody registered: batches are their singles, options begin where they say, the future is hidden."""

import copy
import dataclasses
import functools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicgym import BLANK, ChordChoice, ComposeEnv, ComposeVectorEnv, NoteChoice, Score, StepChoice, Task
from musicgym.pieces import Excerpts
from musicgym.testing import check_vector_env
from musicgym.testing.music import TASKS, needs_music, random_music, random_score
from musicgym.testing.trees import difference

REWARD = "fixed_key - 0.5*at_end(fixed_key)"  # one without a memory and one with
ALTO_TENOR_BASS = ((53, 74), (48, 69), (36, 64))
SHOWN = ("onehot", "tokens", "pianoroll")
UNREGISTERED = {
    **TASKS,
    "soprano given in four voices": Task(StepChoice(36, 81), voices=4, length=5, given=(0,)),
    "chords below a soprano, whole bars": Task(
        ChordChoice(((60, 81), *ALTO_TENOR_BASS)), voices=4, length=5, given=(0,), blank=0.6
    ),
    "soprano unseen": Task(StepChoice(36, 81), voices=4, length=4, given=(0,), sees="past"),
    "many keys": Task(NoteChoice(velocities=(60, 100)), length=16, key=("C major", "F# minor", "Eb major")),
}


@pytest.mark.parametrize("name", UNREGISTERED)
def test_a_batch_is_its_singles_in_every_mode_and_shares_nothing(name):
    task = UNREGISTERED[name]
    shown = SHOWN[list(UNREGISTERED).index(name) % 3]
    material = random_music(np.random.default_rng(1), task, 3) if needs_music(task) else None
    more = {"reward": REWARD, "observation": shown, "given": material}
    make = functools.partial(ComposeVectorEnv, task)
    fresh = name in ("holes", "many keys")  # the draws of both holes, orders and keys, in another process
    check_vector_env(make, 3, single=lambda: ComposeEnv(task, **more), episodes=2, fresh_process=fresh, **more)


def test_the_corpus_gives_sopranos_to_harmonise():
    corpus = pytest.importorskip("musicgym.corpus")
    if not hasattr(corpus, "material"):
        pytest.skip("no corpus.material")
    task = Task(StepChoice(36, 81), voices=4, length=16, given=(0,), source="bach/train")
    check_vector_env(functools.partial(ComposeVectorEnv, task), 2, episodes=1, reward=REWARD, observation="tokens")


# reset(options=...)


def melody(*pitches, steps=None, **page):
    return Score.from_notes([[(i, 1, p, 80) for i, p in enumerate(pitches)]], steps=steps or len(pitches), **page)


def holed(score, *slots):
    pitch, onset = score.pitch.copy(), score.onset.copy()
    for v, s in slots:
        pitch[v, s], onset[v, s] = BLANK, False
    return dataclasses.replace(score, pitch=pitch, onset=onset, velocity=np.where(pitch >= 0, 80, 0))


def env_of(task=None, **more):
    env = ComposeEnv(task or Task(length=6), **{"reward": "fixed_key", "observation": "tokens", **more})
    env.reset(seed=3)
    return env


def test_a_given_score_with_blanks_has_just_those_composed():
    env = env_of()
    score = holed(melody(60, 62, 64, 65), (0, 1), (0, 3))
    env.reset(options={"given": score})
    assert env.score == score
    assert [env.step(14)[2] for _ in range(2)] == [False, True]
    assert env.score.pitch.tolist() == [[60, 60, 64, 60]]


def test_a_given_score_without_blanks_has_what_the_task_blanks_composed():
    env = env_of(Task(voices=2, length=4, given=(0,)), given=[random_score(np.random.default_rng(0), 2, 4)])
    score = Score.from_notes([[(0, 3, 72, 80)], [(0, 3, 60, 80)]], steps=3)
    env.reset(options={"given": score})
    assert env.score.pitch.tolist() == [[72, 72, 72], [BLANK] * 3]


def test_the_given_parts_alone_leave_the_other_voices_blank():
    env = env_of(Task(voices=3, length=4, given=(1,)), given=[random_score(np.random.default_rng(0), 3, 4)])
    env.reset(options={"given": melody(60, 62)})
    assert env.score.pitch.tolist() == [[BLANK] * 2, [60, 62], [BLANK] * 2]


def test_a_prefix_is_gone_on_from():
    env = env_of()
    env.reset(options={"prefix": melody(60, 62)})
    assert env.score.pitch.tolist() == [[60, 62] + [BLANK] * 4]
    assert [env.step(14)[2] for _ in range(4)] == [False] * 3 + [True]


def test_a_key_is_that_of_every_step_and_goes_with_a_score_too():
    env = env_of()
    env.reset(options={"key": "Eb major"})
    assert (env.score.key, set(env.score.tonic.tolist())) == ("Eb major", {3})
    env.reset(options={"key": "A minor", "prefix": melody(60)})
    assert env.score.key == "A minor"


def test_a_key_leaves_the_draw_of_the_source_as_it_was():
    scores = [melody(60 + i, 62 + i, 64 + i, 65 + i) for i in range(5)]
    env = env_of(Task(length=4, blank=0.5), given=scores)
    seen = []
    for _ in range(40):
        env.reset(options={"key": "D major"})
        seen.append(int((env.score.pitch[0] - np.array([60, 62, 64, 65]))[env.score.pitch[0] >= 0].max(initial=-1)))
    assert {0, 1, 2, 3, 4} <= set(seen)


def test_options_hold_for_this_once():
    env = env_of()
    env.reset(options={"prefix": melody(60, 62), "key": "D major"})
    env.reset()
    assert (env.score.pitch == BLANK).all()
    assert env.score.key == "C major"


def test_options_begin_the_pieces_of_the_mask_and_no_others():
    env = ComposeVectorEnv(Task(length=6), 3, reward="fixed_key", observation="tokens", autoreset_mode="disabled")
    env.reset(seed=3)
    env.step(np.array([14, 15, 16]))
    obs, _ = env.reset(options={"reset_mask": np.array([False, True, False]), "prefix": melody(60, 62)})
    assert [score.pitch[0, :3].tolist() for score in env.scores()] == [[60, -2, -2], [60, 62, -2], [62, -2, -2]]
    assert obs[:, 0].tolist() == [5, 4, 5]


@pytest.mark.parametrize("shown", SHOWN)
@pytest.mark.parametrize("option", ["given", "prefix"])
def test_pitches_that_no_observation_can_show_are_refused(shown, option):
    env = env_of(observation=shown)
    with pytest.raises(ValueError, match=r"pitch(es from 20 to 84, .*| 20 at step 0.*) 48\.\.83"):
        env.reset(options={option: holed(melody(20, 84, 60), (0, 2))})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tonic": 3}, "reset option 'tonic': expected given, key, prefix"),
        ({"given": melody(60), "prefix": melody(60)}, "expected one of them"),
        ({"given": melody(*range(60, 68))}, "given score has 1 voices and 8 steps: expected 1 voices and 1..6 steps"),
        ({"given": Score.from_notes([[], []], steps=4)}, "given score has 2 voices"),
        ({"prefix": melody(*range(60, 66))}, "fewer than 6 steps"),
        ({"prefix": Score.from_notes([[], []], steps=2)}, "prefix has 2 voices"),
        ({"given": melody(60, steps_per_quarter=12)}, "12 steps a quarter"),
        ({"prefix": melody(60, steps_per_quarter=12)}, "12 steps a quarter"),
        ({"key": "H major"}, "key 'H major'"),
    ],
)
def test_options_that_do_not_fit_are_refused_and_the_piece_goes_on(options, message):
    env = env_of()
    env.step(14)
    before = env.score
    with pytest.raises(ValueError, match=message):
        env.reset(options=options)
    assert env.score == before
    assert not env.step(14)[2]


def test_an_option_of_another_type_is_refused():
    with pytest.raises(TypeError, match=r"reset option 'given' is a str: expected a musicgym\.Score"):
        env_of().reset(options={"given": "tune.mid"})


# sees="past"


@pytest.mark.parametrize("shown", SHOWN)
@given(data=st.data())
def test_who_hears_the_past_alone_cannot_see_what_the_given_part_does_next(shown, data):
    """Two given parts that agree up to step t: every observation up to t, and every mask, is the same."""
    draws = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    voices, steps = data.draw(st.integers(2, 3)), 6
    part = data.draw(st.integers(0, voices - 1))
    kinds = [StepChoice(50, 70), ChordChoice(((50, 70),) * voices), NoteChoice((-1, 55, 60), (1, 2))]
    task = Task(data.draw(st.sampled_from(kinds)), voices=voices, length=steps, given=(part,), sees="past")
    one = random_score(draws, voices, steps)
    split = data.draw(st.integers(0, steps - 1))  # the last step at which they agree
    other = random_score(draws, voices, steps)
    mixed = {
        name: np.concatenate([getattr(one, name)[..., : split + 1], getattr(other, name)[..., split + 1 :]], -1)
        for name in ("pitch", "velocity", "phrase_end")
    }
    onset = np.concatenate([one.onset[:, : split + 1], other.onset[:, split + 1 :]], 1)
    onset[:, split + 1 : split + 2] = True
    twin = dataclasses.replace(one, onset=onset, **mixed)
    material = Excerpts.from_scores([one, twin, random_score(draws, voices, steps, low=50, high=70)])
    envs = [env_of(task, given=material, observation=shown) for _ in range(2)]
    seen = [env.reset(options={"given": score}) for env, score in zip(envs, (one, twin))]
    choose = envs[0].action_space
    choose.seed(int(draws.integers(1000)))
    for _ in range(voices * steps):
        pieces = envs[0].session.engine.pieces
        if pieces.done[0] or pieces.order[0, pieces.cursor[0], 1] > split:
            break
        assert np.array_equal(seen[0][0], seen[1][0])
        assert difference(seen[0][1]["action_mask"], seen[1][1]["action_mask"]) is None
        action = choose.sample()
        seen = [(result[0], result[4]) for result in (env.step(action) for env in envs)]


def test_who_sees_all_sees_the_given_part_ahead():
    task = Task(StepChoice(50, 70), voices=2, length=4, given=(0,))
    one = Score.from_notes([[(0, 1, 60, 80), (3, 1, 62, 80)], []], steps=4)
    two = Score.from_notes([[(0, 1, 60, 80), (3, 1, 64, 80)], []], steps=4)
    env = env_of(task, given=[one, two])
    assert not np.array_equal(env.reset(options={"given": one})[0], env.reset(options={"given": two})[0])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copied_environment_goes_on_by_itself(copied):
    env = ComposeEnv(Task(voices=2, length=4, order="random", forbid=("fixed_key",)), reward=REWARD)
    env.reset(seed=3)
    env.step(14)
    twin = copied(env)
    here = [env.step(action)[:2] for action in (20, 5, 9)]
    before = env.score
    there = [twin.step(action)[:2] for action in (20, 5, 9)]
    assert all(np.array_equal(a[0], b[0]) and a[1] == b[1] for a, b in zip(here, there, strict=True))
    twin.step(0)
    assert env.score == before
