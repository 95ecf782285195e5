"""What the builders of scenes share: colours by chance, usual materials, and gathering of places and
routes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from holmesvau.sim.camera import Camera
from holmesvau.sim.materials import Material
from holmesvau.sim.meshes import park
from holmesvau.sim.solids import Parts
from holmesvau.sim.world import Colour, Finish, Lamp, Place, Region, Route, Scene

Spot = tuple[float, float]

CAR_COLOURS: dict[str, Colour] = {
    "white": (214, 216, 216), "silver": (158, 162, 166), "grey": (92, 96, 102), "black": (24, 25, 28),
    "blue": (30, 56, 112), "dark blue": (22, 32, 62), "red": (140, 22, 24), "green": (28, 66, 48),
    "beige": (172, 160, 136), "yellow": (206, 164, 30),
}  # fmt: skip
METAL = Material(colour=(96, 98, 102), gloss=0.3)
DARK_METAL = Material(colour=(44, 46, 50), gloss=0.25)
WHITE_PAINT = Material(pattern="paint", colour=(212, 212, 206), second=(120, 120, 120), dirt=0.05)
LEAVES = Material(pattern="foliage", colour=(58, 84, 40), second=(90, 90, 50))
BARK = Material(pattern="plaster", colour=(78, 64, 50))


class Kit:
    """One scene in the making: its chance, its faces, its named spots."""

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.seed = name, seed
        self.rng = np.random.default_rng([seed, sum(map(ord, name))])
        self.parts = Parts.empty()
        self.places: dict[str, Place] = {}
        self.routes: dict[str, Route] = {}
        self.regions: dict[str, Region] = {}
        self.lamps: list[Lamp] = []

    def uniform(self, low: float, high: float) -> float:
        """A number between the two."""
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        """True in that share of cases."""
        return bool(self.rng.random() < share)

    def tint(self, *colours: Colour, spread: int = 8) -> Colour:
        """One of the colours, slightly changed."""
        base = colours[int(self.rng.integers(len(colours)))]
        shift = int(self.rng.integers(-spread, spread + 1))
        red, green, blue = (int(np.clip(c + shift + self.rng.integers(-3, 4), 6, 248)) for c in base)
        return red, green, blue

    def material(
        self, pattern: str, *colours: Colour, second: Colour = (110, 110, 110), **more: float
    ) -> Material:
        """A material of one of the colours, with a pattern of its own."""
        return Material(
            pattern=pattern,
            colour=self.tint(*colours),
            second=second,
            seed=int(self.rng.integers(1, 10_000)),
            **more,
        )

    def camera(self, height: Spot, tilt: Spot, fov: Spot, pan: float = 0.12, roll: float = 0.015) -> Camera:
        """A camera with its angles drawn from the given ranges."""
        return Camera(
            height=self.uniform(*height),
            tilt=self.uniform(*tilt),
            fov=self.uniform(*fov),
            pan=self.uniform(-pan, pan),
            roll=self.uniform(-roll, roll),
        )

    def place(
        self, name: str, kind: str, x: float, y: float, heading: float = 0.0, phrase: str = "", z: float = 0.0
    ) -> Place:
        """Name a spot."""
        spot = Place(name=name, kind=kind, x=x, y=y, heading=heading, phrase=phrase or f"the {name}", z=z)
        self.places[name] = spot
        return spot

    def route(self, name: str, kind: Literal["walk", "drive", "cycle"], *points: Spot) -> None:
        """Name a way."""
        self.routes[name] = Route(name=name, kind=kind, points=points)

    def region(
        self,
        name: str,
        kind: Literal["walk", "road", "forbidden"],
        x0: float,
        y0: float,
        x1: float,
        y1: float,
    ) -> None:
        """Name a level rectangle."""
        self.regions[name] = Region(name=name, kind=kind, corners=((x0, y0), (x1, y0), (x1, y1), (x0, y1)))

    def walls(self, half: float, near: float, back: float, high: float, material: Material) -> None:
        """Three walls of a room: left, right, and the far one at `back`; seen from inside."""
        self.parts.wall((-half, near), (-half, back), high, material)
        self.parts.wall((half, back), (half, near), high, material)
        self.parts.wall((-half, back), (half, back), high, material)

    def on_side(
        self,
        side: int,
        x: float,
        y: float,
        half: float,
        high: float,
        material: Material,
        *,
        lift: float,
        z: float = 0.0,
    ) -> None:
        """Something flat on the left (-1) or right (1) wall at `x`, `half` to each side of `y`."""
        far, near = (x, y + half), (x, y - half)
        ends = (far, near) if side > 0 else (near, far)
        self.parts.wall(*ends, high, material, z=z, lift=lift)

    def lamp(
        self, x: float, y: float, z: float, strength: float = 1.0, colour: Colour = (255, 214, 160)
    ) -> None:
        """Hang a lamp that is lit after dark (indoors: always)."""
        self.lamps.append(Lamp(x=x, y=y, z=z, strength=strength, colour=colour))

    def street_lamp(
        self, x: float, y: float, height: float = 6.0, reach: float = 1.2, towards: float = -math.pi / 2
    ) -> None:
        """A lamp post with an arm."""
        self.parts.pole(x, y, 0.07, height, METAL)
        end = (x + reach * math.cos(towards), y + reach * math.sin(towards))
        self.parts.block(
            (x + end[0]) / 2,
            (y + end[1]) / 2,
            reach,
            0.07,
            0.08,
            METAL,
            z=height - 0.08,
            heading=towards,
            casts=False,
        )
        head = Material(colour=(220, 214, 200), glow=1.5)
        self.parts.block(*end, 0.5, 0.22, 0.1, head, z=height - 0.16, heading=towards, casts=False)
        colour = self.tint((255, 206, 140), (255, 226, 190), (236, 240, 255))
        self.lamp(*end, height - 0.2, self.uniform(0.9, 1.3), colour)

    def ceiling_lamp(self, x: float, y: float, z: float, strength: float = 0.8) -> None:
        """A light panel in the ceiling: light only, most cameras do not see it."""
        self.lamp(x, y, z, strength, (255, 250, 240))

    def parked_car(self, x: float, y: float, heading: float) -> str:
        """A car that stays for good; returns its colour's name."""
        name = str(self.rng.choice(list(CAR_COLOURS)))
        variant = str(self.rng.choice(["hatchback", "saloon", "suv", "saloon"]))
        park(
            self.parts,
            "car",
            Finish(colour=self.tint(CAR_COLOURS[name], spread=5), name=name, variant=variant),
            x,
            y,
            heading,
        )
        return name

    def bench(self, x: float, y: float, heading: float, name: str = "bench") -> None:
        """A bench whose sitters face along `heading`."""
        wood = self.material("wood", (128, 92, 58), (96, 78, 60), scale=0.12)
        c, s = math.cos(heading), math.sin(heading)
        turn = heading + math.pi / 2
        self.parts.block(x, y, 1.7, 0.45, 0.07, wood, z=0.40, heading=turn)
        self.parts.block(x - 0.24 * c, y - 0.24 * s, 1.7, 0.06, 0.40, wood, z=0.47, heading=turn)
        for side in (-0.7, 0.7):
            self.parts.block(x - side * s, y + side * c, 0.07, 0.4, 0.40, DARK_METAL, heading=turn)
        self.place(name, "bench", x, y, heading, f"the {name}", z=0.46)

    def edge(self, camera: Camera, y: float, side: int, margin: float = 0.9) -> float:
        """The x just outside the picture at distance `y`, on the left (-1) or right (1)."""
        x = 0.0
        while camera.sees(x, y) and abs(x) < 60:
            x += side * 0.25
        if x == 0.0:
            x = side * (y + camera.height) * math.tan(camera.fov / 2)
        return x + side * margin

    def near(self, camera: Camera) -> float:
        """The nearest floor distance that the lower edge of a 16:9 picture shows."""
        return float(camera.floor(np.array([camera.width / 2, camera.height_px]))[1])

    def scene(self, phrase: str, indoor: bool, camera: Camera) -> Scene:
        """The finished scene."""
        return Scene(
            name=self.name,
            seed=self.seed,
            phrase=phrase,
            indoor=indoor,
            camera=camera,
            places=self.places,
            routes=self.routes,
            regions=self.regions,
            parts=self.parts.faces,
            solids=self.parts.solids,
            lamps=tuple(self.lamps),
        )


def spread(start: float, stop: float, count: int) -> Sequence[float]:
    """`count` numbers evenly from start to stop."""
    return [float(x) for x in np.linspace(start, stop, count)]
