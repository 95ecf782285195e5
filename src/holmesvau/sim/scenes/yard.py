"""A schoolyard: asphalt with the lines of a court, a house with its door, benches, trees, a ball post."""

from __future__ import annotations

import math
from itertools import pairwise

from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import BARK, DARK_METAL, LEAVES, METAL, Kit
from holmesvau.sim.world import Colour, Scene

DOWN, UP = -math.pi / 2, math.pi / 2
PAINTS: tuple[Colour, ...] = ((214, 214, 208), (210, 176, 50), (60, 120, 170), (190, 80, 60), (90, 160, 110))


def build(seed: int) -> Scene:
    """The yard of that seed."""
    kit = Kit("yard", seed)
    camera = kit.camera((3.8, 5.0), (0.35, 0.44), (1.0, 1.18), pan=0.16)
    near = kit.near(camera)
    back = near + kit.uniform(6.6, 9.0)
    p = kit.parts
    pattern = ("asphalt", "asphalt", "paving", "concrete")[int(kit.rng.integers(4))]
    ground = kit.material(
        pattern, (108, 106, 104), (92, 94, 98), (128, 122, 116), (122, 98, 86), scale=kit.uniform(0.5, 2.5)
    )
    p.floor(-50, -6, 50, back + 1, ground)
    grass = kit.material("grass", (82, 102, 54), (98, 104, 62), second=(140, 132, 84))
    p.floor(-60, back + 1, 60, 80, grass)
    _court(kit, near, back)
    corner = _house(kit, back)
    _border(kit, back, corner)
    _play(kit, near, back, corner)
    walk = near + kit.uniform(1.4, 2.0)
    left, right = kit.edge(camera, walk, -1), kit.edge(camera, walk, 1)
    front = back - 1.55
    far_left, far_right = kit.edge(camera, front, -1), kit.edge(camera, front, 1)
    kit.place("entrance", "entrance", left, walk, 0.0, "the left side")
    kit.place("exit", "exit", right, walk, math.pi, "the right side")
    kit.place("middle", "open", kit.uniform(-1.2, 1.2), kit.uniform(walk, back - 3.0), 0.0, "the court")
    door = kit.places["house"].xy
    kit.route("through", "walk", (left, walk), (right, walk))
    kit.route("to the house", "walk", (left, walk), (door[0], walk + 0.4), (door[0], front), door)
    kit.route("out of the house", "walk", door, (door[0], front), (far_right, front))
    kit.route("other side", "walk", (far_left, front), (far_right, front))
    kit.region("floor", "walk", max(left + 1, -5.0), near + 0.6, min(right - 1, 5.0), back - 2.6)
    kit.region("before the house", "walk", -5.0, back - 2.6, 5.0, back - 1.2)
    return kit.scene("a schoolyard", False, camera)


def _court(kit: Kit, near: float, back: float) -> None:
    """The lines of a ball court, with a ring or a free-throw area, or squares to hop on."""
    p = kit.parts
    paint = Material(pattern="paint", colour=kit.tint(*PAINTS), second=(110, 110, 110), dirt=0.1)
    other = Material(pattern="paint", colour=kit.tint(*PAINTS), second=(110, 110, 110), dirt=0.1)
    x, half = kit.uniform(-1.5, 1.5), kit.uniform(4.0, 7.5)
    low, high = near + kit.uniform(-1.0, 0.8), back - kit.uniform(2.4, 3.2)
    if kit.chance(0.4):
        field = kit.material("plain", (70, 104, 84), (130, 74, 60), (70, 90, 120), dirt=0.2)
        p.floor(x - half, low, x + half, high, field, lift=0.002)
    ring = [(x - half, low), (x + half, low), (x + half, high), (x - half, high)]
    for a, b in zip(ring, ring[1:] + ring[:1], strict=True):
        p.strip(a, b, 0.09, paint)
    p.strip((x, low), (x, high), 0.09, paint)
    radius, middle = kit.uniform(1.2, 1.8), (low + high) / 2
    turns = [k * math.tau / 24 for k in range(25)]
    circle = [(x + radius * math.cos(t), middle + radius * math.sin(t)) for t in turns]
    for a, b in pairwise(circle):
        p.strip(a, b, 0.09, other)
    if kit.chance(0.5):
        side = 1 if kit.chance(0.5) else -1
        for k in range(5):
            for at in (0.0, 0.5) if k % 2 else (0.25,):
                u, v = x + side * 2.6 + at, low + 1.2 + 0.5 * k
                p.decal(
                    ((u, v), (u + 0.42, v), (u + 0.42, v + 0.42), (u, v + 0.42)), other if k % 2 else paint
                )


def _house(kit: Kit, back: float) -> float:
    """The school: a wall with windows, a door under a small roof, a lamp; returns the x of its corner."""
    p, side = kit.parts, 1 if kit.chance(0.5) else -1
    inner = kit.uniform(-5.5, -2.8)
    ends = sorted((side * inner, side * 30.0))
    kind = "brick" if kit.chance(0.5) else "plaster"
    wall = kit.material(
        kind, (150, 92, 72), (190, 178, 150), (166, 166, 160), (120, 100, 86), second=(170, 162, 152)
    )
    p.block((ends[0] + ends[1]) / 2, back + 5, ends[1] - ends[0], 10.0, 3.3, wall)
    upper = kit.material("facade", wall.colour, second=(60, 70, 84), scale=kit.uniform(2.6, 3.2))
    p.block((ends[0] + ends[1]) / 2, back + 5, ends[1] - ends[0], 10.0, kit.uniform(3.0, 7.0), upper, z=3.3)
    door = side * kit.uniform(-1.4, 1.2)
    leaf = kit.material("plain", (60, 96, 76), (150, 60, 48), (60, 80, 120), (110, 84, 60), gloss=0.2)
    p.wall((door - 1.0, back - 0.03), (door + 1.0, back - 0.03), 2.5, DARK_METAL, lift=0.02)
    for at in (-0.47, 0.47):
        p.wall((door + at - 0.44, back - 0.05), (door + at + 0.44, back - 0.05), 2.3, leaf, lift=0.05)
    p.block(door, back - 0.5, 2.6, 1.0, 0.14, DARK_METAL, z=2.75)
    pane = Material(colour=kit.tint((70, 82, 96), (120, 124, 120)), gloss=0.5, glow=kit.uniform(0.1, 0.5))
    frame = Material(colour=(206, 204, 196))
    for k in range(4):
        x = door + side * (2.7 + 2.3 * k)
        p.wall((x - 0.85, back - 0.03), (x + 0.85, back - 0.03), 1.4, frame, z=1.0, lift=0.02)
        for at in (-0.4, 0.4):
            p.wall((x + at - 0.36, back - 0.05), (x + at + 0.36, back - 0.05), 1.24, pane, z=1.08, lift=0.05)
    kit.lamp(door, back - 1.1, 2.7, 0.8, (255, 232, 196))
    kit.lamp(door + side * 5.0, back - 0.6, 3.0, 0.6, (255, 232, 196))
    kit.place("house", "exit", door, back - 0.45, DOWN, "the door of the school")
    kit.place("school door", "door", door, back - 0.55, UP, "the door of the school", z=1.1)
    kit.place("window", "window", door + side * 2.7, back - 0.55, UP, "a window of the school", z=1.6)
    kit.place("wall", "wall", door - side * 1.6, back - 0.55, UP, "the wall of the school", z=1.3)
    kit.bench(door + side * kit.uniform(4.1, 4.5), back - 0.85, DOWN)
    if kit.chance(0.5):
        kit.bench(door + side * kit.uniform(6.4, 7.0), back - 0.85, DOWN, "other bench")
    at = door + side * 1.6
    p.block(
        at, back - 0.6, 0.42, 0.42, 0.9, kit.material("plain", (60, 64, 62), (190, 110, 40), (50, 90, 60))
    )
    kit.place("bin", "bin", at, back - 1.2, UP, "the litter bin", z=0.8)
    return side * inner


def _border(kit: Kit, back: float, corner: float) -> None:
    """A fence, a wall or a hedge beside the school, trees and houses behind it."""
    p, choice, y = kit.parts, int(kit.rng.integers(3)), back + 1.0
    if choice == 0:
        steel = Material(colour=kit.tint((60, 90, 70), (100, 104, 106), (40, 42, 46)))
        for k in range(-40, 41):
            p.pole(k * 0.5, y, 0.025, 1.9, steel)
        for z in (0.25, 1.75):
            p.block(0.0, y, 40.0, 0.06, 0.06, steel, z=z, casts=False)
    elif choice == 1:
        stone = kit.material("brick", (140, 86, 66), (150, 140, 126), second=(160, 154, 146))
        p.wall((-40, y), (40, y), kit.uniform(1.6, 2.4), stone)
    else:
        for k in range(12):
            x = corner + math.copysign(1.2 + 2 * k + kit.uniform(-0.3, 0.3), corner)
            p.bush(x, y + 0.6, kit.uniform(1.5, 2.1), LEAVES, kit.seed + k)
    for k in range(4):
        at = corner + math.copysign(kit.uniform(2.5, 14.0), corner)
        p.tree(at, y + kit.uniform(2.0, 8.0), kit.uniform(5.0, 8.0), LEAVES, BARK, kit.seed + 23 * k)
    house = kit.material("facade", (150, 128, 112), (160, 156, 150), second=(66, 76, 88), scale=3.0)
    p.wall((-60, back + 26), (60, back + 26), kit.uniform(7.0, 10.0), house)


def _play(kit: Kit, near: float, back: float, corner: float) -> None:
    """A basketball post, a climbing frame or a stone table, a tree in the yard, lamps."""
    p, side = kit.parts, 1 if kit.chance(0.5) else -1
    paint = Material(colour=kit.tint((180, 60, 40), (50, 90, 150), (200, 160, 40), (70, 130, 80)))
    if kit.chance(0.7):
        x, y = side * kit.uniform(4.2, 5.2), back - kit.uniform(2.4, 3.4)
        p.pole(x, y, 0.08, 3.0, METAL)
        p.block(x, y - 0.3, 1.5, 0.06, 1.0, Material(colour=(214, 212, 206)), z=2.7)
        p.block(x, y - 0.34, 0.5, 0.02, 0.4, paint, z=2.85)
        p.block(x, y - 0.58, 0.45, 0.45, 0.04, Material(colour=(200, 90, 40)), z=2.85)
    x, y, choice = -side * kit.uniform(4.2, 5.2), back - kit.uniform(2.7, 3.5), int(kit.rng.integers(3))
    if choice == 0:
        for dx in (-0.9, 0.0, 0.9):
            for dy in (-0.6, 0.6):
                p.pole(x + dx, y + dy, 0.04, 2.0, paint)
            for z in (0.6, 1.2, 1.9):
                p.block(x + dx, y, 0.05, 1.2, 0.05, paint, z=z, casts=False)
        for dy in (-0.6, 0.6):
            for z in (0.7, 1.3, 1.95):
                p.block(x, y + dy, 1.8, 0.05, 0.05, paint, z=z, casts=False)
    elif choice == 1:
        stone = kit.material("concrete", (150, 148, 142), (90, 120, 110), scale=1.4)
        p.block(x, y, 2.4, 1.4, 0.1, stone, z=0.68)
        for dx in (-0.7, 0.7):
            p.block(x + dx, y, 0.25, 0.9, 0.68, stone)
        p.block(x, y, 0.04, 1.5, 0.15, DARK_METAL, z=0.78)
    if kit.chance(0.5):
        at = math.copysign(kit.uniform(6.9, 7.8), corner)
        p.tree(at, back - kit.uniform(0.4, 0.9), kit.uniform(4.6, 6.0), LEAVES, BARK, kit.seed + 5)
    kit.street_lamp(side * kit.uniform(6.0, 7.5), back - 0.6, 5.0, 1.4, DOWN)
    kit.street_lamp(-side * kit.uniform(7.0, 8.5), near + 4.0, 5.0, 1.4, math.pi if side < 0 else 0.0)
