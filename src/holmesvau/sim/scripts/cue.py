"""What a script plays with: a scene, its floor, chance, clothes, and a slate on which it notes what happens.

Scripts are written around a time 0 of their own, the moment at which things come together; the plan of a
video moves the whole to its place on the timeline.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from holmesvau.sim.looks import Person
from holmesvau.sim.scenes.kit import CAR_COLOURS
from holmesvau.sim.scripts import wardrobe
from holmesvau.sim.scripts.floor import Floor, Point
from holmesvau.sim.scripts.truth import Beat, Happening, Kind, Noun, Phase
from holmesvau.sim.track import Key, Steps, Track
from holmesvau.sim.world import Actor, ActorKind, Carried, Finish, Held, Jolt, LightChange, Look, Place, Scene

T = TypeVar("T")

# Pixels that a metre must have on a picture of 640 columns for what happens there to be told; one's own
# camera may hang farther off than those of the built scenes.
CLOSE_ENOUGH, CLOSE_ENOUGH_OUTSIDE = 38.0, 28.0
# Of so many open spots the nearest to the camera is taken.
CHOICES = 3
WALK, HURRY, RUN = 1.35, 2.0, 3.6

# Where goods stand on shelves and are paid for at a counter with a till.
SHOPS = ("shop", "supermarket")
# Where cars go slowly, on lanes rather than roads.
LANES = ("car park", "garage", "petrol station")
SCENE_WORDS = {
    "footage": ("in front of the camera", "in front of the camera"),
    "crossing": ("at a road crossing", "on the pavement"),
    "street": ("on a street", "on the pavement"),
    "car park": ("in a car park", "between the rows of cars"),
    "shop": ("in a small shop", "in the aisle"),
    "corridor": ("in a corridor", "in the corridor"),
    "platform": ("on a station platform", "on the platform"),
    "warehouse": ("in a warehouse", "in the aisle between the racks"),
    "living room": ("in a living room", "in the middle of the room"),
    "lobby": ("in the lobby of a building", "in the middle of the hall"),
    "alley": ("in an alley", "between the walls"),
    "park": ("in a park", "on the way"),
    "office": ("in an office", "between the desks"),
    "supermarket": ("in a supermarket", "between the shelves"),
    "petrol station": ("at a petrol station", "beside the pumps"),
    "garage": ("in an underground garage", "between the pillars"),
    "yard": ("in a schoolyard", "in the middle of the yard"),
    "cafe": ("in a café", "between the tables"),
}
OUT_OF = {
    "footage": "out of the picture",
    "crossing": "down the pavement", "street": "down the street", "car park": "out of the car park",
    "shop": "out of the shop", "corridor": "down the corridor", "platform": "along the platform",
    "warehouse": "out of the hall", "living room": "out of the room", "lobby": "out of the building",
    "alley": "down the alley", "park": "through the park", "office": "out of the office",
    "supermarket": "out of the supermarket", "petrol station": "out of the petrol station",
    "garage": "out of the garage", "yard": "out of the yard", "cafe": "out of the café",
}  # fmt: skip


class NoRoomError(Exception):
    """The scene at hand has no place for this script; another one is taken."""


class Cue:
    """One script's means and slate. `seconds` is how long its main act should last, `grey` an infrared camera, `wet` rain."""

    def __init__(
        self,
        floor: Floor,
        rng: np.random.Generator,
        *,
        split: str,
        seconds: float,
        grey: bool,
        dark: bool,
        name: str,
        wet: bool = False,
    ) -> None:
        self.floor, self.scene, self.rng = floor, floor.scene, rng
        self.split, self.seconds, self.grey, self.dark, self.name = split, seconds, grey, dark, name
        self.wet = wet
        self.nouns: dict[str, Noun] = {}
        self.words = {
            "here": SCENE_WORDS[self.scene.name][0],
            "at": SCENE_WORDS[self.scene.name][1],
            "away": OUT_OF[self.scene.name],
        }
        self.busy: list[tuple[float, float, float]] = []
        self.jolts: list[Jolt] = []
        self.light_changes: list[LightChange] = []
        self.lingers = 0.0
        self._beats: list[Beat] = []
        self._actors: list[Actor] = []
        self._looks: list[Look] = []

    # Chance.

    def between(self, low: float, high: float) -> float:
        """A number between the two."""
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        """True in that share of cases."""
        return bool(self.rng.random() < share)

    def one(self, things: Sequence[T]) -> T:
        """One of the things.

        Raises:
            NoRoomError: when there are none.
        """
        if not things:
            raise NoRoomError
        return things[int(self.rng.integers(len(things)))]

    # Places.

    def place(self, *kinds: str, named: str = "") -> Place:
        """A place of one of the kinds that the camera sees well, rather a near one.

        Raises:
            NoRoomError: when the scene has none.
        """
        found = [
            p
            for p in self.scene.places.values()
            if p.kind in kinds and named in p.name and self.is_near(p.xy) and self.is_seen(p.xy)
        ]
        return max(
            (self.one(found), self.one(found)), key=lambda p: self.scene.camera.pixels_per_metre(*p.xy)
        )

    def is_seen(self, point: Point) -> bool:
        """Whether the camera sees somebody there from the thighs to the head."""
        return all(self.floor.in_view(point, 0.09, height) for height in (0.55, 1.0, 1.5))

    def is_near(self, point: Point) -> bool:
        """Whether people there are drawn large enough to be told apart."""
        needed = CLOSE_ENOUGH_OUTSIDE if self.scene.name == "footage" else CLOSE_ENOUGH
        return self.scene.camera.pixels_per_metre(*point) >= needed

    def open_spot(self, radius: float = 1.0, region: str = "") -> Point:
        """A free floor point in view with room around it, the nearest to the camera of a few by chance.

        Raises:
            NoRoomError: when none is found.
        """
        regions = [r for r in self.scene.regions.values() if r.kind == "walk" and region in r.name]
        found: list[Point] = []
        for attempt in range(90):
            chosen = regions[0] if attempt < 50 and not region else self.one(regions)
            xs, ys = zip(*chosen.corners, strict=True)
            spot = self.between(min(xs), max(xs)), self.between(min(ys), max(ys))
            if self._is_open(spot, radius):
                found.append(spot)
            if len(found) == CHOICES or (found and attempt >= 50):
                break
        if not found:
            raise NoRoomError
        spot = max(found, key=lambda point: self.scene.camera.pixels_per_metre(*point))
        self.busy.append((*spot, radius + 0.6))
        return spot

    def _is_open(self, spot: Point, radius: float) -> bool:
        """Whether nothing stands or happens around a spot that the camera sees well."""
        if any(math.dist(spot, (x, y)) < radius + r for x, y, r in self.busy):
            return False
        if not (self.floor.in_view(spot, 0.12) and self.is_near(spot)):
            return False
        around = [(spot[0] + dx, spot[1] + dy) for dx, dy in ((radius, 0), (-radius, 0), (0, 0.4), (0, -0.4))]
        return all(self.floor.is_free(point) and self.floor.in_view(point, 0.03) for point in around)

    def pair(self, gap: float = 0.85, spot: Point | None = None) -> tuple[Point, Point]:
        """Two points that far apart around a spot, side by side as the camera sees them where there is room.

        Raises:
            NoRoomError: when the points are not free and in view however they are turned.
        """
        x, y = spot or self.open_spot()
        for spread in (0.3, 0.5, 0.8, 1.2, 1.6):
            turn = self.between(-spread, spread) + (math.pi if self.chance(0.5) else 0.0)
            dx, dy = math.cos(turn) * gap / 2, math.sin(turn) * gap / 2
            ends = (x - dx, y - dy), (x + dx, y + dy)
            margin = 0.04 if gap < 2 else 0.08
            if all(self.floor.is_free(end) and self.floor.in_view(end, margin) for end in ends):
                return ends
        raise NoRoomError

    def beside(self, place: Place, metres: float) -> Point:
        """A free point that far to one side of a place, square to what it faces."""
        for side in (1, -1) if self.chance(0.5) else (-1, 1):
            turn = place.heading + side * math.pi / 2
            spot = place.x + metres * math.cos(turn), place.y + metres * math.sin(turn)
            if self.floor.is_free(spot) and self.floor.in_view(spot, 0.03):
                return spot
        raise NoRoomError

    # People.

    def person(
        self,
        role: str,
        *,
        person: Person | None = None,
        hooded: bool | None = None,
        carries: str | None = "",
        known_as: str = "",
    ) -> Look:
        """Somebody dressed unlike the others of this script; texts may call them the `known_as` later on."""
        look = wardrobe.dressed(self.rng, self.split, person=person, hooded=hooded, carries=carries)
        for _ in range(20):
            # Neither "blue" beside "dark blue": a text says "the man in blue".
            same = [o for o in self._looks if o.top_name.split()[-1] == look.top_name.split()[-1]]
            if not same or look.top_kind == "uniform":
                break
            look = wardrobe.dressed(self.rng, self.split, person=person, hooded=hooded, carries=carries)
        self._looks.append(look)
        self.nouns[role] = wardrobe.noun(look, known_as, self.grey)
        return look

    def load(self) -> Carried | None:
        """What a passer-by carries: an open umbrella in the rain, or what chance gives (None)."""
        return "open umbrella" if self.wet and self.chance(0.6) else None

    def stranger(self) -> Look:
        """Somebody whom texts do not name alone."""
        return wardrobe.dressed(self.rng, self.split)

    def paint(self) -> tuple[Finish, str]:
        """A car's finish and how a text names the car."""
        colour, variant = self.one(
            [
                (colour, variant)
                for colour in CAR_COLOURS
                for variant in ("hatchback", "saloon", "suv")
                if wardrobe.split_of_car(colour, variant) == self.split
            ]
        )
        name = "car" if self.grey else f"{colour} car"
        return Finish(colour=CAR_COLOURS[colour], name=colour, variant=variant), name

    def arrive(
        self, spot: Point, at: float, *, speed: float = WALK, action: str = "walk", held: Held = ""
    ) -> Steps:
        """Steps of somebody who has come from outside the picture and reaches `spot` at `at` seconds."""
        sides = [end for end in self.floor.ways_in if math.dist(end, spot) > 1.5]
        origin = self.one(sides or self.floor.ways_in)
        aside = (origin[0], origin[1] + self.between(-0.15, 0.15))
        way = self.floor.way(aside, spot)
        metres = max(0.1, self.floor.length(aside, way))
        return Steps(at - metres / speed, *aside, held=held).go(*way, speed=speed, action=action)

    def walk_to(self, steps: Steps, spot: Point, *, speed: float = WALK, action: str = "walk") -> Steps:
        """Go on to a spot around what stands between."""
        return steps.go(*self.floor.way((steps.x, steps.y), spot), speed=speed, action=action)

    def leave(
        self, steps: Steps, *, speed: float = WALK, action: str = "walk", nearest: bool = True
    ) -> Steps:
        """Go out of the picture."""
        here = (steps.x, steps.y)
        ends = sorted(self.floor.ways_in, key=lambda end: math.dist(end, here))
        ends = [end for end in ends if math.dist(end, here) > 0.5] or ends
        end = ends[0] if nearest else self.one(ends)
        return steps.go(*self.floor.way(here, end), speed=speed, action=action)

    def flee(self, steps: Steps) -> Steps:
        """Run out of the picture by the nearest way."""
        return self.leave(steps, speed=self.between(3.2, 4.2), action="run")

    # The slate.

    def add(
        self,
        name: str,
        track: Track | Steps,
        *,
        look: Look | None = None,
        kind: ActorKind = "person",
        finish: Finish | None = None,
        layer: float = 0.0,
    ) -> Track:
        """Put somebody or something on the stage for the time of a track, which is returned."""
        track = track.track() if isinstance(track, Steps) else track
        self._actors.append(
            Actor(
                name=f"{self.name} {name}",
                kind=kind,
                track=track,
                start=track.start,
                end=track.end,
                look=look or Look(),
                finish=finish or Finish(),
                layer=layer,
            )
        )
        return track

    def flight(self, name: str, kind: ActorKind, t: float, a: Point, b: Point, finish: Finish) -> None:
        """Something thrown from a hand at `a` that comes down at `b` and lies there."""
        seconds = 0.25 + 0.12 * math.dist(a, b)
        keys = []
        for k in range(9):
            share = k / 8
            z = 1.7 * (1 - share) + 1.1 * 4 * share * (1 - share) * seconds
            x, y = a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share
            keys.append(
                Key(t=t + share * seconds, x=x, y=y, z=max(0.0, z), heading=7.0 * share, extra={"tilt": 1.5})
            )
        keys.append(Key(t=t + seconds + 20.0, x=b[0], y=b[1], heading=7.0, extra={"tilt": 1.5}))
        self.add(name, Track(tuple(keys)), kind=kind, finish=finish)

    def seen_until(self, track: Track, after: float) -> float:
        """The time from which on the camera no longer sees somebody, looked for from `after` on."""
        t = after
        while t < track.end:
            state = track(t)
            if state is None or not self.scene.camera.sees(state.x, state.y):
                break
            t += 0.1
        return min(t, track.end)

    def seen_from(self, track: Track, until: float) -> float:
        """The time at which somebody comes into view for good before `until`."""
        t = until
        while t > track.start:
            state = track(t)
            if state is not None and not self.scene.camera.sees(state.x, state.y):
                break
            t -= 0.1
        return max(t, track.start)

    def first_seen(self, track: Track) -> float:
        """The time at which somebody is in the picture for the first time.

        Raises:
            NoRoomError: when they never are.
        """
        t = track.start
        while (state := track(t)) is not None:
            if self.scene.camera.sees(state.x, state.y):
                return t
            t += 0.1
        raise NoRoomError

    def beat(self, phase: Phase, start: float, end: float, *texts: str, weight: float = 1.0) -> None:
        """Note what happens from `start` to `end` seconds; nothing when that is too short to be seen."""
        if end - start > 0.15:
            self._beats.append(Beat(phase, start, end, texts, weight))

    def happening(self, kind: Kind, label: str, reasons: tuple[str, ...] = ()) -> Happening:
        """All that was noted.

        Raises:
            NoRoomError: when nothing was.
        """
        if not self._beats:
            raise NoRoomError
        return Happening(
            kind=kind,
            label=label,
            beats=tuple(sorted(self._beats, key=lambda beat: beat.start)),
            nouns=self.nouns,
            words=self.words,
            actors=tuple(self._actors),
            reasons=reasons,
            busy=tuple(self.busy),
            jolts=tuple(self.jolts),
            light_changes=tuple(self.light_changes),
            lingers=self.lingers,
        )


def scene_has_road(scene: Scene) -> bool:
    """Whether cars drive through the scene."""
    return any(route.kind == "drive" for route in scene.routes.values())
