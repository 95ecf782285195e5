"""Do judgements judge rightly? Is there an anomaly, and of which class (paper §3.2, first part of a summary).

Both sides are free text and are read by `holmesvau.vlm.judgement`; what it cannot read is counted and named.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from holmesvau.errors import InputError
from holmesvau.evaluate.resampling import (
    BootstrapConfig,
    CountArray,
    Difference,
    Interval,
    difference,
    interval,
    statistics,
)
from holmesvau.vlm.judgement import CLASSES, parse_judgement

_NAMES = {name: re.compile(rf"\b(?:{words})", re.IGNORECASE) for name, words in CLASSES.items()}

# Accuracy, class accuracy, recall and specificity as columns of the tally.
_SHARES = ((1, 0), (7, 6), (3, 2), (5, 4))


@dataclass(frozen=True, slots=True)
class JudgementMetrics:
    """How often a judgement is right, over `rows` whose reference says whether there is an anomaly.

    An answer that does not say is wrong; `undecided` counts those. `recall` is the share of anomalies that
    are called so, `specificity` the share of normal rows that are. `class_accuracy` is over the `class_rows`
    whose reference names known classes: the answer must name one of them first. Rows whose reference cannot
    be read are in `unreadable_references` and in nothing else. A figure without rows is NaN.
    """

    rows: int
    accuracy: float
    recall: float
    specificity: float
    undecided: int
    class_rows: int
    class_accuracy: float
    unreadable_references: int
    accuracy_interval: Interval | None = None
    class_accuracy_interval: Interval | None = None
    recall_interval: Interval | None = None
    specificity_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class JudgementDifferences:
    """Run A minus run B in the shares of `JudgementMetrics`, over `rows` and the same resamples."""

    rows: int
    accuracy: Difference
    class_accuracy: Difference
    recall: Difference
    specificity: Difference


def judgement_metrics(
    answers: Sequence[str],
    references: Sequence[str],
    *,
    clusters: Sequence[Hashable] | None = None,
    bootstrap: BootstrapConfig | None = None,
) -> JudgementMetrics:
    """Compare judgements with reference judgements, pair by pair; `clusters` are those of `text.score`."""
    tally, undecided, unreadable = _tally(answers, references, clusters)
    rows, right, odd, found, calm, left, class_rows, class_right = tally.sum(0).tolist()
    spread: list[Interval | None] = [None] * len(_SHARES)
    if bootstrap is not None and bootstrap.resamples:

        def figures(weights: CountArray) -> tuple[float, ...]:
            return _shares(weights @ tally)

        resampled = statistics(figures, len(tally), bootstrap)
        spread = [interval(resampled[:, place], bootstrap) for place in range(len(_SHARES))]
    return JudgementMetrics(
        rows,
        _share(right, rows),
        _share(found, odd),
        _share(left, calm),
        undecided,
        class_rows,
        _share(class_right, class_rows),
        unreadable,
        *spread,
    )


def compare(
    answers_a: Sequence[str],
    answers_b: Sequence[str],
    references: Sequence[str],
    *,
    clusters: Sequence[Hashable] | None = None,
    bootstrap: BootstrapConfig | None = None,
) -> JudgementDifferences:
    """Does run A judge better than run B? A paired bootstrap over clusters, as `text.compare`.

    Raises:
        InputError: when no resamples are wanted.
    """
    config = bootstrap or BootstrapConfig()
    if config.resamples == 0:
        raise InputError("A paired test needs resamples: give more than 0.")
    first, second = (_tally(answers, references, clusters)[0] for answers in (answers_a, answers_b))

    def gaps(weights: CountArray) -> tuple[float, ...]:
        pairs = zip(_shares(weights @ first), _shares(weights @ second), strict=True)
        return tuple(a - b for a, b in pairs)

    values = gaps(np.ones(len(first), np.int64))
    resampled = statistics(gaps, len(first), config)
    return JudgementDifferences(
        int(first[:, 0].sum()),
        *(difference(value, resampled[:, place], config) for place, value in enumerate(values)),
    )


def _tally(
    answers: Sequence[str], references: Sequence[str], clusters: Sequence[Hashable] | None
) -> tuple[CountArray, int, int]:
    """Counts by cluster, `[K, 8]`, and how many answers are undecided and references unreadable."""
    groups = list(clusters) if clusters is not None else list(range(len(answers)))
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(groups))}
    # By cluster: rows, right, anomalous, found, normal, left alone, rows with classes, class right.
    tally = np.zeros((len(numbers), 8), np.int64)
    undecided = unreadable = 0
    for answer, reference, cluster in zip(answers, references, groups, strict=True):
        truth, verdict = parse_judgement(reference), parse_judgement(answer)
        if truth.is_anomalous is None:
            unreadable += 1
            continue
        undecided += verdict.is_anomalous is None
        right = verdict.is_anomalous == truth.is_anomalous
        odd = truth.is_anomalous
        classes = _classes(reference) if odd else set()
        row = (
            1,
            right,
            odd,
            odd and right,
            not odd,
            not odd and right,
            bool(classes),
            verdict.label in classes,
        )
        tally[numbers[cluster]] += np.array(row, np.int64)
    return tally, undecided, unreadable


def _shares(totals: CountArray) -> tuple[float, ...]:
    counts = totals.tolist()
    return tuple(_share(counts[part], counts[whole]) for part, whole in _SHARES)


def _classes(text: str) -> set[str]:
    """All classes that a reference names: a video may be of several."""
    return {name for name, pattern in _NAMES.items() if pattern.search(text)}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
