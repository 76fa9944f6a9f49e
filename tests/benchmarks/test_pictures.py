"""The README's picture of a report."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from musicgym.benchmarks.pictures import take
from musicgym.score import Note, Score


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("chromium") and shutil.which("chromedriver")), reason="no chromium and chromedriver here")
def test_a_picture_has_the_size_that_was_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("selenium", reason="driving a browser needs selenium")
    from musicgym.render.report import Group, Piece, Report, Rule, write_report

    marks = np.full((1, 1, 16), 0.5, np.float32)
    piece = Piece("a piece", Score.from_notes([[Note(0, 4, 60, 80), Note(4, 12, 64, 90)]]), marks)
    write_report(tmp_path / "report.html", Report("t", "", rules=[Rule("r", "")], groups=[Group("g", "", [piece])]))
    take(tmp_path / "report.html", tmp_path / "report.png", group=1, width=600, height=300)
    data = (tmp_path / "report.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (600, 300)
    assert len(data) > 5_000  # there is something on it


def test_a_page_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere.html' is no file: expected the report.html of a run"):
        take(tmp_path / "nowhere.html", tmp_path / "a.png", group=1, width=600, height=300)
    assert not list(tmp_path.iterdir())
