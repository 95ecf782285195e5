"""Times that a text names, and whether they lie within what it is about."""

from __future__ import annotations

import re

from holmesvau.types import Span

_CLOCK = re.compile(r"\b(?:(\d{1,2}):)?([0-5]?\d):([0-5]\d)(?:[.,](\d+))?\b")
# A point in time, not a length: "at 12.5 seconds", "from second 3", "12 s into the video".
_SECONDS = re.compile(
    r"\b(?:at|around|from|to|until|till|by|after|before|between|and|second|seconds|-|–)\s*(?:the\s+)?"
    r"(?:about\s+)?(\d+(?:\.\d+)?)\s*-?\s*(?:s|sec|secs|seconds?)\b"
    r"|\bseconds?\s+(\d+(?:\.\d+)?)\b",
    re.IGNORECASE,
)
# Times of day are not times of the video.
_OF_DAY = re.compile(r"\s*(?:[ap]\.?m\b|o'clock|hours\b)", re.IGNORECASE)
# A second is what texts are rounded to.
_ROUNDING = 1.0


def outside(text: str, span: Span) -> list[float]:
    """The times in seconds that a text names and that lie outside `span`.

    A text may count from the video's beginning or from its own: either will do.
    """
    allowed = (Span(0.0, span.duration + _ROUNDING), _wider(span))
    return [
        seconds for seconds in times(text) if not any(part.start <= seconds <= part.end for part in allowed)
    ]


def times(text: str) -> list[float]:
    """The times that a text names, in seconds, in their order."""
    found: list[tuple[int, float]] = []
    for match in _CLOCK.finditer(text):
        if not _OF_DAY.match(text, match.end()):
            hours, minutes, seconds = (int(part or 0) for part in match.groups()[:3])
            found.append((match.start(), hours * 3600.0 + minutes * 60 + seconds))
    for match in _SECONDS.finditer(text):
        found.append((match.start(), float(match[1] or match[2])))
    return [seconds for _, seconds in sorted(found)]


def _wider(span: Span) -> Span:
    return Span(max(0.0, span.start - _ROUNDING), span.end + _ROUNDING)
