"""A pinhole camera over a flat floor: from metres to pixels and back.

Shape legend: `N` points. World axes as in `holmesvau.sim.world`: x right, y away, z up, metres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError

Floats = npt.NDArray[np.float64]

NEAR = 0.3


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Where the camera hangs and how it looks.

    `height` metres over the floor at (`x`, `y`), `pan` radians to the left of +y, `tilt` radians downwards,
    `roll` radians, `fov` the horizontal angle of view in radians, `width` and `height_px` the picture in
    pixels,
    `bend` the lens's barrel bend.

    Raises:
        InputError: when the camera does not hang over the floor or its angles cannot make a picture.
    """

    height: float
    tilt: float
    fov: float
    pan: float = 0.0
    roll: float = 0.0
    x: float = 0.0
    y: float = 0.0
    width: int = 640
    height_px: int = 360
    bend: float = 0.0

    def __post_init__(self) -> None:
        if self.height <= 0:
            raise InputError(
                f"camera height {self.height}: a camera hangs above the floor; give metres greater than 0."
            )
        if not 0.05 < self.fov < 3.0:
            raise InputError(
                f"camera fov {self.fov}: give the horizontal angle of view in radians, 0.05 to 3."
            )
        if not -0.3 < self.tilt < math.pi / 2:
            raise InputError(f"camera tilt {self.tilt}: give radians downwards, less than pi/2.")

    def bent(self, bend: float) -> Camera:
        """The same view through a lens that bends straight lines outwards (barrel); 0 is a perfect lens."""
        return replace(self, bend=bend)

    def resized(self, width: int, height: int) -> Camera:
        """The same view on a picture of another size; the horizontal angle of view is kept."""
        return replace(self, width=width, height_px=height)

    @cached_property
    def focal(self) -> float:
        """Focal length in pixels."""
        return self.width / 2 / math.tan(self.fov / 2)

    @cached_property
    def rotation(self) -> Floats:
        """`[3, 3]`: rows are the camera's right, down and forward in world axes."""
        sp, cp = math.sin(self.pan), math.cos(self.pan)
        st, ct = math.sin(self.tilt), math.cos(self.tilt)
        right = np.array([cp, sp, 0.0])
        forward = np.array([-sp * ct, cp * ct, -st])
        down = np.cross(forward, right)
        sr, cr = math.sin(self.roll), math.cos(self.roll)
        return np.stack([cr * right + sr * down, cr * down - sr * right, forward])

    @cached_property
    def position(self) -> Floats:
        """`[3]` metres."""
        return np.array([self.x, self.y, self.height])

    def to_view(self, points: Floats) -> Floats:
        """World `points[..., 3]` in the camera's axes: right, down, forward (metres)."""
        view: Floats = (points - self.position) @ self.rotation.T
        return view

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """World `points[..., 3]` -> `pixels[..., 2]` and `depth[...]`, the metres along the line of sight.

        Points nearer than 0.3 m, or behind the camera, are taken at 0.3 m: look at their depth to leave them
        out.
        """
        view = self.to_view(np.asarray(points, dtype=np.float64))
        depth = view[..., 2]
        scale = self.focal / np.maximum(depth, NEAR)
        pixels = np.empty((*depth.shape, 2))
        np.multiply(view[..., :2], scale[..., None], out=pixels)
        if self.bend:
            pixels = self._bent_in(pixels)
        pixels += (self.width / 2, self.height_px / 2)
        return pixels, depth

    def straight(self, pixels: Floats) -> Floats:
        """Where a perfect lens would show what this one shows at `pixels[..., 2]`."""
        middle = np.array((self.width / 2, self.height_px / 2))
        off = pixels - middle
        square = np.einsum("...i,...i->...", off, off) / (self.width / 2) ** 2
        straight: Floats = off * ((1 + self.bend * square) / (1 + 0.9 * self.bend))[..., None] + middle
        return straight

    def _bent_in(self, off: Floats) -> Floats:
        """The inverse of `straight`, for pixels counted from the middle; two steps reach a hundredth of a
        pixel.
        """
        square = np.einsum("...i,...i->...", off, off) * (4 * self.bend / self.width**2)
        whole = 1 + 0.9 * self.bend
        # Far outside the picture the bend would fold back: there it stays as at two half widths.
        square = np.minimum(square, 4.0 * self.bend)
        scale = np.ones_like(square)
        for _ in range(4):
            scale = whole / (1 + square * scale * scale)
        bent: Floats = off * scale[..., None]
        return bent

    def floor(self, pixels: Floats, z: float = 0.0) -> Floats:
        """Where the lines of sight through `pixels[..., 2]` meet the plane at height `z`: `xy[..., 2]`
        metres.

        NaN where a line of sight does not meet it (at or above the horizon).
        """
        pixels = self.straight(np.asarray(pixels, dtype=np.float64))
        rays = np.empty((*pixels.shape[:-1], 3))
        rays[..., 0] = (pixels[..., 0] - self.width / 2) / self.focal
        rays[..., 1] = (pixels[..., 1] - self.height_px / 2) / self.focal
        rays[..., 2] = 1.0
        world = rays @ self.rotation
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = (z - self.height) / world[..., 2]
            distance = np.where(distance > 0, distance, np.nan)
            xy: Floats = self.position[:2] + world[..., :2] * distance[..., None]
        return xy

    def pixels_per_metre(self, x: float, y: float) -> float:
        """How many pixels one metre across the line of sight takes at a floor point."""
        _, depth = self.project(np.array([x, y, 0.0]))
        return self.focal / max(float(depth), NEAR)

    def sees(self, x: float, y: float, margin: float = 0.0) -> bool:
        """Whether the floor point lies in the picture, shrunk by `margin` (a share of its width and
        height).
        """
        (u, v), depth = self.project(np.array([x, y, 0.0]))
        dx, dy = margin * self.width, margin * self.height_px
        return bool(depth > NEAR and dx <= u < self.width - dx and dy <= v < self.height_px - dy)

    def box(
        self, x: float, y: float, width: float, height: float, z: float = 0.0
    ) -> tuple[float, float, float, float]:
        """`(left, top, right, bottom)` pixels around an upright block `width` wide and deep and `height`
        tall.
        """
        half = width / 2
        corners = np.array(
            [[x + dx, y + dy, z + dz] for dx in (-half, half) for dy in (-half, half) for dz in (0.0, height)]
        )
        pixels, _ = self.project(corners)
        (left, top), (right, bottom) = pixels.min(0), pixels.max(0)
        return float(left), float(top), float(right), float(bottom)
