"""`musicgym model` as a user types it."""

import json

import pytest
import torch

from musicgym import Note, Score, models
from musicgym.commands import main
from musicgym.models import making
from musicgym.models.settings import Training

TINY = [
    "--corpus",
    "aird",
    "--size",
    "units=8",
    "--size",
    "embedding=4",
    "--updates",
    "6",
    "--evaluate-every",
    "3",
    "--window",
    "32",
]


def train(out, *words, name="one", kind="lstm"):
    return main(["model", "train", kind, *words, "--name", name, "--out", str(out)])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a model."""
    out = tmp_path_factory.mktemp("models")
    assert train(out, *TINY) == 0
    return out


def test_a_trained_model_can_be_loaded_and_has_a_card(made):
    model = models.load(str(made / "one"))
    assert (model.name, model.kind) == ("one", "lstm")
    card = model.card
    assert card["corpus"]["source"] == "aird"
    assert card["split"]["pieces"] == {"train": 845, "valid": 93, "test": 115}
    assert card["training"]["updates_made"] == 6
    assert card["training"]["finished"] is True
    assert set(card["versions"]) == {"musicgym", "python", "music21", "numpy", "safetensors", "torch"}
    for part in ("valid", "test"):
        assert all(card["figures"][part][unit]["nats"] > 0 for unit in ("slot", "onset", "quarter"))


def test_nothing_leaked(made):
    for found in models.load(str(made / "one")).card["leakage"].values():
        assert (found["families"], found["windows"], found["pieces"]) == (0, 0, 0)
        assert found["judged"] > 5000


def test_looks_are_written_line_by_line(made):
    lines = [json.loads(line) for line in (made / "one" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 6]
    assert all(line["held_out"]["slot"]["nats"] > 0 and line["train_nats"] > 0 for line in lines)


def test_json_is_one_object_and_nothing_else(tmp_path, capsys):
    assert train(tmp_path, *TINY, "--json") == 0
    assert json.loads(capsys.readouterr().out)["name"] == "one"


def test_list_and_show_say_what_there_is(made, capsys):
    assert main(["model", "list", "--out", str(made)]) == 0
    assert f"{made / 'one'}  lstm, 1 voice, aird, keys: all; held out: " in capsys.readouterr().out
    assert main(["model", "list", "--out", str(made), "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)["own"]] == ["one"]
    assert main(["model", "show", "one", "--out", str(made)]) == 0
    out = capsys.readouterr().out
    assert "trained on 845 pieces of aird" in out
    assert "0 transposed windows of 17 notes in common" in out
    assert main(["model", "show", str(made / "one"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "lstm"


def test_sample_writes_the_same_pieces_for_the_same_seed_in_the_key_of_their_notes(made, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["model", "sample", "one", "--models", str(made), "-n", "2", "--bars", "3", "--meter", "6/8", "--seed", "5"]
    assert main([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert main([*words, "--out", "again"]) == 0
    for number, piece in enumerate(said["pieces"], 1):
        score = Score.from_midi(tmp_path / piece["mid"])
        assert (score.meter, score.key) == ((6, 8), piece["key"])
        assert score == Score.from_midi(tmp_path / "again" / "pieces" / f"{number}.mid")
        assert score.steps <= 3 * 12
        for suffix in ("musicxml", "wav"):
            assert (tmp_path / "again" / "pieces" / f"{number}.{suffix}").stat().st_size > 0
    assert (tmp_path / "again" / "pieces.png").exists()
    assert main([*words, "--out", "again"]) == 2
    assert "is not empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--meter", "3-4"], "--meter 3-4: expected beats and their value, such as 3/4"),
        (["--meter", "3/5"], "meter 3/5 is no whole number of steps"),
        (["--bars", "0"], "--bars 0: expected 1 or more"),
        (["--temperature", "-1"], "temperature=-1.0: expected 0 or more"),
    ],
)
def test_what_cannot_be_sampled_is_one_line_and_leaves_nothing(words, said, made, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["model", "sample", str(made / "one"), *words]) == 2
    assert said in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_list_leaves_out_what_is_no_model_and_says_why(tmp_path, capsys):
    (tmp_path / "odd.json").write_text("[]")
    assert main(["model", "list", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "left out:" in out
    assert "odd.json" in out


def test_one_odd_card_stands_in_nobodys_way(made, tmp_path, capsys):
    for suffix in ("json", "safetensors"):
        (tmp_path / f"good.{suffix}").write_bytes((made / f"one.{suffix}").read_bytes())
    card = json.loads((tmp_path / "good.json").read_text())
    (tmp_path / "odd.json").write_text(json.dumps({**card, "figures": {"test": {"slot": 3}}}))
    says = f"model {str(tmp_path / 'odd.json')!r}: figures.test.slot=3: expected an object of numbers"
    assert main(["model", "list", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"{tmp_path / 'good'}  lstm" in out
    assert f"left out: {says}" in out
    assert main(["model", "show", "odd", "--out", str(tmp_path)]) == 2
    assert says in capsys.readouterr().err
    assert main(["model", "train", "lstm", "--from", str(tmp_path / "odd"), "--corpus", "aird", "--out", str(tmp_path)]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sizes": 3}, "recipe with sizes=3: expected an object"),
        ({"sizes": [1]}, "recipe with sizes=[1]: expected an object"),
        ({"sizes": {"foo": 1}}, "size 'foo': expected one of units"),
        ({"sizes": {"units": []}}, "LSTM(units=[]): expected a whole number"),
        ({"task": 3}, "recipe with task=3: expected text"),
        ({"task": "x"}, "cannot be read"),
        ({"task": '{"choice": []}'}, "cannot be read"),
        ({"kind": []}, "recipe with kind=[]: expected text"),
        ({"start": 3}, "recipe with start=3: expected text"),
        ({"corpus": 3}, "recipe with corpus=3: expected text"),
        ({"training": 3}, "recipe with training=3: expected an object"),
        ({"against": None}, "recipe with against=None: expected text"),
    ],
)
def test_a_configuration_of_other_types_is_named_with_its_file(made, tmp_path, capsys, changes, says):
    config = json.loads((made / "one" / "config.json").read_text())
    (tmp_path / "one").mkdir()
    path = tmp_path / "one" / "config.json"
    path.write_text(json.dumps({**config, "recipe": {**config["recipe"], **changes}}))
    assert main(["model", "train", "--resume", "--name", "one", "--out", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert str(path) in err
    assert says in err


def test_an_n_gram_model_is_counted(tmp_path, capsys):
    assert train(tmp_path, "--corpus", "aird", "--size", "order=3", "--transpose", "none", kind="ngram", name="grams") == 0
    assert models.load(str(tmp_path / "grams")).order == 3
    assert "keys: none" in capsys.readouterr().out


def test_a_transformer_of_chorales_reads_four_voices(tmp_path):
    words = ["--corpus", "bach", "--task", "Chorale", "--option", "given=()", "--option", "meter=none", "--updates", "2"]
    sizes = [
        "--size",
        "layers=1",
        "--size",
        "width=16",
        "--size",
        "heads=2",
        "--size",
        "context=64",
        "--batch",
        "2",
        "--window",
        "16",
    ]
    assert train(tmp_path, *words, *sizes, kind="transformer") == 0
    assert models.load(str(tmp_path / "one")).task.voices == 4


def test_a_killed_training_goes_on_to_the_same_weights(made, tmp_path, monkeypatch, capsys):
    original = making.train

    def killed(*words, **named):
        watcher = named["watcher"]

        def watch(progress):
            watcher(progress)
            if progress.update == 4:
                raise KeyboardInterrupt

        return original(*words, **{**named, "watcher": watch})

    monkeypatch.setattr(making, "train", killed)
    assert train(tmp_path, *TINY, "--checkpoint-every", "0") == 130
    assert f"musicgym model train --resume --out {tmp_path} --name one" in capsys.readouterr().err
    assert main(["model", "list", "--out", str(tmp_path)]) == 0
    assert "not finished" in capsys.readouterr().out
    monkeypatch.setattr(making, "train", original)
    assert main(["model", "train", "--resume", "--out", str(tmp_path), "--name", "one"]) == 0
    here, there = models.load(str(made / "one")), models.load(str(tmp_path / "one"))
    assert all(torch.equal(tensor, there.tensors()[name]) for name, tensor in here.tensors().items())
    assert [json.loads(line)["step"] for line in (tmp_path / "one" / "metrics.jsonl").read_text().splitlines()] == [3, 6]
    assert main(["model", "train", "--resume", "--out", str(tmp_path), "--name", "one"]) == 0
    assert "finished: nothing to go on with" in capsys.readouterr().out


# Going on from another model


@pytest.fixture
def folder(tmp_path):
    """Forty melodies of a user's own, one of which the first model learned."""
    from musicgym import corpus

    place = tmp_path / "own"
    place.mkdir()
    for number in range(40):
        line = [60 + (number * i * i + number // 3 * i) % 17 for i in range(24)]
        Score.from_notes([[Note(4 * i, 4, pitch, 80) for i, pitch in enumerate(line)]]).to_midi(place / f"{number}.mid")
    corpus.load("aird").split("train")[0].transpose(2).to_midi(place / "known.mid")
    return place


def test_a_model_goes_on_from_another_on_a_users_folder(made, folder, tmp_path):
    words = ["--corpus", str(folder), "--updates", "2", "--window", "32"]
    assert train(tmp_path, *words, "--from", str(made / "one"), name="two") == 0
    two = models.load(str(tmp_path / "two"))
    assert two.config == models.load(str(made / "one")).config
    assert two.card["from"]["name"] == "one"
    assert two.card["from"]["corpora"] == ["aird"]
    known, left = two.card["split"]["known_before"], two.card["split"]["left_out"]
    assert set(known) == {"valid", "test"}
    assert sum(known.values()) <= sum(left.values())


def test_held_out_pieces_that_the_first_model_learned_are_left_out(made, folder):
    from musicgym import corpus
    from musicgym.models.cards import Before
    from musicgym.models.material import open_corpus

    model = models.load(str(made / "one"))
    before = Before.of(model, model.task)
    keep = before.unknown(corpus.Corpus.from_folder(folder), "test")
    assert (~keep).sum() == 1
    assert before.known == {"test": 1}
    assert Before.of(model, model.task).unknown(open_corpus("aird", model.task).split("test"), "test").all()


def test_a_corpus_that_is_gone_is_said_to_be_unchecked(made):
    from musicgym.models.cards import Before

    model = models.load(str(made / "one"))
    model.card = {**model.card, "corpus": {"source": "/no/such/folder"}}
    assert Before.of(model, model.task).unchecked == ["/no/such/folder"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--from", "{one}", "--size", "units=9"], "keeps its sizes"),
        (["--from", "{one}", "--option", "range=50,70"], "expected the same"),
        (["--from", "nowhere"], "no model 'nowhere'"),
    ],
)
def test_what_cannot_be_gone_on_from_is_told(made, tmp_path, capsys, words, says):
    words = [word.replace("{one}", str(made / "one")) for word in words]
    assert train(tmp_path, "--corpus", "aird", *words) == 2
    assert says in capsys.readouterr().err
    assert train(tmp_path, "--corpus", "aird", "--from", str(made / "one"), kind="ngram") == 2
    assert "an n-gram model is counted anew" in capsys.readouterr().err


# Discriminators


def test_a_discriminator_learns_against_one_of_ones_own_and_goes_on_after_a_kill(made, tmp_path, capsys, monkeypatch):
    words = ["--against", str(made / "one"), "--corpus", "aird", "--size", "layers=2", "--size", "width=4"]
    words += ["--updates", "4", "--evaluate-every", "2", "--window", "16", "--batch", "4"]
    assert train(tmp_path, *words, name="judge", kind="discriminator") == 0
    judge = models.load(str(tmp_path / "judge"))
    card = judge.card
    assert card["against"]["name"] == "one"
    assert 0 <= card["figures"]["test"]["piece"]["calibration_error"] <= 1
    assert set(card["figures"]["test"]["against"]) > {"samples", "wrong notes"}
    assert all((leak["families"], leak["windows"]) == (0, 0) for leak in card["leakage"].values())
    capsys.readouterr()
    assert main(["model", "list", "--out", str(tmp_path)]) == 0
    assert "discriminator, 1 voice, aird, keys: all; held out: AUC" in capsys.readouterr().out
    from musicgym.models import training

    update = training._Run._update

    def killed(self, sequences):
        if self.place.update == 3:
            raise KeyboardInterrupt
        return update(self, sequences)

    with monkeypatch.context() as patch:
        patch.setattr(training._Run, "_update", killed)
        assert train(tmp_path, *words, "--checkpoint-every", "0", name="again", kind="discriminator") != 0
    assert main(["model", "train", "--resume", "--name", "again", "--out", str(tmp_path)]) == 0
    again = models.load(str(tmp_path / "again"))
    assert all((again.tensors()[name] == tensor).all() for name, tensor in judge.tensors().items())


@pytest.mark.parametrize(
    ("kind", "words", "says"),
    [
        ("discriminator", [], "name that model"),
        ("discriminator", ["--against", "nowhere"], "no model 'nowhere'"),
        ("lstm", ["--against", "{one}"], "learns against no other: leave it out"),
        ("discriminator", ["--against", "{one}", "--option", "range=50,70"], "the task has steps with pitches 48..83"),
    ],
)
def test_what_a_discriminator_cannot_learn_against_is_told(made, tmp_path, capsys, kind, words, says):
    words = [word.replace("{one}", str(made / "one")) for word in words]
    assert train(tmp_path, "--corpus", "aird", *words, name="judge", kind=kind) == 2
    assert says in capsys.readouterr().err


# What is wrong


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train"], "expected a kind of model"),
        (["train", "gru"], "expected one of ngram, lstm, transformer"),
        (["train", "lstm", "--size", "unis=3"], "size 'unis': expected one of units, embedding"),
        (["train", "lstm", "--size", "name=x"], "size 'name': expected one of units, embedding"),
        (["train", "lstm", "--size", "task=1"], "size 'task': expected one of units, embedding"),
        (["train", "lstm", "--size", "units=many"], "LSTM(units='many'): expected a whole number"),
        (["train", "lstm", "--learning-rate", "1e39"], "learning_rate=1e+39: expected a number from 0, at most 1,000"),
        (["train", "--resume", "--name", "../models/ref"], "run name '../models/ref'"),
        (["show", ""], "no model '': it names no file"),
        (["train", "lstm", "--size", "units=0"], "LSTM(units=0): expected a whole number"),
        (["train", "lstm", "--corpus", "aidr"], "did you mean 'aird'"),
        (["train", "lstm", "--corpus", "fux"], "corpus 'fux' is empty"),
        (["train", "lstm", "--corpus", "aird", "--task", "Chorale"], "corpus 'aird' is empty"),
        (["train", "lstm", "--task", "Meldy"], "unknown task 'Meldy'"),
        (["train", "lstm", "--task", "ChordSymbols"], "sequence models read notes"),
        (["train", "lstm", "--transpose", "D"], "expected one of 'all', 'C', 'none'"),
        (["train", "lstm", "--updates", "0"], "updates=0: expected a whole number, 1 or more"),
        (["train", "lstm", "--name", "a/b"], "run name 'a/b'"),
        (["train", "lstm", "--device", "tpu"], "expected cpu, cuda or cuda:1"),
        (["train", "lstm", "--checkpoint-every", "-1"], "expected 0 seconds or more"),
        (["train", "--resume"], "expected --name"),
        (["train", "--resume", "--name", "no"], "there is no model 'no'"),
        (["train", "--resume", "--name", "no", "--updates", "5"], "leave out --updates"),
        (["show", "no"], "no model 'no'"),
    ],
)
def test_what_was_typed_wrongly_is_one_line_with_status_two(words, says, tmp_path, capsys):
    assert main(["model", *words, "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert says in err.splitlines()[-1]
    assert not list((tmp_path / "out").glob("*"))


def test_a_name_that_is_taken_is_told(made, capsys):
    assert train(made, *TINY) == 2
    assert "is there already: choose another --name, or go on with it by --resume" in capsys.readouterr().err


def test_a_rate_that_explodes_ends_with_status_one_and_says_where(tmp_path, capsys):
    assert train(tmp_path, *TINY, "--learning-rate", "1e3", "--weight-decay", "1e6", "--warmup", "0") == 1
    assert "training stopped after update " in capsys.readouterr().err


def test_config_and_recipe_survive_json(made):
    recipe = making.Recipe.from_dict(json.loads((made / "one" / "config.json").read_text())["recipe"])
    assert recipe.training == Training(updates=6, evaluate_every=3, window=32)
    with pytest.raises(ValueError, match="expected an object with"):
        making.Recipe.from_dict({"kind": "lstm"})


def test_velocities_that_a_corpus_does_not_have_are_nothing_to_learn(tmp_path):
    words = ["--corpus", "aird", "--task", "ExpressiveMelody", "--option", "range=48,83", "--updates", "1", "--size", "units=4"]
    assert train(tmp_path, *words) == 0
    model = models.load(str(tmp_path / "one"))
    assert model.alphabet.velocities == ()
    assert len(model.task.choice.velocities) == 1
