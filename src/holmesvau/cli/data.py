"""`holmesvau data`: look a dataset over, count it, cut it into files; `data_formats` has its other verbs."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from holmesvau.cli import data_formats, data_tables, options, progress

app = typer.Typer(
    name="data",
    help="Check, count, cut, build and exchange datasets in HIVAU-70k's form.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

app.command("import")(data_formats.import_)
app.command()(data_formats.export)
app.command()(data_formats.instructions)

# What `check` and `split` end with when they did their work and found something (2 is for bad input).
EXIT_WARNINGS, EXIT_ERRORS = 4, 5

Root = Annotated[str, typer.Argument(help="A dataset's folder, or one of its .json or .jsonl files.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="How much is done at a time; a core each.")
]


@app.command()
def check(
    root: Root,
    fix: Annotated[
        str | None,
        typer.Option("--fix", help="Write a cleaned copy of the annotations and rows into this new folder."),
    ] = None,
    footage: Annotated[
        bool, typer.Option("--footage/--no-footage", help="Open the video files as well.")
    ] = True,
    every: Annotated[
        bool, typer.Option("--all", help="List every finding instead of three of a kind.")
    ] = False,
    jobs: Jobs = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Say what is missing, unreadable or odd. Ends with 0 (nothing, or notes), 4 (warnings) or 5 (errors)."""
    from holmesvau.hivau.checks import check as look_over

    with progress.shown(quiet) as bar:
        report = look_over(root, fix=fix, footage=footage, jobs=jobs or 4, progress=bar)
    if as_json:
        options.print_json(report.to_json())
    else:
        data_tables.print_check(report, every)
    if report.severity in ("warning", "error"):
        raise typer.Exit(EXIT_ERRORS if report.severity == "error" else EXIT_WARNINGS)


@app.command()
def stats(
    root: Root,
    plot: Annotated[
        str | None, typer.Option("--plot", help="Also draw them into this .png, .svg or .pdf.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Count and measure by level, task and source, as the paper's Figure 3 does."""
    from holmesvau.hivau import statistics

    found = statistics.stats(root)
    drawn = statistics.plot(found, plot) if plot is not None else None
    if as_json:
        options.print_json(found.to_json())
        return
    data_tables.print_stats(found)
    if drawn is not None:
        sys.stdout.write(f"wrote {drawn}\n")


@app.command()
def split(
    root: Annotated[str, typer.Argument(help="A dataset's folder, with raw_annotations/ and the videos.")],
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="Where the files go; the same folder by default.")
    ] = None,
    level: Annotated[
        Literal["event", "clip", "both"], typer.Option("--level", help="Cut events, clips or both.")
    ] = "both",
    quality: Annotated[
        int,
        typer.Option(
            "--quality", min=0, max=51, help="H.264 rate factor where pictures are encoded; less is better."
        ),
    ] = 20,
    jobs: Jobs = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Cut events and clips into files. After an interruption the same command goes on."""
    from holmesvau.hivau.split import split as cut_all

    with progress.shown(quiet) as bar:
        report = cut_all(
            root,
            out=out,
            levels=("event", "clip") if level == "both" else (level,),
            jobs=jobs,
            quality=quality,
            progress=bar,
        )
    if as_json:
        options.print_json(report.to_json())
    else:
        for problem in report.problems:
            sys.stderr.write(f"{problem}\n")
        done = f"{report.copied} files copied without encoding, {report.encoded} encoded"
        sys.stdout.write(f"{done}, {report.kept} there before\n")
    if any(problem.severity == "error" for problem in report.problems):
        raise typer.Exit(EXIT_ERRORS)
