"""Small real videos for tests, encoded on the spot."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_video(path: Path, frames: Iterable[np.ndarray], *, fps: int = 10, codec: str = "libx264") -> Path:
    """Encode `frames[H, W, 3]` uint8 RGB."""
    with av.open(str(path), "w") as container:
        stream = None
        for frame in frames:
            if stream is None:
                stream = container.add_stream(codec, rate=Fraction(fps))
                stream.height, stream.width, stream.pix_fmt = *frame.shape[:2], "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        if stream is not None:
            container.mux(stream.encode())
    return path


def fixed_camera(
    seconds: float,
    *,
    fps: int = 10,
    odd: tuple[float, float] | None = None,
    width: int = 320,
    height: int = 192,
) -> Iterable[np.ndarray]:
    """A textured room that people cross again and again; within `odd` a bright fire burns in a corner."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(60, 170, (height // 8, width // 8, 3))
    room = np.kron(coarse, np.ones((8, 8, 1))).astype(np.float32)
    rows, columns = np.mgrid[:height, :width]
    for number in range(round(seconds * fps)):
        now = number / fps
        frame = room.copy()
        x = (now * 40) % (width + 40) - 20
        body = (np.abs(columns - x) < 10) & (np.abs(rows - height * 0.6) < 36)
        frame[body] = (30, 34, 60)
        if odd is not None and odd[0] <= now < odd[1]:
            flicker = 34 + 8 * np.sin(now * 17)
            fire = np.hypot(columns - width * 0.8, rows - height * 0.3) < flicker
            frame[fire] = np.array((250, 170, 40)) + rng.normal(0, 20, (int(fire.sum()), 3))
        frame += rng.normal(0, 2, (height, width, 1))
        yield np.clip(frame, 0, 255).astype(np.uint8)
