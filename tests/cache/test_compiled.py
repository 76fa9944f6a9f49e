"""Compiled code in the user's cache folder: never stale, shared by processes, got over when spoilt, done without if need be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

RULES = """
from musicgym.compiled import Entry
from musicgym.rewards import rule
from cached_rules import figures, helping

@rule(span=0, sees="own")
def cached_rule(piece, voice, step):
    return helping.worth(piece.pitch[voice, step]) * figures.WEIGHT

@Entry
def cached_total(pitches):
    total = 0.0
    for pitch in pitches:
        total += helping.worth(pitch) * figures.WEIGHT
    return total
"""
HELPING = """
from musicgym.compiled import kernel

@kernel
def worth(pitch):
    return 1.0 if pitch == 60 else 0.0
"""
# Each prints what three C's are worth, and how many compiled functions came from the cache.
SCORING = """
from cached_rules.rules import cached_rule
from musicgym import Score
from musicgym.score import Note
reward = cached_rule()
worth = reward.score([Score.from_notes([[Note(t, 1, 60, 80) for t in range(3)]])])
print(worth["cached_rule"][0], sum(reward.kernels.judge_sites.stats.cache_hits.values()))
"""
CALLING = """
import numpy as np
from cached_rules.rules import cached_total
print(cached_total(np.array([60, 60, 60])), sum(cached_total.compiled.stats.cache_hits.values()))
"""
# The script, where nothing can be written beside it or below: not even by a superuser.
LOCKED = """
import os, pathlib, runpy
folder = pathlib.Path(__file__).parent
open_file, make_folder = os.open, os.mkdir

def refuse(path):
    if folder in pathlib.Path(path).absolute().parents:
        raise PermissionError(13, "Permission denied", str(path))

def locked_open(path, flags, *args, **more):
    if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        refuse(path)
    return open_file(path, flags, *args, **more)

def locked_mkdir(path, *args, **more):
    refuse(path)
    return make_folder(path, *args, **more)

os.open, os.mkdir = locked_open, locked_mkdir
runpy.run_path(str(folder / "calling.py"))
"""


# A session in which a constant that a compiled helper reads is tuned between two rewards.
TUNING = """
import importlib
from cached_rules import tuned, tuned_rule
from musicgym import Score
tune = Score.from_notes([[(0, 1, 60, 80)]])
print(tuned_rule.tuned_worth().score([tune])["tuned_worth"][0], end=" ")
tuned.SCALE = 3.0
importlib.reload(tuned_rule)
print(tuned_rule.tuned_worth().score([tune])["tuned_worth"][0])
"""
TUNED = """
from musicgym.compiled import kernel
SCALE = 1.0

@kernel
def scaled(value):
    return value * SCALE

@kernel
def twice(value):
    return 2.0 * scaled(value)
"""
TUNED_RULE = """
from cached_rules import tuned
from musicgym.rewards import rule

@rule
def tuned_worth(piece, voice, step):
    return tuned.twice(1.0) if piece.onset[voice, step] else 0.0
"""


@pytest.fixture
def project() -> Iterator[Path]:
    """A folder that every user can read, with a user's package of rules in three files."""
    folder = Path(tempfile.mkdtemp(prefix="musicgym-cache-test-"))
    folder.chmod(0o755)
    package = folder / "cached_rules"
    package.mkdir()
    for name, text in {"__init__": "", "rules": RULES, "helping": HELPING, "figures": "WEIGHT = 2.0\n"}.items():
        (package / f"{name}.py").write_text(text)
    (folder / "scoring.py").write_text(SCORING)
    (folder / "calling.py").write_text(CALLING)
    yield folder
    shutil.rmtree(folder)


def run(project: Path, script: str = "calling.py", cache: Path | None = None, **variables: str) -> tuple[str, str]:
    """What a script prints, and its warnings, in a new process."""
    made = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "MUSICGYM_CACHE": str(cache or project / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",  # Python's own cache takes a file of the same size and time for the same
        **variables,
    }
    done = subprocess.run([sys.executable, str(project / script)], capture_output=True, text=True, env=made)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), "".join(line for line in done.stderr.splitlines() if not line.startswith("musicgym compiles"))


def edit(path: Path, old: str, new: str) -> None:
    """Change a file but not its size and time."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    assert len(old) == len(new)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    os.utime(path, ns=times)


@pytest.mark.slow
def test_a_constant_tuned_in_a_session_is_read_anew_and_leaves_nothing_wrong_for_the_next(project: Path) -> None:
    package = project / "cached_rules"
    (package / "tuned.py").write_text(TUNED)
    (package / "tuned_rule.py").write_text(TUNED_RULE)
    (project / "tuning.py").write_text(TUNING)
    assert run(project, "tuning.py")[0] == "2.0 6.0"
    edit(package / "tuned.py", "SCALE = 1.0", "SCALE = 3.0")
    assert run(project, "tuning.py")[0] == "6.0 6.0"


@pytest.mark.slow
@pytest.mark.parametrize("script", ["calling.py", "scoring.py"])
def test_the_next_process_has_the_new_value_of_what_was_edited_in_another_file(project: Path, script: str) -> None:
    package = project / "cached_rules"
    assert run(project, script)[0] == "6.0 0"
    edit(package / "helping.py", "1.0 if", "5.0 if")
    assert run(project, script)[0] == "30.0 0"
    edit(package / "figures.py", "2.0", "3.0")
    assert run(project, script)[0] == "45.0 0"
    edit(package / "figures.py", "3.0", "2.0")
    edit(package / "helping.py", "5.0 if", "1.0 if")
    assert run(project, script)[0] == "6.0 1"


@pytest.mark.slow
def test_spoilt_files_are_compiled_anew(project: Path) -> None:
    assert run(project)[0] == "6.0 0"
    for spoilt in ("cut in half", "zeros", "garbage"):
        files = [path for path in (project / "cache").rglob("*") if path.is_file()]
        assert {path.suffix for path in files} == {".py", ".nbi", ".nbc"}
        for path in files:
            size = path.stat().st_size
            rubbish = bytes((7 * i + 131) % 256 for i in range(size)) if spoilt == "garbage" else bytes(size)
            path.write_bytes(path.read_bytes()[: size // 2] if spoilt == "cut in half" else rubbish)
        assert run(project) == ("6.0 0", ""), spoilt
        assert run(project) == ("6.0 1", ""), spoilt


@pytest.mark.slow
def test_lost_files_are_made_anew(project: Path) -> None:
    assert run(project)[0] == "6.0 0"
    for kind in (".py", ".nbi", ".nbc"):
        for path in (project / "cache").rglob(f"*{kind}"):
            path.unlink()
        assert run(project)[0].startswith("6.0"), kind
        assert run(project) == ("6.0 1", ""), kind


@pytest.mark.slow
def test_eight_processes_at_once_on_an_empty_cache_all_work_and_leave_it_whole(project: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: run(project), range(8)))
    assert {out.split()[0] for out, _ in found} == {"6.0"}
    assert {warned for _, warned in found} == {""}
    assert run(project) == ("6.0 1", "")
    assert not [path for path in (project / "cache").rglob("*") if path.is_file() and path.suffix not in {".py", ".nbi", ".nbc"}]


@pytest.mark.slow
def test_a_cache_folder_that_cannot_be_made_costs_one_warning(project: Path) -> None:
    (project / "file").write_text("")
    out, warned = run(project, cache=project / "file" / "cache")
    assert out == "6.0 0"
    assert warned.count("cannot keep compiled code in") == 1
    assert warned.count("set MUSICGYM_CACHE") == 1


@pytest.mark.slow
def test_a_cache_folder_that_may_not_be_written_to_costs_one_warning(project: Path) -> None:
    """Another user's, with and without compiled code in it."""
    (project / "locked.py").write_text(LOCKED)
    home = {"HOME": str(project), "XDG_CACHE_HOME": str(project)}  # Numba would go there instead
    (project / "cache").mkdir()
    for _ in range(2):
        out, warned = run(project, "locked.py", **home)
        assert out == "6.0 0"
        assert warned.count("cannot keep compiled code in") == 1
        assert run(project)[0].startswith("6.0")
