"""All that stage 2 reads: the model and what says where it looks, the rows, their frames and prompts."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from holmesvau import loading
from holmesvau.ats.features import Encoder, Progress, Scorer
from holmesvau.ats.foveal import FovealEncoder
from holmesvau.ats.store import FeatureStore
from holmesvau.checkpoints.scorer import SCORER_FILE
from holmesvau.errors import InputError, VideoError
from holmesvau.hivau.dataset import OnError, Skipped, TextLaw
from holmesvau.hivau.files import write_text
from holmesvau.hivau.frames import Scanned, scan_videos
from holmesvau.train.data import prepare
from holmesvau.train.instruct.config import STAGE_1, InstructTraining
from holmesvau.train.instruct.examples import (
    Example,
    FramesOfScan,
    Gathered,
    Row,
    gather,
    rows_of,
    sample_rows,
)
from holmesvau.train.instruct.models import InternVlTrainable, checkpointed, new_tiny
from holmesvau.train.instruct.pictures import FreshPictures, KeptPictures
from holmesvau.train.instruct.trainable import Trainable
from holmesvau.train.instruct.wording import Wording
from holmesvau.train.processes import Processes
from holmesvau.train.recipes import Recipe
from holmesvau.train.run import Run
from holmesvau.train.videos import annotation_digests
from holmesvau.vlm.internvl import InternVl

log = logging.getLogger(__name__)

EXAMPLES_FILE = "examples.jsonl"


@dataclass(frozen=True, slots=True)
class Parts:
    """The model to train, and what says where it looks, with the name or file it came from."""

    trainable: Trainable
    encoder: Encoder
    scorer: Scorer
    scorer_source: str


@dataclass(frozen=True, slots=True)
class Material:
    """All that training reads."""

    train: list[Example]
    val: list[Example]
    skipped: list[Skipped]
    wording: Wording
    pictures: Callable[[Example], dict[str, torch.Tensor]]


def scorer_source(config: InstructTraining, out: Path) -> str:
    """The name or the file of the scorer that says where to look in the run `out`; empty for the model's own.

    Raises:
        InputError: when stage 1 has not been trained beside it.
    """
    if config.scorer != STAGE_1:
        own = Path(config.start) / SCORER_FILE
        return str(own) if config.start and not config.scorer and own.is_file() else config.scorer
    file = out.parent / "scorer" / "best" / SCORER_FILE
    if not file.is_file():
        raise InputError(
            f"{file}: stage 1 has left no scorer there. Run `holmesvau train scorer` first, or name another "
            "with --set instruct.scorer=FILE (novelty needs no training)."
        )
    return str(file)


def load_parts(config: InstructTraining, device: str, scorer: str) -> Parts:
    """The model with its LoRA, its encoder and its scorer.

    Raises:
        ModelError, InputError, MissingPartError: when one of them cannot be had.
    """
    chosen = {"encoder": config.encoder or None, "scorer": scorer or None}
    if config.model == "tiny":
        chosen["encoder"] = config.encoder or FovealEncoder.name
        encoder, looking, _ = loading.load("none", device=device, **chosen)
        trainable: Trainable = new_tiny(config, device, Path(scorer) if Path(scorer).is_file() else None)
    else:
        encoder, looking, model = loading.load(
            f"internvl:{config.model}", device=device, dtype=config.precision, **chosen
        )
        assert isinstance(model, InternVl)
        trainable = InternVlTrainable(
            model,
            config.adaptation,
            train_projector=config.train_projector,
            seed=config.seed,
        )
    if config.gradient_checkpointing:
        checkpointed(trainable)
    return Parts(trainable, encoder, looking, scorer)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a row becomes an example: its frames, its prompt, and what the frozen parts make of the frames."""

    frames: FramesOfScan
    wording: Wording
    fresh: FreshPictures
    kept: KeptPictures | None


def material(
    recipe: Recipe,
    out: Path,
    run: Run,
    processes: Processes,
    parts: Parts,
    store: FeatureStore | None,
    workers: int | None,
    progress: Progress | None,
) -> Material:
    """Render, scan, choose frames and prepare them: the main process does it and tells the others."""
    store = store or FeatureStore()
    reading = _reading(recipe.instruct, parts, store)
    chosen: tuple[dict[str, Gathered], list[Skipped]] | None = None
    if processes.is_main:
        chosen = _chosen(recipe, out, run, parts, reading, store, workers, progress)
    chosen = processes.from_main(chosen)
    assert chosen is not None
    found, skipped = chosen
    pictures = reading.kept or reading.fresh
    return Material(found["train"].examples, found["val"].examples, skipped, reading.wording, pictures)


def _reading(config: InstructTraining, parts: Parts, store: FeatureStore) -> _Reading:
    speaker = parts.trainable.speaker
    most = min(config.max_tokens, speaker.max_positions)
    wording = Wording(TextLaw(speaker.tokenizer, speaker.law, max_tokens=most))
    sampler = replace(config.sampler, num_frames=config.sampler.num_frames or parts.trainable.num_frames)
    scanned = Scanned(parts.encoder, parts.scorer, sampler=sampler, config=config.scan, store=store)
    frames = FramesOfScan(scanned, config.clip_frames)
    kept = None
    if parts.trainable.fingerprint is not None:
        kept = KeptPictures(f"{parts.trainable.fingerprint} {config.scan.stride}", store)
    return _Reading(frames, wording, FreshPictures(parts.trainable, frames.dense), kept)


def _chosen(
    recipe: Recipe,
    out: Path,
    run: Run,
    parts: Parts,
    reading: _Reading,
    store: FeatureStore,
    workers: int | None,
    progress: Progress | None,
) -> tuple[dict[str, Gathered], list[Skipped]]:
    """Which frames stand for each row of both splits, and what is left out; notes the data in the run."""
    config = recipe.instruct
    on_error: OnError = "raise" if recipe.data.on_error == "stop" else "skip"
    roots = prepare(recipe.data, rendered=out.parent / "data", workers=workers, progress=progress)
    rows = {
        "train": rows_of(recipe.data, roots, "train", config.mixture, written=config.written),
        "val": sample_rows(
            rows_of(recipe.data, roots, "val", config.mixture, written=config.written)
            if config.val_rows
            else [],
            config.val_rows,
            config.seed,
        ),
    }
    _scan(rows["train"] + rows["val"], parts.encoder, config, store, on_error, progress)
    found: dict[str, Gathered] = {}
    for split, listed in rows.items():
        bar = _bar(progress, f"choosing frames ({split})", len(listed))
        found[split] = gather(listed, reading.frames, reading.wording, on_error=on_error, progress=bar)
    skipped = found["train"].skipped + found["val"].skipped
    if (kept := reading.kept) is not None:
        for split, gathered in found.items():
            videos = len({example.path for example in gathered.examples})
            bar = _bar(progress, f"preparing frames ({split})", videos)
            gathered.examples, failing = kept.fill(
                gathered.examples, reading.fresh, on_error=on_error, progress=bar
            )
            skipped += failing
    examples = found["train"].examples + found["val"].examples
    content = {str(path): store.content(path) for path in sorted({e.path for e in examples})}
    prints = {
        f"encoder {parts.encoder.name}": parts.encoder.fingerprint,
        f"scorer {parts.scorer.name}": _file_digest(parts.scorer_source, store),
    }
    run.record_data({**prints, **annotation_digests(recipe.data, roots), **content})
    _note(run, found)
    return found, skipped


def _scan(
    rows: list[Row],
    encoder: Encoder,
    config: InstructTraining,
    store: FeatureStore,
    on_error: OnError,
    progress: Progress | None,
) -> None:
    """Fill the feature store; a file that fails is met again, and named, with its rows."""
    paths: dict[Path, None] = {}
    for row in rows:
        try:
            paths[row.source().path] = None
        except (InputError, VideoError) as error:
            log.debug("row %s: %s", row.row.id, error)
    bar = _bar(progress, "scanning", len(paths))
    for done, path in enumerate(paths, start=1):
        try:
            scan_videos([path], encoder, config=config.scan, store=store)
        except VideoError as error:
            if on_error == "raise":
                raise
            log.warning("%s", error)
        if bar is not None:
            bar(done)


def _bar(progress: Progress | None, stage: str, total: int) -> Callable[[int], None] | None:
    if progress is None:
        return None
    return lambda done: progress(stage, done, total)


def _file_digest(scorer: str, store: FeatureStore) -> str:
    return store.content(scorer) if scorer and Path(scorer).is_file() else scorer or "the model's own"


def _note(run: Run, found: dict[str, Gathered]) -> None:
    """What every row was made into, for whoever asks later which frames it was trained on."""
    lines = [
        json.dumps(
            {
                "split": split,
                "id": example.row.id,
                "level": example.row.level,
                "task": example.row.task,
                "video": example.row.video,
                "frames": example.index.tolist(),
            },
            ensure_ascii=False,
        )
        for split, gathered in found.items()
        for example in gathered.examples
    ]
    write_text(run.path / EXAMPLES_FILE, "".join(line + "\n" for line in lines))
