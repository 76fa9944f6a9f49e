"""Training: that it learns, that it goes on bit for bit, that it stops where it should and says why."""

import json
import math

import numpy as np
import pytest
import torch

from musicgym import StepChoice, Task
from musicgym.models import LSTM, Transformer, checkpoint
from musicgym.models.determinism import drawing
from musicgym.models.settings import Training
from musicgym.models.training import NotFiniteError, train

MELODY = Task(StepChoice(48, 83))
FEW = Training(updates=12, batch=8, window=32, evaluate_every=4, warmup=2, learning_rate=5e-3)


def tiny(kind=LSTM):
    with drawing(torch.device("cpu"), 7):
        if kind is LSTM:
            return LSTM(MELODY, units=16, embedding=8, dropout=0.2)
        return Transformer(MELODY, layers=1, width=16, heads=2, context=32, dropout=0.2)


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


class StopError(Exception):
    """A kill."""


def killed_after(update):
    def watcher(progress):
        if progress.update == update:
            raise StopError

    return watcher


@pytest.mark.parametrize("kind", [LSTM, Transformer])
def test_held_out_music_becomes_clearer(little, kind):
    seen = []
    outcome = train(tiny(kind), *little, Training(**{**vars(FEW), "updates": 40, "evaluate_every": 10}), watcher=seen.append)
    looks = [p.held_out["slot"]["nats"] for p in seen if p.held_out is not None]
    assert outcome.updates == 40
    assert looks[-1] < looks[0] < math.log(38)
    assert outcome.best_nats == min(looks)


@pytest.mark.parametrize("kind", [LSTM, Transformer])
@pytest.mark.parametrize("update", [3, 7])
def test_what_was_killed_goes_on_bit_for_bit(little, tmp_path, kind, update):
    whole = tiny(kind)
    train(whole, *little, FEW)
    broken = tiny(kind)
    with pytest.raises(StopError):
        train(broken, *little, FEW, folder=tmp_path, watcher=killed_after(update), seconds_between_checkpoints=0)
    assert checkpoint.read(tmp_path, {"training": vars(FEW)}).place.update == update - 1
    torch.rand(3)  # a process of its own has drawn other things
    resumed = LSTM(MELODY, units=16, embedding=8, dropout=0.2) if kind is LSTM else tiny(kind)
    outcome = train(resumed, *little, FEW, folder=tmp_path, resume=True)
    assert outcome.updates == FEW.updates
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_torchs_own_random_state_is_left_alone(little):
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    train(tiny(), *little, Training(updates=1, batch=4, window=16))
    assert torch.equal(torch.rand(4), expected)


def test_a_finished_training_that_is_resumed_changes_nothing(little, tmp_path):
    model = tiny()
    first = train(model, *little, FEW, folder=tmp_path)
    again = tiny()
    outcome = train(again, *little, FEW, folder=tmp_path, resume=True)
    assert (outcome.updates, outcome.best_nats) == (first.updates, first.best_nats)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_the_weights_of_the_best_look_are_kept_and_patience_ends_it(little):
    bests, model = [], tiny()
    # Far too high a rate: what was learned by the first looks is lost again.
    wild = Training(updates=200, batch=8, window=32, evaluate_every=2, warmup=10, learning_rate=2.0, patience=3, clip=1e6)
    outcome = train(model, *little, wild, better=lambda: bests.append(weights(model)))
    assert outcome.stopped == "3 looks without a better one"
    assert outcome.updates == outcome.best_update + 3 * wild.evaluate_every
    assert all(torch.equal(tensor, bests[-1][name]) for name, tensor in model.state_dict().items())
    assert not model.training


def test_weights_that_are_no_numbers_stop_training_and_leave_the_last_good_checkpoint(little, tmp_path):
    model = tiny()

    def spoil(progress):
        if progress.update == 3:
            with torch.no_grad():
                model.head.bias[2] = math.nan

    says = r"stopped after update 3 \(epoch 0, batch 3\): the weights 'head.bias' are no finite numbers; the last good checkpoint"
    with pytest.raises(NotFiniteError, match=says):
        train(model, *little, FEW, folder=tmp_path, watcher=spoil, seconds_between_checkpoints=0)
    state = checkpoint.read(tmp_path, {"training": vars(FEW)})
    assert state.place.update == 2
    assert not checkpoint.fault(state.weights)


def test_a_loss_that_is_no_number_stops_training_before_it_spoils_the_weights(little):
    model = tiny()

    def spoil(progress):
        with torch.no_grad():
            model.head.weight.mul_(1e38)

    with pytest.raises(
        NotFiniteError, match=r"stopped after update 1 \(epoch 0, batch 1\): the (loss|gradient's norm) is (nan|inf)"
    ):
        train(model, *little, FEW, watcher=spoil)
    assert not checkpoint.fault(model.state_dict())


def test_each_best_look_is_kept_whatever_the_time(little, tmp_path):
    with pytest.raises(StopError):
        train(tiny(), *little, FEW, folder=tmp_path, watcher=killed_after(5), seconds_between_checkpoints=1e9)
    assert checkpoint.place_of(tmp_path).update == 4


def test_tensorboard_gets_what_the_looks_say(little, tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(tiny(), *little, FEW, folder=tmp_path)
    found = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [point.step for point in found.Scalars("held_out/nats_slot")] == [4, 8, 12]


def test_without_tensorboard_training_goes_on(little, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    assert train(tiny(), *little, FEW, folder=tmp_path).updates == 12


# Checkpoints


@pytest.fixture
def kept(little, tmp_path):
    train(tiny(), *little, FEW, folder=tmp_path, settings={"name": "a"})
    return tmp_path / checkpoint.NAME


def resume(little, kept, settings=None, model=None):
    train(model or tiny(), *little, FEW, folder=kept.parent, settings=settings or {"name": "a"}, resume=True)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "pickle", "flipped header", "flipped weight"])
def test_a_damaged_checkpoint_is_refused_in_words(little, kept, damage):
    whole = kept.read_bytes()
    kept.write_bytes(
        {
            "cut": whole[: len(whole) // 2],
            "empty": b"",
            "text": b"no checkpoint",
            "pickle": b"\x80\x04}\x94.",
            "flipped header": whole[:9] + bytes([whole[9] ^ 129]) + whole[10:],
            "flipped weight": whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:],
        }[damage]
    )
    with pytest.raises(ValueError, match=r"checkpoint .* cannot be read .*: expected a file that musicgym model train wrote"):
        resume(little, kept)


def test_a_checkpoint_of_other_settings_is_refused(little, kept):
    with pytest.raises(ValueError, match="belongs to other settings"):
        resume(little, kept, {"name": "b"})


def test_a_checkpoint_of_another_make_is_refused(little, kept):
    with pytest.raises(ValueError, match=r"doesn't fit the model .*: train anew"):
        resume(little, kept, model=LSTM(MELODY, units=8, embedding=8))


def test_no_checkpoint_is_told(little, tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        train(tiny(), *little, FEW, folder=tmp_path, resume=True)


def test_a_checkpoint_says_in_json_where_training_stood(kept):
    import safetensors

    with safetensors.safe_open(kept, "pt") as file:
        told = json.loads(file.metadata()["checkpoint"])
    assert told["place"]["update"] == FEW.updates
    assert told["settings"]["training"]["batch"] == FEW.batch


# Settings


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("updates", 0, "updates=0: expected a whole number, 1 or more"),
        ("updates", 2.5, "updates=2.5: expected a whole number, 1 or more"),
        ("learning_rate", -1.0, "learning_rate=-1.0: expected a number from 0, at most 1,000"),
        ("learning_rate", 1e39, r"learning_rate=1e\+39: expected a number from 0, at most 1,000"),
        ("weight_decay", 1e7, "weight_decay=10000000.0: expected a number from 0, at most 1,000,000"),
        ("clip", 1e300, r"clip=1e\+300: expected a number above 0, at most 1,000,000"),
        ("threads", 4_000_000_000, "threads=4000000000: expected at most 1,024"),
        ("learning_rate", math.nan, "learning_rate=nan: expected"),
        ("clip", 0, "clip=0: expected a number above 0"),
        ("transpose", "D", "transpose='D': expected one of"),
    ],
)
def test_settings_out_of_their_range_are_named(field, value, says):
    with pytest.raises(ValueError, match=says):
        Training(**{field: value})


def test_settings_survive_json():
    settings = Training(updates=7, learning_rate=0.5)
    assert Training.from_dict(json.loads(json.dumps(vars(settings)))) == settings
    with pytest.raises(ValueError, match="expected an object with some of"):
        Training.from_dict({"updatse": 3})


def test_the_rate_rises_and_then_only_falls():
    settings = Training(updates=50, warmup=10)
    rates = np.array([settings.rate(update) for update in range(50)])
    assert (np.diff(rates[:10]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()
    assert rates.max() == settings.learning_rate
