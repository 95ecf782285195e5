"""Watching with a served model: its words in the report, and a report without them when it is down."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from holmesvau import Holmes
from holmesvau.config import load
from holmesvau.errors import ModelDownError
from holmesvau.holmes import HolmesConfig
from tests.vlm.endpoint.conftest import TEXT, Moody

SETTINGS = ["describe.granularity=event", "scan.every_seconds=1"]
KEY = "sk-very-secret-4711"


@pytest.fixture
def nobody() -> str:
    """An address where no server listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def watcher(url: str) -> Holmes:
    source = f"{url}?retries=1&pause=0.01&num_frames=4&side=32"
    return Holmes.from_pretrained(f"endpoint:{source}", config=load(HolmesConfig, None, SETTINGS))


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
