"""The instruction rows (paper §3.2, third stage): building them, reading and writing them as released."""

from __future__ import annotations

from holmesvau.hivau.instructions.compose import BuildConfig, build, build_from
from holmesvau.hivau.instructions.questions import pool
from holmesvau.hivau.instructions.rows import RowForm, load_instructions, write_instructions

__all__ = [
    "BuildConfig",
    "RowForm",
    "build",
    "build_from",
    "load_instructions",
    "pool",
    "write_instructions",
]
