"""`holmesvau convert`: released weights, scorers and adapters into files that load without remote code."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from holmesvau.cli import options, progress
from holmesvau.errors import InputError

if TYPE_CHECKING:
    from holmesvau.checkpoints.build import Progress

Kind = Literal["checkpoint", "adapter", "scorer", "merge", "unmerge"]
SCORER_SUFFIXES = (".pth", ".pt", ".safetensors")


def run(
    source: Annotated[
        str,
        typer.Argument(
            help="A released folder or hub id, a scorer's .pth, a LoRA folder, or a native folder."
        ),
    ],
    target: Annotated[str, typer.Argument(help="The folder (for a scorer, the .safetensors file) to make.")],
    base: Annotated[
        str | None, typer.Option("--base", help="For a LoRA: the released model it belongs to.")
    ] = None,
    scorer: Annotated[
        str | None,
        typer.Option("--scorer", help="For a model: its anomaly scorer, where it does not lie beside it."),
    ] = None,
    merge: Annotated[
        str | None, typer.Option("--merge", help="Add this native LoRA to a native model.")
    ] = None,
    unmerge: Annotated[
        str | None, typer.Option("--unmerge", help="Take this native LoRA out of it again.")
    ] = None,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not run a random forward afterwards.")
    ] = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Convert HolmesVAU and InternVL2 weights, scorers and LoRA adapters; prints where the result is."""
    started = time.monotonic()
    with progress.shown(quiet) as bar:
        kind, made = _convert(source, target, base, scorer, merge, unmerge, verify=not no_verify, report=bar)
    if as_json:
        options.print_json(
            {
                "kind": kind,
                "source": source,
                "target": str(made),
                "bytes": _size(made),
                "verified": kind == "checkpoint" and not no_verify,
                "seconds": round(time.monotonic() - started, 3),
            }
        )
        return
    sys.stdout.write(f"{made}\n")


def _convert(
    source: str,
    target: str,
    base: str | None,
    scorer: str | None,
    merge: str | None,
    unmerge: str | None,
    *,
    verify: bool,
    report: Progress | None,
) -> tuple[Kind, Path]:
    from holmesvau import checkpoints
    from holmesvau.vlm import folder
    from holmesvau.vlm.adapter import CONFIG_FILE

    path = Path(source)
    if merge is not None and unmerge is not None:
        raise InputError("Give either --merge or --unmerge, not both.")
    if merge is not None:
        return "merge", checkpoints.merge(path, merge, target, progress=report)
    if unmerge is not None:
        return "unmerge", checkpoints.unmerge(path, unmerge, target, progress=report)
    if path.suffix in SCORER_SUFFIXES and not path.is_dir():
        if Path(target).suffix != ".safetensors":
            raise InputError(f"{target}: a scorer becomes a file: give a name that ends in .safetensors.")
        return "scorer", checkpoints.convert_scorer(path, target)
    if (path / CONFIG_FILE).is_file():
        if base is None:
            raise InputError(
                f"{source}: this is a LoRA adapter; say with --base which released model it belongs to."
            )
        return "adapter", checkpoints.convert_lora(path, target, base)
    found = folder.find(source)
    made = checkpoints.convert_internvl2(found, target, scorer_file=scorer, verify=verify, progress=report)
    return "checkpoint", made


def _size(made: Path) -> int:
    if made.is_file():
        return made.stat().st_size
    return sum(entry.stat().st_size for entry in os.scandir(made) if entry.is_file())
