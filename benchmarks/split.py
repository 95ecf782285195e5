"""What it costs to have events and clips: real files the released way, real files our way, or none at all.

    python benchmarks/split.py [--videos 3] [--seconds 60] [--write]

The released way decodes each video whole, holds its frames and encodes every part from them, without sound
(measured here with the same encoder and settings as ours). Ours is `holmesvau data split`. Virtual clips are
spans of their videos. Reading is 16 even frames a row. Every measurement is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

import synthetic
from holmesvau import hivau
from holmesvau.hivau import EventAnnotation, Instruction, Source, VideoAnnotation, layout
from holmesvau.hivau.split import parts, split
from holmesvau.types import Clip, FrameBatch, Span
from holmesvau.video import open_video
from scan import machine, table

Figures = dict[str, float]
RESULTS = Path(__file__).parent / "results" / "split.md"
NOTES = """The released way goes through RGB and back by PyAV's default conversion, which is most of its
distance from the original pictures, and it loses the sound. Ours is of the same frames (the counts
are equal). Processes are started anew and import for about a second each: on few short videos that
is much of their time. Where the load above is higher than the number of cores, compare CPU seconds,
not wall seconds."""
FRAMES_A_ROW = 16
FPS = 30
KEYFRAME_SECONDS = 2
LEVELS = ("event", "clip")


def make(root: Path, videos: int, seconds: int) -> None:
    """Two datasets of the same videos: three events each, a tenth as long, of three clips each.

    In `free` spans begin between keyframes, as people's do; in `aligned` they begin and end on them.
    """
    picture = synthetic.render(root / "camera.mp4", seconds, fps=FPS, keyframe_seconds=KEYFRAME_SECONDS)
    length = max(3, seconds // 10 // (3 * KEYFRAME_SECONDS) * 3) * KEYFRAME_SECONDS
    for dataset, offset in (("free", 0.537), ("aligned", 0.0)):
        random = np.random.default_rng(0)
        annotations = {}
        folder = root / dataset / "own" / "videos" / "test"
        folder.mkdir(parents=True)
        for number in range(videos):
            (folder / f"Camera{number:02d}.mp4").hardlink_to(picture)
            free = (seconds // 3 - length) // KEYFRAME_SECONDS
            starts = [
                seconds // 3 * k + KEYFRAME_SECONDS * int(random.integers(0, free)) + offset for k in range(3)
            ]
            events = tuple(event(start, length) for start in starts)
            name = f"Camera{number:02d}"
            annotations[name] = VideoAnnotation(name, seconds * FPS, float(FPS), ("Fire",), events, "Text.")
        hivau.write_annotations(annotations, root / dataset / "raw_annotations" / "own_database_test.json")


def event(start: float, length: int) -> EventAnnotation:
    bounds = [start + length / 3 * number for number in range(4)]
    clips = tuple(Clip(Span(*pair), "What is seen.") for pair in pairwise(bounds))
    return EventAnnotation(Span(bounds[0], bounds[-1]), clips, "Text.")


def wanted(root: Path) -> dict[Path, list[tuple[str, Span]]]:
    """Every part of a dataset to cut: video -> (path below its root, span)."""
    (file,) = layout.annotation_files(root)
    found = {}
    for name, video in hivau.load_annotations(file.path).items():
        path = root / file.place(name).path
        found[path] = [(part.path, part.span) for part in parts(file, video, LEVELS)]
    return found


def frames_of(span: Span) -> tuple[int, int]:
    """The first frame shown within a span, and the one after its last."""
    first, last = (math.ceil(bound * FPS - 1e-6) for bound in span)
    return first, last


def released(root: Path, out: Path) -> Figures:
    for video, cuts in wanted(root / "free").items():
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        for path, span in cuts:
            first, last = frames_of(span)
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            with av.open(str(out / path), "w") as made:
                target = made.add_stream(
                    "libx264", rate=Fraction(FPS), options={"crf": "20", "preset": "veryfast"}
                )
                target.height, target.width, target.pix_fmt = *frames[0].shape[:2], "yuv420p"
                for picture in frames[first:last]:
                    made.mux(target.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
                made.mux(target.encode())
    return {}


def ours(jobs: int | None, dataset: str) -> Callable[[Path, Path], Figures]:
    def run(root: Path, out: Path) -> Figures:
        report = split(root / dataset, out=out, jobs=jobs)
        assert not report.problems, report.problems
        return {"copied": report.copied}

    return run


def virtual(root: Path, out: Path) -> Figures:
    """Resolve every row: all that virtual clips need before they are read."""
    return {"rows": len(sources(root, out))}


def sources(root: Path, out: Path) -> list[Source]:
    """Where the rows of the free dataset are read from: files below `out` where there are any, else spans."""
    (file,) = layout.annotation_files(root / "free")
    annotations = hivau.load_annotations(file.path)
    found = []
    for cuts in wanted(root / "free").values():
        for number, (path, _) in enumerate(cuts):
            row = Instruction(number, layout.parse(path).level, "caption", path, "What?", "That.")
            cut = out / path
            found.append(Source(cut) if cut.is_file() else hivau.resolve(row, annotations, root / "free"))
    return found


def read(root: Path, out: Path) -> Figures:
    """Rows a second of 16 even frames each."""
    found = sources(root, out)
    wall, cpu = time.perf_counter(), time.process_time()
    for source in found:
        even(source)
    return {
        "rows_a_second": len(found) / (time.perf_counter() - wall),
        "row_cpu": (time.process_time() - cpu) / len(found),
    }


def even(source: Source) -> FrameBatch:
    with open_video(source.path, threads=1) as video:
        first, last = frames_of(source.span) if source.span else (0, video.info.num_frames or 0)
        return video.at(np.linspace(first, last - 1, FRAMES_A_ROW).round().astype(np.int64))


def unlike(root: Path, out: Path) -> Figures:
    """Mean difference in grey levels between what files and spans give, over all rows."""
    spans, files = sources(root, Path("/nonexistent")), sources(root, out)
    pairs = [(even(a).frames, even(b).frames) for a, b in zip(spans, files, strict=True)]
    return {"difference": float(np.mean([np.abs(a.astype(int) - b).mean() for a, b in pairs]))}


WAYS: dict[str, Callable[[Path, Path], Figures]] = {
    "released": released,
    "ours-1": ours(1, "free"),
    "ours-all": ours(None, "free"),
    "ours-aligned": ours(None, "aligned"),
    "virtual": virtual,
    "read": read,
    "unlike": unlike,
}


def child(way: str, root: Path, out: Path) -> None:
    started = time.perf_counter()
    figures = WAYS[way](root, out)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    figures |= {
        "wall": time.perf_counter() - started,
        "cpu": sum(usage.ru_utime + usage.ru_stime for usage in used),
        "peak": max(usage.ru_maxrss for usage in used) / 1024,
    }
    print(json.dumps(figures))


def measured(way: str, root: Path, out: Path) -> Figures:
    command = [sys.executable, __file__, "--child", way, str(root), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def column(way: str, root: Path, out: Path) -> dict[str, str]:
    cost = measured(way, root, out)
    files = [path for path in out.rglob("*.mp4") if path.is_file()]
    is_free = way != "ours-aligned"
    reading = measured("read", root, out) if is_free else {}
    apart = measured("unlike", root, out) if is_free else {}
    return {
        "seconds before the first row": f"{cost['wall']:.2f}",
        "CPU seconds": f"{cost['cpu']:.1f}",
        "largest process, MiB": f"{cost['peak']:.0f}",
        "files written": str(len(files)),
        "of them copied": f"{cost.get('copied', 0):.0f}",
        "disk, MiB": f"{sum(path.stat().st_size for path in files) / 2**20:.1f}",
        "then rows read a second": f"{reading['rows_a_second']:.1f}" if reading else "",
        "CPU milliseconds a row": f"{1000 * reading['row_cpu']:.0f}" if reading else "",
        "grey levels from the original": f"{apart['difference']:.2f}" if apart else "",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=60, help="length of each video; 30 at least")
    parser.add_argument("--write", action="store_true", help=f"keep the table in {RESULTS.name}")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        way, root, out = arguments.child
        child(way, Path(root), Path(out))
        return
    names = {
        "released": "released way",
        "ours-1": "ours, 1 process",
        "ours-all": "ours, a process a core",
        "ours-aligned": "ours, spans on keyframes",
        "virtual": "virtual",
    }
    with tempfile.TemporaryDirectory() as name:
        root, started = Path(name), machine()
        make(root, arguments.videos, arguments.seconds)
        rows = table({title: column(way, root, root / f"out-{way}") for way, title in names.items()})
    print(rows)
    if arguments.write:
        command = " ".join(["python benchmarks/split.py", *sys.argv[1:]])
        explained = f"{(__doc__ or '').splitlines()[0]}\n\n{started}; `{command}`."
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(f"# Splitting\n\n{explained}\n\n{rows}\n\n{NOTES}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
