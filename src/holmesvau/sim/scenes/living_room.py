"""A living room seen from a corner of the ceiling: sofa, table, television, window, door, shelves, rug."""

from __future__ import annotations

import math

from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import DARK_METAL, LEAVES, METAL, Kit
from holmesvau.sim.world import Scene

DOWN, UP = -math.pi / 2, math.pi / 2


def build(seed: int) -> Scene:
    """The living room of that seed."""
    kit = Kit("living room", seed)
    camera = kit.camera((2.35, 2.65), (0.42, 0.5), (1.35, 1.55), pan=0.1)
    half, back = kit.uniform(2.7, 3.2), kit.uniform(6.4, 7.2)
    p = kit.parts
    p.floor(
        -half,
        -2,
        half,
        back,
        kit.material(
            "wood", (150, 112, 76), (120, 88, 62), (176, 146, 110), scale=kit.uniform(0.12, 0.2), gloss=0.3
        ),
    )
    wall = kit.material("plaster", (206, 200, 188), (184, 192, 190), (208, 188, 164), (170, 178, 186))
    p.wall((-half, back), (half, back), 2.7, wall)
    p.wall((-half, -2), (-half, back), 2.7, wall)
    p.wall((half, back), (half, -2), 2.7, wall)
    p.ceiling(-half, -2, half, back, 2.7, Material(colour=(206, 206, 200)))
    skirting = Material(colour=(196, 192, 184))
    p.wall((-half, back - 0.02), (half, back - 0.02), 0.1, skirting, lift=0.02)
    side = 1 if kit.chance(0.5) else -1
    rug = kit.material(
        "carpet", (130, 50, 46), (60, 76, 104), (140, 128, 108), (70, 92, 78), second=(200, 186, 150)
    )
    p.decal(((-1.3, 3.4), (1.3, 3.4), (1.3, 5.2), (-1.3, 5.2)), rug)
    _sofa(kit, side, half)
    _table(kit)
    _back_wall(kit, side, half, back)
    _cupboard(kit, side, half)
    kit.ceiling_lamp(0.0, 3.6, 2.6, 0.7)
    kit.lamp(-side * (half - 0.4), back - 0.5, 1.5, 0.35, (255, 214, 160))
    near = kit.near(camera) - 0.9
    kit.place("exit", "exit", side * 0.4, near, UP, "the hall")
    kit.place("open floor", "open", -side * 0.3, 2.9, UP, "the middle of the room")
    door = kit.places["entrance"]
    kit.route("through", "walk", door.xy, (door.x, back - 1.0), (-side * 0.35, 3.0), (side * 0.4, near))
    kit.region("floor", "walk", -half + 1.0, max(2.1, kit.near(camera) + 0.2), half - 1.0, 3.3)
    return kit.scene("a living room", True, camera)


def _sofa(kit: Kit, side: int, half: float) -> None:
    """Along a side wall, facing the room."""
    p = kit.parts
    cloth = kit.material(
        "carpet", (92, 98, 106), (120, 86, 64), (70, 84, 104), (146, 136, 120), second=(100, 100, 104)
    )
    x, y = side * (half - 0.5), 4.3
    p.block(x, y, 0.95, 2.1, 0.42, cloth)
    p.block(side * (half - 0.14), y, 0.26, 2.1, 0.85, cloth)
    for end in (-1.0, 1.0):
        p.block(x, y + end, 0.95, 0.2, 0.62, cloth)
    pillow = Material(pattern="plain", colour=kit.tint((180, 120, 50), (170, 60, 60), (90, 130, 150)))
    p.block(side * (half - 0.36), y + 0.6, 0.16, 0.42, 0.36, pillow, z=0.44)
    facing = math.pi if side > 0 else 0.0
    kit.place("sofa", "seat", x - side * 0.12, y - 0.35, facing, "the sofa", z=0.44)
    kit.place("sofa far", "seat", x - side * 0.12, y + 0.45, facing, "the sofa", z=0.44)
    kit.place("before the sofa", "open", x - side * 1.1, y, facing, "the sofa")


def _table(kit: Kit) -> None:
    p = kit.parts
    wood = kit.material("wood", (110, 78, 52), (170, 140, 104), (60, 52, 48), scale=0.2, gloss=0.4)
    x, y = kit.uniform(-0.25, 0.25), 4.35
    p.block(x, y, 1.0, 0.6, 0.05, wood, z=0.40)
    for dx, dy in ((-0.42, -0.22), (0.42, -0.22), (-0.42, 0.22), (0.42, 0.22)):
        p.block(x + dx, y + dy, 0.05, 0.05, 0.40, wood)
    p.block(x + 0.2, y, 0.22, 0.16, 0.03, Material(colour=(200, 196, 186)), z=0.45, casts=False)
    p.pole(x - 0.25, y + 0.05, 0.04, 0.11, Material(colour=(190, 70, 60)), z=0.45)
    kit.place("table", "counter", x, y - 0.75, UP, "the coffee table", z=0.45)


def _back_wall(kit: Kit, side: int, half: float, back: float) -> None:
    p = kit.parts
    door_x = -side * (half - 0.75)
    p.wall(
        (door_x - 0.52, back - 0.02),
        (door_x + 0.52, back - 0.02),
        2.12,
        Material(colour=(206, 200, 190)),
        lift=0.03,
    )
    leaf = kit.material("wood", (130, 92, 60), (188, 182, 170), scale=0.4, gloss=0.15)
    p.wall((door_x - 0.44, back - 0.04), (door_x + 0.44, back - 0.04), 2.05, leaf, lift=0.06)
    p.block(door_x + 0.34, back - 0.08, 0.1, 0.05, 0.04, METAL, z=1.0, casts=False)
    kit.place("entrance", "entrance", door_x, back - 0.3, DOWN, "the door")
    x = side * kit.uniform(0.3, 0.7)
    p.block(x, back - 0.25, 1.6, 0.42, 0.5, kit.material("wood", (84, 70, 58), (150, 120, 88), scale=0.25))
    p.block(
        x,
        back - 0.22,
        1.2,
        0.07,
        0.7,
        DARK_METAL,
        z=0.54,
        front=Material(colour=(40, 48, 60), gloss=0.7, glow=0.4),
    )
    kit.place("television", "shelf", x, back - 1.0, UP, "the television", z=0.9)
    wx = side * (half - 0.75)
    p.wall(
        (wx - 0.55, back - 0.02),
        (wx + 0.55, back - 0.02),
        1.3,
        Material(colour=(216, 214, 208)),
        z=0.95,
        lift=0.03,
    )
    p.wall(
        (wx - 0.48, back - 0.04),
        (wx + 0.48, back - 0.04),
        1.16,
        Material(colour=(150, 176, 204), gloss=0.6, glow=0.35),
        z=1.02,
        lift=0.06,
    )
    kit.place("window", "window", wx, back - 0.6, UP, "the window", z=1.5)
    p.wall(
        (x - 0.45, back - 0.03),
        (x + 0.45, back - 0.03),
        0.6,
        kit.material("poster", (180, 150, 100), (90, 120, 140), second=(210, 200, 180), scale=0.8),
        z=1.6,
        lift=0.04,
    )


def _cupboard(kit: Kit, side: int, half: float) -> None:
    p = kit.parts
    wood = kit.material("wood", (120, 92, 64), (180, 160, 130), (80, 72, 66), scale=0.3)
    books = kit.material("goods", wood.colour, scale=0.33)
    x, y = -side * (half - 0.2), kit.uniform(3.2, 4.0)
    p.block(x, y, 1.5, 0.36, 1.8, wood, heading=DOWN if side > 0 else UP, front=wood)
    a, b = (x + side * 0.19, y + 0.68), (x + side * 0.19, y - 0.68)
    p.wall(*((b, a) if side > 0 else (a, b)), 1.65, books, z=0.1, lift=0.03)
    kit.place("cupboard", "shelf", x + side * 0.75, y, math.pi if side > 0 else 0.0, "the cupboard", z=1.1)
    if kit.chance(0.7):
        px, py = -side * (half - 0.35), y + 1.5
        p.pole(px, py, 0.16, 0.35, Material(colour=(140, 84, 60)))
        p.bush(px, py + 0.02, 0.8, LEAVES, kit.seed)
