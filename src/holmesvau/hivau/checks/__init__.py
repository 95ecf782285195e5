"""`check` looks a dataset over, in its texts and its files, and can write a cleaned copy beside it."""

from __future__ import annotations

from holmesvau.hivau.checks.report import CheckReport, check

__all__ = ["CheckReport", "check"]
