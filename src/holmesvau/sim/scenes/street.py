"""A street seen across: two pavements, a road of two lanes, shopfronts, parked cars, lamps and a bus stop."""

from __future__ import annotations

import math

from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import BARK, DARK_METAL, LEAVES, METAL, WHITE_PAINT, Kit
from holmesvau.sim.world import Scene

DOWN, UP = -math.pi / 2, math.pi / 2


def build(seed: int) -> Scene:
    """The street of that seed."""
    kit = Kit("street", seed)
    camera = kit.camera((4.0, 5.4), (0.36, 0.45), (0.98, 1.16), pan=0.18)
    near, kerb, far_kerb, front = 3.0, kit.uniform(8.0, 8.8), 0.0, 0.0
    kerb = max(kerb, kit.near(camera) + 3.2)
    far_kerb = kerb + kit.uniform(6.2, 7.0)
    front = far_kerb + kit.uniform(2.8, 3.6)
    p = kit.parts
    p.floor(-45, kerb, 45, far_kerb, kit.material("asphalt", (88, 88, 90), (76, 77, 80), (98, 96, 94)))
    pavement = kit.material(
        "paving", (150, 146, 138), (136, 136, 136), (158, 148, 132), scale=kit.uniform(0.4, 0.7)
    )
    p.floor(-45, -4, 45, kerb, pavement, z=0.0, lift=0.001)
    p.floor(-45, far_kerb, 45, front + 1, pavement, lift=0.001)
    stone = kit.material("concrete", (162, 160, 154), scale=1.0)
    for y in (kerb, far_kerb):
        p.strip((-45, y), (45, y), 0.16, stone)
    middle = (kerb + far_kerb) / 2
    for k in range(-14, 15):
        p.strip((k * 3.0, middle), (k * 3.0 + 1.6, middle), 0.12, WHITE_PAINT)
    _fronts(kit, front)
    _furniture(kit, kerb, far_kerb)
    left, right = kit.edge(camera, kerb - 2, -1), kit.edge(camera, kerb - 2, 1)
    far_left, far_right = kit.edge(camera, front - 1.4, -1), kit.edge(camera, front - 1.4, 1)
    kit.place("entrance", "entrance", left, kerb - 2, 0.0, "the left side")
    kit.place("exit", "exit", right, kerb - 2, math.pi, "the right side")
    kit.place("far left", "entrance", far_left, front - 1.4, 0.0, "the far pavement")
    kit.place("far right", "exit", far_right, front - 1.4, math.pi, "the far pavement")
    kit.place("near kerb", "kerb", 0.0, kerb - 0.5, UP, "the kerb")
    kit.place("far kerb", "kerb", 0.5, far_kerb + 0.5, DOWN, "the far kerb")
    kit.place("pavement", "open", kit.uniform(-1.5, 1.5), kerb - 2.2, 0.0, "the pavement")
    lane = (far_kerb - kerb) / 4
    road_left, road_right = kit.edge(camera, far_kerb, -1, 5.0), kit.edge(camera, far_kerb, 1, 5.0)
    kit.route("near lane", "drive", (road_left, kerb + lane), (road_right, kerb + lane))
    kit.route("far lane", "drive", (road_right, far_kerb - lane), (road_left, far_kerb - lane))
    kit.route("through", "walk", (left, kerb - 2), (right, kerb - 2))
    kit.route("near pavement", "walk", (left, kerb - 1.3), (right, kerb - 1.3))
    kit.route("far pavement", "walk", (far_left, front - 1.4), (far_right, front - 1.4))
    kit.route(
        "across", "walk", (left, kerb - 2), (0.4, kerb - 0.6), (0.6, far_kerb + 0.6), (far_right, front - 1.4)
    )
    kit.route("cycle", "cycle", (road_left, kerb + 0.7), (road_right, kerb + 0.7))
    kit.region(
        "floor",
        "walk",
        max(left, -5.0) + 1.2,
        max(near, kit.near(camera) + 0.6),
        min(right, 5.0) - 1.2,
        kerb - 0.7,
    )
    kit.region("far pavement", "walk", -7.0, far_kerb + 0.5, 7.0, front - 0.6)
    kit.region("road", "road", road_left, kerb, road_right, far_kerb)
    return kit.scene("a street", False, camera)


def _fronts(kit: Kit, front: float) -> None:
    """Houses along the far side, each with a door and a shop window or shutter."""
    p, x, number = kit.parts, -32.0, 0
    while x < 32:
        wide = kit.uniform(5.0, 8.5)
        kind = "brick" if kit.chance(0.4) else "plaster"
        wall = kit.material(
            kind, (142, 84, 66), (176, 166, 148), (150, 150, 146), (128, 104, 84), second=(168, 160, 150)
        )
        upper = kit.material("facade", wall.colour, second=(60, 70, 84), scale=kit.uniform(2.7, 3.1))
        p.wall((x, front), (x + wide, front), 3.2, wall)
        p.wall((x, front), (x + wide, front), 7.0, upper, z=3.2)
        sign = kit.material(
            "poster",
            (52, 80, 120),
            (128, 38, 34),
            (40, 92, 66),
            (36, 36, 40),
            second=(220, 214, 200),
            scale=1.4,
        )
        p.wall((x + 0.3, front - 0.04), (x + wide - 0.3, front - 0.04), 0.55, sign, z=2.6, lift=0.03)
        if kit.chance(0.25):
            inside = kit.material("slats", (128, 130, 132), (104, 110, 118), scale=0.12)
        else:
            inside = kit.material(
                "goods", (84, 84, 88), second=(90, 90, 90), scale=0.75, gloss=0.5, glow=0.55
            )
        p.wall((x + 1.6, front - 0.03), (x + wide - 0.5, front - 0.03), 1.75, inside, z=0.55, lift=0.03)
        door = kit.material("plain", (70, 46, 34), (44, 52, 60), (90, 92, 94), gloss=0.2)
        p.wall((x + 0.4, front - 0.03), (x + 1.35, front - 0.03), 2.15, door, z=0.05, lift=0.03)
        if -7 < x + 0.9 < 7:
            number += 1
            kit.place(f"shop door {number}", "door", x + 0.9, front - 0.5, UP, "a shop door")
            kit.place(
                f"shop window {number}",
                "window",
                x + 1.6 + (wide - 2.1) / 2,
                front - 0.6,
                UP,
                "a shop window",
                z=1.4,
            )
            kit.place(f"wall {number}", "wall", x + 1.5, front - 0.5, UP, "the wall of a shop", z=1.3)
        if kit.chance(0.6):
            kit.lamp(x + wide / 2, front - 0.6, 2.7, 0.45, (255, 228, 190))
        x += wide


def _furniture(kit: Kit, kerb: float, far_kerb: float) -> None:
    p = kit.parts
    for x in (-11.5, 1.5, 14.0):
        kit.street_lamp(x + kit.uniform(-2, 2), far_kerb + 0.5, 6.0, 1.6, DOWN)
    slots = [x for x in (-15.5, -9.8, -4.2, 6.4, 12.0, 17.5) if kit.chance(0.55)]
    for x in slots:
        kit.parked_car(x + kit.uniform(-0.3, 0.3), far_kerb - 1.05, math.pi)
    if kit.chance(0.7):
        x = kit.uniform(5.2, 7.5) * (1 if kit.chance(0.5) else -1)
        kit.parts.tree(x, kerb - 0.9, kit.uniform(4.2, 5.2), LEAVES, BARK, kit.seed)
    stop = kit.uniform(2.2, 3.8) * (1 if kit.chance(0.5) else -1)
    p.pole(stop, kerb - 0.4, 0.04, 2.5, METAL)
    p.wall(
        (stop - 0.22, kerb - 0.46),
        (stop + 0.22, kerb - 0.46),
        0.45,
        Material(colour=(196, 170, 40)),
        z=2.05,
        both=True,
        shades=False,
    )
    kit.place("bus stop", "queue", stop + 0.5, kerb - 0.8, UP, "the bus stop")
    bin_x = stop - math.copysign(kit.uniform(1.6, 2.4), stop)
    p.block(bin_x, kerb - 0.7, 0.42, 0.42, 0.95, DARK_METAL)
    kit.place("bin", "bin", bin_x, kerb - 1.2, UP, "the litter bin")
    if kit.chance(0.7):
        kit.bench(-stop, kerb - 1.0, DOWN)
    for x in (-5.5, -1.8, 2.0, 5.6):
        if kit.chance(0.4):
            p.pole(x, kerb - 0.25, 0.06, 0.9, DARK_METAL)
