"""The n-gram model against the counts that it is made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from musicgym import NoteChoice, StepChoice, Task
from musicgym.corpus import load
from musicgym.models import NGramModel
from musicgym.models.witten_bell import NGram
from musicgym.testing.music import random_music
from musicgym.testing.sequence_model import check_sequence_model


def test_on_one_voice_it_says_what_the_counts_say() -> None:
    task = Task(StepChoice(48, 90), length=32)
    tunes = load("aird")
    learned, unseen = (tunes.split(split).excerpts(32, stride=8) for split in ("train", "test"))
    model = NGramModel(task, order=5).fit(NGramModel(task).sequences(learned))
    plain = NGram(model.alphabet.size, 5).fit(list(model.sequences(learned).tokens))
    expected = plain.log_prob(list(model.sequences(unseen).tokens))
    np.testing.assert_allclose(model.token_log_prob(unseen), np.array(expected), atol=1e-5)
    assert model.log_prob(unseen).mean() / 32 > np.log(1 / model.alphabet.size)


def test_voices_and_factors_have_counts_of_their_own() -> None:
    task = Task(NoteChoice((-1, *range(50, 71)), tuple(range(1, 13)), (40, 90)), voices=2, length=12)
    model = NGramModel(task, order=3)
    music = random_music(np.random.default_rng(0), task, 30)
    found = model.sequences(music)
    model.fit(found)
    known = found.place % 6
    rows = [(row[:length], slots[:length]) for row, slots, length in zip(found.tokens, known, found.length, strict=True)]
    counts = NGram(model.alphabet.size, 3).fit([tokens for tokens, _ in rows], [slots for _, slots in rows])
    expected = counts.log_prob([tokens for tokens, _ in rows], [slots for _, slots in rows])
    for row, logs in enumerate(expected):
        np.testing.assert_allclose(model.token_log_prob(music)[row, : len(logs)], logs, atol=1e-5)
    logits, _ = model.step(torch.full((2,), model.alphabet.start), model.start(2), torch.tensor([0, 0]))
    offset = model.alphabet.offsets[1]
    assert float(torch.softmax(logits, 1)[:, offset:].sum(1).max()) < 0.05  # a piece begins with a pitch, no duration


def test_it_fits_the_memory_of_small_numbers() -> None:
    task = Task(StepChoice(48, 90), length=32)
    model = NGramModel(task)
    model.fit(model.sequences(load("aird").excerpts(32, stride=8)))
    stored = sum(tensor.numel() * tensor.element_size() for tensor in model.tensors().values())
    grams = sum(tensor.numel() for name, tensor in model.tensors().items() if name.startswith("token"))
    assert stored < 6 * grams


def test_with_positions_it_knows_where_in_the_bar_a_note_is_to_come() -> None:
    task = Task(StepChoice(60, 71), length=32)
    draws = np.random.default_rng(0)
    found = NGramModel(task).sequences(random_music(draws, task, 200))
    tokens = np.where(found.place % 4 == 0, 2 + draws.integers(0, 12, found.tokens.shape), 1).astype(np.int16)  # each quarter
    model = NGramModel(task, order=1, positions=True).fit(found._replace(tokens=tokens))
    check_sequence_model(model)
    place = torch.arange(16)
    logits, _ = model.step(torch.full((16,), model.alphabet.start), model.start(16), place)
    holds = torch.softmax(logits, 1)[:, 1]
    assert (holds[place % 4 == 0] < 0.01).all()
    assert (holds[place % 4 > 0] > 0.99).all()
    again = NGramModel(task, **model.config)
    again.load_tensors(model.tensors())
    assert again.fingerprint == model.fingerprint
    with pytest.raises(ValueError, match=r"positions=1\): expected True or False"):
        NGramModel(task, positions=1)  # type: ignore[arg-type]
