"""What kind of thing a frame shows: a head beside the anomaly scorer, over the same hidden states.

It is not part of the published scorer (paper §4.2), whose weights load and score without it.

Shape legend: `B` batch, `T` dense frames, `C` 512 channels, `K` classes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from holmesvau.errors import ModelError

NORMAL = "Normal"
PREFIX = "class_head."
WIDTH = 128


@dataclass(frozen=True, slots=True)
class ClassNames:
    """The classes of a head, in the order of its logits: `Normal`, the `anomalies`, then `hard_negatives`.

    Hard negatives look like anomalies and are none (a hug, a barbecue): classes that count as normal.
    """

    anomalies: tuple[str, ...]
    hard_negatives: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every class, `K` names."""
        return (NORMAL, *self.anomalies, *self.hard_negatives)

    def __len__(self) -> int:
        return len(self.all)

    @property
    def anomalous(self) -> slice:
        """Where the anomalies are among the `K`."""
        return slice(1, 1 + len(self.anomalies))

    def to_metadata(self) -> dict[str, str]:
        """As metadata of a safetensors file."""
        return {
            "classes": json.dumps(self.anomalies),
            "hard_negatives": json.dumps(self.hard_negatives),
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str] | None) -> ClassNames:
        """What `to_metadata` gave.

        Raises:
            ModelError: when it is not there.
        """
        try:
            told = metadata or {}
            return cls(tuple(json.loads(told["classes"])), tuple(json.loads(told["hard_negatives"])))
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError("The file does not name its classes.") from error


def in_words(name: str) -> str:
    """A class's name as words: `RoadAccidents` is "road accidents"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


class ClassHead(nn.Module):
    """Logits `[B, T, K]` from the scorer's hidden states `[B, T, C]`, those behind its transformer."""

    def __init__(self, num_classes: int, *, channels: int = 512, dropout: float = 0.0) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, WIDTH),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(WIDTH, num_classes),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.mlp(hidden)
        return logits
