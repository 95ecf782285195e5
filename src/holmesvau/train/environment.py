"""What a run runs on, for its record: versions, commit, device, threads, seeds."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "holmesvau",
    "torch",
    "numpy",
    "av",
    "onnxruntime",
    "transformers",
    "safetensors",
    "peft",
    "accelerate",
)


def describe(*, device: str, processes: int = 1, **seeds: int) -> dict[str, Any]:
    """JSON-able facts about this process; `seeds` are recorded under their names."""
    import torch

    device_name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.processor()
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {name: _version(name) for name in PACKAGES},
        "commit": _commit(),
        "device": device,
        "device_name": device_name,
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "processes": processes,
        "seeds": seeds,
    }


def peak_memory(device: str) -> int:
    """The most bytes this process has held: of the GPU's memory on one, else of the machine's."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the code that runs, with `+` where it was changed since; None outside a repository."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        # Fails where the package merely lies in somebody else's repository.
        subprocess.run(
            [*git, "ls-files", "--error-unmatch", Path(__file__).name], capture_output=True, check=True
        )
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run(
            [*git, "status", "--porcelain", "."], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")
