"""Which event of a report is which staged one, and which of its events stand for an anomaly at all."""

from __future__ import annotations

from collections.abc import Sequence

from holmesvau.types import Event, Span
from holmesvau.vlm.judgement import parse_judgement

# A report's event falls on a hard negative when they share this many seconds, or half of a shorter one.
ALARM_SECONDS = 1.0


def called(events: Sequence[Event]) -> list[Event]:
    """The events that the report holds abnormal: all but those whose own judgement says that nothing is."""
    return [event for event in events if parse_judgement(event.summary.judgement).is_anomalous is not False]


def matched(truth: Sequence[Span], found: Sequence[Span]) -> list[int | None]:
    """For each true span the number of the found one that stands for it, or None.

    The pair of the highest temporal overlap (intersection over union, above 0) is taken first, then the
    highest among the rest: no found event stands for two true ones.
    """
    pairs = sorted(
        ((span.iou(other), -i, -j) for i, span in enumerate(truth) for j, other in enumerate(found)),
        reverse=True,
    )
    partner: list[int | None] = [None] * len(truth)
    taken: set[int] = set()
    for overlap, i, j in pairs:
        if overlap > 0 and partner[-i] is None and -j not in taken:
            partner[-i] = -j
            taken.add(-j)
    return partner


def is_right(found: Span, truth: Sequence[Span]) -> bool:
    """Whether an event is about an anomaly: it shares half of the shorter of itself and a true one."""
    return any(found.intersect(span) >= 0.5 * min(found.duration, span.duration) > 0 for span in truth)


def falls_on(found: Span, negative: Span) -> bool:
    """Whether an event falls on a hard negative: they share a second, or half of one that is shorter."""
    return found.intersect(negative) >= min(ALARM_SECONDS, 0.5 * negative.duration) > 0
