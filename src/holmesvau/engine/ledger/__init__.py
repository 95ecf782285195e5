"""The ledger: one SQLite file that holds what is known, what is to be done, and who has done what."""

from __future__ import annotations

from holmesvau.engine.ledger.ledger import Ledger
from holmesvau.engine.ledger.rows import (
    IMPORTED,
    PARTS,
    PROPOSED,
    SAMPLED,
    STAGES,
    Decision,
    Edit,
    LedgerEvent,
    LedgerText,
    LedgerVideo,
    Review,
    Stage,
    Target,
)

__all__ = [
    "IMPORTED",
    "PARTS",
    "PROPOSED",
    "SAMPLED",
    "STAGES",
    "Decision",
    "Edit",
    "Ledger",
    "LedgerEvent",
    "LedgerText",
    "LedgerVideo",
    "Review",
    "Stage",
    "Target",
]
