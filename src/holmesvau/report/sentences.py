"""A report in plain sentences, for the page and the terminal; they claim no more than the report holds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from holmesvau.clock import clock, span_clock
from holmesvau.types import Chapter, Event, Report, Summary

EVENTS_NAMED = 5


def length(report: Report) -> float:
    """Seconds watched: the video's duration, or as far as the curve goes where that is not known (live)."""
    if report.video.duration is not None:
        return report.video.duration
    curve = report.curve
    return float(curve.seconds[-1] + curve.stride_seconds) if len(curve) else 0.0


def is_described(report: Report) -> bool:
    """True when a model has put anything about this video into words."""
    summaries = [report.summary, *(event.summary for event in report.events)]
    words = [text for s in summaries for text in (s.judgement, s.description, s.analysis)]
    words += [event.label for event in report.events]
    words += [chapter.summary.description for chapter in report.chapters]
    words += [clip.caption for event in report.events for clip in event.clips]
    return any(words) or any(answer.text for answer in report.answers)


def summary_lines(report: Report) -> list[str]:
    """What was found, in one to four sentences; the model's own words are not repeated here."""
    lines = [_found(report)]
    if len(report.curve):
        lines.append(_looked(report))
    told = any("describing model" in warning for warning in report.warnings)
    if not is_described(report) and not told:
        lines.append(
            "No model has described them: only the curve, the events and the chosen frames are given."
            if report.events
            else "No model has described the video: only the curve and the chosen frames are given."
        )
    return lines


def chapter_lines(report: Report) -> list[str]:
    """One line a chapter: when it is, which events lie in it and what the model calls them."""
    return [f"{span_clock(chapter.span)}  {chapter_title(report, chapter)}" for chapter in report.chapters]


def told_lines(report: Report) -> list[str]:
    """All that was put into words, one line each, the lower levels indented under the higher ones."""
    lines = [words] if (words := _words(report.summary)) else []
    for chapter in report.chapters:
        # The words of a chapter that were put together from its events' stand below it anyhow.
        words = "" if chapter.composed else _words(chapter.summary)
        lines.append(
            f"{span_clock(chapter.span)}  {chapter_title(report, chapter)}{f': {words}' if words else ''}"
        )
        lines += [f"  {line}" for number in chapter.events for line in _event_lines(report.events[number])]
    if not report.chapters:
        lines += [line for event in report.events for line in _event_lines(event)]
    return lines


def _event_lines(event: Event) -> list[str]:
    label = f" {' '.join(event.label.split())}" if event.label.strip() else ""
    words = _words(event.summary)
    if not words and not event.clips:
        return []
    clips = [f"  {span_clock(clip.span)}: {' '.join(clip.caption.split())}" for clip in event.clips]
    return [f"{span_clock(event.span)}{label}: {words}", *clips]


def _words(summary: Summary) -> str:
    texts = (summary.judgement, summary.description, summary.analysis)
    return " ".join(" ".join(text.split()) for text in texts if text.strip())


def chapter_title(report: Report, chapter: Chapter) -> str:
    """`calm`, or how many events of which classes lie in the chapter."""
    if not chapter.events:
        return "calm"
    count = _count(len(chapter.events), "event")
    labels = [" ".join(report.events[number].label.split()) for number in chapter.events]
    named = list(dict.fromkeys(label for label in labels if label))
    return f"{count}: {', '.join(named)}" if named else count


def _found(report: Report) -> str:
    total = clock(length(report))
    events, curve = report.events, report.curve
    if not len(curve):
        return f"Nothing in the {total} of video was scored."
    if not events:
        highest = int(np.argmax(curve.scores))
        return (
            f"No abnormal stretch was found in {total}; the highest score is {curve.scores[highest]:.2f} "
            f"at {clock(float(curve.seconds[highest]))}."
        )
    count = "1 abnormal stretch" if len(events) == 1 else f"{len(events)} abnormal stretches"
    if len(events) <= EVENTS_NAMED:
        return f"{count} in {total}: {_listed([_named(event) for event in events])}."
    together = sum(event.span.duration for event in events)
    strongest = sorted(events, key=lambda event: -np.nan_to_num(event.peak_score))[:EVENTS_NAMED]
    strongest.sort(key=lambda event: event.span.start)
    return (
        f"{count} in {total}, {clock(together)} of it together; "
        f"the {EVENTS_NAMED} strongest: {_listed([_named(event) for event in strongest])}."
    )


def _named(event: Event) -> str:
    label = f" {' '.join(event.label.split())}" if event.label.strip() else ""
    peak = f" (peak {event.peak_score:.2f} at {clock(event.peak)})" if math.isfinite(event.peak_score) else ""
    return f"{span_clock(event.span)}{label}{peak}"


def _looked(report: Report) -> str:
    curve, selection = report.curve, report.selection
    scored = f"{_count(len(curve), 'frame')} scored"
    if curve.stride_seconds > 0 and len(curve) > 1:
        scored += f", one every {curve.stride_seconds:.2g} s"
    if not len(selection):
        return f"{scored}."
    inside = sum(any(float(t) in event.span for event in report.events) for t in selection.seconds)
    chosen = f"{len(selection)} chosen to look at"
    if report.events:
        chosen += f", {inside or 'none'} of them inside {_those(len(report.events))}"
    return f"{scored}; {chosen}."


def _those(events: int) -> str:
    return "that stretch" if events == 1 else "those stretches"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _listed(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
