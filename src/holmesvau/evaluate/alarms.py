"""What a guard would notice: false alarms per hour of normal video, and how late the first alarm comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError
from holmesvau.types import FloatArray

RECALLS = (0.5, 0.7, 0.9)


@dataclass(frozen=True, slots=True)
class AlarmMetrics:
    """Alarms at the highest threshold that finds at least `recall` of the events.

    An event is found when a frame of it scores at least `threshold`; `found` of `events` are. A false alarm
    is an unbroken run of such frames in a video without any abnormal frame. `false_alarms_per_hour` is None
    where there is no normal video. Delays are seconds from the start of a found event to its first such
    frame; 0.0 for an alarm that was on already.
    """

    recall: float
    threshold: float
    found: int
    events: int
    false_alarms: int
    normal_hours: float
    false_alarms_per_hour: float | None
    delay_median_seconds: float
    delay_mean_seconds: float
    delay_90_percent_seconds: float


def alarm_metrics(
    labels: Mapping[str, npt.NDArray[np.uint8]],
    scores: Mapping[str, FloatArray],
    fps: Mapping[str, float],
    recalls: Sequence[float] = RECALLS,
) -> list[AlarmMetrics]:
    """Alarms at each wanted recall of events; empty when there are no events.

    `labels[video]` and `scores[video]` are `[frames]`, `fps[video]` frames a second. An event is an unbroken
    run of abnormal frames.

    Raises:
        InputError: when a recall does not lie in (0, 1].
    """
    for recall in recalls:
        if not 0 < recall <= 1:
            raise InputError(f"A recall of {recall} cannot be asked for: give one above 0 and at most 1.")
    events = [(video, start, end) for video in labels for start, end in runs(labels[video] == 1)]
    if not events:
        return []
    peaks = np.sort([scores[video][start:end].max() for video, start, end in events])[::-1]
    normal = [video for video in labels if not labels[video].any()]
    hours = sum(len(labels[video]) / fps[video] for video in normal) / 3600
    found = []
    for recall in recalls:
        # Guarded against 0.7 * 10 = 7.000000000000001, which would ask for an eighth event.
        wanted = int(np.ceil(recall * len(events) - 1e-9))
        threshold = float(peaks[wanted - 1])
        delays = np.array(
            [
                int(np.argmax(scores[video][start:end] >= threshold)) / fps[video]
                for video, start, end in events
                if scores[video][start:end].max() >= threshold
            ]
        )
        alarms = sum(len(runs(scores[video] >= threshold)) for video in normal)
        found.append(
            AlarmMetrics(
                recall,
                threshold,
                len(delays),
                len(events),
                alarms,
                hours,
                alarms / hours if hours else None,
                float(np.median(delays)),
                float(delays.mean()),
                float(np.quantile(delays, 0.9)),
            )
        )
    return found


def runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The unbroken runs of True as half-open `(start, end)`, in order."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return list(zip(starts.tolist(), ends.tolist(), strict=True))
