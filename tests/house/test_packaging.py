"""What is installed is what the checkout holds: wheel, editable and strict editable installs, and the pinned versions."""

import itertools
import json
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("musicgym", "rewards", "agents", "benchmarks")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def checked_in() -> list[str]:
    """The files of the checkout as git will keep them: tracked, or new and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [name for name in names if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of the files that git keeps, with nothing that an earlier build left behind."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in checked_in():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
    return copy


def pip(*words: str | Path, python: str | Path = sys.executable) -> None:
    command = [sys.executable, "-m", "pip", "--python", python, *words, "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    pip("wheel", checkout, "--wheel-dir", place)
    return next(place.glob("*.whl"))


def test_the_wheel_holds_every_file_of_the_four_folders_and_no_other(wheel):
    expected = set()
    for name in checked_in():
        folder = name.split("/")[0]
        if folder in FOLDERS:
            expected.add(name if folder == "musicgym" else f"musicgym/{name}")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert "musicgym/py.typed" in held
    assert held == expected, (
        "a subfolder needs an __init__.py, a data file a pattern in pyproject.toml's package-data: "
        f"missing {sorted(expected - held)}, unexpected {sorted(held - expected)}"
    )


# Run in an environment's own interpreter: where each package came from, and whether any file was imported under two names.
PROBE = """
import collections, importlib, json, os, sys
names = ["musicgym", "musicgym.rewards", "musicgym.agents", "musicgym.benchmarks", "musicgym.score", "musicgym.corpus"]
found = {name: importlib.import_module(name).__file__ for name in names}
files = collections.Counter(os.path.realpath(m.__file__) for m in list(sys.modules.values()) if getattr(m, "__file__", None))
twice = [file for file, count in files.items() if count > 1 and "musicgym" in file]
print(json.dumps({"found": found, "twice": twice}))
"""


def install(kind: str, checkout: Path, wheel: Path, place: Path) -> Path:
    """A new environment in `place` with musicgym installed; dependencies are those of the environment that runs the tests."""
    venv.create(place, symlinks=True)
    interpreter = place / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    outer, inner = (
        subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip()
        for python in (sys.executable, interpreter)
    )
    if kind == "wheel":
        pip("install", wheel, python=interpreter)
    else:
        shutil.copytree(checkout, place / "source")
        settings = ["--config-settings", "editable_mode=strict"] if kind == "strict" else []
        Path(inner, "dependencies.pth").write_text(outer + "\n", encoding="utf-8")  # setuptools itself, for the build
        pip("install", "--editable", place / "source", *settings, python=interpreter)
    Path(inner, "dependencies.pth").write_text(outer + "\n", encoding="utf-8")
    return interpreter


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "editable", "strict"])
def test_an_installed_copy_imports_from_one_place_inside_and_outside_its_checkout(kind, checkout, wheel, tmp_path):
    interpreter = install(kind, checkout, wheel, tmp_path / "env")
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    origin = tmp_path / "env" / ("lib" if kind == "wheel" else "source")
    for cwd in [outside, *([tmp_path / "env" / "source"] if kind != "wheel" else [])]:
        done = subprocess.run([interpreter, "-c", PROBE], cwd=cwd, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)
        assert not seen["twice"]
        assert all(Path(file).resolve().is_relative_to(origin.resolve()) for file in seen["found"].values()), seen["found"]
    for folder in FOLDERS[1:]:  # other distributions may own these names, so theirs may be found, but not ours
        spec = f"import importlib.util as u; spec = u.find_spec('{folder}'); print(spec and spec.origin)"
        done = subprocess.run([interpreter, "-c", spec], cwd=outside, capture_output=True, text=True, timeout=60)
        assert str(tmp_path) not in done.stdout, f"`import {folder}` finds {done.stdout}"
    script = subprocess.run(
        [interpreter.parent / "musicgym", "--version"], cwd=outside, capture_output=True, text=True, timeout=60
    )
    assert script.stdout.startswith("musicgym "), script.stderr


def test_the_checkout_imports_from_one_place_when_nothing_is_installed(checkout):
    done = subprocess.run([sys.executable, "-c", PROBE], cwd=checkout, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert not seen["twice"]
    assert all(Path(file).is_relative_to(checkout) for file in seen["found"].values()), seen["found"]


def distribution(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def test_every_dependency_is_pinned_to_the_release_that_was_tested():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {distribution(line) for line in lines if re.fullmatch(r"[\w.-]+==[\w.]+", line)}
    assert len(pins) == sum(not line.startswith("#") for line in lines), "a pin is name==version, without a local '+cpu'"
    wanted = {distribution(text) for text in itertools.chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())}
    assert wanted - {"musicgym"} <= pins, "run make constraints"
