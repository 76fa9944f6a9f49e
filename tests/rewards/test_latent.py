"""Rewards of a VAE: windows are paid when they are whole, in any order, and what points at music leads there."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musicgym import BLANK, REST, ChordChoice, NoteChoice, Score, StepChoice, Task
from musicgym.engine import Engine
from musicgym.models import LSTM, VAE
from musicgym.pieces import Excerpts
from musicgym.rewards import AtEnd, Nearness, Reward, WindowBound, parse
from musicgym.rewards.latent import vae
from musicgym.rewards.window_reader import WindowReader
from musicgym.testing.music import needs_music, random_music, random_score
from musicgym.testing.reward import check_reward
from musicgym.vector_env import ComposeVectorEnv

STEPS = StepChoice(52, 67)
ANY = StepChoice(36, 96)
BAR = (1, 4)  # a bar of four steps
TASKS = {
    "melody": Task(STEPS, length=16, meter=BAR),
    "a window and a half": Task(STEPS, length=12, meter=BAR),
    "voices side by side": Task(STEPS, voices=3, length=8, meter=BAR),
    "voices one after the other": Task(STEPS, voices=2, length=16, order="voice", meter=BAR),
    "melody in random order": Task(STEPS, length=16, order="random", meter=BAR),
    "upper voice given": Task(STEPS, voices=2, length=8, given=(0,), meter=BAR),
    "holes": Task(STEPS, voices=2, length=16, blank=0.3, order="random", meter=BAR),
    "edits": Task(STEPS, length=16, begin="filled", order="random", sweeps=2, meter=BAR),
    "second thoughts": Task(STEPS, voices=2, length=8, sweeps=2, meter=BAR),
    "notes": Task(NoteChoice((REST, 55, 60, 64, 67), (1, 2, 3, 5), (30, 80)), length=16, meter=BAR),
    "chords": Task(ChordChoice(((60, 67), (55, 64))), voices=2, length=8, meter=BAR),
}


def model_of(task: Task, seed: int = 0, **sizes: Any) -> VAE:
    """A small model of random weights, large enough that windows differ; it reads steps of any pitch on the task's pages."""
    own = Task(ANY, voices=task.voices, meter=BAR, length=8)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model = VAE(own, f"vae-{seed}", **{"bars": 2, "latent": 4, "units": 6, "embedding": 4, "plan": 3, **sizes})
        for weights in model.parameters():
            weights.mul_(2)
    return model


def tunes(count: int, steps: int = 8, voices: int = 1) -> list[Score]:
    draws = np.random.default_rng(1)
    made = []
    for _ in range(count):
        score = random_score(draws, voices, steps, low=52, high=67)
        page = Score.blank(voices, steps, meter=BAR)
        made.append(dataclasses.replace(page, pitch=score.pitch, onset=score.onset, velocity=score.velocity))
    return made


def rewards_of(model: VAE) -> list[Reward]:
    voices = model.task.voices
    points = np.random.default_rng(0).standard_normal((3, model.latent))
    return [WindowBound(model), Nearness(model, tunes(2, voices=voices)), Nearness(model, points)]


@pytest.mark.parametrize("page", TASKS)
def test_the_checker_of_rewards_has_nothing_to_say_in_any_order_of_filling(page: str) -> None:
    model = model_of(TASKS[page])
    bound, near, pointed = rewards_of(model)
    task = TASKS[page]
    music = tunes(4, steps=task.length or 0, voices=task.voices) if needs_music(task) else None
    check_reward(0.05 * bound + near + 2 * pointed + AtEnd(near), task, given=music, pieces=2)


def played(task: Task, reward: Reward, actions: list[int]) -> tuple[np.ndarray, Score]:
    """What each choice of one piece is paid, float64 (T,), and the piece."""
    env = ComposeVectorEnv(task, 1, reward=reward, observation="tokens", autoreset_mode="disabled")
    env.reset(seed=0)
    paid = [float(env.step(np.array([action]))[1][0]) for action in actions]
    return np.array(paid), env.scores()[0]


def test_in_order_of_time_the_last_slot_of_each_window_pays_for_all_of_it() -> None:
    model = model_of(TASKS["melody"])
    actions = [2, 1, 5, 1, 9, 1, 1, 1, 3, 4, 1, 1, 0, 1, 7, 1]
    paid, piece = played(TASKS["melody"], WindowBound(model), actions)
    bounds = model.bound(model.windows([piece])).nats
    assert np.flatnonzero(paid).tolist() == [7, 15]
    assert paid[[7, 15]] == pytest.approx(bounds, rel=1e-5)
    totals, marks = WindowBound(model).score([piece], marks=True)
    assert totals["vae"][0] == pytest.approx(bounds.sum(), rel=1e-5)
    assert marks[0, 0, 0] == pytest.approx(paid, rel=1e-5)


def test_nearness_is_the_mean_cosine_of_a_pieces_windows_and_1_for_the_music_itself() -> None:
    model = model_of(TASKS["melody"])
    near = Nearness(model, tunes(3))
    assert near.score(tunes(3))["nearness"] == pytest.approx(np.ones(3), abs=1e-5)
    other = tunes(9, steps=16)[4:]
    means = model.encode(model.windows(other)).astype(float).reshape(5, 2, -1)
    cosines = means @ near.points.T / np.linalg.norm(means, axis=2, keepdims=True)
    assert near.score(other)["nearness"] == pytest.approx(cosines.max(axis=2).mean(axis=1), abs=1e-5)
    assert (near.score(other)["nearness"] < 0.9999).all()


def test_a_direction_leads_from_one_kind_of_music_to_another() -> None:
    model = model_of(TASKS["melody"])
    near = Nearness(model, tunes(4)[:2], tunes(4)[2:])
    expected = model.direction(tunes(4)[:2], tunes(4)[2:])
    assert near.points[0] == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)
    assert near.fingerprint == Nearness(model, expected.astype(np.float64)).fingerprint


def test_pickups_and_bars_that_are_left_over_pay_nothing() -> None:
    model = model_of(TASKS["melody"])
    page = Score.blank(1, 2 + 8 + 5, meter=BAR, pickup=2)
    score = random_score(np.random.default_rng(3), 1, 15, low=52, high=67)
    piece = dataclasses.replace(page, pitch=score.pitch, onset=score.onset, velocity=score.velocity)
    _, marks = WindowBound(model).score([piece], marks=True)
    assert np.flatnonzero(marks[0, 0, 0]).tolist() == [9]
    assert WindowBound(model).score([tunes(1, steps=7)[0]])["vae"].tolist() == [0]


def test_what_the_page_begins_with_pays_nothing() -> None:
    task, model = TASKS["melody"], model_of(TASKS["melody"])
    page = Excerpts.from_scores(tunes(1, steps=16))
    page.pitch[:, :, 8:], page.onset[:, :, 8:], page.velocity[:, :, 8:] = BLANK, False, 0
    engine, bound = Engine(task, 2), WindowBound(model).bind(task, 2)
    engine.reset(np.arange(2), np.arange(2, dtype=np.uint64), page)
    bound.reset(engine.pieces, np.ones(2, bool))
    paid = np.zeros(2)
    while not engine.pieces.done.all():
        engine.write(np.array([[4], [9]]))
        paid += bound(engine.pieces)[0]
    windows = [model.bound(model.windows([engine.score(i)])).nats for i in range(2)]
    assert paid == pytest.approx([pair[1] for pair in windows], rel=1e-5)


def test_rewards_that_share_a_model_have_it_look_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, calls = model_of(TASKS["melody"]), []
    real = VAE.posterior

    def counted(self: VAE, tokens: Any, place: Any, length: Any) -> Any:
        calls.append(len(tokens))
        return real(self, tokens, place, length)

    reward = Nearness(model, tunes(2)) + Nearness(model, tunes(1)) - AtEnd(Nearness(model, tunes(2)))
    monkeypatch.setattr(VAE, "posterior", counted)
    played(TASKS["melody"], reward, [5, 1] * 8)
    assert calls == [1, 1]


def test_fingerprints_hold_the_model_and_the_music() -> None:
    first, second = model_of(TASKS["melody"], 0), model_of(TASKS["melody"], 1)
    first.card = {"figures": {"valid": {"slot": {"nats": 0.8}}}}
    made = [
        WindowBound(first),
        WindowBound(second),
        WindowBound(first, centred=True),
        Nearness(first, tunes(1)),
        Nearness(first, tunes(2)),
        Nearness(second, tunes(1)),
        Nearness(first, tunes(2)[:1], tunes(2)[1:]),
    ]
    assert len({reward.fingerprint for reward in made}) == len(made)
    assert Nearness(model_of(TASKS["melody"], 0), tunes(2)).fingerprint == made[4].fingerprint


def test_centred_bounds_are_higher_by_what_the_card_says_of_every_slot() -> None:
    model = model_of(TASKS["melody"])
    model.card = {"figures": {"valid": {"slot": {"nats": 0.8}}}}
    music = tunes(3, steps=16)
    plain, centred = (WindowBound(model, centred=flag).score(music)["vae"] for flag in (False, True))
    assert centred - plain == pytest.approx(np.full(3, 0.8 * 16), rel=1e-5)


def test_expressions_name_models_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import musicgym.models

    model = model_of(TASKS["melody"])
    known: dict[str, Any] = {"a": model, "l": LSTM(Task(STEPS), units=4, embedding=4)}
    monkeypatch.setattr(musicgym.models, "load", lambda name: known[name], raising=False)
    monkeypatch.chdir(tmp_path)
    for name, tune in zip("xy", tunes(2)):
        dataclasses.replace(tune, tempos=tune.tempos).to_midi(tmp_path / f"{name}.mid")
    x, y = Score.from_midi(tmp_path / "x.mid"), Score.from_midi(tmp_path / "y.mid")
    made = parse("0.5*vae(model='a') + vae(model='a', like='x.mid, y.mid') - vae(model='a', like='x.mid', unlike='y.mid')")
    meant = 0.5 * WindowBound(model) + Nearness(model, [x, y]) - Nearness(model, [x], [y])
    assert made.fingerprint == meant.fingerprint
    for text, reason in {
        "vae": "vae needs model",
        "vae(model='l')": "a model of kind 'lstm'; expected a vae",
        "vae(model='a', unlike='x.mid')": "expected like= too",
        "vae(model='a', like='x.mid', centred=True)": "leave out one of them",
        "vae(model='a', centred=True)": "has no card that says its mean surprise",
        "vae(model='a', like='z.mid')": "z.mid",
        "vae(model='a', like=3)": "expected names of files or folders",
        "likelihood(model='a')": "is of kind 'vae': expected a sequence model",
    }.items():
        with pytest.raises(ValueError, match=reason):
            parse(text)
    assert vae(model).fingerprint == WindowBound(model).fingerprint


def test_what_cannot_be_judged_is_told() -> None:
    model, task = model_of(TASKS["melody"]), TASKS["melody"]
    narrow = VAE(Task(StepChoice(55, 60), meter=BAR, length=8), "narrow", latent=2, units=4, embedding=2, plan=2)
    refused = {
        "looks at windows of 2 bars, the task's pages of 7 steps have none": (model, task.changed(length=7)),
        "reads 1 voices, the task has 2": (model, task.changed(voices=2)),
        "reads 4 steps a quarter, the task has 12": (model, task.changed(steps_per_quarter=12)),
        "knows the pitches 55..60, the task's choices are 52..67": (narrow, task),
    }
    for reason, (one, page) in refused.items():
        with pytest.raises(ValueError, match=reason):
            WindowBound(one).bind(page, 2)
    with pytest.raises(ValueError, match=r"'narrow' knows the pitches 55..60, and piece 0 has others within steps 0..7"):
        WindowBound(narrow).score(tunes(1))
    with pytest.raises(ValueError, match="reads 1 voices, the music has 2"):
        WindowBound(model).score(tunes(1, voices=2))
    with pytest.raises(ValueError, match="none of the 1 pieces has 2 whole bars"):
        Nearness(model, tunes(1, steps=7))
    with pytest.raises(ValueError, match=r"points of shape \(2, 3\): expected \(points, 4\)"):
        Nearness(model, np.ones((2, 3)))
    with pytest.raises(ValueError, match="points without a direction"):
        Nearness(model, tunes(1), tunes(1))
    with pytest.raises(TypeError, match=r"expected a musicgym.models.VAE"):
        WindowBound("melody-vae")  # type: ignore[arg-type]
    with torch.no_grad():
        model.head.bias[3] = torch.nan
    with pytest.raises(ValueError, match="says what is no finite number"):
        WindowBound(model).score(tunes(1))


def test_a_reader_that_nobody_asked_pays_nothing() -> None:
    task = TASKS["melody"]
    engine = Engine(task, 3)
    reader = WindowReader(model_of(task), task, 3)
    engine.reset(np.arange(3), np.arange(3, dtype=np.uint64))
    reader.reset(engine.pieces, np.ones(3, bool))
    engine.write(np.array([[4], [9], [1]]))
    assert reader(engine.pieces).shape == (0, 3)


def test_music_of_other_lengths_and_pages_is_judged_piece_by_piece() -> None:
    task = Task(STEPS, length=16, meter=BAR)
    model = model_of(task)
    music = random_music(np.random.default_rng(5), task, 4)
    together = WindowBound(model).score(music)["vae"]
    alone = [WindowBound(model).score(music.take(np.array([i])))["vae"][0] for i in range(4)]
    assert together == pytest.approx(alone, rel=1e-5)
