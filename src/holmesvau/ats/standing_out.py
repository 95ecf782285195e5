"""Stretches that stand out of a curve of scores, at every length at once, each with how sure that is.

A moving average of `w` frames is compared with its own median and spread over the whole video, so that a weak
score held for a while counts as much as a strong one for an instant, and a scorer's noise, whatever its
colour, sets its own bar.

Shape legend: `T` dense frames.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from holmesvau.types import FloatArray

# A stretch whose mean does not rise this far above the background is calm, however even the background is.
LEAST_EXCESS = 0.1
# Least spread of a single normal score, beside 1 for independent noise: many equal scores must not shrink it
# to 0.
LEAST_SPREAD = 0.5
# Standard deviations a stretch must stand out beyond what chance alone lifts the best of its length to: at
# least so much to be looked at, and to be taken for an event.
CANDIDATE, EVENT = -1.0, 1.0
# How often a stretch of a strength is an event, as a logistic curve: measured on simulated curves of frame
# AUC .7 to .9 (`benchmarks/results/sampler.md`).
HALF_SURE, STEEPNESS = 0.9, 2.2


@dataclass(frozen=True, slots=True)
class Stretch:
    """Dense frames `[start, end)` that stand `strength` standard deviations above the best of chance."""

    start: int
    end: int
    strength: float

    @property
    def likely(self) -> float:
        """How often such a stretch is an event, in (0, 1)."""
        return 1 / (1 + math.exp(-STEEPNESS * max(-20.0, min(20.0, self.strength - HALF_SURE))))


@dataclass(frozen=True, slots=True)
class _Level:
    """Averages over `width` frames: their median, their spread times the root of the width, and how many
    spreads chance lifts the best of them.
    """

    width: int
    middle: float
    noise: float
    chance: float

    def strength(self, mean: npt.NDArray[np.float64], width: int) -> npt.NDArray[np.float64]:
        """Of averages over `width` frames, which this level is the nearest to."""
        found: npt.NDArray[np.float64] = (mean - self.middle) * (width**0.5 / self.noise) - self.chance
        return found


class Landscape:
    """A curve `scores[T]` with its noise known at every length."""

    def __init__(self, scores: FloatArray) -> None:
        # Quantiles of ranks, so that a scorer's own scale, skew and saturation do not matter.
        self._normal = np.concatenate([[0.0], np.cumsum(_normal_scores(scores))])
        self._excess = np.concatenate([[0.0], np.cumsum(scores - np.median(scores))])
        self._levels: list[_Level] = []
        noise = LEAST_SPREAD
        for width in _widths(len(scores)):
            mean = self._means(width)
            # A quarter of the windows' length between samples loses nothing of their distribution. The spread
            # is taken below the median only: what stands above it are the events. Noise that lasts averages
            # out more slowly than independent noise, never faster.
            low, middle = np.quantile(mean[:: max(1, width // 4)], [0.1587, 0.5])
            noise = max(float(middle - low) * width**0.5, noise)
            # Short windows are many, so that chance alone lifts the best of them higher.
            chance = math.sqrt(2 * math.log(max(1.0, len(mean) / width)))
            self._levels.append(_Level(width, float(middle), noise, chance))

    def of(self, start: int, end: int) -> Stretch:
        """The strength of a given stretch."""
        width = end - start
        level = self._levels[bisect_right([level.width for level in self._levels], width) - 1]
        mean = np.array((self._normal[end] - self._normal[start]) / width)
        return Stretch(start, end, float(level.strength(mean, width)))

    def standing_out(self, limit: int) -> list[Stretch]:
        """Up to `limit` disjoint stretches, the strongest of any length first; what touches it is out."""
        found = np.concatenate([self._peaks(level) for level in self._levels])
        found = found[np.lexsort((found["start"], -found["strength"]))]
        stretches: list[Stretch] = []
        while len(found) and len(stretches) < limit:
            best = Stretch(int(found["start"][0]), int(found["end"][0]), float(found["strength"][0]))
            stretches.append(best)
            # The windows' lengths are coarse: what is left of an event beside its window is not another
            # event.
            margin = 1 + (best.end - best.start) // 4
            found = found[(found["start"] >= best.end + margin) | (found["end"] <= best.start - margin)]
        return stretches

    def _means(self, width: int) -> npt.NDArray[np.float64]:
        means: npt.NDArray[np.float64] = (self._normal[width:] - self._normal[:-width]) / width
        return means

    def _peaks(self, level: _Level) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        """The strongest window that begins in each block of its own length, where it stands out."""
        width, mean = level.width, self._means(level.width)
        blocks = -(-len(mean) // width)
        padded = np.full(blocks * width, -np.inf)
        padded[: len(mean)] = mean
        start = padded.reshape(blocks, width).argmax(axis=1) + np.arange(blocks) * width
        strength = level.strength(mean[start], width)
        risen = self._excess[start + width] - self._excess[start] >= LEAST_EXCESS * width
        keep = (strength >= CANDIDATE) & risen
        peaks = np.empty(
            int(keep.sum()), dtype=[("strength", np.float64), ("start", np.int64), ("end", np.int64)]
        )
        peaks["strength"], peaks["start"], peaks["end"] = strength[keep], start[keep], start[keep] + width
        return peaks


def standing_out(scores: FloatArray, limit: int) -> list[Stretch]:
    """Up to `limit` disjoint stretches that stand out of `scores[T]`, the strongest first."""
    return Landscape(scores).standing_out(limit)


def _widths(num_dense: int) -> list[int]:
    """Window lengths in frames, two an octave, up to an eighth of the video: of longer ones there are too few
    to know their spread.
    """
    longest = max(1, num_dense // 8)
    octaves = [2**k for k in range(longest.bit_length())]
    return [
        width for power in octaves for width in dict.fromkeys((power, power * 3 // 2)) if width <= longest
    ]


def _normal_scores(scores: FloatArray) -> FloatArray:
    """Each score replaced by the quantile of its rank in a standard normal distribution; equal scores stay
    equal.
    """
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - counts / 2) / len(scores)
    grid = np.linspace(-6, 6, 1201)
    quantiles: FloatArray = np.interp(rank, [NormalDist().cdf(z) for z in grid], grid)
    return quantiles[inverse]
