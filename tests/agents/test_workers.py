"""Seeds trained side by side come out as if each had been alone, whatever happens to their processes."""

import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import musicgym
from musicgym import registration
from musicgym.agents import checkpoint
from musicgym.agents.runs import Run
from musicgym.agents.seeds import jobs_for, parts_of, train_parts
from musicgym.agents.settings import Settings
from musicgym.agents.training import load_agent, train

TINY = Settings(steps=256, n_envs=4, n_steps=16, batch_size=64, net=(16,), reward_scale=0.05)
MODULE = "import musicgym; musicgym.register('lab/Eight-v0', musicgym.Task(length=8), reward='rl_tuner')"


LAST = 6016  # steps of a run that is stopped twice: whole rollouts


def assert_same(one, two):
    for name, value in one.policy.state_dict().items():
        assert (two.policy.state_dict()[name] == value).all(), name


def begun(folder, seeds, settings=TINY):
    run = Run(folder)
    run.begin(settings, "rl_tuner", "0" * 16, seeds)
    return parts_of(run, settings, seeds)


@pytest.mark.parametrize(
    ("seeds", "threads", "asked", "jobs"), [(5, 1, 2, 2), (2, 1, 16, 2), (3, 4, 3, 3), (1, 1, None, 1), (5, 10_000, None, 1)]
)
def test_there_are_no_more_processes_than_seeds(seeds, threads, asked, jobs):
    assert jobs_for(seeds, threads, asked) == jobs


def test_fewer_than_one_process_is_refused():
    with pytest.raises(ValueError, match="--jobs 0"):
        jobs_for(3, 1, 0)


@pytest.mark.slow
def test_seeds_side_by_side_are_those_one_after_the_other_and_each_is_told_of(tmp_path):
    parts = begun(tmp_path, [3, 4, 5])
    seen = []
    train_parts(parts, lambda seed, progress: seen.append((seed, progress.step)), 5.0, jobs=2, modules=[])
    assert sorted(seen) == [(seed, step) for seed in (3, 4, 5) for step in (64, 128, 192, 256)]
    for settings, place in parts:
        assert_same(train(settings), load_agent(place.folder, settings))
        assert (place.folder / "agent.zip").exists()
        assert len(list((place.folder / "pieces").iterdir())) == 24
    train_parts(parts, lambda seed, progress: pytest.fail("nothing is left to train"), 5.0, jobs=2, modules=[])


@pytest.mark.slow
def test_a_workers_error_is_told_with_its_own_message(tmp_path):
    parts = begun(tmp_path, [0, 1])
    (parts[1][1].folder / "checkpoint.npz").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"seed 1: checkpoint .*seed-1.checkpoint\.npz' cannot be read"):
        train_parts(parts, lambda seed, progress: None, 5.0, jobs=2, modules=[])
    with pytest.raises(ChildProcessError, match=r"(?s)seed [01]: Traceback.*No module named 'no_such_house'"):
        train_parts(parts, lambda seed, progress: None, 5.0, jobs=2, modules=["no_such_house"])


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is not known on Windows")
def test_a_worker_that_ends_without_a_word_is_missed(tmp_path):
    def kill(seed, progress):
        for worker in multiprocessing.active_children():
            os.kill(worker.pid, signal.SIGKILL)

    with pytest.raises(ChildProcessError, match=r"seed [01]: its process ended without a word \(status -9.*fewer --jobs"):
        train_parts(begun(tmp_path, [0, 1]), kill, 5.0, jobs=2, modules=[])
    assert not multiprocessing.active_children()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are found in Linux's /proc")
def test_ctrl_c_and_a_kill_change_nothing_and_leave_nobody_behind(tmp_path, monkeypatch):
    (tmp_path / "eight_house.py").write_text(MODULE)
    words = [sys.executable, "-m", "musicgym", "train", "--task", "eight_house:lab/Eight-v0", "--out", "runs", "--name", "both"]
    words += ["--jobs", "2", "--checkpoint-every", "0"]
    fresh = ["--steps", str(LAST), "--envs", "4", "--seeds", "2", "--seed", "7"]
    folders = [tmp_path / "runs" / "both" / f"seed-{seed}" for seed in (7, 8)]

    def started(*more):
        """The command at work, once both seeds are further than before, or one is done; and its workers."""
        before = [steps_in(folder) for folder in folders]
        process = subprocess.Popen(
            [*words, *more], cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 180
        while any(steps_in(folder) <= step < LAST for folder, step in zip(folders, before)):
            assert time.monotonic() < deadline
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        return process, workers_of(process.pid)

    process, workers = started(*fresh)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "To go on: musicgym train --resume" in told
    assert "Traceback" not in told
    assert gone(workers)

    process, workers = started("--resume")
    process.kill()
    process.communicate(timeout=60)
    assert gone(workers)

    done = subprocess.run([*words, "--resume"], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr(registration, "_TASKS", dict(registration._TASKS))
    musicgym.register("lab/Eight-v0", musicgym.Task(length=8), reward="rl_tuner")
    settings = Run(tmp_path / "runs" / "both").config()["settings"]
    for seed, folder in zip((7, 8), folders):
        assert [record["step"] for record in Run(folder).metrics()] == list(range(128, LAST + 1, 128))
        assert not [file for file in folder.glob(".*") if file.name != ".lock"]
        own = dataclasses.replace(settings, seed=seed)
        assert_same(train(own), load_agent(folder, own))


def environment():
    checkout = Path(musicgym.__file__).parents[1]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(checkout), os.environ.get("PYTHONPATH", "")])}


def steps_in(folder):
    path = folder / "checkpoint.npz"
    return checkpoint.read(path)["timesteps"] if path.exists() else -1


def workers_of(pid):
    """The processes that `pid` started to train."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def gone(workers):
    """Whether all these processes have ended, or do so within seconds."""
    assert len(workers) == 2
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(alive(pid) for pid in workers)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"  # a zombie has ended
    except (FileNotFoundError, ProcessLookupError):
        return False
