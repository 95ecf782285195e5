"""Is this footage like what the scorer was trained on? The distance of its features from the training ones.

A scorer answers on any input; on footage unlike its training's the answer means little, and this says so.
The training features are described by their mean, their deviations, the directions in which they vary most
and how much is left over. A frame's distance is 1 on average over the training frames; a video's is the
median of its frames', so that an event in a familiar scene does not make the scene unfamiliar.

Shape legend: `T` dense frames, `D` feature width, `F` features looked at, `k` directions, `V` videos.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
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
_ITERATIONS, _SETTLED = 24, 1e-3
_ARRAYS = ("mean", "deviation", "directions", "variances", "rest", "video_distances", "limit")


@dataclass(frozen=True, slots=True, eq=False)
class Familiarity:
    """The description of the training features, and the limit up to which a video counts as familiar.

    `mean[D]` and `deviation[D]`; of the first `F` features, in units of deviations, the orthonormal
    `directions[k, F]`, the `variances[k]` along them and the variance `rest` in all others together;
    `video_distances[V]`, rising, of the videos that `limit` was set on: `nan` before `calibrated`.
    """

    mean: FloatArray
    deviation: FloatArray
    directions: FloatArray
    variances: FloatArray
    rest: float
    video_distances: FloatArray
    limit: float

    @classmethod
    def fit(
        cls,
        features: Iterable[npt.NDArray[np.floating]],
        directions: int = DIRECTIONS,
        *,
        leading: int | None = None,
    ) -> Familiarity:
        """Describe training features, given as arrays `[T, D]` of any number of frames each, in one pass.

        At most `directions` are kept, fewer where there are not as many frames or features. The first
        `leading` features are looked at (all when None).

        Raises:
            InputError: when there are fewer than two frames, or arrays of several widths.
        """
        count, shift, total, squares, outer = 0, None, None, None, None
        for block in _blocks(features):
            if shift is None or total is None or squares is None or outer is None:
                # Sums of squares of far-off numbers lose digits: count from the first frames' mean.
                shift = block.mean(0)
                total, squares = np.zeros(block.shape[1]), np.zeros(block.shape[1])
                outer = np.zeros((min(leading or block.shape[1], block.shape[1]),) * 2)
            part = block - shift
            looked = part[:, : len(outer)]
            count, total = count + len(part), total + part.sum(0)
            squares, outer = squares + np.square(part).sum(0), outer + looked.T @ looked
        if count < 2 or shift is None or total is None or squares is None or outer is None:
            raise InputError(f"{count} frames do not tell what is familiar. Give more videos.")
        centre = total / count
        deviation = np.sqrt(np.maximum(squares / count - np.square(centre), SMALLEST_DEVIATION**2))
        width = len(outer)
        covariance = outer / count - np.outer(centre[:width], centre[:width])
        scaled = covariance / np.outer(deviation[:width], deviation[:width])
        kept = min(directions, count - 1, width - 1) or 1
        variances, vectors = _main_directions(scaled, kept)
        return cls(
            mean=shift + centre,
            deviation=deviation,
            directions=np.ascontiguousarray(vectors.T),
            variances=np.maximum(variances, 0.0) + NOISE,
            rest=max(float(scaled.trace() - variances.sum()), 0.0) + NOISE * (width - kept),
            video_distances=np.zeros(0),
            limit=float("nan"),
        )

    def calibrated(self, videos: Iterable[npt.NDArray[np.floating]], within: float = WITHIN) -> Familiarity:
        """The same with the limit set on videos `[T, D]` that it was not fitted on: `within` of them pass.

        Between the distances of two videos the limit is interpolated; with few videos it is near the largest.

        Raises:
            InputError: when there are no videos, or `within` is not a share.
        """
        return self.limited([self.distance(video) for video in videos if len(video)], within)

    def limited(self, distances: Sequence[float], within: float = WITHIN) -> Familiarity:
        """The same with the limit set on the distances of videos: `within` of them pass.

        Raises:
            InputError: when there are no videos, or `within` is not a share.
        """
        if not 0 < within <= 1:
            raise InputError(f"within = {within}: give a share above 0, at most 1.")
        if not len(distances):
            raise InputError("No videos to set the limit of familiarity on.")
        rising = np.sort(np.asarray(distances, np.float64))
        return replace(self, video_distances=rising, limit=float(np.quantile(rising, within)))

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
        looked = self.directions.shape[1]
        z = np.asarray(features[:, :looked], np.float64) - self.mean[:looked]
        z /= self.deviation[:looked]
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


def _main_directions(covariance: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """The largest variances `[k]` of a covariance `[F, F]`, falling, and their directions `[F, k]`.

    By subspace iteration where few of many are wanted: all of 2,560 take minutes, and none asks for them.
    """
    width = len(covariance)
    wide = count + 16
    if wide * 4 > width:
        variances, vectors = np.linalg.eigh(covariance)
        return variances[::-1][:count], vectors[:, ::-1][:, :count]
    space = np.random.default_rng(0).standard_normal((width, wide))
    before = np.zeros(count)
    for _ in range(_ITERATIONS):
        space = np.linalg.qr(covariance @ space)[0]
        variances, inner = np.linalg.eigh(space.T @ covariance @ space)
        found = variances[::-1][:count]
        if np.allclose(found, before, rtol=_SETTLED, atol=_SETTLED * NOISE):
            break
        before = found
    return found, (space @ inner)[:, ::-1][:, :count]


def _blocks(features: Iterable[npt.NDArray[np.floating]]) -> Iterator[FloatArray]:
    """Arrays `[T, D]` of any number of frames as blocks of many: each costs a pass over `D·D` numbers.

    Raises:
        InputError: when there are arrays of several widths.
    """
    waiting: list[npt.NDArray[np.floating]] = []
    frames = 0
    width: int | None = None
    for found in features:
        if width is not None and found.shape[1] != width:
            raise InputError(f"Features of widths {width} and {found.shape[1]} do not go together.")
        width = found.shape[1]
        for start in range(0, len(found), _FRAMES_AT_ONCE):
            waiting.append(found[start : start + _FRAMES_AT_ONCE])
            frames += len(waiting[-1])
            if frames >= _FRAMES_AT_ONCE:
                yield np.concatenate(waiting).astype(np.float64)
                waiting, frames = [], 0
    if frames:
        yield np.concatenate(waiting).astype(np.float64)
