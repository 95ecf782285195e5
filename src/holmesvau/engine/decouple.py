"""Events out of what people, files and scorers say; clips out of events (paper §3.2, first step)."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from holmesvau.ats.events import EventsConfig
from holmesvau.ats.scan import ScanConfig
from holmesvau.errors import InputError
from holmesvau.types import Span

_ROUNDING = 3
_SLIVER = 0.5


@dataclass(frozen=True, kw_only=True)
class ClipsConfig:
    """How events are cut into clips of random length.

    Lengths are log-normal with this `median` and `spread` (of the logarithm), none below `shortest` or above
    `longest` seconds. The cuts lie on the video's own timeline and do not know of events: moving a boundary
    changes the clips at that boundary and no other.
    """

    median: float = 5.0
    spread: float = 0.4
    shortest: float = 2.0
    longest: float = 12.0

    def __post_init__(self) -> None:
        if not 0 < self.shortest <= self.median <= self.longest or not 0 <= self.spread <= 2:
            raise InputError(
                f"decouple.clips: shortest {self.shortest:g}, median {self.median:g}, longest "
                f"{self.longest:g}, spread {self.spread:g}: give lengths in rising "
                "order and a spread of 0 to 2."
            )


@dataclass(frozen=True, kw_only=True)
class NormalConfig:
    """How stretches of normal videos are sampled: `count` a video, of these `granularities`.

    A granularity is a length in seconds; a stretch's length is drawn from half of one to one and a half.
    Longer ones than the video become all of it.
    """

    count: int = 2
    granularities: tuple[float, ...] = (10.0, 30.0, 90.0)

    def __post_init__(self) -> None:
        if self.count < 1 or not self.granularities or min(self.granularities) <= 0:
            raise InputError("decouple.normal: give a count of 1 or more, and lengths in seconds.")


@dataclass(frozen=True, kw_only=True)
class DecoupleConfig:
    """Where boundaries come from.

    `source`: `import` takes them from `import_file`, `proposals` from a scorer, `people` from persons alone;
    `auto` from the import where it has the video, else from the scorer. `confirm` says whose events a person
    must confirm before they are described: those of `proposals`, of `all` videos, or of `none`. `model`,
    `encoder` and `scorer` are as for `holmesvau score`; `curve` scores imported videos too, so that the
    review page has a curve to show.
    """

    source: Literal["auto", "import", "proposals", "people"] = "auto"
    import_file: str = ""
    confirm: Literal["proposals", "all", "none"] = "proposals"
    model: str = "none"
    encoder: str = ""
    scorer: str = ""
    curve: bool = False
    seed: int = 0
    scan: ScanConfig = field(default_factory=ScanConfig)
    events: EventsConfig = field(default_factory=EventsConfig)
    clips: ClipsConfig = field(default_factory=ClipsConfig)
    normal: NormalConfig = field(default_factory=NormalConfig)

    def __post_init__(self) -> None:
        if self.source == "import" and not self.import_file:
            raise InputError("decouple.source = 'import': say from which file with decouple.import_file.")


def clip_spans(
    event: Span, video: str, config: ClipsConfig, seed: int, given: Sequence[Span] = ()
) -> list[Span]:
    """The clips of an event, at least one. The same arguments give the same clips.

    Without gaps, and a piece at a boundary that is shorter than `shortest` belongs to its neighbour. `given`
    are clips that somebody has made already: they are kept as they are, as far as they lie in the event, and
    only what they leave of it at its ends is cut at random, where that is longer than `longest`.
    """
    drawn = list(_cuts(video, event.end, config, seed))
    kept = sorted({part for clip in given if (part := _within(clip, event)) is not None})
    if not kept:
        return _pieces(event, drawn, config.shortest)
    rests = [Span(event.start, kept[0].start), Span(max(clip.end for clip in kept), event.end)]
    more = [piece for rest in rests if rest.duration > config.longest
            for piece in _pieces(rest, drawn, config.shortest)]  # fmt: skip
    return sorted([*kept, *more])


def _within(clip: Span, event: Span) -> Span | None:
    """The part of a clip that lies in an event; None where that is a sliver of it, and no clip."""
    start, end = max(clip.start, event.start), min(clip.end, event.end)
    return Span(start, end) if end - start >= min(_SLIVER, clip.duration) and end > start else None


def _pieces(of: Span, cuts: Sequence[float], shortest: float) -> list[Span]:
    inside = [cut for cut in cuts if of.start < cut < of.end]
    while inside and inside[0] - of.start < shortest:
        del inside[0]
    while inside and of.end - inside[-1] < shortest:
        del inside[-1]
    return [Span(a, b) for a, b in pairwise([of.start, *inside, of.end])]


def _cuts(video: str, end: float, config: ClipsConfig, seed: int) -> Iterator[float]:
    """Where a video may be cut, in seconds, rising, beyond `end`."""
    chance = random.Random(f"clips {seed} {video}")
    # The first cut lies anywhere within a clip, so that cuts are not thicker near the beginning.
    now = round(chance.uniform(0, config.median), _ROUNDING)
    while now < end:
        yield now
        length = config.median * math.exp(chance.gauss(0, config.spread))
        now = round(now + min(max(length, config.shortest), config.longest), _ROUNDING)


def normal_spans(duration: float, video: str, config: NormalConfig, seed: int) -> list[Span]:
    """Stretches of a normal video, in time; two that overlap almost wholly are one."""
    chance = random.Random(f"normal {seed} {video}")
    spans: list[Span] = []
    first = chance.randrange(len(config.granularities))
    for number in range(config.count):
        wanted = config.granularities[(first + number) % len(config.granularities)]
        length = min(wanted * chance.uniform(0.5, 1.5), duration)
        start = chance.uniform(0, duration - length)
        span = Span(round(start, _ROUNDING), round(start + length, _ROUNDING))
        if all(span.iou(other) < 0.9 for other in spans):
            spans.append(span)
    return sorted(spans)


def apart(spans: Sequence[tuple[Span, str]]) -> list[tuple[Span, str]]:
    """Stretches of one class that touch or overlap as one; those with time between them stay apart."""
    merged: list[tuple[Span, str]] = []
    for span, label in sorted(spans):
        for place, (before, known) in enumerate(merged):
            if known == label and span.start <= before.end:
                merged[place] = (Span(before.start, max(before.end, span.end)), label)
                break
        else:
            merged.append((span, label))
    return merged


def event_id(video: str, layer: str, number: int, span: Span, label: str) -> str:
    """The id of an event that no person marked: the same for the same event."""
    text = f"{video}\n{layer}\n{number}\n{span.start:.3f}\n{span.end:.3f}\n{label}"
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
