"""Does an event get a frame at all? A question to samplers alone: no model is asked, no word said.

Curves are a scorer's, or made of the truth and noise: then hours of staged life cost nothing, because nobody
has to render them.

Shape legend: `T` dense frames, `V` videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from holmesvau.ats.events import EventsConfig, find_events
from holmesvau.ats.features import Progress
from holmesvau.describe import SamplerConfig, choose
from holmesvau.errors import InputError
from holmesvau.evaluate.ablation.scans import Scans
from holmesvau.evaluate.answering import TestSet
from holmesvau.evaluate.ranking import areas
from holmesvau.evaluate.resampling import BootstrapConfig, CountArray, Interval, interval, statistics
from holmesvau.evaluate.text import source_video
from holmesvau.sim.plan import Settings, plan
from holmesvau.types import AnomalyCurve, FloatArray, Span

METHODS = ("uniform", "topk", "density", "density-reference", "event-first")
STRIDE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Curves:
    """Curves of videos and the true events in them: `source` says whose curves they are."""

    source: str
    curves: Mapping[str, AnomalyCurve]
    events: Mapping[str, Sequence[Span]]

    @property
    def hours(self) -> float:
        """Of video."""
        return sum(len(curve) * curve.stride_seconds for curve in self.curves.values()) / 3600


@dataclass(frozen=True, slots=True)
class Covered:
    """One sampler and number of frames: `seen` of `events` have a chosen frame in them.

    `frames_an_event` is how many they have on average; `inside` the share of all chosen frames that lie in an
    event. The interval resamples videos.
    """

    source: str
    method: str
    num_frames: int
    videos: int
    events: int
    seen: int
    share: float
    share_interval: Interval | None
    frames_an_event: float
    inside: float


@dataclass(frozen=True, slots=True)
class CoverageReport:
    """All samplers on all curves; `frame_auc` says how good the curves are (NaN without events)."""

    cells: tuple[Covered, ...]
    frame_auc: Mapping[str, float]
    hours: Mapping[str, float]


def coverage(
    sources: Sequence[Curves],
    *,
    methods: Sequence[str] = METHODS,
    frames: Sequence[int] = (8, 16, 32),
    tau: float = 0.1,
    bootstrap: BootstrapConfig | None = None,
) -> CoverageReport:
    """How often samplers give a true event at least one frame of the whole video.

    `event-first` is told the events that `find_events` finds in the curve, as in the pipeline.

    Raises:
        InputError: when there is no event, or for an unknown sampler.
    """
    for curves in sources:
        if not any(curves.events.values()):
            raise InputError(f"{curves.source}: there is no event that a sampler could see.")
    cells = [
        _covered(curves, SamplerConfig(method=method, num_frames=count, tau=tau), bootstrap)
        for curves, count, method in product(sources, frames, methods)
    ]
    return CoverageReport(
        tuple(cells),
        {curves.source: _auc(curves) for curves in sources},
        {curves.source: curves.hours for curves in sources},
    )


def holds(span: Span, seconds: FloatArray) -> int:
    """How many of these times lie in a span."""
    return int(((seconds >= span.start) & (seconds < span.end)).sum())


def noisy_truth(
    num_videos: int, minutes: float, *, seed: int = 0, stride_seconds: float = STRIDE_SECONDS
) -> Curves:
    """Staged videos of `minutes` each, never rendered, with curves of the truth and noise.

    Every video holds anomalies (`sim.plan`). A good scorer is imitated, not a perfect one: inside an event
    the score is 0.6 to 0.9, outside about 0.1, both with noise that lasts some seconds; every two minutes
    something ordinary scores 0.3 to 0.75 for some seconds, and an event's edges are off by up to two.
    """
    seconds = 60.0 * minutes
    settings = Settings(seed=seed, split="test", duration=(seconds, seconds), anomalous_share=1.0, busy=0.0)
    curves, events = {}, {}
    for number in range(num_videos):
        planned = plan(settings, number)
        spans = [Span(event["start"], event["end"]) for event in planned.record["events"]]
        rng = np.random.default_rng([seed, number])
        curves[planned.name] = _imitated(seconds, spans, stride_seconds, rng)
        events[planned.name] = spans
    return Curves(f"truth with noise, {minutes:g} min", curves, events)


def scored(test: TestSet, scans: Scans, progress: Progress | None = None) -> Curves:
    """The scorer's own curves of the anomalous videos of a test set, as far as their files are there.

    Raises:
        InputError: when none is. VideoError: when one cannot be read.
    """
    paths = {
        name: path
        for name in dict.fromkeys(source_video(row) for row in test.rows)
        if (path := test.root / name).is_file() and test.annotations[path.stem].is_anomalous
    }
    if not paths:
        raise InputError(f"{test.root}: has no anomalous video of this split.")
    curves = {}
    for path in paths.values():
        curves[path.stem] = scans.of(path).curve
        if progress is not None:
            progress("scanning videos", len(curves), len(paths))
    events = {name: [event.span for event in test.annotations[name].events] for name in curves}
    return Curves(f"scorer {next(iter(curves.values())).scorer}", curves, events)


def _imitated(
    duration: float, events: Sequence[Span], stride: float, rng: np.random.Generator
) -> AnomalyCurve:
    seconds = np.arange(0.0, duration, stride)
    level = np.full(len(seconds), 0.1)
    for _ in range(rng.poisson(duration / 120)):
        start, length = rng.uniform(0, duration), rng.uniform(1, 6)
        level[(seconds >= start) & (seconds < start + length)] = rng.uniform(0.3, 0.75)
    for event in events:
        start, end = event.start + rng.uniform(-2, 2), event.end + rng.uniform(-2, 2)
        level[(seconds >= start) & (seconds < max(end, start + stride))] = rng.uniform(0.6, 0.9)
    noise = np.convolve(rng.normal(0, 0.12, len(seconds) + 4), np.full(5, 5**-0.5), mode="valid")
    scores = np.clip(level + noise, 0, 1).astype(np.float32)
    return AnomalyCurve(seconds, scores, np.arange(len(seconds)), stride, "truth with noise")


def _covered(curves: Curves, sampler: SamplerConfig, bootstrap: BootstrapConfig | None) -> Covered:
    assert sampler.num_frames is not None
    # By video: events, seen, frames in events, frames.
    tally = np.zeros((len(curves.curves), 4), np.int64)
    for number, (name, curve) in enumerate(curves.curves.items()):
        found = find_events(curve, EventsConfig())
        index = choose(curve, sampler.num_frames, sampler, events=found)
        chosen = curve.seconds[np.searchsorted(curve.index, index)]
        inside = [holds(event, chosen) for event in curves.events[name]]
        tally[number] = len(inside), sum(count > 0 for count in inside), sum(inside), len(chosen)
    events, seen, inside_all, frames = tally.sum(0).tolist()
    spread = None
    if bootstrap is not None and bootstrap.resamples:

        def share(weights: CountArray) -> tuple[float, ...]:
            drawn = (weights @ tally).tolist()
            return (drawn[1] / drawn[0] if drawn[0] else float("nan"),)

        spread = interval(statistics(share, len(tally), bootstrap)[:, 0], bootstrap)
    return Covered(
        curves.source,
        sampler.method,
        sampler.num_frames,
        len(tally),
        events,
        seen,
        seen / events,
        spread,
        inside_all / events,
        inside_all / frames,
    )


def _auc(curves: Curves) -> float:
    """Of the dense frames of all videos together."""
    labels = [
        np.any([(curve.seconds >= e.start) & (curve.seconds < e.end) for e in curves.events[name]], axis=0)
        if curves.events[name]
        else np.zeros(len(curve), bool)
        for name, curve in curves.curves.items()
    ]
    scores = [curve.scores.astype(np.float64) for curve in curves.curves.values()]
    return areas(np.concatenate(labels).astype(np.uint8), np.concatenate(scores)).auc
