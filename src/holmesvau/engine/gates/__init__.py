"""The quality gates: what a text must not be, found without a model, with a sentence for the next try."""

from __future__ import annotations

from holmesvau.engine.gates.config import GATES, Gate, GatesConfig, Verdict
from holmesvau.engine.gates.judging import Subject, judge

__all__ = ["GATES", "Gate", "GatesConfig", "Subject", "Verdict", "judge"]
