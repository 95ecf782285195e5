"""Trees as loose regions of time, and back: for tools where people draw, move and delete spans.

A region that came from us carries its number in the tree (`E0`, `E0C1`); one that a person drew does not,
and finds its place by time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from holmesvau.hivau.formats.protocol import NORMAL, classes
from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.types import Clip, Span

PARTS = ("summary", "judgement", "description", "analysis")
_NUMBER = re.compile(r"E(\d+)(?:C(\d+))?")


@dataclass(frozen=True, slots=True)
class Region:
    """An event or a clip. `texts` holds the event's parts or the clip's `caption`, where there are any.

    `labels` are classes, of events only; `NORMAL` for an event of a normal video.
    """

    level: Literal["event", "clip"]
    span: Span
    number: str = ""
    labels: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


def regions(video: VideoAnnotation) -> list[Region]:
    """Each event, followed by its clips; empty texts are left out.

    Raises:
        InputError: when a class has a name that stands for something else.
    """
    labels = classes(video) or (NORMAL,)
    found = []
    for number, event in enumerate(video.events):
        found.append(Region("event", event.span, f"E{number}", labels, parts(event)))
        for which, clip in enumerate(event.clips):
            texts = {"caption": clip.caption} if clip.caption else {}
            found.append(Region("clip", clip.span, f"E{number}C{which}", (), texts))
    return found


def parts(of: VideoAnnotation | EventAnnotation) -> dict[str, str]:
    """The texts of an event or a video that are not empty."""
    return {part: getattr(of, part) for part in PARTS if getattr(of, part)}


def labels(found: Iterable[Region]) -> tuple[str, ...]:
    """The anomaly classes that regions name, in order, each once."""
    named = (label for region in found for label in region.labels)
    return tuple(dict.fromkeys(label for label in named if label and label != NORMAL))


def tree(found: Sequence[Region]) -> tuple[EventAnnotation, ...]:
    """Events with their clips.

    Numbered regions keep their order, others follow by time. A clip without an event of its number belongs to
    the event that it shares most time with, else to the nearest; clips without any event get one around them.
    """
    events = sorted((region for region in found if region.level == "event"), key=_order)
    clips = sorted((region for region in found if region.level == "clip"), key=_order)
    if clips and not events:
        whole = Span(min(clip.span.start for clip in clips), max(clip.span.end for clip in clips))
        events = [Region("event", whole)]
    below: list[list[Clip]] = [[] for _ in events]
    numbered = [(place, _numbers(event)) for place, event in enumerate(events)]
    places = {numbers[0]: place for place, numbers in numbered if numbers}
    for clip in clips:
        numbers = _numbers(clip)
        place = places.get(numbers[0]) if numbers else None
        if place is None:
            place = max(range(len(events)), key=lambda which: _nearness(events[which].span, clip.span))
        below[place].append(Clip(clip.span, clip.texts.get("caption", "")))
    return tuple(
        EventAnnotation(event.span, tuple(under), **{part: event.texts.get(part, "") for part in PARTS})
        for event, under in zip(events, below, strict=True)
    )


def _numbers(region: Region) -> tuple[int, int] | None:
    match = _NUMBER.fullmatch(region.number)
    return (int(match[1]), int(match[2] or 0)) if match else None


def _order(region: Region) -> tuple[int, tuple[float, float]]:
    numbers = _numbers(region)
    return (0, numbers) if numbers else (1, (region.span.start, region.span.end))


def _nearness(event: Span, clip: Span) -> tuple[float, float]:
    apart = max(event.start - clip.end, clip.start - event.end, 0.0)
    return event.intersect(clip), -apart
