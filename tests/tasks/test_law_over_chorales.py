"""The law of the sum over 200 excerpts of Bach: what an episode pays is what the finished piece is worth less the parts given."""

import numpy as np
import pytest

from musicgym import ComposeVectorEnv, rewards
from musicgym.pieces import Excerpts
from musicgym.rewards import rule
from musicgym.tasks.chorale import accompaniment, chorale
from musicgym.tasks.infill import infill

EXCERPTS = 200
TASKS = {
    "soprano given, in time": chorale(bars=2),
    "bass given, in time": chorale((3,), 2),
    "nothing given, chord by chord": chorale((), 2, choice="chord"),
    "soprano heard so far": accompaniment(2, bars=2),
    "alto given, a voice after the other": chorale((1,), 2, order="voice"),
    "tenor given, at random": chorale((2,), 2, order="random"),
    "outer voices given, at random, on the beat": chorale((0, 3), 4, 1, order="random"),
    "bars blank, a voice after the other": infill("bar", bars=2, order="voice"),
    "slots blank, at random, in triple time": infill("slot", 0.5, 2, meter=(3, 4), order="random"),
    "bars edited at random, twice": infill("bar", bars=2, improve=True, order="random", sweeps=2),
    "voices edited in time, twice": infill("voice", bars=2, improve=True, sweeps=2),
    "chords edited": chorale(bars=2, choice="chord", begin="filled"),
}


def as_they_stand(env: ComposeVectorEnv) -> Excerpts:
    """What is on the pages now."""
    pieces = env.session.engine.pieces
    return Excerpts(*(getattr(pieces, name).copy() for name in Excerpts._fields))


@rule
def followed(piece, voice, step):
    """+1 for each voice whose last note is nearer than a fifth (our own): it sees all voices, also those written later."""
    found = 0.0
    for other in range(piece.pitch.shape[0]):
        before = piece.previous[other, step]
        if other != voice and before >= 0 and piece.pitch[voice, step] >= 0:
            found += abs(piece.pitch[other, before] - piece.pitch[voice, step]) < 7
    return found


JUDGES = [("part_writing", name) for name in TASKS] + [("followed", name) for name in TASKS]
JUDGES += [(judge, name) for judge in ("theory", "counterpoint") for name in list(TASKS)[:1]]


@pytest.mark.slow
@pytest.mark.parametrize(("judge", "name"), JUDGES)
def test_what_is_paid_is_what_the_music_is_worth_less_what_was_given(judge, name):
    reward = followed() if judge == "followed" else rewards.parse(judge)
    env = ComposeVectorEnv(TASKS[name], EXCERPTS, reward=reward, observation="tokens", autoreset_mode="disabled")
    draws = np.random.default_rng(0)
    env.reset(seed=7)
    start = as_they_stand(env)
    paid = np.zeros((len(env.session.bound.terms), EXCERPTS))
    size = np.zeros_like(paid)
    ended = np.zeros(EXCERPTS, bool)
    session = env.session
    while not ended.all():
        masks = session.masks()
        weights = masks * draws.random(masks.shape)
        edges = np.cumsum(session.engine.plan.sizes)[:-1]
        actions = np.stack([part.argmax(axis=1) for part in np.split(weights, edges, axis=1)], axis=1)
        terms, _ = session.step(actions)
        terms = np.where(session.engine.pieces.written, terms, 0.0)
        paid += terms
        size += np.abs(terms)
        ended = session.engine.pieces.done
    before, after = reward.score(start), reward.score(as_they_stand(env))
    assert np.abs(paid).sum() > 0
    for k, term in enumerate(env.session.bound.terms):
        worth = after[term].astype(float) - before[term]
        most = np.maximum(1.0, np.maximum(size[k], np.abs(after[term])))
        assert (np.abs(paid[k] - worth) <= 2e-5 * most).all(), (term, np.abs(paid[k] - worth).max())
