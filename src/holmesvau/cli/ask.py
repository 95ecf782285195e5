"""`holmesvau ask`: a question about a recording."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from holmesvau.cli import options

if TYPE_CHECKING:
    from holmesvau.types import Report


def run(
    video: Annotated[str, typer.Argument(help="A recording, or a report.json of one.")],
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    span: options.SpanText = None,
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
) -> None:
    """Ask about a recording, or about one part of it; the answer appears as it is generated."""
    part = options.parse_span(span)
    holmes = options.pipeline(
        model,
        encoder=encoder,
        scorer=scorer,
        adapter=adapter,
        device=device,
        dtype=dtype,
        config=config,
        overrides=set_,
        no_cache=no_cache,
    )
    source: str | Report = video
    if video.endswith(".json"):
        from holmesvau.report import from_json

        source = from_json(video)
    if as_json:
        answer = holmes.ask(source, question, span=part)
        seen = answer.selection
        options.print_json(
            {
                "question": answer.question,
                "text": answer.text,
                "span": [part.start, part.end] if part else None,
                "frames": seen.index.tolist() if seen is not None else [],
                "seconds": [round(s, 3) for s in seen.seconds.tolist()] if seen is not None else [],
                "model": answer.model,
                "note": answer.note,
            }
        )
        return
    for piece in holmes.ask(source, question, span=part, stream=True):
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
