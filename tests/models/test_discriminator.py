"""Discriminators: evidence step by step and of whole pieces, spectral norms, disk, calibration, learning online."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from musicgym import NoteChoice, Score, StepChoice, Task, models
from musicgym.models import Discriminator, Online
from musicgym.models.lstm import LSTM
from musicgym.models.tokens import Sequences
from musicgym.rewards import Likelihood
from musicgym.testing.music import random_music

MELODY = Task(StepChoice(55, 66), length=24)
NOTES = Task(NoteChoice((-1, *range(55, 61)), tuple(range(1, 13)), (50, 90)), voices=2, length=12)
tasks = pytest.mark.parametrize("task", [MELODY, NOTES], ids=["melody", "notes in two voices"])


def shaken(task: Task, **sizes: float) -> Discriminator:
    """A small one whose weights make a difference, the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        made = Discriminator(task, "judge", **{"layers": 4, "width": 12, **sizes})  # type: ignore[arg-type]
    with torch.no_grad():
        made.head.weight.mul_(20)
    made.calibrate(1.7, -0.4)
    return made


def whole(model: Discriminator, tokens: list[int], place: list[int]) -> torch.Tensor:
    with model.judging():
        return model.logits(torch.tensor([tokens]), torch.tensor([place]))[0]


@tasks
def test_step_by_step_is_what_whole_sequences_say_with_rows_restarted_and_left_out_at_random(task: Task) -> None:
    model, draws, rows = shaken(task), np.random.default_rng(1), 6
    read: list[list[int]] = [[] for _ in range(rows)]
    places: list[list[int]] = [[] for _ in range(rows)]
    said: list[list[torch.Tensor]] = [[] for _ in range(rows)]
    longest = 0

    def judge(row: int) -> None:
        if said[row]:
            expected = whole(model, [*read[row][1:], 0], places[row])
            torch.testing.assert_close(torch.stack(said[row]), expected, atol=1e-4, rtol=0)

    state = model.start(rows)
    often = np.array([0.1, 0.03, 0.03, 0.0, 0.0, 0.005])
    for time in range(260 * model.reading.slots):
        active = draws.random(rows) < 0.8
        tokens = draws.integers(0, min(model.alphabet.size, 4), rows)  # few, so that some come back
        tokens[draws.random(rows) < often] = model.alphabet.start  # also in rows that are left out
        if time == 0:
            active[:], tokens[:] = True, model.alphabet.start
        place = draws.integers(0, model.places, rows)
        evidence, state = model.step(
            torch.from_numpy(tokens), state, torch.from_numpy(place), None if active.all() else torch.from_numpy(active)
        )
        for row in np.flatnonzero(active):
            if tokens[row] == model.alphabet.start:
                judge(row)
                read[row], places[row], said[row] = [], [], []
            read[row].append(int(tokens[row]))
            places[row].append(int(place[row]))
            said[row].append(evidence[row].clone())
            longest = max(longest, len(read[row]))
    for row in range(rows):
        judge(row)
    assert longest > 2 * model.lookback.lags[-1]  # beyond what it keeps


def test_rows_taken_go_on_by_themselves() -> None:
    model, draws = shaken(MELODY), np.random.default_rng(3)
    tokens, place = (torch.from_numpy(draws.integers(0, 12, (30, 4))) for _ in range(2))
    tokens[0] = model.alphabet.start
    state = model.start(4)
    for t in range(20):
        _, state = model.step(tokens[t], state, place[t])
    rows = torch.tensor([2, 0, 2])
    branch = state.take(rows)
    for t in range(20, 30):
        expected, state = model.step(tokens[t], state, place[t])
    for t in range(20, 30):
        again, branch = model.step(tokens[t, rows], branch, place[t, rows])
    torch.testing.assert_close(again, expected[rows], atol=1e-4, rtol=0)


def test_nothing_to_come_is_known_and_all_before_is() -> None:
    model = shaken(MELODY, layers=2)
    tokens, place = [3] * 30, [0] * 30
    before = whole(model, tokens, place)
    tokens[9] = 7
    changed = (whole(model, tokens, place) - before).abs().amax(dim=1) > 1e-7
    assert np.flatnonzero(changed.numpy()).tolist() == list(range(10, 30))


@tasks
def test_every_prefix_has_log_odds_that_add_up_to_the_pieces(task: Task) -> None:
    model, music = shaken(task), random_music(np.random.default_rng(2), task, 5)
    found, prefixes = model.sequences(music), model.prefix_log_odds(music)
    np.testing.assert_allclose(prefixes[:, -1], model.log_odds(music), atol=1e-6)
    for row in range(5):
        tokens, place = (array[row, : found.length[row]].tolist() for array in found[:2])
        evidence = whole(model, tokens, place)[torch.arange(len(tokens)), tokens]
        np.testing.assert_allclose(prefixes[row, : len(tokens)], evidence.cumsum(0).numpy(), atol=1e-4)


def test_no_matrix_stretches_a_vector_beyond_the_bound() -> None:
    model = shaken(MELODY, bound=0.5)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(10)
    model.constrain()
    linear = [part for part in model.modules() if isinstance(part, torch.nn.Linear)]
    norms = [float(np.linalg.svd(part.weight.detach().numpy())[1][0]) for part in linear]
    assert len(linear) == 2 * 4 + 4
    np.testing.assert_allclose(norms, 0.5, rtol=1e-5)


def test_calibration_stretches_and_moves_log_odds() -> None:
    model, music = shaken(MELODY), random_music(np.random.default_rng(2), MELODY, 3)
    before, prefixes = model.log_odds(music), model.prefix_log_odds(music)
    model.calibrate(2.0, 0.5)
    np.testing.assert_allclose(model.log_odds(music), 2 * before + 0.5, atol=1e-4)
    np.testing.assert_allclose(model.prefix_log_odds(music), 2 * prefixes + 0.5, atol=1e-4)
    for scale, shift in ((0.0, 0.0), (-1.0, 0.0), (np.nan, 0.0), (1.0, np.inf)):
        with pytest.raises(ValueError, match="expected a finite scale above 0"):
            model.calibrate(scale, shift)


def test_one_that_was_saved_is_the_same_calibration_and_all(tmp_path: object) -> None:
    model, music = shaken(MELODY), random_music(np.random.default_rng(2), MELODY, 3)
    models.save(model, f"{tmp_path}/judge")
    again = models.load(f"{tmp_path}/judge", MELODY)
    assert isinstance(again, Discriminator)
    assert again.fingerprint == model.fingerprint
    np.testing.assert_array_equal(again.log_odds(music), model.log_odds(music))


def test_weights_of_another_make_are_refused() -> None:
    with pytest.raises(ValueError, match="the weights"):
        shaken(MELODY).load_tensors(shaken(MELODY, width=8).tensors())
    with pytest.raises(ValueError, match="no finite numbers"):
        shaken(MELODY).load_tensors({**shaken(MELODY).tensors(), "scale": torch.tensor(torch.nan)})


def test_a_discriminator_is_no_model_of_how_likely_music_is() -> None:
    with pytest.raises(TypeError, match=r"expected a musicgym\.models\.SequenceModel"):
        Likelihood(shaken(MELODY))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [({"layers": 0}, "layers=0"), ({"layers": 13}, "at most 12"), ({"width": 0}, "width=0"), ({"dropout": 1.0}, "dropout"),
     ({"bound": 0}, "bound=0"), ({"bound": float("inf")}, "bound=inf"), ({"bound": True}, "bound=True")],
)  # fmt: skip
def test_sizes_that_make_none_are_named(sizes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Discriminator(MELODY, **sizes)  # type: ignore[arg-type]


# Learning online


def tune(pitches: list[int]) -> Score:
    return Score.from_notes([[(4 * i, 4, pitch, 80) for i, pitch in enumerate(pitches)]])


REAL, OTHER = [tune([55, 57, 59, 60]), tune([57, 59, 60, 62])], [tune([60, 59, 57, 55]), tune([62, 60, 59, 57])]


def test_online_learns_from_what_it_is_shown_and_leaves_the_first_model_as_it_was() -> None:
    model = shaken(MELODY)
    before, online = model.fingerprint, Online(model, learning_rate=0.01)
    first, described = online.update(REAL, OTHER), online.description
    for _ in range(30):
        last = online.update(REAL, OTHER)
    assert last < 0.6 * first
    assert online.model.log_odds(REAL).min() > online.model.log_odds(OTHER).max()
    assert model.fingerprint == before != online.model.fingerprint
    assert online.description != described
    for part in online.model.modules():
        if isinstance(part, torch.nn.Linear):
            assert float(torch.linalg.matrix_norm(part.weight.detach(), ord=2)) < 1.0001


def test_online_goes_on_exactly_from_where_another_was() -> None:
    one = Online(shaken(MELODY, dropout=0.2))
    for _ in range(3):
        one.update(REAL, OTHER)
    other = Online(shaken(MELODY, dropout=0.2))
    other.restore(copy.deepcopy(one.model.tensors()), *copy.deepcopy(one.memory()), updates=3)
    assert one.update(REAL, OTHER) == other.update(REAL, OTHER)
    assert one.model.fingerprint == other.model.fingerprint


def test_an_update_that_diverges_leaves_the_model_as_it_was() -> None:
    online = Online(shaken(MELODY))
    before = online.model.fingerprint
    with torch.no_grad():
        online.model.head.bias[3] = torch.inf
    broken = online.model.fingerprint
    with pytest.raises(ValueError, match="it stays as it was; go on with a lower learning rate"):
        online.update(REAL, OTHER)
    assert online.model.fingerprint == broken != before
    assert online.updates == 0


@pytest.mark.parametrize("breaks", ["weights", "constrain"])
def test_an_update_that_breaks_off_after_its_step_leaves_model_and_memory_as_they_were(
    breaks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    online, other = (Online(shaken(MELODY), learning_rate=0.01) for _ in range(2))
    for each in (online, other):
        each.update(REAL, OTHER)

    def constrain() -> None:
        if breaks == "constrain":
            raise KeyboardInterrupt
        with torch.no_grad():
            online.model.head.bias[0] = torch.nan

    before, memory = online.model.fingerprint, copy.deepcopy(online.memory())
    with monkeypatch.context() as patch:
        patch.setattr(online.model, "constrain", constrain)
        with pytest.raises(KeyboardInterrupt if breaks == "constrain" else ValueError):
            online.update(REAL, OTHER)
    assert online.model.fingerprint == before
    for mine, kept in zip(online.memory(), memory, strict=True):
        assert mine.keys() == kept.keys()
        assert all(torch.equal(mine[name], tensor) for name, tensor in kept.items())
    assert online.update(REAL, OTHER) == other.update(REAL, OTHER)  # AdamW's count of steps is the same too
    assert online.model.fingerprint == other.model.fingerprint


def test_matrices_that_hold_no_numbers_stay_as_they_are() -> None:
    model = shaken(MELODY)
    with torch.no_grad():
        model.head.weight[0, 0] = torch.inf
    model.constrain()
    assert torch.isinf(model.head.weight[0, 0])


def test_what_online_cannot_take_is_named() -> None:
    with pytest.raises(TypeError, match=r"expected a musicgym\.models\.Discriminator"):
        Online(LSTM(MELODY, units=4))  # type: ignore[arg-type]
    for words, message in (
        ({"learning_rate": -1.0}, "learning_rate=-1"),
        ({"clip": 0.0}, "above 0"),
        ({"learning_rate": 1e39}, "at most 1,000"),
        ({"seed": -1}, "seed=-1"),
    ):
        with pytest.raises(ValueError, match=message):
            Online(shaken(MELODY), **words)  # type: ignore[arg-type]
    real = shaken(MELODY).sequences(REAL)
    with pytest.raises(ValueError, match=r"2 real, 0 generated pieces\): expected some of each"):
        Online(shaken(MELODY)).update(real, Sequences(*(array[:0] for array in real)))
    with pytest.raises(ValueError, match="2 voices: expected 1"):
        Online(shaken(MELODY)).update([Score.from_notes([[(0, 4, 60, 80)]] * 2)], OTHER)
