"""Which dense frames the language model gets to see: from a score curve to `N` frames (paper §4.2, Eq. 4).

Every sampler is registered by name (`holmesvau.samplers`) and called as
`sampler(scores, num_frames, tau=…, events=…) -> int64[N]`: positions into the dense frames, rising.

Shape legend: `T` dense frames, `N` chosen frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from holmesvau import registry
from holmesvau.ats.event_first import event_first
from holmesvau.ats.spread import apart, inverse_transform, uniform_cover
from holmesvau.errors import InputError
from holmesvau.types import AnomalyCurve, FloatArray, IndexArray, Selection, Span

__all__ = [
    "Sampler",
    "SamplingMethod",
    "density",
    "density_reference",
    "event_first",
    "sample",
    "sample_curve",
    "topk",
    "uniform",
]

SamplingMethod = Literal["uniform", "topk", "density", "density-reference", "event-first"]

# Float32 sigmoids and averages overshoot the unit interval by a rounding error, never by more.
ROUNDING = 1e-5


class Sampler(Protocol):
    """What is registered under `holmesvau.samplers`: gets checked scores and answers with positions."""

    def __call__(
        self, scores: FloatArray, num_frames: int, *, tau: float, events: Sequence[tuple[int, int]]
    ) -> IndexArray:
        """Positions `[N]` int64, rising. `events` are half-open ranges of dense frames known as abnormal."""
        ...


def sample(
    scores: npt.ArrayLike,
    num_frames: int,
    *,
    method: SamplingMethod | str = "event-first",
    tau: float = 0.1,
    events: Sequence[tuple[int, int]] = (),
) -> IndexArray:
    """Choose `num_frames` of the `T` dense frames whose anomaly scores `[T]` in [0, 1] are given.

    Returns int64 positions into `scores`, sorted and distinct: exactly `N` of them, or all `T` when there are
    fewer. (`density-reference` alone may repeat frames, as the published code does.) `tau` >= 0 is the weight
    of a frame without any score beside that of a frame of score 1; the larger, the nearer to uniform.
    `events` are half-open ranges of dense frames already known to be abnormal; `event-first` adds them to
    those it finds.

    Raises:
        InputError: scores that are not one-dimensional, empty, not finite or outside [0, 1]; `num_frames`
            below 1; a negative `tau`; a range outside the curve; an unknown method.
    """
    values = _checked_scores(scores)
    if isinstance(num_frames, bool) or int(num_frames) != num_frames or num_frames < 1:
        raise InputError(f"num_frames = {num_frames}: choose at least one frame, as a whole number.")
    if not (math.isfinite(tau) and tau >= 0):
        raise InputError(f"tau = {tau}: give a finite number that is not negative (0.1 in the paper).")
    for start, end in events:
        if not 0 <= start < end <= len(values):
            raise InputError(
                f"events: ({start}, {end}) is not a range within the {len(values)} dense frames."
            )
    sampler: Sampler = registry.get("samplers", method)
    return sampler(values, int(num_frames), tau=float(tau), events=tuple(events))


def sample_curve(
    curve: AnomalyCurve,
    num_frames: int,
    *,
    method: SamplingMethod | str = "event-first",
    tau: float = 0.1,
    events: Sequence[Span] = (),
) -> Selection:
    """`sample` on a curve with its times: the chosen frames as a `Selection`.

    `events` are spans in seconds, usually those of `find_events`; see `sample` for what is raised.
    """
    stride = curve.stride_seconds
    ends = np.append(curve.seconds[1:], curve.seconds[-1:] + stride)
    ranges = [
        (int(np.searchsorted(ends, span.start, side="right")), int(np.searchsorted(curve.seconds, span.end)))
        for span in events
    ]
    chosen = sample(
        curve.scores,
        num_frames,
        method=method,
        tau=tau,
        events=[(start, end) for start, end in ranges if start < end],
    )
    return Selection(curve.index[chosen], curve.seconds[chosen], method)


def uniform(
    scores: FloatArray, num_frames: int, *, tau: float = 0.1, events: Sequence[tuple[int, int]] = ()
) -> IndexArray:
    """The middles of `N` equal parts of the video; scores are not looked at."""
    return uniform_cover(len(scores), num_frames)


def topk(
    scores: FloatArray, num_frames: int, *, tau: float = 0.1, events: Sequence[tuple[int, int]] = ()
) -> IndexArray:
    """The `N` highest scores, the earlier of equal ones (the paper's Table 4 baseline)."""
    highest = np.argsort(-scores, kind="stable")[:num_frames]
    return np.sort(highest).astype(np.int64)


def density(
    scores: FloatArray, num_frames: int, *, tau: float = 0.1, events: Sequence[tuple[int, int]] = ()
) -> IndexArray:
    """The paper's density-aware sampler (§4.2): mass `s + tau` a frame, `N` points evenly spaced on its sum.

    The points are the middles of `N` equal shares of the mass, each mapped to the frame whose share it falls
    in, so no part of the video is out of reach; points that fall on one frame spread to its nearest free
    neighbours. Without any mass (`tau` = 0 and all scores 0) the cover is uniform.
    """
    if len(scores) <= num_frames:
        return np.arange(len(scores), dtype=np.int64)
    return apart(inverse_transform(scores + tau, num_frames), len(scores))


def density_reference(
    scores: FloatArray, num_frames: int, *, tau: float = 0.1, events: Sequence[tuple[int, int]] = ()
) -> IndexArray:
    """The published implementation of the density-aware sampler, to the index, for reproducing its results.

    Its grid runs from cumulative mass 1 to the rounded total, so a quiet beginning is out of reach and frames
    repeat; a short (`T` <= `N`) or calm (scores sum to less than 1) video gets evenly spaced positions, ends
    included, rounded to frames. Prefer `density`.
    """
    num_dense = len(scores)
    released = scores.astype(np.float32)
    if num_dense <= num_frames or released.sum() < 1:
        return np.rint(np.linspace(0, num_dense - 1, num_frames)).astype(np.int64)
    mass = np.concatenate([[0.0], np.cumsum(released.astype(np.float64) + tau)])
    points = np.linspace(1, np.round(mass[-1]), num_frames)
    # The segment right of each point's left neighbour; the outermost ones extend beyond the curve.
    right = np.clip(np.searchsorted(mass, points), 1, num_dense)
    slope = 1.0 / (mass[right] - mass[right - 1])
    positions = slope * (points - mass[right - 1]) + (right - 1)
    return np.clip(np.floor(positions), 0, num_dense - 1).astype(np.int64)


def _checked_scores(scores: npt.ArrayLike) -> FloatArray:
    try:
        values = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"The anomaly scores are not numbers ({error}).") from error
    if values.ndim != 1:
        raise InputError(
            f"Anomaly scores must be one number a dense frame, got an array of {values.shape = }."
        )
    if not len(values):
        raise InputError("There are no anomaly scores to choose frames by: the curve is empty.")
    if not np.isfinite(values).all():
        where = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(
            f"The anomaly score of dense frame {where} is {values[where]}: scores must be finite."
        )
    outside = np.flatnonzero((values < -ROUNDING) | (values > 1 + ROUNDING))
    if len(outside):
        where = int(outside[0])
        raise InputError(
            f"The anomaly score of dense frame {where} is {values[where]}: scores lie in [0, 1]."
        )
    clipped: FloatArray = np.clip(values, 0.0, 1.0)
    return clipped
