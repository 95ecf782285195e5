"""What the annotation engine costs by itself: items a second and overhead an item at several concurrencies.

    python benchmarks/engine.py [--latency 2] [--videos 2] [--concurrency 1 8 64]

Texts come from an OpenAI-compatible server in a process of its own that answers after a fixed time. What
exceeds the same number of bare requests, sent right afterwards with the same number of threads, is the
engine's own: decoding and encoding the frames, planning, leases, gates and the ledger. The processor time
is that of the engine's process alone.
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
    """Films of 24 s in small frames: the first is encoded, the others are its copies."""
    import av
    import numpy as np

    first = folder / "film-0.mp4"
    with av.open(str(first), "w") as container:
        stream = container.add_stream("libx264", rate=2)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        # A keyframe every two seconds, as cameras have them.
        stream.gop_size = 4
        for shade in range(48):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade * 5, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    for number in range(1, count):
        # A byte behind the end makes each another content, so that none is answered by what is known.
        (folder / f"film-{number}.mp4").write_bytes(first.read_bytes() + number.to_bytes(4, "big"))


def measure(concurrency: int, videos_each: int, latency: float, url: str) -> dict[str, float]:
    from holmesvau import engine

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "films").mkdir()
        # About as HIVAU-70k: ten clips to a video, so ten rounds of captions to one of summaries.
        videos(folder / "films", videos_each * concurrency)
        served = f"endpoint:{url}#fixed"
        chosen = {
            "decouple.source": "people",
            "decouple.confirm": "none",
            "decouple.clips.median": 2.4,
            "decouple.clips.spread": 0.0,
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
        counts = []
        for stage in ("caption", "event", "video"):
            started, cpu = time.perf_counter(), time.process_time()
            report = engine.run(project, stages=(stage,), instruct=False)
            found["wall"] += time.perf_counter() - started
            found["cpu"] += time.process_time() - cpu
            done = report.status.stages[stage].done
            found["items"] += done
            counts.append(done)
            # So many waits one after the other cannot be had shorter.
            found["ideal"] += math.ceil(done / concurrency) * latency
        found["bare"] = bare(counts, concurrency, url)
        assert report.status.complete == len(project.listed), report.status
        return found


def bare(counts: list[int], concurrency: int, url: str) -> float:
    """Seconds that as many requests take that are only sent and received, stage by stage, on this machine
    now.
    """
    import http.client
    from concurrent.futures import ThreadPoolExecutor
    from urllib.parse import urlsplit

    place = urlsplit(url)
    body = json.dumps({"model": "fixed", "messages": [{"role": "user", "content": "x" * 2000}]}).encode()

    def ask(_: int) -> None:
        connection = http.client.HTTPConnection(place.hostname or "", place.port)
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        json.loads(connection.getresponse().read())
        connection.close()

    started = time.perf_counter()
    for count in counts:
        with ThreadPoolExecutor(concurrency) as pool:
            list(pool.map(ask, range(count)))
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latency", type=float, default=2.0, help="seconds until the server answers")
    parser.add_argument("--videos", type=int, default=2, help="videos for each request under way")
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
            rows.append(measure(concurrency, options.videos, options.latency, url))
    finally:
        server.kill()
        server.wait()
    if options.json:
        print(json.dumps(rows))
        return
    print(f"latency {options.latency:g} s\n")
    print(
        "| at once | items | wall s | bare requests s | waits alone s | items/s | own share | CPU ms/item |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        own = row["wall"] - row["bare"]
        print(
            f"| {row['concurrency']} | {row['items']} | {row['wall']:.2f} | {row['bare']:.2f} | "
            f"{row['ideal']:.2f} | {row['items'] / row['wall']:.1f} | {own / row['wall']:.1%} | "
            f"{1000 * row['cpu'] / row['items']:.2f} |"
        )


if __name__ == "__main__":
    main()
