"""Pictures on their way from the cameras' readers to the scorer: few, the newest first to matter.

Shape legend: `H W` picture height and width.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One picture to score: `picture[H, W, 3]` uint8 RGB as the encoder wants it.

    `index` counts the camera's pictures, `seconds` its time; `arrived` is `time.monotonic()`, `wall` the UTC
    time of day in seconds. `look` is the same picture as JPEG for the describing model, empty without one.
    """

    camera: int
    index: int
    seconds: float
    arrived: float
    wall: float
    picture: npt.NDArray[np.uint8]
    look: bytes = b""


class Inbox:
    """A bounded queue for each camera, taken from in turn. Any thread may put, one takes.

    When the scorer is late, a camera's oldest waiting picture is dropped for the new one: an alarm about now
    is worth more than a score about then. `dropped` counts them by camera. A recording that is read faster
    than time (`patient`) waits instead.
    """

    def __init__(self, cameras: int, depth: int = 4) -> None:
        self.dropped = [0] * cameras
        self._depth = depth
        self._waiting: list[deque[Shot]] = [deque() for _ in range(cameras)]
        self._changed = threading.Condition()
        self._next = 0

    def put(self, shot: Shot, *, patient: bool = False, given_up: Callable[[], bool] = lambda: False) -> bool:
        """Hand over a picture; False when it was not taken because `given_up()` came true while waiting."""
        mine = self._waiting[shot.camera]
        with self._changed:
            while patient and len(mine) >= self._depth:
                if given_up():
                    return False
                self._changed.wait(0.1)
            if len(mine) >= self._depth:
                mine.popleft()
                self.dropped[shot.camera] += 1
            mine.append(shot)
            self._changed.notify_all()
        return True

    def take(self, timeout: float) -> Shot | None:
        """The oldest picture of the next camera that has one; None when none comes in `timeout` seconds."""
        with self._changed:
            if not any(self._waiting):
                self._changed.wait(timeout)
            for step in range(len(self._waiting)):
                camera = (self._next + step) % len(self._waiting)
                if self._waiting[camera]:
                    self._next = camera + 1
                    self._changed.notify_all()
                    return self._waiting[camera].popleft()
        return None

    def wake(self) -> None:
        """Let `take` look up."""
        with self._changed:
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return sum(map(len, self._waiting))
