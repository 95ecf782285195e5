"""Frame-level ground truth of a test video (paper §5.1): which frames are abnormal, and of which class.

Intervals are half-open `[start, end)` in frames counted from 0, clipped to the video where its length is
known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError
from holmesvau.types import Span


@dataclass(frozen=True, slots=True)
class Interval:
    """Abnormal frames `[start, end)`.

    `labels` are the classes it may belong to: one, or all of the video's where the file does not say which.
    """

    start: int
    end: int
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """One test video. `name` is its file name without suffix, `path` what the list calls it.

    `labels` are its anomaly classes, none for a normal video; `num_frames` is None where the list does not
    tell it.
    """

    name: str
    path: str
    labels: tuple[str, ...]
    intervals: tuple[Interval, ...]
    num_frames: int | None = None

    @property
    def is_anomalous(self) -> bool:
        """True when the video is of at least one anomaly class."""
        return bool(self.labels)

    def frame_labels(self, num_frames: int | None = None) -> npt.NDArray[np.uint8]:
        """1 for every abnormal frame and 0 for the others: `uint8[frames]`.

        `num_frames` is the length to give, by default the list's own: intervals are cut at it, frames past
        the list's count are normal.

        Raises:
            InputError: when neither the list nor the caller tells the number of frames, or it is negative.
        """
        frames = self.num_frames if num_frames is None else num_frames
        if frames is None:
            raise InputError(
                f"{self.name}: its list does not tell how many frames it has. "
                f"Call frame_labels(num_frames=…) with the count of the decoded video."
            )
        if frames < 0:
            raise InputError(f"{self.name}: {num_frames = } is negative.")
        labels = np.zeros(frames, np.uint8)
        for interval in self.intervals:
            labels[interval.start : interval.end] = 1
        return labels

    def spans(self, fps: float) -> list[Span]:
        """The intervals in seconds, at `fps` frames a second.

        Raises:
            InputError: when `fps` is not above 0.
        """
        if not fps > 0:
            raise InputError(f"{self.name}: {fps = } is not above 0 frames a second.")
        return [Span(interval.start / fps, interval.end / fps) for interval in self.intervals]


def pairs(numbers: list[str], labels: tuple[str, ...], where: str) -> list[Interval]:
    """`s1 e1 s2 e2 …` as intervals; a pair of -1 stands for none.

    Raises:
        InputError: for an odd count, what is no whole number, a start before 0 or an end before the start.
    """
    try:
        bounds = [int(number) for number in numbers]
    except ValueError as error:
        raise InputError(f"{where}: {' '.join(numbers)!r} are not all whole frame numbers.") from error
    if len(bounds) % 2:
        raise InputError(f"{where}: {len(bounds)} frame numbers do not make pairs of start and end.")
    intervals = []
    for start, end in zip(bounds[::2], bounds[1::2], strict=True):
        if start == end == -1:
            continue
        if start < 0 or end < start:
            raise InputError(
                f"{where}: {start} {end} is no interval. Write start and end frames, or -1 -1 for none."
            )
        intervals.append(Interval(start, end, labels))
    return intervals


def clipped(intervals: list[Interval], num_frames: int) -> tuple[Interval, ...]:
    """The intervals cut at the end of the video; those wholly past it vanish."""
    cut = (Interval(i.start, min(i.end, num_frames), i.labels) for i in intervals if i.start < num_frames)
    return tuple(interval for interval in cut if interval)
