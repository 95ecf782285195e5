"""Small real videos made on the spot. Each picture carries its number as a row of squares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

WIDTH, HEIGHT = 96, 64
_BITS = 12


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """`[H, W, 3]`: twelve squares along the top give the number in binary; below a moving ramp."""
    rows, columns = np.mgrid[:height, :width]
    image = np.empty((height, width, 3), dtype=np.uint8)
    image[..., 0] = np.where(columns < width // 2, 200, 40)
    image[..., 1] = (rows * 2 + number * 3) % 200
    image[..., 2] = np.where(rows < height // 2, 30, 160)
    side = width // _BITS
    for bit in range(_BITS):
        image[:side, bit * side : (bit + 1) * side] = 235 if number >> bit & 1 else 16
    return image


def number_of(image: np.ndarray) -> int:
    """Read the number back from a picture of any size."""
    side_x, side_y = image.shape[1] / _BITS, image.shape[0] * (WIDTH // _BITS) / HEIGHT
    middle = [(int(side_y / 2), int((bit + 0.5) * side_x)) for bit in range(_BITS)]
    return sum(1 << bit for bit, (y, x) in enumerate(middle) if image[y, x].mean() > 120)


def film(
    path: Path,
    frames: int = 60,
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    pixels: str = "yuv420p",
    size: tuple[int, int] = (WIDTH, HEIGHT),
    rate: int | Fraction = 25,
    times: Sequence[int] | None = None,
    clock: Fraction | None = None,
    rotation: int = 0,
    audio: bool = False,
    gop: int = 12,
    container: dict[str, str] | None = None,
    format: str | None = None,
) -> Path:
    """Write `frames` numbered pictures. `times` count in `clock` (default: evenly at `rate`)."""
    with av.open(str(path), "w", format=format, options=container or {}) as out:
        stream: Any = out.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = *size, pixels, gop
        stream.codec_context.thread_count = 1
        if rotation:
            stream.set_display_rotation(rotation)
        tick = clock or 1 / Fraction(rate)
        stream.codec_context.time_base = tick
        sound: Any = out.add_stream("aac", rate=16000, layout="mono") if audio else None
        seconds = 0.0
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
            frame.pts, frame.time_base = (number if times is None else times[number]), tick
            out.mux(stream.encode(frame))
            seconds = float((frame.pts + 1) * tick)
            if sound is not None:
                for piece in tone(sound, seconds):
                    out.mux(sound.encode(piece))
        out.mux(stream.encode(None))
        if sound is not None:
            out.mux(sound.encode(None))
    return path


def tone(stream: Any, until: float) -> Iterator[av.AudioFrame]:
    """Frames of a 440 Hz tone with a click at the start of every second, up to `until` seconds."""
    done = getattr(tone, "done", {})
    tone.done = done  # type: ignore[attr-defined]
    position = done.get(id(stream), 0)
    while position < until * 16000:
        t = np.arange(position, position + 1024)
        wave = 0.1 * np.sin(2 * np.pi * 440 * t / 16000)
        wave[t % 16000 < 400] = 0.9 * np.sin(2 * np.pi * 2000 * t[t % 16000 < 400] / 16000)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, position, Fraction(1, 16000)
        position += 1024
        done[id(stream)] = position
        yield frame


def plain_decode(path: Path | str) -> list[tuple[int | None, np.ndarray]]:
    """What PyAV gives without any of our code: timestamp and RGB picture of every frame, one thread."""
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        stream.thread_count = 1
        return [(frame.pts, frame.to_ndarray(format="rgb24")) for frame in source.decode(stream)]
