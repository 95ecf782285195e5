"""What a camera's scorer takes its last moments for, where it tells classes (`ats.classes`).

Shape legend: `K` classes.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from holmesvau.ats.classes import ClassNames
from holmesvau.stream.alarms import CURVE_SCORES


class RecentClasses:
    """The probabilities of the last moments, as many as an alarm's curve can show.

    Each moment's are those it was given when it was the newest, so a label can be told with the alarm.
    """

    def __init__(self, names: ClassNames | None) -> None:
        self._names = names
        self._recent: deque[tuple[float, float, npt.NDArray[np.float32]]] = deque(maxlen=CURVE_SCORES)

    def see(self, seconds: float, score: float, classes: npt.NDArray[np.float32] | None) -> None:
        """One more moment: its score and `classes[K]`; None where who scored it tells no classes."""
        if self._names is not None and classes is not None:
            self._recent.append((seconds, score, classes))

    def likeliest(self, start: float, end: float = float("inf")) -> str:
        """The anomaly that the moments from `start` to `end` seconds most likely are, each weighted by its
        score; empty where no classes were told of them.
        """
        told = [one for one in self._recent if start <= one[0] <= end]
        if self._names is None or not told:
            return ""
        weights = np.array([score for _, score, _ in told]) + 1e-6
        mean = weights @ np.stack([classes[self._names.anomalous] for _, _, classes in told])
        return self._names.anomalies[int(mean.argmax())]
