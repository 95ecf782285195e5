"""What a trained scorer makes of some frames of a scan, however long: only the windows that hold them are
read.

Shape legend: `T` dense frames, `n` of them that are asked for, `S` numbers of a state.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from holmesvau.ats.features import Features, HalfArray
from holmesvau.ats.urdmu_scorer import UrDmuScorer
from holmesvau.ats.windows import WINDOW, fade, window_starts
from holmesvau.types import IndexArray

# Windows whose states are kept for the next question: 1.1 MB each.
_KEPT = 32


class StatesAt:
    """`UrDmuScorer.states` of the dense frames of one scan, where they are asked for.

    A question is about a few frames, and a day's states are 190 MB that take a minute: here a video of up to
    1,024 frames is read whole, of a longer one the windows around the frames asked for, cross-faded where
    they overlap as in the whole.
    """

    def __init__(self, scorer: UrDmuScorer, features: Features) -> None:
        self.features = features
        self._scorer = scorer
        self._starts = window_starts(len(features)) if len(features) > WINDOW else [0]
        self._windows: OrderedDict[int, HalfArray] = OrderedDict()

    def __getitem__(self, rows: IndexArray) -> HalfArray:
        """States `[n, S]` float16 of the dense frames `rows[n]`."""
        if len(self._starts) == 1:
            return self._window(0)[rows]
        weight = fade().numpy()
        total: npt.NDArray[np.float32] | None = None
        weights = np.zeros((len(rows), 1), np.float32)
        for start in self._starts:
            held = np.flatnonzero((rows >= start) & (rows < start + WINDOW))
            if not len(held):
                continue
            place = rows[held] - start
            values = self._window(start)[place].astype(np.float32) * weight[place, None]
            total = np.zeros((len(rows), values.shape[1]), np.float32) if total is None else total
            total[held] += values
            weights[held] += weight[place, None]
        if total is None:
            return self._window(0)[:0]
        return (total / weights).astype(np.float16)

    def _window(self, start: int) -> HalfArray:
        known = self._windows.pop(start, None)
        if known is None:
            known = self._scorer.states(self.features.part(slice(start, start + WINDOW)))
        self._windows[start] = known
        if len(self._windows) > _KEPT:
            self._windows.popitem(last=False)
        return known
