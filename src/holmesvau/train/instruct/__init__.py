"""Stage 2 (paper §4.3): the language model learns to put into words what the chosen frames show."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from holmesvau.train.instruct.config import Adaptation, InstructTraining

if TYPE_CHECKING:
    from holmesvau.train.instruct.estimating import estimate as estimate
    from holmesvau.train.instruct.training import train_instruct as train_instruct

_ELSEWHERE = {"estimate": "estimating", "train_instruct": "training"}

__all__ = ["Adaptation", "InstructTraining", "estimate", "train_instruct"]


def __getattr__(name: str) -> Any:
    if name in _ELSEWHERE:
        return getattr(import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
