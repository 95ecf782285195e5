"""One rising time for a camera that runs for weeks: across connections, stalls and clocks that jump."""

from __future__ import annotations

# A picture that claims to be this much later than the one before it, without that much time having passed
# here, comes from a clock that was set.
JUMP_SECONDS = 10.0
# Of a pause in what the camera tells, this share must have passed here as well.
_PASSED = 0.5


class Timeline:
    """Turns what each picture says (`told`) and when it came (`arrived`, `time.monotonic()`) into seconds.

    Seconds begin at 0 with the camera's first picture and always rise. The camera's own clock is believed
    while it is plausible, since arrival is uneven: bursts after a stall keep their distances. When it goes
    back, or ahead of what has passed here, it was set: `jumps` counts that and time goes on by what has
    passed. Across a new connection time goes on by arrival. While `trusted` (a
    recording, which comes as fast as it is read) it is believed whatever it says, as long as it rises.
    """

    def __init__(self) -> None:
        self.jumps = 0
        self.trusted = False
        self._offset: float | None = None
        self._seconds = 0.0
        self._arrived: float | None = None
        self._epoch = 0.0

    def begin(self, *, trusted: bool = False) -> None:
        """A new connection: its clock has nothing to do with the last one's."""
        self.trusted = trusted
        self._offset = None

    def at(self, told: float | None, arrived: float, step: float) -> float:
        """The seconds of the next picture; `step` is the usual distance of two, for those that tell none."""
        if self._arrived is None:
            self._epoch = arrived
            return self._set(0.0, told, arrived)
        passed = max(step, 0.0 if self.trusted else arrived - self._arrived)
        if told is None:
            return self._set(self._seconds + step, told, arrived)
        if self._offset is None:
            # Counted from the very first picture: every connection begins with a burst of older pictures,
            # which would add up.
            since = 0.0 if self.trusted else arrived - self._epoch
            return self._set(max(self._seconds + step, since), told, arrived)
        forward = told + self._offset - self._seconds
        set_back = forward <= 0
        set_ahead = not self.trusted and forward > JUMP_SECONDS and passed < _PASSED * forward
        if set_back or set_ahead:
            self.jumps += 1
            return self._set(self._seconds + passed, told, arrived)
        self._seconds, self._arrived = self._seconds + forward, arrived
        return self._seconds

    def _set(self, seconds: float, told: float | None, arrived: float) -> float:
        self._seconds, self._arrived = seconds, arrived
        self._offset = None if told is None else seconds - told
        return seconds
