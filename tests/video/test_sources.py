"""What can be opened, how the rest is refused, live sources; nothing hangs, no thread stays behind."""

from __future__ import annotations

import functools
import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

import av
import numpy as np
import pytest
from PIL import Image

from holmesvau.errors import HolmesError, InputError, VideoError
from holmesvau.types import Span
from holmesvau.video import open_video, source
from tests.video.films import film, number_of, picture

ROOT = Path(__file__).parents[2]


def reader_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "holmesvau-reader"]


@pytest.fixture(scope="module")
def short_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("film") / "film.mp4", 60, audio=True)


# --- bad input: one sentence each ---


def refused(what: object, kind: type[HolmesError] = VideoError) -> str:
    with pytest.raises(kind) as caught:
        open_video(what)  # type: ignore[arg-type]
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith(".")
    return sentence


def test_bad_files_are_refused_with_a_sentence(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "missing.mp4")
    (tmp_path / "empty.mp4").touch()
    assert "0 bytes" in refused(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("This is a letter.\n" * 200)
    assert "text.mp4: not a video" in refused(tmp_path / "text.mp4")
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(20_000))
    assert "noise.mp4: " in refused(tmp_path / "noise.mp4")
    (tmp_path / "folder").mkdir()
    assert "without pictures" in refused(tmp_path / "folder")
    (tmp_path / "folder" / "a.png").write_text("no picture")
    assert "not one of its 1 pictures" in refused(tmp_path / "folder")
    whole = film(tmp_path / "film.mp4", 30).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    assert "table of contents" in refused(tmp_path / "cut.mp4")
    assert "path" in refused("", InputError) and "path" in refused(3, InputError)


def test_sound_without_pictures_counts_the_sound(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.mp4"), "w") as out:
        for stream in [out.add_stream("aac", rate=16000, layout="mono") for _ in range(2)]:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    assert "no video stream (2 audio streams found)" in refused(tmp_path / "sound.mp4")


def test_arguments_are_checked_before_anything_is_read(short_film: Path) -> None:
    with open_video(short_film) as video:
        for bad in (
            {"every": 0}, {"every": 1.5}, {"every_seconds": 0.0}, {"every_seconds": float("nan")},
            {"batch_size": 0},
            {"every": 2, "keyframes": True}, {"size": (0, 10)}, {"size": (10, 99_999)}, {"start_index": -1},
        ):  # fmt: skip
            with pytest.raises(InputError, match=r"\.$"):
                video.frames(**bad)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="no frame 60; it has 60 frames"):
            video.at([0, 60])
        with pytest.raises(InputError, match="no frame -1"):
            video.at([-1])
        with pytest.raises(InputError, match="whole frame numbers"):
            video.at([0.5])  # type: ignore[list-item]
        assert video.at([]).frames.shape == (0, 64, 96, 3)
        assert list(video.frames(span=Span(100, 101))) == []
    with pytest.raises(InputError, match="closed"):
        video.frames()
    with pytest.raises(InputError, match="folders of pictures"):
        open_video(short_film, fps=5)


def test_one_frame_and_strange_names(tmp_path: Path) -> None:
    for name in ("one.mp4", "a:b #=%03d é.mp4", "http:x.mp4"):
        path = film(tmp_path / "film.mp4", 1).rename(tmp_path / name)
        for what in (path, f"file://{quote(str(path))}"):
            with open_video(what) as video:
                assert video.info.num_frames == 1 and video.info.duration == pytest.approx(0.04)
                assert number_of(video.at([0]).frames[0]) == 0
                assert [len(batch) for batch in video.frames(every_seconds=5)] == [1]


def test_picture_20000_pixels_wide(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((40, 20_000, 3), np.uint8)).save(tmp_path / "wide.png")
    for what in (tmp_path / "wide.png", tmp_path):
        with open_video(what) as video:
            assert (video.info.width, video.info.height) == (20_000, 40)
            assert video.at([0], size=(224, 224)).frames.shape == (1, 224, 224, 3)


# --- what files say ---


@pytest.mark.parametrize(("turned", "shown"), [(90, 270), (180, 180), (270, 90)])
def test_rotation_gives_upright_pictures(tmp_path: Path, turned: int, shown: int) -> None:
    path = film(tmp_path / "film.mp4", 3, rotation=turned)
    with open_video(path) as video:
        info, batch = video.info, video.at([1])
        small = video.at([1], size=(20, 30))
    upright = np.rot90(picture(1), turned // 90)
    assert info.rotation == shown and (info.height, info.width) == upright.shape[:2]
    assert np.abs(batch.frames[0].astype(int) - upright).mean() < 12
    assert small.frames.shape == (1, 30, 20, 3)


def test_info_comes_from_packets(short_film: Path, tmp_path: Path) -> None:
    with open_video(short_film) as video:
        info = video.info
    assert (info.fps, info.num_frames, info.codec, info.has_audio) == (25.0, 60, "h264", True)
    assert info.duration == pytest.approx(2.4) and not info.variable_frame_rate and not info.is_live
    # The AVI header is made to promise 4 billion frames.
    data = bytearray(film(tmp_path / "film.avi", 30, codec="mjpeg", pixels="yuvj420p").read_bytes())
    header = data.find(b"strh")
    data[header + 40 : header + 44] = b"\xff\xff\xff\x7f"
    (tmp_path / "lies.avi").write_bytes(data)
    with open_video(tmp_path / "lies.avi") as video:
        assert video.info.num_frames == 30 and video.info.duration == pytest.approx(1.2)
        assert sum(len(batch) for batch in video.frames()) == 30


def test_late_start_is_told(tmp_path: Path) -> None:
    path = film(tmp_path / "late.ts", 60, times=[n + 250 for n in range(60)])
    with open_video(path) as video:
        assert video.info.start_seconds >= 10.0
        assert video.at([25]).seconds[0] == pytest.approx(1.0)


def test_folder_of_pictures_in_natural_order(tmp_path: Path) -> None:
    for number in range(12):
        Image.fromarray(picture(number)).save(tmp_path / f"frame{number}.png")
    (tmp_path / "frame7.png").write_bytes(b"broken")
    (tmp_path / "notes.txt").write_text("not a picture")
    with open_video(tmp_path, fps=4) as video:
        assert video.info.num_frames == 12 and video.info.duration == 3.0
        batches = list(video.frames(batch_size=5))
        numbers = [number_of(image) for batch in batches for image in batch.frames]
        assert numbers == [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11]
        assert batches[0].seconds.tolist() == [0, 0.25, 0.5, 0.75, 1.0]
        assert video.at([11, 2]).index.tolist() == [11, 2]
        assert video.lost.count == 1 and any("frame7.png" in sentence for sentence in video.warnings)
        with pytest.raises(VideoError, match="frame 7 cannot be decoded"):
            video.at([7])


# --- reading ahead ---


def test_leaving_early_leaves_no_thread_behind(short_film: Path) -> None:
    with open_video(short_film) as video:
        for _ in video.frames(batch_size=1):
            break
        with pytest.raises(ZeroDivisionError):
            for _ in video.frames(batch_size=1):
                raise ZeroDivisionError
        left_open = video.frames(batch_size=1)
        next(left_open)
        both = zip(video.frames(every=2, batch_size=3), video.frames(every=2, batch_size=3), strict=True)
        assert all(np.array_equal(a.frames, b.frames) for a, b in both)
    assert reader_threads() == []
    assert list(left_open) == []


def test_reader_runs_only_a_few_batches_ahead(short_film: Path) -> None:
    from holmesvau.video.convert import Converter

    converted = 0
    original = Converter.into

    def counting(self: Converter, frame: object, target: np.ndarray) -> None:
        nonlocal converted
        converted += 1
        original(self, frame, target)  # type: ignore[arg-type]

    Converter.into = counting  # type: ignore[method-assign, assignment]
    try:
        with open_video(short_film) as video:
            batches = video.frames(batch_size=2)
            next(batches)
            time.sleep(0.5)
            assert 2 <= converted <= 2 * 4
            assert sum(len(batch) for batch in batches) == 58
    finally:
        Converter.into = original  # type: ignore[method-assign]


def test_importing_the_package_loads_no_av() -> None:
    code = "import sys, holmesvau.video; assert not {'av', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# --- addresses and live sources ---


class _NoRanges(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def web(short_film: Path) -> Iterator[str]:
    handler = functools.partial(_NoRanges, directory=str(short_film.parent))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_film_behind_http_without_ranges(web: str, short_film: Path) -> None:
    film(short_film.parent / "fast.mp4", 60, container={"movflags": "faststart"})
    with open_video(f"{web}/fast.mp4") as video:
        assert video.info.num_frames == 60 and not video.info.is_live
        numbers = [number_of(image) for batch in video.frames(every=7) for image in batch.frames]
        assert numbers == list(range(0, 60, 7))
        assert [number_of(image) for image in video.at([50, 3]).frames] == [50, 3]
    assert "film-that-is-not.mp4: cannot be opened" in refused(f"{web}/film-that-is-not.mp4")


def test_password_is_not_shown() -> None:
    sentence = refused("http://guard:secret@127.0.0.1:9/film.mp4")
    assert "secret" not in sentence and "guard:***@127.0.0.1" in sentence


def test_dead_address_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "OPEN_TIMEOUT", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        assert "no answer within 1 s" in refused(f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - started < 5


SENDER = """
import sys, time
from tests.video.films import film
film(sys.argv[1], int(sys.argv[2]), format="mpegts", options={"tune": "zerolatency"}, gop=12)
"""


def send(where: str, frames: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SENDER, where, str(frames)], cwd=ROOT)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_live_stream_over_tcp(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    sender = send(f"tcp://127.0.0.1:{port}?listen=1", 400)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                video = open_video(f"tcp://127.0.0.1:{port}")
                break
            except VideoError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        with video:
            assert video.info.is_live and video.info.num_frames is None and video.info.width == 96
            with pytest.raises(InputError, match="live source cannot be read again"):
                video.at([0])
            first = next(video.frames(every_seconds=0.4, batch_size=4))
            assert np.allclose(first.seconds, [0, 0.4, 0.8, 1.2], atol=0.05)
            rest = list(video.frames(every_seconds=1.0))
        index = np.concatenate([batch.index for batch in rest])
        seconds = np.concatenate([batch.seconds for batch in rest])
        numbers = [number_of(image) for batch in rest for image in batch.frames]
        assert (np.diff(seconds)[1:] > 0.9).all() and seconds[-1] > 14
        assert len({n - i for n, i in zip(numbers, index.tolist(), strict=True)}) == 1
    finally:
        sender.kill()
        sender.wait()
    assert reader_threads() == []


def test_named_pipe_is_live(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.ts"
    os.mkfifo(pipe)
    data = film(tmp_path / "film.ts", 60).read_bytes()
    writer = threading.Thread(target=pipe.write_bytes, args=(data,), daemon=True)
    writer.start()
    with open_video(pipe) as video:
        assert video.info.is_live
        assert [number_of(i) for batch in video.frames(every=20) for i in batch.frames] == [0, 20, 40]
    writer.join(5)


def test_sender_that_falls_silent_ends_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "READ_TIMEOUT", 1.0)
    data = film(tmp_path / "film.ts", 60).read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def serve() -> None:
            connection, _ = server.accept()
            held.append(connection)
            connection.sendall(data * 1)

        threading.Thread(target=serve, daemon=True).start()
        with open_video(f"tcp://127.0.0.1:{server.getsockname()[1]}") as video:
            started = time.monotonic()
            assert sum(len(batch) for batch in video.frames()) >= 55
            assert time.monotonic() - started < 10
            assert any("silent" in sentence for sentence in video.warnings)
        held[0].close()
