"""Do the places that the foveal encoder looks into hold whoever takes part in an anomaly?

    python benchmarks/windows.py [--videos 60] [--seed 1101] [--size 320x240]

Renders simulated videos two frames a second, finds the windows of every frame as `ats.fovea` does, and
projects the actors of each anomaly into the picture. Prints, by class, the share of its frames in which
somebody who takes part is in the first window, in one of the first two, in one of three; and in which the
first window, or one of three, holds a person from head to foot. Prints Markdown.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from holmesvau import sim
from holmesvau.ats import fovea
from holmesvau.ats.fovea import Window
from holmesvau.sim.plan import Plan, Settings, plan
from holmesvau.sim.scenes import of_split
from holmesvau.sim.seen import in_picture, seen
from holmesvau.video import open_video

FPS = 2.0
DURATION = (25.0, 70.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1101)
    parser.add_argument("--size", default="320x240")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    settings = Settings(
        seed=options.seed,
        split="val",
        duration=DURATION,
        size=(width, height),
        fps=FPS,
        anomalous_share=1.0,
        scenes=of_split("val"),
    )
    hits: dict[str, list[list[bool]]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        made = sim.generate(
            folder,
            options.videos,
            options.seed,
            split="val",
            duration=DURATION,
            size=(width, height),
            fps=FPS,
            anomalous_share=1.0,
        )
        for number, path in enumerate(made.videos):
            for label, found in looked_at(plan(settings, number), path):
                hits[label].append(found)
    print("| class | frames | first window | one of two | one of three | whole, first | whole, of three |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    everything = [found for of_class in hits.values() for found in of_class]
    for label, of_class in [*sorted(hits.items()), ("**all**", everything)]:
        shares = " | ".join(f"{share:.2f}" for share in np.mean(of_class, axis=0))
        print(f"| {label} | {len(of_class)} | {shares} |")


def looked_at(planned: Plan, path: Path) -> list[tuple[str, list[bool]]]:
    """For each frame of each anomaly: whether its windows, one, two and three of them, hold somebody.

    And whether the first, or one of three, holds a whole person.
    """
    with open_video(path) as video:
        frames = np.concatenate([batch.frames for batch in video.frames(every=1)])
    height, width = frames.shape[1:3]
    traces = fovea.thumbnails(frames)
    found = []
    for happening in planned.anomalies:
        first, last = np.ceil(happening.start * FPS), np.ceil(happening.end * FPS)
        names = {actor.name for actor in happening.actors}
        for row in range(int(first), min(int(last), len(frames))):
            taking_part = [one for one in seen(planned, row / FPS, (width, height)) if one.name in names]
            points = [one.middle for one in taking_part]
            bodies = [(one.feet, one.head) for one in taking_part if one.kind == "person"]
            bodies = [body for body in bodies if in_picture(body[0]) and in_picture(body[1])]
            if points:
                windows = fovea.glance(
                    traces[row], traces[max(0, row - fovea.MEMORY) : row], width / height
                ).windows
                held = [any(holds(window, *point) for point in points) for window in windows]
                whole = [any(all(holds(w, *end) for end in body) for body in bodies) for w in windows]
                shares = [any(held[: k + 1]) for k in range(len(held))]
                found.append((happening.label, [*shares, whole[0], any(whole)]))
    return found


def holds(window: Window, x: float, y: float) -> bool:
    return window.left <= x <= window.right and window.top <= y <= window.bottom


if __name__ == "__main__":
    main()
