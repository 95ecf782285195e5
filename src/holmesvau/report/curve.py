"""The anomaly curve made small enough to draw, without losing a peak. `T` dense frames."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from holmesvau.types import AnomalyCurve, IndexArray

# Two points a bucket: a day at two frames a second is drawn from buckets of 14 s.
MOST_POINTS = 12_000


def decimated(curve: AnomalyCurve, keep: Iterable[float] = (), most: int = MOST_POINTS) -> IndexArray:
    """The dense frames to draw, rising: all, or the lowest and the highest of each of `most / 2` buckets.

    The ends, and the frames nearest to the times `keep` (seconds), are always among them, so a few more
    than `most` may come back.
    """
    count = len(curve)
    if count <= most:
        return np.arange(count, dtype=np.int64)
    edges = np.linspace(0, count, most // 2 + 1).astype(np.int64)
    chosen = {0, count - 1}
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        bucket = curve.scores[start:end]
        chosen.add(start + int(bucket.argmin()))
        chosen.add(start + int(bucket.argmax()))
    chosen.update(_nearest(curve, seconds) for seconds in keep if np.isfinite(seconds))
    return np.asarray(sorted(chosen), np.int64)


def score_at(curve: AnomalyCurve, seconds: float) -> float | None:
    """The score that stands for this moment; None before the first dense frame or where there is no curve."""
    place = int(np.searchsorted(curve.seconds, seconds + 1e-6, side="right")) - 1
    return float(curve.scores[place]) if place >= 0 else None


def _nearest(curve: AnomalyCurve, seconds: float) -> int:
    after = min(int(np.searchsorted(curve.seconds, seconds)), len(curve) - 1)
    before = max(after - 1, 0)
    return min(before, after, key=lambda place: abs(float(curve.seconds[place]) - seconds))
