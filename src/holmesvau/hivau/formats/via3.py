"""VIA 3 (VGG's video annotator): one project file, each video a view, each span a temporal segment.

Attributes of segments are `level` (the annotator groups its timeline by it), `number`, `label`, `caption`
and the texts of an event; attributes of the file hold the video's own texts, classes, rate and length.
Nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from holmesvau.errors import InputError
from holmesvau.hivau.files import write_text
from holmesvau.hivau.formats import regions as loose
from holmesvau.hivau.formats.protocol import (
    Annotations,
    dump_json,
    joined,
    mapping,
    parted,
    read_json,
    sequence,
    span,
    text,
)
from holmesvau.hivau.formats.regions import PARTS, Region
from holmesvau.hivau.problems import Findings
from holmesvau.hivau.schema import VideoAnnotation

_SEGMENT, _FILE = "FILE1_Z2_XY0", "FILE1_Z0_XY0"
_TEXT, _VIDEO, _HTTP, _LOCAL = 1, 4, 2, 1
_OF_SEGMENTS = ("level", "number", "label", "caption", *PARTS)
_OF_FILES = ("labels", "n_frames", "fps", *(f"video_{part}" for part in PARTS))
_IDS = {name: str(order) for order, name in enumerate((*_OF_SEGMENTS, *_OF_FILES), start=1)}


@dataclass(frozen=True, slots=True)
class Via3:
    """`url` is where the annotator finds a video, `{name}` its name; a plain file name is asked for once."""

    url: str = "{name}.mp4"
    suffix: str = ".json"
    folder: bool = False
    losses: tuple[str, ...] = ()

    def kept(self, video: VideoAnnotation) -> VideoAnnotation:
        """All of it."""
        return video

    def write(self, annotations: Annotations, path: Path) -> None:
        """A project that opens in the annotator as it is."""
        files, views, metadata = {}, {}, {}
        for order, video in enumerate(annotations.values(), start=1):
            key = str(order)
            source = self.url.replace("{name}", video.name)
            where = _HTTP if "://" in source else _LOCAL
            file = {"fid": key, "fname": f"{video.name}.mp4", "type": _VIDEO}
            files[key] = {**file, "loc": where, "src": source}
            views[key] = {"fid_list": [key]}
            metadata[f"{key}_file"] = _metadata(key, [], _about(video))
            for region in loose.regions(video):
                about = {
                    "level": region.level,
                    "number": region.number,
                    "label": joined(region.labels),
                    **region.texts,
                }
                metadata[f"{key}_{region.number}"] = _metadata(key, list(region.span), about)
        project = {
            "pid": "__VIA_PROJECT_ID__",
            "rev": "__VIA_PROJECT_REV_ID__",
            "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__",
            "pname": "holmesvau",
            "creator": "holmesvau",
            "created": 0,
            "data_format_version": "3.1.1",
            "vid_list": list(views),
        }
        whole = {
            "project": project,
            "config": {"file": {"loc_prefix": {str(place): "" for place in range(1, 5)}}, "ui": {}},
            "attribute": _attributes(),
            "file": files,
            "view": views,
            "metadata": metadata,
        }
        write_text(path, dump_json(whole))

    def read(self, path: Path, findings: Findings) -> dict[str, VideoAnnotation]:
        """A project; segments without our attributes are events named by their first attribute."""
        project = mapping(read_json(path), str(path))
        parts = {key: mapping(project.get(key), f"{path}, {key}") for key in ("file", "view", "metadata")}
        attributes = mapping(project.get("attribute"), f"{path}, attribute")
        names = {}
        for key, view in parts["view"].items():
            where = f"{path}, view {key}"
            listed = sequence(mapping(view, where).get("fid_list"), where)
            file = mapping(parts["file"].get(str(listed[0])) if listed else None, f"{where}, file")
            names[key] = PurePosixPath(text(file.get("fname"), where)).name.rsplit(".", 1)[0]
        about: dict[str, dict[str, str]] = {key: {} for key in names}
        regions: dict[str, list[Region]] = {key: [] for key in names}
        for key, entry in parts["metadata"].items():
            where = f"{path}, metadata {key}"
            try:
                _sort_in(mapping(entry, where), attributes, about, regions, where)
            except InputError as error:
                findings.unusable("", str(error), line=None)
        return {name: _video(name, about[key], regions[key], path) for key, name in names.items()}


def _about(video: VideoAnnotation) -> dict[str, str]:
    own = {f"video_{part}": value for part, value in loose.parts(video).items()}
    return {"labels": joined(video.labels), "n_frames": repr(video.n_frames), "fps": repr(video.fps), **own}


def _attributes() -> dict[str, Any]:
    return {
        _IDS[name]: {
            "aname": name,
            "anchor_id": anchor,
            "type": _TEXT,
            "desc": "",
            "options": {},
            "default_option_id": "",
        }
        for names, anchor in ((_OF_SEGMENTS, _SEGMENT), (_OF_FILES, _FILE))
        for name in names
    }


def _metadata(view: str, times: list[float], values: Mapping[str, str]) -> dict[str, Any]:
    return {"vid": view, "flg": 0, "z": times, "xy": [], "av": {_IDS[k]: v for k, v in values.items() if v}}


def _sort_in(
    entry: dict[str, Any],
    attributes: Mapping[str, Any],
    about: Mapping[str, dict[str, str]],
    regions: Mapping[str, list[Region]],
    where: str,
) -> None:
    view = text(entry.get("vid"), where)
    if view not in about:
        raise InputError(f"{where}: it belongs to view {view!r}, which the project does not have.")
    values = _values(mapping(entry.get("av") or {}, where), attributes, where)
    times = sequence(entry.get("z"), where)
    if not times:
        about[view].update(values)
        return
    level = values.get("level", "event")
    if level not in ("event", "clip"):
        raise InputError(f"{where}: its level is {level!r}; there are event and clip.")
    label = values.get("label", "") if "level" in values else next(iter(values.values()), "")
    labels = parted(label) if level == "event" else ()
    texts = {key: values[key] for key in (*PARTS, "caption") if key in values}
    kind: Literal["clip", "event"] = "clip" if level == "clip" else "event"
    regions[view].append(Region(kind, span(times, where), values.get("number", ""), labels, texts))


def _values(chosen: Mapping[str, Any], attributes: Mapping[str, Any], where: str) -> dict[str, str]:
    """Attribute name -> value, with the words of options instead of their numbers."""
    values = {}
    for key, value in chosen.items():
        attribute = mapping(attributes.get(key), f"{where}, attribute {key}")
        options = mapping(attribute.get("options") or {}, where)
        words = text(value, where)
        values[text(attribute.get("aname"), where)] = text(options.get(words, words), where)
    return values


def _video(name: str, about: Mapping[str, str], regions: list[Region], path: Path) -> VideoAnnotation:
    try:
        n_frames, fps = int(about.get("n_frames", "0")), float(about.get("fps", "0"))
    except ValueError as error:
        raise InputError(f"{path}, {name}: its n_frames or fps is no number ({error}).") from error
    classes = parted(about.get("labels", ""))
    found = loose.labels(regions)
    # What a person changed on the timeline counts; an order or a repetition that only the list has stays.
    labels = classes if set(found) == set(classes) or not found else found
    texts = {part: about.get(f"video_{part}", "") for part in PARTS}
    return VideoAnnotation(name, n_frames, fps, labels, loose.tree(regions), **texts)
