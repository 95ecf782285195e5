"""A crossing seen from a mast: two roads, zebra crossings, traffic lights, corners to wait at."""

from __future__ import annotations

import math

from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import BARK, DARK_METAL, LEAVES, METAL, WHITE_PAINT, Kit
from holmesvau.sim.world import Scene

DOWN, UP = -math.pi / 2, math.pi / 2


def build(seed: int) -> Scene:
    """The crossing of that seed."""
    kit = Kit("crossing", seed)
    camera = kit.camera((5.2, 6.8), (0.40, 0.49), (0.94, 1.1), pan=0.12)
    middle, half = kit.uniform(13.5, 15.0), kit.uniform(3.1, 3.5)
    middle = max(middle, kit.near(camera) + half + 3.2)
    across = kit.uniform(-1.2, 1.2)
    low, high, left, right = middle - half, middle + half, across - half, across + half
    p = kit.parts
    road = kit.material("asphalt", (86, 86, 88), (74, 75, 78), (96, 94, 92))
    pavement = kit.material(
        "paving", (150, 146, 138), (138, 138, 138), (156, 146, 130), scale=kit.uniform(0.45, 0.8)
    )
    p.floor(-50, -6, 50, 70, pavement)
    p.floor(-50, low, 50, high, road, lift=0.004)
    p.floor(left, -6, right, 70, road, lift=0.005)
    stone = kit.material("concrete", (164, 162, 156), scale=1.0)
    for y in (low, high):
        p.strip((-50, y), (left, y), 0.18, stone)
        p.strip((right, y), (50, y), 0.18, stone)
    for x in (left, right):
        p.strip((x, -6), (x, low), 0.18, stone)
        p.strip((x, high), (x, 70), 0.18, stone)
    zebra = kit.material("stripes", (214, 214, 208), second=road.colour, scale=1.0)
    p.strip((left + 0.2, low - 1.9), (right - 0.2, low - 1.9), 2.4, zebra)
    p.strip((left + 0.2, high + 1.9), (right - 0.2, high + 1.9), 2.4, zebra)
    p.strip((left - 1.9, low + 0.2), (left - 1.9, high - 0.2), 2.4, zebra)
    p.strip((right + 1.9, high - 0.2), (right + 1.9, low + 0.2), 2.4, zebra)
    for k in range(1, 9):
        for sign, edge in ((-1, left - 3.6), (1, right + 3.6)):
            p.strip(
                (edge + sign * k * 3.2, middle), (edge + sign * (k * 3.2 - 1.6), middle), 0.12, WHITE_PAINT
            )
        p.strip((across, high + 3.4 + k * 3.2), (across, high + 5.0 + k * 3.2), 0.12, WHITE_PAINT)
    p.strip((left - 3.5, low + 0.2), (left - 3.5, middle), 0.3, WHITE_PAINT)
    p.strip((right + 3.5, middle), (right + 3.5, high - 0.2), 0.3, WHITE_PAINT)
    _corners(kit, left, right, low, high)
    _houses(kit, left, right, high)
    _ways(kit, camera, (left, right, low, high), across, middle)
    return kit.scene("a road crossing", False, camera)


def _corners(kit: Kit, left: float, right: float, low: float, high: float) -> None:
    p = kit.parts
    glow = [Material(colour=c, glow=2.0) for c in ((210, 40, 30), (40, 190, 90))]
    for x, y, side in (
        (left - 0.6, low - 0.6, 1),
        (right + 0.6, low - 0.6, -1),
        (left - 0.6, high + 0.6, 1),
        (right + 0.6, high + 0.6, -1),
    ):
        p.pole(x, y, 0.06, 3.0, METAL)
        p.block(x, y - 0.1, 0.28, 0.22, 0.85, DARK_METAL, z=2.25)
        p.wall(
            (x - 0.08, y - 0.22),
            (x + 0.08, y - 0.22),
            0.18,
            glow[int(kit.rng.integers(2))],
            z=2.75,
            lift=0.02,
            shades=False,
        )
        if y > high:
            kit.street_lamp(x + side * -2.2, y + 0.6, 6.5, 2.2, DOWN if side > 0 else math.pi + 0.6)
    kit.lamp((left + right) / 2, (low + high) / 2, 8.5, 0.8)
    p.block(left - 2.6, low - 1.3, 0.5, 0.5, 1.0, DARK_METAL)
    kit.place("bin", "bin", left - 2.6, low - 2.0, UP, "the litter bin")
    if kit.chance(0.6):
        kit.parts.tree(right + kit.uniform(5.0, 7.0), high + 2.6, kit.uniform(4.5, 6), LEAVES, BARK, kit.seed)
    if kit.chance(0.6):
        kit.parts.tree(
            left - kit.uniform(5.0, 7.5), high + 2.4, kit.uniform(4.5, 6), LEAVES, BARK, kit.seed + 1
        )
    for x in (left - 1.6, left - 3.2, right + 1.6, right + 3.2):
        p.pole(x, low - 0.3, 0.06, 0.9, DARK_METAL)


def _houses(kit: Kit, left: float, right: float, high: float) -> None:
    """Corner houses behind the crossing."""
    front = high + kit.uniform(4.5, 5.5)
    for x0, x1, corner in ((-40.0, left - 4.5, "left"), (right + 4.5, 40.0, "right")):
        x = x0
        while x < x1 - 3:
            wide = min(kit.uniform(7, 11), x1 - x)
            pattern = "brick" if kit.chance(0.5) else "plaster"
            wall = kit.material(
                pattern, (138, 82, 64), (170, 160, 144), (148, 148, 146), second=(166, 158, 150)
            )
            upper = kit.material("facade", wall.colour, second=(58, 68, 84), scale=kit.uniform(2.8, 3.2))
            p = kit.parts
            p.wall((x, front), (x + wide, front), 3.4, wall)
            p.wall((x, front), (x + wide, front), 8.0, upper, z=3.4)
            goods = kit.material("goods", (84, 84, 88), scale=0.8, gloss=0.5, glow=0.4)
            p.wall((x + 1.8, front - 0.03), (x + wide - 0.6, front - 0.03), 1.9, goods, z=0.5, lift=0.03)
            door = kit.material("plain", (70, 46, 34), (44, 52, 60), gloss=0.2)
            p.wall((x + 0.5, front - 0.03), (x + 1.5, front - 0.03), 2.2, door, lift=0.03)
            x += wide
        side = x1 if corner == "left" else x0
        a, b = (
            ((side, front + 24.0), (side, front))
            if corner == "right"
            else ((side, front), (side, front + 24.0))
        )
        kit.parts.wall(a, b, 11.0, kit.material("facade", (150, 120, 100), second=(60, 68, 80), scale=3.0))
        kit.place(
            f"{corner} house",
            "wall",
            side - 2.5 if corner == "left" else side + 2.5,
            front - 0.6,
            UP,
            "the front of the corner house",
            z=1.3,
        )


def _ways(kit: Kit, camera, box: tuple[float, float, float, float], across: float, middle: float) -> None:  # type: ignore[no-untyped-def]
    left, right, low, high = box
    near = low - 1.9
    west, east = kit.edge(camera, near, -1), kit.edge(camera, near, 1)
    far_west, far_east = kit.edge(camera, high + 2.2, -1), kit.edge(camera, high + 2.2, 1)
    kit.place("entrance", "entrance", west, near, 0.0, "the near pavement")
    kit.place("exit", "exit", east, near, math.pi, "the near pavement")
    kit.place("far left", "entrance", far_west, high + 2.2, 0.0, "the far pavement")
    kit.place("far right", "exit", far_east, high + 2.2, math.pi, "the far pavement")
    for name, x, y, turn in (
        ("near left corner", left - 0.9, near, 0.0), ("near right corner", right + 0.9, near, math.pi),
        ("far left corner", left - 1.9, high + 0.8, DOWN), ("far right corner", right + 1.9, high + 0.8,
        DOWN),
    ):  # fmt: skip
        kit.place(name, "kerb", x, y, turn, "the kerb by the crossing")
    kit.place("middle", "open", across, middle, 0.0, "the middle of the crossing")
    kit.place("pavement", "open", left - 2.6, near, 0.0, "the pavement")
    q = (high - low) / 4
    road_west, road_east = kit.edge(camera, high, -1, 5.0), kit.edge(camera, high, 1, 5.0)
    kit.route("eastward", "drive", (road_west, low + q), (road_east, low + q))
    kit.route("westward", "drive", (road_east, high - q), (road_west, high - q))
    kit.route("northward", "drive", (across + q, -6.0), (across + q, 55.0))
    kit.route("southward", "drive", (across - q, 55.0), (across - q, -6.0))
    kit.route(
        "turn",
        "drive",
        (road_west, low + q),
        (across - 0.6, low + q),
        (across + q * 0.8, low + q * 1.6),
        (across + q, high),
        (across + q, 55.0),
    )
    kit.route("through", "walk", (west, near), (left - 0.5, near), (right + 0.5, near), (east, near))
    kit.route(
        "far pavement",
        "walk",
        (far_west, high + 2.0),
        (left - 0.5, high + 1.9),
        (right + 0.5, high + 1.9),
        (far_east, high + 2.0),
    )
    kit.route(
        "across left",
        "walk",
        (west, near),
        (left - 1.9, low - 0.5),
        (left - 1.9, high + 0.5),
        (far_west, high + 2.2),
    )
    kit.route(
        "across right",
        "walk",
        (east, near),
        (right + 1.9, low - 0.5),
        (right + 1.9, high + 0.5),
        (far_east, high + 2.2),
    )
    kit.route("cycle", "cycle", (road_west, low + 0.7), (road_east, low + 0.7))
    y0, y1 = max(low - 4.0, kit.near(camera) + 0.4), low - 0.5
    sides = [(max(west + 1.8, left - 5.5), left - 0.8), (right + 0.8, min(east - 1.8, right + 5.5))]
    sides.sort(key=lambda span: span[0] - span[1])
    kit.region("floor", "walk", sides[0][0], y0, sides[0][1], y1)
    if sides[1][1] - sides[1][0] > 1.0:
        kit.region("other pavement", "walk", sides[1][0], y0, sides[1][1], y1)
    kit.region("far pavement", "walk", left - 5.5, high + 0.6, left - 0.8, high + 3.4)
    kit.region("road", "road", road_west, low, road_east, high)
