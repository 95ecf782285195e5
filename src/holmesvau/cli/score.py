"""`holmesvau score`: the anomaly curve of a recording, without words."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from holmesvau.cli import options, progress


def run(
    video: Annotated[str, typer.Argument(help="A recording: file, folder of pictures, or URL.")],
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
    """Print the anomaly score of every dense frame: CSV (frame, seconds, score), or JSON."""
    holmes = options.pipeline(
        model, encoder=encoder, scorer=scorer, device=device, config=config, overrides=set_, no_cache=no_cache
    )
    with progress.shown(quiet) as bar:
        curve = holmes.score(video, progress=bar)
    # Whole float32 precision: samplers must choose the same frames from this curve as from the video.
    scores = [str(score) for score in curve.scores]
    if as_json:
        options.print_json(
            {
                "video": video,
                "scorer": curve.scorer,
                "stride_seconds": curve.stride_seconds,
                "index": curve.index.tolist(),
                "seconds": [round(s, 3) for s in curve.seconds.tolist()],
                "scores": [float(score) for score in scores],
            }
        )
        return
    sys.stdout.write("frame,seconds,score\n")
    for frame, seconds, score in zip(curve.index.tolist(), curve.seconds.tolist(), scores, strict=True):
        sys.stdout.write(f"{frame},{seconds:.3f},{score}\n")
