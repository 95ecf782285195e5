"""Event-level figures: do predicted events lie where the annotated ones do (temporal localization)?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from holmesvau.evaluate.resampling import BootstrapConfig, CountArray, Interval, draw, interval, weighted_mean
from holmesvau.types import FloatArray, Span

OVERLAPS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
# Memory is this many rows of all predictions.
_RESAMPLES_AT_ONCE = 64


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
    precision_interval: Interval | None = None
    recall_interval: Interval | None = None
    ap_interval: Interval | None = None
    class_ap_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class EventMetrics:
    """Figures at each overlap; `map` and `class_map` are the means of theirs over the overlaps."""

    annotated: int
    predicted: int
    at: tuple[OverlapMetrics, ...]
    map: float
    class_map: float | None
    map_interval: Interval | None = None
    class_map_interval: Interval | None = None


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
    if not any(guess.label for guesses in guessed.values() for guess in guesses):
        classes = []
    resamples = None
    if bootstrap is not None and bootstrap.resamples and len(videos) > 1:
        resamples = draw(len(videos), bootstrap)
    at = [_at(known, guessed, tiou, classes, resamples) for tiou in overlaps]
    entries = [_metrics(tiou, found, bootstrap) for tiou, found in zip(overlaps, at, strict=True)]
    class_aps = [entry.class_ap for entry in entries if entry.class_ap is not None]
    return EventMetrics(
        sum(map(len, known.values())),
        sum(map(len, guessed.values())),
        tuple(entries),
        float(np.mean([entry.ap for entry in entries])),
        float(np.mean(class_aps)) if class_aps else None,
        _spread([found.ap for found in at], bootstrap),
        _spread([found.class_ap for found in at if found.class_ap is not None], bootstrap),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Figures at one overlap: of all videos first, then of each resampling (`[1 + R]`)."""

    precision: FloatArray
    recall: FloatArray
    f1: FloatArray
    ap: FloatArray
    class_ap: FloatArray | None


def _at(
    known: Mapping[str, Sequence[LabelledSpan]],
    guessed: Mapping[str, Sequence[ScoredSpan]],
    tiou: float,
    classes: Sequence[str],
    resamples: CountArray | None,
) -> _Found:
    whole = np.ones((1, len(known)), np.int64)
    weights = whole if resamples is None else np.vstack([whole, resamples])
    match = _match(known, guessed, tiou)
    rates = np.array([_rates(match.counts, row) for row in weights]).reshape(-1, 3)
    class_ap = None
    if classes:
        of_class = [
            _weighted_ap(_match(*_of_class(known, guessed, label), tiou), weights) for label in classes
        ]
        with np.errstate(invalid="ignore"):
            # Classes that a resampling lost have no figure in it.
            class_ap = np.array([weighted_mean(column) for column in np.transpose(of_class)])
    return _Found(rates[:, 0], rates[:, 1], rates[:, 2], _weighted_ap(match, weights), class_ap)


def _metrics(tiou: float, found: _Found, bootstrap: BootstrapConfig | None) -> OverlapMetrics:
    precision, recall, f1, ap = (
        float(values[0]) for values in (found.precision, found.recall, found.f1, found.ap)
    )
    return OverlapMetrics(
        tiou,
        precision,
        recall,
        f1,
        ap,
        None if found.class_ap is None else float(found.class_ap[0]),
        _spread([found.f1], bootstrap),
        _spread([found.precision], bootstrap),
        _spread([found.recall], bootstrap),
        _spread([found.ap], bootstrap),
        None if found.class_ap is None else _spread([found.class_ap], bootstrap),
    )


def _spread(figures: Sequence[FloatArray], bootstrap: BootstrapConfig | None) -> Interval | None:
    """The interval of the mean of figures `[1 + R]`, from their resamplings."""
    if bootstrap is None or not figures or len(figures[0]) == 1:
        return None
    return interval(np.mean([values[1:] for values in figures], axis=0), bootstrap)


def interpolated_ap(hits: FloatArray, scores: FloatArray, annotated: int) -> float:
    """Average precision with the precision made falling; NaN without annotated events.

    `hits[P]` is 1 where a prediction found an event, `scores[P]` its score. Equal scores rank together.
    """
    match = _Match(hits, scores, np.zeros(len(hits), np.int64), np.array([[0, 0, annotated]]))
    return float(_weighted_ap(match, np.ones((1, 1), np.int64))[0])


@dataclass(frozen=True, slots=True, eq=False)
class _Match:
    """Of `P` predictions whether each found an event (`hits`), its score and the number of its video.

    `counts[V, 3]` are each video's events found, predicted and annotated.
    """

    hits: FloatArray
    scores: FloatArray
    video: CountArray
    counts: CountArray


def _weighted_ap(match: _Match, weights: CountArray) -> FloatArray:
    """Interpolated average precision `[R]` when video `v` counts `weights[R, V]` times."""
    if len(weights) > _RESAMPLES_AT_ONCE:
        parts = np.split(weights, range(_RESAMPLES_AT_ONCE, len(weights), _RESAMPLES_AT_ONCE))
        return np.concatenate([_weighted_ap(match, part) for part in parts])
    annotated = weights @ match.counts[:, 2]
    order = np.argsort(-match.scores, kind="stable")
    times = weights[:, match.video[order]].astype(np.float64)
    last = np.flatnonzero(np.append(np.diff(match.scores[order]) != 0, True)) if len(order) else order
    found = np.cumsum(times * match.hits[order], axis=1)[:, last]
    guessed = np.cumsum(times, axis=1)[:, last]
    precision = found / np.maximum(guessed, 1)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    gained = (np.diff(found, axis=1, prepend=0) * precision).sum(1)
    return np.divide(gained, annotated, out=np.full(len(weights), np.nan), where=annotated > 0)


def _match(
    truth: Mapping[str, Sequence[LabelledSpan]], guesses: Mapping[str, Sequence[ScoredSpan]], tiou: float
) -> _Match:
    hits: list[float] = []
    scores: list[float] = []
    numbers: list[int] = []
    counts = []
    for number, (video, events) in enumerate(truth.items()):
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
            numbers.append(number)
        counts.append((found, len(guesses[video]), len(events)))
    table = np.array(counts, np.int64).reshape(-1, 3)
    return _Match(np.array(hits), np.array(scores), np.array(numbers, np.int64), table)


def _of_class(
    truth: Mapping[str, Sequence[LabelledSpan]], guesses: Mapping[str, Sequence[ScoredSpan]], label: str
) -> tuple[dict[str, list[LabelledSpan]], dict[str, list[ScoredSpan]]]:
    known = {video: [event for event in events if label in event.labels] for video, events in truth.items()}
    guessed = {video: [guess for guess in guesses[video] if guess.label == label] for video in truth}
    return known, guessed


def _rates(counts: CountArray, weights: CountArray) -> tuple[float, float, float]:
    """Precision, recall and F1; without predictions precision is 0 where there was something to find."""
    found, predicted, annotated = (weights @ counts).tolist()
    if annotated == 0:
        return float("nan"), float("nan"), float("nan")
    return found / predicted if predicted else 0.0, found / annotated, 2 * found / (predicted + annotated)
