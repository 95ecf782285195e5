"""Label Studio: timeline labels on videos, ours as predictions for people to correct.

A task is a video; each region is one range of frames, counted from 1 with both ends included, and texts are
written beside their region. `holmesvau.hivau.formats.label_studio.interface` gives the labelling interface
that shows them; it is written beside the tasks as `.xml`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from xml.sax.saxutils import quoteattr

from holmesvau.errors import InputError
from holmesvau.hivau.files import write_text
from holmesvau.hivau.formats import regions as loose
from holmesvau.hivau.formats.protocol import (
    CLIP,
    NORMAL,
    Annotations,
    dump_json,
    mapping,
    number,
    read_json,
    sequence,
    text,
    whole,
)
from holmesvau.hivau.formats.regions import PARTS, Region
from holmesvau.hivau.problems import Findings
from holmesvau.hivau.schema import VideoAnnotation
from holmesvau.types import Span

_TRACK, _CLASSES = "label", "video_label"


@dataclass(frozen=True, slots=True)
class LabelStudio:
    """`url` is where Label Studio finds a video, with `{name}` for its name: by default in its own uploads.

    For files that it serves itself: `/data/local-files/?d=videos/{name}.mp4`.
    """

    url: str = "{name}.mp4"
    suffix: str = ".json"
    folder: bool = False
    losses: tuple[str, ...] = (
        "Times are whole frames.",
        "A video of unknown rate cannot be written.",
    )

    def kept(self, video: VideoAnnotation) -> VideoAnnotation:
        """Everything, at the nearest frames."""
        events = tuple(
            replace(
                event,
                span=_on_frames(event.span, video.fps),
                clips=tuple(replace(clip, span=_on_frames(clip.span, video.fps)) for clip in event.clips),
            )
            for event in video.events
        )
        return replace(video, events=events, labels=tuple(dict.fromkeys(video.labels)))

    def write(self, annotations: Annotations, path: Path) -> None:
        """Tasks with one prediction each, and the interface beside them."""
        tasks = [self._task(video) for video in annotations.values()]
        write_text(path, dump_json(tasks))
        classes = {label for video in annotations.values() for label in video.labels}
        write_text(path.with_suffix(".xml"), interface(sorted(classes)))

    def read(self, path: Path, findings: Findings) -> dict[str, VideoAnnotation]:
        """The last annotation of each task that was not cancelled, else its first prediction."""
        found = {}
        for order, task in enumerate(sequence(read_json(path), str(path))):
            where = f"{path}, task {order}"
            try:
                video = _video(mapping(task, where), where)
            except InputError as error:
                findings.unusable("", str(error), line=None)
                continue
            if video.name in found:
                message = "Two tasks are of this video; the later one counts."
                findings.add("duplicate-video", "error", video.name, message)
            found[video.name] = video
        return found

    def _task(self, video: VideoAnnotation) -> dict[str, Any]:
        if not video.fps:
            raise InputError(
                f"{video.name}: its frame rate is not known, and Label Studio counts frames. Add its fps."
            )
        result: list[dict[str, Any]] = [
            _result(f"video_{part}", "textarea", {"text": [value]}, f"video_{part}")
            for part, value in loose.parts(video).items()
        ]
        if video.labels:
            classes = list(dict.fromkeys(video.labels))
            result.append(_result(_CLASSES, "choices", {"choices": classes}, _CLASSES))
        for region in loose.regions(video):
            ranges = {"ranges": [_frames(region.span, video.fps)]}
            names = list(region.labels) or [CLIP]
            named = {**ranges, "timelinelabels": names}
            result.append(_result(_TRACK, "timelinelabels", named, region.number))
            result += [
                _result(key, "textarea", {**ranges, "text": [value]}, region.number)
                for key, value in region.texts.items()
            ]
        data = {"video": self.url.replace("{name}", video.name), "name": video.name}
        return {
            "data": {**data, "fps": video.fps, "n_frames": video.n_frames},
            "predictions": [{"model_version": "holmesvau", "result": result}],
        }


def interface(classes: Iterable[str]) -> str:
    """The labelling interface (XML) for tasks of these anomaly classes."""
    names = [*dict.fromkeys(classes), NORMAL, CLIP]
    labels = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in names)
    choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in names[:-2])
    areas = "".join(
        f'  <TextArea name="{name}" toName="video" perRegion="true" editable="true" '
        f'displayMode="region-list" placeholder="{name}"/>\n'
        for name in (*PARTS, "caption")
    )
    video_areas = "".join(
        f'  <TextArea name="video_{name}" toName="video" editable="true" placeholder="video: {name}"/>\n'
        for name in PARTS
    )
    return (
        "<View>\n"
        f'  <TimelineLabels name="{_TRACK}" toName="video">\n{labels}  </TimelineLabels>\n'
        '  <Video name="video" value="$video" frameRate="$fps" timelineHeight="160"/>\n'
        f'  <Choices name="{_CLASSES}" toName="video" choice="multiple">\n{choices}  </Choices>\n'
        f"{areas}{video_areas}</View>\n"
    )


def _result(name: str, kind: str, value: dict[str, Any], identity: str) -> dict[str, Any]:
    return {"id": identity, "from_name": name, "to_name": "video", "type": kind, "value": value}


def _frames(span: Span, fps: float) -> dict[str, int]:
    start = round(span.start * fps)
    return {"start": start + 1, "end": max(round(span.end * fps), start + 1)}


def _seconds(frames: Mapping[str, Any], fps: float, where: str) -> Span:
    start, end = (whole(frames.get(key), f"{where}, {key}") for key in ("start", "end"))
    if end < start or start < 1:
        raise InputError(f"{where}: frames {start} to {end}, counted from 1, are no range.")
    return Span((start - 1) / fps, end / fps)


def _on_frames(span: Span, fps: float) -> Span:
    return _seconds(_frames(span, fps), fps, "")


def _video(task: dict[str, Any], where: str) -> VideoAnnotation:
    data = mapping(task.get("data"), f"{where}, data")
    name = text(data.get("name"), where) or PurePosixPath(text(data.get("video"), where)).stem
    fps = number(data.get("fps", 0), f"{where}, fps")
    if not name or not fps:
        raise InputError(f"{where}: its data has no video or no fps. Frames mean nothing without a rate.")
    texts: dict[tuple[str, str], str] = {}
    found: list[tuple[str, Span, tuple[str, ...]]] = []
    classes: tuple[str, ...] = ()
    for order, item in enumerate(_results(task, where)):
        place = f"{where}, result {order}"
        fields = mapping(item, place)
        value, kind = mapping(fields.get("value"), place), fields.get("type")
        identity = text(fields.get("id"), place)
        if kind == "timelinelabels":
            labels = tuple(text(label, place) for label in sequence(value.get("timelinelabels"), place))
            for frames in sequence(value.get("ranges"), place):
                found.append((identity, _seconds(mapping(frames, place), fps, place), labels))
        elif kind == "textarea":
            lines = [text(line, place) for line in sequence(value.get("text"), place)]
            owner = identity if "ranges" in value else ""
            texts[owner, text(fields.get("from_name"), place)] = "\n".join(lines)
        elif kind == "choices" and fields.get("from_name") == _CLASSES:
            classes = tuple(text(choice, place) for choice in sequence(value.get("choices"), place))
    regions = [_region(identity, span, labels, texts) for identity, span, labels in found]
    return VideoAnnotation(
        name,
        whole(data.get("n_frames", 0), f"{where}, n_frames"),
        fps,
        loose.labels(regions) or classes,
        loose.tree(regions),
        **{part: texts.get(("", f"video_{part}"), "") for part in PARTS},
    )


def _results(task: Mapping[str, Any], where: str) -> list[Any]:
    made = sequence(task.get("annotations") or [], where)
    annotations = [one for one in made if not mapping(one, where).get("was_cancelled")]
    chosen = annotations[-1:] or sequence(task.get("predictions") or [], where)[:1]
    return sequence(mapping(chosen[0], where).get("result"), where) if chosen else []


def _region(
    identity: str, span: Span, labels: tuple[str, ...], texts: Mapping[tuple[str, str], str]
) -> Region:
    own = {name: value for (owner, name), value in texts.items() if owner == identity}
    if CLIP in labels:
        return Region("clip", span, identity, (), own)
    return Region("event", span, identity, labels, own)
