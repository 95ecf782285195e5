"""Which frames stand for a row in training: evenly spread, or by any sampler on the stored scan of its video.

The same choice is made when the pipeline answers (`describe.choose`), so that a model sees in training what
it will see later (paper §4.2, §4.3).

Shape legend: `N` chosen frames, `D` width of the class token.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from holmesvau.ats.events import EventsConfig, find_events
from holmesvau.ats.features import Encoder, Features, HalfArray, Progress, Scorer
from holmesvau.ats.scan import ScanConfig, recipe_of, scan, scanned_before
from holmesvau.ats.spread import uniform_cover
from holmesvau.ats.store import FeatureStore
from holmesvau.describe import SamplerConfig, choose
from holmesvau.errors import InputError
from holmesvau.types import AnomalyCurve, IndexArray, ScoreArray, Span
from holmesvau.video import Video, open_video

FRAMES = 16
_VIDEOS_REMEMBERED = 64


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The frames `index[N]` of a row, rising.

    Where they were chosen by a stored scan, `scores[N]` and class tokens `pooled[N, D]` of the dense frames
    they belong to; else None.
    """

    index: IndexArray
    scores: ScoreArray | None = None
    pooled: HalfArray | None = None


class Chooser(Protocol):
    """Chooses the frames of a row. It travels to the workers of a loader, so it must be picklable."""

    def __call__(self, path: Path, video: Video, span: Span | None) -> Chosen:
        """The frames of `video`, which is the file at `path`: of all of it or of `span`.

        Raises:
            InputError: when there are none, or they cannot be chosen.
            VideoError: when the video cannot be read.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """The middles of `num_frames` equal parts; all frames where there are no more than that."""

    num_frames: int = FRAMES

    def __post_init__(self) -> None:
        if self.num_frames < 1:
            raise InputError(f"num_frames = {self.num_frames}: choose at least one frame a row.")

    def __call__(self, path: Path, video: Video, span: Span | None) -> Chosen:
        """See `Chooser`."""
        inside = video.within(span)
        if not len(inside):
            where = "it" if span is None else f"{span.start:g}-{span.end:g} s of it"
            raise InputError(f"{path}: no frame lies in {where}; it is {video.info.duration:.3f} s long.")
        return Chosen(inside[uniform_cover(len(inside), self.num_frames)])


@dataclass(slots=True)
class _Scanned:
    """The last videos' features and curves: rows of one video follow one another."""

    features: OrderedDict[Path, Features] = field(default_factory=OrderedDict)
    curves: dict[Path, AnomalyCurve] = field(default_factory=dict)


class Scanned:
    """By a sampler, on the curve that a scorer gives for the stored features of the row's file.

    Nothing is encoded: `scan_videos` fills the store beforehand. `otherwise` says what happens to a file
    without stored features: it raises, or its frames are spread evenly. `sampler.num_frames` None is 16.
    """

    def __init__(
        self,
        encoder: Encoder,
        scorer: Scorer,
        *,
        sampler: SamplerConfig | None = None,
        config: ScanConfig | None = None,
        events: EventsConfig | None = None,
        store: FeatureStore | None = None,
        otherwise: Literal["raise", "uniform"] = "raise",
    ) -> None:
        if otherwise not in ("raise", "uniform"):
            raise InputError(f"otherwise = {otherwise!r}: choose raise or uniform.")
        self.sampler = sampler or SamplerConfig()
        self.num_frames = self.sampler.num_frames or FRAMES
        self.otherwise = otherwise
        self._scorer, self._events = scorer, events or EventsConfig()
        self._store = store if store is not None else FeatureStore()
        # Only what the store files features under: an encoder's session does not travel to other processes.
        self._recipe = recipe_of(encoder, config or ScanConfig(), content="")
        self._uniform = Uniform(num_frames=self.num_frames)
        self._known = _Scanned()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_known": _Scanned()}

    def __call__(self, path: Path, video: Video, span: Span | None) -> Chosen:
        """See `Chooser`."""
        known = self.scan_of(path)
        if known is None:
            if self.otherwise == "uniform":
                return self._uniform(path, video, span)
            raise InputError(
                f"{path}: the store {self._store.root} has no features of it by {self._recipe.encoder}, "
                f"{self._recipe.stride}. Scan the videos first (scan_videos), or allow otherwise='uniform'."
            )
        features, curve = known
        found = find_events(curve, self._events) if span is None else ()
        index = choose(curve, self.num_frames, self.sampler, span=span, events=found)
        dense = np.maximum(np.searchsorted(curve.index, index, side="right") - 1, 0)
        return Chosen(index, curve.scores[dense], np.asarray(features.pooled[dense]))

    def scan_of(self, path: Path) -> tuple[Features, AnomalyCurve] | None:
        """The stored features of a file and their curve; None where the store has none."""
        features, curves = self.features_of(path), self._known.curves
        if features is None:
            return None
        if path not in curves:
            scores, stride = self._scorer.score(features), features.stride_seconds
            curves[path] = AnomalyCurve(features.seconds, scores, features.index, stride, self._scorer.name)
        return features, curves[path]

    def features_of(self, path: Path) -> Features | None:
        """The stored features of a file, which are not scored for it; None where the store has none."""
        found = self._known.features
        if path not in found:
            features = self._store.features(replace(self._recipe, content=self._store.content(path)))
            if features is None:
                return None
            found[path] = features
            while len(found) > _VIDEOS_REMEMBERED:
                oldest, _ = found.popitem(last=False)
                self._known.curves.pop(oldest, None)
        found.move_to_end(path)
        return found[path]


def scan_videos(
    paths: Iterable[Path],
    encoder: Encoder,
    *,
    config: ScanConfig | None = None,
    store: FeatureStore | None = None,
    progress: Progress | None = None,
) -> int:
    """Fill the feature store for `Scanned`: how many videos had to be scanned. What is stored stays.

    Raises:
        VideoError: when a video cannot be read.
        OutputError: when features cannot be written.
    """
    scanned = 0
    for path in paths:
        if scanned_before(path, encoder, config=config or ScanConfig(), store=store) is not None:
            continue
        with open_video(path) as video:
            result = scan(video, encoder, config=config or ScanConfig(), store=store, progress=progress)
        scanned += not result.cached
    return scanned
