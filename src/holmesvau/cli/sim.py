"""`holmesvau sim`: make simulated CCTV with its truth, and sheets of pictures to look it over."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from holmesvau.cli import options, progress
from holmesvau.errors import InputError, MissingPartError

app = typer.Typer(
    name="sim",
    help="Make simulated CCTV with exact ground truth.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def generate(
    out: Annotated[str, typer.Argument(help="The folder of the dataset; what is there already is kept.")],
    num_videos: Annotated[int, typer.Option("--num-videos", "-n", min=1, help="How many videos.")] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same videos.")] = 0,
    split: Annotated[
        str, typer.Option("--split", help="train, val or test: no scene or look is in two of them.")
    ] = "train",
    duration: Annotated[
        str, typer.Option("--duration", help="Seconds, or a range of them: 30 or 20-60; 5 s to 25 h.")
    ] = "20-60",
    size: Annotated[str, typer.Option("--size", help="Pixels: 320x240, 640x360 …")] = "320x240",
    fps: Annotated[float, typer.Option("--fps", help="Frames a second.")] = 15.0,
    anomalous_share: Annotated[
        float, typer.Option("--anomalous-share", min=0.0, max=1.0, help="Share of videos with anomalies.")
    ] = 0.5,
    scene: Annotated[
        list[str] | None,
        typer.Option(
            "--scene", help="Only this scene; may be given again. Corridor and platform are in test only."
        ),
    ] = None,
    anomaly: Annotated[
        list[str] | None, typer.Option("--class", help="Only this class of anomaly; may be given again.")
    ] = None,
    events: Annotated[
        int, typer.Option("--events", min=1, help="The most anomalies in a video, in every hour of it.")
    ] = 3,
    busy: Annotated[float, typer.Option("--busy", help="How much ordinary life there is; 1 is usual.")] = 1.0,
    background: Annotated[
        str | None, typer.Option("--background", help="Stage things in this video or picture of your own.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", "-j", min=1, help="Processes; one a core by default.")
    ] = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Render a split of a dataset in HIVAU-70k's form. After an interruption the same command goes on."""
    need_opencv()
    from holmesvau import sim

    chosen = {key: value for key, value in (("scenes", scene), ("classes", anomaly)) if value}
    with progress.shown(quiet) as bar:
        made = sim.generate(
            out,
            num_videos,
            seed,
            split=split,
            duration=seconds_range(duration),
            size=pixels(size),
            fps=fps,
            anomalous_share=anomalous_share,
            events=events,
            busy=busy,
            background=background,
            workers=workers,
            progress=bar,
            **chosen,
        )
    if as_json:
        options.print_json(
            {
                "root": str(made.root),
                "split": made.split,
                "videos": [str(path) for path in made.videos],
                "rendered": made.rendered,
                "anomalous": made.anomalous,
                "seconds": round(made.seconds, 3),
                "annotations": str(made.annotations),
                "instructions": str(made.instructions),
                "truth": str(made.truth),
            }
        )
        return
    kept = len(made.videos) - made.rendered
    sys.stdout.write(
        f"{made.root}: {len(made.videos)} videos ({made.anomalous} anomalous, "
        f"{made.seconds / 60:.1f} minutes), {made.rendered} rendered, {kept} there before\n"
    )


@app.command()
def sheet(
    out: Annotated[str, typer.Argument(help="The folder for the pictures.")],
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--sheet",
            help="Only this sheet: scenes, classes, negatives, weather, actions, … May be given again.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed, other scenes and people.")] = 1,
    as_json: options.AsJson = False,
) -> None:
    """Draw contact sheets of every scene, class of anomaly, hard negative, action, thing and effect."""
    need_opencv()
    from holmesvau.sim.album import draw

    paths = draw(out, names=tuple(name) if name else None, seed=seed)
    if as_json:
        options.print_json([str(path) for path in paths])
    else:
        sys.stdout.write("".join(f"{path}\n" for path in paths))


def seconds_range(text: str) -> float | tuple[float, float]:
    """`30` or `20-60` as seconds.

    Raises:
        InputError: when it is neither.
    """
    low, dash, high = text.partition("-")
    try:
        return (float(low), float(high)) if dash else float(low)
    except ValueError as error:
        raise InputError(f"--duration {text}: write seconds, or a range such as 20-60.") from error


def pixels(text: str) -> tuple[int, int]:
    """`640x360` as width and height.

    Raises:
        InputError: when it is not that.
    """
    width, cross, height = text.lower().partition("x")
    try:
        if not cross:
            raise ValueError
        return int(width), int(height)
    except ValueError as error:
        raise InputError(f"--size {text}: write WIDTHxHEIGHT, for example 640x360.") from error


def need_opencv() -> None:
    """Complain early where the simulator cannot draw.

    Raises:
        MissingPartError: naming what to install.
    """
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise MissingPartError(
            "The simulator draws with OpenCV, which is not installed: pip install 'holmesvau[sim]'."
        ) from error
