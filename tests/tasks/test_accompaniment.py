"""Online accompaniment: nothing that a composer observes, may choose or chooses depends on what the partner plays later."""

import dataclasses
import hashlib

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from musicgym import ComposeEnv, Score
from musicgym.pieces import Excerpts
from musicgym.tasks.chorale import accompaniment
from musicgym.testing.music import random_score

SHOWN = ("tokens", "onehot", "pianoroll")
STEPS = 16  # a bar


def changed_after(one: Excerpts, other: Excerpts, step: int, voices: tuple[int, ...]) -> Excerpts:
    """The first page with the other's music from `step + 1` on: the partner's notes, and all that is worked out from notes."""
    made = one.take(np.arange(1))
    for voice in voices:
        for name in ("pitch", "onset", "velocity"):
            getattr(made, name)[0, voice, step + 1 :] = getattr(other, name)[0, voice, step + 1 :]
        made.onset[0, voice, step + 1 : step + 2] = True
    for name in ("tonic", "mode", "phrase_end", "chord"):
        getattr(made, name)[0, step + 1 :] = getattr(other, name)[0, step + 1 :]
    return made


def choice_of(observation, mask, codes):
    """What a deterministic composer chooses: a hash of all it knows."""
    masks = mask if isinstance(mask, tuple) else (mask,)
    digest = hashlib.sha256(observation.tobytes() + b"".join(part.tobytes() for part in masks)).digest()
    picks = [int(np.flatnonzero(part)[digest[i] % int(part.sum())]) for i, part in enumerate(masks)]
    return picks[0] if codes == 1 else np.array(picks)


def heard(task, page, shown, until, forbid_reward):
    """Every observation, mask and action at steps up to `until`, as bytes."""
    env = ComposeEnv(task, given=page, observation=shown, reward=forbid_reward)
    observation, info = env.reset(seed=1)
    pieces, codes = env.session.engine.pieces, len(env.session.engine.plan.sizes)
    seen = []
    while not pieces.done[0] and pieces.order[0, pieces.cursor[0], 1] <= until:
        action = choice_of(observation, info["action_mask"], codes)
        masks = info["action_mask"] if isinstance(info["action_mask"], tuple) else (info["action_mask"],)
        seen.append((observation.tobytes(), *(part.tobytes() for part in masks), bytes(str(action), "ascii")))
        observation, *_, info = env.step(action)
    return seen


@pytest.mark.parametrize("shown", SHOWN)
@limits(max_examples=25, deadline=None)
@given(data=st.data())
def test_changing_the_partner_later_changes_nothing_now(shown, data):
    partners = tuple(sorted(data.draw(st.sets(st.integers(0, 3), min_size=1, max_size=3))))
    lookahead = data.draw(st.sampled_from([0, 1, 4]))
    kind = data.draw(st.sampled_from(["step", "chord"]))
    forbid = ("parallel_fifths", "dissonance_left_by_step") if kind == "step" and data.draw(st.booleans()) else ()
    task = accompaniment(lookahead, partners, 1, choice=kind, forbid=forbid, source="bach/train", ranges=((50, 70),) * 4)
    draws = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    one, other = (
        dataclasses.replace(random_score(draws, 4, STEPS, low=50, high=70), position=np.arange(STEPS)) for _ in range(2)
    )
    pages = [Excerpts.from_scores([score]) for score in (one, other)]
    now = data.draw(st.integers(0, STEPS - 1))
    twin = changed_after(*pages, now + lookahead, partners)
    reward = "parallel_fifths + parallel_octaves"
    assert heard(task, pages[0], shown, now, reward) == heard(task, twin, shown, now, reward)


@pytest.mark.parametrize("shown", SHOWN)
@pytest.mark.parametrize("lookahead", [0, 3])
def test_what_the_partner_plays_within_the_lookahead_is_seen(shown, lookahead):
    task = accompaniment(lookahead, bars=1)
    for step in (lookahead, lookahead + 1):
        other = Score.from_notes([[(0, step, 67, 80), (step, 16 - step, 71, 80)] if step else [(0, 16, 71, 80)]])
        usual = Score.from_notes([[(0, 16, 67, 80)]])
        first = [
            ComposeEnv(task, given=[score], observation=shown, reward="parallel_fifths").reset(seed=0)[0]
            for score in (usual, other)
        ]
        assert np.array_equal(*first) == (step > lookahead)


def test_the_key_in_which_a_piece_begins_is_told_and_later_ones_are_not():
    page = Score.from_notes([[(0, 16, 67, 80)]], key="G major")
    later = dataclasses.replace(page, tonic=np.where(np.arange(16) < 8, 7, 2), mode=np.where(np.arange(16) < 8, 0, 1))
    env = gym.make("musicgym/Accompaniment-v0", bars=1, observation="tokens", reward="parallel_fifths").unwrapped
    env.reset(seed=0, options={"given": later})
    while env.session.engine.pieces.cursor[0] < 40:
        observation, *_ = env.step(0)
    assert observation[2:4].tolist() == [7, 0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"given": ()}, r"given=\(\)\): expected one or more voices of the partner's"),
        ({"order": "voice"}, "order='voice'.: expected 'time', as sees='past': who goes back has heard the rest"),
        ({"order": "random"}, "expected 'time', as sees='past'"),
        ({"sweeps": 2}, "sweeps=2.: expected 1, as sees='past'"),
        ({"begin": "filled"}, "begin='filled'.: expected 'blank', as sees='past'"),
        ({"lookahead": -1}, "lookahead=-1.: expected 0..1024 steps"),
        ({"lookahead": 1.5}, "lookahead=1.5.: expected a whole number"),
        ({"lookahead": 2, "sees": "all"}, "sees='all'.: expected lookahead=, or musicgym/Chorale-v0"),
    ],
)
def test_what_cannot_be_heard_only_once_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        gym.make("musicgym/Accompaniment-v0", **fields)
