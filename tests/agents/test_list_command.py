"""`musicgym list`: what there is, quickly."""

import json
import subprocess
import sys

import pytest

import musicgym
from musicgym.agents.runs import Run
from musicgym.agents.settings import Settings
from musicgym.commands import main


def listed(capsys, *words):
    assert main(["list", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_everything_is_listed_and_each_kind_alone(capsys):
    found = listed(capsys)
    assert set(found) == {"tasks", "rewards", "agents", "corpora"}
    for kind, rows in found.items():
        assert listed(capsys, kind) == {kind: rows}


def test_a_task_tells_what_is_chosen_and_seen(capsys):
    row = next(row for row in listed(capsys, "tasks")["tasks"] if row["id"] == "musicgym/Melody-v0")
    assert row["action"] == "Discrete(38): rest, hold, C3 to B5"
    env = musicgym.ComposeEnv("musicgym/Melody-v0")
    assert row["observation"]["onehot"] == f"Box({env.observation_space.shape[0]}) uint8"
    assert row["reward"] == "theory"


def test_every_name_that_an_expression_may_use_is_listed_with_its_doc(capsys):
    from musicgym.rewards import names

    rows = {row["name"]: row for row in listed(capsys, "rewards")["rewards"]}
    assert set(rows) == set(names())
    assert (rows["rl_tuner"]["kind"], rows["at_end"]["kind"], rows["fixed_repeat"]["kind"]) == ("set", "change", "rule")
    assert rows["fixed_repeat"]["about"].startswith("-3 for a note")


def test_a_set_is_shown_term_by_term(capsys):
    words = ("rewards", "rl_tuner(form='fixed') + fixed_repeat(most=3)")
    rows = {row["term"]: row for row in listed(capsys, *words)["reward"]["terms"]}
    assert rows["fixed_repeat"]["parameters"]["most"] == {"value": 3.0, "default": 4.0, "within": None}
    assert rows["key"]["weight"] == 1.0
    assert main(["list", *words]) == 0
    assert "most=3, default 4" in capsys.readouterr().out


def test_trained_agents_are_listed_and_broken_folders_passed_over(tmp_path, capsys):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        Run(tmp_path / name).begin(Settings(steps=2048), "rl_tuner", "0" * 16, [0, 1])
    (tmp_path / "b" / "config.json").write_text("{")
    config = json.loads((tmp_path / "c" / "config.json").read_text())
    del config["reward"]
    (tmp_path / "c" / "config.json").write_text(json.dumps(config))
    found = listed(capsys, "agents", "--runs", str(tmp_path))["agents"]
    (row,) = found["trained"]
    assert [left["run"] for left in found["skipped"]] == [str(tmp_path / "b"), str(tmp_path / "c")]
    assert "config.json' cannot be read (it has no 'reward')" in found["skipped"][1]["reason"]
    assert main(["list", "agents", "--runs", str(tmp_path)]) == 0
    assert "c  left out: " in capsys.readouterr().out
    assert (row["seeds"], row["steps"], row["finished"]) == ([0, 1], 2048, False)


def test_collections_are_listed_with_their_rights(capsys):
    rows = {row["name"]: row for row in listed(capsys, "corpora")["corpora"]}
    assert "NON-COMMERCIAL" in rows["essen"]["rights"]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["songs"], 2, "expected one of tasks, rewards"),
        (["tasks", "Melody"], 2, "only rewards are shown one by one"),
        (["rewards", "rl_tunr"], 2, "did you mean rl_tuner"),
    ],
)
def test_bad_input_is_said(words, status, message, capsys):
    assert main(["list", *words]) == status
    assert message in capsys.readouterr().err


def test_listing_loads_no_torch():
    code = "import sys; from musicgym.commands import main; main(['list']); assert not {'torch', 'music21'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "musicgym/Melody-v0" in done.stdout
