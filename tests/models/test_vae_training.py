"""Training of VAEs: seconds overfit eight tunes, other latents give other music, and a killed training goes on bit for bit."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musicgym import Score, StepChoice, Task, models
from musicgym.commands import main
from musicgym.models import VAE, bars, checkpoint, material
from musicgym.models.determinism import drawing
from musicgym.models.material import Moves, Music, Windows
from musicgym.models.settings import Training
from musicgym.models.slerp import slerp
from musicgym.models.training import NotFiniteError, train
from musicgym.models.vae_figures import decoded, foreseen, partners, returned
from musicgym.pieces import Excerpts

MELODY = Task(StepChoice(48, 83))
FEW = Training(updates=8, batch=8, evaluate_every=4, warmup=2, learning_rate=5e-3)


def tiny(**sizes: Any) -> VAE:
    with drawing(torch.device("cpu"), 7):
        return VAE(MELODY, **{"units": 12, "embedding": 8, "latent": 4, "plan": 4, "anneal": 3, **sizes})


@pytest.fixture(scope="session")
def eight(little: tuple[tuple[Music, Moves], tuple[Music, Windows]]) -> tuple[tuple[Music, Moves], Windows]:
    """Eight tunes in their own keys, and their windows of two bars."""
    music = little[0][0]
    rows = np.arange(8)
    few = Music(music.excerpts.take(rows), music.families[rows], music.keys[rows])
    learned = material.fitting(few, material.moves(few, MELODY, "none"))
    return learned, bars.in_turn(*learned, 2)


@pytest.fixture(scope="session")
def unseen(little: tuple[tuple[Music, Moves], tuple[Music, Windows]]) -> tuple[Music, Windows]:
    music = little[1][0]
    return music, bars.in_turn(music, material.moves(music, MELODY, "none"), 2)


@pytest.fixture(scope="session")
def overfit(eight: tuple[tuple[Music, Moves], Windows]) -> VAE:
    """What seconds of training make of eight tunes."""
    model = tiny(units=64, embedding=24, latent=16, plan=32, anneal=50, beta=0.1, blind=0.1)
    learned, windows = eight
    training = Training(
        transpose="none", updates=300, warmup=20, learning_rate=5e-3, evaluate_every=100, weight_decay=0.0, batch=32
    )
    train(model, learned, (learned[0], windows), training)
    return model


def test_notes_come_back_from_the_posteriors_mean_and_not_from_other_latents(
    overfit: VAE, eight: tuple[tuple[Music, Moves], Windows]
) -> None:
    (music, _), windows = eight
    found = decoded(overfit, material.music_of(music, windows), music.families[windows.piece])
    assert found["posterior_mean"].f1 > 0.85
    for arm in ("swapped", "zero", "chance"):
        assert found[arm].f1 < 0.2, arm


def test_the_bound_of_what_was_learned_lies_far_above_that_of_an_untrained_model(
    overfit: VAE, eight: tuple[tuple[Music, Moves], Windows]
) -> None:
    (music, _), windows = eight
    pages = material.music_of(music, windows)
    likely, anyhow = foreseen(overfit, overfit.sequences(pages)), foreseen(tiny(), tiny().sequences(pages))
    assert (likely.surprise + likely.kl).mean() < 0.4 * (anyhow.surprise + anyhow.kl).mean()
    assert likely.active_units > 4
    assert anyhow.active_units <= 4
    assert likely.surprise + likely.kl == pytest.approx(-overfit.bound(pages).nats, rel=1e-5)


def test_an_interpolation_leads_from_one_tune_to_another(overfit: VAE, eight: tuple[tuple[Music, Moves], Windows]) -> None:
    (music, _), windows = eight
    whole = windows.take(windows.stop - windows.start == 32)
    ends = material.music_of(music, whole.take(np.array([0, -1])))
    first, last = ends.take(np.array([0])), ends.take(np.array([1]))
    points = overfit.encode(ends)
    way = overfit.decode_excerpts(slerp(points[0], points[1], np.linspace(0, 1, 5)), pages=first)
    to_first = [returned(first, way.take(np.array([i]))).f1 for i in range(5)]
    to_last = [returned(last, way.take(np.array([i]))).f1 for i in range(5)]
    assert to_first[0] > 0.6 > to_first[4]
    assert to_last[4] > 0.6 > to_last[0]


def test_what_was_killed_goes_on_bit_for_bit(
    little: tuple[tuple[Music, Moves], tuple[Music, Windows]], unseen: tuple[Music, Windows], tmp_path: Path
) -> None:
    class StopError(Exception):
        """A kill."""

    def kill(progress: Any) -> None:
        if progress.update == 6:
            raise StopError

    whole, broken, resumed = tiny(), tiny(), tiny(latent=4)
    train(whole, little[0], unseen, FEW)
    with pytest.raises(StopError):
        train(broken, little[0], unseen, FEW, folder=tmp_path, watcher=kill, seconds_between_checkpoints=0)
    torch.rand(3)  # a process of its own has drawn other things
    train(resumed, little[0], unseen, FEW, folder=tmp_path, resume=True)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_weights_that_are_no_numbers_stop_training_and_leave_the_last_good_checkpoint(
    little: tuple[tuple[Music, Moves], tuple[Music, Windows]], unseen: tuple[Music, Windows], tmp_path: Path
) -> None:
    model = tiny()

    def spoil(progress: Any) -> None:
        if progress.update == 3:
            with torch.no_grad():
                model.head.bias[2] = math.nan

    with pytest.raises(NotFiniteError, match="are no finite numbers; the last good checkpoint stays"):
        train(model, little[0], unseen, FEW, folder=tmp_path, watcher=spoil, seconds_between_checkpoints=0)
    assert checkpoint.place_of(tmp_path).update == 2


def test_music_without_a_window_is_nothing_to_learn(little: tuple[tuple[Music, Moves], tuple[Music, Windows]]) -> None:
    music, moves = little[0]
    with pytest.raises(ValueError, match="none of the 40 pieces has 2 whole bars of at most 4 steps with a note in them"):
        train(tiny(), (music, moves), little[1], Training(window=4))


# Windows


def test_windows_are_whole_bars_each_once_and_in_turn(little: tuple[tuple[Music, Moves], tuple[Music, Windows]]) -> None:
    music, moves = little[0]
    pages = music.excerpts
    found = bars.in_turn(music, moves, 2)
    assert (pages.position[found.piece, found.start] == 0).all()
    length = pages.bar[found.piece, found.start] * 2
    assert (found.stop - found.start == length).all()
    same = found.piece[1:] == found.piece[:-1]
    assert (found.start[1:] >= found.stop[:-1])[same].all()
    every = bars.windows_of(pages, 2, overlap=True)
    chosen = set(zip(found.piece.tolist(), found.start.tolist()))
    assert chosen < set(zip(every.piece.tolist(), every.start.tolist()))
    drawn = bars.in_drawn_keys(every, moves, np.random.default_rng(0))
    assert len(set((drawn.shift % 12).tolist())) == 12


def test_bars_of_another_length_are_in_no_window() -> None:
    page = Excerpts.from_scores([Score.blank(1, 40, pickup=4)])
    page.position[0, 24:] = np.arange(16) % 16  # a bar of 4 steps stands at 20..23
    assert bars.windows_of(page, 1).start.tolist() == [4, 24]
    assert len(bars.windows_of(page, 2).start) == 0


# Figures


def test_notes_return_by_pitch_and_place() -> None:
    one = Excerpts.from_scores([Score.from_notes([[(0, 2, 60, 80), (2, 2, 62, 80), (4, 4, 64, 80)]])])
    other = Excerpts.from_scores([Score.from_notes([[(0, 1, 60, 80), (1, 3, 62, 80), (4, 4, 64, 80), (8, 2, 65, 80)]])])
    found = returned(one, other)
    assert [int(array[0]) for array in found] == [2, 3, 4]
    assert found.f1 == pytest.approx(4 / 7)
    assert returned(one, one).f1 == 1


def test_partners_have_the_same_page_and_another_family(unseen: tuple[Music, Windows]) -> None:
    music, windows = unseen
    pages, families = material.music_of(music, windows), music.families[windows.piece]
    found = partners(pages, families)
    rows = np.flatnonzero(found >= 0)
    assert len(rows) > 10
    assert (families[rows] != families[found[rows]]).all()
    assert (pages.bar[rows] == pages.bar[found[rows]]).all()
    assert (pages.length[rows] == pages.length[found[rows]]).all()
    assert list(decoded(tiny(), pages.take(rows[:1]), families[rows[:1]])) == ["posterior_mean", "zero"]
    assert list(decoded(tiny(), pages, families)) == ["posterior_mean", "swapped", "zero", "chance"]


# The command


def test_the_command_trains_a_vae_with_a_card_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = [word for size in ("units=12", "embedding=4", "latent=3", "plan=4") for word in ("--size", size)]
    words = ["--corpus", "aird", "--updates", "3", "--name", "one", "--out", str(tmp_path)]
    assert main(["model", "train", "vae", *sizes, *words]) == 0
    out = capsys.readouterr().out
    assert "of the notes come back (F1 of pitch and place)" in out
    assert "onset_f1: posterior mean" in out
    card = models.load(str(tmp_path / "one")).card
    assert card is not None
    test = card["figures"]["test"]
    assert set(test["onset_f1"]) == {"posterior_mean", "swapped", "zero", "chance"}
    assert test["window"]["nats"] == pytest.approx(test["window"]["reconstruction"] + test["window"]["kl"])
    assert 0 <= test["window"]["active_units"] <= 3
    assert all(leak["windows"] == 0 for leak in card["leakage"].values())
    assert main(["model", "train", "vae", "--corpus", "aird", "--size", "bars=900", "--name", "no", "--out", str(tmp_path)]) == 2
    assert "none of the 845 pieces has 900 whole bars with a note in them" in capsys.readouterr().err.splitlines()[-1]
    assert main(["model", "train", "vae", "--task", "ExpressiveMelody", "--name", "no", "--out", str(tmp_path)]) == 2
    assert "whole notes don't keep to bar lines" in capsys.readouterr().err.splitlines()[-1]
    assert {path.name for path in tmp_path.iterdir()} == {"one", "one.json", "one.safetensors"}
