"""The light on moving things: colours as they look at a place, kept by half-metre cells of the floor."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from holmesvau.sim.lighting import Illumination, develop

Floats = npt.NDArray[np.float64]
Fill = tuple[int, int, int, int]
CELL = 0.5
WIDE_CELL = 2.0
# Enough for everybody who is in the picture within a minute; each is some kilobytes.
KEPT_PAIRS = 3000


class Tones:
    """Develops colours under a stage's light; `side` is -1 or 1: which side of things is lit in the
    picture.
    """

    def __init__(self, light: Illumination) -> None:
        self.light = light
        to_sun = light.camera.rotation @ light.sun.astype(np.float64)
        self.side = 1.0 if (light.sunny and to_sun[0] > 0) or light.camera.pan > 0 else -1.0
        self.contrast = 0.30 if light.sunny else 0.20
        self._cells: dict[tuple[int, int], tuple[npt.NDArray[np.float32], float]] = {}
        self._pairs: dict[tuple[int, int, int], tuple[list[Fill], list[Fill]]] = {}
        self._kept: dict[int, Floats] = {}

    def light_at(self, x: float, y: float) -> tuple[npt.NDArray[np.float32], float]:
        """Light `[3]` and the share of mist at a place."""
        cell = (math.floor(x / CELL), math.floor(y / CELL))
        if cell not in self._cells:
            middle = ((cell[0] + 0.5) * CELL, (cell[1] + 0.5) * CELL)
            ahead = float(self.light.camera.project(np.array([*middle, 1.0]))[1])
            veil = self.light.veil(max(ahead, 0.1))
            self._cells[cell] = (self.light.at(*middle), 0.0 if veil is None else float(veil))
        return self._cells[cell]

    def wide_cell(self, x: float, y: float) -> tuple[float, float]:
        """The middle of the two-metre cell at a place: as fine as the light on a vehicle needs to be."""
        return (math.floor(x / WIDE_CELL) + 0.5) * WIDE_CELL, (math.floor(y / WIDE_CELL) + 0.5) * WIDE_CELL

    def pair(self, colours: Floats, x: float, y: float) -> tuple[list[Fill], list[Fill]]:
        """The shaded and the lit tone of every colour `[n, 3]`; the array itself is the key of what is
        kept.
        """
        key = (id(colours), math.floor(x / CELL), math.floor(y / CELL))
        found = self._pairs.get(key)
        if found is None:
            if len(self._pairs) > KEPT_PAIRS:
                self._pairs.clear()
                self._kept.clear()
            self._kept[id(colours)] = colours
            found = (self.fills(colours * (1 - self.contrast), x, y), self.fills(colours * 1.08, x, y))
            self._pairs[key] = found
        return found

    def fills(self, colours: Floats, x: float, y: float) -> list[Fill]:
        """Reflected colours `[n, 3]` in [0, 1] as opaque fills under the light at a place."""
        light, veil = self.light_at(x, y)
        rgb = np.clip(colours, 0, 1) ** 1.15 * light
        if veil:
            rgb = rgb * (1 - veil) + self.light.mist_colour() * veil
        grey = np.clip(develop(rgb.astype(np.float32), self.light.light) * 255.0 + 0.5, 0, 255).astype(int)
        return [(int(r), int(g), int(b), 255) for r, g, b in grey]
