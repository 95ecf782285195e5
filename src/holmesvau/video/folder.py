"""A folder of pictures is a video: naturally sorted (`frame2.png` before `frame10.png`), at a given rate."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from holmesvau.errors import VideoError
from holmesvau.types import FloatArray, IndexArray, VideoInfo
from holmesvau.video.choice import Choice
from holmesvau.video.convert import Picture
from holmesvau.video.loss import Losses

PICTURE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
DEFAULT_FPS = 25.0


class PictureFolder:
    """All pictures directly inside `path`, shown `fps` to the second; all take the size of the first."""

    def __init__(self, path: Path, losses: Losses, fps: float | None) -> None:
        self._losses = losses
        try:
            found = [
                p
                for p in path.iterdir()
                if p.suffix.lower() in PICTURE_SUFFIXES and not p.name.startswith(".")
            ]
        except OSError as error:
            raise VideoError(
                f"{path}: the folder cannot be read ({error.strerror}). Check your rights to it."
            ) from error
        if not found:
            raise VideoError(
                f"{path}: a folder without pictures (.png, .jpg, …). Give a video or a folder of frames."
            )
        self._files = sorted(found, key=_natural)
        self.fps = fps or DEFAULT_FPS
        for file in self._files:
            size = self._size(file)
            if size is not None:
                break
        else:
            raise VideoError(f"{path}: not one of its {len(found)} pictures can be read. They are damaged.")
        self.info = VideoInfo(
            path=str(path),
            duration=len(found) / self.fps,
            fps=self.fps,
            num_frames=len(found),
            width=size[0],
            height=size[1],
            codec=file.suffix.lower().lstrip("."),
        )

    def close(self) -> None:
        """Nothing stays open."""

    @property
    def seconds(self) -> FloatArray:
        """Times `[T]` of all pictures."""
        return np.arange(len(self._files)) / self.fps

    def converter(self, size: tuple[int, int] | None) -> PictureConverter:
        """To RGB of `size` (width, height), or as large as the first picture."""
        return PictureConverter(size or (self.info.width, self.info.height))

    def walk(self, choice: Choice, stopped: threading.Event) -> Iterator[tuple[int, float, Image.Image]]:
        """The chosen pictures in order: number, seconds, picture. Each picture counts as a keyframe."""
        for shown in self.fetch(choice.ranks(self.seconds, None)):
            if stopped.is_set():
                return
            yield shown

    def fetch(self, wanted: IndexArray) -> Iterator[tuple[int, float, Image.Image]]:
        """Exactly the pictures `wanted`; those that cannot be read are left out and entered as lost."""
        for index in wanted.tolist():
            try:
                with Image.open(self._files[index]) as picture:
                    picture.load()
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                self._losses.add(index, index + 1)
                self._losses.note(f"{self._files[index]}: the picture cannot be read ({error}).")
                continue
            yield index, index / self.fps, picture

    def lost_seconds(self, start: int, stop: int) -> tuple[float, float]:
        """The stretch of time that pictures `start` to `stop` fill."""
        return start / self.fps, stop / self.fps

    @staticmethod
    def _size(file: Path) -> tuple[int, int] | None:
        """Size as shown, or None for a picture that cannot be read."""
        try:
            with Image.open(file) as picture:
                picture.load()
                return ImageOps.exif_transpose(picture).size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None


class PictureConverter:
    """Turns upright, scales and converts one picture; `size` is (width, height)."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def into(self, picture: Image.Image, target: Picture) -> None:
        """Write the picture into `target[H, W, 3]`."""
        upright = ImageOps.exif_transpose(picture).convert("RGB")
        if upright.size != self.size:
            upright = upright.resize(self.size, Image.Resampling.BILINEAR, reducing_gap=3.0)
        target[...] = np.asarray(upright)


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sorting key in which numbers inside names count as numbers."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(0, int(part), part) if part.isdigit() else (1, 0, part) for part in parts]
