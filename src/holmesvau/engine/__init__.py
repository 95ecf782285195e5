"""The annotation engine (paper §3.2): from raw videos to HIVAU data, people where needed.

project = engine.init("project", ["videos/"])
with project.ledger() as ledger: ...
"""

from __future__ import annotations

from holmesvau.engine.agreement import Agreement, PairAgreement, agreement
from holmesvau.engine.crew import Crew, Here, Processes
from holmesvau.engine.estimate import Estimate, estimate
from holmesvau.engine.export import completed, write_dataset
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
from holmesvau.engine.plan import Planner, advance
from holmesvau.engine.project import Project, ProjectConfig, init, open_project
from holmesvau.engine.run import RunReport, WorkerError, plan_only, run
from holmesvau.engine.status import Status, status

__all__ = [
    "Agreement",
    "Crew",
    "Decision",
    "Edit",
    "Estimate",
    "Here",
    "Ledger",
    "LedgerEvent",
    "LedgerText",
    "LedgerVideo",
    "PairAgreement",
    "Planner",
    "Processes",
    "Project",
    "ProjectConfig",
    "Review",
    "RunReport",
    "Status",
    "Target",
    "WorkerError",
    "advance",
    "agreement",
    "completed",
    "estimate",
    "init",
    "open_project",
    "plan_only",
    "run",
    "status",
    "write_dataset",
]
