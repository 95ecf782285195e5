"""The memory of scoring hours of stored features: is it flat from ten minutes to a day?

    python benchmarks/day.py [--hours 0.1667 6 24]

Features are random, in records as the feature store keeps them, just written, so that the kernel has them in
its cache: the worst case for a process that maps them. Each measurement is a process of its own, its peak
that of everything (of which 220 MiB are torch).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from scan import machine

TINY = Path(__file__).parents[1] / "src/holmesvau/weights/tiny/anomaly_scorer.safetensors"
STRIDE = 0.5
# Scorer: width of the class token.
WIDTHS = {"novelty": 1280, "tiny": 5152, "tiny, states of 16 frames": 5152}
CELLS = (7, 7, 32)
AT_ONCE = 2048


def written(path: Path, width: int, num_dense: int) -> None:
    """Records of a camera whose places keep their look, with noise."""
    from holmesvau.ats.records import record_type

    rng, kind = np.random.default_rng(0), record_type(width, CELLS)
    look = rng.normal(size=CELLS).astype(np.float32)
    noise = 0.3 * rng.normal(size=(AT_ONCE, *CELLS)).astype(np.float32)
    pooled = rng.random((AT_ONCE, width)).astype(np.float16)
    with path.open("wb") as file:
        for start in range(0, num_dense, AT_ONCE):
            rows = np.zeros(min(AT_ONCE, num_dense - start), kind)
            rows["cells"], rows["pooled"] = (
                (look + np.roll(noise, start, 0))[: len(rows)],
                pooled[: len(rows)],
            )
            file.write(rows.tobytes())


def scored(path: Path, scorer: str, num_dense: int) -> dict[str, float]:
    """One scorer on all of them, in this process."""
    from holmesvau.ats.features import Features
    from holmesvau.ats.foveal import encoder_name
    from holmesvau.ats.novelty import NoveltyScorer
    from holmesvau.ats.records import record_type
    from holmesvau.ats.states import StatesAt
    from holmesvau.ats.urdmu_scorer import UrDmuScorer

    data = np.memmap(path, record_type(WIDTHS[scorer], CELLS), "r", shape=(num_dense,))
    index = np.arange(num_dense)
    trained = None if scorer == "novelty" else UrDmuScorer(TINY)
    encoder = "random" if trained is None else encoder_name(trained.windows)
    features = Features(index, index * STRIDE, data["pooled"], data["cells"], STRIDE, encoder)
    began = time.process_time()
    if trained is None:
        NoveltyScorer().score(features)
    elif scorer == "tiny":
        trained.score(features)
    else:
        StatesAt(trained, features)[np.linspace(0, num_dense - 1, 16).astype(np.int64)]
    spent = time.process_time() - began
    return {"cpu": spent, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> None:
    if sys.argv[1:2] == ["child"]:
        print(json.dumps(scored(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, nargs="+", default=[1 / 6, 6.0, 24.0])
    given = parser.parse_args()
    print(f"{machine()}; `python benchmarks/day.py {' '.join(sys.argv[1:])}`\n")
    print("| scorer | hours | dense frames | CPU s | peak memory, MiB |\n|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        for scorer, width in WIDTHS.items():
            for hours in given.hours:
                num_dense = round(hours * 3600 / STRIDE)
                path = Path(name) / "records"
                written(path, width, num_dense)
                command = [sys.executable, __file__, "child", str(path), scorer, str(num_dense)]
                told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                found = json.loads(told)
                cells = f"{hours:.2f} | {num_dense:,} | {found['cpu']:.0f} | {found['peak_mib']:.0f}"
                print(f"| {scorer} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
