"""ELAN: one `.eaf` file a video (EAF 3.0), with tiers of events, of clips and of the whole video.

Texts hang on their span in tiers of their own (`event.judgement`), which ELAN calls symbolic association.
Spans of one tier may not overlap in ELAN: those that do go to `event-2`, `clip-2` and so on.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from holmesvau.errors import InputError
from holmesvau.hivau.files import read_text, write_text
from holmesvau.hivau.formats import regions as loose
from holmesvau.hivau.formats.protocol import Annotations, each, joined, parted, write_each
from holmesvau.hivau.formats.regions import PARTS, Region
from holmesvau.hivau.formats.webvtt import in_milliseconds, milliseconds
from holmesvau.hivau.problems import Findings
from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.types import Clip, Span

_SPAN, _TEXT = "span", "text"
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_TIER = re.compile(r"(?P<kind>video|event|clip)(?:-(?P<track>\d+))?(?:\.(?P<part>\w+))?")
# XML cannot hold these, not even escaped, and turns a carriage return into a line feed.
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")
Node = TypeVar("Node", VideoAnnotation, EventAnnotation)


@dataclass(frozen=True, slots=True)
class Elan:
    """`url` is where ELAN finds a video, relative to the file; `{name}` is its name."""

    url: str = "./{name}.mp4"
    suffix: str = ".eaf"
    folder: bool = True
    losses: tuple[str, ...] = (
        "Times are whole milliseconds, and a span lasts at least one.",
        "Control characters that XML forbids are left out of texts, carriage returns among them.",
    )

    def kept(self, video: VideoAnnotation) -> VideoAnnotation:
        """Everything, in milliseconds."""
        return replace(
            _with_texts(video),
            labels=tuple(map(_allowed, video.labels)),
            events=tuple(
                replace(
                    _with_texts(event),
                    span=in_milliseconds(event.span),
                    clips=tuple(Clip(in_milliseconds(c.span), _allowed(c.caption)) for c in event.clips),
                )
                for event in video.events
            ),
        )

    def write(self, annotations: Annotations, path: Path) -> None:
        """`NAME.eaf` for each video in the folder `path`."""

        def one(file: Path, video: VideoAnnotation) -> None:
            write_text(file, _Document(video, self.url).text())

        write_each(annotations, path, self.suffix, one)

    def read(self, path: Path, findings: Findings) -> dict[str, VideoAnnotation]:
        """A folder, or one file; spans on tiers that are not ours are events named by their value."""
        return {name: _read(name, file, findings) for name, file in each(path, self.suffix)}


def _allowed(words: str) -> str:
    return _FORBIDDEN.sub("", words)


def _with_texts(of: Node) -> Node:
    texts: dict[str, Any] = {part: _allowed(getattr(of, part)) for part in PARTS}
    return replace(of, **texts)


class _Document:
    """Builds one file: tiers and time slots are made as spans ask for them."""

    def __init__(self, video: VideoAnnotation, url: str) -> None:
        self._root = ET.Element(
            "ANNOTATION_DOCUMENT",
            {
                "AUTHOR": "holmesvau",
                "DATE": "1970-01-01T00:00:00+00:00",
                "FORMAT": "3.0",
                "VERSION": "3.0",
                "xmlns:xsi": _INSTANCE,
                "xsi:noNamespaceSchemaLocation": _SCHEMA,
            },
        )
        self._header(video, url.replace("{name}", video.name))
        self._slots = ET.SubElement(self._root, "TIME_ORDER")
        self._tiers: dict[str, ET.Element] = {}
        self._taken: dict[str, int] = {}
        self._count = 0
        self._add(Region("event", _extent(video), "", (), loose.parts(video)), "video")
        for region in loose.regions(video):
            self._add(region, region.level)

    def text(self) -> str:
        """The XML, with the types that the tiers use at its end, as the schema wants them."""
        types: tuple[Mapping[str, str], ...] = (
            {"LINGUISTIC_TYPE_ID": _SPAN, "TIME_ALIGNABLE": "true", "GRAPHIC_REFERENCES": "false"},
            {
                "CONSTRAINTS": "Symbolic_Association",
                "GRAPHIC_REFERENCES": "false",
                "LINGUISTIC_TYPE_ID": _TEXT,
                "TIME_ALIGNABLE": "false",
            },
        )
        for attributes in types:
            ET.SubElement(self._root, "LINGUISTIC_TYPE", dict(attributes))
        ET.SubElement(
            self._root,
            "CONSTRAINT",
            {"DESCRIPTION": "1-1 association with a parent annotation", "STEREOTYPE": "Symbolic_Association"},
        )
        ET.indent(self._root, " ")
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(self._root, "unicode") + "\n"

    def _header(self, video: VideoAnnotation, url: str) -> None:
        header = ET.SubElement(self._root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
        media = {"MEDIA_URL": url, "MIME_TYPE": "video/mp4", "RELATIVE_MEDIA_URL": url}
        ET.SubElement(header, "MEDIA_DESCRIPTOR", media)
        about = [("n_frames", repr(video.n_frames)), ("fps", repr(video.fps))]
        for name, value in [*about, *(("label", label) for label in video.labels)]:
            ET.SubElement(header, "PROPERTY", {"NAME": name}).text = _allowed(value)

    def _add(self, region: Region, kind: Literal["video", "event", "clip"]) -> None:
        start, end = milliseconds(region.span)
        track = 1
        while start < self._taken.get(tier := kind if track == 1 else f"{kind}-{track}", 0):
            track += 1
        self._taken[tier] = end
        value = region.texts.get("caption", "") if kind == "clip" else joined(region.labels)
        owner = self._annotation(self._tier(tier), "ALIGNABLE_ANNOTATION", value, self._times(start, end))
        parts = {key: words for key, words in region.texts.items() if key != "caption"}
        for part, words in ({"number": region.number} | parts).items():
            if words:
                child = self._tier(f"{tier}.{part}", parent=tier)
                self._annotation(child, "REF_ANNOTATION", words, {"ANNOTATION_REF": owner})

    def _tier(self, name: str, parent: str = "") -> ET.Element:
        if name not in self._tiers:
            attributes = {"LINGUISTIC_TYPE_REF": _TEXT if parent else _SPAN, "TIER_ID": name}
            if parent:
                attributes["PARENT_REF"] = parent
            self._tiers[name] = ET.SubElement(self._root, "TIER", attributes)
        return self._tiers[name]

    def _times(self, start: int, end: int) -> dict[str, str]:
        references = {}
        for which, time in enumerate((start, end), start=1):
            identity = f"ts{len(self._slots) + 1}"
            ET.SubElement(self._slots, "TIME_SLOT", {"TIME_SLOT_ID": identity, "TIME_VALUE": str(time)})
            references[f"TIME_SLOT_REF{which}"] = identity
        return references

    def _annotation(self, tier: ET.Element, kind: str, value: str, attributes: dict[str, str]) -> str:
        self._count += 1
        identity = f"a{self._count}"
        outer = ET.SubElement(tier, "ANNOTATION")
        inner = ET.SubElement(outer, kind, {"ANNOTATION_ID": identity, **attributes})
        ET.SubElement(inner, "ANNOTATION_VALUE").text = _allowed(value)
        return identity


def _extent(video: VideoAnnotation) -> Span:
    """The whole video, as far as its length or its spans tell."""
    ends = [event.span.end for event in video.events]
    return Span(0.0, video.duration if video.duration is not None else max(ends, default=0.0))


def _read(name: str, path: Path, findings: Findings) -> VideoAnnotation:
    try:
        root = ET.fromstring(read_text(path))
    except ET.ParseError as error:
        line, column = error.position
        raise InputError(f"{path}:{line}: not XML from column {column} on.") from error
    if root.tag != "ANNOTATION_DOCUMENT":
        raise InputError(f"{path}: a {root.tag}, not an ANNOTATION_DOCUMENT of ELAN.")
    properties = [(one.get("NAME", ""), one.text or "") for one in root.iterfind("HEADER/PROPERTY")]
    about = dict(properties)
    try:
        n_frames, fps = int(about.get("n_frames", "0")), float(about.get("fps", "0"))
    except ValueError as error:
        raise InputError(f"{path}: its n_frames or fps is no number ({error}).") from error
    own, regions = _spans(root, path, findings)
    classes = tuple(value for key, value in properties if key == "label")
    found = loose.labels(regions)
    labels = classes if set(found) == set(classes) or not found else found
    texts = {part: own.get(part, "") for part in PARTS}
    return VideoAnnotation(name, n_frames, fps, labels, loose.tree(regions), **texts)


def _spans(root: ET.Element, path: Path, findings: Findings) -> tuple[Mapping[str, str], list[Region]]:
    """The video's own texts, and its events and clips."""
    times_of = root.iterfind("TIME_ORDER/TIME_SLOT")
    slots = {slot.get("TIME_SLOT_ID"): slot.get("TIME_VALUE") for slot in times_of}
    below: dict[str, dict[str, str]] = {}
    for tier in root.iterfind("TIER"):
        match = _TIER.fullmatch(tier.get("TIER_ID", ""))
        for one in tier.iterfind("ANNOTATION/REF_ANNOTATION"):
            texts = below.setdefault(one.get("ANNOTATION_REF", ""), {})
            if match and match["part"]:
                texts[match["part"]] = one.findtext("ANNOTATION_VALUE") or ""
    own: Mapping[str, str] = {}
    regions = []
    for tier in root.iterfind("TIER"):
        match = _TIER.fullmatch(tier.get("TIER_ID", ""))
        kind = match["kind"] if match else "event"
        for one in tier.iterfind("ANNOTATION/ALIGNABLE_ANNOTATION"):
            texts = below.get(one.get("ANNOTATION_ID", ""), {})
            if kind == "video":
                own = texts
                continue
            times = [slots.get(one.get(f"TIME_SLOT_REF{side}")) for side in (1, 2)]
            value = one.findtext("ANNOTATION_VALUE") or ""
            try:
                span = _between(times, f"{path}, {one.get('ANNOTATION_ID')}")
            except InputError as error:
                findings.unusable(path.stem, str(error), line=None)
                continue
            number = texts.get("number", "")
            if kind == "clip":
                regions.append(Region("clip", span, number, (), {"caption": value}))
            else:
                labels = parted(value)
                regions.append(Region("event", span, number, labels, texts))
    return own, regions


def _between(times: list[str | None], where: str) -> Span:
    if not all(time is not None and time.isdecimal() for time in times):
        raise InputError(f"{where}: its ends have no times. Align it in ELAN first.")
    start, end = (int(time or 0) / 1000 for time in times)
    if end < start:
        raise InputError(f"{where}: {start} to {end} s ends before it starts.")
    return Span(start, end)
