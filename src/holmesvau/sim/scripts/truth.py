"""What a script leaves behind beside moving pictures: who did what, from when to when, and the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from holmesvau.sim.track import Track
from holmesvau.sim.world import Actor, Jolt, LightChange
from holmesvau.types import Span

Kind = Literal["anomaly", "hard negative", "normal"]
Phase = Literal["approach", "act", "aftermath"]


@dataclass(frozen=True, slots=True)
class Noun:
    """How a text names somebody: one of `full` at first ("a man in a red jacket"), then one of `short`."""

    full: tuple[str, ...]
    short: tuple[str, ...]
    his: str = "their"
    him: str = "them"


@dataclass(frozen=True, slots=True)
class Beat:
    """One thing that happens from `start` to `end` seconds, told by any of `texts` (see `texts.grammar`).

    `weight` says how much it is worth telling among other things at the same time.
    """

    phase: Phase
    start: float
    end: float
    texts: tuple[str, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What one script staged: an anomaly (`label` is its class), a hard negative, or ordinary life.

    `reasons` say why an anomaly is abnormal. `busy` are discs of floor `(x, y, radius)` that are taken from
    the first beat until `lingers` seconds after the last (a wreck that stands on).
    """

    kind: Kind
    label: str
    beats: tuple[Beat, ...]
    nouns: Mapping[str, Noun]
    words: Mapping[str, str]
    actors: tuple[Actor, ...] = ()
    reasons: tuple[str, ...] = ()
    busy: tuple[tuple[float, float, float], ...] = ()
    jolts: tuple[Jolt, ...] = ()
    light_changes: tuple[LightChange, ...] = ()
    lingers: float = 0.0

    @property
    def start(self) -> float:
        """Seconds of the first beat; negative while it has not been put on a timeline."""
        return min(beat.start for beat in self.beats)

    @property
    def end(self) -> float:
        """Seconds at which the last beat ends."""
        return max(beat.end for beat in self.beats)

    @property
    def presence(self) -> tuple[float, float]:
        """From when to when any of it is there or holds its floor: longer than what is told."""
        starts = [self.start, *(actor.start for actor in self.actors)]
        ends = [self.end + self.lingers, *(actor.end for actor in self.actors)]
        return min(starts), max(ends)

    def moved(self, seconds: float) -> Happening:
        """The same, so many seconds later."""
        return replace(
            self,
            beats=tuple(replace(b, start=b.start + seconds, end=b.end + seconds) for b in self.beats),
            actors=tuple(_later(actor, seconds) for actor in self.actors),
            jolts=tuple(replace(j, start=j.start + seconds, end=j.end + seconds) for j in self.jolts),
            light_changes=tuple(
                replace(c, start=c.start + seconds, end=c.end + seconds) for c in self.light_changes
            ),
        )

    def cut(self, duration: float) -> Happening:
        """The same as far as it lies in `[0, duration)`; the beats outside are left out.

        Raises:
            ValueError: when nothing of it is left.
        """
        beats = tuple(
            replace(b, start=max(0.0, b.start), end=min(duration, b.end))
            for b in self.beats
            if min(duration, b.end) - max(0.0, b.start) > 0.2
        )
        if not beats:
            raise ValueError(f"nothing of {self.label or 'it'} lies within {duration} s")
        return replace(self, beats=beats)

    @property
    def span_length(self) -> float:
        """Seconds from the first beat to the last."""
        return self.end - self.start

    @property
    def span(self) -> Span:
        """From the first beat's start to the last one's end."""
        return Span(self.start, self.end)


def _later(actor: Actor, seconds: float) -> Actor:
    track = actor.track
    assert isinstance(track, Track), f"{actor.name} is not on a track"
    keys = tuple(replace(key, t=key.t + seconds) for key in track.keys)
    return replace(actor, track=Track(keys), start=actor.start + seconds, end=actor.end + seconds)
