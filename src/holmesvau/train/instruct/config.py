"""The settings of stage 2 (paper §4.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from holmesvau.ats.scan import ScanConfig
from holmesvau.describe import SamplerConfig
from holmesvau.errors import ConfigError
from holmesvau.hivau.instructions.compose import BuildConfig

LINEAR_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

# The scorer that stage 1 has left in the folder beside the run's own.
STAGE_1 = "stage-1"


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """LoRA on the language model: `rank`, `alpha`, and the last names of the linear layers that get it."""

    rank: int = 64
    alpha: float = 128.0
    layers: tuple[str, ...] = LINEAR_LAYERS

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.alpha > 0 or not self.layers:
            raise ConfigError(
                f"instruct.adaptation: rank {self.rank}, alpha {self.alpha}, layers {self.layers}; give a "
                "rank of 1 or more, an alpha above 0, and at least one layer."
            )


@dataclass(frozen=True, kw_only=True)
class InstructTraining:
    """Stage 2: instruction tuning of a language model that sees the frames a frozen scorer has it look at.

    What is trained. `model` is the folder or hub id of an `internvl` checkpoint, or `tiny`; `start` is a
    folder that training `tiny` begins from, empty for a new one; it goes on with another `scorer` of the same
    classes where one is named. With `new_adaptation` only its projector is taken, and a new LoRA begins, as
    the paper's does beside a projector that came with its base model. `adaptation` is the LoRA;
    `train_projector` trains the projector as well, at `projector_rate` times the learning rate.

    Rows. `mixture` says how many of each level (the paper's Table 3) and builds them from the annotations;
    with `written = true` the rows of the instruction files are taken instead, in the mixture's shares of 0
    to 1. `encoder` and `scorer` say where to look, empty for those that belong to the model; the scorer is
    a name, a file, or `stage-1`, the best one in the folder `scorer` beside the run's. `scan` and `sampler`
    choose the frames as in the pipeline (Table 4). `clip_frames = "event"` shows of a clip those frames of
    its event that lie in it, as `watch` captions clips; `"own"` chooses for the clip alone, as `ask` does
    for a span. A row of more than `max_tokens` is a failing row.

    Optimisation. AdamW, cosine from `learning_rate` to 0 after `warm_up` (a share of the steps). A step
    takes `batch_rows` rows over all processes, gathered in passes of at most `pass_tokens` tokens, padding
    included. `pack` computes what rows about the same frames share once, which changes no number but the
    time. `precision` is that of the frozen weights. Every `validate_every` steps (0: at the end only) the
    loss on about `val_rows` rows of the validation split decides which weights are best; checkpoints are
    written every `save_every` steps. A run ends early after `max_steps` steps, or `max_seconds` seconds of
    one call; 0 is no limit.
    """

    model: str = "tiny"
    start: str = ""
    new_adaptation: bool = False
    adaptation: Adaptation = field(default_factory=Adaptation)
    train_projector: bool = False
    projector_rate: float = 1.0

    mixture: BuildConfig = field(default_factory=BuildConfig)
    written: bool = False
    encoder: str = ""
    scorer: str = ""
    scan: ScanConfig = field(default_factory=ScanConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    clip_frames: Literal["event", "own"] = "event"
    max_tokens: int = 4096

    epochs: int = 1
    batch_rows: int = 512
    pass_tokens: int = 16384
    pack: bool = True
    learning_rate: float = 4e-5
    warm_up: float = 0.03
    weight_decay: float = 0.01
    clip: float = 1.0
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    gradient_checkpointing: bool = True
    workers: int = 0
    seed: int = 0

    val_rows: int = 256
    validate_every: int = 0
    save_every: int = 50
    max_steps: int = 0
    max_seconds: float = 0.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_rows", "pass_tokens", "max_tokens", "save_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"instruct.{name} = {getattr(self, name)}: give 1 or more.")
        for name in ("val_rows", "validate_every", "max_steps", "max_seconds", "workers", "clip"):
            if getattr(self, name) < 0:
                raise ConfigError(f"instruct.{name} = {getattr(self, name)}: give 0 or more.")
        if not (self.learning_rate > 0 and self.projector_rate > 0 and self.weight_decay >= 0):
            raise ConfigError(
                f"instruct: learning_rate {self.learning_rate} and projector_rate {self.projector_rate} must "
                f"be above 0, weight_decay {self.weight_decay} not below."
            )
        if not 0 <= self.warm_up < 1:
            raise ConfigError(f"instruct.warm_up = {self.warm_up}: give a share of the steps.")
        if self.new_adaptation and not self.start:
            raise ConfigError("instruct.new_adaptation needs instruct.start, whose projector it keeps.")
        if self.start and self.model != "tiny":
            raise ConfigError("instruct.start is for model = 'tiny'; name another checkpoint as the model.")
