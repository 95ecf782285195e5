"""Which class an event is, by the class head of a trained scorer (`ats.classes`), read over its frames.

Shape legend: `T` dense frames of an event, `K` classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from holmesvau.ats.classes import ClassNames
from holmesvau.ats.features import Features, Scorer
from holmesvau.ats.urdmu_scorer import UrDmuScorer
from holmesvau.ats.windows import WINDOW
from holmesvau.types import AnomalyCurve, Span

# Dense frames on each side of an event from which it is judged, in a video too long to be read at once.
CONTEXT = 256
_LEAST = 1e-9


def class_names(scorer: Scorer | None) -> ClassNames | None:
    """The classes that a scorer tells apart; None where it tells none."""
    return scorer.class_names if isinstance(scorer, UrDmuScorer) else None


def likeliest(
    scorer: Scorer | None, features: Features, curve: AnomalyCurve, spans: Sequence[Span]
) -> list[str]:
    """For each span the anomaly that it most likely is; empty where the scorer tells no classes.

    By the mean log-probability of its frames among the anomalies, as the head was trained (`losses.events`).
    """
    names = class_names(scorer)
    if names is None:
        return [""] * len(spans)
    found = []
    for _, told in read(scorer, features, curve, spans):
        means = np.log(told[:, names.anomalous] + _LEAST).mean(0)
        found.append(names.anomalies[int(means.argmax())])
    return found


def read(
    scorer: Scorer | None, features: Features, curve: AnomalyCurve, spans: Sequence[Span]
) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
    """For each span which dense frames it has, at least one, and their probabilities `[T, K]`."""
    assert isinstance(scorer, UrDmuScorer)
    whole = scorer.classify(features)[1] if spans and len(features) <= WINDOW else None
    for span in spans:
        first, last = np.searchsorted(curve.seconds, (span.start, span.end)).tolist()
        first = min(first, len(features) - 1)
        last = max(last, first + 1)
        if whole is None:
            begin = max(0, first - CONTEXT)
            near = features.part(slice(begin, last + CONTEXT))
            yield slice(first, last), scorer.classify(near)[1][first - begin : last - begin]
        else:
            yield slice(first, last), whole[first:last]
