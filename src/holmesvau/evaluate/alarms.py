"""What a guard would notice: false alarms per hour of normal video, and how late the first alarm comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError
from holmesvau.evaluate.resampling import BootstrapConfig, CountArray, Interval, interval, statistics
from holmesvau.types import FloatArray

RECALLS = (0.5, 0.7, 0.9)


@dataclass(frozen=True, slots=True)
class AlarmMetrics:
    """Alarms at the highest threshold that finds at least `recall` of the events.

    An event is found when a frame of it scores at least `threshold`; `found` of `events` are. A false alarm
    is an unbroken run of such frames in a video without any abnormal frame. `false_alarms_per_hour` is None
    where there is no normal video. Delays are seconds from the start of a found event to its first such
    frame; 0.0 for an alarm that was on already. The intervals resample videos at this threshold.
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
    false_alarms_per_hour_interval: Interval | None = None
    delay_median_interval: Interval | None = None


def alarm_metrics(
    labels: Mapping[str, npt.NDArray[np.uint8]],
    scores: Mapping[str, FloatArray],
    fps: Mapping[str, float],
    recalls: Sequence[float] = RECALLS,
    bootstrap: BootstrapConfig | None = None,
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
        late = [
            (video, int(np.argmax(scores[video][start:end] >= threshold)) / fps[video])
            for video, start, end in events
            if scores[video][start:end].max() >= threshold
        ]
        delays = np.array([delay for _, delay in late])
        false = {video: len(runs(scores[video] >= threshold)) for video in normal}
        alarms = sum(false.values())
        length = {video: len(labels[video]) / fps[video] / 3600 for video in normal}
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
                _hourly_interval(list(false.values()), list(length.values()), bootstrap),
                _delay_interval(late, bootstrap),
            )
        )
    return found


def _hourly_interval(
    alarms: Sequence[int], hours: Sequence[float], bootstrap: BootstrapConfig | None
) -> Interval | None:
    if bootstrap is None or not bootstrap.resamples or not alarms:
        return None
    counts, lengths = np.array(alarms, np.float64), np.array(hours)
    resampled = statistics(
        lambda weights: (float(weights @ counts / (weights @ lengths)),), len(alarms), bootstrap
    )
    return interval(resampled[:, 0], bootstrap)


def _delay_interval(late: Sequence[tuple[str, float]], bootstrap: BootstrapConfig | None) -> Interval | None:
    if bootstrap is None or not bootstrap.resamples:
        return None
    numbers = {video: number for number, video in enumerate(dict.fromkeys(video for video, _ in late))}
    of = np.array([numbers[video] for video, _ in late], np.int64)
    delays = np.array([delay for _, delay in late])

    def median(weights: CountArray) -> tuple[float, ...]:
        drawn = np.repeat(delays, weights[of])
        return (float(np.median(drawn)) if len(drawn) else float("nan"),)

    return interval(statistics(median, len(numbers), bootstrap)[:, 0], bootstrap)


def runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The unbroken runs of True as half-open `(start, end)`, in order."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return list(zip(starts.tolist(), ends.tolist(), strict=True))
