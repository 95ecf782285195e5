"""WebVTT: one file a video with a cue for each event and clip, for any player.

A cue's number is its place in the tree (`E0`, `E0C1`); an event's text is its judgement, description and
analysis, each in a class span; a clip's is its caption. A NOTE at the head holds classes, rate and length.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from holmesvau.errors import InputError
from holmesvau.hivau.files import read_text, write_text
from holmesvau.hivau.formats import regions as loose
from holmesvau.hivau.formats.protocol import (
    Annotations,
    each,
    mapping,
    number,
    sequence,
    text,
    whole,
    write_each,
)
from holmesvau.hivau.formats.regions import Region
from holmesvau.hivau.problems import Findings
from holmesvau.hivau.schema import VideoAnnotation
from holmesvau.types import Span

_NOTE = "NOTE holmesvau "
_PARTS = ("judgement", "description", "analysis")
_STAMP = r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMING = re.compile(rf"\s*{_STAMP}[ \t]+-->[ \t]+{_STAMP}(?:[ \t].*)?")
_CLASS = re.compile(r"<c\.(\w+)>(.*?)</c>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": "&#10;", "\r": "&#13;", "\f": "&#12;", "\0": ""}


@dataclass(frozen=True, slots=True)
class WebVtt:
    """See the module."""

    suffix: str = ".vtt"
    folder: bool = True
    losses: tuple[str, ...] = (
        "Times are whole milliseconds, and a span lasts at least one.",
        "The video's own texts and the unsplit summaries of events are left out.",
    )

    def kept(self, video: VideoAnnotation) -> VideoAnnotation:
        """Events with their three parts, clips with captions, classes, rate and length."""
        events = tuple(
            replace(
                event,
                summary="",
                span=in_milliseconds(event.span),
                clips=tuple(replace(clip, span=in_milliseconds(clip.span)) for clip in event.clips),
            )
            for event in video.events
        )
        return VideoAnnotation(video.name, video.n_frames, video.fps, video.labels, events)

    def write(self, annotations: Annotations, path: Path) -> None:
        """`NAME.vtt` for each video in the folder `path`."""
        write_each(annotations, path, self.suffix, lambda file, video: write_text(file, dump(video)))

    def read(self, path: Path, findings: Findings) -> dict[str, VideoAnnotation]:
        """A folder, or one file; cues that are not ours become captions of clips."""
        return {name: _video(name, file, findings) for name, file in each(path, self.suffix)}


def dump(video: VideoAnnotation) -> str:
    """The text of one file."""
    about = {"labels": list(video.labels), "n_frames": video.n_frames, "fps": video.fps}
    # An arrow would end the note.
    blocks = ["WEBVTT", _NOTE + json.dumps(about).replace(">", "\\u003e")]
    for region in loose.regions(video):
        start, end = milliseconds(region.span)
        if region.level == "event":
            lines = [f"<c.{p}>{_escaped(region.texts[p])}</c>" for p in _PARTS if p in region.texts]
        else:
            lines = [_escaped(region.texts.get("caption", ""))]
        blocks.append("\n".join([region.number, f"{_stamp(start)} --> {_stamp(end)}", *filter(None, lines)]))
    return "\n\n".join(blocks) + "\n"


def milliseconds(span: Span) -> tuple[int, int]:
    """Start and end in whole milliseconds, at least one apart."""
    start = round(span.start * 1000)
    return start, max(round(span.end * 1000), start + 1)


def in_milliseconds(span: Span) -> Span:
    """The span that `milliseconds` leaves of one."""
    start, end = milliseconds(span)
    return Span(start / 1000, end / 1000)


def _stamp(time: int) -> str:
    seconds, rest = divmod(time, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{rest:03}"


def _escaped(words: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in words)


def _video(name: str, path: Path, findings: Findings) -> VideoAnnotation:
    lines = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    if not re.match(r"WEBVTT(?:[ \t\n]|$)", lines):
        raise InputError(f"{path}: the first line is not WEBVTT.")
    video = VideoAnnotation(name, 0, 0.0)
    regions = []
    for line, block in _blocks(lines):
        if block.startswith(_NOTE):
            video = _noted(video, block.removeprefix(_NOTE), f"{path}:{line}")
        elif not re.match(r"(?:NOTE|STYLE|REGION)(?:[ \t\n]|$)", block) and "-->" in block:
            try:
                regions.append(_region(block, f"{path}:{line}"))
            except InputError as error:
                findings.unusable(name, str(error), line=line)
    return replace(video, events=loose.tree(regions))


def _blocks(lines: str) -> Iterator[tuple[int, str]]:
    """What stands between empty lines after the head, each with its 1-based first line."""
    block: list[str] = []
    rows = lines.split("\n")
    for number_, row in enumerate([*rows, ""], start=1):
        if row:
            block.append(row)
        elif block:
            if number_ - len(block) > 1:
                yield number_ - len(block), "\n".join(block)
            block = []


def _noted(video: VideoAnnotation, note: str, where: str) -> VideoAnnotation:
    try:
        about = mapping(json.loads(note), where)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: the note about the video is not JSON.") from error
    labels = tuple(text(label, where) for label in sequence(about.get("labels", []), where))
    frames, fps = whole(about.get("n_frames", 0), where), number(about.get("fps", 0), where)
    return replace(video, labels=labels, n_frames=frames, fps=fps)


def _region(block: str, where: str) -> Region:
    lines = block.split("\n")
    at = 0 if "-->" in lines[0] else 1
    timing = _TIMING.fullmatch(lines[at]) if at < len(lines) else None
    if timing is None:
        raise InputError(f"{where}: no times of a cue, such as 00:01.500 --> 00:04.000.")
    start, end = (_seconds(timing.groups()[side : side + 4]) for side in (0, 4))
    if end < start:
        raise InputError(f"{where}: the cue ends before it starts.")
    identity, words = (lines[0] if at else ""), "\n".join(lines[at + 1 :])
    if re.fullmatch(r"E\d+", identity):
        texts = {part: _plain(inner) for part, inner in _CLASS.findall(words) if part in _PARTS}
        return Region("event", Span(start, end), identity, (), texts)
    return Region("clip", Span(start, end), identity, (), {"caption": _plain(words)})


def _seconds(stamp: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in stamp)
    return (((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths) / 1000


def _plain(words: str) -> str:
    return html.unescape(_TAG.sub("", words))
