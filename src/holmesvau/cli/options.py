"""Options that several verbs share, and the one way they become a pipeline."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holmesvau.errors import InputError
from holmesvau.types import Span

if TYPE_CHECKING:
    from holmesvau.holmes import Holmes, HolmesConfig

Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="`tiny`, `none`, a folder of an InternVL-family checkpoint, a hub id, or `endpoint:URL`.",
    ),
]
EncoderName = Annotated[
    str | None, typer.Option("--encoder", help="Encoder of the scan, instead of the model's own.")
]
ScorerName = Annotated[
    str | None, typer.Option("--scorer", help="`novelty`, `urdmu`, or a file of scorer weights.")
]
Adapter = Annotated[
    str | None, typer.Option("--adapter", help="A folder with a LoRA adapter (peft) for the model.")
]
Device = Annotated[
    str | None, typer.Option("--device", help="`cpu`, `cuda`, `cuda:1` …; the best one by default.")
]
Dtype = Annotated[
    str | None,
    typer.Option("--dtype", help="`bfloat16` (default), `float16`, `float32`, or on a CPU `int8`."),
]
ConfigFile = Annotated[str | None, typer.Option("--config", help="A TOML or JSON file of settings.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="One setting, such as sampler.tau=0.2; may be given again.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither read nor keep features of earlier scans.")]
SpanText = Annotated[str | None, typer.Option("--span", help="Only this part: START-END in seconds or m:ss.")]


def pipeline(
    model: str,
    *,
    encoder: str | None = None,
    scorer: str | None = None,
    adapter: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    config: str | None = None,
    overrides: list[str] | None = None,
    no_cache: bool = False,
) -> Holmes:
    """The pipeline that these options describe."""
    from holmesvau.holmes import Holmes

    return Holmes.from_pretrained(
        model,
        encoder=encoder,
        scorer=scorer,
        adapter=adapter,
        device=device,
        dtype=dtype,
        config=configured(config, overrides, no_cache=no_cache),
    )


def configured(config: str | None, overrides: list[str] | None, *, no_cache: bool) -> HolmesConfig:
    """The pipeline's settings: those of a file, with the overrides laid over them."""
    from holmesvau.config import load
    from holmesvau.holmes import HolmesConfig

    return load(HolmesConfig, config, [*(overrides or []), *(["scan.cache=false"] if no_cache else [])])


def parse_span(text: str | None) -> Span | None:
    """`START-END` as seconds, `m:ss` or `h:mm:ss`.

    Raises:
        InputError: when it is not a span.
    """
    if text is None:
        return None
    start, dash, end = text.partition("-")
    try:
        if not dash or not start or not end:
            raise ValueError
        return Span(_seconds(start), _seconds(end))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"--span {text}: write it as START-END, for example 10-20 or 1:05-1:30.") from error


def _seconds(text: str) -> float:
    total = 0.0
    for part in text.split(":"):
        total = total * 60 + float(part)
    return total


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
