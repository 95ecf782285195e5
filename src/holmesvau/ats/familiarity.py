"""Is this footage like what the scorer was trained on? The distance of its features from the training ones.

A scorer answers on any input; on footage unlike its training's the answer means little, and this says so.
The training features are described by their mean, their deviations, the directions in which they vary most
and how much is left over. A frame's distance is 1 on average over the training frames; a video's is the
median of its frames', so that an event in a familiar scene does not make the scene unfamiliar.

Shape legend: `T` dense frames, `D` feature width, `k` directions, `V` videos.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from holmesvau.ats.features import let_go
from holmesvau.errors import InputError, ModelError, OutputError
from holmesvau.types import FloatArray

FILE = "familiarity.safetensors"
DIRECTIONS = 64
# Share of known videos that lie within the limit.
WITHIN = 0.99
# Features that (almost) never vary in training would make any change of them infinitely unfamiliar.
SMALLEST_DEVIATION = 1e-3
# Variance, in deviations, that every direction has at least: smaller differences say nothing.
NOISE = 0.01
_FRAMES_AT_ONCE = 4096
_ARRAYS = ("mean", "deviation", "directions", "variances", "rest", "video_distances", "limit")


@dataclass(frozen=True, slots=True, eq=False)
class Familiarity:
    """The description of the training features, and the limit up to which a video counts as familiar.

    `mean[D]` and `deviation[D]`; in units of deviations the orthonormal `directions[k, D]`, the
    `variances[k]` along them and the variance `rest` in all others together; `video_distances[V]`, rising, of
    the videos that `limit` was set on: `nan` before `calibrated`.
    """

    mean: FloatArray
    deviation: FloatArray
    directions: FloatArray
    variances: FloatArray
    rest: float
    video_distances: FloatArray
    limit: float

    @classmethod
    def fit(cls, features: Iterable[npt.NDArray[np.floating]], directions: int = DIRECTIONS) -> Familiarity:
        """Describe training features, given as arrays `[T, D]` of any number of frames each, in one pass.

        At most `directions` are kept, fewer where there are not as many frames or features.

        Raises:
            InputError: when there are fewer than two frames, or arrays of several widths.
        """
        count, shift, total, outer = 0, None, None, None
        for frames in features:
            for start in range(0, len(frames), _FRAMES_AT_ONCE):
                part = np.asarray(frames[start : start + _FRAMES_AT_ONCE], np.float64)
                if shift is None or total is None or outer is None:
                    # Sums of squares of far-off numbers lose digits: count from the first frames' mean.
                    shift = part.mean(0)
                    total, outer = np.zeros(part.shape[1]), np.zeros((part.shape[1],) * 2)
                if part.shape[1] != len(shift):
                    raise InputError(
                        f"Features of widths {len(shift)} and {part.shape[1]} do not go together."
                    )
                part = part - shift
                count, total, outer = count + len(part), total + part.sum(0), outer + part.T @ part
        if count < 2 or shift is None or total is None or outer is None:
            raise InputError(f"{count} frames do not tell what is familiar. Give more videos.")
        centre = total / count
        covariance = outer / count - np.outer(centre, centre)
        deviation = np.sqrt(np.maximum(covariance.diagonal(), SMALLEST_DEVIATION**2))
        variances, vectors = np.linalg.eigh(covariance / np.outer(deviation, deviation))
        kept = min(directions, count - 1, len(deviation) - 1) or 1
        variances, vectors = variances[::-1], vectors[:, ::-1]
        return cls(
            mean=shift + centre,
            deviation=deviation,
            directions=np.ascontiguousarray(vectors[:, :kept].T),
            variances=np.maximum(variances[:kept], 0.0) + NOISE,
            rest=max(float(variances[kept:].sum()), 0.0) + NOISE * (len(deviation) - kept),
            video_distances=np.zeros(0),
            limit=float("nan"),
        )

    def calibrated(self, videos: Iterable[npt.NDArray[np.floating]], within: float = WITHIN) -> Familiarity:
        """The same with the limit set on videos `[T, D]` that it was not fitted on: `within` of them pass.

        Between the distances of two videos the limit is interpolated; with few videos it is near the largest.

        Raises:
            InputError: when there are no videos, or `within` is not a share.
        """
        if not 0 < within <= 1:
            raise InputError(f"within = {within}: give a share above 0, at most 1.")
        distances = np.sort([self.distance(video) for video in videos if len(video)])
        if not len(distances):
            raise InputError("No videos to set the limit of familiarity on.")
        return Familiarity(
            self.mean,
            self.deviation,
            self.directions,
            self.variances,
            self.rest,
            distances,
            float(np.quantile(distances, within)),
        )

    @property
    def width(self) -> int:
        """Width `D` of the features."""
        return len(self.mean)

    def frame_distances(self, features: npt.NDArray[np.floating]) -> FloatArray:
        """How far each frame of `features[T, D]` is from the training frames, `[T]`: 1 is their mean square.

        The root of the mean of two parts: the distance along the directions of much variation, each in its
        own deviations, and what lies outside them.

        Raises:
            InputError: when the features are of another width.
        """
        if features.ndim != 2 or features.shape[1] != self.width:
            raise InputError(f"Familiarity wants features [T, {self.width}], got {features.shape}.")
        return np.concatenate(
            [
                self._distances(features[start : start + _FRAMES_AT_ONCE])
                for start in range(0, max(1, len(features)), _FRAMES_AT_ONCE)
            ]
        )

    def _distances(self, features: npt.NDArray[np.floating]) -> FloatArray:
        z = (np.asarray(features, np.float64) - self.mean) / self.deviation
        let_go(features)
        along = z @ self.directions.T
        outside = np.maximum(np.square(z).sum(1) - np.square(along).sum(1), 0.0)
        squared = (np.square(along) / self.variances).mean(1) + outside / self.rest
        distances: FloatArray = np.sqrt(squared / 2)
        return distances

    def distance(self, features: npt.NDArray[np.floating]) -> float:
        """How far the video of `features[T, D]` is: the median of its frames' distances.

        Raises:
            InputError: when the features are of another width, or there are none.
        """
        if not len(features):
            raise InputError("A video without frames is neither familiar nor not.")
        return float(np.median(self.frame_distances(features)))

    def is_familiar(self, features: npt.NDArray[np.floating]) -> bool:
        """Whether the video of `features[T, D]` lies within the limit; see `distance`."""
        return self.distance(features) <= self.limit

    def save(self, path: str | Path) -> Path:
        """Write it as a safetensors file (float32).

        Raises:
            OutputError: when that fails.
        """
        from safetensors.numpy import save_file

        path = Path(path)
        arrays = {name: np.asarray(getattr(self, name), np.float32) for name in _ARRAYS}
        try:
            save_file(arrays, path, metadata={"format": "holmesvau familiarity 1"})
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror or error}).") from error
        return path

    @classmethod
    def load(cls, path: str | Path) -> Familiarity:
        """Read what `save` wrote.

        Raises:
            ModelError: when the file is missing, damaged or something else.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = Path(path)
        try:
            arrays = {name: value.astype(np.float64) for name, value in load_file(path).items()}
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{path}: the familiarity of a scorer cannot be read ({error}).") from error
        if missing := sorted(set(_ARRAYS) - arrays.keys()):
            raise ModelError(f"{path}: not the familiarity of a scorer (it lacks {', '.join(missing)}).")
        numbers = {name: float(arrays.pop(name)) for name in ("rest", "limit")}
        return cls(**{name: arrays[name] for name in _ARRAYS if name in arrays}, **numbers)  # type: ignore[arg-type]
