"""Shadows of moving things: soft darkness at their foot, and the long ones that the sun casts."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from holmesvau.sim import bodies
from holmesvau.sim.camera import Camera
from holmesvau.sim.canvas import Canvas
from holmesvau.sim.poses import J
from holmesvau.sim.tones import Tones
from holmesvau.sim.world import Actor, State

Floats = npt.NDArray[np.float64]

_AXIS = np.linspace(-1, 1, 48)
_BLOB = (255 * np.clip(1 - (_AXIS[:, None] ** 2 + _AXIS[None] ** 2), 0, 1) ** 1.3).astype(np.uint8)
_BONES = (
    ("hip_l", "knee_l", 0.09), ("knee_l", "ankle_l", 0.06), ("hip_r", "knee_r", 0.09), ("knee_r", "ankle_r",
    0.06), ("pelvis", "chest", 0.16), ("shoulder_l", "shoulder_r", 0.07), ("shoulder_l", "elbow_l", 0.06),
    ("elbow_l", "hand_l", 0.05), ("shoulder_r", "elbow_r", 0.06), ("elbow_r", "hand_r", 0.05), ("head",
    "crown", 0.11),
)  # fmt: skip
_FROM = [J[a] for a, _, _ in _BONES]
_TO = [J[b] for _, b, _ in _BONES]
_RADII = np.array([[radius] for _, _, radius in _BONES])


def draw(
    canvas: Canvas,
    camera: Camera,
    actor: Actor,
    state: State,
    tones: Tones,
    world: Floats | None,
    distance: float,
) -> None:
    """Darken the floor under and behind an actor that stands on it; `world[S, 3]` are a person's joints."""
    if actor.kind in ("person", "dog", "bike", "motorbike"):
        wide = 0.85 if state.action.startswith(("lie", "fall", "writhe", "crawl")) else 0.42
        long = 1.0 if actor.kind in ("bike", "motorbike") else wide
        _blob(canvas, camera, state, long, wide, distance)
    elif actor.kind in bodies.MESH_VEHICLES or actor.kind in ("box", "bag", "suitcase", "trolley", "bin"):
        faces = bodies.mesh(actor.kind, actor.finish)
        _footprint(canvas, camera, state, faces.half_length, faces.half_width, distance)
    if not tones.light.sunny:
        return
    if world is not None and _sunlit(tones, state.x, state.y):
        _person(canvas, camera, world[: len(J)], state, tones, distance)
    elif actor.kind in bodies.MESH_VEHICLES and _sunlit(tones, *tones.wide_cell(state.x, state.y)):
        _vehicle(canvas, camera, actor, state, tones, distance)


def _sunlit(tones: Tones, x: float, y: float) -> bool:
    here, _ = tones.light_at(x, y)
    return bool(here.sum() > tones.light.sky.sum() * 0.82 + 0.2 * tones.light.sunshine.sum())


def _blob(canvas: Canvas, camera: Camera, state: State, long: float, wide: float, distance: float) -> None:
    pixels, depth = camera.project(
        np.array([[state.x, state.y, state.z], [state.x, state.y + wide, state.z]])
    )
    if depth[0] < 0.4:
        return
    half = max(long, wide) * camera.focal / float(depth[0])
    tall = max(1.5, abs(float(pixels[1, 1] - pixels[0, 1])))
    width, height = max(3, round(2 * half)), max(3, round(2 * tall))
    if width > 2 * canvas.width:
        return
    mask = cv2.resize(_BLOB, (width, height), interpolation=cv2.INTER_AREA)
    canvas.darken(mask, round(pixels[0, 0] - width / 2), round(pixels[0, 1] - height / 2), 0.40, distance)


def _footprint(
    canvas: Canvas, camera: Camera, state: State, half_long: float, half_wide: float, distance: float
) -> None:
    c, s = math.cos(state.heading), math.sin(state.heading)
    grow = 0.12 if half_long > 1 else 0.05
    corners = np.array(
        [[u * (half_long + grow), v * (half_wide + grow)] for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    )
    world = np.column_stack(
        [
            state.x + c * corners[:, 0] - s * corners[:, 1],
            state.y + s * corners[:, 0] + c * corners[:, 1],
            np.full(4, state.z),
        ]
    )
    pixels, depth = camera.project(world)
    if depth.min() > 0.4:
        _soft(canvas, pixels[None], 0.55, max(1.0, 0.10 * camera.focal / float(depth.mean())), distance)


def _person(
    canvas: Canvas, camera: Camera, world: Floats, state: State, tones: Tones, distance: float
) -> None:
    pixels, depth = camera.project(_along_sun(world, state.z, tones))
    if depth.min() < 0.4:
        return
    per_metre = (camera.focal / depth)[:, None]
    a, b = pixels[_FROM], pixels[_TO]
    run = b - a
    run /= np.maximum(np.hypot(run[:, 0], run[:, 1]), 1e-6)[:, None]
    across = run[:, ::-1] * (-1.0, 1.0)
    wide_a, wide_b = _RADII * per_metre[_FROM], _RADII * per_metre[_TO]
    end = run * wide_a * 0.6
    quads = np.stack(
        [
            a + across * wide_a - end,
            b + across * wide_b + end,
            b - across * wide_b + end,
            a - across * wide_a - end,
        ],
        axis=1,
    )
    _soft(canvas, quads, 0.42, 0.035 * float(per_metre[0, 0]), distance)


def _vehicle(
    canvas: Canvas, camera: Camera, actor: Actor, state: State, tones: Tones, distance: float
) -> None:
    world = bodies.placed(bodies.mesh(actor.kind, actor.finish).points, state)
    pixels, depth = camera.project(_along_sun(world, state.z, tones))
    if depth.min() > 0.4:
        hull = cv2.convexHull(pixels.astype(np.float32)).reshape(-1, 2).astype(np.float64)
        _soft(canvas, hull[None], 0.42, 0.04 * camera.focal / float(depth.mean()), distance)


def _along_sun(world: Floats, z: float, tones: Tones) -> Floats:
    sun = tones.light.sun.astype(np.float64)
    rise = np.maximum(world[:, 2:3] - z, 0) / sun[2]
    flat = world - rise * sun
    flat[:, 2] = z
    return flat


def _soft(canvas: Canvas, shapes: Floats, strength: float, blur: float, distance: float) -> None:
    """Darken some convex shapes `[n, K, 2]` with soft edges."""
    pad = 2 + int(2 * blur)
    low, high = shapes.min((0, 1)), shapes.max((0, 1))
    x0, y0 = max(math.floor(low[0]) - pad, -pad), max(math.floor(low[1]) - pad, -pad)
    x1, y1 = (
        min(math.ceil(high[0]) + pad + 1, canvas.width + pad),
        min(math.ceil(high[1]) + pad + 1, canvas.height + pad),
    )
    if x0 >= x1 or y0 >= y1:
        return
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    corners = np.clip((shapes - (x0, y0)) * 16, -(1 << 24), 1 << 24).astype(np.int32)
    for shape in corners:
        cv2.fillConvexPoly(mask, shape, 255, cv2.LINE_AA, 4)
    size = 2 * int(min(blur, 6.0)) + 3
    canvas.darken(cv2.blur(mask, (size, size)), x0, y0, strength, distance)
