"""Procedural surfaces: what a wall, a road or a shelf reflects, at any resolution and without aliasing.

A pattern is asked for the reflected colour at `u[n], v[n]` metres along a face, where one pixel covers
`grain[n]`
metres: detail finer than that fades out instead of flickering. Colours are floats in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from holmesvau.sim.world import Colour

Floats = npt.NDArray[np.float32]
TILE = 256
TILES = 17


def single(values: npt.ArrayLike) -> Floats:
    """The values as an array of 32-bit floats."""
    return np.asarray(values, dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A pattern with its colours: `pattern` names a function below, `scale` metres is its repeat where it
    has one.

    `gloss` [0, 1] mirrors sky and lamps, `glow` [0, 1] is light of its own (windows at night, screens),
    `opacity` below 1 lets what lies behind show through (glass).
    """

    pattern: str = "plain"
    colour: Colour = (150, 150, 150)
    second: Colour = (110, 110, 110)
    scale: float = 1.0
    gloss: float = 0.0
    glow: float = 0.0
    opacity: float = 1.0
    dirt: float = 0.12
    seed: int = 0

    def covers(self, u: Floats, v: Floats, grain: Floats) -> npt.NDArray[np.bool_] | None:
        """Which points are there at all: foliage has gaps; None for a closed surface."""
        if self.pattern != "foliage":
            return None
        gaps: npt.NDArray[np.bool_] = (
            fractal(u, v, np.minimum(grain, 0.05), (2.2, 6.0), self.seed + 5) > -0.35
        )
        return gaps

    def reflect(self, u: Floats, v: Floats, grain: Floats) -> Floats:
        """`[n, 3]` colours in [0, 1]."""
        rgb = PATTERNS[self.pattern](self, u, v, grain)
        if self.dirt:
            blotches = fractal(u, v, grain, (0.23, 0.71, 2.3), self.seed + 7)
            rgb = rgb * (1.0 + self.dirt * blotches)[:, None]
        return np.clip(rgb, 0.0, 1.0).astype(np.float32)


@cache
def _tile(number: int) -> Floats:
    """A tileable noise of deviation 1, `[TILE, TILE]`."""
    return np.random.default_rng([9181, number]).standard_normal((TILE, TILE)).astype(np.float32)


def noise(u: npt.NDArray[Any], v: npt.NDArray[Any], seed: int) -> Floats:
    """Smooth noise of about deviation 0.7 with one cell a unit."""
    # So few tiles that they can be kept: there are thousands of seeds.
    tile = _tile(seed % TILES)
    shift = (seed * 37.7) % TILE
    fu, fv = np.floor(u + shift), np.floor(v + shift * 0.7)
    du, dv = u + shift - fu, v + shift * 0.7 - fv
    du, dv = du * du * (3 - 2 * du), dv * dv * (3 - 2 * dv)
    i, j = fv.astype(np.int64) % TILE, fu.astype(np.int64) % TILE
    i1, j1 = (i + 1) % TILE, (j + 1) % TILE
    top = tile[i, j] * (1 - du) + tile[i, j1] * du
    bottom = tile[i1, j] * (1 - du) + tile[i1, j1] * du
    mixed: Floats = (top * (1 - dv) + bottom * dv).astype(np.float32)
    return mixed


def fractal(u: Floats, v: Floats, grain: Floats, cycles: tuple[float, ...], seed: int) -> Floats:
    """A sum of noises of the given cycles a metre, each fading out where a pixel is wider than half a
    cycle.
    """
    total = np.zeros_like(u, dtype=np.float32)
    for k, frequency in enumerate(cycles):
        weight = np.clip(1.6 - 2.4 * frequency * grain, 0.0, 1.0) * 0.75**k
        total += weight * noise(u * frequency, v * frequency, seed + 3 * k)
    return total


def _rgb(colour: Colour) -> Floats:
    return np.asarray(colour, dtype=np.float32) / 255.0


def _stripe(x: Floats, period: float, width: float, grain: Floats) -> Floats:
    """How much of a pixel lies in lines `width` wide, one every `period` metres (at multiples of it)."""
    away = np.abs((x + period / 2) % period - period / 2)
    cover = np.clip((width / 2 - away) / np.maximum(grain, 1e-4) + 0.5, 0.0, 1.0)
    wide = np.clip(grain / period, 0.0, 1.0)
    return (cover * (1 - wide) + wide * width / period).astype(np.float32)


def _lerp(a: Floats, b: Floats, share: npt.NDArray[Any]) -> Floats:
    return a + (b - a) * share[:, None]


def _plain(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    shade = 1 + 0.03 * fractal(u, v, grain, (1.1, 6.0), m.seed)
    return _rgb(m.colour) * shade[:, None]


def _asphalt(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    coarse = fractal(u, v, grain, (0.15, 0.5), m.seed)
    fine = fractal(u, v, grain, (9.0, 23.0, 60.0), m.seed + 1)
    rgb = _rgb(m.colour) * (1 + 0.08 * coarse + 0.10 * fine)[:, None]
    crack_line = np.abs(noise(u * 0.35, v * 0.35, m.seed + 5) + 0.5 * noise(u * 1.3, v * 1.3, m.seed + 6))
    crack = np.clip(1 - crack_line / (0.012 + 0.35 * grain), 0, 1) * np.clip(1.2 - 18 * grain, 0, 1)
    patch = (noise(u * 0.11 + 9, v * 0.07, m.seed + 9) > 0.95).astype(np.float32)
    return rgb * (1 - 0.35 * crack - 0.16 * patch)[:, None]


def _paving(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    size = m.scale
    row = np.floor(v / size)
    shifted = u + (row % 2) * size / 2
    joint = np.maximum(_stripe(shifted, size, 0.018, grain), _stripe(v, size, 0.018, grain))
    own = noise(np.floor(shifted / size) * 1.7 + 0.5, row * 1.3 + 0.5, m.seed)
    speckle = fractal(u, v, grain, (14.0, 40.0), m.seed + 2)
    fade = np.clip(1.4 - grain / size, 0, 1)
    rgb = _rgb(m.colour) * (1 + 0.06 * own * fade + 0.05 * speckle)[:, None]
    return rgb * (1 - 0.38 * joint)[:, None]


def _tiles(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    size = m.scale
    joint = np.maximum(_stripe(u, size, 0.014, grain), _stripe(v, size, 0.014, grain))
    own = noise(np.floor(u / size) * 1.9 + 0.5, np.floor(v / size) * 1.9 + 0.5, m.seed)
    cloud = fractal(u, v, grain, (0.8, 3.1), m.seed + 4)
    rgb = _rgb(m.colour) * (1 + 0.035 * own + 0.03 * cloud)[:, None]
    return _lerp(rgb, _rgb(m.second) * np.ones_like(rgb), joint * 0.8)


def _checker(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    odd = ((np.floor(u / m.scale) + np.floor(v / m.scale)) % 2).astype(np.float32)
    flat = np.clip(grain / m.scale * 2 - 0.5, 0, 1)
    share = odd * (1 - flat) + 0.5 * flat
    shade = 1 + 0.04 * fractal(u, v, grain, (1.3, 5.0), m.seed)
    return _lerp(_rgb(m.colour) * np.ones((len(u), 3), np.float32), _rgb(m.second), share) * shade[:, None]


def _brick(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    high, long = 0.085, 0.25
    row = np.floor(v / high)
    shifted = u + (row % 2) * long / 2
    joint = np.maximum(_stripe(shifted, long, 0.012, grain), _stripe(v, high, 0.012, grain))
    own = noise(np.floor(shifted / long) * 1.7 + 0.5, row * 2.3 + 0.5, m.seed)
    fade = np.clip(1.3 - 2 * grain / high, 0, 1)
    rough = fractal(u, v, grain, (0.5, 8.0, 30.0), m.seed + 1)
    rgb = _rgb(m.colour) * (1 + 0.15 * own * fade + 0.07 * rough)[:, None]
    return _lerp(rgb, _rgb(m.second) * np.ones_like(rgb), joint * 0.75)


def _plaster(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    stain = fractal(u * 0.6, v * 0.3, grain, (0.5, 1.7, 4.1), m.seed)
    rough = fractal(u, v, grain, (12.0, 35.0), m.seed + 1)
    grime = np.exp(-np.maximum(v, 0) / 0.5) * (0.5 + 0.5 * noise(u * 1.5, v * 2, m.seed + 2))
    return _rgb(m.colour) * (1 + 0.035 * stain + 0.03 * rough - 0.12 * np.clip(grime, 0, 1))[:, None]


def _concrete(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    stain = fractal(u, v, grain, (0.3, 0.9, 2.7, 8.0), m.seed)
    seam = np.maximum(_stripe(u, m.scale, 0.02, grain), _stripe(v, m.scale, 0.02, grain))
    scuff = np.clip(noise(u * 0.6 + 3, v * 5.0, m.seed + 4) - 1.1, 0, 1)
    return _rgb(m.colour) * (1 + 0.06 * stain - 0.22 * seam - 0.25 * scuff)[:, None]


def _wood(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    board = np.floor(v / m.scale)
    ends = u + noise(board * 3.1, board * 0 + 0.5, m.seed) * 3
    own = noise(board * 1.7 + 0.5, np.floor(ends / 1.6) * 2.1 + 0.5, m.seed)
    figure = fractal(u * 0.7, v * 9, grain * 6, (1.0, 3.0), m.seed + 1)
    seam = np.maximum(_stripe(v, m.scale, 0.008, grain), _stripe(ends, 1.6, 0.006, grain))
    fade = np.clip(1.3 - grain / m.scale, 0, 1)
    return _rgb(m.colour) * (1 + 0.11 * own * fade + 0.06 * figure - 0.4 * seam)[:, None]


def _carpet(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    pile = fractal(u, v, grain, (3.0, 20.0, 60.0), m.seed)
    border = np.zeros_like(u)
    motif = np.clip(np.sin(u * 9) * np.sin(v * 9) * 3, 0, 1) * np.clip(1.2 - 5 * grain, 0, 1)
    rgb = _rgb(m.colour) * (1 + 0.06 * pile)[:, None]
    return _lerp(rgb, _rgb(m.second) * np.ones_like(rgb), 0.45 * motif + border)


def _grass(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    tufts = fractal(u, v, grain, (0.3, 1.2, 5.0, 17.0, 45.0), m.seed)
    dry = np.clip(noise(u * 0.25, v * 0.25, m.seed + 3), 0, 1)
    rgb = _rgb(m.colour) * (1 + 0.2 * tufts)[:, None]
    return _lerp(rgb, _rgb(m.second) * np.ones_like(rgb), 0.4 * dry)


def _foliage(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    leaves = fractal(u, v, grain, (1.0, 3.0, 9.0, 26.0), m.seed)
    return _rgb(m.colour) * np.clip(0.9 + 0.38 * leaves, 0.25, 2)[:, None]


def _slats(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    """Roller shutters and corrugated walls: dark lines across, lighter ribs between."""
    place = (v % m.scale) / m.scale
    flat = np.clip(grain / m.scale * 1.5, 0, 1)
    rib = 0.16 * np.sin(place * np.pi * 2) * (1 - flat)
    return _rgb(m.colour) * (1 + rib - 0.3 * _stripe(v, m.scale, 0.014, grain))[:, None]


def _facade(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    """A wall with a row of windows every `scale` metres up, each with frame, sill and its own curtain."""
    wall = _plaster(m, u, v, grain)
    wide = m.scale * 0.8
    du, dv = u % wide - wide / 2, v % m.scale - m.scale * 0.55
    cell = noise(np.floor(u / wide) * 2.7 + 0.5, np.floor(v / m.scale) * 1.9 + 0.5, m.seed + 8)
    half_w, half_h = wide * 0.24, m.scale * 0.25
    edge = np.maximum(np.abs(du) - half_w, np.abs(dv) - half_h)
    frame = np.clip(0.5 - (np.abs(edge) - 0.05) / np.maximum(grain, 1e-3), 0, 1)
    inside = np.clip(0.5 - edge / np.maximum(grain, 1e-3), 0, 1)
    glass = _rgb(m.second) * (0.8 + 0.3 * np.clip(cell, -1, 1) + 0.35 * (dv / m.scale))[:, None]
    bars = np.clip(0.5 - (np.abs(du) - 0.03) / np.maximum(grain, 1e-3), 0, 1) * inside
    return _lerp(_lerp(wall, glass, inside), single([0.8, 0.8, 0.78]), np.maximum(frame, bars) * 0.85)


def _goods(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    """A shelf full of packets: boards every `scale` metres, packets of many colours between them."""
    board = np.floor(v / m.scale)
    up = v % m.scale
    width = 0.11 + 0.07 * np.abs(noise(board * 2.3 + 0.5, board * 0 + 0.5, m.seed + 1))
    packet = np.floor(u / width)
    run = np.floor(packet / (2 + (board + m.seed) % 4))
    tall = m.scale * (0.60 + 0.14 * np.clip(noise(run * 1.3 + 0.5, board * 3.1 + 0.5, m.seed + 2), -1.2, 1.2))
    channels = [noise(run * 1.7 + k * 31.5, board * 5.3 + 0.5, m.seed + 3 + k) for k in range(3)]
    rgb = np.stack([np.clip(0.44 + 0.20 * c, 0.06, 0.85) for c in channels], axis=1)
    rgb = rgb + 0.3 * (rgb.mean(1, keepdims=True) - rgb)
    label = np.clip(1 - np.abs(up / np.maximum(tall, 0.05) - 0.45) * 5, 0, 1) * np.clip(1.2 - 7 * grain, 0, 1)
    rgb = _lerp(rgb, single([0.82, 0.80, 0.74]), 0.6 * label)
    gap = _stripe(u, 1.0, 0.0, grain) + np.clip(1 - (u % width) / 0.012, 0, 1) * np.clip(
        1.2 - 25 * grain, 0, 1
    )
    missing = noise(packet * 0.9 + 0.5, board * 2.9 + 0.5, m.seed + 9) > 1.05
    dark = (up > tall) | missing
    rgb = np.where(dark[:, None], rgb * 0.12 + 0.05, rgb * (1 - 0.5 * np.clip(gap, 0, 1))[:, None])
    rail = np.clip(0.5 - (up - 0.035) / np.maximum(grain, 1e-3), 0, 1)
    return _lerp(rgb.astype(np.float32), _rgb(m.colour), rail)


def _boxes(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    """Stacked cartons: brown faces with tape, edges and labels."""
    size = m.scale
    row = np.floor(v / size)
    wide = size * (1.2 + 0.3 * ((row + m.seed) % 3))
    column = np.floor(u / wide)
    du, dv = (u % wide) / wide, (v % size) / size
    own = noise(column * 1.9 + 0.5, row * 2.7 + 0.5, m.seed)
    rgb = _rgb(m.colour) * (1 + 0.16 * own)[:, None]
    edge = np.minimum(np.minimum(du, 1 - du) * wide, np.minimum(dv, 1 - dv) * size)
    dark = np.clip(1 - edge / (0.02 + grain), 0, 1)
    tape = np.clip(1 - np.abs(du - 0.5) * wide / 0.035, 0, 1) * np.clip(1.2 - 8 * grain, 0, 1)
    label = ((du > 0.62) & (du < 0.86) & (dv > 0.2) & (dv < 0.45) & (own > -0.2)).astype(np.float32)
    rgb = _lerp(rgb, _rgb(m.second), np.maximum(0.55 * tape, 0.7 * label * np.clip(1.3 - 4 * grain, 0, 1)))
    empty = noise(column * 2.1 + 40.5, row * 1.1 + 0.5, m.seed + 4) > 1.3
    return rgb * np.where(empty, 0.15, 1 - 0.45 * dark)[:, None].astype(np.float32)


def _stripes(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    """Bands of two colours along u, each half of `scale` wide: crossings, warning edges, kerbs."""
    share = _stripe(u, m.scale, m.scale / 2, grain)
    worn = np.clip(0.88 + 0.16 * fractal(u, v, grain, (1.3, 5.0, 17.0), m.seed), 0, 1)
    base = _rgb(m.second) * np.ones((len(u), 3), np.float32)
    return _lerp(base, _rgb(m.colour), share * worn)


def _paint(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    """Road paint: worn through in places to the second colour."""
    worn = np.clip(1.05 + 0.45 * fractal(u, v, grain, (1.7, 6.0, 20.0), m.seed) - 0.1, 0.25, 1)
    base = _rgb(m.second) * np.ones((len(u), 3), np.float32)
    return _lerp(base, _rgb(m.colour), worn.astype(np.float32))


def _poster(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    field_u, field_v = np.floor(u / m.scale * 3), np.floor(v / m.scale * 4)
    block = noise(field_u * 1.3 + 0.5, field_v * 1.7 + 0.5, m.seed)
    share = np.clip(block, 0, 1).astype(np.float32)
    rgb = _lerp(_rgb(m.colour) * np.ones((len(u), 3), np.float32), _rgb(m.second), share)
    lines = _stripe(v, 0.09, 0.03, grain) * (noise(field_u * 3 + 0.5, field_v * 3 + 0.5, m.seed + 1) > 0.4)
    return rgb * (1 - 0.5 * lines)[:, None]


def _mesh(m: Material, u: Floats, v: Floats, grain: Floats) -> Floats:
    weave = np.maximum(_stripe(u + v, m.scale, 0.02, grain), _stripe(u - v, m.scale, 0.02, grain))
    return _lerp(_rgb(m.second) * np.ones((len(u), 3), np.float32), _rgb(m.colour), weave)


PATTERNS: dict[str, Callable[[Material, Floats, Floats, Floats], Floats]] = {
    "plain": _plain, "asphalt": _asphalt, "paving": _paving, "tiles": _tiles, "checker": _checker,
    "brick": _brick, "plaster": _plaster, "concrete": _concrete, "wood": _wood, "carpet": _carpet,
    "grass": _grass, "foliage": _foliage, "slats": _slats, "facade": _facade, "goods": _goods,
    "boxes": _boxes, "stripes": _stripes, "paint": _paint, "poster": _poster, "mesh": _mesh,
}  # fmt: skip
