"""The paper's ablations (§5, Tables 3 and 4): studies of cells that are trained or loaded, measured, kept.

`studies` says which cells there are, `cells` measures one and keeps it, `contrasts` tests one against
another, `coverage` asks of samplers alone
whether an event gets a frame at all, which needs no words.
"""

from __future__ import annotations

from holmesvau.evaluate.ablation.cells import CellReport, StudyReport, Trained, Trainer, run
from holmesvau.evaluate.ablation.contrasts import Contrast
from holmesvau.evaluate.ablation.coverage import CoverageReport, Curves, coverage, noisy_truth, scored
from holmesvau.evaluate.ablation.studies import Cell, Study, frames, levels, lora_rank, only, samplers

__all__ = [
    "Cell",
    "CellReport",
    "Contrast",
    "CoverageReport",
    "Curves",
    "Study",
    "StudyReport",
    "Trained",
    "Trainer",
    "coverage",
    "frames",
    "levels",
    "lora_rank",
    "noisy_truth",
    "only",
    "run",
    "samplers",
    "scored",
]
