"""What a camera raises alarms for over and over: how high those usually get, by what they are taken for.

A trained scorer knows scenes, not this one: where a place has something that it takes for vandalism every
other minute, that is part of the place. An alarm must then be higher than what is usual of its kind.
"""

from __future__ import annotations

import math
from collections import deque

# How far back alarms are remembered, in seconds, and how many of a kind.
_BACK = 4 * 3600.0
_KEPT = 1000


class UsualAlarms:
    """The heights of a camera's alarms of the last four hours, those that were held back too.

    `an_hour` of a kind are let through freely, and of more those that are among the highest of so many an
    hour; 0 lets all through. What is taken for nothing in particular (`novelty` names no kinds and has a
    measure of its own) is not counted.
    """

    def __init__(self, an_hour: float) -> None:
        self._an_hour = an_hour
        self._heights: dict[str, deque[tuple[float, float]]] = {}
        self._began: float | None = None

    def bar(self, label: str, seconds: float) -> float:
        """What an alarm of this kind must get higher than at this time of the camera."""
        self._began = seconds if self._began is None else self._began
        known = self._heights.get(label)
        if not (self._an_hour and label and known):
            return 0.0
        while known and known[0][0] < seconds - _BACK:
            known.popleft()
        watched = min(_BACK, max(seconds - self._began, 3600.0)) / 3600
        free = max(1, math.floor(self._an_hour * watched))
        return sorted((height for _, height in known), reverse=True)[free - 1] if len(known) >= free else 0.0

    def add(self, label: str, seconds: float, height: float) -> None:
        """One more alarm of this kind, raised or held back, has got so high."""
        if label:
            self._heights.setdefault(label, deque(maxlen=_KEPT)).append((seconds, height))
