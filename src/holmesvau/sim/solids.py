"""What scenes are built of: flat faces in the world, and the blocks, walls, poles and trees made of them.

Shape legend: `K` corners of a face, in metres, counter-clockwise seen from its lit side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from holmesvau.sim.materials import Material

Floats = npt.NDArray[np.float64]
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Face:
    """A flat convex polygon `corners[K]` of one material.

    `u` runs along the first edge and `v` along the part of the last edge that is square to it. `floor` marks
    what actors stand on, which therefore never hides them. `lift` settles which of two faces in one plane is
    seen (road paint). `both` shows its back too.
    """

    corners: tuple[Point, ...]
    material: Material
    floor: bool = False
    lift: float = 0.0
    both: bool = False
    solid: int = -1

    @cached_property
    def points(self) -> Floats:
        """`[K, 3]` metres."""
        return np.asarray(self.corners, dtype=np.float64)

    @cached_property
    def axes(self) -> tuple[Floats, Floats, Floats]:
        """Unit vectors along u, along v, and out of the lit side."""
        p = self.points
        u = p[1] - p[0]
        u = u / np.linalg.norm(u)
        side = p[-1] - p[0]
        v = side - u * (side @ u)
        v = v / np.linalg.norm(v)
        return u, v, np.cross(u, v)


@dataclass(frozen=True)
class Solid:
    """An upright block that casts shadows and darkens what is near: centre, half sizes, heading, foot and
    top.
    """

    x: float
    y: float
    half_u: float
    half_v: float
    heading: float
    z0: float
    z1: float
    casts: bool = True


@dataclass
class Parts:
    """Faces and solids of a scene as they are gathered by its builder."""

    faces: list[Face]
    solids: list[Solid]

    @classmethod
    def empty(cls) -> Parts:
        """No faces yet."""
        return cls([], [])

    def floor(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        material: Material,
        z: float = 0.0,
        lift: float = 0.0,
    ) -> None:
        """A level rectangle to stand on."""
        corners = ((x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z))
        self.faces.append(Face(corners, material, floor=True, lift=lift))

    def ceiling(self, x0: float, y0: float, x1: float, y1: float, z: float, material: Material) -> None:
        """A level rectangle seen from below."""
        self.faces.append(Face(((x0, y1, z), (x1, y1, z), (x1, y0, z), (x0, y0, z)), material))

    def decal(self, corners: Sequence[tuple[float, float]], material: Material, z: float = 0.0) -> None:
        """Paint on the floor: any convex polygon, counter-clockwise from above."""
        self.faces.append(Face(tuple((x, y, z) for x, y in corners), material, floor=True, lift=0.02))

    def strip(
        self, a: tuple[float, float], b: tuple[float, float], width: float, material: Material, z: float = 0.0
    ) -> None:
        """A painted line on the floor from `a` to `b`, u along it."""
        angle = math.atan2(b[1] - a[1], b[0] - a[0])
        dx, dy = math.sin(angle) * width / 2, -math.cos(angle) * width / 2
        self.decal(
            ((a[0] + dx, a[1] + dy), (b[0] + dx, b[1] + dy), (b[0] - dx, b[1] - dy), (a[0] - dx, a[1] - dy)),
            material,
            z,
        )

    def wall(
        self,
        a: tuple[float, float],
        b: tuple[float, float],
        height: float,
        material: Material,
        *,
        z: float = 0.0,
        lift: float = 0.0,
        both: bool = False,
        shades: bool = True,
    ) -> None:
        """An upright face from `a` to `b`, lit on the left of that way turned about: seen when b lies right
        of a.
        """
        corners = ((*a, z), (*b, z), (*b, z + height), (*a, z + height))
        self.faces.append(Face(corners, material, lift=lift, both=both))
        if shades and lift == 0.0:
            length, angle = math.dist(a, b), math.atan2(b[1] - a[1], b[0] - a[0])
            x, y = (a[0] + b[0]) / 2 - 0.06 * math.sin(angle), (a[1] + b[1]) / 2 + 0.06 * math.cos(angle)
            self.solids.append(Solid(x, y, length / 2, 0.05, angle, z, z + height))

    def block(
        self,
        x: float,
        y: float,
        width: float,
        deep: float,
        height: float,
        side: Material,
        top: Material | None = None,
        *,
        z: float = 0.0,
        heading: float = 0.0,
        front: Material | None = None,
        casts: bool = True,
    ) -> None:
        """An upright block centred on (x, y); `front` is the material of the side that faces -y before
        turning.
        """
        c, s = math.cos(heading), math.sin(heading)
        ring = [
            (x + c * u - s * v, y + s * u + c * v)
            for u, v in (
                (-width / 2, -deep / 2), (width / 2, -deep / 2), (width / 2, deep / 2), (-width / 2, deep / 2)
            )
        ]  # fmt: skip
        solid = len(self.solids)
        self.solids.append(Solid(x, y, width / 2, deep / 2, heading, z, z + height, casts))
        for k in range(4):
            a, b = ring[k], ring[(k + 1) % 4]
            corners = ((*a, z), (*b, z), (*b, z + height), (*a, z + height))
            self.faces.append(Face(corners, front if front is not None and k == 0 else side, solid=solid))
        self.faces.append(Face(tuple((*p, z + height) for p in ring), top or side, solid=solid))
        if z > 0.05:
            self.faces.append(Face(tuple((*p, z) for p in reversed(ring)), side, solid=solid))

    def pole(
        self, x: float, y: float, radius: float, height: float, material: Material, z: float = 0.0
    ) -> None:
        """A round post of eight sides."""
        solid = len(self.solids)
        self.solids.append(Solid(x, y, radius, radius, 0.0, z, z + height))
        turn = [k * math.tau / 8 for k in range(9)]
        ring = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in turn]
        for a, b in pairwise(ring):
            self.faces.append(
                Face(((*a, z), (*b, z), (*b, z + height), (*a, z + height)), material, solid=solid)
            )
        self.faces.append(Face(tuple((*p, z + height) for p in ring[:8]), material, solid=solid))

    def tree(self, x: float, y: float, height: float, leaves: Material, bark: Material, seed: int) -> None:
        """A trunk and a crown of tilted leafy discs."""
        rng = np.random.default_rng([seed, 41])
        self.pole(x, y, 0.10 + 0.012 * height, height * 0.45, bark)
        for _ in range(44):
            a, r = rng.uniform(0, math.tau), rng.uniform(0, 0.24) * height
            centre = np.array([x + r * math.cos(a), y + r * math.sin(a), height * rng.uniform(0.42, 1.0)])
            axis = rng.normal(size=3) + np.array([0.0, -0.6, 0.4])
            self._disc(centre, axis, height * rng.uniform(0.07, 0.13), leaves)
        self.solids.append(Solid(x, y, height * 0.2, height * 0.2, 0.4, height * 0.45, height))

    def bush(self, x: float, y: float, size: float, leaves: Material, seed: int) -> None:
        """A low heap of leaves."""
        rng = np.random.default_rng([seed, 43])
        for _ in range(14):
            centre = np.array(
                [*(np.array([x, y]) + rng.normal(0, 0.28, 2) * size), rng.uniform(0.15, 0.75) * size]
            )
            self._disc(centre, rng.normal(size=3) + np.array([0, -0.5, 0.5]), size * 0.32, leaves)
        self.solids.append(Solid(x, y, size * 0.4, size * 0.4, 0.0, 0.0, size * 0.8))

    def _disc(self, centre: Floats, axis: Floats, radius: float, material: Material) -> None:
        axis = axis / np.linalg.norm(axis)
        u = np.cross(axis, [0.0, 0.0, 1.0] if abs(axis[2]) < 0.9 else [1.0, 0.0, 0.0])
        u /= np.linalg.norm(u)
        v = np.cross(axis, u)
        turn = np.arange(9) * math.tau / 9
        ring = centre + radius * (np.cos(turn)[:, None] * u + np.sin(turn)[:, None] * v)
        corners = tuple((float(p[0]), float(p[1]), max(0.02, float(p[2]))) for p in ring)
        self.faces.append(Face(corners, material, both=True))
