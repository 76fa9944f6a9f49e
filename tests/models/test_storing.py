"""Models on disk: what was saved comes back, and nothing else is taken for it."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save as packed

from musicgym import Score, StepChoice, Task
from musicgym.models import LSTM, NGramModel, SequenceModel, Transformer, load, save, storing, telling
from musicgym.testing.music import random_music

TASK = Task(StepChoice(55, 66), length=8)
TUNE = Score.from_notes([[(0, 2, 60, 80), (2, 6, 62, 80)]])


def ngram(task: Task) -> NGramModel:
    model = NGramModel(task, "counts", order=3)
    return model.fit(model.sequences(random_music(np.random.default_rng(0), task, 6)))


MAKE: dict[str, Callable[[], SequenceModel]] = {
    "lstm": lambda: LSTM(TASK, "small", units=8, embedding=4),
    "transformer": lambda: Transformer(TASK, "see", layers=1, width=8, heads=2, context=9),
    "ngram": lambda: ngram(TASK),
}


class Trap:
    """Does harm when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("harmed").touch, ())


@pytest.fixture
def stem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A saved LSTM, in the working folder."""
    monkeypatch.chdir(tmp_path)
    save(LSTM(TASK, "small", units=8, embedding=4), tmp_path / "mine", {"corpus": {"name": "aird"}})
    return tmp_path / "mine"


def told(stem: Path, **changes: Any) -> None:
    """Change what the JSON file says; the weights' hash with it where weights are given."""
    path = stem.with_suffix(".json")
    fields = json.loads(path.read_text())
    if isinstance(weights := changes.pop("weights", None), bytes):
        stem.with_suffix(".safetensors").write_bytes(weights)
        fields["sha256"] = hashlib.sha256(weights).hexdigest()
    path.write_text(json.dumps({**fields, **changes}))


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("suffix", ["", ".json", ".safetensors"])
def test_a_model_comes_back_as_it_was(kind: str, suffix: str, tmp_path: Path) -> None:
    model = MAKE[kind]()
    written = save(model, tmp_path / f"one{suffix}", {"figures": {"test": {"nats": float("nan")}}, "split": ["train"]})
    assert written == tmp_path / "one.json"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.json", "one.safetensors"]
    again = load(tmp_path / f"one{suffix}")
    assert type(again) is type(model)
    assert (again.fingerprint, again.name, again.task, again.config) == (model.fingerprint, model.name, model.task, model.config)
    assert again.card is not None
    assert again.card["figures"] == {"test": {"nats": None}}
    assert again.card["split"] == ["train"]
    np.testing.assert_array_equal(again.log_prob([TUNE]), model.log_prob([TUNE]))
    assert again.sample(2, seed=3) == model.sample(2, seed=3)
    assert all(not tensor.is_meta for tensor in again.tensors().values())


def test_loading_draws_no_random_number_and_training_can_go_on(stem: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    model = load(stem)
    assert torch.equal(torch.rand(1), expected)
    assert isinstance(model, LSTM)
    tokens = place = torch.zeros((1, 4), dtype=torch.int64)
    model.logits(tokens, place).sum().backward()
    assert all(weights.grad is not None for weights in model.parameters())


def test_in_a_folder_a_model_has_its_own_name(tmp_path: Path) -> None:
    assert save(MAKE["lstm"](), tmp_path).name == "small.json"
    assert load(tmp_path / "small").name == "small"


def test_names_with_dots_are_kept_whole(tmp_path: Path) -> None:
    save(MAKE["lstm"](), tmp_path / "melody-v1.5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["melody-v1.5.json", "melody-v1.5.safetensors"]
    assert load(str(tmp_path / "melody-v1.5")).name == "small"


def test_models_that_come_with_the_package_are_found_by_name(stem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "SHIPPED", stem.parent)
    monkeypatch.chdir("/")
    assert storing.shipped() == ["mine"]
    assert load("mine").name == "small"
    assert storing.card_of("mine")["corpus"] == {"name": "aird"}
    with pytest.raises(ValueError, match=r"no model 'yours': .* with the package come mine"):
        load("yours")


@pytest.mark.parametrize("kind", MAKE)
def test_truncated_and_altered_weights_are_refused(kind: str, tmp_path: Path) -> None:
    save(MAKE[kind](), tmp_path / "mine")
    path = tmp_path / "mine.safetensors"
    whole = path.read_bytes()
    for data in (b"", whole[:7], whole[: len(whole) // 2], whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), whole + b" "):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"mine\.json'.*is not the file that was written with it"):
            load(tmp_path / "mine")
    path.unlink()
    with pytest.raises(ValueError, match="weights cannot be read"):
        load(tmp_path / "mine")


@pytest.mark.parametrize("with_torch", [True, False])
@pytest.mark.parametrize("hash_agrees", [True, False])
def test_a_pickle_is_refused_and_never_loaded(stem: Path, with_torch: bool, hash_agrees: bool) -> None:
    if with_torch:
        torch.save({"trap": Trap()}, stem.parent / "pickled")
        data = (stem.parent / "pickled").read_bytes()
    else:
        data = pickle.dumps(Trap())
    if hash_agrees:
        told(stem, weights=data)
    else:
        stem.with_suffix(".safetensors").write_bytes(data)
    with pytest.raises(ValueError, match=r"is a pickle, .* never loaded"):
        load(stem)
    assert not Path("harmed").exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_protocol_of_pickle_is_loaded(stem: Path, protocol: int) -> None:
    told(stem, weights=pickle.dumps(Trap(), protocol))
    with pytest.raises(ValueError, match=r"pickle|no safetensors file"):
        load(stem)
    stem.with_suffix(".json").write_bytes(pickle.dumps(Trap(), protocol))
    with pytest.raises(ValueError, match="cannot be read"):
        load(stem)
    assert not Path("harmed").exists()


@pytest.mark.parametrize("length", [896, 1152, 1408])
def test_weights_that_begin_as_pickles_do_are_no_pickles(stem: Path, length: int) -> None:
    """The first bytes say how long the header is: 0x80 0x03 stands for 896 bytes as well as for a pickle's protocol."""
    data = stem.with_suffix(".safetensors").read_bytes()
    old = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + old]), separators=(",", ":")).encode()
    told(stem, weights=length.to_bytes(8, "little") + header.ljust(length) + data[8 + old :])
    assert load(stem).name == "small"


def weights_of(model: SequenceModel, **changes: torch.Tensor | None) -> bytes:
    tensors = {**model.tensors(), **changes}
    return packed({name: tensor for name, tensor in tensors.items() if tensor is not None})


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (weights_of(LSTM(Task(), units=8, embedding=4)), r"'head\.bias' are .* as .* 14 tokens"),
        (weights_of(LSTM(TASK, units=9, embedding=4)), "expected torch.float32"),
        (weights_of(MAKE["transformer"]()), "names differ"),
        (weights_of(MAKE["lstm"](), **{"head.bias": None}), r"names differ in \['head\.bias'\]"),
        (weights_of(MAKE["lstm"](), more=torch.zeros(1)), r"names differ in \['more'\]"),
        (weights_of(MAKE["lstm"](), **{"head.bias": torch.full((14,), torch.nan)}), "no finite numbers"),
        (weights_of(MAKE["lstm"](), **{"head.bias": torch.zeros(14, dtype=torch.float16)}), "are torch.float16"),
        (b"\xff" * 40, "no safetensors file"),
        (b"", "no safetensors file"),
    ],
)
def test_weights_of_another_make_are_refused(stem: Path, weights: bytes, message: str) -> None:
    told(stem, weights=weights)
    with pytest.raises(ValueError, match=message):
        load(stem)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "gan"}, "kind of model 'gan': expected one of"),
        ({"kind": "os.system"}, "kind of model 'os.system'"),
        ({"kind": "transformer"}, "makes no model"),
        ({"format": True}, "of format True, this version of musicgym reads format 1"),
        ({"format": 99}, "of format 99, this version of musicgym reads format 1"),
        ({"config": {"units": 16, "embedding": 4, "layers": 1, "dropout": 0.0}}, "expected torch.float32"),
        ({"config": {"units": 10**9}}, "makes no model .*units=1000000000"),
        ({"config": {"units": 65_000, "embedding": 65_000, "layers": 200}}, "names differ"),
        ({"config": {"heads": 3}}, "makes no model"),
        ({"config": []}, "expected an object with"),
        ({"name": 7}, "expected an object with"),
        ({"task": {"length": -1}}, "makes no model"),
        ({"task": {"colour": "red"}}, "makes no model .*colour"),
        ({"task": json.loads(Task(order="random").to_json())}, "in order of time"),
        ({"task": json.loads(Task().to_json())}, "38 tokens"),
        ({"task": json.loads(TASK.changed(voices=2).to_json())}, "128 places"),
    ],
)
def test_cards_that_make_no_model_are_refused(stem: Path, changes: dict[str, Any], message: str) -> None:
    told(stem, **changes)
    with pytest.raises(ValueError, match=message):
        load(stem)


ODD_SECTIONS = {
    "corpus=[1]: expected an object": {"corpus": [1]},
    "corpus.name=3: expected text": {"corpus": {"name": 3}},
    "figures=3: expected an object": {"figures": 3},
    "figures.test=3: expected an object": {"figures": {"test": 3}},
    "figures.test.slot=3: expected an object of numbers": {"figures": {"test": {"slot": 3}}},
    "figures.test.slot.nats='low': expected a number": {"figures": {"test": {"slot": {"nats": "low"}}}},
    "figures.test.pieces={}: expected a number": {"figures": {"test": {"pieces": {}}}},
    "figures.test.pieces=1000": {"figures": {"test": {"pieces": 10**400}}},
    "from.corpora=1: expected a list of names": {"from": {"corpora": 1}},
    "from=[]: expected an object": {"from": []},
    "training.finished=1: expected true or false": {"training": {"finished": 1}},
    "versions='1': expected an object": {"versions": "1"},
    "text=[]: expected text": {"text": []},
}


@pytest.mark.parametrize("message", ODD_SECTIONS)
def test_sections_of_other_types_are_named_by_whoever_writes_or_reads_them(stem: Path, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^card: {re.escape(message)}"):
        save(MAKE["lstm"](), stem, ODD_SECTIONS[message])
    told(stem, **ODD_SECTIONS[message])
    for read in (load, storing.card_of):
        with pytest.raises(ValueError, match=rf"mine\.json': {re.escape(message)}"):
            read(stem)


@pytest.mark.parametrize(
    "sections",
    [
        {"figures": {"test": {}}},
        {"figures": {"test": {"slot": {}}}},
        {"figures": {"test": {"slot": None, "piece": {"auc": None, "accuracy": None}, "pieces": None}}},
        {"figures": None, "corpus": None, "training": None, "from": None, "versions": None, "text": None},
    ],
)
def test_cards_that_say_little_are_told_all_the_same(stem: Path, sections: dict[str, Any]) -> None:
    told(stem, **sections)
    card = storing.card_of(stem)
    assert "lstm" in telling.line_of({**telling.row_of(card), "path": "mine"})
    assert telling.told(card).startswith("small: lstm")


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_what_names_no_file_is_told(name: str) -> None:
    with pytest.raises(ValueError, match=rf"no model '{re.escape(name)}': it names no file; with the package come"):
        load(name)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"format": 1}', "\x00\xff", "[" * 5000])
def test_a_card_that_is_none_is_refused(stem: Path, text: str) -> None:
    stem.with_suffix(".json").write_text(text)
    with pytest.raises(ValueError, match=r"mine\.json' cannot be read|expected an object with"):
        load(stem)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop("count.1"),
        lambda t: t.update({"token.0": t["token.0"].flip(0)}),
        lambda t: t.update({"token.1": t["token.1"] + 100}),
        lambda t: t.update({"count.2": t["count.2"] * 0}),
        lambda t: t.update({"count.2": t["count.2"].float()}),
        lambda t: t.update({"grams.1": t["grams.1"][:-1]}),
        lambda t: t.update({"token.2": t["token.2"][:, None]}),
        lambda t: t.update({"grams.2": torch.cat([t["grams.2"][1:], t["grams.2"][:1]]).to(torch.int16) - 1}),
    ],
)
def test_counts_that_cannot_be_are_refused(change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    model = ngram(TASK)
    tensors = model.tensors()
    change(tensors)
    before = model.fingerprint
    with pytest.raises(ValueError, match="counts"):
        model.load_tensors(tensors)
    assert model.fingerprint == before


def test_a_model_of_another_task_is_refused_where_one_is_asked_for(stem: Path) -> None:
    assert load(stem, TASK.changed(length=64)).name == "small"
    with pytest.raises(
        ValueError, match=r"mine\.json': model 'small' reads steps with pitches 55\.\.66, the task has .* 48\.\.83"
    ):
        load(stem, Task())


def test_what_cannot_be_saved_is_named(tmp_path: Path) -> None:
    model = MAKE["lstm"]()
    with pytest.raises(ValueError, match="config, sha256 are written by save itself"):
        save(model, tmp_path / "mine", {"sha256": "", "config": {}})
    with torch.no_grad():
        model.head.bias[0] = torch.nan  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"model 'small': the weights 'head\.bias' are no finite numbers"):
        save(model, tmp_path / "mine")
    model = MAKE["lstm"]()
    with pytest.raises(ValueError, match="cannot write"):
        save(model, tmp_path / "missing" / "mine")
    with pytest.raises(ValueError, match="fit the model"):
        save(NGramModel(TASK), tmp_path / "mine")

    with pytest.raises(ValueError, match="is no name of a file"):
        save(LSTM(TASK, "../out", units=4), tmp_path)

    class Own(LSTM):
        pass

    with pytest.raises(ValueError, match="the name of another class"):
        save(Own(TASK, units=4), tmp_path / "mine")
    assert not list(tmp_path.iterdir())
