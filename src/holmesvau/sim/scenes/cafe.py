"""A café: tables with chairs, a bar with a coffee machine and cakes, a glass front, pictures on the walls."""

from __future__ import annotations

import math

from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import DARK_METAL, LEAVES, METAL, Kit, spread
from holmesvau.sim.world import Scene

DOWN, UP = -math.pi / 2, math.pi / 2
GLASS = Material(colour=(200, 216, 224), gloss=0.6, glow=0.55)
CHINA = Material(colour=(226, 222, 214))


def build(seed: int) -> Scene:
    """The café of that seed."""
    kit = Kit("cafe", seed)
    camera = kit.camera((2.8, 3.3), (0.41, 0.49), (1.28, 1.48), pan=0.12)
    half, high = kit.uniform(4.5, 5.8), kit.uniform(3.2, 3.7)
    side, across = (1 if kit.chance(0.5) else -1), kit.chance(0.45)
    back = kit.uniform(9.4, 10.4) if across else kit.uniform(9.8, 12.5)
    _room(kit, half, back, high)
    # The bar along one wall and the glass front behind, or the bar across the back and glass along a wall.
    if across:
        _bar_across(kit, side, half, back)
        _glass_side(kit, -side, half)
    else:
        _bar_along(kit, side, half)
        _glass_back(kit, side, half, back)
    _tables(kit, side, half, back, across)
    _pictures(kit, side, half, back, across)
    near, exit_ = kit.near(camera), kit.places["exit"]
    kit.place("entrance", "entrance", kit.uniform(-0.5, 0.5), near - 1.1, UP, "the front of the room")
    kit.place("middle", "open", side * kit.uniform(-0.2, 0.4), 4.6, UP, "the middle of the room")
    inside = (exit_.x, back - 1.3) if not across else (exit_.x + side * 1.0, exit_.y)
    kit.route("through", "walk", exit_.xy, inside, (side * 0.5, 5.4), kit.places["entrance"].xy)
    kit.route("to the bar", "walk", exit_.xy, inside, (side * 0.5, 7.2), kit.places["counter"].xy)
    left, right = sorted((-side * 1.3, side * 1.5))
    kit.region("floor", "walk", left, max(2.4, near + 0.4), right, 5.6)
    return kit.scene("a café", True, camera)


def _room(kit: Kit, half: float, back: float, high: float) -> None:
    """Floor, walls with panelling, lights."""
    p = kit.parts
    pattern = ("wood", "wood", "checker", "tiles", "concrete")[int(kit.rng.integers(5))]
    floor = kit.material(
        pattern, (140, 104, 70), (100, 78, 58), (170, 150, 126), (150, 148, 142),
        second=kit.tint((96, 90, 84), (60, 56, 54)), scale=kit.uniform(0.14, 0.22) if pattern == "wood"
        else kit.uniform(0.3, 0.7), gloss=kit.uniform(0.15, 0.4),
    )  # fmt: skip
    p.floor(-half, -3, half, back, floor)
    if kit.chance(0.3):
        wall = kit.material("brick", (146, 84, 64), (196, 188, 176), (112, 90, 80), second=(170, 162, 150))
    else:
        wall = kit.material(
            "plaster", (204, 190, 166), (120, 138, 128), (164, 92, 74), (206, 204, 198), (90, 104, 122)
        )
    kit.walls(half, -3, back, high, wall)
    if kit.chance(0.5):
        panel = kit.material("wood", (110, 80, 56), (70, 62, 56), (186, 176, 156), scale=0.16)
        p.wall((-half, back - 0.02), (half, back - 0.02), 1.0, panel, lift=0.01)
        for k in (-1, 1):
            kit.on_side(k, k * half, back / 2, back / 2, 1.0, panel, lift=0.01)
    p.ceiling(-half, -3, half, back, high, Material(colour=kit.tint((190, 184, 172), (110, 104, 98))))
    for x in (-half / 2, half / 2):
        for y in (2.5, 5.5, 8.5):
            kit.ceiling_lamp(x, y, high - 0.2, 0.6)


def _bar(kit: Kit, x: float, y: float, long: float, heading: float) -> None:
    """The bar itself, its goods at hand; before turning it is used from -y."""
    c, s = math.cos(heading), math.sin(heading)
    front = kit.material("wood", (110, 78, 54), (60, 58, 58), (180, 170, 150), (70, 96, 92), scale=0.2)
    top = kit.material("wood", (84, 60, 44), (196, 190, 180), (140, 110, 80), scale=0.4, gloss=0.4)
    kit.parts.block(x, y, long, 0.62, 1.05, front, top, heading=heading)
    steel, cakes = (
        Material(colour=(170, 172, 176), gloss=0.6),
        kit.material("goods", (190, 170, 140), scale=0.17),
    )
    case = Material(
        pattern="goods", colour=(200, 186, 160), scale=0.17, glow=0.35, gloss=0.5, seed=cakes.seed
    )
    for u, wide, deep, tall, material in (
        (-long * 0.32, 0.75, 0.45, 0.42, steel), (long * 0.3, 0.9, 0.4, 0.36, case),
        (0.1, 0.3, 0.26, 0.26, METAL),
    ):  # fmt: skip
        spot = x + c * u - s * 0.06, y + s * u + c * 0.06
        kit.parts.block(*spot, wide, deep, tall, material, DARK_METAL, z=1.05, heading=heading, casts=False)


def _behind_the_bar(kit: Kit) -> tuple[Material, Material]:
    """The shelves of bottles, and the menu above them."""
    bottles = kit.material("goods", (90, 70, 54), (150, 150, 146), scale=0.4)
    return bottles, kit.material("poster", (34, 36, 38), (60, 44, 36), second=(196, 192, 180), scale=0.4)


def _bar_along(kit: Kit, side: int, half: float) -> None:
    """The bar along a side wall, with shelves and the menu behind it."""
    x, y, long = side * min(half - 1.5, 3.7), kit.uniform(5.9, 6.5), kit.uniform(2.7, 3.4)
    _bar(kit, x, y, long, DOWN if side > 0 else UP)
    bottles, menu = _behind_the_bar(kit)
    kit.parts.block(side * (half - 0.2), y, long * 0.9, 0.34, 1.9, bottles, heading=UP if side < 0 else DOWN)
    kit.on_side(side, side * half, y, 1.3, 0.8, menu, z=2.1, lift=0.05)
    facing = 0.0 if side > 0 else math.pi
    kit.place("counter", "counter", x - side * 0.75, y - 0.1, facing, "the bar", z=1.1)
    kit.place("queue", "queue", x - side * 0.95, y - 0.6, DOWN, "the bar")


def _bar_across(kit: Kit, side: int, half: float, back: float) -> None:
    """The bar across the back of the room, rather to one side."""
    x, y, long = side * kit.uniform(0.6, 1.4), back - 1.7, kit.uniform(3.2, 4.4)
    _bar(kit, x, y, long, 0.0)
    bottles, menu = _behind_the_bar(kit)
    kit.parts.block(x, back - 0.2, long * 0.9, 0.34, 1.9, bottles)
    kit.parts.wall((x - 1.5, back - 0.04), (x + 1.5, back - 0.04), 0.8, menu, z=2.1, lift=0.05)
    kit.place("counter", "counter", x - 0.3, y - 0.72, UP, "the bar", z=1.1)
    kit.place("queue", "queue", x + 0.5, y - 0.75, UP, "the bar")


def _glass_back(kit: Kit, side: int, half: float, back: float) -> None:
    """Windows to the street in the back wall with the door among them."""
    p, door = kit.parts, -side * kit.uniform(0.2, 1.2)
    for x in [door + 1.9 * k for k in (-2, -1, 0, 1, 2) if abs(door + 1.9 * k) < half - 0.9]:
        low = 0.05 if x == door else 0.5
        wide = 0.55 if x == door else 0.88
        p.wall((x - wide, back - 0.02), (x + wide, back - 0.02), 2.55 - low, DARK_METAL, z=low, lift=0.03)
        a, b = (x - wide + 0.08, back - 0.04), (x + wide - 0.08, back - 0.04)
        p.wall(a, b, 2.4 - low, GLASS, z=low + 0.08, lift=0.06)
    kit.place("exit", "exit", door, back - 0.35, DOWN, "the glass door")
    kit.place("window", "window", door + side * 1.9, back - 0.6, UP, "the window", z=1.4)


def _glass_side(kit: Kit, side: int, half: float) -> None:
    """Windows along a side wall, the last of them a door."""
    door, x = kit.uniform(7.4, 7.8), side * half
    for k, y in enumerate((door, door - 1.8, door - 3.6)):
        low, wide = (0.5, 0.85) if k else (0.05, 0.55)
        kit.on_side(side, x, y, wide, 2.55 - low, DARK_METAL, lift=0.03, z=low)
        kit.on_side(side, x, y, wide - 0.08, 2.4 - low, GLASS, lift=0.06, z=low + 0.08)
    facing = 0.0 if side > 0 else math.pi
    kit.place("exit", "exit", x - side * 0.35, door, math.pi - facing, "the glass door")
    kit.place("window", "window", x - side * 0.6, door - 1.6, facing, "the window", z=1.4)


def _tables(kit: Kit, side: int, half: float, back: float, across: bool) -> None:
    """Tables along the wall that has no bar and, where there is room, farther back; lamps over some."""
    wood = kit.material(
        "wood", (150, 112, 74), (90, 66, 50), (200, 194, 182), (60, 58, 56), scale=0.2, gloss=0.2
    )
    seat = kit.material(
        "wood", (120, 84, 56), (50, 50, 52), (150, 56, 46), (70, 100, 96), (180, 150, 100), scale=0.3
    )
    outer = min(half - 1.2, 3.5)
    spots = [(-side * (outer - 0.5), 4.3), (-side * outer, 5.9 if across else 6.6)]
    if across:
        spots.append((side * (outer - 0.4), kit.uniform(4.5, 4.9)))
    else:
        spots.append((-side * (outer - 0.2), 8.6))
        if back > 10.8:
            spots.append((side * kit.uniform(1.7, 2.3), back - 2.6))
    round_, turn, lamps = kit.chance(0.5), kit.uniform(-0.4, 0.4), kit.chance(0.5)
    for k, spot in enumerate(spots):
        x, y = (c + kit.uniform(-0.15, 0.15) for c in spot)
        _table(kit, x, y, wood, round_)
        base = (UP + turn) if k % 2 and not across else (turn + 0.3)
        for j in range(2):
            _chair(kit, f"chair {k + 1}{'ab'[j]}", x, y, base + math.pi * j + kit.uniform(-0.3, 0.3), seat)
        if lamps:
            kit.parts.block(
                x, y, 0.24, 0.24, 0.18, Material(colour=(250, 222, 170), glow=1.1), z=2.5, casts=False
            )
            kit.parts.block(x, y, 0.02, 0.02, 0.6, DARK_METAL, z=2.68, casts=False)
    if kit.chance(0.6):
        p, x = kit.parts, side * (half - 0.5)
        p.pole(x, 3.3, 0.2, 0.45, Material(colour=kit.tint((120, 84, 64), (90, 90, 92))))
        p.bush(x, 3.3, kit.uniform(0.9, 1.2), LEAVES, kit.seed)


def _table(kit: Kit, x: float, y: float, wood: Material, round_: bool) -> None:
    """A small table on one foot, laid with cups."""
    p = kit.parts
    p.pole(x, y, 0.05, 0.7, DARK_METAL)
    p.pole(x, y, 0.2, 0.03, DARK_METAL)
    if round_:
        p.pole(x, y, 0.36, 0.04, wood, z=0.7)
    else:
        p.block(x, y, 0.66, 0.66, 0.04, wood, z=0.7)
    for dx in spread(-0.17, 0.17, int(kit.rng.integers(1, 4))):
        p.pole(x + dx, y + kit.uniform(-0.15, 0.15), 0.035, 0.09, CHINA, z=0.74)


def _chair(kit: Kit, name: str, x: float, y: float, turn: float, seat: Material) -> None:
    """A chair in that direction from a table at (x, y), half turned to it as if somebody had just got up."""
    x, y = x + 0.85 * math.cos(turn), y + 0.85 * math.sin(turn)
    facing = turn + math.pi + (0.6 if kit.chance(0.5) else -0.6)
    c, s = math.cos(facing), math.sin(facing)
    p = kit.parts
    p.block(x, y, 0.42, 0.42, 0.05, seat, z=0.41, heading=facing)
    for u, v in ((-0.18, -0.18), (0.18, -0.18), (-0.18, 0.18), (0.18, 0.18)):
        p.block(x + c * u - s * v, y + s * u + c * v, 0.04, 0.04, 0.41, DARK_METAL, heading=facing)
    p.block(x - 0.2 * c, y - 0.2 * s, 0.04, 0.4, 0.42, seat, z=0.46, heading=facing)
    kit.place(name, "seat", x, y, facing, "a chair", z=0.46)


def _pictures(kit: Kit, side: int, half: float, back: float, across: bool) -> None:
    """Framed pictures along the walls, and a bin."""
    walls = [side] if across else [-side]
    for k in walls:
        for y in spread(4.4, back - 1.6, int(kit.rng.integers(3, 5))):
            wide, tall = kit.uniform(0.3, 0.5), kit.uniform(0.6, 0.9)
            low = kit.uniform(1.35, 1.5)
            art = kit.material(
                "poster", (180, 150, 90), (60, 90, 120), (150, 60, 50), (90, 120, 80),
                second=kit.tint((226, 220, 206), (40, 40, 46)), scale=kit.uniform(0.5, 1.2),
            )  # fmt: skip
            kit.on_side(k, k * half, y, wide + 0.06, tall + 0.12, DARK_METAL, lift=0.03, z=low - 0.06)
            kit.on_side(k, k * half, y, wide, tall, art, lift=0.06, z=low)
        y, facing = kit.uniform(5.2, 5.8), (0.0 if k > 0 else math.pi)
        kit.place("picture", "wall", k * (half - 0.5), y, facing, "the wall with the pictures", z=1.5)
    x, y = (side * min(half - 0.6, 3.6), 6.4) if across else (side * 3.05, 3.8)
    kit.parts.pole(x, y, 0.18, 0.6, METAL)
    kit.place("bin", "bin", x - math.copysign(0.55, x), y, 0.0 if x > 0 else math.pi, "the bin", z=0.6)
