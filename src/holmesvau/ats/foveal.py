"""The encoder that looks closer: EfficientNet-Lite0 on all of a frame and on places where something moves.

Class tokens `pooled[B, V·1280 + S]`: the whole picture, the windows that `fovea` found in it, and the numbers
of motion. Windows are looked at in 128 pixels, which is what a camera's picture has there: three of them cost
as much as one more look at the whole. What they are worth: `benchmarks/results/encoder.md`. Windows may have
a network of their own, which has learnt what people do (`train.encoder`).

Shape legend: `B` frames, `K` traces of the frames before, `V` views of a frame, `S` numbers of motion.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from holmesvau.ats import fovea
from holmesvau.ats.efficientnet import CHANNELS, GRID, PIXELS, SIGNATURE, EfficientNetEncoder, Runtime
from holmesvau.ats.features import Encoded, HalfArray
from holmesvau.errors import InputError

# Pictures are read no larger than this: a window of a quarter of it still fills the pixels it is given.
LONGEST_SIDE = 640
CLOSE = 128
# The whole picture, then its windows.
VIEWS = 1 + fovea.WINDOWS
# The file of the windows' network, beside a scorer that was trained with it.
WINDOWS_FILE = "windows.safetensors"
# Changes when the same picture would be looked at in another way.
_VERSION = 4


class FovealEncoder:
    """The `Encoder` of `ats.features` with a fovea; other arguments and errors as `EfficientNetEncoder`.

    `windows` is the file of the network that looks into windows, where it is not the one that looks at the
    whole. The encoder is then called by that file's content: what was trained on one is not for another.
    """

    name = "efficientnet-lite0-fovea"
    width = VIEWS * CHANNELS + fovea.MOTION
    cells_shape = (GRID, GRID, SIGNATURE)
    memory = fovea.MEMORY

    def __init__(
        self,
        windows: str | Path | None = None,
        *,
        device: str = "cpu",
        runtime: Runtime = "auto",
        threads: int | None = None,
    ) -> None:
        self.windows = None if windows is None else Path(windows)
        self._encoder = self._close = EfficientNetEncoder(device, runtime, threads)
        self.batch_size = self._encoder.batch_size
        self.fingerprint = f"{self._encoder.fingerprint}-fovea{_VERSION}"
        if self.windows is not None:
            self._close = EfficientNetEncoder(device, runtime, threads, weights=self.windows)
            self.fingerprint += f"-{self._close.fingerprint}"
            self.name = encoder_name(self.windows)

    def frame_size(self, width: int, height: int) -> tuple[int, int] | None:
        """The frame's own shape, at most `LONGEST_SIDE` pixels long."""
        shrink = min(1.0, LONGEST_SIDE / max(width, height))
        return max(1, round(width * shrink)), max(1, round(height * shrink))

    def encode(self, frames: npt.NDArray[np.uint8], before: npt.NDArray[np.float32] | None = None) -> Encoded:
        """All looks at `frames[B, H, W, 3]` uint8; `before[K, 3, h, w]` are the last frames' traces.

        Raises:
            InputError: when the array is not `[B, H, W, 3]` uint8.
        """
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
            raise InputError(
                f"The encoder wants uint8 frames [B, H, W, 3], got {frames.dtype} {list(frames.shape)}."
            )
        trace = fovea.thumbnails(frames)
        known = trace if before is None else np.concatenate([before, trace])
        first = len(known) - len(trace)
        aspect = frames.shape[2] / frames.shape[1]
        glances = [
            fovea.glance(known[i], known[max(0, i - self.memory) : i], aspect)
            for i in range(first, len(known))
        ]
        views, cells = self._looked(frames, [glance.windows for glance in glances])
        numbers = np.array([glance.numbers for glance in glances], np.float16).reshape(-1, fovea.MOTION)
        flat = views.reshape(len(frames), VIEWS * CHANNELS)
        return Encoded(np.concatenate([flat, numbers], axis=1), cells, trace)

    def glimpse(self, small: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """The traces of frames that are not looked at, from their thumbnails `[G, h, w, 3]` uint8 RGB."""
        return fovea.traces(small)

    def views(self, frames: npt.NDArray[np.uint8], numbers: npt.NDArray[np.floating]) -> HalfArray:
        """`[B, V, 1280]`: the whole of each frame and the windows that `numbers[B, S]` name.

        With the frame's own numbers they are the ones in its class token.
        """
        aspect = frames.shape[2] / frames.shape[1]
        return self._looked(frames, [fovea.windows_of(row, aspect) for row in numbers])[0]

    def _looked(
        self, frames: npt.NDArray[np.uint8], windows: Sequence[Sequence[fovea.Window]]
    ) -> tuple[HalfArray, HalfArray]:
        """Views `[B, V, 1280]` and the signatures of the whole."""
        if not len(frames):
            return np.empty((0, VIEWS, CHANNELS), np.float16), np.empty((0, *self.cells_shape), np.float16)
        wholes = np.empty((len(frames), PIXELS, PIXELS, 3), np.uint8)
        closes = np.empty((len(frames), fovea.WINDOWS, CLOSE, CLOSE, 3), np.uint8)
        for row, (frame, found) in enumerate(zip(frames, windows, strict=True)):
            wholes[row], closes[row] = fovea.views(frame, found, whole=PIXELS, close=CLOSE)
        whole = self._encoder.encode(wholes)
        close = self._close.pooled(closes.reshape(-1, CLOSE, CLOSE, 3))
        views = np.concatenate([whole.pooled[:, None], close.reshape(len(frames), -1, CHANNELS)], axis=1)
        return views, whole.cells


def encoder_name(windows: Path | None) -> str:
    """What the encoder that sees windows with that file is called, without making it."""
    if windows is None:
        return FovealEncoder.name
    return f"{FovealEncoder.name}-{hashlib.blake2b(windows.read_bytes(), digest_size=4).hexdigest()}"


def parts(pooled: npt.NDArray[np.floating]) -> tuple[HalfArray, HalfArray]:
    """What class tokens `pooled[T, D]` of this encoder consist of: views `[T, V, 1280]`, numbers `[T, S]`."""
    views, numbers = pooled[:, : VIEWS * CHANNELS], pooled[:, VIEWS * CHANNELS :]
    return views.reshape(len(pooled), VIEWS, CHANNELS), numbers
