"""The instruction rows (paper §3.2, third stage): reading and writing them as released."""

from __future__ import annotations

from holmesvau.hivau.instructions.rows import RowForm, load_instructions, write_instructions

__all__ = ["RowForm", "load_instructions", "write_instructions"]
