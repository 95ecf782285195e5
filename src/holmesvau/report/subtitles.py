"""Chapters, events and their clips as WebVTT and SubRip cues, in seconds from the first shown frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from holmesvau.report.sentences import chapter_title
from holmesvau.types import Event, Report, Span

SHORTEST_CUE = 0.001
# A chapter's heading stands at its beginning for so many seconds: an hour of it would hide the picture.
HEADING_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption: `name` is unique in the file, `lines` are single lines of plain text."""

    name: str
    span: Span
    lines: tuple[str, ...]


def to_vtt(report: Report) -> str:
    """WebVTT. Texts are escaped: they can neither end a cue nor form a tag."""
    blocks = ["WEBVTT"]
    for cue in _cues(report):
        text = "\n".join(_vtt_text(line) for line in cue.lines)
        blocks.append(f"{cue.name}\n{_stamp(cue.span.start, '.')} --> {_stamp(cue.span.end, '.')}\n{text}")
    return "\n\n".join(blocks) + "\n"


def to_chapters_vtt(report: Report) -> str:
    """A WebVTT track of `kind="chapters"`: one cue a chapter, as long as it is, for a player's menu."""
    blocks = ["WEBVTT"]
    for number, chapter in enumerate(report.chapters, 1):
        times = f"{_stamp(chapter.span.start, '.')} --> {_stamp(chapter.span.end, '.')}"
        blocks.append(f"chapter-{number}\n{times}\n{_vtt_text(_line(chapter_title(report, chapter)))}")
    return "\n\n".join(blocks) + "\n"


def to_srt(report: Report) -> str:
    """SubRip. It has no escapes, so the few signs that players read as markup are replaced by look-alikes."""
    blocks = []
    for number, cue in enumerate(_cues(report), 1):
        text = "\n".join(_srt_text(line) for line in cue.lines)
        blocks.append(f"{number}\n{_stamp(cue.span.start, ',')} --> {_stamp(cue.span.end, ',')}\n{text}\n")
    return "\n".join(blocks)


def _cues(report: Report) -> Iterator[Cue]:
    cues = []
    for number, chapter in enumerate(report.chapters, 1):
        shown = Span(chapter.span.start, min(chapter.span.end, chapter.span.start + HEADING_SECONDS))
        heading = f"Chapter {number}: {_line(chapter_title(report, chapter))}"
        cues.append(Cue(f"chapter-{number}", _shown(shown), (heading,)))
    for number, event in enumerate(report.events, 1):
        cues.append(Cue(f"event-{number}", _shown(event.span), _event_lines(number, event)))
        for part, clip in enumerate(event.clips, 1):
            if clip.caption.strip():
                cues.append(Cue(f"event-{number}-clip-{part}", _shown(clip.span), (_line(clip.caption),)))
    # Both formats ask for cues in the order of their starts; a chapter comes before its first event, and that
    # before its first clip.
    yield from sorted(cues, key=lambda cue: cue.span.start)


def _event_lines(number: int, event: Event) -> tuple[str, ...]:
    heading = f"Event {number}"
    if event.label.strip():
        heading += f": {_line(event.label)}"
    if math.isfinite(event.peak_score):
        heading += f" (score {event.peak_score:.2f})"
    words = event.summary.judgement if event.clips else event.summary.description or event.summary.judgement
    return (heading, _line(words)) if words.strip() else (heading,)


def _shown(span: Span) -> Span:
    """A cue must end after it starts, also when its event is a single moment."""
    return Span(span.start, max(span.end, span.start + SHORTEST_CUE))


def _line(text: str) -> str:
    """One line: a blank line inside a cue would end it."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _stamp(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def _vtt_text(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _srt_text(line: str) -> str:
    return line.replace("-->", "→").replace("<", "‹").replace(">", "›").replace("{", "(").replace("}", ")")
