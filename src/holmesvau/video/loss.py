"""What could not be read of a video, kept as few numbers and said as a sentence."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from holmesvau.types import Span

_SPANS_NAMED = 5
_NOTES_KEPT = 50


@dataclass(frozen=True, slots=True)
class Lost:
    """Frames that could not be decoded: how many, and the stretches of time they fill."""

    count: int = 0
    spans: tuple[Span, ...] = ()

    def __bool__(self) -> bool:
        return self.count > 0

    def __str__(self) -> str:
        if not self.count:
            return "No frame was lost."
        named = ", ".join(f"{span.start:.2f}-{span.end:.2f} s" for span in self.spans[:_SPANS_NAMED])
        more = f" and {len(self.spans) - _SPANS_NAMED} more places" if len(self.spans) > _SPANS_NAMED else ""
        plural = "frames" if self.count != 1 else "frame"
        return f"{self.count} {plural} could not be decoded (at {named}{more}): the file is damaged there."


@dataclass(slots=True)
class Losses:
    """Collects losses while frames are read: merged ranges of frame numbers, and sentences, each said
    once.
    """

    notes: list[str] = field(default_factory=list)
    decoder_errors: int = 0
    _starts: list[int] = field(default_factory=list)
    _stops: list[int] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Keep a sentence for the user."""
        if sentence not in self.notes and len(self.notes) < _NOTES_KEPT:
            self.notes.append(sentence)

    def add(self, start: int, stop: int) -> None:
        """Frames `start` up to but not including `stop` are lost; said twice they count once."""
        low = bisect_left(self._stops, start)
        high = low
        while high < len(self._starts) and self._starts[high] <= stop:
            start, stop = min(start, self._starts[high]), max(stop, self._stops[high])
            high += 1
        self._starts[low:high] = [start]
        self._stops[low:high] = [stop]

    def ranges(self) -> list[tuple[int, int]]:
        """Half-open ranges of lost frame numbers, rising and disjoint."""
        return list(zip(self._starts, self._stops, strict=True))
