"""The report's page in a real browser: Debian's Chromium, driven by selenium, from a file:// address."""

from __future__ import annotations

import io
import re
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from holmesvau.report import write
from holmesvau.types import Report
from tests.report import examples

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
webdriver = pytest.importorskip("selenium.webdriver")

SECONDS, RATE = 20, 10


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds of H.264 whose brightness tells the second."""
    return _video(tmp_path_factory.mktemp("video") / "camera #1.mp4")


def _video(path: Path, first: int = 0) -> Path:
    """Its first frame is shown `first` seconds after the container's zero."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = 160, 90, "yuv420p", Fraction(1, RATE)
        for number in range(SECONDS * RATE):
            shade = 20 + 10 * (number // RATE)
            picture = av.VideoFrame.from_ndarray(np.full((90, 160, 3), shade, np.uint8), format="rgb24")
            picture.pts, picture.time_base = first * RATE + number, Fraction(1, RATE)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def _report(path: Path | str, **parts: Any) -> Report:
    report = examples.report(path=str(path), num_scores=2 * SECONDS, **parts)
    return replace(report, video=replace(report.video, start_seconds=0.0))


def _open(browser: Any, page: Path) -> None:
    browser.get_log("browser")
    browser.get(page.as_uri())


def _until(browser: Any, script: str, seconds: float = 10.0) -> Any:
    """The first true value of a script's expression."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = browser.execute_script(f"return {script}")
        if value:
            return value
        time.sleep(0.03)
    raise AssertionError(f"never true: {script}; log: {browser.get_log('browser')}")


def _errors(browser: Any) -> list[str]:
    return [
        entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")
    ]


def _click_chart(browser: Any, share: float) -> None:
    """Click where `share` of the plot's width lies (26 px of axis on the left, 8 px on the right)."""
    chart = browser.find_element("id", "chart")
    x = 26 + share * (chart.size["width"] - 34) - chart.size["width"] / 2
    webdriver.ActionChains(browser).move_to_element_with_offset(chart, int(x), 0).click().perform()


READY = "document.getElementById('player').readyState >= 1 && !document.getElementById('player').hidden"
NOW = "document.getElementById('player').currentTime"


def test_page_draws_its_curve_without_errors(browser: Any, video: Path, tmp_path: Path) -> None:
    events = (examples.event(8, 12, label="Fire"), examples.event(15, 16, 0.5))
    _open(browser, write(_report(video, events=events), tmp_path)["html"])
    _until(browser, READY)
    assert _errors(browser) == []
    path = browser.execute_script("return document.querySelector('#chart path.line').getAttribute('d')")
    heights = [float(point.split()[1]) for point in path.lstrip("M").split("L")]
    assert len(heights) >= 2 * SECONDS
    assert max(heights) - min(heights) > 60, "a score of 0.64 stands well above 0.1"
    assert len(browser.find_elements("css selector", "#chart rect.band")) == 2
    assert len(browser.find_elements("css selector", "#chart path.mark")) == 8
    assert len(browser.find_elements("css selector", "#chart path.mark.inside")) == 2


def test_clicks_on_frame_card_and_curve_seek_the_video(browser: Any, video: Path, tmp_path: Path) -> None:
    _open(browser, write(_report(video, events=(examples.event(8, 12),)), tmp_path)["html"])
    _until(browser, READY)
    frame = browser.find_elements("css selector", ".frame")[3]
    wanted = float(frame.get_attribute("data-seek"))
    frame.click()
    _until(browser, f"Math.abs({NOW} - {wanted}) < 0.02")
    assert frame.get_attribute("aria-current") == "true"

    _click_chart(browser, 0.5)
    _until(browser, f"Math.abs({NOW} - {SECONDS / 2}) < 0.15")
    assert "event 1" in browser.find_element("id", "chart").get_attribute("aria-valuetext")

    browser.find_element("css selector", "#event-1 [data-play]").click()
    _until(browser, f"{NOW} > 8.2 && {NOW} < 11")
    first = browser.execute_script("return document.querySelector('#chart line.head').getAttribute('x1')")
    _until(browser, f"document.querySelector('#chart line.head').getAttribute('x1') > {first} + 3")
    assert _errors(browser) == []


def _second_shown(browser: Any) -> float:
    """Which second the picture on the screen is of, by its brightness."""
    pixels = np.asarray(
        Image.open(io.BytesIO(browser.find_element("id", "player").screenshot_as_png)).convert("L")
    )
    height, width = pixels.shape
    return (float(np.median(pixels[height // 8 : height // 4, width // 3 : width // 2])) - 20) / 10


@pytest.mark.parametrize("first", [0, 3])
def test_picture_on_the_screen_is_of_the_time_clicked(browser: Any, tmp_path: Path, first: int) -> None:
    report = _report(_video(tmp_path / "late.mp4", first), events=(examples.event(8, 12),))
    report = replace(report, video=replace(report.video, start_seconds=float(first)))
    _open(browser, write(report, tmp_path)["html"])
    _until(browser, READY)
    browser.find_elements("css selector", ".frame")[3].click()
    _until(browser, f"{NOW} == {8 + first} && !document.getElementById('player').seeking")
    time.sleep(0.2)
    assert _second_shown(browser) == pytest.approx(8, abs=0.4)
    assert browser.find_element("id", "chart").get_attribute("aria-valuenow") == "8.0"


def test_hover_tells_time_and_score(browser: Any, video: Path, tmp_path: Path) -> None:
    _open(browser, write(_report(video, events=(examples.event(8, 12),)), tmp_path)["html"])
    _until(browser, READY)
    chart = browser.find_element("id", "chart")
    webdriver.ActionChains(browser).move_to_element_with_offset(chart, 9, 0).perform()
    told = browser.find_element("id", "readout").text
    assert re.fullmatch(r"0:(09\.[89]|10\.[012]) · score 0\.64 · event 1", told), told


def test_keys_move_zoom_and_jump(browser: Any, video: Path, tmp_path: Path) -> None:
    events = (examples.event(8, 12), examples.event(15, 16, 0.5))
    _open(browser, write(_report(video, events=events), tmp_path)["html"])
    _until(browser, READY)
    chart = browser.find_element("id", "chart")
    chart.send_keys("n")
    _until(browser, f"{NOW} == 8")
    chart.send_keys("n")
    _until(browser, f"{NOW} == 15")
    chart.send_keys("p", "p")
    _until(browser, f"{NOW} == 8")
    keys = webdriver.Keys
    chart.send_keys(keys.ARROW_RIGHT)
    _until(browser, f"{NOW} == 8.5")
    chart.send_keys("+", "+")
    assert len(browser.find_elements("css selector", "#chart rect.band")) == 1, "zoomed in on the first event"
    assert browser.find_element("id", "strip").is_displayed()
    chart.send_keys(keys.END)
    _until(browser, f"{NOW} >= {SECONDS - 0.2}")
    shown = browser.execute_script("return document.querySelector('#chart text.name').textContent")
    assert shown == "2", "the view followed to the end"
    chart.send_keys("0")
    assert len(browser.find_elements("css selector", "#chart rect.band")) == 2
    assert not browser.find_element("id", "strip").is_displayed()


def test_drag_zooms_and_double_click_shows_all(browser: Any, video: Path, tmp_path: Path) -> None:
    _open(
        browser,
        write(_report(video, events=(examples.event(2, 3), examples.event(15, 16))), tmp_path)["html"],
    )
    _until(browser, READY)
    chart = browser.find_element("id", "chart")
    webdriver.ActionChains(browser).move_to_element(chart).click_and_hold().move_by_offset(
        250, 0
    ).release().perform()
    assert len(browser.find_elements("css selector", "#chart rect.band")) == 1
    webdriver.ActionChains(browser).double_click(chart).perform()
    assert len(browser.find_elements("css selector", "#chart rect.band")) == 2


def test_missing_video_shows_frames_until_a_file_is_chosen(browser: Any, video: Path, tmp_path: Path) -> None:
    _open(browser, write(_report("gone.mp4", events=(examples.event(8, 12),)), tmp_path)["html"])
    _until(browser, "!document.getElementById('still').hidden")
    assert not browser.find_element("id", "player").is_displayed()
    assert "not beside this report" in browser.find_element("id", "attach").text
    assert browser.find_element("css selector", "#event-1 [data-play]").text == "Go to 0:08"
    browser.find_elements("css selector", ".frame")[0].click()
    assert browser.find_element("css selector", "#still figcaption").text == "Chosen frame at 0:00.0"

    browser.find_elements("css selector", ".frame")[3].click()
    browser.find_element("id", "file").send_keys(str(video))
    _until(browser, READY)
    _until(browser, f"{NOW} == 8")
    assert not browser.find_element("id", "still").is_displayed()
    assert _errors(browser) == []


def test_unplayable_video_says_so(browser: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video" * 100)
    _open(browser, write(_report(broken), tmp_path / "out")["html"])
    _until(browser, "!document.getElementById('attach').hidden")
    assert "cannot play it (H.264)" in browser.find_element("id", "attach").text


def test_hostile_texts_do_not_run_and_are_shown(browser: Any, tmp_path: Path) -> None:
    _open(browser, write(examples.hostile(), tmp_path)["html"])
    _until(browser, "document.querySelectorAll('#chart svg').length")
    assert browser.execute_script("return window.hacked") is None
    assert browser.execute_script("return document.scripts.length") == 2
    assert "<script>window.hacked=1" in browser.find_element("css selector", "h1").text
    assert "onerror" in browser.find_element("css selector", "#event-1 dd").text
    assert _errors(browser) == []


def test_policy_stops_what_escaping_would_miss(browser: Any, tmp_path: Path) -> None:
    page = write(examples.report(), tmp_path)["html"]
    html = page.read_text(encoding="utf-8")
    page.write_text(
        html.replace("<h1>", "<script>window.hacked=1</script><h1 onclick='window.hacked=1'>"),
        encoding="utf-8",
    )
    _open(browser, page)
    _until(browser, "document.querySelectorAll('#chart svg').length")
    browser.find_element("css selector", "h1").click()
    assert browser.execute_script("return window.hacked") is None
    assert len(_errors(browser)) >= 1


def test_a_day_opens_quickly_and_shows_its_peak(browser: Any, tmp_path: Path) -> None:
    day = examples.report(num_scores=172_800, events=(examples.event(50_000, 50_000.5, 0.93),), chosen=16)
    page = write(day, tmp_path)["html"]
    assert page.stat().st_size < 1_500_000
    began = time.monotonic()
    _open(browser, page)
    _until(browser, "document.querySelectorAll('#chart path.line').length")
    assert time.monotonic() - began < 2.0
    line = "document.querySelector('#chart path.line').getAttribute('d').slice(1).split('L')"
    top = f"Math.min(...{line}.map(point => Number(point.split(' ')[1])))"
    whole = browser.execute_script(f"return {top}")
    assert whole < 45, "0.93 of the way up"
    points = browser.execute_script(f"return {line}.length")
    assert points < 8_000, "a few points a pixel column"
    chart = browser.find_element("id", "chart")
    chart.send_keys("n", *"+" * 12)
    assert browser.execute_script(f"return {top}") == pytest.approx(whole, abs=0.2), (
        "the same peak when zoomed in"
    )


def test_chapters_lie_under_the_curve_and_lead_to_their_time(browser: Any, tmp_path: Path) -> None:
    report = examples.two_hours()
    _open(browser, write(report, tmp_path)["html"])
    _until(browser, "document.querySelectorAll('#lane rect').length")
    boxes = browser.find_elements("css selector", "#lane rect")
    assert len(boxes) == len(report.chapters) == len(browser.find_elements("css selector", ".chapter"))
    widths = [float(box.get_attribute("width")) for box in boxes]
    lasting = [chapter.span.duration for chapter in report.chapters]
    assert np.corrcoef(widths, lasting)[0, 1] > 0.999

    # The page scrolls smoothly, and a click would come before it has arrived.
    browser.execute_script("scrollTo({top: document.querySelector('main').offsetTop, behavior: 'instant'})")
    number = next(n for n, chapter in enumerate(report.chapters) if not chapter.events and n)
    boxes[number].click()
    start = report.chapters[number].span.start
    now = "document.getElementById('chart').getAttribute('aria-valuenow')"
    _until(browser, f"Math.abs({now} - {start}) < 0.1")
    card = browser.find_element("id", f"chapter-{number + 1}")
    assert card.get_attribute("aria-current") == "true" and "calm" in card.text

    link = browser.find_elements("css selector", ".chapter a.number")[7]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", link)
    link.click()
    _until(browser, "location.hash == '#event-8'")
    chart = browser.find_element("id", "chart")
    chart.send_keys("+", "+", "+")
    assert 0 < len(browser.find_elements("css selector", "#lane rect")) < len(report.chapters)
    assert _errors(browser) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_page_fits_and_follows_the_colour_scheme(
    browser: Any, video: Path, tmp_path: Path, scheme: str
) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    size = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        many = tuple(examples.event(n / 4, n / 4 + 0.2) for n in range(60))
        _open(browser, write(replace(_report(video), events=many), tmp_path)["html"])
        _until(browser, READY)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
        ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        light = sum(int(part) for part in ground.removeprefix("rgb(").rstrip(")").split(",")) / 3
        assert (light > 200) == (scheme == "light")
        assert len(browser.find_elements("css selector", "article.event")) == 60
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_button_has_a_name_and_can_be_reached_by_keyboard(
    browser: Any, video: Path, tmp_path: Path
) -> None:
    full = examples.full()
    _open(browser, write(full, tmp_path, video_path=video)["html"])
    _until(browser, READY)
    nameless = browser.execute_script(
        "return [...document.querySelectorAll('button, [role], input')].filter(e => "
        "!(e.ariaLabel || e.title || e.textContent.trim() || e.closest('label'))).map(e => e.outerHTML)"
    )
    assert nameless == []
    reached = set()
    body = browser.find_element("css selector", "body")
    for _ in range(40):
        body.send_keys(webdriver.Keys.TAB)
        active = browser.switch_to.active_element
        reached.add(active.get_attribute("id") or active.get_attribute("class") or active.tag_name)
    assert {"player", "chart", "zoom-in", "frame", "link", "summary"} <= reached
