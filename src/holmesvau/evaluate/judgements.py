"""Do judgements judge rightly? Is there an anomaly, and of which class (paper §3.2, first part of a summary).

Both sides are free text and are read by `holmesvau.vlm.judgement`; what it cannot read is counted and named.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from holmesvau.evaluate.resampling import BootstrapConfig, CountArray, Interval, interval, statistics
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


def judgement_metrics(
    answers: Sequence[str],
    references: Sequence[str],
    *,
    clusters: Sequence[Hashable] | None = None,
    bootstrap: BootstrapConfig | None = None,
) -> JudgementMetrics:
    """Compare judgements with reference judgements, pair by pair; `clusters` are those of `text.score`."""
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
    rows, right, odd, found, calm, left, class_rows, class_right = tally.sum(0).tolist()
    spread: list[Interval | None] = [None] * len(_SHARES)
    if bootstrap is not None and bootstrap.resamples:

        def figures(weights: CountArray) -> tuple[float, ...]:
            drawn = (weights @ tally).tolist()
            return tuple(_share(drawn[part], drawn[whole]) for part, whole in _SHARES)

        resampled = statistics(figures, len(numbers), bootstrap)
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


def _classes(text: str) -> set[str]:
    """All classes that a reference names: a video may be of several."""
    return {name for name, pattern in _NAMES.items() if pattern.search(text)}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
