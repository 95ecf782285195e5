"""Stage 1 (paper §4.3): train the anomaly scorer, and describe what it was trained on."""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from holmesvau.ats.calibration import Calibration
from holmesvau.ats.classes import ClassNames
from holmesvau.ats.familiarity import FILE as FAMILIARITY_FILE
from holmesvau.ats.familiarity import Familiarity
from holmesvau.ats.features import Progress
from holmesvau.ats.foveal import WINDOWS_FILE
from holmesvau.ats.store import FeatureStore
from holmesvau.ats.urdmu_scorer import UrDmuScorer
from holmesvau.checkpoints.scorer import SCORER_FILE
from holmesvau.config import to_dict
from holmesvau.errors import InputError, ModelError
from holmesvau.hivau.files import write_text
from holmesvau.train import environment
from holmesvau.train.processes import Processes, joined
from holmesvau.train.recipes import Recipe
from holmesvau.train.run import Run, plain
from holmesvau.train.scorer import losses
from holmesvau.train.scorer.config import Optimisation, ScorerTraining
from holmesvau.train.scorer.encoders import start_file
from holmesvau.train.scorer.examples import (
    Batch,
    Batches,
    Example,
    Skipped,
)
from holmesvau.train.scorer.material import Material, gather, pictured
from holmesvau.train.scorer.model import LearningScorer, Reader, noise_for
from holmesvau.train.scorer.validation import Validation, validate

log = logging.getLogger(__name__)

# Called with every line that goes to the log.
OnLog = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class ScorerResult:
    """What stage 1 did. Figures are those of the best epoch on the validation split.

    `best` and `last` are folders with `anomaly_scorer.safetensors` and `familiarity.safetensors`; `epochs`
    were done in all, `resumed_from` is the step this start went on from; `skipped` are the videos left out
    by `data.on_error`; `frames_per_second` dense frames learnt from, `peak_memory` bytes.
    """

    run: Path
    best: Path
    last: Path
    epochs: int
    steps: int
    best_epoch: int
    auc: float
    ap: float
    class_accuracy: float
    hard_negative_rate: float
    events: int
    ece: float
    ece_calibrated: float
    temperature: float
    bias: float
    classes: tuple[str, ...]
    train_videos: int
    val_videos: int
    skipped: tuple[Skipped, ...]
    familiarity_limit: float
    resumed_from: int
    seconds: float
    frames_per_second: float
    peak_memory: int

    def in_words(self) -> str:
        """A few lines for people."""
        figures = f"AUC {self.auc:.4f}, AP {self.ap:.4f}"
        if self.classes and math.isfinite(self.class_accuracy):
            figures += f", classes {self.class_accuracy:.1%} right"
        left_out = "".join(f"\nleft out: {video.name}: {video.reason}" for video in self.skipped)
        return (
            f"{self.best}: {figures} on {self.val_videos} validation videos, epoch {self.best_epoch + 1} of "
            f"{self.epochs}; {self.frames_per_second:.0f} frames/s, "
            f"{self.peak_memory / 2**30:.1f} GiB{left_out}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is not a number is null."""
        return plain(self)


def train_scorer(
    recipe: Recipe,
    out: str | Path,
    *,
    device: str | None = None,
    store: FeatureStore | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    on_log: OnLog | None = None,
) -> ScorerResult:
    """Train the scorer of a recipe into the run folder `out`; the same call goes on after an interruption.

    Simulated videos of the recipe are rendered first, into its first root or, without roots, into `data`
    beside `out`. Features come from the `store` (the user's when None) and are scanned where they are not
    there. Under `torchrun` the processes share each batch. Needs the CPU, or one CUDA device a process.

    Raises:
        InputError: for data or a device that cannot be used.
        ConfigError: when `out` holds a run with another configuration or other data.
        VideoError: when a video cannot be read and `data.on_error` is "stop".
        OutputError: when the folder cannot be written.
    """
    out = Path(out)
    config = {"name": recipe.name, "data": to_dict(recipe.data), "scorer": to_dict(recipe.scorer)}
    with joined(device) as processes:
        if recipe.scorer.batch_videos % (2 * processes.count):
            raise InputError(
                f"scorer.batch_videos = {recipe.scorer.batch_videos} cannot be halved and shared by "
                f"{processes.count} processes. Give a multiple of {2 * processes.count}."
            )
        with (
            Run(out, stage="scorer", config=config, main=processes.is_main) as run,
            torch.random.fork_rng(devices=_cards(processes.device)),
        ):
            run.record_start(
                environment.describe(
                    device=processes.device, processes=processes.count, seed=recipe.scorer.seed
                )
            )
            material = gather(recipe, out, run, processes, store, workers, progress)
            return _Training(recipe.scorer, run, processes, material, progress, on_log).finish()


def _cards(device: str) -> list[str]:
    return [device] if device.startswith("cuda") else []


class _Training:
    """One run of stage 1 under way."""

    def __init__(
        self,
        config: ScorerTraining,
        run: Run,
        processes: Processes,
        material: Material,
        progress: Progress | None,
        on_log: OnLog | None,
    ) -> None:
        self.config, self.run, self.processes, self.material = config, run, processes, material
        self.progress, self.on_log = progress, on_log
        normal = [example for example in material.train if not example.video.is_anomalous]
        anomalous = [example for example in material.train if example.video.is_anomalous]
        self.batches = Batches(normal, anomalous, config, pictured(config))
        self.total_steps = self.batches.steps * config.epochs
        torch.manual_seed(config.seed)
        self.scorer = new_scorer(config, material.familiarity, material.names).to(processes.device)
        self.parameters = list(self.scorer.parameters())
        self.optimiser = torch.optim.Adam(
            self.parameters,
            lr=config.optimisation.learning_rate,
            weight_decay=config.optimisation.weight_decay,
        )
        self.class_weights = losses.class_weights(
            _class_counts(material.train, len(material.names)), config.losses.class_balance
        ).to(processes.device)
        self.step, self.epoch, self.stale, self.best_epoch = 0, 0, 0, -1
        self.best: dict[str, float] = {}
        self.latest: dict[str, float] = {}
        self.frames, self.learning_seconds = 0, 0.0

    def finish(self) -> ScorerResult:
        """Train to the end, or from where an earlier start was stopped."""
        began = time.perf_counter()
        self._restore()
        resumed_from = self.step
        while self.epoch < self.config.epochs and not self._stopped_early():
            self._train_epoch()
            self._end_epoch()
        result = ScorerResult(
            run=self.run.path,
            best=self.run.best,
            last=self.run.last,
            epochs=self.epoch,
            steps=self.step,
            best_epoch=self.best_epoch,
            **self.best,  # type: ignore[arg-type]
            classes=self.material.names.all if self.config.losses.classes else (),
            train_videos=len(self.material.train),
            val_videos=len(self.material.val),
            skipped=tuple(self.material.skipped),
            familiarity_limit=self.material.familiarity.limit,
            resumed_from=resumed_from,
            seconds=time.perf_counter() - began,
            frames_per_second=self.frames / max(self.learning_seconds, 1e-9),
            peak_memory=environment.peak_memory(self.processes.device),
        )
        if self.processes.is_main:
            self._save("last", self.scorer.plain(), self.latest)
            write_text(self.run.path / "result.json", json.dumps(result.to_json(), indent=2))
        self.processes.wait()
        return result

    def _stopped_early(self) -> bool:
        return bool(self.config.patience) and self.stale >= self.config.patience

    def _train_epoch(self) -> None:
        self.scorer.train()
        for _ in range(self.batches.steps):
            began = time.perf_counter()
            parts, rate, frames = self._train_step()
            self.step += 1
            seconds = time.perf_counter() - began
            self.frames, self.learning_seconds = self.frames + frames, self.learning_seconds + seconds
            self._log(
                "step",
                **{name if name == "loss" else f"loss_{name}": value for name, value in parts.items()},
                learning_rate=rate,
                frames_per_second=round(frames / seconds, 1),
                memory_bytes=environment.peak_memory(self.processes.device),
                seconds=round(self.learning_seconds, 3),
            )
            if self.progress is not None:
                self.progress("training", self.step, self.total_steps)

    def _train_step(self) -> tuple[dict[str, float], float, int]:
        """One step: the parts of the loss over all processes, the learning rate, and how many frames."""
        config, processes = self.config, self.processes
        batch = self.batches.at(self.step, processes.rank, processes.count)
        noise = self._noise(batch)
        frames = int(batch.mask.sum()) * processes.count
        batch = batch.to(processes.device)
        rate = learning_rate(config.optimisation, self.step, self.total_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        torch.manual_seed(_seed(config.seed, 4, self.step, processes.rank))
        outputs, logits = self.scorer.forward_in(
            config.optimisation.precision, batch, noise.to(processes.device)
        )
        anomalies = self.material.names.anomalous
        parts = losses.total(outputs, logits, batch, config.losses, self.class_weights, anomalies)
        self.optimiser.zero_grad()
        parts["loss"].backward()
        processes.mean(p.grad for p in self.parameters if p.grad is not None)
        if config.optimisation.clip:
            torch.nn.utils.clip_grad_norm_(self.parameters, config.optimisation.clip)
        self.optimiser.step()
        values = torch.stack([value.detach() for value in parts.values()])
        processes.mean([values])
        told = dict(zip(parts, values.tolist(), strict=True))
        if not math.isfinite(told["loss"]):
            raise ModelError(
                f"Step {self.step}: the loss is {told['loss']}. Give a smaller "
                "scorer.optimisation.learning_rate."
            )
        return told, rate, frames

    def _noise(self, batch: Batch) -> Tensor:
        """This process's part of the noise that is drawn for the whole batch."""
        videos, length = batch.mask.shape
        generator = torch.Generator().manual_seed(_seed(self.config.seed, 3, self.step))
        whole = noise_for(videos * self.processes.count, length, generator)
        return torch.cat(
            [kind[self.processes.rank :: self.processes.count] for kind in whole.chunk(self.batches.kinds)]
        )

    def _end_epoch(self) -> None:
        weights = self.scorer.plain()
        reader = Reader(weights, len(self.material.names), self.processes.device)
        figures = asdict(validate(reader, self.material.val, self.material.names, self.processes))
        self.latest = figures
        self._log("validation", **{f"val_{name}": value for name, value in figures.items()})
        better = not self.best or figures[self.config.select] > self.best[self.config.select]
        if better:
            self.best, self.best_epoch, self.stale = figures, self.epoch, 0
            if self.processes.is_main:
                self._save("best", weights, figures)
        else:
            self.stale += 1
        self.epoch += 1
        self._checkpoint()

    def _save(self, name: str, weights: dict[str, Tensor], figures: Mapping[str, float]) -> None:
        names = self.material.names.to_metadata() if self.config.losses.classes else {}
        told = {f"val_{key}": f"{value:.4f}" for key, value in figures.items()}
        told |= Calibration(figures["temperature"], figures["bias"]).to_metadata()
        with self.run.replacing(name) as folder:
            save_file(weights, folder / SCORER_FILE, metadata=self.material.metadata | names | told)
            self.material.familiarity.save(folder / FAMILIARITY_FILE)
            if self.material.windows is not None:
                shutil.copyfile(self.material.windows, folder / WINDOWS_FILE)

    def _checkpoint(self) -> None:
        self.run.save_checkpoint(
            self.step,
            {
                "epoch": self.epoch,
                "stale": self.stale,
                "best": self.best,
                "latest": self.latest,
                "best_epoch": self.best_epoch,
                "frames": self.frames,
                "learning_seconds": self.learning_seconds,
                "scorer": self.scorer.state_dict(),
                "optimiser": self.optimiser.state_dict(),
            },
        )

    def _restore(self) -> None:
        state = self.run.load_checkpoint()
        self.run.rewind(state["step"] if state else 0)
        if state is None:
            return
        for name in ("step", "epoch", "stale", "best", "latest", "best_epoch", "frames", "learning_seconds"):
            setattr(self, name, state[name])
        self.scorer.load_state_dict(state["scorer"])
        self.optimiser.load_state_dict(state["optimiser"])
        log.info("%s: going on after step %d.", self.run.path, self.step)

    def _log(self, kind: str, **values: Any) -> None:
        line = {"kind": kind, "epoch": self.epoch, **values}
        self.run.log(step=self.step, **line)
        if self.on_log is not None and self.processes.is_main:
            self.on_log({"step": self.step, **line})


def new_scorer(config: ScorerTraining, familiarity: Familiarity, names: ClassNames) -> LearningScorer:
    """A scorer for features of that description, untrained or as `config.start` has it.

    Raises:
        InputError: when the start reads other features. ModelError: when it cannot be read.
    """
    mean, deviation = torch.from_numpy(familiarity.mean), torch.from_numpy(familiarity.deviation)
    if not config.normalise:
        mean, deviation = torch.zeros_like(mean), torch.ones_like(deviation)
    num_classes = len(names) if config.losses.classes else 0
    scorer = LearningScorer(
        mean,
        deviation,
        num_classes=num_classes,
        dropout=config.dropout,
        looks=pictured(config) is not None,
    )
    if config.start:
        scorer.go_on_from(UrDmuScorer(start_file(config)), names)
    return scorer


def learning_rate(config: Optimisation, step: int, total_steps: int) -> float:
    """The rate of a step: a linear rise over the warm-up, then constant or half a cosine down to 0."""
    warm = config.warm_up * total_steps
    if step < warm:
        return config.learning_rate * (step + 1) / (math.floor(warm) + 1)
    if config.schedule == "constant":
        return config.learning_rate
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1.0, total_steps - warm)))


def _class_counts(found: list[Example], num_classes: int) -> Tensor:
    counts = np.zeros(num_classes, np.int64)
    for example in found:
        counts += np.bincount(example.classes[example.classes >= 0], minlength=num_classes)
    return torch.from_numpy(counts)


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


__all__ = ["OnLog", "ScorerResult", "Validation", "learning_rate", "new_scorer", "train_scorer"]
