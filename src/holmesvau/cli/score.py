"""`holmesvau score`: the anomaly curves of recordings, without words."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from holmesvau.cli import options, progress
from holmesvau.errors import InputError
from holmesvau.types import AnomalyCurve, VideoInfo
from holmesvau.video import open_video


def run(
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO...", help="A recording: file, folder of pictures, or URL. Several with --json."
        ),
    ],
    model: options.Model = "none",
    encoder: options.EncoderName = None,
    scorer: options.ScorerName = None,
    device: options.Device = None,
    config: options.ConfigFile = None,
    set_: options.Set = None,
    no_cache: options.NoCache = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Print the anomaly score of every dense frame: CSV (frame, seconds, score), or JSON, a line a video."""
    if len(videos) > 1 and not as_json:
        raise InputError(f"{len(videos)} recordings are told apart in lines of JSON only: take --json.")
    holmes = options.pipeline(
        model, encoder=encoder, scorer=scorer, device=device, config=config, overrides=set_, no_cache=no_cache
    )
    with progress.shown(quiet) as bar:
        for name in videos:
            with open_video(name, fps=holmes.config.fps) as video:
                curve, info = holmes.scored(video, bar).curve, video.info
            if as_json:
                options.print_json(_prediction(name, info, curve))
    if as_json:
        return
    sys.stdout.write("frame,seconds,score\n")
    rows = zip(curve.index.tolist(), curve.seconds.tolist(), _whole(curve), strict=True)
    for frame, seconds, score in rows:
        sys.stdout.write(f"{frame},{seconds:.3f},{score}\n")


def _whole(curve: AnomalyCurve) -> list[str]:
    """In float32 precision: samplers must choose the same frames from this curve as from the video."""
    return [str(score) for score in curve.scores]


def _prediction(name: str, info: VideoInfo, curve: AnomalyCurve) -> dict[str, Any]:
    """A line of `schemas/detection-prediction.schema.json`."""
    known = {"fps": info.fps, "num_frames": info.num_frames}
    return {
        "video": name,
        "scorer": curve.scorer,
        "stride_seconds": curve.stride_seconds,
        **{key: value for key, value in known.items() if value},
        "index": curve.index.tolist(),
        "seconds": [round(s, 3) for s in curve.seconds.tolist()],
        "scores": [float(score) for score in _whole(curve)],
    }
