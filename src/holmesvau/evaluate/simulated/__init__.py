"""A system on simulated CCTV, from the pictures to every figure: what `holmesvau eval sim` does.

`truth` reads what was staged, `watching` has the pipeline watch it, `matching` pairs events, `baseline`
answers without looking, `figures` puts it together, `run` does all of it.
"""

from __future__ import annotations

from holmesvau.evaluate.simulated.figures import SimulatedReport, evaluate
from holmesvau.evaluate.simulated.truth import SimulatedVideo, TrueEvent, load

__all__ = ["SimulatedReport", "SimulatedVideo", "TrueEvent", "evaluate", "load"]
