"""Exchange formats: our annotations to other people's tools and back, one file a format.

    formats.save(annotations, "tasks.json", "label-studio")
    annotations = formats.load("tasks.json")             # the format is recognised, or named

Each format says in `losses` what it cannot hold; `lost` tells which of that a set of annotations has.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holmesvau.errors import InputError
from holmesvau.hivau.annotations import numbered, write_annotations
from holmesvau.hivau.files import read_text
from holmesvau.hivau.formats.activitynet import ActivityNet
from holmesvau.hivau.formats.activitynet_captions import ActivityNetCaptions
from holmesvau.hivau.formats.csv import Csv
from holmesvau.hivau.formats.elan import Elan
from holmesvau.hivau.formats.fiftyone import FiftyOne
from holmesvau.hivau.formats.label_studio import LabelStudio
from holmesvau.hivau.formats.parquet import Parquet
from holmesvau.hivau.formats.protocol import Annotations, Format
from holmesvau.hivau.formats.via3 import Via3
from holmesvau.hivau.formats.webvtt import WebVtt
from holmesvau.hivau.problems import Findings, Problem
from holmesvau.hivau.schema import VideoAnnotation

__all__ = ["Format", "Native", "by_suffix", "formats", "get", "guess", "load", "lost", "save"]


@dataclass(frozen=True, slots=True)
class Native:
    """The released form (`holmesvau.hivau.annotations`), named here so that import and export reach it."""

    suffix: str = ".json"
    folder: bool = False
    losses: tuple[str, ...] = ()

    def kept(self, video: VideoAnnotation) -> VideoAnnotation:
        """All of it."""
        return video

    def write(self, annotations: Annotations, path: Path) -> None:
        """As `hivau.write_annotations`."""
        write_annotations(annotations, path)

    def read(self, path: Path, findings: Findings) -> dict[str, VideoAnnotation]:
        """As `hivau.load_annotations`."""
        return {video.name: video for _, video in numbered(path, findings)}


_MAKERS: dict[str, Callable[..., Format]] = {
    "activitynet": ActivityNet,
    "activitynet-captions": ActivityNetCaptions,
    "csv": Csv,
    "elan": Elan,
    "fiftyone": FiftyOne,
    "hivau": Native,
    "label-studio": LabelStudio,
    "parquet": Parquet,
    "via3": Via3,
    "webvtt": WebVtt,
}


def formats() -> tuple[str, ...]:
    """The names of all formats."""
    return tuple(_MAKERS)


def get(name: str, **options: Any) -> Format:
    """A format by name, with its own options: `url` of label-studio, via3 and elan, `subset`, `level`.

    Raises:
        InputError: for an unknown name, or an option that the format does not have.
    """
    if name not in _MAKERS:
        raise InputError(f"No format is called {name!r}; there are {', '.join(_MAKERS)}.")
    maker = _MAKERS[name]
    own = {"suffix", "folder", "losses"}
    known = {field.name for field in dataclasses.fields(maker) if field.name not in own}  # type: ignore[arg-type]
    unknown = options.keys() - known
    if unknown:
        has = f"has {', '.join(sorted(known))}" if known else "has no options"
        raise InputError(f"{name} has no option {', '.join(sorted(unknown))}: it {has}.")
    return maker(**options)


def save(annotations: Annotations, path: str | Path, name: str | None = None, **options: Any) -> Path:
    """Write annotations in another format; without a `name`, by the ending of `path`.

    Raises:
        InputError: for an unknown format or option, or what it cannot express.
        OutputError: when it cannot be written.
        MissingPartError: when a library that writes it is not installed.
    """
    path = Path(path)
    get(name or by_suffix(path), **options).write(annotations, path)
    return path


def load(
    path: str | Path, name: str | None = None, *, problems: list[Problem] | None = None, **options: Any
) -> dict[str, VideoAnnotation]:
    """Read annotations of another format; without a `name`, it is recognised.

    What had to be left out is appended to `problems`; without, it raises.

    Raises:
        InputError: when this is not such a file, or no format is recognised.
        MissingPartError: when a library that reads it is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: nothing is there.")
    findings = Findings(str(path), problems, [])
    found = get(name or guess(path), **options).read(path, findings)
    findings.hand_over()
    return found


def lost(annotations: Annotations, format: Format) -> dict[str, int]:
    """How many values of each kind would not come back from a format: `{"analysis": 3, "clip": 12}`."""
    counts: Counter[str] = Counter()
    for video in annotations.values():
        counts += _differences(video, format.kept(video))
    return dict(counts)


def guess(path: str | Path) -> str:
    """The format of a file or folder, by its ending, and what a JSON file holds.

    Raises:
        InputError: when none is recognised.
    """
    path = Path(path)
    if path.is_dir():
        for name in ("elan", "webvtt"):
            if any(path.glob(f"*{get(name).suffix}")):
                return name
        raise InputError(f"{path}: a folder without .eaf or .vtt files. Give a file, or name the format.")
    if path.suffix.lower() != ".json":
        return by_suffix(path)
    try:
        value = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not JSON. Name the format if it is another.") from error
    return _by_content(value, path)


def by_suffix(path: Path) -> str:
    """The format that an ending tells.

    Raises:
        InputError: when it tells none, as `.json` does.
    """
    for name in ("csv", "elan", "parquet", "webvtt"):
        if path.suffix.lower() == get(name).suffix:
            return name
    raise InputError(f"{path}: the ending does not tell the format. Name one of {', '.join(_MAKERS)}.")


def _by_content(value: Any, path: Path) -> str:
    if isinstance(value, list):
        return "label-studio"
    if isinstance(value, dict):
        if "database" in value:
            return "activitynet"
        if {"project", "attribute", "metadata"} <= value.keys():
            return "via3"
        if isinstance(value.get("labels"), dict) and value.keys() <= {"classes", "labels"}:
            return "fiftyone"
        first = next(iter(value.values()), None)
        if isinstance(first, dict):
            return "activitynet-captions" if "timestamps" in first else "hivau"
    raise InputError(f"{path}: JSON of an unknown kind. Name one of {', '.join(_MAKERS)}.")


def _differences(before: VideoAnnotation, after: VideoAnnotation) -> Counter[str]:
    counts: Counter[str] = Counter()
    for key in ("n_frames", "fps", "labels", "summary", "judgement", "description", "analysis"):
        counts[f"video {key}"] += getattr(before, key) != getattr(after, key)
    counts["event"] += max(0, len(before.events) - len(after.events))
    for one, other in zip(before.events, after.events, strict=False):
        counts["event span"] += one.span != other.span
        for key in ("summary", "judgement", "description", "analysis"):
            counts[f"event {key}"] += getattr(one, key) != getattr(other, key)
    clips = [[clip for event in video.events for clip in event.clips] for video in (before, after)]
    counts["clip"] += max(0, len(clips[0]) - len(clips[1]))
    for first, second in zip(*clips, strict=False):
        counts["clip span"] += first.span != second.span
        counts["clip caption"] += first.caption != second.caption
    return +counts
