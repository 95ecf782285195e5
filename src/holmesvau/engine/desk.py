"""The desk of one machine: the ledger gives out work and takes it in. No item is given to two workers, and
what was handed in is never lost.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from holmesvau.engine import handing
from holmesvau.engine.ledger import Ledger, Stage, reading
from holmesvau.engine.plan import Planner
from holmesvau.engine.project import Project
from holmesvau.engine.work import (
    LEASE_SECONDS,
    Decoupled,
    Job,
    Outcome,
    Taken,
    Written,
    is_gone,
    provider_of,
)
from holmesvau.engine.writing import WriterConfig

# How soon to ask again while others are still at work.
SOON_SECONDS = 0.1
# Later than any lease.
_ALWAYS = 1e18
# The stages nearest to the end come first, so that whole videos get done.
_ORDER: tuple[Stage, ...] = ("video", "event", "caption", "decouple")


@dataclass
class LedgerDesk:
    """The desk of one machine. `stages` limits what is given out."""

    project: Project
    ledger: Ledger
    planner: Planner
    stages: Sequence[Stage] = field(default=_ORDER)

    def take(self, owner: str, most: int) -> Taken:
        """See `Desk.take`: limits of the writers and of the budget hold over all workers."""
        now = time.time()
        jobs: list[Job] = []
        waits: list[float] = []
        reason = ""
        with self.ledger.writing():
            for provider in ("summary", "caption", "decouple"):
                found, wait, why = self._some(provider, owner, most - len(jobs), now)
                jobs += found
                reason = reason or why
                if wait is not None:
                    waits.append(wait)
            if jobs:
                return Taken(jobs=jobs)
            if waits:
                return Taken(wait=max(0.01, min(waits)), reason=reason)
            busy = self.ledger.row("SELECT 1 FROM items WHERE state = 'leased' AND until > ? LIMIT 1", (now,))
        return Taken(wait=SOON_SECONDS if busy is not None else None, reason=reason)

    def renew(self, owner: str) -> None:
        """See `Desk.renew`."""
        with self.ledger.writing():
            self.ledger.run(
                "UPDATE items SET until = ? WHERE owner = ? AND state = 'leased'",
                (time.time() + LEASE_SECONDS, owner),
            )

    def hand_in(self, owner: str, outcome: Outcome) -> None:
        """See `Desk.hand_in`. An item that was lost to another worker meanwhile keeps what that one did."""
        with self.ledger.writing():
            item = self.ledger.row("SELECT * FROM items WHERE key = ?", (outcome.key,))
            ours = item is not None and item["state"] == "leased" and item["owner"] == owner
            if isinstance(outcome, Written):
                handing.written(self.ledger, self.project.config, owner, outcome, item, ours)
            elif item is None or not ours:
                return
            elif isinstance(outcome, Decoupled):
                handing.decoupled(self.ledger, outcome)
            else:
                handing.undone(self.ledger, outcome, item["stage"])
            handing.go_on(self.ledger, self.planner, outcome.key)

    def release(self, owner: str | None = None) -> int:
        """Open what a worker that has ended held, or with None what all workers held that are gone."""
        with self.ledger.writing():
            rows = self.ledger.rows("SELECT DISTINCT owner FROM items WHERE state = 'leased'")
            gone = [row["owner"] for row in rows if row["owner"] == owner or is_gone(row["owner"])]
            return sum(
                self.ledger.run(
                    "UPDATE items SET state = 'open', owner = '' WHERE owner = ? AND state = 'leased'",
                    (name,),
                )
                for name in gone
            )

    def reopen(self) -> None:
        """Open again what could not be done in an earlier run: the reason may be gone."""
        with self.ledger.writing():
            self.ledger.run(
                "UPDATE items SET state = 'open', problem = '' WHERE state = 'failed' "
                "OR (state = 'people' AND problem != '')"
            )

    # --- taking ---

    def _some(self, provider: str, owner: str, most: int, now: float) -> tuple[list[Job], float | None, str]:
        """Jobs of one provider, as its limits allow; else how long to wait, and what is in the way."""
        stages = [stage for stage in _ORDER if stage in self.stages and provider_of(stage) == provider]
        if most < 1 or not stages:
            return [], None, ""
        writer = self.project.config.writer(stages[0])
        room = most
        if writer is not None:
            busy = self.ledger.rows(
                "SELECT count(*) FROM items WHERE state = 'leased' AND provider = ? AND until > ?",
                (provider, now),
            )
            room = min(most, writer.at_once - int(busy[0][0]))
        rows = self._open(stages, max(1, room), now)
        if not rows:
            return [], None, ""
        if room < 1:
            return [], SOON_SECONDS, ""
        jobs: list[Job] = []
        for row in rows[:room]:
            if self._over_budget(row):
                return jobs, None, "The budget is used up."
            wait = self._pace(provider, writer, row, now)
            if wait > 0:
                return jobs, wait, ""
            jobs.append(self._leased(row, owner, now))
        return jobs, None, ""

    def _open(self, stages: Sequence[Stage], most: int, now: float) -> list[Any]:
        """Items to give out, in the order of the stages and of their making; read along an index.

        What a person has written meanwhile is asked of nobody.
        """
        rows: list[Any] = []
        for stage in stages:
            for state, since in (("leased", now), ("open", _ALWAYS)):
                if len(rows) < most:
                    rows += self.ledger.rows(
                        "SELECT * FROM items WHERE state = ? AND stage = ? AND until <= ? "
                        "AND EXISTS (SELECT 1 FROM wanted WHERE wanted.key = items.key AND NOT EXISTS "
                        "(SELECT 1 FROM texts WHERE texts.address = wanted.address)) "
                        "ORDER BY made_at LIMIT ?",
                        (state, stage, since, most - len(rows)),
                    )
        return rows

    def _over_budget(self, row: Any) -> bool:
        budget = self.project.config.budget
        if not (budget.tokens or budget.money):
            return False
        used = self.ledger.row("SELECT total(tokens) AS tokens, total(money) AS money FROM spent")
        held = self.ledger.row(
            "SELECT total(tokens) AS tokens, total(money) AS money FROM items WHERE state = 'leased'"
        )
        assert used is not None and held is not None
        return any(
            limit and used[unit] + held[unit] + row[unit] > limit
            for unit, limit in (("tokens", budget.tokens), ("money", budget.money))
        )

    def _pace(self, provider: str, writer: WriterConfig | None, row: Any, now: float) -> float:
        """Seconds until this request may begin; 0 when it may now, and then the next one waits its turn."""
        if writer is None:
            return 0.0
        gaps = [60 / writer.per_minute] if writer.per_minute else []
        gaps += [60 * row["tokens"] / writer.tokens_per_minute] if writer.tokens_per_minute else []
        if not gaps:
            return 0.0
        self.ledger.insert("spent", {"provider": provider}, otherwise="IGNORE")
        found = self.ledger.row("SELECT ready_at FROM spent WHERE provider = ?", (provider,))
        ready = float(found["ready_at"]) if found is not None else 0.0
        if ready > now:
            return ready - now
        self.ledger.run(
            "UPDATE spent SET ready_at = ? WHERE provider = ?", (max(ready, now) + max(gaps), provider)
        )
        return 0.0

    def _leased(self, row: Any, owner: str, now: float) -> Job:
        self.ledger.run(
            "UPDATE items SET state = 'leased', owner = ?, until = ? WHERE key = ?",
            (owner, now + LEASE_SECONDS, row["key"]),
        )
        payload = json.loads(row["payload"])
        video = reading.video(self.ledger, payload["video"])
        remark = ""
        if row["tries"]:
            failed = self.ledger.rows(
                "SELECT message FROM verdicts WHERE answer = ? AND passed = 0", (row["answer"],)
            )
            remark = " ".join(verdict["message"] for verdict in failed)
        template = self.ledger.row(
            "SELECT text FROM prompts WHERE digest = ?", (payload.get("template", ""),)
        )
        return Job(
            key=row["key"],
            stage=row["stage"],
            payload=payload,
            path=str(self.project.path_of(video.path)),
            tries=row["tries"],
            remark=remark,
            template=template["text"] if template is not None else "",
        )
