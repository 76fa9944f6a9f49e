"""The cache of the bundled collections: damage, old versions, folders that can't be written to, many processes at once."""

import hashlib
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from musicgym import corpus
from musicgym.corpus import built

NAMES = ("bach", "ryan", "oneill", "aird")


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that has been built."""
    folder = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSICGYM_CACHE", str(folder))
        corpus.load("bach")
    return folder


@pytest.fixture
def cache(built_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in use."""
    shutil.copytree(built_once, tmp_path / "cache")
    monkeypatch.setenv("MUSICGYM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "corpora"


def contents(name: str) -> str:
    data = built.load(name)
    arrays = [*data.store, *data[1:]]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def test_files_hold_no_pickles_and_little(cache: Path) -> None:
    for path in cache.glob("*.npz"):
        with np.load(path, allow_pickle=False) as file:
            assert all(file[name].dtype != object for name in file.files)
    assert sum(path.stat().st_size for path in cache.glob("*.npz")) < 1_000_000


def test_a_flipped_byte_is_noticed_wherever_it_matters(cache: Path) -> None:
    path = cache / "bach.npz"
    whole, sound = path.read_bytes(), built._from_file(path, warn=False)
    assert sound is not None
    for at in [*range(0, len(whole), 997), *range(len(whole) - 1500, len(whole), 11)]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 129]) + whole[at + 1 :])
        found = built._from_file(path, warn=False)
        if found is not None:
            assert all(np.array_equal(a, b) for a, b in zip([*found.store, *found[1:]], [*sound.store, *sound[1:]])), at


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut", "version"])
def test_a_file_that_is_damaged_or_of_another_version_is_built_again_with_one_warning(cache: Path, damage: str) -> None:
    path = cache / "ryan.npz"
    before, whole = contents("ryan"), path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        arrays["version"] = np.array(b"0, music21 1.0")
        np.savez_compressed(path, **arrays)
    with pytest.warns(RuntimeWarning, match="built again") as caught:
        assert contents("ryan") == before
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert contents("ryan") == before


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_to_costs_one_warning_and_one_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("a file where the folder should be")
    monkeypatch.setenv("MUSICGYM_CACHE", str(tmp_path / "file"))
    built._warn_once.cache_clear()
    with pytest.warns(RuntimeWarning, match="MUSICGYM_CACHE") as caught:
        first = corpus.load("bach", "aird")
    assert len(caught) == 1
    assert "Building" in capsys.readouterr().err
    assert len(corpus.load("bach", "aird")) == len(first) == 1414
    assert "Building" not in capsys.readouterr().err


@pytest.mark.slow
def test_eight_processes_on_an_empty_cache_all_get_the_right_data(cache: Path, tmp_path: Path) -> None:
    expected = contents("oneill")
    code = (
        "import hashlib; from musicgym.corpus import built; data = built.load('oneill'); "
        "print(hashlib.sha256(b''.join(a.tobytes() for a in [*data.store, *data[1:]])).hexdigest())"
    )
    environment = {**os.environ, "MUSICGYM_CACHE": str(tmp_path / "empty")}
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    results = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0] * 8, results
    assert {out.strip() for out, _ in results} == {expected}
    left = sorted(path.name for path in (tmp_path / "empty" / "corpora").glob("[!.]*"))
    assert left == sorted(f"{name}.npz" for name in NAMES)
    said = "".join(error for _, error in results)
    assert "Building corpora (bach, ryan, oneill, aird)" in said
    assert str(tmp_path / "empty") in said


@pytest.mark.slow
def test_essen_is_fitted_to_the_defaults_families_without_changing_them(cache: Path) -> None:
    before = {name: contents(name) for name in NAMES}
    songs = corpus.load("essen", exact=False)
    assert len(songs) == 8514
    assert "NON-COMMERCIAL" in songs.rights
    assert {name: contents(name) for name in NAMES} == before
    from musicgym.corpus import families
    from musicgym.files.exact import concatenate

    defaults = corpus.load(*NAMES, exact=False)
    windows, piece = families.windows_of(concatenate([defaults._data.store, songs._data.store]))
    part = np.concatenate([defaults.splits, songs.splits])[piece]
    train = {window.tobytes() for window in windows[part == 0]}
    assert not any(window.tobytes() in train for window in windows[part > 0])
    assert (songs.splits == -1).mean() < 0.05
