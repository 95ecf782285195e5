"""The annotation engine (paper §3.2): from raw videos to HIVAU data, people where needed.

project = engine.init("project", ["videos/"])
with project.ledger() as ledger: ...
"""

from __future__ import annotations

from holmesvau.engine.ledger import (
    Decision,
    Edit,
    Ledger,
    LedgerEvent,
    LedgerText,
    LedgerVideo,
    Review,
    Target,
)
from holmesvau.engine.project import Project, ProjectConfig, init, open_project

__all__ = [
    "Decision",
    "Edit",
    "Ledger",
    "LedgerEvent",
    "LedgerText",
    "LedgerVideo",
    "Project",
    "ProjectConfig",
    "Review",
    "Target",
    "init",
    "open_project",
]
