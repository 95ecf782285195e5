"""A station platform seen along its length: the edge with its warning strip, rails, pillars, benches, a
wall.
"""

from __future__ import annotations

import math

from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import DARK_METAL, Kit
from holmesvau.sim.world import Scene

DOWN, UP = -math.pi / 2, math.pi / 2


def build(seed: int) -> Scene:
    """The platform of that seed."""
    kit = Kit("platform", seed)
    camera = kit.camera((3.2, 4.1), (0.31, 0.38), (1.08, 1.26), pan=0.03)
    side = 1 if kit.chance(0.5) else -1
    edge = side * kit.uniform(1.6, 2.3)
    wall = -side * kit.uniform(4.2, 5.2)
    p = kit.parts
    lo, hi = sorted((wall, edge))
    paving = kit.material(
        "tiles",
        (156, 152, 146),
        (136, 138, 140),
        (166, 156, 140),
        second=(112, 110, 106),
        scale=0.6,
        gloss=0.15,
    )
    p.floor(lo, -4, hi, 70, paving)
    warn = Material(pattern="stripes", colour=(206, 176, 50), second=(176, 150, 44), scale=0.12)
    p.strip((edge - side * 0.75, -4), (edge - side * 0.75, 70), 0.4, warn)
    p.strip(
        (edge - side * 0.1, -4),
        (edge - side * 0.1, 70),
        0.2,
        Material(pattern="concrete", colour=(186, 184, 178)),
    )
    _track(kit, edge, side)
    _wall(kit, wall, side)
    for y in (7.5, 13.0, 18.5, 26.0, 34.0):
        p.block(wall + side * 1.3, y, 0.4, 0.4, 4.2, kit.material("plaster", (120, 124, 128), (70, 90, 110)))
    kit.lamps.clear()
    for y in (4.0, 10.0, 16.0, 24.0, 34.0):
        kit.lamp((wall + edge) / 2, y, 4.2, 0.8, (250, 246, 230))
    kit.bench(wall + side * 0.45, 10.2, 0.0 if side > 0 else math.pi)
    kit.bench(wall + side * 0.45, 15.6, 0.0 if side > 0 else math.pi, "far bench")
    p.block(wall + side * 0.5, 12.4, 0.45, 0.45, 0.95, DARK_METAL)
    kit.place("bin", "bin", wall + side * 1.0, 12.4, math.pi if side > 0 else 0.0, "the litter bin")
    machine = kit.material("poster", (40, 70, 130), (150, 40, 36), second=(220, 220, 214), scale=0.5)
    p.block(wall + side * 0.4, 6.6, 0.9, 0.7, 1.85, machine, heading=UP if side > 0 else DOWN)
    kit.place(
        "ticket machine",
        "counter",
        wall + side * 1.15,
        6.6,
        math.pi if side > 0 else 0.0,
        "the ticket machine",
        z=1.2,
    )
    near, far = kit.near(camera) - 1.3, 30.0
    middle = (wall + edge) / 2 + side * 0.4
    kit.place("entrance", "entrance", middle, near, UP, "the near end of the platform")
    kit.place("exit", "exit", wall + side * 0.9, far, DOWN, "the far end of the platform")
    kit.place(
        "platform edge", "edge", edge - side * 0.45, 11.0, 0.0 if side > 0 else math.pi, "the platform edge"
    )
    kit.place("waiting spot", "open", edge - side * 1.4, 9.0, 0.0 if side > 0 else math.pi, "the yellow line")
    kit.route("through", "walk", (middle, near), (middle, 20.0), (wall + side * 0.9, far))
    kit.route("along the edge", "walk", (edge - side * 1.3, near), (edge - side * 1.3, far))
    x0, x1 = sorted((wall + side * 1.9, edge - side * 1.1))
    kit.region("floor", "walk", x0, kit.near(camera) + 0.7, x1, 19.0)
    k0, k1 = sorted((edge, edge + side * 3.0))
    kit.region("tracks", "forbidden", k0, -2.0, k1, 60.0)
    return kit.scene("a station platform", kit.chance(0.5), camera)


def _track(kit: Kit, edge: float, side: int) -> None:
    p, depth = kit.parts, -1.05
    far = edge + side * 6.4
    lo, hi = sorted((edge, far))
    p.floor(lo, -4, hi, 70, kit.material("asphalt", (84, 78, 72), (72, 70, 68)), z=depth)
    face = kit.material("concrete", (120, 116, 110), scale=1.2)
    a, b = (edge, 70.0), (edge, -4.0)
    p.wall(*((b, a) if side > 0 else (a, b)), 1.05, face, z=depth)
    p.wall(*((a, b) if side < 0 else (b, a)), 1.05, face, z=depth, both=True, shades=False)
    sleeper = Material(pattern="stripes", colour=(58, 50, 44), second=(84, 78, 72), scale=0.65)
    for centre in (1.75, 4.9):
        x = edge + side * centre
        p.strip((x, -4), (x, 70), 2.3, sleeper, z=depth + 0.02)
        for rail in (-0.72, 0.72):
            p.block(
                x + rail,
                33,
                0.09,
                74,
                0.14,
                Material(colour=(132, 122, 112), gloss=0.5),
                z=depth + 0.03,
                casts=False,
            )
    back = kit.material(
        "brick" if kit.chance(0.5) else "tiles",
        (140, 96, 80),
        (170, 172, 168),
        second=(140, 136, 130),
        scale=0.3,
    )
    p.wall(*(((far, 70.0), (far, -4.0)) if side > 0 else ((far, -4.0), (far, 70.0))), 6.5, back, z=depth)
    for y in (8.0, 14.0, 21.0, 30.0):
        poster = kit.material(
            "poster",
            (180, 60, 50),
            (50, 90, 140),
            (220, 200, 90),
            (60, 120, 80),
            second=(230, 228, 220),
            scale=0.9,
        )
        ends = ((far, y + 1.2), (far, y - 1.2)) if side > 0 else ((far, y - 1.2), (far, y + 1.2))
        p.wall(*ends, 1.7, poster, z=0.5, lift=0.05)


def _wall(kit: Kit, wall: float, side: int) -> None:
    p = kit.parts
    tiles = kit.material(
        "tiles",
        (196, 196, 188),
        (176, 188, 186),
        (190, 178, 156),
        second=(140, 140, 136),
        scale=0.3,
        gloss=0.2,
    )
    ends = ((wall, -4.0), (wall, 70.0)) if side > 0 else ((wall, 70.0), (wall, -4.0))
    p.wall(*ends, 4.6, tiles)
    band = Material(colour=kit.tint((40, 80, 130), (150, 40, 40), (40, 110, 80)))
    x = wall + side * 0.02
    p.wall(*(((x, -4.0), (x, 70.0)) if side > 0 else ((x, 70.0), (x, -4.0))), 0.35, band, z=2.3, lift=0.03)
    for y in (9.0, 17.5, 27.0):
        board = kit.material("poster", (230, 228, 220), (220, 190, 90), second=(60, 60, 70), scale=0.7)
        p.wall(
            *(((x, y - 0.9), (x, y + 0.9)) if side > 0 else ((x, y + 0.9), (x, y - 0.9))),
            1.2,
            board,
            z=0.9,
            lift=0.05,
        )
    kit.place("wall", "wall", wall + side * 0.55, 8.5, math.pi if side > 0 else 0.0, "the tiled wall", z=1.3)
