"""Stage 1: the anomaly scorer (paper §4.3)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from holmesvau.train.scorer.config import ScorerTraining

if TYPE_CHECKING:
    from holmesvau.train.scorer.estimating import estimate as estimate
    from holmesvau.train.scorer.training import train_scorer as train_scorer

_ELSEWHERE = {"estimate": "estimating", "train_scorer": "training"}

__all__ = ["ScorerTraining", "estimate", "train_scorer"]


def __getattr__(name: str) -> Any:
    if name in _ELSEWHERE:
        return getattr(import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
