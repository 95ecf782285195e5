"""Real processes, really killed: no finished item is lost, none is done twice."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from holmesvau import engine
from holmesvau.engine import desk

MANY = {"decouple__clips__median": 0.6, "decouple__clips__shortest": 0.4, "gates__off": ["empty"]}


def until(condition, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


def owners(project) -> list[str]:
    with project.ledger() as ledger:
        return [
            row["owner"] for row in ledger.rows("SELECT DISTINCT owner FROM items WHERE state = 'leased'")
        ]


def answers(project) -> list[str]:
    with project.ledger() as ledger:
        return [row["key"] for row in ledger.rows("SELECT key FROM answers")]


def twice(scribe) -> int:
    """How many requests for summaries had been made before, in the same words."""
    asked = Counter((line["prompt"], line["pictures"]) for line in scribe.asked("summary"))
    return sum(count - 1 for count in asked.values())


def pid_of(owner: str) -> int:
    return int(owner.rsplit(":", 3)[1])


@pytest.fixture
def slow_project(make_project, scribe):
    scribe.be("slow:0.15")
    project = make_project(workers=2, caption__at_once=2, summary__at_once=2, **MANY)
    engine.run(project, stages=("decouple",), crew=engine.Here(), instruct=False)
    return project


def test_kill_9_of_a_worker_loses_no_finished_item(slow_project, scribe):
    reports = []
    running = threading.Thread(target=lambda: reports.append(engine.run(slow_project)))
    running.start()
    until(lambda: len(answers(slow_project)) >= 4 and owners(slow_project))
    victim = pid_of(owners(slow_project)[0])
    os.kill(victim, signal.SIGKILL)
    before = answers(slow_project)
    running.join(100)
    assert reports[0].status.complete == 3 and not reports[0].reasons
    after = Counter(answers(slow_project))
    assert set(before) <= set(after) and max(after.values()) == 1
    assert victim not in map(pid_of, owners(slow_project))
    # What it had in hand, two requests at the most, was asked for again, and nothing else.
    assert len(scribe.asked()) <= len(after) + 2


def test_kill_9_of_the_coordinator_loses_no_finished_item(slow_project, scribe):
    command = [sys.executable, "-m", "holmesvau", "annotate", str(slow_project.folder), "--quiet"]
    source = str(Path(engine.__file__).parents[2])
    coordinator = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": source})
    until(lambda: len(answers(slow_project)) >= 4)
    children = Path(f"/proc/{coordinator.pid}/task/{coordinator.pid}/children").read_text().split()
    # The workers, and the process that multiprocessing keeps beside them.
    assert len(children) >= 2
    coordinator.send_signal(signal.SIGKILL)
    coordinator.wait()
    before = answers(slow_project)
    # Workers without a coordinator hand in what they have in hand, and end.
    until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    asked = len(scribe.asked())
    assert set(before) <= set(answers(slow_project)) and asked == len(answers(slow_project))
    assert owners(slow_project) == []
    report = engine.run(slow_project, crew=engine.Here())
    assert report.status.complete == 3
    assert len(scribe.asked()) == len(set(answers(slow_project))) == len(answers(slow_project))
    assert twice(scribe) == 0


def test_a_lease_that_nobody_renews_is_given_to_another(make_project, scribe, monkeypatch):
    """A worker on a machine that went away: nobody can tell that its process is gone."""

    project = make_project()
    engine.run(project, stages=("decouple",))
    with project.ledger() as ledger:
        planner = engine.Planner(project)
        monkeypatch.setattr(desk, "LEASE_SECONDS", 0.4)
        lost = desk.LedgerDesk(project, ledger, planner).take("elsewhere:1:1:1", 100)
        monkeypatch.undo()
        assert len(lost.jobs) == 4
        other = desk.LedgerDesk(project, ledger, planner).take("here:2:2:2", 100)
        assert not other.jobs and other.wait, "held by another: come again"
    started = time.monotonic()
    report = engine.run(project)
    assert report.status.complete == 3 and time.monotonic() - started >= 0.2


def test_workers_that_die_again_and_again_end_the_run_with_a_sentence(make_project, scribe, monkeypatch):
    project = make_project()

    class Doomed(engine.Processes):
        def start(self, order):
            owner = super().start(order)
            self._running[owner][0].kill()
            return owner

    with pytest.raises(engine.WorkerError, match="die again and again"):
        engine.run(project, crew=Doomed())
    assert engine.run(project).status.complete == 3


def test_taking_reads_along_an_index_however_many_items_there_are(make_project, scribe):
    project = make_project()
    engine.run(project, stages=("decouple",))
    with project.ledger() as ledger:
        asked = []
        ledger._sql.set_trace_callback(asked.append)
        desk.LedgerDesk(project, ledger, engine.Planner(project)).take("here:1:1:1", 2)
        ledger._sql.set_trace_callback(None)
        (query, *_) = [line for line in asked if "FROM items WHERE state = 'open'" in line]
        plan = " ".join(row["detail"] for row in ledger.rows(f"EXPLAIN QUERY PLAN {query}"))
    assert "items_next" in plan and "SCAN items" not in plan and "B-TREE" not in plan
