"""How fast the simulator renders: frames a second on one core, H.264 encoding included, for every scene.

    python benchmarks/sim.py [--frames 300] [--json results.json]
    python benchmarks/sim.py --long 600 3600 86400 [--fps 1]

With `--long`, whole videos of so many seconds are planned and rendered at 160x120 instead, each in a process
of its own: what planning takes, how many anomalies they hold, and the most memory that was resident.

Figures are of processor time, so that other work on the machine does not count; wall time stands beside it.
The painting of the empty scene (once per video) is given apart.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from holmesvau.sim import scenes
from holmesvau.sim.encode import write
from holmesvau.sim.plan import Settings, plan
from holmesvau.sim.render import Renderer
from holmesvau.sim.sheet import passers_by
from holmesvau.sim.world import Sensor, Stage

SIZES = ((320, 240), (640, 360))
AIMS = {320: 300, 640: 120}


def stage_of(name: str, size: tuple[int, int], frames: int) -> Stage:
    scene = scenes.build(name, 7)
    duration = frames / 25
    actors = passers_by(scene, 7, duration=duration, people=4)
    return Stage(
        scene=scene,
        duration=duration,
        size=size,
        seed=7,
        actors=actors,
        sensor=Sensor(clock="2031-03-02T23:14:05"),
    )


def timed(name: str, size: tuple[int, int], frames: int, folder: Path) -> dict[str, float]:
    stage = stage_of(name, size, frames)
    cpu = time.process_time()
    Renderer(stage)
    plate = time.process_time() - cpu
    cpu, wall = time.process_time(), time.perf_counter()
    path = write(stage, folder / f"{name}-{size[0]}.mp4")
    cpu, wall = time.process_time() - cpu - plate, time.perf_counter() - wall
    kbits = path.stat().st_size * 8 / 1000 / stage.duration
    return {
        "fps": frames / max(cpu, 1e-6),
        "wall_fps": frames / wall,
        "plate_seconds": plate,
        "kbit_per_second": kbits,
    }


def long(seconds: float, fps: float) -> dict[str, float]:
    """A video of so many seconds, planned and rendered: processor seconds and resident MiB at the most."""
    settings = Settings(
        seed=7,
        duration=(seconds, seconds),
        size=(160, 120),
        fps=fps,
        anomalous_share=1.0,
        events=3,
        scenes=("street",),
    )
    cpu = time.process_time()
    planned = plan(settings, 0)
    planning, planned_memory = time.process_time() - cpu, _resident()
    cpu = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        size = write(planned.stage, Path(folder) / "long.mp4").stat().st_size
    return {
        "seconds": seconds,
        "frames": planned.stage.num_frames,
        "events": len(planned.record["events"]),
        "actors": len(planned.stage.actors),
        "plan_seconds": planning,
        "plan_mib": planned_memory,
        "render_seconds": time.process_time() - cpu,
        "peak_mib": _resident(),
        "file_mib": size / 2**20,
    }


def _resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--long", type=float, nargs="+", metavar="SECONDS")
    parser.add_argument("--fps", type=float, default=1.0)
    options = parser.parse_args()
    if options.long:
        for seconds in options.long:
            # A process of its own, as the most that was ever resident never falls.
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                row = pool.submit(long, seconds, options.fps).result()
            print(json.dumps({key: round(value, 1) for key, value in row.items()}), flush=True)
        return
    results: dict[str, dict[str, float]] = {}
    print(f"{'scene':<14}{'size':>9}{'frames/s/core':>15}{'by the wall':>13}{'plate s':>9}{'kbit/s':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            rates = []
            for name in scenes.NAMES:
                row = results[f"{name} {size[0]}x{size[1]}"] = timed(name, size, options.frames, Path(folder))
                rates.append(row["fps"])
                print(
                    f"{name:<14}{size[0]:>5}x{size[1]}{row['fps']:>14.0f}{row['wall_fps']:>13.0f}"
                    f"{row['plate_seconds']:>9.2f}{row['kbit_per_second']:>8.0f}"
                )
            median = sorted(rates)[len(rates) // 2]
            print(f"{'median':<14}{size[0]:>5}x{size[1]}{median:>14.0f}   aim {AIMS[size[0]]}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
