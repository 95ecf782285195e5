"""Work beside people: while they review, what their changes open up is done in a process of its own.

`run` does all that can be done now, and ends. Here it is begun again whenever there is something to do, so
that one sitting is enough: events are confirmed, their texts are written meanwhile, and those that fail a
gate join the queue of the same page. The process may be killed at any time; what it had handed in stays.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Literal

from holmesvau.engine.run import to_do
from holmesvau.errors import HolmesError

if TYPE_CHECKING:
    from holmesvau.engine.ledger import Ledger
    from holmesvau.engine.project import Project

log = logging.getLogger(__name__)

State = Literal["working", "idle", "hindered"]

_WATCH_SECONDS = 0.5
# What hindered a run is tried again after an edit of anybody, or after so long.
_AGAIN_SECONDS = 60.0
_END_SECONDS = 10.0


class Beside:
    """Runs of a project, one after another, from `start` to `close`.

    `state` is what is going on; `reason` says in a sentence why a run ended with work left ("" where none
    did).
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="beside", daemon=True)
        self.state: State = "working"
        self.reason = ""

    def start(self) -> None:
        """Begin with a run, then watch for what people open up."""
        self._thread.start()

    def close(self) -> None:
        """End the run that is under way; nothing that was handed in is lost."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        try:
            with self._project.ledger() as ledger:
                due = True
                while not self._stop.is_set():
                    if due:
                        self.state = "working"
                        self._run()
                        began, edits = time.monotonic(), _edits(ledger)
                        self.state = "hindered" if self.reason else "idle"
                    self._stop.wait(_WATCH_SECONDS)
                    again = _edits(ledger) != edits or time.monotonic() > began + _AGAIN_SECONDS
                    due = to_do(ledger) > 0 and (again or not self.reason)
        except HolmesError as error:
            self.state, self.reason = "hindered", str(error)
            log.warning("nothing more is done beside the review: %s", error)

    def _run(self) -> None:
        """One run, to its end or until people leave."""
        settings = [part for one in self._project.overrides for part in ("--set", one)]
        command = [sys.executable, "-m", "holmesvau", "annotate", "run", str(self._project.folder), "--quiet"]
        process = subprocess.Popen(
            [*command, *settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        while True:
            try:
                _, told = process.communicate(timeout=_WATCH_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if self._stop.is_set():
                    _ended(process)
                    return
        lines = [line for line in told.splitlines() if line.strip()]
        self.reason = "" if process.returncode == 0 else (lines or ["The run ended without a word."])[-1]
        if self.reason:
            log.warning("a run beside the review left work undone: %s", self.reason)


def _edits(ledger: Ledger) -> int:
    found = ledger.row("SELECT max(id) AS last FROM edits")
    assert found is not None
    return int(found["last"] or 0)


def _ended(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
