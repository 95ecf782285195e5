"""Frame-level detection figures of a test set (paper §5.1, Table 1), with what the single figure hides.

`auc` is the area under the ROC curve and `ap` the average precision, equal to scikit-learn's. The paper calls
its figures "on the video level", which may mean several things: frames of all videos together (`micro`, what
the field reports), the mean over videos (`macro`), or one score a video (`video_level`) are all given.

Shape legend: `F` frames of a video, `V` videos.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError
from holmesvau.evaluate.ranking import Areas, LabelArray, Ranking, areas, resampled_areas
from holmesvau.evaluate.resampling import (
    BootstrapConfig,
    CountArray,
    Difference,
    Interval,
    difference,
    draw,
    interval,
    statistics,
    weighted_mean,
)
from holmesvau.types import FloatArray

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class FrameMetrics:
    """`auc` and `ap` of the frames of all videos taken together; NaN where a figure does not exist.

    The intervals resample whole videos and are None without a bootstrap. `per_video` holds each video's own
    areas: a video whose frames are all normal has none, one whose frames are all abnormal no `auc`.
    """

    auc: float
    ap: float
    frames: int
    abnormal_frames: int
    videos: int
    auc_interval: Interval | None = None
    ap_interval: Interval | None = None
    per_video: Mapping[str, Areas] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MacroMetrics:
    """Means over the `auc_videos` and `ap_videos` videos in which the figure exists."""

    auc: float
    ap: float
    auc_videos: int
    ap_videos: int
    auc_interval: Interval | None = None
    ap_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """One anomaly class: the frames of its videos `alone`, and together `with_normal` videos."""

    alone: FrameMetrics
    with_normal: Areas
    with_normal_auc_interval: Interval | None = None
    with_normal_ap_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Run A minus run B on the same videos and the same resamples."""

    auc: Difference
    ap: Difference


def frame_metrics(
    labels: npt.ArrayLike | Mapping[str, npt.ArrayLike],
    scores: npt.ArrayLike | Mapping[str, npt.ArrayLike],
    *,
    bootstrap: BootstrapConfig | None = None,
) -> FrameMetrics:
    """ROC-AUC and average precision of frame scores against frame labels (0 normal, 1 abnormal).

    Both are `[F]` arrays, or mappings from a video's name to them; intervals and `per_video` need the latter.

    Raises:
        InputError: when videos or lengths differ, a label is neither 0 nor 1, a score is not finite, or
            intervals are wanted of frames whose videos are not told apart.
    """
    if isinstance(labels, Mapping) and isinstance(scores, Mapping):
        truth, found = checked(labels, scores)
        return _together(truth, found, bootstrap)
    if isinstance(labels, Mapping) or isinstance(scores, Mapping):
        raise InputError("Labels and scores must both be arrays, or both mappings from video to array.")
    if bootstrap is not None and bootstrap.resamples:
        raise InputError(
            "Intervals resample whole videos: give labels and scores as mappings from video to array."
        )
    truth, found = checked({"the frames": labels}, {"the frames": scores})
    label, score = truth["the frames"], found["the frames"]
    auc, ap = areas(label, score)
    return FrameMetrics(auc, ap, len(label), int(label.sum()), 1)


def checked(
    labels: Mapping[str, npt.ArrayLike], scores: Mapping[str, npt.ArrayLike]
) -> tuple[dict[str, LabelArray], dict[str, FloatArray]]:
    """Both as arrays in the order of `labels`.

    Raises:
        InputError: as `frame_metrics`.
    """
    if labels.keys() != scores.keys():
        unlike = sorted(labels.keys() ^ scores.keys())
        raise InputError(f"{unlike[0]}: has only labels or only scores ({len(unlike)} such videos).")
    truth: dict[str, LabelArray] = {}
    found: dict[str, FloatArray] = {}
    for video, values in labels.items():
        label, score = np.asarray(values), np.asarray(scores[video], np.float64)
        if label.ndim != 1 or label.shape != score.shape:
            raise InputError(
                f"{video}: {label.shape = } and {score.shape = } must be the same number of frames."
            )
        if not np.isin(label, (0, 1)).all():
            raise InputError(f"{video}: labels must be 0 (normal) or 1 (abnormal).")
        if not np.isfinite(score).all():
            where = int(np.flatnonzero(~np.isfinite(score))[0])
            raise InputError(f"{video}: the score of frame {where} is {score[where]}: scores must be finite.")
        truth[video], found[video] = label.astype(np.uint8), score
    return truth, found


def macro_metrics(per_video: Mapping[str, Areas], bootstrap: BootstrapConfig | None = None) -> MacroMetrics:
    """The means over videos of their own areas, each video counting alike."""
    table = np.array([tuple(values) for values in per_video.values()], np.float64).reshape(-1, 2)

    def means(counts: CountArray | None = None) -> tuple[float, float]:
        return weighted_mean(table[:, 0], counts), weighted_mean(table[:, 1], counts)

    auc, ap = means()
    auc_videos, ap_videos = np.isfinite(table).sum(0).tolist()
    return MacroMetrics(auc, ap, auc_videos, ap_videos, *_intervals(means, len(table), bootstrap))


def class_metrics(
    labels: Mapping[str, LabelArray],
    scores: Mapping[str, FloatArray],
    classes: Mapping[str, Sequence[str]],
    *,
    bootstrap: BootstrapConfig | None = None,
) -> dict[str, ClassMetrics]:
    """By anomaly class, in alphabetical order: `classes[video]` are a video's, none for a normal one.

    A video of several classes counts in each.
    """
    normal = [video for video in labels if not classes[video]]
    names = sorted({name for of_video in classes.values() for name in of_video})
    found = {}
    for name in names:
        videos = [video for video in labels if name in classes[video]]
        together = [*videos, *normal]
        ranking = _ranking(together, labels, scores)
        alone = _together(_only(videos, labels), _only(videos, scores), bootstrap)
        spread = _area_intervals(ranking, together, labels, scores, bootstrap)
        found[name] = ClassMetrics(alone, ranking.areas(), *spread)
    return found


def video_metrics(
    is_anomalous: Mapping[str, bool],
    scores: Mapping[str, FloatArray],
    *,
    bootstrap: BootstrapConfig | None = None,
) -> dict[str, FrameMetrics]:
    """Is the video anomalous at all? By its highest score, and by the mean of its top `F // 16 + 1`.

    The second is the video score of the weakly supervised losses (paper §4.3). A "frame" of these figures is
    a video.
    """
    labels = {video: np.array([is_anomalous[video]], np.uint8) for video in scores}
    maxima = {video: np.array([values.max()]) for video, values in scores.items()}
    tops = {video: np.array([top_mean(values)]) for video, values in scores.items()}
    return {
        "maximum": _together(labels, maxima, bootstrap),
        "top-k mean": _together(labels, tops, bootstrap),
    }


def top_mean(scores: FloatArray) -> float:
    """The mean of the highest `F // 16 + 1` of `scores[F]`."""
    count = min(len(scores) // 16 + 1, len(scores))
    return float(np.partition(scores, len(scores) - count)[len(scores) - count :].mean())


def compare(
    labels: Mapping[str, npt.ArrayLike],
    scores_a: Mapping[str, npt.ArrayLike],
    scores_b: Mapping[str, npt.ArrayLike],
    *,
    bootstrap: BootstrapConfig | None = None,
) -> Comparison:
    """Is run A better than run B? A paired bootstrap over videos of the difference in micro AUC and AP.

    Raises:
        InputError: as `frame_metrics`, and when no resamples are wanted.
    """
    config = bootstrap or BootstrapConfig()
    if config.resamples == 0:
        raise InputError("A paired test needs resamples: give more than 0.")
    truth, first = checked(labels, scores_a)
    _, second = checked(labels, scores_b)
    videos = list(truth)
    ranked = _ranking(videos, truth, first), _ranking(videos, truth, second)

    def gap(counts: CountArray | None = None) -> tuple[float, float]:
        a, b = ranked[0].areas(counts), ranked[1].areas(counts)
        return a.auc - b.auc, a.ap - b.ap

    resampled = statistics(gap, len(videos), config)
    auc, ap = gap()
    return Comparison(difference(auc, resampled[:, 0], config), difference(ap, resampled[:, 1], config))


def _together(
    labels: Mapping[str, LabelArray], scores: Mapping[str, FloatArray], bootstrap: BootstrapConfig | None
) -> FrameMetrics:
    ranking = _ranking(list(labels), labels, scores)
    auc, ap = ranking.areas()
    auc_interval, ap_interval = _area_intervals(ranking, list(labels), labels, scores, bootstrap)
    return FrameMetrics(
        auc,
        ap,
        sum(map(len, labels.values())),
        sum(int(label.sum()) for label in labels.values()),
        len(labels),
        auc_interval,
        ap_interval,
        {video: areas(label, scores[video]) for video, label in labels.items()},
    )


def _intervals(
    compute: Callable[[CountArray], tuple[float, float]], num_videos: int, bootstrap: BootstrapConfig | None
) -> tuple[Interval | None, Interval | None]:
    if bootstrap is None or bootstrap.resamples == 0 or num_videos == 0:
        return None, None
    resampled = statistics(compute, num_videos, bootstrap)
    return interval(resampled[:, 0], bootstrap), interval(resampled[:, 1], bootstrap)


def _area_intervals(
    ranking: Ranking,
    names: Sequence[str],
    labels: Mapping[str, LabelArray],
    scores: Mapping[str, FloatArray],
    bootstrap: BootstrapConfig | None,
) -> tuple[Interval | None, Interval | None]:
    """Of the frames of some videos together, by whichever of two equal ways has less to pass through."""
    if bootstrap is None or bootstrap.resamples == 0 or len(names) < 2:
        return None, None
    truth, found = [labels[name] for name in names], [scores[name] for name in names]
    # Passing through a frame costs about as much as four products.
    if len(names) * ranking.num_levels < 4 * sum(map(len, truth)):
        resampled = resampled_areas(truth, found, draw(len(names), bootstrap))
    else:
        resampled = statistics(ranking.areas, len(names), bootstrap)
    return interval(resampled[:, 0], bootstrap), interval(resampled[:, 1], bootstrap)


def _ranking(
    videos: Sequence[str], labels: Mapping[str, LabelArray], scores: Mapping[str, FloatArray]
) -> Ranking:
    return Ranking([labels[video] for video in videos], [scores[video] for video in videos])


def _only(videos: Sequence[str], of: Mapping[str, Value]) -> dict[str, Value]:
    return {video: of[video] for video in videos}
