"""How long a user waits: for the import, for the first step, for the first step ever."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import musicgym
from musicgym.benchmarks.speed_players import REWARD

_IMPORT = "import time; begun = time.perf_counter(); import musicgym; print(time.perf_counter() - begun)"
_FIRST_STEP = f"""
import time
import gymnasium
import musicgym
env = gymnasium.make_vec("musicgym/Melody-v0", num_envs=64, reward="{REWARD}")
env.reset(seed=1)
env.step([14] * 64)
print(time.time())
"""


def startup(repeats: int, *, with_empty_cache: bool) -> dict[str, Any]:
    """Seconds, median and best of several processes.

    Returns:
        "import_musicgym"; "first_step": from the start of a process to its first step, kernels in the cache; and
        "first_step_ever", with an empty cache, once, and "announced", whether stderr said what is going on then.
    """
    _first_step({})  # fills the user's own cache, should it be empty
    steps = [_first_step({})[0] for _ in range(repeats)]
    imports = [float(_python(_IMPORT, {}).stdout) for _ in range(repeats)]
    found: dict[str, Any] = {
        "import_musicgym": {"median": statistics.median(imports), "best": min(imports)},
        "first_step": {"median": statistics.median(steps), "best": min(steps)},
    }
    if with_empty_cache:
        with tempfile.TemporaryDirectory() as empty:
            seconds, said = _first_step({"MUSICGYM_CACHE": empty})
        found["first_step_ever"] = {"median": seconds, "best": seconds, "announced": bool(said.strip())}
    return found


def _first_step(environment: dict[str, str]) -> tuple[float, str]:
    begun = time.time()
    done = _python(_FIRST_STEP, environment)
    return float(done.stdout) - begun, done.stderr


def _python(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter that imports the same musicgym."""
    here = str(Path(musicgym.__file__).parent.parent)
    paths = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths, **environment}
    )
    if done.returncode:
        raise RuntimeError(f"a fresh process failed with status {done.returncode}: {done.stderr.strip()}")
    return done
