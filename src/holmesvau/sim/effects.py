"""Fire, smoke, flashes, explosions, broken glass, graffiti, spills and lights: drawn of soft puffs and
strokes.

Every effect is a pure function of its age and its place, so that any frame can be drawn on its own.
"""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from holmesvau.sim.camera import Camera
from holmesvau.sim.canvas import Canvas
from holmesvau.sim.lighting import Illumination, develop
from holmesvau.sim.materials import single
from holmesvau.sim.world import Actor, State

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
PUFFS = 6
PUFF_SIZE = 64


@cache
def _puffs() -> list[npt.NDArray[np.float32]]:
    """Ragged round clouds, coverage in [0, 1]."""
    rng = np.random.default_rng(909)
    axis = np.linspace(-1, 1, PUFF_SIZE, dtype=np.float32)
    round_ = np.clip(1 - (axis[:, None] ** 2 + axis[None] ** 2), 0, 1)
    puffs = []
    for _ in range(PUFFS):
        noise = sum(
            cv2.GaussianBlur(rng.standard_normal((PUFF_SIZE, PUFF_SIZE)).astype(np.float32), (0, 0), s)
            * s
            * w
            for s, w in ((9.0, 1.2), (4.0, 0.9), (1.8, 0.6))
        )
        ragged = np.clip(round_ * 1.25 + 0.32 * noise * np.sqrt(round_), 0, 1)
        puffs.append((ragged * np.clip(round_ * 2.2, 0, 1)).astype(np.float32))
    return puffs


def _random(actor: Actor, count: int) -> Floats:
    seed = sum((k + 1) * ord(c) for k, c in enumerate(actor.name))
    return _numbers(seed, count)


@cache
def _numbers(seed: int, count: int) -> Floats:
    return np.random.default_rng([seed, count]).random((count, 5))


def reach(kind: str, state: State) -> float:
    """Metres that an effect may reach from its middle, in every direction."""
    size = state.extra.get("size", 1.0)
    return {"fire": 2.4, "smoke": 7.0, "explosion": 6.0, "flash": 5.0, "tear gas": 6.0}.get(kind, 2.2) * size


def draw(
    canvas: Canvas, camera: Camera, actor: Actor, state: State, light: Illumination, distance: float
) -> None:
    """Paint one effect on the frame."""
    per_metre = _scale(camera, state)
    if per_metre is None:
        return
    # What lies on a wall is not hidden by that wall, which may run towards the camera.
    on_wall = 0.75 * state.extra.get("size", 1.0) + 0.6 if state.extra.get("wall", 0.0) else 0.0
    behind = canvas.behind(distance - on_wall)
    before = canvas.frame.copy() if behind is not None else None
    _PAINTERS[actor.kind](canvas, camera, actor, state, light, per_metre)
    if before is not None:
        cv2.copyTo(before, behind, canvas.frame)


def _scale(camera: Camera, state: State) -> float | None:
    _, depth = camera.project(np.array([state.x, state.y, state.z]))
    return None if depth < 0.5 else camera.focal / float(depth)


def _at(camera: Camera, state: State, rise: float = 0.0, dx: float = 0.0) -> tuple[float, float]:
    pixels, _ = camera.project(np.array([state.x + dx, state.y, state.z + rise]))
    return float(pixels[0]), float(pixels[1])


def _put(
    canvas: Canvas,
    number: int,
    x: float,
    y: float,
    half: float,
    colour: tuple[float, float, float],
    alpha: float,
    add: bool,
    stretch: float = 1.0,
) -> None:
    """One puff at pixel (x, y): laid over, or added as light."""
    size = max(2, round(2 * half))
    if size > 3 * canvas.width or alpha <= 0.01:
        return
    cover = cv2.resize(_puffs()[number % PUFFS], (size, size), interpolation=cv2.INTER_LINEAR) * np.float32(
        alpha
    )
    patch = np.empty((size, size, 4), np.float32)
    patch[..., :3] = cover[..., None] * single(colour)
    patch[..., 3] = cover * 255
    out = np.clip(patch, 0, 255).astype(np.uint8)
    x0, y0 = round(x - size / 2), round(y - size / 2)
    if add:
        canvas.add_clipped(out, x0, y0)
    else:
        canvas.lay_clipped(out, x0, y0)


def _grey(light: Illumination, colour: tuple[float, float, float]) -> tuple[float, float, float]:
    """The colour of light as this camera shows it: in infrared only grey, and what is hot is white."""
    if not light.infrared:
        return colour
    level = min(255.0, 0.85 * colour[0] + 0.2 * colour[1])
    return level, level, level


def _glow(
    canvas: Canvas, x: float, y: float, half: float, colour: tuple[float, float, float], strength: float
) -> None:
    """Light that an effect throws on what is around it."""
    half = min(half, canvas.width * 1.2)
    size = max(4, round(2 * half))
    small = min(size, 96)
    axis = np.linspace(-1, 1, small, dtype=np.float32)
    disc = np.clip(1 - np.sqrt(axis[:, None] ** 2 + axis[None] ** 2), 0, 1) ** 2 * strength
    patch = np.zeros((small, small, 4), np.float32)
    patch[..., :3] = disc[..., None] * single(colour)
    grown = cv2.resize(patch.clip(0, 255).astype(np.uint8), (size, size), interpolation=cv2.INTER_LINEAR)
    canvas.add_clipped(grown, round(x - size / 2), round(y - size / 2))


def _fire(
    canvas: Canvas, camera: Camera, actor: Actor, state: State, light: Illumination, per_metre: float
) -> None:
    size, strength = state.extra.get("size", 1.0), state.extra.get("strength", 1.0)
    age = state.extra.get("age", 0.0)
    if strength <= 0.01:
        return
    flicker = 0.8 + 0.2 * math.sin(age * 17) * math.sin(age * 7.3 + 1)
    gx, gy = _at(camera, state, 0.3 * size)
    _glow(canvas, gx, gy, per_metre * size * 2.3, _grey(light, (255, 120, 30)), 0.40 * strength * flicker)
    numbers = _random(actor, 44)
    lives = (age / (0.45 + 0.5 * numbers[:, 1]) + numbers[:, 0]) % 1.0
    for k in np.argsort(-lives):
        a, _, c, d, _ = numbers[k]
        life = float(lives[k])
        rise = life * size * (0.7 + 0.9 * c) * (0.5 + 0.5 * strength)
        sway = size * ((d - 0.5) * 0.95 * (1 - 0.75 * life) + 0.10 * math.sin(age * 9 + 20 * a) * life)
        half = per_metre * size * (0.31 * (1 - life) ** 0.6 + 0.05) * (0.5 + 0.5 * strength)
        x, y = _at(camera, state, rise, sway)
        hot = (1 - life) ** 1.3
        colour = _grey(light, (255 - 45 * life, 60 + 130 * hot, 8 + 44 * hot * hot))
        cover = 0.50 * strength * min(1.0, 2.2 * (1 - life))
        _put(canvas, k, x, y, half, colour, cover, add=False, stretch=1.8)
    for k in range(4):
        beat = 0.5 + 0.5 * math.sin(age * (11 + 3 * k) + 5 * numbers[k, 0])
        x, y = _at(camera, state, size * (0.16 + 0.10 * beat), size * 0.2 * (k - 1.5))
        half = per_metre * size * (0.17 + 0.07 * beat) * (0.5 + 0.5 * strength)
        core = _grey(light, (255, 214, 112))
        _put(canvas, k, x, y, half, core, (0.5 + 0.3 * beat) * strength, add=False, stretch=2.0)


def _smoke(
    canvas: Canvas, camera: Camera, actor: Actor, state: State, light: Illumination, per_metre: float
) -> None:
    size, strength = state.extra.get("size", 1.0), state.extra.get("strength", 1.0)
    age = state.extra.get("age", 0.0)
    base = (38.0, 37.0, 36.0) if actor.kind == "smoke" else (196.0, 196.0, 188.0)
    if actor.kind == "smoke" and actor.finish.colour != (128, 132, 138):
        base = tuple(float(c) for c in actor.finish.colour)  # type: ignore[assignment]
    here = develop(single(base) / 255 * light.at(state.x, state.y, 2.0) * 1.1, light.light) * 255
    colour = (float(here[0]), float(here[1]), float(here[2]))
    low = actor.kind == "tear gas"
    numbers = _random(actor, 26)
    for k, (a, b, c, d, _) in enumerate(numbers):
        period = 2.6 + 2.4 * b
        life = age / period + a - 1 if age < period else (age / period + a) % 1.0
        life = (age / period + a) % 1.0
        if age < life * period:
            continue
        rise = life * size * ((0.5 if low else 3.2) + 1.2 * c)
        sway = size * (
            (d - 0.5) * (0.5 + (2.4 if low else 1.0) * life) + 0.7 * life * math.sin(0.4 * age + 2)
        )
        half = per_metre * size * (0.20 + 0.62 * life)
        x, y = _at(camera, state, rise, sway)
        _put(
            canvas,
            k,
            x,
            y,
            half,
            colour,
            (0.62 if low else 0.5) * strength * (1 - life) ** 0.7 * min(1.0, 6 * life + 0.2),
            add=False,
        )


def _explosion(
    canvas: Canvas, camera: Camera, actor: Actor, state: State, light: Illumination, per_metre: float
) -> None:
    size, age = state.extra.get("size", 1.0), state.extra.get("age", 0.0)
    if age < 0.25:
        x, y = _at(camera, state, 0.5 * size)
        _glow(canvas, x, y, per_metre * size * 6, _grey(light, (255, 230, 180)), 1.0 * (1 - age / 0.25))
    numbers = _random(actor, 48)
    for k, (a, b, c, d, e) in enumerate(numbers):
        life = age / (1.2 + 3.2 * b)
        if life >= 1:
            continue
        angle, lift = math.tau * a, (0.2 + 1.1 * c)
        spread = size * (0.4 + 1.4 * d) * (1 - math.exp(-5 * life))
        rise = size * lift * (1 - math.exp(-4 * life)) + 0.8 * size * life
        x, y = _at(camera, state, rise, spread * math.cos(angle))
        heat = max(0.0, 1 - age / (0.5 + 0.9 * e))
        half = per_metre * size * (0.25 + 0.75 * life)
        if heat > 0:
            colour = _grey(light, (255, 90 + 150 * heat, 20 + 150 * heat * heat))
            _put(canvas, k, x, y, half * 0.85, colour, min(1.0, 1.2 * heat), add=False)
        soot = 30.0 + 46 * life
        _put(canvas, k + 1, x, y, half, (soot, soot, soot), 0.6 * (1 - life) * (1 - heat) ** 2, add=False)
    for a, b, c, d, _ in numbers[:22]:
        fly = age * (0.8 + b)
        height = 0.3 + (3 + 4 * c) * fly - 4.9 * fly * fly
        if height > 0:
            x, y = _at(camera, state, height * size * 0.6, size * (d - 0.5) * 6 * fly)
            radius = max(1, round(0.028 * per_metre * size * (0.5 + a)))
            cv2.circle(canvas.frame, (round(x), round(y)), radius, (28, 26, 24, 255), -1, cv2.LINE_AA)


def _flash(
    canvas: Canvas, camera: Camera, actor: Actor, state: State, light: Illumination, per_metre: float
) -> None:
    size, strength = state.extra.get("size", 1.0), state.extra.get("strength", 1.0)
    x, y = _at(camera, state)
    colour = _grey(light, (255, 226, 150))
    _glow(canvas, x, y, per_metre * size * 1.6, colour, 0.55 * strength)
    _put(canvas, 1, x, y, per_metre * size * 0.28, (255.0, 250.0, 220.0), strength, add=True)
    c, s = math.cos(state.heading), math.sin(state.heading)
    ends = camera.project(
        np.array([[state.x + 0.5 * size * c * k, state.y + 0.5 * size * s * k, state.z] for k in (0, 1)])
    )[0]
    cv2.line(
        canvas.frame,
        _pixel(ends[0]),
        _pixel(ends[1]),
        (255, 244, 200, 255),
        max(1, round(0.07 * per_metre)),
        cv2.LINE_AA,
    )


def _sparks(
    canvas: Canvas, camera: Camera, actor: Actor, state: State, light: Illumination, per_metre: float
) -> None:
    size, age = state.extra.get("size", 1.0), state.extra.get("age", 0.0)
    for a, b, c, d, _ in _random(actor, 24):
        life = (age / 0.5 + a) % 1.0
        x, y = _at(
            camera, state, size * (0.9 * life * (b + 0.3) - 1.2 * life * life), size * (c - 0.5) * 1.6 * life
        )
        colour = _grey(light, (255, 200 - 90 * life, 90 * (1 - life)))
        radius = max(1, round(0.02 * per_metre * (1 - life) * (0.5 + d)))
        cv2.circle(canvas.frame, (round(x), round(y)), radius, (*map(int, colour), 255), -1, cv2.LINE_AA)


def _pixel(point: Floats) -> tuple[int, int]:
    return int(np.clip(point[0], -9999, 9999)), int(np.clip(point[1], -9999, 9999))


def _wall_points(camera: Camera, state: State, flat: Floats) -> Floats:
    """Points `[n, 2]` (metres across, up) on a wall that faces away from `heading`, or on the floor, in
    pixels.
    """
    c, s = math.cos(state.heading), math.sin(state.heading)
    if state.extra.get("wall", 0.0):
        world = np.column_stack([state.x - s * flat[:, 0], state.y + c * flat[:, 0], state.z + flat[:, 1]])
    else:
        world = np.column_stack(
            [
                state.x + c * flat[:, 0] - s * flat[:, 1],
                state.y + s * flat[:, 0] + c * flat[:, 1],
                np.full(len(flat), state.z + 0.01),
            ]
        )
    pixels, _ = camera.project(world)
    return pixels


def _glass(
    canvas: Canvas, camera: Camera, actor: Actor, state: State, light: Illumination, per_metre: float
) -> None:
    """On a wall a star of cracks around a hole; on the floor scattered splinters."""
    size, strength = state.extra.get("size", 0.8), state.extra.get("strength", 1.0)
    numbers = _random(actor, 60)
    pale = develop(single([1.0, 1.05, 1.08]) * light.at(state.x, state.y, 1.0), light.light) * 255
    colour = (int(pale[0]), int(pale[1]), int(pale[2]), 255)
    thick = max(1, round(0.016 * per_metre))
    if state.extra.get("wall", 0.0):
        turn = np.sort(numbers[:13, 0]) * math.tau
        radius = size * (0.08 + 0.14 * numbers[:13, 1])
        hole = _wall_points(camera, state, np.column_stack([radius * np.cos(turn), radius * np.sin(turn)]))
        cv2.fillPoly(canvas.frame, [hole.round().astype(np.int32)], (16, 17, 18, 255), cv2.LINE_AA)
        for k, angle in enumerate(turn):
            ends = np.array(
                [
                    [radius[k] * math.cos(angle), radius[k] * math.sin(angle)],
                    [size * 0.75 * math.cos(angle + 0.15), size * 0.75 * math.sin(angle + 0.15)],
                ]
            )
            a, b = _wall_points(camera, state, ends)
            cv2.line(canvas.frame, _pixel(a), _pixel(b), colour, thick, cv2.LINE_AA)
        return
    for a, b, c, d, e in numbers[: int(60 * min(1.0, strength))]:
        centre = np.array([(a - 0.5), (b - 0.5)]) * size * 1.6
        corners = centre + 0.05 * size * np.array(
            [
                [math.cos(c * 6), math.sin(c * 6)],
                [math.cos(c * 6 + 2), math.sin(c * 6 + 2.0)],
                [math.cos(d * 6 + 4), math.sin(d * 6 + 4)],
            ]
        )
        shade = tuple(int(v * (0.6 + 0.5 * e)) for v in colour[:3])
        points = _wall_points(camera, state, corners)
        cv2.fillConvexPoly(
            canvas.frame,
            (points * 16).round().astype(np.int32),
            (*(min(255, v) for v in shade), 255),
            cv2.LINE_AA,
            4,
        )


def _graffiti(
    canvas: Canvas, camera: Camera, actor: Actor, state: State, light: Illumination, per_metre: float
) -> None:
    """A tag of looping strokes; `strength` runs from nothing to the whole of it."""
    size, strength = state.extra.get("size", 1.2), min(1.0, state.extra.get("strength", 1.0))
    numbers = _random(actor, 8)[:, :4]
    t = np.linspace(0, 1, 90)[: max(2, int(90 * strength))]
    across = (t - 0.5) * size + 0.10 * size * np.sin(t * 40 * (0.7 + numbers[0, 0]))
    up = 0.20 * size * np.sin(t * 34 + 6 * numbers[1, 0]) + 0.09 * size * np.sin(
        t * 71 * (0.6 + numbers[2, 0])
    )
    pixels = _wall_points(camera, state, np.column_stack([across, up]))
    tint = develop(single(actor.finish.colour) / 255 * light.at(state.x, state.y, 1.2), light.light) * 255
    colour = (int(tint[0]), int(tint[1]), int(tint[2]), 255)
    thick = max(1, round(0.038 * per_metre))
    cv2.polylines(
        canvas.frame, [(pixels * 16).round().astype(np.int32)], False, colour, thick, cv2.LINE_AA, 4
    )


def _spill(
    canvas: Canvas, camera: Camera, actor: Actor, state: State, light: Illumination, per_metre: float
) -> None:
    size = state.extra.get("size", 0.8) * min(1.0, state.extra.get("strength", 1.0))
    turn = np.linspace(0, math.tau, 18, endpoint=False)
    radius = size * (0.4 + 0.2 * _random(actor, 18)[:, 0])
    pixels = _wall_points(camera, state, np.column_stack([radius * np.cos(turn), radius * np.sin(turn)]))
    tint = develop(single(actor.finish.colour) / 255 * light.at(state.x, state.y, 0.1), light.light) * 255
    low, high = np.floor(pixels.min(0)).astype(int) - 2, np.ceil(pixels.max(0)).astype(int) + 3
    if (high - low > 3 * canvas.width).any():
        return
    mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    cv2.fillPoly(mask, [((pixels - low) * 16).round().astype(np.int32)], 200, cv2.LINE_AA, 4)
    patch = np.dstack([(mask * (c / 255)).astype(np.uint8) for c in tint] + [mask])
    canvas.lay_clipped(patch, int(low[0]), int(low[1]))
    _ = per_metre


_PAINTERS = {
    "fire": _fire, "smoke": _smoke, "tear gas": _smoke, "explosion": _explosion, "flash": _flash, "sparks":
    _sparks, "glass": _glass, "graffiti": _graffiti, "spill": _spill,
}  # fmt: skip


def torch_light(canvas: Canvas, camera: Camera, state: State, light: Illumination) -> None:
    """The beam of a torch in the hand: a bright lens, and after dark a spot on what lies ahead."""
    c, s = math.cos(state.heading), math.sin(state.heading)
    hand = State(x=state.x + 0.42 * c, y=state.y + 0.42 * s, z=state.z + 0.95)
    per_metre = _scale(camera, hand)
    if per_metre is None:
        return
    white = _grey(light, (255, 246, 214))
    x, y = _at(camera, hand)
    _glow(canvas, x, y, per_metre * 0.22, white, 0.9)
    if light.light.kind != "day":
        sway = 0.35 * math.sin(state.extra.get("age", 0.0) * 2.3)
        x, y = _at(
            camera, State(x=state.x + 1.5 * c - sway * s, y=state.y + 1.5 * s + sway * c, z=state.z + 0.5)
        )
        _glow(canvas, x, y, per_metre * 0.9, white, 0.5)


def vehicle_lights(canvas: Canvas, camera: Camera, actor: Actor, state: State, light: Illumination) -> None:
    """The beams of headlights after dark and the flashes of a police car's beacon."""
    lights, beacon = state.extra.get("lights", 0.0), state.extra.get("beacon", 0.0)
    if not lights and not beacon:
        return
    c, s = math.cos(state.heading), math.sin(state.heading)
    ahead = State(x=state.x + 2.2 * c, y=state.y + 2.2 * s, z=0.6)
    per_metre = _scale(camera, ahead)
    if per_metre is None:
        return
    dark = light.light.kind in ("night", "infrared", "dusk")
    if lights and dark:
        pool = State(x=state.x + 5.0 * c, y=state.y + 5.0 * s)
        x, y = _at(camera, pool)
        _glow(canvas, x, y, per_metre * 3.2, _grey(light, (255, 244, 214)), 0.22 * lights)
        towards = -(c * (state.x - camera.x) + s * (state.y - camera.y))
        if towards > 0:
            for side in (-0.6, 0.6):
                lamp = State(x=ahead.x - s * side, y=ahead.y + c * side, z=0.62)
                x, y = _at(camera, lamp)
                _glow(canvas, x, y, per_metre * 0.8, _grey(light, (255, 250, 236)), 0.9 * lights)
    if beacon:
        age = state.extra.get("age", 0.0)
        red = (age * 2.2) % 1.0 < 0.5
        top = State(x=state.x, y=state.y, z=1.55)
        x, y = _at(camera, top, 0.0, 0.4 if red else -0.4)
        colour = _grey(light, (255, 50, 40) if red else (70, 110, 255))
        _glow(canvas, x, y, per_metre * (2.4 if dark else 0.9), colour, 0.7)
