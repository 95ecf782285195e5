"""Texts out of a file of annotations in any format that `holmesvau data import` reads."""

from __future__ import annotations

import json

from holmesvau.engine.providers.protocol import Place, Reply, Request
from holmesvau.errors import ModelError
from holmesvau.hivau import formats
from holmesvau.hivau.annotations import PARTS
from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.types import Clip

# A clip or event of the file is the one asked for from this likeness in time on.
SAME = 0.5


class Imported:
    """Captions and summaries of a file. A clip without one of its own takes those it overlaps, in order.

    Raises:
        InputError: when the file cannot be read.
    """

    uses_scan = False

    def __init__(self, path: str) -> None:
        self._path = path
        self._videos = formats.load(path)

    def write(self, request: Request) -> Reply:
        """The file's text.

        Raises:
            ModelError: when it has none there.
        """
        text = self._found(request.place)
        if not text:
            place = request.place
            raise ModelError(
                f"{self._path}: has no text of {place.video} from {place.span.start:.2f} to "
                f"{place.span.end:.2f} s ({place.level})."
            )
        return Reply(text=text, model=f"file {self._path.rsplit('/', 1)[-1]}")

    def _found(self, place: Place) -> str:
        video = self._videos.get(place.video)
        if video is None:
            return ""
        if place.level == "video":
            return _parts(video)
        if place.level == "event":
            best = max(video.events, key=lambda event: event.span.iou(place.span), default=None)
            return "" if best is None or best.span.iou(place.span) < SAME else _parts(best)
        return _caption([clip for event in video.events for clip in event.clips], place)


def _caption(clips: list[Clip], place: Place) -> str:
    told = [clip for clip in clips if clip.caption.strip()]
    best = max(told, key=lambda clip: clip.span.iou(place.span), default=None)
    if best is not None and best.span.iou(place.span) >= SAME:
        return best.caption.strip()
    # A boundary's worth of a neighbour's time says nothing about this clip.
    least = min(0.5, place.span.duration / 4)
    overlapping = [clip for clip in told if clip.span.intersect(place.span) > least]
    return " ".join(dict.fromkeys(clip.caption.strip() for clip in sorted(overlapping, key=lambda c: c.span)))


def _parts(of: VideoAnnotation | EventAnnotation) -> str:
    parts = {part: text for part in PARTS if (text := getattr(of, part).strip())}
    return json.dumps(parts, ensure_ascii=False) if "judgement" in parts else ""
