"""Everything that moves and is not a person: vehicles and things of flat faces, bikes and dogs of rounded
parts.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from holmesvau.sim.camera import Camera
from holmesvau.sim.canvas import Canvas
from holmesvau.sim.figures import Body, Part, assemble, paint_parts
from holmesvau.sim.meshes import Plane, thing, vehicle
from holmesvau.sim.tones import Fill, Tones
from holmesvau.sim.world import Actor, Colour, Finish, State

Floats = npt.NDArray[np.float64]
MESH_VEHICLES = frozenset({"car", "van", "police car"})


class Mesh:
    """Flat faces as arrays: `points[V, 3]`, each face's rows, colours `[F, 3]`, gloss, layer and lamp."""

    def __init__(self, planes: tuple[Plane, ...]) -> None:
        ordered = sorted(planes, key=lambda p: p.layer)
        self.points = np.array([corner for plane in ordered for corner in plane.corners])
        counts = np.array([len(plane.corners) for plane in ordered])
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        self.first, self.last = self.starts[:-1], self.starts[1:] - 1
        self.colours = np.array([plane.colour for plane in ordered]) / 255.0
        self.gloss = np.array([plane.gloss for plane in ordered])
        self.layers = np.array([float(plane.layer) for plane in ordered])
        self.lamps = [plane.lamp for plane in ordered]
        self.normals = np.array([_normal(plane) for plane in ordered])
        self.centres = np.array([np.mean(plane.corners, axis=0) for plane in ordered])
        flat = np.abs(self.points)
        self.half_length, self.half_width = float(flat[:, 0].max()), float(flat[:, 1].max())
        self.height = float(self.points[:, 2].max())
        self._fills: dict[tuple[float, ...], list[Fill]] = {}

    def fills(self, state: State, tones: Tones) -> list[Fill]:
        """The faces' colours under the light, kept by two metres and by a twelfth of a turn."""
        extra, (x, y) = state.extra, tones.wide_cell(state.x, state.y)
        key = (
            id(tones),
            x,
            y,
            round(state.heading * 8),
            round(8 * extra.get("damage", 0)),
            round(4 * extra.get("lights", 0)),
            round(4 * extra.get("brake", 0)),
        )
        found = self._fills.get(key)
        if found is None:
            if len(self._fills) > 512:
                self._fills.clear()
            found = self._fills[key] = self._shade(state, tones)
        return found

    def _shade(self, state: State, tones: Tones) -> list[Fill]:
        c, s = math.cos(state.heading), math.sin(state.heading)
        n = self.normals
        normals = np.stack([c * n[:, 0] - s * n[:, 1], s * n[:, 0] + c * n[:, 1], n[:, 2]], axis=1)
        sun = tones.light.sun.astype(np.float64)
        sunny = 0.5 if tones.light.sunny else 0.22
        shade = 0.70 + 0.18 * normals[:, 2] + sunny * np.clip(normals @ sun, 0, 1)
        colours = self.colours * shade[:, None]
        colours += (self.gloss * (0.05 + 0.16 * np.clip(normals[:, 2], 0, 1)))[:, None]
        damage = state.extra.get("damage", 0.0)
        if damage:
            dent = np.random.default_rng(len(self.colours)).uniform(1 - 0.7 * damage, 1.0, len(colours))
            colours *= dent[:, None]
        fills = tones.fills(np.clip(colours, 0, 1), *tones.wide_cell(state.x, state.y))
        for k, lamp in enumerate(self.lamps):
            if lamp == "head" and state.extra.get("lights", 0) > 0:
                fills[k] = (255, 250, 226, 255)
            elif (
                lamp == "tail" and max(state.extra.get("brake", 0), 0.5 * state.extra.get("lights", 0)) > 0.2
            ):
                fills[k] = (250, 52, 40, 255) if state.extra.get("brake", 0) > 0.5 else (170, 30, 26, 255)
        return fills


def _normal(plane: Plane) -> Floats:
    a, b, c = (np.array(plane.corners[k]) for k in (0, 1, 2))
    normal = np.cross(b - a, c - a)
    unit: Floats = normal / max(1e-9, float(np.linalg.norm(normal)))
    return unit


@lru_cache(maxsize=512)
def mesh(kind: str, finish: Finish) -> Mesh:
    """The faces of a kind in a finish."""
    return Mesh(vehicle(kind, finish) if kind in MESH_VEHICLES else thing(kind, finish))


def placed(points: Floats, state: State) -> Floats:
    """Local points in the world: tipped over by `tilt` about the left axis, opened by `open` (doors),
    turned, moved.
    """
    tilt = state.extra.get("tilt", 0.0)
    if tilt:
        c, s = math.cos(tilt), math.sin(tilt)
        points = np.stack(
            [points[:, 0], c * points[:, 1] - s * points[:, 2], s * points[:, 1] + c * points[:, 2]], axis=1
        )
        points[:, 2] -= min(0.0, float(points[:, 2].min()))
    heading = state.heading + state.extra.get("open", 0.0) * 1.5
    c, s = math.cos(heading), math.sin(heading)
    world = np.empty_like(points)
    world[:, 0] = state.x + c * points[:, 0] - s * points[:, 1]
    world[:, 1] = state.y + s * points[:, 0] + c * points[:, 1]
    world[:, 2] = state.z + points[:, 2]
    return world


def draw(canvas: Canvas, camera: Camera, actor: Actor, state: State, tones: Tones, distance: float) -> None:
    """Paint a vehicle, animal or thing on the frame."""
    if actor.kind in ("bike", "motorbike", "dog"):
        body, points = _rounded(actor.kind, actor.finish, state)
        paint_parts(canvas, camera, placed(points, state), body, tones, state, distance)
        return
    faces = mesh(actor.kind, actor.finish)
    pixels, depth = camera.project(placed(faces.points, state))
    if depth.min() < 0.4:
        return
    low, high = pixels.min(0), pixels.max(0)
    if not canvas.begin(low[0] - 1, low[1] - 1, high[0] + 1, high[1] + 1):
        return
    a, b, c = pixels[faces.first], pixels[faces.first + 1], pixels[faces.last]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    away = np.add.reduceat(depth, faces.first) / (faces.last - faces.first + 1)
    order = np.lexsort((-away, faces.layers))
    fills = faces.fills(state, tones)
    corners = canvas.to_pad(pixels)
    for k in order.tolist():
        if area[k] < 0:
            canvas.polygon(corners[faces.starts[k] : faces.starts[k + 1]], fills[k])
    canvas.finish(distance)


_HUB = (0.33, 0.33)
BIKE = np.array(
    [
        [-0.52, 0, 0.34],
        [0.55, 0, 0.34],
        [-0.15, 0, 0.30],
        [-0.2, 0, 0.85],
        [0.42, 0, 0.82],
        [0.40, 0.24, 0.98],
        [0.40, -0.24, 0.98],
        [-0.28, 0, 0.92],
        [0.08, 0, 0.60],
    ]
)


@lru_cache(maxsize=128)
def _bike(kind: str, colour: Colour) -> tuple[Body, Floats]:
    heavy = kind == "motorbike"
    tyre: Colour = (24, 24, 26)
    turn = np.arange(12) * math.tau / 12
    rims = [
        np.stack([hub[0] + 0.33 * np.cos(turn), np.zeros(12), hub[2] + 0.33 * np.sin(turn)], axis=1)
        for hub in (BIKE[0] * (1.25 if heavy else 1.0), BIKE[1] * (1.25 if heavy else 1.0))
    ]
    for rim, hub in zip(rims, (BIKE[0], BIKE[1]), strict=True):
        rim[:, 2] += 0.35 - (hub[2] * (1.25 if heavy else 1.0))
    frame = BIKE * np.array([1.25, 1.0, 1.0]) if heavy else BIKE
    points = np.concatenate([frame, *rims])
    thick, tube = (0.075, 0.09) if heavy else (0.022, 0.022)
    parts = []
    for wheel in range(2):
        base = len(BIKE) + 12 * wheel
        parts += [Part((base + k, base + (k + 1) % 12), (thick, thick), tyre, tone=False) for k in range(12)]
    lines = [(0, 2), (2, 3), (2, 4), (3, 4), (1, 4), (0, 3), (4, 5), (4, 6)]
    parts += [
        Part(line, (tube * 0.8, tube * 0.8), colour if k < 4 else (70, 72, 76), 0.01)
        for k, line in enumerate(lines)
    ]
    parts.append(Part((7, 3), (0.07, 0.06), (30, 28, 28), 0.02))
    if heavy:
        parts.append(Part((8, 4), (0.17, 0.15), colour, 0.03))
        parts.append(Part((2, 8), (0.20, 0.16), (60, 60, 64), 0.02))
        parts.append(Part((7, 8), (0.12, 0.12), (26, 26, 28), 0.025))
    return assemble(parts, len(points), 1.0), points


@lru_cache(maxsize=64)
def _dog(colour: Colour, size: float) -> Body:
    dark: Colour = (int(colour[0] * 0.7), int(colour[1] * 0.7), int(colour[2] * 0.7))
    parts = [
        Part((0, 1), (0.13, 0.15), colour),
        Part((1, 2), (0.10, 0.07), colour),
        Part((2, 3), (0.085, 0.05), colour, 0.02),
        Part((2, 4), (0.05, 0.04), dark, 0.03),
        Part((0, 5), (0.035, 0.02), dark, 0.0, tone=False),
    ]
    parts += [Part((6 + 2 * k, 7 + 2 * k), (0.055, 0.03), colour if k % 2 else dark) for k in range(4)]
    return assemble(parts, 14, size)


def _rounded(kind: str, finish: Finish, state: State) -> tuple[Body, Floats]:
    if kind != "dog":
        body, points = _bike(kind, finish.colour)
        lean = state.extra.get("lean", 0.0)
        if lean:
            c, s = math.cos(lean), math.sin(lean)
            points = np.stack(
                [
                    points[:, 0],
                    c * points[:, 1] + s * points[:, 2],
                    c * points[:, 2] - s * points[:, 1] + 0.08 * abs(s),
                ],
                axis=1,
            )
        return body, points
    size = finish.size or (0.7 if finish.variant == "small" else 1.0)
    moving = 1.0 if state.action in ("walk", "run") else 0.0
    beat = math.tau * state.phase * 2
    bob = 0.02 * math.sin(beat * 2) * moving
    spots = [
        [-0.28, 0, 0.5 + bob],
        [0.25, 0, 0.52 + bob],
        [0.42, 0, 0.68 + bob],
        [0.58, 0, 0.64 + bob],
        [0.38, 0, 0.78 + bob],
        [-0.5, 0.05 * math.sin(beat * 2), 0.68],
    ]
    for k, (x, y) in enumerate(((-0.26, 0.08), (-0.26, -0.08), (0.24, 0.08), (0.24, -0.08))):
        swing = 0.16 * math.sin(beat + (k in (1, 2)) * math.pi) * moving
        spots += [[x, y, 0.44], [x + swing, y, 0.03]]
    return _dog(finish.colour, size), np.array(spots) * size
