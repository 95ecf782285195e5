"""A cleaned copy: what can be mended without judging a picture and without renumbering events or clips.

Texts lose outer spaces and line breaks; spans end with their video; clips are cut to the event they lie
partly in; exact repeats of a row are dropped. Contradicting texts, near-duplicate events and clips wholly
outside their event stay: they need a person's eye, and leaving them out would shift the numbers that rows and
files go by.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from holmesvau.hivau import texts
from holmesvau.hivau.checks.questions import without_id
from holmesvau.hivau.checks.trees import ROUNDING, sticks_out
from holmesvau.hivau.schema import EventAnnotation, Instruction, VideoAnnotation
from holmesvau.types import Clip, Span

Described = TypeVar("Described", VideoAnnotation, EventAnnotation)


def mended_video(video: VideoAnnotation) -> VideoAnnotation:
    """The annotation with its texts trimmed and its spans cut to the video and to their events."""
    events = tuple(_event(event, video.duration) for event in video.events)
    return _trimmed(replace(video, events=events))


def mended_rows(rows: Iterable[Instruction]) -> Iterator[Instruction]:
    """The rows with their answers trimmed, each but once: of exact repeats the first stays, with its id."""
    seen: set[Instruction] = set()
    for row in rows:
        clean = replace(row, answer=texts.mended(row.answer), prompt=texts.mended(row.prompt))
        content = without_id(clean)
        if content not in seen:
            seen.add(content)
            yield clean


def _event(event: EventAnnotation, duration: float | None) -> EventAnnotation:
    span = _cut(event.span, duration)
    clips = tuple(
        Clip(_within(_cut(clip.span, duration), span), texts.mended(clip.caption)) for clip in event.clips
    )
    return _trimmed(replace(event, span=span, clips=clips))


def _trimmed(of: Described) -> Described:
    return replace(
        of,
        summary=texts.mended(of.summary),
        judgement=texts.mended(of.judgement),
        description=texts.mended(of.description),
        analysis=texts.mended(of.analysis),
    )


def _cut(span: Span, duration: float | None) -> Span:
    if duration is None or span.end <= duration + ROUNDING or span.start >= duration:
        return span
    return Span(span.start, max(span.start, math.floor(duration * 1000) / 1000))


def _within(clip: Span, event: Span) -> Span:
    if not sticks_out(clip, event) or not clip.intersect(event):
        return clip
    return Span(max(clip.start, event.start), min(clip.end, event.end))
