"""An office of several desks: screens, chairs, cupboards along a wall, windows at the back, a printer."""

from __future__ import annotations

import math

from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import DARK_METAL, LEAVES, Kit
from holmesvau.sim.world import Scene

DOWN, UP = -math.pi / 2, math.pi / 2


def build(seed: int) -> Scene:
    """The office of that seed."""
    kit = Kit("office", seed)
    camera = kit.camera((2.7, 3.1), (0.4, 0.5), (1.26, 1.5), pan=0.12)
    half, back, high = kit.uniform(4.0, 5.2), kit.uniform(9.0, 11.5), 3.1
    side = 1 if kit.chance(0.5) else -1
    p = kit.parts
    floor = kit.material(
        ("carpet", "tiles", "wood")[int(kit.rng.integers(3))],
        (96, 104, 114), (150, 146, 138), (130, 120, 104), second=(116, 116, 114), scale=kit.uniform(0.2, 0.5),
    )  # fmt: skip
    p.floor(-half, -3, half, back, floor)
    wall = kit.material("plaster", (212, 210, 204), (190, 200, 204), (206, 198, 180))
    kit.walls(half, -3, back, high, wall)
    p.ceiling(
        -half, -3, half, back, high, kit.material("tiles", (200, 200, 196), second=(160, 160, 158), scale=0.6)
    )
    for x in (-half / 2, half / 2):
        for y in (2.5, 6.0, 9.0):
            p.ceiling(
                x - 0.6, y - 0.3, x + 0.6, y + 0.3, high - 0.01, Material(colour=(240, 242, 240), glow=1.2)
            )
            kit.ceiling_lamp(x, y, high - 0.1, 0.55)
    _windows(kit, half, back, high)
    for k in range(2):
        _desk(kit, k, -side * (half - 1.2), 4.2 + 2.6 * k, -side)
    _desk(kit, 2, side * (half - 1.3), kit.uniform(6.2, 7.0), side)
    _cupboards(kit, side, half)
    door_x = side * (half - 1.3)
    frame, leaf = (
        Material(colour=(96, 98, 100)),
        kit.material("wood", (140, 104, 72), (90, 96, 104), scale=0.4),
    )
    p.wall((door_x - 0.55, back - 0.03), (door_x + 0.55, back - 0.03), 2.2, frame, lift=0.02)
    p.wall((door_x - 0.46, back - 0.05), (door_x + 0.46, back - 0.05), 2.1, leaf, lift=0.05)
    kit.place("exit", "exit", door_x, back - 0.35, DOWN, "the door")
    near = kit.near(camera) - 1.0
    kit.place("entrance", "entrance", kit.uniform(-0.5, 0.5), near, UP, "the front of the office")
    kit.place("middle", "open", side * 0.3, 5.0, UP, "the middle of the office")
    kit.route(
        "through", "walk", (door_x, back - 0.35), (door_x * 0.5, back - 1.6), (side * 0.4, 5.5),
        kit.places["entrance"].xy,
    )  # fmt: skip
    kit.region("floor", "walk", -half * 0.3, max(2.4, kit.near(camera) + 0.4), half * 0.3, back - 2.0)
    return kit.scene("an office", True, camera)


def _desk(kit: Kit, number: int, x: float, y: float, side: int) -> None:
    """A desk with its screen, used from the aisle; its chair stands at the wall."""
    p = kit.parts
    top = kit.material("wood", (190, 170, 140), (214, 212, 206), (110, 84, 62), scale=0.3)
    p.block(x, y, 0.8, 1.6, 0.05, top, z=0.7)
    for end in (-0.72, 0.72):
        p.block(x, y + end, 0.7, 0.05, 0.7, DARK_METAL)
    p.block(x + side * 0.05, y + 0.1, 0.06, 0.6, 0.4, DARK_METAL, z=0.82)
    glow = Material(colour=kit.tint((90, 130, 170), (200, 204, 200), (70, 90, 80)), glow=0.8)
    a, b = (x + side * 0.09, y + 0.36), (x + side * 0.09, y - 0.16)
    p.wall(*((b, a) if side > 0 else (a, b)), 0.34, glow, z=0.86, both=True, shades=False)
    p.block(x - side * 0.15, y - 0.5, 0.3, 0.24, 0.08, Material(colour=(226, 224, 216)), z=0.75, casts=False)
    seat = kit.material("carpet", (50, 56, 66), (120, 50, 46), (60, 84, 70), second=(90, 90, 92))
    p.block(x + side * 0.75, y, 0.45, 0.45, 0.48, seat)
    facing = 0.0 if side > 0 else math.pi
    kit.place(f"desk {number + 1}", "counter", x - side * 0.8, y, facing, "a desk", z=0.8)


def _cupboards(kit: Kit, side: int, half: float) -> None:
    """Along the wall by the door: two cupboards, a printer, a plant."""
    p, x = kit.parts, side * (half - 0.3)
    body = kit.material("plain", (150, 152, 150), (196, 192, 184), (120, 96, 74))
    files = kit.material("goods", body.colour, scale=0.36)
    turned = UP if side < 0 else DOWN
    facing = 0.0 if side > 0 else math.pi
    for k, y in enumerate((3.4, 4.5)):
        p.block(
            x, y, 1.0, 0.5, 1.9 if k else 1.2, body, heading=turned, front=files if kit.chance(0.6) else body
        )
        kit.place(f"cupboard {k + 1}", "shelf", x - side * 0.85, y, facing, "the cupboard", z=1.0)
    white = Material(colour=(210, 212, 212))
    p.block(x, 5.6, 0.6, 0.5, 0.95, white, DARK_METAL, heading=turned)
    kit.place("printer", "shelf", x - side * 0.8, 5.6, facing, "the printer", z=0.9)
    if kit.chance(0.7):
        p.pole(-side * (half - 0.35), 2.9, 0.16, 0.4, Material(colour=(120, 84, 64)))
        p.bush(-side * (half - 0.35), 2.9, kit.uniform(0.8, 1.1), LEAVES, kit.seed)


def _windows(kit: Kit, half: float, back: float, high: float) -> None:
    """A row of windows in the back wall, and a board on a side wall."""
    p = kit.parts
    glass = Material(colour=(160, 184, 206), gloss=0.6, glow=0.35)
    middle = kit.uniform(-0.6, 0.6)
    for k in range(2):
        x = middle + (k - 0.5) * 2.2
        p.wall((x - 0.95, back - 0.02), (x + 0.95, back - 0.02), 1.5, Material(colour=(216, 214, 208)),
               z=0.95, lift=0.02)  # fmt: skip
        p.wall((x - 0.87, back - 0.04), (x + 0.87, back - 0.04), 1.34, glass, z=1.03, lift=0.05)
    kit.place("window", "window", middle + 1.1, back - 0.6, UP, "the window", z=1.6)
    side = 1 if kit.chance(0.5) else -1
    board = kit.material("poster", (226, 226, 222), (190, 170, 130), second=(60, 90, 130), scale=0.8)
    y = kit.uniform(7.8, 8.4)
    kit.on_side(side, side * half, y, 0.8, min(1.1, high - 1.4), board, z=1.2, lift=0.05)
    kit.place("board", "wall", side * (half - 0.5), y, 0.0 if side > 0 else math.pi, "the white board", z=1.6)
