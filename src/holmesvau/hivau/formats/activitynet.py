"""ActivityNet's JSON of temporal action detection, which detection toolboxes read.

    {"version", "taxonomy", "database": {NAME: {"subset", "duration", "fps", "annotations":
        [{"segment": [start, end], "label"}]}}}

`fps` is not ActivityNet's own key, but common among its readers. An event of several classes is one
annotation a class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from holmesvau.hivau.files import write_text
from holmesvau.hivau.formats.protocol import (
    NORMAL,
    Annotations,
    classes,
    dump_json,
    mapping,
    number,
    read_json,
    sequence,
    span,
    text,
)
from holmesvau.hivau.problems import Findings
from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.types import Span


@dataclass(frozen=True, slots=True)
class ActivityNet:
    """`subset` is what is written for every video: readers pick theirs by it."""

    subset: str = "validation"
    suffix: str = ".json"
    folder: bool = False
    losses: tuple[str, ...] = (
        "Events of normal videos are left out: an unlabelled segment would count as an action.",
        "Clips and all texts are left out.",
        "Classes of a video without events are left out.",
        "Without both length and rate of a video, its length is unknown.",
    )

    def kept(self, video: VideoAnnotation) -> VideoAnnotation:
        """Events of anomalous videos, classes, rate and length."""
        events = tuple(EventAnnotation(event.span) for event in video.events) if video.labels else ()
        labels = tuple(dict.fromkeys(video.labels)) if events else ()
        return VideoAnnotation(video.name, known_frames(video), video.fps, labels, events)

    def write(self, annotations: Annotations, path: Path) -> None:
        """All videos, normal ones without annotations."""
        database = {
            name: {
                "subset": self.subset,
                **length(video),
                "annotations": [
                    {"segment": list(event.span), "label": label}
                    for event in video.events
                    for label in classes(video)
                ],
            }
            for name, video in annotations.items()
        }
        whole = {"version": "holmesvau", "taxonomy": [], "database": database}
        write_text(path, dump_json(whole))

    def read(self, path: Path, findings: Findings) -> dict[str, VideoAnnotation]:
        """Videos of any subset; segments that differ only in their label become one event."""
        database = mapping(mapping(read_json(path), str(path)).get("database"), f"{path}, database")
        found = {}
        for name, entry in database.items():
            where = f"{path}, {name}"
            fields = mapping(entry, where)
            video = known_length(name, fields, where, findings)
            annotations = sequence(fields.get("annotations", []), where)
            found[name] = _with_events(video, annotations, where)
        return found


def _with_events(video: VideoAnnotation, annotations: list[Any], where: str) -> VideoAnnotation:
    groups: list[tuple[Span, list[str]]] = []
    for number_, annotation in enumerate(annotations):
        place = f"{where}, annotation {number_}"
        fields = mapping(annotation, place)
        segment, label = span(fields.get("segment"), place), text(fields.get("label"), place)
        if groups and groups[-1][0] == segment and label not in groups[-1][1]:
            groups[-1][1].append(label)
        else:
            groups.append((segment, [label]))
    labels = dict.fromkeys(label for _, names in groups for label in names if label and label != NORMAL)
    events = tuple(EventAnnotation(segment) for segment, _ in groups)
    return replace(video, labels=tuple(labels), events=events)


def length(video: VideoAnnotation) -> dict[str, float]:
    """`duration` in seconds and `fps`, as far as they are known."""
    known = {} if video.duration is None else {"duration": video.duration}
    return known | ({"fps": video.fps} if video.fps else {})


def known_frames(video: VideoAnnotation) -> int:
    """What `known_length` makes of `length`: the number of frames, or 0 where it takes an unknown rate."""
    return 0 if video.duration is None else video.n_frames


def known_length(name: str, fields: Mapping[str, Any], where: str, findings: Findings) -> VideoAnnotation:
    """A video of the length that `duration` and `fps` tell; its frames are unknown (0) without a rate.

    Raises:
        InputError: when one of them is not a number.
    """
    duration, fps = (number(fields.get(key, 0), f"{where}, {key}") for key in ("duration", "fps"))
    if duration and not fps:
        message = "It has no fps: its frames are not known."
        findings.add("unknown-rate", "note", name, message)
    return VideoAnnotation(name, round(duration * fps), fps)
