"""A trained scorer on a live source: the newest score of a window of the last frames.

Shape legend: `W` frames of the window, `D` width of the class token.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from holmesvau.ats.familiarity import Familiarity
from holmesvau.ats.features import Encoder, Features, HalfArray, Scorer
from holmesvau.ats.guarded import Trust
from holmesvau.ats.sliding import Newest, SlidingScorer
from holmesvau.ats.urdmu_scorer import UrDmuScorer
from holmesvau.errors import ConfigError

# Times the limit: where trust that was given is lost.
_LOST_BEYOND = 1.05


@dataclass(frozen=True, kw_only=True)
class WindowConfig:
    """How much a trained scorer sees, and over how many frames trust is judged.

    `frames`: with a stride of half a second, 128 are the last 64 s. That is about as long as the videos such
    scorers are trained on and more than twice what the network's local half reaches (51 frames); measured, a
    shorter window finds less and twice its length finds no more, for 1.6 times the work
    (`benchmarks/results/live.md`). `trusted_over` frames are those whose median distance from the training's
    decides whether the scorer is believed.

    Raises:
        ConfigError: when a number is below 2.
    """

    frames: int = 128
    trusted_over: int = 600

    def __post_init__(self) -> None:
        for name in ("frames", "trusted_over"):
            if getattr(self, name) < 2:
                raise ConfigError(f"Live window: {name} = {getattr(self, name)}: give 2 frames or more.")


class CausalScorer(Protocol):
    """A trained scorer on a live source: it takes every picture and is asked for the newest score."""

    @property
    def name(self) -> str: ...

    def take(self, pooled: HalfArray) -> None:
        """One more picture, with the class token `pooled[D]`."""
        ...

    def newest(self) -> Newest:
        """What is said of the picture that was taken last."""
        ...


class CausalWindow:
    """Any `Scorer` of `ats.features`, which scores the last `W` frames as a whole for the newest of them.

    `window` gives them, those of the camera (`Features`).
    """

    def __init__(self, scorer: Scorer, window: Callable[[], Features]) -> None:
        self._scorer, self._window = scorer, window

    @property
    def name(self) -> str:
        """The scorer's."""
        return self._scorer.name

    def take(self, pooled: HalfArray) -> None:
        """Nothing to do: the camera keeps the window."""

    def newest(self) -> Newest:
        """The score of the last frame of the window, among those before it."""
        return Newest(float(self._scorer.score(self._window())[-1]))


def causal(scorer: Scorer, encoder: Encoder, frames: int, window: Callable[[], Features]) -> CausalScorer:
    """The causal form of a trained scorer on a window of so many frames.

    Raises:
        InputError: when the scorer cannot read the encoder's features.
    """
    if isinstance(scorer, UrDmuScorer):
        scorer.refuse_foreign(encoder.name, encoder.width)
        return SlidingScorer(scorer, frames)
    return CausalWindow(scorer, window)


class RunningTrust:
    """Whether a camera's pictures are like a scorer's training: the median distance of the last frames.

    As `ats.guarded` decides of a whole recording, of what was seen so far, so that an event in a familiar
    scene does not make the scene unfamiliar. Trust once given is lost only a little beyond the limit: a
    camera that stands at it does not change its scorer with every picture.
    """

    def __init__(self, familiarity: Familiarity, frames: int) -> None:
        self._familiarity = familiarity
        self._distances: deque[float] = deque(maxlen=frames)
        self._trusted = False

    def see(self, pooled: np.ndarray, trained: str, otherwise: str) -> Trust:
        """The trust after one more class token `pooled[D]`; the two names are those of the scorers.

        Raises:
            InputError: when the features are of another width.
        """
        self._distances.append(float(self._familiarity.frame_distances(pooled[None])[0]))
        distance = float(np.median(np.fromiter(self._distances, np.float64)))
        limit = self._familiarity.limit * (_LOST_BEYOND if self._trusted else 1.0)
        self._trusted = distance <= limit
        return Trust(distance, limit, trained if self._trusted else otherwise)
