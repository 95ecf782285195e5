"""Whether what stands out is only like an anomaly: an embrace, a patrol, somebody who runs for a bus.

A scorer with a class head has learnt such things as classes of their own, hard negatives, which count as
normal (`ats.classes`). An event that is rather one of them than any anomaly is none.

Shape legend: `T` dense frames, `K` classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from holmesvau.ats.features import Features, Scorer
from holmesvau.ats.urdmu_scorer import UrDmuScorer
from holmesvau.ats.windows import WINDOW
from holmesvau.types import AnomalyCurve, Span

# Dense frames on each side of an event from which it is judged, in a video too long to be read at once.
CONTEXT = 256


def harmless(
    scorer: Scorer | None, features: Features, curve: AnomalyCurve, spans: Sequence[Span]
) -> list[str]:
    """For each span the hard negative that it rather is than an anomaly; empty where it is an anomaly.

    Judged by the class probabilities of its frames, weighted by their scores: those of all hard negatives
    against those of all anomalies. A scorer that knows no hard negatives takes none for one.
    """
    names = scorer.class_names if isinstance(scorer, UrDmuScorer) else None
    if names is None or not names.hard_negatives or not spans:
        return [""] * len(spans)
    assert isinstance(scorer, UrDmuScorer)
    whole = scorer.classify(features)[1] if len(features) <= WINDOW else None
    found = []
    for span in spans:
        first, last = np.searchsorted(curve.seconds, (span.start, span.end))
        last = max(int(last), int(first) + 1)
        if whole is None:
            begin = max(0, int(first) - CONTEXT)
            near = _cut(features, slice(begin, last + CONTEXT))
            probabilities = scorer.classify(near)[1][int(first) - begin : last - begin]
        else:
            probabilities = whole[int(first) : last]
        weights = curve.scores[int(first) : last].astype(np.float64) + 1e-6
        told = (probabilities * weights[:, None]).sum(0) / weights.sum()
        others = told[names.anomalous.stop :]
        rather = others.sum() > told[names.anomalous].sum()
        found.append(names.hard_negatives[int(others.argmax())] if rather else "")
    return found


def _cut(features: Features, part: slice) -> Features:
    return Features(
        features.index[part],
        features.seconds[part],
        features.pooled[part],
        features.cells[part],
        features.stride_seconds,
        features.encoder,
    )
