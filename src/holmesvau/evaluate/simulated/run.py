"""Render, watch, evaluate: the whole of `holmesvau eval sim` as one call."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holmesvau import sim
from holmesvau.errors import InputError
from holmesvau.evaluate.pipelines import PipelineOptions
from holmesvau.evaluate.resampling import BootstrapConfig
from holmesvau.evaluate.simulated import baseline
from holmesvau.evaluate.simulated.figures import SimulatedReport, evaluate
from holmesvau.evaluate.simulated.truth import SimulatedVideo, load
from holmesvau.evaluate.simulated.watching import Progress, watch_all
from holmesvau.sim.dataset import DATASET, Generated
from holmesvau.types import Report


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedRun:
    """What came out, and what it took: seconds of the wall clock, and of `watch` summed over the videos."""

    report: SimulatedReport
    videos: tuple[SimulatedVideo, ...]
    reports: Mapping[str, Report]
    constant: Mapping[str, str]
    rendered: int
    reused: int
    seconds_taken: float
    seconds_rendering: float
    seconds_watching: float


def run(
    root: str | Path,
    num_videos: int,
    seed: int,
    options: PipelineOptions,
    *,
    split: str = "test",
    train: str | Path | None = None,
    bootstrap: BootstrapConfig | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> SimulatedRun:
    """Evaluate a pipeline on simulated videos in the folder `root`; `settings` are `sim.generate`'s.

    What is rendered or watched there already, with the same settings and the same pipeline, is used as it
    is, so that an interrupted call goes on when repeated. Reports are kept in `root/reports/FINGERPRINT`,
    with `detection.jsonl`, the predictions that `holmesvau eval detection` takes.

    Raises:
        InputError: when the folder holds another split's settings, or nothing can be staged.
        HolmesError: when a video cannot be watched, or the model not be loaded.
    """
    started = time.perf_counter()
    root = Path(root)
    made = _rendered(root, num_videos, seed, split=split, workers=workers, progress=progress, **settings)
    seconds_rendering = time.perf_counter() - started
    videos = tuple(load(root, split, limit=num_videos))
    folder = root / "reports" / options.fingerprint()
    watched = watch_all(
        {video.key: video.path for video in videos}, folder, options, workers=workers, progress=progress
    )
    reports = {video.name: watched.reports[video.key] for video in videos}
    write_predictions(folder / "detection.jsonl", videos, reports)
    constant = baseline.most_frequent(baseline.training_events(train))
    report = evaluate(videos, reports, constant, bootstrap=bootstrap)
    return SimulatedRun(
        report,
        videos,
        reports,
        constant,
        made.rendered,
        watched.reused,
        time.perf_counter() - started,
        seconds_rendering,
        sum(report.timing.get("total", 0.0) for report in reports.values()),
    )


def _rendered(root: Path, num_videos: int, seed: int, *, split: str, **settings: Any) -> Generated:
    """The split, with at least as many videos as it had: a smaller evaluation drops none of a larger one."""
    there = 0
    with suppress(OSError, ValueError, KeyError):
        there = len(json.loads((root / f"{DATASET}_{split}.json").read_text(encoding="utf-8"))["videos"])
    if num_videos < 1:
        raise InputError(f"{num_videos} videos: give a number from 1 on.")
    return sim.generate(root, max(num_videos, there), seed, split=split, **settings)


def write_predictions(
    path: str | Path, videos: tuple[SimulatedVideo, ...], reports: Mapping[str, Report]
) -> Path:
    """The reports as detection predictions (`schemas/detection-prediction.schema.json`).

    Raises:
        OutputError: when the file cannot be written.
    """
    from holmesvau.evaluate.simulated.matching import called
    from holmesvau.hivau.files import write_text

    lines = []
    for video in videos:
        report = reports[video.name]
        events = [
            {"start": e.span.start, "end": e.span.end, "score": e.confidence, "label": e.label}
            for e in called(report.events)
        ]
        lines.append(
            {
                "video": video.name,
                "fps": video.fps,
                "num_frames": video.num_frames,
                "seconds": report.curve.seconds.tolist(),
                "scores": report.curve.scores.tolist(),
                "events": events,
            }
        )
    return write_text(path, "".join(json.dumps(line) + "\n" for line in lines))
