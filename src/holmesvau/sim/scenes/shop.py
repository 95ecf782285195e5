"""A small shop: shelves of goods in rows, a counter with a till, a door, coolers along the back."""

from __future__ import annotations

import math

from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import DARK_METAL, METAL, Kit
from holmesvau.sim.world import Scene

DOWN, UP = -math.pi / 2, math.pi / 2


def build(seed: int) -> Scene:
    """The shop of that seed."""
    kit = Kit("shop", seed)
    camera = kit.camera((2.9, 3.3), (0.42, 0.52), (1.3, 1.5), pan=0.1)
    half, back = kit.uniform(4.6, 5.6), kit.uniform(9.5, 11.0)
    p = kit.parts
    floor = kit.material(
        "checker" if kit.chance(0.3) else "tiles",
        (176, 172, 164),
        (150, 150, 150),
        (190, 182, 168),
        second=(120, 118, 114),
        scale=kit.uniform(0.35, 0.6),
        gloss=0.35,
    )
    p.floor(-half, -3, half, back, floor)
    wall = kit.material("plaster", (204, 200, 190), (190, 196, 200), (206, 190, 168))
    p.wall((-half, back), (half, back), 3.4, wall)
    p.wall((-half, -3), (-half, back), 3.4, wall)
    p.wall((half, back), (half, -3), 3.4, wall)
    p.ceiling(-half, -3, half, back, 3.4, Material(colour=(186, 186, 184)))
    side = 1 if kit.chance(0.5) else -1
    _shelves(kit, half, back, side)
    _counter(kit, half, back, side)
    door_x = -side * (half - 1.5)
    glass = Material(colour=(170, 186, 190), gloss=0.6, glow=0.25)
    p.wall((door_x - 0.55, back - 0.03), (door_x + 0.55, back - 0.03), 2.2, DARK_METAL, lift=0.02)
    p.wall((door_x - 0.46, back - 0.06), (door_x + 0.46, back - 0.06), 2.08, glass, z=0.06, lift=0.04)
    kit.place("entrance", "entrance", door_x, back - 0.35, DOWN, "the door")
    kit.place("exit", "exit", door_x, back - 0.35, DOWN, "the door")
    kit.place(
        "front", "entrance", kit.uniform(-0.5, 0.5), kit.near(camera) - 1.2, UP, "the front of the shop"
    )
    for x in (-half / 2, half / 2):
        for y in (2.5, back - 2.0):
            kit.ceiling_lamp(x, y, 2.95, 0.75)
    walk_x = -side * (half - 1.9) * 0.55
    kit.route(
        "through",
        "walk",
        (door_x, back - 0.35),
        (walk_x, back - 1.5),
        (walk_x, 3.2),
        (0.0, kit.near(camera) - 1.2),
    )
    counter = kit.places["counter"]
    kit.route("to the counter", "walk", (door_x, back - 0.35), (walk_x, back - 1.5), counter.xy)
    kit.region("floor", "walk", -1.6, max(2.9, kit.near(camera) + 0.4), 1.6, back - 2.9)
    return kit.scene("a small shop", True, camera)


def _shelves(kit: Kit, half: float, back: float, side: int) -> None:
    """A wall shelf on the door's side, coolers at the back, one or two low islands in the middle."""
    p = kit.parts
    base = kit.material("plain", (196, 196, 190), (120, 124, 128), (168, 60, 48))
    deep, x = 0.45, -side * (half - 0.25)
    wall_goods = kit.material("goods", base.colour, scale=0.42)
    start, stop = 2.2, back - 2.6
    heading = DOWN if side > 0 else UP
    turned = UP if side > 0 else DOWN
    p.block(
        x, (start + stop) / 2, stop - start, deep, 1.95, wall_goods, base, heading=turned, front=wall_goods
    )
    for k, y in enumerate((start + 1.2, (start + stop) / 2, stop - 1.0)):
        kit.place(
            f"shelf {k + 1}",
            "shelf",
            x + side * 0.75,
            y,
            math.pi if side > 0 else 0.0,
            "the shelf by the wall",
            z=1.1,
        )
    cool = kit.material("goods", (150, 156, 160), scale=0.36, glow=0.35, gloss=0.5)
    x0, x1 = sorted((-side * (half - 3.0), side * (half - 0.4)))
    p.block(
        (x0 + x1) / 2,
        back - 0.35,
        x1 - x0,
        0.6,
        2.05,
        Material(colour=(208, 210, 212), gloss=0.3),
        front=cool,
    )
    kit.place("cooler", "shelf", (x0 + x1) / 2 + kit.uniform(-0.6, 0.6), back - 1.05, UP, "the cooler", z=1.1)
    high = kit.uniform(1.2, 1.45)
    centre = (start + stop) / 2 + 0.6
    for k, cx in enumerate((0.0,)):
        long = kit.uniform(2.2, 3.0)
        goods = kit.material("goods", base.colour, scale=0.4)
        island_x = cx + side * 0.55
        p.block(island_x, centre, long, 0.75, high, goods, base, heading=UP)
        kit.place(
            f"aisle {k + 1}",
            "shelf",
            island_x - side * 0.85,
            centre,
            0.0 if side > 0 else math.pi,
            "the middle shelf",
            z=1.0,
        )
        kit.place(
            f"behind shelf {k + 1}",
            "shelf",
            island_x + side * 0.85,
            centre + 0.4,
            math.pi if side > 0 else 0.0,
            "the far side of the middle shelf",
            z=1.0,
        )
    _table(kit, side)
    _ = heading


def _table(kit: Kit, side: int) -> None:
    """A table of offers in the foreground, used from either side: what hands do there is seen side on."""
    x, y = -side * 0.9, kit.uniform(3.5, 3.9)
    wood = kit.material("wood", (150, 118, 80), (104, 90, 78), scale=0.3)
    kit.parts.block(x, y, 0.5, 0.95, 0.78, wood)
    goods = kit.material("goods", (168, 60, 48), (70, 110, 150), (180, 150, 60), scale=0.2)
    kit.parts.block(x, y, 0.36, 0.8, 0.16, goods, z=0.78)
    for k, away in enumerate((-side, side)):
        heading = 0.0 if away < 0 else math.pi
        kit.place(f"offer {k + 1}", "shelf", x + away * 0.62, y, heading, "the table of offers", z=0.9)


def _counter(kit: Kit, half: float, back: float, side: int) -> None:
    p = kit.parts
    x, y, long = side * (half - 1.45), kit.uniform(4.6, 5.4), kit.uniform(2.2, 2.8)
    body = kit.material("wood", (140, 104, 70), (96, 84, 76), (176, 160, 136), scale=0.3)
    p.block(x, y, long, 0.65, 1.0, body, Material(colour=(70, 70, 74), gloss=0.4), heading=UP)
    p.block(x + side * 0.05, y + 0.5, 0.35, 0.35, 0.28, DARK_METAL, METAL, z=1.0)
    p.block(
        x + side * 0.05,
        y + 0.5,
        0.04,
        0.34,
        0.26,
        Material(colour=(120, 160, 190), glow=0.9),
        z=1.28,
        heading=0.3,
    )
    p.block(x - side * 0.1, y - 0.6, 0.4, 0.3, 0.22, kit.material("goods", (160, 60, 50), scale=0.12), z=1.0)
    goods = kit.material("goods", (120, 120, 124), scale=0.38)
    p.block(side * (half - 0.2), y, 2.6, 0.3, 1.1, goods, z=1.1, heading=UP if side < 0 else DOWN)
    facing = 0.0 if side > 0 else math.pi
    kit.place("counter", "counter", x - side * 0.75, y + 0.1, facing, "the counter", z=1.0)
    kit.place("till", "counter", x + side * 0.72, y + 0.1, math.pi - facing, "the till", z=1.1)
    for k in range(3):
        kit.place(
            f"queue {k + 1}",
            "queue",
            x - side * (0.85 + 0.2 * k),
            y + 1.0 + 0.85 * k,
            DOWN,
            "the queue at the counter",
        )
