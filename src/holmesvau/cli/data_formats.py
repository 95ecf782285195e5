"""`holmesvau data import | export | instructions`: annotations from and for other tools; rows of them."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from holmesvau.cli import options
from holmesvau.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holmesvau.hivau.layout import AnnotationFile
    from holmesvau.hivau.problems import Problem
    from holmesvau.hivau.schema import VideoAnnotation

# What `import` and `instructions` end with when something had to be left out.
EXIT_ERRORS = 5
_MIXTURE = re.compile(r"(?P<level>[CEV])(?:=(?P<share>\d+(?:\.\d+)?))?")

FormatName = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        help="activitynet, activitynet-captions, csv, elan, fiftyone, hivau, label-studio, parquet, via3 or "
        "webvtt; told by the file where it can be.",
    ),
]
CaptionLevel = Annotated[
    Literal["event", "clip"] | None,
    typer.Option("--level", help="Of activitynet-captions: whether sentences are of events or of clips."),
]


def import_(
    source: Annotated[str, typer.Argument(help="A file of another tool, or a folder of one file a video.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Where the annotations go, in HIVAU's form.")],
    format: FormatName = None,
    level: CaptionLevel = None,
    as_json: options.AsJson = False,
) -> None:
    """Turn another tool's annotations into HIVAU's form. Ends with 5 when part of them had to be left out."""
    from holmesvau.hivau import formats, write_annotations

    problems: list[Problem] = []
    name = format or formats.guess(_there(source))
    annotations = formats.load(source, name, problems=problems, **_given(level=level))
    _apart(source, out)
    write_annotations(annotations, out)
    _report(annotations, out, as_json, format=name, problems=[str(problem) for problem in problems])
    _complain(problems)


def export(
    annotations: Annotated[str, typer.Argument(help="A file of annotations.")],
    out: Annotated[str, typer.Option("--out", "-o", help="A file, or the folder of one file a video.")],
    format: FormatName = None,
    level: CaptionLevel = None,
    url: Annotated[
        str | None,
        typer.Option(
            "--url", help="Of label-studio, via3 and elan: where a video is, with {name} for its name."
        ),
    ] = None,
    subset: Annotated[
        str | None, typer.Option("--subset", help="Of activitynet: the subset that all videos are of.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Write annotations for another tool, and say what its format cannot hold."""
    from holmesvau.hivau import formats

    name = format or formats.by_suffix(Path(out))
    chosen = formats.get(name, **_given(level=level, url=url, subset=subset))
    found = formats.load(annotations)
    _apart(annotations, out)
    chosen.write(found, Path(out))
    _report(found, out, as_json, format=name, lost=formats.lost(found, chosen), losses=list(chosen.losses))


def instructions(
    root: Annotated[str, typer.Argument(help="A dataset's folder, or one of its annotation files.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Where the rows go (.jsonl).")],
    split: Annotated[
        str | None, typer.Option("--split", help="Only annotation files of this split, such as train.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="The dataset's folder, where the file's name does not tell it."),
    ] = None,
    form: Annotated[
        Literal["train", "test"], typer.Option("--form", help="Conversations, or prompts and answers.")
    ] = "train",
    mode: Annotated[
        Literal["balanced", "as-released"],
        typer.Option("--mode", help="as-released repeats captions once an event, as the public files do."),
    ] = "balanced",
    mixture: Annotated[
        str, typer.Option("--mixture", help="Levels and rows for each there is: C+E, or C=0.5,E=1,V=2.")
    ] = "C+E+V",
    equal_verdicts: Annotated[
        bool, typer.Option("--equal-verdicts", help="As many normal as abnormal judgements at each level.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same rows.")] = 0,
    as_json: options.AsJson = False,
) -> None:
    """Build instruction rows from annotations (§3.2): each text gets a question that it answers."""
    from holmesvau.hivau import write_instructions
    from holmesvau.hivau.instructions import BuildConfig, build_from

    config = BuildConfig(mode=mode, seed=seed, equal_verdicts=equal_verdicts, **_shares(mixture))
    problems: list[Problem] = []
    rows = build_from(_files(root, dataset, split), config=config, problems=problems)
    write_instructions(rows, out, form=form)
    counts = Counter(f"{row.level} {row.task}" for row in rows)
    if as_json:
        left_out = Counter(problem.kind for problem in problems)
        options.print_json({"rows": len(rows), "counts": counts, "problems": left_out, "written": out})
    else:
        for kind, count in counts.items():
            sys.stdout.write(f"{kind}: {count:,}\n")
        sys.stdout.write(f"wrote {len(rows):,} rows to {out}\n")
    _complain(problems)


def _there(source: str) -> str:
    if not Path(source).exists():
        raise InputError(f"{source}: nothing is there.")
    return source


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _apart(source: str, out: str) -> None:
    if Path(out).exists() and Path(out).samefile(source):
        raise InputError(f"{out}: the target is the source itself. Give another name.")


def _shares(mixture: str) -> dict[str, Any]:
    """`C+E` or `C=0.5,V=2`; a level that is not named is left out."""
    names = {"C": "clip", "E": "event", "V": "video"}
    shares = dict.fromkeys(names.values(), 0.0)
    for part in re.split(r"[+,]", mixture):
        match = _MIXTURE.fullmatch(part.strip())
        if match is None:
            raise InputError(
                f"--mixture {mixture}: write levels C, E and V as C+E, or with shares as C=0.5,E=1,V=2."
            )
        shares[names[match["level"]]] = float(match["share"] or 1)
    return shares


def _files(root: str, dataset: str | None, split: str | None) -> Sequence[AnnotationFile]:
    from holmesvau.hivau.layout import AnnotationFile, annotation_file, annotation_files

    path = Path(_there(root))
    if path.is_file():
        told = annotation_file(path)
        return [AnnotationFile(path, dataset or told.dataset, split or told.split)]
    files = [file for file in annotation_files(path) if split in (None, file.split)]
    files = [file for file in files if dataset in (None, file.dataset)]
    splits = sorted({file.split for file in files})
    if not files:
        raise InputError(f"{root}: no annotations. A root holds raw_annotations/NAME_database_SPLIT.json.")
    if len(splits) > 1:
        raise InputError(f"{root}: it has the splits {', '.join(splits)}; choose one with --split.")
    return files


def _report(annotations: Mapping[str, VideoAnnotation], out: str, as_json: bool, **more: Any) -> None:
    events = [event for video in annotations.values() for event in video.events]
    counts = {
        "videos": len(annotations),
        "events": len(events),
        "clips": sum(len(event.clips) for event in events),
    }
    if as_json:
        options.print_json({**counts, **more, "written": out})
        return
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    sys.stdout.write(f"wrote {said} to {out} ({more['format']})\n")
    if lost := more.get("lost"):
        values = ", ".join(f"{count:,} × {what}" for what, count in lost.items())
        sys.stdout.write(f"not held: {values}\n")
        for sentence in more["losses"]:
            sys.stdout.write(f"  {sentence}\n")


def _complain(problems: Sequence[Problem]) -> None:
    """Say what was found odd; end with `EXIT_ERRORS` where it had to be left out."""
    for problem in problems:
        if problem.severity != "note":
            sys.stderr.write(f"{problem}\n")
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(EXIT_ERRORS)
