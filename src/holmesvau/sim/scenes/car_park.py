"""A car park: two rows of bays with a lane between, lamps, a pay machine, a fence or wall at the back."""

from __future__ import annotations

import math

from holmesvau.sim.materials import Material
from holmesvau.sim.scenes.kit import BARK, LEAVES, METAL, WHITE_PAINT, Kit
from holmesvau.sim.world import Scene

DOWN, UP = -math.pi / 2, math.pi / 2
BAY = 2.6


def build(seed: int) -> Scene:
    """The car park of that seed."""
    kit = Kit("car park", seed)
    camera = kit.camera((4.3, 5.8), (0.38, 0.47), (0.98, 1.14), pan=0.17)
    near_row, lane = kit.uniform(6.4, 7.4), kit.uniform(5.6, 6.4)
    lane_low, lane_high = near_row + 2.2, near_row + 2.2 + lane
    back = lane_high + 5.0
    p = kit.parts
    p.floor(-50, -6, 50, back + 1.2, kit.material("asphalt", (98, 97, 96), (84, 85, 88), (110, 108, 104)))
    p.floor(
        -50, back + 1.2, 50, 60, kit.material("grass", (82, 100, 52), (96, 104, 60), second=(140, 132, 84))
    )
    free: list[tuple[str, float, float, float]] = []
    for k in range(-8, 9):
        x = k * BAY
        p.strip((x - BAY / 2, lane_high), (x - BAY / 2, back), 0.1, WHITE_PAINT)
        p.strip((x - BAY / 2, near_row - 3.0), (x - BAY / 2, lane_low), 0.1, WHITE_PAINT)
        wanted = abs(k) <= 2
        if kit.chance(0.45 if wanted else 0.7):
            kit.parked_car(x + kit.uniform(-0.15, 0.15), back - 2.45, UP if kit.chance(0.5) else DOWN)
            if wanted:
                kit.place(
                    f"parked car {k + 3}", "door", x + 1.25, lane_high + 1.6, math.pi, "a parked car", z=1.0
                )
        elif wanted:
            free.append((f"bay {k + 3}", x, back - 2.45, UP))
        if abs(x) > 2.5 and kit.chance(0.35):
            kit.parked_car(x, near_row - 0.5, UP if kit.chance(0.5) else DOWN)
    if not free:
        free.append(("bay 9", 9 * BAY, back - 2.45, UP))
    for name, x, y, turn in free:
        kit.place(name, "bay", x, y, turn, "a free bay")
    _back(kit, back)
    for x in (-9.0, 0.0, 9.0):
        kit.street_lamp(x + kit.uniform(-1.2, 1.2), back + 0.5, 6.2, 2.6, DOWN)
    side = 1 if kit.chance(0.5) else -1
    machine_x, machine_y = side * kit.uniform(3.6, 4.4), lane_low - 1.0
    p.block(
        machine_x,
        machine_y,
        0.55,
        0.4,
        1.55,
        Material(colour=kit.tint((40, 70, 130), (180, 140, 30), (70, 76, 82))),
        METAL,
    )
    p.block(machine_x, machine_y - 0.21, 0.34, 0.02, 0.3, Material(colour=(150, 200, 190), glow=0.8), z=1.05)
    kit.place("pay machine", "counter", machine_x, machine_y - 0.75, UP, "the pay machine", z=1.2)
    middle = (lane_low + lane_high) / 2
    west, east = kit.edge(camera, middle, -1), kit.edge(camera, middle, 1)
    kit.place("entrance", "entrance", west, lane_low + 0.7, 0.0, "the left side")
    kit.place("exit", "exit", east, lane_low + 0.7, math.pi, "the right side")
    kit.place("lane", "open", kit.uniform(-1, 1), middle, 0.0, "the lane between the rows")
    road_west, road_east = kit.edge(camera, back, -1, 5.0), kit.edge(camera, back, 1, 5.0)
    kit.route("lane in", "drive", (road_west, middle - 1.2), (road_east, middle - 1.2))
    kit.route("lane out", "drive", (road_east, middle + 1.2), (road_west, middle + 1.2))
    kit.route("through", "walk", (west, lane_low + 0.7), (east, lane_low + 0.7))
    kit.route("far side", "walk", (west, lane_high - 0.5), (east, lane_high - 0.5))
    kit.route("to the machine", "walk", (west, lane_low + 0.7), (machine_x, machine_y - 0.75))
    kit.region("floor", "walk", max(west + 1, -5.5), lane_low + 0.2, min(east - 1, 5.5), lane_high - 0.4)
    kit.region("road", "road", road_west, lane_low, road_east, lane_high)
    return kit.scene("a car park", False, camera)


def _back(kit: Kit, back: float) -> None:
    p, y = kit.parts, back + 1.2
    choice = int(kit.rng.integers(3))
    if choice == 0:
        p.wall(
            (-50, y),
            (50, y),
            kit.uniform(2.0, 2.6),
            kit.material("brick", (136, 82, 64), (124, 96, 80), second=(164, 156, 148)),
        )
    elif choice == 1:
        p.wall(
            (-50, y + 3),
            (50, y + 3),
            7.0,
            kit.material("slats", (126, 132, 138), (150, 146, 136), (96, 112, 128), scale=0.3),
        )
        door = kit.material("slats", (90, 94, 98), (120, 60, 50), scale=0.14)
        p.wall((-3, y + 2.95), (0.5, y + 2.95), 3.2, door, lift=0.03)
    else:
        for x in range(-22, 23, 2):
            p.bush(x + kit.uniform(-0.4, 0.4), y + 0.8, kit.uniform(1.3, 1.9), LEAVES, kit.seed + x + 22)
    for k in range(3):
        p.tree(
            kit.uniform(-18, 18), y + kit.uniform(4, 9), kit.uniform(5, 7.5), LEAVES, BARK, kit.seed + 17 * k
        )
    kit.place("back wall", "wall", kit.uniform(-2.5, 2.5), y - 0.55, UP, "the back of the car park", z=1.2)
