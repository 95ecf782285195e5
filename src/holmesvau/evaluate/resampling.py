"""Bootstrap intervals and paired tests, resampled by cluster: frames of a video are not independent, nor are
the rows that ask about the same video.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError
from holmesvau.types import FloatArray

CountArray = npt.NDArray[np.int64]
# numpy lets go of the interpreter in the long sums, so that two threads keep two cores busy.
THREADS = 2


@dataclass(frozen=True, kw_only=True)
class BootstrapConfig:
    """How often clusters are drawn again (0 for no intervals), how sure an interval is, and the seed.

    Raises:
        InputError: when `resamples` is negative or `confidence` does not lie between 0 and 1.
    """

    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resamples < 0:
            raise InputError(f"Bootstrap: {self.resamples} resamples: give 0 (no intervals) or more.")
        if not 0 < self.confidence < 1:
            raise InputError(f"Bootstrap: confidence = {self.confidence}: it must lie between 0 and 1.")


@dataclass(frozen=True, slots=True)
class Interval:
    """A percentile interval `[low, high]`; `undefined` counts resamples without such a figure."""

    low: float
    high: float
    undefined: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of run A minus that of run B on the same clusters, with its interval.

    `p_value` is two-sided: how often, doubled, a resampling puts the difference on the other side of 0.
    It is never below 2 / (resamples + 1).
    """

    value: float
    interval: Interval | None
    p_value: float | None


def draw(num_clusters: int, config: BootstrapConfig) -> CountArray:
    """How often each cluster is drawn in each resample: `int64[resamples, clusters]`."""
    generator = np.random.default_rng(config.seed)
    if num_clusters == 0:
        return np.zeros((config.resamples, 0), np.int64)
    return generator.multinomial(num_clusters, np.full(num_clusters, 1 / num_clusters), size=config.resamples)


def statistics(
    compute: Callable[[CountArray], tuple[float, ...]], num_clusters: int, config: BootstrapConfig
) -> FloatArray:
    """`compute(counts[clusters])` of every resample: `float64[resamples, figures]`, two at a time.

    All are NaN of a single cluster: drawn again it is always itself, which would look like certainty.
    """
    if num_clusters < 2:
        return np.full((config.resamples, len(compute(np.ones(num_clusters, np.int64)))), np.nan)
    with ThreadPoolExecutor(THREADS) as pool:
        return np.array(list(pool.map(compute, draw(num_clusters, config))), np.float64)


def interval(values: FloatArray, config: BootstrapConfig) -> Interval | None:
    """The percentile interval of one figure's resamples; None when none of them is defined."""
    defined = values[np.isfinite(values)]
    if not len(defined):
        return None
    rest = (1 - config.confidence) / 2
    low, high = np.quantile(defined, [rest, 1 - rest])
    return Interval(float(low), float(high), len(values) - len(defined))


def difference(value: float, resampled: FloatArray, config: BootstrapConfig) -> Difference:
    """A paired difference from the differences in each resample."""
    defined = resampled[np.isfinite(resampled)]
    if not len(defined):
        return Difference(value, None, None)
    other_side = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    p_value = min(1.0, 2 * (other_side + 1) / (len(defined) + 1))
    return Difference(value, interval(resampled, config), p_value)


def weighted_mean(values: FloatArray, counts: CountArray | None = None) -> float:
    """The mean of the values that are defined, each counted `counts` times; NaN when there is none."""
    defined = np.isfinite(values)
    weights = np.ones(len(values)) if counts is None else counts
    total = float(weights[defined].sum())
    return float(np.dot(values[defined], weights[defined])) / total if total else float("nan")
