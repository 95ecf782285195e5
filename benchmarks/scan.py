"""What a scan costs beside merely decoding the file, what its shortcuts lose, and its memory over a day.

    python benchmarks/scan.py speed [--seconds 300]       synthetic 640x360 H.264, 30 fps, and its shortcuts
    python benchmarks/scan.py loss --data FOLDER …        rendered videos with their truth (`holmesvau sim`)
    python benchmarks/scan.py memory [--hours 0.167 24]   a small camera at two frames a second
    python benchmarks/scan.py memory --whole              the same, watched and told by the embedded model
    python benchmarks/scan.py int8                        the encoder with eight-bit weights and activations

CPU seconds are compared: they stay nearly the same on a machine that others use too. The yardstick is PyAV
decoding every frame, with its own choice of threads ("AUTO") and with one. A scan's seconds include features
and scores, of `novelty` unless --encoder and --scorer are given (`speed`, `loss`). Every measurement is a
process of its own; the time to load libraries and weights is left out.
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
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

Figures = dict[str, float]
SHORTCUTS: dict[str, dict[str, bool]] = {
    "none": {},
    "still": {"still": True},
    "still, calm": {"still": True, "calm": True},
    "still, steady": {"still": True, "steady": True},
    "all": {"still": True, "steady": True, "calm": True},
}
LOSSES = ("none", "still", "still, calm", "all")
FILMS = {
    "busy, keyframe every 2 s": {},
    "calm, keyframe every 2 s": {"people_seconds": 4},
    "calm, keyframe every 10 s": {"people_seconds": 4, "keyframe_seconds": 10},
    "calm, keyframe every 60 s": {"people_seconds": 4, "keyframe_seconds": 60},
}
REAL = (
    Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi"),
    Path(__file__).parents[2] / "shared/data/videos/robbery.mp4",
)


def plain(path: Path, threads: str) -> Figures:
    """Decode every frame with PyAV and do nothing with it."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO" if threads == "auto" else "SLICE"
        stream.codec_context.thread_count = 0 if threads == "auto" else 1
        began, wall = time.process_time(), time.perf_counter()
        frames = sum(1 for _ in container.decode(stream))
        return {"frames": frames, "cpu": time.process_time() - began, "wall": time.perf_counter() - wall}


def scanned(path: Path, options: str) -> Figures:
    """A whole scan into an empty store, and the scores."""
    from holmesvau.ats.scan import ScanConfig, scan
    from holmesvau.ats.store import FeatureStore
    from holmesvau.holmes import Holmes
    from holmesvau.video import open_video

    given = json.loads(options)
    config = ScanConfig(**given["shortcuts"])
    holmes = Holmes.from_pretrained("none", encoder=given["encoder"], scorer=given["scorer"])
    with tempfile.TemporaryDirectory(dir=path.parent) as root:
        began, wall = time.process_time(), time.perf_counter()
        with open_video(path) as video:
            result = scan(video, holmes.encoder, store=FeatureStore(root), config=config)
        between = time.process_time()
        scores = holmes.scorer.score(result.features)
        ended = time.process_time()
        return {
            "dense": len(scores),
            "encoded": result.encoded_frames,
            "decoded": result.decoded_frames,
            "cpu": ended - began,
            "score_cpu": ended - between,
            "wall": time.perf_counter() - wall,
        }


def watched(path: Path, options: str) -> Figures:
    """A whole `watch`, report written, with the embedded model and its scorer, which are made to speak.

    No anomaly is in the film and no simulated people: the scorer is read without its familiarity beside it,
    and what scores highest is called an event, up to 24 of them.
    """
    import shutil

    from holmesvau import report
    from holmesvau.ats.events import EventsConfig
    from holmesvau.ats.scan import ScanConfig
    from holmesvau.describe import DescribeConfig
    from holmesvau.holmes import Holmes, HolmesConfig
    from holmesvau.vlm.tiny_folder import SCORER_FILE, WEIGHTS

    with tempfile.TemporaryDirectory(dir=path.parent) as root:
        os.environ["HOLMESVAU_CACHE"] = root
        for source in WEIGHTS.glob("*.safetensors"):
            if source.name in (SCORER_FILE, "windows.safetensors"):
                shutil.copy(source, root)
        config = HolmesConfig(
            scan=ScanConfig(**json.loads(options)["shortcuts"]),
            describe=DescribeConfig(unfamiliar="mark"),
            harmless="keep",
        )
        holmes = Holmes.from_pretrained("tiny", config=config, scorer=Path(root) / SCORER_FILE)
        began, wall = time.process_time(), time.perf_counter()
        # Scanned once: the watch finds the features in the store.
        high = float(np.sort(holmes.score(path).scores)[-24])
        holmes.config = replace(config, events=EventsConfig(enter=high, leave=high / 2, smooth_seconds=0))
        told = holmes.watch(path)
        report.write(told, Path(root) / "report")
        written = sum(file.stat().st_size for file in Path(root, "report").rglob("*") if file.is_file())
        return {
            "dense": len(told.curve),
            "events": len(told.events),
            "told": sum(bool(event.summary.description) for event in told.events),
            "chapters": len(told.chapters),
            "cpu": time.process_time() - began,
            "wall": time.perf_counter() - wall,
            "report_mib": written / 2**20,
        } | {f"{stage}_s": seconds for stage, seconds in told.timing.items()}


CHILDREN = {"plain": plain, "scanned": scanned, "watched": watched}


def measured(what: str, path: Path, argument: str) -> Figures:
    command = [sys.executable, __file__, "child", what, str(path), argument]
    found: Figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(path.stem, what, argument, {k: round(v, 2) for k, v in found.items()}, file=sys.stderr, flush=True)
    return found


def asked(shortcuts: str, encoder: str | None = None, scorer: str | None = None) -> str:
    """What a child is asked for."""
    return json.dumps({"shortcuts": SHORTCUTS[shortcuts], "encoder": encoder, "scorer": scorer})


def speed(seconds: int, folder: Path, encoder: str | None, scorer: str | None) -> None:
    import synthetic

    print(
        "| film | shortcuts | decoded | encoded | CPU s | of it scores | to plain, AUTO | "
        "to plain, one thread | wall s | plain AUTO, CPU / wall s |\n"
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    )
    for number, (name, options) in enumerate(FILMS.items()):
        path = synthetic.render(folder / f"{number}.mp4", seconds, **options)
        auto, one = measured("plain", path, "auto"), measured("plain", path, "one")
        taken = (
            ("none", "still, steady", "all") if name.startswith("busy") else ("none", "still", "still, calm")
        )
        for shortcuts in taken if number < 2 else taken[-1:]:
            found = measured("scanned", path, asked(shortcuts, encoder, scorer))
            print(
                f"| {name} | {shortcuts} | {found['decoded']:.0f} of {auto['frames']:.0f} | "
                f"{found['encoded']:.0f} of {found['dense']:.0f} | {found['cpu']:.2f} | "
                f"{found['score_cpu']:.2f} | "
                f"{found['cpu'] / auto['cpu']:.2f} | {found['cpu'] / one['cpu']:.2f} | {found['wall']:.1f} | "
                f"{auto['cpu']:.2f} / {auto['wall']:.1f} |",
                flush=True,
            )


def label(seconds: np.ndarray, spans: list[Any]) -> np.ndarray:
    """1 for the dense frames in a span."""
    labels = np.zeros(len(seconds), np.uint8)
    for span in spans:
        labels[(seconds >= span.start) & (seconds < span.end)] = 1
    return labels


def loss(
    folders: Iterable[Path], num_videos: int, store: Path | None, encoder: str | None, scorer: str | None
) -> None:
    """Curves with each shortcut beside those of the full dense scan.

    What a shortcut does to a scan is which dense frame's features stand for which (tests/ats/test_covering.py
    holds that against whole scans), so each video is encoded once; where the encoder remembers the frames
    before, each shortcut is a scan of its own.
    """
    from holmesvau.ats.store import FeatureStore
    from holmesvau.evaluate.answering import load_test_set
    from holmesvau.holmes import Holmes

    holmes = Holmes.from_pretrained("none", encoder=encoder, scorer=scorer)
    losses = Losses(holmes.encoder, holmes.scorer, FeatureStore(store))
    print(
        "| videos | shortcuts | encoded | decoded | frame AUC | loss | frame AP | "
        "curve correlation, mean (least) |\n|---|---|---:|---:|---:|---:|---:|---:|"
    )
    for folder in folders:
        test = load_test_set(folder)
        paths = sorted(path for path in folder.rglob("*.mp4") if path.stem in test.annotations)
        paths = paths[:num_videos]
        truth = [[event.span for event in test.annotations[path.stem].events] for path in paths]
        losses.rows(f"{folder.name}, {len(paths)} rendered", paths, truth)
    for path in filter(Path.exists, REAL):
        losses.rows(path.name, [path], None)


@dataclass(frozen=True)
class Losses:
    """An encoder and a scorer on which shortcuts are tried."""

    encoder: Any
    scorer: Any
    store: Any

    def rows(self, title: str, paths: list[Path], truth: list[list[Any]] | None) -> None:
        """A line of the table for each shortcut."""
        from holmesvau.evaluate.ranking import areas

        found = [self._curves(path) for path in paths]
        labels, full = None, None
        if truth is not None:
            labels = [label(seconds, spans) for (seconds, _), spans in zip(found, truth, strict=True)]
        for name in LOSSES:
            both = [(one["none"][0], one[name][0]) for _, one in found]
            alike = [float(np.corrcoef(dense, curve)[0, 1]) for dense, curve in both if dense.std()]
            told = " |  | "
            if labels is not None:
                scores = np.concatenate([curve for _, curve in both]).astype(np.float64)
                area = areas(np.concatenate(labels), scores)
                full = area.auc if full is None else full
                told = f"{area.auc:.4f} | {full - area.auc:+.4f} | {area.ap:.3f}"
            looked, decoded = (sum(one[name][part] for _, one in found) for part in (1, 2))
            dense = sum(len(curve) for curve, _ in both)
            print(
                f"| {title} | {name} | {looked} of {dense} | {decoded} | {told} | "
                f"{np.mean(alike):.3f} ({min(alike):.3f}) |",
                flush=True,
            )

    def _curves(self, path: Path) -> tuple[np.ndarray, dict[str, tuple[np.ndarray, int, int]]]:
        """The seconds of dense frames; by shortcut the scores, frames encoded and frames decoded."""
        from holmesvau.ats.features import Features
        from holmesvau.ats.scan import ScanConfig, scan
        from holmesvau.video import open_video
        from holmesvau.video.skim import Shortcuts

        found = {}
        with open_video(path) as video:
            dense = scan(video, self.encoder, store=self.store).features
            pooled, cells = dense.pooled[:], dense.cells[:]
            for name in LOSSES:
                stands, decoded, looked = stand_ins(video, Shortcuts(**SHORTCUTS[name]))
                rows = np.searchsorted(dense.index, stands)
                features = Features(
                    dense.index, dense.seconds, pooled[rows], cells[rows], dense.stride_seconds, dense.encoder
                )
                if self.encoder.memory and name != "none":
                    own = scan(video, self.encoder, config=ScanConfig(cache=False, **SHORTCUTS[name]))
                    features, looked, decoded = own.features, own.encoded_frames, own.decoded_frames
                found[name] = self.scorer.score(features), looked, decoded
        return dense.seconds, found


def stand_ins(video: Any, shortcuts: Any) -> tuple[np.ndarray, int, int]:
    """Which frame stands for each dense one, how many are decoded and how many looked at."""
    numbers, before, looked, decoded = [], -1, 0, 0
    for part in video.skim(shortcuts, every_seconds=0.5, size=(32, 32), batch_size=16):
        for row in part.source.tolist():
            before = int(part.frames.index[row]) if row >= 0 else before
            numbers.append(before)
        looked, decoded = looked + len(part.frames), part.decoded
    return np.array(numbers), decoded, looked


def memory(hours: Iterable[float], folder: Path, *, whole: bool) -> None:
    """The peak of a scan with `novelty` scores or, `whole`, of a `watch` with the embedded model."""
    import synthetic

    child, named = ("watched", ("events", "told", "chapters", "generate_s", "report_mib")) if whole else (
        "scanned", ("encoded", "decoded", "score_cpu")
    )  # fmt: skip
    print(f"| hours | dense frames | {' | '.join(named)} | CPU s | peak memory, MiB |")
    print("|---:|---:|" + "---:|" * len(named) + "---:|---:|")
    for length in hours:
        path = folder / f"{length:g}.mp4"
        synthetic.render(
            path, round(length * 60) * 60, width=160, height=96, fps=2, keyframe_seconds=4, people_seconds=4
        )
        found = measured(child, path, asked("still, calm"))
        told = " | ".join(f"{found[name]:.0f}" for name in ("dense", *named, "cpu", "peak_mib"))
        print(f"| {length:.2f} | {told} |", flush=True)
        path.unlink()


def int8() -> None:
    """Static quantisation by onnxruntime, calibrated on the video it is measured on: the best it can be."""
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    from holmesvau.ats import efficientnet
    from holmesvau.ats.features import Features
    from holmesvau.ats.novelty import NoveltyScorer
    from holmesvau.video import open_video

    folded = efficientnet.fold(efficientnet.released_weights())
    model = efficientnet.onnx_model(folded, efficientnet.signature_projection(folded))
    print(
        "| video | precision | CPU ms a frame | class token, mean cosine | curve correlation |\n"
        "|---|---|---:|---:|---:|"
    )
    for path in filter(Path.exists, REAL):
        with open_video(path) as video:
            batches = list(video.frames(every_seconds=0.5, size=(224, 224), batch_size=4))

        class Calibration(CalibrationDataReader):
            def __init__(self, shown: list[Any]) -> None:
                self.left = iter(shown[:: max(1, len(shown) // 12)])

            def get_next(self) -> dict[str, np.ndarray] | None:
                batch = next(self.left, None)
                return None if batch is None else {"frames": batch.frames}

        with tempfile.TemporaryDirectory() as name:
            whole, small = Path(name) / "float32.onnx", Path(name) / "int8.onnx"
            whole.write_bytes(model)
            quantize_static(
                str(whole),
                str(small),
                Calibration(batches),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=["Conv", "Add"],
            )
            first = None
            for file in (whole, small):
                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads = 1
                session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
                began = time.process_time()
                made = [session.run(["pooled", "cells"], {"frames": batch.frames}) for batch in batches]
                spent = time.process_time() - began
                pooled, cells = (np.concatenate(part) for part in zip(*made, strict=True))
                seconds = np.concatenate([batch.seconds for batch in batches])
                features = Features(
                    np.arange(len(seconds)), seconds, pooled, cells.astype(np.float16), 0.5, file.stem
                )
                curve = NoveltyScorer().score(features)
                first = (pooled, curve) if first is None else first
                lengths = np.linalg.norm(pooled, axis=1) * np.linalg.norm(first[0], axis=1)
                print(
                    f"| {path.name} | {file.stem} | {spent / len(seconds) * 1000:.1f} | "
                    f"{((pooled * first[0]).sum(1) / lengths).mean():.3f} | "
                    f"{np.corrcoef(curve, first[1])[0, 1]:.3f} |",
                    flush=True,
                )


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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["speed", "loss", "memory", "int8", "child"])
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--data", type=Path, nargs="+", default=[])
    parser.add_argument("--videos", type=int, default=8, help="at most so many of each folder")
    parser.add_argument("--store", type=Path, help="keep the dense features of `loss` here")
    parser.add_argument("--encoder", help="of `speed` and `loss`; the default is that of `novelty`")
    parser.add_argument("--scorer", help="of `speed` and `loss`: novelty, or a file of scorer weights")
    parser.add_argument("--whole", action="store_true", help="`memory` of a watch with the embedded model")
    parser.add_argument("--hours", type=float, nargs="+", default=[1 / 6, 24.0])
    given = parser.parse_args()
    if given.what == "child":
        name, path, argument = given.rest
        figures = CHILDREN[name](Path(path), argument)
        figures["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(figures))
        return
    print(f"{machine()}; `python benchmarks/scan.py {' '.join(sys.argv[1:])}`\n")
    with tempfile.TemporaryDirectory() as name:
        if given.what == "speed":
            speed(given.seconds, Path(name), given.encoder, given.scorer)
        elif given.what == "loss":
            with tempfile.TemporaryDirectory() as store:
                loss(given.data, given.videos, given.store or Path(store), given.encoder, given.scorer)
        elif given.what == "memory":
            memory(given.hours, Path(name), whole=given.whole)
        else:
            int8()


if __name__ == "__main__":
    main()
