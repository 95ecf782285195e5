"""A warehouse: racks of cartons on both sides, pallets, a roller gate, a packing bench."""

from __future__ import annotations

import math

from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import DARK_METAL, Kit
from holmesvau.sim.world import Scene

DOWN, UP = -math.pi / 2, math.pi / 2


def build(seed: int) -> Scene:
    """The warehouse of that seed."""
    kit = Kit("warehouse", seed)
    camera = kit.camera((3.9, 4.8), (0.38, 0.45), (1.06, 1.22), pan=0.10)
    half, back = kit.uniform(8.5, 10.5), kit.uniform(17.0, 20.0)
    p = kit.parts
    p.floor(
        -half,
        -5,
        half,
        back,
        kit.material("concrete", (148, 146, 142), (132, 134, 136), (156, 148, 136), scale=4.0, gloss=0.3),
    )
    line = Material(pattern="paint", colour=(206, 174, 40), second=(150, 148, 142))
    wall = kit.material("slats", (150, 154, 158), (168, 164, 154), scale=0.3)
    p.wall((-half, back), (half, back), 10.0, wall)
    p.wall((-half, -5), (-half, back), 10.0, wall)
    p.wall((half, back), (half, -5), 10.0, wall)
    aisle = kit.uniform(2.3, 2.9)
    for x in (-aisle - 0.15, aisle + 0.15):
        p.strip((x, -5), (x, back - 2.0), 0.12, line)
    for side in (1, -1):
        _rack(kit, side, aisle, back)
    gate_x = kit.uniform(-0.8, 0.8)
    gate = kit.material("slats", (120, 126, 132), (160, 120, 60), (90, 110, 130), scale=0.22)
    p.wall((gate_x - 1.9, back - 0.02), (gate_x + 1.9, back - 0.02), 3.7, DARK_METAL, lift=0.02)
    p.wall((gate_x - 1.75, back - 0.05), (gate_x + 1.75, back - 0.05), 3.5, gate, lift=0.05)
    door_x = gate_x - 3.0
    p.wall(
        (door_x - 0.5, back - 0.03),
        (door_x + 0.5, back - 0.03),
        2.1,
        Material(colour=(60, 92, 70)),
        lift=0.03,
    )
    kit.place("entrance", "entrance", door_x, back - 0.35, DOWN, "the side door")
    kit.place("gate", "gate", gate_x, back - 0.6, UP, "the roller gate")
    near = kit.near(camera) - 1.3
    kit.place("exit", "exit", 0.4, near, UP, "the near end of the hall")
    _loose(kit, aisle, back)
    for x in (-half / 2, 0.0, half / 2):
        for y in (4.0, 11.0, back - 2.0):
            kit.ceiling_lamp(x, y, 6.0, 0.8)
    kit.place("aisle", "open", 0.0, kit.uniform(8.5, 10.0), 0.0, "the aisle")
    kit.route("through", "walk", (door_x, back - 0.35), (door_x * 0.4, back - 2.0), (0.3, 9.0), (0.4, near))
    kit.route("cart way", "cycle", (gate_x, back - 0.6), (0.6, 12.0), (0.9, near))
    kit.region("floor", "walk", -aisle + 0.5, kit.near(camera) + 0.8, aisle - 0.5, back - 2.0)
    return kit.scene("a warehouse", True, camera)


def _rack(kit: Kit, side: int, aisle: float, back: float) -> None:
    """Steel racks with cartons on three boards, along the aisle."""
    p = kit.parts
    x = side * (aisle + 1.15)
    steel = Material(colour=kit.tint((40, 70, 140), (190, 90, 30), (90, 94, 98)), gloss=0.2)
    beam = Material(colour=(196, 100, 34), gloss=0.2)
    start, stop, bay = 3.4, back - 3.0, 2.7
    y, number = start, 0
    while y + bay <= stop:
        for corner_x in (x - 0.5, x + 0.5):
            p.block(corner_x, y, 0.09, 0.09, 4.0, steel)
        for level in (0.12, 1.45, 2.75):
            p.block(x, y + bay / 2, 1.05, bay, 0.09, beam, z=level, casts=False)
            if kit.chance(0.88):
                long, high = bay * kit.uniform(0.55, 0.92), kit.uniform(0.6, 1.1)
                load = kit.material(
                    "boxes",
                    (172, 132, 88),
                    (150, 116, 80),
                    (186, 150, 108),
                    second=(216, 206, 180),
                    scale=kit.uniform(0.35, 0.6),
                )
                p.block(x, y + bay / 2 + kit.uniform(-0.1, 0.1), 0.92, long, high, load, z=level + 0.09)
        number += 1
        kit.place(
            f"rack {side} {number}",
            "shelf",
            side * (aisle + 0.2),
            y + bay / 2,
            0.0 if side > 0 else math.pi,
            "a rack",
            z=1.2,
        )
        y += bay
    for corner_x in (x - 0.5, x + 0.5):
        p.block(corner_x, y, 0.09, 0.09, 4.0, steel)


def _loose(kit: Kit, aisle: float, back: float) -> None:
    p = kit.parts
    wood = kit.material("wood", (160, 128, 88), scale=0.14)
    side = 1 if kit.chance(0.5) else -1
    bench_x, bench_y = side * (aisle - 0.55), kit.uniform(6.2, 7.0)
    p.block(bench_x, bench_y, 0.8, 1.9, 0.08, wood, z=0.85)
    for dx, dy in ((-0.32, -0.85), (0.32, -0.85), (-0.32, 0.85), (0.32, 0.85)):
        p.block(bench_x + dx, bench_y + dy, 0.07, 0.07, 0.85, DARK_METAL)
    p.block(
        bench_x,
        bench_y + 0.4,
        0.4,
        0.5,
        0.35,
        kit.material("boxes", (176, 136, 92), second=(216, 206, 180), scale=0.35),
        z=0.93,
    )
    kit.place(
        "packing bench",
        "counter",
        bench_x - side * 0.75,
        bench_y,
        0.0 if side > 0 else math.pi,
        "the packing bench",
        z=0.95,
    )
    for k in range(2):
        x, y = -side * (aisle - 0.7), back - 3.2 - 2.4 * k
        p.block(x, y, 1.1, 0.9, 0.14, wood)
        high = kit.uniform(0.5, 1.2)
        p.block(
            x,
            y,
            0.95,
            0.8,
            high,
            kit.material("boxes", (172, 132, 88), (190, 188, 180), second=(216, 206, 180), scale=0.4),
            z=0.14,
        )
        kit.place(
            f"pallet {k + 1}",
            "shelf",
            x + side * 1.0,
            y,
            math.pi if side > 0 else 0.0,
            "a pallet of boxes",
            z=0.7,
        )
