"""What every sequence model keeps: token by token it says what it says of whole sequences, whatever other rows do."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch

from musicgym import NoteChoice, Score, StepChoice, Task
from musicgym.models import LSTM, NGramModel, SequenceModel, Transformer
from musicgym.models.tokens import Sequences
from musicgym.testing import check_sequence_model
from musicgym.testing.music import random_music

MELODY = Task(StepChoice(55, 66), length=24)
NOTES = Task(NoteChoice((-1, *range(55, 61)), tuple(range(1, 13)), (50, 90)), voices=2, length=12)


def shaken(model: SequenceModel) -> SequenceModel:
    """The model with weights large enough to make a difference, the same every time."""
    draws = torch.Generator().manual_seed(5)
    model.load_tensors({name: 0.3 * torch.randn(old.shape, generator=draws) for name, old in model.tensors().items()})
    return model


def counted(task: Task) -> NGramModel:
    model = NGramModel(task, order=4)
    music = random_music(np.random.default_rng(0), task, 20)
    return model.fit(model.sequences(music))


MAKE: dict[str, Callable[[Task], SequenceModel]] = {
    "lstm": lambda task: shaken(LSTM(task, units=24, embedding=8)),
    "lstm that looks back": lambda task: shaken(LSTM(task, units=24, embedding=8, lookback=True)),
    "two-layer lstm": lambda task: shaken(LSTM(task, units=16, embedding=8, layers=2)),
    "transformer": lambda task: shaken(Transformer(task, layers=2, width=32, heads=2, context=300)),
    "short-sighted transformer": lambda task: shaken(Transformer(task, layers=3, width=32, heads=4, key_heads=2, context=11)),
    "ngram": counted,
}
models = pytest.mark.parametrize("name", MAKE)
tasks = pytest.mark.parametrize("task", [MELODY, NOTES], ids=["melody", "notes in two voices"])


def whole(model: SequenceModel, tokens: list[int], place: list[int]) -> torch.Tensor:
    with model.judging():
        return model.logits(torch.tensor([tokens]), torch.tensor([place]))[0]


@models
@tasks
def test_every_kind_keeps_what_a_sequence_model_must(name: str, task: Task) -> None:
    check_sequence_model(MAKE[name](task))  # longer than the short-sighted one's context and the first room of the other's cache


def test_an_lstm_that_looks_back_learns_at_once_that_bars_come_back() -> None:
    draws = np.random.default_rng(0)
    bars = torch.from_numpy(draws.integers(0, MAKE["lstm"](MELODY).alphabet.size, (48, 16)))
    tokens, place = bars.repeat(1, 4), torch.arange(16).repeat(48, 4)  # four times the same bar, and none twice among all of them
    nats = {}
    for lookback in (False, True):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = LSTM(MELODY, units=24, embedding=8, lookback=lookback)
            learns = torch.optim.Adam(model.parameters(), lr=0.02)
            for _ in range(60):
                loss = torch.nn.functional.cross_entropy(
                    model.logits(tokens[:32], place[:32])[:, 16:].flatten(0, 1), tokens[:32, 16:].flatten()
                )
                learns.zero_grad()
                loss.backward()
                learns.step()
            with model.judging():
                said = model.logits(tokens[32:], place[32:])[:, 16:]
            nats[lookback] = float(torch.nn.functional.cross_entropy(said.flatten(0, 1), tokens[32:, 16:].flatten()))
    assert nats[True] < 0.5 < 3 < nats[False]


def test_a_model_that_says_what_is_no_number_is_named() -> None:
    model = MAKE["lstm"](MELODY)
    music = random_music(np.random.default_rng(4), MELODY, 4)
    with torch.no_grad():
        model.head.bias[1] = torch.nan  # type: ignore[attr-defined]
    for judge in (model.log_prob, model.token_log_prob):
        with pytest.raises(ValueError, match="model 'lstm' gives piece 0 a log probability that is no finite number"):
            judge(music)


@models
def test_voices_that_are_given_count_nothing(name: str) -> None:
    model = MAKE[name](NOTES)
    music = random_music(np.random.default_rng(4), NOTES, 4)
    found, factors = model.sequences(music), model.alphabet.factors
    second = found.place % (2 * factors) // factors == 1
    np.testing.assert_allclose(model.log_prob(music, given=(0,)), (model.token_log_prob(music) * second).sum(axis=1), atol=1e-9)


class Faulty(LSTM):
    """An LSTM with a fault."""

    fault = ""

    def step(self, tokens, state, place, active=None):  # type: ignore[no-untyped-def]
        if self.fault == "rows that are left out":
            active = None
        if self.fault == "places":
            place = torch.zeros_like(place)
        if self.fault == "beginnings":
            tokens = tokens.clamp(max=self.alphabet.size - 1)
        logits, state = super().step(tokens, state, place, active)
        return logits.double() if self.fault == "dtype" else logits, state

    def logits(self, tokens, place):  # type: ignore[no-untyped-def]
        said = super().logits(tokens, place)
        return said + said.mean(dim=1, keepdim=True) if self.fault == "what comes" else said


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("rows that are left out", "other logits than logits"),
        ("places", "other logits than logits"),
        ("beginnings", "other logits than logits"),
        ("dtype", r"torch\.float64 \(6, 14\): expected torch\.float32"),
        ("what comes", "other logits than logits"),
    ],
)
def test_the_check_names_a_models_fault(fault: str, said: str) -> None:
    model = shaken(Faulty(MELODY, units=24, embedding=8))
    check_sequence_model(model, tokens=60)
    model.fault = fault  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match=said):
        check_sequence_model(model, tokens=60)


@models
def test_probabilities_of_all_pieces_sum_to_one(name: str) -> None:
    task = Task(StepChoice(60, 61), length=3)
    model = MAKE[name](task)
    every = np.array(np.meshgrid(*[range(4)] * 3)).reshape(3, -1).T.astype(np.int64)
    place = torch.tensor([[0, 1, 2]] * len(every))
    with model.judging():
        said = torch.log_softmax(model.logits(torch.from_numpy(every), place).double(), dim=2)
    total = said.gather(2, torch.from_numpy(every)[:, :, None]).sum(dim=(1, 2)).exp().sum()
    assert float(total) == pytest.approx(1.0, abs=1e-5)


def test_a_transformer_sees_so_many_tokens_a_layer_and_no_further() -> None:
    model = shaken(Transformer(MELODY, layers=2, width=32, heads=2, context=5))
    tokens, place = [3] * 30, [0] * 30
    before = whole(model, tokens, place)
    tokens[4] = 7  # read one later
    changed = (whole(model, tokens, place) - before).abs().amax(dim=1) > 1e-6
    assert np.flatnonzero(changed.numpy()).tolist() == list(range(5, 5 + 2 * (5 - 1) + 1))


@pytest.mark.parametrize("sizes", [{"units": 64, "embedding": 32}, {"layers": 2, "width": 64}])
def test_models_learn_the_place_and_the_past(sizes: dict[str, int]) -> None:
    """A bar of four steps whose first is told by the place alone, and whose others repeat what came before it."""
    torch.manual_seed(0)
    task = Task(StepChoice(60, 71))
    model = LSTM(task, **sizes) if "units" in sizes else Transformer(task, **sizes)
    draws = np.random.default_rng(0)
    place = torch.arange(4).repeat(16, 6)

    def bars() -> torch.Tensor:
        tokens = np.repeat(draws.integers(2, 14, (16, 6)), 4, axis=1)
        tokens[:, ::4] = 0
        return torch.from_numpy(tokens)

    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3)
    model.train()
    for _ in range(150):
        read = bars()
        loss = torch.nn.functional.cross_entropy(model.logits(read, place).flatten(0, 1), read.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    read = bars()
    with model.judging():
        said = torch.softmax(model.logits(read, place), dim=2).gather(2, read[:, :, None])[:, :, 0].mean(dim=0)
    assert float(said[4::4].min()) > 0.9  # the place
    assert float(said[6::4].min()) > 0.9  # the past
    assert float(said[5::4].mean()) < 0.5  # chance


@pytest.mark.parametrize("make", [LSTM, Transformer])
def test_dropout_is_for_training_alone(make: type[LSTM] | type[Transformer]) -> None:
    model = make(MELODY, dropout=0.5)
    tokens = place = torch.zeros((1, 8), dtype=torch.int64)
    torch.testing.assert_close(model.logits(tokens, place), model.logits(tokens, place))
    model.train()
    assert not torch.equal(model.logits(tokens, place), model.logits(tokens, place))
    with model.judging():
        torch.testing.assert_close(model.logits(tokens, place), model.logits(tokens, place))
    assert model.training


@models
def test_copies_have_the_same_fingerprint_and_others_have_not(name: str) -> None:
    model = MAKE[name](MELODY)
    assert copy.deepcopy(model).fingerprint == model.fingerprint == MAKE[name](MELODY).fingerprint
    assert MAKE[name](Task(StepChoice(54, 67), length=24)).fingerprint != model.fingerprint
    first = sorted(tensor for tensor in model.tensors() if not tensor.startswith(("grams", "token")))[0]
    other = copy.deepcopy(model)
    other.load_tensors({key: tensor + (key == first) for key, tensor in model.tensors().items()})
    assert other.fingerprint != model.fingerprint


def test_music_of_another_task_is_refused() -> None:
    model = LSTM(MELODY, "mine", units=4, embedding=4)
    with pytest.raises(ValueError, match="2 voices: expected 1"):
        model.log_prob([Score.from_notes([[(0, 4, 60, 80)]] * 2)])
    with pytest.raises(ValueError, match="12 steps a quarter: expected 4"):
        model.log_prob(random_music(np.random.default_rng(0), MELODY, 2)._replace(quarter=np.full(2, 12.0)))
    with pytest.raises(ValueError, match=r"given=\(1,\): expected voices within 0\.\.0"):
        model.log_prob([Score.from_notes([[(0, 4, 60, 80)]])], given=(1,))


def test_a_model_says_which_tasks_it_reads() -> None:
    model = LSTM(MELODY, "mine", units=4, embedding=4)
    model.check_reads(MELODY.changed(length=99, key="D minor"))
    for task, message in [
        (Task(), r"'mine' reads steps with pitches 55\.\.66, the task has steps with pitches 48\.\.83"),
        (Task(NoteChoice()), "the task has whole notes of 37 pitches"),
        (MELODY.changed(voices=2), "is of voices=1, the task has voices=2"),
        (MELODY.changed(steps_per_quarter=2), "is of steps_per_quarter=4"),
        (MELODY.changed(order="random"), "in order of time"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.check_reads(task)
    silent = Task(NoteChoice((60, 62), (1, 2)))
    LSTM(silent, units=4, embedding=4).check_reads(Task(NoteChoice((60, 62), (1, 2), (40, 80))))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LSTM(MELODY, units=0), r"LSTM\(units=0\)"),
        (lambda: LSTM(MELODY, dropout=1.0), r"dropout=1\.0"),
        (lambda: Transformer(MELODY, layers=10_000), r"layers=10000\): expected a whole number within 1\.\.256"),
        (lambda: Transformer(MELODY, width=36, heads=4), "a multiple of 8"),
        (lambda: Transformer(MELODY, heads=4, key_heads=3), "multiple of key_heads"),
        (lambda: NGramModel(MELODY, order=0), "order=0"),
        (lambda: LSTM(MELODY, lookback=1), r"lookback=1\): expected True or False"),
        (lambda: NGramModel(MELODY).start(1) and NGramModel(MELODY).fingerprint, "fit the model"),
        (lambda: NGramModel(MELODY).fit(Sequences(*(np.zeros((0, 0), np.int16),) * 2, np.zeros(0, np.int32))), "one token"),
    ],
)
def test_sizes_that_make_no_model_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
