"""One hour as in the paper: its own vision tower looks at every dense frame, its model answers a question.

    python benchmarks/hour.py --device cuda                              2B parameters, random weights
    python benchmarks/hour.py --device cpu --small --seconds 120         the same on a CPU, at small size

The film is 640x360 H.264 at 30 fps with a keyframe every 2 s; the tower's features and `novelty` scores, the
choice of frames and the answer are included, loading the weights is not. The goal is a minute on CUDA.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import synthetic
import vlm
from holmesvau import Holmes
from holmesvau.describe import DescribeConfig
from holmesvau.holmes import HolmesConfig
from holmesvau.vlm.protocol import GenerationOptions
from scan import machine


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default=None, help="bfloat16 where it is not given")
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--small", action="store_true", help="a model of a few megabytes")
    given = parser.parse_args()
    print(f"{machine()}; {given}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["HOLMESVAU_CACHE"] = str(folder / "cache")
        film = synthetic.render(folder / "hour.mp4", given.seconds)
        checkpoint = folder / "checkpoint"
        checkpoint.mkdir()
        vlm.write_checkpoint(checkpoint, small=given.small)
        config = HolmesConfig(
            describe=DescribeConfig(granularity="video"), generation=GenerationOptions(max_new_tokens=64)
        )
        holmes = Holmes.from_pretrained(
            checkpoint, encoder="internvit", scorer="novelty", device=given.device, dtype=given.dtype,
            config=config,
        )  # fmt: skip
        began = time.perf_counter()
        report = holmes.watch(film, questions=("What happens in this video?",))
        whole = time.perf_counter() - began
    frames = len(report.curve)
    print("| dense frames | decoding waited for, s | tower, s | scores, s | words, s | in all, s |")
    print("|---:|---:|---:|---:|---:|---:|")
    stages = " | ".join(f"{report.timing[name]:.1f}" for name in ("decode", "encode", "score", "generate"))
    print(f"| {frames:,} | {stages} | {whole:.1f} |")


if __name__ == "__main__":
    main()
