"""Training of the windows' network: from simulated videos to `windows.safetensors`."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from holmesvau.ats.efficientnet import save_folded
from holmesvau.ats.foveal import WINDOWS_FILE
from holmesvau.config import to_dict
from holmesvau.errors import InputError, ModelError
from holmesvau.evaluate.ranking import areas
from holmesvau.hivau.files import write_text
from holmesvau.train import environment
from holmesvau.train.data import Progress, prepare
from holmesvau.train.encoder.config import EncoderTraining
from holmesvau.train.encoder.model import LearningEncoder, altered
from holmesvau.train.encoder.windows import ACTS, CLASSES, Windows, collect
from holmesvau.train.processes import Processes, joined
from holmesvau.train.recipes import Recipe
from holmesvau.train.run import Run, plain
from holmesvau.train.scorer.examples import Skipped
from holmesvau.train.videos import annotation_digests

log = logging.getLogger(__name__)

OnLog = Callable[[Mapping[str, Any]], None]
# How much a window with a part of an anomaly, with anything at all, or with nothing is looked at.
_PART, _SOMETHING, _NOTHING = 4.0, 1.0, 0.2
# The most that a rare act counts beside its absence.
_RAREST = 12.0
# Acts that fewer validation windows show say nothing of the figures; windows validated at once.
_SHOWN, _AT_ONCE = 5, 64


@dataclass(frozen=True, slots=True)
class Figures:
    """On the validation windows: the mean average precision over acts; AUC and AP of whether a window holds
    somebody who takes part in an anomaly; the share of such windows whose class is right; AUC of whether a
    frame is abnormal, by its windows' highest."""

    acts_ap: float
    window_auc: float
    window_ap: float
    class_accuracy: float
    frame_auc: float


@dataclass(frozen=True, slots=True)
class EncoderResult:
    """What the encoder's training did; figures are those of `best`, chosen by `acts_ap`.

    `best` and `last` are folders with `windows.safetensors`.
    """

    run: Path
    best: Path
    last: Path
    steps: int
    best_step: int
    acts_ap: float
    window_auc: float
    window_ap: float
    class_accuracy: float
    frame_auc: float
    acts: int
    train_frames: int
    val_frames: int
    skipped: tuple[Skipped, ...]
    resumed_from: int
    seconds: float
    peak_memory: int

    def in_words(self) -> str:
        """A few lines for people."""
        left_out = "".join(f"\nleft out: {video.name}: {video.reason}" for video in self.skipped)
        return (
            f"{self.best}: {self.acts} acts with a mean average precision of {self.acts_ap:.3f}, windows' "
            f"AUC {self.window_auc:.3f}, classes {self.class_accuracy:.1%} right, on {self.val_frames} "
            f"frames; step {self.best_step} of {self.steps}; {self.peak_memory / 2**30:.1f} GiB{left_out}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is not a number is null."""
        return plain(self)


def train_encoder(
    recipe: Recipe,
    out: str | Path,
    *,
    device: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    on_log: OnLog | None = None,
) -> EncoderResult:
    """Train the windows' network of a recipe into `out`; the same call goes on after an interruption.

    Only simulated videos are learnt from: of no others is it known who does what. The recipe's are rendered
    first, as in stage 1. Their windows are kept in `out/windows`, about 1.5 MB a video. Under `torchrun` the
    processes share each batch.

    Raises:
        InputError: for data or a device that cannot be used.
        ConfigError: when `out` holds a run with another configuration or other data.
        VideoError: when a video cannot be read and `data.on_error` is "stop".
        OutputError: when the folder cannot be written.
    """
    out = Path(out)
    config = {"name": recipe.name, "data": to_dict(recipe.data), "encoder": to_dict(recipe.encoder)}
    with joined(device) as processes:
        if recipe.encoder.batch_windows % processes.count:
            raise InputError(
                f"encoder.batch_windows = {recipe.encoder.batch_windows} cannot be shared by "
                f"{processes.count} processes. Give a multiple of that."
            )
        with Run(out, stage="encoder", config=config, main=processes.is_main) as run, torch.random.fork_rng():
            run.record_start(
                environment.describe(
                    device=processes.device, processes=processes.count, seed=recipe.encoder.seed
                )
            )
            train, val = _gathered(recipe, out, run, processes, workers, progress)
            return _Training(recipe.encoder, run, processes, train, val, progress, on_log).finish()


def _gathered(
    recipe: Recipe,
    out: Path,
    run: Run,
    processes: Processes,
    workers: int | None,
    progress: Progress | None,
) -> tuple[Windows, Windows]:
    """Render and look into windows: the main process first, then the others find it done."""
    if not processes.is_main:
        processes.wait()
    roots = prepare(recipe.data, rendered=out.parent / "data", workers=workers, progress=progress)
    if processes.is_main:
        run.record_data(annotation_digests(recipe.data, roots))
    train, val = (
        collect(recipe.data, roots, split, recipe.encoder, out / "windows", progress)
        for split in ("train", "val")
    )
    if processes.is_main:
        processes.wait()
    return train, val


class _Training:
    """One run under way."""

    def __init__(
        self,
        config: EncoderTraining,
        run: Run,
        processes: Processes,
        train: Windows,
        val: Windows,
        progress: Progress | None,
        on_log: OnLog | None,
    ) -> None:
        self.config, self.run, self.processes, self.train, self.val = config, run, processes, train, val
        self.progress, self.on_log = progress, on_log
        counts = train.acts.sum((0, 1))
        self.learnt = np.flatnonzero(counts >= config.fewest)
        if not len(self.learnt):
            raise InputError(
                f"Nothing is in {config.fewest} of the {train.classes.size} training windows. Give more "
                "videos, or set encoder.fewest lower."
            )
        self.rarity = _rarity(counts[self.learnt], train.classes.size).to(processes.device)
        self.class_weights = _class_weights(train.classes).to(processes.device)
        part, something = train.classes > 0, train.acts.any(2)
        self.interest = part * _PART + something * _SOMETHING + _NOTHING
        self.steps = max(1, int(config.epochs * len(train) / config.batch_windows))
        torch.manual_seed(config.seed)
        self.encoder = LearningEncoder(
            len(self.learnt), len(CLASSES), first_block=config.first_block, dropout=config.dropout
        ).to(processes.device)
        self.optimiser = torch.optim.AdamW(
            [
                {"params": self.encoder.trained(), "rate": config.learning_rate},
                {"params": self.encoder.heads(), "rate": config.head_rate},
            ],
            weight_decay=config.weight_decay,
        )
        self.parameters = [*self.encoder.trained(), *self.encoder.heads()]
        self.step, self.best_step = 0, 0
        self.best: dict[str, float] = {}
        self.latest: dict[str, float] = {}
        self._order: tuple[int, npt.NDArray[np.int64]] = (-1, np.zeros(0, np.int64))

    def finish(self) -> EncoderResult:
        """Train to the end, or from where an earlier start was stopped."""
        began = time.perf_counter()
        self._restore()
        resumed_from = self.step
        marks = {
            round(self.steps * (n + 1) / self.config.validations) for n in range(self.config.validations)
        }
        while self.step < self.steps:
            self._train_step()
            if self.step in marks or self.step == self.steps:
                self._validate()
        result = EncoderResult(
            run=self.run.path,
            best=self.run.best,
            last=self.run.last,
            steps=self.steps,
            best_step=self.best_step,
            **self.best,
            acts=len(self.learnt),
            train_frames=len(self.train),
            val_frames=len(self.val),
            skipped=(*self.train.skipped, *self.val.skipped),
            resumed_from=resumed_from,
            seconds=time.perf_counter() - began,
            peak_memory=environment.peak_memory(self.processes.device),
        )
        if self.processes.is_main:
            self._save("last", self.latest)
            write_text(self.run.path / "result.json", json.dumps(result.to_json(), indent=2))
        self.processes.wait()
        return result

    def _train_step(self) -> None:
        config, processes, began = self.config, self.processes, time.perf_counter()
        rows, windows = self._batch(self.step)
        generator = torch.Generator().manual_seed(_seed(config.seed, 3, self.step))
        pictures = altered(torch.from_numpy(self.train.pictures[rows, windows]), generator)
        mine = slice(processes.rank, None, processes.count)
        torch.manual_seed(_seed(config.seed, 4, self.step, processes.rank))
        acts, classes = self.encoder(pictures[mine].to(processes.device))
        told = torch.from_numpy(self.train.acts[rows, windows][:, self.learnt]).float()[mine]
        labels = torch.from_numpy(self.train.classes[rows, windows])[mine]
        parts = self._losses(acts, classes, told.to(processes.device), labels.to(processes.device))
        share = 0.5 * (1 + math.cos(math.pi * self.step / self.steps))
        share *= min(1.0, (self.step + 1) / max(1.0, config.warm_up * self.steps))
        for group in self.optimiser.param_groups:
            group["lr"] = group["rate"] * share
        self.optimiser.zero_grad()
        parts["loss"].backward()
        processes.mean(p.grad for p in self.parameters if p.grad is not None)
        torch.nn.utils.clip_grad_norm_(self.parameters, config.clip)
        self.optimiser.step()
        values = torch.stack([value.detach() for value in parts.values()])
        processes.mean([values])
        self.step += 1
        named = dict(zip(parts, values.tolist(), strict=True))
        if not math.isfinite(named["loss"]):
            raise ModelError(
                f"Step {self.step}: the loss is {named['loss']}. Give a smaller encoder.learning_rate."
            )
        self._log(
            "step",
            **{name if name == "loss" else f"loss_{name}": value for name, value in named.items()},
            learning_rate=config.learning_rate * share,
            windows_per_second=round(len(rows) / (time.perf_counter() - began), 1),
            memory_bytes=environment.peak_memory(processes.device),
        )
        if self.progress is not None:
            self.progress("training", self.step, self.steps)

    def _losses(self, acts: Tensor, classes: Tensor, told: Tensor, labels: Tensor) -> dict[str, Tensor]:
        parts = {
            "acts": F.binary_cross_entropy_with_logits(acts, told, pos_weight=self.rarity),
            # Each window by its own weight, whatever the others of its batch: so that batches can be shared.
            "classes": (
                F.cross_entropy(classes, labels, reduction="none") * self.class_weights[labels]
            ).mean(),
        }
        return {"loss": self.config.acts_weight * parts["acts"] + parts["classes"], **parts}

    def _batch(self, step: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Frames of a step and the window of each: an epoch shows each frame once, in an order of its own."""
        size, total = self.config.batch_windows, len(self.train)
        rows, windows = [], []
        for place in range(step * size, (step + 1) * size):
            epoch, position = divmod(place, total)
            if self._order[0] != epoch:
                generator = np.random.default_rng([self.config.seed, 1, epoch])
                self._order = epoch, generator.permutation(total)
            row = int(self._order[1][position])
            weight = self.interest[row] / self.interest[row].sum()
            generator = np.random.default_rng([self.config.seed, 2, place])
            rows.append(row)
            windows.append(int(generator.choice(len(weight), p=weight)))
        return np.array(rows), np.array(windows)

    def _validate(self) -> None:
        self.encoder.eval()
        figures = asdict(validated(self.encoder, self.val, self.learnt, self.processes.device))
        self.encoder.train()
        self.latest = figures
        self._log("validation", **{f"val_{name}": value for name, value in figures.items()})
        if not self.best or figures["acts_ap"] > self.best["acts_ap"]:
            self.best, self.best_step = figures, self.step
            if self.processes.is_main:
                self._save("best", figures)
        self.run.save_checkpoint(
            self.step,
            {
                "best": self.best,
                "latest": self.latest,
                "best_step": self.best_step,
                "encoder": self.encoder.state_dict(),
                "optimiser": self.optimiser.state_dict(),
            },
        )

    def _save(self, name: str, figures: Mapping[str, float]) -> None:
        told = {f"val_{key}": f"{value:.4f}" for key, value in figures.items()}
        told |= {"network": "efficientnet-lite0", "acts": ", ".join(ACTS[number] for number in self.learnt)}
        with self.run.replacing(name) as folder:
            save_folded(self.encoder.network.folded(), folder / WINDOWS_FILE, told)

    def _restore(self) -> None:
        state = self.run.load_checkpoint()
        self.run.rewind(state["step"] if state else 0)
        self.encoder.train()
        if state is None:
            return
        self.step, self.best_step = state["step"], state["best_step"]
        self.best, self.latest = state["best"], state["latest"]
        self.encoder.load_state_dict(state["encoder"])
        self.optimiser.load_state_dict(state["optimiser"])
        log.info("%s: going on after step %d.", self.run.path, self.step)

    def _log(self, kind: str, **values: Any) -> None:
        line = {"kind": kind, **values}
        self.run.log(step=self.step, **line)
        if self.on_log is not None and self.processes.is_main:
            self.on_log({"step": self.step, **line})


@torch.inference_mode()
def validated(
    encoder: LearningEncoder, windows: Windows, learnt: npt.NDArray[np.int64], device: str
) -> Figures:
    """The figures on `windows`, of which `learnt` are the acts that the encoder knows."""
    flat = windows.pictures.reshape(-1, *windows.pictures.shape[2:])
    acts, classes = [], []
    for start in range(0, len(flat), _AT_ONCE):
        told = encoder(torch.tensor(flat[start : start + _AT_ONCE], device=device))
        acts.append(told[0].float().cpu().numpy())
        classes.append(told[1].float().softmax(-1).cpu().numpy())
    said, probable = np.concatenate(acts), np.concatenate(classes)
    true = windows.acts.reshape(len(flat), -1)[:, learnt]
    precisions = [
        areas(true[:, k].astype(np.uint8), said[:, k].astype(np.float64)).ap
        for k in range(true.shape[1])
        if true[:, k].sum() >= _SHOWN
    ]
    labels = windows.classes.ravel()
    part, score = labels > 0, 1 - probable[:, 0].astype(np.float64)
    found = areas(part.astype(np.uint8), score)
    right = probable[part][:, 1:].argmax(1) + 1 == labels[part]
    of_frames = score.reshape(windows.classes.shape).max(1)
    return Figures(
        acts_ap=float(np.mean(precisions)) if precisions else math.nan,
        window_auc=found.auc,
        window_ap=found.ap,
        class_accuracy=float(right.mean()) if len(right) else math.nan,
        frame_auc=areas(windows.abnormal.astype(np.uint8), of_frames).auc,
    )


def _rarity(counts: npt.NDArray[np.int64], total: int) -> Tensor:
    """How much an act's presence counts beside its absence: the root of how much rarer it is."""
    return torch.from_numpy(np.clip(np.sqrt((total - counts) / counts), 1, _RAREST)).float()


def _class_weights(classes: npt.NDArray[np.int64]) -> Tensor:
    """Weights by the root of each class's rarity; their mean over the windows is 1."""
    counts = np.bincount(classes.ravel(), minlength=len(CLASSES)).clip(min=1)
    weights = counts**-0.5
    return torch.from_numpy(weights * counts.sum() / (weights * counts).sum()).float()


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


__all__ = ["EncoderResult", "Figures", "OnLog", "train_encoder", "validated"]
