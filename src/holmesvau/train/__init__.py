"""Training in two stages (paper §4.3): the anomaly scorer, then the language model by instructions.

recipe = train.load("tiny", ["scorer.epochs=3"])
train.train_scorer(recipe, "runs/tiny/scorer")
train.train_instruct(recipe, "runs/tiny/instruct")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from holmesvau.train.recipes import Recipe, load

if TYPE_CHECKING:
    from holmesvau.train.encoder import train_encoder as train_encoder
    from holmesvau.train.instruct import train_instruct as train_instruct
    from holmesvau.train.scorer import train_scorer as train_scorer

_ELSEWHERE = {
    "train_encoder": "holmesvau.train.encoder",
    "train_instruct": "holmesvau.train.instruct",
    "train_scorer": "holmesvau.train.scorer",
}

__all__ = ["Recipe", "load", "train_encoder", "train_instruct", "train_scorer"]


def __getattr__(name: str) -> Any:
    if name in _ELSEWHERE:
        return getattr(import_module(_ELSEWHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
