"""From a score curve to events: stretches of abnormal time, by hysteresis on a smoothed curve.

All lengths are in seconds and all times are those of the frames, so a variable frame rate or a hole in the
video changes nothing: score `i` of a curve stands for `[seconds[i], seconds[i + 1])`, the last one for a
stride.

Shape legend: `T` dense frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from holmesvau.errors import ConfigError, InputError
from holmesvau.types import AnomalyCurve, FloatArray, Span


@dataclass(frozen=True, kw_only=True)
class EventsConfig:
    """When abnormal time is an event.

    An event begins and ends where the smoothed score crosses `leave` and reaches `enter` in between. Two
    events less than `merge_seconds` apart are one; what is then shorter than `min_seconds` is dropped; what
    remains is extended by `pad_seconds` on both sides. `smooth_seconds` is the length of the moving average;
    0 takes the scores as they are.

    Raises:
        ConfigError: unless 0 <= `leave` <= `enter` <= 1 and every length is finite and not negative.
    """

    enter: float = 0.5
    leave: float = 0.3
    smooth_seconds: float = 1.0
    merge_seconds: float = 2.0
    min_seconds: float = 0.5
    pad_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.leave <= self.enter <= 1:
            raise ConfigError(
                f"Events: enter = {self.enter}, leave = {self.leave}: they need 0 <= leave <= enter <= 1."
            )
        for name in (field.name for field in fields(self) if field.name.endswith("_seconds")):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"Events: {name} = {value}: give a number of seconds that is not negative.")


def find_events(curve: AnomalyCurve, config: EventsConfig | None = None) -> list[Span]:
    """The abnormal stretches of a curve as disjoint spans in seconds, in order of time; none for a calm
    curve.

    Raises:
        InputError: when the times of the curve do not rise.
    """
    config = config or EventsConfig()
    if not len(curve):
        return []
    bounds = _bounds(curve)
    scores = _smoothed(curve.scores.astype(np.float64), bounds, config.smooth_seconds)
    # The lower threshold counts only above 0, so that `leave` = 0 does not make one event of a whole calm
    # video.
    active = (scores >= config.leave) & (scores > 0)
    edges = np.diff(np.concatenate([[False], active, [False]]).astype(np.int8))
    first, past = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if not len(first):
        return []
    highest = np.maximum.reduceat(np.where(active, scores, -1.0), first)
    kept = highest >= config.enter
    spans = _merged(bounds[first[kept]], bounds[past[kept]], config.merge_seconds)
    spans = spans[spans[:, 1] - spans[:, 0] >= config.min_seconds]
    starts = np.maximum(spans[:, 0] - config.pad_seconds, bounds[0])
    ends = np.minimum(spans[:, 1] + config.pad_seconds, bounds[-1])
    return [Span(float(start), float(end)) for start, end in _merged(starts, ends, 0.0)]


def peak(curve: AnomalyCurve, span: Span) -> tuple[float, float]:
    """The time in seconds, within `span`, of its highest score, and that score; the earliest of equal ones.

    Raises:
        InputError: when no score of the curve stands for any part of the span.
    """
    shared = _seconds_within(curve, span)
    if not (shared > 0).any():
        raise InputError(f"{span}: the curve has no score in this span.")
    highest = int(np.where(shared > 0, curve.scores, -1.0).argmax())
    return max(span.start, float(curve.seconds[highest])), float(curve.scores[highest])


def confidence(curve: AnomalyCurve, span: Span, others: Iterable[Span] = ()) -> float:
    """How much the curve itself supports that `span` is abnormal, in [0, 1].

    It is the mean score of the span, counted as if one more frame of score 0 belonged to it (one frame alone
    proves little), times the share of the remaining time that scores lower (a score that is reached all day
    says little). `others` are further events, which are not held against this one. It is a measure of the
    scores' support, not a calibrated probability.
    """
    inside = _seconds_within(curve, span)
    frames = int((inside > 0).sum())
    if not frames:
        return 0.0
    mean = float(np.average(curve.scores, weights=inside))
    outside = np.diff(_bounds(curve)) - inside
    for other in others:
        if not span.intersect(other):
            outside = outside - _seconds_within(curve, other)
    outside = np.maximum(outside, 0.0)
    remaining = float(outside.sum())
    lower = float(outside[curve.scores < mean].sum()) / remaining if remaining > 0 else 1.0
    return min(1.0, max(0.0, mean * frames / (frames + 1) * lower))


def _bounds(curve: AnomalyCurve) -> FloatArray:
    """The `T + 1` borders of the stretches the scores stand for, in seconds."""
    if (np.diff(curve.seconds) <= 0).any():
        where = int(np.flatnonzero(np.diff(curve.seconds) <= 0)[0])
        raise InputError(
            f"The times of the curve must rise: dense frame {where + 1} is at {curve.seconds[where + 1]} s, "
            f"the one before it at {curve.seconds[where]} s."
        )
    bounds: FloatArray = np.append(curve.seconds, curve.seconds[-1] + curve.stride_seconds).astype(np.float64)
    return bounds


def _smoothed(scores: FloatArray, bounds: FloatArray, window: float) -> FloatArray:
    """The mean of the step function `scores[T]` over `window` seconds around the middle of each step."""
    if window <= 0 or len(scores) == 1:
        return scores
    integral = np.concatenate([[0.0], np.cumsum(scores * np.diff(bounds))])
    middle = (bounds[1:] + bounds[:-1]) / 2
    start = np.maximum(middle - window / 2, bounds[0])
    end = np.minimum(middle + window / 2, bounds[-1])
    gained = np.interp(end, bounds, integral) - np.interp(start, bounds, integral)
    # A window below the resolution of the times holds no more than the score itself.
    smoothed: FloatArray = np.divide(gained, end - start, out=scores.copy(), where=end > start)
    return smoothed


def _merged(starts: FloatArray, ends: FloatArray, gap: float) -> npt.NDArray[np.float64]:
    """Disjoint rows `[start, end)` from sorted ones, joining those that are at most `gap` seconds apart."""
    if not len(starts):
        return np.empty((0, 2))
    separate = starts[1:] - ends[:-1] > gap
    return np.stack([starts[np.append(True, separate)], ends[np.append(separate, True)]], axis=1)


def _seconds_within(curve: AnomalyCurve, span: Span) -> FloatArray:
    """Seconds of `span` that each score stands for, `[T]`."""
    if not len(curve):
        return np.zeros(0)
    bounds = _bounds(curve)
    return np.maximum(np.minimum(bounds[1:], span.end) - np.maximum(bounds[:-1], span.start), 0.0)
