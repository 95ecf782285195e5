"""`holmesvau train`: the two stages, each with one command."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holmesvau.cli import options, progress

if TYPE_CHECKING:
    from holmesvau.train import Recipe

app = typer.Typer(
    name="train",
    help="Train the anomaly scorer, then the language model, from a recipe.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

RecipeName = Annotated[
    str,
    typer.Argument(help="`holmesvau-2b`, `tiny`, `tiny-smoke`, or a TOML file that lies over one of them."),
]
Out = Annotated[
    str | None, typer.Option("--out", "-o", help="The run's folder; runs/RECIPE/STAGE by default.")
]
Data = Annotated[
    list[str] | None,
    typer.Option("--data", help="A folder in HIVAU-70k's layout; may be given again."),
]
Workers = Annotated[
    int | None, typer.Option("--workers", "-j", min=1, help="Processes that render the recipe's videos.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say how much memory and time the training needs.")
]


@app.command()
def encoder(
    recipe: RecipeName,
    out: Out = None,
    data: Data = None,
    settings: options.Set = None,
    device: options.Device = None,
    workers: Workers = None,
    dry_run: DryRun = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Before both stages, simulated videos only: teach the encoder of windows what people do."""
    from holmesvau.train.encoder import estimate, train_encoder

    chosen, folder = _chosen(recipe, out, data, settings, "encoder")
    if dry_run:
        _told(estimate(chosen, folder, device=device), as_json)
    else:
        _told(_trained(train_encoder, chosen, folder, device, workers, quiet), as_json)


@app.command()
def scorer(
    recipe: RecipeName,
    out: Out = None,
    data: Data = None,
    settings: options.Set = None,
    device: options.Device = None,
    workers: Workers = None,
    dry_run: DryRun = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Stage 1: train the anomaly scorer. After an interruption the same command goes on."""
    from holmesvau.train.scorer import estimate, train_scorer

    chosen, folder = _chosen(recipe, out, data, settings, "scorer")
    if dry_run:
        _told(estimate(chosen, folder, device=device), as_json)
    else:
        _told(_trained(train_scorer, chosen, folder, device, workers, quiet), as_json)


@app.command()
def instruct(
    recipe: RecipeName,
    out: Out = None,
    data: Data = None,
    settings: options.Set = None,
    device: options.Device = None,
    workers: Workers = None,
    dry_run: DryRun = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Stage 2: tune the language model by instructions. After an interruption the same command goes on."""
    from holmesvau.train.instruct import estimate, train_instruct

    chosen, folder = _chosen(recipe, out, data, settings, "instruct")
    if dry_run:
        _told(estimate(chosen, folder, device=device), as_json)
    else:
        _told(_trained(train_instruct, chosen, folder, device, workers, quiet), as_json)


def _trained(
    train: Callable[..., Any],
    recipe: Recipe,
    folder: Path,
    device: str | None,
    workers: int | None,
    quiet: bool,
) -> Any:
    """What a stage gives, with its progress on screen."""
    with _watched(quiet) as (bar, on_log):
        return train(recipe, folder, device=device, workers=workers, progress=bar, on_log=on_log)


def _chosen(
    recipe: str, out: str | None, data: list[str] | None, settings: list[str] | None, stage: str
) -> tuple[Recipe, Path]:
    """The recipe with the options laid over it, and the folder of its run."""
    import json

    from holmesvau import train

    # JSON's list of strings is TOML's.
    roots = [f"data.roots={json.dumps(data)}"] if data else []
    chosen = train.load(recipe, [*roots, *(settings or [])])
    return chosen, Path(out) if out else Path("runs") / chosen.name / stage


def _told(result: Any, as_json: bool) -> None:
    """A result's `to_json()` on standard output, or its `in_words()`; of several processes one speaks."""
    if not _is_first():
        return
    if as_json:
        options.print_json(result.to_json())
    else:
        sys.stdout.write(result.in_words() + "\n")


def _is_first() -> bool:
    """Whether this is the first of the processes that `torchrun` started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def _watched(
    quiet: bool,
) -> Iterator[
    tuple[Callable[[str, float, float | None], None] | None, Callable[[Mapping[str, Any]], None] | None]
]:
    """Bars for what is under way, and the last logged line's figures behind the bar of the training."""
    with progress.shown(quiet or not _is_first()) as bar:
        if bar is None:
            yield None, None
            return
        words = ""

        def on_log(line: Mapping[str, Any]) -> None:
            nonlocal words
            words = in_words(line) or words

        def update(stage: str, done: float, total: float | None) -> None:
            bar(stage, done, total, words if stage == "training" else "")

        yield update, on_log


def in_words(line: Mapping[str, Any]) -> str:
    """What a logged step or validation says on screen: `epoch 3  loss 0.412  8120 frames/s  1.2 GiB`."""
    words = [f"epoch {line['epoch'] + 1:g}"] if "epoch" in line else []
    words += [
        f"{name} {line[key]:.3f}"
        for key, name in (("loss", "loss"), ("val_auc", "AUC"), ("val_ap", "AP"), ("val_loss", "val. loss"))
        if isinstance(line.get(key), float)
    ]
    words += [
        f"{line[key]:.0f} {name}"
        for key, name in (("frames_per_second", "frames/s"), ("tokens_per_second", "tokens/s"))
        if key in line
    ]
    if "memory_bytes" in line:
        words.append(f"{line['memory_bytes'] / 2**30:.1f} GiB")
    return "  ".join(words)
