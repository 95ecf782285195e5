"""FiftyOne's temporal detections: the `labels.json` of a FiftyOneTemporalDetectionDataset.

    {"labels": {NAME: [{"label", "timestamps": [start, end], "attributes": {…}}]}}

NAME is a video's file name without suffix; the files lie in `data/` beside it. Of the two ways to write a
span we use seconds, which say the same at any frame rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holmesvau.errors import InputError
from holmesvau.hivau.files import write_text
from holmesvau.hivau.formats import regions as loose
from holmesvau.hivau.formats.protocol import (
    CLIP,
    Annotations,
    dump_json,
    mapping,
    read_json,
    sequence,
    span,
    text,
    whole,
)
from holmesvau.hivau.formats.regions import Region
from holmesvau.hivau.problems import Findings
from holmesvau.hivau.schema import VideoAnnotation


@dataclass(frozen=True, slots=True)
class FiftyOne:
    """See the module."""

    suffix: str = ".json"
    folder: bool = False
    losses: tuple[str, ...] = (
        "Length and rate are left out: FiftyOne reads them from the video.",
        "The video's own texts are left out.",
        "Classes of a video without events are left out.",
    )

    def kept(self, video: VideoAnnotation) -> VideoAnnotation:
        """Events and clips with their texts, and classes."""
        labels = tuple(dict.fromkeys(video.labels)) if video.events else ()
        return VideoAnnotation(video.name, 0, 0.0, labels, loose.tree(loose.regions(video)))

    def write(self, annotations: Annotations, path: Path) -> None:
        """Detections of all videos, as labels by name instead of by number in a list of classes."""
        labels = {
            name: [_detection(region) for region in loose.regions(video)]
            for name, video in annotations.items()
        }
        write_text(path, dump_json({"labels": labels}))

    def read(self, path: Path, findings: Findings) -> dict[str, VideoAnnotation]:
        """Detections with timestamps; `classes` are looked up where labels are numbers."""
        content = mapping(read_json(path), str(path))
        classes = content.get("classes")
        found = {}
        for name, detections in mapping(content.get("labels"), f"{path}, labels").items():
            regions = []
            for number, detection in enumerate(sequence(detections or [], f"{path}, {name}")):
                where = f"{path}, {name}, detection {number}"
                try:
                    regions.append(_region(mapping(detection, where), classes, where))
                except InputError as error:
                    findings.unusable(name, str(error), line=None)
            found[name] = VideoAnnotation(name, 0, 0.0, loose.labels(regions), loose.tree(regions))
        return found


def _detection(region: Region) -> dict[str, Any]:
    attributes: dict[str, Any] = {"level": region.level, "number": region.number, **region.texts}
    if len(region.labels) > 1:
        attributes["labels"] = list(region.labels)
    label = region.labels[0] if region.labels else CLIP
    return {"label": label, "timestamps": list(region.span), "attributes": attributes}


def _region(detection: dict[str, Any], classes: Any, where: str) -> Region:
    if "timestamps" not in detection:
        raise InputError(
            f"{where}: it has frames (support) but no timestamps, and frames mean nothing without the video. "
            "Write it with timestamps."
        )
    attributes = mapping(detection.get("attributes") or {}, where)
    label = detection.get("label")
    if isinstance(label, int) and classes is not None:
        names = sequence(classes, f"{where}, classes")
        if whole(label, where) >= len(names):
            raise InputError(f"{where}: label {label}, but there are {len(names)} classes.")
        label = names[label]
    name = text(label, where)
    is_clip = attributes.get("level", "clip" if name == CLIP else "event") == "clip"
    several = tuple(text(one, where) for one in sequence(attributes.get("labels") or [name], where))
    return Region(
        "clip" if is_clip else "event",
        span(detection["timestamps"], where),
        text(attributes.get("number"), where),
        () if is_clip else several,
        {key: text(attributes[key], where) for key in (*loose.PARTS, "caption") if key in attributes},
    )
