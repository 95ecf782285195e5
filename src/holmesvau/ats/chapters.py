"""A long video cut into chapters: where nothing happens, and where the picture changes to another view.

An hour is read as people read it: what stands out, with a little time around it, and the calm between. Pieces
are joined, the closest first, until a level has few enough of them; a chapter that still holds too much is
cut again in the same way, so that a day becomes a tree (the video, event and clip levels of the paper, §3.2,
have one more between them here).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from holmesvau.errors import ConfigError
from holmesvau.types import Chapter, Span

# Calm time is a chapter of its own from this share of what is cut, and from this many seconds.
CALM_SHARE, CALM_SECONDS = 1 / 48, 60.0
# Calm time longer than this share is cut once more, but into nothing shorter than this.
LONG_CALM_SHARE, LONG_CALM_SECONDS = 1 / 4, 900.0
# Seconds left around an event where the calm around it has a chapter of its own.
CONTEXT_SECONDS = 15.0
# Events follow one another closely when they and what lies between them last no longer than this share, or
# this many seconds where that is at most a quarter.
CLOSE_SHARE, CLOSE_SECONDS = 1 / 24, 120.0
CALM_WEIGHT = 3.0
# A chapter with several events is cut again when it lasts longer than this.
LONG_CHAPTER_SECONDS = 3600.0
# Twelve of twelve of twelve of twelve: more events than a day has seconds for.
DEEPEST = 4

# An event with its place in the report.
Numbered = tuple[int, Span]


@dataclass(frozen=True, kw_only=True)
class ChaptersConfig:
    """When a video has chapters: from `from_seconds` on, and at most `most` of them at each level.

    Raises:
        ConfigError: unless `from_seconds` is positive and `most` at least 2.
    """

    from_seconds: float = 600.0
    most: int = 12

    def __post_init__(self) -> None:
        if not self.from_seconds > 0:
            raise ConfigError(
                f"Chapters: from_seconds = {self.from_seconds}: give a positive number (inf for none)."
            )
        if self.most < 2:
            raise ConfigError(f"Chapters: most = {self.most}: a level needs room for 2 chapters or more.")


def find_chapters(
    whole: Span,
    events: Sequence[Span],
    changes: Sequence[float] = (),
    config: ChaptersConfig | None = None,
) -> tuple[Chapter, ...]:
    """Chapters that cover `whole` without gap, each event in exactly one; none for a short video.

    `events` are disjoint and in order of time, as `find_events` gives them. `changes` are the seconds at
    which the picture becomes that of another view (`ats.views.cuts`): chapters begin there where no event is
    in the way. No words are put into them.
    """
    config = config or ChaptersConfig()
    if whole.duration < config.from_seconds:
        return ()
    return _divided(whole, list(enumerate(events)), sorted(changes), config, 1)


def _divided(
    span: Span, events: Sequence[Numbered], changes: Sequence[float], config: ChaptersConfig, depth: int
) -> tuple[Chapter, ...]:
    pieces = _joined(_pieces(span, events, changes), span.duration, len(events), config.most)
    return tuple(_cut_again(piece, dict(events), changes, config, depth) for piece in pieces)


def _cut_again(
    piece: Chapter, events: dict[int, Span], changes: Sequence[float], config: ChaptersConfig, depth: int
) -> Chapter:
    several = len(piece.events) > 1
    much = len(piece.events) > config.most or (several and piece.span.duration > LONG_CHAPTER_SECONDS)
    if not much or depth == DEEPEST:
        return piece
    inside = [(number, events[number]) for number in piece.events]
    finer = _divided(piece.span, inside, changes, config, depth + 1)
    return replace(piece, chapters=finer) if len(finer) > 1 else piece


def _pieces(span: Span, events: Sequence[Numbered], changes: Sequence[float]) -> list[Chapter]:
    """Every event by itself, with time around it, and the calm between cut where the view changes."""
    calm_seconds = max(CALM_SECONDS, span.duration * CALM_SHARE)
    starts = [span.start, *(event.end for _, event in events)]
    ends = [*(event.start for _, event in events), span.end]
    pieces: list[Chapter] = []
    begin = span.start
    for place, (free, until) in enumerate(zip(starts, ends, strict=True)):
        first, last = place == 0, place == len(events)
        gap = until - free
        context = min(CONTEXT_SECONDS, gap / 4)
        from_calm = free if first else _snapped(changes, free, free + 2 * context, free + context)
        to_calm = until if last else _snapped(changes, until - 2 * context, until, until - context)
        if gap >= calm_seconds or (first and last):
            if not first:
                pieces.append(Chapter(Span(begin, from_calm), (events[place - 1][0],)))
            edges = _calm_edges(from_calm, to_calm, changes, calm_seconds)
            pieces += [Chapter(Span(a, b)) for a, b in pairwise(edges)]
            begin = to_calm
        elif not first:
            middle = until if last else _snapped(changes, free, until, (free + until) / 2)
            pieces.append(Chapter(Span(begin, middle), (events[place - 1][0],)))
            begin = middle
    return pieces


def _snapped(changes: Sequence[float], low: float, high: float, wanted: float) -> float:
    """The change of view within `[low, high]` that is nearest to `wanted`; `wanted` where there is none."""
    within = changes[bisect_left(changes, low) : bisect_left(changes, math.nextafter(high, math.inf))]
    return min(within, key=lambda change: abs(change - wanted), default=wanted)


def _calm_edges(start: float, end: float, changes: Sequence[float], calm_seconds: float) -> list[float]:
    """Where a calm stretch is cut: at changes of view, and evenly where none comes for long."""
    edges = [start]
    for change in changes[bisect_left(changes, start) : bisect_left(changes, end)]:
        if min(change - edges[-1], end - change) >= calm_seconds:
            edges.append(change)
    edges.append(end)
    long = max(LONG_CALM_SECONDS, (end - start) * LONG_CALM_SHARE)
    cut: list[float] = []
    for a, b in pairwise(edges):
        count = max(1, math.ceil((b - a) / long - 1e-9))
        cut += [a + (b - a) * k / count for k in range(count)]
    return [*cut, end]


def _joined(pieces: list[Chapter], seconds: float, num_events: int, most: int) -> list[Chapter]:
    """Neighbours joined, the closest first, until at most `most` are left and no two eventful ones are close.

    Two are the closer the less time and the fewer events their union holds: chapters come out balanced, and
    an event keeps a chapter of its own while others are closer to one another. Calm time that would be joined
    to events counts `CALM_WEIGHT` times: a long calm is worth knowing.
    """
    close = max(seconds * CLOSE_SHARE, min(CLOSE_SECONDS, seconds / 4))

    def distance(a: Chapter, b: Chapter) -> float:
        mixed = bool(a.events) != bool(b.events)
        lasting = [part.span.duration * (CALM_WEIGHT if mixed and not part.events else 1) for part in (a, b)]
        return sum(lasting) / seconds + len(a.events + b.events) / max(1, num_events)

    pieces = list(pieces)
    distances = [distance(a, b) for a, b in pairwise(pieces)]
    while distances:
        place = distances.index(min(distances))
        if len(pieces) <= most:
            both = [(distances[n], n) for n, (a, b) in enumerate(pairwise(pieces)) if a.events and b.events]
            near = [
                pair for pair in both if pieces[pair[1] + 1].span.end - pieces[pair[1]].span.start <= close
            ]
            if not near:
                break
            place = min(near)[1]
        a, b = pieces[place], pieces[place + 1]
        pieces[place : place + 2] = [Chapter(Span(a.span.start, b.span.end), a.events + b.events)]
        del distances[place]
        for beside in (place - 1, place):
            if 0 <= beside < len(distances):
                distances[beside] = distance(pieces[beside], pieces[beside + 1])
    return pieces
