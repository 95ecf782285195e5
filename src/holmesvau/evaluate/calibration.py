"""Is a confidence worth its name: of the events said to be 80 % sure, are four of five right?

Shape legend: `P` predictions, `B` bins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError
from holmesvau.types import FloatArray

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions whose confidence lies in `[low, high)` (the last bin holds 1.0 as well).

    `confidence` and `accuracy` are the means of the `count` predictions in it, NaN where there is none.
    """

    low: float
    high: float
    count: float
    confidence: float
    accuracy: float


def reliability(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    *,
    bins: int = BINS,
    weights: npt.ArrayLike | None = None,
) -> list[Bin]:
    """`bins` equal parts of [0, 1] with what was promised and what was kept.

    `confidence[P]` in [0, 1], `correct[P]` 0 or 1, `weights[P]` how often each counts (once by default).

    Raises:
        InputError: when the lengths differ, a confidence does not lie in [0, 1], or `bins` is below 1.
    """
    said, right = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    counts = np.ones(len(said)) if weights is None else np.asarray(weights, np.float64)
    if not (said.shape == right.shape == counts.shape) or said.ndim != 1:
        raise InputError(f"{said.shape = }, {right.shape = }, {counts.shape = }: give as many of each.")
    if not ((said >= 0) & (said <= 1)).all():
        raise InputError("A confidence must be a number from 0 to 1.")
    if bins < 1:
        raise InputError(f"{bins = }: give 1 or more.")
    place = np.minimum((said * bins).astype(np.int64), bins - 1)
    number = np.bincount(place, counts, bins)
    means = [
        np.divide(
            np.bincount(place, counts * values, bins), number, out=np.full(bins, np.nan), where=number > 0
        )
        for values in (said, right)
    ]
    return [
        Bin(k / bins, (k + 1) / bins, float(number[k]), float(means[0][k]), float(means[1][k]))
        for k in range(bins)
    ]


def expected_calibration_error(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    *,
    bins: int = BINS,
    weights: npt.ArrayLike | None = None,
) -> float:
    """The mean distance between confidence and accuracy over `reliability`'s bins, by how many are in each.

    NaN without predictions. Raises as `reliability`.
    """
    filled = [part for part in reliability(confidence, correct, bins=bins, weights=weights) if part.count]
    total = sum(part.count for part in filled)
    if not total:
        return float("nan")
    return sum(part.count * abs(part.confidence - part.accuracy) for part in filled) / total


def as_arrays(pairs: list[tuple[float, bool]]) -> tuple[FloatArray, FloatArray]:
    """`(confidence, correct)` pairs as two `[P]` arrays."""
    table = np.array(pairs, np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
