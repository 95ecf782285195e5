"""The settings of stage 1 (paper §4.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from holmesvau.ats.scan import ScanConfig
from holmesvau.errors import ConfigError

# Of `encoder_source`: the network that `holmesvau train encoder` has left beside the run.
STAGE_0 = "stage-0"


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The parts of the loss and their weights; 0 switches one off.

    `frame` is the binary cross-entropy of Eq. 5 on frame labels. `weak` is UR-DMU's loss from video labels
    as a whole; the others are its parts' own weights as published: `memory` (which memory fires where),
    `triplet`, `divergence` (KL) and `magnitude`. `classes` is the cross-entropy of the class head, which is
    made only when it is above 0; its classes count by their frequency to the power `-class_balance`.
    `events` is the cross-entropy of an event's class as it is read afterwards: by the mean log-probability
    of its frames, among the anomalies.
    """

    frame: float = 1.0
    weak: float = 1.0
    memory: float = 0.1
    triplet: float = 0.1
    divergence: float = 0.001
    magnitude: float = 0.0001
    classes: float = 0.0
    events: float = 0.0
    class_balance: float = 0.5

    def __post_init__(self) -> None:
        if min(vars(self).values()) < 0:
            raise ConfigError(f"scorer.losses: a weight is negative: {vars(self)}.")
        if not (self.frame or self.weak):
            raise ConfigError("scorer.losses: frame and weak are both 0, so the scores learn nothing.")
        if self.events and not self.classes:
            raise ConfigError("scorer.losses: events needs the class head. Set scorer.losses.classes too.")


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """Adam as in the paper. `schedule` falls from `learning_rate` after `warm_up` (a share of all steps);
    `clip` is the largest gradient norm, 0 clips nothing. In `bfloat16` layers multiply in that and weights
    and losses stay in float32 (nearly twice as fast on a CPU with AVX512-BF16).
    """

    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    warm_up: float = 0.0
    clip: float = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        if not self.learning_rate > 0:
            raise ConfigError(f"scorer.optimisation.learning_rate = {self.learning_rate}: give one above 0.")
        if not 0 <= self.warm_up < 1:
            raise ConfigError(f"scorer.optimisation.warm_up = {self.warm_up}: give a share of the steps.")


@dataclass(frozen=True, kw_only=True)
class ScorerTraining:
    """Stage 1: a UR-DMU scorer on the stored features of `encoder`.

    `encoder_source` is the checkpoint of an encoder that needs one (`internvit`), or for the foveal one the
    file of the network that looks into windows; `stage-0` is what `holmesvau train encoder` has left beside
    the run. `start` is a file of scorer weights that training goes on from, on features of the same encoder,
    or `tiny` for the embedded one's: what it sees windows with comes with it, and of its classes those that
    the videos show are taken over. A training example is a window of at most `window` dense frames at a
    random place; validation scores whole videos. A batch has `batch_videos` windows, half of them of normal
    videos; with several processes they share it. An epoch is as many steps as show every video of the larger
    half once, but not fewer than `steps_per_epoch`. Training ends after `epochs`, or when `select` has not
    risen for `patience` epochs (0: never early).

    `normalise` trains on features brought to mean 0 and deviation 1; the scorer that is saved takes them as
    they are. With `other_scenes` that share of the windows is moved to another video's scene, by any part of
    the difference between their mean features: what a scene looks like is then no sign of what happens in it.
    `tempo` above 1 plays each video up to so many times faster or slower: a deed done in haste is the same.
    `familiarity_directions` is the width of the description of the training features.
    """

    encoder: str = "efficientnet-lite0"
    encoder_source: str = ""
    start: str = ""
    scan: ScanConfig = field(default_factory=ScanConfig)
    losses: Losses = field(default_factory=Losses)
    optimisation: Optimisation = field(default_factory=Optimisation)
    window: int = 256
    batch_videos: int = 16
    epochs: int = 20
    steps_per_epoch: int = 1
    patience: int = 5
    select: Literal["auc", "ap"] = "auc"
    dropout: float = 0.5
    normalise: bool = True
    other_scenes: float = 0.0
    tempo: float = 1.0
    hard_negatives: bool = True
    familiarity_directions: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_videos < 2 or self.batch_videos % 2:
            raise ConfigError(
                f"scorer.batch_videos = {self.batch_videos}: half are normal; give an even number from 2 on."
            )
        if not 16 <= self.window <= 1024:
            raise ConfigError(f"scorer.window = {self.window}: give 16 to 1024 dense frames.")
        for name in ("epochs", "steps_per_epoch", "familiarity_directions"):
            if getattr(self, name) < 1:
                raise ConfigError(f"scorer.{name} = {getattr(self, name)}: give 1 or more.")
        if not 0 <= self.other_scenes <= 1:
            raise ConfigError(f"scorer.other_scenes = {self.other_scenes}: give a share from 0 to 1.")
        if not 1 <= self.tempo <= 4:
            raise ConfigError(f"scorer.tempo = {self.tempo}: give a factor from 1 (as it is) to 4.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"scorer.dropout = {self.dropout}: give a share below 1.")
