"""Harmonising: what stands on the page, on which grid, within which ranges, and what a user's own soprano may be."""

import gymnasium as gym
import numpy as np
import pytest

from musicgym import BLANK, ComposeEnv, ComposeVectorEnv, Score, corpus
from musicgym.pieces import Excerpts
from musicgym.tasks.chorale import SATB, chorale
from musicgym.testing import check_vector_env

SOPRANO = Score.from_notes([[(0, 4, 67, 80), (4, 4, 69, 80), (8, 4, 71, 80), (12, 4, 72, 80)]], key="C major")


def played(env, seed=0, **reset):
    """The finished piece of masked random play."""
    _, info = env.reset(seed=seed, **reset)
    env.action_space.seed(seed)
    while True:
        _, _, ended, _, info = env.step(env.action_space.sample(mask=info["action_mask"]))
        if ended:
            assert info["illegal"] == 0
            return env.unwrapped.score


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"choice": "chord"},
        {"given": (0, 3)},
        {"given": (2,), "order": "voice"},
        {"given": (1, 2, 3), "order": "random"},
        {"bars": None, "meter": None},
        {"steps_per_quarter": 2, "meter": (3, 4)},
        {"steps_per_quarter": 1, "choice": "chord"},
    ],
    ids=str,
)
def test_the_given_voices_are_the_chorales_and_the_others_lie_in_their_ranges(fields):
    env = gym.make("musicgym/Chorale-v0", **fields)
    env.reset(seed=3)
    page = env.unwrapped.score
    task = env.unwrapped.session.task
    composed = [voice for voice in range(4) if voice not in task.given]
    assert (page.pitch[composed] == BLANK).all()
    assert (page.pitch[list(task.given)] != BLANK).all()
    score = played(env, seed=3)
    for voice in task.given:
        assert score.notes(voice) == page.notes(voice)
    for voice in composed:
        sounding = score.pitch[voice][score.pitch[voice] >= 0]
        assert ((sounding >= SATB[voice][0]) & (sounding <= SATB[voice][1])).all()


def test_with_no_voice_given_the_page_has_metre_keys_and_fermatas_but_no_notes():
    env = gym.make("musicgym/Chorale-v0", given=())
    with_soprano = gym.make("musicgym/Chorale-v0")
    marks = 0
    for seed in range(8):
        env.reset(seed=seed)
        with_soprano.reset(seed=seed)
        page, same = env.unwrapped.score, with_soprano.unwrapped.score
        assert (page.pitch == BLANK).all()
        for name in ("position", "tonic", "mode", "phrase_end"):
            assert np.array_equal(getattr(page, name), getattr(same, name))
        marks += page.phrase_end.sum()
    assert marks > 0


def test_fermatas_and_the_local_key_are_seen():
    env = gym.make("musicgym/Chorale-v0", observation="tokens", given=())
    observation, _ = env.reset(seed=0)
    page = env.unwrapped.score
    until = int(np.flatnonzero(page.phrase_end)[0])
    assert observation[2:4].tolist() == [page.tonic[0], page.mode[0]]
    assert observation[5] == min(until, 31)


def test_every_excerpt_of_the_measured_ranges_is_there():
    task = chorale()
    found = task.material()
    everything = corpus.load("bach").split("train").excerpts(64, voices=4, meter=(4, 4))
    assert len(found.length) == len(everything.length) > 2000


# Coarser grids


@pytest.mark.parametrize("steps_per_quarter", [2, 1])
def test_on_a_coarser_grid_every_step_has_what_sounds_there(steps_per_quarter):
    """Against the same chorales in sixteenths, note by note."""
    task = chorale(bars=None, meter=None, steps_per_quarter=steps_per_quarter)
    found, every = task.material(), 4 // steps_per_quarter
    names = ("pitch", "onset", "position", "phrase_end")
    pages = {
        tuple(getattr(found, name)[i, ..., :end].astype(int).tobytes() for name in names) for i, end in enumerate(found.length)
    }
    chorales = corpus.load("bach").split("train")
    assert 260 < len(chorales) <= len(found.length)
    for score in chorales:
        at = np.flatnonzero(score.position % every == 0)
        events = [np.searchsorted([note.start for note in score.events(v)], at, side="right") for v in range(4)]
        begun = np.diff(np.array(events), axis=1, prepend=0) > 0
        expected = (score.pitch[:, at], begun, score.position[at] // every, score.phrase_end[at])
        assert tuple(array.astype(int).tobytes() for array in expected) in pages


def test_no_chorale_is_left_out_of_the_beat_grid():
    of_beats = chorale(bars=None, meter=None, steps_per_quarter=1).material()
    all_of_them = corpus.load("bach", exact=False).split("train")
    assert len(of_beats.length) == len(all_of_them)


# A user's own soprano


def test_a_users_soprano_is_harmonised():
    env = gym.make("musicgym/Chorale-v0")
    score = played(env, options={"given": SOPRANO})
    assert score.notes(0) == SOPRANO.notes(0)
    assert score.voices == 4
    assert score.finished
    assert played(env).steps == 64  # and afterwards the corpus again


def test_a_soprano_longer_than_the_tasks_excerpts_is_given_where_the_environment_is_made_and_looks_the_same():
    longer = Score.from_notes([[(i * 8, 8, 60 + i % 12, 80) for i in range(24)]])
    usual = ComposeEnv("musicgym/Chorale-v0")
    with pytest.raises(ValueError, match=r"192 steps: .* 1\.\.64 steps; longer scores go into given="):
        usual.reset(options={"given": longer})
    for observation in ("tokens", "onehot"):
        env = ComposeEnv("musicgym/Chorale-v0", given=[longer], observation=observation)
        assert env.observation_space == ComposeEnv("musicgym/Chorale-v0", observation=observation).observation_space
        assert played(env).notes(0) == longer.notes(0)


@pytest.mark.parametrize(
    ("fields", "score", "message"),
    [
        ({}, SOPRANO.transpose(-12), r"voice 0 has the pitch 55 at step 0: expected 57\.\.81, the voice's range"),
        ({}, Score.from_notes([[], []], steps=16), r"has 2 voices: expected 4 voices or the 1 given ones"),
        ({"given": ()}, SOPRANO, r"has 1 voices: expected 4 voices"),
        ({}, Score.from_notes([[(0, 12, 67, 80)]], meter=(3, 4)), r"in 3/4 at step 0: expected 4/4, .*meter=\(3, 4\)"),
        ({}, Score.from_notes([[(0, 1, 67, 80)]], steps_per_quarter=24), r"24 steps a quarter, the task has 4"),
    ],
)
def test_a_soprano_that_does_not_fit_is_refused(fields, score, message):
    env = ComposeEnv("musicgym/Chorale-v0", **fields)
    with pytest.raises(ValueError, match=message):
        env.reset(options={"given": score})
    with pytest.raises(ValueError, match=message):
        ComposeEnv(chorale(**fields), given=[score])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"given": (4,)}, r"given=\(4,\)\): expected voices within 0\.\.3"),
        ({"given": (-1,)}, r"expected voices within 0\.\.3"),
        ({"given": (0, 1, 2, 3)}, "at least one voice left to compose"),
        ({"bars": 0}, "bars=0: expected a whole number from 1 on, or None"),
        ({"bars": True}, "bars=True: expected a whole number"),
        ({"choice": "note"}, "choice='note': expected 'step' .* or 'chord'"),
        ({"ranges": 3}, r"ranges=3: expected a \(lowest, highest\) for each voice"),
        ({"ranges": ((60, 50),) * 4}, "low must be below high"),
        ({"meter": (7, 8)}, r"no music of 4 voices and 56 steps in 7/8"),
        ({"bars": 400}, "no music of 4 voices and 6400 steps in 4/4"),
        ({"ranges": ((57, 58), *SATB[1:])}, "within the choice's pitches"),
        ({"steps_per_quarter": 3, "bars": 1, "source": "bach/tests"}, "split"),
        ({"forbid": ("parallel_fifths",), "choice": "chord"}, "hard rules need a Discrete choice"),
    ],
)
def test_impossible_tasks_say_which_of_their_wishes_is(fields, message):
    with pytest.raises(ValueError, match=message):
        ComposeEnv("musicgym/Chorale-v0", **fields)


# Hard rules


def parallels(score: Score) -> int:
    """Fifths, octaves and unisons in the same direction between two voices that both move: counted by hand, without our rules."""
    found = 0
    for step in range(1, score.steps):
        for low in range(1, 4):
            for high in range(low):
                here, before = score.pitch[[high, low], step].astype(int), score.pitch[[high, low], step - 1].astype(int)
                if min(here.min(), before.min()) < 0 or not score.onset[[high, low], step].all():
                    continue
                moved = here - before
                widths = abs(here[0] - here[1]) % 12, abs(before[0] - before[1]) % 12
                found += bool(moved[0] * moved[1] > 0 and widths[0] == widths[1] and widths[0] in (0, 7))
    return found


def test_forbidden_parallels_do_not_happen_but_at_counted_dead_ends():
    forbid = ("parallel_fifths", "parallel_octaves")
    env = ComposeVectorEnv("musicgym/Chorale-v0", 16, bars=2, forbid=forbid, autoreset_mode="disabled", steps_per_quarter=2)
    draws = np.random.default_rng(0)
    _, info = env.reset(seed=1)
    while True:
        weights = info["action_mask"] * draws.random(info["action_mask"].shape)
        _, _, ended, _, info = env.step(weights.argmax(axis=1))
        if ended.all():
            break
    faults = np.array([parallels(score) for score in env.scores()])
    assert faults[info["dead_ends"] == 0].sum() == 0
    assert (info["dead_ends"] == 0).sum() >= 8


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields", [{"choice": "chord"}, {"steps_per_quarter": 1, "given": ()}, {"order": "random", "given": (3,)}]
)
def test_a_batch_is_its_singles(fields):
    check_vector_env("musicgym/Chorale-v0", 3, episodes=1, bars=1, observation="tokens", **fields)


def test_excerpts_are_shared_by_seed_between_grids_of_one_size():
    sixteenths, chords = (chorale(choice=kind).material() for kind in ("step", "chord"))
    assert isinstance(sixteenths, Excerpts)
    assert np.array_equal(sixteenths.pitch, chords.pitch)
