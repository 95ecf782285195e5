"""`holmesvau sample`: which frames a sampling method chooses, from a recording or from a curve."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holmesvau.cli import options, progress
from holmesvau.errors import InputError, OutputError

if TYPE_CHECKING:
    from holmesvau.types import AnomalyCurve, IndexArray

CURVE_FILES = (".csv", ".json")


def run(
    source: Annotated[
        str, typer.Argument(help="A recording, or a curve: curve.csv, report.json, or `score` output.")
    ],
    method: Annotated[
        str, typer.Option("--method", help="uniform, topk, density, density-reference, event-first.")
    ] = "event-first",
    num_frames: Annotated[int, typer.Option("--num-frames", "-n", help="How many frames.")] = 16,
    tau: Annotated[float, typer.Option("--tau", help="Steers towards uniform (paper: 0.1).")] = 0.1,
    pictures: Annotated[
        str | None, typer.Option("--pictures", help="Also write the frames as JPEG into this folder.")
    ] = None,
    encoder: options.EncoderName = None,
    scorer: options.ScorerName = None,
    device: options.Device = None,
    set_: options.Set = None,
    no_cache: options.NoCache = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Choose frames by an anomaly curve and print them: CSV (frame, seconds, score), or JSON."""
    from holmesvau.ats import sample

    if Path(source).suffix in CURVE_FILES:
        if pictures is not None:
            raise InputError(
                f"--pictures {pictures}: a curve has no pictures; give the recording instead of {source}."
            )
        curve = read_curve(source)
    else:
        holmes = options.pipeline(
            "none", encoder=encoder, scorer=scorer, device=device, overrides=set_, no_cache=no_cache
        )
        with progress.shown(quiet) as bar:
            curve = holmes.score(source, progress=bar)
    chosen = sample(curve.scores, num_frames, method=method, tau=tau)
    if pictures is not None:
        _write_pictures(source, curve.index[chosen], Path(pictures))
    index, seconds, scores = (
        curve.index[chosen].tolist(),
        curve.seconds[chosen].tolist(),
        curve.scores[chosen].tolist(),
    )
    if as_json:
        options.print_json(
            {"method": method, "tau": tau, "index": index, "seconds": seconds, "scores": scores}
        )
        return
    sys.stdout.write("frame,seconds,score\n")
    for frame, when, score in zip(index, seconds, scores, strict=True):
        sys.stdout.write(f"{frame},{when:.3f},{score:.4f}\n")


def read_curve(path: str) -> AnomalyCurve:
    """A curve from `curve.csv` (columns seconds, score and, where there is one, frame) or from JSON.

    Raises:
        InputError: when the file cannot be read as a curve.
    """
    import numpy as np

    from holmesvau.types import AnomalyCurve

    try:
        text = Path(path).read_text(encoding="utf-8")
        if path.endswith(".json"):
            data = json.loads(text)
            data = data.get("curve", data)
            seconds, scores = data["seconds"], data["scores"]
            frames = data.get("index", list(range(len(scores))))
        else:
            rows = list(csv.DictReader(text.splitlines()))
            seconds = [float(row["seconds"]) for row in rows]
            scores = [float(row["score"]) for row in rows]
            frames = [int(row["frame"]) if "frame" in row else number for number, row in enumerate(rows)]
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: not a curve ({error!r}). A curve has columns or lists of seconds and scores."
        ) from error
    stride = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0
    return AnomalyCurve(
        np.asarray(seconds, np.float64), np.asarray(scores, np.float32), np.asarray(frames, np.int64), stride
    )


def _write_pictures(source: str, index: IndexArray, folder: Path) -> None:
    from holmesvau.video import open_video
    from holmesvau.video.picture import jpeg

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open_video(source) as video:
            for frame in index.tolist():
                (folder / f"frame-{frame:08d}.jpg").write_bytes(jpeg(video.at([frame]).frames[0], quality=90))
    except OSError as error:
        raise OutputError(f"{folder}: the pictures cannot be written ({error}).") from error
