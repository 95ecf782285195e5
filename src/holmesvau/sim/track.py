"""Tracks: where an actor is at any time, from a list of keys, with gait, turning and blended poses.

`Steps` is how scripts write a track: go there, wait, do this for so long; `Steps.track()` gives the pure
function.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import get_args

from holmesvau.errors import InputError
from holmesvau.sim.world import ACTIONS, Held, Motion, Place, State

BLEND_SECONDS = 0.3
TURN_SECONDS = 0.4
HELD_NAMES = get_args(Held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """From `t` seconds to the next key: `action`, while moving evenly to the next key's place.

    `heading` None looks where it goes (backwards when dragging), or keeps the heading before when it does
    not move. `extra` values run evenly to those of the next key that names them too. `phase_offset` is added
    to the phase.
    """

    t: float
    x: float
    y: float
    z: float = 0.0
    action: str = "stand"
    heading: float | None = None
    held: Held = ""
    extra: Mapping[str, float] = field(default_factory=dict)
    phase_offset: float = 0.0


@dataclass(frozen=True)
class Track:
    """A pure function from seconds to `State`: None before the first key and from the last key's time on.

    The last key only says where and when the track ends. Headings turn and poses blend over the first
    moments of each key; gait phases follow the distance walked, so that feet do not slide.

    Raises:
        InputError: when there are fewer than two keys, times do not rise, or an action or held thing is
        unknown.
    """

    keys: tuple[Key, ...]

    def __post_init__(self) -> None:
        if len(self.keys) < 2:
            raise InputError(f"A track needs two keys or more, got {len(self.keys)}.")
        for before, after in zip(self.keys, self.keys[1:], strict=False):
            if not after.t > before.t:
                raise InputError(
                    f"A track's times must rise: a key at {before.t} s is followed by one at {after.t} s."
                )
        for key in self.keys:
            if key.action not in ACTIONS:
                raise InputError(f"No action is called {key.action!r}; there are {', '.join(ACTIONS)}.")
            if key.held not in HELD_NAMES:
                raise InputError(
                    f"Nothing called {key.held!r} can be held; there are {', '.join(HELD_NAMES[1:])}."
                )

    @property
    def start(self) -> float:
        """Seconds of the first key."""
        return self.keys[0].t

    @property
    def end(self) -> float:
        """Seconds of the last key, from which on there is nobody."""
        return self.keys[-1].t

    @cached_property
    def _times(self) -> list[float]:
        return [key.t for key in self.keys]

    @cached_property
    def _headings(self) -> list[float]:
        headings: list[float] = []
        for i, key in enumerate(self.keys):
            after = self.keys[min(i + 1, len(self.keys) - 1)]
            moved = math.hypot(after.x - key.x, after.y - key.y)
            if key.heading is not None:
                headings.append(key.heading)
            elif moved > 0.02:
                backwards = math.pi if key.action == "drag" else 0.0
                headings.append(math.atan2(after.y - key.y, after.x - key.x) + backwards)
            else:
                headings.append(headings[-1] if headings else 0.0)
        return headings

    @cached_property
    def _begun(self) -> list[int]:
        """For each key, the first key of the unbroken run of its action (a walk around a corner goes on)."""
        begun: list[int] = []
        for i, key in enumerate(self.keys):
            goes_on = i > 0 and self.keys[i - 1].action == key.action and ACTIONS[key.action].cyclic
            begun.append(begun[-1] if goes_on else i)
        return begun

    @cached_property
    def _walked(self) -> list[float]:
        """Metres walked since the first key, at each key."""
        walked = [0.0]
        for a, b in zip(self.keys, self.keys[1:], strict=False):
            walked.append(walked[-1] + math.hypot(b.x - a.x, b.y - a.y))
        return walked

    def __call__(self, t: float) -> State | None:
        """The state at `t` seconds."""
        if not self.keys[0].t <= t < self.keys[-1].t:
            return None
        i = bisect.bisect_right(self._times, t) - 1
        key, after = self.keys[i], self.keys[i + 1]
        share = (t - key.t) / (after.t - key.t)
        since = t - key.t
        previous, previous_phase, mix = "", 0.0, 1.0
        if i > 0 and since < BLEND_SECONDS and self.keys[i - 1].action != key.action:
            previous, mix = self.keys[i - 1].action, since / BLEND_SECONDS
            previous_phase = self._phase(i - 1, key.t)
        heading = self._headings[i]
        if i > 0 and since < TURN_SECONDS:
            turn = math.remainder(heading - self._headings[i - 1], math.tau)
            ease = since / TURN_SECONDS
            heading = self._headings[i - 1] + turn * ease * ease * (3 - 2 * ease)
        extra = {
            name: value + (after.extra.get(name, value) - value) * share for name, value in key.extra.items()
        }
        if "age" not in extra:
            extra["age"] = t - self.keys[0].t
        return State(
            x=key.x + (after.x - key.x) * share,
            y=key.y + (after.y - key.y) * share,
            z=key.z + (after.z - key.z) * share,
            heading=heading,
            action=key.action,
            phase=self._phase(i, t),
            previous=previous,
            previous_phase=previous_phase,
            mix=mix,
            held=key.held,
            extra=extra,
        )

    def _phase(self, i: int, t: float) -> float:
        key, after = self.keys[i], self.keys[i + 1]
        motion = ACTIONS[key.action]
        begun = self._begun[i]
        if motion.travels:
            share = min(1.0, (t - key.t) / (after.t - key.t))
            metres = self._walked[i] + (self._walked[i + 1] - self._walked[i]) * share - self._walked[begun]
            return (metres / motion.period + self.keys[begun].phase_offset) % 1.0
        run = (t - self.keys[begun].t) / motion.period + self.keys[begun].phase_offset
        return run % 1.0 if motion.cyclic else min(1.0, run)


def stay(
    start: float,
    end: float,
    x: float,
    y: float,
    *,
    heading: float = 0.0,
    action: str = "stand",
    z: float = 0.0,
    **extra: float,
) -> Track:
    """A track that stays in one place: a parked car, a door, a fire, a person who sits all day."""
    first = Key(t=start, x=x, y=y, z=z, heading=heading, action=action, extra=extra)
    return Track((first, Key(t=end, x=x, y=y, z=z, heading=heading, action=action, extra=extra)))


class Steps:
    """Writes a track one step after another; `t`, `x`, `y`, `heading` say where it has come to.

    >>> steps = Steps(0.0, -6, 4).go((1, 5)).do("browse", 4, facing=(1, 7))
    >>> track = steps.go((8, 5), speed=3, action="run").track()
    """

    def __init__(
        self, t: float, x: float, y: float, *, heading: float | None = None, held: Held = ""
    ) -> None:
        self.t, self.x, self.y, self.z = t, x, y, 0.0
        self.heading = heading
        self.held: Held = held
        self.extra: dict[str, float] = {}
        self.keys: list[Key] = []

    def hold(self, held: Held) -> Steps:
        """From here on `held` is in the right hand; "" lets it go."""
        self.held = held
        return self

    def set(self, **extra: float) -> Steps:
        """From here on these extras of the state; they run evenly to the next value that is set."""
        self.extra = {**self.extra, **extra}
        return self

    def do(
        self,
        action: str,
        seconds: float | None = None,
        *,
        heading: float | None = None,
        facing: tuple[float, float] | Place | None = None,
        offset: float = 0.0,
    ) -> Steps:
        """Stay here for `seconds` (one run of the action when None), turned to a heading or towards a
        point.
        """
        if facing is not None:
            px, py = facing.xy if isinstance(facing, Place) else facing
            heading = math.atan2(py - self.y, px - self.x)
        self._key(action, heading, offset)
        self.heading = self.heading if heading is None else heading
        self.t += _motion(action).period if seconds is None else seconds
        return self

    def wait(self, seconds: float, action: str = "stand") -> Steps:
        """Stay as turned for `seconds`."""
        return self.do(action, seconds)

    def until(self, t: float, action: str = "stand", *, heading: float | None = None) -> Steps:
        """Stay until `t` seconds of the video; nothing when that is past."""
        return self.do(action, t - self.t, heading=heading) if t - self.t > 1e-3 else self

    def go(
        self,
        *points: tuple[float, float] | Place,
        speed: float = 1.35,
        action: str = "walk",
        seconds: float | None = None,
        heading: float | None = None,
    ) -> Steps:
        """Move through the points at `speed` metres a second, or evenly so as to take `seconds` in all."""
        spots = [p.xy if isinstance(p, Place) else p for p in points]
        legs = [math.dist(a, b) for a, b in zip([(self.x, self.y), *spots], spots, strict=False)]
        if seconds is not None:
            speed = sum(legs) / seconds if seconds > 0 else speed
        for (x, y), metres in zip(spots, legs, strict=True):
            if metres < 0.02 or speed <= 0:
                continue
            self._key(action, heading)
            if heading is None:
                backwards = math.pi if action == "drag" else 0.0
                self.heading = math.atan2(y - self.y, x - self.x) + backwards
            else:
                self.heading = heading
            self.t += metres / speed
            self.x, self.y = x, y
        return self

    def to_height(self, z: float) -> Steps:
        """The next step runs from the height now to `z` metres (a thing lifted, smoke, somebody climbing)."""
        if self.keys:
            self.z = z
        return self

    def track(self) -> Track:
        """The track written so far, ending now.

        Raises:
            InputError: when no step has been written.
        """
        return Track((*self.keys, self._made("stand", self.heading)))

    def _key(self, action: str, heading: float | None, offset: float = 0.0) -> None:
        _motion(action)
        self.keys.append(self._made(action, heading, offset))

    def _made(self, action: str, heading: float | None, offset: float = 0.0) -> Key:
        return Key(
            t=self.t,
            x=self.x,
            y=self.y,
            z=self.z,
            action=action,
            heading=heading,
            held=self.held,
            extra=dict(self.extra),
            phase_offset=offset,
        )


def _motion(action: str) -> Motion:
    if action not in ACTIONS:
        raise InputError(f"No action is called {action!r}; there are {', '.join(ACTIONS)}.")
    return ACTIONS[action]
