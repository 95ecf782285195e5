"""`Report` <-> `report.json` (the document of `holmesvau.report.document`)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import holmesvau
from holmesvau.errors import InputError
from holmesvau.report.document import (
    ADAPTER,
    SCHEMA,
    AnswerPart,
    ChapterPart,
    Document,
    EventPart,
    SelectionPart,
    SummaryPart,
    VideoPart,
)
from holmesvau.types import (
    AnomalyCurve,
    Answer,
    Chapter,
    Clip,
    Event,
    Report,
    Selection,
    Span,
    Summary,
    VideoInfo,
)

SECONDS_DECIMALS = 3
SCORE_DECIMALS = 4
# Rates and strides are multiplied by many thousands of frames: they keep more digits than a time does.
RATE_DECIMALS = 6


def to_json(report: Report) -> dict[str, Any]:
    """The report as plain JSON values: schema 1 of DESIGN.md, with a few keys added beside it.

    Seconds are rounded to 3 decimals, scores to 4; numbers that are not finite become null.
    Thumbnails are left out: they are pictures, and live in `report.html`.
    """
    document: Document = {
        "schema": SCHEMA,
        "holmesvau": holmesvau.__version__,
        "video": _video(report.video),
        "curve": {
            "seconds": _rounded(report.curve.seconds, SECONDS_DECIMALS),
            "scores": _rounded(report.curve.scores, SCORE_DECIMALS),
            "stride_seconds": _finite(report.curve.stride_seconds, RATE_DECIMALS) or 0.0,
            "index": report.curve.index.tolist(),
            "scorer": report.curve.scorer,
        },
        "selection": _selection(report.selection),
        "events": [_event(event) for event in report.events],
        "chapters": [_chapter(chapter) for chapter in report.chapters],
        "summary": _summary(report.summary),
        "answers": [_answer(answer) for answer in report.answers],
        "model": plain(report.model),
        "config": plain(report.config),
        "timing": {stage: _finite(spent, SECONDS_DECIMALS) or 0.0 for stage, spent in report.timing.items()},
        "warnings": list(report.warnings),
    }
    return dict(document)


def from_json(source: Mapping[str, Any] | str | Path) -> Report:
    """Read a report back from `to_json`'s mapping or the path of a `report.json`; its thumbnails are empty.

    Keys it does not know are ignored, so that later versions of this schema can be read.

    Raises:
        InputError: when the file cannot be read, is not JSON, is of another schema, or misses a key.
    """
    if isinstance(source, Mapping):
        where, data = "report", dict(source)
    else:
        where, data = str(source), _read(Path(source))
    document = _checked(data, where)
    try:
        return _report(document)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def plain(value: Any) -> Any:
    """Anything as JSON values: numpy's become Python's, what is not finite null, what is unknown its text."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def dump(value: Any, *, indent: int | None = None) -> str:
    """One JSON text, as people read it (non-ASCII is kept) and as every parser does (never NaN)."""
    separators = (",", ":") if indent is None else None
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: the report cannot be read ({error.strerror or error}).") from error
    except ValueError as error:
        raise InputError(f"{path}: not a report, because it is not valid JSON ({error}).") from error
    if not isinstance(data, dict):
        raise InputError(
            f"{path}: not a report: its top level is {type(data).__name__}, not a table of keys."
        )
    return data


def _checked(data: dict[str, Any], where: str) -> Document:
    from pydantic import ValidationError

    if "schema" not in data:
        raise InputError(
            f"{where}: not a report: the key schema is missing. Give a report.json of holmesvau."
        )
    if data["schema"] != SCHEMA or isinstance(data["schema"], bool):
        raise InputError(
            f"{where}: a report of schema {data['schema']!r}, but this version of holmesvau reads schema "
            f"{SCHEMA}. Use the version that wrote it, or watch the video again."
        )
    try:
        return ADAPTER.validate_python(data, strict=True)
    except ValidationError as error:
        raise InputError(f"{where}: {_first_fault(error.errors(include_url=False)[0])}") from error


def _first_fault(fault: Any) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]]
    key = "".join(parts).lstrip(".")
    if fault["type"] == "missing":
        return f"not a whole report: the key {key} is missing."
    return f"{key} = {str(fault['input'])[:80]!r} is not usable: {fault['msg'][0].lower()}{fault['msg'][1:]}."


def _report(document: Document) -> Report:
    video = VideoInfo(**document["video"])
    curve = document["curve"]
    seconds = np.asarray(curve["seconds"], np.float64)
    # A document of the core format has no frame numbers: at a constant rate they follow from the times.
    index = np.asarray(curve.get("index", np.rint(seconds * video.fps)), np.int64)
    scores = np.asarray(curve["scores"], np.float32)
    return Report(
        video=video,
        curve=AnomalyCurve(seconds, scores, index, curve["stride_seconds"], curve.get("scorer", "")),
        selection=_selection_from(document["selection"]),
        events=tuple(_event_from(event) for event in document["events"]),
        summary=_summary_from(document["summary"]),
        answers=tuple(_answer_from(answer) for answer in document["answers"]),
        model=document["model"],
        config=document["config"],
        timing=document["timing"],
        warnings=tuple(document.get("warnings", ())),
        chapters=_chapters_from(document.get("chapters", []), len(document["events"])),
    )


def _finite(value: float, decimals: int) -> float | None:
    return round(float(value), decimals) if math.isfinite(value) else None


def _seconds(value: float) -> float:
    return round(float(value), SECONDS_DECIMALS)


def _rounded(values: np.ndarray[Any, Any], decimals: int) -> list[float]:
    # In float64: a float32 rounded to 0.64 would be written as 0.6399999856948853.
    rounded: list[float] = values.astype(np.float64).round(decimals).tolist()
    return rounded


def _video(video: VideoInfo) -> VideoPart:
    return {
        "path": video.path,
        "duration": None if video.duration is None else _finite(video.duration, SECONDS_DECIMALS),
        "fps": _finite(video.fps, RATE_DECIMALS) or 0.0,
        "num_frames": video.num_frames,
        "width": video.width,
        "height": video.height,
        "codec": video.codec,
        "rotation": video.rotation,
        "has_audio": video.has_audio,
        "start_seconds": _finite(video.start_seconds, SECONDS_DECIMALS) or 0.0,
        "variable_frame_rate": video.variable_frame_rate,
    }


def _selection(selection: Selection) -> SelectionPart:
    return {
        "index": selection.index.tolist(),
        "seconds": _rounded(selection.seconds, SECONDS_DECIMALS),
        "method": selection.method,
    }


def _selection_from(part: SelectionPart) -> Selection:
    if len(part["index"]) != len(part["seconds"]):
        raise InputError(f"a selection of {len(part['index'])} indices but {len(part['seconds'])} seconds.")
    index, seconds = np.asarray(part["index"], np.int64), np.asarray(part["seconds"], np.float64)
    return Selection(index, seconds, part["method"])


def _summary(summary: Summary) -> SummaryPart:
    return {"judgement": summary.judgement, "description": summary.description, "analysis": summary.analysis}


def _summary_from(part: SummaryPart) -> Summary:
    return Summary(part["judgement"], part["description"], part["analysis"])


def _event(event: Event) -> EventPart:
    return {
        "start": _seconds(event.span.start),
        "end": _seconds(event.span.end),
        "peak": _finite(event.peak, SECONDS_DECIMALS),
        "peak_score": _finite(event.peak_score, SCORE_DECIMALS),
        "label": event.label,
        **_summary(event.summary),
        "confidence": _finite(event.confidence, SCORE_DECIMALS),
        "clips": [
            {"start": _seconds(clip.span.start), "end": _seconds(clip.span.end), "caption": clip.caption}
            for clip in event.clips
        ],
    }


def _event_from(part: EventPart) -> Event:
    return Event(
        span=Span(part["start"], part["end"]),
        peak=_number(part["peak"]),
        peak_score=_number(part.get("peak_score")),
        confidence=_number(part["confidence"]),
        label=part["label"],
        summary=_summary_from(part),
        clips=tuple(Clip(Span(clip["start"], clip["end"]), clip["caption"]) for clip in part["clips"]),
    )


def _chapter(chapter: Chapter) -> ChapterPart:
    return {
        "start": _seconds(chapter.span.start),
        "end": _seconds(chapter.span.end),
        "events": list(chapter.events),
        **_summary(chapter.summary),
        "composed": chapter.composed,
        "chapters": [_chapter(finer) for finer in chapter.chapters],
    }


def _chapters_from(parts: Sequence[ChapterPart], num_events: int) -> tuple[Chapter, ...]:
    for part in parts:
        for number in part["events"]:
            if not 0 <= number < num_events:
                raise InputError(f"a chapter names event {number}, but there are {num_events} events.")
    return tuple(
        Chapter(
            Span(part["start"], part["end"]),
            tuple(part["events"]),
            _summary_from(part),
            _chapters_from(part["chapters"], num_events),
            part["composed"],
        )
        for part in parts
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _answer(answer: Answer) -> AnswerPart:
    span = answer.span
    return {
        "question": answer.question,
        "text": answer.text,
        "span": None if span is None else {"start": _seconds(span.start), "end": _seconds(span.end)},
        "selection": None if answer.selection is None else _selection(answer.selection),
        "model": answer.model,
        "note": answer.note,
    }


def _answer_from(part: AnswerPart) -> Answer:
    span, selection = part.get("span"), part.get("selection")
    return Answer(
        part["question"],
        part["text"],
        None if span is None else Span(span["start"], span["end"]),
        None if selection is None else _selection_from(selection),
        part.get("model", ""),
        part.get("note", ""),
    )
