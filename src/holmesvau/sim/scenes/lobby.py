"""The hall of an office house or a hotel: a reception desk, seats by a table, pillars, doors, lifts."""

from __future__ import annotations

import math

from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import DARK_METAL, LEAVES, Kit
from holmesvau.sim.world import Scene

DOWN, UP = -math.pi / 2, math.pi / 2
GLASS = Material(colour=(172, 190, 196), gloss=0.6, glow=0.4)


def build(seed: int) -> Scene:
    """The lobby of that seed."""
    kit = Kit("lobby", seed)
    camera = kit.camera((3.2, 3.9), (0.36, 0.45), (1.16, 1.36), pan=0.12)
    half, back, high = kit.uniform(5.4, 7.2), kit.uniform(12.0, 14.5), kit.uniform(3.9, 4.6)
    side = 1 if kit.chance(0.5) else -1
    p = kit.parts
    pattern = ("tiles", "checker", "concrete", "wood")[int(kit.rng.integers(4))]
    floor = kit.material(
        pattern, (188, 182, 172), (120, 118, 116), (160, 140, 116), (206, 202, 196),
        second=(136, 132, 126), scale=kit.uniform(0.5, 0.9), gloss=kit.uniform(0.25, 0.6),
    )  # fmt: skip
    p.floor(-half, -3, half, back, floor)
    wall = kit.material("plaster", (214, 208, 196), (186, 190, 196), (196, 172, 140), (150, 160, 150))
    kit.walls(half, -3, back, high, wall)
    p.ceiling(-half, -3, half, back, high, Material(colour=(190, 188, 182)))
    panel = Material(colour=(244, 242, 232), glow=1.2)
    for x in (-half / 2, half / 2):
        for y in (2.0, 5.5, 9.0):
            p.ceiling(x - 0.5, y - 0.5, x + 0.5, y + 0.5, high - 0.01, panel)
            kit.ceiling_lamp(x, y, high - 0.1, 0.6)
    _doors(kit, side, back)
    _desk(kit, side, half)
    _seats(kit, -side, half)
    _lifts(kit, side, half, back)
    if kit.chance(0.7):
        stone = kit.material("concrete", (170, 164, 154), (120, 124, 128), scale=1.4)
        for x in (-half * 0.62, half * 0.62):
            p.block(x, back - 2.4, 0.55, 0.55, high, stone)
    near, exit_ = kit.near(camera) - 1.2, kit.places["exit"]
    kit.place("entrance", "entrance", kit.uniform(-0.8, 0.8), near, UP, "the near side of the hall")
    kit.place("middle", "open", kit.uniform(-0.8, 0.8), 5.4, UP, "the middle of the hall")
    start = kit.places["entrance"].xy
    kit.route("through", "walk", exit_.xy, (exit_.x, back - 1.6), (0.0, 5.6), start)
    kit.route("to the desk", "walk", exit_.xy, (exit_.x, back - 1.6), kit.places["desk"].xy)
    kit.region("floor", "walk", -half * 0.4, max(2.6, kit.near(camera) + 0.5), half * 0.4, back - 3.2)
    return kit.scene("a lobby", True, camera)


def _doors(kit: Kit, side: int, back: float) -> None:
    """Double doors of glass in the back wall."""
    p, x = kit.parts, -side * kit.uniform(0.4, 1.8)
    p.wall((x - 1.35, back - 0.02), (x + 1.35, back - 0.02), 2.6, DARK_METAL, lift=0.02)
    for leaf in (-0.65, 0.65):
        p.wall((x + leaf - 0.58, back - 0.04), (x + leaf + 0.58, back - 0.04), 2.4, GLASS, z=0.06, lift=0.05)
    kit.place("exit", "exit", x, back - 0.35, DOWN, "the glass doors")
    kit.place("glass door", "window", x + side * 0.9, back - 0.6, UP, "the glass door", z=1.3)


def _desk(kit: Kit, side: int, half: float) -> None:
    """The reception along one side wall, with a lamp and a screen on it."""
    p, x, y = kit.parts, side * (half - 1.7), kit.uniform(6.2, 7.6)
    front = kit.material("wood", (120, 86, 58), (70, 62, 56), (196, 190, 178), scale=0.4, gloss=0.2)
    p.block(
        x, y, kit.uniform(2.6, 3.4), 0.7, 1.1, front, Material(colour=(60, 60, 62), gloss=0.4), heading=UP
    )
    p.block(x + side * 0.1, y + 0.5, 0.05, 0.45, 0.32, DARK_METAL, z=1.1)
    sign = kit.material(
        "poster", (40, 66, 108), (110, 40, 40), (46, 90, 70), second=(226, 222, 210), scale=1.1
    )
    kit.on_side(side, side * half, y, 1.3, 1.0, sign, z=1.7, lift=0.05)
    facing = 0.0 if side > 0 else math.pi
    kit.place("desk", "counter", x - side * 0.85, y, facing, "the reception desk", z=1.1)
    kit.place("queue", "queue", x - side * 1.5, y + 1.2, facing, "the reception desk")


def _seats(kit: Kit, side: int, half: float) -> None:
    """Two sofas at right angles around a low table, and a plant."""
    p, x, y = kit.parts, side * (half - 0.8), kit.uniform(5.2, 6.4)
    cloth = kit.material(
        "carpet", (90, 60, 54), (60, 70, 90), (140, 132, 118), (70, 84, 70), second=(110, 104, 98)
    )
    facing = math.pi if side > 0 else 0.0
    p.block(x, y, 0.95, 2.0, 0.42, cloth)
    p.block(x + side * 0.38, y, 0.24, 2.0, 0.82, cloth)
    p.block(x - side * 1.5, y + 1.9, 1.8, 0.9, 0.42, cloth)
    p.block(x - side * 1.5, y + 2.25, 1.8, 0.22, 0.82, cloth)
    p.block(
        x - side * 1.5, y + 0.3, 0.9, 0.6, 0.4, kit.material("wood", (96, 72, 52), (170, 160, 146), scale=0.3)
    )
    kit.place("sofa", "seat", x - side * 0.12, y - 0.4, facing, "the sofa", z=0.44)
    kit.place("other sofa", "seat", x - side * 1.5, y + 1.7, DOWN, "the other sofa", z=0.44)
    kit.place("table", "counter", x - side * 1.5, y - 0.45, UP, "the low table", z=0.45)
    if kit.chance(0.7):
        p.pole(side * (half - 0.5), y - 2.0, 0.22, 0.5, Material(colour=(110, 104, 98)))
        p.bush(side * (half - 0.5), y - 2.0, kit.uniform(0.9, 1.3), LEAVES, kit.seed)


def _lifts(kit: Kit, side: int, half: float, back: float) -> None:
    """A lift in the wall behind the desk, and a notice board beside it."""
    x, y = side * half, back - 2.2
    steel = kit.material("plain", (150, 152, 156), (176, 160, 120), gloss=0.6)
    for wide, high, material, lift in ((0.8, 2.35, DARK_METAL, 0.03), (0.66, 2.2, steel, 0.06)):
        kit.on_side(side, x, y, wide, high, material, lift=lift)
    facing = 0.0 if side > 0 else math.pi
    kit.place("lift", "door", x - side * 0.5, y, facing, "the lift", z=1.1)
    board = kit.material("poster", (200, 186, 150), (226, 226, 220), second=(90, 96, 110), scale=0.6)
    other, z = -side * half, kit.uniform(8.4, 9.4)
    kit.on_side(-side, other, z, 0.9, 1.1, board, z=1.1, lift=0.05)
    kit.place("board", "wall", other + side * 0.5, z, math.pi - facing, "the notice board", z=1.5)
