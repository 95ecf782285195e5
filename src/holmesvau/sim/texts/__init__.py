"""Texts in the manner of HIVAU-70k, written from what was staged."""

from __future__ import annotations

from holmesvau.sim.texts.annotate import annotate
from holmesvau.sim.texts.grammar import Teller, sentence

__all__ = ["Teller", "annotate", "sentence"]
