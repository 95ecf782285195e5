"""The quality gates: what a text must not be, found without a model, with a sentence for the next try."""

from __future__ import annotations

from holmesvau.engine.gates.config import GATES, GATES_VERSION, Gate, GatesConfig, Verdict
from holmesvau.engine.gates.judging import Subject, judge

__all__ = ["GATES", "GATES_VERSION", "Gate", "GatesConfig", "Subject", "Verdict", "judge"]
