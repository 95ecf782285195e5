"""Event-level figures: do predicted events lie where the annotated ones do (temporal localization)?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from holmesvau.evaluate.resampling import BootstrapConfig, CountArray, Interval, interval, statistics
from holmesvau.types import FloatArray, Span

OVERLAPS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True, slots=True)
class ScoredSpan:
    """A predicted event: where, how sure, and of which class ("" where the system names none)."""

    span: Span
    score: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class LabelledSpan:
    """An annotated event; `labels` are the classes it may belong to."""

    span: Span
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OverlapMetrics:
    """Figures at one least temporal intersection over union.

    `precision`, `recall` and `f1` count every predicted event, `ap` walks down their scores (interpolated
    precision, as ActivityNet has it), whatever their class. `class_ap` is the mean over annotated classes of
    the same for events of that class alone; None when no prediction names a class.
    """

    tiou: float
    precision: float
    recall: float
    f1: float
    ap: float
    class_ap: float | None
    f1_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class EventMetrics:
    """Figures at each overlap; `map` and `class_map` are the means of theirs over the overlaps."""

    annotated: int
    predicted: int
    at: tuple[OverlapMetrics, ...]
    map: float
    class_map: float | None


def event_metrics(
    truth: Mapping[str, Sequence[LabelledSpan]],
    predictions: Mapping[str, Sequence[ScoredSpan]],
    overlaps: Sequence[float] = OVERLAPS,
    bootstrap: BootstrapConfig | None = None,
) -> EventMetrics:
    """Compare events video by video; videos that only one side has count with no events on the other.

    An annotated event is found by at most one prediction: the one of the highest score takes the free event
    it overlaps most, if by at least the wanted overlap. Without annotated events all figures are NaN.
    """
    videos = list(dict.fromkeys([*truth, *predictions]))
    known = {video: truth.get(video, ()) for video in videos}
    guessed = {video: predictions.get(video, ()) for video in videos}
    classes = sorted({label for events in known.values() for event in events for label in event.labels})
    names_classes = any(guess.label for guesses in guessed.values() for guess in guesses)
    at = []
    for tiou in overlaps:
        hits, scores, counts = _match(known, guessed, tiou)
        precision, recall, f1 = _rates(counts)
        class_ap = None
        if names_classes and classes:
            class_ap = float(np.mean([_class_ap(known, guessed, label, tiou) for label in classes]))
        spread = _f1_interval(counts, bootstrap)
        ap = interpolated_ap(hits, scores, int(counts[:, 2].sum()))
        at.append(OverlapMetrics(tiou, precision, recall, f1, ap, class_ap, spread))
    class_aps = [entry.class_ap for entry in at if entry.class_ap is not None]
    return EventMetrics(
        sum(map(len, known.values())),
        sum(map(len, guessed.values())),
        tuple(at),
        float(np.mean([entry.ap for entry in at])),
        float(np.mean(class_aps)) if class_aps else None,
    )


def interpolated_ap(hits: FloatArray, scores: FloatArray, annotated: int) -> float:
    """Average precision with the precision made falling; NaN without annotated events.

    `hits[P]` is 1 where a prediction found an event, `scores[P]` its score. Equal scores rank together.
    """
    if annotated == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(hits[order])
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)) if len(scores) else np.zeros(0, int)
    found = found[last]
    precision = np.maximum.accumulate((found / (last + 1))[::-1])[::-1]
    return float(np.dot(np.diff(found, prepend=0), precision)) / annotated


def _match(
    truth: Mapping[str, Sequence[LabelledSpan]], guesses: Mapping[str, Sequence[ScoredSpan]], tiou: float
) -> tuple[FloatArray, FloatArray, CountArray]:
    """Hits and scores of all predictions, and per video the counts `[V, 3]` found, predicted, annotated."""
    hits: list[float] = []
    scores: list[float] = []
    counts = []
    for video, events in truth.items():
        free = list(range(len(events)))
        found = 0
        for guess in sorted(guesses[video], key=lambda guess: -guess.score):
            overlap, best = max(((guess.span.iou(events[i].span), -i) for i in free), default=(-1.0, 0))
            # A tolerance: 0.3 / 0.6 of exact seconds must reach an overlap of 0.5.
            hit = overlap >= tiou - 1e-9
            if hit:
                free.remove(-best)
                found += 1
            hits.append(float(hit))
            scores.append(guess.score)
        counts.append((found, len(guesses[video]), len(events)))
    return np.array(hits), np.array(scores), np.array(counts, np.int64).reshape(-1, 3)


def _class_ap(
    truth: Mapping[str, Sequence[LabelledSpan]],
    guesses: Mapping[str, Sequence[ScoredSpan]],
    label: str,
    tiou: float,
) -> float:
    known = {video: [event for event in events if label in event.labels] for video, events in truth.items()}
    guessed = {video: [guess for guess in guesses[video] if guess.label == label] for video in truth}
    hits, scores, counts = _match(known, guessed, tiou)
    return interpolated_ap(hits, scores, int(counts[:, 2].sum()))


def _rates(counts: CountArray, weights: CountArray | None = None) -> tuple[float, float, float]:
    """Precision, recall and F1; without predictions precision is 0 where there was something to find."""
    found, predicted, annotated = (counts.sum(0) if weights is None else weights @ counts).tolist()
    if annotated == 0:
        return float("nan"), float("nan"), float("nan")
    return found / predicted if predicted else 0.0, found / annotated, 2 * found / (predicted + annotated)


def _f1_interval(counts: CountArray, bootstrap: BootstrapConfig | None) -> Interval | None:
    if bootstrap is None or bootstrap.resamples == 0:
        return None
    resampled = statistics(lambda weights: _rates(counts, weights)[2:], len(counts), bootstrap)
    return interval(resampled[:, 0], bootstrap)
