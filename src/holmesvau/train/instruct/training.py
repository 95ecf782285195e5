"""Stage 2 (paper §4.3): from a recipe to a tuned language model in a run's folder."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from holmesvau import loading
from holmesvau.ats.features import Encoder, Progress, Scorer
from holmesvau.ats.foveal import FovealEncoder
from holmesvau.ats.store import FeatureStore
from holmesvau.checkpoints.scorer import SCORER_FILE
from holmesvau.config import to_dict
from holmesvau.errors import InputError, VideoError
from holmesvau.hivau.dataset import OnError, Skipped, TextLaw
from holmesvau.hivau.files import write_text
from holmesvau.hivau.frames import Scanned, scan_videos
from holmesvau.train import environment
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
from holmesvau.train.instruct.packing import Plan, pack, passes, plan
from holmesvau.train.instruct.pictures import FreshPictures, KeptPictures
from holmesvau.train.instruct.trainable import Learner, Trainable
from holmesvau.train.instruct.trainer import InstructTrainer, OnLog, Passes, checkpoints
from holmesvau.train.instruct.wording import Wording
from holmesvau.train.processes import Processes, joined
from holmesvau.train.recipes import Recipe
from holmesvau.train.run import Run
from holmesvau.train.videos import annotation_digests
from holmesvau.vlm.internvl import InternVl

log = logging.getLogger(__name__)

EXAMPLES_FILE = "examples.jsonl"


@dataclass(frozen=True, slots=True)
class InstructResult:
    """What stage 2 did.

    `best` and `last` are folders with the trained parts: of `tiny`, a model folder; of an `internvl`
    checkpoint, a peft adapter. `loss` is the last step's, `val_loss` the best (nats a token; NaN without
    validation). `skipped` are the rows left out by `data.on_error`; `tokens_per_second` go through the
    language model in training, `peak_memory` is in bytes. `finished` is False when the time was over before
    the last step: the same command goes on.
    """

    run: Path
    best: Path
    last: Path
    steps: int
    planned_steps: int
    finished: bool
    loss: float
    val_loss: float
    train_rows: int
    val_rows: int
    skipped: tuple[str, ...]
    resumed_from: int
    seconds: float
    tokens_per_second: float
    peak_memory: int

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is not a number is null."""
        plain = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in plain.items()
        }

    def in_words(self) -> str:
        """A few lines for people."""
        head = f"{self.steps} of {self.planned_steps} steps, loss {self.loss:.3f}"
        if math.isfinite(self.val_loss):
            head += f", best validation loss {self.val_loss:.3f}"
        lines = [
            head,
            f"{self.train_rows} rows, {len(self.skipped)} skipped; {self.seconds:.0f} s, "
            f"{self.tokens_per_second:.0f} tokens/s, {self.peak_memory / 2**30:.1f} GiB",
            f"best: {self.best}",
            f"last: {self.last}",
        ]
        if not self.finished:
            lines.insert(1, "The time was over before the last step; the same command goes on.")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Parts:
    """The model to train, and what says where it looks, with the name or file it came from."""

    trainable: Trainable
    encoder: Encoder
    scorer: Scorer
    scorer_source: str


@dataclass(frozen=True, slots=True)
class _Material:
    """All that training reads."""

    train: list[Example]
    val: list[Example]
    skipped: list[Skipped]
    wording: Wording
    pictures: Callable[[Example], dict[str, torch.Tensor]]


def train_instruct(
    recipe: Recipe,
    out: str | Path,
    *,
    device: str | None = None,
    store: FeatureStore | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    on_log: OnLog | None = None,
) -> InstructResult:
    """Tune the language model of a recipe into the run folder `out`; the same call goes on when repeated.

    Simulated videos of the recipe are rendered first, into its first root or, without roots, into `data`
    beside `out`. Features come from the `store` (the user's when None) and are scanned where they are not
    there. Under `torchrun` the processes share each step.

    Raises:
        InputError: for data, a device or a scorer that cannot be used.
        ConfigError: when `out` holds a run with another configuration or other data.
        ModelError: when the checkpoint cannot be used.
        VideoError: when a row's video cannot be read and `data.on_error` is "stop".
        MissingPartError: when peft or the embedded language model is wanted and not installed.
        OutputError: when the folder cannot be written.
    """
    out, config = Path(out), recipe.instruct
    # How long a call may take is no part of what is trained.
    lasting = to_dict(replace(config, max_seconds=0.0))
    settings = {"name": recipe.name, "data": to_dict(recipe.data), "instruct": lasting}
    with (
        joined(device) as processes,
        Run(out, stage="instruct", config=settings, main=processes.is_main) as run,
    ):
        run.record_start(
            environment.describe(
                device=processes.device,
                processes=processes.count,
                seed=config.seed,
                mixture_seed=config.mixture.seed,
            )
        )
        scorer = scorer_source(config, out)
        parts = load_parts(config, processes.device, scorer)
        material = _material(recipe, out, run, processes, parts, store, workers, progress)
        return _Training(config, run, processes, parts, material, recipe, progress, on_log).finish()


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


def _material(
    recipe: Recipe,
    out: Path,
    run: Run,
    processes: Processes,
    parts: Parts,
    store: FeatureStore | None,
    workers: int | None,
    progress: Progress | None,
) -> _Material:
    """Render, scan, choose and prepare: the main process first, then the others find it done."""
    config, store = recipe.instruct, store or FeatureStore()
    on_error: OnError = "raise" if recipe.data.on_error == "stop" else "skip"
    if not processes.is_main:
        processes.wait()
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
    speaker = parts.trainable.speaker
    most = min(config.max_tokens, speaker.max_positions)
    wording = Wording(TextLaw(speaker.tokenizer, speaker.law, max_tokens=most))
    sampler = replace(config.sampler, num_frames=config.sampler.num_frames or parts.trainable.num_frames)
    scanned = Scanned(parts.encoder, parts.scorer, sampler=sampler, config=config.scan, store=store)
    frames = FramesOfScan(scanned, config.clip_frames)
    found: dict[str, Gathered] = {}
    for split, listed in rows.items():
        bar = _bar(progress, f"choosing frames ({split})", len(listed))
        found[split] = gather(listed, frames, wording, on_error=on_error, progress=bar)
    skipped = found["train"].skipped + found["val"].skipped
    fresh = FreshPictures(parts.trainable, frames.dense)
    pictures: Callable[[Example], dict[str, torch.Tensor]] = fresh
    if parts.trainable.fingerprint is not None:
        seen = f"{parts.trainable.fingerprint} {config.scan.stride}"
        pictures = kept = KeptPictures(seen, store)
        for split, gathered in found.items():
            videos = len({example.path for example in gathered.examples})
            bar = _bar(progress, f"preparing frames ({split})", videos)
            gathered.examples, failing = kept.fill(gathered.examples, fresh, on_error=on_error, progress=bar)
            skipped += failing
    if processes.is_main:
        examples = found["train"].examples + found["val"].examples
        content = {str(path): store.content(path) for path in sorted({e.path for e in examples})}
        prints = {
            f"encoder {parts.encoder.name}": parts.encoder.fingerprint,
            f"scorer {parts.scorer.name}": _file_digest(parts.scorer_source, store),
        }
        run.record_data({**prints, **annotation_digests(recipe.data, roots), **content})
        _note(run, found)
        processes.wait()
    return _Material(found["train"].examples, found["val"].examples, skipped, wording, pictures)


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


class _Training:
    """One run of stage 2 under way."""

    def __init__(
        self,
        config: InstructTraining,
        run: Run,
        processes: Processes,
        parts: Parts,
        material: _Material,
        recipe: Recipe,
        progress: Progress | None,
        on_log: OnLog | None,
    ) -> None:
        self.config, self.run, self.processes, self.material = config, run, processes, material
        self.trainable = parts.trainable
        on_error: OnError = "raise" if recipe.data.on_error == "stop" else "skip"
        wording = material.wording
        self.plan = self._plan()
        val = pack(
            sorted(material.val, key=lambda example: example.frames_key),
            wording,
            together=config.pack,
            pass_tokens=config.pass_tokens,
        )
        self.trainer = InstructTrainer(
            Learner(parts.trainable),
            config,
            self.plan,
            run,
            processes,
            training=Passes(self.plan.passes(), wording, material.pictures, on_error),
            validation=Passes(passes(val, config.pass_tokens), wording, material.pictures, on_error),
            on_log=on_log,
            on_step=None if progress is None else lambda done, total: progress("training", done, total),
            max_seconds=config.max_seconds,
        )

    def _plan(self) -> Plan:
        return plan(
            self.material.train,
            self.material.wording,
            batch_rows=self.config.batch_rows,
            pass_tokens=self.config.pass_tokens,
            epochs=self.config.epochs,
            seed=self.config.seed,
            processes=self.processes.count,
            together=self.config.pack,
            max_steps=self.config.max_steps,
        )

    def finish(self) -> InstructResult:
        """Train to the end, or from where an earlier start was stopped."""
        began = time.perf_counter()
        found = self.processes.from_main([str(path) for path in checkpoints(self.run)])
        newest = found[-1] if found else None
        resumed_from = int(newest.rpartition("-")[2]) if newest else 0
        self.run.rewind(resumed_from)
        trainer = self.trainer
        if resumed_from < len(self.plan.steps):
            trainer.train(resume_from_checkpoint=newest)
        elif newest is not None:
            trainer._load_from_checkpoint(newest)
            trainer.state.global_step = resumed_from
        return self._result(began, resumed_from)

    def _result(self, began: float, resumed_from: int) -> InstructResult:
        trainer, run = self.trainer, self.run
        done = trainer.state.global_step
        finished = done == len(self.plan.steps)
        fresh = done > resumed_from
        if fresh and self.material.val and not self._validated(done):
            trainer.evaluate()
        skipped = [one.reason for one in self.material.skipped]
        skipped += dict.fromkeys(self.processes.gathered(list(trainer.skipped)))
        lines = run.logged()
        losses = [line["loss"] for line in lines if line["kind"] == "step"]
        val = [line["val_loss"] for line in lines if line["kind"] == "validation"]
        rates = [line["tokens_per_second"] for line in lines if line["kind"] == "step"]
        result = InstructResult(
            run=run.path,
            best=run.best if val else run.last,
            last=run.last,
            steps=done,
            planned_steps=len(self.plan.steps),
            finished=finished,
            loss=losses[-1] if losses else math.nan,
            val_loss=min(val, default=math.nan),
            train_rows=len(self.material.train),
            val_rows=len(self.material.val),
            skipped=tuple(skipped),
            resumed_from=resumed_from,
            seconds=time.perf_counter() - began,
            tokens_per_second=sum(rates) / len(rates) if rates else 0.0,
            peak_memory=environment.peak_memory(self.processes.device),
        )
        if self.processes.is_main:
            with run.replacing("last") as folder:
                self.trainable.save(folder)
            write_text(run.path / "result.json", json.dumps(result.to_json(), indent=2))
        self.processes.wait()
        return result

    def _validated(self, step: int) -> bool:
        """Whether the validation loss after a step is in the log, of every process's view."""
        done = any(line["step"] == step and line["kind"] == "validation" for line in self.run.logged())
        return self.processes.from_main(done)


__all__ = ["InstructResult", "OnLog", "Parts", "load_parts", "train_instruct"]
