"""A run's folder: what is read from it is checked, what is written to it every reader takes."""

import json
import os

import pytest

from musicgym.agents.runs import Run, found_run
from musicgym.agents.settings import Settings

SEVERAL = "seed-1/checkpoint.npz"


def begun(folder):
    folder.mkdir(parents=True)
    Run(folder).begin(Settings(), "rl_tuner", "0" * 16, [0])
    return Run(folder)


@pytest.mark.parametrize(
    ("altered", "message"),
    [
        ([1, 2], "it holds a list"),
        ({"seeds": "x"}, "seeds='x': expected a list of whole numbers"),
        ({"seeds": []}, "seeds="),
        ({"seeds": [True]}, "seeds="),
        ({"reward": {"expression": "theory"}}, "reward=.*'fingerprint'"),
        ({"versions": 3}, "versions=3"),
        ({"settings": 5}, "settings=5"),
        ({"settings": {"options": 5}}, "options=5: expected names with values"),
        ({"settings": {"net": "x"}}, "net='x': expected a list"),
        ({"settings": {"task": 5}}, "task=5: expected text"),
        ({"settings": {"tempo": 5}}, "settings have the field 'tempo'"),
    ],
)
def test_an_altered_config_is_refused_with_the_file_what_is_wrong_and_what_to_do(tmp_path, altered, message):
    run = begun(tmp_path / "a")
    path = run.folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, **altered} if isinstance(altered, dict) else altered))
    with pytest.raises(ValueError, match=rf"config\.json' cannot be read \(.*{message}.*train anew"):
        run.config()


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null"])
def test_a_config_that_is_none_is_refused(tmp_path, text):
    run = begun(tmp_path / "a")
    (run.folder / "config.json").write_text(text)
    with pytest.raises(ValueError, match="cannot be read"):
        run.config()


def test_metrics_are_strict_json_and_lines_that_are_none_are_passed_over(tmp_path):
    run = begun(tmp_path / "a")
    run.note({"step": 128, "return": float("nan"), "terms": {}})
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write('5\n{"terms": {}}\n{"step"')

    def refuse(constant):
        raise AssertionError(constant)

    first = (run.folder / "metrics.jsonl").read_text().splitlines()[0]
    assert json.loads(first, parse_constant=refuse)["return"] is None
    assert run.metrics() == [{"step": 128, "return": None, "terms": {}}]


@pytest.mark.parametrize("checkpoint", ["checkpoint.npz", SEVERAL])
def test_the_last_run_that_has_learned_something_is_found(tmp_path, checkpoint):
    with pytest.raises(ValueError, match="there is no run"):
        found_run(tmp_path, None, learned=True)
    older, newer = begun(tmp_path / "older"), begun(tmp_path / "newer")
    with pytest.raises(ValueError, match=r"has a checkpoint\.npz yet"):
        found_run(tmp_path, None, learned=True)
    (older.folder / checkpoint).parent.mkdir(exist_ok=True)
    (older.folder / checkpoint).touch()
    for path in older.folder.rglob("*"):
        os.utime(path, (1, 1))
    os.utime(older.folder, (1, 1))
    assert found_run(tmp_path, None, learned=True).folder == older.folder
    assert found_run(tmp_path, None).folder == newer.folder  # --resume begins it again
