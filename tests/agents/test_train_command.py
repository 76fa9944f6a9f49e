"""`musicgym train` from the command line: what it leaves, how it goes on, what it says of bad input."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from sb3_contrib import MaskablePPO

from musicgym import Score
from musicgym.agents import checkpoint
from musicgym.agents.comparison import COMPARABLE
from musicgym.agents.defaults import settings_for
from musicgym.agents.runs import Run, found_run
from musicgym.agents.settings import Settings
from musicgym.agents.training import load_agent, train
from musicgym.commands import main
from musicgym.rewards.rl_tuner import TERMS

TINY = ["--steps", "600", "--envs", "4"]  # rollouts of 128 steps: 640 in all


def run(*words):
    return main(["train", *map(str, words)])


def error_of(capsys, *words, status=1):
    assert run(*words) == status
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error")]
    assert len(lines) == 1
    return lines[0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    assert run(*TINY, "--out", out) == 0
    return out


@pytest.mark.slow
def test_a_run_leaves_all_its_files(finished):
    folder = finished / "melody-1"
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == {
        *("agent.zip", "checkpoint.npz", "config.json", "metrics.jsonl", "tensorboard"),
        *("pieces", "pieces.png", "report.html", "table.json", "table.md"),
    }
    assert not [path for path in folder.rglob(".*") if path.name != ".lock"]
    names = {f"{number}.{kind}" for number in range(1, 9) for kind in ("mid", "musicxml", "wav")}
    assert {path.name for path in (folder / "pieces").iterdir()} == names
    for number in range(1, 9):
        midi, xml = (Score.from_midi(folder / f"pieces/{number}.mid"), Score.from_musicxml(folder / f"pieces/{number}.musicxml"))
        assert midi.notes(0)
        assert [(n.start, n.duration, n.pitch) for n in midi.notes(0)] == [(n.start, n.duration, n.pitch) for n in xml.notes(0)]
    assert (folder / "pieces.png").read_bytes().startswith(b"\x89PNG")
    assert list((folder / "tensorboard").iterdir())


@pytest.mark.slow
def test_figures_are_kept_by_rollout_and_by_term(finished):
    folder = finished / "melody-1"
    records = Run(folder).metrics()
    assert [record["step"] for record in records] == [128, 256, 384, 512, 640]
    ended = [record for record in records if record["terms"]]  # a piece of four bars takes two rollouts
    assert [record["step"] for record in ended] == [256, 512]
    assert ended[-1]["return"] == pytest.approx(sum(ended[-1]["terms"].values()), abs=1e-3)
    table = json.loads((folder / "table.json").read_text())
    assert list(table["means"]) == ["agent", "agent, no mask", "random, masked", "random", "real tunes"]
    assert list(table["means"]["agent"])[-1] == "total"
    assert table["counts"]["agent"]["pieces"] >= 1000
    figure = table["means"]["random, masked"]["total"]
    assert figure["low"] < figure["mean"] < figure["high"]
    config = json.loads((folder / "config.json").read_text())
    assert config["reward"]["expression"] == "theory"
    assert config["versions"].keys() >= {"musicgym", "torch", "sb3-contrib"}


@pytest.mark.slow
def test_the_agent_loads_from_the_checkpoint_and_from_sb3s_file_alike(finished):
    run_ = found_run(finished, "melody-1")
    mine, theirs = load_agent(run_.folder, run_.config()["settings"]), MaskablePPO.load(run_.folder / "agent.zip", device="cpu")
    for name, value in mine.policy.state_dict().items():
        assert (theirs.policy.state_dict()[name] == value).all()


@pytest.mark.slow
def test_a_finished_run_says_so_when_resumed(finished, capsys):
    before = (finished / "melody-1" / "table.json").stat().st_mtime_ns
    assert run("--resume", "--out", finished) == 0
    assert "is finished" in "".join(capsys.readouterr())
    assert (finished / "melody-1" / "table.json").stat().st_mtime_ns == before


@pytest.mark.slow
def test_several_seeds_share_a_table_and_json_is_all_that_is_printed(tmp_path, capsys):
    assert (
        run(*TINY, "--out", tmp_path, "--name", "both", "--seeds", 2, "--seed", 5, "--blind", "--reward", "-1*rl_tuner", "--json")
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert found["seeds"] == [5, 6]
    assert found["counts"]["agent"] == {"pieces": 2000, "groups": 2}
    assert found["settings"]["blind"]
    assert found["means"]["random"]["key"]["mean"] > 0  # the reward is turned round
    assert {path.name for path in (tmp_path / "both").iterdir()} >= {"seed-5", "seed-6", "table.json", "config.json"}
    assert (tmp_path / "both" / "seed-6" / "agent.zip").exists()


@pytest.mark.slow
def test_whole_notes_are_learned_with_the_tasks_options_and_real_tunes_stay_out_of_what_they_lack(tmp_path):
    reward = "performance + rl_tuner(form='fixed')"
    words = ["--task", "ExpressiveMelody", "--option", "bars=2", "--option", "key=A minor", "--reward", reward]
    assert run(*TINY, *words, "--out", tmp_path, "--name", "loud") == 0
    folder = tmp_path / "loud"
    table = json.loads((folder / "table.json").read_text())
    tunes, agent = table["means"]["real tunes"], table["means"]["agent"]
    assert tunes["metrical_accent"]["mean"] is None is tunes["total"]["mean"]
    assert tunes["key"]["mean"] is not None
    assert agent[COMPARABLE]["mean"] == pytest.approx(sum(agent[term]["mean"] for term in TERMS), abs=1e-6)
    assert any("excerpts of 32 steps" in note and "in minor, moved to A" in note for note in table["notes"])
    pieces = [Score.from_midi(folder / f"pieces/{number}.mid").notes(0) for number in range(1, 9)]
    assert all(note.start + note.duration <= 32 for notes in pieces for note in notes)
    assert len({note.velocity for notes in pieces for note in notes}) > 2
    (folder / "table.json").unlink()
    assert run("--resume", "--out", tmp_path) == 0
    assert json.loads((folder / "table.json").read_text()) == table


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(tmp_path):
    """A run that is killed again and again, while it writes checkpoints all the time, ends as one that never was."""
    words = [sys.executable, "-m", "musicgym", "train", "--out", str(tmp_path)]
    start = [*words, "--name", "killed", "--steps", "4000", "--envs", "4", "--checkpoint-every", "0", "--seed", "3"]
    resume = [*words, "--resume"]
    path = tmp_path / "killed" / "checkpoint.npz"
    rng = random.Random(0)
    at = -1
    for command in (start, resume, resume):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ})
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline and steps_in(path) <= at:
            time.sleep(0.02)
        time.sleep(rng.random() * 0.2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        at = checkpoint.read(path)["timesteps"]  # never half a file
        assert 0 < at <= 4096
    done = subprocess.run(resume, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    ended = Run(tmp_path / "killed")
    assert [record["step"] for record in ended.metrics()] == list(range(128, 4097, 128))
    assert not [file for file in ended.folder.glob(".*") if file.name != ".lock"]
    settings = ended.config()["settings"]
    assert settings == settings_for({"steps": 4000, "n_envs": 4, "seed": 3})
    whole = train(settings)
    for name, value in load_agent(ended.folder, settings).policy.state_dict().items():
        assert (whole.policy.state_dict()[name] == value).all(), name


def steps_in(path):
    return checkpoint.read(path)["timesteps"] if path.exists() else -1


@pytest.mark.slow
def test_a_checkpoint_cut_in_half_and_a_changed_reward_are_refused_in_a_line(tmp_path, capsys):
    assert run(*TINY, "--out", tmp_path, "--name", "a") == 0
    folder = tmp_path / "a"
    (folder / "table.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "reward": {"expression": "rl_tuner", "fingerprint": "0" * 16}}))
    assert "has changed since" in error_of(capsys, "--resume", "--out", tmp_path)
    (folder / "config.json").write_text(json.dumps(config))
    path = folder / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:-100])
    assert "cannot be read" in error_of(capsys, "--resume", "--out", tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "Melodie"], "unknown task 'Melodie': did you mean musicgym/Melody-v0"),
        (["--task", "no_such_house:Melody"], "no module 'no_such_house'"),
        (["--reward", "rl_tunr"], "did you mean rl_tuner"),
        (["--reward", "no_such_house:mine"], "no module 'no_such_house'"),
        (["--set", "repaet=2"], "did you mean repeat"),
        (["--reward", "rl_tuner(form='fixed')", "--set", "repeat.mots=2"], "did you mean repeat.most"),
        (["--reward", "__import__('os')"], "'os'"),
        (["--observation", "smell"], "observation='smell'"),
        (["--window", "0"], "window=0"),
        (["--steps", "0"], "steps=0"),
        (["--seeds", "0"], "--seeds 0"),
        (["--jobs", "0"], "--jobs 0"),
        (["--checkpoint-every", "-1"], "--checkpoint-every -1: expected 0 seconds or more"),
        (["--checkpoint-every", "nan"], "--checkpoint-every nan"),
        (["--envs", "-3"], "n_envs=-3"),
        (["--name", "../up"], "run name '../up'"),
        (["--resume"], "there is no run"),
        (["--resume", "--name", "lost"], "there is no run 'lost'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_folder(tmp_path, capsys, words, message):
    assert message in error_of(capsys, *words, "--out", tmp_path / "runs", status=1 if "there is no run" in message else 2)
    assert not (tmp_path / "runs").exists()


def test_nothing_is_said_of_training_where_the_reward_is_unknown(tmp_path, capsys):
    assert run("--reward", "qxqxqx", "--out", tmp_path) == 2
    assert capsys.readouterr().err == "Error: unknown reward or rule 'qxqxqx': see musicgym list rewards\n"


def test_the_first_line_says_the_tasks_options_asked_for_or_tuned(tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")  # so that nothing is trained
    run("--out", tmp_path / "taken")
    assert "Training on musicgym/Melody-v0 (length=64): " in capsys.readouterr().err
    run("--reward", "rl_tuner", "--option", "range=55,76", "--out", tmp_path / "taken")
    assert "Training on musicgym/Melody-v0 (range=55,76): " in capsys.readouterr().err


def test_an_output_folder_that_cannot_be_made_is_named(tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    assert "choose another folder with --out" in error_of(capsys, *TINY, "--out", tmp_path / "taken")
    assert "choose another folder with --out" in error_of(capsys, *TINY, "--out", tmp_path / "taken" / "deeper")


def test_a_name_that_is_taken_is_refused(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    assert "is there already" in error_of(capsys, *TINY, "--out", tmp_path, "--name", "mine")


def test_a_run_keeps_its_settings(tmp_path, capsys):
    Run(made(tmp_path / "a")).begin(Settings(), "rl_tuner", "0" * 16, [0])
    assert "leave out --steps" in error_of(capsys, "--resume", "--steps", "9", "--out", tmp_path, status=2)
    assert "leave out --set" in error_of(capsys, "--resume", "--set", "key=2", "--out", tmp_path, status=2)
    assert "has rl_tuner" in error_of(capsys, "--resume", "--reward", "2*rl_tuner", "--out", tmp_path, status=2)
    assert "leave out --envs" in error_of(capsys, "--resume", "--envs", "9", "--out", tmp_path, status=2)


def test_two_processes_do_not_train_in_one_folder(tmp_path, capsys):
    place = Run(made(tmp_path / "a"))
    place.begin(Settings(), "rl_tuner", "0" * 16, [0])
    with place.writing():
        assert "another process is training" in error_of(capsys, "--resume", "--out", tmp_path)


def test_half_a_line_of_metrics_is_forgotten(tmp_path):
    place = Run(tmp_path)
    for step in (1, 2, 3):
        place.note({"step": step})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "ret')
    (tmp_path / ".checkpoint.abc.npz").write_bytes(b"half")
    assert [record["step"] for record in place.metrics()] == [1, 2, 3]
    place.go_back(2)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1}\n{"step": 2}\n'
    assert not (tmp_path / ".checkpoint.abc.npz").exists()


def made(path):
    path.mkdir(parents=True)
    return path
