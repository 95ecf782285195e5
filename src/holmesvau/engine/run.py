"""One run: everything that can be done now is done, by one worker or many; what is left waits for people.

The coordinator only plans, starts workers and watches. When it is killed, its workers finish what they have
in hand and end; when a worker is killed, its items are given to another. What was handed in stays.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from holmesvau.engine.crew import Crew, Here, Order, Processes
from holmesvau.engine.desk import LedgerDesk
from holmesvau.engine.estimate import Estimate, estimate
from holmesvau.engine.export import Dataset, write_dataset
from holmesvau.engine.ledger import STAGES, Ledger, Stage
from holmesvau.engine.plan import Planner
from holmesvau.engine.project import Project
from holmesvau.engine.rejudging import rejudge
from holmesvau.engine.status import Status, status
from holmesvau.errors import HolmesError
from holmesvau.hivau.problems import Problem

log = logging.getLogger(__name__)

Progress = Callable[[str, float, float | None], None]

# Workers that die are replaced, so many for each: what kills them may be an item.
_REPLACED = 3
_WATCH_SECONDS = 0.3
# Counting a large ledger takes a moment.
_TELL_SECONDS = 2.0


class WorkerError(HolmesError):
    """Workers die again and again: a bug, or too little memory."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run has come to: the state after it, the dataset (None: no video is complete), why work is left.

    `problems` are the instruction builder's: texts without a question.
    """

    status: Status
    dataset: Dataset | None
    reasons: Sequence[str]
    problems: Sequence[Problem] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        dataset = None
        if self.dataset is not None:
            dataset = {
                key: value if isinstance(value, int) else str(value)
                for key, value in asdict(self.dataset).items()
            }
        return {
            "status": self.status.to_json(),
            "dataset": dataset,
            "reasons": list(self.reasons),
            "problems": [str(problem) for problem in self.problems],
        }


def run(
    project: Project,
    *,
    stages: Sequence[Stage] = STAGES,
    instruct: bool = True,
    crew: Crew | None = None,
    progress: Progress | None = None,
) -> RunReport:
    """Do everything of `stages` that can be done now, then write the dataset of the videos that are complete.

    `crew` defaults to threads of this process for one worker and to processes for several.

    Raises:
        HolmesError kinds: when settings, prompts or the ledger cannot be used, or workers die again and
        again.
    """
    planner = Planner(project)
    reasons: list[str] = []
    with project.ledger() as ledger:
        prepare(project, ledger, planner)
        if to_do(ledger, stages):
            workers = crew or (Here() if project.config.workers == 1 else Processes())
            desk = LedgerDesk(project, ledger, planner, stages)
            reasons = _watched(project, desk, workers, stages, progress)
        problems: list[Problem] = []
        dataset = write_dataset(project, ledger, problems=problems) if instruct else None
        return RunReport(status(project, ledger), dataset, reasons, problems)


def prepare(project: Project, ledger: Ledger, planner: Planner) -> None:
    """Bring the plan up to date: what was changed since, what an earlier run had in hand or could not do."""
    desk = LedgerDesk(project, ledger, planner)
    planner.note_prompts(ledger)
    desk.release()
    desk.reopen()
    rejudge(ledger, project.config)
    for video in ledger.videos():
        planner.advance(ledger, video.name)


def plan_only(project: Project, ledger: Ledger) -> Estimate:
    """What a run would ask for now, with the plan brought up to date and nothing asked."""
    prepare(project, ledger, Planner(project))
    return estimate(project, ledger)


def _watched(
    project: Project, desk: LedgerDesk, crew: Crew, stages: Sequence[Stage], progress: Progress | None
) -> list[str]:
    """Start workers and wait for their end; why something is left undone."""
    order = Order(folder=str(project.folder), overrides=project.overrides, stages=tuple(stages))
    reasons: list[str] = []
    died, tell_at = 0, 0.0
    working: set[str] = set()
    try:
        working |= {crew.start(order) for _ in range(project.config.workers)}
        while working:
            for ended in crew.ended(_WATCH_SECONDS):
                working.discard(ended.owner)
                desk.release(ended.owner)
                if ended.reason:
                    reasons.append(ended.reason)
                if ended.died:
                    died += 1
                    log.warning("a worker died; what it had in hand is given to another")
                    if died > _REPLACED * project.config.workers:
                        raise WorkerError(
                            f"{project.folder}: workers die again and again. What they finished is kept; "
                            "run with workers=1 and -v to see why, or with more memory."
                        )
                    working.add(crew.start(order))
            if progress is not None and time.monotonic() >= tell_at:
                _tell(desk.ledger, stages, progress)
                tell_at = time.monotonic() + _TELL_SECONDS
    finally:
        crew.stop()
        for owner in working:
            desk.release(owner)
    return list(dict.fromkeys(reasons))


def to_do(ledger: Ledger, stages: Sequence[Stage] = STAGES) -> int:
    """How many items a run would do now: those that neither wait for people nor for other texts."""
    found = ledger.row(
        f"""SELECT count(DISTINCT items.key) AS number FROM items JOIN wanted USING(key)
            WHERE items.state IN ('open', 'leased')
            AND NOT EXISTS (SELECT 1 FROM texts WHERE texts.address = wanted.address)
            AND items.stage IN ({",".join("?" * len(stages))})""",
        tuple(stages),
    )
    assert found is not None
    return int(found["number"])


def _tell(ledger: Ledger, stages: Sequence[Stage], progress: Progress) -> None:
    rows = ledger.rows(
        "SELECT items.stage, sum(state NOT IN ('open', 'leased')) AS done, count(*) AS number "
        "FROM items JOIN (SELECT DISTINCT key FROM wanted) USING(key) GROUP BY items.stage"
    )
    for row in rows:
        if row["stage"] in stages:
            progress(_BARS[row["stage"]], float(row["done"]), float(row["number"]))


_BARS = {"decouple": "decoupling", "caption": "captions", "event": "events", "video": "videos"}
