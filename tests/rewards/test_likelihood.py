"""Rewards of sequence models: they sum to the model's own figures, whatever is chosen, in whatever company and mode."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from musicgym import BLANK, REST, ChordChoice, NoteChoice, Score, StepChoice, Task
from musicgym.engine import Engine
from musicgym.models.ngram import NGramModel
from musicgym.models.transformer import Transformer
from musicgym.rewards import AtEnd, Likelihood, Normalised, Potential, Reward, Typicality, parse
from musicgym.rewards.by_model import voices_of
from musicgym.rewards.likelihood import likelihood, mean_surprise, typicality
from musicgym.testing.music import TASKS, random_music, random_score
from musicgym.testing.reward import check_reward
from musicgym.vector_env import ComposeVectorEnv

STEPS = StepChoice(50, 70)
NOTES = NoteChoice((REST, 55, 60, 64, 67), (1, 2, 3, 5), (30, 80, 127))
PAGES = {
    "steps": Task(STEPS, length=11),
    "steps in three voices": Task(STEPS, voices=3, length=5),
    "notes": Task(NOTES, length=9),
    "notes in two voices": Task(NOTES, voices=2, length=7),
    "chords": Task(ChordChoice(((60, 67), (55, 64), (52, 60))), voices=3, length=5),
}


def ngram(task: Task, order: int = 3) -> NGramModel:
    """Counts of ten random pieces."""
    music = random_music(np.random.default_rng(0), Task(STEPS, voices=task.voices, length=12), 10)
    made = NGramModel(task, f"ngram-{order}", order=order)
    return made.fit(made.sequences(music))


def steps_of(task: Task) -> Task:
    """A task of steps on the same pages, of all pitches that this one's pieces may have."""
    return Task(StepChoice(36, 96), voices=task.voices, length=task.length)


class Paid(NamedTuple):
    """What every finished piece of a batch was paid in all, by term, and the piece."""

    terms: dict[str, np.ndarray]  # float64 (pieces,)
    scores: list[Score]


def play(task: Task, reward: Reward, rows: int, mode: str, pieces: int = 6, **fields: Any) -> Paid:
    """Random legal choices until so many pieces are finished."""
    env = ComposeVectorEnv(task, rows, reward=reward, observation="tokens", autoreset_mode=mode, **fields)
    draws = np.random.default_rng(0)
    _, info = env.reset(seed=3)
    terms = env.session.bound.terms
    running, ended = np.zeros((len(terms), rows)), np.zeros(rows, bool)
    totals: list[np.ndarray] = []
    scores: list[Score] = []
    finished = env.session.reset  # called before a piece is gone
    kept: dict[int, Score] = {}

    def keep(which: np.ndarray, *others: Any) -> None:
        kept.update({int(i): env.session.engine.score(int(i)) for i in which})
        finished(which, *others)

    env.session.reset = keep  # type: ignore[method-assign]
    while len(totals) < pieces:
        masks = np.split(info["action_mask"], np.cumsum(env.session.engine.plan.sizes)[:-1], axis=1)
        actions = np.stack([(mask * draws.random(mask.shape)).argmax(axis=1) for mask in masks], axis=1)
        if mode == "disabled" and ended.any():
            _, info = env.reset(options={"reset_mask": ended})
            ended = np.zeros(rows, bool)
            continue
        _, _, terminated, _, info = env.step(actions[:, 0] if actions.shape[1] == 1 else actions)
        known = info["_reward_terms"]
        running += np.where(known, [info["reward_terms"][name] for name in terms], 0.0)
        for i in np.flatnonzero(terminated):
            totals.append(running[:, i].copy())
            scores.append(kept[int(i)] if mode == "same-step" else env.session.engine.score(int(i)))
            running[:, i] = 0.0
        ended = terminated.copy()
    return Paid(dict(zip(terms, np.array(totals).T, strict=True)), scores)


@pytest.mark.parametrize("mode", ["same-step", "next-step", "disabled"])
@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("page", PAGES)
def test_an_episode_sums_to_the_models_log_prob_in_any_choice_batch_and_mode(lstm: Any, page: str, rows: int, mode: str) -> None:
    model = lstm(PAGES[page])
    paid = play(PAGES[page], Likelihood(model), rows, mode)
    assert np.allclose(paid.terms["likelihood"], model.log_prob(paid.scores), atol=1e-4)
    assert len(set(np.round(paid.terms["likelihood"], 3))) > 1


@pytest.mark.parametrize("kind", ["ngram", "transformer"])
def test_models_of_every_kind_are_read_as_they_say_themselves(kind: str) -> None:
    task = PAGES["steps in three voices"]
    torch.manual_seed(1)
    model = ngram(task) if kind == "ngram" else Transformer(task, layers=2, width=8, heads=2, context=16)
    paid = play(task, Likelihood(model), 4, "same-step")
    assert np.allclose(paid.terms["likelihood"], model.log_prob(paid.scores), atol=1e-4)


def test_given_voices_are_read_and_count_where_they_are_not_said_to_be_given(lstm: Any) -> None:
    task = Task(STEPS, voices=3, length=6, given=(1,))
    material = random_music(np.random.default_rng(4), dataclasses.replace(task, given=()), 3)
    model = lstm(task)
    free = play(task, Likelihood(model, given=(1,)), 4, "same-step", given=material)
    assert np.allclose(free.terms["likelihood"], model.log_prob(free.scores, given=(1,)), atol=1e-4)
    whole = play(task, Likelihood(model), 4, "same-step", given=material)
    assert np.allclose(whole.terms["likelihood"], model.log_prob(whole.scores), atol=1e-4)  # voice 0 begins: nothing is free


def test_what_the_page_begins_with_is_read_and_pays_nothing(lstm: Any) -> None:
    task, model = Task(STEPS, length=12), lstm(Task(STEPS, length=12))
    prefix = random_score(np.random.default_rng(1), 1, 5, low=52, high=68)
    engine, bound = Engine(task, 3), Likelihood(model).bind(task, 3)
    page = random_music(np.random.default_rng(2), task, 1)
    page.pitch[:], page.onset[:], page.velocity[:] = BLANK, False, 0
    page.pitch[0, :, :5], page.onset[0, :, :5], page.velocity[0, :, :5] = prefix.pitch, prefix.onset, prefix.velocity
    engine.reset(np.arange(3), np.arange(3, dtype=np.uint64), page)
    bound.reset(engine.pieces, np.ones(3, bool))
    paid = 0.0
    while not engine.pieces.done.all():
        engine.write(np.array([[4], [9], [1]]))
        paid = paid + bound(engine.pieces)[0]
    pieces = [engine.score(i) for i in range(3)]
    assert np.allclose(paid, model.token_log_prob(pieces)[:, 5:].sum(axis=1), atol=1e-4)


REWARDS: dict[str, Any] = {  # of a model and another one
    "likelihood": lambda model, other: Likelihood(model),
    "log-odds, centred": lambda model, other: Likelihood(model, minus=other, centred=True, surprise=0.7),
    "typicality": lambda model, other: Typicality(model, surprise=1.5),
    "at the end and now": lambda model, other: AtEnd(Likelihood(model)) - 0.5 * Likelihood(model),
}


@pytest.mark.parametrize("page", TASKS)
def test_the_checker_of_rewards_has_nothing_to_say_in_any_order_of_filling(lstm: Any, page: str) -> None:
    task = TASKS[page]
    model = lstm(steps_of(task))
    other = lstm(steps_of(task), 9)
    reward = sum((make(model, other) for make in REWARDS.values()), start=Likelihood(ngram(steps_of(task))))
    check_reward(reward, task, pieces=2)


@pytest.mark.parametrize("page", ["notes", "notes in three voices"])
def test_the_checker_has_nothing_to_say_of_models_of_whole_notes(lstm: Any, page: str) -> None:
    for made in (TASKS[page], dataclasses.replace(TASKS[page], order="time")):
        choice = made.choice
        assert isinstance(choice, NoteChoice)
        for velocities in {choice.velocities, (80,)}:  # of a corpus without velocities the model has none
            own = Task(dataclasses.replace(choice, velocities=velocities), voices=made.voices, length=made.length)
            for make in REWARDS.values():
                check_reward(make(lstm(own), lstm(own, 9)), made, pieces=2)


def test_rewards_that_change_another_are_paid_as_with_any_other(lstm: Any) -> None:
    model, task = lstm(PAGES["steps"]), PAGES["steps"]
    music = random_music(np.random.default_rng(0), task, 4)
    for reward in (
        Likelihood(model).clip(-2, 0),
        Potential(Likelihood(model), 0.9),
        Normalised(Typicality(model, surprise=1), music),
    ):
        check_reward(reward, task, additive=False, pieces=2)


def test_pieces_of_different_lengths_begin_anew_each_for_itself(lstm: Any) -> None:
    task = Task(STEPS, voices=2, length=9, given=(0,))
    material = random_music(np.random.default_rng(7), dataclasses.replace(task, given=()), 5)
    assert len(set(material.length.tolist())) > 1
    model = lstm(task)
    paid = play(task, Likelihood(model, given=(0,)) + Typicality(model, surprise=1), 7, "same-step", pieces=25, given=material)
    assert np.allclose(paid.terms["likelihood"], model.log_prob(paid.scores, given=(0,)), atol=1e-4)


@limits(max_examples=20)
@given(seed=st.integers(0, 2**20), blanks=st.sampled_from([0.0, 0.15]))
def test_marks_sum_to_scores_and_stand_where_the_model_says(lstm: Any, seed: int, blanks: float) -> None:
    draws = np.random.default_rng(seed)
    scores = [random_score(draws, 2, int(draws.integers(1, 9)), low=52, high=68, blanks=blanks) for _ in range(3)]
    model = lstm(Task(STEPS, voices=2, length=8))
    totals, marks = Likelihood(model).score(scores, marks=True)
    assert np.allclose(totals["likelihood"], marks.sum(axis=(1, 2, 3)), atol=1e-4)
    for i, score in enumerate(scores):
        flat = score.pitch.T.reshape(-1) == BLANK
        stands = int(flat.argmax()) if flat.any() else flat.size
        filled = dataclasses.replace(
            score,
            pitch=np.where(score.pitch == BLANK, REST, score.pitch),
            onset=score.onset | (score.pitch == BLANK),
        )
        expected = model.token_log_prob([filled])[0].copy()
        expected[stands:] = 0.0
        found = marks[i, 0].T.reshape(-1)
        assert np.allclose(found[: len(expected)], expected, atol=1e-4)


def test_typicality_of_a_full_page_is_the_distance_of_its_mean_surprise(lstm: Any) -> None:
    model = lstm(Task(STEPS, voices=2, length=8))
    music = random_music(np.random.default_rng(5), Task(STEPS, voices=2, length=8), 6)
    surprise = -model.log_prob(music) / (2 * music.length)
    assert np.allclose(Typicality(model, surprise=1.25).score(music)["typicality"], -abs(surprise - 1.25), atol=1e-5)
    weighed = -model.log_prob(music).sum() / (2 * music.length.sum())
    assert mean_surprise(model, music) == pytest.approx(weighed, abs=1e-5)


def test_centred_music_of_the_reference_has_a_mean_of_0_and_log_odds_are_differences(lstm: Any) -> None:
    task = Task(STEPS, length=8)
    model, other = lstm(task), ngram(task)
    music = random_music(np.random.default_rng(5), task, 6)
    centred = Likelihood(model, centred=True, surprise=mean_surprise(model, music))
    assert abs(centred.score(music)["likelihood"].sum()) < 1e-4
    mean = mean_surprise(model, music, minus=other)
    both = Likelihood(model, minus=other, centred=True, surprise=mean)
    assert abs(both.score(music)["likelihood"].sum()) < 1e-4
    assert Likelihood(other, minus=model, centred=True, surprise=-mean).centre == -both.centre
    odds = Likelihood(model, minus=other).score(music)["likelihood"]
    assert np.allclose(odds, model.log_prob(music) - other.log_prob(music), atol=1e-4)


def test_a_card_says_what_real_music_is_like(lstm: Any) -> None:
    model = lstm(PAGES["steps"])
    for make in (lambda: Likelihood(model, centred=True), lambda: Typicality(model)):
        with pytest.raises(ValueError, match="has no card that says its mean surprise"):
            make()
    model.card = {"figures": {"valid": {"slot": {"nats": 0.8}}}}  # type: ignore[assignment]
    assert Typicality(model).surprise == -Likelihood(model, centred=True).centre == 0.8


def test_fingerprints_hold_the_models(lstm: Any) -> None:
    first, second = lstm(PAGES["steps"], 0), lstm(PAGES["steps"], 1)
    rewards = [
        Likelihood(first),
        Likelihood(second),
        Likelihood(first, minus=second),
        Likelihood(first, centred=True, surprise=1),
        Typicality(first, surprise=1),
        Typicality(first, surprise=2),
        Typicality(second, surprise=1),
    ]
    assert len({reward.fingerprint for reward in rewards}) == len(rewards)
    assert Likelihood(lstm(PAGES["steps"], 0)).fingerprint == rewards[0].fingerprint


def test_expressions_take_names_of_models_and_flags(lstm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import musicgym.models

    known = {"a": lstm(PAGES["steps"], 0), "b": lstm(PAGES["steps"], 1)}
    for model in known.values():
        model.card = {"figures": {"valid": {"slot": {"nats": 0.8}}}}  # type: ignore[assignment]
    monkeypatch.setattr(musicgym.models, "load", lambda name: known[name], raising=False)
    made = parse("0.5*likelihood(model='a', minus='b', centred=True) + typicality(model='b', surprise=1.5)")
    meant = 0.5 * Likelihood(known["a"], minus=known["b"], centred=True) + Typicality(known["b"], surprise=1.5)
    assert made.fingerprint == meant.fingerprint
    for text, reason in {
        "likelihood": "likelihood needs model",
        "likelihood(model='a', minus=0)": "model 0: expected a name or path in quotes",
        "typicality(model=1.5)": "model 1.5: expected a name or path in quotes",
        "likelihood(model='a', centred=1)": "parameter 1: expected True or False",
        "likelihood(model='a', given='0')": "at least one left that counts",
        "likelihood(model='a', given='soprano')": "expected voices, counted from 0",
        "likelihood(model='a', surprise=1)": "it is what centred=True takes as the mean",
        "likelihood(model='a', centred=True, surprise=-1)": "expected nats a slot, above 0",
        "typicality(model='a', surprise=-1)": "expected nats a slot, above 0",
        "typicality(model='a', surprise=True)": "expected a number or quoted text",
    }.items():
        with pytest.raises(ValueError, match=reason):
            parse(text)
    assert voices_of("0, 2") == voices_of((2, 0))[::-1] == (0, 2)
    assert likelihood(known["a"]).fingerprint == Likelihood(known["a"]).fingerprint
    assert typicality(known["a"]).fingerprint == Typicality(known["a"]).fingerprint
