"""Whether what stands out is only like an anomaly: an embrace, a patrol, somebody who runs for a bus.

A scorer with a class head has learnt such things as classes of their own, hard negatives, which count as
normal (`ats.classes`). An event that is rather one of them than any anomaly is none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from holmesvau.ats import event_classes
from holmesvau.ats.features import Features, Scorer
from holmesvau.types import AnomalyCurve, Span


def harmless(
    scorer: Scorer | None, features: Features, curve: AnomalyCurve, spans: Sequence[Span]
) -> list[str]:
    """For each span the hard negative that it rather is than an anomaly; empty where it is an anomaly.

    Judged by the class probabilities of its frames, weighted by their scores: those of all hard negatives
    against those of all anomalies. A scorer that knows no hard negatives takes none for one.
    """
    names = event_classes.class_names(scorer)
    if names is None or not names.hard_negatives:
        return [""] * len(spans)
    found = []
    for frames, probabilities in event_classes.read(scorer, features, curve, spans):
        weights = curve.scores[frames].astype(np.float64) + 1e-6
        told = (probabilities * weights[:, None]).sum(0) / weights.sum()
        others = told[names.anomalous.stop :]
        rather = others.sum() > told[names.anomalous].sum()
        found.append(names.hard_negatives[int(others.argmax())] if rather else "")
    return found
