"""When a live curve is an alarm: hysteresis on the score's trailing mean, one decision a stride.

The causal counterpart of `ats.events`: nothing of the future is known, so an alarm is raised while the event
goes on and its end is told later. All lengths are seconds of the camera's time; a hole in the curve changes
nothing but that it is not averaged over.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, fields

from holmesvau.errors import ConfigError

# Two scores further apart than so many strides have a hole between them.
_HOLE_STRIDES = 4
# The curve an alarm can show, in scores; older ones of a long alarm are left out.
CURVE_SCORES = 600


@dataclass(frozen=True, kw_only=True)
class AlarmConfig:
    """When an alarm is raised, and when it ends.

    It is raised when the mean score of the last `smooth_seconds` reaches `enter`, begins where that mean
    crossed `leave` before, and ends when it has stayed below `leave` for `quiet_seconds`. `context_seconds`
    of curve before the start are told with it. Of what a trained scorer calls by one name more than
    `usual_an_hour` times an hour, only what gets higher than usual is an alarm (`stream.usual`; 0: all is).

    Raises:
        ConfigError: unless 0 < `leave` <= `enter` <= 1 and every other number is finite and not negative.
    """

    enter: float = 0.5
    leave: float = 0.3
    smooth_seconds: float = 1.0
    quiet_seconds: float = 4.0
    context_seconds: float = 30.0
    usual_an_hour: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.leave <= self.enter <= 1:
            raise ConfigError(
                f"Alarms: enter = {self.enter}, leave = {self.leave}: they need 0 < leave <= enter <= 1."
            )
        for name in (field.name for field in fields(self) if field.name not in ("enter", "leave")):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"Alarms: {name} = {value}: give a number that is not negative.")


@dataclass(frozen=True, slots=True)
class Moment:
    """A place on a camera's curve: its seconds, the time of day (UTC, seconds), and the score there."""

    seconds: float
    wall: float
    score: float


@dataclass(frozen=True, slots=True)
class Raised:
    """The curve has become an alarm, which began at `start`."""

    start: Moment
    peak: Moment


@dataclass(frozen=True, slots=True)
class Ended:
    """The alarm is over since `end`; the mean score got as high as `height`."""

    end: Moment
    peak: Moment
    height: float


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What would have been an alarm was not higher than is usual here, and is over."""

    height: float


class AlarmWatch:
    """The state of one camera: a few numbers and a bounded stretch of curve."""

    def __init__(self, config: AlarmConfig, stride_seconds: float) -> None:
        self._config, self._stride = config, stride_seconds
        self._recent: deque[Moment] = deque(maxlen=max(1, round(config.smooth_seconds / stride_seconds)))
        self._curve: deque[Moment] = deque(maxlen=CURVE_SCORES)
        # Where the mean crossed `leave`, while it stays above.
        self._rise: Moment | None = None
        self._peak: Moment | None = None
        # The first moment below `leave`, while an alarm waits to end.
        self._quiet_since: Moment | None = None
        self._height = 0.0
        self.is_open = False

    def step(self, now: Moment, bar: float = 0.0) -> Raised | Ended | HeldBack | None:
        """Take the next score; what has changed, if anything. Up to `bar` nothing is raised now."""
        mean = self._mean(now)
        self._curve.append(now)
        if mean >= self._config.leave:
            self._quiet_since = None
            if self._rise is None:
                self._rise, self._peak = now, now
            elif self._peak is None or now.score > self._peak.score:
                self._peak = now
            self._height = max(self._height, mean)
            if not self.is_open and mean >= self._config.enter and mean > bar:
                self.is_open = True
                assert self._peak is not None
                return Raised(self._rise, self._peak)
            return None
        if not self.is_open:
            height, self._height = self._height, 0.0
            self._rise = self._peak = None
            return HeldBack(height) if height >= self._config.enter else None
        self._quiet_since = self._quiet_since or now
        if now.seconds - self._quiet_since.seconds >= self._config.quiet_seconds:
            return self._end(self._quiet_since)
        return None

    def close(self) -> Ended | None:
        """End an open alarm where the curve ends: the camera is gone, or the watch is over."""
        return self._end(self._quiet_since or self._curve[-1]) if self.is_open else None

    def curve(self, start: float) -> list[Moment]:
        """The curve from `context_seconds` before `start` to now, its last 600 scores at most."""
        first = start - self._config.context_seconds
        return [moment for moment in self._curve if moment.seconds >= first]

    def _end(self, end: Moment) -> Ended:
        assert self._peak is not None
        ended = Ended(end, self._peak, self._height)
        self.is_open, self._height = False, 0.0
        self._rise = self._peak = self._quiet_since = None
        return ended

    def _mean(self, now: Moment) -> float:
        recent = self._recent
        if recent and now.seconds - recent[-1].seconds > _HOLE_STRIDES * self._stride:
            recent.clear()
        recent.append(now)
        return sum(moment.score for moment in recent) / len(recent)
