"""`holmesvau watch`: a report of one or more recordings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holmesvau.cli import options, progress
from holmesvau.errors import HolmesError, InputError

if TYPE_CHECKING:
    from holmesvau.types import Report

DEFAULT_FORMATS = "json,html,vtt,csv"
FORMATS = "json, html, vtt, csv, srt, events-csv, jsonl, chapters-vtt, chapters-csv, clips"


def run(
    videos: Annotated[list[str], typer.Argument(help="Recordings: files, folders of pictures, or URLs.")],
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", help="Folder for report.json, report.html, events.vtt and curve.csv."),
    ] = None,
    formats: Annotated[
        str,
        typer.Option("--formats", help=f"Which files: {FORMATS}."),
    ] = DEFAULT_FORMATS,
    ask: Annotated[
        list[str] | None, typer.Option("--ask", help="A question to answer; may be given again.")
    ] = None,
    granularity: Annotated[
        str | None,
        typer.Option(
            "--granularity",
            help="How far down it is told: video only the whole, event also events and chapters, clip all.",
        ),
    ] = None,
    budget_seconds: Annotated[
        float | None,
        typer.Option("--budget-seconds", help="Describing, after the scan, takes no longer than this."),
    ] = None,
    budget_tokens: Annotated[
        int | None,
        typer.Option("--budget-tokens", help="Describing takes no more tokens than this, prompts and all."),
    ] = None,
    sampler: Annotated[
        str | None, typer.Option("--sampler", help="How frames are chosen; see `sample`.")
    ] = None,
    num_frames: Annotated[
        int | None, typer.Option("--num-frames", "-n", help="How many frames are chosen.")
    ] = None,
    model: options.Model = "tiny",
    encoder: options.EncoderName = None,
    scorer: options.ScorerName = None,
    adapter: options.Adapter = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    config: options.ConfigFile = None,
    set_: options.Set = None,
    no_cache: options.NoCache = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Watch recordings and report what is abnormal: when, and what the model says of it."""
    given = {
        "describe.granularity": granularity,
        "describe.budget_seconds": budget_seconds,
        "describe.budget_tokens": budget_tokens,
        "sampler.method": sampler,
        "sampler.num_frames": num_frames,
    }
    overrides = [*(set_ or []), *(f"{key}={value}" for key, value in given.items() if value is not None)]
    wanted = _formats(formats)
    folders = _folders(videos, out)
    for folder in folders.values():
        if folder is not None:
            _writable(folder)
    holmes = options.pipeline(
        model,
        encoder=encoder,
        scorer=scorer,
        adapter=adapter,
        device=device,
        dtype=dtype,
        config=config,
        overrides=overrides,
        no_cache=no_cache,
    )
    failed: HolmesError | None = None
    for video in videos:
        try:
            with progress.shown(quiet) as bar:
                report = holmes.watch(video, questions=tuple(ask or ()), progress=bar)
            _hand_over(report, folders[video], wanted, as_json)
        except HolmesError as error:
            if len(videos) == 1:
                raise
            sys.stderr.write(f"holmesvau: {error}\n")
            failed = error
    if failed is not None:
        raise typer.Exit(failed.exit_code)


def _hand_over(report: Report, folder: Path | None, formats: tuple[str, ...], as_json: bool) -> None:
    from holmesvau import report as reports

    written = reports.write(report, folder, formats=formats) if folder is not None else {}
    if as_json:
        options.print_json(reports.to_json(report))
        return
    for line in reports.summary_lines(report):
        sys.stdout.write(line + "\n")
    # What no file keeps is told here.
    for line in reports.chapter_lines(report) if written else reports.told_lines(report):
        sys.stdout.write(line + "\n")
    for path in written.values():
        sys.stdout.write(f"wrote {path}\n")


def _formats(text: str) -> tuple[str, ...]:
    from holmesvau.report import FORMATS

    wanted = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in wanted:
        if name not in FORMATS:
            raise InputError(
                f"--formats {text}: there is no format {name!r}; there are {', '.join(FORMATS)}."
            )
    return wanted


def _folders(videos: list[str], out: str | None) -> dict[str, Path | None]:
    """Where each report goes: `out` itself for one video, a folder in it for each of several."""
    if out is None or len(videos) == 1:
        return {video: Path(out) if out is not None else None for video in videos}
    folders: dict[str, Path | None] = {}
    taken: set[Path] = set()
    for video in videos:
        stem = Path(video).stem or "video"
        folder, number = Path(out) / stem, 2
        while folder in taken:
            folder, number = Path(out) / f"{stem}-{number}", number + 1
        taken.add(folder)
        folders[video] = folder
    return folders


def _writable(folder: Path) -> None:
    """Complain about an unusable output folder before hours are spent watching."""
    from holmesvau.report import check_writable

    check_writable(folder)
