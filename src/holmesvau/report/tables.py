"""The curve, the events and the chapters as tables: CSV for spreadsheets, JSON lines for grep and jq."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from holmesvau.report.json import dump, to_json
from holmesvau.report.sentences import chapter_title
from holmesvau.types import Chapter, Report

EVENT_COLUMNS = (
    *("event", "start", "end", "peak", "peak_score", "confidence"),
    *("label", "judgement", "description", "analysis", "clips", "chapter"),
)
CHAPTER_COLUMNS = (
    *("chapter", "start", "end", "events", "title", "judgement", "description", "analysis", "composed"),
)
# A spreadsheet runs a cell that begins with one of these as a formula.
FORMULA_SIGNS = ("=", "+", "-", "@")


def curve_csv(report: Report) -> str:
    """One row a dense frame, with 1 under `chosen` for the frames that were looked at."""
    curve = to_json(report)["curve"]
    chosen = set(report.selection.index.tolist())
    rows = zip(curve["index"], curve["seconds"], curve["scores"], strict=True)
    return _table(
        ("frame", "seconds", "score", "chosen"),
        ((frame, f"{seconds:.3f}", f"{score:.4f}", int(frame in chosen)) for frame, seconds, score in rows),
    )


def events_csv(report: Report) -> str:
    """One row an event. Texts are one line each, and none can start a formula in a spreadsheet."""
    rows = []
    leaves = [(name, chapter) for name, chapter in _numbered(report.chapters) if not chapter.chapters]
    of = {event: name for name, chapter in leaves for event in chapter.events}
    for number, event in enumerate(to_json(report)["events"], 1):
        clips = [f"{clip['start']:.3f}-{clip['end']:.3f} {clip['caption']}" for clip in event["clips"]]
        row = {**event, "event": number, "clips": " | ".join(clips), "chapter": of.get(number - 1)}
        rows.append([_cell(row[column]) for column in EVENT_COLUMNS])
    return _table(EVENT_COLUMNS, rows)


def chapters_csv(report: Report) -> str:
    """One row a chapter, the finer ones (`c3.2`) after the one they are part of; events count from 1."""
    rows = []
    for name, chapter in _numbered(report.chapters):
        told = chapter.summary
        row = {
            "chapter": name,
            "start": f"{chapter.span.start:.3f}",
            "end": f"{chapter.span.end:.3f}",
            "events": " ".join(str(event + 1) for event in chapter.events),
            "title": chapter_title(report, chapter),
            "judgement": told.judgement,
            "description": told.description,
            "analysis": told.analysis,
            "composed": int(chapter.composed),
        }
        rows.append([_cell(row[column]) for column in CHAPTER_COLUMNS])
    return _table(CHAPTER_COLUMNS, rows)


def _numbered(chapters: Sequence[Chapter], prefix: str = "c") -> Iterator[tuple[str, Chapter]]:
    """Each chapter with its number, `c3` or `c3.10`, the finer ones after the one they are part of.

    The letter keeps a spreadsheet from reading 3.10 as 3.1.
    """
    for number, chapter in enumerate(chapters, 1):
        yield f"{prefix}{number}", chapter
        yield from _numbered(chapter.chapters, f"{prefix}{number}.")


def events_jsonl(report: Report) -> str:
    """One line an event, as in `report.json`, with the video's path and the event's number before it."""
    lines = []
    for number, event in enumerate(to_json(report)["events"], 1):
        lines.append(dump({"video": report.video.path, "event": number, **event}) + "\n")
    return "".join(lines)


def _table(header: Any, rows: Any) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    line = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    return f"'{line}" if line.startswith(FORMULA_SIGNS) else line
