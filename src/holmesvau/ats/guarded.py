"""A trained scorer that knows what it was trained on: elsewhere the training-free one takes its place.

Shape legend: `T` dense frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from holmesvau.ats.familiarity import FILE, Familiarity
from holmesvau.ats.features import Features, Scorer
from holmesvau.ats.novelty import NoveltyScorer
from holmesvau.ats.urdmu_scorer import UrDmuScorer
from holmesvau.types import ScoreArray


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether a video is like what a scorer was trained on.

    `distance` is the video's (`Familiarity.distance`), `limit` the one up to which it is trusted; `scorer` is
    the name of the scorer whose scores are therefore given.
    """

    distance: float
    limit: float
    scorer: str

    @property
    def is_familiar(self) -> bool:
        """Whether the trained scorer is trusted here."""
        return self.distance <= self.limit


class GuardedScorer:
    """The `Scorer` of `ats.features` that scores what is familiar with `trained`, the rest `otherwise`."""

    def __init__(
        self, trained: UrDmuScorer, familiarity: Familiarity, otherwise: Scorer | None = None
    ) -> None:
        self.trained = trained
        self.familiarity = familiarity
        self.otherwise: Scorer = otherwise or NoveltyScorer()

    @classmethod
    def beside(cls, trained: UrDmuScorer) -> GuardedScorer | None:
        """With the familiarity that was written beside the scorer's file; None where there is none.

        Raises:
            ModelError: when that file is damaged.
        """
        path = Path(trained.path).with_name(FILE)
        return cls(trained, Familiarity.load(path)) if path.is_file() else None

    @property
    def name(self) -> str:
        """The trained scorer's; `trust` tells which one scored a video."""
        return self.trained.name

    @property
    def windows(self) -> Path | None:
        """The trained scorer's."""
        return self.trained.windows

    @property
    def input_width(self) -> int | None:
        """The trained scorer's."""
        return self.trained.input_width

    def trust(self, features: Features) -> Trust:
        """Which of the two scores this video, and why.

        Raises:
            InputError: when the features are of another width.
        """
        distance = self.familiarity.distance(features.pooled) if len(features) else 0.0
        familiar = distance <= self.familiarity.limit
        return Trust(distance, self.familiarity.limit, (self.trained if familiar else self.otherwise).name)

    def chosen(self, trust: Trust) -> Scorer:
        """The scorer that `trust` stands for."""
        return self.trained if trust.is_familiar else self.otherwise

    def score(self, features: Features) -> ScoreArray:
        """Scores `[T]` float32 by the scorer that `trust` names."""
        return self.chosen(self.trust(features)).score(features)
