"""What a scan keeps of each dense frame, and the two protocols around it: encoders make it, scorers read it.

Shape legend: `T` dense frames, `B` frames in a batch, `D` width of the class token, `h w` grid of cells,
`c` width of a cell's signature.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from holmesvau.types import FloatArray, IndexArray, ScoreArray

HalfArray = npt.NDArray[np.float16]

# Called as work goes on: stage, how much is done, how much there is (None: unknown), in the stage's unit.
Progress = Callable[[str, float, float | None], None]

# Rows of a mapping that are read before it is given back, 32 MB where each lies in pages of its own.
_ROWS_MAPPED = 16


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One batch out of an encoder: class tokens `pooled[B, D]`, signatures of places `cells[B, h, w, c]`.

    `trace[B, ...]` is what an encoder with a memory wants to be given back with the frames that follow.
    """

    pooled: HalfArray
    cells: HalfArray
    trace: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The features of a whole video, often memory-mapped: slicing reads only what is asked for.

    `index[T]` int64 frame numbers, `seconds[T]` float64, `pooled[T, D]` and `cells[T, h, w, c]` float16.
    """

    index: IndexArray
    seconds: FloatArray
    pooled: HalfArray
    cells: HalfArray
    stride_seconds: float
    encoder: str

    def __len__(self) -> int:
        return len(self.index)

    def part(self, place: slice) -> Features:
        """The features of some dense frames in a row; what is mapped stays so."""
        return Features(
            self.index[place],
            self.seconds[place],
            self.pooled[place],
            self.cells[place],
            self.stride_seconds,
            self.encoder,
        )


def let_go(array: npt.NDArray[Any]) -> None:
    """Give back the memory of what was read of a memory-mapped array, which stays readable.

    What is read of a mapping counts as this process's memory until then: a day of features is a gigabyte.
    """
    mapping = getattr(array, "_mmap", None)
    if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


def read_rows(array: npt.NDArray[Any], rows: IndexArray) -> npt.NDArray[Any]:
    """`array[rows]`, a copy, of a memory-mapped array whose rows lie far apart.

    The kernel maps up to 2 MB around each row that is read, so that some hundred rows of a day would map all
    of it; what a few of them mapped is given back before the next are read.
    """
    found = np.empty((len(rows), *array.shape[1:]), array.dtype)
    for start in range(0, len(rows), _ROWS_MAPPED):
        part = slice(start, start + _ROWS_MAPPED)
        found[part] = array[rows[part]]
        let_go(array)
    return found


class Encoder(Protocol):
    """A frozen picture encoder: EfficientNet-Lite0, or the vision tower of any InternVL model.

    `fingerprint` changes whenever the same picture would give other numbers (weights, preprocessing,
    precision), so that stored features are never mixed. `frame_size` is the (width, height) the reader should
    scale frames of a video to before `encode`, or None when the encoder wants them as they are. `batch_size`
    is the size it runs best at. `memory` is how many dense frames before a frame its features depend on (0
    for most): that many traces are given back as `before`.
    """

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def cells_shape(self) -> tuple[int, int, int]: ...
    @property
    def memory(self) -> int: ...
    @property
    def batch_size(self) -> int: ...

    def frame_size(self, width: int, height: int) -> tuple[int, int] | None:
        """The size in pixels to read frames of `width` by `height` at."""
        ...

    def encode(self, frames: npt.NDArray[np.uint8], before: npt.NDArray[np.float32] | None = None) -> Encoded:
        """Encode `frames[B, H, W, 3]` uint8 RGB; `before[K, ...]` are the last traces, oldest first."""
        ...


@runtime_checkable
class Glimpsing(Protocol):
    """An encoder with a memory that a thumbnail is enough for: of a frame that a shortcut leaves out."""

    def glimpse(self, small: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """The traces of frames of which `small[G, 36, 64, 3]` uint8 RGB are the thumbnails."""
        ...


class Scorer(Protocol):
    """Turns the features of a video into an anomaly score in [0, 1] for each dense frame.

    `input_width` is the class-token width it was made for, or None when any encoder will do.
    """

    @property
    def name(self) -> str: ...
    @property
    def input_width(self) -> int | None: ...

    def score(self, features: Features) -> ScoreArray:
        """Scores `[T]` float32 in [0, 1], deterministic: the same features give the same scores."""
        ...
