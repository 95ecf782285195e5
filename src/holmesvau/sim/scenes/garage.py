"""An underground garage: pillars, a lane, bays with parked cars, striped walls, a door to the stairs."""

from __future__ import annotations

import math

from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import DARK_METAL, METAL, WHITE_PAINT, Kit
from holmesvau.sim.world import Colour, Scene

DOWN, UP = -math.pi / 2, math.pi / 2
BAY = 2.6
STRIPES: tuple[Colour, ...] = (
    (40, 90, 150), (180, 60, 40), (210, 160, 40), (50, 120, 80), (130, 70, 120), (60, 140, 150),
    (210, 110, 40),
)  # fmt: skip


def build(seed: int) -> Scene:
    """The garage of that seed."""
    kit = Kit("garage", seed)
    camera = kit.camera((2.9, 3.6), (0.25, 0.32), (1.04, 1.2), pan=0.12)
    near, roof = kit.near(camera), camera.height + kit.uniform(0.25, 0.6)
    low = near + kit.uniform(2.8, 3.2)
    high = low + kit.uniform(4.2, 4.8)
    back = high + 5.2
    p = kit.parts
    floor = kit.material(
        "concrete", (140, 138, 134), (116, 118, 120), (150, 146, 132), (106, 116, 112),
        scale=kit.uniform(3.0, 6.0), gloss=kit.uniform(0.1, 0.4),
    )  # fmt: skip
    p.floor(-34, -4, 34, back, floor)
    if kit.chance(0.5):
        p.floor(-34, low, 34, high, kit.material("asphalt", (92, 92, 94), (110, 106, 100)), lift=0.003)
    kind = ("concrete", "plaster", "brick")[int(kit.rng.integers(3))]
    wall = kit.material(
        kind, (176, 174, 168), (196, 194, 186), (150, 150, 148), second=(150, 146, 140), scale=2.5
    )
    p.wall((-34, back), (34, back), roof, wall)
    colour = kit.tint(*STRIPES)
    band = Material(colour=colour, dirt=0.2)
    foot = kit.uniform(0.2, 1.1)
    p.wall((-34, back - 0.02), (34, back - 0.02), kit.uniform(0.25, 0.7), band, z=foot, lift=0.02)
    _ceiling(kit, roof, back, (low, high))
    core = _stairs(kit, high, back, roof, band)
    _bays(kit, high, back, core)
    _pillars(kit, (low, high), roof, colour, core)
    west, east = kit.edge(camera, low - 1.5, -1), kit.edge(camera, low - 1.5, 1)
    kit.place("entrance", "entrance", west, low - 1.5, 0.0, "the left side")
    kit.place("other side", "exit", east, low - 1.5, math.pi, "the right side")
    kit.place("middle", "open", kit.uniform(-1.2, 1.2), low - 1.0, 0.0, "the way beside the lane")
    middle = (low + high) / 2
    far_west, far_east = kit.edge(camera, back, -1, 5.0), kit.edge(camera, back, 1, 5.0)
    kit.route("lane in", "drive", (far_west, middle - 1.05), (far_east, middle - 1.05))
    kit.route("lane out", "drive", (far_east, middle + 1.05), (far_west, middle + 1.05))
    door = kit.places["exit"].xy
    kit.route("through", "walk", (west, low - 1.5), (door[0], low - 1.3), door)
    kit.route("along", "walk", (east, low - 1.2), (west, low - 1.2))
    kit.route("to the cars", "walk", door, (door[0], low - 1.3), (east, low - 1.5))
    kit.region("floor", "walk", max(west + 1, -4.5), near + 0.6, min(east - 1, 4.5), low - 0.2)
    kit.region("road", "road", far_west, low, far_east, high)
    return kit.scene("an underground garage", True, camera)


def _ceiling(kit: Kit, roof: float, back: float, lane: tuple[float, float]) -> None:
    """Concrete with beams, pipes and lamps."""
    p = kit.parts
    grey = kit.material("concrete", (128, 126, 122), (150, 148, 142), scale=3.0)
    p.ceiling(-34, -4, 34, back, roof, grey)
    tube = Material(colour=(246, 250, 246), glow=1.6)
    warm = kit.tint((255, 246, 226), (236, 246, 255), (246, 255, 240))
    strength = kit.uniform(0.5, 0.85)
    for x in (-8.1, -2.7, 2.7, 8.1):
        for y in (lane[0] - 1.6, sum(lane) / 2, back - 2.2):
            p.ceiling(x - 0.7, y - 0.09, x + 0.7, y + 0.09, roof - 0.02, tube)
            kit.lamp(x, y, roof - 0.1, strength, warm)
    if kit.chance(0.7):
        pipe = kit.material("plain", (150, 152, 150), (150, 50, 40), (90, 94, 96))
        y = lane[1] + kit.uniform(0.4, 1.6)
        p.block(0.0, y, 68.0, 0.16, 0.16, pipe, z=roof - 0.22, casts=False)


def _stairs(kit: Kit, high: float, back: float, roof: float, band: Material) -> tuple[float, float]:
    """A house of concrete in the row of cars with the door to the stairs; returns its left and right."""
    p, wide = kit.parts, BAY * (1 if kit.chance(0.4) else 2)
    left = BAY * (int(kit.rng.integers(-1, 2)) - 0.5)
    x, face = left + wide / 2, high + 0.45
    wall = kit.material("plaster", (190, 188, 180), (164, 166, 168), (206, 200, 184))
    p.block(x, (face + back) / 2, wide - 0.1, back - face, roof, wall)
    ends = (left + 0.05, face - 0.02), (left + wide - 0.05, face - 0.02)
    p.wall(*ends, kit.uniform(0.4, 0.9), band, z=kit.uniform(0.1, 0.6), lift=0.02)
    door = x + (kit.uniform(-0.2, 0.2) if wide < 3 else kit.uniform(-1.5, -0.8))
    leaf = kit.material("plain", (150, 60, 44), (70, 96, 110), (170, 172, 170), (60, 100, 76), gloss=0.2)
    p.wall((door - 0.58, face - 0.03), (door + 0.58, face - 0.03), 2.2, DARK_METAL, lift=0.03)
    p.wall((door - 0.5, face - 0.05), (door + 0.5, face - 0.05), 2.1, leaf, lift=0.05)
    sign = Material(colour=(40, 170, 90), glow=1.2)
    p.wall((door - 0.3, face - 0.05), (door + 0.3, face - 0.05), 0.22, sign, z=2.3, lift=0.05)
    kit.lamp(door, face - 0.6, roof - 0.2, 0.4, (250, 250, 240))
    kit.place("exit", "exit", door, face - 0.45, DOWN, "the door to the stairs")
    kit.place("stairs", "door", door, face - 0.5, UP, "the door to the stairs", z=1.1)
    if wide > 3:
        at = x + kit.uniform(0.5, 1.0)
        body = Material(colour=kit.tint((40, 70, 130), (190, 150, 40), (90, 96, 100)))
        p.block(at, face - 0.25, 0.6, 0.4, 1.6, body, METAL)
        screen = Material(colour=(150, 200, 190), glow=0.8)
        p.wall((at - 0.18, face - 0.46), (at + 0.18, face - 0.46), 0.3, screen, z=1.1, lift=0.02)
        kit.place("pay machine", "counter", at, face - 1.0, UP, "the pay machine", z=1.2)
    kit.place("stairs wall", "wall", x + wide * 0.36, face - 0.5, UP, "the wall of the stairs", z=1.3)
    return left, left + wide


def _bays(kit: Kit, high: float, back: float, core: tuple[float, float]) -> None:
    """The row of cars along the back wall, some bays of it free."""
    p, full = kit.parts, kit.uniform(0.45, 0.8)
    paint = WHITE_PAINT if kit.chance(0.6) else Material(pattern="paint", colour=(206, 174, 40), dirt=0.05)
    for k in range(-5, 6):
        x = k * BAY
        p.strip((x - BAY / 2, high), (x - BAY / 2, back), 0.1, paint)
        if core[0] < x < core[1]:
            continue
        if kit.chance(full):
            turn = UP if kit.chance(0.4) else DOWN
            kit.parked_car(x + kit.uniform(-0.15, 0.15), back - 2.5, turn)
            if abs(k) <= 2:
                name, words = f"parked car {k + 3}", "the window of a parked car"
                kit.place(name, "window", x, high - 0.1, UP, words, z=1.0)
        elif abs(k) <= 2:
            kit.place(f"bay {k + 3}", "bay", x, back - 2.5, UP, "a free bay")
    p.strip((-34, high), (34, high), 0.1, paint)
    if kit.chance(0.6):
        y = high - 2.3
        for x in (-3.4, 3.4):
            p.decal(((x - 0.3, y - 0.35), (x + 0.5, y), (x - 0.3, y + 0.35)), paint)
            p.strip((x - 1.3, y), (x - 0.3, y), 0.2, paint)


def _pillars(
    kit: Kit, lane: tuple[float, float], roof: float, colour: Colour, core: tuple[float, float]
) -> None:
    """Pillars between the bays, and one or two on the near side of the lane, with a coloured foot."""
    p, thick = kit.parts, kit.uniform(0.36, 0.5)
    stone = kit.material("concrete", (160, 158, 152), (186, 184, 178), scale=1.6)
    foot = Material(colour=colour, dirt=0.2)
    spots = [((k - 0.5) * BAY, lane[1] + 0.5) for k in range(-5, 7, 2)]
    spots = [(x, y) for x, y in spots if not core[0] - 0.6 < x < core[1] + 0.6]
    choice = int(kit.rng.integers(4))
    near = kit.uniform(3.2, 4.2)
    if choice:
        door = kit.places["exit"].x
        ahead = [side * near for side in (-1, 1) if choice in (side + 2, 2)]
        spots += [(x, lane[0] - 0.35) for x in ahead if abs(x - door) > 0.9]
    for number, (x, y) in enumerate(spots, start=1):
        p.block(x, y, thick, thick, roof, stone)
        p.block(x, y, thick + 0.03, thick + 0.03, kit.uniform(0.8, 1.3), foot, casts=False)
        if abs(x) < 4.5:
            kit.place(f"pillar {number}", "wall", x, y - thick / 2 - 0.42, UP, "the pillar", z=1.4)
