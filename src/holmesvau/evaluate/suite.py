"""All detection figures of a test set in one report, and reports as JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from holmesvau.ats.events import EventsConfig, find_events
from holmesvau.evaluate import detection
from holmesvau.evaluate.alarms import RECALLS, AlarmMetrics, alarm_metrics, runs
from holmesvau.evaluate.curves import VideoPrediction
from holmesvau.evaluate.localization import EventMetrics, LabelledSpan, ScoredSpan, event_metrics
from holmesvau.evaluate.predictions import Coverage
from holmesvau.evaluate.ranking import LabelArray
from holmesvau.evaluate.resampling import BootstrapConfig
from holmesvau.hivau.ground_truth import GroundTruth
from holmesvau.types import AnomalyCurve, FloatArray, Span


@dataclass(frozen=True, slots=True)
class DetectionReport:
    """Every detection figure of one run, and which videos they are about.

    `frames` are all frames together (micro), `anomalous_only` those of the anomalous videos, `video_level`
    one score a video. `events_from` says whether the events are the system's own or were found in its scores.
    `notes` are sentences on what a figure lacks.
    """

    coverage: Coverage
    frames: detection.FrameMetrics
    macro: detection.MacroMetrics
    anomalous_only: detection.FrameMetrics | None
    by_class: Mapping[str, detection.ClassMetrics]
    video_level: Mapping[str, detection.FrameMetrics]
    alarms: Sequence[AlarmMetrics]
    events: EventMetrics
    events_from: str
    notes: tuple[str, ...] = ()


def evaluate_detection(
    truth: Sequence[GroundTruth],
    predictions: Mapping[str, VideoPrediction],
    coverage: Coverage,
    *,
    bootstrap: BootstrapConfig | None = None,
    recalls: Sequence[float] = RECALLS,
    events: EventsConfig | None = None,
) -> DetectionReport:
    """The figures of the videos in `predictions`; the others of `truth` are left out, as `coverage` says.

    Where no prediction tells events, they are found in the scores with the settings `events`.
    """
    videos = {video.name: video for video in truth if video.name in predictions}
    labels = {name: video.frame_labels() for name, video in videos.items()}
    scores = {name: predictions[name].scores for name in videos}
    fps = {name: predictions[name].fps for name in videos}
    frames = detection.frame_metrics(labels, scores, bootstrap=bootstrap)
    odd = [name for name, video in videos.items() if video.is_anomalous]
    tells = any(predictions[name].events is not None for name in videos)
    guesses = {
        name: (predictions[name].events or ()) if tells else _found(predictions[name], events)
        for name in videos
    }
    known = {name: _events(video, labels[name], fps[name]) for name, video in videos.items()}
    return DetectionReport(
        coverage,
        frames,
        detection.macro_metrics(frames.per_video, bootstrap),
        detection.frame_metrics(
            {name: labels[name] for name in odd}, {name: scores[name] for name in odd}, bootstrap=bootstrap
        )
        if odd
        else None,
        detection.class_metrics(
            labels, scores, {name: video.labels for name, video in videos.items()}, bootstrap=bootstrap
        ),
        detection.video_metrics(
            {name: video.is_anomalous for name, video in videos.items()}, scores, bootstrap=bootstrap
        ),
        alarm_metrics(labels, scores, fps, recalls, bootstrap),
        event_metrics(known, guesses, bootstrap=bootstrap),
        "predictions" if tells else "scores",
        () if tells else _notes(scores),
    )


def to_json(value: Any) -> Any:
    """A report as JSON: dataclasses as objects, what does not exist (NaN) as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: to_json(part) for key, part in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(key): to_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _events(video: GroundTruth, labels: LabelArray, fps: float) -> list[LabelledSpan]:
    """The annotated events in seconds; overlapping intervals are one event."""
    return [LabelledSpan(Span(start / fps, end / fps), video.labels) for start, end in runs(labels == 1)]


def _notes(scores: Mapping[str, FloatArray]) -> tuple[str, ...]:
    outside = sum(bool(((part < 0) | (part > 1)).any()) for part in scores.values())
    if not outside:
        return ()
    return (
        f"Scores of {outside} of {len(scores)} videos leave the scale 0 to 1. Areas and alarms ask only for "
        "their order; the events were found in scores cut to that scale, and may be worth nothing.",
    )


def _found(prediction: VideoPrediction, config: EventsConfig | None) -> tuple[ScoredSpan, ...]:
    scores = prediction.scores
    seconds = np.arange(len(scores)) / prediction.fps
    clipped = np.clip(scores, 0, 1).astype(np.float32)
    curve = AnomalyCurve(seconds, clipped, np.arange(len(scores)), 1 / prediction.fps)
    return tuple(
        ScoredSpan(span, float(scores[(seconds >= span.start) & (seconds < span.end)].max()))
        for span in find_events(curve, config)
    )
