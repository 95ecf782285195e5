"""People: bones dressed with rounded parts, shaded on two tones, painted far parts first.

Shape legend: `S` joints with load and held points, `C` capsules (two balls and what lies between them).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from holmesvau.sim.camera import Camera
from holmesvau.sim.canvas import Canvas
from holmesvau.sim.poses import STANDING, J, posed
from holmesvau.sim.tones import Tones
from holmesvau.sim.world import Colour, Look, State

Floats = npt.NDArray[np.float64]
HIGH_VISIBILITY: Colour = (206, 222, 44)
_FAN = np.linspace(0, math.pi, 6) + math.pi / 2


@dataclass(frozen=True, slots=True)
class Part:
    """A rounded part over two or more joints with a radius at each; `nearer` moves it forward in the
    painting order.
    """

    joints: tuple[int, ...]
    radii: tuple[float, ...]
    colour: Colour
    nearer: float = 0.0
    tone: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """All parts of something, as arrays. Every part is one or more rows; a row is a capsule between two
    joints.

    `first, second[R]` joints and `radius_first, radius_second[R]` metres; `middle[R, S]` weighs the
    joints to the middle
    of the row's part and `pull[R]` says how far its lit tone shrinks towards it; `rows[P]` are each
    part's first row
    and the row after its last; `depths[P, S]` weighs the joints to the part's depth.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    radius_first: Floats
    radius_second: Floats
    middle: Floats
    pull: Floats
    rows: tuple[tuple[int, int], ...]
    depths: Floats
    nearer: Floats
    toned: tuple[bool, ...]
    colours: Floats
    scale: float


def assemble(parts: Sequence[Part], num_points: int, scale: float) -> Body:
    """The arrays of some parts over `num_points` joints."""
    first: list[int] = []
    second: list[int] = []
    near: list[float] = []
    far: list[float] = []
    middles, pulls, rows, depths = [], [], [], []
    for part in parts:
        weights = np.zeros(num_points)
        np.add.at(weights, list(part.joints), 1.0 / len(part.joints))
        pairs = range(0, len(part.joints), 2) if len(part.joints) > 2 else (0,)
        rows.append((len(first), len(first) + len(pairs)))
        for k in pairs:
            after = min(k + 1, len(part.joints) - 1)
            first.append(part.joints[k])
            second.append(part.joints[after])
            near.append(part.radii[k])
            far.append(part.radii[after])
            middles.append(weights)
            pulls.append(0.16 if len(part.joints) > 2 else 0.0)
        depths.append(weights)
    return Body(
        np.array(first),
        np.array(second),
        np.array(near),
        np.array(far),
        np.stack(middles),
        np.array(pulls)[:, None],
        tuple(rows),
        np.stack(depths),
        np.array([p.nearer for p in parts]),
        tuple(p.tone for p in parts),
        np.array([p.colour for p in parts], dtype=np.float64) / 255.0,
        scale,
    )


@lru_cache(maxsize=256)
def body(look: Look, held: str) -> Body:
    """The parts of a person who looks so and holds that."""
    parts = (*_legs(look), *_torso(look), *_arms(look), *_head(look), *_carried(look), *_held(held))
    return assemble(parts, len(J) + EXTRA, look.height / STANDING)


def _dim(colour: Colour, share: float) -> Colour:
    red, green, blue = (max(0, min(255, int(c * share))) for c in colour)
    return red, green, blue


def _legs(look: Look) -> list[Part]:
    b = look.build
    shin = look.skin if look.bottom_kind in ("shorts", "skirt") or look.top_kind == "dress" else look.bottom
    thigh = look.skin if look.bottom_kind == "skirt" or look.top_kind == "dress" else look.bottom
    wide = 1.12 if look.bottom_kind == "trousers" else 1.0
    parts = []
    for s in ("l", "r"):
        parts.append(Part((J[f"hip_{s}"], J[f"knee_{s}"]), (0.088 * b, 0.060 * b * wide), thigh))
        parts.append(Part((J[f"knee_{s}"], J[f"ankle_{s}"]), (0.058 * b * wide, 0.043 * b * wide), shin))
        parts.append(Part((J[f"ankle_{s}"], J[f"toe_{s}"]), (0.048, 0.036), look.shoes, 0.02, tone=False))
    return parts


def _torso(look: Look) -> list[Part]:
    b = look.build
    lower = look.top if look.top_kind == "dress" else look.bottom
    waist = 0.105 if look.person in ("woman", "girl") else 0.115
    if look.top_kind in ("jacket", "coat", "hoodie", "uniform"):
        waist += 0.012
    hips = (J["hip_l"], J["hip_r"])
    shoulders = (J["shoulder_l"], J["shoulder_r"])
    parts = [Part((*hips, J["pelvis"]), (0.105 * b, 0.105 * b, 0.11 * b), lower)]
    if look.top_kind == "dress" or look.bottom_kind == "skirt":
        knees = (J["knee_l"], J["knee_r"]) if look.top_kind == "dress" else (J["hem_l"], J["hem_r"])
        parts.append(Part((*hips, *knees), (0.11 * b, 0.11 * b, 0.10 * b, 0.10 * b), lower, 0.015))
    if look.top_kind == "coat":
        parts.append(
            Part((*hips, J["hem_l"], J["hem_r"]), (0.125 * b,) * 2 + (0.11 * b,) * 2, look.top, 0.02)
        )
    parts.append(
        Part(
            (*shoulders, J["chest"], *hips),
            (0.072 * b, 0.072 * b, 0.11 * b, waist * b, waist * b),
            look.top,
            0.01,
        )
    )
    parts.append(Part((J["chest"], J["neck"], J["head"]), (0.055, 0.05, 0.05), look.skin, -0.01, tone=False))
    if look.top_kind == "vest":
        parts.append(
            Part((J["pelvis"], J["chest"]), (0.10 * b, 0.10 * b), _dim(look.top, 1.15), 0.03, tone=False)
        )
    if look.top_kind == "uniform":
        parts.append(Part((*hips,), (0.118 * b, 0.118 * b), (20, 20, 22), 0.012, tone=False))
    if look.person == "police officer":
        vest = (0.050 * b, 0.050 * b, 0.112 * b, waist * b, waist * b)
        parts.append(Part((*shoulders, J["chest"], *hips), vest, HIGH_VISIBILITY, 0.03))
        parts.append(Part((*hips, J["pelvis"]), (0.112 * b, 0.112 * b, 0.115 * b), look.bottom, 0.032))
    return parts


def _arms(look: Look) -> list[Part]:
    b = look.build
    bare = look.top_kind in ("t-shirt", "dress", "vest")
    thick = 1.15 if look.top_kind in ("jacket", "coat", "hoodie") else 1.0
    parts = []
    for s in ("l", "r"):
        upper, lower, wrist = 0.056 * b * thick, 0.045 * b * thick, 0.036 * b * thick
        parts.append(Part((J[f"shoulder_{s}"], J[f"elbow_{s}"]), (upper, lower), look.top, 0.04))
        sleeve = look.skin if bare else look.top
        parts.append(Part((J[f"elbow_{s}"], J[f"wrist_{s}"]), (lower * 0.96, wrist), sleeve, 0.05))
        parts.append(Part((J[f"wrist_{s}"], J[f"hand_{s}"]), (0.034, 0.040), look.skin, 0.06, tone=False))
    return parts


def _head(look: Look) -> list[Part]:
    head, face, crown, nape, brim = J["head"], J["face"], J["crown"], J["nape"], J["brim"]
    hair, kind = look.hair, look.head
    parts = [Part((face, head), (0.088, 0.092), look.skin)]
    if kind in ("short", "long", "bun"):
        parts.append(Part((crown, head), (0.098, 0.088), hair, -0.015))
        if kind == "long":
            parts.append(Part((crown, nape), (0.098, 0.085), hair, -0.02))
        if kind == "bun":
            parts.append(Part((crown, crown), (0.06, 0.06), _dim(hair, 0.9), -0.06, tone=False))
    elif kind == "bald":
        parts.append(Part((crown, head), (0.085, 0.088), _dim(look.skin, 0.97), -0.015))
    elif kind in ("cap", "helmet", "hat"):
        shell = {"cap": _dim(look.top, 0.8), "helmet": (40, 42, 46), "hat": (70, 58, 44)}[kind]
        size = 0.135 if kind == "helmet" else 0.102
        parts.append(Part((crown, head), (size, size * 0.9), shell, 0.01 if kind == "cap" else 0.0))
        if kind != "helmet":
            parts.append(Part((crown, brim), (0.08, 0.05), _dim(shell, 0.85), 0.02, tone=False))
    elif kind == "hood":
        parts.append(Part((crown, head), (0.125, 0.118), _dim(look.top, 0.95), -0.01))
        parts.append(Part((crown, nape), (0.115, 0.10), look.top, -0.02))
        parts[0] = Part((face, face), (0.082, 0.082), _dim(look.skin, 0.6), 0.0)
    else:
        parts.append(Part((crown, head), (0.100, 0.096), (24, 24, 26), 0.02))
        parts[0] = Part((face, head), (0.092, 0.096), (26, 26, 28), 0.03)
        parts.append(Part((face, face), (0.045, 0.045), look.skin, 0.04, tone=False))
    return parts


LOW, TIP, GRIP, SIDE = (len(J) + k for k in range(4))
# An umbrella's rim all around and the top of its stick.
RIM = 8
EXTRA = 4 + RIM + 1
_CANOPY = (0.52, 0.70, 0.92)  # radius, height of the rim and of the top over the hand, metres


def _carried(look: Look) -> list[Part]:
    colour = look.carried_colour
    if look.carried == "backpack":
        return [Part((J["load"], J["load"], J["chest"]), (0.16, 0.16, 0.09), colour, -0.12)]
    if look.carried in ("handbag", "shopping bag", "briefcase"):
        wide = {"handbag": 0.11, "shopping bag": 0.15, "briefcase": 0.14}[look.carried]
        return [
            Part((J["hand_l"], LOW), (0.012, 0.02), _dim(colour, 0.7), 0.0, tone=False),
            Part((LOW, LOW, SIDE, SIDE), (wide * 0.4, wide * 0.4, wide * 0.6, wide * 0.6), colour, 0.03),
        ]
    if look.carried == "suitcase":
        return [
            Part((J["hand_l"], LOW), (0.015, 0.015), (60, 60, 62), 0.0, tone=False),
            Part((LOW, LOW, SIDE, SIDE), (0.10, 0.10, 0.11, 0.11), colour, 0.0),
        ]
    if look.carried == "umbrella":
        return [
            Part((J["hand_l"], LOW), (0.03, 0.05), colour, 0.03),
            Part((LOW, SIDE), (0.05, 0.012), colour, 0.03),
        ]
    if look.carried == "open umbrella":
        top = len(J) + EXTRA - 1
        rim = tuple(len(J) + 4 + k for k in range(RIM))
        return [
            Part((J["hand_r"], top), (0.012, 0.012), (50, 50, 52), 0.0, tone=False),
            Part((*rim, top, top), (0.012,) * RIM + (0.03, 0.03), colour, 0.25),
        ]
    return []


_HELD: dict[str, tuple[float, float, float, Colour]] = {
    # length, radius at the hand, radius at the tip, colour
    "gun": (0.30, 0.042, 0.030, (16, 16, 18)), "rifle": (0.80, 0.045, 0.028, (30, 28, 26)),
    "knife": (0.36, 0.026, 0.014, (206, 210, 214)), "bat": (0.88, 0.030, 0.058, (178, 134, 80)),
    "crowbar": (0.72, 0.026, 0.032, (48, 50, 56)), "bottle": (0.32, 0.048, 0.030, (44, 88, 52)),
    "spray can": (0.22, 0.045, 0.045, (200, 60, 50)), "phone": (0.12, 0.03, 0.03, (20, 22, 28)),
    "bag": (0.30, 0.03, 0.16, (92, 66, 46)), "box": (0.34, 0.17, 0.17, (170, 132, 90)),
    "item": (0.20, 0.075, 0.075, (206, 84, 52)), "cash": (0.14, 0.05, 0.05, (120, 150, 110)),
    "torch": (0.24, 0.032, 0.045, (40, 40, 42)), "stick": (1.1, 0.024, 0.024, (130, 102, 66)),
    "extinguisher": (0.42, 0.085, 0.08, (190, 26, 24)), "jerrycan": (0.34, 0.08, 0.16, (176, 40, 32)),
    "stone": (0.05, 0.07, 0.07, (110, 106, 100)),
}  # fmt: skip


def _held(held: str) -> list[Part]:
    if not held:
        return []
    _, near, tip, colour = _HELD[held]
    return [Part((GRIP, TIP), (near, tip), colour, 0.09, tone=held in ("box", "bag", "extinguisher"))]


def _extra_points(at: Floats, held: str, up: Floats, look: Look) -> Floats:
    """Where bags and held things hang: `[EXTRA, 3]` in the order LOW, TIP, GRIP, SIDE, rim, top."""
    left, right, wrist = at[J["hand_l"]], at[J["hand_r"]], at[J["wrist_r"]]
    along = (right - wrist) / max(1e-6, float(np.linalg.norm(right - wrist)))
    drop = {"suitcase": 0.42, "shopping bag": 0.28, "briefcase": 0.26, "umbrella": 0.18}.get(
        look.carried, 0.24
    )
    low = left - up * min(drop, max(0.05, left[2] - 0.12))
    if look.carried == "suitcase":
        low = np.array([left[0] - 0.16, left[1], max(0.40, left[2] - 0.22)])
    side = low - up * {"suitcase": 0.36, "shopping bag": 0.2, "briefcase": 0.16, "umbrella": 0.5}.get(
        look.carried, 0.12
    )
    side[2] = max(side[2], 0.1)
    grip = right
    length = _HELD[held][0] if held else 0.0
    if held in ("bat", "crowbar", "stick"):
        along = along * 0.75 + up * 0.9
        along /= np.linalg.norm(along)
    elif held in ("bag", "jerrycan", "extinguisher"):
        along = -up
        length = min(length, max(0.05, float(right[2]) - 0.12))
    elif held == "box":
        grip = (left + right) / 2 + np.array([0.08, 0.0, 0.05])
        along, length = np.array([0.0, 1.0, 0.0]), 0.10
    tip = grip + along * length
    radius, rim_height, top_height = _CANOPY
    turn = np.arange(RIM) * math.tau / RIM
    rim = np.column_stack([radius * np.cos(turn), radius * np.sin(turn), np.full(RIM, rim_height)]) + right
    return np.concatenate([np.stack([low, tip, grip, side]), rim, [right + up * top_height]])


def _umbrella_up(at: Floats) -> Floats:
    """The joints with the right hand raised to hold an umbrella overhead, where the body is upright."""
    if at[J["chest"], 2] < 0.55:
        return at
    at = at.copy()
    for joint, offset in (
        ("elbow_r", (0.08, -0.06, -0.26)),
        ("wrist_r", (0.24, 0.02, -0.12)),
        ("hand_r", (0.27, 0.03, -0.04)),
    ):
        at[J[joint]] = at[J["shoulder_r"]] + np.array(offset)
    return at


def in_world(state: State, look: Look) -> Floats:
    """`[S, 3]` metres: the joints and load points of a person in that state."""
    at = posed(state.action, state.phase)
    if state.mix < 1.0 and state.previous:
        at = at * state.mix + posed(state.previous, state.previous_phase) * (1 - state.mix)
    if look.carried == "open umbrella":
        at = _umbrella_up(at)
    if state.held or look.carried:
        extra = _extra_points(at, state.held, np.array([0.0, 0.0, 1.0]), look)
    else:
        extra = np.broadcast_to(at[:1], (EXTRA, 3))
    at = np.concatenate([at, extra])
    scale = look.height / STANDING
    c, s = math.cos(state.heading) * scale, math.sin(state.heading) * scale
    world = np.empty_like(at)
    world[:, 0] = state.x + c * at[:, 0] - s * at[:, 1]
    world[:, 1] = state.y + s * at[:, 0] + c * at[:, 1]
    world[:, 2] = state.z + at[:, 2] * scale
    return world


def draw(
    canvas: Canvas,
    camera: Camera,
    state: State,
    look: Look,
    tones: Tones,
    distance: float,
    world: Floats | None = None,
) -> None:
    """Paint one person on the frame; `world` are the points of `in_world` where they are known."""
    world = in_world(state, look) if world is None else world
    paint_parts(canvas, camera, world, body(look, state.held), tones, state, distance)


def paint_parts(
    canvas: Canvas, camera: Camera, world: Floats, dressed: Body, tones: Tones, state: State, distance: float
) -> None:
    """Paint rounded parts over the points `world[S, 3]` on the frame."""
    pixels, depth = camera.project(world)
    if depth.min() < 0.4:
        return
    per_metre = camera.focal / float(depth[0]) * dressed.scale
    reach = 0.2 * per_metre
    low, high = pixels.min(0) - reach, pixels.max(0) + reach
    if not canvas.begin(low[0], low[1], high[0], high[1]):
        return
    order = np.argsort(dressed.nearer - dressed.depths @ depth).tolist()
    dark, bright = tones.pair(dressed.colours, state.x, state.y)
    toned = per_metre > 16
    edges, lit_edges = _outlines(pixels, dressed, per_metre, tones.side)
    outer = canvas.to_pad(edges)
    inner = canvas.to_pad(lit_edges) if toned else outer
    for k in order:
        start, stop = dressed.rows[k]
        many = stop - start > 1
        shaded = toned and dressed.toned[k]
        points = cv2.convexHull(outer[start:stop].reshape(-1, 2)) if many else outer[start]
        canvas.polygon(points, dark[k] if shaded else bright[k])
        if shaded:
            canvas.polygon(
                cv2.convexHull(inner[start:stop].reshape(-1, 2)) if many else inner[start], bright[k]
            )
    canvas.finish(distance, cloth=toned)


def _outlines(pixels: Floats, dressed: Body, per_metre: float, side: float) -> tuple[Floats, Floats]:
    """`[R, 12, 2]` outlines around every row's two balls, and those of its lit tone."""
    a, b = pixels[dressed.first], pixels[dressed.second]
    along = b - a
    turn = np.arctan2(along[:, 1], along[:, 0])[:, None] + _FAN
    half = np.empty((len(a), 6, 2))
    np.cos(turn, out=half[..., 0])
    np.sin(turn, out=half[..., 1])
    ra, rb = dressed.radius_first[:, None] * per_metre, dressed.radius_second[:, None] * per_metre
    outer = np.empty((len(a), 12, 2))
    outer[:, :6] = half * ra[..., None] + a[:, None]
    outer[:, 6:] = half * -rb[..., None] + b[:, None]
    middle = dressed.middle @ pixels
    shift = np.array([side * 0.28, -0.24])
    a, b = a + (middle - a) * dressed.pull + ra * shift, b + (middle - b) * dressed.pull + rb * shift
    inner = np.empty_like(outer)
    inner[:, :6] = half * (ra * 0.6)[..., None] + a[:, None]
    inner[:, 6:] = half * (rb * -0.6)[..., None] + b[:, None]
    return outer, inner


def riding(state: State, *, heavy: bool) -> State:
    """The state of whoever sits on a bike or motorbike in that state."""
    back = 0.28 if not heavy else 0.25
    return State(
        x=state.x - back * math.cos(state.heading),
        y=state.y - back * math.sin(state.heading),
        z=state.z + (0.28 if not heavy else 0.22),
        heading=state.heading,
        action="ride",
        phase=0.0 if heavy else state.phase,
    )
