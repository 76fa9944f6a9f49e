"""The examples in docstrings are run, each module under the name that users import."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def modules_with_examples() -> list[str]:
    names = []
    for folder in ("musicgym", "rewards", "agents", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                words = path.relative_to(ROOT).with_suffix("").parts
                words = words if folder == "musicgym" else ("musicgym", *words)
                names.append(".".join(words[:-1] if words[-1] == "__init__" else words))
    return names


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_in_docstrings_do_what_they_show(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # examples may write files
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(parser=doctest.DocTestParser())
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for test in finder.find(module, name):
        runner.run(test, out=report.append)
    assert runner.tries, (
        f"{name} has examples (>>>), but none in a docstring that doctest finds: compiled functions need functools.wraps"
    )
    assert not runner.failures, "".join(report)
