"""Readers against real senders: TS over TCP, UDP and HTTP, RTSP; senders that die, stall and change."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from holmesvau.errors import ConfigError, InputError, VideoError
from holmesvau.stream.backoff import Backoff
from holmesvau.stream.camera import Camera, CameraConfig, ReadingConfig
from holmesvau.stream.inbox import Inbox, Shot
from tests.stream.conftest import SYSTEM_PYTHON, Sender, free_port, until
from tests.video.films import film, number_of, picture, tone

HURRY = ReadingConfig(open_seconds=5.0, stall_seconds=0.6, backoff=Backoff(first=0.05, longest=0.2))


class Kept(Inbox):
    """An inbox that keeps everything, for looking at."""

    def __init__(self) -> None:
        super().__init__(1)
        self.shots: list[Shot] = []

    def put(self, shot: Shot, **_: Any) -> bool:
        self.shots.append(shot)
        return True


@contextlib.contextmanager
def reading(source: str, reading: ReadingConfig = HURRY, **settings: Any) -> Iterator[tuple[Camera, Kept]]:
    inbox = Kept()
    camera = Camera(
        0, CameraConfig(source=source, name="gate", **settings), reading, inbox=inbox, recorder=None,
        stride_seconds=0.2, frame_size=lambda width, height: None, wants_looks=False,
    )  # fmt: skip
    camera.start()
    try:
        yield camera, inbox
    finally:
        camera.stop()
        assert camera.join(6)


def numbers(shots: list[Shot]) -> list[int]:
    return [number_of(shot.picture) for shot in shots]


def test_ts_over_tcp_goes_on_when_its_sender_was_killed(send: Callable[..., Sender], numbered: Path) -> None:
    where = f"tcp://127.0.0.1:{free_port()}"
    sender = send(numbered, f"{where}?listen=1")
    with reading(where) as (camera, inbox):
        until(lambda: len(inbox.shots) >= 4)
        first = numbers(inbox.shots)
        # A picture every stride: five pictures of the sender's 25 a second.
        assert set(np.diff(first)) <= {4, 5, 6}
        sender.kill()
        until(lambda: camera.state == "waiting")
        before = len(inbox.shots)
        assert "gate" not in camera.reason and where in camera.reason
        send(numbered, f"{where}?listen=1")
        until(lambda: len(inbox.shots) >= before + 3)
        assert camera.connections == 2 and camera.state == "watching" and camera.reason == ""
        seconds = [shot.seconds for shot in inbox.shots]
        assert (np.diff(seconds) > 0).all() and inbox.shots[0].seconds == 0
        # The pause without pictures is in the camera's time as it is in ours.
        ours = inbox.shots[-1].arrived - inbox.shots[0].arrived
        assert abs(seconds[-1] - ours) < 1.5


def test_ts_over_udp(send: Callable[..., Sender], numbered: Path) -> None:
    where = f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    send(numbered, f"{where}?pkt_size=1316")
    with reading(where) as (camera, inbox):
        until(lambda: len(inbox.shots) >= 3)
        assert set(np.diff(numbers(inbox.shots))) <= {4, 5, 6} and not camera.bugs


def test_rtmp(send: Callable[..., Sender], tmp_path: Path) -> None:
    where = f"rtmp://127.0.0.1:{free_port()}/live/gate"
    # With sound, as cameras send it: without, libav waits five seconds for some.
    heard = film(tmp_path / "heard.mp4", 250, gop=12, audio=True, options={"tune": "zerolatency"})
    send(heard, "-listen", "1", where, format="flv")
    with reading(where) as (camera, inbox):
        until(lambda: len(inbox.shots) >= 3)
        assert set(np.diff(numbers(inbox.shots))) <= {4, 5, 6} and not camera.bugs


def test_pictures_that_stop_while_the_sound_goes_on_are_missed(tmp_path: Path) -> None:
    whole = io.BytesIO()
    with av.open(whole, "w", format="mpegts") as out:
        pictures, sound = out.add_stream("libx264", rate=25), out.add_stream("aac", rate=16000, layout="mono")
        pictures.width, pictures.height, pictures.pix_fmt = 96, 64, "yuv420p"
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            out.mux(pictures.encode(frame))
        out.mux(pictures.encode(None))
        for piece in tone(sound, 20.0):
            out.mux(sound.encode(piece))
        out.mux(sound.encode(None))
    data = whole.getvalue()
    server = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            for start in range(0, len(data), 188 * 20):
                connection.sendall(data[start : start + 188 * 20])
                ended.wait(0.05)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with server, reading(f"tcp://127.0.0.1:{server.getsockname()[1]}") as (camera, inbox):
        until(lambda: "no picture for 0.6 s, though something is sent" in camera.reason)
        assert len(inbox.shots) >= 3
        ended.set()


def test_ts_over_http_and_a_sender_that_freezes(send: Callable[..., Sender], numbered: Path) -> None:
    where = f"http://127.0.0.1:{free_port()}/gate.ts"
    sender = send(numbered, "-listen", "1", where)
    with reading(where) as (camera, inbox):
        until(lambda: len(inbox.shots) >= 2)
        os.kill(sender.process.pid, signal.SIGSTOP)
        until(lambda: camera.state in ("waiting", "connecting"))
        assert "nothing came for 0.6 s" in camera.reason
        assert camera.connections >= 1


NEEDED = """
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
assert all(Gst.ElementFactory.find(name) for name in ("qtdemux", "h264parse", "rtph264pay"))
"""


@pytest.fixture
def rtsp(numbered: Path) -> Iterator[str]:
    python = Path(SYSTEM_PYTHON)
    if (
        not python.is_file()
        or subprocess.run([python, "-c", NEEDED], capture_output=True, check=False).returncode
    ):
        pytest.skip(
            "Debian's gir1.2-gst-rtsp-server-1.0, python3-gi and GStreamer's plugins are not installed"
        )
    port = free_port()
    script = Path(__file__).with_name("rtsp_server.py")
    process = subprocess.Popen([SYSTEM_PYTHON, str(script), str(port), str(numbered)])
    yield f"rtsp://guard:secret@127.0.0.1:{port}/gate"
    process.kill()
    process.wait()


def test_rtsp_and_a_password_that_nobody_sees(rtsp: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_PASSWORD", "secret")
    with reading(rtsp.replace("secret", "${GATE_PASSWORD}")) as (camera, inbox):
        until(lambda: len(inbox.shots) >= 4)
        assert set(np.diff(numbers(inbox.shots))) <= {4, 5, 6}
        assert "secret" not in camera.source.name and "guard:***@" in camera.source.name


def serve(*films: Path) -> tuple[str, threading.Thread]:
    """Sends each film to one connection after the other, as fast as it is taken, then leaves."""
    server = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with server:
            for path in films:
                connection, _ = server.accept()
                with connection, contextlib.suppress(OSError):
                    connection.sendall(path.read_bytes())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return f"tcp://127.0.0.1:{server.getsockname()[1]}", thread


def test_clock_of_the_camera_is_set_back_and_ahead(tmp_path: Path) -> None:
    ticks = [*range(50), *range(-5000, -4950), *range(90_000, 90_050)]
    parts = [
        film(tmp_path / f"{n}.ts", 50, gop=10, times=[10_000 + tick for tick in ticks[n * 50 : n * 50 + 50]],
             options={"tune": "zerolatency"})
        for n in range(3)
    ]  # fmt: skip
    whole = tmp_path / "whole.ts"
    whole.write_bytes(b"".join(part.read_bytes() for part in parts))
    where, thread = serve(whole)
    with reading(where) as (camera, inbox):
        thread.join(10)
        until(lambda: camera.state == "waiting")
        seconds = [shot.seconds for shot in inbox.shots]
        assert camera.timeline.jumps == 2 and len(seconds) >= 20
        assert (np.diff(seconds) > 0).all() and seconds[-1] < 12


def test_size_of_the_picture_changes_in_the_stream(tmp_path: Path) -> None:
    small = film(tmp_path / "small.ts", 50, gop=10, options={"tune": "zerolatency"})
    times = [n + 50 for n in range(50)]
    large = film(
        tmp_path / "large.ts", 50, gop=10, size=(192, 128), times=times, options={"tune": "zerolatency"}
    )
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    where, thread = serve(both)
    with reading(where) as (camera, inbox):
        thread.join(10)
        until(lambda: camera.state == "waiting")
        sizes = {shot.picture.shape[:2] for shot in inbox.shots}
        assert sizes == {(64, 96), (128, 192)} and not camera.bugs
        # Tables of packets come again at the seam: the pictures after it are whole.
        assert numbers(inbox.shots)[-1] >= 40


def test_file_plays_at_its_own_speed_and_ends(tmp_path: Path) -> None:
    path = film(tmp_path / "short.mp4", 25)
    began = time.monotonic()
    with reading(str(path)) as (camera, inbox):
        until(lambda: camera.state == "ended")
        assert 0.8 < time.monotonic() - began < 3.0
        assert [shot.index for shot in inbox.shots] == [0, 5, 10, 15, 20]
    with reading(str(path), speed=0.0, loop=True) as (camera, inbox):
        until(lambda: camera.connections >= 3)
    seconds = [shot.seconds for shot in inbox.shots]
    assert (np.diff(seconds) > 0).all() and not camera.timeline.jumps


def test_what_no_waiting_mends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for source, kind, words in (
        (str(tmp_path / "missing.mp4"), VideoError, "no such file"),
        (str(tmp_path), InputError, "folder of pictures"),
        ("rtsp://${NOT_SET_AT_ALL}@gate/1", ConfigError, "NOT_SET_AT_ALL"),
    ):
        with pytest.raises(kind, match=words), reading(source):
            pass
    (tmp_path / "text.mp4").write_text("no video\n" * 99)
    with reading(str(tmp_path / "text.mp4")) as (camera, _):
        until(lambda: camera.state == "ended")
    assert isinstance(camera.failed, VideoError)


def test_fault_of_ours_costs_a_connection_and_shows_no_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inbox, calls = Kept(), 0

    def frame_size(width: int, height: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("cannot scale rtsp://guard:secret@gate/1")

    camera = Camera(
        0, CameraConfig(source=str(film(tmp_path / "film.mp4", 25)), name="gate", speed=0.0), HURRY,
        inbox=inbox, recorder=None, stride_seconds=0.2, frame_size=frame_size, wants_looks=False,
    )  # fmt: skip
    camera.start()
    until(lambda: camera.state == "ended")
    assert camera.bugs == 1 and camera.connections == 2 and len(inbox.shots) == 5
    assert "RuntimeError: cannot scale rtsp://guard:***@gate/1" in caplog.text and "secret" not in caplog.text


def test_late_scorer_gets_the_newest_pictures() -> None:
    inbox = Inbox(2, depth=3)
    picture = np.zeros((1, 1, 3), np.uint8)
    for index in range(10):
        inbox.put(Shot(0, index, index / 2, 0.0, 0.0, picture))
    inbox.put(Shot(1, 7, 0.0, 0.0, 0.0, picture))
    taken = [inbox.take(0.0) for _ in range(5)]
    assert [(shot.camera, shot.index) for shot in taken if shot] == [(0, 7), (1, 7), (0, 8), (0, 9)]
    assert inbox.dropped == [7, 0] and taken[-1] is None
    # A recording read faster than time waits instead, and gives up when the watch ends.
    for index in range(3):
        assert inbox.put(Shot(0, index, 0.0, 0.0, 0.0, picture), patient=True)
    assert not inbox.put(Shot(0, 3, 0.0, 0.0, 0.0, picture), patient=True, given_up=lambda: True)
    assert inbox.dropped == [7, 0]
