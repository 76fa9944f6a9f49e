"""Imports are light, point one way, and give each module one name."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("musicgym", "rewards", "agents", "benchmarks")  # each may import itself and what stands before it
HEAVY = {
    "torch",
    "music21",
    "stable_baselines3",
    "sb3_contrib",
    "verovio",
    "matplotlib",
    "numba",
    "symusic",
    "scipy",
    "pandas",
    "pettingzoo",
    "typer",
}


def python(code: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, timeout=120)


def test_importing_musicgym_loads_nothing_heavy():
    done = python("import sys, musicgym; print(*sorted({name.partition('.')[0] for name in sys.modules}))")
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())


def test_the_overview_of_the_command_line_loads_nothing_heavy():
    done = python(
        "import sys; from musicgym.commands import main; main(['--help']); print(*{n.partition('.')[0] for n in sys.modules})"
    )
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("folder", LAYERS[1:])
def test_a_folder_beside_the_package_is_imported_under_the_packages_name(folder):
    done = python(f"import importlib, sys; importlib.import_module('musicgym.{folder}'); assert '{folder}' not in sys.modules")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("folder", LAYERS[1:])
def test_a_second_name_for_the_same_folder_is_refused(folder):
    done = python(f"import {folder}")
    assert done.returncode == 1
    assert f"import musicgym.{folder}, not {folder}" in done.stderr


def test_the_package_cannot_be_imported_from_inside_itself():
    done = python("import musicgym.musicgym")
    assert done.returncode == 1
    assert "import musicgym, not musicgym.musicgym" in done.stderr


@pytest.mark.parametrize("public", __import__("musicgym").__all__)
def test_every_public_name_is_there(public):
    musicgym = __import__("musicgym")
    assert public in dir(musicgym)
    assert getattr(musicgym, public) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Scroe'"):
        _ = __import__("musicgym").Scroe


def imports_when_loaded(tree: ast.AST, package: list[str]) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each import that runs when the module does: not those inside functions or under TYPE_CHECKING."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            origin = ".".join(part for part in (base, node.module) if part)
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for other in node.orelse:
                yield from imports_when_loaded(ast.Module([other], []), package)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imports_when_loaded(node, package)


def layer_of(dotted: str) -> int | None:
    words = dotted.split(".")
    if words[0] != "musicgym":
        return None
    return LAYERS.index(words[1]) if len(words) > 1 and words[1] in LAYERS else 0


def upward_imports(source: str, name: list[str], is_package: bool) -> list[str]:
    package = name if is_package else name[:-1]
    own = layer_of(".".join(name))
    return [
        f"line {line} imports {dotted}"
        for line, dotted in imports_when_loaded(ast.parse(source), package)
        if (layer := layer_of(dotted)) is not None and layer > own
    ]


def test_imports_point_from_benchmarks_to_agents_to_rewards_to_the_core():
    found = []
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            name = [*(() if layer == "musicgym" else ("musicgym",)), *path.relative_to(ROOT).with_suffix("").parts]
            is_package = name[-1] == "__init__"
            upward = upward_imports(path.read_text(encoding="utf-8"), name[:-1] if is_package else name, is_package)
            found += [f"{path.relative_to(ROOT)}: {fault}" for fault in upward]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "import musicgym.rewards",
        "from musicgym import agents",
        "from musicgym.benchmarks.speed import measure",
        "from . import rewards",
        "class A:\n    from .rewards import rule",
        "try:\n    import musicgym.agents\nexcept ImportError:\n    pass",
    ],
)
def test_an_import_upwards_is_found(source):
    assert upward_imports(source, ["musicgym", "task"], is_package=False)


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    import musicgym.rewards",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from musicgym import rewards",
        "from musicgym.score import Score",
        "import rewards_of_another_package",
    ],
)
def test_lazy_imports_and_those_of_the_same_layer_are_allowed(source):
    assert not upward_imports(source, ["musicgym", "task"], is_package=False)
