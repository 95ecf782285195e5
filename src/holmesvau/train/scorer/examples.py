"""Videos as the scorer learns from them: stored features, a label for each dense frame, batches of windows.

Shape legend: `B` videos in a batch, `T` dense frames, `D` width of the class token.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from holmesvau.ats.classes import NORMAL, ClassNames
from holmesvau.ats.features import Encoder, Features, Progress
from holmesvau.ats.scan import scan, scanned_before
from holmesvau.ats.store import FeatureStore
from holmesvau.errors import InputError, VideoError
from holmesvau.train.data import OnError
from holmesvau.train.scorer.config import ScorerTraining
from holmesvau.train.videos import Stretch, TrainingVideo
from holmesvau.types import IndexArray
from holmesvau.video import open_video

log = logging.getLogger(__name__)

# The class of a frame that nobody can name.
UNKNOWN = -100


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A video's features, still on the disk, with `labels[T]` (1 abnormal) and `classes[T]` (or `UNKNOWN`).

    `hard[T]` is 1 in hard negatives.
    """

    video: TrainingVideo
    features: Features
    labels: npt.NDArray[np.uint8]
    classes: npt.NDArray[np.int64]
    hard: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A video that is left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows of videos, normal ones first: `features[B, T, D]` with zeros behind each window's end.

    `mask[B, T]` is True for its frames, `labels[B, T]` float32, `classes[B, T]` int64, `normal[B]` bool.
    """

    features: Tensor
    mask: Tensor
    labels: Tensor
    classes: Tensor
    normal: Tensor

    def to(self, device: str) -> Batch:
        """The same on a device."""
        parts = (self.features, self.mask, self.labels, self.classes, self.normal)
        return Batch(*(part.to(device) for part in parts))


def class_names(videos: Sequence[TrainingVideo], *, hard_negatives: bool) -> ClassNames:
    """The classes that a split shows; hard negatives only where they are wanted as classes."""
    anomalies = {event.label for video in videos for event in video.events} - {""}
    negatives = {stretch.label for video in videos for stretch in video.hard_negatives} - {""} - anomalies
    return ClassNames(tuple(sorted(anomalies)), tuple(sorted(negatives)) if hard_negatives else ())


def examples(
    videos: Sequence[TrainingVideo],
    encoder: Encoder,
    names: ClassNames,
    config: ScorerTraining,
    *,
    on_error: OnError,
    store: FeatureStore,
    progress: Progress | None = None,
) -> tuple[list[Example], list[Skipped]]:
    """Every video with its features, scanned where the store does not have them yet.

    Raises:
        VideoError: when a video cannot be read and `on_error` is "stop".
    """
    made, skipped = [], []
    for number, video in enumerate(videos):
        try:
            features = scanned_before(video.path, encoder, config=config.scan, store=store)
            if features is None:
                with open_video(video.path) as source:
                    features = scan(source, encoder, config=config.scan, store=store).features
        except VideoError as error:
            if on_error == "stop":
                raise VideoError(f'{error} (data.on_error = "skip" goes on without it.)') from error
            log.warning("%s: left out: %s", video.name, error)
            skipped.append(Skipped(video.name, str(error)))
            continue
        made.append(labelled(video, features, names))
        if progress is not None:
            progress("scanning videos", number + 1, len(videos))
    return made, skipped


def labelled(video: TrainingVideo, features: Features, names: ClassNames) -> Example:
    """The labels of a video's dense frames, from the spans of what happens in it."""
    known = {name: number for number, name in enumerate(names.all)}
    labels, hard = (np.zeros(len(features), np.uint8) for _ in range(2))
    classes = np.full(len(features), known[NORMAL], np.int64)
    for stretch in video.hard_negatives:
        hard[place := inside(features, stretch)] = 1
        classes[place] = known.get(stretch.label, known[NORMAL])
    # An anomaly in the middle of a hard negative is an anomaly.
    for stretch in video.events:
        labels[place := inside(features, stretch)] = 1
        classes[place] = known.get(stretch.label, UNKNOWN)
        hard[place] = 0
    return Example(video, features, labels, classes, hard)


def inside(features: Features, stretch: Stretch) -> slice:
    """The dense frames of a stretch; one shorter than a stride has the frame before its start."""
    first, last = np.searchsorted(features.seconds, (stretch.span.start, stretch.span.end))
    if first == last:
        first = max(0, min(first, len(features)) - 1)
    return slice(int(first), int(max(first + 1, last)))


# Kind and number of a video, and how far its scene is gone over to.
_Scene = tuple[int, int, float]


class Batches:
    """What each step of a training run sees, decided by the seed and the step's number alone.

    So nothing need be remembered to go on after an interruption, and several processes that share a batch
    (`rank` of `count`) agree on it. Every video is seen once before any is seen again. Half of a batch are
    normal videos, where there are both kinds.

    A window of a video that is longer is a stretch of it, in an anomalous video one with an abnormal frame;
    with video labels only (`config.losses.frame` 0), as nobody then knows where that is, it is frames from
    all parts of the video in order.

    With `config.tempo` a video plays faster or slower, without some frames or with some twice.

    With `config.other_scenes` windows are moved to other videos' scenes in their first `pictured` features
    (None: all).
    """

    def __init__(
        self,
        normal: Sequence[Example],
        anomalous: Sequence[Example],
        config: ScorerTraining,
        pictured: int | None = None,
    ) -> None:
        self._kinds = [kind for kind in (list(normal), list(anomalous)) if kind]
        if config.losses.weak and len(self._kinds) < 2:
            raise InputError(
                f"The weakly supervised loss needs normal and anomalous videos; there are {len(normal)} and "
                f"{len(anomalous)}. Give both, or set scorer.losses.weak=0."
            )
        self._config = config
        self._share = config.batch_videos // len(self._kinds)
        self._orders: dict[tuple[int, int], IndexArray] = {}
        self._pictured = slice(pictured)
        self._means: dict[tuple[int, int], npt.NDArray[np.float16]] = {}

    @property
    def kinds(self) -> int:
        """How many kinds of videos make up a batch, each an equal part of it: 2, or 1."""
        return len(self._kinds)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        most = max(len(kind) for kind in self._kinds)
        return max(self._config.steps_per_epoch, -(-most // self._share))

    def at(self, step: int, rank: int = 0, count: int = 1) -> Batch:
        """This process's part of the batch of a step."""
        generator = np.random.default_rng([self._config.seed, 1, step])
        chosen = []
        for number, kind in enumerate(self._kinds):
            places = range(step * self._share, (step + 1) * self._share)
            videos = [kind[self._video(number, place)] for place in places]
            chosen.append(
                [(video, self._window(video, generator), self._other_scene(generator)) for video in videos]
            )
        length = max(len(window) for kind in chosen for _, window, _ in kind)
        return self._padded([one for kind in chosen for one in kind[rank::count]], length)

    def _video(self, kind: int, place: int) -> int:
        size = len(self._kinds[kind])
        turn, position = divmod(place, size)
        if (kind, turn) not in self._orders:
            generator = np.random.default_rng([self._config.seed, 2, kind, turn])
            self._orders = {key: order for key, order in self._orders.items() if key[1] >= turn - 1}
            self._orders[kind, turn] = generator.permutation(size)
        return int(self._orders[kind, turn][position])

    def _window(self, example: Example, generator: np.random.Generator) -> IndexArray:
        played = self._played(len(example), generator)
        total, length = len(played), self._config.window
        if total <= length:
            return played
        if not self._config.losses.frame:
            bounds = np.linspace(0, total, length + 1).astype(np.int64)
            return played[generator.integers(bounds[:-1], bounds[1:])]
        low, high = 0, total - length
        if len(abnormal := np.flatnonzero(example.labels[played])):
            one = int(generator.choice(abnormal))
            low, high = max(low, one - length + 1), min(high, one)
        start = int(generator.integers(low, high + 1))
        return played[start : start + length]

    def _played(self, total: int, generator: np.random.Generator) -> IndexArray:
        """All frames of a video, some left out or shown again where it plays at another speed."""
        if self._config.tempo == 1 or not total:
            return np.arange(total, dtype=np.int64)
        # By its logarithm: twice as fast and half as fast are equally likely.
        speed = self._config.tempo ** float(generator.uniform(-1, 1))
        return np.minimum(np.arange(max(1, round(total / speed))) * speed, total - 1).astype(np.int64)

    def _other_scene(self, generator: np.random.Generator) -> _Scene | None:
        """The scene that a window is moved to: a kind and a video of it, and how far."""
        if not self._config.other_scenes or generator.random() >= self._config.other_scenes:
            return None
        kind = int(generator.integers(len(self._kinds)))
        return kind, int(generator.integers(len(self._kinds[kind]))), float(generator.random())

    def _mean(self, kind: int, video: int) -> npt.NDArray[np.float16]:
        if (kind, video) not in self._means:
            pooled = self._kinds[kind][video].features.pooled[:, self._pictured]
            self._means[kind, video] = np.asarray(pooled, np.float32).mean(0).astype(np.float16)
        return self._means[kind, video]

    def _padded(self, windows: Sequence[tuple[Example, IndexArray, _Scene | None]], length: int) -> Batch:
        width = windows[0][0].features.pooled.shape[1]
        features = np.zeros((len(windows), length, width), np.float32)
        labels, mask = (
            np.zeros((len(windows), length), np.float32),
            np.zeros((len(windows), length), np.bool_),
        )
        classes = np.full((len(windows), length), UNKNOWN, np.int64)
        for row, (example, window, scene) in enumerate(windows):
            place = slice(len(window))
            features[row, place] = example.features.pooled[window]
            if scene is not None:
                kind, video, far = scene
                shown = features[row, place, self._pictured]
                shown += far * (self._mean(kind, video) - shown.mean(0))
            labels[row, place], classes[row, place] = example.labels[window], example.classes[window]
            mask[row, place] = True
        normal = np.array([not example.video.is_anomalous for example, _, _ in windows])
        return Batch(*(torch.from_numpy(part) for part in (features, mask, labels, classes, normal)))


def frames_of(found: Sequence[Example], most: int) -> Iterator[npt.NDArray[np.float32]]:
    """Features `[T, D]` of video after video; every n-th frame where there are more than `most` in all."""
    stride = max(1, -(-sum(map(len, found)) // most))
    for example in found:
        yield np.asarray(example.features.pooled[::stride], np.float32)
