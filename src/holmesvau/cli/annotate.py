"""`holmesvau annotate`: from raw videos to a dataset, by models and people. Review has a file of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from holmesvau.cli import annotate_review, options, progress
from holmesvau.errors import InputError

if TYPE_CHECKING:
    from holmesvau.engine import Estimate, RunReport, Status
    from holmesvau.engine.ledger import Stage

# What `run` ends with when work is left that neither waits for people nor is done: a server down, the budget.
EXIT_LEFT = 4
_SUMMARIES = ("event", "video")


class RunByDefault(TyperGroup):
    """`annotate DIR` is `annotate run DIR`. A project called like one of the verbs is written `./run`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the verb where it is left out."""
        known = {"--help", *self.commands}
        return super().parse_args(ctx, args if not args or args[0] in known else ["run", *args])


app = typer.Typer(
    name="annotate",
    cls=RunByDefault,
    help="Turn raw videos into a dataset: events, captions, summaries, instructions; people where needed. "
    "`annotate DIR` does all that can be done now.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Folder = Annotated[str, typer.Argument(metavar="DIR", help="The project's folder.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, such as caption.at_once=8; may be given again."),
]


@app.command()
def init(
    folder: Folder,
    videos: Annotated[list[str], typer.Argument(help="Videos, or folders of them; more may be added later.")],
    import_: Annotated[
        str | None, typer.Option("--import", help="Annotations to begin with, in any format.")
    ] = None,
    caption: Annotated[
        str | None, typer.Option("--caption", help="Who writes captions: endpoint:URL#MODEL, tiny, people, …")
    ] = None,
    summary: Annotated[
        str | None, typer.Option("--summary", help="Who writes summaries: endpoint:URL#MODEL, smollm2, …")
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="What the dataset is called.")] = None,
    split: Annotated[str | None, typer.Option("--split", help="train, val or test.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a project of videos, or add videos to it. Its settings and prompts are files for you to edit."""
    from holmesvau import engine

    given = {
        "dataset": dataset,
        "split": split,
        "decouple.import_file": None if import_ is None else str(Path(import_).resolve()),
        "caption.provider": _at(caption),
        "summary.provider": _at(summary),
    }
    chosen = {key: value for key, value in given.items() if value is not None}
    project = engine.init(folder, videos, chosen=chosen)
    if as_json:
        options.print_json({"project": str(project.folder), "videos": [row.name for row in project.listed]})
        return
    sys.stdout.write(
        f"{project.folder}: {len(project.listed)} videos. Look over annotate.toml, videos.csv and prompts/, "
        f"then: holmesvau annotate {project.folder}\n"
    )


@app.command()
def run(
    folder: Folder,
    stage: Annotated[
        list[str] | None,
        typer.Option("--stage", help="Only decouple, caption, event, video or instruct; may be given again."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many requests, tokens and money it would take.")
    ] = False,
    workers: Annotated[int | None, typer.Option("--workers", "-j", min=1, help="Processes.")] = None,
    set_: Settings = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Do all that can be done now. After an interruption, or after people's work, the same command goes on.

    Ends with 0 when what is left waits for people, with 4 when something else is in the way.
    """
    from holmesvau import engine

    stages, instruct = _stages(stage)
    own = [] if workers is None else [f"workers={workers}"]
    project = engine.open_project(folder, [*(set_ or []), *own])
    if dry_run:
        with project.ledger() as ledger:
            _tell_estimate(engine.plan_only(project, ledger), as_json)
        return
    with progress.shown(quiet) as bar:
        report = engine.run(project, stages=stages, instruct=instruct, progress=bar)
    if as_json:
        options.print_json(report.to_json())
    else:
        _tell_run(report, folder)
    if report.reasons:
        raise typer.Exit(EXIT_LEFT)


@app.command()
def status(folder: Folder, set_: Settings = None, as_json: options.AsJson = False) -> None:
    """Say what is done, what waits for whom, what it has cost, and how many texts pass each gate."""
    from holmesvau import engine

    project = engine.open_project(folder, set_ or [])
    with project.ledger() as ledger:
        found = engine.status(project, ledger)
    if as_json:
        options.print_json(found.to_json())
    else:
        _tell_status(found)


@app.command()
def export(
    folder: Folder,
    format: Annotated[
        str, typer.Option("--format", "-f", help="hivau, activitynet, via3, label-studio, csv, elan, …")
    ] = "hivau",
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="A file, or the folder of one file a video.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Also videos whose texts are not all there.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Write the annotations for another tool, and say what its format cannot hold."""
    from holmesvau import engine
    from holmesvau.hivau import formats

    project = engine.open_project(folder)
    chosen = formats.get(format)
    target = (
        Path(out) if out else project.folder / f"annotations-{format}{'' if chosen.folder else chosen.suffix}"
    )
    with project.ledger() as ledger:
        found = engine.completed(project, ledger, partial=partial)
    if not found:
        raise InputError(
            f"{folder}: no video is complete yet. `holmesvau annotate status {folder}` says what is missing; "
            "--partial exports what there is."
        )
    chosen.write(found, target)
    lost = formats.lost(found, chosen)
    if as_json:
        options.print_json({"videos": len(found), "format": format, "lost": lost, "written": str(target)})
        return
    sys.stdout.write(f"wrote {len(found)} videos to {target} ({format})\n")
    if lost:
        values = ", ".join(f"{count:,} × {what}" for what, count in lost.items())
        sys.stdout.write(f"not held: {values}\n")


app.command()(annotate_review.review)
app.command()(annotate_review.agreement)


def _stages(chosen: list[str] | None) -> tuple[tuple[Stage, ...], bool]:
    """The stages to run, and whether to build instructions after them."""
    from holmesvau.engine.ledger import STAGES

    if not chosen:
        return STAGES, True
    known = (*STAGES, "instruct")
    for name in chosen:
        if name not in known:
            raise InputError(f"--stage {name}: there are {', '.join(known)}.")
    return tuple(stage for stage in STAGES if stage in chosen), "instruct" in chosen


def _at(provider: str | None) -> str | None:
    """A provider with the place of its file made whole: the settings' own begin at the project's folder."""
    kind, colon, source = (provider or "").partition(":")
    if provider is None or kind not in ("imported", "replay") or not source:
        return provider
    return f"{kind}{colon}{Path(source).resolve()}"


def _tell_run(report: RunReport, folder: str) -> None:
    _tell_status(report.status)
    for reason in report.reasons:
        sys.stderr.write(f"holmesvau: {reason}\n")
    if report.dataset is not None:
        done = report.dataset
        sys.stdout.write(
            f"{done.root}: {done.videos} videos, {done.rows} instruction rows"
            f"{'' if done.changed else ' (unchanged)'}\n"
        )
    if waiting := sum(report.status.queue.values()):
        sys.stdout.write(
            f"{waiting} entries wait for people: holmesvau annotate review {folder}, then the same again\n"
        )


def _tell_status(found: Status) -> None:
    sys.stdout.write(f"{found.complete} of {found.videos} videos complete")
    sys.stdout.write(f", {found.left_out} left out\n" if found.left_out else "\n")
    header = ("stage", "wanted", "done", "by people", "open", "in hand", "for people", "failed")
    rows = [
        (name, s.wanted, s.done, s.written, s.open, s.working, s.people, s.failed)
        for name, s in found.stages.items()
    ]
    for row in (header, *rows):
        sys.stdout.write(
            "".join(f"{cell!s:>11}" if n else f"{cell!s:<9}" for n, cell in enumerate(row)) + "\n"
        )
    for name, problem in found.problems.items():
        sys.stdout.write(f"{name}: {problem}\n")
    for stage, rate in found.texts.items():
        sys.stdout.write(
            f"{stage}: of {rate.texts} texts {rate.at_once} passed all gates at once, {rate.in_the_end} in "
            f"the end, {rate.to_people} went to people\n"
        )
        failing = {gate: r for gate, r in found.gates.get(stage, {}).items() if r.passed < r.judged}
        for gate, r in failing.items():
            sys.stdout.write(f"  {gate}: {r.passed} of {r.judged} answers passed ({r.rate:.0%})\n")
    if found.spent["requests"]:
        sys.stdout.write(
            f"spent: {found.spent['requests']:,} requests, {found.spent['tokens']:,} tokens, "
            f"{found.spent['money']:.4f} of money\n"
        )
    if found.queue:
        listed = ", ".join(f"{gate} {count}" for gate, count in found.queue.items())
        sys.stdout.write(f"waiting for people: {listed}\n")


def _tell_estimate(found: Estimate, as_json: bool) -> None:
    if as_json:
        options.print_json(found.to_json())
        return
    for stage, part in found.stages.items():
        wait = "" if part.seconds is None else f", {part.seconds:.0f} s"
        sys.stdout.write(
            f"{stage}: {part.requests:,} requests, {part.tokens_in:,} + {part.tokens_out:,} tokens, "
            f"{part.money:.4f} of money{wait}\n"
        )
    sys.stdout.write(f"in all: {found.tokens:,} tokens, {found.money:.4f} of money\n")
    if found.unknown:
        sys.stdout.write(
            f"{found.unknown} videos have no confirmed events yet: what they need is not counted\n"
        )
