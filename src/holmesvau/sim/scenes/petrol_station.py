"""A petrol station: a canopy with lit panels, pump islands, a lane through, a kiosk with door and window."""

from __future__ import annotations

import math

from holmesvau.sim.camera import Camera
from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import BARK, DARK_METAL, LEAVES, METAL, WHITE_PAINT, Kit
from holmesvau.sim.world import Colour, Scene

DOWN, UP = -math.pi / 2, math.pi / 2
BRANDS: tuple[Colour, ...] = (
    (190, 40, 34), (34, 96, 60), (32, 70, 140), (214, 160, 30), (60, 130, 150), (226, 110, 30), (96, 44, 110),
)  # fmt: skip


def build(seed: int) -> Scene:
    """The petrol station of that seed."""
    kit = Kit("petrol station", seed)
    camera = kit.camera((3.4, 4.3), (0.27, 0.34), (1.04, 1.2), pan=0.14)
    near = kit.near(camera)
    low = near + kit.uniform(2.9, 3.3)
    high = low + kit.uniform(3.1, 3.7)
    p = kit.parts
    pattern = ("asphalt", "concrete", "paving")[int(kit.rng.integers(3))]
    ground = kit.material(
        pattern, (120, 118, 116), (98, 98, 100), (142, 138, 132), scale=kit.uniform(0.4, 3.0)
    )
    p.floor(-50, -6, 50, 60, ground)
    lane = kit.material("asphalt", (86, 86, 88), (100, 98, 96), (76, 78, 80))
    p.floor(-50, low, 50, high, lane, lift=0.003)
    for y in (low, high):
        p.strip((-50, y), (50, y), 0.1, WHITE_PAINT)
    brand = kit.tint(*BRANDS)
    # The islands stand before the lane and the shop right behind it, or the islands between lane and shop.
    before = kit.chance(0.45)
    island = low - 0.75 if before else high + 1.1
    front = high + (kit.uniform(1.5, 2.0) if before else kit.uniform(5.8, 7.2))
    gap = _islands(kit, island, brand, before)
    _canopy(kit, camera, (gap, island), (low - kit.uniform(0.6, 1.8), max(island, high) + 1.6), brand)
    _shop(kit, front, brand)
    _around(kit, front, brand)
    west, east = kit.edge(camera, low - 1.9, -1), kit.edge(camera, low - 1.9, 1)
    kit.place("entrance", "entrance", west, low - 1.9, 0.0, "the left side")
    kit.place("exit", "exit", east, low - 1.9, math.pi, "the right side")
    kit.place("forecourt", "open", kit.uniform(-1.2, 1.2), low - 1.4, 0.0, "the forecourt")
    middle = (low + high) / 2
    far_west, far_east = kit.edge(camera, front, -1, 5.0), kit.edge(camera, front, 1, 5.0)
    ends = ((far_west, middle), (far_east, middle))
    kit.route("lane", "drive", *(ends if kit.chance(0.5) else ends[::-1]))
    shop = kit.places["shop"].xy
    ahead = (shop[0], front - 1.45)
    gate = min(high + 4.1, front - 1.5)
    kit.route("through", "walk", (west, low - 1.9), (east, low - 1.9))
    kit.route("to the shop", "walk", (west, low - 1.9), (0.0, low - 1.7), (0.0, gate), ahead, shop)
    kit.route("from the shop", "walk", shop, ahead, (0.3, gate), (0.3, low - 1.7), (east, low - 1.9))
    kit.region("floor", "walk", max(west + 1, -4.5), near + 0.6, min(east - 1, 4.5), low - 0.3)
    kit.region("before the shop", "walk", -4.0, high + 0.2, 4.0, high + 1.3)
    kit.region("road", "road", far_west, low, far_east, high)
    return kit.scene("a petrol station", False, camera)


def _islands(kit: Kit, y: float, brand: Colour, before: bool) -> float:
    """Kerbs with pumps, a bin, and behind some a car that is being filled; returns how far off they stand."""
    p = kit.parts
    stone = kit.material("concrete", (168, 164, 156), (196, 176, 60), scale=0.8)
    body = Material(colour=brand if kit.chance(0.5) else kit.tint((206, 206, 202), (70, 74, 80)), gloss=0.3)
    screen = Material(colour=(150, 190, 180), glow=0.9)
    gap = kit.uniform(3.4, 4.0) if before else kit.uniform(2.7, 3.4)
    for number, x in enumerate((-gap, gap, -3 * gap, 3 * gap), start=1):
        p.block(x, y, kit.uniform(2.3, 2.8), 0.9, 0.14, stone)
        for at in (-0.55, 0.55) if kit.chance(0.4) else (0.0,):
            p.block(x + at, y, 0.62, 0.42, 1.5, body, DARK_METAL, z=0.14)
            for face in (-1, 1):
                a, b = (x + at + face * 0.2, y + face * 0.22), (x + at - face * 0.2, y + face * 0.22)
                p.wall(b, a, 0.3, screen, z=1.15, lift=0.02)
                p.wall(b, a, 0.45, DARK_METAL, z=0.5, lift=0.02)
        if number <= 2:
            kit.place(f"pump {number}", "counter", x, y - 0.95, UP, "the pump", z=1.1)
        if not before and kit.chance(0.55):
            kit.parked_car(
                x + math.copysign(kit.uniform(0.3, 0.9), x), y + 1.9, 0.0 if kit.chance(0.5) else math.pi
            )
    side = 1 if kit.chance(0.5) else -1
    x = side * (gap - 1.7)
    p.block(x, y, 0.42, 0.42, 0.95, kit.material("plain", (60, 64, 60), (40, 90, 60), (150, 40, 34)))
    kit.place("bin", "bin", x, y - 0.65, UP, "the litter bin", z=0.8)
    kit.place("post", "pillar", gap + 0.95, y - 0.95, UP, "the post of the canopy", z=1.2)
    return gap


def _canopy(
    kit: Kit, camera: Camera, post: tuple[float, float], deep: tuple[float, float], brand: Colour
) -> None:
    """The roof over the pumps, above the camera so that it hides nothing, with lamps in it."""
    p, z = kit.parts, camera.height + kit.uniform(0.15, 0.4)
    half, middle = kit.uniform(6.0, 10.0), sum(deep) / 2
    fascia = Material(colour=brand, glow=kit.uniform(0.3, 0.7), gloss=0.2)
    white = Material(colour=(206, 206, 202), dirt=0.05)
    shades = kit.chance(0.4)  # Else the roof is of glass: below a closed one it is dim by day.
    p.block(0.0, middle, 2 * half, deep[1] - deep[0], 0.75, fascia, white, z=z, casts=shades)
    p.ceiling(-half, deep[0], half, deep[1], z - 0.01, white)
    panel = Material(colour=(250, 250, 244), glow=1.7)
    for x in (-5.2, -1.8, 1.8, 5.2):
        for at in (middle - 1.7, middle + 1.7):
            p.ceiling(x - 0.5, at - 0.4, x + 0.5, at + 0.4, z - 0.03, panel)
            kit.lamp(x, at, z - 0.1, kit.uniform(0.14, 0.24), (246, 248, 255))
    paint = kit.material("plain", (206, 206, 200), (110, 114, 118), brand, gloss=0.2)
    for side in (-1, 1):
        p.block(side * (post[0] + 0.95), post[1], 0.28, 0.28, z, paint)


def _shop(kit: Kit, front: float, brand: Colour) -> None:
    """The house where one pays: window, door, a band of colour, and what stands before it."""
    p, x, wide = kit.parts, kit.uniform(-1.2, 1.2), kit.uniform(8.0, 13.0)
    high, side = kit.uniform(3.0, 3.6), 1 if kit.chance(0.5) else -1
    wall = kit.material(
        ("plaster", "brick", "tiles")[int(kit.rng.integers(3))],
        (200, 196, 186), (150, 100, 80), (160, 164, 166), second=(170, 164, 156), scale=0.3,
    )  # fmt: skip
    p.block(x, front + 2.5, wide, 5.0, high, wall, Material(colour=(90, 90, 92)))
    goods = kit.material("goods", (110, 104, 98), second=(96, 96, 96), scale=0.6, gloss=0.4, glow=0.65)
    door, pane = x + side * 1.1, x - side * 1.7
    p.wall((pane - 1.9, front - 0.02), (pane + 1.9, front - 0.02), 1.7, goods, z=0.7, lift=0.03)
    p.wall((door - 0.8, front - 0.02), (door + 0.8, front - 0.02), 2.3, DARK_METAL, lift=0.03)
    glass = Material(colour=(170, 190, 194), gloss=0.5, glow=0.5)
    for leaf in (-0.38, 0.38):
        a, b = (door + leaf - 0.34, front - 0.04), (door + leaf + 0.34, front - 0.04)
        p.wall(a, b, 2.15, glass, z=0.06, lift=0.06)
    sign = Material(colour=brand, glow=0.8)
    ends = (x - wide / 2, front - 0.03), (x + wide / 2, front - 0.03)
    p.wall(*ends, 0.5, sign, z=high - 0.55, lift=0.04)
    kit.lamp(x, front - 0.8, high - 0.3, 0.4, (255, 246, 226))
    kit.place("shop", "exit", door, front - 0.45, DOWN, "the door of the shop")
    kit.place("shop door", "door", door, front - 0.5, UP, "the door of the shop", z=1.1)
    kit.place("shop window", "window", pane + side * 0.6, front - 0.55, UP, "the shop window", z=1.4)
    if kit.chance(0.6):
        cage = kit.material("goods", (120, 96, 70), (90, 100, 110), scale=0.35)
        p.block(pane - side * 2.7, front - 0.4, 1.3, 0.6, kit.uniform(0.9, 1.6), cage, DARK_METAL)
    if kit.chance(0.5):
        for turn in (-1.0, 1.0):
            p.pole(door + turn, front - 0.9, 0.06, 0.9, METAL)


def _around(kit: Kit, front: float, brand: Colour) -> None:
    """The sign with the prices, trees or a hedge, houses far off."""
    p, side, back = kit.parts, 1 if kit.chance(0.5) else -1, front + 8.0
    x = side * kit.uniform(7.5, 9.0)
    p.block(x, front - 0.5, 1.5, 0.3, 1.0, Material(colour=brand, glow=0.7), z=3.0)
    prices = kit.material("poster", (236, 236, 230), (30, 32, 36), second=(120, 124, 60), scale=0.5, glow=0.6)
    p.block(x, front - 0.5, 1.5, 0.3, 2.6, prices, z=0.4)
    grass = kit.material("grass", (82, 100, 52), (96, 104, 60), second=(140, 132, 84))
    p.floor(-60, back, 60, 80, grass, lift=0.002)
    house = kit.material("facade", (150, 128, 112), (164, 160, 152), second=(64, 74, 86), scale=3.0)
    p.wall((-60, back + 16), (60, back + 16), kit.uniform(6.0, 9.0), house)
    for k in range(4):
        at = kit.uniform(-18, 18)
        p.tree(at, back + kit.uniform(1.0, 7.0), kit.uniform(5.0, 8.0), LEAVES, BARK, kit.seed + 19 * k)
    if kit.chance(0.5):
        for k in range(-20, 21, 2):
            p.bush(k + kit.uniform(-0.4, 0.4), back, kit.uniform(1.2, 1.8), LEAVES, kit.seed + k + 20)
    kit.street_lamp(-side * kit.uniform(6.5, 8.0), front - 0.4, 6.0, 1.6, DOWN)
