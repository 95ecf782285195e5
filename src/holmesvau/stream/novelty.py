"""Novelty, causal: how far what a camera shows lies from what it has shown before, with bounded memory.

The same measure as `ats.novelty` (places of a frame against the same places at other times of the same view),
of the past alone, and with a memory that adapts: a sample of all that was seen, even over the first
`horizon_seconds` and then fading with that time, so that yesterday's routine is still normal and last year's
is not. What is abnormal now enters the memory slowly: it becomes normal when it has stayed for about
`adapt_seconds`.

Shape legend: `P` places (cells of the grid, flattened), `c` width of a cell's signature, `R` remembered
frames, `V` views.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt
import torch

from holmesvau.ats.features import HalfArray
from holmesvau.ats.novelty import LEAST_APART, OVER_CALM, NoveltyConfig
from holmesvau.ats.views import CUT, SAME, FloatCells, directions
from holmesvau.errors import ConfigError

# Half of the places changed by twice this (cosine distance) is a change of light, not of one thing. Four
# times what the offline scorer allows beside its look at the whole recording, which here does not exist:
# what is large or bright changes the neighbours' cells as well.
_EVERYWHERE = 0.1
_MINUTE = 60.0
# The usual changes slowly: it is measured again after so many frames.
_FRAMES_BETWEEN = 8
# How fast a view's usual look follows it: time constant in frames of the view.
_LOOK_FRAMES = 64


@dataclass(frozen=True, kw_only=True)
class CausalNoveltyConfig:
    """What is remembered of each view of a camera, and how it adapts.

    `remembered` frames a view, of at most `views` views (the one not seen for longest is forgotten), stand
    for its last `horizon_seconds`. A frame that scores 0.5 or more is kept so rarely that something that
    came to stay is normal after about `adapt_seconds`. `warmup_seconds` of a view count half: before, little
    is known of it. What is usual is judged on the last `usual_seconds`. Beyond what ordinary minutes of the
    horizon have reached, all but `usual_alarms_an_hour` of them, begins the abnormal: a busy place is held to
    its own measure. `measure` is the offline scorer's.

    Raises:
        ConfigError: when a value is not a positive number.
    """

    remembered: int = 512
    views: int = 8
    horizon_seconds: float = 4 * 3600.0
    adapt_seconds: float = 600.0
    warmup_seconds: float = 30.0
    usual_seconds: float = 1800.0
    usual_alarms_an_hour: float = 1.0
    seed: int = 0
    measure: NoveltyConfig = field(default_factory=NoveltyConfig)

    def __post_init__(self) -> None:
        for name in (each.name for each in fields(self) if each.name not in ("seed", "measure")):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"Live novelty: {name} = {value}: give a positive number.")


class CausalNovelty:
    """Scores the frames of one camera as they come; state is bounded by `config` and never looks ahead."""

    name = "novelty"

    def __init__(self, config: CausalNoveltyConfig | None = None) -> None:
        self.config = config or CausalNoveltyConfig()
        self._views: list[_View] = []
        self._current: _View | None = None
        self._last: FloatCells | None = None
        self._last_seconds = 0.0
        self._chance = np.random.default_rng(self.config.seed)

    def score(self, cells: HalfArray, seconds: float, stride_seconds: float) -> float:
        """The score in [0, 1] of the next frame: `cells[h, w, c]` at `seconds`, which rise."""
        look = directions(cells[None])[0]
        view = self._view(look, seconds)
        # A hole in the stream counts as one stride.
        stood = min(seconds - self._last_seconds, 2 * stride_seconds) if self._last is not None else 0.0
        self._last, self._last_seconds = look, seconds
        score = view.score(look, seconds, max(0.0, stood))
        view.remember(look, seconds, score, stride_seconds, self._chance)
        return score

    @property
    def num_views(self) -> int:
        """`V`: how many views are known now."""
        return len(self._views)

    @property
    def num_bytes(self) -> int:
        """What all that is remembered takes."""
        return sum(view.num_bytes for view in self._views)

    def _view(self, look: FloatCells, seconds: float) -> _View:
        """This frame's view: the last frame's, unless nearly all of it changed; then a known or new one."""
        current = self._current
        cut = self._last is None or float(np.quantile(_apart(look, self._last), 0.25)) > CUT
        if current is None or cut:
            current = self._known(look)
            if current is None:
                current = _View(look, self.config)
                if len(self._views) >= self.config.views:
                    self._views.remove(min(self._views, key=lambda view: view.last_seen))
                self._views.append(current)
            self._current = current
        current.last_seen = seconds
        return current

    def _known(self, look: FloatCells) -> _View | None:
        apart = [float(np.median(_apart(look, view.usual))) for view in self._views]
        nearest = int(np.argmin(apart)) if apart else -1
        return self._views[nearest] if apart and apart[nearest] < SAME else None


class _View:
    """What is normal in one view: `looks[P, R, c]` unit vectors with their times, and usual distances."""

    def __init__(self, look: FloatCells, config: CausalNoveltyConfig) -> None:
        self._config = config
        places, width = look.shape
        self._looks = torch.zeros(places, config.remembered, width)
        self._times: npt.NDArray[np.float64] = np.full(config.remembered, -np.inf)
        self._count = 0
        self._offered = 0
        self._sum = look.astype(np.float32).copy()
        self._frames = 1
        self._seen_seconds = 0.0
        self._usual = _Usual(config)
        self.last_seen = 0.0

    @property
    def usual(self) -> FloatCells:
        """The usual direction `[P, c]` of each place."""
        lengths = np.linalg.norm(self._sum, axis=-1, keepdims=True)
        usual: FloatCells = self._sum / np.maximum(lengths, 1e-6)
        return usual

    @property
    def num_bytes(self) -> int:
        return self._looks.nbytes + self._times.nbytes + self._sum.nbytes + self._usual.num_bytes

    def score(self, look: FloatCells, seconds: float, stood: float) -> float:
        """How novel this frame is against what is remembered from long enough before it."""
        self._seen_seconds += stood
        self._frames += 1
        rate = max(1.0 / self._frames, 1.0 / _LOOK_FRAMES)
        self._sum += np.float32(rate) * (look - self._sum)
        distance = self._distance(look, seconds)
        if distance is None:
            return 0.0
        beyond, common = distance
        # A new light is new everywhere at once; a thing that came is new in its place.
        beyond *= min(1.0, max(0.0, 2 - common / _EVERYWHERE))
        known = self._seen_seconds >= self._config.warmup_seconds
        half = self._usual.half(beyond, seconds, known=known)
        power = (beyond / half) ** 3
        squared = self._seen_seconds**2
        trust = squared / (squared + self._config.warmup_seconds**2)
        return float(trust * power / (1 + power))

    def _distance(self, look: FloatCells, seconds: float) -> tuple[float, float] | None:
        """Beyond what all places have in common, and that; None where there is nothing to compare with."""
        measure = self._config.measure
        apart = max(LEAST_APART, min(measure.apart_seconds, self._seen_seconds / 10))
        old = np.flatnonzero(self._times[: self._count] < seconds - apart)
        if not len(old):
            return None
        distance = 1 - torch.bmm(self._looks[:, : self._count], torch.from_numpy(look)[:, :, None])[:, :, 0]
        if len(old) < self._count:
            distance = distance[:, torch.from_numpy(old)]
        nearest = distance.clamp_(min=0).topk(min(measure.nearest, len(old)), dim=-1, largest=False).values
        place = nearest.mean(-1)
        common = float(place.median())
        novel = float(place.topk(min(measure.places, len(place))).values.mean())
        return max(0.0, novel - common), common

    def remember(
        self, look: FloatCells, seconds: float, score: float, stride: float, chance: np.random.Generator
    ) -> None:
        """Keep this frame, or not: by chance, so that what is kept is an even sample of the past.

        While there is room every normal frame is kept. Then a frame takes the place of another with a
        chance that makes the sample even over all the past, until that is longer than the horizon, and
        from then on fades with it.
        """
        config = self._config
        slots = config.remembered
        if score >= 0.5:
            # So few that `nearest` of them are there after `adapt_seconds`.
            keep = chance.random() < stride * config.measure.nearest / config.adapt_seconds
        else:
            self._offered += 1
            fading = slots * stride / config.horizon_seconds
            keep = chance.random() < max(slots / self._offered, min(1.0, fading))
        if not keep:
            return
        if self._count < slots:
            slot, self._count = self._count, self._count + 1
        else:
            slot = int(chance.integers(slots))
        self._looks[:, slot] = torch.from_numpy(look)
        self._times[slot] = seconds


class _Usual:
    """How novel ordinary life is in a view: the distance that scores 0.5, from bounded history.

    As offline it follows the median and the calm of the last `usual_seconds`. Beyond that a live watch can
    learn what no single recording tells: the height that the view's own minutes reach about
    `usual_alarms_an_hour` times an hour.
    """

    def __init__(self, config: CausalNoveltyConfig) -> None:
        self._config = config
        self._distances: deque[tuple[float, float]] = deque()
        minutes = max(1, round(config.horizon_seconds / _MINUTE))
        self._highest: deque[float] = deque(maxlen=minutes)
        self._minute = self._high = self._last = 0.0
        self._half = config.measure.least_half
        self._next = 0

    @property
    def num_bytes(self) -> int:
        return 96 * len(self._distances) + 32 * len(self._highest)

    def half(self, distance: float, seconds: float, *, known: bool) -> float:
        """The distance that scores 0.5, with this one counted in among the usual.

        While the view is not `known` everything in it is new: that does not count among its heights.
        """
        self._distances.append((seconds, distance))
        while self._distances[0][0] < seconds - self._config.usual_seconds:
            self._distances.popleft()
        # An alarm needs two high scores in a row.
        lasting = min(distance, self._last)
        self._last = distance
        if seconds - self._minute >= _MINUTE:
            if self._high > 0:
                self._highest.append(self._high)
            self._minute, self._high = seconds, 0.0
            self._next = 0
        if known:
            self._high = max(self._high, lasting)
        if self._next <= 0:
            self._half, self._next = self._measured(), _FRAMES_BETWEEN
        self._next -= 1
        return self._half

    def _measured(self) -> float:
        measure = self._config.measure
        known = np.fromiter((distance for _, distance in self._distances), np.float64, len(self._distances))
        calm, usual = np.quantile(known, [0.1, 0.5])
        half = max(
            measure.least_half, min(measure.over_usual * usual, max(measure.most_half, OVER_CALM * calm))
        )
        if not self._highest:
            return half
        share = max(0.0, 1.0 - self._config.usual_alarms_an_hour * _MINUTE / 3600)
        reached = float(np.quantile(np.fromiter(self._highest, np.float64), share, method="higher"))
        return max(half, reached)


def _apart(one: FloatCells, other: FloatCells) -> npt.NDArray[np.float32]:
    """Cosine distance `[P]` of each place."""
    distance: npt.NDArray[np.float32] = 1 - np.einsum("pc,pc->p", one, other)
    return distance
