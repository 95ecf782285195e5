"""How good a scorer is on whole videos that it does not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from holmesvau.ats.calibration import Calibration
from holmesvau.ats.classes import ClassNames
from holmesvau.ats.events import confidence, find_events
from holmesvau.evaluate.calibration import as_arrays, expected_calibration_error
from holmesvau.evaluate.ranking import areas
from holmesvau.evaluate.simulated.matching import is_right
from holmesvau.train.processes import Processes
from holmesvau.train.scorer.examples import Example, inside
from holmesvau.train.scorer.model import Reader
from holmesvau.types import AnomalyCurve, ScoreArray

# A hard negative counts as called anomalous when a score in it reaches this: where `find_events` begins one.
CALLED = 0.5


@dataclass(frozen=True, slots=True)
class Validation:
    """Figures over the dense frames of all validation videos.

    `auc` and `ap` are of frames; `class_accuracy` is the share of events whose class is right, by the mean
    log-probability of their frames among the anomaly classes (NaN without a class head);
    `hard_negative_rate` the share of hard negatives in which a score reaches 0.5 (NaN where there are none).

    Of the `events` that `find_events` finds, `ece` is the expected calibration error of their confidence and
    `ece_calibrated` that of the calibrated one, fitted on one half of the videos and measured on the other,
    both ways (NaN without events). `temperature` and `bias` are the calibration fitted on all.
    """

    auc: float
    ap: float
    class_accuracy: float
    hard_negative_rate: float
    events: int
    ece: float
    ece_calibrated: float
    temperature: float
    bias: float


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """One video's scores `[T]`, of its events whether the class is right, of its hard negatives if called.

    `sure` are the confidences of the events found in it and whether each is about a true one.
    """

    number: int
    scores: ScoreArray
    classes_right: list[bool]
    negatives_called: list[bool]
    sure: list[tuple[float, bool]]


def validate(
    reader: Reader, examples: Sequence[Example], names: ClassNames, processes: Processes
) -> Validation:
    """Score whole videos, each process its share; every process gets the figures of all."""
    own = [
        _read(reader, number, examples[number], names)
        for number in range(processes.rank, len(examples), processes.count)
    ]
    found = sorted(processes.gathered(own), key=lambda read: read.number)
    auc, ap = areas(
        np.concatenate([examples[read.number].labels for read in found]),
        np.concatenate([read.scores.astype(np.float64) for read in found]),
    )
    return Validation(
        auc=auc,
        ap=ap,
        class_accuracy=_share([right for read in found for right in read.classes_right]),
        hard_negative_rate=_share([called for read in found for called in read.negatives_called]),
        **_calibrated([read.sure for read in found]),
    )


def _calibrated(videos: Sequence[list[tuple[float, bool]]]) -> dict[str, Any]:
    """The calibration of the events' confidence, and the error before and after.

    The halves are drawn: every second simulated video may be a normal one, in which all events are wrong.
    """
    order = np.random.default_rng(0).permutation(len(videos))
    halves = [as_arrays([pair for at in order[half::2] for pair in videos[at]]) for half in (0, 1)]
    said, right = (np.concatenate([half[part] for half in halves]) for part in (0, 1))
    after = np.concatenate(
        [Calibration.fit(*other).of(half[0]) for half, other in zip(halves, reversed(halves), strict=True)]
    )
    both = Calibration.fit(said, right)
    return {
        "events": len(said),
        "ece": expected_calibration_error(said, right),
        "ece_calibrated": expected_calibration_error(after, right),
        "temperature": both.temperature,
        "bias": both.bias,
    }


def _read(reader: Reader, number: int, example: Example, names: ClassNames) -> _Read:
    scores, logarithms = reader(torch.from_numpy(np.asarray(example.features.pooled, np.float32)))
    found = scores.numpy()
    right = []
    for event in example.video.events:
        if logarithms is not None and event.label in names.anomalies:
            mean = logarithms[inside(example.features, event), names.anomalous].mean(0)
            right.append(names.anomalies[int(mean.argmax())] == event.label)
    called = [
        bool(found[inside(example.features, stretch)].max() >= CALLED)
        for stretch in example.video.hard_negatives
    ]
    features = example.features
    curve = AnomalyCurve(features.seconds, found, features.index, features.stride_seconds)
    spans, truth = find_events(curve), [event.span for event in example.video.events]
    sure = [(confidence(curve, span, spans), is_right(span, truth)) for span in spans]
    return _Read(number, found, right, called, sure)


def _share(answers: list[bool]) -> float:
    return float(np.mean(answers)) if answers else float("nan")
