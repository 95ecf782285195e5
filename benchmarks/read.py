"""How fast and how lean the reader is, beside a bare PyAV loop.

    python benchmarks/read.py [--cache FOLDER] [--minutes 10] [--long-minutes 60] [--repeats 3]

Films (640x360, 30 frames a second, a keyframe every 2 s, moving noise) are rendered once and kept in the
folder. Each row is the median of the repeats; each run is a process of its own, so that its peak
memory is its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

SIZE = (224, 224)


def render(folder: Path, minutes: float) -> Path:
    """A minute of H.264 with B-frames, a window wandering over a noisy picture, repeated packet by packet."""
    path = folder / f"noise-{minutes:g}min.mp4"
    if path.exists():
        return path
    minute = folder / "noise-minute.mp4"
    if not minute.exists():
        render_minute(minute)
    partial = path.with_suffix(".partial.mp4")
    with av.open(str(partial), "w") as out:
        target = None
        for repeat in range(max(1, round(minutes))):
            with av.open(str(minute)) as source:
                stream = source.streams.video[0]
                target = target or out.add_stream_from_template(stream)
                shift = round(repeat * 60 / stream.time_base)
                for packet in source.demux(stream):
                    if packet.size:
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = target
                        out.mux(packet)
    partial.replace(path)
    return path


def render_minute(path: Path) -> None:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, (60, 107, 3)).repeat(12, 0).repeat(12, 1)
    board = np.clip(coarse + random.normal(0, 12, coarse.shape), 0, 255).astype(np.uint8)
    partial = path.with_suffix(".partial.mp4")
    with av.open(str(partial), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"preset": "ultrafast", "bf": "2", "crf": "26"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 640, 360, "yuv420p", 60
        for number in range(60 * 30):
            x, y = int(320 + 300 * np.sin(number / 97)), int(170 + 160 * np.cos(number / 61))
            window = np.ascontiguousarray(board[y : y + 360, x : x + 640])
            out.mux(stream.encode(av.VideoFrame.from_ndarray(window, format="rgb24")))
        out.mux(stream.encode(None))
    partial.replace(path)


def bare(path: Path, every: int, size: tuple[int, int] | None) -> int:
    """The plain loop: decode all, convert the wanted ones."""
    from av.video.reformatter import VideoReformatter

    scaler, count = VideoReformatter(), 0
    width, height = size or (None, None)
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        stream.thread_type = "AUTO"
        for number, frame in enumerate(source.decode(stream)):
            if number % every == 0:
                scaler.reformat(frame, width=width, height=height, format="rgb24").to_ndarray()
                count += 1
    return count


def bare_keys(path: Path, size: tuple[int, int] | None) -> int:
    from av.video.reformatter import VideoReformatter

    scaler, count = VideoReformatter(), 0
    width, height = size or (None, None)
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.skip_frame = "NONKEY"
        for frame in source.decode(stream):
            scaler.reformat(frame, width=width, height=height, format="rgb24").to_ndarray()
            count += 1
    return count


def ours(path: Path, size: tuple[int, int] | None, **choice: object) -> int:
    from holmesvau import open_video

    with open_video(path) as video:
        return sum(len(batch) for batch in video.frames(size=size, **choice))  # type: ignore[arg-type]


def spread(path: Path, size: tuple[int, int] | None) -> int:
    from holmesvau import open_video

    with open_video(path) as video:
        count = video.info.num_frames or 0
        return len(video.at(np.linspace(0, count - 1, 16).astype(int), size=size))


def opened(path: Path) -> int:
    from holmesvau import open_video

    with open_video(path) as video:
        return video.info.num_frames or 0


MEASURES: dict[str, Callable[[Path], int]] = {
    "every frame, full size: PyAV": lambda path: bare(path, 1, None),
    "every frame, full size: ours": lambda path: ours(path, None),
    "every frame, 224x224: PyAV": lambda path: bare(path, 1, SIZE),
    "every frame, 224x224: ours": lambda path: ours(path, SIZE),
    "every 16th, full size: PyAV": lambda path: bare(path, 16, None),
    "every 16th, full size: ours (skips non-reference frames)": lambda path: ours(path, None, every=16),
    "every 16th, 224x224: PyAV": lambda path: bare(path, 16, SIZE),
    "every 16th, 224x224: ours (skips non-reference frames)": lambda path: ours(path, SIZE, every=16),
    "keyframes, 224x224: PyAV": lambda path: bare_keys(path, SIZE),
    "keyframes, 224x224: ours": lambda path: ours(path, SIZE, keyframes=True),
    "one every 10 s, 224x224: ours": lambda path: ours(path, SIZE, every_seconds=10.0),
    "16 spread frames with at(): ours": lambda path: spread(path, None),
    "open and index: ours": opened,
}


def measure(name: str, path: Path) -> dict[str, float]:
    """Seconds on the clock and of processor, frames given, and peak memory in MiB of this process."""
    import holmesvau.video.reader  # noqa: F401 - imported before the clock starts

    started, used = time.perf_counter(), time.process_time()
    count = MEASURES[name](path)
    seconds, used = time.perf_counter() - started, time.process_time() - used
    # Not getrusage: its peak is inherited from the process that started this one.
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    return {"seconds": seconds, "processor": used, "count": count, "peak": peak}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "holmesvau-benchmarks")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--long-minutes", type=float, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", nargs=2, metavar=("MEASURE", "FILM"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one[0], Path(options.one[1]))))
        return
    options.cache.mkdir(parents=True, exist_ok=True)
    for minutes, repeats in ((options.minutes, options.repeats), (options.long_minutes, 1)):
        if minutes <= 0:
            continue
        path = render(options.cache, minutes)
        frames = round(minutes * 60 * 30)
        print(f"\n{minutes:g} minutes, {frames} frames, {path.stat().st_size / 1e6:.0f} MB")
        print(f"{'':60}{'seconds':>9}{'CPU s':>8}{'film frames/s':>15}{'given':>8}{'peak MiB':>10}")
        for name in MEASURES:
            runs = [
                json.loads(subprocess.check_output([sys.executable, __file__, "--one", name, str(path)]))
                for _ in range(repeats)
            ]
            seconds = statistics.median(run["seconds"] for run in runs)
            used = statistics.median(run["processor"] for run in runs)
            peak = max(run["peak"] for run in runs)
            print(
                f"{name:60}{seconds:9.2f}{used:8.2f}{frames / seconds:15.0f}{runs[0]['count']:8}{peak:10.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
