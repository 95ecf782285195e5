"""A supermarket: a wide hall with rows of shelves along or across it, a checkout, a freezer, coolers."""

from __future__ import annotations

import math
from dataclasses import replace

from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import DARK_METAL, METAL, Kit, Spot, spread
from holmesvau.sim.world import Scene

DOWN, UP = -math.pi / 2, math.pi / 2
GLASS = Material(colour=(170, 190, 196), gloss=0.6, glow=0.4)
BELT = Material(colour=(40, 42, 46), gloss=0.15)


def build(seed: int) -> Scene:
    """The supermarket of that seed."""
    kit = Kit("supermarket", seed)
    camera = kit.camera((3.3, 4.0), (0.4, 0.48), (1.2, 1.42), pan=0.12)
    half, back, high = kit.uniform(6.4, 8.4), kit.uniform(13.5, 17.0), kit.uniform(4.1, 4.9)
    side = 1 if kit.chance(0.5) else -1
    camera = replace(camera, pan=camera.pan - 0.05 * side)
    near = max(2.9, kit.near(camera))
    _hall(kit, half, back, high)
    doors = kit.chance(0.5)
    till = kit.uniform(5.8, 6.3)
    _checkout(kit, side, till)
    _freezer(kit, -side, near + kit.uniform(1.0, 1.5))
    if kit.chance(0.6):
        turning = _rows_away(kit, side, half, back, not doors)
    else:
        turning = _rows_across(kit, side, half, back, high)
    _walls(kit, -side, half, back)
    front = kit.uniform(-0.8, 0.8), kit.near(camera) - 1.2
    kit.place("entrance", "entrance", *front, UP, "the front of the hall")
    facing = math.pi if side > 0 else 0.0
    if doors:
        x, y = turning
        for wide, tall, material, lift in ((1.3, 2.6, DARK_METAL, 0.03), (1.2, 2.45, GLASS, 0.06)):
            kit.on_side(side, side * half, y, wide, tall, material, lift=lift)
        kit.place("exit", "exit", side * (half - 0.35), y, facing, "the sliding doors")
        kit.route("through", "walk", front, (side * 0.6, 4.4), (x, 6.4), turning, kit.places["exit"].xy)
    else:
        out = kit.edge(camera, 3.45, side), 3.45
        kit.place("exit", "exit", *out, facing, "the way out")
        kit.route(
            "through", "walk", front, (side * 0.6, 4.4), kit.places["counter"].xy, (side * 1.6, 3.7), out
        )
    kit.place("middle", "open", -side * 0.3, near + 1.5, UP, "the way before the shelves")
    left, right = sorted((-side * 1.3, side * 1.7))
    kit.region("floor", "walk", left, near + 0.4, right, 5.9)
    return kit.scene("a supermarket", True, camera)


def _hall(kit: Kit, half: float, back: float, high: float) -> None:
    """Floor, walls with a band of colour, and rows of lights."""
    p = kit.parts
    floor = kit.material(
        ("tiles", "checker", "concrete", "tiles")[int(kit.rng.integers(4))],
        (196, 194, 188), (170, 172, 174), (186, 174, 152), (146, 148, 146),
        second=kit.tint((150, 148, 142), (160, 156, 140)), scale=kit.uniform(0.4, 0.9),
        gloss=kit.uniform(0.3, 0.6),
    )  # fmt: skip
    p.floor(-half, -3, half, back, floor)
    wall = kit.material("plaster", (214, 212, 206), (196, 202, 204), (214, 200, 172))
    kit.walls(half, -3, back, high, wall)
    band = kit.material("plain", (176, 44, 40), (40, 92, 150), (54, 120, 66), (214, 150, 40), (80, 80, 86))
    p.wall((-half, back - 0.02), (half, back - 0.02), 0.7, band, z=2.5, lift=0.03)
    for k in (-1, 1):
        kit.on_side(k, k * half, back / 2, back / 2, 0.7, band, z=2.5, lift=0.03)
    p.ceiling(-half, -3, half, back, high, Material(colour=kit.tint((186, 186, 184), (120, 122, 124))))
    panel = Material(colour=(246, 246, 240), glow=1.2)
    for x in (-half * 0.6, 0.0, half * 0.6):
        for y in (2.5, 6.5, 10.5):
            p.ceiling(x - 0.15, y - 1.3, x + 0.15, y + 1.3, high - 0.01, panel)
            kit.ceiling_lamp(x, y, high - 0.1, 0.45)


def _gondola(kit: Kit, x: float, y: float, long: float, high: float, heading: float) -> None:
    """A double shelf on a base, goods on both long sides, boards at its ends."""
    base = kit.material("plain", (200, 200, 196), (120, 124, 128), (70, 72, 76), (196, 190, 170))
    goods = kit.material("goods", base.colour, scale=kit.uniform(0.34, 0.44))
    kit.parts.block(x, y, long, 0.9, 0.14, base, heading=heading)
    kit.parts.block(x, y, long, 0.8, high - 0.14, goods, base, z=0.14, heading=heading)


def _sign(kit: Kit) -> Material:
    """What hangs over the rows."""
    return kit.material(
        "poster", (176, 44, 40), (40, 92, 150), (54, 120, 66), second=(232, 230, 222), scale=0.5
    )


def _rows_away(kit: Kit, side: int, half: float, back: float, full: bool) -> Spot:
    """Rows away from the camera, one of them behind the checkout where `full`; where to turn to the doors."""
    high, pitch = kit.uniform(1.35, 1.75), kit.uniform(2.5, 3.0)
    sign = _sign(kit)
    first, stop = kit.uniform(6.9, 7.5), back - kit.uniform(2.4, 3.2)
    number = 0
    for k in range(-1 if full else 0, 3):
        x = side * (0.75 - pitch * k)
        if abs(x) > half - 1.9:
            continue
        start = first + (2.2 if k < 0 else 0.0)
        _gondola(kit, x, (start + stop) / 2, stop - start, high, UP)
        number += 1
        kit.place(f"shelf end {number}", "shelf", x, start - 0.7, UP, "the end of a shelf", z=1.0)
        for away in (-1, 1):
            name = f"shelf {number}{'b' if away > 0 else 'a'}"
            heading, y = (math.pi if away > 0 else 0.0), start + kit.uniform(0.7, 1.6)
            kit.place(name, "shelf", x + away * 0.78, y, heading, "a long shelf", z=1.1)
        a, b = x - side * pitch / 2 - 0.5, x - side * pitch / 2 + 0.5
        kit.parts.wall((a, start + 1.5), (b, start + 1.5), 0.4, sign, z=2.9, both=True, shades=False)
    x = side * (0.75 - pitch / 2)
    kit.route("aisle", "walk", (0.0, 4.6), (x, 6.4), (x, stop + 0.9), (side * (0.75 + pitch / 2), stop + 0.9),
              (side * 2.0, 7.6), kit.places["counter"].xy)  # fmt: skip
    return side * 2.0, kit.uniform(8.9, 9.6)


def _rows_across(kit: Kit, side: int, half: float, back: float, high: float) -> Spot:
    """Low rows across the hall, in two parts with a passage between; where to turn to the doors."""
    tall, pitch = kit.uniform(1.15, 1.4), kit.uniform(3.0, 3.5)
    gap, first = -side * kit.uniform(0.2, 0.8), kit.uniform(7.5, 8.0)
    sign = _sign(kit)
    for k in range(3 if first + 2 * pitch < back - 2.0 else 2):
        y = first + pitch * k
        for part, (x0, x1) in enumerate(((-half + 2.4, gap - 0.95), (gap + 0.95, half - 2.2))):
            _gondola(kit, (x0 + x1) / 2, y, x1 - x0, tall + 0.12 * k, 0.0)
            for j, share in enumerate((0.3, 0.75) if x1 < 0.9 else (0.25, 0.7)):
                x = x0 + share * (x1 - x0)
                name = f"shelf {k + 1}{'ab'[part]}{j + 1}"
                kit.place(
                    name, "shelf", x, y - 0.78, UP, ("the first row of shelves", "a shelf")[k > 0], z=1.0
                )
            end, heading = (x1 + 0.38, math.pi) if part == 0 else (x0 - 0.38, 0.0)
            kit.place(f"end {k + 1}{'ab'[part]}", "shelf", end, y, heading, "the end of a shelf", z=1.0)
        kit.parts.wall(
            (gap - 0.7, y), (gap + 0.7, y), 0.4, sign, z=min(3.0, high - 0.8), both=True, shades=False
        )
    kit.route(
        "aisle", "walk", (0.0, 4.6), (gap, 6.6), (gap, first + pitch / 2), (gap, 6.6), (side * 1.9, 6.6)
    )
    return gap, first + pitch / 2


def _checkout(kit: Kit, side: int, y: float) -> None:
    """A checkout with its belt and till, a second one beyond it, and a heap of baskets."""
    p, x, long = kit.parts, side * kit.uniform(2.75, 3.05), kit.uniform(2.2, 2.7)
    body = kit.material("plain", (206, 206, 202), (150, 60, 52), (60, 96, 140), (96, 124, 84), (120, 104, 84))
    for k in range(2):
        at = x + side * 2.1 * k
        p.block(at, y, long, 0.62, 0.86, body, METAL, heading=UP)
        p.block(at - side * 0.08, y + long * 0.3, long * 0.36, 0.4, 0.03, BELT, z=0.86, heading=UP)
        p.block(at + side * 0.1, y + 0.05, 0.34, 0.34, 0.3, DARK_METAL, z=0.86)
        screen = Material(colour=(120, 160, 190), glow=0.9)
        p.block(at + side * 0.1, y + 0.05, 0.04, 0.34, 0.24, screen, z=1.16, heading=0.3)
        p.pole(at + side * 0.25, y + long / 2 - 0.1, 0.03, 1.9, METAL)
        number = Material(pattern="plain", colour=body.colour, glow=0.4)
        p.block(at + side * 0.25, y + long / 2 - 0.1, 0.3, 0.12, 0.3, number, z=1.9, casts=False)
    for k in range(int(kit.rng.integers(2, 5))):
        wide, goods = kit.uniform(0.14, 0.26), kit.material("goods", (160, 70, 56), scale=0.14)
        p.block(
            x - side * 0.08,
            y + 0.4 + 0.2 * k,
            wide,
            0.14,
            kit.uniform(0.1, 0.24),
            goods,
            z=0.89,
            casts=False,
        )
    basket = Material(colour=kit.tint((170, 40, 36), (40, 80, 150), (50, 110, 60)), gloss=0.2)
    p.block(x, y - long / 2 - 0.3, 0.34, 0.48, kit.uniform(0.4, 0.8), basket, DARK_METAL)
    facing = 0.0 if side > 0 else math.pi
    kit.place("counter", "counter", x - side * 0.75, y - 0.25, facing, "the checkout", z=0.9)
    # Of a kind of its own: nobody but the cashier waits or queues there.
    kit.place("till", "corner", x + side * 0.68, y - 0.25, math.pi - facing, "the till", z=1.0)
    kit.place("queue", "queue", x - side * 0.95, y + 0.4, DOWN, "the checkout")


def _freezer(kit: Kit, side: int, y: float) -> None:
    """A chest freezer or a stand of fruit on the near floor, used from either side."""
    p, x, long = kit.parts, side * kit.uniform(2.35, 2.6), kit.uniform(1.3, 1.9)
    y += long / 2
    if kit.chance(0.5):
        chest = kit.material("plain", (214, 218, 220), (70, 100, 140), (196, 60, 50))
        inside = kit.material("goods", (190, 200, 206), scale=0.2, gloss=0.4, glow=0.15)
        p.block(x, y, long, 0.8, 0.82, chest, inside, heading=UP)
        phrase = "the freezer"
    else:
        crate = kit.material("wood", (150, 112, 70), (110, 92, 74), scale=0.14)
        p.block(x, y, long, 0.8, 0.62, crate, heading=UP)
        for k, dy in enumerate(spread(-long / 2 + 0.22, long / 2 - 0.22, 4)):
            fruit = kit.material("foliage", (190, 60, 40), (214, 150, 40), (96, 140, 50), (200, 180, 60))
            soil = Material(pattern="carpet", colour=fruit.colour, second=kit.tint((60, 90, 40)), seed=k)
            p.block(x, y + dy, 0.36, 0.7, 0.14, soil, z=0.62, heading=UP, casts=False)
        phrase = "the fruit stand"
    for k, away in enumerate((-side, side)):
        kit.place(f"offer {k + 1}", "shelf", x + away * 0.8, y, 0.0 if away < 0 else math.pi, phrase, z=0.85)


def _walls(kit: Kit, side: int, half: float, back: float) -> None:
    """Cooled shelves along the back wall, a wall of shelves on one side."""
    cool = kit.material("goods", (160, 166, 170), scale=kit.uniform(0.34, 0.42), glow=0.3, gloss=0.4)
    case = Material(colour=(208, 212, 214), gloss=0.3)
    kit.parts.block(0.0, back - 0.4, half * 1.7, 0.7, 2.1, case, front=cool)
    kit.place("cooler", "shelf", kit.uniform(-1.5, 1.5), back - 1.2, UP, "the cooled shelf", z=1.1)
    goods, start, stop = kit.material("goods", (150, 130, 100), scale=0.42), 4.6, back - 2.4
    turned, x = (UP if side < 0 else DOWN), side * (half - 0.3)
    kit.parts.block(x, (start + stop) / 2, stop - start, 0.5, 2.0, goods, case, heading=turned, front=goods)
    facing = 0.0 if side > 0 else math.pi
    kit.place("wall shelf", "shelf", x - side * 0.7, 7.6, facing, "the shelf along the wall", z=1.1)
