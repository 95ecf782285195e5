"""Real senders, receivers and brokers on free ports."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from holmesvau.ats.efficientnet import EfficientNetEncoder
from tests.video.films import film

FFMPEG = shutil.which("ffmpeg")
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
SYSTEM_PYTHON = "/usr/bin/python3"


def until(true: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Wait until something is so, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
    return found


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def encoder() -> EfficientNetEncoder:
    return EfficientNetEncoder(threads=1)


@pytest.fixture(scope="session")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 seconds whose pictures carry their numbers; a keyframe every half second."""
    path = tmp_path_factory.mktemp("numbered") / "film.mp4"
    return film(path, 1500, gop=12, options={"tune": "zerolatency", "preset": "ultrafast"})


class Sender:
    """Debian's ffmpeg sending a file at its own speed, again and again."""

    def __init__(self, file: Path, *where: str, format: str = "mpegts") -> None:
        command = [str(FFMPEG), "-v", "error", "-re", "-stream_loop", "-1", "-i", str(file)]
        self.process = subprocess.Popen([*command, "-c", "copy", "-f", format, *where])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def send() -> Iterator[Callable[..., Sender]]:
    if FFMPEG is None:
        pytest.skip("Debian's ffmpeg is not installed")
    senders: list[Sender] = []

    def start(file: Path, *where: str, format: str = "mpegts") -> Sender:
        senders.append(Sender(file, *where, format=format))
        return senders[-1]

    yield start
    for sender in senders:
        sender.kill()


@dataclass
class Receiver:
    """An HTTP receiver that is well, fails (a status), hangs up (`close`), or hangs (`hang`), as told."""

    url: str
    moods: list[str] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    accepted: list[dict[str, Any]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def keys(self) -> list[str]:
        return [message["key"] for message in self.accepted]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.requests.append((dict(self.headers), body))
            mood = told.moods.pop(0) if told.moods else "200"
            if mood == "hang":
                told.released.wait(30)
                return
            if mood == "close":
                return
            if mood.startswith("2"):
                told.accepted.append(json.loads(body))
            self.send_response(int(mood))
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told = Receiver(f"http://127.0.0.1:{server.server_port}/alarms?site=7")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield told
    told.released.set()
    server.shutdown()
    server.server_close()


@dataclass
class Broker:
    """Debian's mosquitto, which keeps what was acknowledged and can be killed and started again."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        settings = self.folder / "mosquitto.conf"
        settings.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        self.process = subprocess.Popen(
            [str(MOSQUITTO), "-c", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._answers)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if MOSQUITTO is None:
        pytest.skip("Debian's mosquitto is not installed")
    found = Broker(free_port(), tmp_path)
    found.start()
    yield found
    found.kill()
