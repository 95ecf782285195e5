"""Light: sky and sun with shadows, lamps with pools, the camera's own infrared lamp, and darkness in corners.

The same light falls on the painted scene (`Illumination.shade`, pixel by pixel) and on actors
(`Illumination.at`). Shape legend: `H W` fine pixels, `n` points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from holmesvau.sim.camera import Camera
from holmesvau.sim.materials import single
from holmesvau.sim.solids import Solid
from holmesvau.sim.world import Lamp, Light, Weather

Floats = npt.NDArray[np.float32]
LUMA = single([0.299, 0.587, 0.114])


@dataclass(eq=False)
class Buffers:
    """Nearest surfaces `[H, W]`: `rays[3]` with one metre ahead, `depth` metres ahead, `colour[3]` reflected
    in [0, 1], `normal[3]`, `gloss`, `glow`, whether it is `floor`, and which `solid` (-1 for none).
    """

    rays: Floats
    depth: Floats
    colour: Floats
    normal: Floats
    gloss: Floats
    glow: Floats
    floor: npt.NDArray[np.bool_]
    solid: npt.NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Illumination:
    """The light of one stage: what kind, which lamps are on, what stands in its way, and where the camera
    is.
    """

    light: Light
    weather: Weather
    indoor: bool
    lamps: tuple[Lamp, ...]
    solids: Sequence[Solid]
    camera: Camera

    @property
    def infrared(self) -> bool:
        """Whether the camera sees by its own lamp, in grey."""
        return self.light.kind == "infrared"

    @cached_property
    def sun(self) -> Floats:
        """Unit vector towards the sun."""
        a, e = self.light.sun, self.light.elevation
        return single([math.cos(a) * math.cos(e), math.sin(a) * math.cos(e), math.sin(e)])

    @cached_property
    def sky(self) -> Floats:
        """Light from everywhere, per channel."""
        table = {
            "day": (0.50, 0.53, 0.58),
            "dusk": (0.17, 0.17, 0.23),
            "night": (0.045, 0.05, 0.065),
            "infrared": (0.03, 0.03, 0.03),
        }
        if self.indoor:
            table = table | {
                "day": (0.50, 0.50, 0.49),
                "dusk": (0.30, 0.28, 0.26),
                "night": (0.07, 0.07, 0.08),
            }
        sky = single(table[self.light.kind])
        if (
            not self.indoor
            and self.weather.kind in ("overcast", "rain", "snow", "fog")
            and self.light.kind == "day"
        ):
            sky = sky * single([1.25, 1.22, 1.16])
        return sky * np.float32(self.light.level)

    @cached_property
    def sunshine(self) -> Floats:
        """Light straight from the sun, per channel; zero indoors, at night and under cloud."""
        if self.indoor or self.light.kind in ("night", "infrared"):
            return np.zeros(3, np.float32)
        colour = single((0.62, 0.58, 0.50) if self.light.kind == "day" else (0.20, 0.11, 0.06))
        cloud = {"clear": 0.0, "overcast": 0.93, "rain": 0.97, "snow": 0.95, "fog": 1.0}[self.weather.kind]
        return colour * single((1 - cloud) * self.light.level)

    @cached_property
    def sunny(self) -> bool:
        """Whether the sun is strong enough for shadows that one sees."""
        return bool(self.sunshine.max() > 0.06)

    def lamp_share(self) -> float:
        """How much the lamps count against daylight."""
        if self.infrared:
            return 0.0
        if self.indoor:
            return {"day": 0.55, "dusk": 0.62, "night": 0.62, "infrared": 0.0}[
                self.light.kind
            ] * self.light.level
        return {"day": 0.0, "dusk": 0.42, "night": 1.0, "infrared": 0.0}[self.light.kind] * self.light.level

    def fall(self, places: Floats, normals: Floats | None) -> Floats:
        """Light `[n, 3]` at `places[n, 3]` on surfaces with `normals[n, 3]`; None for upright actors."""
        up = normals[:, 2] if normals is not None else np.zeros(len(places), np.float32)
        total = self.sky * (0.82 + 0.18 * up)[:, None]
        if self.sunshine.any():
            cosine = np.clip(normals @ self.sun, 0, 1) if normals is not None else np.float32(0.55)
            total = total + self.sunshine * (cosine * self._sunlit(places))[:, None] * np.float32(1.25)
        share = self.lamp_share()
        for lamp in self.lamps if share > 0 else ():
            to = single([lamp.x, lamp.y, lamp.z]) - places
            square = np.einsum("ij,ij->i", to, to)
            cosine = (
                np.clip(np.einsum("ij,ij->i", normals, to) / np.sqrt(square + 1e-6), 0, 1)
                if normals is not None
                else np.float32(0.6)
            )
            # A shade: light goes down in a wide cone, as from a street lamp or a ceiling panel.
            cone = np.clip(to[:, 2] / np.sqrt(square + 1e-6) * 1.5 - 0.1, 0.05, 1.0)
            reach = (lamp.z * 0.9) ** 2
            strength = share * lamp.strength * cosine * cone * reach / (reach * 0.35 + square)
            colour = single(lamp.colour) / 255.0
            total = total + strength[:, None] * colour * np.float32(0.55 if self.indoor else 0.8)
        if self.infrared:
            total = total + self._own_lamp(places, normals)[:, None]
        return total.astype(np.float32)

    def at(self, x: float, y: float, z: float = 1.0) -> Floats:
        """Light `[3]` on somebody who stands at (x, y)."""
        return self.fall(single([[x, y, z]]), None)[0]

    def _own_lamp(self, places: Floats, normals: Floats | None) -> Floats:
        to = self.camera.position.astype(np.float32) - places
        far = np.sqrt(np.einsum("ij,ij->i", to, to)) + 1e-3
        cosine = np.abs(np.einsum("ij,ij->i", normals, to) / far) if normals is not None else np.float32(0.85)
        axis = np.einsum("ij,j->i", -to, self.camera.rotation[2].astype(np.float32)) / far
        beam = np.clip((axis - 0.45) / 0.5, 0.04, 1.0) ** 1.3
        reach = 8.0 if self.indoor else 18.0
        level: Floats = 1.35 * self.light.level * beam * (0.35 + 0.65 * cosine) / (1 + (far / reach) ** 2.2)
        return level

    @cached_property
    def _casting(self) -> Floats:
        """`[8, M, 1]`: x, y, half sizes, cosine and sine of heading, foot and top of what casts shadows."""
        rows = [
            (o.x, o.y, o.half_u, o.half_v, math.cos(o.heading), math.sin(o.heading), o.z0, o.z1)
            for o in self.solids
            if o.casts
        ]
        return single(rows).reshape(-1, 8).T[..., None]

    def _sunlit(self, places: Floats) -> Floats:
        """1 where the sun reaches, 0 in a shadow."""
        casting = self._casting
        lit = np.ones(len(places), np.float32)
        # Few places meet all solids at once, many places one solid after the other: memory stays small.
        each = casting.shape[1] if len(places) < 64 else 1
        for first in range(0, casting.shape[1], max(1, each)):
            x, y, half_u, half_v, c, s, z0, z1 = casting[:, first : first + each]
            dx, dy = places[:, 0] - x, places[:, 1] - y
            near = _slab(c * dx + s * dy, c * self.sun[0] + s * self.sun[1], half_u)
            far = _slab(c * dy - s * dx, c * self.sun[1] - s * self.sun[0], half_v)
            enter = np.maximum(np.maximum(near[0], far[0]), (z0 - places[:, 2]) / self.sun[2])
            leave = np.minimum(np.minimum(near[1], far[1]), (z1 - places[:, 2]) / self.sun[2])
            lit[((enter < leave) & (leave > 0.04) & (enter > -0.02)).any(0)] = 0.0
        return lit

    def _corners(self, places: Floats, normals: Floats, own: npt.NDArray[np.int16]) -> Floats:
        """How much of the light from everywhere arrives: less at the foot of things and in corners."""
        open_sky = np.ones(len(places), np.float32)
        for number, solid in enumerate(self.solids):
            c, s = math.cos(solid.heading), math.sin(solid.heading)
            dx, dy = places[:, 0] - solid.x, places[:, 1] - solid.y
            out_u = np.maximum(np.abs(c * dx + s * dy) - solid.half_u, 0)
            out_v = np.maximum(np.abs(c * dy - s * dx) - solid.half_v, 0)
            out_z = np.maximum(np.maximum(solid.z0 - places[:, 2], places[:, 2] - solid.z1), 0)
            away = np.sqrt(out_u**2 + out_v**2 + out_z**2)
            size = min(1.0, 0.25 + 0.5 * (solid.z1 - solid.z0))
            dark = 0.42 * size * np.exp(-away / (0.16 + 0.22 * size))
            dark[own == number] = 0
            open_sky *= 1 - dark
        low = np.exp(-np.maximum(places[:, 2], 0) / 0.35) * (np.abs(normals[:, 2]) < 0.5)
        open_sky *= 1 - 0.20 * low
        return open_sky

    def shade(self, b: Buffers, camera: Camera) -> Floats:
        """The lit picture `[H, W, 3]` in [0, 1], with sky, mist and glow."""
        h, w = b.depth.shape
        half = (max(1, w // 2), max(1, h // 2))
        light = self._light_map(b, camera, half)
        rgb = b.colour * cv2.resize(light, (w, h), interpolation=cv2.INTER_LINEAR)
        on = {"day": 0.25, "dusk": 0.55, "night": 0.7, "infrared": 0.15}[self.light.kind]
        rgb += b.colour * (b.glow * on)[..., None]
        void = b.depth >= 1e8
        rgb[void] = self._sky_picture(b.rays)[void]
        if b.gloss.any():
            rgb += self._sheen(b, camera)
        rgb = self._mist(rgb, b.depth)
        return develop(rgb, self.light)

    def _light_map(self, b: Buffers, camera: Camera, half: tuple[int, int]) -> Floats:
        depth = cv2.resize(np.minimum(b.depth, 1e4), half, interpolation=cv2.INTER_NEAREST)
        rays = cv2.resize(b.rays, half, interpolation=cv2.INTER_NEAREST)
        normals = cv2.resize(b.normal, half, interpolation=cv2.INTER_NEAREST).reshape(-1, 3)
        own = cv2.resize(b.solid, half, interpolation=cv2.INTER_NEAREST).reshape(-1)
        places = (rays * depth[..., None]).reshape(-1, 3) + camera.position.astype(np.float32)
        lit = self.fall(places, normals) * self._corners(places, normals, own)[:, None]
        light = lit.reshape(half[1], half[0], 3).astype(np.float32)
        return cv2.GaussianBlur(light, (3, 3), 0.8)

    def _sky_picture(self, rays: Floats) -> Floats:
        up = np.clip(rays[..., 2] / np.linalg.norm(rays, axis=2), 0, 1)[..., None]
        low, high = {
            "day": ((0.86, 0.88, 0.92), (0.50, 0.64, 0.86)),
            "dusk": ((0.44, 0.32, 0.29), (0.16, 0.18, 0.30)),
            "night": ((0.05, 0.05, 0.07), (0.015, 0.018, 0.03)),
            "infrared": ((0.02,) * 3, (0.01,) * 3),
        }[self.light.kind]
        if self.weather.kind != "clear" and self.light.kind == "day":
            high = (0.72, 0.74, 0.77)
        sky: Floats = single(low) * (1 - up) + single(high) * up
        return sky * np.float32(min(1.2, self.light.level))

    def _sheen(self, b: Buffers, camera: Camera) -> Floats:
        """Sky and lamps mirrored in glossy surfaces, stronger at a glancing look."""
        length = np.linalg.norm(b.rays, axis=2)
        glance = 1 - np.abs(np.einsum("hwk,hwk->hw", b.rays, b.normal)) / length
        strength = b.gloss * (0.06 + 0.5 * glance**3)
        rgb = strength[..., None] * (self.sky + np.float32(0.4) * self.sunshine) * np.float32(0.9)
        share = self.lamp_share()
        if share > 0:
            mirrored = b.rays - 2 * np.einsum("hwk,hwk->hw", b.rays, b.normal)[..., None] * b.normal
            mirrored /= np.maximum(np.linalg.norm(mirrored, axis=2), 1e-6)[..., None]
            places = b.rays * np.minimum(b.depth, 1e4)[..., None] + camera.position.astype(np.float32)
            for lamp in self.lamps:
                to = single([lamp.x, lamp.y, lamp.z]) - places
                to /= np.linalg.norm(to, axis=2)[..., None] + 1e-6
                spot = np.clip(np.einsum("hwk,hwk->hw", to, mirrored), 0, 1) ** 60
                rgb += (spot * b.gloss * share * 0.5 * lamp.strength)[..., None] * single(lamp.colour) / 255
        return rgb.astype(np.float32)

    def _mist(self, rgb: Floats, depth: Floats) -> Floats:
        veil = self.veil(depth)
        if veil is None:
            return rgb
        share = veil[..., None]
        mixed: Floats = rgb * (1 - share) + self.mist_colour() * share
        return mixed

    def mist_colour(self) -> Floats:
        """The colour that distance takes on."""
        grey = single([0.72, 0.74, 0.77]) if self.light.kind == "day" else self.sky * np.float32(1.2)
        if self.light.kind == "dusk":
            grey = single([0.30, 0.29, 0.31])
        return grey * np.float32(min(1.1, self.light.level))

    def veil(self, depth: Floats | float) -> Floats | None:
        """The share [0, 1] of mist in what lies `depth` metres away; None in clear air."""
        if self.indoor:
            return None
        thick = {"clear": 0.0012, "overcast": 0.002, "rain": 0.010, "snow": 0.016, "fog": 0.055}[
            self.weather.kind
        ]
        thick *= 0.4 + 1.2 * self.weather.amount if self.weather.kind != "clear" else 1.0
        share: Floats = np.float32(0.94) * (1 - np.exp(-thick * np.minimum(depth, 400.0))).astype(np.float32)
        return share


def _slab(p: Floats, d: Floats, half: Floats) -> tuple[Floats, Floats]:
    """Where rays from `p` along `d` enter and leave the slab from -half to half."""
    d = np.where(np.abs(d) < 1e-6, np.float32(1e-6), d)
    a, b = (-half - p) / d, (half - p) / d
    return np.minimum(a, b), np.maximum(a, b)


def develop(rgb: npt.NDArray[Any], light: Light) -> Floats:
    """From light to grey levels as a camera does: highlights roll off, infrared turns grey."""
    if light.kind == "infrared":
        grey = rgb @ LUMA
        rgb = np.repeat(grey[..., None], 3, axis=-1)
    exposure = {"day": 1.22, "dusk": 1.7, "night": 1.9, "infrared": 1.35}[light.kind]
    x = np.maximum(rgb * np.float32(exposure), 0)
    rolled = np.where(x < 0.7, x, 0.7 + 0.3 * (1 - np.exp(-(x - 0.7) / 0.3)))
    out: Floats = (np.clip(rolled, 0, 1) ** (1 / 1.25)).astype(np.float32)
    return out
