"""Watch a video and write a report; without a video, render a small courtyard scene first.

python examples/demo.py --out out/demo [--video my.mp4]
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT, FPS, SECONDS = 640, 360, 12, 80
FIRE = (44.0, 60.0)  # seconds: a litter bin burns


def courtyard(rng: np.random.Generator) -> Image.Image:
    """The fixed view: a facade with windows, a paved ground, a bench and a litter bin."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), (96, 104, 112))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, WIDTH, 150), fill=(124, 112, 100))
    for column in range(9):
        for row in range(2):
            left, top = 24 + column * 70, 14 + row * 66
            lit = rng.random() < 0.3
            draw.rectangle((left, top, left + 40, top + 46), fill=(206, 190, 130) if lit else (62, 70, 82))
            draw.line((left + 20, top, left + 20, top + 46), fill=(90, 84, 76), width=2)
    for line in range(12):
        y = 150 + (line / 12) ** 1.6 * 210
        draw.line((0, y, WIDTH, y), fill=(86, 92, 98))
    for line in range(-14, 15):
        draw.line((WIDTH / 2 + line * 26, 150, WIDTH / 2 + line * 90, HEIGHT), fill=(88, 95, 102))
    draw.rectangle((60, 196, 150, 204), fill=(74, 52, 36))
    draw.rectangle((66, 204, 72, 222), fill=(50, 44, 40))
    draw.rectangle((138, 204, 144, 222), fill=(50, 44, 40))
    draw.rounded_rectangle((470, 192, 492, 226), 4, fill=(46, 68, 54))
    return picture.filter(ImageFilter.GaussianBlur(0.8))


def person(
    draw: ImageDraw.ImageDraw, x: float, y: float, size: float, phase: float, coat: tuple[int, int, int]
) -> None:
    """A walking figure with its feet at (x, y)."""
    swing = math.sin(phase) * 0.16 * size
    hip, shoulder = y - 0.48 * size, y - 0.82 * size
    for side in (-1, 1):
        draw.line((x, hip, x + side * swing, y), fill=(38, 40, 48), width=max(2, int(size * 0.10)))
        draw.line(
            (x, shoulder + 4, x - side * swing * 0.8, hip + 2), fill=coat, width=max(2, int(size * 0.08))
        )
    draw.rounded_rectangle((x - 0.13 * size, shoulder, x + 0.13 * size, hip + 3), size * 0.07, fill=coat)
    draw.ellipse((x - 0.08 * size, y - size, x + 0.08 * size, y - 0.82 * size), fill=(196, 156, 130))


def flames(picture: Image.Image, seconds: float, rng: np.random.Generator) -> Image.Image:
    """Fire and smoke over the litter bin, growing and dying down."""
    strength = math.sin(math.pi * (seconds - FIRE[0]) / (FIRE[1] - FIRE[0])) ** 0.5
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    for _ in range(int(36 * strength)):
        rise = rng.random()
        radius = 8 + 26 * rise
        x = 481 + rng.normal(0, 5 + 16 * rise) + 26 * rise
        y = 186 - 150 * rise * strength
        grey = int(60 + 60 * rng.random())
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=(grey, grey, grey, int(70 * (1 - rise)))
        )
    for _ in range(int(46 * strength)):
        rise = rng.random() ** 1.5
        radius = 17 * (1 - rise) + 3
        x, y = 481 + rng.normal(0, 10), 194 - 100 * rise * strength
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=(255, int(120 + 120 * rise), 40, 200)
        )
    return Image.alpha_composite(picture.convert("RGBA"), layer.filter(ImageFilter.GaussianBlur(2))).convert(
        "RGB"
    )


def frames(seed: int = 7) -> Iterator[np.ndarray]:
    """The scene: people cross the courtyard all the time; for a while the litter bin burns."""
    rng = np.random.default_rng(seed)
    background = courtyard(rng)
    coats = [(150, 60, 54), (54, 84, 140), (70, 110, 72), (150, 140, 120), (64, 60, 72)]
    walkers = [
        (rng.uniform(0, 18), rng.uniform(190, 330), rng.choice([-1, 1]), coats[i % 5]) for i in range(6)
    ]
    for number in range(SECONDS * FPS):
        now = number / FPS
        picture = background.copy()
        draw = ImageDraw.Draw(picture)
        for start, y, direction, coat in sorted(walkers, key=lambda walker: walker[1]):
            way = ((now - start) % 18) / 14 * (WIDTH + 80) - 40
            x = way if direction > 0 else WIDTH - way
            person(draw, x, y, 40 + (y - 150) * 0.38, now * 8 + start, coat)
        if FIRE[0] <= now < FIRE[1]:
            picture = flames(picture, now, rng)
        noise = rng.normal(0, 3, (HEIGHT, WIDTH, 1))
        yield np.clip(np.asarray(picture, np.float32) + noise, 0, 255).astype(np.uint8)


def render(path: Path) -> Path:
    """Render the scene as H.264."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(FPS), options={"crf": "24", "preset": "veryfast"}
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in frames():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--video", type=Path, help="watch this instead of rendering a scene")
    parser.add_argument("--out", type=Path, default=Path("out/demo"))
    options = parser.parse_args()
    video = options.video
    if video is None:
        video = options.out / "courtyard.mp4"
        if not video.exists():
            print(f"rendering {video} …")
            render(video)
    return subprocess.call(
        [sys.executable, "-m", "holmesvau", "watch", str(video), "--out", str(options.out)]
    )


if __name__ == "__main__":
    sys.exit(main())
