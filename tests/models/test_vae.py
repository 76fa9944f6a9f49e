"""A VAE of windows of bars: step by step as at once, deterministic, and bad input named."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from musicgym import REST, ChordChoice, NoteChoice, Score, StepChoice, Task
from musicgym.models import VAE, load, save
from musicgym.models.sampling import ROWS
from musicgym.models.slerp import slerp
from musicgym.pieces import Excerpts
from musicgym.score import bar_steps
from musicgym.testing.music import random_score

STEPS = StepChoice(52, 67)
TASKS = {
    "melody": Task(STEPS, length=32),
    "two voices": Task(STEPS, voices=2, length=24, meter=(3, 4)),
    "chords": Task(ChordChoice(((60, 67), (52, 64))), voices=2, length=16, meter=(2, 4)),
    "a step a bar": Task(STEPS, length=8, steps_per_quarter=0.25),
}


def model_of(task: Task, seed: int = 0, **sizes: Any) -> VAE:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model = VAE(task, f"vae-{seed}", **{"bars": 2, "latent": 5, "units": 9, "embedding": 4, "plan": 3, **sizes})
        for weights in model.parameters():
            weights.mul_(2)
    return model


def windows(task: Task, count: int, seed: int = 0, bars: int = 2) -> Excerpts:
    """Random music on pages of so many bars."""
    draws = np.random.default_rng(seed)
    page = dataclasses.replace(task, length=bars * bar_steps(task.meter or (4, 4), task.steps_per_quarter)).material()
    steps = int(page.length[0])
    made = Excerpts.from_scores([random_score(draws, task.voices, steps, low=52, high=67) for _ in range(count)])
    names = ("position", "bar", "beat", "tonic", "mode", "chord", "quarter")
    return made._replace(**{name: np.repeat(getattr(page, name)[:1], count, axis=0) for name in names})


def tensors(model: VAE, music: Excerpts) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    found = model.sequences(music)
    return tuple(torch.from_numpy(array.astype(np.int64)) for array in found)  # type: ignore[return-value]


@pytest.mark.parametrize("conductor", [True, False])
@pytest.mark.parametrize("name", TASKS)
@limits(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_step_by_step_is_as_whole_windows_with_rows_that_begin_anew_and_rows_that_wait(
    name: str, conductor: bool, seed: int
) -> None:
    model, draws = model_of(TASKS[name], conductor=conductor), np.random.default_rng(seed)
    tokens, place, _ = tensors(model, windows(TASKS[name], 4, seed))
    latents = torch.from_numpy(draws.standard_normal((4, model.latent)).astype(np.float32))
    with torch.no_grad():
        whole = model.logits(tokens, place, latents)
    read, state = model.shifted(tokens), model.start(latents)
    at, rows = torch.zeros(4, dtype=torch.int64), torch.arange(4)
    for _ in range(2 * tokens.shape[1]):
        at = torch.where(torch.from_numpy(draws.random(4) < 0.1), 0, at) % tokens.shape[1]  # begins anew, early or at the end
        active = torch.from_numpy(draws.random(4) < 0.8)
        logits, state = model.step(read[rows, at], state, place[rows, at], active)
        torch.testing.assert_close(logits[active], whole[rows, at][active], atol=1e-4, rtol=0)
        at = at + active.long()
        order = torch.from_numpy(draws.permutation(4))
        state, at, rows = state.take(order), at[order], rows[order]


@pytest.mark.parametrize("name", TASKS)
def test_what_stands_after_a_windows_end_has_no_influence(name: str) -> None:
    model = model_of(TASKS[name])
    tokens, place, length = tensors(model, windows(TASKS[name], 3))
    wide = [torch.cat([array, torch.full((3, 7), filler)], dim=1) for array, filler in ((tokens, 3), (place, 1))]
    with torch.no_grad():
        said, same = model.posterior(tokens, place, length), model.posterior(wide[0], wide[1], length)
    torch.testing.assert_close(said.mean, same.mean)
    torch.testing.assert_close(said.log_variance, same.log_variance)


def test_the_divergence_is_torchs_own() -> None:
    model = model_of(TASKS["melody"])
    with torch.no_grad():
        said = model.posterior(*tensors(model, windows(TASKS["melody"], 3)))
    one = torch.distributions.Normal(said.mean, (said.log_variance / 2).exp())
    expected = torch.distributions.kl_divergence(one, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(said.kl, expected)


def test_the_bound_lies_below_the_likelihood_by_importance_sampling() -> None:
    """log p >= bound, with log p from 4,000 weighted draws of the posterior (Burda et al. 2016)."""
    task = Task(StepChoice(60, 61), length=4, meter=(1, 4))
    model, piece = model_of(task, bars=1, latent=2), windows(task, 1, bars=1)
    piece = piece._replace(pitch=piece.pitch.clip(60, 61))
    tokens, place, length = tensors(model, piece)
    torch.manual_seed(0)
    with torch.no_grad():
        said = model.posterior(tokens, place, length)
        latents = said.at(torch.randn(4000, 2))
        logs = model.logits(tokens.expand(4000, -1), place.expand(4000, -1), latents).log_softmax(dim=2)
        given_latents = logs.gather(2, tokens.expand(4000, -1)[..., None])[..., 0].sum(dim=1)
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(latents).sum(dim=1)
        posterior = torch.distributions.Normal(said.mean, (said.log_variance / 2).exp()).log_prob(latents).sum(dim=1)
        likelihood = torch.logsumexp(given_latents + prior - posterior, dim=0) - np.log(4000)
        bound = (given_latents + prior - posterior).mean()
    found = model.bound(piece, samples=2000).nats[0]
    assert found == pytest.approx(float(bound), abs=0.1)
    assert found < float(likelihood)


@pytest.mark.parametrize("name", TASKS)
def test_decoding_fills_pages_and_hangs_on_nothing_but_latents_page_and_seed(name: str) -> None:
    model = model_of(TASKS[name])
    points = model.draw(ROWS + 2, seed=4)
    assert np.array_equal(points[3:], model.draw(ROWS - 1, seed=7))
    many = model.decode_excerpts(points, temperature=1, seed=4)
    again = model.decode_excerpts(points[:2], temperature=1, seed=4)
    assert np.array_equal(many.pitch[:2], again.pitch)
    assert np.array_equal(many.onset[:2], again.onset)
    assert (many.pitch >= REST).all()
    assert model.sample(3, seed=4) == model.decode(points[:3], temperature=1, seed=4)
    assert model.sequences(many).length.tolist() == [many.pitch[0].size] * len(points)


def test_greedy_decoding_takes_the_likeliest_token_given_what_it_wrote() -> None:
    model = model_of(TASKS["melody"])
    points = model.draw(3)
    tokens, place, _ = tensors(model, model.decode_excerpts(points))
    with torch.no_grad():
        logits = model.logits(tokens, place, torch.from_numpy(points))
    assert torch.equal(logits.argmax(dim=2), tokens)


def test_decoding_keeps_a_pages_bars_and_none_of_its_notes() -> None:
    model = model_of(TASKS["melody"])
    jig = Score.from_notes([[(0, 24, 60, 80)]], meter=(6, 8))
    made = model.decode(model.draw(2), pages=[jig])
    assert [score.steps for score in made] == [24, 24]
    assert made[0].meters[0].numerator == 6
    assert made[0].pitch.tolist() != jig.pitch.tolist()


def test_music_is_cut_into_windows_of_bars() -> None:
    model = model_of(TASKS["melody"])
    tune = Score.from_notes([[(0, 70, 60, 80)]], steps=75)
    cut = model.windows([tune])
    assert cut.length.tolist() == [32, 32]
    assert cut.onset[:, 0, 0].all()
    assert model.encode(cut).shape == (2, 5)
    with pytest.raises(ValueError, match="none of the 1 pieces has 2 whole bars"):
        model.windows([Score.from_notes([[(0, 8, 60, 80)]])])


def test_ways_and_directions() -> None:
    model = model_of(TASKS["melody"])
    music = windows(TASKS["melody"], 4)
    ends = model.decode(model.draw(2))
    way = model.interpolate(*ends, n=5)
    assert [way[0], way[-1]] == model.decode(model.encode(ends), pages=[ends[0]])
    means = model.encode(music)
    half = [music.take(np.arange(2)), music.take(np.arange(2, 4))]
    assert model.direction(*half) == pytest.approx(means[:2].mean(axis=0) - means[2:].mean(axis=0))
    with pytest.raises(ValueError, match="lacking="):
        model.direction(half[0], [])
    with pytest.raises(ValueError, match="expected 2 windows or more"):
        model.interpolate(*ends, n=1)


@given(seed=st.integers(0, 2**16))
def test_slerp_keeps_to_the_sphere_and_moves_evenly(seed: int) -> None:
    one, other = np.random.default_rng(seed).standard_normal((2, 6))
    one, other = one / np.linalg.norm(one), other / np.linalg.norm(other)
    way = slerp(one, other, np.linspace(0, 1, 5)).astype(float)
    assert np.linalg.norm(way, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    turns = np.linalg.norm(np.diff(way, axis=0), axis=1)
    assert turns == pytest.approx(np.full(4, turns[0]), abs=1e-5)
    assert np.allclose(slerp(one, 2 * one, np.array([0.5])), 1.5 * one, atol=1e-5)
    assert np.allclose(slerp(np.zeros(6), one, np.array([0.5])), one / 2, atol=1e-5)


def test_a_saved_vae_comes_back(tmp_path: Path) -> None:
    model = model_of(TASKS["melody"])
    save(model, tmp_path / "one")
    again = load(tmp_path / "one", TASKS["melody"])
    assert isinstance(again, VAE)
    assert again.fingerprint == model.fingerprint
    assert again.sample(2) == model.sample(2)
    told = json.loads((tmp_path / "one.json").read_text())
    (tmp_path / "one.json").write_text(json.dumps({**told, "config": {**told["config"], "latent": 6}}))
    with pytest.raises(ValueError, match=r"expected torch\.float32"):
        load(tmp_path / "one")
    with pytest.raises(ValueError, match="take another model"):
        model.check_reads(TASKS["two voices"])


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"bars": 0}, r"VAE\(bars=0\): expected a whole number"),
        ({"latent": 2.0}, r"VAE\(latent=2.0\): expected a whole number"),
        ({"beta": -1}, r"VAE\(beta=-1\): expected a number from 0 on"),
        ({"free_nats": float("nan")}, r"VAE\(free_nats=nan\): expected a number from 0 on"),
        ({"blind": 1}, r"VAE\(blind=1\): expected a share within \[0, 1\)"),
        ({"dropout": 1}, r"VAE\(dropout=1\): expected a share within \[0, 1\)"),
        ({"conductor": 1}, r"VAE\(conductor=1\): expected True or False"),
    ],
)
def test_sizes_out_of_their_range_are_named(sizes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        VAE(TASKS["melody"], **sizes)


def test_music_and_latents_that_do_not_fit_are_told() -> None:
    model = model_of(TASKS["melody"])
    tune = Score.from_notes([[(0, 32, 60, 80)]])
    refused: list[tuple[str, Any]] = [
        ("piece 0 has 3 bars: expected at most 2", lambda: model.encode([Score.from_notes([[(0, 40, 60, 80)]])])),
        ("has a pitch that is none of the alphabet's", lambda: model.encode([Score.from_notes([[(0, 32, 90, 80)]])])),
        ("has blanks", lambda: model.bound([Score.blank(1, 32)])),
        ("2 voices: expected 1", lambda: model.encode([Score.from_notes([[(0, 32, 60, 80)], [(0, 32, 55, 80)]])])),
        ("6 steps a quarter: expected 4", lambda: model.encode(windows(TASKS["melody"], 1)._replace(quarter=np.array([6.0])))),
        (r"shape \(5,\): expected \(windows, 5\)", lambda: model.decode(np.zeros(5))),
        (r"shape \(0, 5\)", lambda: model.decode(np.zeros((0, 5)))),
        ("no finite number", lambda: model.decode(np.full((1, 5), np.nan))),
        ("temperature=-1", lambda: model.decode(np.zeros((1, 5)), temperature=-1)),
        (r"samples=0: expected a whole number of draws", lambda: model.bound([tune], samples=0)),
        (r"sample\(0\): expected a whole number of windows", lambda: model.sample(0)),
        ("seed=-1", lambda: model.sample(1, seed=-1)),
    ]
    for says, call in refused:
        with pytest.raises(ValueError, match=says):
            call()
    with pytest.raises(ValueError, match="whole notes don't keep to bar lines; expected StepChoice or ChordChoice"):
        VAE(Task(NoteChoice((REST, 60), (1, 2)), length=8))
    assert model.encode([]).shape == (0, 5)
    with torch.no_grad():
        model.head.bias[3] = torch.nan
    with pytest.raises(ValueError, match="logits are not finite"):
        model.sample(1)


def test_a_vae_of_a_task_with_music_of_its_own_decodes_on_empty_pages() -> None:
    task = dataclasses.replace(TASKS["two voices"], given=(0,), source="fux/test", meter=None, length=None)
    made = model_of(task).sample(1)[0]
    assert (made.voices, made.steps) == (2, 32)
    assert made.finished
