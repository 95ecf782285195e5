"""The chance that a sampler misses an event, by length of the video, of the event, and by scorer.

    python benchmarks/sampler.py                        simulated curves, one minute to a day
    python benchmarks/sampler.py --rendered 10          and rendered videos of five minutes, scored by `novelty`
    python benchmarks/sampler.py --quick                a few runs of each, to look at

A simulated scorer gives every dense frame (two a second) a standard normal number, plus the same for the frames of
an event as makes its frame AUC what is said, squashed into [0, 1]. Its noise is `white`; `lasting` (60 % of its
variance has a correlation time of 2 s, as real curves have); or `bumps`: lasting, and every two minutes something
ordinary looks half to wholly like an event for 2 to 10 s. Events differ in strength by a quarter. A near-perfect scorer
gives 0.85 to 1 in events and up to 0.05 elsewhere. `event-first` is told what `find_events` finds, as in `watch`.
Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from tempfile import TemporaryDirectory

import numpy as np

from holmesvau import sim
from holmesvau.ats.events import find_events
from holmesvau.ats.samplers import sample
from holmesvau.evaluate import ablation
from holmesvau.evaluate.ablation.coverage import METHODS, CoverageReport
from holmesvau.evaluate.ablation.scans import Scans
from holmesvau.evaluate.answering import load_test_set
from holmesvau.evaluate.pipelines import PipelineOptions
from holmesvau.evaluate.ranking import areas
from holmesvau.evaluate.resampling import BootstrapConfig
from holmesvau.types import AnomalyCurve

STRIDE = 0.5
FRAMES = (8, 16, 32)
MINUTES = (1, 5, 15, 60, 240, 1440)
EVENT_SECONDS = (2, 5, 10, 30, 60)
RENDERED_SEED = 90_001

GRID = np.linspace(-8, 8, 3201)
SQUASH = np.array([NormalDist().cdf(z) for z in GRID])
Range = tuple[int, int]


@dataclass(frozen=True)
class SimulatedScorer:
    """Frame AUC 1 is the near-perfect one; `noise` is white, lasting or bumps."""

    auc: float
    noise: str = "white"

    def __str__(self) -> str:
        return "near-perfect" if self.auc == 1 else f"AUC {self.auc:g}, {self.noise}"

    def scores(self, num_dense: int, events: Sequence[Range], rng: np.random.Generator) -> np.ndarray:
        """A curve `[T]` float64 in [0, 1]."""
        if self.auc == 1:
            scores = rng.uniform(0, 0.05, num_dense)
            for start, end in events:
                scores[start:end] = rng.uniform(0.85, 1, end - start)
            return scores
        level = self._background(num_dense, rng)
        for start, end in events:
            level[start:end] += self._separation() * rng.normal(1, 0.25)
        noise = rng.normal(size=num_dense)
        if self.noise != "white":
            rho = np.exp(-STRIDE / 2)
            kernel = rho ** np.arange(32)
            slow = np.convolve(rng.normal(size=num_dense + 31), kernel, mode="valid") * np.sqrt(1 - rho**2)
            noise = np.sqrt(0.4) * noise + np.sqrt(0.6) * slow
        return np.interp(level + noise - 1.5, GRID, SQUASH)

    def _background(self, num_dense: int, rng: np.random.Generator) -> np.ndarray:
        level = np.zeros(num_dense)
        if self.noise == "bumps":
            for _ in range(rng.poisson(num_dense * STRIDE / 120)):
                start, length = rng.integers(num_dense), int(rng.uniform(2, 10) / STRIDE)
                level[start : start + length] = self._separation() * rng.uniform(0.5, 1)
        return level

    def _separation(self) -> float:
        """Standard deviations between an event's frames and others. In 5 % of the time there is a bump."""
        if self.noise != "bumps":
            return NormalDist().inv_cdf(self.auc) * 2**0.5
        low, high = 0.0, 6.0
        for _ in range(40):
            middle = (low + high) / 2
            inside = np.mean(
                [NormalDist().cdf(middle * (1 - part) / 2**0.5) for part in np.linspace(0.5, 1, 11)]
            )
            reached = 0.95 * NormalDist().cdf(middle / 2**0.5) + 0.05 * inside
            low, high = (middle, high) if reached < self.auc else (low, middle)
        return low


def found(scores: np.ndarray) -> list[Range]:
    """What the pipeline takes for events, as dense frames."""
    count = len(scores)
    curve = AnomalyCurve(
        np.arange(count) * STRIDE, scores.astype(np.float32), np.arange(count), STRIDE, "simulated"
    )
    ranges = [(round(span.start / STRIDE), round(span.end / STRIDE)) for span in find_events(curve)]
    return [(start, end) for start, end in ranges if start < end]


def placed(num_dense: int, lengths: Sequence[int], rng: np.random.Generator) -> list[Range]:
    """Events of these lengths, a second apart at least."""
    lengths = [min(length, max(1, num_dense // (2 * len(lengths)))) for length in lengths]
    free = num_dense - sum(lengths) - 2 * len(lengths)
    gaps = np.sort(rng.integers(0, free + 1, len(lengths)))
    events, used = [], 0
    for gap, length in zip(gaps, lengths, strict=True):
        events.append((int(gap) + used, int(gap) + used + length))
        used += length + 2
    return events


def missed(
    scorer: SimulatedScorer,
    minutes: int,
    lengths: Sequence[int],
    runs: int,
    seed: int,
    methods: Sequence[str] = METHODS,
) -> tuple[dict[tuple[str, int], int], int, float]:
    """How many events each (sampler, frames) misses, of how many, and the scorer's frame AUC."""
    num_dense, tally, total = (
        round(minutes * 60 / STRIDE),
        dict.fromkeys(((method, count) for method in methods for count in FRAMES), 0),
        0,
    )
    aucs = []
    for run in range(runs):
        rng = np.random.default_rng([seed, minutes, run, *lengths])
        events = placed(num_dense, [round(length / STRIDE) for length in lengths], rng)
        scores = scorer.scores(num_dense, events, rng)
        total += len(events)
        if run < 5:
            labels = np.zeros(num_dense, np.uint8)
            for start, end in events:
                labels[start:end] = 1
            aucs.append(areas(labels, scores).auc)
        told = found(scores)
        for method, count in tally:
            chosen = sample(scores, count, method=method, events=told)
            tally[method, count] += sum(
                not ((chosen >= start) & (chosen < end)).any() for start, end in events
            )
    return tally, total, float(np.mean(aucs))
