"""Is there room? Disk and memory are asked before the work starts; the sentence says how much it needs."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path

from holmesvau.errors import ModelError, OutputError

# Headers, configuration files, the tokenizer.
SMALL_FILES = 64 << 20


def require_disk(folder: Path, num_bytes: int) -> None:
    """Refuse to start where `num_bytes` do not fit beside `folder`.

    Raises:
        OutputError: saying how much is needed and how much there is.
    """
    where = folder
    while not where.exists() and where != where.parent:
        where = where.parent
    free = shutil.disk_usage(where).free
    needed = num_bytes + SMALL_FILES
    if free < needed:
        raise OutputError(
            f"{folder}: {gib(needed)} GiB of disk are needed there and {gib(free)} GiB are free. "
            f"Free space or give another folder."
        )


def require_memory(num_bytes: int, work: str, advice: str) -> None:
    """Refuse to start `work` where it would not fit into memory; `advice` is what to do then.

    Raises:
        ModelError: saying how much is needed and how much there is.
    """
    available = available_memory()
    if available is not None and available < num_bytes:
        raise ModelError(
            f"{work} needs {gib(num_bytes)} GiB of memory and {gib(available)} GiB are available. {advice}"
        )


def available_memory() -> int | None:
    """Bytes that this process can still get: the machine's, its control group's, and its own limit; None if
    unknown.
    """
    known = [found for found in (_machine(), _control_group(), _own_limit()) if found is not None]
    return min(known) if known else None


def gib(num_bytes: int) -> str:
    """Gibibytes, short."""
    return f"{num_bytes / 2**30:.2f}"


def _machine() -> int | None:
    return _field(Path("/proc/meminfo"), "MemAvailable:", 1024)


def _own_limit() -> int | None:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    used = _field(Path("/proc/self/status"), "VmSize:", 1024)
    return None if limit == resource.RLIM_INFINITY or used is None else max(0, limit - used)


def _control_group() -> int | None:
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used = (folder / "memory.max").read_text(), (folder / "memory.current").read_text()
        # Pages of files are counted as used, but are given up when memory is asked for.
        cached = _field(folder / "memory.stat", "file", 1) or 0
        return max(0, int(limit) - int(used) + cached)
    except (OSError, ValueError):
        return None


def _field(path: Path, name: str, unit: int) -> int | None:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    values = (line.split()[1] for line in lines if line.split()[:1] == [name])
    return next((int(value) * unit for value in values), None)
