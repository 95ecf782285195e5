"""Simulated CCTV with exact ground truth: worlds, pictures, and scripts of normal and abnormal life.

    sim.generate("OUT", 200, seed=1)                 # videos, annotations, rows, frame labels
    sim.load_truth("OUT", "train")                   # list[GroundTruth]

`world` is the contract, `scenes.build` makes places, `track.Steps` writes movement, `scripts` stage what
happens, `plan.plan` puts a video together, `render.Renderer` draws it, `texts` tell it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holmesvau.sim.dataset import Generated as Generated
    from holmesvau.sim.dataset import frame_rates as frame_rates
    from holmesvau.sim.dataset import generate as generate
    from holmesvau.sim.dataset import load_plans as load_plans
    from holmesvau.sim.dataset import load_truth as load_truth

__all__ = ["Generated", "frame_rates", "generate", "load_plans", "load_truth"]


def __getattr__(name: str) -> Any:
    # Scenes and cameras alone need neither the encoder nor the dataset's modules.
    if name in __all__:
        return getattr(import_module("holmesvau.sim.dataset"), name)
    raise AttributeError(f"module 'holmesvau.sim' has no attribute {name!r}")
