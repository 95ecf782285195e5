"""The simulator's contract: everything that is needed to draw any frame of a staged camera, as plain data.

Scripts (what people do, and why it is abnormal) build a `Stage`; `holmesvau.sim.render` draws it. Frame `t`
is a function of the stage and `t` alone, so that frames can be drawn in any order and by any number of
processes.

World: metres on a flat floor. `x` points right and `y` away from the camera, `z` up; the camera stands over
the origin. Headings are radians, counter-clockwise from +x (0 faces right, pi/2 faces away, -pi/2 faces the
camera). Times are seconds from the video's start. Colours are RGB bytes. Pixels are (column, row) from the
top left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from holmesvau.errors import InputError
from holmesvau.sim.camera import Camera

Colour = tuple[int, int, int]
LightKind = Literal["day", "dusk", "night", "infrared"]
WeatherKind = Literal["clear", "overcast", "rain", "snow", "fog"]
Carried = Literal[
    "", "backpack", "handbag", "shopping bag", "suitcase", "briefcase", "umbrella", "open umbrella"
]
Held = Literal[
    "", "gun", "rifle", "knife", "bat", "crowbar", "bottle", "spray can", "phone", "bag", "box", "item",
    "cash", "torch", "stick", "extinguisher", "jerrycan", "stone",
]  # fmt: skip
ActorKind = Literal[
    "person", "car", "van", "police car", "bike", "motorbike", "dog",
    "bag", "suitcase", "box", "item", "door", "trolley", "bin", "bottle", "cash", "weapon",
    "fire", "smoke", "flash", "explosion", "glass", "graffiti", "spill", "sparks", "tear gas",
]  # fmt: skip

PERSON_KINDS = frozenset({"person"})
VEHICLE_KINDS = frozenset({"car", "van", "police car", "bike", "motorbike"})
EFFECT_KINDS = frozenset(
    {"fire", "smoke", "flash", "explosion", "glass", "graffiti", "spill", "sparks", "tear gas"}
)

_NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Motion:
    """How an action runs in time.

    A cyclic action repeats: its phase 0..1 is one cycle, `period` is its length in seconds, or in metres of
    path for a travelling action (two steps a cycle), so that feet do not slide. Any other action runs once
    from phase 0 to 1 in `period` seconds and then holds its last pose.
    """

    period: float
    cyclic: bool = False
    travels: bool = False


ACTIONS: Mapping[str, Motion] = MappingProxyType(
    {
        # Ways of moving along a track; the period is metres for one cycle of two steps.
        "walk": Motion(1.42, cyclic=True, travels=True),
        "run": Motion(2.3, cyclic=True, travels=True),
        "sneak": Motion(0.9, cyclic=True, travels=True),
        "carry": Motion(1.3, cyclic=True, travels=True),  # both hands before the chest
        "drag": Motion(0.9, cyclic=True, travels=True),  # backwards, pulling something along the floor
        "push_cart": Motion(1.3, cyclic=True, travels=True),
        "crawl": Motion(0.8, cyclic=True, travels=True),
        "stagger": Motion(1.0, cyclic=True, travels=True),
        "handcuffed": Motion(1.2, cyclic=True, travels=True),  # hands behind the back; stands when not moving
        "led_away": Motion(1.2, cyclic=True, travels=True),  # an officer holding someone by the arm
        "hands_up_walk": Motion(1.2, cyclic=True, travels=True),
        "ride": Motion(4.0, cyclic=True, travels=True),  # the rider of a bike or motorbike draws itself
        # Standing and repeated.
        "stand": Motion(4.0, cyclic=True),
        "talk": Motion(2.6, cyclic=True),
        "phone": Motion(3.0, cyclic=True),
        "wave": Motion(0.9, cyclic=True),
        "cheer": Motion(0.8, cyclic=True),  # both arms up, bouncing
        "look_around": Motion(5.0, cyclic=True),
        "browse": Motion(5.0, cyclic=True),  # before a shelf: looks, lifts a hand, looks again
        "punch": Motion(0.7, cyclic=True),
        "kick": Motion(0.9, cyclic=True),
        "strike": Motion(1.0, cyclic=True),  # with what is held, or a fist, from above
        "push": Motion(1.1, cyclic=True),
        "grapple": Motion(1.2, cyclic=True),  # wrestling at arm's length
        "cower": Motion(1.4, cyclic=True),  # crouched, arms over the head
        "shake": Motion(0.8, cyclic=True),  # a spray can, a locked door handle, a fence
        "spray": Motion(1.6, cyclic=True),  # arm up before a wall
        "pry": Motion(1.2, cyclic=True),  # both hands at a lock with a tool
        "aim": Motion(3.0, cyclic=True),
        "shoot": Motion(0.8, cyclic=True),  # aim with recoil at phase 0
        "hands_up": Motion(2.0, cyclic=True),
        "hug": Motion(3.0, cyclic=True),
        "crouch": Motion(3.0, cyclic=True),
        "kneel": Motion(3.0, cyclic=True),
        "search": Motion(1.8, cyclic=True),  # pats down, rummages at waist height
        "sit": Motion(5.0, cyclic=True),  # on a seat of 0.45 m at the place given
        "sit_floor": Motion(5.0, cyclic=True),
        "lie": Motion(6.0, cyclic=True),  # on the back, head towards the heading
        "lie_prone": Motion(6.0, cyclic=True),
        "writhe": Motion(2.0, cyclic=True),  # lying and in pain
        "choke": Motion(1.5, cyclic=True),  # both hands at another's throat
        # Once.
        "fall": Motion(0.9),  # forward, ends as lie_prone
        "fall_back": Motion(0.9),  # backward, ends as lie
        "collapse": Motion(1.6),  # knees first, ends as lie_prone
        "get_up": Motion(2.2),  # from the floor to standing
        "sit_down": Motion(1.2),
        "stand_up": Motion(1.2),
        "kneel_down": Motion(0.8),
        "reach": Motion(1.0),  # one arm forward, holds
        "grab": Motion(0.7),  # reach and pull back to the body
        "pick_up": Motion(1.4),  # bends to the floor and comes up
        "put_down": Motion(1.4),
        "throw": Motion(0.9),
        "conceal": Motion(1.6),  # from the hand into the coat or bag
        "snatch": Motion(0.6),
        "stumble": Motion(0.9),
        "flinch": Motion(0.6),
        "climb": Motion(1.6),
        "stomp": Motion(0.8, cyclic=True),
        "jump": Motion(0.8),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp:
    """A lamp over the floor: it lights a pool around (x, y). `strength` 1 is an ordinary street lamp."""

    x: float
    y: float
    z: float = 5.0
    strength: float = 1.0
    colour: Colour = (255, 214, 160)
    visible: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """The light of a scene. Infrared is the camera's own lamp: grey pictures, bright near, dark far.

    `sun` is the heading that daylight comes from and `elevation` its height in radians; `level` multiplies
    all light. `lamps` are added to those of the scene at dusk and at night.
    """

    kind: LightKind = "day"
    sun: float = 2.2
    elevation: float = 0.85
    level: float = 1.0
    lamps: tuple[Lamp, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What is in the air. `amount` in [0, 1] is how much of it. Indoor scenes ignore it."""

    kind: WeatherKind = "clear"
    amount: float = 0.5
    wind: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """The camera's own marks on the picture.

    `noise` is the deviation of luma in grey levels at full light (it rises by itself in the dark),
    `softness` the blur radius in pixels at 320 columns, `vignette` the loss of light in the corners [0, 1],
    `sway` a slow drift in pixels at
    320 columns, `distortion` the barrel bend of the lens, `saturation` and `cast` the colour handling,
    `clock` the overlaid date and time of frame 0 ("" for none, ISO 8601: 2031-03-02T23:14:05), `label` the
    overlaid camera name, `crf` the constant rate factor of the H.264 encoder.
    """

    noise: float = 1.6
    softness: float = 0.45
    vignette: float = 0.25
    sway: float = 0.0
    distortion: float = 0.06
    saturation: float = 0.8
    contrast: float = 1.0
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    clock: str = ""
    label: str = ""
    crf: int = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A named spot that scripts use and texts mention: `phrase` fits after "at" or "to" ("the counter").

    `kind` is one of entrance, exit, counter, shelf, bench, seat, kerb, door, wall, window, bay, corner,
    queue, bin, pillar, gate, edge, open. `heading` faces what the place is for (the shelf, the counter, the
    room behind a door); whoever uses a seat or bench faces along it. An entrance lies outside the picture or
    behind a door: people appear and vanish there unseen. `z` is the height of what is used (shelf board,
    wall spot).
    """

    name: str
    kind: str
    x: float
    y: float
    heading: float = 0.0
    z: float = 0.0
    phrase: str = ""

    @property
    def xy(self) -> tuple[float, float]:
        """Its floor point in metres."""
        return (self.x, self.y)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way through the scene that can be used without walking through things: floor points in order.

    `kind` is walk (both ways), drive (a lane, in the order of the points), or cycle. Its ends lie out of the
    picture or at a door unless `name` says otherwise.
    """

    name: str
    kind: Literal["walk", "drive", "cycle"]
    points: tuple[tuple[float, float], ...]

    @property
    def length(self) -> float:
        """Metres along the points."""
        return sum(math.dist(a, b) for a, b in zip(self.points, self.points[1:], strict=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A convex floor polygon that is free to stand and walk in (or, by `kind`, road or platform edge)."""

    name: str
    kind: Literal["walk", "road", "forbidden"]
    corners: tuple[tuple[float, float], ...]

    @property
    def centre(self) -> tuple[float, float]:
        """The mean of its corners."""
        n = len(self.corners)
        return (sum(c[0] for c in self.corners) / n, sum(c[1] for c in self.corners) / n)

    def contains(self, x: float, y: float) -> bool:
        """Whether the floor point lies inside."""
        inside = False
        for (ax, ay), (bx, by) in zip(self.corners, self.corners[1:] + self.corners[:1], strict=True):
            if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
                inside = not inside
        return inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A built place: what is drawn once (`parts` and `solids`, of `holmesvau.sim.solids`) and what scripts
    may use.

    `name` is the kind (crossing, street, …), `phrase` says where in a text ("a car park", "the aisle of a
    small shop"), `camera` is the usual view at a size of 640 x 360; `Stage.size` rescales it.
    """

    name: str
    seed: int
    phrase: str
    indoor: bool
    camera: Camera
    places: Mapping[str, Place]
    routes: Mapping[str, Route]
    regions: Mapping[str, Region]
    parts: Sequence[Any] = ()
    solids: Sequence[Any] = ()
    lamps: tuple[Lamp, ...] = ()

    def of_kind(self, kind: str) -> list[Place]:
        """All places of a kind, in the scene's own order; may be empty."""
        return [place for place in self.places.values() if place.kind == kind]

    def place(self, name: str) -> Place:
        """The place of that name.

        Raises:
            InputError: when the scene has no such place; the message lists those it has.
        """
        if name not in self.places:
            raise InputError(f"The scene {self.name} has no place {name!r}; it has {', '.join(self.places)}.")
        return self.places[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a person looks. The names are for texts, the colours for pictures; `holmesvau.sim.looks` makes
    them.

    `height` is in metres, `build` scales the width of the body (0.85 slight, 1.2 heavy). `top_kind` is one
    of t-shirt, shirt, jacket, hoodie, coat, dress, vest, uniform; `bottom_kind` trousers, jeans, shorts,
    skirt. `head` is one of short, long, bald, bun, cap, hood, helmet, balaclava, hat.
    """

    height: float = 1.74
    build: float = 1.0
    skin: Colour = (196, 150, 122)
    hair: Colour = (52, 38, 28)
    head: str = "short"
    top: Colour = (140, 32, 30)
    top_name: str = "red"
    top_kind: str = "jacket"
    bottom: Colour = (38, 42, 58)
    bottom_name: str = "dark blue"
    bottom_kind: str = "trousers"
    shoes: Colour = (30, 28, 28)
    carried: Carried = ""
    carried_colour: Colour = (60, 60, 66)
    person: Literal["man", "woman", "boy", "girl", "person", "police officer", "guard"] = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """How anything that is not a person looks: its colour, with a name for texts, and its size and variant.

    `size` is metres along its length for things (0 takes the usual size of its kind); `variant` picks a body
    (car: hatchback, saloon, suv, taxi; van: van, truck; dog: small, large); `rider` sits on a bike or
    motorbike.
    """

    colour: Colour = (128, 132, 138)
    name: str = "grey"
    size: float = 0.0
    variant: str = ""
    rider: Look | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where and how an actor is at one moment.

    `x, y, z` are metres (the middle of its foot or wheel base), `heading` radians. `phase` runs as `Motion`
    says. `previous`, `previous_phase` and `mix` blend poses: the drawn pose is `mix` of this action and the
    rest of the previous one. `held` is in the right hand. `extra`, by kind: door `open` 0..1; car `lights`
    0..1, `brake` 0..1, `damage` 0..1, `beacon` 0/1; motorbike and bike `lean` radians (pi/2 lies on its
    side); any effect `size` metres, `strength` 0..1 and `age` seconds since it began; glass and graffiti lie
    on a wall that faces `heading` when `wall` is 1; person `look` radians that the head is turned, `seat`
    metres of a seat's height; any thing `tilt` radians that it has tipped over.
    """

    x: float
    y: float
    z: float = 0.0
    heading: float = 0.0
    action: str = "stand"
    phase: float = 0.0
    previous: str = ""
    previous_phase: float = 0.0
    mix: float = 1.0
    held: Held = ""
    extra: Mapping[str, float] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Somebody or something that is there from `start` to `end` seconds, and `track(t)`: its state, or None
    when unseen.

    `track` must be a pure function of `t`; `holmesvau.sim.track.Track` is one. `layer` is added to the
    distance that orders drawing, in metres: give a thing on a table -0.3 to keep it before what it lies on.
    """

    name: str
    kind: ActorKind
    track: Callable[[float], State | None]
    start: float = 0.0
    end: float = math.inf
    look: Look = field(default_factory=Look)
    finish: Finish = field(default_factory=Finish)
    layer: float = 0.0

    def at(self, t: float) -> State | None:
        """The state at `t` seconds; None outside `[start, end)`."""
        return self.track(t) if self.start <= t < self.end else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Jolt:
    """The camera shaken from `start` to `end` by up to `strength` pixels at 320 columns, fading to the
    end.
    """

    start: float
    end: float
    strength: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LightChange:
    """All light multiplied by `factor` from `start` to `end` over `fade` seconds: a switch, a cloud,
    headlights.
    """

    start: float
    end: float
    factor: float = 0.4
    fade: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One camera's whole video: everything that `holmesvau.sim.render.Renderer` needs for any frame.

    `size` is (width, height) in pixels, both even. `actors` may be many (a day of passers-by): only those
    whose `[start, end)` holds a frame's time are asked for their state. `background` replaces the painted
    scene by one's own
    picture or video (see `holmesvau.sim.background`).
    """

    scene: Scene
    duration: float
    fps: float = 25.0
    size: tuple[int, int] = (640, 360)
    seed: int = 0
    light: Light = field(default_factory=Light)
    weather: Weather = field(default_factory=Weather)
    sensor: Sensor = field(default_factory=Sensor)
    actors: Sequence[Actor] = ()
    jolts: tuple[Jolt, ...] = ()
    light_changes: tuple[LightChange, ...] = ()
    background: str = ""

    def __post_init__(self) -> None:
        width, height = self.size
        if width % 2 or height % 2 or not (96 <= width <= 4096 and 64 <= height <= 4096):
            raise InputError(f"size {width}x{height}: give even numbers of pixels from 96x64 to 4096x4096.")
        if not (math.isfinite(self.duration) and self.duration > 0):
            raise InputError(f"duration {self.duration}: give a positive number of seconds.")
        if not 1 <= self.fps <= 120:
            raise InputError(f"fps {self.fps}: give a number of frames a second from 1 to 120.")

    @property
    def num_frames(self) -> int:
        """Frames of the video."""
        return max(1, round(self.duration * self.fps))

    @property
    def camera(self) -> Camera:
        """The scene's camera at this stage's size, with the sensor's lens."""
        return self.scene.camera.resized(*self.size).bent(0.0 if self.background else self.sensor.distortion)
