"""Scores of dense frames repeated to every frame: by frame number, or by time where the rate varies.

Shape legend: `T` dense frames, `F` frames of the video.
"""

from __future__ import annotations

import numpy as np

from holmesvau.errors import InputError
from holmesvau.types import FloatArray, IndexArray

# Times are often rounded to a millisecond: a frame may lie that little before "its" dense frame.
TOLERANCE_SECONDS = 0.002


def by_index(scores: FloatArray, index: IndexArray, num_frames: int) -> FloatArray:
    """`[F]`: every frame has the score of the last dense frame at or before it, the first ones the first.

    `index[T]` are the frame numbers of the dense frames, rising.

    Raises:
        InputError: when there are no scores, the lengths differ, the numbers do not rise, or one does not lie
            in the video.
    """
    _check(scores, index, "frame numbers")
    if index[0] < 0 or index[-1] >= num_frames:
        raise InputError(
            f"dense frames {index[0]} to {index[-1]} do not lie in a video of {num_frames} frames"
        )
    return _held(scores, np.searchsorted(index, np.arange(num_frames), side="right"))


def by_seconds(scores: FloatArray, seconds: FloatArray, frame_seconds: FloatArray) -> FloatArray:
    """`[F]`: as `by_index`, by the times `seconds[T]` of the dense frames and `frame_seconds[F]` of all.

    Raises:
        InputError: when there are no scores, the lengths differ, the times do not rise, or the last dense
            frame lies behind the last frame.
    """
    _check(scores, seconds, "times")
    if len(frame_seconds) and seconds[-1] > frame_seconds[-1] + TOLERANCE_SECONDS:
        raise InputError(
            f"the last score is of {seconds[-1]:.3f} s and the last frame of {frame_seconds[-1]:.3f} s"
        )
    return _held(scores, np.searchsorted(seconds, frame_seconds + TOLERANCE_SECONDS, side="right"))


def _held(scores: FloatArray, behind: IndexArray) -> FloatArray:
    return scores[np.maximum(behind - 1, 0)]


def _check(scores: FloatArray, places: FloatArray | IndexArray, what: str) -> None:
    if not len(scores):
        raise InputError("there are no scores")
    if len(scores) != len(places):
        raise InputError(f"{len(scores)} scores have {len(places)} {what}")
    if len(places) > 1 and not (np.diff(places) > 0).all():
        raise InputError(f"the {what} of the scores do not rise")
