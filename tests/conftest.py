"""What every test stands on: Hypothesis without deadlines, one cache folder for the whole run, one thread a process."""

import atexit
import os
import shutil
import tempfile

import pytest
from hypothesis import settings

# Before any import of NumPy or torch: two test processes with as many threads as cores each only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# The run begins with an empty cache, as a new user does, and leaves the user's own alone. Worker processes of pytest-xdist
# and commands started by tests inherit it, so corpora are built once. MUSICGYM_TEST_CACHE names a folder kept between runs.
if "MUSICGYM_TEST_CACHE" not in os.environ:
    os.environ["MUSICGYM_TEST_CACHE"] = tempfile.mkdtemp(prefix="musicgym-test-cache-")
    atexit.register(shutil.rmtree, os.environ["MUSICGYM_TEST_CACHE"], ignore_errors=True)
os.environ["XDG_CACHE_HOME"] = os.environ["MUSICGYM_TEST_CACHE"]

# A first call may compile for seconds, so no deadlines. In CI the same examples every time: a failure there is one of the change.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

# Files that keep a process busy for minutes, by one test or by all that they compile: begun first, so that no other process waits
# for them at the end. The README's examples come when what they need has been compiled. pytest-xdist keeps this order with
# --no-loadscope-reorder.
_FIRST = ("test_gymnasium.py", "test_rules_page.py", "test_readme.py", "test_train_command.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first."""
    items.sort(key=lambda item: _FIRST.index(item.path.name) if item.path.name in _FIRST else len(_FIRST))
