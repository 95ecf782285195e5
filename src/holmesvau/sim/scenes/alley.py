"""A passage between houses seen along it: brick, back doors, bins, a gate or a street at the end."""

from __future__ import annotations

import math

from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import DARK_METAL, METAL, Kit
from holmesvau.sim.world import Scene

DOWN, UP = -math.pi / 2, math.pi / 2


def build(seed: int) -> Scene:
    """The alley of that seed."""
    kit = Kit("alley", seed)
    camera = kit.camera((3.3, 4.3), (0.34, 0.43), (1.02, 1.24), pan=0.06)
    half, back = kit.uniform(2.3, 3.5), kit.uniform(15.0, 20.0)
    p = kit.parts
    ground = kit.material(
        ("asphalt", "paving", "concrete")[int(kit.rng.integers(3))],
        (92, 90, 88), (132, 126, 118), (110, 108, 106), scale=kit.uniform(0.3, 0.7),
    )  # fmt: skip
    p.floor(-half, -4, half, back + 14, ground)
    gutter = kit.material("concrete", (120, 118, 112), scale=0.8)
    p.strip((kit.uniform(-0.4, 0.4), -4), (kit.uniform(-0.4, 0.4), back + 14), 0.3, gutter)
    number = 0
    for side in (-1, 1):
        number = _wall(kit, side, half, back, number)
    _end(kit, half, back)
    _bins(kit, half)
    for y in (4.5, 11.0, 16.0):
        side = 1 if kit.chance(0.5) else -1
        x = side * (half - 0.25)
        p.block(x, y, 0.3, 0.2, 0.24, Material(colour=(226, 214, 190), glow=1.4), z=3.0, casts=False)
        kit.lamp(x - side * 0.2, y, 3.0, kit.uniform(0.6, 0.9), (255, 220, 170))
    near = kit.near(camera) - 1.2
    kit.place("entrance", "entrance", kit.uniform(-0.4, 0.4), near, UP, "the near end of the alley")
    kit.place("middle", "open", kit.uniform(-0.5, 0.5), 7.2, UP, "the middle of the alley")
    start, end = kit.places["entrance"].xy, kit.places["exit"].xy
    kit.route("through", "walk", start, (0.5, 8.0), end)
    kit.route("back", "walk", end, (-0.5, 9.0), (-0.5, near))
    kit.region("floor", "walk", -half + 1.1, kit.near(camera) + 0.6, half - 0.9, back - 2.5)
    return kit.scene("an alley", False, camera)


def _wall(kit: Kit, side: int, half: float, back: float, number: int) -> int:
    """One side: houses in pieces with their back doors and windows; returns how many doors there are."""
    p, y, x = kit.parts, -4.0, side * half

    def ends(a: float, b: float) -> tuple[tuple[float, float], tuple[float, float]]:
        return ((x, b), (x, a)) if side > 0 else ((x, a), (x, b))

    while y < back:
        long = kit.uniform(5.0, 9.0)
        kind = "brick" if kit.chance(0.65) else "plaster"
        stone = kit.material(
            kind, (136, 80, 62), (110, 96, 84), (160, 152, 140), (96, 84, 78), second=(160, 154, 146)
        )
        p.wall(*ends(y, min(y + long, back + 0.5)), kit.uniform(5.5, 8.0), stone)
        at = y + kit.uniform(1.6, 2.6)
        if 3.8 < at < back - 2.0 and at + 1 < y + long:
            number += 1
            leaf = kit.material("slats", (70, 84, 92), (110, 60, 46), (84, 88, 84), scale=0.2)
            p.wall(*ends(at - 0.5, at + 0.5), 2.1, leaf, z=0.04, lift=0.04)
            turn = 0.0 if side > 0 else math.pi
            words = f"the {'right' if side > 0 else 'left'}-hand back door"
            kit.place(f"back door {number}", "door", x - side * 0.5, at, turn, words, z=1.0)
            wall = at + kit.uniform(1.6, 2.2)
            kit.place(f"wall {number}", "wall", x - side * 0.5, wall, turn, "the wall of a house", z=1.3)
        if kit.chance(0.6):
            pane = Material(colour=kit.tint((70, 80, 92), (120, 118, 96)), gloss=0.5, glow=0.2)
            high = y + long * 0.75
            p.wall(*ends(high - 0.5, high + 0.5), 1.1, pane, z=kit.uniform(1.6, 2.6), lift=0.04)
        y += long
    if not number:
        number += 1
        kit.place(
            "back door 1", "door", x - side * 0.5, 7.0, 0.0 if side > 0 else math.pi, "a back door", z=1.0
        )
    if kit.chance(0.5):
        p.pole(side * (half - 0.1), kit.uniform(8.0, 13.0), 0.06, 5.0, METAL)
    return number


def _end(kit: Kit, half: float, back: float) -> None:
    """A gate of bars, or the open end with a house across the street."""
    p = kit.parts
    far = kit.material("facade", (150, 130, 116), (128, 134, 140), second=(60, 70, 84), scale=2.9)
    p.wall((-30, back + 12), (30, back + 12), 9.0, far)
    if kit.chance(0.5):
        for k in range(int(half / 0.3) * 2 + 1):
            p.pole(-half + 0.15 + k * 0.3, back, 0.025, 2.1, DARK_METAL)
        p.block(0.0, back, 2 * half, 0.06, 0.08, DARK_METAL, z=1.95)
        kit.place("gate", "gate", kit.uniform(-0.6, 0.6), back - 0.7, UP, "the gate", z=1.0)
    kit.place("exit", "exit", kit.uniform(-0.6, 0.6), back - 0.3, DOWN, "the far end of the alley")


def _bins(kit: Kit, half: float) -> None:
    """Large bins along a wall, boxes beside them."""
    p, side = kit.parts, 1 if kit.chance(0.5) else -1
    body = kit.material("plain", (44, 84, 56), (60, 64, 70), (40, 62, 104), (150, 120, 30))
    y = kit.uniform(5.6, 7.4)
    for k in range(1 + int(kit.rng.integers(3))):
        at = y + 1.35 * k
        p.block(side * (half - 0.55), at, 1.15, 0.8, 1.2, body, DARK_METAL, heading=UP)
    facing = 0.0 if side > 0 else math.pi
    kit.place("bin", "bin", side * (half - 1.35), y, facing, "the large bin", z=0.9)
    if kit.chance(0.6):
        boxes = kit.material("boxes", (150, 116, 78), scale=0.4)
        p.block(
            -side * (half - 0.4), kit.uniform(8.5, 11.5), 0.8, 0.6, kit.uniform(0.5, 1.2), boxes, heading=UP
        )
