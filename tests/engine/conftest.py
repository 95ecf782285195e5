"""Small real videos, a real server, and projects of them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holmesvau import engine, hivau
from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.types import Clip, Span
from tests.scenes import write_video

SERVER = Path(__file__).with_name("scribe_server.py")
COLOURS = {
    "red": (200, 30, 30),
    "green": (30, 180, 30),
    "blue": (30, 30, 200),
    "yellow": (200, 200, 30),
    "white": (220, 220, 220),
}
FPS = 5


def lamp(*shown: tuple[str, float]) -> Iterator[np.ndarray]:
    """A lamp that shines in a colour for some seconds, then in the next."""
    rng = np.random.default_rng(5)
    for colour, seconds in shown:
        for _ in range(round(seconds * FPS)):
            noise = rng.integers(-8, 9, (48, 64, 1))
            yield np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def films(tmp_path_factory) -> Path:
    """`alarm` is abnormal from 4 to 16 s, `calm` and `still` never."""
    folder = tmp_path_factory.mktemp("films")
    write_video(folder / "alarm.mp4", lamp(("white", 4), ("red", 6), ("blue", 6), ("white", 4)), fps=FPS)
    write_video(folder / "calm.mp4", lamp(("green", 12)), fps=FPS)
    write_video(folder / "still.mp4", lamp(("yellow", 12)), fps=FPS)
    return folder


@pytest.fixture(scope="session")
def marked(films) -> Path:
    """What is known of the films: one event with its class, and no words."""
    known = {
        "alarm": VideoAnnotation("alarm", 100, 5.0, ("Arson",), (EventAnnotation(Span(4, 16)),)),
        "calm": VideoAnnotation("calm", 60, 5.0, (), (EventAnnotation(Span(1, 9), (Clip(Span(1, 9), ""),)),)),
        "still": VideoAnnotation("still", 60, 5.0, (), (EventAnnotation(Span(0, 12)),)),
    }
    return hivau.write_annotations(known, films / "known.json")


@dataclass
class Scribe:
    """The small server: what it is told to be like, what it was asked."""

    folder: Path
    url: str
    process: subprocess.Popen[str]

    def be(self, mood: str) -> None:
        (self.folder / "mood").write_text(mood)

    def asked(self, kind: str | None = None) -> list[dict[str, Any]]:
        path = self.folder / "log.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [line for line in lines if kind in (None, line["kind"])]


@pytest.fixture
def scribe(tmp_path, monkeypatch) -> Iterator[Scribe]:
    for variable in ("HOLMESVAU_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "scribe"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(SERVER), str(folder)], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield Scribe(folder, f"http://127.0.0.1:{int(process.stdout.readline())}/v1", process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def make_project(tmp_path, films, marked, scribe):
    """A project of the films whose texts the server writes; settings by name."""

    def make(name: str = "project", **chosen: Any) -> engine.Project:
        served = f"endpoint:{scribe.url}?pause=0.01&retries=1#scribe"
        usual = {
            "dataset": "lamps",
            "decouple.import_file": str(marked),
            "decouple.clips.median": 3.0,
            "caption.provider": served,
            "caption.side": 32,
            "caption.frames": 3,
            "summary.provider": served,
            "gates.unsupported": 0.6,
        }
        given = {key.replace("__", "."): value for key, value in chosen.items()}
        return engine.init(tmp_path / name, [films], chosen=usual | given)

    return make
