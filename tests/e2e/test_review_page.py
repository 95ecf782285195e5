"""The review page in a real browser, on a real project, served by the real command, which may be killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import holmesvau
from holmesvau import engine, hivau, open_video, sim
from holmesvau.engine.ledger import reading
from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.types import AnomalyCurve, Clip, Span
from tests.scenes import write_video

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
webdriver = pytest.importorskip("selenium.webdriver")

COMMAND = (sys.executable, "-m", "holmesvau", "annotate")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(holmesvau.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
FRAME = "document.getElementById('now').textContent.match(/frame (\\d+)/)[1]"
STILL = "document.getElementById('still').dataset.frame"
PROGRESS = "document.getElementById('progress').textContent"
SAVED = "document.getElementById('saved').textContent"
K = webdriver.Keys
PARTS = {
    "judgement": "There is no anomaly, everything is normal.",
    "description": "A woman takes something from a shelf and leaves.",
    "analysis": "Nobody pays for it.",
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two simulated videos, `shop` in H.264 and `yard` in a codec that no browser plays.

    Their events are imported and are to be confirmed; captions are imported as well. Of shop's event the file
    has a judgement that contradicts its class, which waits for people.
    """
    folder = tmp_path_factory.mktemp("review")
    made = sim.generate(
        folder / "sim", 2, seed=3, duration=(8.0, 10.0), size=(160, 120), fps=10.0, anomalous_share=1.0,
        events=1, workers=1,
    )  # fmt: skip
    films = folder / "films"
    films.mkdir()
    shutil.copy(made.videos[0], films / "shop.mp4")
    with open_video(made.videos[1]) as video:
        frames = (frame for batch in video.frames() for frame in batch.frames)
        write_video(films / "yard.avi", frames, codec="mpeg4")
    known = {}
    truth = hivau.load_annotations(made.annotations)
    for old, name in zip(truth.values(), ("shop", "yard"), strict=True):
        (event,) = old.events
        # Within 10 s one clip, whose caption is there.
        clip = Clip(Span(round(event.span.start, 3), round(event.span.end, 3)), event.clips[0].caption)
        events = (EventAnnotation(event.span, (clip,), **(PARTS if name == "shop" else {})),)
        known[name] = VideoAnnotation(name, old.n_frames, old.fps, old.labels, events)
    words = hivau.write_annotations(known, folder / "known.json")
    chosen = {
        "decouple.import_file": str(words),
        "decouple.confirm": "all",
        "caption.provider": f"imported:{words}",
        "summary.provider": f"imported:{words}",
    }
    project = engine.init(folder / "project", [films], chosen=chosen)
    engine.run(project, instruct=False)
    with project.ledger() as ledger:
        seconds = np.arange(0, 8.4, 0.5)
        scores = np.where((seconds > 2) & (seconds < 6), 0.8, 0.1).astype(np.float32)
        curve = AnomalyCurve(seconds, scores, (seconds * 10).astype(np.int64), 0.5, "novelty")
        with ledger.writing():
            ledger.insert("curves", reading.curve_row("shop", curve))
    return project.folder


@dataclass
class Review:
    """The command at work on a project, and the page that a browser shows of it."""

    folder: Path
    browser: Any
    process: subprocess.Popen[str] | None = None
    url: str = ""

    def serve(self, port: int = 0, *more: str) -> None:
        command = [*COMMAND, "review", str(self.folder), "--no-browser", "--json", "--port", str(port), *more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        assert self.process.stdout is not None
        self.url = json.loads(self.process.stdout.readline())["url"]

    def kill(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def open(self, video: str = "shop", who: str = "ann") -> None:
        self.browser.get_log("browser")
        self.browser.get("about:blank")
        self.browser.get(f"{self.url}#{video}")
        self.until(f"document.getElementById('name').textContent == '{video}'")
        self.until("document.getElementById('still').dataset.frame == '0'")
        name = self.browser.find_element("id", "who")
        if name.get_attribute("value") != who:
            name.clear()
            name.send_keys(who, webdriver.Keys.ENTER)
        self.until(f"document.querySelector('.lane.own') && document.getElementById('who').value == '{who}'")

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def until(self, script: str, seconds: float = 30.0) -> Any:
        """The first true value of an expression."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := self.run(f"return {script}"):
                return value
            time.sleep(0.02)
        raise AssertionError(f"never true: {script}; {self.browser.get_log('browser')}")

    def press(self, *keys: str) -> None:
        webdriver.ActionChains(self.browser).send_keys(*keys).perform()

    def chord(self, *keys: str) -> None:
        chain = webdriver.ActionChains(self.browser)
        for key in keys[:-1]:
            chain.key_down(key)
        chain.send_keys(keys[-1])
        for key in keys[:-1]:
            chain.key_up(key)
        chain.perform()

    def saves(self, act: Callable[[], Any]) -> None:
        """Do something, and wait until the page says that it is saved."""
        self.run("document.getElementById('saved').textContent = ''")
        act()
        self.until(
            f"{SAVED}.startsWith('Saved at') && document.querySelector('#alert.lost:not([hidden])') === null"
        )

    def shows(self, video: str, css: str) -> None:
        """Wait for a video that has something."""
        self.until(
            f"document.getElementById('name').textContent == '{video}' && document.querySelector('{css}')"
        )

    def choose(self, lane: str, event: str) -> None:
        """Take an event into hand, by the key that does it when it has the focus."""
        self.run(f"document.querySelector('{lane} [data-event=\"{event}\"]').focus()")
        self.press(K.ENTER)
        self.run("document.activeElement.blur()")

    def text(self, css: str) -> str:
        return str(self.run("return document.querySelector(arguments[0])?.textContent || ''", css))

    def errors(self) -> list[str]:
        return [e["message"] for e in self.browser.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]

    def known(self, ask: Callable[[engine.Ledger], Any]) -> Any:
        """What the ledger on the disk says, read as another process would."""
        with engine.open_project(self.folder).ledger() as ledger:
            return ask(ledger)

    def events(self, who: str, video: str = "shop") -> list[tuple[float, float, str]]:
        return self.known(lambda ledger: [(*e.span, e.label) for e in ledger.events(video, who)])


@pytest.fixture
def review(template: Path, tmp_path: Path, browser: Any) -> Iterator[Review]:
    found = Review(Path(shutil.copytree(template, tmp_path / "project")), browser)
    found.serve()
    yield found
    browser.get("about:blank")
    found.kill()


@pytest.fixture(scope="module")
def times(template: Path) -> list[float]:
    """The edges between the frames of `shop`, as the ledger keeps times."""
    with open_video(template.parent / "films" / "shop.mp4") as video:
        return [round(float(t), 3) for t in (*video.seconds, video.info.duration)]


def test_events_are_marked_and_moved_to_the_frame(review: Review, times: list[float]) -> None:
    review.open(who="")
    review.press("i", ",")
    assert review.text("#alert p") == ""
    review.press(*"." * 12, "i", *".....", "o")
    # Nobody is asked for a name before the first change.
    review.until("document.activeElement.id == 'who'")
    assert "Say who you are" in review.text("#alert p") and review.events("ann") == []
    review.press("ann", K.ENTER)
    assert review.run(f"return {FRAME}") == "17"
    review.press(K.HOME, *"." * 12, "i", *".....")
    review.until(f"{STILL} == '17'")
    review.saves(lambda: review.press("o"))
    # With the first change the imported event has become hers too.
    (imported,) = [e for e in review.events("ann") if e[2]]
    assert review.events("ann")[0 if imported[0] > times[12] else 1] == (times[12], times[18], "")
    assert "frames 12–17" in review.text("#event")
    review.saves(lambda: review.press("3"))
    assert (times[12], times[18], "Arson") in review.events("ann")

    # An edge, by the mouse: it stops at an edge between frames.
    bed = review.browser.find_element("css selector", ".lane.own .bed")
    shown = float(review.run("return document.getElementById('chart').ariaValueMax"))
    handle = review.browser.find_element("css selector", ".span.selected .handle.end")
    pixels = (times[31] - times[18]) / shown * bed.size["width"]
    drag = webdriver.ActionChains(review.browser).move_to_element(handle).click_and_hold()
    review.saves(drag.move_by_offset(5, 0).move_by_offset(round(pixels) - 5, 2).release().perform)
    (moved,) = [e for e in review.events("ann") if e[2] == "Arson"]
    assert moved[0] == times[12] and moved[1] in times[30:33]
    # The whole of it.
    whole = webdriver.ActionChains(review.browser).move_to_element(
        review.browser.find_element("css selector", ".span.selected .span-name")
    )
    review.saves(whole.click_and_hold().move_by_offset(60, 0).release().perform)
    (there,) = [e for e in review.events("ann") if e[2] == "Arson"]
    first, last = times.index(there[0]), times.index(there[1])
    assert first > 12 and last - first == times.index(moved[1]) - 12

    # By the keys: an edge has the focus like a slider, and moves by frames; [ and ] set it to the playhead.
    review.run("document.querySelector('.span.selected .handle.start').focus()")
    review.saves(lambda: review.press(*[K.ARROW_LEFT] * 3))
    assert (times[first - 3], times[last], "Arson") in review.events("ann")
    assert review.run("return document.activeElement.dataset.side") == "start"
    review.run("document.activeElement.blur()")
    review.press(K.END)
    review.saves(lambda: review.press("]"))
    assert (times[first - 3], times[-1], "Arson") in review.events("ann")

    for _ in range(2):
        review.saves(lambda: review.chord(K.CONTROL, "z"))
    assert there in review.events("ann") and "took back: moved" in review.text("#alert p")
    review.saves(lambda: review.chord(K.CONTROL, K.SHIFT, "z"))
    assert (times[first - 3], times[last], "Arson") in review.events("ann")
    assert "did again: moved" in review.text("#history")
    review.saves(lambda: review.press(K.DELETE))
    assert review.events("ann") == [imported] and review.errors() == []


def test_the_queue_is_worked_off_by_keys(review: Review) -> None:
    review.open("yard")
    review.press("j")
    review.shows("shop", "#decide.held")
    assert "2" in review.text("#tab-queue") and "none of them confirmed" in review.text(".row[aria-current]")
    # Confirmed: the caption is imported by the next run; what the run makes comes onto the open page.
    review.saves(lambda: review.press(K.ENTER))
    review.until("document.getElementById('name').textContent == 'yard'")
    assert review.known(lambda ledger: ledger.decision("shop").confirmed_by) == "ann"
    engine.run(engine.open_project(review.folder), instruct=False)
    review.until("document.querySelector('[data-entry] .contradiction')")
    review.press("k")
    review.until("document.querySelector('.text.held textarea')?.value.startsWith('There is no anomaly')")
    assert "contradicts" in review.text(".text.held .reason")
    (entry,) = review.known(lambda ledger: ledger.queue(video="shop"))

    # Let it stand; take that back; send it back with a reason; take that back; write it.
    review.saves(lambda: review.press(K.ENTER))
    assert review.known(lambda ledger: ledger.review(entry.id).state) == "accepted"
    review.saves(lambda: review.chord(K.CONTROL, "z"))
    assert review.known(lambda ledger: ledger.review(entry.id).state) == "open"
    review.shows("shop", "[data-entry] .contradiction")
    review.run(f"document.querySelector('[data-entry=\"{entry.id}\"]').click()")
    review.until("document.querySelector('.text.held.asked')")
    review.press("r")
    review.until("document.activeElement.matches('.why input')")
    review.press("It is no normal visit.")
    review.saves(lambda: review.press(K.ENTER))
    found = review.known(lambda ledger: ledger.review(entry.id))
    assert (found.state, found.who, found.note) == ("rejected", "ann", "It is no normal visit.")
    review.until(f"{PROGRESS}.endsWith('1 left for holmesvau annotate')")
    review.run("document.activeElement.blur()")
    review.saves(lambda: review.chord(K.CONTROL, "z"))
    review.until("document.querySelector('[data-entry] .contradiction')")
    review.run(f"document.querySelector('[data-entry=\"{entry.id}\"]').click()")
    review.until("document.querySelector('.text.held.asked')")
    review.press("e")
    review.until("document.activeElement.dataset.part == 'judgement'")
    review.chord(K.CONTROL, "a")
    review.press("Yes, there is an anomaly, namely shoplifting.")
    review.saves(lambda: review.chord(K.CONTROL, K.ENTER))
    found = review.known(lambda ledger: ledger.review(entry.id))
    (text,) = [t for t in review.known(lambda ledger: ledger.texts("shop")) if t.target == entry.target]
    assert found.state == "written" and text.parts["judgement"].endswith("shoplifting.") and text.who == "ann"
    assert text.parts["description"] == PARTS["description"] and review.errors() == []


def test_what_is_confirmed_is_written_while_the_page_is_open(review: Review) -> None:
    review.kill()
    review.serve(0, "--work")
    review.open("yard")
    review.until(f"!{PROGRESS}.includes('work')")
    review.press("j")
    review.shows("shop", "#decide.held")
    review.saves(lambda: review.press(K.ENTER))
    review.until(f"{PROGRESS}.includes('at work')")
    review.until("document.querySelector('[data-entry] .contradiction')")
    review.until(f"!{PROGRESS}.includes('work')")
    assert "contradicts" in review.known(lambda ledger: ledger.queue(video="shop"))[0].reason
    assert review.errors() == []


def test_two_annotators_see_each_other_and_do_not_write_over_each_other(
    review: Review, times: list[float]
) -> None:
    review.known(lambda ledger: ledger.confirm("shop", "ann"))
    engine.run(engine.open_project(review.folder), instruct=False)
    (text,) = [t for t in review.known(lambda ledger: ledger.texts("shop")) if t.target.level == "event"]
    box = f'[data-address="{text.target.address}"] [data-part="analysis"]'
    (event,) = review.events("ann")
    review.open(who="ann")
    review.until(f"document.querySelector('{box}')")
    first = review.browser.current_window_handle
    review.browser.switch_to.new_window("tab")
    try:
        review.open(who="ben")
        assert review.text(".lane.counts .lane-name") == "ann"
        begin = times.index(min(times, key=lambda t: abs(t - event[0])))
        review.press(K.HOME, *"." * begin, "i", *"." * 20)
        review.saves(lambda: review.press("o"))
        assert review.events("ben") == [(times[begin], times[begin + 21], "")]
        assert review.events("ann") == [event]

        review.browser.switch_to.window(first)
        review.until("[...document.querySelectorAll('.lane-name')].some(e => e.textContent == 'ben')")
        review.browser.find_element("css selector", box).send_keys(" Ann was here.")
        review.browser.switch_to.window(review.browser.window_handles[-1])
        review.choose(".lane:not(.own)", text.target.event)
        review.until(f"document.querySelector('{box}')")
        review.browser.find_element("css selector", box).send_keys(" Ben as well.")
        other = box.replace("analysis", "description")
        review.browser.find_element("css selector", other).send_keys(" She smiles.")
        review.saves(lambda: review.chord(K.CONTROL, K.ENTER))

        # Ann is told before she saves, with his words, and hers stay where they are.
        review.browser.switch_to.window(first)
        review.until("document.querySelector('.text.held .notice p')")
        told = review.text(".text.held .notice")
        assert "ben has changed this text" in told and "Ben as well." in told
        assert review.run(f"return document.querySelector('{box}').value").endswith("Ann was here.")
        assert review.run(f"return document.querySelector('{other}').value").endswith("She smiles.")
        texts = review.known(lambda ledger: ledger.texts("shop"))
        assert [t.who for t in texts if t.target == text.target] == ["ben"]
        review.run(f"document.querySelector('{box}').focus()")
        review.saves(lambda: review.chord(K.CONTROL, K.ENTER))

        texts = review.known(lambda ledger: ledger.texts("shop"))
        (text,) = [t for t in texts if t.target == text.target]
        assert text.who == "ann" and text.parts["description"].endswith("She smiles.")
        assert text.parts["analysis"] == f"{PARTS['analysis']} Ann was here."

        # What the page shows of their agreement is what the command says.
        command = [*COMMAND, "agreement", str(review.folder), "--json"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)
        (pair,) = json.loads(printed.stdout)["pairs"]
        review.run("document.getElementById('agreement').open = true")
        review.until("document.querySelectorAll('#agreement table').length == 2")
        assert f"{pair['mean_tiou']:.2f}" in review.text("#agreement") and 0 < pair["mean_tiou"] < 1
        assert f"{pair['kappa_abnormal']:.2f}" in review.text("#agreement")
        assert pair["kappa"] < pair["kappa_abnormal"]
        review.saves(lambda: review.run("document.querySelector('[data-key=\"settle-ben\"]').click()"))
        assert review.known(lambda ledger: ledger.layer_of("shop")) == "ben" and review.errors() == []
    finally:
        for handle in review.browser.window_handles:
            if handle != first:
                review.browser.switch_to.window(handle)
                review.browser.close()
        review.browser.switch_to.window(first)


def test_kill_9_loses_nothing_that_was_saved_and_no_draft(review: Review, times: list[float]) -> None:
    review.known(lambda ledger: ledger.confirm("shop", "ann"))
    engine.run(engine.open_project(review.folder), instruct=False)
    (event,) = review.known(lambda ledger: ledger.events("shop"))
    review.open()
    review.until("document.querySelector('[data-part=description]')")
    review.press(*"..", "i", "1", *"..")
    review.saves(lambda: review.press("o"))
    review.choose(".own", event.id)
    review.until("document.querySelector('[data-part=description]')")
    review.browser.find_element("css selector", "[data-part=description]").send_keys(" Nobody saw him.")
    port = int(review.url.rstrip("/").rsplit(":", 1)[1])
    review.kill()
    review.run("document.activeElement.blur()")
    review.press("3")
    review.until("document.querySelector('#alert.lost:not([hidden])')")
    assert "Not saved" in review.text("#saved")
    assert (times[2], times[5], "Abuse") in review.events("ann")
    review.serve(port)
    review.until("document.getElementById('alert').hidden")
    assert (times[2], times[5], "Abuse") in review.events("ann"), "what was not saved is not there"
    review.saves(lambda: review.press("3"))
    assert [label for *_, label in review.events("ann")] == ["Abuse", "Arson"]

    # The browser goes too: a fresh page offers what was typed.
    review.browser.get("about:blank")
    review.open()
    review.choose(".own", event.id)
    review.until("document.querySelector('.notice p')")
    assert "unsaved words" in review.text(".notice p")
    box = review.browser.find_element("css selector", "[data-part=description]")
    assert box.get_attribute("value") == f"{PARTS['description']} Nobody saw him."
    box.click()
    review.saves(lambda: review.chord(K.CONTROL, K.ENTER))
    (text,) = [t for t in review.known(lambda ledger: ledger.texts("shop")) if t.parts.get("description")]
    assert text.parts["description"].endswith("Nobody saw him.") and review.text(".notice") == ""
    assert review.run("return Object.keys(localStorage).filter(key => key.includes('draft')).length") == 0


def test_a_file_that_no_browser_plays_is_stepped_and_played_by_frames(review: Review) -> None:
    review.open("yard")
    review.until("document.getElementById('player').error")
    path = Path(review.known(lambda ledger: ledger.video("yard").path))
    review.press(*"." * 33, ",")
    review.until(f"{STILL} == '32'")
    picture = review.run(
        "const image = document.getElementById('still'), canvas = document.createElement('canvas');"
        "canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;"
        "const context = canvas.getContext('2d'); context.drawImage(image, 0, 0);"
        "return [...context.getImageData(0, 0, canvas.width, canvas.height).data]"
    )
    with open_video(path) as video:
        shown = np.array(picture, float).reshape(120, 160, 4)[..., :3]
        off = [np.abs(shown - video.at([k]).frames[0]).mean() for k in (22, 32, 42)]
        assert off[1] < 4 and off[1] < min(off[0], off[2])
        assert review.text("#now").startswith(f"0:{video.seconds[32]:06.3f}")
    review.press(" ")
    review.until(f"Number({FRAME}) > 36 && document.getElementById('play').textContent == 'Pause'")
    review.press(" ")
    assert review.text("#play") == "Play"
    at = review.run(f"return {FRAME}")
    review.until(f"{STILL} == '{at}'")


def test_films_play_beside_their_curve_and_the_page_can_be_used_without_a_mouse(review: Review) -> None:
    review.open()
    review.until("document.getElementById('player').readyState >= 1")
    path = review.run("return document.querySelector('#chart path.line').getAttribute('d')")
    heights = [float(point.split()[1]) for point in path.lstrip("M").split("L")]
    assert max(heights) - min(heights) > 40
    review.press(" ")
    review.until(f"Number({FRAME}) > 5 && document.getElementById('still').hidden")
    review.press(" ")
    at = review.run(f"return {FRAME}")
    review.until(f"{STILL} == '{at}'")
    chart = review.browser.find_element("id", "chart")
    webdriver.ActionChains(review.browser).move_to_element_with_offset(chart, 0, 10).click().perform()
    assert 2.5 < float(chart.get_attribute("aria-valuenow")) < 5.5
    assert "score 0.80" in chart.get_attribute("aria-valuetext")

    controls = "button, [role=slider], [role=button], input, select, textarea"
    nameless = review.run(
        "return [...document.querySelectorAll(arguments[0])].filter(e => !(e.ariaLabel || e.title || "
        "e.textContent.trim() || e.closest('label'))).map(e => e.outerHTML)",
        controls,
    )
    assert nameless == []
    reached = set()
    for _ in range(40):
        review.press(K.TAB)
        active = review.browser.switch_to.active_element
        kind = active.get_attribute("class") or active.tag_name
        reached.add(active.get_attribute("id") or kind.split()[0])
    assert {"undo", "who", "filter", "row", "play", "mark-in", "chart", "span", "handle", "class"} <= reached
    review.run("document.activeElement.blur()")
    review.press("?")
    assert "Ctrl+Shift+Z" in review.text("#keys[open]")
    review.press(K.ESCAPE)
    for scheme, light in (("light", True), ("dark", False)):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        review.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        size = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        review.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        try:
            assert review.run("return document.documentElement.scrollWidth") <= 400
            ground = review.run("return getComputedStyle(document.body).backgroundColor")
            assert (sum(map(int, ground.removeprefix("rgb(").rstrip(")").split(","))) > 600) == light
        finally:
            review.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
            review.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert review.errors() == []
