"""The data that flows through the house: frozen, slotted, numpy only. Data never travels without its time.

Times are seconds as float64, counted from the video's first shown frame; spans are half-open `[start, end)`;
a frame index counts frames in presentation order from 0.

Shape legend: `T` dense (scored) frames, `N` chosen frames, `H W C` picture height, width, channels (RGB).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError

FloatArray = npt.NDArray[np.float64]
ScoreArray = npt.NDArray[np.float32]
IndexArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open stretch of time `[start, end)` in seconds.

    Raises:
        InputError: when a bound is not finite, `start` is negative, or `end` lies before `start`.
    """

    start: float
    end: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start) and math.isfinite(self.end)):
            raise InputError(
                f"Span({self.start}, {self.end}): both bounds must be finite numbers of seconds."
            )
        if self.start < 0:
            raise InputError(f"Span({self.start}, {self.end}): a span cannot start before 0 s.")
        if self.end < self.start:
            raise InputError(f"Span({self.start}, {self.end}): the end lies before the start.")

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start

    def __contains__(self, seconds: float) -> bool:
        return self.start <= seconds < self.end

    def __iter__(self) -> Iterator[float]:
        yield self.start
        yield self.end

    def intersect(self, other: Span) -> float:
        """Seconds that both spans share; 0.0 where they only touch."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))

    def iou(self, other: Span) -> float:
        """Temporal intersection over union in [0, 1]; 0.0 for two empty spans."""
        shared = self.intersect(other)
        union = self.duration + other.duration - shared
        return shared / union if union > 0 else 0.0


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a source before its pictures are read.

    `width` and `height` are as shown, after rotation. `num_frames` and `duration` come from the packets, not
    from the header, and are None for a live source. `start_seconds` is the container's time of the first
    shown frame: add it to our seconds to get the container's (and a player's) time.
    """

    path: str
    duration: float | None
    fps: float
    num_frames: int | None
    width: int
    height: int
    codec: str
    rotation: int = 0
    has_audio: bool = False
    start_seconds: float = 0.0
    variable_frame_rate: bool = False

    @property
    def is_live(self) -> bool:
        """True when the source has no end that is known beforehand (a camera, a stream)."""
        return self.duration is None


@dataclass(frozen=True, slots=True, eq=False)
class FrameBatch:
    """Frames with their places and times.

    `frames[T, H, W, C]` uint8 RGB, `index[T]` int64 in presentation order, `seconds[T]` float64.
    """

    frames: npt.NDArray[np.uint8]
    index: IndexArray
    seconds: FloatArray

    def __post_init__(self) -> None:
        assert self.frames.ndim == 4 and self.frames.shape[-1] == 3, f"{self.frames.shape = }"
        assert len(self.frames) == len(self.index) == len(self.seconds), (
            "frames, index and seconds differ in length"
        )

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyCurve:
    """An anomaly score in [0, 1] for every dense frame (paper §4.2).

    `scores[T]` float32, `seconds[T]` float64 and `index[T]` int64 of the dense frames, rising.
    `stride_seconds` is the usual distance between two of them; a score stands for `[seconds, next seconds)`.
    """

    seconds: FloatArray
    scores: ScoreArray
    index: IndexArray
    stride_seconds: float
    scorer: str = ""

    def __post_init__(self) -> None:
        if not (len(self.seconds) == len(self.scores) == len(self.index)):
            raise InputError(
                f"An anomaly curve needs as many seconds as scores and indices, got "
                f"{len(self.seconds)}, {len(self.scores)} and {len(self.index)}."
            )
        if not np.isfinite(self.scores).all():
            where = int(np.flatnonzero(~np.isfinite(self.scores))[0])
            raise InputError(
                f"The anomaly score of dense frame {where} is {self.scores[where]}: scores must be finite."
            )

    def __len__(self) -> int:
        return len(self.scores)

    def within(self, span: Span) -> AnomalyCurve:
        """The part of the curve whose frames lie in `span`."""
        keep = (self.seconds >= span.start) & (self.seconds < span.end)
        return AnomalyCurve(
            self.seconds[keep], self.scores[keep], self.index[keep], self.stride_seconds, self.scorer
        )


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The frames chosen for the language model: `index[N]` int64, `seconds[N]` float64, and the method."""

    index: IndexArray
    seconds: FloatArray
    method: str

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True, slots=True)
class Clip:
    """The lowest level of the tree (§3.2): a few seconds and what is seen in them."""

    span: Span
    caption: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The three parts of an explanation (§3.2): is it abnormal and what, what happens, and why.

    Empty strings stand for parts that nobody has written: no text is invented.
    """

    judgement: str = ""
    description: str = ""
    analysis: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One abnormal stretch of a video, with what the model says of it.

    `peak` is the time of the highest score in seconds, `peak_score` that score. `label` is the class, or ""
    when no model has named one. `confidence` in [0, 1] is the system's own trust that this is an anomaly.
    """

    span: Span
    peak: float
    peak_score: float
    confidence: float
    label: str = ""
    summary: Summary = field(default_factory=Summary)
    clips: tuple[Clip, ...] = ()


@dataclass(frozen=True, slots=True)
class Chapter:
    """A stretch of a long video with what happens in it: the level between events and the whole.

    Chapters follow one another without gap and cut no event in two. `events` are the places, in the report's
    `events`, of those that lie in it; a chapter without any is calm. `chapters` are the finer ones it is made
    of, where it holds too much for one summary. `composed` says that its words were put together from its
    events' own by plain rules, not written by a model.
    """

    span: Span
    events: tuple[int, ...] = ()
    summary: Summary = field(default_factory=Summary)
    chapters: tuple[Chapter, ...] = ()
    composed: bool = False

    def leaves(self) -> Iterator[Chapter]:
        """The chapters at the bottom of this one, in order of time; itself where it has no finer ones."""
        if not self.chapters:
            yield self
        for chapter in self.chapters:
            yield from chapter.leaves()


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's reply to one question, with the frames it saw and the part of the video it was about.

    `note` is a sentence on why the reply is not to be believed; empty when nothing speaks against it.
    """

    question: str
    text: str
    span: Span | None = None
    selection: Selection | None = None
    model: str = ""
    note: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """Everything that watching one video gave (`holmesvau.report` turns it into files).

    `thumbnails[N]` are JPEG bytes of the chosen frames, in the order of `selection`; empty when not kept.
    `timing` holds seconds spent by stage: decode, encode, score, select, generate, total.
    `warnings` are sentences about what was lost, missing or unsure. `chapters` cut a long video into
    stretches; a short one has none.
    """

    video: VideoInfo
    curve: AnomalyCurve
    selection: Selection
    events: tuple[Event, ...]
    summary: Summary
    answers: tuple[Answer, ...] = ()
    model: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    thumbnails: tuple[bytes, ...] = ()
    chapters: tuple[Chapter, ...] = ()
