"""Which frames a reader of a whole video wants: every n-th, one every so many seconds, or keyframes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError
from holmesvau.types import FloatArray, IndexArray, Span

# Times come from whole ticks of a clock, grids from multiples of a float: a frame this close counts as on the
# grid.
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Choice:
    """Exactly one of `every` (frames), `every_seconds` and `keyframes`; grids start at the video's first
    frame.

    Only frames within `span` (seconds) and numbered `start_index` or higher are wanted.
    """

    every: int | None = None
    every_seconds: float | None = None
    keyframes: bool = False
    span: Span | None = None
    start_index: int = 0

    def __post_init__(self) -> None:
        given = [self.every is not None, self.every_seconds is not None, self.keyframes]
        if sum(given) > 1:
            raise InputError("frames() takes one of every, every_seconds and keyframes, not several of them.")
        if not any(given):
            object.__setattr__(self, "every", 1)
        if self.every is not None and (
            isinstance(self.every, bool) or int(self.every) != self.every or self.every < 1
        ):
            raise InputError(f"every = {self.every!r}: give a whole number of frames, 1 or more.")
        if self.every_seconds is not None and not (
            math.isfinite(self.every_seconds) and self.every_seconds > 10 * _TOLERANCE
        ):
            raise InputError(f"every_seconds = {self.every_seconds!r}: give a positive number of seconds.")
        if int(self.start_index) != self.start_index or self.start_index < 0:
            raise InputError(f"start_index = {self.start_index!r}: give a frame number, 0 or more.")

    def ranks(self, seconds: FloatArray, keys: npt.NDArray[np.bool_] | None) -> IndexArray:
        """The wanted frame numbers, rising, of a video whose `seconds[T]` and keyframe flags `keys[T]` are
        known.
        """
        if self.every is not None:
            wanted = np.arange(0, len(seconds), int(self.every), dtype=np.int64)
        elif self.every_seconds is not None:
            cells = np.floor(seconds / self.every_seconds + _TOLERANCE / self.every_seconds)
            wanted = np.flatnonzero(np.diff(cells, prepend=-1.0) > 0)
        else:
            wanted = np.arange(len(seconds)) if keys is None else np.flatnonzero(keys)
        wanted = wanted[np.searchsorted(wanted, self.start_index) :]
        if self.span is not None:
            first, last = np.searchsorted(seconds, [self.span.start - _TOLERANCE, self.span.end - _TOLERANCE])
            wanted = wanted[(wanted >= first) & (wanted < last)]
        return wanted.astype(np.int64, copy=False)

    def stepper(self) -> Callable[[int, float, bool], bool]:
        """The same choice for a video that is only known frame by frame: call with number, seconds, is
        keyframe.
        """
        last_cell = -1

        def wanted(index: int, seconds: float, key: bool) -> bool:
            nonlocal last_cell
            if self.every is not None:
                chosen = index % self.every == 0
            elif self.every_seconds is not None:
                cell = math.floor(seconds / self.every_seconds + _TOLERANCE / self.every_seconds)
                chosen = cell > last_cell
                last_cell = max(cell, last_cell)
            else:
                chosen = key
            return (
                chosen and index >= self.start_index and not self._before(seconds) and not self.past(seconds)
            )

        return wanted

    def _before(self, seconds: float) -> bool:
        return self.span is not None and seconds < self.span.start - _TOLERANCE

    def past(self, seconds: float) -> bool:
        """Whether nothing at or after `seconds` can be wanted any more."""
        return self.span is not None and seconds >= self.span.end - _TOLERANCE
