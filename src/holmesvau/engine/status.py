"""Where a project stands: what is done, what waits for whom, what it has cost, and how many texts pass each
gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from holmesvau.engine.export import completed
from holmesvau.engine.gates import GATES
from holmesvau.engine.ledger import STAGES, Ledger

if TYPE_CHECKING:
    from holmesvau.engine.project import Project


@dataclass(frozen=True, slots=True)
class StageStatus:
    """Texts (or videos) of one stage: all that are wanted by now, and where they are.

    `written` are those of persons; `people` wait for one; `failed` could not be done.
    """

    wanted: int
    done: int
    written: int
    open: int
    working: int
    people: int
    failed: int


@dataclass(frozen=True, slots=True)
class GateRate:
    """Of `judged` answers of models, how many passed a gate."""

    judged: int
    passed: int

    @property
    def rate(self) -> float | None:
        """The share that passed; None without answers."""
        return self.passed / self.judged if self.judged else None


@dataclass(frozen=True, slots=True)
class TextRate:
    """Of `texts` that models were asked for: passed all gates at once, in the end, or went to people."""

    texts: int
    at_once: int
    in_the_end: int
    to_people: int


@dataclass(frozen=True, slots=True)
class Status:
    """A project's state. `gates` are by stage and gate, `texts` by stage, `spent` tokens, money and
    requests.
    """

    videos: int
    complete: int
    left_out: int
    problems: Mapping[str, str]
    stages: Mapping[str, StageStatus]
    queue: Mapping[str, int]
    gates: Mapping[str, Mapping[str, GateRate]]
    texts: Mapping[str, TextRate]
    spent: Mapping[str, float]
    models: Mapping[str, Mapping[str, int]]

    def to_json(self) -> dict[str, Any]:
        """Plain values; rates beside their counts."""
        plain = asdict(self)
        for stage, gates in self.gates.items():
            for gate, found in gates.items():
                plain["gates"][stage][gate]["rate"] = found.rate
        return plain


def status(project: Project, ledger: Ledger) -> Status:
    """The state of a project by its ledger."""
    videos = ledger.videos()
    return Status(
        videos=len(videos),
        complete=len(completed(project, ledger)),
        left_out=sum(bool(ledger.decision(video.name).left_out) for video in videos),
        problems={video.name: video.problem for video in videos if video.problem},
        stages={stage: _stage(ledger, stage) for stage in STAGES},
        queue={
            row["gate"]: row["number"]
            for row in ledger.rows(
                "SELECT gate, count(*) AS number FROM reviews WHERE state = 'open' GROUP BY gate"
            )
        },
        gates={stage: gates for stage in STAGES[1:] if (gates := _gates(ledger, stage))},
        texts={stage: rate for stage in STAGES[1:] if (rate := _texts(ledger, stage)).texts},
        spent=_spent(ledger),
        models={stage: models for stage in STAGES[1:] if (models := _models(ledger, stage))},
    )


def _stage(ledger: Ledger, stage: str) -> StageStatus:
    rows = ledger.rows(
        """SELECT CASE WHEN texts.address IS NOT NULL THEN 'written' ELSE items.state END AS state,
                  count(*) AS number
           FROM wanted LEFT JOIN texts ON texts.address = wanted.address AND texts.basis IN ('', wanted.basis)
                LEFT JOIN items ON items.key = wanted.key
           WHERE wanted.stage = ? GROUP BY 1""",
        (stage,),
    )
    found = {row["state"]: row["number"] for row in rows}
    # A video whose events are there is no longer wanted to be decoupled.
    before = 0
    if stage == "decouple":
        row = ledger.row("SELECT count(*) FROM videos WHERE decoupled != '' AND name NOT IN "
                         "(SELECT video FROM wanted WHERE stage = 'decouple')")  # fmt: skip
        before = int(row[0]) if row is not None else 0
    return StageStatus(
        wanted=sum(found.values()) + before,
        done=found.get("done", 0) + before,
        written=found.get("written", 0),
        open=found.get("open", 0),
        working=found.get("leased", 0),
        people=found.get("people", 0),
        failed=found.get("failed", 0),
    )


def _gates(ledger: Ledger, stage: str) -> dict[str, GateRate]:
    rows = ledger.rows(
        "SELECT gate, count(*) AS judged, sum(passed) AS passed FROM verdicts "
        "JOIN answers ON answers.id = verdicts.answer JOIN items ON items.key = answers.key "
        "WHERE items.stage = ? AND items.key IN (SELECT key FROM wanted) GROUP BY gate",
        (stage,),
    )
    found = {row["gate"]: GateRate(row["judged"], row["passed"]) for row in rows}
    return {gate: found[gate] for gate in GATES if gate in found}


def _texts(ledger: Ledger, stage: str) -> TextRate:
    rows = ledger.rows(
        "SELECT state, tries, count(*) AS number FROM items WHERE stage = ? AND tries > 0 "
        "AND key IN (SELECT key FROM wanted) GROUP BY state, tries",
        (stage,),
    )
    return TextRate(
        texts=sum(row["number"] for row in rows),
        at_once=sum(row["number"] for row in rows if row["state"] == "done" and row["tries"] == 1),
        in_the_end=sum(row["number"] for row in rows if row["state"] == "done"),
        to_people=sum(row["number"] for row in rows if row["state"] == "people"),
    )


def _spent(ledger: Ledger) -> dict[str, float]:
    row = ledger.row(
        "SELECT total(tokens) AS tokens, total(money) AS money, total(requests) AS requests FROM spent"
    )
    assert row is not None
    return {"tokens": int(row["tokens"]), "money": round(row["money"], 6), "requests": int(row["requests"])}


def _models(ledger: Ledger, stage: str) -> dict[str, int]:
    """How many of the texts that stand each model has written, and persons."""
    rows = ledger.rows(
        """SELECT CASE WHEN texts.address IS NOT NULL THEN 'people' ELSE answers.model END AS model,
                  count(*) AS number
           FROM wanted LEFT JOIN texts USING(address) LEFT JOIN items ON items.key = wanted.key
                LEFT JOIN answers ON answers.id = items.answer
           WHERE wanted.stage = ? AND (texts.address IS NOT NULL OR items.state = 'done')
           GROUP BY 1 ORDER BY 2 DESC""",
        (stage,),
    )
    return {row["model"]: row["number"] for row in rows}
