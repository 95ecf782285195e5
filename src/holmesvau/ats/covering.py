"""From the frames that are looked at to the features of all dense frames.

Shape legend: `T` dense frames of a stretch, `B` frames looked at, `K` traces an encoder remembers.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from holmesvau.ats.features import Encoded, Encoder, Glimpsing
from holmesvau.types import IndexArray
from holmesvau.video.skim import Skimmed


class Covering:
    """Encodes stretches that follow one another; a frame that is not looked at takes the features of the one
    it equals, its trace included.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._last: Encoded | None = None
        self._before: npt.NDArray[np.float32] | None = None

    def at(self, part: Skimmed) -> Encoded:
        """Features of all `T` dense frames of a stretch."""
        if self._encoder.memory:
            return self._in_runs(part)
        encoded = self._encoder.encode(part.frames.frames) if len(part.frames) else None
        return self._spread(encoded, part.source)

    def _in_runs(self, part: Skimmed) -> Encoded:
        """For an encoder with a memory: what it must remember includes the frames that are not looked at."""
        runs: list[Encoded] = []
        borders = np.flatnonzero(np.diff(np.diff(part.source, prepend=-1) > 0)) + 1
        for start, past in pairwise([0, *borders.tolist(), len(part)]):
            source = part.source[start:past]
            looked = source[0] >= 0 and (start == 0 or source[0] > part.source[start - 1])
            rows = part.frames.frames[source[0] : source[-1] + 1] if looked else None
            encoded = None if rows is None else self._encoder.encode(rows, self._before)
            here = self._spread(encoded, np.arange(past - start) if looked else np.full(past - start, -1))
            self._remember(self._glimpsed(here, part, start, past))
            runs.append(here)
        return Encoded(
            np.concatenate([run.pooled for run in runs]), np.concatenate([run.cells for run in runs])
        )

    def _spread(self, encoded: Encoded | None, source: IndexArray) -> Encoded:
        """Rows of `encoded` by `source[T]`, -1 being the last frame before."""
        last = self._last
        if encoded is None:
            assert last is not None, "the first dense frame is always looked at"
            encoded, source = last, np.zeros_like(source)
        elif source[0] < 0:
            assert last is not None
            encoded, source = _joined(last, encoded), source + 1
        trace = None if encoded.trace is None else encoded.trace[source]
        self._last = _row(encoded, int(source[-1]))
        return Encoded(encoded.pooled[source], encoded.cells[source], trace)

    def _glimpsed(self, here: Encoded, part: Skimmed, start: int, past: int) -> Encoded:
        """With the traces of frames that move and are left out, so that others know how far things moved."""
        rows = np.flatnonzero((part.glimpsed >= start) & (part.glimpsed < past))
        if here.trace is None or not len(rows) or not isinstance(self._encoder, Glimpsing):
            return here
        trace = here.trace.copy()
        trace[part.glimpsed[rows] - start] = self._encoder.glimpse(part.small[rows])
        return Encoded(here.pooled, here.cells, trace)

    def _remember(self, here: Encoded) -> None:
        if here.trace is not None:
            known = here.trace if self._before is None else np.concatenate([self._before, here.trace])
            self._before = known[-self._encoder.memory :]


def _row(encoded: Encoded, row: int) -> Encoded:
    place = slice(row, row + 1)
    trace = None if encoded.trace is None else encoded.trace[place].copy()
    return Encoded(encoded.pooled[place].copy(), encoded.cells[place].copy(), trace)


def _joined(one: Encoded, other: Encoded) -> Encoded:
    trace = None
    if one.trace is not None and other.trace is not None:
        trace = np.concatenate([one.trace, other.trace])
    return Encoded(
        np.concatenate([one.pooled, other.pooled]), np.concatenate([one.cells, other.cells]), trace
    )
