"""`holmesvau eval sim`: render simulated CCTV that nobody has seen, watch it, and say what was right."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holmesvau.cli import eval_options, eval_tables, options, progress
from holmesvau.cli.sim import need_opencv, pixels, seconds_range

if TYPE_CHECKING:
    from holmesvau.evaluate.simulated.run import SimulatedRun

# The figures that everybody compares stand on the top level, the others below `figures`.
KEYS = (
    "frame_auc", "frame_ap", "judgement_accuracy", "class_accuracy", "event_cider", "most_frequent_cider",
    "hard_negative_false_rate", "ece",
)  # fmt: skip


def sim(
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the videos; take one never trained on.")],
    videos: Annotated[int, typer.Option("--videos", "-n", min=1, help="How many videos.")] = 60,
    split: Annotated[
        str, typer.Option("--split", help="train, val or test: whose scenes and clothes the videos have.")
    ] = "test",
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", help="Keep videos and reports in this folder, and go on from there."),
    ] = None,
    train: Annotated[
        str | None,
        typer.Option("--train", help="A folder of `sim generate`, for the most frequent training answer."),
    ] = None,
    duration: Annotated[str, typer.Option("--duration", help="Seconds of a video, or a range.")] = "20-60",
    size: Annotated[str, typer.Option("--size", help="Pixels: 320x240, 640x360 …")] = "320x240",
    fps: Annotated[float, typer.Option("--fps", help="Frames a second.")] = 15.0,
    anomalous_share: Annotated[
        float, typer.Option("--anomalous-share", min=0.0, max=1.0, help="Share of videos with anomalies.")
    ] = 0.5,
    model: options.Model = "tiny",
    encoder: options.EncoderName = None,
    scorer: options.ScorerName = None,
    adapter: options.Adapter = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    config: options.ConfigFile = None,
    set_: options.Set = None,
    no_cache: options.NoCache = False,
    workers: eval_options.Workers = None,
    resamples: eval_options.Resamples = 1000,
    confidence: eval_options.Confidence = 0.95,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Render simulated CCTV, watch it with a model, and compare with what was staged."""
    need_opencv()
    from holmesvau.evaluate.resampling import BootstrapConfig
    from holmesvau.evaluate.simulated.run import run

    bootstrap = BootstrapConfig(resamples=resamples, confidence=confidence)
    pipeline = eval_options.described(
        model,
        encoder=encoder,
        scorer=scorer,
        adapter=adapter,
        device=device,
        dtype=dtype,
        config=config,
        overrides=set_,
        # Features of videos that are gone in a minute would only fill the store.
        no_cache=no_cache or out is None,
    )
    with ExitStack() as stack:
        bar = stack.enter_context(progress.shown(quiet))
        root = out or stack.enter_context(TemporaryDirectory(prefix="holmesvau-sim-"))
        found = run(
            root,
            videos,
            seed,
            pipeline,
            split=split,
            train=train,
            bootstrap=bootstrap,
            workers=workers,
            progress=bar,
            duration=seconds_range(duration),
            size=pixels(size),
            fps=fps,
            anomalous_share=anomalous_share,
        )
    if as_json:
        options.print_json({**document(found), "seed": seed, "split": split, "model": model})
        return
    eval_tables.print_simulated(found.report)
    sys.stdout.write(
        f"{found.seconds_taken:.0f} s in all, {found.seconds_rendering:.0f} s of them for rendering; "
        f"{len(found.videos) - found.reused} of {len(found.videos)} videos watched now.\n"
    )


def document(found: SimulatedRun) -> dict[str, Any]:
    """The result as JSON: the compared keys first, everything else after them."""
    from holmesvau.evaluate.suite import to_json

    report = found.report
    rest = {key: value for key, value in report.figures.items() if key not in KEYS}
    return {
        **{key: to_json(report.figures[key]) for key in KEYS},
        "videos": report.videos,
        "seconds_of_video": round(report.seconds_of_video, 3),
        "seconds_taken": round(found.seconds_taken, 3),
        "seconds_rendering": round(found.seconds_rendering, 3),
        "seconds_watching": round(found.seconds_watching, 3),
        "rendered": found.rendered,
        "reports_reused": found.reused,
        "figures": to_json(rest),
        **{
            key: to_json(getattr(report, key))
            for key in (
                "intervals", "counts", "by_class", "by_scene", "by_kind_of_scene", "by_light",
                "hard_negatives", "events", "reliability", "notes",
            )
        },
        "most_frequent_answers": dict(found.constant),
    }  # fmt: skip
