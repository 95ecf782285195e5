"""The page of a report: one self-contained file that needs no network, readable before its script runs.

Every text is escaped, and a content security policy admits exactly our own script and style by their hashes:
what a file name or a model says can neither run nor load anything.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np

from holmesvau.clock import clock, span_clock
from holmesvau.notes import first_sentences
from holmesvau.report.curve import decimated, score_at
from holmesvau.report.json import dump, plain
from holmesvau.report.sentences import chapter_title, is_described, length, summary_lines
from holmesvau.types import Chapter, Event, Report, Summary

CODEC_NAMES = {"h264": "H.264", "hevc": "HEVC", "mpeg4": "MPEG-4", "av1": "AV1", "vp8": "VP8", "vp9": "VP9"}
TIMING_ORDER = ("decode", "encode", "score", "select", "generate", "total")


def to_html(
    report: Report, out_dir: Path, video_path: str | Path | None = None, *, written: datetime | None = None
) -> str:
    """The page as text. `out_dir` is where it will lie: the video is linked relative to it."""
    script, style = _part("page.js"), _part("page.css")
    name = _file_name(report.video.path)
    when = written or datetime.now().astimezone()
    return Template(_part("page.html")).substitute(
        script=script,
        style=style,
        script_hash=_hash(script),
        style_hash=_hash(style),
        title=escape(name),
        facts=escape(" · ".join(_facts(report))),
        written_iso=when.isoformat(timespec="seconds"),
        written=escape(f"{when.day} {when:%B %Y, %H:%M %Z}".strip()),
        found="".join(f"<p>{_unbroken(line)}</p>" for line in summary_lines(report)),
        warnings=_warnings(report.warnings),
        player=_player(report, out_dir, video_path),
        summary=_video_summary(report.summary),
        frames=_frames(report),
        events=_events(report),
        answers=_answers(report),
        chapters=_chapters(report),
        chapter_key='<span class="key lane-key">chapter</span>' if report.chapters else "",
        details=_details(report),
        data=_script_text(dump(_data(report))),
    )


def _part(name: str) -> str:
    return files("holmesvau.report").joinpath(name).read_text(encoding="utf-8")


def _unbroken(line: str) -> str:
    """The line, in which no stretch of time is broken at its dash."""
    return escape(line).replace("–", "&NoBreak;–&NoBreak;")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _script_text(text: str) -> str:
    """JSON that cannot end the script element it stands in."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _file_name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2] or path


def _facts(report: Report) -> Iterable[str]:
    video = report.video
    yield "live source" if video.is_live else clock(length(report))
    if video.width and video.height:
        yield f"{video.width} × {video.height}"
    if video.fps > 0:
        yield f"{video.fps:.4g} fps" + (", variable" if video.variable_frame_rate else "")
    if video.codec:
        yield CODEC_NAMES.get(video.codec, video.codec)
    if video.num_frames is not None:
        yield f"{video.num_frames:,} frames"


def _source(report: Report, out_dir: Path, video_path: str | Path | None) -> str | None:
    """What the page's player loads: a URL, or the way from the page to the file; None without either."""
    path = str(report.video.path if video_path is None else video_path)
    if urlsplit(path).scheme in ("http", "https"):
        return path
    if not Path(path).is_file():
        return None
    return "./" + quote(os.fsencode(os.path.relpath(path, out_dir)))


def _player(report: Report, out_dir: Path, video_path: str | Path | None) -> str:
    source = _source(report, out_dir, video_path)
    attached = f' src="{escape(source)}"' if source else ""
    return f'<video id="player" controls playsinline muted preload="metadata"{attached}></video>'


def _warnings(warnings: tuple[str, ...]) -> str:
    if not warnings:
        return ""
    items = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    return f'<section class="warnings" aria-label="Warnings"><ul>{items}</ul></section>'


def _parts(summary: Summary) -> str:
    """Judgement, description and analysis, those that somebody has written."""
    rows = (
        ("Judgement", summary.judgement),
        ("Description", summary.description),
        ("Analysis", summary.analysis),
    )
    items = "".join(f"<dt>{name}</dt><dd>{_paragraphs(text)}</dd>" for name, text in rows if text.strip())
    return f'<dl class="parts">{items}</dl>' if items else ""


def _paragraphs(text: str) -> str:
    return "<br>".join(escape(line) for line in text.strip().splitlines())


def _video_summary(summary: Summary) -> str:
    parts = _parts(summary)
    return f"<section><h2>The whole video</h2>{parts}</section>" if parts else ""


def _frames(report: Report) -> str:
    times = report.selection.seconds
    if not len(times):
        return ""
    # Without pictures of every chosen frame it is unknown which picture is whose: none is shown.
    whole = len(report.thumbnails) == len(times)
    pictures = report.thumbnails if whole else (b"",) * len(times)
    items = [_frame(report, number, picture) for number, picture in enumerate(pictures)]
    note = "" if whole else '<p class="quiet">The pictures of these frames were not kept.</p>'
    return (
        f'<section id="frames"><h2>Chosen frames <span class="count">{len(times)}</span></h2>{note}'
        f'<div class="frames">{"".join(items)}</div></section>'
    )


def _frame(report: Report, number: int, picture: bytes) -> str:
    seconds = float(report.selection.seconds[number])
    inside = [place for place, event in enumerate(report.events, 1) if seconds in event.span]
    score = score_at(report.curve, seconds)
    told = "" if score is None else f"{score:.2f}"
    tag = f'<span class="tag">Event {inside[0]}</span>' if inside else ""
    image = ""
    if picture:
        encoded = base64.b64encode(picture).decode()
        image = (
            f'<img src="data:image/jpeg;base64,{encoded}" alt="Frame at {clock(seconds)}" decoding="async">'
        )
    kind = "frame inside" if inside else "frame"
    return (
        f'<button type="button" class="{kind}" data-seek="{seconds:.3f}">{image}{tag}'
        f'<span class="at"><b>{clock(seconds)}</b> <span>{told}</span></span></button>'
    )


def _events(report: Report) -> str:
    count = f' <span class="count">{len(report.events)}</span>' if report.events else ""
    head = f'<section id="events"><h2>Events{count}</h2>'
    if not report.events:
        return f'{head}<p class="quiet">No abnormal stretch was found.</p></section>'
    note = ""
    if not is_described(report):
        note = '<p class="quiet">No model has described these events: times and scores are all there is.</p>'
    cards = [_event(report, number, event) for number, event in enumerate(report.events, 1)]
    return f"{head}{note}{''.join(cards)}</section>"


def _event(report: Report, number: int, event: Event) -> str:
    label = f' <span class="label">{escape(event.label)}</span>' if event.label.strip() else ""
    clips = "".join(
        f'<li><button type="button" class="link" data-seek="{clip.span.start:.3f}">{span_clock(clip.span)}'
        f"</button> {_paragraphs(clip.caption)}</li>"
        for clip in event.clips
    )
    words = _parts(event.summary) + (f'<ol class="clips">{clips}</ol>' if clips else "")
    if not words and is_described(report):
        words = '<p class="quiet">Not described.</p>'
    near = _nearest_frame(report, event)
    picture = "" if near is None else f'<img data-frame="{near}" alt="" hidden>'
    return (
        f'<article class="event" id="event-{number}">{picture}<div><div class="head-line">'
        f'<h3><span class="number">{number}</span> {span_clock(event.span)}{label}</h3>'
        f'<button type="button" data-seek="{event.span.start:.3f}" data-play>Play from '
        f"{clock(event.span.start)}</button></div>"
        f'<p class="quiet">{escape(" · ".join(_measures(event)))}</p>{words}</div></article>'
    )


def _chapters(report: Report) -> str:
    if not report.chapters:
        return ""
    items = "".join(_chapter(report, str(n), chapter) for n, chapter in enumerate(report.chapters, 1))
    return (
        f'<section id="chapters"><h2>Chapters <span class="count">{len(report.chapters)}</span></h2>'
        f'<ol class="chapters">{items}</ol></section>'
    )


def _chapter(report: Report, name: str, chapter: Chapter) -> str:
    kind = "chapter" if chapter.events else "chapter calm"
    links = "".join(f'<a href="#event-{n + 1}" class="number">{n + 1}</a>' for n in chapter.events)
    finer = "".join(_chapter(report, f"{name}.{n}", part) for n, part in enumerate(chapter.chapters, 1))
    if finer:
        parts = len(chapter.chapters)
        finer = f'<details><summary>In {parts} parts</summary><ol class="chapters">{finer}</ol></details>'
    when = (
        f'<div class="when"><span class="quiet">{name}</span><button type="button" class="link" '
        f'data-seek="{chapter.span.start:.3f}">{span_clock(chapter.span)}</button></div>'
    )
    return (
        f'<li class="{kind}" id="chapter-{name}" data-start="{chapter.span.start:.3f}" '
        f'data-end="{chapter.span.end:.3f}">{when}<div>'
        f"<h3>{escape(chapter_title(report, chapter))} {links}</h3>{_chapter_words(chapter)}{finer}"
        "</div></li>"
    )


def _chapter_words(chapter: Chapter) -> str:
    """What is said of a chapter, where neither the card of its only event nor its finer chapters say it."""
    told = chapter.summary
    if chapter.composed and len(chapter.events) == 1:
        texts = [first_sentences(told.description or told.judgement, 1)]
    elif chapter.composed and chapter.chapters:
        texts = [told.judgement]
    elif chapter.composed:
        texts = [told.description or told.judgement]
    else:
        texts = [told.judgement, told.description, told.analysis]
    return "".join(f"<p>{_paragraphs(text)}</p>" for text in texts if text.strip())


def _measures(event: Event) -> Iterable[str]:
    duration = event.span.duration
    yield f"{duration:.1f} s" if duration < 60 else f"{clock(duration)} long"
    if np.isfinite(event.peak_score):
        yield f"peak {event.peak_score:.2f} at {clock(event.peak)}"
    if np.isfinite(event.confidence):
        yield f"confidence {event.confidence:.2f}"


def _nearest_frame(report: Report, event: Event) -> int | None:
    """The chosen frame of this event that lies nearest to its peak; None when no picture of it was kept."""
    times = report.selection.seconds
    inside = [number for number, seconds in enumerate(times) if float(seconds) in event.span]
    if not inside or len(report.thumbnails) != len(times):
        return None
    return min(inside, key=lambda number: abs(float(times[number]) - np.nan_to_num(event.peak)))


def _strongest(report: Report) -> float:
    """The moment worth seeing first: the peak of the strongest event, or the start where there is none."""
    peaks = [event for event in report.events if np.isfinite(event.peak) and np.isfinite(event.peak_score)]
    return round(max(peaks, key=lambda event: event.peak_score).peak, 3) if peaks else 0.0


def _answers(report: Report) -> str:
    if not report.answers:
        return ""
    items = []
    for answer in report.answers:
        about = (
            f' <span class="quiet">about {span_clock(answer.span)}</span>' if answer.span is not None else ""
        )
        items.append(f"<dt>{escape(answer.question)}{about}</dt><dd>{_paragraphs(answer.text)}</dd>")
    return f'<section id="answers"><h2>Answers</h2><dl class="parts">{"".join(items)}</dl></section>'


def _details(report: Report) -> str:
    rows = {
        "Video": {"path": report.video.path, "codec": report.video.codec, "audio": report.video.has_audio},
        "Curve": {
            "scorer": report.curve.scorer,
            "scored frames": len(report.curve),
            "stride": f"{report.curve.stride_seconds:.3f} s",
            "frames chosen by": report.selection.method,
        },
        "Model": plain(report.model),
        "Time spent": _timing(report.timing),
    }
    tables = "".join(f"<div><h3>{name}</h3>{_table(values)}</div>" for name, values in rows.items() if values)
    config = dump(plain(report.config), indent=2)
    return f'<div class="tables">{tables}</div><h3>Configuration</h3><pre>{escape(config)}</pre>'


def _timing(timing: Mapping[str, float]) -> dict[str, str]:
    stages = [*(s for s in TIMING_ORDER if s in timing), *(s for s in timing if s not in TIMING_ORDER)]
    return {stage: f"{timing[stage]:.2f} s" for stage in stages}


def _table(values: Mapping[str, Any]) -> str:
    rows = []
    for key, value in values.items():
        text = "none" if value is None else value if isinstance(value, str) else dump(plain(value))
        rows.append(f"<tr><th scope=row>{escape(str(key))}</th><td>{escape(text)}</td></tr>")
    return f"<table>{''.join(rows)}</table>"


def _data(report: Report) -> dict[str, Any]:
    """What the script draws: milliseconds and ten-thousandths, as integers, because they are the shortest."""
    shown = decimated(report.curve, [event.peak for event in report.events])
    times = np.rint(report.curve.seconds[shown] * 1000).astype(np.int64)
    scores = np.rint(report.curve.scores[shown].astype(np.float64) * 10_000).astype(np.int64)
    usual = report.curve.stride_seconds * max(1.0, len(report.curve) / max(1, len(shown)))
    return {
        "duration": round(length(report), 3),
        "offset": round(report.video.start_seconds, 3),
        "stride": round(report.curve.stride_seconds, 3),
        "gap": round(5 * usual, 3),
        "first": _strongest(report),
        "times": times.tolist(),
        "scores": scores.tolist(),
        "chapters": [
            [round(chapter.span.start, 3), round(chapter.span.end, 3), chapter_title(report, chapter)]
            for chapter in report.chapters
        ],
        "events": [[round(event.span.start, 3), round(event.span.end, 3)] for event in report.events],
        "codec": CODEC_NAMES.get(report.video.codec, report.video.codec),
    }
