"""Released InternVL2, HolmesVAU and scorer weights -> native ones; LoRA split and merge (§4.3).

Names are loaded when first used: importing the package loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holmesvau.checkpoints.convert import convert_internvl2 as convert_internvl2
    from holmesvau.checkpoints.hub import resolve as resolve
    from holmesvau.checkpoints.lora import convert_lora as convert_lora
    from holmesvau.checkpoints.merge import merge as merge
    from holmesvau.checkpoints.merge import unmerge as unmerge
    from holmesvau.checkpoints.scorer import convert_scorer as convert_scorer
    from holmesvau.checkpoints.verify import Verification as Verification

_NAMES = {
    "Verification": "verify",
    "convert_internvl2": "convert",
    "convert_lora": "lora",
    "convert_scorer": "scorer",
    "merge": "merge",
    "resolve": "hub",
    "unmerge": "merge",
}
__all__ = [*_NAMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(import_module(f"holmesvau.checkpoints.{_NAMES[name]}"), name)
        # A submodule of the same name would otherwise hide it from now on.
        globals()[name] = value
        return value
    raise AttributeError(f"module 'holmesvau.checkpoints' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
