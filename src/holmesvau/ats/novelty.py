"""The training-free scorer: how far what a camera shows lies from what it shows at other times.

Each place of a frame (a cell of the encoder's grid) is compared with the same place at other times of the
same view, neighbours in time left out; a place is novel when even the nearest of these look different, and a
frame by its few most novel places, beyond what all of its places have in common (exposure, flicker, noise). A
fixed camera thus needs no training: what passes again and again is normal. It stands beside the trained
scorer of the paper (§4.2) and asks nothing of the encoder but cells.

Shape legend: `T` dense frames, `P` places (cells of the grid, flattened), `c` width of a cell's signature,
`R` remembered frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch

from holmesvau.ats.features import Features, read_rows
from holmesvau.ats.views import FloatCells, directions, find_views
from holmesvau.errors import ConfigError
from holmesvau.types import FloatArray, IndexArray, ScoreArray

Distances = npt.NDArray[np.float32]

# Frames compared at once: their distances to all that is remembered fill 6 MB, which stays near the
# processor.
CHUNK = 64
# Frames closer than this many seconds show the same moment, in however short a view.
LEAST_APART = 2.0
# How far above its calm a view that never rests must rise.
OVER_CALM = 2.5
# Half of the places changed by twice this (cosine distance) is a change of light, not of one thing.
EVERYWHERE = 0.025
# Beyond any cosine distance: marks a remembered frame that is not to be compared with.
NEVER = 4.0


@dataclass(frozen=True, kw_only=True)
class NoveltyConfig:
    """What is remembered, what is compared, and what is trusted.

    `remembered` frames of a view, evenly spread over it, are its normal; a place's distance is the mean to
    its `nearest` of them that are more than `apart_seconds` away (or a tenth of the time the view is seen,
    where that is less, but at least 2 s: what happens now is no witness for itself); a frame's distance that
    of its `places` most novel places. The distance that scores 0.5 is `over_usual` times the view's median,
    but at least `least_half` (cosine), and at most `most_half` or 2.5 times the view's calm (its 10th
    percentile): the first for a view that never changes, the second for one where much happens, the third for
    one that never rests. A view seen for `trusted_seconds` in all counts half; `past_seconds` is the same for
    what lies before a frame, which alone shows that a thing that came to stay is new.

    Raises:
        ConfigError: when a value is not a positive number.
    """

    remembered: int = 512
    nearest: int = 5
    places: int = 4
    apart_seconds: float = 10.0
    over_usual: float = 2.3
    least_half: float = 0.05
    most_half: float = 0.12
    trusted_seconds: float = 8.0
    past_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"Novelty: {name} = {value}: give a positive number.")


@dataclass(frozen=True, slots=True, eq=False)
class Normal:
    """What is remembered of a view: `looks[P, R, c]` unit vectors and their `seconds[R]`, rising.

    A live source can keep one of these per view and add to it as time goes on.
    """

    looks: torch.Tensor
    seconds: FloatArray

    @classmethod
    def of(cls, frames: FloatCells, seconds: FloatArray) -> Normal:
        """Remember `frames[R, P, c]`, unit vectors."""
        return cls(torch.from_numpy(np.ascontiguousarray(frames.transpose(1, 0, 2))), seconds)

    def distances(
        self, frames: FloatCells, seconds: FloatArray, apart_seconds: float, config: NoveltyConfig
    ) -> tuple[Distances, Distances]:
        """How far `frames[B, P, c]` lie from all that is remembered, and from what lies before them: two
        `[B]`.

        Only what is more than `apart_seconds` away is compared with; 0 where there is no such thing.
        """
        looks = torch.from_numpy(np.ascontiguousarray(frames.transpose(1, 0, 2)))
        # Rounding lets equal directions come out a hair closer than 0.
        distance = (1 - torch.bmm(looks, self.looks.transpose(1, 2))).clamp_(min=0)
        apart = seconds[:, None] - self.seconds[None, :]
        near = torch.from_numpy(np.abs(apart) <= apart_seconds)
        distance.masked_fill_(near, NEVER)
        whole = _frame_distance(distance, ~near, config)[0]
        past = torch.from_numpy(apart > apart_seconds)
        if not past.any():
            return whole, np.zeros_like(whole)
        before, common = _frame_distance(distance.masked_fill_(~past, NEVER), past, config)
        # A new light is new everywhere at once; a thing that came to stay is new in its place.
        return whole, before * np.clip(2 - common / EVERYWHERE, 0, 1)


class NoveltyScorer:
    """Scores frames by how far they lie from the normal of their own view; see the module.

    A cut to another camera, or to infrared, begins a view of its own, and a view that comes back is known
    again. A weaker change of light stays within its view: it moves all places alike, which is subtracted.
    Scores of a view seen only briefly are shrunk by `t² / (t² + trusted_seconds²)`, `t` its seconds in all:
    nobody can tell what is normal in a view seen once for three seconds, so it is not called abnormal.

    What it does on real footage: with the default thresholds for events it finds a burglar in three stretches
    of a montage of four cameras and leaves the empty infrared room and a last view of 3 s alone; on a fixed
    camera over a street corner it stays calm for 50 s, until people step onto the lawn, which nobody did
    before. It knows unlike, not wrong: the first dog of the day is novel, and a fight where there is one
    every hour is not.
    """

    name = "novelty"
    input_width: int | None = None

    def __init__(self, config: NoveltyConfig | None = None) -> None:
        self.config = config or NoveltyConfig()

    def score(self, features: Features) -> ScoreArray:
        """Scores `[T]` float32 in [0, 1] of `features.cells[T, h, w, c]`; 0 where there is nothing to compare
        with.
        """
        scores = np.zeros(len(features), dtype=np.float32)
        views = find_views(features.cells)
        durations = _durations(features)
        for view in range(int(views.max(initial=-1)) + 1):
            members = np.flatnonzero(views == view)
            scores[members] = self._score_view(features, members, durations)
        return scores

    def _score_view(self, features: Features, members: IndexArray, durations: FloatArray) -> ScoreArray:
        config = self.config
        seconds = features.seconds[members]
        kept = np.linspace(0, len(members) - 1, min(config.remembered, len(members))).round().astype(np.int64)
        normal = Normal.of(directions(read_rows(features.cells, members[kept])), seconds[kept])
        seen = np.cumsum(durations[members])
        apart = max(LEAST_APART, min(config.apart_seconds, float(seen[-1]) / 10))
        whole, before = np.zeros(len(members), np.float32), np.zeros(len(members), np.float32)
        for start in range(0, len(members), CHUNK):
            place = slice(start, start + CHUNK)
            looks = directions(read_rows(features.cells, members[place]))
            whole[place], before[place] = normal.distances(looks, seconds[place], apart, config)
        calm, usual = np.quantile(whole, [0.1, 0.5])
        half = max(config.least_half, min(config.over_usual * usual, max(config.most_half, OVER_CALM * calm)))
        score = np.maximum(
            _trust(seen[-1:], config.trusted_seconds) * _squash(whole, half),
            _trust(seen, config.past_seconds) * _squash(before, half),
        )
        return score.astype(np.float32)


def _frame_distance(
    distance: torch.Tensor, compared: torch.Tensor, config: NoveltyConfig
) -> tuple[Distances, Distances]:
    """Distances `[B]` of frames beyond what their places have in common, and what that is, `[B]`.

    `distance[P, B, R]` are those of places, of which `compared[B, R]` count.
    Where fewer than `nearest` can be compared with, the mean is of those.
    """
    nearest = distance.topk(min(config.nearest, distance.shape[-1]), dim=-1, largest=False).values
    valid = nearest < NEVER
    place = (nearest * valid).sum(-1) / valid.sum(-1).clamp(min=1)
    novel = place.topk(min(config.places, len(place)), dim=0).values.mean(0)
    common = place.median(0).values
    return ((novel - common) * compared.any(dim=1)).numpy(), common.numpy()


def _durations(features: Features) -> FloatArray:
    """Seconds each frame stands for; a hole in the video counts as one stride."""
    steps = np.append(np.diff(features.seconds), features.stride_seconds)[: len(features)]
    durations: FloatArray = np.clip(steps, 0.0, 2 * features.stride_seconds)
    return durations


def _trust(seconds: FloatArray, half: float) -> FloatArray:
    trust: FloatArray = seconds**2 / (seconds**2 + half**2)
    return trust


def _squash(distance: Distances, half: float) -> Distances:
    """0 at 0, 0.5 at `half`, towards 1 beyond; steep, so that the usual stays low."""
    power = (distance / half) ** 3
    squashed: Distances = power / (1 + power)
    return squashed
