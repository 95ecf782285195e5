"""Stage 2 (paper §4.3): from a recipe to a tuned language model in a run's folder."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from holmesvau.ats.features import Progress
from holmesvau.ats.store import FeatureStore
from holmesvau.config import to_dict
from holmesvau.hivau.dataset import OnError
from holmesvau.hivau.files import write_text
from holmesvau.train import environment
from holmesvau.train.instruct.config import InstructTraining
from holmesvau.train.instruct.material import Material, Parts, load_parts, material, scorer_source
from holmesvau.train.instruct.packing import Plan, pack, passes, plan
from holmesvau.train.instruct.trainable import Learner
from holmesvau.train.instruct.trainer import InstructTrainer, OnLog, Passes, checkpoints
from holmesvau.train.processes import Processes, joined
from holmesvau.train.recipes import Recipe
from holmesvau.train.run import Run, plain


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
        return plain(self)

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
        found = material(recipe, out, run, processes, parts, store, workers, progress)
        return _Training(config, run, processes, parts, found, recipe, progress, on_log).finish()


class _Training:
    """One run of stage 2 under way."""

    def __init__(
        self,
        config: InstructTraining,
        run: Run,
        processes: Processes,
        parts: Parts,
        found: Material,
        recipe: Recipe,
        progress: Progress | None,
        on_log: OnLog | None,
    ) -> None:
        self.config, self.run, self.processes, self.material = config, run, processes, found
        self.trainable = parts.trainable
        on_error: OnError = "raise" if recipe.data.on_error == "stop" else "skip"
        wording = found.wording
        self.plan = self._plan()
        val = pack(
            sorted(found.val, key=lambda example: example.frames_key),
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
            training=Passes(self.plan.passes(), wording, found.pictures, on_error),
            validation=Passes(passes(val, config.pass_tokens), wording, found.pictures, on_error),
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


__all__ = ["InstructResult", "OnLog", "Parts", "load_parts", "scorer_source", "train_instruct"]
