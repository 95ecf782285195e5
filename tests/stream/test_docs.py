"""What `docs/live.md` shows is true: settings load, the document fits its schema, the code runs."""

import json
import re
import shutil
import time
import tomllib
from pathlib import Path

import jsonschema
import pytest

from holmesvau import config
from holmesvau.stream.record import json_schema
from holmesvau.stream.sinks.webhook import SIGNATURE, sign
from holmesvau.stream.watch import LiveConfig
from tests.stream.messages import alarm

PAGE = (Path(__file__).parents[2] / "docs" / "live.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


def test_settings_load() -> None:
    [text] = blocks("toml")
    loaded = config.from_dict(LiveConfig, tomllib.loads(text))
    assert [camera.name for camera in loaded.camera] == ["gate", "yard"] and loaded.camera[1].enter == 0.7
    # The values shown are the defaults, so that nobody changes something by copying them.
    assert (loaded.alarms, loaded.scoring, loaded.clips) == (
        LiveConfig().alarms, LiveConfig().scoring, LiveConfig().clips,
    )  # fmt: skip
    assert loaded.describer == LiveConfig().describer


def test_document_fits_its_schema() -> None:
    [text] = blocks("json")
    jsonschema.validate(json.loads(text), json_schema())


def test_receiver_tells_true_from_forged_and_old_from_new(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    exec(compile(blocks("python")[0], "live.md", "exec"), names)
    received = names["received"]
    assert callable(received)
    message = alarm()
    body = message.model_dump_json(by_alias=True).encode()
    now = int(time.time())
    good = {SIGNATURE: sign(body, b"secret", now), "Idempotency-Key": message.key}
    assert [received(body, good, b"secret") for _ in range(2)] == [204, 204]
    assert capsys.readouterr().out.count(message.id) >= 1
    assert received(body + b" ", good, b"secret") == 401
    assert received(body, good, b"another secret") == 401
    assert received(body, {**good, SIGNATURE: sign(body, b"secret", now - 3600)}, b"secret") == 401
    assert message.key in names["seen"]  # type: ignore[operator]


def test_watch_from_python_runs(
    tmp_path: Path, calm_room: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(calm_room, tmp_path / "camera.mp4")
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks("python")[1], "live.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[-1].isdigit()
    assert (tmp_path / "watch" / "outbox.sqlite").exists()
