"""A report with everything on it, and a browser to open it with."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musicgym.score import Note, Score, TempoChange
from musicgym.testing.music import random_score

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }} \u2028 & 'q' \"q\""
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMEDRIVER = shutil.which("chromedriver")
# In a machine without a screen, as root, without its own calls home.
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *(
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,1000",
        "--autoplay-policy=document-user-activation-required",
    ),
]


@pytest.fixture(scope="session")
def hostile() -> str:
    """A text that does harm where it is taken for HTML, JavaScript or a template."""
    return HOSTILE


@pytest.fixture(scope="session")
def melody() -> Score:
    """Two bars with a tie, rests and velocities, the second half as fast again."""
    lengths = [4, 2, 2, 3, 7, 2, 4, 8]
    starts = np.cumsum([0, *lengths])
    notes = [
        Note(int(start), length, 60 + 2 * i, 40 + 10 * i)
        for i, (start, length) in enumerate(zip(starts, lengths, strict=False))
        if i != 2
    ]
    score = Score.from_notes([notes], steps=32)
    return dataclasses.replace(score, tempos=(TempoChange(0, 120.0), TempoChange(16, 240.0)))


@pytest.fixture(scope="session")
def full_report(melody: Score) -> Any:
    """A report of two seeds, two rules and three pieces, the second in three voices with spans; names that are HTML."""
    pytest.importorskip("verovio", reason="the report needs verovio: pip install 'musicgym[report]'")
    pytest.importorskip("jinja2", reason="the report needs jinja2: pip install 'musicgym[report]'")
    from musicgym.render.report import Curve, Group, Link, Piece, Report, Rule, Span, Table

    rng = np.random.default_rng(0)

    def piece(label: str, score: Score) -> Piece:
        shape = (2, score.voices, score.steps)
        return Piece(label, score, np.where(rng.random(shape) < 0.3, rng.normal(size=shape), 0).astype(np.float32))

    steps = list(range(100, 30_100, 100))
    curves = [
        Curve(
            f"seed {seed}",
            steps,
            {"return": [math.nan, *(seed + math.log(s) for s in steps[1:])], "leap": [0.0] * 300, HOSTILE: steps},
        )
        for seed in (0, 1)
    ]
    figures = [(1.0, 0.5, 1.5), (-2.0, -2.5, -1.5), (0.00001, -0.001, 0.001)]
    unknown = (math.nan, math.nan, math.nan)
    table = Table(
        rows=("leap", HOSTILE, "total"),
        columns={"agent": figures, HOSTILE: [unknown, *figures[1:]]},
        verdicts={HOSTILE: ["", "above", "even"]},
        counts={"agent": "10 pieces", HOSTILE: "5 pieces"},
        references=(HOSTILE,),
    )
    trio = dataclasses.replace(random_score(rng, 3, 40), title=HOSTILE, names=(HOSTILE, "<b>bass</b>", ""))
    # Of a bar, of two, and of the whole piece.
    spans = [Span(0, 0, 0, 16, -2.0), Span(1, 2, 0, 16, 0.5), Span(1, 0, 0, 32, 1.0), Span(1, 0, 0, 40, -0.25, whole=True)]
    links = [Link(1, 2, 8, (1,))]
    groups = [
        Group("Agent", "by seed", [piece("seed 0, piece 1", melody), piece(HOSTILE, trio)._replace(spans=spans, links=links)]),
        Group(HOSTILE, HOSTILE, [Piece("nothing marked", melody)]),
    ]
    rules = [Rule("leap", "-1 for a leap."), Rule(HOSTILE, HOSTILE)]
    return Report(HOSTILE, HOSTILE, curves, table, rules, groups, {HOSTILE: {HOSTILE: HOSTILE}}, [HOSTILE])


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium without a network."""
    if CHROMIUM is None or CHROMEDRIVER is None:
        pytest.skip("no chromium and chromedriver here (Debian: apt-get install chromium chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver", reason="driving a browser needs selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
    driver.execute_cdp_cmd("Network.enable", {})
    nothing = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", nothing)
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def page(browser: Any, full_report: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report, opened."""
    from musicgym.render.report import write_report

    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(path, full_report)
    browser.get("about:blank")
    for kind in ("performance", "browser"):  # what came before the page
        browser.get_log(kind)
    browser.get(path.as_uri())
    return path
