"""Rigid bodies as flat faces: cars, vans, boxes, doors, trolleys; drawn by `bodies`, or parked into a scene.

Local axes: x forward, y left, z up, metres, the middle of the foot at the origin.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from holmesvau.sim.materials import Material
from holmesvau.sim.solids import Face, Parts, Solid
from holmesvau.sim.world import Colour, Finish

Floats = npt.NDArray[np.float64]
Point = tuple[float, float, float]
TYRE: Colour = (22, 22, 24)
RIM: Colour = (120, 122, 126)
PANE: Colour = (30, 36, 42)
TRIM: Colour = (34, 34, 36)


@dataclass(frozen=True, slots=True)
class Plane:
    """One flat face: corners, colour, gloss [0, 1], and a layer: higher layers are painted over lower ones.

    `lamp` is "head", "tail" or "beacon" for faces that can shine.
    """

    corners: tuple[Point, ...]
    colour: Colour
    gloss: float = 0.0
    layer: int = 0
    lamp: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """Measures of a vehicle in metres; heights above ground, lengths forward of the middle."""

    length: float
    width: float
    belt: float
    roof: float
    nose: float
    tail: float
    screen: tuple[float, float]
    rear: tuple[float, float]
    wheel: float = 0.32
    axles: tuple[float, float] = (-1.3, 1.3)


SHAPES = {
    "hatchback": Shape(3.9, 1.70, 0.92, 1.46, 0.74, 0.88, (0.95, 0.25), (-1.80, -1.35), 0.30, (-1.25, 1.25)),
    "saloon": Shape(4.6, 1.80, 0.92, 1.44, 0.72, 0.90, (1.0, 0.25), (-1.60, -0.95), 0.32, (-1.4, 1.42)),
    "suv": Shape(4.6, 1.88, 1.08, 1.72, 0.95, 1.05, (1.05, 0.45), (-2.15, -1.85), 0.37, (-1.38, 1.38)),
    "taxi": Shape(4.6, 1.80, 0.92, 1.46, 0.72, 0.90, (1.0, 0.25), (-1.60, -0.95), 0.32, (-1.4, 1.42)),
    "police": Shape(4.7, 1.84, 0.95, 1.48, 0.75, 0.92, (1.0, 0.25), (-1.75, -1.2), 0.33, (-1.4, 1.42)),
    "van": Shape(5.3, 2.0, 1.15, 2.25, 1.0, 1.15, (2.0, 1.35), (-2.62, -2.60), 0.35, (-1.65, 1.75)),
    "truck": Shape(6.8, 2.3, 1.3, 2.5, 1.3, 1.3, (3.3, 3.1), (-3.38, -3.38), 0.45, (-2.1, 2.4)),
}


@lru_cache(maxsize=256)
def vehicle(kind: str, finish: Finish) -> tuple[Plane, ...]:
    """The faces of a car, van or police car in its finish."""
    variant = finish.variant if finish.variant in SHAPES else ""
    if kind == "police car":
        variant = "police"
    shape = SHAPES[variant or ("van" if kind == "van" else "saloon")]
    colour = (228, 230, 232) if kind == "police car" else finish.colour
    planes = _lower(shape, colour) + _cabin(shape, colour) + _wheels(shape) + _lamps(shape)
    if kind == "police car":
        planes += _band(shape, (30, 60, 150), 0.55, 0.78) + _roof_sign(shape, (60, 90, 220), "beacon")
    if variant == "taxi":
        planes += _roof_sign(shape, (240, 220, 120), "")
    return tuple(planes)


def _quad(
    a: Point, b: Point, c: Point, d: Point, colour: Colour, gloss: float, layer: int, lamp: str = ""
) -> Plane:
    return Plane((a, b, c, d), colour, gloss, layer, lamp)


def _dim(colour: Colour, share: float) -> Colour:
    red, green, blue = (int(c * share) for c in colour)
    return red, green, blue


def _lower(s: Shape, colour: Colour) -> list[Plane]:
    half, w = s.length / 2, s.width / 2
    sill, low = 0.24, w * 0.93
    # Stations from tail to nose: x, top height, half width there.
    stations = [
        (-half, s.tail * 0.80, w * 0.84), (-half + 0.12, s.tail, w * 0.93), (-half * 0.62, s.belt, w),
        (s.screen[0] - 0.1, s.belt, w), (half - 0.5, s.nose + 0.06, w * 0.97),
        (half - 0.12, s.nose, w * 0.88), (half, s.nose * 0.80, w * 0.74),
    ]  # fmt: skip
    planes: list[Plane] = []
    for (xa, za, wa), (xb, zb, wb) in pairwise(stations):
        for side in (1, -1):
            mid_a, mid_b = sill + (za - sill) * 0.62, sill + (zb - sill) * 0.62
            rings = [
                [(xa, side * min(wa, low), sill), (xb, side * min(wb, low), sill)],
                [(xa, side * wa, mid_a), (xb, side * wb, mid_b)],
                [(xa, side * wa * 0.95, za), (xb, side * wb * 0.95, zb)],
            ]
            for k, tone in ((0, 0.86), (1, 1.0)):
                a, b = rings[k]
                d, c = rings[k + 1]
                corners = (a, d, c, b) if side > 0 else (a, b, c, d)
                planes.append(_quad(*corners, _dim(colour, tone), 0.35, 0))
        top = ((xa, -wa * 0.95, za), (xb, -wb * 0.95, zb), (xb, wb * 0.95, zb), (xa, wa * 0.95, za))
        planes.append(_quad(*top, colour, 0.6, 0))
    for x, (_, z, wide), sign in ((half, stations[-1], 1), (-half, stations[0], -1)):
        a, b = (x, -wide, sill), (x, wide, sill)
        c, d = (x, wide * 0.95, z), (x, -wide * 0.95, z)
        planes.append(_quad(*((a, b, c, d) if sign > 0 else (b, a, d, c)), _dim(colour, 0.92), 0.3, 0))
    return planes


def _cabin(s: Shape, colour: Colour) -> list[Plane]:
    w, base, top = s.width / 2 * 0.93, s.belt - 0.01, s.roof
    roof_w = s.width / 2 * (0.90 if s.length > 5 else 0.74)
    (f0, f1), (r0, r1) = s.screen, s.rear
    fl, fr, rl, rr = (f0, w, base), (f0, -w, base), (r0, w, base), (r0, -w, base)
    tfl, tfr, trl, trr = (f1, roof_w, top), (f1, -roof_w, top), (r1, roof_w, top), (r1, -roof_w, top)
    planes = [
        _quad(fr, fl, tfl, tfr, PANE, 0.9, 1),
        _quad(rl, rr, trr, trl, PANE if s.length < 5 else colour, 0.8, 1),
        _quad(fl, rl, trl, tfl, colour, 0.4, 1),
        _quad(rr, fr, tfr, trr, colour, 0.4, 1),
        _quad(trr, tfr, tfl, trl, colour, 0.7, 2),
    ]
    spans = [(0.06, 0.47), (0.53, 0.93)] if s.length < 5 else [(0.03, 0.22)]
    for left in (True, False):
        bottom_f, bottom_r, top_f, top_r = (fl, rl, tfl, trl) if left else (fr, rr, tfr, trr)
        for start, stop in spans:
            corners = [_between(bottom_f, bottom_r, top_f, top_r, a, b) for a, b in
                       ((start, 0.1), (stop, 0.1), (stop, 0.88), (start, 0.88))]  # fmt: skip
            shifted = [(x, y + (0.012 if left else -0.012), z) for x, y, z in corners]
            ordered = shifted if left else shifted[::-1]
            planes.append(Plane(tuple(ordered), PANE, 0.85, 3))
    return planes


def _between(bf: Point, br: Point, tf: Point, tr: Point, along: float, up: float) -> Point:
    low = [a + (b - a) * along for a, b in zip(bf, br, strict=True)]
    high = [a + (b - a) * along for a, b in zip(tf, tr, strict=True)]
    x, y, z = (a + (b - a) * up for a, b in zip(low, high, strict=True))
    return x, y, z


def _ring(x: float, y: float, z: float, radius: float, left: bool, sides: int = 12) -> tuple[Point, ...]:
    turn = [k * math.tau / sides for k in range(sides)]
    ring = [(x + radius * math.cos(a), y, z + radius * math.sin(a)) for a in turn]
    return tuple(ring[::-1] if left else ring)


def _wheels(s: Shape) -> list[Plane]:
    planes = []
    for x in s.axles:
        for left in (True, False):
            y = (s.width / 2 + 0.005) * (1 if left else -1)
            planes.append(
                Plane(_ring(x, y * 1.0, s.wheel + 0.06, s.wheel * 1.16, left), (14, 14, 15), 0.0, 3)
            )
            planes.append(Plane(_ring(x, y * 1.01, s.wheel, s.wheel, left), TYRE, 0.05, 4))
            planes.append(Plane(_ring(x, y * 1.02, s.wheel, s.wheel * 0.6, left, 8), RIM, 0.4, 5))
    return planes


def _lamps(s: Shape) -> list[Plane]:
    half, w = s.length / 2 + 0.01, s.width / 2
    planes = []
    for side in (1, -1):
        y0, y1 = sorted((side * w * 0.42, side * w * 0.70))
        z = s.nose * 0.72
        front = ((half, y0, z - 0.09), (half, y1, z - 0.09), (half, y1, z + 0.06), (half, y0, z + 0.06))
        planes.append(Plane(front, (205, 208, 205), 0.8, 4, "head"))
        y0, y1 = sorted((side * w * 0.52, side * w * 0.82))
        z = s.tail * 0.72
        back = ((-half, y1, z - 0.1), (-half, y0, z - 0.1), (-half, y0, z + 0.07), (-half, y1, z + 0.07))
        planes.append(Plane(back, (110, 16, 18), 0.5, 4, "tail"))
    for x, sign in ((half, 1), (-half, -1)):
        y = 0.24 * sign
        plate = ((x, -y, 0.36), (x, y, 0.36), (x, y, 0.46), (x, -y, 0.46))
        planes.append(Plane(plate, (214, 210, 180), 0.1, 4))
    grille = (
        (half, -w * 0.38, 0.46),
        (half, w * 0.38, 0.46),
        (half, w * 0.36, s.nose * 0.74),
        (half, -w * 0.36, s.nose * 0.74),
    )
    planes.append(Plane(grille, TRIM, 0.2, 4))
    return planes


def _band(s: Shape, colour: Colour, z0: float, z1: float) -> list[Plane]:
    x0, x1, w = -s.length * 0.40, s.length * 0.36, s.width / 2 + 0.01
    left = ((x1, w, z0), (x0, w, z0), (x0, w, z1), (x1, w, z1))
    right = ((x0, -w, z0), (x1, -w, z0), (x1, -w, z1), (x0, -w, z1))
    return [Plane(left, colour, 0.3, 3), Plane(right, colour, 0.3, 3)]


def _roof_sign(s: Shape, colour: Colour, lamp: str) -> list[Plane]:
    x = (s.screen[1] + s.rear[1]) / 2 + 0.2
    wide = 0.55 if lamp else 0.2
    return [
        Plane(p.corners, p.colour, 0.4, 6, lamp)
        for p in cuboid(0.22, wide * 2, 0.14, colour, at=(x, 0.0, s.roof))
    ]


def cuboid(
    long: float,
    wide: float,
    high: float,
    colour: Colour,
    *,
    at: Point = (0.0, 0.0, 0.0),
    top: Colour | None = None,
    layer: int = 0,
    gloss: float = 0.05,
) -> list[Plane]:
    """An upright block standing at `at`, `long` along x."""
    x, y, z = at
    a, b = long / 2, wide / 2
    ring = [(x - a, y - b), (x + a, y - b), (x + a, y + b), (x - a, y + b)]
    planes = []
    for (ax, ay), (bx, by) in zip(ring, ring[1:] + ring[:1], strict=True):
        planes.append(
            _quad((ax, ay, z), (bx, by, z), (bx, by, z + high), (ax, ay, z + high), colour, gloss, layer)
        )
    planes.append(Plane(tuple((px, py, z + high) for px, py in ring), top or colour, gloss, layer))
    return planes


@lru_cache(maxsize=256)
def thing(kind: str, finish: Finish) -> tuple[Plane, ...]:
    """The faces of a box, bag, suitcase, shelf item, door, trolley, bin, bottle, bundle of cash or weapon."""
    make, usual = _THINGS[kind]
    return tuple(make(finish.size or usual, finish.colour))


def _box(size: float, colour: Colour) -> list[Plane]:
    a, z = size / 2, size * 0.801
    tape = Plane(((-a, -0.03, z), (a, -0.03, z), (a, 0.03, z), (-a, 0.03, z)), (190, 176, 140), 0.3, 1)
    return [*cuboid(size, size * 0.8, size * 0.8, colour), tape]


def _luggage(high: float, wide: float) -> Callable[[float, Colour], list[Plane]]:
    def make(size: float, colour: Colour) -> list[Plane]:
        grip = cuboid(size * 0.4, 0.03, size * 0.16, _dim(colour, 0.6), at=(0, 0, size * high), layer=1)
        return [*cuboid(size, size * wide, size * high, colour, top=_dim(colour, 1.1)), *grip]

    return make


def _door(size: float, colour: Colour) -> list[Plane]:
    grip = cuboid(0.12, 0.10, 0.05, (190, 190, 186), at=(size * 0.9, 0.0, 1.0), layer=1, gloss=0.6)
    return [*cuboid(size, 0.05, 2.05, colour, at=(size / 2, 0.0, 0.0)), *grip]


def _trolley(size: float, colour: Colour) -> list[Plane]:
    basket = cuboid(size, 0.5, 0.45, (150, 152, 156), at=(0, 0, 0.5), top=(96, 92, 88), gloss=0.4)
    feet = [(x, y, 0.0) for x in (-0.33, 0.33) for y in (-0.2, 0.2)]
    legs = [plane for at in feet for plane in cuboid(0.04, 0.04, 0.5, RIM, at=at)]
    return [*legs, *basket, *cuboid(0.04, 0.52, 0.06, colour, at=(-0.44, 0, 0.98), layer=1)]


def _bin(size: float, colour: Colour) -> list[Plane]:
    lid = cuboid(size * 1.08, size * 1.08, 0.08, _dim(colour, 0.7), at=(0, 0, size * 1.6), layer=1)
    return [*cuboid(size, size, size * 1.6, colour), *lid]


_THINGS: dict[str, tuple[Callable[[float, Colour], list[Plane]], float]] = {
    "box": (_box, 0.45),
    "bag": (_luggage(0.75, 0.45), 0.42),
    "suitcase": (_luggage(1.1, 0.42), 0.62),
    "door": (_door, 0.95),
    "trolley": (_trolley, 0.8),
    "bin": (_bin, 0.55),
    "bottle": (lambda size, colour: cuboid(0.08, 0.08, size, colour, gloss=0.6), 0.26),
    "cash": (lambda size, colour: cuboid(size, 0.12, 0.05, colour), 0.22),
    "weapon": (lambda size, colour: cuboid(size, 0.05, 0.05, colour, gloss=0.3), 0.24),
    "item": (lambda size, colour: cuboid(size, size * 0.7, size * 1.2, colour), 0.18),
}


def park(parts: Parts, kind: str, finish: Finish, x: float, y: float, heading: float) -> None:
    """Put a vehicle or thing into a scene for good, as part of what is painted once."""
    c, s = math.cos(heading), math.sin(heading)
    planes = vehicle(kind, finish) if kind in ("car", "van", "police car") else thing(kind, finish)
    number = len(parts.solids)
    for plane in sorted(planes, key=lambda p: p.layer):
        corners = tuple((x + c * px - s * py, y + s * px + c * py, pz + 0.01) for px, py, pz in plane.corners)
        material = Material(colour=plane.colour, gloss=plane.gloss, dirt=0.04)
        parts.faces.append(Face(corners, material, lift=0.015 * plane.layer, solid=number))
    flat = np.array([p for plane in planes for p in plane.corners])
    low, high = flat.min(0), flat.max(0)
    parts.solids.append(
        Solid(x, y, (high[0] - low[0]) / 2, (high[1] - low[1]) / 2, heading, 0.2, float(high[2]) * 0.95)
    )
