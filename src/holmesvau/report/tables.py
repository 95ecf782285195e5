"""The curve and the events as tables: CSV for spreadsheets, JSON lines for grep and jq."""

from __future__ import annotations

import csv
import io
from typing import Any

from holmesvau.report.json import dump, to_json
from holmesvau.types import Report

EVENT_COLUMNS = (
    *("event", "start", "end", "peak", "peak_score", "confidence"),
    *("label", "judgement", "description", "analysis", "clips"),
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
    for number, event in enumerate(to_json(report)["events"], 1):
        clips = [f"{clip['start']:.3f}-{clip['end']:.3f} {clip['caption']}" for clip in event["clips"]]
        row = {**event, "event": number, "clips": " | ".join(clips)}
        rows.append([_cell(row[column]) for column in EVENT_COLUMNS])
    return _table(EVENT_COLUMNS, rows)


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
