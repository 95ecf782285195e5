"""transformers' Trainer around a `Learner`, with the run's folder, its plan and its figures.

The Trainer gives the loop, accumulation, the schedule, processes by accelerate and the state that resuming
needs. What differs: a pass comes from the plan, the loss is divided by the tokens that count in the whole
step over all processes, only trained parameters are saved, and a checkpoint is on disk whole or not at all.
"""

from __future__ import annotations

import logging
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import distributed as dist
from torch.utils.data import Dataset, SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from holmesvau.errors import ModelError, OutputError
from holmesvau.hivau.dataset import OnError
from holmesvau.train.environment import peak_memory
from holmesvau.train.instruct.config import InstructTraining
from holmesvau.train.instruct.examples import Example
from holmesvau.train.instruct.packing import Pass, Pictures, Plan, batch
from holmesvau.train.instruct.trainable import Learner
from holmesvau.train.instruct.wording import Wording
from holmesvau.train.processes import Processes
from holmesvau.train.run import KEPT_CHECKPOINTS, Run

log = logging.getLogger(__name__)

TRAINED_FILE = "trained.safetensors"
UNFINISHED = ".unfinished"

OnLog = Callable[[Mapping[str, Any]], None]


class Passes(Dataset[dict[str, Any]]):
    """The passes of a plan as batches; pictures are had in the loader's workers."""

    def __init__(
        self,
        planned: Sequence[Pass],
        wording: Wording,
        pictures: Callable[[Example], Pictures],
        on_error: OnError,
    ) -> None:
        self._planned, self._wording, self._pictures, self._on_error = planned, wording, pictures, on_error

    def __len__(self) -> int:
        return len(self._planned)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return batch(self._planned[number], self._wording, self._pictures, on_error=self._on_error)


def first(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A pass is a whole batch already."""
    return items[0]


def arguments(
    config: InstructTraining, plan: Plan, run: Run, processes: Processes, *, autocast: bool
) -> TrainingArguments:
    """The Trainer's own settings."""
    steps = len(plan.steps)
    options = TrainingArguments(
        output_dir=str(run.checkpoints),
        max_steps=steps,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=plan.passes_per_step // processes.count,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=math.ceil(config.warm_up * steps),
        weight_decay=config.weight_decay,
        max_grad_norm=config.clip,
        optim="adamw_torch",
        bf16=autocast,
        use_cpu=processes.device == "cpu",
        ddp_backend="gloo" if processes.device == "cpu" and processes.count > 1 else None,
        ddp_find_unused_parameters=False,
        average_tokens_across_devices=True,
        seed=config.seed,
        logging_steps=1,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=config.save_every,
        save_total_limit=None,
        eval_strategy="steps" if config.validate_every else "no",
        eval_steps=config.validate_every or None,
        dataloader_num_workers=config.workers,
        dataloader_pin_memory=processes.device != "cpu",
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to=[],
    )
    # Several GPUs without torchrun: one is used, rather than transformers' DataParallel.
    options._n_gpu = min(options.n_gpu, 1)
    return options


class InstructTrainer(Trainer):
    """See the module. `learner`'s passes are those of `plan`; `validation` are passes of the other split."""

    def __init__(
        self,
        learner: Learner,
        config: InstructTraining,
        plan: Plan,
        run: Run,
        processes: Processes,
        *,
        training: Passes,
        validation: Passes,
        on_log: OnLog | None = None,
        on_step: Callable[[int, int], None] | None = None,
        max_seconds: float = 0.0,
    ) -> None:
        self.config, self.plan, self.run, self.processes = config, plan, run, processes
        self.validation, self.on_log = validation, on_log
        self.skipped: dict[str, None] = {}
        self.learner = learner
        autocast = learner.trainable.autocast
        super().__init__(
            model=learner,
            args=arguments(config, plan, run, processes, autocast=autocast),
            train_dataset=training,
            eval_dataset=validation,
            data_collator=first,
            callbacks=[_Clock(max_seconds, on_step)],
        )
        self.remove_callback(PrinterCallback)
        # `compute_loss` divides by the tokens of the whole step itself.
        self.model_accepts_loss_kwargs = self.loss_is_scaled_for_ga = True
        self._loss_shifts_labels = False
        self._step_began = time.perf_counter()

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        """The plan's order, which is shuffled already."""
        return SequentialSampler(self.train_dataset)

    def create_optimizer(self, model: Any = None) -> Any:
        """AdamW; the projector may learn at a rate of its own, and what is no matrix does not decay."""
        if getattr(self, "optimizer", None) is None:
            projector = {id(p) for p in self.learner.trainable.projector_parameters()}
            groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
            for parameter in self.learner.parameters():
                if parameter.requires_grad:
                    faster = self.config.projector_rate if id(parameter) in projector else 1.0
                    decay = self.config.weight_decay if parameter.ndim > 1 else 0.0
                    groups.setdefault((faster, decay), []).append(parameter)
            self.optimizer = torch.optim.AdamW(
                [
                    {"params": listed, "lr": self.config.learning_rate * faster, "weight_decay": decay}
                    for (faster, decay), listed in groups.items()
                ],
            )
        return self.optimizer

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Mean cross-entropy over the step's tokens, this pass's share of it."""
        total = self._summed(model, inputs)
        # The gradients of all processes are averaged.
        return total * self.processes.count / max(int(num_items_in_batch), 1)

    def _summed(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        tensors = {name: value for name, value in inputs.items() if name != "skipped"}
        self.skipped.update(dict.fromkeys(inputs["skipped"]))
        total: torch.Tensor = model(**tensors)
        return total

    @torch.no_grad()
    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """The loss on the validation passes (nats a token); the weights with the lowest are kept."""
        self.learner.eval()
        sums = torch.zeros(2, dtype=torch.float64, device=self.args.device)
        for number in range(self.processes.rank, len(self.validation), self.processes.count):
            inputs = self._prepare_inputs(first([self.validation[number]]))
            with self.compute_loss_context_manager():
                sums[0] += self._summed(self.learner, inputs).double()
            sums[1] += (inputs["labels"] >= 0).sum()
        if self.processes.count > 1:
            dist.all_reduce(sums)
        loss = float(sums[0] / sums[1]) if sums[1] else math.nan
        self._told({"kind": "validation", "val_loss": loss})
        if self.state.best_metric is None or loss < self.state.best_metric:
            self.state.best_metric, self.state.best_global_step = loss, self.state.global_step
            if self.processes.is_main:
                with self.run.replacing("best") as folder:
                    self.learner.trainable.save(folder)
        self._step_began = time.perf_counter()
        return {"eval_loss": loss}

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """A step's figures into the run's log."""
        if "loss" not in logs:
            return
        step = self.state.global_step
        if not math.isfinite(logs["loss"]):
            raise ModelError(
                f"Step {step}: the loss is {logs['loss']}. Give a smaller instruct.learning_rate."
            )
        seconds = time.perf_counter() - self._step_began
        self._step_began += seconds
        self._told(
            {
                "kind": "step",
                "loss": logs["loss"],
                "learning_rate": logs["learning_rate"],
                "gradient_norm": logs.get("grad_norm", 0.0),
                "rows": self.plan.num_rows(step - 1),
                "tokens_per_second": self.plan.num_tokens(step - 1) / seconds,
                "memory_bytes": peak_memory(self.processes.device),
                "skipped_rows": len(self.skipped),
            }
        )

    def _told(self, values: dict[str, Any]) -> None:
        step = self.state.global_step
        line = {"epoch": self.plan.epochs[max(step, 1) - 1], **values}
        self.run.log(step=step, **line)
        if self.on_log is not None and self.processes.is_main:
            self.on_log({"step": step, **line})

    def _get_output_dir(self, trial: Any) -> str:
        return str(self.run.checkpoints / UNFINISHED)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """The Trainer's state, first beside the others, then under its name."""
        unfinished = self.run.checkpoints / UNFINISHED
        if self.processes.is_main:
            shutil.rmtree(unfinished, ignore_errors=True)
        self.processes.wait()
        try:
            super()._save_checkpoint(model, trial)
            self.processes.wait()
            if self.processes.is_main:
                for written in unfinished.iterdir():
                    shutil.rmtree(self.run.checkpoints / written.name, ignore_errors=True)
                    written.rename(self.run.checkpoints / written.name)
                for older in checkpoints(self.run)[:-KEPT_CHECKPOINTS]:
                    shutil.rmtree(older)
        except OSError as error:
            raise OutputError(f"{unfinished}: the checkpoint cannot be written ({error}).") from error
        self._step_began = time.perf_counter()

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Only what is trained: the rest is the checkpoint that training began with."""
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.contiguous() for name, value in self.learner.trainable.state().items()}
        save_file(state, folder / TRAINED_FILE)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        self.learner.trainable.restore(load_file(Path(resume_from_checkpoint) / TRAINED_FILE))


def checkpoints(run: Run) -> list[Path]:
    """The Trainer's checkpoints in a run's folder, oldest first; each is whole."""
    found = [path for path in run.checkpoints.glob("checkpoint-*") if path.is_dir()]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


class _Clock(TrainerCallback):
    """Tells how far the training is and ends it when its time is over."""

    def __init__(self, max_seconds: float, on_step: Callable[[int, int], None] | None) -> None:
        self._max_seconds, self._on_step = max_seconds, on_step
        self._began = time.perf_counter()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        if self._on_step is not None:
            self._on_step(state.global_step, state.max_steps)
        over = time.perf_counter() - self._began > self._max_seconds
        if self._max_seconds and over and state.global_step < state.max_steps:
            log.warning("%.0f s are over after step %d.", self._max_seconds, state.global_step)
            control.should_training_stop = control.should_save = True
        return control
