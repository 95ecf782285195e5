"""A park: lawns, a way across and one along, benches, trees, a bin, a kiosk or a hedge at the back."""

from __future__ import annotations

import math

from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import BARK, DARK_METAL, LEAVES, Kit
from holmesvau.sim.world import Scene

DOWN, UP = -math.pi / 2, math.pi / 2


def build(seed: int) -> Scene:
    """The park of that seed."""
    kit = Kit("park", seed)
    camera = kit.camera((3.9, 5.3), (0.36, 0.46), (0.98, 1.18), pan=0.18)
    p = kit.parts
    lawn = kit.material("grass", (84, 104, 54), (100, 108, 62), (72, 92, 50), second=(140, 132, 84))
    p.floor(-60, -6, 60, 80, lawn)
    low = max(kit.uniform(5.4, 6.6), kit.near(camera) + 1.4)
    high = low + kit.uniform(3.2, 4.4)
    gravel = kit.material(
        ("concrete", "paving", "asphalt")[int(kit.rng.integers(3))],
        (170, 156, 130), (140, 136, 130), (150, 120, 96), scale=kit.uniform(0.4, 0.9),
    )  # fmt: skip
    p.floor(-60, low, 60, high, gravel, lift=0.001)
    across = kit.uniform(-3.5, 3.5)
    bend = across + kit.uniform(-4.0, 4.0)
    p.strip((across, high), (bend, 34.0), kit.uniform(1.8, 2.4), gravel)
    _back(kit, across)
    _furniture(kit, low, high, across)
    left, right = kit.edge(camera, low + 1, -1), kit.edge(camera, low + 1, 1)
    kit.place("entrance", "entrance", left, low + 0.9, 0.0, "the left side")
    kit.place("exit", "exit", right, low + 0.9, math.pi, "the right side")
    share = 0.45
    far = (across + (bend - across) * share, high + (34.0 - high) * share)
    kit.place("far way", "exit", *far, DOWN, "the trees")
    middle = (low + high) / 2
    kit.place("way", "open", kit.uniform(-1.5, 1.5), middle, 0.0, "the way")
    kit.route("through", "walk", (left, low + 0.9), (right, low + 0.9))
    kit.route("other side", "walk", (right, high - 0.7), (left, high - 0.7))
    kit.route("into the park", "walk", (left, low + 0.9), (across, high - 0.4), far)
    kit.route("cycle", "cycle", (left - 4, middle), (right + 4, middle))
    kit.region("floor", "walk", max(left + 1.0, -5.5), low + 0.3, min(right - 1.0, 5.5), high - 0.3)
    return kit.scene("a park", False, camera)


def _furniture(kit: Kit, low: float, high: float, across: float) -> None:
    p = kit.parts
    side = 1 if kit.chance(0.5) else -1
    kit.bench(across + side * kit.uniform(2.2, 3.2), high + 0.6, DOWN)
    if kit.chance(0.7):
        kit.bench(across - side * kit.uniform(2.4, 3.6), high + 0.6, DOWN, "other bench")
    x = across + side * kit.uniform(1.2, 1.6)
    p.block(x, high + 0.5, 0.42, 0.42, 0.9, DARK_METAL)
    kit.place("bin", "bin", x, high - 0.1, UP, "the litter bin")
    for x in (-9.5, 1.5 * side, 10.5):
        kit.street_lamp(x + kit.uniform(-1.5, 1.5), high + 1.0, kit.uniform(3.8, 4.6), 0.7, DOWN)
    for k in range(6):
        x, y = kit.uniform(-20, 20), high + kit.uniform(3.5, 16.0)
        if abs(x - across) > 3.0:
            p.tree(x, y, kit.uniform(4.5, 8.0), LEAVES, BARK, kit.seed + 31 * k)
    if kit.chance(0.5):
        p.bush(-side * kit.uniform(4.5, 6.5), low - 0.7, kit.uniform(0.7, 1.0), LEAVES, kit.seed)
    if kit.chance(0.5):
        stone = kit.material("concrete", (150, 146, 138), (120, 112, 104), scale=0.8)
        x = across - side * kit.uniform(4.2, 5.2)
        p.block(x, high + 1.4, 1.3, 1.3, 0.9, stone)
        p.block(x, high + 1.4, 0.5, 0.5, 1.7, stone, z=0.9)
        kit.place("monument", "wall", x, high + 0.3, UP, "the monument", z=0.9)


def _back(kit: Kit, across: float) -> None:
    """A hedge, a fence or houses at the far side, and in some parks a kiosk by the way."""
    p, choice = kit.parts, int(kit.rng.integers(3))
    if choice == 0:
        for k in range(-26, 27, 2):
            p.bush(k + kit.uniform(-0.4, 0.4), 30.0, kit.uniform(1.6, 2.4), LEAVES, kit.seed + k + 26)
    elif choice == 1:
        mesh = kit.material("slats", (70, 84, 70), (110, 108, 102), scale=0.25)
        p.wall((-60, 30), (60, 30), 1.8, mesh)
    house = kit.material("facade", (150, 126, 108), (160, 156, 150), second=(70, 80, 92), scale=3.0)
    p.wall((-60, 46), (60, 46), kit.uniform(7.0, 10.0), house)
    side = 1 if kit.chance(0.5) else -1
    x, y = across + side * kit.uniform(5.2, 6.4), kit.uniform(13.0, 14.5)
    if kit.chance(0.6):
        wood = kit.material("wood", (60, 96, 84), (140, 60, 50), (176, 160, 120), scale=0.3)
        goods = kit.material("goods", (110, 90, 80), scale=0.4, glow=0.4)
        p.block(x, y, 2.4, 1.8, 2.5, wood, Material(colour=(70, 68, 66)))
        p.wall((x - 0.9, y - 0.92), (x + 0.9, y - 0.92), 1.1, goods, z=1.0, lift=0.03)
        kit.place("kiosk", "counter", x, y - 1.5, UP, "the kiosk", z=1.1)
        kit.place("kiosk window", "window", x + 0.7, y - 1.5, UP, "the window of the kiosk", z=1.4)
