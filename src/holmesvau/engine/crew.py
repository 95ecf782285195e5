"""Workers: in this process, or as processes of their own. A distributed engine is one more `Crew`."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from typing import Protocol

from holmesvau.engine.desk import LedgerDesk
from holmesvau.engine.labour import Labour
from holmesvau.engine.ledger import Stage
from holmesvau.engine.plan import Planner
from holmesvau.engine.project import Project, open_project
from holmesvau.engine.work import owner_name
from holmesvau.errors import HolmesError


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a worker is to do: the project, with the settings laid over it, and the stages."""

    folder: str
    overrides: Sequence[str]
    stages: Sequence[Stage]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A worker that has ended: `reason` is why something is left undone; `died` that it did not end by
    itself.
    """

    owner: str
    reason: str = ""
    died: bool = False


class Crew(Protocol):
    """Starts workers and hears of their end. Each works at a `Desk` until nothing is left to do."""

    def start(self, order: Order) -> str:
        """One more worker; its name as an owner of leases."""
        ...

    def ended(self, seconds: float) -> list[Ended]:
        """Those that have ended since, waiting so long for the first.

        Raises whatever a worker in this process has raised.
        """
        ...

    def stop(self) -> None:
        """Have all workers finish what is under way, and wait for that."""
        ...


class Here:
    """Workers as threads of this process; one is enough where all waiting is for servers."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._ends: dict[str, tuple[str, BaseException | None]] = {}

    def start(self, order: Order) -> str:
        """See `Crew.start`."""
        owner = owner_name(len(self._threads) + 1)

        def labour() -> None:
            try:
                self._ends[owner] = (_labour(order, owner, self._stop), None)
            except BaseException as error:  # noqa: BLE001 - raised again by `ended`
                self._ends[owner] = ("", error)

        self._threads[owner] = threading.Thread(target=labour, daemon=True)
        self._threads[owner].start()
        return owner

    def ended(self, seconds: float) -> list[Ended]:
        """See `Crew.ended`."""
        until = time.monotonic() + seconds
        for thread in self._threads.values():
            thread.join(max(0.0, until - time.monotonic()))
        found = []
        for owner in [owner for owner, thread in self._threads.items() if not thread.is_alive()]:
            del self._threads[owner]
            reason, error = self._ends.pop(owner)
            if error is not None:
                raise error
            found.append(Ended(owner=owner, reason=reason))
        return found

    def stop(self) -> None:
        """See `Crew.stop`."""
        self._stop.set()
        for thread in self._threads.values():
            thread.join()


class Processes:
    """Workers as processes. They end with this one, however that ends, after what they have under way."""

    def __init__(self) -> None:
        # Spawned, not forked: decoders' and torch's threads do not survive a fork.
        self._context = multiprocessing.get_context("spawn")
        self._running: dict[str, tuple[multiprocessing.process.BaseProcess, Pipe]] = {}

    def start(self, order: Order) -> str:
        """See `Crew.start`."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_process, args=(order, theirs))
        process.start()
        theirs.close()
        owner = owner_name(0, process.pid)
        self._running[owner] = (process, ours)
        return owner

    def ended(self, seconds: float) -> list[Ended]:
        """See `Crew.ended`."""
        sentinels = [process.sentinel for process, _ in self._running.values()]
        wait(sentinels, seconds)
        found = []
        for owner, (process, pipe) in list(self._running.items()):
            if process.exitcode is not None:
                found.append(self._end(owner, process, pipe))
        return found

    def stop(self) -> None:
        """See `Crew.stop`."""
        for _, pipe in self._running.values():
            pipe.close()
        for process, _ in self._running.values():
            process.join()
        self._running.clear()

    def _end(self, owner: str, process: multiprocessing.process.BaseProcess, pipe: Pipe) -> Ended:
        del self._running[owner]
        try:
            reason = str(pipe.recv()) if pipe.poll() else ""
        except EOFError:
            reason = ""
        pipe.close()
        return Ended(owner=owner, reason=reason, died=process.exitcode != 0)


def _process(order: Order, pipe: Pipe) -> None:
    """A worker's whole life."""
    # Ctrl-C is for the coordinator, which then has its workers finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = threading.Event()

    def listen() -> None:
        try:
            pipe.recv()
        except (EOFError, OSError):
            # The coordinator has hung up, or is no more.
            stop.set()

    threading.Thread(target=listen, daemon=True).start()
    try:
        reason = _labour(order, owner_name(0), stop)
    except HolmesError as error:
        reason = str(error)
    with contextlib.suppress(OSError):
        pipe.send(reason)
    # What is under way is done: nothing of the interpreter's end may keep the process.
    os._exit(0)


def _labour(order: Order, owner: str, stop: threading.Event) -> str:
    project = open_project(order.folder, order.overrides)
    with project.ledger() as ledger:
        return labour_at(project, LedgerDesk(project, ledger, Planner(project), order.stages), owner, stop)


def labour_at(project: Project, desk: LedgerDesk, owner: str, stop: threading.Event) -> str:
    """Work at a desk of this machine until nothing is left; why something is left undone, or ""."""
    return Labour(project, desk, owner, desk.planner.prompts["retry"], stop).work()
