"""What is odd about an annotated video: its spans against each other and its length, its texts against its
label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

from holmesvau.errors import InputError
from holmesvau.hivau import texts, ucf_crime, xd_violence
from holmesvau.hivau.problems import Findings, Severity
from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.types import Span

# Files give seconds to three decimals: what differs by less is rounding.
ROUNDING = 0.0011
# Two events that share this part of their union are one event, entered twice.
NEAR_DUPLICATE_IOU = 0.8
_UCF_CLASS = re.compile(r"(?P<name>[A-Za-z]+)\d+_x264")


def check_video(video: VideoAnnotation, dataset: str, line: int | None, findings: Findings) -> None:
    """Report everything that is odd about one annotation of `dataset` ("" when the file does not tell)."""

    def add(kind: str, severity: Severity, part: str, message: str) -> None:
        findings.add(kind, severity, f"{video.name}, {part}" if part else video.name, message, line=line)

    for kind, severity, part, message in (*_labels(video, dataset), *_spans(video), *_texts(video)):
        add(kind, severity, part, message)


Finding = tuple[str, Severity, str, str]


def _labels(video: VideoAnnotation, dataset: str) -> Iterator[Finding]:
    named = classes_by_name(dataset, video.name)
    if named is not None and bool(named) != video.is_anomalous:
        says = ", ".join(named) or "normal"
        has = ", ".join(video.labels) or "none, which means normal"
        yield "label-contradicts-name", "error", "", f"Its name says {says}, its label is {has}."
    if not video.events:
        yield "no-events", "note", "", "It has no events."


def classes_by_name(dataset: str, name: str) -> tuple[str, ...] | None:
    """The classes that a video's name tells in UCF-Crime and XD-Violence, () for normal; None when it tells
    none.
    """
    if dataset == "xd-violence":
        try:
            return xd_violence.labels(name)
        except InputError:
            return None
    if dataset == "ucf-crime":
        if name.startswith("Normal_Videos"):
            return ()
        match = _UCF_CLASS.fullmatch(name)
        return (match["name"],) if match and match["name"] in ucf_crime.CLASSES else None
    return None


def _spans(video: VideoAnnotation) -> Iterator[Finding]:
    for number, event in enumerate(video.events):
        yield from _past_end(event.span, video, f"event {number}")
        for which, clip in enumerate(event.clips):
            place = f"clip {number}.{which}"
            yield from _past_end(clip.span, video, place)
            if sticks_out(clip.span, event.span):
                how = "partly" if clip.span.intersect(event.span) else "wholly"
                message = f"{_shown(clip.span)} lies {how} outside its event, {_shown(event.span)}."
                yield "clip-outside-event", "warning", place, message
    for (first, one), (second, other) in combinations(enumerate(video.events), 2):
        if one.span.intersect(other.span) > ROUNDING:
            share = one.span.iou(other.span)
            near = share >= NEAR_DUPLICATE_IOU
            kind = "near-duplicate-events" if near else "overlapping-events"
            message = (
                f"Events {first} and {second}, {_shown(one.span)} and {_shown(other.span)}, "
                f"share {share:.1%} of their time."
            )
            # Normal videos are sampled at several granularities (§3.2): stretches of them may overlap.
            usual = not (video.is_anomalous or near)
            yield kind, "note" if usual else "warning", f"events {first} and {second}", message


def sticks_out(inner: Span, outer: Span) -> bool:
    """True when a span leaves another one by more than rounding."""
    return inner.start < outer.start - ROUNDING or inner.end > outer.end + ROUNDING


def _past_end(span: Span, video: VideoAnnotation, place: str) -> Iterator[Finding]:
    if span.duration <= 0:
        yield "empty-span", "warning", place, f"{_shown(span)} is empty."
    duration = video.duration
    if duration is None or span.end <= duration + ROUNDING:
        return
    ends = f"ends {span.end - duration:.3f} s past the video's {duration:.3f} s"
    if span.start >= duration:
        yield "span-outside-video", "error", place, f"{_shown(span)} lies wholly outside: it {ends}."
    else:
        yield "span-past-end", "warning", place, f"{_shown(span)} {ends}."


def _texts(video: VideoAnnotation) -> Iterator[Finding]:
    described: list[tuple[str, VideoAnnotation | EventAnnotation]] = [("", video)]
    described += [(f"event {number}", event) for number, event in enumerate(video.events)]
    for place, of in described:
        if texts.contradicts(of.judgement, video.is_anomalous):
            label = ", ".join(video.labels) or "normal"
            message = f"Its label is {label} and its judgement: {of.judgement}"
            yield "text-contradicts-label", "warning", place, message
        for what in ("summary", "judgement", "description", "analysis"):
            text: str = getattr(of, what)
            if what == "analysis" and not text and not video.is_anomalous:
                continue
            yield from ((kind, severity, place, said) for kind, severity, said in texts.oddities(text, what))
    for number, event in enumerate(video.events):
        for which, clip in enumerate(event.clips):
            place = f"clip {number}.{which}"
            for kind, severity, said in texts.oddities(clip.caption, "caption"):
                yield kind, severity, place, said


def _shown(span: Span) -> str:
    return f"{span.start:g}-{span.end:g} s"
