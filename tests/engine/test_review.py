"""The review page's server, spoken to directly: who is answered, what is shown, what is changed."""

import http.client
import io
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from holmesvau import engine, open_video
from holmesvau.engine.review import ReviewServer, open_server
from holmesvau.engine.review.guard import Guard
from holmesvau.errors import InputError
from holmesvau.types import Span

PARTS = {
    "judgement": "Yes, there is an anomaly, namely arson.",
    "description": "The lamp shines red and then blue.",
    "analysis": "A lamp should not shine like that.",
}


@dataclass
class Page:
    """What a browser would send to a server."""

    server: ReviewServer
    project: engine.Project

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
        port = self.server.server_port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            read = answer.read()
        finally:
            connection.close()
        if answer.headers.get_content_type() == "application/json":
            return answer.status, json.loads(read), answer.headers
        return answer.status, read, answer.headers

    def get(self, path: str) -> Any:
        status, value, _ = self.ask("GET", path)
        assert status == 200, value
        return value

    def change(self, **body: Any) -> dict[str, Any]:
        status, value, _ = self.ask("POST", "/api/change", body)
        assert status == 200, value
        return value

    def refused(self, status: int, **body: Any) -> str:
        found, value, _ = self.ask("POST", "/api/change", body)
        assert found == status, value
        return value["error"]


@pytest.fixture
def page(tmp_path, films, marked) -> Iterator[Page]:
    """Events are imported and wait to be confirmed; people write all words."""
    chosen = {"decouple.import_file": str(marked), "decouple.confirm": "all", "decouple.clips.median": 10.0}
    project = engine.init(tmp_path / "project", [films], chosen=chosen)
    engine.run(project, instruct=False)
    with served(project) as page:
        yield page


@contextmanager
def served(project: engine.Project, host: str = "127.0.0.1", work: bool = False) -> Iterator[Page]:
    with open_server(project, host=host, port=0, work=work) as server:
        running = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        running.start()
        try:
            yield Page(server, project)
        finally:
            server.shutdown()
            running.join()


def test_only_pages_of_its_own_are_answered(page):
    port = page.server.server_port
    assert page.ask("GET", "/api/project", Host=f"localhost:{port}")[0] == 200
    for foreign in (f"evil.example:{port}", f"127.0.0.1.evil.example:{port}", "127.0.0.1:1", "127.0.0.1", ""):
        status, value, _ = page.ask("GET", "/api/project", Host=foreign)
        assert status == 403 and "address that the command printed" in value["error"]
    origin = f"http://127.0.0.1:{port}"
    begin = {"do": "begin", "video": "calm", "who": "eve"}
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://localhost:{port + 1}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert page.ask("POST", "/api/change", begin, **headers)[0] == 403
        assert page.ask("GET", "/video?name=calm", **headers)[0] == 403
    assert page.ask("POST", "/api/change", begin, Content_Type="text/plain", Origin=origin)[0] == 415
    with page.project.ledger() as ledger:
        assert ledger.edits() == []
    # A link on another site may lead to the page, which then speaks for itself.
    assert page.ask("GET", "/", **{"Sec-Fetch-Site": "cross-site"})[0] == 200
    assert page.ask("POST", "/api/change", begin, Origin=origin)[0] == 200


def test_nothing_but_the_page_and_the_films_is_served(page):
    status, _, headers = page.ask("GET", "/")
    assert status == 200 and "script-src 'self'" in headers["Content-Security-Policy"]
    for path in (
        "/page/../server.py", "/page/%2e%2e/server.py", "/page//etc/passwd", "/page/", "/etc/passwd",
        "/video?name=../project/ledger.sqlite", f"/video?name={quote('/etc/passwd')}", "/video",
        "/video?name=ledger.sqlite", "/frame?video=nobody&index=0", "/api/nothing",
    ):  # fmt: skip
        assert page.ask("GET", path)[0] == 404, path
    assert page.ask("GET", "/frame?video=calm&index=-1")[0] == 422
    status, value, _ = page.ask("GET", "/frame?video=calm&index=60")
    assert status == 422 and "60 frames, 0 to 59" in value["error"]


def test_films_are_sent_whole_and_in_ranges(page, films):
    whole = (films / "alarm.mp4").read_bytes()
    size = len(whole)
    status, body, headers = page.ask("GET", "/video?name=alarm")
    assert (status, body, headers["Content-Type"]) == (200, whole, "video/mp4")
    assert headers["Accept-Ranges"] == "bytes"
    tag = headers["ETag"]
    for asked, start, stop in (
        ("bytes=0-", 0, size), ("bytes=10-19", 10, 20), ("bytes=-7", size - 7, size),
        (f"bytes={size - 1}-{size + 50}", size - 1, size),
    ):  # fmt: skip
        status, body, headers = page.ask("GET", "/video?name=alarm", Range=asked, **{"If-Range": tag})
        assert (status, body) == (206, whole[start:stop]), asked
        assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
    status, _, headers = page.ask("GET", "/video?name=alarm", Range=f"bytes={size}-")
    assert status == 416 and headers["Content-Range"] == f"bytes */{size}"
    for other in ({"Range": "bytes=5-9", "If-Range": '"old"'}, {"Range": "bytes=1-2,4-5"}, {"Range": "x"}):
        assert page.ask("GET", "/video?name=alarm", **other)[:2] == (200, whole)
    status, body, headers = page.ask("HEAD", "/video?name=alarm")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(size))


def test_frames_and_their_times_are_the_readers(page, films):
    times = np.frombuffer(page.get("/api/times?video=alarm"), "<f8")
    facts = page.get("/api/film?video=alarm")
    with open_video(films / "alarm.mp4") as video:
        assert times.tolist() == video.seconds.tolist() and facts["frames"] == len(times) == 100
        for index in (0, 57, 20, 99):
            picture = Image.open(io.BytesIO(page.get(f"/frame?video=alarm&index={index}")))
            exact = video.at([index]).frames[0]
            assert picture.size == (64, 48)
            assert np.abs(np.asarray(picture, float).mean((0, 1)) - exact.mean((0, 1))).max() < 4


def test_a_sitting_from_events_to_words_and_back(page):
    video = page.get("/api/video?name=alarm")
    assert video["boundaries"]["reason"] == "1 events were found, none of them confirmed by a person."
    (event,) = video["counts"]
    alter = {"do": "alter", "who": "ann", "video": "alarm", "event": event["id"], "adopt": "@import"}
    moved = page.change(**alter, start=4.4, end=15.2, seen=event["version"])["video"]
    assert [(e["start"], e["end"], e["label"]) for e in moved["counts"]] == [(4.4, 15.2, "Arson")]
    assert (
        moved["counting"] == "ann"
        and moved["history"][0]["text"] == "moved 0:04.00–0:16.00 to 0:04.40–0:15.20"
    )
    confirmed = page.change(do="confirm", who="ann", video="alarm", seen=moved["counts_version"])["video"]
    assert confirmed["boundaries"] is None and confirmed["decision"]["confirmed_by"] == "ann"
    clips = [text for text in confirmed["texts"] if text["level"] == "clip"]
    for clip in clips:
        assert clip["review"]["gate"] == "people"
        write = {"do": "write", "who": "ann", "address": clip["address"], "seen": clip["version"]}
        said = page.change(**write, parts={"caption": "A lamp shines."})
    (text,) = [text for text in said["video"]["texts"] if text["level"] == "event"]
    page.change(do="write", who="ann", address=text["address"], parts=PARTS, seen=text["version"])
    undone = page.change(do="undo", who="ann")
    assert undone["told"].startswith("took back: wrote the text of an event: “Yes, there is")
    assert [t["state"] for t in undone["video"]["texts"] if t["level"] == "event"] == ["failed"]
    page.change(do="redo", who="ann")
    sent = page.change(do="send-back", who="ann", address=text["address"], reason="Name the colours.")
    assert sent["video"]["history"][0]["text"] == "sent back the text of an event: Name the colours."
    with page.project.ledger() as ledger:
        assert [edit.action for edit in ledger.edits(who="ann")][:3] == [
            "adopt-events",
            "change-event",
            "confirm",
        ]
        assert ledger.queue(video="alarm")[0].target.level == "event"
    for _ in range(5 + len(clips)):
        undone = page.change(do="undo", who="ann")
    assert undone["video"]["counting"] == "@import" and undone["video"]["boundaries"] is not None
    assert "nothing to undo" in page.refused(422, do="undo", who="ann")


def test_nobody_writes_over_what_they_have_not_seen(page):
    video = page.get("/api/video?name=alarm")
    page.change(do="confirm", who="ann", video="alarm", seen=video["counts_version"])
    text = next(t for t in page.get("/api/video?name=alarm")["texts"] if t["level"] == "clip")
    write = {"do": "write", "address": text["address"], "seen": text["version"]}
    page.change(**write, who="ben", parts={"caption": "Ben was quicker."})
    told = page.refused(409, **write, who="ann", parts={"caption": "Ann was slower."})
    assert told.startswith("ben (at ") and "changed this text after it was shown" in told
    now = next(t for t in page.get("/api/video?name=alarm")["texts"] if t["address"] == text["address"])
    assert now["parts"] == {"caption": "Ben was quicker."} and now["who"] == "ben"
    page.change(**write | {"seen": now["version"]}, who="ann", parts={"caption": "Ann has seen it."})

    event = page.get("/api/video?name=alarm")["counts"][0]
    alter = {"do": "alter", "video": "alarm", "event": event["id"], "who": "ann", "seen": event["version"]}
    page.change(**alter, label="Explosion")
    assert "ann (at " in page.refused(409, **alter, label="Robbery"), "two windows of one person"
    stale = page.get("/api/video?name=calm")["counts_version"]
    page.change(do="add", who="ben", video="calm", start=1, end=2, label="Fall")
    assert page.refused(409, do="confirm", who="ann", video="calm", seen=stale).startswith("ben (at ")
    page.change(do="remove", who="ann", video="alarm", event=event["id"])
    assert "no longer in the layer" in page.refused(409, **alter, label="Robbery")
    with page.project.ledger() as ledger:
        assert ledger.decision("calm").confirmed_by == "" and ledger.events("alarm", "ann") == []


def test_annotators_side_by_side(page):
    page.change(do="add", who="ann", video="calm", start=2, end=6, label="Fall")
    page.change(do="add", who="ben", video="calm", start=2, end=5, label="Fall")
    video = page.get("/api/video?name=calm")
    assert [(layer["name"], layer["counts"]) for layer in video["layers"]][:2] == [
        ("ann", True),
        ("ben", False),
    ]
    (pair,) = video["agreement"]["pairs"]
    assert pair["mean_tiou"] == 0.75 and pair["matched"] == 1 and 0.7 < pair["kappa"] < 0.9
    assert page.get("/api/agreement")["pairs"] == [pair]
    settled = page.change(do="settle", who="cy", video="calm", layer="ben", seen=video["counts_version"])[
        "video"
    ]
    assert settled["counting"] == "ben" and settled["decision"]["layer"] == "ben"
    assert page.change(do="settle", who="cy", video="calm", layer=None)["video"]["counting"] == "ann"
    left = page.change(do="leave-out", who="cy", video="calm", reason="too dark")["video"]
    assert left["decision"]["left_out"] == "too dark" and left["texts"] == []


def test_mistakes_are_answered_with_a_sentence(page):
    assert "who" in page.refused(422, do="begin", video="calm")
    assert "no name of an annotator" in page.refused(422, do="begin", video="calm", who="@ann")
    assert "no such video" in page.refused(422, do="begin", video="nobody", who="ann")
    assert "do" in page.refused(422, do="drop", who="ann")
    assert "xtra" in page.refused(422, do="begin", video="calm", who="ann", extra=1)
    assert "has no length" in page.refused(422, do="add", video="calm", who="ann", start=2, end=2)
    assert "lies past its end" in page.refused(422, do="add", video="calm", who="ann", start=2, end=200)
    event = page.get("/api/video?name=alarm")["counts"][0]["id"]
    adopting = {"do": "alter", "video": "alarm", "who": "ann", "event": event, "adopt": "@import"}
    assert "lies past its end" in page.refused(422, **adopting, start=1, end=99)
    assert [layer["name"] for layer in page.get("/api/video?name=alarm")["layers"]] == ["@import", "@sampled"]
    assert page.ask("POST", "/api/change", b"{")[0] == 422
    assert page.ask("POST", "/api/change", [1])[0] == 422
    assert page.ask("POST", "/api/other", {})[0] == 404
    assert page.ask("PUT", "/api/change", {})[0] == 501
    # It is not waited for what is not going to be read.
    assert page.ask("POST", "/api/change", b"", **{"Content-Length": str(1 << 30)})[0] == 413
    with pytest.raises(InputError, match="--port 0 takes a free port"):
        open_server(page.project, port=page.server.server_port)
    with pytest.raises(InputError, match="no name of an annotator"):
        open_server(page.project, port=0, who="@me")


def test_an_edit_is_kept_though_the_settings_cannot_be_used_now(page):
    settings = page.project.folder / "annotate.toml"
    usual = settings.read_text()
    settings.write_text(usual + "\n[caption]\nprovider = 1\n")
    told = page.change(do="add", who="ann", video="calm", start=1, end=2, label="Fall")
    assert told["warning"].startswith("Saved, but") and told["event"]
    settings.write_text(usual.replace("[caption]", "[caption]\nframes = 4"))
    assert (
        page.change(do="alter", who="ann", video="calm", event=told["event"], label="Riot")["warning"] == ""
    )
    with page.project.ledger() as ledger:
        assert ledger.events("calm", "ann") == [
            engine.LedgerEvent(told["event"], "calm", "ann", Span(1, 2), "Riot")
        ]


def test_beyond_this_machine_a_key_is_asked_for(page):
    with served(page.project, "0.0.0.0") as other:
        server = other.server
        key = (page.project.folder / "review.key").read_text()
        assert server.url.endswith(f"?key={key}")
        assert (page.project.folder / "review.key").stat().st_mode & 0o777 == 0o600
        assert other.ask("GET", "/")[0] == other.ask("GET", "/api/project?key=wrong")[0] == 401
        status, _, headers = other.ask("GET", f"/?key={key}")
        cookie = headers["Set-Cookie"].partition(";")[0]
        assert status == 303 and "HttpOnly; SameSite=Strict" in headers["Set-Cookie"]
        assert other.ask("GET", "/api/project", Cookie=cookie)[0] == 200
        evil = f"evil.example:{server.server_port}"
        assert other.ask("GET", "/api/project", Cookie=cookie, Host=evil)[0] == 403
    assert Guard("127.0.0.1", 80).refusal({"Host": "localhost"}) == ""
    assert Guard("0.0.0.0", 8765, "k").refusal({"Host": "192.168.1.4:8765"}) == ""
    assert Guard("::1", 8765).refusal({"Host": "[::1]:8765"}) == ""
    assert Guard("127.0.0.1", 8765).refusal({"Host": "192.168.1.4:8765"}) != ""


def test_one_command_one_sitting_and_the_command_again_make_a_dataset(make_project, scribe):
    """The model contradicts every label; people confirm the events, and put right what it says."""
    scribe.be("stubborn")
    project = make_project(decouple__confirm="all", caption__tries=1, summary__tries=1)
    assert engine.run(project).status.queue == {"confirm": 3}
    with served(project) as page:
        for entry in page.get("/api/project")["queue"]:
            seen = page.get(f"/api/video?name={entry['video']}")["counts_version"]
            page.change(do="accept", who="ann", review=entry["id"], seen=seen)
        for _ in ("events", "videos"):
            report = engine.run(project)
            assert set(report.status.queue) <= {"contradiction", "near-duplicate"}
            for entry in page.get("/api/project")["queue"]:
                decide(page, entry)
    report = engine.run(project)
    assert report.status.queue == {} and report.status.complete == 3
    assert report.dataset is not None and report.dataset.videos == 3 and report.dataset.rows > 15
    assert report.status.models["event"]["people"] >= 3


def test_one_sitting_is_enough_where_work_goes_on_beside_it(make_project, scribe):
    """Events are confirmed, the model contradicts their labels meanwhile, the same person puts it right."""
    scribe.be("stubborn")
    project = make_project(decouple__confirm="all", caption__tries=1, summary__tries=1)
    with served(project, work=True) as page:
        for _ in until(lambda: page.get("/api/project")["work"]["state"] == "idle"):
            pass
        assert len(page.get("/api/project")["queue"]) == 3
        for _ in until(lambda: finished(page)):
            for entry in page.get("/api/project")["queue"]:
                decide(page, entry)
    report = engine.run(project, stages=())
    assert report.dataset is not None and report.dataset.videos == 3
    assert report.status.models["event"]["people"] >= 3


def test_what_hinders_the_work_is_said_and_tried_again_after_an_edit(make_project, scribe):
    project = make_project(decouple__confirm="all")
    scribe.process.kill()
    scribe.process.wait()
    with served(project, work=True) as page:
        for _ in until(lambda: len(page.get("/api/project")["queue"]) == 3):
            pass
        (entry, *_) = page.get("/api/project")["queue"]
        decide(page, entry)
        for _ in until(lambda: page.get("/api/project")["work"]["state"] == "hindered"):
            pass
        shown = page.get("/api/project")
        assert shown["to_do"] > 0 and scribe.url.split("/v1")[0] in shown["work"]["reason"]
        before = shown["version"]
        decide(page, page.get("/api/project")["queue"][0])
        for _ in until(lambda: page.get("/api/project")["work"]["state"] == "working"):
            pass
        assert page.get("/api/version")["version"] != before


def test_the_command_with_work_leaves_a_dataset_when_it_is_told_to_end(make_project, scribe):
    project = make_project(decouple__confirm="none")
    command = [
        sys.executable,
        "-m",
        "holmesvau",
        "annotate",
        "review",
        str(project.folder),
        "--work",
        "--json",
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "--port", "0", "--no-browser"], **pipes) as process:
        url = json.loads(process.stdout.readline())["url"]

        def idle() -> bool:
            with urllib.request.urlopen(f"{url}api/project") as reply:
                shown = json.load(reply)
            return shown["work"]["state"] == "idle" and shown["to_do"] == 0

        for _ in until(idle):
            pass
        process.terminate()
        told = process.communicate(timeout=30)[1]
    assert process.returncode == 0 and "3 videos" in told
    assert (project.folder / "dataset" / "instruction").is_dir()


def until(true: Callable[[], bool], seconds: float = 60.0) -> Iterator[None]:
    """Turns until something is so; a failure when it takes too long."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it took too long"
        yield
        time.sleep(0.05)


def finished(page: Page) -> bool:
    shown = page.get("/api/project")
    return shown["work"]["state"] == "idle" and not shown["queue"] and not shown["to_do"]


def decide(page: Page, entry: dict[str, Any]) -> None:
    """What somebody who knows the films does about an entry of the queue."""
    video = page.get(f"/api/video?name={entry['video']}")
    if entry["kind"] == "boundaries":
        page.change(do="accept", who="ann", review=entry["id"], seen=video["counts_version"])
        return
    (text,) = [t for t in video["texts"] if t["address"] == entry["address"]]
    about = {"who": "ann", "seen": text["version"]}
    if entry["gate"] == "near-duplicate":
        page.change(do="accept", review=entry["id"], **about)
        return
    said = "Yes, there is an anomaly, namely arson." if entry["video"] == "alarm" else "All is normal."
    page.change(do="write", address=entry["address"], parts=text["parts"] | {"judgement": said}, **about)
