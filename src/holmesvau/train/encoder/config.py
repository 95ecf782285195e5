"""The settings of the encoder's training."""

from __future__ import annotations

from dataclasses import dataclass

from holmesvau.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class EncoderTraining:
    """EfficientNet-Lite0 on windows of simulated videos, told who does what in each.

    Of a video's frames, `every_seconds` apart, `frames` are looked at: at most `abnormal_frames` of
    anomalies, half of the rest of hard negatives. An epoch shows one window of each, mostly one in which
    somebody takes part in an anomaly or is at all. Actions, things held and kinds of things are learnt that
    `fewest` training windows show. Blocks from `first_block` on are trained (0: all), the ones before stay.

    The loss is the mean binary cross-entropy of what is in the window times `acts_weight`, and the
    cross-entropy of the anomaly's class. AdamW at `learning_rate`, for the new heads at `head_rate`, with a
    linear `warm_up` (a share of the steps) and half a cosine. The figures are measured `validations` times.
    """

    frames: int = 10
    abnormal_frames: int = 6
    every_seconds: float = 0.5
    fewest: int = 40
    first_block: int = 4
    batch_windows: int = 32
    epochs: float = 2.0
    learning_rate: float = 4e-4
    head_rate: float = 1e-3
    weight_decay: float = 0.01
    warm_up: float = 0.02
    clip: float = 5.0
    dropout: float = 0.3
    acts_weight: float = 5.0
    validations: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("frames", "fewest", "batch_windows", "validations"):
            if getattr(self, name) < 1:
                raise ConfigError(f"encoder.{name} = {getattr(self, name)}: give 1 or more.")
        for name in ("every_seconds", "epochs", "learning_rate", "head_rate"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"encoder.{name} = {getattr(self, name)}: give a number above 0.")
        for name in ("warm_up", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"encoder.{name} = {getattr(self, name)}: give a share below 1.")
        if not 0 <= self.first_block < 17:
            raise ConfigError(
                f"encoder.first_block = {self.first_block}: there are blocks 0 to 16 before the last."
            )
