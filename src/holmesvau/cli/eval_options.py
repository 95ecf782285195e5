"""Options that several verbs of `holmesvau eval` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from holmesvau.cli import options

if TYPE_CHECKING:
    from holmesvau.evaluate.pipelines import PipelineOptions

Lenient = Annotated[
    bool, typer.Option("--lenient", help="Leave out what does not fit, and say so, instead of ending.")
]
Resamples = Annotated[
    int, typer.Option("--resamples", min=0, help="Bootstrap resamples of videos; 0 for no intervals.")
]
Confidence = Annotated[float, typer.Option("--confidence", help="How sure an interval is.")]
Seed = Annotated[int, typer.Option("--seed", help="Of the resamples.")]
Workers = Annotated[
    int | None, typer.Option("--workers", "-j", min=1, help="Processes; one a core for small models.")
]


def described(
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
) -> PipelineOptions:
    """The pipeline that the options of `watch` describe, not loaded yet."""
    from holmesvau.evaluate.pipelines import PipelineOptions

    return PipelineOptions(
        model=model,
        encoder=encoder,
        scorer=scorer,
        adapter=adapter,
        device=device,
        dtype=dtype,
        config=options.configured(config, overrides, no_cache=no_cache),
    )
