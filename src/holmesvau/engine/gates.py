"""Which texts pass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class GatesConfig:
    """Limits of the gates."""
