"""Areas under curves, exact with ties, from frames that are sorted once and weighted by video many times.

Shape legend: `V` videos, `R` rows (frames of one video with one score are one row; in `resampled_areas`
resamples), `D` distinct scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from holmesvau.types import FloatArray

CountArray = npt.NDArray[np.int64]
LabelArray = npt.NDArray[np.uint8]
# Blocks of a product of matrices: with 1,000 resamples a few times 8 MB.
_LEVELS_AT_ONCE = 1024


class Areas(NamedTuple):
    """`auc`, the area under the ROC curve, and `ap`, the average precision; NaN where not defined.

    Without abnormal frames neither is; without normal ones `auc` is not and `ap` is 1.
    """

    auc: float
    ap: float


class Ranking:
    """The frames of `V` videos in the order of their scores, the highest first.

    Frames of equal score rank together: the ROC curve is straight across them and precision is taken behind
    the last, as scikit-learn has it. A resampling of videos costs no sort: both areas
    need only how many normal frames stand above, and with, each score that an abnormal frame has. There are
    `num_levels` such scores.
    """

    def __init__(self, labels: Sequence[LabelArray], scores: Sequence[FloatArray]):
        self.num_videos = len(labels)
        video = np.repeat(np.arange(self.num_videos), [len(part) for part in labels])
        label = np.concatenate(labels or [np.zeros(0, np.uint8)]).astype(bool)
        score = np.concatenate(scores or [np.zeros(0)])
        self._totals = np.stack(
            [np.bincount(video[label == kind], minlength=self.num_videos) for kind in (False, True)]
        ).astype(np.int64)
        level = -np.unique(-score[label])
        self.num_levels = len(level)
        self._normal, keys = _rows(video[~label], score[~label])
        self._above = np.searchsorted(-keys, -level, side="left")
        self._reached = np.searchsorted(-keys, -level, side="right")
        self._abnormal, keys = _rows(video[label], score[label])
        self._found = np.searchsorted(-keys, -level, side="right")

    def areas(self, weights: CountArray | None = None) -> Areas:
        """The areas when video `v` counts `weights[v]` times; once each by default."""
        if weights is None:
            weights = np.ones(self.num_videos, np.int64)
        normal, abnormal = (self._totals @ weights).tolist()
        if abnormal == 0:
            return Areas(float("nan"), float("nan"))
        found = self._abnormal.cumulated(weights, abnormal)[self._found]
        alarms = self._normal.cumulated(weights, normal)
        above, reached = alarms[self._above], alarms[self._reached]
        here = np.diff(found, prepend=0)
        # A score that no resampled video has finds nothing: 0 / 0 there must not count.
        ap = float(np.dot(here, found / np.maximum(found + reached, 1))) / abnormal
        if normal == 0:
            return Areas(float("nan"), ap)
        # Twice the area in frames x frames is a whole number: nothing is lost before the one division.
        twice = int(np.dot(here, 2 * normal - above - reached))
        return Areas(twice / (2 * normal * abnormal), ap)


def resampled_areas(
    labels: Sequence[LabelArray], scores: Sequence[FloatArray], weights: CountArray
) -> FloatArray:
    """`Ranking(labels, scores).areas(weights[r])` of every resampling at once: `[R, V] -> float64[R, 2]`.

    It counts every video's frames above each score of an abnormal frame, and weighs the counts by one product
    of matrices: quicker than passing through all frames for each resampling where few of them are abnormal.
    """
    calm = [np.sort(score[label == 0]) for label, score in zip(labels, scores, strict=True)]
    odd = [np.sort(score[label == 1]) for label, score in zip(labels, scores, strict=True)]
    times = weights.astype(np.float64)
    normal = times @ np.array([len(part) for part in calm], np.float64)
    abnormal = times @ np.array([len(part) for part in odd], np.float64)
    level = -np.unique(-np.concatenate([*odd, np.zeros(0)]))
    ap, twice, before = np.zeros(len(times)), np.zeros(len(times)), np.zeros(len(times))
    for start in range(0, len(level), _LEVELS_AT_ONCE):
        some = level[start : start + _LEVELS_AT_ONCE]
        above, reached = (times @ _counts(calm, some, side) for side in ("right", "left"))
        found = times @ _counts(odd, some, "left")
        here = np.diff(found, prepend=before[:, None])
        before = found[:, -1]
        ap += (here * (found / np.maximum(found + reached, 1))).sum(1)
        twice += (here * (2 * normal[:, None] - above - reached)).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.column_stack([twice / (2 * normal * abnormal), ap / abnormal])


def _counts(values: Sequence[FloatArray], levels: FloatArray, side: Literal["left", "right"]) -> FloatArray:
    """How many of each video's rising values lie above (`right`), or at or above (`left`), each level."""
    return np.array([len(part) - np.searchsorted(part, levels, side) for part in values], np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """`video[R]` and how many frames `count[R]` of it a row stands for; None when each is one."""

    video: npt.NDArray[np.intp]
    count: npt.NDArray[np.int32] | None

    def cumulated(self, weights: CountArray, total: int) -> CountArray:
        """Frames in the first 0, 1 … R rows, `int64[R + 1]`; `total` is the last of them."""
        # Half the memory to pass through is a third of the time, where the total fits.
        kind = np.dtype(np.int32 if total < 2**31 else np.int64)
        times: npt.NDArray[Any] = weights.astype(kind)[self.video]
        if self.count is not None:
            times = times * self.count
        found = np.zeros(len(self.video) + 1, np.int64)
        found[1:] = np.cumsum(times, dtype=kind)
        return found


def _rows(video: npt.NDArray[np.intp], score: FloatArray) -> tuple[_Rows, FloatArray]:
    """Rows by falling score, and their scores."""
    order = np.lexsort((video, -score))
    video, score = video[order], score[order]
    starts = np.flatnonzero((np.diff(score, prepend=np.nan) != 0) | (np.diff(video, prepend=-1) != 0))
    count = None
    if len(starts) < len(video):
        count = np.diff(starts, append=len(video)).astype(np.int32)
    return _Rows(video[starts], count), score[starts]


def areas(labels: LabelArray, scores: FloatArray) -> Areas:
    """The areas of one array of labels (0 or 1) and its scores."""
    return Ranking([labels], [scores]).areas()
