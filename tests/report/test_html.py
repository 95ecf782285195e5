from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from holmesvau.report import write
from holmesvau.report.html import to_html
from tests.report import examples


class Page(HTMLParser):
    """The tags, the attributes and the visible text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.data = ""
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside = "data" if dict(attrs).get("id") == "data" else tag

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "data":
            self.data += data
        elif not self._inside:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def _page(report, out: Path = Path("out"), video: str | None = None) -> Page:
    return Page(to_html(report, out, video))


def test_page_needs_nothing_from_outside() -> None:
    page = _page(examples.full())
    for tag, attributes in page.tags:
        for key in ("src", "href", "poster", "srcset", "action"):
            value = attributes.get(key)
            assert value is None or value.startswith("data:"), (tag, key, value)
    policy = page.all("meta")[-1]["content"]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_everything_is_readable_without_scripts() -> None:
    text = " ".join(_page(examples.full()).text.split())
    for words in (
        "camera.mp4",
        "1:41 · 640 × 360 · 30 fps · H.264 · 3,030 frames",
        "2 abnormal stretches",
        "2 frames were lost.",
        "0:31–0:48",
        "Burglary",
        "peak 0.64 at 0:39 · confidence 0.54",
        "A man forces a door.",
        "The door stands open.",
        "Not described.",
        "What does he carry? about 0:31–0:48",
        "A bag.",
        "A burglary at night.",
        "decode1.23 s",
    ):
        assert words in text, words


def test_hostile_texts_make_no_element_of_their_own() -> None:
    hostile, harmless = _page(examples.hostile()), _page(examples.report())
    assert len(hostile.all("script")) == len(harmless.all("script")) == 2
    assert all("onerror" not in attributes for _, attributes in hostile.tags)
    assert len([i for i in hostile.all("img") if i.get("src") == "x"]) == 0
    assert "window.hacked=1" in hostile.text, "the text is shown as it is"
    json.loads(hostile.data)


def test_frames_inside_an_event_are_marked_by_words_too() -> None:
    page = _page(examples.report(events=(examples.event(10, 20),)))
    frames = [b for b in page.all("button") if "frame" in str(b.get("class", "")).split()]
    assert len(frames) == 8
    inside = [b for b in frames if "inside" in str(b["class"])]
    assert [b["data-seek"] for b in inside] == ["14.000"]
    assert page.text.count("Event 1") == 1


def test_missing_pictures_are_said_and_times_remain() -> None:
    page = _page(examples.report(pictures=False))
    assert "pictures of these frames were not kept" in page.text
    assert not [i for i in page.all("img") if str(i.get("src", "")).startswith("data:image")]
    assert "1:40" in page.text


def test_undescribed_events_are_said_to_be_so() -> None:
    assert (
        "No model has described these events" in _page(examples.report(events=(examples.event(1, 5),))).text
    )
    assert "No abnormal stretch was found." in _page(examples.report()).text


def test_video_is_linked_relative_to_the_page(tmp_path: Path) -> None:
    video = tmp_path / "in" / "a#b?c %41 'é'.mp4"
    video.parent.mkdir()
    video.write_bytes(b"x")
    page = _page(examples.report(path=str(video)), tmp_path / "out")
    assert page.all("video")[0]["src"] == "./../in/a%23b%3Fc%20%2541%20%27%C3%A9%27.mp4"
    assert "src" not in _page(examples.report(path="gone.mp4"), tmp_path).all("video")[0]
    moved = _page(examples.report(path="gone.mp4"), tmp_path, str(video))
    assert moved.all("video")[0]["src"] == "./in/a%23b%3Fc%20%2541%20%27%C3%A9%27.mp4"


@pytest.mark.parametrize(
    ("path", "linked"),
    [
        ("https://cams.example/a.mp4?x=1&y=2", True),
        ("rtsp://user:secret@cam/1", False),
        ("javascript:alert(1)", False),
    ],
)
def test_only_web_addresses_are_played(path: str, linked: bool, tmp_path: Path) -> None:
    video = _page(examples.report(path=path), tmp_path).all("video")[0]
    assert video.get("src") == (path if linked else None)


def test_day_is_small_and_keeps_its_peak(tmp_path: Path) -> None:
    report = examples.report(
        num_scores=172_800, events=(examples.event(50_000, 50_000.5, 0.93),), pictures=False
    )
    path = write(report, tmp_path, formats=["html"])["html"]
    assert path.stat().st_size < 1_500_000
    data = json.loads(Page(path.read_text(encoding="utf-8")).data)
    assert max(data["scores"]) == 9300
    assert data["times"][data["scores"].index(9300)] == 50_000_000


def test_live_source_has_no_length_to_show() -> None:
    report = examples.report()
    live = replace(report, video=replace(report.video, duration=None, num_frames=None, fps=0.0))
    assert "live source · 640 × 360 · H.264" in _page(live).text
