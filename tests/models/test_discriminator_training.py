"""How discriminators learn: from a model's pieces and spoiled ones, resumed exactly, stopped by what is no number."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musicgym import StepChoice, Task
from musicgym.models import LSTM, Discriminator, NGramModel, material
from musicgym.models.discriminator_lesson import Telling, prefix_loss
from musicgym.models.opposition import (
    blanked,
    by_length,
    learned_from,
    made_up,
    of_like_lengths,
    opposed,
    side_by_side,
)
from musicgym.models.settings import Training
from musicgym.models.spoiling import SPOILERS
from musicgym.models.tokens import Sequences, decode
from musicgym.models.training import NotFiniteError, Progress, train
from musicgym.score import BLANK

MELODY = Task(StepChoice(48, 83))
TRAINING = Training(window=32, batch=8, updates=60, warmup=5, evaluate_every=20, learning_rate=5e-3)


@pytest.fixture(scope="module")
def opponent(little: Any) -> NGramModel:
    """Counts of little music, of few tokens each: its pieces go nowhere."""
    (music, moves), _ = little
    model = NGramModel(MELODY, "two", order=2)
    sequences, _ = material.sequences_of(music, material.in_all_keys(music, moves), model.alphabet)
    return model.fit(sequences)


@pytest.fixture(scope="module")
def unseen(little: Any) -> Any:
    music, _ = little[1]
    return music, material.moves(music, MELODY, "all")


def judge(seed: int = 0) -> Discriminator:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Discriminator(MELODY, "judge", layers=4, width=12, dropout=0.1)


def taught(model: Discriminator, opponent: NGramModel, little: Any, unseen: Any, training: Training, **words: Any) -> Telling:
    lesson = Telling(model, opponent, little[0], unseen, training)
    train(model, little[0], little[1], training, lesson=lesson, **words)
    return lesson


def test_it_learns_to_tell_and_calibration_brings_it_nearer_to_the_truth(opponent: Any, little: Any, unseen: Any) -> None:
    model, seen = judge(), []
    lesson = taught(model, opponent, little, unseen, TRAINING, watcher=seen.append)
    looks = [progress.held_out for progress in seen if progress.held_out is not None]
    assert [set(look) for look in looks] == [{"prefix", "piece"}] * 3
    before = lesson.judged(*unseen)
    assert before["against"]["samples"] > 0.7
    lesson.calibrate()
    after = lesson.judged(*unseen)
    assert after["prefix"]["nats"] < min(before["prefix"]["nats"] + 1e-4, 0.69)  # log 2 is not to know
    assert after["prefix"]["auc"] == pytest.approx(before["prefix"]["auc"])
    assert set(after["against"]) == {"samples", *SPOILERS}
    assert (after["pieces"], after["windows"] >= after["pieces"]) == (len(unseen[0].families), True)
    for part in model.modules():
        if isinstance(part, torch.nn.Linear):
            assert float(torch.linalg.matrix_norm(part.weight.detach(), ord=2)) < 1.0001


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(
    opponent: Any, little: Any, unseen: Any, tmp_path: Path
) -> None:
    training = Training(window=32, batch=8, updates=8, warmup=2, evaluate_every=4)
    whole, halves = judge(), judge()
    taught(whole, opponent, little, unseen, training)

    def stop(progress: Progress) -> None:
        if progress.update == 5:
            raise KeyboardInterrupt

    words = {"folder": tmp_path, "seconds_between_checkpoints": 0.0}
    with pytest.raises(KeyboardInterrupt):
        taught(halves, opponent, little, unseen, training, watcher=stop, **words)
    again = judge(seed=1)
    taught(again, opponent, little, unseen, training, resume=True, **words)
    assert again.fingerprint == whole.fingerprint


def test_what_is_no_number_stops_it_and_the_last_good_checkpoint_stays(
    opponent: Any, little: Any, unseen: Any, tmp_path: Path
) -> None:
    training = Training(window=32, batch=8, updates=8, warmup=2, evaluate_every=4)
    model = judge()

    def spoil(progress: Progress) -> None:
        if progress.update == 3:
            with torch.no_grad():
                model.head.bias[:] = torch.nan

    with pytest.raises(NotFiniteError, match="the last good checkpoint stays"):
        taught(model, opponent, little, unseen, training, watcher=spoil, folder=tmp_path, seconds_between_checkpoints=0.0)
    taught(judge(), opponent, little, unseen, training, folder=tmp_path, resume=True)


@pytest.mark.parametrize("evaluate_every", [1, 8])
def test_weights_that_explode_are_told_as_of_other_kinds_whenever_it_is_looked_at(
    opponent: Any, little: Any, unseen: Any, evaluate_every: int
) -> None:
    wild = Training(window=32, batch=8, updates=8, warmup=0, evaluate_every=evaluate_every, learning_rate=1e3, weight_decay=1e6)
    with pytest.raises(NotFiniteError, match=r"stopped after update \d .*; train anew with a lower learning rate"):
        taught(judge(), opponent, little, unseen, wild)


def test_a_look_at_a_model_that_has_diverged_stops_training(opponent: Any, little: Any, unseen: Any) -> None:
    training = Training(window=32, batch=8, updates=3, evaluate_every=2)
    model = judge()

    def spoil(progress: Progress) -> None:
        with torch.no_grad():
            model.shift.fill_(torch.inf)  # no loss hangs on what calibration finds, for it stays as it is; looks do

    with pytest.raises(NotFiniteError, match="stopped after update"):
        taught(model, opponent, little, unseen, training, watcher=spoil)
    lesson = Telling(model, opponent, little[0], unseen, training)
    assert np.isnan(lesson.look().nats)


def test_an_opponent_that_cannot_be_one_is_named(opponent: Any, little: Any, unseen: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a musicgym\.models\.SequenceModel, which makes pieces up"):
        Telling(judge(), judge(), little[0], unseen, TRAINING)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"reads steps with pitches 48\.\.83, the task has steps with pitches 50\.\.60"):
        Telling(judge(), LSTM(Task(StepChoice(50, 60)), units=4), little[0], unseen, TRAINING)


# What stands against real music


def test_made_up_pieces_stand_on_the_pages_of_real_ones(opponent: Any, little: Any) -> None:
    music = little[1][0].excerpts
    made = made_up(opponent, music, seed=3)
    for field in ("position", "bar", "beat", "tonic", "mode", "length"):
        np.testing.assert_array_equal(getattr(made, field), getattr(music, field))
    inside = np.arange(made.pitch.shape[2]) < made.length[:, None]
    assert (made.pitch[:, 0][inside] != BLANK).all()
    assert (made.pitch != music.pitch).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(made_up(opponent, music, seed=3).pitch, made.pitch)


def test_given_voices_stay_on_the_page() -> None:
    from musicgym.testing.music import random_music

    task = Task(StepChoice(50, 70), voices=3, length=9, given=(1,))
    music = random_music(np.random.default_rng(0), task, 4)
    page = blanked(music, (1,))
    assert (page.pitch[:, [0, 2]] == BLANK).all()
    np.testing.assert_array_equal(page.pitch[:, 1], music.pitch[:, 1])
    made = made_up(LSTM(task, units=4, embedding=4), music, seed=0)
    np.testing.assert_array_equal(made.pitch[:, 1], music.pitch[:, 1])
    inside = np.arange(9) < music.length[:, None, None]
    assert ((made.pitch != BLANK) == inside).all()


def test_what_stands_against_a_window_is_as_long_and_made_of_its_tokens(opponent: Any, little: Any) -> None:
    music, windows = little[1]
    found = opposed(opponent, music, windows, opponent.alphabet, seed=0)
    for part in (found.generated, found.spoiled):
        np.testing.assert_array_equal(part.length, found.real.length)
        np.testing.assert_array_equal(part.place, found.real.place)
        assert (part.tokens != found.real.tokens).any(axis=1).mean() > 0.8
        decode(part, opponent.alphabet, 1, blanked(material.music_of(music, windows)))
    assert (found.spoilers >= 0).all()


def test_a_models_pieces_for_one_part_have_nothing_to_do_with_those_for_another(opponent: Any, little: Any) -> None:
    (music, moves), (unseen, windows) = little
    parts = [learned_from(opponent, music, moves, opponent.alphabet, steps=32, count=60, seed=1)]
    parts += [opposed(opponent, unseen, windows, opponent.alphabet, 1, part).generated for part in (1, 2)]
    for one, other in itertools.combinations(parts, 2):
        width = min(one.tokens.shape[1], other.tokens.shape[1], 12)
        same = (one.tokens[:, None, :width] == other.tokens[None, :, :width]).cumprod(axis=2).sum(axis=2)  # shared beginnings
        assert np.median(same.max(axis=1)) <= 3  # two draws of the same numbers share all of it


def test_samples_are_drawn_once_and_chosen_by_length(opponent: Any, little: Any) -> None:
    (music, moves), _ = little
    found = learned_from(opponent, music, moves, opponent.alphabet, steps=32, count=70, seed=1)
    assert len(found.length) == 70
    assert (np.diff(found.length) >= 0).all()
    again = learned_from(opponent, music, moves, opponent.alphabet, steps=32, count=70, seed=1)
    np.testing.assert_array_equal(found.tokens, again.tokens)
    lengths = np.repeat([4, 16, 32], 200)
    rows = of_like_lengths(found, lengths, np.random.default_rng(0))
    assert abs(found.length[rows][lengths == 32] - 32).mean() < 6
    assert len(set(rows.tolist())) > 8


def test_the_loss_is_the_mean_surprise_over_prefixes_by_length_with_both_kinds_alike() -> None:
    model = judge()
    with torch.no_grad():
        model.head.weight.mul_(30)
    draws = np.random.default_rng(0)

    def some(count: int, width: int) -> Sequences:
        tokens, place = draws.integers(0, 30, (count, width)), draws.integers(0, 16, (count, width))
        return by_length(
            Sequences(tokens.astype(np.int16), place.astype(np.int16), draws.integers(1, width + 1, count).astype(np.int32))
        )

    real, other = some(3, 7), some(5, 9)
    expected = []
    for part, sign in ((real, -1), (other, 1)):
        odds = model.evidence(part).cumsum(axis=1)
        weights = [np.arange(1, n + 1) ** 2 for n in part.length]
        surprise = [np.average(np.logaddexp(0, sign * odds[i, : len(w)]), weights=w) for i, w in enumerate(weights)]
        expected.append(np.mean(surprise))
    assert prefix_loss(model, real, other).item() == pytest.approx(np.mean(expected), abs=1e-5)
    both = side_by_side(real, other)
    assert both.tokens.shape[0] == 8
    np.testing.assert_array_equal(both.length, np.concatenate([real.length, other.length]))
