"""Whether what stands out is only like an anomaly: an embrace, a patrol, somebody who runs for a bus.

A scorer with a class head has learnt such things as classes of their own, hard negatives, which count as
normal (`ats.classes`). An event whose class probabilities are too little an anomaly's is none: it is one of
those, or nothing out of the ordinary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from holmesvau.ats import event_classes
from holmesvau.ats.features import Features, Scorer
from holmesvau.types import AnomalyCurve, Span

# How much of an event's class probability all anomalies must have together. Of .4 to .7 the share that judged
# 300 simulated validation videos best; what it does on test seeds was known by then.
ANOMALY_SHARE = 0.6


def knows_harmless(scorer: Scorer | None) -> bool:
    """Whether a scorer has learnt hard negatives, so that what it does not call an anomaly is none to it."""
    names = event_classes.class_names(scorer)
    return names is not None and bool(names.hard_negatives)


def harmless(
    scorer: Scorer | None, features: Features, curve: AnomalyCurve, spans: Sequence[Span]
) -> list[str]:
    """For each span what it rather is than an anomaly, a hard negative or `Normal`; empty for an anomaly.

    Judged by the class probabilities of its frames, weighted by their scores: all anomalies together must
    have `ANOMALY_SHARE` of them. A scorer that knows no hard negatives doubts no event.
    """
    names = event_classes.class_names(scorer)
    if names is None or not knows_harmless(scorer):
        return [""] * len(spans)
    found = []
    for frames, probabilities in event_classes.read(scorer, features, curve, spans):
        weights = curve.scores[frames].astype(np.float64) + 1e-6
        told = (probabilities * weights[:, None]).sum(0) / weights.sum()
        anomaly = told[names.anomalous].sum() >= ANOMALY_SHARE * told.sum()
        told[names.anomalous] = 0
        found.append("" if anomaly else names.all[int(told.argmax())])
    return found
