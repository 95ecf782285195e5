"""Before stage 1: an encoder of windows that has learnt what people do (not in the paper)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from holmesvau.train.encoder.config import EncoderTraining

if TYPE_CHECKING:
    from holmesvau.train.encoder.estimating import estimate as estimate
    from holmesvau.train.encoder.training import train_encoder as train_encoder

_ELSEWHERE = {"estimate": "estimating", "train_encoder": "training"}

__all__ = ["EncoderTraining", "estimate", "train_encoder"]


def __getattr__(name: str) -> Any:
    if name in _ELSEWHERE:
        return getattr(import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
