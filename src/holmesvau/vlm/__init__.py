"""What is seen, said in words (§4.1): prompts, the InternVL family, the embedded model.

Names are loaded when first used: prompts need no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holmesvau.vlm import prompts as prompts
    from holmesvau.vlm.internvit import InternVitEncoder as InternVitEncoder
    from holmesvau.vlm.internvl import InternVl as InternVl
    from holmesvau.vlm.protocol import GenerationOptions as GenerationOptions
    from holmesvau.vlm.protocol import VisionLanguageModel as VisionLanguageModel
    from holmesvau.vlm.protocol import VisualTokens as VisualTokens
    from holmesvau.vlm.tiny import Tiny as Tiny

_MODULES = ("internvit", "internvl", "judgement", "preprocess", "prompts", "protocol", "tiny")
_NAMES = {
    "GenerationOptions": "protocol",
    "InternVitEncoder": "internvit",
    "InternVl": "internvl",
    "Tiny": "tiny",
    "VisionLanguageModel": "protocol",
    "VisualTokens": "protocol",
}
__all__ = [*_MODULES, *_NAMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"holmesvau.vlm.{name}")
    if name in _NAMES:
        return getattr(import_module(f"holmesvau.vlm.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'holmesvau.vlm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
