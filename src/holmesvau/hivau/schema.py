"""The rows of HIVAU-70k, typed (paper §3.2): videos are trees of events and clips; rows are questions.

Times are seconds. Texts are kept exactly as written, spaces and all: `holmesvau data check` says what is odd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from holmesvau.types import Clip, Span

Level = Literal["clip", "event", "video"]
Task = Literal["caption", "judgement", "description", "analysis"]
LEVELS: tuple[Level, ...] = get_args(Level)
TASKS: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True, slots=True)
class EventAnnotation:
    """One event: an abnormal stretch of an anomalous video, or a sampled stretch of a normal one.

    `summary` is the whole text of the language model; `judgement`, `description` and `analysis` are its three
    parts as the release splits them. Empty strings stand for what nobody has written: a normal event has no
    analysis.
    """

    span: Span
    clips: tuple[Clip, ...] = ()
    summary: str = ""
    judgement: str = ""
    description: str = ""
    analysis: str = ""


@dataclass(frozen=True, slots=True)
class VideoAnnotation:
    """One video with its events, and the same four texts for the whole of it.

    `labels` names its anomaly classes, none for a normal video. `n_frames` and `fps` are 0 where the file has
    none.
    """

    name: str
    n_frames: int
    fps: float
    labels: tuple[str, ...] = ()
    events: tuple[EventAnnotation, ...] = ()
    summary: str = ""
    judgement: str = ""
    description: str = ""
    analysis: str = ""

    @property
    def is_anomalous(self) -> bool:
        """True when the video carries at least one class label."""
        return bool(self.labels)

    @property
    def duration(self) -> float | None:
        """Length in seconds by the annotation's own count of frames; None where it has none."""
        return self.n_frames / self.fps if self.n_frames > 0 and self.fps > 0 else None


@dataclass(frozen=True, slots=True)
class Instruction:
    """One row of the instruction files: a question about a clip, an event or a video, and the answer to
    learn.

    `video` is the released relative path, such as `ucf-crime/clips/test/Abuse028_x264_E0C0.mp4`: the file
    need not exist, see `holmesvau.hivau.resolve`. `prompt` carries no `<video>` mark, in whichever shape the
    row was written.
    """

    id: int | str
    level: Level
    task: Task
    video: str
    prompt: str
    answer: str
