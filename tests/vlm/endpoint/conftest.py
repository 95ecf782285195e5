"""Real servers in real processes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holmesvau import config
from holmesvau.types import FrameBatch
from holmesvau.vlm.endpoint import Endpoint, EndpointConfig
from holmesvau.vlm.protocol import GenerationOptions

TEXT = "A man runs through the door. 名"  # what the small server says when it is well
Make = Callable[..., Endpoint]
SERVER = Path(__file__).with_name("moody_server.py")


def ask(model: Endpoint, frames: FrameBatch, question: str = "What happens?", **options: object) -> str:
    return model.answer(model.encode(frames), question, options=GenerationOptions(**options))


@dataclass
class Moody:
    """The small server: what it is told to do, what it was asked."""

    folder: Path
    url: str
    process: subprocess.Popen[str]

    def expect(self, *moods: str) -> None:
        (self.folder / "moods").write_text("\n".join(moods))

    def serve(self, *models: str) -> None:
        (self.folder / "models").write_text("\n".join(models))

    def asked(self, number: int = 0) -> Any:
        return config.read_mapping(self.folder / f"{number}.json")

    def requests(self) -> int:
        return sum(1 for path in self.folder.glob("*.json") if path.stem.isdigit())


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOLMESVAU_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def moody(tmp_path: Path) -> Iterator[Moody]:
    folder = tmp_path / "asked"
    folder.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_API_KEY")}
    process = subprocess.Popen(
        [sys.executable, "-S", str(SERVER), str(folder)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    try:
        yield Moody(folder, f"http://127.0.0.1:{int(process.stdout.readline())}/v1", process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def endpoint(moody: Moody) -> Make:
    """An endpoint at the small server, in a hurry; settings by name."""

    def make(**settings: Any) -> Endpoint:
        hurry = {"pause": 0.01, "connect": 2.0, "first_word": 5.0, "silence": 5.0, "total": 10.0, "side": 32}
        return Endpoint(moody.url, "tiny-model", config=EndpointConfig(**(hurry | settings)))

    return make


@pytest.fixture(scope="session")
def frames() -> FrameBatch:
    """Three frames as smooth as real ones: JPEG keeps them nearly as they are."""
    rows, columns = np.mgrid[0:60, 0:80]
    pictures = np.stack([np.stack([rows * 2 + i * 40, columns * 3, rows + columns], -1) for i in range(3)])
    pictures = pictures.astype(np.uint8)
    index = np.array([0, 16, 32])
    return FrameBatch(pictures, index, index / 25.0)
