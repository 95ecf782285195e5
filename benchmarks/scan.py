"""How fast a video is scanned, how much memory that takes, and where the time goes.

    python benchmarks/scan.py                      10 and 60 minutes of synthetic 640×360 H.264
    python benchmarks/scan.py --video camera.mp4   files of your own

Every measurement is a process of its own. CPU seconds are given beside wall seconds: they stay the same on
a machine that others use too. The stages are also run alone, since in a scan decoding and encoding overlap.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
from av.video.reformatter import VideoReformatter

import synthetic

Figures = dict[str, float]
RESULTS = Path(__file__).parent / "results" / "scan.md"
STAGES = ("decode", "scale", "encode", "store", "score")


def plain(path: Path, _root: Path) -> Figures:
    """Decode every frame with PyAV and do nothing with it: the yardstick."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return {"frames": sum(1 for _ in container.decode(stream))}


def read(path: Path, _root: Path) -> Figures:
    """The reader's half of a scan: decode and scale."""
    from holmesvau.video import open_video

    with open_video(path) as video:
        return {"frames": sum(len(batch) for batch in video.frames(every_seconds=0.5, size=(224, 224)))}


def scale(path: Path, _root: Path) -> Figures:
    """Milliseconds to scale one frame, on 200 of them."""
    reformatter, spent, count = VideoReformatter(), 0.0, 0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            started = time.thread_time()
            reformatter.reformat(frame, width=224, height=224, format="rgb24", threads=1)
            spent += time.thread_time() - started
            count += 1
            if count == 200:
                break
    return {"scale_ms": spent / count * 1000}


def scan(path: Path, root: Path) -> Figures:
    """A whole scan into an empty store; the peak memory is this one's."""
    from holmesvau.ats.efficientnet import EfficientNetEncoder
    from holmesvau.ats.scan import scan as scan_video
    from holmesvau.ats.store import FeatureStore
    from holmesvau.video import open_video

    encoder = EfficientNetEncoder()
    began = time.process_time()
    with open_video(path) as video:
        result = scan_video(video, encoder, store=FeatureStore(root))
        frames = video.info.num_frames or 0
    return {
        "frames": frames,
        "encoded": result.encoded_frames,
        "scan_seconds": result.total_seconds,
        "scan_cpu": time.process_time() - began,
        "waited": result.decode_seconds,
        "encode_wall": result.encode_seconds,
        "store_wall": result.store_seconds,
    }


def look_again(path: Path, root: Path) -> Figures:
    """The same video once more, from the store; then its frames encoded and its features scored alone."""
    from holmesvau.ats.efficientnet import EfficientNetEncoder
    from holmesvau.ats.novelty import NoveltyScorer
    from holmesvau.ats.scan import scan as scan_video
    from holmesvau.ats.store import FeatureStore
    from holmesvau.video import open_video

    encoder = EfficientNetEncoder()
    with open_video(path) as video:
        result = scan_video(video, encoder, store=FeatureStore(root))
        assert result.cached
        batches = video.frames(
            every_seconds=0.5, size=encoder.frame_size(640, 360), batch_size=encoder.batch_size
        )
        batch = next(iter(batches))
    encoder.encode(batch.frames)
    encode_ms = timed(lambda: [encoder.encode(batch.frames) for _ in range(20)]) / 20 / len(batch) * 1000
    score = timed(lambda: NoveltyScorer().score(result.features))
    return {"again_seconds": result.total_seconds, "encode_ms": encode_ms, "score_cpu": score}


def timed(work: Callable[[], Any]) -> float:
    """CPU seconds, all threads together."""
    started = time.process_time()
    work()
    return time.process_time() - started


MEASURES = {"plain": plain, "read": read, "scale": scale, "scan": scan, "look_again": look_again}


def child(measure: str, path: Path, root: Path) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    figures = MEASURES[measure](path, root)
    figures |= {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    figures["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures))


def measure(path: Path, folder: Path) -> dict[str, Figures]:
    found = {}
    for name in MEASURES:
        command = [sys.executable, __file__, "--child", name, str(path), str(folder / f"store-{path.stem}")]
        found[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(path.name, name, {key: round(value, 3) for key, value in found[name].items()}, file=sys.stderr)
    return found


def columns(found: dict[str, Figures]) -> dict[str, str]:
    whole, again, encoded = found["scan"], found["look_again"], found["scan"]["encoded"]
    scaling = found["scale"]["scale_ms"] * encoded / 1000
    stages = {
        "decode": max(0.0, found["read"]["cpu"] - scaling),
        "scale": scaling,
        "encode": again["encode_ms"] * encoded / 1000,
        "store": whole["store_wall"],
        "score": again["score_cpu"],
    }
    total = sum(stages.values())
    return {
        "frames decoded": f"{whole['frames']:.0f}",
        "frames encoded": f"{encoded:.0f}",
        "scan, wall seconds": f"{whole['scan_seconds']:.1f}",
        "scan, CPU seconds": f"{whole['scan_cpu']:.1f}",
        "frames decoded a second": f"{whole['frames'] / whole['scan_seconds']:.0f}",
        "frames encoded a second": f"{encoded / whole['scan_seconds']:.0f}",
        "waiting for frames, seconds": f"{whole['waited']:.2f}",
        "peak memory, MiB": f"{whole['peak_mib']:.0f}",
        "plain PyAV decode of all frames, wall / CPU seconds": f"{found['plain']['wall']:.1f} / "
        f"{found['plain']['cpu']:.1f}",
        "reader alone, wall / CPU seconds": f"{found['read']['wall']:.1f} / {found['read']['cpu']:.1f}",
        "scan to plain decode, CPU": f"{whole['scan_cpu'] / found['plain']['cpu']:.2f}",
        "second look, seconds": f"{again['again_seconds']:.2f}",
        **{
            f"{stage}, CPU seconds (share)": f"{stages[stage]:.2f} ({stages[stage] / total:.0%})"
            for stage in STAGES
        },
    }


def table(rows: dict[str, dict[str, str]]) -> str:
    names = list(next(iter(rows.values())))
    lines = ["| | " + " | ".join(rows) + " |", "|---|" + "---:|" * len(rows)]
    lines += [f"| {name} | " + " | ".join(row[name] for row in rows.values()) + " |" for name in names]
    return "\n".join(lines)


def machine() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    model = next(
        (line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor()
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{model}, {os.cpu_count()} cores, load {load}; commit {commit.stdout.strip() or 'unknown'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, action="append", help="measure this file, not synthetic ones")
    parser.add_argument("--minutes", type=int, nargs="+", default=[10, 60])
    parser.add_argument("--write", action="store_true", help=f"keep the table in {RESULTS.name}")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        name, path, root = arguments.child
        child(name, Path(path), Path(root))
        return
    with tempfile.TemporaryDirectory() as name:
        folder, started = Path(name), machine()
        videos = arguments.video or [
            synthetic.render(folder / f"{minutes}-minutes.mp4", minutes * 60) for minutes in arguments.minutes
        ]
        rows = table({path.stem: columns(measure(path, folder)) for path in videos})
    print(rows)
    if arguments.write:
        command = " ".join(["python benchmarks/scan.py", *sys.argv[1:]])
        explained = f"{(__doc__ or '').splitlines()[0]}\n\n{started}; `{command}`."
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(f"# Scanning\n\n{explained}\n\n{rows}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
