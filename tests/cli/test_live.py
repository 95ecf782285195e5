"""`holmesvau live`: what is refused, what is printed; the watch itself is tested in `tests/stream`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from holmesvau import cli
from holmesvau.cli.live import sentence, status_text
from holmesvau.stream.record import CameraMessage, CameraPart, updated
from tests.stream.messages import alarm
from tests.video.films import film

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    def run(*arguments: object) -> tuple[int, str, str]:
        command = ["holmesvau", "live", "--out", str(tmp_path / "out"), *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "none"], "No camera is given"),
        (["missing.mp4", "--model", "none"], "no such file"),
        (["a.mp4", "--name", "one", "--name", "two"], "--name is given 2 times for 1 sources"),
        (["tcp://a", "--config", "live.toml"], "unknown key alarms.entre; did you mean alarms.enter?"),
        (["tcp://a", "--set", "camera=3"], "[[camera]]"),
        (["tcp://a", "--model", "none", "--mqtt", "http://broker"], "write the broker as mqtt://"),
        (["tcp://a", "--model", "none", "--webhook", "gate"], "Write it like https://"),
        (["tcp://${NOT_SET_ANYWHERE}", "--model", "none"], "NOT_SET_ANYWHERE"),
        (["tcp://a", "--set", "alarms.leave=0.9"], "0 < leave <= enter"),
    ],
)
def test_bad_input_is_a_sentence_and_exit_code_2(
    live: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("live.toml").write_text("[alarms]\nentre = 0.5\n")
    code, out, err = live(*arguments)
    assert code == 2 and out == "" and words in err and "Traceback" not in err


def test_calm_file_ends_by_itself_with_nothing_to_say(live: Run, tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", 50)
    code, out, _ = live(path, "--speed", 0, "--model", "none", "--name", "gate")
    assert (code, out) == (0, "")
    status = json.loads((tmp_path / "out" / "status.json").read_text())
    camera = status["cameras"][0]
    assert camera["name"] == "gate" and camera["state"] == "ended" and camera["scored"] == 4
    assert (tmp_path / "out" / "alarms.jsonl").read_text() == ""


def test_duration_ends_a_watch_over_a_file_that_loops(live: Run, tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", 25)
    code, _, err = live(path, "--loop", "--duration", 0.3, "--model", "none")
    assert code == 0 and "Traceback" not in err


def test_messages_in_words() -> None:
    raised = alarm()
    assert re.search(r"gate: alarm \w{8} since .*, score 0.75$", sentence(raised))
    said = raised.words.model_copy(update={"status": "done", "judgement": "No.", "description": "A cat."})
    told = updated(raised, "described", 0.0, words=said, dismissed_by_model=True)
    assert sentence(told).endswith("No. A cat. (the model judges it normal)")
    assert sentence(updated(raised, "ended", 0.0, state="ended")).endswith("ended")
    assert sentence(updated(raised, "late", 0.0)).endswith("without words: ")
    gone = CameraMessage(
        kind="camera", id="1", sequence=0, key="1:0", at="then", state="down",
        camera=CameraPart(name="gate", source="tcp://a"), reason="nobody answers",
    )  # fmt: skip
    assert sentence(gone) == "then  gate: down (nobody answers)"


def test_status_in_words() -> None:
    camera = {"name": "gate", "state": "waiting", "score": None, "alarms": 2, "dropped": 3, "reason": "gone"}
    status = {
        "seconds": 61.2, "memory_mib": 420.0, "cameras": [camera, {**camera, "score": 0.25, "dropped": 0}],
        "sinks": [{"waiting": 4}, {"waiting": 1}], "model": {"waiting": 1},
    }  # fmt: skip
    first, second, rest = status_text(status).splitlines()
    assert "dropped 3" in first and "gone" in first and "0.250" in second and "dropped" not in second
    assert rest == "61 s  420 MiB  to send 5  to describe 1"
