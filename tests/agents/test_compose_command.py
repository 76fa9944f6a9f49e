"""`musicgym compose`: an agent goes on from a user's own bars, in any key, at any tempo, the same for the same seed."""

import dataclasses
import json
import sys

import numpy as np
import pytest

from musicgym import Note, Score
from musicgym.agents.beginnings import begin_with
from musicgym.agents.runs import Run, part
from musicgym.agents.settings import Settings, reward_of
from musicgym.agents.training import train
from musicgym.choice import NoteChoice, StepChoice
from musicgym.commands import main
from musicgym.rewards import parse, with_settings
from musicgym.task import Task

FIXED = "rl_tuner(form='fixed')"
# What messages begin with that are about the command line and nothing else: exit status 2.
TYPED = ("-n 0", "key 'H'", "--tempo", "--temperature", "--seed", "--bars", "--keep goes")
MELODY = [
    Note(0, 4, 62, 90),
    Note(4, 4, 66, 70),
    Note(8, 8, 69, 80),
    Note(16, 10, 74, 80),
    Note(26, 6, 73, 60),
    Note(32, 16, 74, 80),
]


def make_run(folder, seeds=(0,), **fields):
    """A run's folder as `musicgym train` leaves it, as far as composing needs it: the agents have learned for a moment."""
    settings = Settings(reward=FIXED, steps=128, n_envs=4, **{"options": {"length": 64}, **fields})
    folder.mkdir(parents=True)
    place = Run(folder)
    reward = reward_of(settings)
    place.begin(settings, settings.reward, reward.fingerprint, list(seeds))
    for seed in seeds:
        inside = place if len(seeds) == 1 else part(place, f"seed-{seed}")
        train(dataclasses.replace(settings, seed=seed), folder=inside.folder)
    return place


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("compose") / "runs"
    make_run(out / "pair", seeds=(3, 4))
    make_run(out / "notes", task="musicgym/ExpressiveMelody-v0", options={})
    make_run(out / "keys", options={"length": 64, "key": ("C major", "A minor")})
    make_run(out / "one")
    return out


@pytest.fixture
def at(runs, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, runs, *words, status=0):
    assert main(["compose", *map(str, words), "--runs", str(runs)]) == status
    return capsys.readouterr()


def composed(capsys, runs, *words):
    found = json.loads(run(capsys, runs, *words, "--json").out)
    return found, [Score.from_midi(piece["mid"]) for piece in found["pieces"]]


def test_pieces_lie_in_the_runs_folder_with_what_the_reward_pays(runs, at, capsys):
    found, scores = composed(capsys, runs, "one", "-n", 3)
    assert found["folder"] == str(runs / "one" / "composed-1")
    assert {path.name for path in (runs / "one" / "composed-1").iterdir()} == {"pieces", "pieces.png", "composed.json"}
    totals = reward_of(Settings(reward=FIXED)).score(scores)
    assert [piece["total"] for piece in found["pieces"]] == pytest.approx(np.sum(list(totals.values()), axis=0).tolist())
    for piece, score in zip(found["pieces"], scores, strict=True):
        assert [n[:3] for n in Score.from_musicxml(piece["musicxml"]).notes(0)] == [n[:3] for n in score.notes(0)]
        assert score.steps == 64
    text = run(capsys, runs, "one", "-n", 3).out
    assert "composed-2" in text
    assert f"{found['pieces'][0]['total']:+.2f}" in text


def test_the_run_trained_last_is_taken_and_a_folder_is_a_run_too(runs, at, capsys):
    assert composed(capsys, runs, "-n", 1)[0]["agent"] == str(runs / "one")
    assert composed(capsys, at, runs / "one", "-n", 1)[0]["agent"] == str(runs / "one")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(runs, at, capsys):
    made = []
    for out, seed in (("a", 7), ("b", 7), ("c", 8)):
        run(capsys, runs, "one", "-n", 2, "--seed", seed, "--out", at / out)
        made.append(
            {path.name: path.read_bytes() for path in (at / out / "pieces").iterdir()}
            | {name: (at / out / name).read_bytes() for name in ("pieces.png", "composed.json")}
        )
    assert made[0] == made[1]
    assert made[0]["1.wav"] != made[2]["1.wav"]


def test_the_users_bars_stand_and_the_agent_goes_on(runs, at, capsys):
    given = Score.from_notes([MELODY], key="D major", tempo=88)
    given.to_midi(at / "mine.mid")
    found, scores = composed(capsys, runs, "one", "-n", 3, "--given", "mine.mid", "--keep", 1)
    for score in scores:
        assert score.notes(0)[:3] == given.notes(0)[:3]  # pitch, length and loudness
        assert (score.key, score.tempo, score.steps) == ("D major", 88.0, 64)
    assert len({tuple(score.notes(0)) for score in scores}) > 1
    assert any("transposed by -2 semitones to C major" in note for note in found["notes"])


def test_a_pickup_comes_along_and_the_piece_begins_with_it(runs, at, capsys):
    given = Score.from_notes([MELODY], key="D major", pickup=4)
    given.to_musicxml(at / "mine.musicxml")
    found, scores = composed(capsys, runs, "one", "-n", 1, "--given", "mine.musicxml", "--keep", 1)
    assert scores[0].position[:6].tolist() == [12, 13, 14, 15, 0, 1]
    assert scores[0].steps == 64 - 12
    assert [n[:3] for n in scores[0].notes(0)[:3]] == [n[:3] for n in given.notes(0)[:3]]
    assert any("pickup" in note for note in found["notes"])


def test_agents_of_whole_notes_go_on_too(runs, at, capsys):
    given = Score.from_notes([MELODY], key="D major")
    given.to_midi(at / "mine.mid")
    _, scores = composed(capsys, runs, "notes", "-n", 1, "--given", "mine.mid", "--keep", 2)
    assert scores[0].notes(0)[:5] == given.notes(0)[:5]


@pytest.mark.parametrize("key", ["Eb major", "F# major", "B major"])
def test_another_key_is_the_same_music_transposed(runs, at, capsys, key):
    plain, moved = (composed(capsys, runs, "one", "-n", 2, *words)[1] for words in ([], ["--key", key]))
    for a, b in zip(plain, moved, strict=True):
        (shift,) = {y.pitch - x.pitch for x, y in zip(a.notes(0), b.notes(0), strict=True)}
        assert a.transpose(shift).keys == b.keys
        assert b.key == key
        assert abs(shift) <= 6


def test_an_agent_of_several_keys_composes_in_the_key_asked_for(runs, at, capsys):
    found, scores = composed(capsys, runs, "keys", "-n", 2, "--key", "A minor")
    assert [score.key for score in scores] == ["A minor", "A minor"]
    assert not any("transposed" in note for note in found["notes"])


def test_given_music_is_put_into_the_key_asked_for(runs, at, capsys):
    given = Score.from_notes([MELODY], key="D major")
    given.to_midi(at / "mine.mid")
    _, (score,) = composed(capsys, runs, "one", "-n", 1, "--given", "mine.mid", "--keep", 1, "--key", "E major")
    assert score.notes(0)[:3] == given.transpose(2).notes(0)[:3]
    assert score.key == "E major"


def test_the_tempo_asked_for_is_written(runs, at, capsys):
    assert composed(capsys, runs, "one", "-n", 1, "--tempo", 72)[1][0].tempo == 72.0


def test_greedy_pieces_are_alike_and_it_is_said(runs, at, capsys):
    found, scores = composed(capsys, runs, "one", "-n", 2, "--temperature", 0)
    assert scores[0].notes(0) == scores[1].notes(0)
    assert any("of 2 pieces 1 are different: at temperature 0" in note for note in found["notes"])


@pytest.mark.slow
def test_what_musicgym_train_leaves_composes(at, capsys):
    """The whole way of a composer, with a reward whose rule is set to another value."""
    words = [
        "--reward",
        FIXED,
        "--set",
        "repeat.most=2",
        "--set",
        "key=2",
        "--steps",
        "4096",
        "--option",
        "length=64",
        "--name",
        "mine",
    ]
    assert main(["train", *words]) == 0
    config = json.loads((at / "runs" / "mine" / "config.json").read_text())
    assert config["settings"]["changes"] == ["repeat.most=2", "key=2"]
    assert config["reward"]["fingerprint"] == with_settings(parse(FIXED), ["repeat.most=2", "key=2"]).fingerprint
    Score.from_notes([MELODY], key="D major").to_midi(at / "beginning.mid")
    capsys.readouterr()
    found, scores = composed(capsys, "runs", "--given", "beginning.mid", "--keep", 1)
    assert found["reward"]["fingerprint"] == config["reward"]["fingerprint"]
    assert len(scores) == 8
    assert not any("has changed" in note for note in found["notes"])


def test_temperature_divides_logits(runs):
    import torch

    from musicgym.agents.compose import _divide_logits
    from musicgym.agents.training import load_agent

    model = load_agent(runs / "one", Run(runs / "one").config()["settings"])
    seen = torch.zeros((1, *model.observation_space.shape))
    before = model.policy.get_distribution(seen).distribution.logits
    _divide_logits(model.policy.action_net, 2.0)
    after = model.policy.get_distribution(seen).distribution.logits
    expected = torch.log_softmax(before / 2.0, dim=1)
    assert torch.allclose(after, expected, atol=1e-6)


def test_the_first_of_several_agents_is_taken_unless_another_is_named(runs, at, capsys):
    first, chosen = (composed(capsys, runs, "pair", "-n", 1, "--temperature", 0, *words) for words in ([], ["--agent", "seed-4"]))
    assert first[0]["agent"].endswith("seed-3")
    assert chosen[0]["agent"].endswith("seed-4")
    assert first[1][0].notes(0) != chosen[1][0].notes(0)
    assert "has seed-3, seed-4" in run(capsys, runs, "pair", "--agent", "seed-9", status=1).err


def test_another_reward_may_judge(runs, at, capsys):
    found, _ = composed(capsys, runs, "one", "-n", 1, "--reward", "2*rl_tuner.key")
    assert set(found["pieces"][0]["terms"]) == {"key"}


def test_an_unknown_reward_is_a_wrong_command_line(runs, at, capsys):
    assert "did you mean rl_tuner" in run(capsys, runs, "one", "--reward", "rl_tunr", status=2).err


def test_other_lengths_where_the_agent_sees_the_same_shape(runs, at, capsys):
    assert composed(capsys, runs, "notes", "-n", 1, "--bars", 12)[1][0].steps == 12 * 16
    assert "train one with --option length=128" in run(capsys, runs, "one", "--bars", 8, status=1).err


def test_a_performance_keeps_the_notes_and_moves_them_in_time(runs, at, capsys):
    _, (plain,) = composed(capsys, runs, "one", "-n", 1)
    found, _ = composed(capsys, runs, "one", "-n", 1, "--perform")
    played = Score.from_midi(found["pieces"][0]["mid"], steps_per_quarter=480)
    assert [n.pitch for n in played.notes(0)] == [n.pitch for n in plain.notes(0)]
    assert [n.start for n in played.notes(0)] != [n.start * 120 for n in plain.notes(0)]
    assert Score.from_musicxml(found["pieces"][0]["musicxml"]).notes(0) == plain.notes(0)


def test_a_folder_with_something_in_it_is_not_written_to(runs, at, capsys):
    (at / "full").mkdir()
    (at / "full" / "mine.txt").write_text("mine")
    assert "is not empty" in run(capsys, runs, "one", "--out", at / "full", status=1).err
    (at / "file").write_text("mine")
    assert "choose another folder" in run(capsys, runs, "one", "--out", at / "file", status=1).err


def test_a_reward_that_has_changed_since_is_said(runs, at, capsys, tmp_path):
    config = json.loads((runs / "one" / "config.json").read_text())
    other = tmp_path / "other"
    other.mkdir()
    (other / "checkpoint.npz").write_bytes((runs / "one" / "checkpoint.npz").read_bytes())
    (other / "config.json").write_text(json.dumps({**config, "reward": {"expression": FIXED, "fingerprint": "0" * 16}}))
    assert any("has changed" in note for note in composed(capsys, runs, other, "-n", 1)[0]["notes"])
    config["settings"]["reward"] = "planted_nowhere"
    (other / "config.json").write_text(json.dumps(config))
    assert "one of your own needs --reward 'MODULE:planted_nowhere'" in run(capsys, runs, other, status=1).err
    (other / "checkpoint.npz").unlink()
    (other / "config.json").write_text(json.dumps({**config, "settings": {**config["settings"], "reward": FIXED}}))
    assert "has learned nothing yet" in run(capsys, runs, other, status=1).err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lost"], "there is no run 'lost'"),
        (["one", "-n", "0"], "-n 0"),
        (["one", "--key", "A minor"], "trained in C major"),
        (["one", "--key", "H"], "key 'H'"),
        (["one", "--tempo", "0"], "--tempo 0"),
        (["one", "--temperature", "-1"], "--temperature -1"),
        (["one", "--temperature", "nan"], "--temperature nan"),
        (["one", "--seed", "-1"], "--seed -1"),
        (["one", "--bars", "0"], "--bars 0"),
        (["one", "--keep", "2"], "--keep goes with --given"),
        (["one", "--given", "gone.mid"], "'gone.mid': there is no such file"),
        (["one", "--given", "book.abc"], "holds 2 pieces: choose one, such as 'book.abc#1'"),
        (["one", "--given", "waltz.mid"], "'waltz.mid' is in 3/4, but this agent composes in 4/4 alone"),
        (["one", "--given", "minor.mid"], "'minor.mid' is in B minor: this agent was trained in C major"),
        (["one", "--given", "mine.mid", "--keep", "4"], "at most 3"),
        (["one", "--given", "mine.mid", "--keep", "9"], "has the bars 1 to 5"),
        (["one", "--given", "mine.mid", "--keep", "0"], "has the bars 1 to 5"),
        (["one", "--given", "wide.mid"], "no octave of them"),
        (["one", "--given", "mine.mid", "--key", "D minor"], "not put into another mode"),
        (["one", "--given", "short.abc", "--keep", "3"], "bar 2 is not a full one"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(runs, at, capsys, words, message):
    Score.from_notes([MELODY * 1 + [Note(64, 16, 74, 80)]], key="D major").to_midi(at / "mine.mid")
    Score.from_notes([MELODY], key="D major", meter=(3, 4)).to_midi(at / "waltz.mid")
    Score.from_notes([MELODY], key="B minor").to_midi(at / "minor.mid")
    Score.from_notes([[Note(0, 8, 30, 80), Note(8, 8, 90, 80)]]).to_midi(at / "wide.mid")
    (at / "book.abc").write_text("X:1\nT:A\nM:4/4\nK:C\nCDEF|\n\nX:2\nT:B\nM:4/4\nK:C\nGABc|\n")
    (at / "short.abc").write_text("X:1\nT:A\nM:4/4\nL:1/4\nK:C\nCDEF|GA|CDEF|GABc|\n")
    before = sorted(path.name for path in (runs / "one").iterdir())
    error = run(capsys, runs, *words, status=2 if message.startswith(TYPED) else 1).err
    assert message in error
    assert len(error.splitlines()) == 1
    assert sorted(path.name for path in (runs / "one").iterdir()) == before


def test_of_several_voices_the_highest_notes_begin_a_melody(at):
    high, low = [Note(0, 8, 72, 80), Note(8, 8, 74, 80)], [Note(0, 16, 48, 80)]
    Score.from_notes([low, high]).to_midi(at / "two.mid")
    found = begin_with("two.mid", Task(StepChoice(48, 83), length=64))
    assert [n.pitch for n in found.prefix.notes(0)] == [72, 74]
    assert any("highest notes of 2 voices" in note for note in found.notes)
    (at / "two.abc").write_text("X:1\nT:A\nM:4/4\nL:1/4\nK:C\nV:1\nCDEF|\nV:2\nc2d2|\n")
    found = begin_with("two.abc", Task(StepChoice(48, 83), length=64))
    assert [n.pitch for n in found.prefix.notes(0)] == [60, 62, 64, 65]


def test_notes_are_put_into_the_agents_range_by_octaves_and_back(at):
    Score.from_notes([[Note(0, 8, 43, 80), Note(8, 8, 45, 80)]], key="G major").to_midi(at / "low.mid")
    found = begin_with("low.mid", Task(NoteChoice(pitches=tuple(range(60, 85))), length=64))
    assert [n.pitch for n in found.prefix.notes(0)] == [60, 62]
    assert found.semitones == 17


def test_a_task_that_starts_from_a_corpus_takes_no_beginning(at):
    Score.from_notes([MELODY], key="D major").to_midi(at / "mine.mid")
    with pytest.raises(ValueError, match="start from a corpus"):
        begin_with("mine.mid", Task(StepChoice(), voices=4, length=64, source="bach", given=(0,)))


@pytest.mark.parametrize(
    "words", [["-n", "0"], ["--tempo", "0"], ["--temperature", "nan"], ["--key", "H dur"], ["--out", "full"]], ids=" ".join
)
def test_what_is_cheap_to_check_is_checked_before_anything_heavy_is_loaded(runs, at, capsys, monkeypatch, words):
    (at / "full").mkdir()
    (at / "full" / "mine.txt").write_text("mine")
    monkeypatch.setitem(sys.modules, "musicgym.agents.compose", None)
    error = run(capsys, runs, "one", *words, status=1 if "--out" in words else 2).err
    assert "needs" not in error
    assert len(error.splitlines()) == 1


def test_a_file_without_notes_is_named(runs, at, capsys):
    (at / "none.abc").write_text("X:1\nT:A\nM:4/4\nK:C\nz4|\n")
    assert "none.abc" in run(capsys, runs, "one", "--given", "none.abc", status=1).err


def test_chords_and_broken_fields_of_the_beginning_are_told(runs, at, capsys):
    (at / "chords.abc").write_text("X:1\nM:4/4\nL:1/0\nK:C\n[CE]4 [CE]4|CDEF GABc|\n")
    notes = " ".join(composed(capsys, runs, "one", "-n", 1, "--given", "chords.abc", "--keep", 1)[0]["notes"])
    assert "2 notes in the file were left out" in notes
    assert "not understood: L:1/0" in notes
