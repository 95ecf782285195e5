"""Virtual clips: what a row is about is a file where there is one, else a span of its video.

The release names event and clip files that do not exist until every video has been cut and encoded again.
Reading the span of the video instead needs no cutting and no disk (`benchmarks/split.py` compares).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from holmesvau.errors import InputError, VideoError
from holmesvau.hivau import layout
from holmesvau.hivau.layout import Place
from holmesvau.hivau.schema import Instruction, VideoAnnotation
from holmesvau.types import Span


@dataclass(frozen=True, slots=True)
class Source:
    """What to decode: all of the file at `path`, or its `span` in seconds."""

    path: Path
    span: Span | None = None


def resolve(
    instruction: Instruction | Place, annotations: Mapping[str, VideoAnnotation], root: str | Path
) -> Source:
    """Where the pictures of a row are: its own file under `root`, else a span of its video.

    An empty file counts as none: an interrupted split leaves such. The span is the annotation's, which may
    reach past the end of the video by some frames.

    Raises:
        InputError: when the path does not follow the law, or the video, event or clip has no annotation.
        VideoError: when there is neither the file nor the video that it is a part of.
    """
    place = instruction if isinstance(instruction, Place) else layout.parse(instruction.video)
    own = Path(root) / place.path
    if _is_there(own):
        return Source(own)
    video = Path(root) / place.whole().path
    if not _is_there(video):
        either = "" if place.level == "video" else f", nor is the video it is a part of, {video}"
        raise VideoError(
            f"{own}: the file is not there{either}. Put the videos under {root} as the release names them."
        )
    return Source(video, span_of(place, annotations))


def span_of(place: Place, annotations: Mapping[str, VideoAnnotation]) -> Span | None:
    """The annotated span of an event or a clip in seconds; None for a whole video.

    Raises:
        InputError: when the annotations do not have it; the message says which part is missing.
    """
    if place.event is None:
        return None
    video = annotations.get(place.video)
    if video is None:
        raise InputError(
            f"{place.path}: the annotations have no video {place.video!r}. Load the file of its dataset."
        )
    if place.event >= len(video.events):
        raise InputError(f"{place.path}: {place.video} has {len(video.events)} events, counted from 0.")
    event = video.events[place.event]
    if place.clip is None:
        return event.span
    if place.clip >= len(event.clips):
        raise InputError(
            f"{place.path}: event {place.event} of {place.video} has {len(event.clips)} clips from 0."
        )
    return event.clips[place.clip].span


def _is_there(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError as error:
        raise VideoError(f"{path}: cannot be looked at ({error.strerror or error}).") from error
