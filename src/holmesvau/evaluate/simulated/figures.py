"""Every figure of a system on simulated CCTV; what each means is written down in `docs/evaluation.md`.

Shape legend: `V` videos, `E` staged events, `P` pairs of texts (three an event).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from holmesvau.errors import InputError
from holmesvau.evaluate import calibration, dense, detection, ngrams
from holmesvau.evaluate.calibration import Bin
from holmesvau.evaluate.localization import EventMetrics, LabelledSpan, ScoredSpan, event_metrics
from holmesvau.evaluate.ranking import LabelArray
from holmesvau.evaluate.resampling import BootstrapConfig, CountArray, Interval, interval, statistics
from holmesvau.evaluate.simulated.baseline import PARTS
from holmesvau.evaluate.simulated.matching import called, falls_on, is_right, matched
from holmesvau.evaluate.simulated.truth import SimulatedVideo
from holmesvau.evaluate.tokens import tokenize
from holmesvau.sim.scenes import HELD_OUT
from holmesvau.types import Event, FloatArray, Report
from holmesvau.vlm.judgement import parse_judgement

# What is counted of a video: each share is its first column over its second.
SHARES: Mapping[str, tuple[str, str]] = {
    "judgement_accuracy": ("judged_right", "judged"),
    "judgement_by_events_accuracy": ("judged_right_by_events", "judged"),
    "class_accuracy": ("class_right", "events"),
    "class_accuracy_of_found": ("class_right", "events_found"),
    "event_recall": ("events_found", "events"),
    "event_cider": ("cider", "texts"),
    "most_frequent_cider": ("cider_most_frequent", "texts"),
    "hard_negative_false_rate": ("hard_negatives_called", "hard_negatives"),
    "hard_negative_event_rate": ("hard_negatives_with_event", "hard_negatives"),
}
# Of words alone: without a model that speaks they do not exist.
OF_WORDS = ("class_accuracy", "class_accuracy_of_found", "event_cider")
# Kinds of scenes that no training split has, and the others.
HELD, KNOWN = "held out", "as in training"
# What the groups of videos show.
_OF_GROUPS = (
    "judgement_accuracy",
    "class_accuracy",
    "event_recall",
    "event_cider",
    "hard_negative_false_rate",
)
SILENT = (
    "The model says nothing in words: class_accuracy and event_cider do not exist, and a video is judged by "
    "whether its report has an event."
)


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of some of the videos. Events and hard negatives are counted among them."""

    videos: int
    events: int
    hard_negatives: int
    frame_auc: float
    frame_ap: float
    figures: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class SimulatedReport:
    """`figures` has each key of `SHARES`, `frame_auc`, `frame_ap` and `ece`; NaN and None are no figure.

    `counts` are the numbers behind the shares. `notes` say in sentences what a figure lacks.
    """

    figures: Mapping[str, float | None]
    intervals: Mapping[str, Interval]
    counts: Mapping[str, float]
    videos: int
    seconds_of_video: float
    by_class: Mapping[str, Mapping[str, float | None]]
    by_scene: Mapping[str, Group]
    by_light: Mapping[str, Group]
    by_kind_of_scene: Mapping[str, Group]
    hard_negatives: Mapping[str, Mapping[str, float]]
    events: EventMetrics
    reliability: Sequence[Bin] = ()
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """`rows[V]` of counts by name, and of each called event `(video, confidence, is it right)`."""

    rows: Sequence[Mapping[str, float]]
    confidences: Sequence[tuple[int, float, bool]]

    def column(self, name: str) -> FloatArray:
        return np.array([row.get(name, 0.0) for row in self.rows], np.float64)


def evaluate(
    videos: Sequence[SimulatedVideo],
    reports: Mapping[str, Report],
    constant: Mapping[str, str],
    *,
    bootstrap: BootstrapConfig | None = None,
) -> SimulatedReport:
    """Compare reports (by the video's name) with what was staged.

    `constant` answers each part of an explanation without looking (`baseline.most_frequent`).

    Raises:
        InputError: when a video has no report, or a report's curve is not of its video.
    """
    for video in videos:
        if video.name not in reports:
            raise InputError(f"{video.name}: there is no report of it.")
    scores = {video.name: frame_scores(video, reports[video.name]) for video in videos}
    labels = {video.name: video.frames.frame_labels() for video in videos}
    frames = detection.frame_metrics(labels, scores, bootstrap=bootstrap)
    speaks = any(reports[video.name].model.get("name") for video in videos)
    table = _counted(videos, reports, constant)
    figures = _figures(table, speaks)
    intervals = _intervals(table, speaks, bootstrap)
    for name, found in (("frame_auc", frames.auc_interval), ("frame_ap", frames.ap_interval)):
        if found is not None:
            intervals[name] = found
    confidence, right = calibration.as_arrays([(c, r) for _, c, r in table.confidences])
    names = {name for row in table.rows for name in row}
    events = {
        video.name: [ScoredSpan(e.span, e.confidence, e.label) for e in called(reports[video.name].events)]
        for video in videos
    }
    return SimulatedReport(
        figures={"frame_auc": frames.auc, "frame_ap": frames.ap, **figures},
        intervals=intervals,
        counts={name: float(table.column(name).sum()) for name in sorted(names)},
        videos=len(videos),
        seconds_of_video=sum(video.duration for video in videos),
        by_class=_by_class(videos, table, speaks),
        by_scene=_groups(videos, [video.scene for video in videos], table, labels, scores, speaks),
        by_light=_groups(videos, [video.light for video in videos], table, labels, scores, speaks),
        by_kind_of_scene=_groups(
            videos, [HELD if v.scene in HELD_OUT else KNOWN for v in videos], table, labels, scores, speaks
        ),
        hard_negatives=_negatives(videos, reports),
        events=event_metrics(
            {v.name: [LabelledSpan(e.span, (e.label,)) for e in v.events] for v in videos},
            events,
            bootstrap=bootstrap,
        ),
        reliability=calibration.reliability(confidence, right),
        notes=_notes(table, len(videos), speaks),
    )


def frame_scores(video: SimulatedVideo, report: Report) -> FloatArray:
    """The curve repeated to every frame `[F]`, by time.

    Raises:
        InputError: when the curve is empty or ends behind the video.
    """
    curve = report.curve
    times = np.arange(video.num_frames) / video.fps
    try:
        return dense.by_seconds(curve.scores.astype(np.float64), curve.seconds, times)
    except InputError as error:
        raise InputError(f"{video.name}: the report is not of this video ({error}).") from error


def _counted(
    videos: Sequence[SimulatedVideo], reports: Mapping[str, Report], constant: Mapping[str, str]
) -> _Table:
    found = [called(reports[video.name].events) for video in videos]
    partners = [
        matched([event.span for event in video.events], [event.span for event in mine])
        for video, mine in zip(videos, found, strict=True)
    ]
    worth = _texts(videos, found, partners, constant)
    rows = []
    confidences = []
    for number, (video, mine, partner) in enumerate(zip(videos, found, partners, strict=True)):
        report = reports[video.name]
        true = [event.span for event in video.events]
        confidences += [(number, event.confidence, is_right(event.span, true)) for event in mine]
        rows.append(
            {**_judged(video, report, mine), **_events(video, report, mine, partner), **worth[number]}
        )
    return _Table(rows, confidences)


def _judged(video: SimulatedVideo, report: Report, mine: Sequence[Event]) -> dict[str, float]:
    by_events = bool(mine) == video.is_anomalous
    verdict = parse_judgement(report.summary.judgement).is_anomalous
    speaks = bool(report.model.get("name"))
    return {
        "judged": 1.0,
        "judged_right": float(verdict == video.is_anomalous if speaks else by_events),
        "judged_right_by_events": float(by_events),
        "undecided": float(speaks and verdict is None),
        "without_words": float(speaks and not report.summary.judgement),
    }


def _events(
    video: SimulatedVideo, report: Report, mine: Sequence[Event], partner: Sequence[int | None]
) -> dict[str, float]:
    right: dict[str, float] = {}
    for event, which in zip(video.events, partner, strict=True):
        hit = which is not None and mine[which].label == event.label
        for name, value in (("events", 1.0), ("events_found", which is not None), ("class_right", hit)):
            right[name] = right.get(name, 0.0) + value
            right[f"{name}: {event.label}"] = right.get(f"{name}: {event.label}", 0.0) + value
    negatives = [negative.span for negative in video.hard_negatives]
    return {
        **right,
        "events_called": float(len(mine)),
        "hard_negatives": float(len(negatives)),
        "hard_negatives_called": float(sum(any(falls_on(e.span, n) for e in mine) for n in negatives)),
        "hard_negatives_with_event": float(
            sum(any(falls_on(e.span, n) for e in report.events) for n in negatives)
        ),
    }


def _texts(
    videos: Sequence[SimulatedVideo],
    found: Sequence[Sequence[Event]],
    partners: Sequence[Sequence[int | None]],
    constant: Mapping[str, str],
) -> list[dict[str, float]]:
    """CIDEr of judgement, description and analysis of every staged event, summed by video."""
    said, meant, plain, keys = [], [], [], []
    for number, (video, mine, partner) in enumerate(zip(videos, found, partners, strict=True)):
        for event, which in zip(video.events, partner, strict=True):
            for part in PARTS:
                said.append(tokenize("" if which is None else getattr(mine[which].summary, part)))
                meant.append([tokenize(getattr(event.texts, part))])
                plain.append(tokenize(constant[part]))
                keys.append((number, part, event.label))
    rows: list[dict[str, float]] = [{} for _ in videos]
    for name, values in (
        ("cider", ngrams.cider(said, meant)),
        ("cider_most_frequent", ngrams.cider(plain, meant)),
    ):
        for (number, part, label), value in zip(keys, values.tolist(), strict=True):
            for key in (name, f"{name}: {part}", f"{name}: {label}"):
                rows[number][key] = rows[number].get(key, 0.0) + value
    for number, part, label in keys:
        for key in ("texts", f"texts: {part}", f"texts: {label}"):
            rows[number][key] = rows[number].get(key, 0.0) + 1.0
    return rows


def _figures(table: _Table, speaks: bool) -> dict[str, float | None]:
    shares: dict[str, float | None] = {
        name: _share(table.column(part).sum(), table.column(whole).sum())
        for name, (part, whole) in SHARES.items()
    }
    for part in PARTS:
        whole = table.column(f"texts: {part}").sum()
        shares[f"event_cider_{part}"] = _share(table.column(f"cider: {part}").sum(), whole)
        plain = _share(table.column(f"cider_most_frequent: {part}").sum(), whole)
        shares[f"most_frequent_cider_{part}"] = plain
    confidence, right = calibration.as_arrays([(c, r) for _, c, r in table.confidences])
    shares["ece"] = calibration.expected_calibration_error(confidence, right)
    silent = (*OF_WORDS, *(f"event_cider_{part}" for part in PARTS))
    return {name: None if not speaks and name in silent else value for name, value in shares.items()}


def _intervals(table: _Table, speaks: bool, bootstrap: BootstrapConfig | None) -> dict[str, Interval]:
    if bootstrap is None or not bootstrap.resamples:
        return {}
    names = [name for name in SHARES if speaks or name not in OF_WORDS]
    columns = {name: table.column(name) for pair in SHARES.values() for name in pair}
    video = np.array([number for number, _, _ in table.confidences], np.int64)
    confidence, right = calibration.as_arrays([(c, r) for _, c, r in table.confidences])

    def figures(weights: CountArray) -> tuple[float, ...]:
        shares = [
            _share(float(weights @ columns[part]), float(weights @ columns[whole]))
            for part, whole in (SHARES[name] for name in names)
        ]
        error = calibration.expected_calibration_error(confidence, right, weights=weights[video])
        return (*shares, error)

    resampled = statistics(figures, len(table.rows), bootstrap)
    found = {name: interval(resampled[:, k], bootstrap) for k, name in enumerate([*names, "ece"])}
    return {name: between for name, between in found.items() if between is not None}


def _by_class(
    videos: Sequence[SimulatedVideo], table: _Table, speaks: bool
) -> dict[str, dict[str, float | None]]:
    labels = sorted({event.label for video in videos for event in video.events})

    def total(name: str, label: str) -> float:
        return float(table.column(f"{name}: {label}").sum())

    return {
        label: {
            "events": total("events", label),
            "event_recall": _share(total("events_found", label), total("events", label)),
            "class_accuracy": _share(total("class_right", label), total("events", label)) if speaks else None,
            "event_cider": _share(total("cider", label), total("texts", label)) if speaks else None,
        }
        for label in labels
    }


def _groups(
    videos: Sequence[SimulatedVideo],
    of: Sequence[str],
    table: _Table,
    labels: Mapping[str, LabelArray],
    scores: Mapping[str, FloatArray],
    speaks: bool,
) -> dict[str, Group]:
    found = {}
    for name in sorted(set(of)):
        members = [number for number, group in enumerate(of) if group == name]
        names = [videos[number].name for number in members]
        some = _Table([table.rows[number] for number in members], ())
        frames = detection.frame_metrics({n: labels[n] for n in names}, {n: scores[n] for n in names})
        figures = _figures(some, speaks)
        found[name] = Group(
            len(members),
            int(some.column("events").sum()),
            int(some.column("hard_negatives").sum()),
            frames.auc,
            frames.ap,
            {key: figures[key] for key in _OF_GROUPS},
        )
    return found


def _negatives(
    videos: Sequence[SimulatedVideo], reports: Mapping[str, Report]
) -> dict[str, dict[str, float]]:
    """By kind: how many there are, and on how many an event falls."""
    found: dict[str, dict[str, float]] = {}
    for video in videos:
        mine = called(reports[video.name].events)
        for negative in video.hard_negatives:
            entry = found.setdefault(negative.label, {"count": 0.0, "called": 0.0})
            entry["count"] += 1
            entry["called"] += any(falls_on(event.span, negative.span) for event in mine)
    return dict(sorted(found.items()))


def _notes(table: _Table, videos: int, speaks: bool) -> tuple[str, ...]:
    notes = [] if speaks else [SILENT]
    withheld, undecided = table.column("without_words").sum(), table.column("undecided").sum()
    if withheld:
        notes.append(f"{withheld:.0f} of {videos} reports judge the video in no words; they count as wrong.")
    if undecided > withheld:
        notes.append(
            f"{undecided - withheld:.0f} of {videos} judgements cannot be read as yes or no: they are wrong."
        )
    if not table.confidences:
        notes.append("No report has an event: there is no calibration error.")
    if not table.column("hard_negatives").sum():
        notes.append("No hard negative was staged.")
    if not table.column("events").sum():
        notes.append("No anomaly was staged.")
    return tuple(notes)


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
