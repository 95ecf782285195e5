"""One camera's pictures, scored one by one: features, score, and whether the scorer may be believed.

Shape legend: `W` frames of the window, `K` traces of the frames before.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from holmesvau.ats.event_classes import class_names
from holmesvau.ats.features import Encoded, Encoder, Features, Scorer
from holmesvau.ats.guarded import GuardedScorer, Trust
from holmesvau.ats.novelty import NoveltyScorer
from holmesvau.stream.inbox import Shot
from holmesvau.stream.novelty import CausalNovelty, CausalNoveltyConfig
from holmesvau.stream.window import CausalScorer, RunningTrust, WindowConfig, causal


@dataclass(frozen=True, kw_only=True)
class ScoringConfig:
    """One score every `stride_seconds`, by the causal form of the scorer that was chosen."""

    stride_seconds: float = 0.5
    novelty: CausalNoveltyConfig = field(default_factory=CausalNoveltyConfig)
    window: WindowConfig = field(default_factory=WindowConfig)


@dataclass(frozen=True, slots=True)
class Scored:
    """A camera's newest score, the scorer that gave it, and its trust where it knows its limits.

    `classes[K]` are the probabilities of the scorer's classes, where it tells any.
    """

    index: int
    seconds: float
    score: float
    scorer: str
    trust: Trust | None = None
    classes: npt.NDArray[np.float32] | None = None


class CameraScorer:
    """The causal form of a scorer, for one camera.

    `novelty` gets a memory that adapts, any other scorer a window of the last `W` frames. A guarded scorer
    gives the trained one's score while the footage is familiar; `novelty` learns beside it all the time, so
    that it knows the camera when it has to take over. Nothing here grows: `W` features, `K` traces, what
    `novelty` remembers, the distances of the last frames. `class_names` are the classes that the trained
    scorer tells, None where there are none.
    """

    def __init__(self, encoder: Encoder, scorer: Scorer, config: ScoringConfig) -> None:
        self._encoder, self._config = encoder, config
        self.class_names = class_names(scorer.trained if isinstance(scorer, GuardedScorer) else scorer)
        self._novelty: CausalNovelty | None = CausalNovelty(config.novelty)
        self._trained: CausalScorer | None = None
        self._trust: RunningTrust | None = None
        if isinstance(scorer, GuardedScorer):
            self._trained = self._causal(scorer.trained)
            self._trust = RunningTrust(scorer.familiarity, config.window.trusted_over)
        elif not isinstance(scorer, NoveltyScorer):
            self._trained, self._novelty = self._causal(scorer), None
        self._traces: npt.NDArray[np.float32] | None = None
        self._rows: deque[tuple[int, float, Encoded]] = deque(maxlen=config.window.frames)

    def see(self, shot: Shot) -> Scored:
        """Encode one picture and score it among those before it."""
        encoded = self._encoder.encode(shot.picture[None], self._traces)
        self._remember(encoded)
        self._rows.append((shot.index, shot.seconds, encoded))
        told = 0.0
        if self._novelty is not None:
            told = self._novelty.score(encoded.cells[0], shot.seconds, self._config.stride_seconds)
        if self._trained is None:
            return Scored(shot.index, shot.seconds, told, CausalNovelty.name)
        self._trained.take(encoded.pooled[0])
        trust = None
        if self._trust is not None:
            trust = self._trust.see(encoded.pooled[0], self._trained.name, CausalNovelty.name)
            if not trust.is_familiar:
                return Scored(shot.index, shot.seconds, told, CausalNovelty.name, trust)
        newest = self._trained.newest()
        return Scored(shot.index, shot.seconds, newest.score, self._trained.name, trust, newest.classes)

    def window(self) -> Features:
        """The features of the last `W` frames, of a copy of their own."""
        return Features(
            np.array([index for index, _, _ in self._rows], np.int64),
            np.array([seconds for _, seconds, _ in self._rows], np.float64),
            np.concatenate([encoded.pooled for _, _, encoded in self._rows]),
            np.concatenate([encoded.cells for _, _, encoded in self._rows]),
            self._config.stride_seconds,
            self._encoder.name,
        )

    def _causal(self, scorer: Scorer) -> CausalScorer:
        return causal(scorer, self._encoder, self._config.window.frames, self.window)

    def _remember(self, encoded: Encoded) -> None:
        if not self._encoder.memory or encoded.trace is None:
            return
        known = encoded.trace if self._traces is None else np.concatenate([self._traces, encoded.trace])
        self._traces = known[-self._encoder.memory :]
