"""Small real videos for tests, encoded on the spot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw


def write_video(path: Path, frames: Iterable[np.ndarray], *, fps: int = 10, codec: str = "libx264") -> Path:
    """Encode `frames[H, W, 3]` uint8 RGB."""
    with av.open(str(path), "w") as container:
        stream = None
        for frame in frames:
            if stream is None:
                stream = container.add_stream(codec, rate=Fraction(fps))
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        if stream is not None:
            container.mux(stream.encode())
    return path


def fixed_camera(
    seconds: float,
    *,
    fps: int = 10,
    odd: tuple[float, float] | None = None,
    again: Sequence[tuple[float, float]] = (),
    width: int = 320,
    height: int = 192,
) -> Iterable[np.ndarray]:
    """A room that somebody crosses again and again; within `odd`, and `again`, a fire burns in a corner."""
    rng = np.random.default_rng(3)
    room = _room(width, height)
    for number in range(round(seconds * fps)):
        now = number / fps
        picture = room.copy()
        draw = ImageDraw.Draw(picture)
        x, feet = (now * 40) % (width + 40) - 20, height * 0.9
        draw.ellipse((x - 7, feet - 80, x + 7, feet - 64), fill=(190, 150, 124))
        draw.rounded_rectangle((x - 12, feet - 64, x + 12, feet - 30), 5, fill=(48, 64, 116))
        for side in (-1, 1):
            draw.line((x, feet - 32, x + side * 9 * np.sin(x * 0.17), feet), fill=(36, 36, 44), width=7)
        if any(start <= now < end for start, end in (*([odd] if odd else []), *again)):
            for _ in range(26):
                rise = rng.random()
                radius = 16 * (1 - rise) + 4
                left = width * 0.8 + rng.normal(0, 10) - radius
                top = height * (0.72 - 0.5 * rise) - radius
                colour = (250, 200 - int(120 * rise), 60) if rise < 0.6 else (110, 104, 100)
                draw.ellipse((left, top, left + 2 * radius, top + 2 * radius), fill=colour)
        noisy = np.asarray(picture, np.float32) + rng.normal(0, 2, (height, width, 1))
        yield np.clip(noisy, 0, 255).astype(np.uint8)


def _room(width: int, height: int) -> Image.Image:
    """Wall, floor, a window, a door and a table."""
    shade = np.linspace(0.8, 1.1, width)[None, :, None]
    wall = np.broadcast_to(np.array((150, 146, 132)) * shade, (height, width, 3)).copy()
    floor = int(height * 0.68)
    wall[floor:] = np.array((104, 84, 66)) * np.linspace(0.8, 1.15, height - floor)[:, None, None]
    picture = Image.fromarray(wall.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((width * 0.1, height * 0.12, width * 0.3, height * 0.45), fill=(176, 198, 214))
    draw.line((width * 0.2, height * 0.12, width * 0.2, height * 0.45), fill=(90, 84, 78), width=3)
    draw.rectangle((width * 0.45, height * 0.2, width * 0.58, floor), fill=(92, 70, 54))
    draw.rectangle((width * 0.66, height * 0.6, width * 0.94, height * 0.65), fill=(70, 52, 40))
    draw.rectangle((width * 0.68, height * 0.65, width * 0.7, height * 0.85), fill=(58, 44, 34))
    draw.rectangle((width * 0.9, height * 0.65, width * 0.92, height * 0.85), fill=(58, 44, 34))
    return picture
