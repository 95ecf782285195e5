"""A corridor of an office or a house: doors on both sides, a lift or window at the end, a plant, a notice
board.
"""

from __future__ import annotations

import math

from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import LEAVES, METAL, Kit
from holmesvau.sim.world import Scene

DOWN, UP = -math.pi / 2, math.pi / 2


def build(seed: int) -> Scene:
    """The corridor of that seed."""
    kit = Kit("corridor", seed)
    camera = kit.camera((2.6, 2.9), (0.36, 0.46), (1.2, 1.4), pan=0.05)
    half, back, high = kit.uniform(1.5, 2.1), kit.uniform(14.0, 18.0), 3.0
    p = kit.parts
    pattern = ("tiles", "carpet", "concrete")[int(kit.rng.integers(3))]
    floor = kit.material(pattern, (150, 148, 142), (96, 102, 112), (132, 120, 104), second=(104, 102, 98),
                         scale=kit.uniform(0.45, 0.7), gloss=0.0 if pattern == "carpet" else 0.6)  # fmt: skip
    p.floor(-half, -2, half, back, floor)
    wall = kit.material("plaster", (206, 202, 192), (186, 196, 200), (208, 196, 172))
    lower = Material(
        pattern="plaster", colour=kit.tint((120, 130, 140), (150, 120, 92), (104, 124, 108)), seed=3
    )
    kit.walls(half, -2, back, high, wall)
    if kit.chance(0.5):
        p.wall((-half + 0.01, -2), (-half + 0.01, back), 1.05, lower, lift=0.02)
        p.wall((half - 0.01, back), (half - 0.01, -2), 1.05, lower, lift=0.02)
    p.wall((-half + 0.02, -2), (-half + 0.02, back), 0.12, Material(colour=(70, 66, 62)), lift=0.03)
    p.wall((half - 0.02, back), (half - 0.02, -2), 0.12, Material(colour=(70, 66, 62)), lift=0.03)
    p.ceiling(
        -half, -2, half, back, high, kit.material("tiles", (196, 196, 192), second=(150, 150, 150), scale=0.6)
    )
    panel = Material(colour=(240, 240, 232), glow=1.2)
    for y in (1.5, 4.5, 7.5, 10.5, 13.5):
        p.ceiling(-0.3, y - 0.6, 0.3, y + 0.6, high - 0.01, panel)
        kit.ceiling_lamp(0.0, y, high - 0.1, 0.42)
    _doors(kit, half, back)
    _end(kit, half, back)
    if kit.chance(0.6):
        x = kit.uniform(0.5, 1.0) * (half - 0.3) * (1 if kit.chance(0.5) else -1)
        p.pole(math.copysign(half - 0.3, x), back - 1.6, 0.18, 0.4, Material(colour=(120, 80, 60)))
        p.bush(math.copysign(half - 0.3, x), back - 1.6, 0.9, LEAVES, kit.seed)
    side = 1 if kit.chance(0.5) else -1
    board = kit.material("poster", (196, 176, 140), second=(232, 230, 220), scale=0.6)
    y = 7.1
    kit.on_side(side, side * half, y, 0.7, 0.9, board, z=1.2, lift=0.05)
    kit.place(
        "notice board",
        "wall",
        side * (half - 0.5),
        y,
        0.0 if side > 0 else math.pi,
        "the notice board",
        z=1.5,
    )
    near = kit.near(camera) - 1.1
    kit.place("entrance", "entrance", 0.0, near, UP, "the near end of the corridor")
    kit.route("through", "walk", (0.3, near), (0.3, back - 1.0), (kit.places["exit"].x, back - 0.35))
    kit.route("back", "walk", (kit.places["exit"].x, back - 0.35), (-0.4, back - 1.2), (-0.4, near))
    kit.region("floor", "walk", -half + 0.5, kit.near(camera) + 0.5, half - 0.5, back - 1.5)
    return kit.scene("a corridor", True, camera)


def _doors(kit: Kit, half: float, back: float) -> None:
    p = kit.parts
    leaf = kit.material("wood", (120, 84, 56), (88, 92, 98), (150, 128, 100), scale=0.5, gloss=0.15)
    frame = Material(colour=(92, 90, 86))
    number = 0
    for y in (4.2, 5.6, 9.0, 12.2):
        for side in (1, -1):
            if y > back - 2 or kit.chance(0.25):
                continue
            number += 1
            x = side * half
            for wide, high, material, lift in ((0.58, 2.15, frame, 0.03), (0.48, 2.07, leaf, 0.06)):
                kit.on_side(side, x, y, wide, high, material, lift=lift)
            turn = 0.0 if side > 0 else math.pi
            p.block(x - side * 0.05, y + 0.36, 0.12, 0.05, 0.05, METAL, z=1.0, heading=UP, casts=False)
            kit.place(
                f"door {number}",
                "door",
                x - side * 0.45,
                y,
                turn,
                f"the {'right' if side > 0 else 'left'}-hand door",
                z=1.0,
            )
    if not number:
        kit.place("door 1", "door", half - 0.45, 5.6, 0.0, "the right-hand door", z=1.0)


def _end(kit: Kit, half: float, back: float) -> None:
    p = kit.parts
    x = kit.uniform(-0.2, 0.2)
    if kit.chance(0.5):
        steel = Material(colour=(150, 152, 156), gloss=0.6)
        p.wall(
            (x - 0.75, back - 0.02), (x + 0.75, back - 0.02), 2.25, Material(colour=(80, 82, 86)), lift=0.03
        )
        p.wall((x - 0.6, back - 0.04), (x - 0.01, back - 0.04), 2.1, steel, lift=0.06)
        p.wall((x + 0.01, back - 0.04), (x + 0.6, back - 0.04), 2.1, steel, lift=0.06)
        phrase = "the lift"
    else:
        p.wall(
            (x - 0.62, back - 0.02), (x + 0.62, back - 0.02), 2.2, Material(colour=(90, 94, 98)), lift=0.03
        )
        p.wall(
            (x - 0.52, back - 0.04),
            (x + 0.52, back - 0.04),
            2.1,
            Material(colour=(196, 210, 214), gloss=0.5, glow=0.5),
            z=0.05,
            lift=0.06,
        )
        phrase = "the glass door at the end"
    kit.place("exit", "exit", x, back - 0.35, DOWN, phrase)
