"""The report as one meets it: opened in Chromium with no network, played, pointed at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def silence(browser: Any, page: Path) -> Iterator[None]:
    """What a test began to play ends with it."""
    yield
    browser.execute_script("for (const player of musicgym.players) player.stop()")


def eventually(browser: Any, condition: str, seconds: float = 10) -> Any:
    """Wait until a script's expression is true, and return it."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, seconds, 0.05).until(lambda b: b.execute_script(f"return {condition}"))


def seen(browser: Any, selector: str) -> Any:
    """An element in the middle of the window, after the window has told of its scrolling."""
    element = browser.find_element("css selector", selector)
    browser.execute_async_script(
        "(arguments[0].ownerSVGElement ?? arguments[0]).scrollIntoView({block: 'center', behavior: 'instant'});"
        "requestAnimationFrame(() => requestAnimationFrame(arguments[1]))",
        element,
    )
    return element


def point(browser: Any, selector: str, *, press: bool = False) -> None:
    """Move the mouse to the middle of an element, by its place: told an element of an SVG, the driver would scroll first."""
    from selenium.webdriver.common.action_chains import ActionBuilder

    seen(browser, selector)
    script = (
        "const r = document.querySelector(arguments[0]).getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]"
    )
    actions = ActionBuilder(browser)
    actions.pointer_action.move_to_location(*map(round, browser.execute_script(script, selector)))
    if press:
        actions.pointer_action.click()
    actions.perform()


def click(browser: Any, selector: str) -> None:
    seen(browser, selector).click()


def cursor(browser: Any) -> list[float]:
    """Where the cursors stand: over the printed music and over the roll."""
    return list(
        browser.execute_script(
            "return [...document.querySelectorAll(\"[data-piece='0'] line.cursor\")].map(l => +l.getAttribute('x1'))"
        )
    )


def test_opening_the_page_asks_for_nothing_and_reports_no_error(browser: Any, page: Path) -> None:
    eventually(browser, "window.musicgym && musicgym.players.length === 3")
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert asked == [page.as_uri()]
    assert not [m for m in messages if m["method"] == "Network.loadingFailed"]
    assert not browser.get_log("browser")


def test_playing_sounds_and_moves_both_cursors(browser: Any, page: Path) -> None:
    click(browser, "[data-piece='0'] .play")
    eventually(browser, "musicgym.players[0].step > 4")
    before = cursor(browser)
    eventually(browser, "musicgym.players[0].loudness() > 0.01")  # not at once: a note fades in
    sounding = eventually(browser, "[...document.querySelectorAll('.sounding')].map(e => e.dataset.at).reverse()")
    assert len(set(sounding)) == 1
    assert len(sounding) >= 3  # the note, in the roll, and its velocity
    eventually(browser, "musicgym.players[0].step > 9")
    after = cursor(browser)
    assert all(b > a for a, b in zip(before, after, strict=True))
    eventually(browser, "!musicgym.players[0].playing")  # it ends by itself
    assert browser.execute_script("return musicgym.players[0].step") == 0
    assert not browser.find_elements("css selector", ".sounding")
    assert not browser.get_log("browser")


def test_the_play_button_is_called_what_it_says(browser: Any, page: Path) -> None:
    button = browser.find_element("css selector", "[data-piece='0'] .play")
    assert (button.text, button.get_attribute("aria-label")) == ("▶ Play", "Play seed 0, piece 1")
    click(browser, "[data-piece='0'] .play")
    eventually(browser, "musicgym.players[0].step > 0")
    assert (button.text, button.get_attribute("aria-label")) == ("❙❙ Pause", "Pause seed 0, piece 1")
    click(browser, "[data-piece='0'] .stop")
    assert (button.text, button.get_attribute("aria-label")) == ("▶ Play", "Play seed 0, piece 1")


def test_pausing_keeps_the_place_and_another_piece_ends_this_one(browser: Any, page: Path) -> None:
    click(browser, "[data-piece='0'] .play")
    eventually(browser, "musicgym.players[0].step > 2")
    click(browser, "[data-piece='0'] .play")
    place = browser.execute_script("return musicgym.players[0].step")
    assert place > 2
    click(browser, "[data-piece='1'] .play")
    eventually(browser, "musicgym.players[1].step > 1")
    assert browser.execute_script("return [musicgym.players[0].playing, musicgym.players[1].playing]") == [False, True]
    click(browser, "[data-piece='1'] .stop")
    assert browser.execute_script("return musicgym.players[0].step") == place
    click(browser, "[data-piece='0'] .stop")


def test_voices_can_be_switched_off_or_heard_alone(browser: Any, page: Path) -> None:
    def loudness() -> float:
        return float(browser.execute_async_script("musicgym.render(1).then(level => arguments[0](level.rms))"))

    def press(kind: str, voice: int) -> None:
        browser.execute_script(f"document.querySelectorAll(\"[data-piece='1'] .voices .{kind}\")[{voice}].click()")

    states = (
        "[...document.querySelectorAll(\"[data-piece='1'] .voices button\")].map(b => b.getAttribute('aria-pressed') === 'true')"
    )
    assert browser.execute_script(f"return {states}") == [True, False] * 3
    assert not browser.find_elements("css selector", "[data-piece='0'] .voices")
    whole = loudness()
    press("heard", 0)
    without = loudness()
    press("alone", 0)
    alone = loudness()
    assert browser.execute_script(f"return {states}") == [False, True, True, False, True, False]
    press("alone", 0)
    press("heard", 1)
    press("heard", 2)
    assert loudness() == 0
    assert whole > without > 0
    assert alone > 0
    # A voice that is switched off while it plays falls silent.
    click(browser, "[data-piece='1'] .play")
    eventually(browser, "musicgym.players[1].step > 2")
    assert browser.execute_script("return musicgym.players[1].loudness()") < 1e-4
    for voice in range(3):
        press("heard", voice)
    assert eventually(browser, "musicgym.players[1].loudness()") > 0.001
    click(browser, "[data-piece='1'] .stop")
    assert browser.execute_script(f"return {states}") == [True, False] * 3


def test_a_mark_names_the_voices_that_it_hangs_on(browser: Any, page: Path) -> None:
    told = browser.execute_script(
        """const {piece} = musicgym.players[1], event = piece.eventAt[2][8];
           const told = [piece.parties(event, 1), piece.parties(event, 0), piece.parties(piece.eventAt[1][8], 1)];
           return [...told, piece.describe(event)]"""
    )
    assert told[:3] == [": <b>bass</b>, voice 3", "", ""]
    assert told[3].endswith(", voice 3")


@pytest.mark.parametrize("piece", [0, 1])
def test_a_rendered_piece_is_not_silent_and_does_not_clip(browser: Any, page: Path, piece: int) -> None:
    level = browser.execute_async_script("musicgym.render(arguments[0]).then(arguments[1])", piece)
    assert level["rms"] > 0.01
    assert 0.05 < level["peak"] < 1.0
    # Two bars, the second twice as fast; 40 steps at 120 quarters a minute.
    assert level["seconds"] == pytest.approx((3.0 if piece == 0 else 5.0) + 0.4, abs=0.01)


def test_a_loud_note_is_louder_than_a_soft_one(browser: Any, page: Path) -> None:
    script = """
        const [done, piece] = [arguments[0], musicgym.players[0].piece];
        const all = piece.inOrder, one = velocity => { piece.inOrder = [{...all[0], velocity}]; return musicgym.render(0); };
        const both = async () => [(await one(20)).rms, (await one(120)).rms];
        both().finally(() => (piece.inOrder = all)).then(done);
    """
    soft, loud = browser.execute_async_script(script)
    assert loud > 4 * soft > 0


def test_a_click_on_a_note_plays_from_there(browser: Any, page: Path) -> None:
    point(browser, "[data-piece='0'] .engraving [data-at='v0s18'] .notehead", press=True)
    first = browser.execute_script("return musicgym.players[0].piece.eventAt[0][18].start")
    assert eventually(browser, "musicgym.players[0].step") >= first == 18
    click(browser, "[data-piece='0'] .stop")


def test_pointing_at_a_note_says_what_every_rule_gives(browser: Any, page: Path) -> None:
    marked = browser.execute_script(
        "const p = musicgym.players[0], e = p.piece.inOrder.find(e => e.pitch >= 0 && e.marks.size > 0);"
        "return [e.start, [...e.marks].map(([r, v]) => [musicgym.data.rules[r].name, v]), p.piece.describe(e)]"
    )
    point(browser, f"[data-piece='0'] .engraving [data-at='v0s{marked[0]}'] .notehead")
    tip = eventually(browser, "!document.getElementById('tip').hidden && document.getElementById('tip').innerText")
    assert marked[2] in tip
    assert "bar 1, beat" in tip
    for rule, value in marked[1]:
        assert rule.split()[0] in tip
        assert f"{abs(value):.3g}"[:4] in tip
    point(browser, "#piece-0")
    eventually(browser, "document.getElementById('tip').hidden")


def test_choosing_a_rule_colours_just_the_notes_that_it_marks(browser: Any, page: Path) -> None:
    from selenium.webdriver.support.ui import Select

    choice = Select(browser.find_element("id", "rule"))
    try:
        for rule in ("0", "1", "none", "all"):
            choice.select_by_value(rule)
            found = browser.execute_script(
                """return musicgym.players.map(p => {
                     const value = e => arguments[0] === "none" ? 0 : arguments[0] === "all"
                       ? [...e.marks.values()].reduce((a, b) => a + b, 0) : e.marks.get(+arguments[0]) ?? 0;
                     const has = (x, name) => x.classList.contains(name);
                     const right = (e, v) => (p.elements.get(e) ?? []).every(
                       x => has(x, "good-mark") === v > 0 && has(x, "bad-mark") === v < 0);
                     return p.piece.inOrder.every(e => right(e, value(e)));
                   })""",
                rule,
            )
            assert found == [True, True, True]
            coloured = len(browser.find_elements("css selector", ".marked"))
            assert (coloured == 0) == (rule == "none")
    finally:
        choice.select_by_value("all")


def test_the_keyboard_goes_from_note_to_note_and_plays(browser: Any, page: Path) -> None:
    from selenium.webdriver import ActionChains, Keys

    browser.execute_script("arguments[0].focus(); musicgym.marks.chosen = null", seen(browser, "[data-piece='0'] .music"))
    keys = ActionChains(browser)
    keys.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT).perform()
    assert browser.execute_script("return musicgym.marks.chosen.event.start") == 4
    assert "bar 1, beat 2" in browser.execute_script("return document.getElementById('said').textContent")
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    assert eventually(browser, "musicgym.players[0].playing && musicgym.players[0].step") >= 4
    ActionChains(browser).send_keys(Keys.SPACE).perform()
    eventually(browser, "!musicgym.players[0].playing")
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert browser.execute_script("return [musicgym.players[0].step, document.getElementById('tip').hidden]") == [0, True]


def test_bars_have_strips_below_the_roll_and_the_whole_piece_a_line(browser: Any, page: Path) -> None:
    from selenium.webdriver import ActionChains, Keys
    from selenium.webdriver.support.ui import Select

    choice = Select(browser.find_element("id", "rule"))
    strips = "[...document.querySelectorAll(\"[data-piece='1'] .strip\")]"
    assert len(browser.find_elements("css selector", ".strip")) == 2  # a bar, of which two rules speak, and two bars
    try:
        choice.select_by_value("0")
        assert browser.execute_script(f"return {strips}.map(e => e.className)") == ["strip marked bad-mark", "strip"]
        assert browser.execute_script("return document.querySelector('.whole span').className") == "bad-mark quiet"
        choice.select_by_value("1")
        assert browser.execute_script(f"return {strips}.map(e => e.className)") == ["strip marked good-mark"] * 2
        assert browser.execute_script("return document.querySelector('.whole span').className") == "bad-mark"
    finally:
        choice.select_by_value("all")
    widths = browser.execute_script(
        f"const all = document.querySelector(\"[data-piece='1'] .roll\").getBoundingClientRect().width;"
        f"return {strips}.map(e => e.getBoundingClientRect().width / all)"
    )
    assert widths == pytest.approx([0.4, 0.8], abs=0.01)
    point(browser, "[data-piece='1'] .strip")
    tip = eventually(browser, "!document.getElementById('tip').hidden && document.getElementById('tip').innerText")
    assert "the whole bars 0 to 1" in tip
    assert "−2" in tip
    # The arrow keys come to a bar after its notes.
    script = """
        const [music, p] = [arguments[0], musicgym.players[1]];
        music.focus(); musicgym.marks.choose(p, p.piece.all[p.piece.all.indexOf(p.piece.strips[0]) - 1]);
    """
    browser.execute_script(script, seen(browser, "[data-piece='1'] .music"))
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT).perform()
    assert "the whole bars 0 to 1" in browser.execute_script("return document.getElementById('said').textContent")
    assert browser.execute_script("return musicgym.players[1].piece.inOrder.some(e => e.strip)") is False


def test_arrow_keys_go_along_the_curve(browser: Any, page: Path) -> None:
    from selenium.webdriver import ActionChains, Keys

    chart = seen(browser, "#chart")
    browser.execute_script("arguments[0].focus()", chart)
    told = browser.find_element("id", "readout")
    ActionChains(browser).send_keys(Keys.HOME).perform()
    assert "after 300 choices" in told.text
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT).perform()
    assert "after 600 choices" in told.text
    assert browser.execute_script("return document.querySelector('#chart .hair').getAttribute('visibility')") == "visible"
    ActionChains(browser).send_keys(Keys.END, Keys.ARROW_RIGHT).perform()
    assert "after 30,000 choices" in told.text


def test_choosing_a_term_draws_its_curve(browser: Any, page: Path) -> None:
    click(browser, ".spark:nth-child(2)")
    assert browser.execute_script("return document.getElementById('term').selectedIndex") == 2
    assert len(browser.find_elements("css selector", "#chart .seed")) == 2
    assert len(browser.find_elements("css selector", "#chart .mean")) == 1
    readout = browser.find_element("id", "readout").text
    assert "after 30,000 choices" in readout


@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_is_as_wide_as_the_window(browser: Any, page: Path, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert browser.execute_script("return document.querySelector('.engraving').getBoundingClientRect().width") > 0.35 * min(
            width, 1000
        )
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
