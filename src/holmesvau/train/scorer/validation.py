"""How good a scorer is on whole videos that it does not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from holmesvau.ats.classes import ClassNames
from holmesvau.evaluate.ranking import areas
from holmesvau.train.processes import Processes
from holmesvau.train.scorer.examples import Example, inside
from holmesvau.train.scorer.model import Reader
from holmesvau.types import ScoreArray

# A hard negative counts as called anomalous when a score in it reaches this: where `find_events` begins one.
CALLED = 0.5


@dataclass(frozen=True, slots=True)
class Validation:
    """Figures over the dense frames of all validation videos.

    `auc` and `ap` are of frames; `class_accuracy` is the share of events whose class is right, by the mean
    log-probability of their frames among the anomaly classes (NaN without a class head);
    `hard_negative_rate` the share of hard negatives in which a score reaches 0.5 (NaN where there are none).
    """

    auc: float
    ap: float
    class_accuracy: float
    hard_negative_rate: float


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """One video's scores `[T]`, of its events whether the class is right, of its hard negatives if called."""

    number: int
    scores: ScoreArray
    classes_right: list[bool]
    negatives_called: list[bool]


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
    )


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
    return _Read(number, found, right, called)


def _share(answers: list[bool]) -> float:
    return float(np.mean(answers)) if answers else float("nan")
