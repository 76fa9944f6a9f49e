"""The README's picture of a report: `python -m musicgym.benchmarks.pictures runs/melody-1/report.html docs/report.png`.

It is taken in Chromium, driven by Selenium (`pip install "musicgym[test]"`, and Debian's chromium and chromium-driver).
"""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicgym.files.atomic import replace_file

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

# For a machine without a screen, as root, without the browser's own calls home.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--hide-scrollbars", "--force-prefers-reduced-motion"),
)
# Point at the note of which the rules say most, in the first third of a group's first piece, and tell where the group lies.
_PREPARE = """
const group = document.getElementById(arguments[0]);
const card = document.querySelector(`#${arguments[0]} ~ .pieces .piece`);
const player = musicgym.players[card.dataset.piece];
group.scrollIntoView();
const early = player.piece.inOrder.filter((e) => e.pitch >= 0 && e.start < player.piece.steps / 3);
const event = early.reduce((a, b) => (b.marks.size > a.marks.size ? b : a));
const note = player.elements.get(event)[0].getBoundingClientRect();
requestAnimationFrame(() => requestAnimationFrame(() => {
  musicgym.marks.choose(player, event);
  musicgym.marks.show(player, event, note.left, note.bottom);
  arguments[1](Math.max(0, group.getBoundingClientRect().top + scrollY - 8));
}));
"""


def main(
    page: Annotated[Path, typer.Argument(help="The report of a run.")],
    picture: Annotated[Path, typer.Argument(help="The PNG file to write.")],
    group: Annotated[int, typer.Option(help="The group of pieces that is shown, from 1.")] = 1,
    width: Annotated[int, typer.Option(help="Pixels.")] = 1160,
    height: Annotated[int, typer.Option(help="Pixels.")] = 740,
) -> None:
    """Take a picture of pieces in a report, pointing at a note."""
    take(page, picture, group=group, width=width, height=height)


def take(page: Path, picture: Path, *, group: int, width: int, height: int) -> None:
    """Write a PNG file of width x height pixels that shows a report's group of pieces.

    Raises:
        ValueError: no such page, no browser, or a folder that can't be written to.
    """
    if not page.is_file():
        raise ValueError(f"{str(page)!r} is no file: expected the report.html of a run")
    with replace_file(picture) as temporary, opened(page, width, height) as browser:
        top = browser.execute_async_script(_PREPARE, f"group-{group}")
        clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
        taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "clip": clip, "captureBeyondViewport": True})
        temporary.write_bytes(base64.b64decode(taken["data"]))


@contextmanager
def opened(page: Path, width: int, height: int) -> Iterator[Chrome]:
    """A page in a browser's window of this size. Raises ValueError where there is no browser."""
    from selenium import webdriver

    browser, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if browser is None or driver is None:
        raise ValueError("chromium or chromedriver is not on the PATH: install both")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            chrome.get(page.resolve().as_uri())
            yield chrome
        finally:
            chrome.quit()


if __name__ == "__main__":
    typer.run(main)
