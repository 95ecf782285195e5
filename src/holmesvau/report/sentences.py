"""A report in plain sentences, for the page and the terminal; they claim no more than the report holds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from holmesvau.types import Event, Report, Span

EVENTS_NAMED = 5
# Spans shorter than this are told to a tenth of a second: 0:31-0:31 says nothing.
TENTHS_BELOW = 3.0


def clock(seconds: float, decimals: int = 0) -> str:
    """A time as people read it: `0:38`, `12:05`, `1:00:01`, with `decimals=1` `0:38.4`; `–` when not finite.

    Digits beyond `decimals` are cut off, as on a player's clock.
    """
    if not math.isfinite(seconds):
        return "–"
    sign = "-" if seconds < 0 else ""
    # A millisecond is the finest time a report keeps: 0.9999999 is 1 s, not a second that has not come yet.
    units = int(round(abs(seconds), 3) * 10**decimals + 1e-6)
    whole, fraction = divmod(units, 10**decimals)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    tail = f".{fraction:0{decimals}d}" if decimals else ""
    if hours:
        return f"{sign}{hours}:{minutes:02d}:{rest:02d}{tail}"
    return f"{sign}{minutes}:{rest:02d}{tail}"


def span_clock(span: Span) -> str:
    """A stretch of time, `0:31–0:48`; short ones to a tenth of a second."""
    decimals = 1 if span.duration < TENTHS_BELOW else 0
    return f"{clock(span.start, decimals)}–{clock(span.end, decimals)}"


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
