"""A decoded picture (any pixel format, size and orientation) becomes upright RGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Orientation:
    """How the stored picture becomes the shown one: mirror left-right first, then turn clockwise.

    `quarters` counts turns of 90 degrees clockwise, 0 to 3.
    """

    quarters: int = 0
    mirrored: bool = False

    @property
    def degrees(self) -> int:
        """Clockwise turn in degrees, as players show it."""
        return self.quarters * 90

    def shown_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) after turning."""
        return (height, width) if self.quarters % 2 else (width, height)

    def apply(self, picture: Picture) -> Picture:
        """The upright picture `[H, W, 3]`: a view, nothing is copied."""
        if self.mirrored:
            picture = picture[:, ::-1]
        return np.rot90(picture, -self.quarters) if self.quarters else picture


def orientation(frame: VideoFrame) -> Orientation:
    """From the display matrix; angles that are not quarter turns are rounded to the nearest one."""
    try:
        matrix = np.frombuffer(memoryview(frame.side_data[SideDataType.DISPLAYMATRIX]), dtype=np.int32)  # type: ignore[typeddict-item]
    except KeyError:
        return Orientation()
    a, b, c, d = (float(matrix[i]) for i in (0, 1, 3, 4))
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    # The stored x axis (a, b) points right (1, 0) in the shown picture when nothing is turned; y points down.
    return Orientation(quarters=round(float(np.arctan2(b, a)) / (np.pi / 2)) % 4, mirrored=mirrored)


class Converter:
    """Scales and converts straight from the decoder's YUV, one scaler kept for all frames.

    `size` is the (width, height) as shown.
    """

    def __init__(self, size: tuple[int, int], turn: Orientation) -> None:
        self.size = size
        self._turn = turn
        self._stored = turn.shown_size(*size)
        self._reformatter = VideoReformatter()

    def upright(self, frame: VideoFrame) -> VideoFrame:
        """The frame as `yuv420p`, turned and scaled, for an encoder."""
        if self._turn == Orientation():
            width, height = self.size
            return self._reformatter.reformat(frame, width=width, height=height, format="yuv420p", threads=1)
        picture = np.empty((self.size[1], self.size[0], 3), dtype=np.uint8)
        self.into(frame, picture)
        return VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")

    def into(self, frame: VideoFrame, target: Picture) -> None:
        """Write the frame into `target[H, W, 3]`."""
        width, height = self._stored
        rgb = self._reformatter.reformat(frame, width=width, height=height, format="rgb24", threads=1)
        plane = rgb.planes[0]
        rows = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)
        target[...] = self._turn.apply(rows[:height, : width * 3].reshape(height, width, 3))
