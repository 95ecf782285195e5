"""Work as it is taken and handed in: the few calls between workers and the ledger.

The desk of one machine is the ledger itself (`desk.LedgerDesk`), which each process opens. A distributed
engine keeps one desk beside the ledger and gives workers elsewhere an object with the same few calls.
Everything that passes between them can be pickled.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from holmesvau.engine.gates import Verdict
from holmesvau.engine.ledger import LedgerEvent, Stage
from holmesvau.types import AnomalyCurve, Span, VideoInfo

# A worker that was not heard of for so long has lost its items.
LEASE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Job:
    """One item to do. `path` is the video's file, `payload` what the plan says of it (`plan.py`).

    `tries` counts the answers that have failed; `remark` says why the last one did. `template` are our own
    sentences in the prompt.
    """

    key: str
    stage: Stage
    payload: Mapping[str, Any]
    path: str
    tries: int = 0
    remark: str = ""
    template: str = ""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a worker got. Without jobs: ask again after `wait` seconds, or, with None, there is nothing more
    to do now; `reason` says why, where something is left undone.
    """

    jobs: Sequence[Job] = ()
    wait: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Written:
    """An answer, with what the gates say. `parts` is None where it has not even its form."""

    key: str
    parts: Mapping[str, str] | None
    raw: str
    verdicts: Sequence[Verdict]
    provider: str
    model: str
    prompt: str
    tokens_in: int
    tokens_out: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Decoupled:
    """The events found in a video, by layer, and what is known of it now."""

    key: str
    video: str
    content: str
    info: VideoInfo
    layers: Mapping[str, Sequence[LedgerEvent]]
    clips: Sequence[Span] = ()
    curve: AnomalyCurve | None = None


@dataclass(frozen=True, kw_only=True)
class Undone:
    """An item that could not be done. `again`: it is open again, since the fault was not its own."""

    key: str
    problem: str
    again: bool


Outcome = Written | Decoupled | Undone


class Desk(Protocol):
    """What workers see of the ledger."""

    def take(self, owner: str, most: int) -> Taken:
        """Up to `most` items, leased to `owner`."""
        ...

    def renew(self, owner: str) -> None:
        """Say that `owner` is still at work."""
        ...

    def hand_in(self, owner: str, outcome: Outcome) -> None:
        """Keep an outcome; it is safe when this returns."""
        ...


def owner_name(number: int = 0, pid: int | None = None) -> str:
    """A worker's name that no other has: host, process (this one by default), its begin, a number."""
    process = os.getpid() if pid is None else pid
    return f"{socket.gethostname()}:{process}:{_began(process) or 0}:{number}"


def is_gone(owner: str) -> bool:
    """Whether the process behind a name is known to have ended; of another host's nothing is known."""
    host, pid, began, _ = owner.rsplit(":", 3)
    return host == socket.gethostname() and str(_began(int(pid)) or "") != began


def _began(pid: int) -> int | None:
    """When a process began, in the kernel's ticks: numbers of processes are used again. None once it is
    dead.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # A zombie has ended; its parent has only not looked yet.
        return None if fields[0] == "Z" else int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


def provider_of(stage: str) -> str:
    """Which of the settings decides about a stage: `caption`, `summary`, or `decouple`."""
    return {"caption": "caption", "event": "summary", "video": "summary"}.get(stage, "decouple")
