"""`holmesvau eval ablation`: the paper's ablations, a study each; what is there already is not done again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from holmesvau.cli import eval_options, eval_tables, options, progress
from holmesvau.errors import InputError

if TYPE_CHECKING:
    from holmesvau.ats.features import Progress
    from holmesvau.evaluate.ablation import CoverageReport, Study, Trained, Trainer
    from holmesvau.evaluate.answering import TestSet
    from holmesvau.evaluate.pipelines import PipelineOptions
    from holmesvau.evaluate.resampling import BootstrapConfig

Name = Literal["levels", "samplers", "frames", "lora-rank"]


def ablation(
    study: Annotated[
        Name,
        typer.Argument(help="levels: Table 3; samplers: Table 4; frames: how many; lora-rank."),
    ],
    data: Annotated[
        str | None, typer.Option("--data", help="A folder in HIVAU-70k's layout: rows, annotations, videos.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Which of its splits is answered.")] = "test",
    videos: Annotated[
        int | None, typer.Option("--videos", min=1, help="Only the rows of so many of its videos.")
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="Models, scans and answers; runs/ablation by default.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", help="What levels and lora-rank train by; see `holmesvau train`."),
    ] = None,
    train_set: Annotated[
        list[str] | None, typer.Option("--train-set", help="One setting of the recipe; may be given again.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option("--method", help="Only this sampler; may be given again.")
    ] = None,
    cell: Annotated[
        list[str] | None,
        typer.Option("--cell", help="Only this cell, such as C+E+V or `rank 8`; may be given again."),
    ] = None,
    levels: Annotated[
        str | None,
        typer.Option("--levels", help="Rows answered, such as event,video; by default those of the table."),
    ] = None,
    frames: Annotated[
        str | None, typer.Option("--frames", help="Numbers of frames, such as 8,16,32.")
    ] = None,
    ranks: Annotated[str, typer.Option("--ranks", help="Ranks of the LoRA.")] = "8,16,32,64,128",
    planned: Annotated[
        str | None,
        typer.Option("--planned", help="samplers: also on staged, never rendered videos of so many minutes."),
    ] = None,
    planned_videos: Annotated[
        int, typer.Option("--planned-videos", min=1, help="How many of each length.")
    ] = 20,
    clip_frames: Annotated[
        Literal["event", "own"],
        typer.Option("--clip-frames", help="A clip's frames: its event's, or its own."),
    ] = "event",
    model: options.Model = "tiny",
    encoder: options.EncoderName = None,
    scorer: options.ScorerName = None,
    adapter: options.Adapter = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    config: options.ConfigFile = None,
    set_: options.Set = None,
    no_cache: options.NoCache = False,
    resamples: eval_options.Resamples = 1000,
    confidence: eval_options.Confidence = 0.95,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Train or load each cell, answer the rows, measure, and set the paper's figures beside ours."""
    from holmesvau.evaluate import ablation as studies
    from holmesvau.evaluate.answering import load_test_set
    from holmesvau.evaluate.resampling import BootstrapConfig
    from holmesvau.evaluate.suite import to_json

    counts = _numbers("--frames", frames)
    pipeline = eval_options.described(
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
    chosen = _study(study, method, counts, _numbers("--ranks", ranks), pipeline.config.sampler.tau)
    if cell:
        chosen = studies.only(chosen, cell)
    if levels is not None:
        chosen = replace(chosen, levels=_levels(levels))
    minutes = _numbers("--planned", planned)
    if planned is not None and study != "samplers":
        raise InputError(f"--planned asks samplers alone; the study {study} needs words about pictures.")
    if data is None and not minutes:
        raise InputError("Give the test set with --data FOLDER (or, for samplers, --planned MINUTES).")
    folder = Path(out or "runs/ablation")
    bootstrap = BootstrapConfig(resamples=resamples, confidence=confidence)
    test = None if data is None else load_test_set(data, split, videos=videos)
    report = covered = None
    with progress.shown(quiet) as bar:
        silent = test is not None and study == "samplers" and pipeline.model == "none"
        trainer = None if recipe is None else _trainer(recipe, train_set or (), folder, device, bar)
        if test is not None and not silent:
            report = studies.run(
                chosen,
                test,
                pipeline,
                folder,
                trainer=trainer,
                clip_frames=clip_frames,
                bootstrap=bootstrap,
                progress=bar,
            )
        if study == "samplers":
            settings: dict[str, Any] = {"methods": method} if method else {}
            settings |= {"frames": counts} if counts else {}
            covered = _coverage(test, pipeline, folder, minutes, planned_videos, bootstrap, settings, bar)
    if as_json:
        options.print_json(
            {
                **({} if report is None else to_json(report)),
                **({} if covered is None else {"coverage": to_json(covered)}),
            }
        )
        return
    if report is not None:
        eval_tables.print_study(report)
    if covered is not None:
        eval_tables.print_coverage(covered)


def _study(
    name: Name, methods: Sequence[str] | None, frames: Sequence[int], ranks: Sequence[int], tau: float
) -> Study:
    from holmesvau.evaluate.ablation import studies

    if name == "levels":
        return studies.levels()
    if name == "lora-rank":
        return studies.lora_rank(ranks)
    counts = {"frames": frames} if frames else {}
    if name == "samplers":
        return studies.samplers(methods or studies.METHODS, tau=tau, **counts)
    if methods and len(methods) > 1:
        raise InputError("The study frames is of one sampler: give one --method, or take the study samplers.")
    return studies.frames(methods[0] if methods else "event-first", tau=tau, **counts)


def _coverage(
    test: TestSet | None,
    pipeline: PipelineOptions,
    folder: Path,
    minutes: Sequence[int],
    num_videos: int,
    bootstrap: BootstrapConfig,
    settings: dict[str, Any],
    bar: Progress | None,
) -> CoverageReport:
    """Samplers alone, on the scorer's curves of the test set and on planned videos."""
    from holmesvau.evaluate import ablation as studies
    from holmesvau.evaluate.ablation.scans import Scans

    sources = []
    if test is not None:
        holmes = pipeline.load()
        sources.append(studies.scored(test, Scans(folder / "scans" / pipeline.fingerprint(), holmes), bar))
    for number, length in enumerate(minutes):
        sources.append(studies.noisy_truth(num_videos, length))
        if bar is not None:
            bar("planning videos", number + 1, len(minutes))
    return studies.coverage(sources, tau=pipeline.config.sampler.tau, bootstrap=bootstrap, **settings)


def _trainer(
    recipe: str, settings: Sequence[str], folder: Path, device: str | None, bar: Progress | None
) -> Trainer:
    """Cells trained by both stages of a recipe: one scorer for all, then each cell's language model."""
    from holmesvau import config, train
    from holmesvau.evaluate.ablation import Trained, Trainer
    from holmesvau.train.instruct.config import STAGE_1

    base = train.load(recipe, settings)
    # All cells learn from the same rendered videos.
    roots = [] if base.data.roots else [f"data.roots={json.dumps([str(folder / 'data')])}"]

    def make(training: Sequence[str], out: Path) -> Trained:
        from holmesvau.train import train_scorer
        from holmesvau.train.instruct import train_instruct
        from holmesvau.train.instruct.training import scorer_source

        chosen = train.load(recipe, [*settings, *roots, *training])
        if chosen.instruct.scorer == STAGE_1:
            train_scorer(chosen, out.parent / "scorer", device=device, progress=bar)
        result = train_instruct(chosen, out, device=device, progress=bar)
        if not result.finished:
            raise InputError(
                f"{out}: the training ran into its time limit (max_seconds). The same command goes on."
            )
        looked = {
            "encoder": chosen.instruct.encoder or None,
            "scorer": scorer_source(chosen.instruct, out) or None,
        }
        if chosen.instruct.model == "tiny":
            return Trained(model=str(result.best), **looked)
        return Trained(model=chosen.instruct.model, adapter=str(result.best), **looked)

    return Trainer(make, json.dumps(config.to_dict(base), sort_keys=True), f"recipe {base.name}")


def _levels(text: str) -> tuple[str, ...]:
    from holmesvau.hivau.schema import LEVELS

    wanted = text.split(",")
    unknown = [name for name in wanted if name not in LEVELS]
    if unknown:
        raise InputError(f"--levels {text}: there is no level {unknown[0]!r}; there are {', '.join(LEVELS)}.")
    return tuple(level for level in LEVELS if level in wanted)


def _numbers(option: str, text: str | None) -> list[int]:
    try:
        return [int(part) for part in text.split(",")] if text else []
    except ValueError as error:
        raise InputError(f"{option} {text}: write whole numbers with commas, such as 8,16,32.") from error
