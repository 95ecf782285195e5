"""Watching with a served model: its words in the report, and a report without them when it is down."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from holmesvau import Holmes, Span
from holmesvau.clock import span_clock
from holmesvau.config import load
from holmesvau.errors import ModelDownError
from holmesvau.holmes import HolmesConfig
from holmesvau.vlm.prompts import NOTES
from tests.scenes import fixed_camera, write_video
from tests.vlm.endpoint.conftest import TEXT, Moody

SETTINGS = ["describe.granularity=event", "scan.every_seconds=1"]
KEY = "sk-very-secret-4711"


@pytest.fixture
def nobody() -> str:
    """An address where no server listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def watcher(url: str, *settings: str) -> Holmes:
    source = f"{url}?retries=1&pause=0.01&num_frames=4&side=32"
    config = load(HolmesConfig, None, [*SETTINGS, *settings])
    return Holmes.from_pretrained(f"endpoint:{source}", config=config)


def test_a_served_model_puts_the_report_into_words(moody: Moody, burning_room: Path) -> None:
    report = watcher(moody.url).watch(burning_room, questions=("Who?",))
    assert report.events and all(event.summary.description == TEXT for event in report.events)
    assert report.summary.judgement == TEXT and report.answers[0].text == TEXT
    assert report.model["backend"] == "endpoint" and report.model["source"] == moody.url
    assert len(report.selection) == 4
    assert len(moody.asked()["body"]["messages"][0]["content"]) == 2 * 4 + 1


def test_a_server_that_is_down_costs_the_words_only(
    moody: Moody, nobody: str, burning_room: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoken = watcher(moody.url).watch(burning_room)
    silent = watcher(nobody).watch(burning_room, questions=("Who?",))
    assert silent.curve.scores.tolist() == spoken.curve.scores.tolist()
    assert [event.span for event in silent.events] == [event.span for event in spoken.events]
    assert silent.selection.index.tolist() == spoken.selection.index.tolist() and silent.thumbnails
    assert silent.summary.description == "" and not silent.answers
    assert all(event.summary.description == "" for event in silent.events)
    (warning,) = [text for text in silent.warnings if nobody in text]
    assert "cannot be reached" in warning and "chosen frames are complete" in warning
    with pytest.raises(ModelDownError):
        watcher(nobody).ask(burning_room, "Who?")


def test_what_was_said_before_the_server_went_down_stays(moody: Moody, burning_room: Path) -> None:
    everything = watcher(moody.url).watch(burning_room)
    words = moody.requests() - 3
    assert words >= 2 and everything.summary.analysis
    moody.expect(*["well"] * (2 * words + 3), "status:503", "*")
    report = watcher(moody.url).watch(burning_room)
    assert [event.summary for event in report.events] == [event.summary for event in everything.events]
    assert report.summary.judgement == "" and any("answers 503" in text for text in report.warnings)


def test_a_chapter_is_asked_about_without_a_picture(moody: Moody, tmp_path: Path) -> None:
    """It burns three times within a minute, and there are no more than two chapters."""
    room = write_video(tmp_path / "room.mp4", fixed_camera(60, odd=(20, 24), again=[(38, 42), (50, 54)]))
    few = ["chapters.from_seconds=30", "chapters.most=2"]
    report = watcher(moody.url, *few).watch(room, questions=("Who?",))
    assert len(report.events) == 3
    several = [chapter for chapter in report.chapters if len(chapter.events) > 1]
    assert several and all(chapter.summary.description == TEXT for chapter in several)
    bodies = [moody.asked(number)["body"]["messages"][0]["content"] for number in range(moody.requests())]
    texts = [content for content in bodies if isinstance(content, str)]
    first = report.events[several[0].events[0]]
    assert any(f"- {span_clock(first.span)}: {TEXT}" in text for text in texts)
    last = bodies[-1][-1]["text"]
    assert NOTES in last and last.endswith("Who?") and len(bodies[-1]) == 2 * 4 + 1


def test_a_server_that_hangs_cannot_break_the_budget(moody: Moody, burning_room: Path) -> None:
    moody.expect("well", "well", "well", "hang", "*")
    report = watcher(moody.url, "describe.budget_seconds=0.8").watch(burning_room, questions=("Who?",))
    # The server hangs for 30 s; fetching the frames before may take its time on a machine that others use.
    assert report.timing["generate"] < 10
    assert any("budget for describing (0.8 s) was spent" in text for text in report.warnings)
    assert not any("not done within" in text for text in report.warnings)


def test_a_question_about_a_long_part_comes_with_what_is_known_of_it(
    moody: Moody, burning_room: Path
) -> None:
    holmes = watcher(moody.url, "chapters.from_seconds=30")
    report = holmes.watch(burning_room)
    moody.expect(*["well"] * moody.requests(), "echo", "*")
    event = max(report.events, key=lambda event: event.peak_score)
    told = f"- {span_clock(event.span)}: {TEXT}"
    for source in (report, burning_room):
        asked = holmes.ask(source, "Who is there?", span=Span(5, 60)).text
        assert NOTES in asked and told in asked and asked.endswith("Who is there?")
    assert event.span.start > 29 and holmes.ask(report, "Who?", span=Span(0, 20)).text == "Who?"
    assert watcher(moody.url).ask(burning_room, "Who?").text == "Who?"


def test_words_that_hold_marks_are_counted_and_handed_on(moody: Moody, burning_room: Path) -> None:
    choice = '{"message":{"content":"A<IMG_CONTEXT>man<|im_end|>."},"finish_reason":"stop"}'
    moody.expect(f'odd-json:{{"choices":[{choice}]}}', "*")
    report = watcher(moody.url, "chapters.from_seconds=30").watch(burning_room, questions=("Who?",))
    assert report.summary.description == "A<IMG_CONTEXT>man<|im_end|>." and report.answers
    last = moody.asked(moody.requests() - 1)["body"]["messages"][0]["content"][-1]["text"]
    assert ": A man ." in last and report.model["used"]["answer_tokens"] > 0


def test_the_command_ends_well_without_the_server_and_shows_no_key(
    nobody: str, burning_room: Path, tmp_path: Path
) -> None:
    program = Path(sys.executable).with_name("holmesvau")
    environment = os.environ | {"HOLMESVAU_API_KEY": KEY}
    source = f"endpoint:{nobody.replace('://', '://me:word@')}?retries=0#some-model"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(program), *arguments, "--model", source],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("watch", str(burning_room), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert written["events"] and written["model"]["name"] == "some-model"
    assert any("cannot be reached" in text for text in written["warnings"])
    asked = run("ask", str(burning_room), "Who?")
    assert asked.returncode == 2 and "cannot be reached" in asked.stderr and "Traceback" not in asked.stderr
    shown = done.stdout + done.stderr + asked.stdout + asked.stderr
    files = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    for secret in (KEY, "me:word"):
        assert secret not in shown and secret.encode() not in files
