"""Chapters and videos in the words of their own events, put together by plain rules.

For models that look but do not read, and for what a budget no longer pays for: nothing is said here that a
model has not said of an event, and each event is named with its time.
"""

from __future__ import annotations

from collections.abc import Sequence

from holmesvau.clock import span_clock
from holmesvau.notes import first_sentences
from holmesvau.types import Event, Span, Summary
from holmesvau.vlm.prompts import parse_judgement

# Events that are told; of more, the most abnormal.
MOST = 12
# Sentences of an event's description; of its analysis the first, for so many events.
SENTENCES, REASONS = 2, 6
# So many times of a class are named.
TIMES = 3


def of_events(events: Sequence[Event]) -> Summary:
    """Judgement, description and analysis of a stretch from those of its events, in order of time.

    It is judged abnormal when any of its events is. Empty where no event has been described.
    """
    told = [event for event in events if said(event)]
    if not told:
        return Summary()
    odd = [event for event in told if is_abnormal(event)]
    lines = [_line(event, event.summary.description, SENTENCES) for event in _most(told)]
    reasons = [_line(event, event.summary.analysis, 1) for event in _most(odd, REASONS)]
    lines = [line for line in lines if line]
    if len(told) > MOST:
        lines.append(f"Less abnormal, and not told here: {_stretches(len(told) - MOST)}.")
    judgement = _judgement(odd or told, bool(odd))
    silent = len(events) - len(told)
    if silent:
        judgement += f" Not described: {_stretches(silent)} that stood out too."
    return Summary(judgement, "\n".join(lines), "\n".join(line for line in reasons if line))


def dismissed(spans: Sequence[tuple[Span, str]]) -> str:
    """A judgement where all that stood out is harmless: each span with what it is taken for, in words.

    `No: what stands out is taken for hugging at 0:31–0:48, for nothing out of the ordinary at 1:02–1:05.`, or
    `No: nothing stands out.`
    """
    if not spans:
        return "No: nothing stands out."
    taken: dict[str, list[Span]] = {}
    for span, name in spans:
        taken.setdefault(name, []).append(span)
    parts = (f"for {name} at {_clocks(found[:TIMES], len(found))}" for name, found in taken.items())
    return f"No: what stands out is taken {', '.join(parts)}."


def said(event: Event) -> bool:
    """Whether a model has said anything of this event."""
    return bool(event.summary.judgement.strip() or event.summary.description.strip())


def is_abnormal(event: Event) -> bool:
    """Whether the model, where it has spoken, let the event stand as abnormal."""
    return said(event) and parse_judgement(event.summary.judgement).is_anomalous is not False


def named(event: Event) -> str:
    """`0:31–0:48 Burglary`."""
    return f"{span_clock(event.span)}{f' {event.label}' if event.label else ''}"


def _most(events: Sequence[Event], most: int = MOST) -> list[Event]:
    """The most abnormal of them, in order of time."""
    strongest = sorted(events, key=lambda event: -event.peak_score)[:most]
    return sorted(strongest, key=lambda event: event.span)


def _line(event: Event, text: str, sentences: int) -> str:
    return f"{named(event)}: {first_sentences(text, sentences)}" if text.strip() else ""


def _judgement(events: Sequence[Event], abnormal: bool) -> str:
    """`Yes: Fighting at 0:31–0:48; RoadAccidents at 12:01–12:20 and 3 more times.`"""
    if not abnormal:
        return f"No: what stood out was judged normal ({_times(events)})."
    classes: dict[str, list[Event]] = {}
    for event in events:
        classes.setdefault(event.label or "an anomaly", []).append(event)
    strongest = sorted(classes, key=lambda name: -max(event.peak_score for event in classes[name]))
    return f"Yes: {'; '.join(f'{name} at {_times(classes[name])}' for name in strongest)}."


def _times(events: Sequence[Event]) -> str:
    return _clocks([event.span for event in _most(events, TIMES)], len(events))


def _clocks(shown: Sequence[Span], number: int) -> str:
    """The times of some, and how many there are beside them."""
    times, more = ", ".join(map(span_clock, shown)), number - len(shown)
    return times if more < 1 else f"{times} and {'once' if more == 1 else f'{more} times'} more"


def _stretches(number: int) -> str:
    return "1 stretch" if number == 1 else f"{number} stretches"
