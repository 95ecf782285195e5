"""Training in two stages (paper §4.3): the anomaly scorer, then the language model by instructions."""

from __future__ import annotations

from holmesvau.train.recipes import Recipe, load

__all__ = ["Recipe", "load"]
