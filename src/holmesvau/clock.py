"""Times as people read them, for a page, a terminal and a model alike."""

from __future__ import annotations

import math

from holmesvau.types import Span

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
