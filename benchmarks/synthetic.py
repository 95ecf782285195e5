"""Long H.264 files for benchmarks, made quickly: one short piece is encoded and its packets are repeated."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

PIECE_SECONDS = 60


def render(
    path: Path,
    seconds: int,
    *,
    width: int = 640,
    height: int = 360,
    fps: int = 30,
    keyframe_seconds: float = 2,
    people_seconds: float = PIECE_SECONDS,
) -> Path:
    """A fixed, noisy camera that four people cross; whole minutes are one encoded minute, repeated.

    They are there in the first `people_seconds` of each minute.
    """
    piece = path.with_name(f"piece-{path.name}")
    piece_seconds = PIECE_SECONDS if seconds % PIECE_SECONDS == 0 else seconds
    with av.open(str(piece), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "23"}
        stream.codec_context.gop_size = round(fps * keyframe_seconds)
        for planes in camera(piece_seconds * fps, width, height, fps, people_seconds):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())
    repeat(piece, path, seconds // piece_seconds)
    piece.unlink()
    return path


def camera(
    num_frames: int, width: int, height: int, fps: int, people_seconds: float = PIECE_SECONDS
) -> Iterator[np.ndarray]:
    """Planar YUV 4:2:0 frames `[height * 3 / 2, width]` uint8."""
    rng = np.random.default_rng(0)
    room = np.kron(rng.integers(70, 160, (height // 20 + 1, width // 20 + 1)), np.ones((20, 20)))[
        :height, :width
    ]
    noise = [rng.normal(0, 2.5, (height, width)) for _ in range(7)]
    colour = np.kron(rng.integers(110, 146, (height // 40 + 1, width // 20 + 1)), np.ones((20, 20)))
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[height:] = colour[: height // 2, :width]
    for number in range(num_frames):
        picture = room + noise[number * 5 % 7]
        for person in range(4 if number % (PIECE_SECONDS * fps) < people_seconds * fps else 0):
            scale = width / 640
            pace = (60 + 25 * person) * scale
            x = int(number / fps * pace + 170 * person * scale) % round(width + 60 * scale) - round(
                60 * scale
            )
            y = height // 3 + round(25 * person * scale)
            tall, wide = round(110 * scale), round(36 * scale)
            picture[y : y + tall, max(0, x) : max(0, x + wide)] = 30 + 50 * person
        planes[:height] = np.clip(picture, 16, 235)
        yield planes


def repeat(piece: Path, path: Path, times: int) -> None:
    """The packets of `piece`, which begins with a keyframe, over and over, without encoding again."""
    with av.open(str(piece)) as given, av.open(str(path), "w") as made:
        source = given.streams.video[0]
        stream = made.add_stream_from_template(source)
        packets = [packet for packet in given.demux(source) if packet.dts is not None]
        length = sum(packet.duration for packet in packets)
        for number in range(times):
            for original in packets:
                packet = av.Packet(bytes(original))
                packet.pts, packet.dts = original.pts + number * length, original.dts + number * length
                packet.duration, packet.time_base = original.duration, original.time_base
                packet.is_keyframe, packet.stream = original.is_keyframe, stream
                made.mux(packet)
