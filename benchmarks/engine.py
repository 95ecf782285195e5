"""What the annotation engine costs by itself: items a second and overhead an item at several concurrencies.

    python benchmarks/engine.py [--latency 0.5] [--rounds 20] [--concurrency 1 8 64]

Texts come from an OpenAI-compatible server in a process of its own that answers after a fixed time. Of the
wall time, what exceeds `items x latency / concurrency` is the engine's: planning, leases, HTTP, gates and
the ledger. The processor time is that of the engine's process alone.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SERVER = Path(__file__).with_name("latency_server.py")


def videos(folder: Path, count: int) -> None:
    """Films of 16 small frames, as many as are wanted: the first is encoded, the others are its copies."""
    import av
    import numpy as np

    first = folder / "film-0.mp4"
    with av.open(str(first), "w") as container:
        stream = container.add_stream("libx264", rate=2)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for shade in range(16):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade * 16, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    for number in range(1, count):
        # A byte behind the end makes each another content, so that none is answered by what is known.
        (folder / f"film-{number}.mp4").write_bytes(first.read_bytes() + number.to_bytes(4, "big"))


def measure(concurrency: int, items: int, latency: float, url: str) -> dict[str, float]:
    from holmesvau import engine

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "films").mkdir()
        # Each video is a clip with its caption, an event and a video with their summaries.
        videos(folder / "films", math.ceil(items / 3))
        served = f"endpoint:{url}#fixed"
        chosen = {
            "decouple.source": "people",
            "decouple.confirm": "none",
            "decouple.clips.shortest": 8.0,
            "decouple.clips.median": 12.0,
            "decouple.normal.count": 1,
            "decouple.normal.granularities": [100.0],
            "caption.provider": served,
            "caption.at_once": concurrency,
            "caption.frames": 4,
            "caption.side": 64,
            "summary.provider": served,
            "summary.at_once": concurrency,
            # The server says the same of everything.
            "gates.off": ["near-duplicate", "unsupported"],
        }
        project = engine.init(folder / "project", [folder / "films"], chosen=chosen)
        # The list says that all are normal: nothing has to be found in them.
        listed = project.folder / "videos.csv"
        lines = listed.read_text().splitlines()
        listed.write_text("\n".join([lines[0], *(line + "Normal" for line in lines[1:])]) + "\n")
        project = engine.open_project(project.folder)
        engine.run(project, stages=("decouple",), instruct=False)
        found = {"concurrency": concurrency, "items": 0, "wall": 0.0, "cpu": 0.0, "ideal": 0.0}
        for stage in ("caption", "event", "video"):
            started, cpu = time.perf_counter(), time.process_time()
            report = engine.run(project, stages=(stage,), instruct=False)
            found["wall"] += time.perf_counter() - started
            found["cpu"] += time.process_time() - cpu
            done = report.status.stages[stage].done
            found["items"] += done
            # So many waits one after the other cannot be had shorter.
            found["ideal"] += math.ceil(done / concurrency) * latency
        assert found["items"] == 3 * len(project.listed), report.status
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latency", type=float, default=0.5, help="seconds until the server answers")
    parser.add_argument("--rounds", type=int, default=20, help="waits one after the other, over all stages")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, str(SERVER), str(options.latency)], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert server.stdout is not None
    url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
    rows = []
    try:
        for concurrency in options.concurrency:
            # A multiple of the concurrency in each of three stages.
            per_stage = concurrency * max(1, round(options.rounds / 3))
            rows.append(measure(concurrency, 3 * per_stage, options.latency, url))
    finally:
        server.kill()
        server.wait()
    if options.json:
        print(json.dumps(rows))
        return
    print(f"latency {options.latency:g} s\n")
    print("| at once | items | wall s | least possible s | items/s | own share | own ms/item | CPU ms/item |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        own = row["wall"] - row["ideal"]
        print(
            f"| {row['concurrency']} | {row['items']} | {row['wall']:.2f} | {row['ideal']:.2f} | "
            f"{row['items'] / row['wall']:.1f} | {own / row['wall']:.1%} | {1000 * own / row['items']:.2f} | "
            f"{1000 * row['cpu'] / row['items']:.2f} |"
        )


if __name__ == "__main__":
    main()
