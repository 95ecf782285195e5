"""What an event's confidence is worth as a probability: temperature scaling, fitted on unseen videos.

`events.confidence` says how much the curve supports an event; how often such an event is right depends on the
scorer. Two numbers learnt on validation videos turn one into the other: the log-odds are divided by a
temperature and shifted by a bias (without it a confidence below 0.5 could never become one above).

Such videos are short, and half of them hold an anomaly. In an hour there is about as often one as in such a
minute, but sixty times as much that can be taken for one: the log-odds of an event fall by the logarithm of
how much longer its video is than those (Bayes' rule with another prior).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError, ModelError
from holmesvau.types import FloatArray

# Confidences are kept this far from 0 and 1, whose log-odds are infinite.
EDGE = 1e-4
# How strongly few events are held to the confidence as it is: as much as this many events could say.
PRIOR = 1.0
# Temperatures outside of this are no scaling any more but a constant, or a step.
SHARPEST, FLATTEST = 0.1, 10.0
_ROUNDS = 50
# The length of the videos that calibrations are fitted on, in seconds: those of the recipes are 20 to 70.
LEARNT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """`sigmoid(log-odds / temperature + bias)`; the default changes nothing."""

    temperature: float = 1.0
    bias: float = 0.0

    def __call__(self, confidence: float, seconds: float = 0.0) -> float:
        """The probability, in [0, 1], that an event of this confidence is right, in a video of that length.

        Up to `LEARNT_SECONDS` the length does not matter.
        """
        return float(self.of(np.array([confidence]), seconds)[0])

    def of(self, confidence: npt.ArrayLike, seconds: float = 0.0) -> FloatArray:
        """The same of `confidence[P]`, each in [0, 1]."""
        rarer = math.log(max(1.0, seconds / LEARNT_SECONDS))
        probability: FloatArray = _sigmoid(_log_odds(confidence) / self.temperature + self.bias - rarer)
        return probability

    @classmethod
    def fit(cls, confidence: npt.ArrayLike, correct: npt.ArrayLike) -> Calibration:
        """The calibration under which `correct[P]` (0 or 1) is most likely, given `confidence[P]`.

        A weak prior for changing nothing decides where events are few, or all are right. The temperature is
        0.1 to 10.

        Raises:
            InputError: when the lengths differ or a value is out of its range.
        """
        odds, right = _log_odds(confidence), np.asarray(correct, np.float64)
        if odds.shape != right.shape or odds.ndim != 1 or not np.isin(right, (0, 1)).all():
            raise InputError(
                f"confidence {odds.shape} and correct {right.shape}: give one 0 or 1 for each confidence."
            )
        # Newton's method on the scale 1 / temperature and the bias: the likelihood has one maximum.
        design = np.stack([odds, np.ones_like(odds)], axis=1)
        neutral = np.array([1.0, 0.0])
        weights = neutral.copy()
        for _ in range(_ROUNDS):
            said = _sigmoid(design @ weights)
            gradient = design.T @ (said - right) + PRIOR * (weights - neutral)
            curvature = (design * (said * (1 - said))[:, None]).T @ design + PRIOR * np.eye(2)
            step = np.linalg.solve(curvature, gradient)
            weights = weights - step
            weights[0] = np.clip(weights[0], 1 / FLATTEST, 1 / SHARPEST)
            if np.abs(step).max() < 1e-9:
                break
        return cls(1 / float(weights[0]), float(weights[1]))

    def to_metadata(self) -> dict[str, str]:
        """As metadata of a scorer's safetensors file."""
        return {"confidence_temperature": repr(self.temperature), "confidence_bias": repr(self.bias)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str] | None) -> Calibration | None:
        """What `to_metadata` gave; None where there is none.

        Raises:
            ModelError: when it is not made of numbers.
        """
        told = metadata or {}
        if "confidence_temperature" not in told:
            return None
        try:
            temperature, bias = float(told["confidence_temperature"]), float(told["confidence_bias"])
        except (KeyError, ValueError) as error:
            raise ModelError(f"The calibration of the scorer's confidence is damaged ({error}).") from error
        if not (temperature > 0 and math.isfinite(temperature) and math.isfinite(bias)):
            raise ModelError(f"The calibration of the scorer's confidence is damaged: {temperature}, {bias}.")
        return cls(temperature, bias)

    @classmethod
    def of_scorer(cls, path: str | Path) -> Calibration | None:
        """The calibration kept in a scorer's file; None where it has none, as a released `.pth`.

        Raises:
            ModelError: when the file cannot be read.
        """
        from safetensors import SafetensorError, safe_open

        path = Path(path)
        if path.suffix != ".safetensors":
            return None
        try:
            with safe_open(path, "np") as file:
                return cls.from_metadata(file.metadata())
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{path}: the scorer's weights cannot be read ({error}).") from error


def _log_odds(confidence: npt.ArrayLike) -> FloatArray:
    values = np.asarray(confidence, np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError("A confidence must be a number from 0 to 1.")
    values = np.clip(values, EDGE, 1 - EDGE)
    odds: FloatArray = np.log(values / (1 - values))
    return odds


def _sigmoid(x: FloatArray) -> FloatArray:
    y: FloatArray = 1 / (1 + np.exp(-x))
    return y
