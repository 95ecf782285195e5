"""Watch a video and write a report; without a video, render a minute of simulated CCTV first.

python examples/demo.py --out out/demo [--video my.mp4]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from holmesvau import sim

# A street nobody trained on, in which somebody sets a fire.
SEED, SECONDS, SIZE, FPS = 7, 50.0, (640, 360), 15.0


def rendered(folder: Path) -> Path:
    """The simulated video; one that is there already is not rendered again."""
    made = sim.generate(
        folder,
        1,
        SEED,
        split="test",
        duration=SECONDS,
        size=SIZE,
        fps=FPS,
        anomalous_share=1.0,
        scenes=("street",),
        classes=("Arson",),
        events=1,
    )
    return made.videos[0]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--video", type=Path, help="watch this instead of rendering a scene")
    parser.add_argument("--out", type=Path, default=Path("out/demo"))
    options = parser.parse_args()
    video = options.video
    if video is None:
        print(f"rendering a simulated street into {options.out / 'simulated'} …")
        video = rendered(options.out / "simulated")
    return subprocess.call(
        [sys.executable, "-m", "holmesvau", "watch", str(video), "--out", str(options.out)]
    )


if __name__ == "__main__":
    sys.exit(main())
