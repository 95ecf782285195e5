"""`stats` counts and measures a dataset as the paper's Figure 3 does; `plot` draws it."""

from __future__ import annotations

from holmesvau.hivau.statistics.gather import Spread, Statistics, stats
from holmesvau.hivau.statistics.plot import plot

__all__ = ["Spread", "Statistics", "plot", "stats"]
