"""`raw_annotations/*.json`  <->  `VideoAnnotation` (paper §3.2): what is odd is survived and reported.

What is written back from an unmended file equals it byte for byte: numbers stay as the file has them, the
order of videos, keys and classes is kept, and a part without text that the release leaves out is left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holmesvau.hivau.files import members, read_text, write_text
from holmesvau.hivau.problems import Findings, Problem, Severity
from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.types import Clip, Span

KEYS = (
    "n_frames",
    "fps",
    "label",
    "events",
    "clips",
    "clips_caption",
    "events_summary",
    "video_summary",
    "events_summary_split",
    "video_summary_split",
)
PARTS = ("judgement", "description", "analysis")


def load_annotations(
    path: str | Path, *, problems: list[Problem] | None = None
) -> dict[str, VideoAnnotation]:
    """Read a file of raw annotations: video name -> annotation, in the order of the file.

    Odd values are survived so that the numbers of events and clips, which instruction rows name, stay: a
    reversed span is turned round, a negative start becomes 0, a span that is no span becomes the empty
    `Span(0, 0)`, a missing text is empty. Each is appended to `problems` with its line. Without `problems`
    they make one warning in the log, and an entry that is no annotation at all raises instead of being left
    out.

    Raises:
        InputError: when the file cannot be read, is not JSON (with line and column), is not an object of
            videos, or, without `problems`, when an entry is unusable.
    """
    findings = Findings(str(path), problems, [])
    videos = {video.name: video for _, video in numbered(path, findings)}
    findings.hand_over()
    return videos


def numbered(path: str | Path, findings: Findings) -> Iterator[tuple[int, VideoAnnotation]]:
    """The annotations of a file, each with the 1-based line it begins on; what is odd goes to `findings`.

    Raises:
        InputError: as `load_annotations`.
    """
    seen = set()
    for line, name, entry in members(read_text(path), path):
        if name in seen:
            message = "The name stands twice; the later one counts."
            findings.add("duplicate-video", "error", name, message, line=line)
        seen.add(name)
        if isinstance(entry, dict):
            yield line, _Entry(name, entry, line, findings).video()
        else:
            findings.unusable(name, f"An annotation is an object, not {_shown(entry)}.", line=line)


def write_annotations(annotations: Mapping[str, VideoAnnotation], path: str | Path) -> Path:
    """Write annotations in the released form.

    Raises:
        OutputError: when the file cannot be written; nothing half-written is left.
    """
    return write_text(path, dump(annotations))


def dump(annotations: Mapping[str, VideoAnnotation]) -> str:
    """The text of an annotation file in the released form: four spaces, ASCII, no newline at the end."""
    return json.dumps({name: _released(video) for name, video in annotations.items()}, indent=4)


def _released(video: VideoAnnotation) -> dict[str, Any]:
    return {
        "n_frames": video.n_frames,
        "fps": video.fps,
        "label": list(video.labels),
        "events": [list(event.span) for event in video.events],
        "clips": [[list(clip.span) for clip in event.clips] for event in video.events],
        "clips_caption": [[clip.caption for clip in event.clips] for event in video.events],
        "events_summary": [event.summary for event in video.events],
        "video_summary": video.summary,
        "events_summary_split": [_split(event) for event in video.events],
        "video_summary_split": _split(video),
    }


def _split(of: VideoAnnotation | EventAnnotation) -> dict[str, str]:
    parts = {"judgement": of.judgement, "description": of.description}
    return parts | {"analysis": of.analysis} if of.analysis else parts


@dataclass(frozen=True, slots=True)
class _Entry:
    """One video's object as the file has it, read value by value."""

    name: str
    entry: Mapping[str, Any]
    line: int
    findings: Findings

    def video(self) -> VideoAnnotation:
        for key in self.entry.keys() - set(KEYS):
            self._report(
                "unknown-key", "warning", "", f"The key {key!r} is not part of the format and is not kept."
            )
        missing = [key for key in KEYS if key not in self.entry]
        if missing:
            self._report("missing-key", "warning", "", f"It has no {', '.join(missing)}: taken as empty.")
        return VideoAnnotation(
            name=self.name,
            n_frames=self._number("n_frames", whole=True),
            fps=self._number("fps"),
            labels=self._labels(),
            events=self._events(),
            summary=self._text(self.entry.get("video_summary", ""), "video_summary"),
            **self._parts(self.entry.get("video_summary_split", {}), "video_summary_split"),
        )

    def _events(self) -> tuple[EventAnnotation, ...]:
        spans = self._list(self.entry.get("events", []), "events")
        columns = {
            key: self._column(key, len(spans))
            for key in ("clips", "clips_caption", "events_summary", "events_summary_split")
        }
        events = []
        for number, span in enumerate(spans):
            place = f"event {number}"
            clips, captions, summary, split = (columns[key][number] for key in columns)
            events.append(
                EventAnnotation(
                    span=self._span(span, place),
                    clips=self._clips(clips, captions, number),
                    summary=self._text(summary, f"events_summary of {place}"),
                    **self._parts(split, f"events_summary_split of {place}"),
                )
            )
        return tuple(events)

    def _column(self, key: str, length: int) -> list[Any]:
        """The values of one list that goes along with `events`, None where it is too short."""
        values = self._list(self.entry.get(key, []), key)
        if len(values) != length and key in self.entry:
            lost = (
                "those past the last event are left out"
                if len(values) > length
                else "those missing are empty"
            )
            message = f"There are {length} events and {len(values)} {key}: {lost}."
            self._report("unequal-lengths", "error", "", message)
        return [*values[:length], *[None] * (length - len(values))]

    def _clips(self, spans: Any, captions: Any, event: int) -> tuple[Clip, ...]:
        spans = self._list(spans, f"clips of event {event}")
        captions = self._list(captions, f"clips_caption of event {event}")
        if len(spans) != len(captions):
            lost = (
                "captions past the last clip are left out"
                if len(captions) > len(spans)
                else "no text for the rest"
            )
            message = f"There are {len(spans)} clips and {len(captions)} captions: {lost}."
            self._report("unequal-lengths", "error", f"event {event}", message)
        captions = [*captions[: len(spans)], *[""] * (len(spans) - len(captions))]
        return tuple(
            Clip(
                self._span(span, f"clip {event}.{number}"),
                self._text(caption, f"caption of clip {event}.{number}"),
            )
            for number, (span, caption) in enumerate(zip(spans, captions, strict=True))
        )

    def _span(self, value: Any, place: str) -> Span:
        bounds = value if isinstance(value, list) and len(value) == 2 else ()
        if not bounds or not all(_is_number(bound) and math.isfinite(bound) for bound in bounds):
            message = f"{_shown(value)} is not [start, end] in seconds: taken as an empty span at 0."
            self._report("unusable-span", "error", place, message)
            return Span(0.0, 0.0)
        start, end = bounds
        if end < start:
            message = f"The span [{start}, {end}] ends before it starts: turned round."
            self._report("reversed-span", "warning", place, message, mended=True)
            start, end = end, start
        if start < 0:
            message = f"The span [{start}, {end}] starts before the video: cut at 0."
            self._report("negative-span", "warning", place, message, mended=True)
            start, end = 0.0, max(0.0, end)
        return Span(start, end)

    def _parts(self, value: Any, key: str) -> dict[str, str]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._report(
                "unusable-value", "error", "", f"{key} is {_shown(value)}, not an object: taken as empty."
            )
            return {}
        for part in value.keys() - set(PARTS):
            self._report(
                "unknown-key", "warning", key, f"The part {part!r} is not part of the format and is not kept."
            )
        return {part: self._text(value[part], f"{part} in {key}") for part in PARTS if part in value}

    def _labels(self) -> tuple[str, ...]:
        value = self.entry.get("label", [])
        if isinstance(value, str):
            self._report(
                "unusual-value",
                "note",
                "",
                f"label is {value!r}, not a list: taken as one label.",
                mended=True,
            )
            value = [value] if value else []
        return tuple(self._text(label, "label") for label in self._list(value, "label"))

    def _number(self, key: str, *, whole: bool = False) -> Any:
        value = self.entry.get(key, 0)
        if not _is_number(value) or not math.isfinite(value) or value < 0 or (whole and value != int(value)):
            kind = "a whole number" if whole else "a number"
            self._report(
                "unusable-value",
                "error",
                "",
                f"{key} is {_shown(value)}, not {kind} above 0: taken as unknown.",
            )
            return 0
        return int(value) if whole else value

    def _text(self, value: Any, key: str) -> str:
        if isinstance(value, str):
            return value
        if value is not None:
            self._report(
                "unusable-value", "error", "", f"{key} is {_shown(value)}, not text: taken as empty."
            )
        return ""

    def _list(self, value: Any, key: str) -> list[Any]:
        if isinstance(value, list):
            return value
        if value is not None:
            self._report(
                "unusable-value", "error", "", f"{key} is {_shown(value)}, not a list: taken as empty."
            )
        return []

    def _report(
        self, kind: str, severity: Severity, part: str, message: str, *, mended: bool = False
    ) -> None:
        place = f"{self.name}, {part}" if part else self.name
        self.findings.add(kind, severity, place, message, line=self.line, mended=mended)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}…"
