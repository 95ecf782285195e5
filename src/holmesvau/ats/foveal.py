"""The encoder that looks twice: EfficientNet-Lite0 on all of a frame and on the place where something moves.

Class tokens `pooled[B, 2·1280 + S]`: the whole picture, the window that `fovea` found in it, and the numbers
of motion. Twice the work of one look, and what tells a blow from an embrace: see
`benchmarks/results/encoder.md`.

Shape legend: `B` frames, `K` traces of the frames before, `S` numbers of motion.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from holmesvau.ats import fovea
from holmesvau.ats.efficientnet import CHANNELS, GRID, PIXELS, SIGNATURE, EfficientNetEncoder, Runtime
from holmesvau.ats.features import Encoded, HalfArray
from holmesvau.errors import InputError

# Pictures are read no larger than this: a window of a quarter of it still fills the encoder's 224 pixels.
LONGEST_SIDE = 640
# Changes when the same picture would be looked at in another way.
_VERSION = 1


class FovealEncoder:
    """The `Encoder` of `ats.features` with a fovea; arguments and errors as `EfficientNetEncoder`."""

    name = "efficientnet-lite0-fovea"
    width = 2 * CHANNELS + fovea.MOTION
    cells_shape = (GRID, GRID, SIGNATURE)
    memory = fovea.MEMORY

    def __init__(self, device: str = "cpu", runtime: Runtime = "auto", threads: int | None = None) -> None:
        self._encoder = EfficientNetEncoder(device, runtime, threads)
        self.batch_size = self._encoder.batch_size
        self.fingerprint = f"{self._encoder.fingerprint}-fovea{_VERSION}"

    def frame_size(self, width: int, height: int) -> tuple[int, int] | None:
        """The frame's own shape, at most `LONGEST_SIDE` pixels long."""
        shrink = min(1.0, LONGEST_SIDE / max(width, height))
        return max(1, round(width * shrink)), max(1, round(height * shrink))

    def encode(self, frames: npt.NDArray[np.uint8], before: npt.NDArray[np.float32] | None = None) -> Encoded:
        """Both looks at `frames[B, H, W, 3]` uint8; `before[K, 3, h, w]` are the last frames' traces.

        Raises:
            InputError: when the array is not `[B, H, W, 3]` uint8.
        """
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
            raise InputError(
                f"The encoder wants uint8 frames [B, H, W, 3], got {frames.dtype} {list(frames.shape)}."
            )
        trace = fovea.thumbnails(frames)
        if not len(frames):
            return Encoded(
                np.empty((0, self.width), np.float16), np.empty((0, *self.cells_shape), np.float16), trace
            )
        known = trace if before is None else np.concatenate([before, trace])
        first = len(known) - len(trace)
        aspect = frames.shape[2] / frames.shape[1]
        glances = [
            fovea.glance(known[i], known[max(0, i - self.memory) : i], aspect)
            for i in range(first, len(known))
        ]
        pictures = _both(frames, [glance.window for glance in glances])
        looked = self._encoder.encode(pictures)
        numbers = np.stack([glance.numbers for glance in glances]).astype(np.float16)
        pooled = np.concatenate([looked.pooled[0::2], looked.pooled[1::2], numbers], axis=1)
        return Encoded(pooled, np.ascontiguousarray(looked.cells[0::2]), trace)

    def maps(self, frames: npt.NDArray[np.uint8], numbers: npt.NDArray[np.floating]) -> HalfArray:
        """Maps `[B, 2, 7, 7, 1280]` of the whole and of the window that `numbers[B, S]` name."""
        aspect = frames.shape[2] / frames.shape[1]
        pictures = _both(frames, [fovea.window_of(row, aspect) for row in numbers])
        maps = self._encoder.maps(pictures)[1]
        return maps.reshape(len(frames), 2, GRID, GRID, CHANNELS)


def _both(frames: npt.NDArray[np.uint8], windows: list[fovea.Window]) -> npt.NDArray[np.uint8]:
    """`[2B, 224, 224, 3]`: each frame and its window, one after the other."""
    pictures = np.empty((2 * len(frames), PIXELS, PIXELS, 3), np.uint8)
    for row, (frame, window) in enumerate(zip(frames, windows, strict=True)):
        pictures[2 * row], pictures[2 * row + 1] = fovea.views(frame, window, PIXELS)
    return pictures


def parts(pooled: npt.NDArray[np.floating]) -> tuple[HalfArray, HalfArray, HalfArray]:
    """What class tokens `pooled[T, D]` of this encoder consist of: whole, window, numbers of motion."""
    return pooled[:, :CHANNELS], pooled[:, CHANNELS : 2 * CHANNELS], pooled[:, 2 * CHANNELS :]
